//! Jobs, queue and builds of the simulated Jenkins, and how they move.

use std::collections::BTreeMap;

use serde_json::json;

use crate::auto::Step;
use crate::hooks::signature;
use crate::vendor::Event;
use crate::world::Context;

/// Name of the vendor, its prefix.
pub(crate) const NAME: &str = "jenkins";
/// Parameter that carries the caller's correlation key; never part of a natural subject.
pub(crate) const KEY: &str = "DELIVR_KEY";
/// How long a new queue item waits for an executor.
const QUIET_MS: i64 = 150;
/// How long the queue remembers an item that left.
const REMEMBER_MS: i64 = 300_000;
/// Parameters that say what is built, in the order a subject names them.
const IDENTIFYING: [&str; 9] = [
    "PLATFORM",
    "VERSION",
    "BRANCH",
    "TAG",
    "REF",
    "SHA",
    "CYCLE",
    "BUILD_NUMBER",
    "ENVIRONMENT",
];

/// What a job's success means to the rest of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// An iOS build goes to App Store Connect.
    TestFlight,
    /// An Android bundle goes to Play's internal track.
    Bundle,
    /// Automated tests ran.
    Tests,
}

/// A declared parameter.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) default: String,
    pub(crate) choices: Vec<String>,
}

/// A job.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// Full name, folders separated by `/`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) buildable: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) next: u64,
    pub(crate) builds: Vec<Build>,
    /// Names of parameters that make up the natural subject.
    pub(crate) identified_by: Vec<String>,
}

/// An item of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) job: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) since: i64,
    pub(crate) subject: String,
    pub(crate) number: Option<u64>,
    pub(crate) cancelled: bool,
    pub(crate) left: Option<i64>,
}

/// A build.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) number: u64,
    pub(crate) queue_id: u64,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) subject: String,
    pub(crate) result: Option<String>,
    pub(crate) building: bool,
    pub(crate) started: i64,
    pub(crate) duration: i64,
    pub(crate) sha: String,
    pub(crate) branch: String,
    pub(crate) step: Step,
}

impl Build {
    /// Value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        value_of(&self.parameters, name)
    }

    /// Marketing version this build is of.
    pub(crate) fn version(&self) -> String {
        self.parameter("VERSION")
            .filter(|text| !text.is_empty())
            .unwrap_or("0.0.0")
            .to_owned()
    }

    /// Build number or version code this build carries: given by the caller, or Jenkins' own.
    pub(crate) fn build_number(&self) -> String {
        let given = self.parameter("BUILD_NUMBER").filter(|text| !text.is_empty());
        given.map_or_else(|| self.number.to_string(), str::to_owned)
    }
}

pub(crate) fn value_of<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// The simulated Jenkins.
#[derive(Debug)]
pub(crate) struct Jenkins {
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) queue: Vec<Item>,
    /// Nothing leaves the queue while set, as when no executor is free.
    pub(crate) hold: bool,
    pub(crate) next_item: u64,
}

fn job(name: &str, kind: Kind, next: u64, names: &[&str]) -> Job {
    let parameters = names.iter().map(|name| parameter(name)).collect();
    Job {
        name: name.to_owned(),
        kind,
        buildable: true,
        parameters,
        next,
        builds: Vec::new(),
        identified_by: IDENTIFYING.iter().map(|&name| name.to_owned()).collect(),
    }
}

pub(crate) fn parameter(name: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        default: String::new(),
        choices: Vec::new(),
    }
}

impl Jenkins {
    /// A Jenkins with the jobs that exist from the start.
    pub(crate) fn new() -> Self {
        let release = [
            "VERSION",
            "BRANCH",
            "TAG",
            "SHA",
            "PLATFORM",
            "CYCLE",
            "BUILD_NUMBER",
            "CALLBACK_URL",
            KEY,
        ];
        let mut plain = job("unparameterized", Kind::Plain, 1, &[]);
        plain.identified_by.clear();
        let jobs = [
            job("ios-prod", Kind::TestFlight, 41, &release),
            job("android-prod", Kind::Bundle, 101, &release),
            job("ios-regression", Kind::Plain, 11, &release),
            job("android-regression", Kind::Plain, 11, &release),
            job("automation", Kind::Tests, 1, &release),
            job("mobile/nightly", Kind::Plain, 1, &release),
            job("no-key", Kind::Plain, 1, &["VERSION", "BRANCH"]),
            plain,
        ];
        Self {
            jobs: jobs.into_iter().map(|job| (job.name.clone(), job)).collect(),
            queue: Vec::new(),
            hold: false,
            next_item: 1001,
        }
    }

    /// Adds a job as an action asks.
    pub(crate) fn add_job(&mut self, name: &str, kind: Kind, names: &[&str]) -> &mut Job {
        self.jobs
            .entry(name.to_owned())
            .or_insert_with(|| job(name, kind, 1, names))
    }

    /// Puts a request into the queue; `Err` carries the item it was folded into.
    pub(crate) fn enqueue(
        &mut self,
        ctx: &mut Context,
        job: &str,
        parameters: Vec<(String, String)>,
    ) -> Result<u64, u64> {
        let waiting = |item: &&Item| item.left.is_none() && item.job == job && item.parameters == parameters;
        if let Some(item) = self.queue.iter().find(waiting) {
            return Err(item.id);
        }
        let id = self.next_item;
        self.next_item += 1;
        let subject = self.subject(job, &parameters);
        let key = value_of(&parameters, KEY).filter(|text| !text.is_empty());
        ctx.effect(NAME, "trigger", &subject, key, json!({"job": job, "queueId": id}));
        let since = ctx.now();
        self.queue.push(Item {
            id,
            job: job.to_owned(),
            parameters,
            since,
            subject,
            number: None,
            cancelled: false,
            left: None,
        });
        Ok(id)
    }

    fn subject(&self, job: &str, parameters: &[(String, String)]) -> String {
        let names = self
            .jobs
            .get(job)
            .map(|job| job.identified_by.as_slice())
            .unwrap_or_default();
        names
            .iter()
            .filter_map(|name| Some((name, value_of(parameters, name)?)))
            .fold(job.to_owned(), |subject, (name, value)| {
                if value.is_empty() {
                    subject
                } else {
                    format!("{subject},{name}={value}")
                }
            })
    }

    /// Starts waiting items: those whose quiet time is over, or all of a job when asked to.
    pub(crate) fn start(&mut self, ctx: &mut Context, only: Option<&str>) -> usize {
        let now = ctx.now();
        let mut started = Vec::new();
        for item in self.queue.iter_mut().filter(|item| item.left.is_none()) {
            let due = match only {
                Some(job) => job == item.job || job == "all",
                None => !self.hold && now - item.since >= QUIET_MS,
            };
            let Some(job) = self.jobs.get_mut(&item.job).filter(|_| due) else {
                continue;
            };
            let branch = branch_of(&item.parameters);
            let build = Build {
                number: job.next,
                queue_id: item.id,
                parameters: item.parameters.clone(),
                subject: item.subject.clone(),
                result: None,
                building: true,
                started: now,
                duration: 0,
                sha: sha_of(ctx, &item.parameters, &branch),
                branch,
                step: Step::at(now),
            };
            job.next += 1;
            item.number = Some(build.number);
            item.left = Some(now);
            started.push((item.job.clone(), build.number));
            job.builds.push(build);
        }
        for (job, number) in &started {
            self.announce(ctx, job, *number);
        }
        self.queue
            .retain(|item| item.left.is_none_or(|left| now - left < REMEMBER_MS));
        started.len()
    }

    /// Ends a build; nothing happens to one that ended before.
    pub(crate) fn finish(&mut self, ctx: &mut Context, name: &str, number: u64, result: &str) -> bool {
        let Some(job) = self.jobs.get_mut(name) else {
            return false;
        };
        let running = |build: &&mut Build| build.number == number && build.building;
        let Some(build) = job.builds.iter_mut().find(running) else {
            return false;
        };
        build.building = false;
        build.result = Some(result.to_owned());
        build.duration = (ctx.now() - build.started).max(1);
        let passed = result == "SUCCESS";
        if !passed {
            ctx.spend(NAME, "trigger", &build.subject);
        }
        match job.kind {
            Kind::TestFlight if passed => ctx.emit(Event::IosBuild {
                version: build.version(),
                build: build.build_number(),
                bundle_id: build.parameter("BUNDLE_ID").map(str::to_owned),
            }),
            Kind::Bundle if passed => ctx.emit(Event::AndroidBundle {
                version: build.version(),
                version_code: build.build_number().parse().unwrap_or(1),
                package: build.parameter("PACKAGE_NAME").map(str::to_owned),
            }),
            Kind::Tests => ctx.emit(Event::TestsFinished {
                version: build.version(),
                passed,
            }),
            Kind::Plain | Kind::TestFlight | Kind::Bundle => {}
        }
        self.announce(ctx, name, number);
        true
    }

    /// Numbers of running builds of a job, or of one of its builds.
    pub(crate) fn running(&self, name: &str, number: Option<u64>) -> Vec<u64> {
        let builds = self
            .jobs
            .get(name)
            .map(|job| job.builds.as_slice())
            .unwrap_or_default();
        let wanted = |build: &&Build| build.building && number.is_none_or(|number| number == build.number);
        builds.iter().filter(wanted).map(|build| build.number).collect()
    }

    /// Lets quiet times and, in auto mode, builds end.
    pub(crate) fn advance_by_itself(&mut self, ctx: &mut Context) {
        self.start(ctx, None);
        let due: Vec<(String, u64)> = self
            .jobs
            .values()
            .flat_map(|job| job.builds.iter().map(|build| (job.name.clone(), build)))
            .filter(|(_, build)| build.building && ctx.due(NAME, build.step))
            .map(|(name, build)| (name, build.number))
            .collect();
        for (name, number) in due {
            self.finish(ctx, &name, number, "SUCCESS");
        }
    }

    /// What customers' notification steps post: build number, status and artifact, under a token and a signature.
    fn announce(&self, ctx: &mut Context, name: &str, number: u64) {
        let Some(job) = self.jobs.get(name) else { return };
        let Some(build) = job.builds.iter().find(|build| build.number == number) else {
            return;
        };
        let status = build.result.clone().unwrap_or_else(|| "STARTED".to_owned());
        let url = format!("{}/jenkins{}{}/", ctx.base, job_path(name), number);
        let artifact = build.result.as_deref().filter(|result| *result == "SUCCESS");
        let artifact = artifact.map(|_| format!("{url}artifact/{}", artifact_path(job, build)));
        let body = json!({
            "job": name,
            "buildNumber": number,
            "status": status,
            "buildUrl": url,
            "artifactUrl": artifact,
            "queueId": build.queue_id,
            "delivrKey": build.parameter(KEY),
        });
        let body = body.to_string().into_bytes();
        for (target, secret) in ctx.receivers(NAME) {
            let headers = vec![
                ("x-delivr-token".to_owned(), secret.clone()),
                (
                    "x-delivr-signature".to_owned(),
                    format!("sha256={}", signature(&secret, &body)),
                ),
            ];
            ctx.send(NAME, &target, headers, body.clone());
        }
    }
}

/// `/job/A/job/B/` for the job `A/B`.
pub(crate) fn job_path(name: &str) -> String {
    name.split('/')
        .fold(String::from("/"), |path, part| format!("{path}job/{part}/"))
}

/// Path of the built file below `artifact/`.
pub(crate) fn artifact_path(job: &Job, build: &Build) -> String {
    let extension = match job.kind {
        Kind::TestFlight => "ipa",
        Kind::Bundle => "aab",
        Kind::Plain | Kind::Tests => "zip",
    };
    let name = job.name.rsplit('/').next().unwrap_or_default();
    format!(
        "out/{name}-{}-{}.{extension}",
        build.version(),
        build.build_number()
    )
}

fn branch_of(parameters: &[(String, String)]) -> String {
    let given = |name: &str| value_of(parameters, name).filter(|text| !text.is_empty());
    match (given("TAG"), given("BRANCH").or_else(|| given("REF"))) {
        (Some(tag), _) => format!("refs/tags/{}", tag.trim_start_matches("refs/tags/")),
        (None, Some(branch)) => format!("refs/heads/{}", branch.trim_start_matches("refs/heads/")),
        (None, None) => "refs/heads/main".to_owned(),
    }
}

fn sha_of(ctx: &Context, parameters: &[(String, String)], branch: &str) -> String {
    let given = value_of(parameters, "SHA").filter(|text| text.len() == 40);
    given
        .map(str::to_owned)
        .or_else(|| ctx.refs.get(branch).cloned())
        .unwrap_or_else(|| ctx.ids.hash(&format!("commit of {branch}"), 40))
}
