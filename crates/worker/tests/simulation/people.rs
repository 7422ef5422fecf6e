//! The people of a run: they start, approve, upload, retry and submit, and in bad weather they also get in the way.

use crate::check::{at_once, state_of};
use crate::plan::{VENDORS, slot, tenant};
use crate::shared::Shared;
use crate::store::FaultStore;
use crate::time::{SimClock, lock, seconds};
use delivr_app::apply::{self, ApplyError, Delivery, Wish};
use delivr_domain::aggregate::{Aggregate, Command as Any};
use delivr_domain::board::{Owner as _, Task, TaskState};
use delivr_domain::effect::{FactKind, ReleaseTiming};
use delivr_domain::key::{AggregateId, TaskKind};
use delivr_domain::plan::{BuildMode, GatedStage, MissedSlot, SubmitMode};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::store::{Directory as _, Fact};
use delivr_domain::release::command::{Command, Force, Rejection};
use delivr_domain::release::gate::{self, Context};
use delivr_domain::release::hold::{Hold, Scope};
use delivr_domain::release::state::{Decision, Release, Stage, Verdict};
use delivr_domain::release::work;
use delivr_domain::report::{Outcome, Report, ReviewWord, RunProduct};
use delivr_domain::rollout::{self, Rollout, Status};
use delivr_domain::submission::{self, Submission};
use delivr_domain::time::Span;
use std::sync::Arc;
use std::time::Duration;

pub struct People {
    pub shared: Arc<Shared>,
    pub store: FaultStore,
    pub clock: SimClock,
    pub releases: Vec<AggregateId>,
}

type Act = (AggregateId, Any);

/// Why a release that is not over waits, in words a person can act on; none when nobody is asked.
pub fn reasons(release: &Release) -> Vec<String> {
    let mut all: Vec<String> = delivr_domain::release::hold::holds(release)
        .iter()
        .map(|hold| format!("{} {hold:?}", hold.word()))
        .collect();
    for task in release.board.iter() {
        if let TaskState::AwaitingManual { what } = &task.state {
            all.push(what.sentence.clone());
        }
    }
    all
}

impl People {
    pub async fn live(self) {
        loop {
            let pause = self.shared.dice(|dice| dice.millis(5_000, 150_000));
            self.shared.time.after(pause).await;
            if !self.shared.calm() {
                self.weather();
            }
            let Some(release) = self.shared.dice(|dice| dice.pick(self.releases.clone())) else {
                return;
            };
            let Some(Aggregate::Release(state)) = state_of(&self.store.inner, release) else {
                continue;
            };
            let mut acts = self.sensible(&state).await;
            if self.shared.trouble(300) {
                acts = self.meddling(&state);
            }
            if let Some((id, command)) = self.shared.dice(|dice| dice.pick(acts)) {
                self.act(id, &command).await;
            }
        }
    }

    async fn act(&self, id: AggregateId, command: &Any) {
        let who = self.shared.dice(|dice| dice.between(1, 4));
        let actor = format!("person {who}");
        let wish = Wish {
            tenant: tenant(),
            command,
            actor: &actor,
            expected: None,
            remember: None,
        };
        let outcome = apply::command(&self.store, &self.clock, id, &wish).await;
        let said = match &outcome {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        self.shared.note(format!("{actor} on {id}: {command:?}: {said}"));
        if let Err(ApplyError::Missing(_) | ApplyError::Rejected(Rejection::Missing(_))) = outcome {
            self.shared.wrong(format!("{command:?} names nothing: {said}"));
        }
    }

    /// Trouble that lasts a while.
    fn weather(&self) {
        let now = self.shared.now();
        let (what, span) = self
            .shared
            .dice(|dice| (dice.between(0, 100), dice.millis(10_000, 600_000)));
        let vendor = || {
            self.shared
                .dice(|dice| dice.pick(VENDORS.to_vec()))
                .unwrap()
                .0
                .to_owned()
        };
        let mut world = lock(&self.shared.world);
        match what {
            0..4 => {
                let name = vendor();
                self.shared.note(format!("{name} refuses our token"));
                world.refuses_until.insert(name, now + span);
            }
            4..9 => {
                let name = vendor();
                self.shared.note(format!("{name} is down"));
                world.down_until.insert(name, now + span);
            }
            9..11 => {
                self.shared.note("the database is down");
                *lock(&self.shared.store_down_until) = now + span / 6;
            }
            11..14 => world.push("main"),
            14..16 => {
                let branch = self.shared.dice(|dice| dice.between(4, 6));
                world.push(&format!("release/1.{branch}.0"));
            }
            _ => {}
        }
    }

    /// What helps the release on.
    async fn sensible(&self, release: &Release) -> Vec<Act> {
        let id = release.aggregate_id();
        let mut acts: Vec<Act> = Vec::new();
        let mut say = |command| acts.push((id, Any::Release(command)));
        for hold in &release.holds {
            match hold {
                Hold::UserPaused { .. } => say(Command::Resume),
                Hold::Blocked { .. } => say(Command::Unblock),
                Hold::Quarantine { .. }
                | Hold::TaskFailed { .. }
                | Hold::IntegrationInvalid { .. }
                | Hold::AwaitingApproval { .. } => {}
            }
        }
        for (task, cause) in release.failures() {
            match cause.integration {
                Some(integration) => say(Command::IntegrationRestored { integration }),
                None if cause.code == "step_not_formed" => say(Command::SkipTask {
                    task: task.key,
                    reason: "cannot be formed".to_owned(),
                }),
                None => say(Command::RetryTask {
                    task: task.key,
                    force: Force::No,
                }),
            }
        }
        if !release.terminal() {
            for task in release.board.iter() {
                if matches!(task.state, TaskState::AwaitingManual { .. }) {
                    say(self.by_hand(release, task));
                }
            }
        }
        let gate = match release.stage {
            Stage::NotStarted if self.shared.trouble(100) => {
                say(Command::Start);
                None
            }
            Stage::Regression if release.active_cycle().is_none() && release.slots.is_empty() => {
                say(Command::StartCycle);
                None
            }
            Stage::AwaitingRegression => Some(GatedStage::Regression),
            Stage::AwaitingPreRelease => Some(GatedStage::PreRelease),
            Stage::AwaitingDistribution => Some(GatedStage::Distribution),
            Stage::NotStarted
            | Stage::Kickoff
            | Stage::Regression
            | Stage::PreRelease
            | Stage::Distribution
            | Stage::Completed
            | Stage::RolledBack
            | Stage::Archived => None,
        };
        if let Some(stage) = gate
            && !release.released.contains(&stage)
        {
            let command = self.at_gate(release, stage).await;
            acts.extend(command.map(|command| (id, Any::Release(command))));
        }
        let children = at_once(self.store.inner.children(tenant(), release.draft.id.uuid())).unwrap();
        for row in children {
            match apply::read_state(&row).unwrap() {
                Aggregate::Submission(it) => acts.extend(self.on_submission(&it)),
                Aggregate::Rollout(it) => acts.extend(self.on_rollout(&it)),
                Aggregate::Release(_) => {}
            }
        }
        acts
    }

    fn by_hand(&self, release: &Release, task: &Task) -> Command {
        if !work::makes_build(task.key.kind) {
            return Command::CompleteTask {
                task: task.key,
                reason: "done by hand".to_owned(),
                reference: None,
            };
        }
        let cycle = release.cycles.iter().find(|it| Some(it.number) == task.key.cycle);
        let sha = match cycle {
            Some(cycle) => cycle.sha.clone(),
            None if task.key.kind == TaskKind::TriggerPreRegressionBuilds => release.base_sha.clone(),
            None => release.judged_cycle().and_then(|it| it.sha.clone()),
        };
        let number = {
            let mut world = lock(&self.shared.world);
            let number = world.number().to_string();
            // A build that people make for a store is uploaded there as well.
            world.stores.built(task.key.target, &number, self.shared.now());
            number
        };
        Command::UploadBuild {
            task: task.key,
            product: RunProduct {
                sha,
                build_number: Some(number),
                ..RunProduct::default()
            },
        }
    }

    /// Reads the gate's facts, as the API does before a trigger, and does what clears the first blocker.
    async fn at_gate(&self, release: &Release, stage: GatedStage) -> Option<Command> {
        let id = release.aggregate_id();
        for kind in gate::facts_needed(release, stage) {
            let value = match kind {
                FactKind::BranchHead => release
                    .branch
                    .as_ref()
                    .and_then(|branch| lock(&self.shared.world).resolve(branch))
                    .map_or_else(|| "missing".to_owned(), |sha| sha.to_string()),
                FactKind::TicketsApproved => {
                    // The people approve them while they are at it.
                    for ticket in &mut lock(&self.shared.world).tickets {
                        ticket.good = true;
                    }
                    "approved".to_owned()
                }
            };
            let fact = Fact {
                value,
                observed_at: self.clock.now(),
            };
            let delivery = Delivery {
                to: id,
                report: &Report::Tick,
                claim: None,
                fact: Some((kind, fact)),
                tenant: None,
            };
            apply::report(&self.store, &self.clock, &delivery).await.ok()?;
        }
        let Some(Aggregate::Release(release)) = state_of(&self.store.inner, id) else {
            return None;
        };
        let facts = at_once(self.store.inner.read_facts(id)).unwrap();
        let cx = Context {
            now: self.clock.now(),
            actor: "person",
            facts: &facts,
        };
        let blockers = gate::blockers(&release, stage, &cx);
        let trigger = |why: Option<&str>| Command::Trigger {
            stage,
            override_reason: why.map(ToOwned::to_owned),
        };
        let Some(first) = blockers.first() else {
            return (!release.plan().auto_start.contains(&stage)).then(|| trigger(None));
        };
        let cycle = release.judged_cycle().map(|it| it.number);
        match first.code.as_str() {
            "approval_missing" => Some(Command::Decide {
                stage,
                decision: if self.shared.trouble(100) {
                    Decision::Rejected
                } else {
                    Decision::Approved
                },
                comment: None,
            }),
            "no_cycle" | "untested_commits" => Some(Command::StartCycle),
            "verdict_failed" | "verdict_unknown" => Some(Command::RecordVerdict {
                cycle: cycle?,
                verdict: Verdict::Passed,
                note: "looked at it".to_owned(),
            }),
            "cycle_active" | "gate_not_evaluated" | "tickets_not_approved" => None,
            _ => Some(trigger(Some("known"))),
        }
    }

    fn on_submission(&self, it: &Submission) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut say = |command| acts.push((it.aggregate_id(), Any::Submission(command)));
        if it.terminal() {
            return acts;
        }
        if it.start.settings.submit == SubmitMode::ByPerson && !it.submit_asked {
            say(submission::Command::Submit);
        }
        let waits = it.start.settings.timing != ReleaseTiming::AfterApproval && !it.release_asked;
        if it.status == ReviewWord::Approved && waits {
            say(submission::Command::Release);
        }
        for task in it.board().iter().filter(|task| task.failure().is_some()) {
            say(submission::Command::Retry { task: task.key });
        }
        if self.shared.trouble(40) {
            say(submission::Command::Cancel);
        }
        acts
    }

    fn on_rollout(&self, it: &Rollout) -> Vec<Act> {
        let mut acts = Vec::new();
        let reason = || "people".to_owned();
        let mut say = |command| acts.push((it.aggregate_id(), Any::Rollout(command)));
        if it.terminal() {
            return acts;
        }
        for task in it.board().iter().filter(|task| task.failure().is_some()) {
            say(rollout::Command::Retry { task: task.key });
        }
        match it.status {
            Status::Paused | Status::Halted => say(rollout::Command::Resume { reason: reason() }),
            Status::Active => {
                say(rollout::Command::Advance {
                    bps: None,
                    reason: reason(),
                });
                say(rollout::Command::Complete { reason: reason() });
                if self.shared.trouble(200) {
                    say(rollout::Command::Pause { reason: reason() });
                    say(rollout::Command::Halt { reason: reason() });
                }
            }
            Status::Completed => {}
        }
        acts
    }

    /// What gets in the way, but is allowed.
    fn meddling(&self, release: &Release) -> Vec<Act> {
        let id = release.aggregate_id();
        let mut acts: Vec<Act> = Vec::new();
        let mut say = |command| acts.push((id, Any::Release(command)));
        say(Command::Pause { note: None });
        let scope = if self.shared.trouble(500) {
            Scope::Everything
        } else {
            Scope::Staging
        };
        say(Command::Block {
            reason: "in the way".to_owned(),
            scope,
        });
        if let Some(cycle) = release.active_cycle() {
            say(Command::AbandonCycle {
                cycle: cycle.number,
                reason: "wrong commit".to_owned(),
            });
        } else {
            say(Command::StartCycle);
        }
        let (number, minutes) = self
            .shared
            .dice(|dice| (dice.next(), i64::try_from(dice.between(1, 90)).unwrap()));
        let after = Span::from_std(self.shared.now()).unwrap() + Span::minutes(minutes);
        say(Command::AddSlot {
            slot: self
                .shared
                .dice(|dice| slot(u128::from(number), after, MissedSlot::RunLate, dice)),
        });
        if let Some(slot) = release.slots.keys().next() {
            say(Command::RemoveSlot { slot: *slot });
        }
        for task in release.board.iter() {
            let unsure = matches!(
                task.state,
                TaskState::Failed {
                    outcome: Outcome::Unknown,
                    ..
                }
            );
            // Without a store build there is nothing to ship; whoever overrides that gate ships nothing.
            let shipped = matches!(
                task.key.kind,
                TaskKind::TriggerTestFlightBuild | TaskKind::CreateAabBuild
            );
            if !shipped && (unsure || (task.failure().is_some() && self.shared.trouble(200))) {
                say(Command::SkipTask {
                    task: task.key,
                    reason: "not needed".to_owned(),
                });
            }
        }
        let targets: Vec<_> = release.plan().targets.keys().copied().collect();
        if let Some(target) = self.shared.dice(|dice| dice.pick(targets))
            && self.shared.trouble(200)
        {
            let manual = self.shared.trouble(500);
            say(Command::ChangeBuildMode {
                target,
                mode: if manual {
                    BuildMode::Manual
                } else {
                    BuildMode::Pipeline
                },
            });
        }
        let begun = matches!(
            release.stage,
            Stage::PreRelease | Stage::AwaitingDistribution | Stage::Distribution
        );
        if begun {
            let far = self.shared.trouble(500);
            say(Command::Rework {
                to: if far {
                    GatedStage::Regression
                } else {
                    GatedStage::PreRelease
                },
                reason: "the build is bad".to_owned(),
            });
        }
        let mut plan = release.plan().clone();
        if !plan.auto_start.remove(&GatedStage::Distribution) {
            plan.auto_start.insert(GatedStage::Distribution);
        }
        if self.shared.trouble(200) {
            say(Command::Replan { plan: Box::new(plan) });
        }
        if self.shared.trouble(8) {
            say(Command::Archive {
                reason: "not now".to_owned(),
                close_tickets: true,
                delete_branch: true,
            });
        }
        acts
    }
}

/// How long people get, after the weather has cleared, to bring everything to its end.
pub const PATIENCE: Duration = seconds(8 * 24 * 3_600);
