//! Jobs, queue and builds of the simulated Jenkins.

use std::collections::BTreeMap;

use serde_json::json;

use crate::auto::Step;
use crate::world::Context;

/// Name of the vendor, its prefix.
pub(crate) const NAME: &str = "jenkins";
/// Parameter that carries the caller's correlation key; never part of a natural subject.
pub(crate) const KEY: &str = "DELIVR_KEY";
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
