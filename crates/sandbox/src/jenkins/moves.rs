//! How queue items and builds move, and who is told.

use serde_json::json;

use super::state::{Build, Jenkins, KEY, Kind, NAME, artifact_path, job_path, value_of};
use crate::auto::Step;
use crate::hooks::signature;
use crate::vendor::Event;
use crate::world::Context;

/// How long a new queue item waits for an executor.
const QUIET_MS: i64 = 150;
/// How long the queue remembers an item that left.
const REMEMBER_MS: i64 = 300_000;
impl Jenkins {
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
                platform: build
                    .parameter("PLATFORM")
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned),
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
