//! Edits of fields, giving a release up, and the closing of one whose users no longer get it.

use super::{PAST_TOLERANCE_SECONDS, Rejection, cancel_open, illegal};
use crate::board::{TaskEvent, TaskState};
use crate::key::{Channel, TargetKey};
use crate::release::event::{Clearable, Edit, Event};
use crate::release::state::{CycleState, Release, Stage};
use crate::release::{catalogue, remind};
use crate::report::ChildState;
use crate::time::{Span, Timestamp};

pub(super) fn edit_release(release: &Release, edit: &Edit, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    let mut draft = release.draft.clone();
    edit.apply(&mut draft);
    if draft == release.draft {
        return Ok(Vec::new());
    }
    let started = release.stage != Stage::NotStarted;
    let dates = edit.kickoff_at.is_some()
        || edit.kickoff_reminder_at.is_some()
        || edit.cleared.contains(&Clearable::KickoffReminder);
    if started && dates {
        return illegal(
            "already_started",
            "the kickoff is over; its dates can no longer change",
        );
    }
    let past = now - Span::seconds(PAST_TOLERANCE_SECONDS);
    if draft.kickoff_at != release.draft.kickoff_at && draft.kickoff_at < past {
        return Err(Rejection::Unsuitable {
            pointer: "/kickoffAt",
            sentence: "the kickoff lies in the past".to_owned(),
        });
    }
    if draft.target_date != release.draft.target_date && draft.target_date.is_some_and(|date| date < now) {
        return Err(Rejection::Unsuitable {
            pointer: "/targetDate",
            sentence: "the target date lies in the past".to_owned(),
        });
    }
    if draft.kickoff_reminder_at.is_some_and(|at| at >= draft.kickoff_at) {
        return Err(Rejection::Unsuitable {
            pointer: "/kickoffReminderAt",
            sentence: "the reminder must come before the kickoff".to_owned(),
        });
    }
    if draft.target_date.is_some_and(|date| date < draft.kickoff_at) {
        return Err(Rejection::Unsuitable {
            pointer: "/targetDate",
            sentence: "the target date must not come before the kickoff".to_owned(),
        });
    }
    let mut events = vec![Event::Edited {
        edit: Box::new(edit.clone()),
    }];
    let moved = draft.kickoff_reminder_at != release.draft.kickoff_reminder_at
        || draft.kickoff_at != release.draft.kickoff_at;
    if let (true, Some(at)) = (moved, draft.kickoff_reminder_at)
        && at <= now
    {
        events.push(Event::ReminderSkipped {
            reminder: remind::kickoff_reminder(draft.kickoff_at, at),
        });
    }
    Ok(events)
}

/// Whether nobody else gets the version. Google Play halts; the App Store can no more than pause.
fn withheld(target: TargetKey, state: &ChildState) -> bool {
    match target.channel() {
        Channel::AppStore => matches!(state.status.as_str(), "HALTED" | "PAUSED" | "ROLLED_BACK"),
        Channel::PlayStore | Channel::Environment => {
            matches!(state.status.as_str(), "HALTED" | "ROLLED_BACK")
        }
    }
}

/// What a store still works on is dealt with there first.
fn nothing_in_store(release: &Release) -> Result<(), Rejection> {
    let in_store = release.board.iter().find(|task| {
        let shipment = task.key.target.and_then(|target| release.shipments.get(&target));
        matches!(task.state, TaskState::AwaitingChild { .. })
            && shipment.is_none_or(|it| task.key.target.is_none_or(|target| !withheld(target, &it.state)))
    });
    match in_store {
        Some(task) => illegal(
            "still_in_store",
            format!(
                "{} is under way in its store: cancel the submission, or halt the rollout (in the App Store: pause \
                 it), first",
                task.key
            ),
        ),
        None => Ok(()),
    }
}

/// Gives a release up. What is in a store is dealt with there first: nobody would watch over it afterwards.
pub(super) fn archive(
    release: &Release,
    reason: &str,
    close_tickets: bool,
    delete_branch: bool,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    if release.stage == Stage::Completed {
        return illegal(
            "release_completed",
            "its users have it: a completed release is not archived; close it as rolled back if it was withdrawn",
        );
    }
    nothing_in_store(release)?;
    let mut events = vec![Event::Archived {
        reason: reason.to_owned(),
    }];
    events.extend(cancel_open(release, |_| true, now));
    if let Some(cycle) = release.active_cycle() {
        events.push(Event::CycleEnded {
            cycle: cycle.number,
            state: CycleState::Abandoned,
            verdict: cycle.verdict,
            note: Some(reason.to_owned()),
        });
    }
    events.push(Event::StageEntered {
        stage: Stage::Archived,
    });
    let tasks = catalogue::clean_up(release, close_tickets, delete_branch);
    if !tasks.is_empty() {
        events.push(Event::Task {
            event: TaskEvent::Planned { tasks },
        });
    }
    Ok(events)
}

/// Closes a release as rolled back. A completed one may be: stores take nothing back, so a person says what was done
/// (a newer version, a removal from sale).
pub(super) fn close(release: &Release, reason: &str, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    if !matches!(release.stage, Stage::Distribution | Stage::Completed) {
        return illegal("wrong_stage", "only a release in distribution can be rolled back");
    }
    // What everybody has already, no store takes back: that is what the closing says, and it does not bar it.
    let mut moving = release
        .shipments
        .iter()
        .filter(|(target, it)| it.state.exposure > 0 && !it.state.live && !withheld(**target, &it.state));
    if let Some((target, _)) = moving.next().filter(|_| release.stage != Stage::Completed) {
        return illegal(
            "still_exposed",
            match target.channel() {
                Channel::AppStore => format!(
                    "more users get {target} each day: pause its phased release first. The App Store halts nothing and \
                     takes nothing back; to keep it from everybody, remove the app from sale in App Store Connect"
                ),
                Channel::PlayStore | Channel::Environment => {
                    format!("users still get {target}: halt its rollout first")
                }
            },
        );
    }
    nothing_in_store(release)?;
    let mut events = cancel_open(release, |_| true, now);
    events.push(Event::Archived {
        reason: reason.to_owned(),
    });
    events.push(Event::StageEntered {
        stage: Stage::RolledBack,
    });
    Ok(events)
}
