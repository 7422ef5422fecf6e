//! What people may do to a task: try it again, skip it, complete it by hand, bring its build.

use super::{Event, Force, Rejection, illegal, rearm};
use crate::board::{Output, Task, TaskEvent, TaskState};
use crate::effect::Reference;
use crate::key::{TaskKey, TaskKind};
use crate::plan::ShaOrigin;
use crate::release::state::Release;
use crate::release::{gate, report};
use crate::report::{Outcome, RunProduct};
use crate::time::Timestamp;

fn failed<'a>(release: &'a Release, key: &TaskKey) -> Result<(&'a Task, Outcome), Rejection> {
    let task = release.board.find(key).ok_or(Rejection::Missing("task"))?;
    match &task.state {
        TaskState::Failed { outcome, .. } => Ok((task, *outcome)),
        TaskState::Pending
        | TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => illegal(
            "task_not_failed",
            format!(
                "{} is {}; only a failed task is tried again",
                task.key,
                task.state.word()
            ),
        ),
    }
}

pub(super) fn retry(release: &Release, key: &TaskKey, force: Force) -> Result<Vec<Event>, Rejection> {
    let (task, outcome) = failed(release, key)?;
    let spent = outcome == Outcome::Spent || (outcome == Outcome::Unknown && force == Force::AcceptDuplicate);
    #[cfg(delivr_sim)]
    let spent = spent || crate::sim::off(crate::sim::Rule::GenerationStays);
    let mut events = Vec::new();
    if spent && key.kind == TaskKind::AutomationRuns {
        // The run belongs to the task that triggered it: that one runs anew, this one waits for it again.
        let trigger = TaskKey {
            kind: TaskKind::TriggerAutomationRuns,
            ..*key
        };
        if let Some(trigger) = release.board.find(&trigger) {
            events.push(rearm(trigger, true));
        }
    }
    events.push(rearm(task, spent));
    Ok(events)
}

pub(super) fn skip(release: &Release, key: &TaskKey, reason: &str) -> Result<Vec<Event>, Rejection> {
    let task = release.board.find(key).ok_or(Rejection::Missing("task"))?;
    let writes = task.current().is_some_and(|step| step.kind.is_perform());
    let event = match &task.state {
        TaskState::Failed {
            outcome: Outcome::Unknown,
            ..
        } if writes => look_first(key, reason),
        TaskState::Pending if writes && task.is_armed_anew() => look_first(key, reason),
        TaskState::Pending | TaskState::Failed { .. } | TaskState::AwaitingManual { .. } => {
            TaskEvent::Skipped {
                task: *key,
                reason: reason.to_owned(),
            }
        }
        TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => {
            return illegal(
                "task_not_skippable",
                format!(
                    "{key} is {}; only a pending or failed task is skipped",
                    task.state.word()
                ),
            );
        }
    };
    if let Some(what) = indispensable(release, key) {
        return illegal(
            "task_needed",
            format!("{key} cannot be left out: {what}; complete it by hand and name what exists"),
        );
    }
    Ok(vec![Event::Task { event }])
}

/// Skipped as soon as it is known that what was sent is not there.
fn look_first(key: &TaskKey, reason: &str) -> TaskEvent {
    TaskEvent::SkipRequested {
        task: *key,
        reason: reason.to_owned(),
    }
}

/// Tasks whose result everything after them names.
fn indispensable(release: &Release, key: &TaskKey) -> Option<&'static str> {
    if key.kind == TaskKind::ForkBranch && release.branch.is_none() {
        Some("later steps need the release branch")
    } else if key.kind == TaskKind::CreateRcTag {
        Some("the cycle needs its commit")
    } else if key.kind == TaskKind::CreateReleaseTag {
        Some("builds and stores need the release tag")
    } else {
        None
    }
}

pub(super) fn complete(
    release: &Release,
    key: &TaskKey,
    reason: &str,
    reference: Option<Reference>,
) -> Result<Vec<Event>, Rejection> {
    let task = release.board.find(key).ok_or(Rejection::Missing("task"))?;
    match task.state {
        TaskState::Pending | TaskState::Failed { .. } | TaskState::AwaitingManual { .. } => {}
        TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => {
            return illegal(
                "task_not_open",
                format!(
                    "{key} is {}; only a pending, waiting or failed task is completed by hand",
                    task.state.word()
                ),
            );
        }
    }
    if indispensable(release, key).is_some() && reference.is_none() {
        return Err(Rejection::Unsuitable {
            pointer: "/reference",
            sentence: "name the branch or tag that exists".to_owned(),
        });
    }
    if key.kind == TaskKind::SubmitToStore || (key.kind == TaskKind::CreateRcTag && task.done.is_empty()) {
        return illegal(
            "task_not_by_hand",
            format!("{key} cannot be completed by hand; try it again or skip it"),
        );
    }
    Ok(vec![Event::Task {
        event: TaskEvent::Completed {
            task: *key,
            output: Output::ByHand {
                reason: reason.to_owned(),
                reference,
            },
        },
    }])
}

pub(super) fn upload(
    release: &Release,
    key: &TaskKey,
    product: &RunProduct,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let task = release.board.find(key).ok_or(Rejection::Missing("task"))?;
    if !gate::accepts_upload(release, task) {
        return illegal(
            "upload_not_expected",
            format!("{key} is {}; it does not wait for a build", task.state.word()),
        );
    }
    let mut build = report::build(release, task, product, now).ok_or(Rejection::Missing("target"))?;
    build.origin = if product.sha.is_some() {
        ShaOrigin::Declared
    } else {
        ShaOrigin::Absent
    };
    Ok(vec![
        Event::BuildArrived { build },
        Event::Task {
            event: TaskEvent::Completed {
                task: *key,
                output: Output::Uploaded {
                    product: product.clone(),
                },
            },
        },
    ])
}
