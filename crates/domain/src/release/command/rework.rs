//! Sending a release back: after a rejection or a bad build it repeats from regression or from pre-release.
//!
//! What users have already got is left alone. Tags never move: a release tag of an earlier attempt stays, and the next one
//! gets another name.

use super::{Rejection, illegal};
use crate::board::{Lane, Task, TaskEvent, TaskState};
use crate::key::TaskKind;
use crate::plan::GatedStage;
use crate::release::event::Event;
use crate::release::settle;
use crate::release::state::{Release, Stage};
use crate::report::Outcome;
use crate::time::Timestamp;

pub(super) fn rework(
    release: &Release,
    to: GatedStage,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let back_to = match to {
        GatedStage::Regression => Stage::Regression,
        GatedStage::PreRelease => Stage::PreRelease,
        GatedStage::Distribution => {
            return Err(Rejection::Unsuitable {
                pointer: "/toStage",
                sentence: "a release goes back to REGRESSION or PRE_RELEASE".to_owned(),
            });
        }
    };
    match release.stage {
        Stage::PreRelease | Stage::AwaitingDistribution | Stage::Distribution => {}
        Stage::NotStarted
        | Stage::Kickoff
        | Stage::AwaitingRegression
        | Stage::Regression
        | Stage::AwaitingPreRelease
        | Stage::Completed
        | Stage::RolledBack
        | Stage::Archived => {
            return illegal(
                "wrong_stage",
                format!(
                    "{} is {}; only a release in pre-release or distribution goes back",
                    release.key(),
                    release.stage
                ),
            );
        }
    }
    nothing_under_way(release)?;
    nobody_exposed(release)?;
    let mut events = vec![Event::Reworked {
        to,
        reason: reason.to_owned(),
    }];
    let repeated = || release.board.iter().filter(|task| is_repeated(release, to, task));
    // What a store has beside what was decided for a rollout that is left behind holds nothing up any more.
    let ships = repeated().filter(|task| task.key.kind == TaskKind::SubmitToStore);
    let drifts = ships.filter_map(|task| {
        let target = task.key.target?;
        release.shipments.get(&target)?.drift(target)
    });
    let standing = drifts.filter(|hold| release.holds.contains(hold));
    events.extend(standing.map(|hold| Event::HoldLifted { hold }));
    events.extend(repeated().map(|task| Event::Task {
        event: TaskEvent::Repeated { task: task.key },
    }));
    events.push(Event::StageEntered { stage: back_to });
    if to == GatedStage::Regression {
        events.push(settle::start_cycle(release, Vec::new(), now));
    }
    Ok(events)
}

const fn later(task: &Task) -> bool {
    matches!(task.lane, Lane::PreRelease | Lane::Distribution)
}

/// What has a row or a vendor's run cannot be forgotten: it ends first.
fn nothing_under_way(release: &Release) -> Result<(), Rejection> {
    let busy: Vec<String> = release
        .board
        .iter()
        .filter(|task| {
            later(task)
                && (task.parked || is_unknown(task) || task.is_armed_anew() || is_under_way(release, task))
        })
        .map(|task| task.key.to_string())
        .collect();
    if busy.is_empty() {
        return Ok(());
    }
    illegal(
        "tasks_running",
        format!(
            "these are still under way, or it is not known what they did: {}; wait for them, try failed ones again or \
             leave them out, cancel the submission or halt the rollout first",
            busy.join(", ")
        ),
    )
}

/// A write whose outcome nobody knows: repeating it would make a second object.
fn is_unknown(task: &Task) -> bool {
    matches!(
        task.state,
        TaskState::Failed {
            outcome: Outcome::Unknown,
            ..
        }
    )
}

fn is_under_way(release: &Release, task: &Task) -> bool {
    match &task.state {
        TaskState::Running { .. } | TaskState::AwaitingCallback { .. } => true,
        // A halted rollout is superseded by the next submission.
        TaskState::AwaitingChild { .. } => {
            let shipment = task.key.target.and_then(|target| release.shipments.get(&target));
            shipment.is_none_or(|it| it.state.status != "HALTED")
        }
        TaskState::Pending
        | TaskState::AwaitingManual { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => false,
    }
}

/// Users who are getting the version now must be dealt with first; a target that is out for good stays as it is.
fn nobody_exposed(release: &Release) -> Result<(), Rejection> {
    let exposed = release
        .shipments
        .iter()
        .find(|(_, it)| it.state.exposure > 0 && !it.state.live && it.state.status != "HALTED");
    match exposed {
        Some((target, _)) => illegal(
            "still_exposed",
            format!("users are getting {target}: halt or complete its rollout first"),
        ),
        None => Ok(()),
    }
}

fn is_repeated(release: &Release, to: GatedStage, task: &Task) -> bool {
    let untouched = task.state == TaskState::Pending && task.started_at.is_none();
    if !later(task) || untouched || task.key.target.is_some_and(|target| release.is_out(target)) {
        return false;
    }
    match task.key.kind {
        // The commit stays the same, and so do its tag and notes, unless they were never made.
        TaskKind::CreateReleaseTag | TaskKind::CreateFinalReleaseNotes => {
            to == GatedStage::Regression || !task.state.settled()
        }
        TaskKind::TriggerTestFlightBuild
        | TaskKind::CreateAabBuild
        | TaskKind::SubmitToStore
        | TaskKind::Deploy
        | TaskKind::MergeBack
        | TaskKind::CloseReleaseTickets => true,
        TaskKind::ForkBranch
        | TaskKind::CreateProjectManagementTicket
        | TaskKind::CreateTestSuite
        | TaskKind::TriggerPreRegressionBuilds
        | TaskKind::ResetTestSuite
        | TaskKind::CreateRcTag
        | TaskKind::CreateReleaseNotes
        | TaskKind::TriggerRegressionBuilds
        | TaskKind::TriggerAutomationRuns
        | TaskKind::AutomationRuns
        | TaskKind::CleanupCloseTickets
        | TaskKind::CleanupDeleteBranch
        | TaskKind::PrepareSubmission
        | TaskKind::SubmitForReview
        | TaskKind::AwaitReview
        | TaskKind::ReleaseToUsers
        | TaskKind::WithdrawSubmission
        | TaskKind::SetExposure
        | TaskKind::PauseRollout
        | TaskKind::ResumeRollout
        | TaskKind::HaltRollout
        | TaskKind::WatchRollout
        | TaskKind::CompleteRollout => false,
    }
}
