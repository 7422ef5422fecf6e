//! The people of a run: they start, approve, upload, retry and submit, and in bad weather they also get in the way.

use crate::check::{at_once, state_of};
use crate::client::{Client, Request};
use crate::plan::{VENDORS, slot, tenants};
use crate::shared::{Cry, Shared};
use crate::store::FaultStore;
use crate::stores::ANOTHER_BUILD;
use crate::time::{lock, seconds};
use crate::weather::Kind;
use delivr_app::apply::ApplyError;
use delivr_app::usecases::{integrations, releases};
use delivr_domain::aggregate::{Aggregate, Command as Any};
use delivr_domain::board::{Owner as _, Task, TaskState};
use delivr_domain::effect::{Effect, FactKind, Operation, Reference, ReleaseTiming, ScmWrite, StoreVersion};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, TargetKey, TaskKey, TaskKind};
use delivr_domain::names::Sha;
use delivr_domain::plan::{BuildMode, GatedStage, MissedSlot, SubmitMode};
use delivr_domain::ports::store::Directory as _;
use delivr_domain::release::command::{Command, Force, Rejection};
use delivr_domain::release::gate::{self, Context};
use delivr_domain::release::hold::{Hold, Scope};
use delivr_domain::release::state::{Decision, Draft, Release, Stage, Verdict};
use delivr_domain::release::work;
use delivr_domain::report::{Outcome, ReviewWord, RunProduct};
use delivr_domain::rollout::{self, Rollout, Status};
use delivr_domain::submission::{self, Submission};
use delivr_domain::time::Span;
use delivr_testkit::conformance::store::samples::stop_by;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

pub struct People {
    pub shared: Arc<Shared>,
    pub store: FaultStore,
    pub client: Client,
    /// What they order once, while they are at it.
    pub order: Option<Box<Draft>>,
}

/// What somebody does next.
enum Act {
    /// A request to one aggregate.
    Ask(AggregateId, Any),
    /// An integration is tried again: what failed with it goes on.
    Verify(IntegrationId),
    /// Something under the name is in the way at the vendor: it is taken away.
    Remove(String),
    /// A branch that somebody took away is made again.
    Put(String, Sha),
    /// A version that stands in the App Store with another build is taken off by hand.
    TakeOff(TargetKey, StoreVersion),
    /// A branch is made by hand, and named to the release.
    Fork(AggregateId, TaskKey),
}

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

const fn in_scm(kind: TaskKind) -> bool {
    matches!(
        kind,
        TaskKind::ForkBranch | TaskKind::CreateRcTag | TaskKind::CreateReleaseTag
    )
}

/// Whether the command names something that others may have used up meanwhile.
const fn is_of_a_moment(command: &Any) -> bool {
    matches!(command, Any::Release(Command::RemoveSlot { .. }))
}

impl People {
    pub async fn live(mut self) {
        loop {
            let most = if self.shared.calm() { 600_000 } else { 150_000 };
            let pause = self.shared.dice(|dice| dice.millis(5_000, most));
            if let Some((release, cry)) = self.rest(pause).await {
                self.at_once(release, cry).await;
                continue;
            }
            if !self.shared.calm() {
                self.weather();
            }
            self.stop_switch().await;
            if let Some(draft) = self.order.take() {
                let tenant = draft.tenant;
                let made = self.client.ask(tenant, 1, &Request::Create(draft)).await;
                self.shared.note(format!("an order: {made:?}"));
            }
            let releases = lock(&self.shared.releases).clone();
            let Some(release) = self.shared.dice(|dice| dice.pick(releases)) else {
                continue;
            };
            let Some(Aggregate::Release(state)) = self.state(release) else {
                continue;
            };
            let mut acts = self.sensible(&state).await;
            if self.shared.trouble(300) {
                acts = self.meddling(&state);
            }
            if let Some(act) = self.shared.dice(|dice| dice.pick(acts)) {
                self.act(&state, act).await;
            }
        }
    }

    /// Waits, but not when somebody cries.
    async fn rest(&self, pause: Duration) -> Option<(AggregateId, Cry)> {
        let mut over = pin!(self.shared.time.after(pause));
        poll_fn(|context| {
            let mut alarm = lock(&self.shared.alarm);
            if let Some(cry) = alarm.cry.take() {
                return Poll::Ready(Some(cry));
            }
            if !alarm.waiting.iter().any(|it| it.will_wake(context.waker())) {
                alarm.waiting.push(context.waker().clone());
            }
            drop(alarm);
            over.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Somebody who cannot wait.
    async fn at_once(&self, id: AggregateId, cry: Cry) {
        let soon = self.shared.dice(|dice| dice.millis(200, 3_000));
        self.shared.time.after(soon).await;
        let Some(Aggregate::Release(release)) = self.state(id) else {
            return;
        };
        let command = match cry {
            Cry::Again(task) => Command::RetryTask {
                task,
                force: Force::No,
            },
            Cry::Abandon(cycle) => Command::AbandonCycle {
                cycle,
                reason: "not this one".to_owned(),
            },
        };
        self.act(&release, Act::Ask(id, Any::Release(command))).await;
    }

    /// What they see on their pages.
    fn state(&self, id: AggregateId) -> Option<Aggregate> {
        let last = lock(&self.shared.checker).last(id);
        last.or_else(|| state_of(&self.store.inner, id))
    }

    async fn act(&self, release: &Release, act: Act) {
        let tenant = release.draft.tenant;
        let who = self.shared.dice(|dice| dice.between(1, 4));
        match act {
            Act::Ask(id, command) => {
                let request = Request::Command(id, command.clone());
                let outcome = self.client.ask(tenant, who, &request).await;
                let said = match &outcome {
                    Ok(answer) => answer.clone(),
                    Err(error) => error.to_string(),
                };
                self.shared
                    .note(format!("person {who} on {id}: {command:?}: {said}"));
                let nothing = matches!(
                    outcome,
                    Err(ApplyError::Missing(_) | ApplyError::Rejected(Rejection::Missing(_)))
                );
                // Somebody else may have taken it away between looking and asking, but not the release itself.
                if nothing && !is_of_a_moment(&command) {
                    self.shared.wrong(format!("{command:?} names nothing: {said}"));
                }
            }
            Act::Verify(id) => {
                let actor = format!("person {who}");
                let verified = integrations::verify(&self.client.app, tenant, id, &actor).await;
                let said = match verified {
                    Ok(row) => row.status.word().to_owned(),
                    Err(error) => error.to_string(),
                };
                self.shared.note(format!("person {who} verifies {id}: {said}"));
            }
            Act::Remove(name) => {
                self.shared.note(format!("person {who} removes {name}"));
                lock(&self.shared.world).refs.remove(&name);
            }
            Act::Put(name, sha) => {
                self.shared.note(format!("person {who} makes {name} again"));
                lock(&self.shared.world).refs.entry(name).or_insert(sha);
            }
            Act::TakeOff(target, version) => {
                self.shared
                    .note(format!("person {who} takes {} off {target}", version.version));
                lock(&self.shared.world).stores.take_off(target, &version);
            }
            Act::Fork(id, task) => self.fork(release, id, task, who).await,
        }
    }

    /// Makes the branch by hand, has it looked up, and says so.
    async fn fork(&self, release: &Release, id: AggregateId, task: TaskKey, who: u64) {
        let (Some(branch), Some(sha)) = (release.branch_name(), release.base_sha.clone()) else {
            return;
        };
        let name = format!("heads/{branch}");
        lock(&self.shared.world).refs.entry(name).or_insert(sha);
        let reference = Reference::id(branch.as_str());
        let tenant = release.draft.tenant;
        let checked = releases::check_by_hand(&self.client.app, tenant, release, &task, &reference).await;
        self.shared
            .note(format!("person {who} made {branch} by hand: {checked:?}"));
        if checked.is_ok() {
            let command = Any::Release(Command::CompleteTask {
                task,
                reason: "made by hand".to_owned(),
                reference: Some(reference),
                force: Force::No,
            });
            let request = Request::Command(id, command);
            let said = self.client.ask(tenant, who, &request).await;
            self.shared.note(format!("person {who} says so: {said:?}"));
        }
    }

    /// Somebody stops a tenant, or everything, for a while.
    async fn stop_switch(&self) {
        let stopped: Vec<_> = lock(&self.shared.stopped).iter().copied().collect();
        let store = &self.client.app.store;
        if let Some(who) = self.shared.dice(|dice| dice.pick(stopped)) {
            if self.shared.calm() || self.shared.dice(|dice| dice.chance(250)) {
                let lifted = store.set_stop(who, None).await.is_ok();
                self.shared.note(format!("{who:?} may go on: {lifted}"));
            }
        } else if self.shared.rarely(12) {
            let who = if self.shared.dice(|dice| dice.chance(300)) {
                self.shared.met(Kind::StoppedAll);
                None
            } else {
                self.shared.met(Kind::Stopped);
                let tenants = tenants().to_vec();
                self.shared.dice(|dice| dice.pick(tenants))
            };
            let done = store.set_stop(who, Some(stop_by("stop"))).await.is_ok();
            self.shared.note(format!("{who:?} is stopped: {done}"));
        }
    }

    /// Trouble that lasts a while.
    fn weather(&self) {
        let now = self.shared.now();
        let (what, span) = self
            .shared
            .dice(|dice| (dice.between(0, 100), dice.millis(10_000, 600_000)));
        let mut dice = lock(&self.shared.dice);
        let name = dice.pick(VENDORS.to_vec()).unwrap().0.to_owned();
        let mut world = lock(&self.shared.world);
        match what {
            0..4 => {
                self.shared.met(Kind::TokenRefused);
                self.shared.note(format!("{name} refuses our token"));
                world.refuses_until.insert(name, now + span);
            }
            4..9 => {
                self.shared.met(Kind::VendorDown);
                self.shared.note(format!("{name} is down"));
                world.down_until.insert(name, now + span);
            }
            9..11 => {
                self.shared.met(Kind::DatabaseDown);
                self.shared.note("the database is down");
                *lock(&self.shared.store_down_until) = now + span / 6;
            }
            16..22 => {
                if let Some(what) = world.stores.console(now, &mut dice) {
                    self.shared.met(Kind::Console);
                    self.shared.note(format!("in the store's console: {what}"));
                }
            }
            11..14 => world.push("main"),
            14..16 => {
                let branch = format!("release/1.{}.0", dice.between(4, 7));
                world.push(&branch);
                world.tell("git", now, Vec::new(), vec![branch], &mut dice, false);
            }
            _ => {}
        }
    }

    /// What helps the release on.
    async fn sensible(&self, release: &Release) -> Vec<Act> {
        let id = release.aggregate_id();
        let mut acts: Vec<Act> = Vec::new();
        let mut more: Vec<Act> = Vec::new();
        let mut say = |command| acts.push(Act::Ask(id, Any::Release(command)));
        for hold in &release.holds {
            match hold {
                Hold::UserPaused { .. } => say(Command::Resume),
                Hold::Blocked { .. } => say(Command::Unblock),
                Hold::Drift { .. } => say(Command::ClearDrift {
                    reason: "put right".to_owned(),
                }),
                Hold::Quarantine { .. }
                | Hold::AwaitingCycle
                | Hold::InStore { .. }
                | Hold::TaskFailed { .. }
                | Hold::IntegrationInvalid { .. }
                | Hold::AwaitingApproval { .. } => {}
            }
        }
        for (task, cause) in release.failures() {
            match cause.integration {
                Some(integration) => more.push(Act::Verify(integration)),
                None if cause.code == "conflict" && in_scm(task.key.kind) => {
                    // What an older database made is taken away before the next try.
                    if let Some(name) = self.in_the_way(release, &task.key) {
                        more.push(Act::Remove(name));
                    }
                    say(Command::RetryTask {
                        task: task.key,
                        force: Force::No,
                    });
                }
                // An older database does not know that its release was given up, and its branch deleted.
                None if cause.code == "ref_missing" => {
                    if let (Some(branch), Some(sha)) = (release.branch_name(), release.base_sha.clone()) {
                        more.push(Act::Put(format!("heads/{branch}"), sha));
                    }
                    say(Command::RetryTask {
                        task: task.key,
                        force: Force::No,
                    });
                }
                None if task.key.kind == TaskKind::ForkBranch && self.shared.trouble(300) => {
                    more.push(Act::Fork(id, task.key));
                }
                None if cause.code == "step_not_formed" => say(Command::SkipTask {
                    task: task.key,
                    reason: "cannot be formed".to_owned(),
                    force: Force::No,
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
            acts.extend(command.map(|command| Act::Ask(id, Any::Release(command))));
        }
        acts.extend(more);
        for child in lock(&self.shared.checker).children(id) {
            match child {
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
                force: Force::No,
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
        if gate::facts_needed(release, stage).contains(&FactKind::TicketsApproved) {
            // The people approve them while they are at it.
            let now = self.shared.now();
            let calm = self.shared.calm();
            let mut dice = lock(&self.shared.dice);
            let mut world = lock(&self.shared.world);
            let waiting = world.tickets.iter_mut().filter(|ticket| !ticket.good);
            let ids = waiting.map(|ticket| {
                ticket.good = true;
                ticket.id.clone()
            });
            let ids: Vec<String> = ids.collect();
            if !ids.is_empty() {
                world.tell("tracker", now, Vec::new(), ids, &mut dice, calm);
            }
        }
        let tenant = release.draft.tenant;
        releases::refresh_facts(&self.client.app, tenant, release, stage)
            .await
            .ok()?;
        let Some(Aggregate::Release(release)) = self.state(id) else {
            return None;
        };
        let facts = at_once(self.store.inner.read_facts(id)).unwrap();
        let cx = Context {
            now: self.client.app.clock.now(),
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
            "approval_missing" => {
                let rejected = self.shared.trouble(100);
                Some(Command::Decide {
                    stage,
                    decision: if rejected {
                        Decision::Rejected
                    } else {
                        Decision::Approved
                    },
                    comment: rejected.then(|| "not this one".to_owned()),
                })
            }
            "no_cycle" | "untested_commits" => Some(Command::StartCycle),
            "verdict_failed" | "verdict_unknown" => Some(Command::RecordVerdict {
                cycle: cycle?,
                verdict: Verdict::Passed,
                note: "looked at it".to_owned(),
            }),
            // What an older database had built: it is built anew of what was tested.
            "build_of_other_commit" => Some(Command::Rework {
                to: GatedStage::PreRelease,
                reason: "another commit was built".to_owned(),
            }),
            "cycle_active" | "gate_not_evaluated" | "tickets_not_approved" => None,
            _ => Some(trigger(Some("known"))),
        }
    }

    /// What stands at source control under the name that the task would give.
    fn in_the_way(&self, release: &Release, task: &TaskKey) -> Option<String> {
        let owner = release.board.find(task)?;
        let effect = release.step_effect(owner, owner.next_step)?;
        let Effect::Perform {
            operation: Operation::Scm(write),
            ..
        } = effect
        else {
            return None;
        };
        match write {
            ScmWrite::CreateBranch { name, .. } => Some(format!("heads/{name}")),
            ScmWrite::CreateTag { name, .. } => Some(format!("tags/{name}")),
            ScmWrite::PublishRelease { .. }
            | ScmWrite::OpenPullRequest { .. }
            | ScmWrite::DeleteBranch { .. } => None,
        }
    }

    fn on_submission(&self, it: &Submission) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut say = |command| acts.push(Act::Ask(it.aggregate_id(), Any::Submission(command)));
        if it.terminal() {
            return acts;
        }
        if it.start.settings.submit == SubmitMode::ByPerson && !it.submit_asked {
            say(submission::Command::Submit);
        }
        let waits = it.start.settings.timing != ReleaseTiming::AfterApproval && !it.release_asked;
        if it.status == ReviewWord::Approved && waits {
            say(submission::Command::Release { reason: None });
        }
        // What the store has under the version is another build: of a release that a backup knows nothing of, say.
        let taken = |task: &Task| {
            task.failure()
                .is_some_and(|(cause, _)| cause.code == "conflict" || cause.sentence.contains(ANOTHER_BUILD))
        };
        for task in it.board().iter().filter(|task| task.failure().is_some()) {
            say(submission::Command::Retry { task: task.key });
        }
        if it.board().iter().any(taken) {
            acts.push(Act::TakeOff(it.start.target, it.start.version.clone()));
            return acts;
        }
        let mut say = |command| acts.push(Act::Ask(it.aggregate_id(), Any::Submission(command)));
        if self.shared.trouble(40) {
            say(submission::Command::Cancel {
                reason: "a bug".to_owned(),
            });
        }
        acts
    }

    fn on_rollout(&self, it: &Rollout) -> Vec<Act> {
        let mut acts = Vec::new();
        let reason = || "people".to_owned();
        let mut say = |command| acts.push(Act::Ask(it.aggregate_id(), Any::Rollout(command)));
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
        let mut say = |command| acts.push(Act::Ask(id, Any::Release(command)));
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
                    force: Force::No,
                });
            }
            // Somebody does by hand what may have been done already.
            if unsure && self.shared.trouble(300) {
                say(self.by_hand(release, task));
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
        if self.shared.trouble(60) {
            say(Command::CloseRolledBack {
                reason: "it crashes".to_owned(),
            });
        }
        if self.shared.rarely(20) {
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
