//! What people may ask of a release, and when it is refused.

mod edit;
mod replan;
mod rework;
mod tasks;

use super::event::{Edit, Event};
use super::gate::{self, Blocker, Context};
use super::hold::{Hold, Scope};
use super::remind;
use super::settle;
use super::state::{Approval, CycleState, Decision, Draft, Release, Slot, Stage, Verdict};
use super::store_notes::{self, Language};
use crate::board::{self, Output, Task, TaskEvent};
use crate::effect::Reference;
use crate::ids::{IntegrationId, SlotId};
use crate::key::{TargetKey, TaskKey, words};
use crate::plan::{BuildMode, GatedStage, Plan};
use crate::report::RunProduct;
use crate::time::{Span, Timestamp};
pub use replan::{PlanChange, changes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

words! {
    /// Whether a forced repeat accepts the risk of a duplicate.
    Force ("force option") {
        /// Only what is known to be safe.
        No = "NO",
        /// A new object even though the old one's outcome is unknown.
        AcceptDuplicate = "ACCEPT_DUPLICATE",
    }
}

const fn careful() -> Force {
    Force::No
}

/// What a person asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command {
    /// Kick off now.
    Start,
    /// Stop starting things.
    Pause {
        /// Why.
        note: Option<String>,
    },
    /// Lift one's own pause.
    Resume,
    /// Flag as blocked.
    Block {
        /// Why.
        reason: String,
        /// How far.
        scope: Scope,
    },
    /// Lift the flag.
    Unblock,
    /// What a vendor had beside what was decided here is put right: lifts every DRIFT.
    ClearDrift {
        /// What was done about it.
        reason: String,
    },
    /// Give it up.
    Archive {
        /// Why.
        reason: String,
        /// Close its tickets.
        close_tickets: bool,
        /// Delete its branch.
        delete_branch: bool,
    },
    /// Let a stage start.
    Trigger {
        /// Which.
        stage: GatedStage,
        /// Why blockers are overridden, if they are (ADMIN).
        override_reason: Option<String>,
    },
    /// Decide at a gate.
    Decide {
        /// For which stage.
        stage: GatedStage,
        /// What.
        decision: Decision,
        /// What to say.
        comment: Option<String>,
    },
    /// Plan a regression cycle.
    AddSlot {
        /// This.
        slot: Slot,
    },
    /// Change a planned cycle.
    ChangeSlot {
        /// To this.
        slot: Slot,
    },
    /// Drop a planned cycle.
    RemoveSlot {
        /// This.
        slot: SlotId,
    },
    /// Run a regression cycle now.
    StartCycle,
    /// Give up the running cycle.
    AbandonCycle {
        /// Which.
        cycle: u16,
        /// Why.
        reason: String,
    },
    /// Say how a cycle went.
    RecordVerdict {
        /// Which.
        cycle: u16,
        /// What.
        verdict: Verdict,
        /// Totals and link, as said.
        note: String,
    },
    /// Try a failed task again; run anew if its object is spent.
    RetryTask {
        /// Which.
        task: TaskKey,
        /// Whether a duplicate is accepted (ADMIN).
        force: Force,
    },
    /// Leave a task out.
    SkipTask {
        /// Which.
        task: TaskKey,
        /// Why.
        reason: String,
        /// Whether that counts before what was sent is looked for (ADMIN).
        #[serde(default = "careful")]
        force: Force,
    },
    /// A person did it outside.
    CompleteTask {
        /// Which.
        task: TaskKey,
        /// What was done.
        reason: String,
        /// What exists now, checked at the vendor by the caller.
        reference: Option<Reference>,
        /// Whether that counts before what was sent is looked for (ADMIN).
        #[serde(default = "careful")]
        force: Force,
    },
    /// A person's build.
    UploadBuild {
        /// Of which task.
        task: TaskKey,
        /// What.
        product: RunProduct,
    },
    /// Builds of a target come from elsewhere from now on.
    ChangeBuildMode {
        /// Which target.
        target: TargetKey,
        /// From there.
        mode: BuildMode,
    },
    /// What a store tells users about the version is this from now on.
    ChangeStoreNotes {
        /// Which target.
        target: TargetKey,
        /// Texts by language: set to this, or taken away. Languages that are not named stay.
        texts: BTreeMap<Language, Option<String>>,
    },
    /// Edit fields.
    Edit {
        /// These.
        edit: Edit,
    },
    /// An integration works again: tasks that failed with it are tried again.
    IntegrationRestored {
        /// Which.
        integration: IntegrationId,
    },
    /// Send it back, after a rejection or a bad build.
    Rework {
        /// To this stage: REGRESSION with a new cycle, or PRE_RELEASE with new builds of the approved commit.
        to: GatedStage,
        /// Why.
        reason: String,
    },
    /// Take up what the profile and integrations say now.
    Replan {
        /// The plan as it would be made now.
        plan: Box<Plan>,
    },
    /// Close after every live target was halted or rolled back.
    CloseRolledBack {
        /// Why.
        reason: String,
    },
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The state does not allow it.
    #[error("{sentence}")]
    Illegal {
        /// Stable word.
        code: &'static str,
        /// What is wrong and what can be done.
        sentence: String,
    },
    /// A gate is closed.
    #[error("{stage} cannot start: {}", blockers.iter().map(|it| it.detail.as_str()).collect::<Vec<_>>().join("; "))]
    GateClosed {
        /// Of which stage.
        stage: GatedStage,
        /// By what.
        blockers: Vec<Blocker>,
    },
    /// A value is well-formed but not suitable.
    #[error("{sentence}")]
    Unsuitable {
        /// JSON pointer to it.
        pointer: &'static str,
        /// What is wrong.
        sentence: String,
    },
    /// No such thing in this release.
    #[error("this release has no such {0}")]
    Missing(&'static str),
}

pub(super) fn illegal<T>(code: &'static str, sentence: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Illegal {
        code,
        sentence: sentence.into(),
    })
}

/// Dates may lie this far in the past and count as now.
pub const PAST_TOLERANCE_SECONDS: i64 = 60;

/// Checks the dates a release is created with.
///
/// # Errors
/// [`Rejection::Unsuitable`] with the offending field.
pub fn check_draft(draft: &Draft, now: Timestamp) -> Result<(), Rejection> {
    let bad = |pointer, sentence: &str| {
        Err(Rejection::Unsuitable {
            pointer,
            sentence: sentence.to_owned(),
        })
    };
    if draft.kickoff_at < now - Span::seconds(PAST_TOLERANCE_SECONDS) {
        return bad("/kickoffAt", "the kickoff lies in the past");
    }
    if draft.kickoff_reminder_at.is_some_and(|at| at >= draft.kickoff_at) {
        return bad("/kickoffReminderAt", "the reminder must come before the kickoff");
    }
    if draft.target_date.is_some_and(|date| date < draft.kickoff_at) {
        return bad("/targetDate", "the target date must not come before the kickoff");
    }
    for slot in &draft.slots {
        check_slot(draft, slot)?;
    }
    if draft.plan.targets.is_empty() {
        return bad("/targets", "a release ships to at least one target");
    }
    Ok(())
}

fn check_slot(draft: &Draft, slot: &Slot) -> Result<(), Rejection> {
    if slot.at < draft.kickoff_at {
        return Err(Rejection::Unsuitable {
            pointer: "/at",
            sentence: "a slot must not come before the kickoff".to_owned(),
        });
    }
    if draft.target_date.is_some_and(|date| slot.at > date) {
        return Err(Rejection::Unsuitable {
            pointer: "/at",
            sentence: "a slot must not come after the target date".to_owned(),
        });
    }
    Ok(())
}

/// Events of a command, or why it is refused. A command that changes nothing yields no events.
///
/// # Errors
/// [`Rejection`], with the state untouched.
pub fn decide_command(
    release: &Release,
    command: &Command,
    cx: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if release.terminal()
        && !matches!(
            command,
            Command::RetryTask { .. } | Command::SkipTask { .. } | Command::IntegrationRestored { .. }
        )
    {
        return illegal(
            "release_closed",
            format!(
                "{} is {} and can no longer be changed",
                release.key(),
                release.stage
            ),
        );
    }
    match command {
        Command::Start => match release.stage {
            Stage::NotStarted => Ok(vec![Event::KickoffStartedNow { at: cx.now }]),
            Stage::Kickoff
            | Stage::AwaitingRegression
            | Stage::Regression
            | Stage::AwaitingPreRelease
            | Stage::PreRelease
            | Stage::AwaitingDistribution
            | Stage::Distribution
            | Stage::Completed
            | Stage::RolledBack
            | Stage::Archived => illegal(
                "already_started",
                format!("{} has been kicked off already", release.key()),
            ),
        },
        Command::Pause { note } => {
            let paused = release
                .holds
                .iter()
                .any(|hold| matches!(hold, Hold::UserPaused { .. }));
            Ok(if paused {
                Vec::new()
            } else {
                vec![place(Hold::UserPaused {
                    by: cx.actor.to_owned(),
                    note: note.clone(),
                })]
            })
        }
        Command::Resume => Ok(lift(release, |hold| matches!(hold, Hold::UserPaused { .. }))),
        Command::Block { reason, scope } => Ok(vec![place(Hold::Blocked {
            by: cx.actor.to_owned(),
            reason: reason.clone(),
            scope: *scope,
        })]),
        Command::Unblock => Ok(lift(release, |hold| matches!(hold, Hold::Blocked { .. }))),
        Command::ClearDrift { reason } => clear_drift(release, reason),
        Command::Archive {
            reason,
            close_tickets,
            delete_branch,
        } => edit::archive(release, reason, *close_tickets, *delete_branch, cx.now),
        Command::Trigger {
            stage,
            override_reason,
        } => trigger(release, *stage, override_reason.as_deref(), cx),
        Command::Decide {
            stage,
            decision,
            comment,
        } => decide(release, *stage, *decision, comment.clone(), cx),
        Command::AddSlot { slot } => {
            slots_open(release)?;
            new_slot_time(release, slot, cx.now)?;
            let mut events = vec![Event::SlotAdded { slot: slot.clone() }];
            events.extend(passed_reminder(slot, cx.now));
            Ok(events)
        }
        Command::ChangeSlot { slot } => {
            let old = release.slots.get(&slot.id).ok_or(Rejection::Missing("slot"))?;
            slots_open(release)?;
            if old == slot {
                return Ok(Vec::new());
            }
            let mut events = vec![Event::SlotChanged { slot: slot.clone() }];
            if old.at != slot.at {
                new_slot_time(release, slot, cx.now)?;
                events.extend(passed_reminder(slot, cx.now));
            }
            Ok(events)
        }
        Command::RemoveSlot { slot } => {
            release.slots.get(slot).ok_or(Rejection::Missing("slot"))?;
            Ok(vec![Event::SlotRemoved { slot: *slot }])
        }
        Command::StartCycle => start_cycle(release, cx.now),
        Command::AbandonCycle { cycle, reason } => abandon(release, *cycle, reason, cx.now),
        Command::RecordVerdict { cycle, verdict, note } => {
            let it = release
                .cycles
                .iter()
                .find(|it| it.number == *cycle)
                .ok_or(Rejection::Missing("cycle"))?;
            if it.state == CycleState::Abandoned {
                return illegal("cycle_abandoned", "an abandoned cycle has no verdict");
            }
            Ok(vec![Event::VerdictRecorded {
                cycle: *cycle,
                verdict: *verdict,
                note: note.clone(),
            }])
        }
        Command::RetryTask { task, force } => tasks::retry(release, task, *force),
        Command::SkipTask { task, reason, force } => tasks::skip(release, task, reason, *force, cx.now),
        Command::CompleteTask {
            task,
            reason,
            reference,
            force,
        } => {
            let output = Output::ByHand {
                reason: reason.clone(),
                reference: reference.clone(),
            };
            tasks::complete(release, task, output, *force, cx.now)
        }
        Command::UploadBuild { task, product } => tasks::upload(release, task, product, cx.now),
        Command::ChangeBuildMode { target, mode } => tasks::change_build_mode(release, *target, *mode),
        Command::ChangeStoreNotes { target, texts } => store_notes::change(release, *target, texts),
        Command::Edit { edit } => edit::edit_release(release, edit, cx.now),
        Command::IntegrationRestored { integration } => Ok(release
            .failures()
            .filter(|(_, cause)| cause.integration == Some(*integration))
            .map(|(task, _)| tasks::try_again(release, task))
            .collect()),
        Command::Rework { to, reason } => rework::rework(release, *to, reason, cx.now),
        Command::Replan { plan } => replan::replan(release, plan),
        Command::CloseRolledBack { reason } => edit::close(release, reason, cx.now),
    }
}

const fn place(hold: Hold) -> Event {
    Event::HoldPlaced { hold }
}

fn lift(release: &Release, which: impl Fn(&Hold) -> bool) -> Vec<Event> {
    release
        .holds
        .iter()
        .filter(|hold| which(hold))
        .map(|hold| Event::HoldLifted { hold: hold.clone() })
        .collect()
}

fn clear_drift(release: &Release, reason: &str) -> Result<Vec<Event>, Rejection> {
    let drifts = release
        .holds
        .iter()
        .filter(|hold| matches!(hold, Hold::Drift { .. }));
    let events: Vec<Event> = drifts
        .map(|hold| Event::DriftCleared {
            hold: hold.clone(),
            reason: reason.to_owned(),
        })
        .collect();
    if events.is_empty() {
        return illegal("no_drift", format!("{} has no drift to clear", release.key()));
    }
    Ok(events)
}

const fn rearm(task: &Task, spent: bool) -> Event {
    Event::Task {
        event: TaskEvent::Rearmed {
            task: task.key,
            spent,
        },
    }
}

/// Gives open tasks up. What one of them may have sent is looked for once, later.
fn cancel_open(release: &Release, which: impl Fn(&Task) -> bool, now: Timestamp) -> Vec<Event> {
    let open = release
        .board
        .iter()
        .filter(|task| !task.state.over() && which(task));
    open.flat_map(|task| {
        let cancelled = TaskEvent::Cancelled { task: task.key };
        let doubt = board::unanswered(release, task, now);
        std::iter::once(cancelled).chain(doubt)
    })
    .map(|event| Event::Task { event })
    .collect()
}

const fn waits_before(stage: GatedStage) -> Stage {
    match stage {
        GatedStage::Regression => Stage::AwaitingRegression,
        GatedStage::PreRelease => Stage::AwaitingPreRelease,
        GatedStage::Distribution => Stage::AwaitingDistribution,
    }
}

fn trigger(
    release: &Release,
    stage: GatedStage,
    override_reason: Option<&str>,
    cx: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if release.stage != waits_before(stage) {
        return illegal(
            "wrong_stage",
            format!(
                "{} is {}; {stage} starts from {}",
                release.key(),
                release.stage,
                waits_before(stage)
            ),
        );
    }
    let blockers = gate::blockers(release, stage, cx);
    if !blockers.is_empty() && override_reason.is_none() {
        return Err(Rejection::GateClosed { stage, blockers });
    }
    if stage == GatedStage::Distribution
        && let Some(target) = gate::unnamed_builds(release).next()
    {
        // Without a number the store would be asked for whatever build of the version it has: that is nobody's decision.
        return illegal(
            "build_not_named",
            format!(
                "which build of {target} is submitted is not known, and no reason stands for that: upload it, or name the \
                 number of the one in the store, at its build task"
            ),
        );
    }
    let overridden = blockers.into_iter().map(|blocker| blocker.detail).collect();
    Ok(vec![Event::StageReleased {
        stage,
        overridden,
        reason: override_reason.map(ToOwned::to_owned),
    }])
}

fn decide(
    release: &Release,
    stage: GatedStage,
    decision: Decision,
    comment: Option<String>,
    cx: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if release.stage != waits_before(stage) {
        return illegal(
            "wrong_stage",
            format!(
                "{} is {}; decisions about {stage} are taken in {}",
                release.key(),
                release.stage,
                waits_before(stage)
            ),
        );
    }
    let said = comment.as_deref().is_some_and(|it| !it.trim().is_empty());
    if decision == Decision::Rejected && !said {
        return Err(Rejection::Unsuitable {
            pointer: "/comment",
            sentence: "a rejection says why".to_owned(),
        });
    }
    let approval = Approval {
        stage,
        by: cx.actor.to_owned(),
        decision,
        sha: gate::sha_at_gate(release),
        comment,
        at: cx.now,
    };
    Ok(vec![Event::Decided { approval }])
}

fn slots_open(release: &Release) -> Result<(), Rejection> {
    match release.stage {
        Stage::NotStarted
        | Stage::Kickoff
        | Stage::AwaitingRegression
        | Stage::Regression
        | Stage::AwaitingPreRelease => Ok(()),
        Stage::PreRelease
        | Stage::AwaitingDistribution
        | Stage::Distribution
        | Stage::Completed
        | Stage::RolledBack
        | Stage::Archived => illegal(
            "regression_over",
            "slots can only be changed before PRE_RELEASE starts",
        ),
    }
}

/// A cycle planned at shorter notice than its reminder's lead: the reminder is left out, and that is said.
fn passed_reminder(slot: &Slot, now: Timestamp) -> Option<Event> {
    let (reminder, at) = remind::slot_reminder(slot);
    (at <= now).then_some(Event::ReminderSkipped { reminder })
}

fn new_slot_time(release: &Release, slot: &Slot, now: Timestamp) -> Result<(), Rejection> {
    check_slot(&release.draft, slot)?;
    if slot.at < now - Span::seconds(PAST_TOLERANCE_SECONDS) {
        return Err(Rejection::Unsuitable {
            pointer: "/at",
            sentence: "a slot must not lie in the past".to_owned(),
        });
    }
    Ok(())
}

fn start_cycle(release: &Release, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    match release.stage {
        Stage::Regression if release.active_cycle().is_none() => {
            Ok(vec![settle::start_cycle(release, Vec::new(), now)])
        }
        Stage::Regression => illegal(
            "cycle_active",
            "a regression cycle is still running; abandon it or wait for it",
        ),
        Stage::AwaitingPreRelease => Ok(vec![
            Event::StageEntered {
                stage: Stage::Regression,
            },
            settle::start_cycle(release, Vec::new(), now),
        ]),
        Stage::NotStarted
        | Stage::Kickoff
        | Stage::AwaitingRegression
        | Stage::PreRelease
        | Stage::AwaitingDistribution
        | Stage::Distribution
        | Stage::Completed
        | Stage::RolledBack
        | Stage::Archived => illegal(
            "wrong_stage",
            format!("{} is {}; cycles run in REGRESSION", release.key(), release.stage),
        ),
    }
}

fn abandon(release: &Release, number: u16, reason: &str, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    let cycle = release
        .cycles
        .iter()
        .find(|it| it.number == number)
        .ok_or(Rejection::Missing("cycle"))?;
    if cycle.state != CycleState::InProgress {
        return illegal("cycle_over", format!("cycle {number} is {}", cycle.state));
    }
    let mut events = cancel_open(release, |task| task.key.cycle == Some(number), now);
    events.push(Event::CycleEnded {
        cycle: number,
        state: CycleState::Abandoned,
        verdict: cycle.verdict,
        note: Some(reason.to_owned()),
    });
    Ok(events)
}
