//! The dry run: the same machines that run a release, stepped forward on assumed successes.
//!
//! Nothing of it is stored and no vendor is asked. What is not known yet (a commit, a ticket's number) is a word in
//! round brackets; what only a person can do is an assumption, and stands in the list as one.

use super::foresee::{self, Foresight};
use super::sentence;
use crate::usecases::callbacks;
use delivr_domain::aggregate::{Aggregate, Command, Input, Stepped};
use delivr_domain::board::{Permit, Reaction, TaskState};
use delivr_domain::effect::{CicdWrite, Effect, FactKind, Operation};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, EffectId, EffectKey, TargetKey, TaskKey};
use delivr_domain::plan::GatedStage;
use delivr_domain::ports::store::Fact;
use delivr_domain::release::command::{Force, Rejection};
use delivr_domain::release::gate::Context;
use delivr_domain::release::hold::Hold;
use delivr_domain::release::{Command as ReleaseCommand, Release, Stage, settle};
use delivr_domain::report::{Report, ReviewWord, RunProduct};
use delivr_domain::rollout::{Command as RolloutCommand, Status as RolloutStatus};
use delivr_domain::submission::Command as SubmissionCommand;
use delivr_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How far a dry run looks at most.
pub const MAX_STEPS: usize = 1_000;

/// One line of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is done, with its exact names.
    pub does: String,
    /// Effect word (`PERFORM`, `RESOLVE`, `WATCH`, `MESSAGE`), or `PERSON` for an assumption.
    pub kind: &'static str,
    /// Of which task.
    pub task: Option<TaskKey>,
    /// For which target.
    pub target: Option<TargetKey>,
    /// Through which integration.
    pub integration: Option<IntegrationId>,
    /// Not before this instant.
    pub not_before: Timestamp,
    /// The stage that the release is in when it is done.
    pub stage: Stage,
}

/// A release's way as far as it can be foreseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// What is still to come, in order.
    pub lines: Vec<Line>,
    /// The stage it ends in; COMPLETED unless it is closed or stuck.
    pub ends_in: Stage,
}

/// Whether vendors can call this installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They are given an address.
    Reachable,
    /// No address is set: a run that is to be given one cannot be started.
    NoAddress,
}

struct Rehearsal {
    reach: Reach,
    cast: BTreeMap<AggregateId, Aggregate>,
    release: AggregateId,
    now: Timestamp,
    lines: Vec<Line>,
    /// Effects with the state in which they were answered: the same answer twice would go round for ever.
    answered: BTreeSet<(EffectId, u64)>,
    /// Failed tasks that were tried again: one that fails again stays failed.
    retried: BTreeSet<TaskKey>,
}

/// Rehearses a release with its submissions and rollouts from an instant on.
#[must_use]
pub fn dry_run(release: &Release, children: Vec<Aggregate>, now: Timestamp, reach: Reach) -> DryRun {
    let id = release.aggregate_id();
    let mut cast: BTreeMap<AggregateId, Aggregate> = children.into_iter().map(|it| (it.id(), it)).collect();
    cast.insert(id, Aggregate::Release(Box::new(release.clone())));
    let mut rehearsal = Rehearsal {
        reach,
        cast,
        release: id,
        now,
        lines: Vec::new(),
        answered: BTreeSet::new(),
        retried: BTreeSet::new(),
    };
    for _ in 0..MAX_STEPS {
        if rehearsal.over() || !(rehearsal.answer() || rehearsal.wait() || rehearsal.assume()) {
            break;
        }
    }
    DryRun {
        ends_in: rehearsal.star().map_or(release.stage, |it| it.stage),
        lines: rehearsal.lines,
    }
}

impl Rehearsal {
    fn star(&self) -> Option<&Release> {
        match self.cast.get(&self.release) {
            Some(Aggregate::Release(release)) => Some(release),
            Some(Aggregate::Submission(_) | Aggregate::Rollout(_)) | None => None,
        }
    }

    /// The stage the release is in now.
    fn stage(&self) -> Stage {
        self.star().map_or(Stage::NotStarted, |it| it.stage)
    }

    /// The target of a submission or rollout.
    fn target_of(&self, id: AggregateId) -> Option<TargetKey> {
        match self.cast.get(&id) {
            Some(Aggregate::Submission(it)) => Some(it.start.target),
            Some(Aggregate::Rollout(it)) => Some(it.start.target),
            Some(Aggregate::Release(_)) | None => None,
        }
    }

    fn over(&self) -> bool {
        let done = |it: &Release| it.stage == Stage::Completed || it.terminal();
        self.star().is_none_or(done) && self.cast.values().all(|it| self.pending(it).is_none())
    }

    /// Facts as they would be if nothing goes wrong: nobody pushes, tickets are approved.
    fn facts(&self) -> BTreeMap<FactKind, Fact> {
        let fact = |value: String| Fact {
            value,
            observed_at: self.now,
        };
        let head = self
            .star()
            .and_then(Release::judged_cycle)
            .and_then(|cycle| cycle.sha.clone());
        let mut facts = BTreeMap::from([(FactKind::TicketsApproved, fact("approved".to_owned()))]);
        if let Some(sha) = head {
            facts.insert(FactKind::BranchHead, fact(sha.to_string()));
        }
        facts
    }

    fn step(&mut self, id: AggregateId, input: Input<'_>) -> Result<bool, Rejection> {
        let facts = self.facts();
        let cx = Context {
            now: self.now,
            actor: "(a person)",
            facts: &facts,
        };
        let stepped = match (self.cast.get(&id).cloned(), input) {
            (Some(state), input) => state.step(input, &cx)?,
            (None, Input::Report(report)) => match Aggregate::birth(report, &cx) {
                Some(stepped) => stepped,
                None => return Ok(false),
            },
            (None, Input::Command(_)) => return Ok(false),
        };
        Ok(self.take(stepped))
    }

    fn take(&mut self, stepped: Stepped) -> bool {
        let changed = !stepped.events.is_empty();
        self.cast.insert(stepped.state.id(), stepped.state);
        for reaction in stepped.reactions {
            match reaction {
                Reaction::Enqueue(Effect::Tell { to, report, .. }) => {
                    // Reports are never rejected.
                    let _changed = self.step(to, Input::Report(&report));
                }
                Reaction::Enqueue(message @ Effect::Message { .. }) => self.note(&message),
                Reaction::Enqueue(
                    Effect::Resolve { .. }
                    | Effect::Perform { .. }
                    | Effect::Watch { .. }
                    | Effect::Probe { .. }
                    | Effect::CancelRun { .. },
                )
                | Reaction::End(_) => {}
            }
        }
        changed
    }

    fn note(&mut self, effect: &Effect) {
        let task = effect.key().map(|key| key.task);
        let of_child = self.target_of(effect.owner());
        let stage = self.stage();
        self.lines.push(Line {
            does: foresee::in_words(&sentence(effect)),
            kind: effect.word(),
            task,
            target: task.and_then(|task| task.target).or(of_child),
            integration: effect.integration(),
            not_before: self.now,
            stage,
        });
    }

    /// What a person must do before the effect can succeed.
    fn note_obstacle(&mut self, effect: &Effect) {
        let Effect::Perform {
            key,
            integration,
            operation: Operation::Cicd(CicdWrite::TriggerRun { job, parameters, .. }),
        } = effect
        else {
            return;
        };
        let names_us = parameters.values().any(|it| it.contains(callbacks::URL_WORD));
        if !names_us || self.reach == Reach::Reachable {
            return;
        }
        let stage = self.stage();
        self.lines.push(Line {
            does: callbacks::no_address(job),
            kind: "PERSON",
            task: Some(key.task),
            target: key.task.target,
            integration: Some(*integration),
            not_before: self.now,
            stage,
        });
    }

    /// The first effect of an aggregate whose answer can be foreseen and was not given yet.
    fn pending(&self, of: &Aggregate) -> Option<(Effect, Report)> {
        // What a hold keeps back is not answered: a person lifts the hold first.
        let held = |effect: &Effect| match effect {
            Effect::Perform { key, .. } | Effect::Resolve { key, .. } => match of.permit(key) {
                Permit::Write => false,
                Permit::LookUpOnly => !waits_for_look_up(of, key),
                // Nothing follows from a look that finds what is there.
                Permit::LookAgain | Permit::Stale => true,
            },
            Effect::Watch { .. }
            | Effect::Probe { .. }
            | Effect::CancelRun { .. }
            | Effect::Tell { .. }
            | Effect::Message { .. } => false,
        };
        let open = |effect: &Effect| !held(effect) && !self.answered.contains(&(effect.id(), of.version()));
        of.outstanding().into_iter().filter(open).find_map(|effect| {
            match foresee::answer(of, self.star(), &effect) {
                Foresight::Report(report) => Some((effect, *report)),
                Foresight::Nothing => None,
            }
        })
    }

    fn answer(&mut self) -> bool {
        let found = self.cast.values().find_map(|of| {
            let (effect, report) = self.pending(of)?;
            Some((of.id(), of.version(), effect, report))
        });
        let Some((id, version, effect, report)) = found else {
            return false;
        };
        self.answered.insert((effect.id(), version));
        self.note_obstacle(&effect);
        self.note(&effect);
        // Reports are never rejected.
        let _changed = self.step(id, Input::Report(&report));
        true
    }

    /// The next instant at which something follows by itself.
    fn wait(&mut self) -> bool {
        let next = self
            .cast
            .values()
            // A store's or run's deadline is not waited for: success is assumed before it.
            .filter_map(|it| own_time(it).map(|at| (at, it.id())))
            .min();
        let Some((at, id)) = next else {
            return false;
        };
        self.now = self.now.max(at);
        self.step(id, Input::Report(&Report::Tick)) == Ok(true)
    }

    fn person(&mut self, id: AggregateId, does: String, task: Option<TaskKey>, command: &Command) -> bool {
        let at = self.lines.len();
        let stage = self.stage();
        let target = task.and_then(|task| task.target).or(self.target_of(id));
        if self.step(id, Input::Command(command)) != Ok(true) {
            return false;
        }
        // What the person does comes before what follows from it.
        self.lines.insert(
            at,
            Line {
                does,
                kind: "PERSON",
                task,
                target,
                integration: None,
                not_before: self.now,
                stage,
            },
        );
        true
    }

    /// What only a person can do next.
    fn assume(&mut self) -> bool {
        let children: Vec<Aggregate> = self.cast.values().cloned().collect();
        for child in &children {
            let (does, command) = match child {
                Aggregate::Release(_) => continue,
                Aggregate::Submission(it) => match it.status {
                    ReviewWord::Preparing if !it.submit_asked => (
                        format!("submit {} of {}", it.start.version.version, it.start.target),
                        Command::Submission(SubmissionCommand::Submit),
                    ),
                    ReviewWord::Approved if !it.release_asked => (
                        format!(
                            "release {} to users of {}",
                            it.start.version.version, it.start.target
                        ),
                        Command::Submission(SubmissionCommand::Release { reason: None }),
                    ),
                    ReviewWord::Preparing
                    | ReviewWord::Approved
                    | ReviewWord::Submitted
                    | ReviewWord::InReview
                    | ReviewWord::Live
                    | ReviewWord::Rejected
                    | ReviewWord::Cancelled
                    | ReviewWord::Suspended
                    | ReviewWord::ActionRequired
                    | ReviewWord::Unknown => continue,
                },
                Aggregate::Rollout(it) => {
                    let reason = "(why)".to_owned();
                    let command = match it.status {
                        RolloutStatus::Active => RolloutCommand::Advance { bps: None, reason },
                        RolloutStatus::Paused | RolloutStatus::Halted => RolloutCommand::Resume { reason },
                        RolloutStatus::Completed => continue,
                    };
                    (
                        format!("raise the rollout of {}", it.start.target),
                        Command::Rollout(command),
                    )
                }
            };
            if self.person(child.id(), does, None, &command) {
                return true;
            }
        }
        self.assume_release()
    }

    fn assume_release(&mut self) -> bool {
        let Some(release) = self.star().cloned() else {
            return false;
        };
        let ask = |command| Command::Release(command);
        for hold in &release.holds {
            let lifted = match hold {
                Hold::UserPaused { .. } => Some(("resume the release", ReleaseCommand::Resume)),
                Hold::Blocked { .. } => Some(("unblock the release", ReleaseCommand::Unblock)),
                Hold::Drift { sentence, .. } => Some((
                    sentence.as_str(),
                    ReleaseCommand::ClearDrift {
                        reason: "(put right)".to_owned(),
                    },
                )),
                Hold::TaskFailed { .. }
                | Hold::IntegrationInvalid { .. }
                | Hold::AwaitingApproval { .. }
                | Hold::AwaitingCycle
                | Hold::InStore { .. }
                | Hold::Quarantine { .. } => None,
            };
            if let Some((does, command)) = lifted
                && self.person(self.release, does.to_owned(), None, &ask(command))
            {
                return true;
            }
        }
        for task in release.board.iter() {
            let (does, command) = match &task.state {
                TaskState::AwaitingManual { what } => {
                    (what.sentence.clone(), self.manual(&release, task.key))
                }
                TaskState::Failed { cause, .. } if self.retried.insert(task.key) => (
                    format!("{}; try {} again", cause.sentence, task.key),
                    ReleaseCommand::RetryTask {
                        task: task.key,
                        force: Force::No,
                    },
                ),
                TaskState::Pending
                | TaskState::Running { .. }
                | TaskState::AwaitingCallback { .. }
                | TaskState::AwaitingChild { .. }
                | TaskState::Completed { .. }
                | TaskState::Failed { .. }
                | TaskState::Skipped { .. }
                | TaskState::Cancelled => continue,
            };
            if self.person(self.release, does, Some(task.key), &ask(command)) {
                return true;
            }
        }
        match release.stage {
            Stage::AwaitingRegression => self.pass(&release, GatedStage::Regression),
            Stage::AwaitingPreRelease => self.pass(&release, GatedStage::PreRelease),
            Stage::AwaitingDistribution => self.pass(&release, GatedStage::Distribution),
            Stage::Regression if release.active_cycle().is_none() && release.slots.is_empty() => {
                let does = "start a regression cycle, or plan a slot".to_owned();
                self.person(self.release, does, None, &ask(ReleaseCommand::StartCycle))
            }
            Stage::NotStarted
            | Stage::Kickoff
            | Stage::Regression
            | Stage::PreRelease
            | Stage::Distribution
            | Stage::Completed
            | Stage::RolledBack
            | Stage::Archived => false,
        }
    }

    fn manual(&self, release: &Release, key: TaskKey) -> ReleaseCommand {
        if delivr_domain::release::work::makes_build(key.kind) {
            ReleaseCommand::UploadBuild {
                task: key,
                product: RunProduct {
                    build_number: Some(foresee::BUILD.to_owned()),
                    sha: release
                        .judged_cycle()
                        .and_then(|cycle| cycle.sha.clone())
                        .or_else(|| release.base_sha.clone()),
                    ..RunProduct::default()
                },
            }
        } else {
            ReleaseCommand::CompleteTask {
                task: key,
                reason: "(done by hand)".to_owned(),
                reference: None,
                force: Force::No,
            }
        }
    }

    /// Passes a gate: by its trigger where nothing keeps it closed, else after what keeps it closed is cleared.
    fn pass(&mut self, release: &Release, stage: GatedStage) -> bool {
        let trigger = |override_reason| {
            Command::Release(ReleaseCommand::Trigger {
                stage,
                override_reason,
            })
        };
        let facts = self.facts();
        let cx = Context {
            now: self.now,
            actor: "(a person)",
            facts: &facts,
        };
        let blockers = delivr_domain::release::gate::blockers(release, stage, &cx);
        if blockers.is_empty() {
            return self.person(self.release, format!("let {stage} start"), None, &trigger(None));
        }
        let cleared: Vec<String> = blockers.into_iter().map(|it| it.detail).collect();
        let does = format!(
            "clear what keeps {stage} closed, then let it start: {}",
            cleared.join("; ")
        );
        self.person(self.release, does, None, &trigger(Some("(cleared)".to_owned())))
    }
}

fn waits_for_look_up(of: &Aggregate, key: &EffectKey) -> bool {
    let task = of.owner().board().find(&key.task);
    task.is_some_and(delivr_domain::board::Task::looks_first)
}

/// When something follows by itself, beside the deadlines of waits.
fn own_time(of: &Aggregate) -> Option<Timestamp> {
    let deadlines: BTreeSet<Timestamp> = of
        .owner()
        .board()
        .iter()
        .filter_map(delivr_domain::board::Task::deadline)
        .collect();
    let dates = match of {
        // Nobody is reminded: people do at once what waits for them.
        Aggregate::Release(release) => settle::dates(release),
        Aggregate::Submission(_) | Aggregate::Rollout(_) => of.wake_at().into_iter().collect(),
    };
    dates.into_iter().filter(|at| !deadlines.contains(at)).min()
}
