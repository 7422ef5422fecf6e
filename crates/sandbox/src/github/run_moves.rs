//! How runs move, what their ends mean to the rest of the world, and who is told.

use super::runs::{Artifact, Run};
use super::state::{GitHub, NAME};
use super::workflows::Kind;
use crate::auto::Step;
use crate::vendor::Event;
use crate::world::Context;

/// How long a new run waits for a runner.
const QUIET_MS: i64 = 150;

impl GitHub {
    /// Ends a run; nothing happens to one that ended before.
    pub(super) fn finish(&mut self, ctx: &mut Context, id: u64, conclusion: &str) -> bool {
        let running = |run: &&mut Run| run.id == id && run.status != "completed";
        let Some(run) = self.actions.runs.iter_mut().find(running) else {
            return false;
        };
        let now = ctx.now();
        run.status = "completed".to_owned();
        run.conclusion = Some(conclusion.to_owned());
        run.updated = now;
        let passed = conclusion == "success";
        if !passed {
            ctx.spend(NAME, "dispatch", &run.subject);
        }
        let kind = self
            .actions
            .workflows
            .iter()
            .find(|it| it.id == run.workflow)
            .map_or(Kind::Plain, |it| it.kind);
        let extension = match kind {
            Kind::TestFlight => "ipa",
            Kind::Bundle => "aab",
            Kind::Plain | Kind::Tests => "zip",
        };
        let stem = run.file.split('.').next().unwrap_or_default().to_owned();
        if passed {
            let names = [
                format!("{stem}-{}.{extension}", run.version()),
                format!("build-number-{}", run.build_number()),
            ];
            for name in names {
                run.artifacts.push(Artifact {
                    id: 4_000_000_000 + ctx.ids.next("github artifact"),
                    name,
                    expired: false,
                    created: now,
                });
            }
        }
        match kind {
            Kind::TestFlight if passed => ctx.emit(Event::IosBuild {
                version: run.version(),
                build: run.build_number(),
                bundle_id: None,
            }),
            Kind::Bundle if passed => ctx.emit(Event::AndroidBundle {
                version: run.version(),
                version_code: run.build_number().parse().unwrap_or(1),
                package: None,
            }),
            Kind::Tests => ctx.emit(Event::TestsFinished {
                version: run.version(),
                platform: run.input("platform").map(str::to_owned),
                passed,
            }),
            Kind::Plain | Kind::TestFlight | Kind::Bundle => {}
        }
        let run = run.clone();
        self.notify_run(ctx, "completed", &run);
        true
    }

    /// Runs an ended run once more, under its own id.
    pub(super) fn rerun(&mut self, ctx: &mut Context, id: u64) -> Option<u64> {
        let now = ctx.now();
        let ended = |run: &&mut Run| run.id == id && run.status == "completed";
        let run = self.actions.runs.iter_mut().find(ended)?;
        run.attempt += 1;
        run.status = "queued".to_owned();
        run.conclusion = None;
        (run.started, run.updated, run.step) = (now, now, Step::at(now));
        let run = run.clone();
        self.notify_run(ctx, "requested", &run);
        Some(run.attempt)
    }

    /// Gives runners to runs that wait: to those that waited long enough, or to all of a workflow.
    pub(super) fn begin_runs(&mut self, ctx: &mut Context, only: Option<&str>) -> usize {
        let (now, hold) = (ctx.now(), self.actions.hold);
        let mut begun = Vec::new();
        for run in self.actions.runs.iter_mut().filter(|run| run.status == "queued") {
            let due = match only {
                Some(file) => file == run.file || file == "all",
                None => !hold && now - run.started >= QUIET_MS,
            };
            if due {
                run.status = "in_progress".to_owned();
                (run.updated, run.step) = (now, Step::at(now));
                begun.push(run.clone());
            }
        }
        for run in &begun {
            self.notify_run(ctx, "in_progress", run);
        }
        begun.len()
    }

    /// Lets runs start and, in auto mode, end.
    pub(super) fn move_runs(&mut self, ctx: &mut Context) {
        self.begin_runs(ctx, None);
        let running = self.actions.runs.iter().filter(|run| run.status == "in_progress");
        let due: Vec<u64> = running
            .filter(|run| ctx.due(NAME, run.step))
            .map(|run| run.id)
            .collect();
        for id in due {
            self.finish(ctx, id, "success");
        }
    }
}
