//! What people may do to a task: try it again, skip it, complete it by hand, bring its build.

use super::{Event, Force, Rejection, illegal, rearm};
use crate::board::{self, AfterLookUp, Output, Owner as _, Task, TaskEvent, TaskState};
use crate::key::{TargetKey, TaskKey, TaskKind};
use crate::plan::{BuildMode, ShaOrigin};
use crate::release::state::Release;
use crate::release::{gate, report, work};
use crate::report::{Outcome, RunProduct, UNSURE};
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
    events.push(if spent {
        rearm(task, true)
    } else {
        try_again(release, task)
    });
    Ok(events)
}

/// Another try under the same key. Where the new try would not be the same (another commit, a person's build), what was
/// sent before is looked for first: it would be looked for under a name that is not its own, or by nobody.
pub(super) fn try_again(release: &Release, task: &Task) -> Event {
    let differs = task.reads_what_it_runs() || work::is_manual(release.plan(), &task.key);
    if differs && may_be_there(release, task) {
        look_first(&task.key, AfterLookUp::Again)
    } else {
        rearm(task, false)
    }
}

/// Whether what its step sends may be there, though nobody waits for it: sent with an unknown outcome, and not looked for
/// since. What cannot be formed cannot be looked for; and where the vendor has said that it cannot tell, a person was asked
/// to look, and their word is the answer.
fn may_be_there(release: &Release, task: &Task) -> bool {
    let unknown = match task.failure() {
        Some((cause, outcome)) => outcome == Outcome::Unknown && cause.code != UNSURE,
        None => task.is_armed_anew(),
    };
    unknown
        && task.current().is_some_and(|step| step.kind.is_perform())
        && release.step_effect(task, task.next_step).is_some()
}

const fn look_first(key: &TaskKey, then: AfterLookUp) -> Event {
    Event::Task {
        event: TaskEvent::LookUpRequested { task: *key, then },
    }
}

/// Builds of a target come from elsewhere. What was tried before and waits for a hold to be lifted is looked for first: a
/// person is asked for a build only once there is no run.
pub(super) fn change_build_mode(
    release: &Release,
    target: TargetKey,
    mode: BuildMode,
) -> Result<Vec<Event>, Rejection> {
    let plan = release.plan().targets.get(&target);
    if plan.ok_or(Rejection::Missing("target"))?.builds == mode {
        return Ok(Vec::new());
    }
    let mut events = vec![Event::BuildModeChanged { target, mode }];
    if mode == BuildMode::Manual {
        let waits = |task: &&Task| {
            task.key.target == Some(target)
                && task.state == TaskState::Pending
                && work::makes_build(task.key.kind)
                && may_be_there(release, task)
        };
        let looked_for = release.board.iter().filter(waits);
        events.extend(looked_for.map(|task| look_first(&task.key, AfterLookUp::Again)));
    }
    Ok(events)
}

pub(super) fn skip(
    release: &Release,
    key: &TaskKey,
    reason: &str,
    force: Force,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let task = release.board.find(key).ok_or(Rejection::Missing("task"))?;
    let event = match &task.state {
        // Skipped as soon as it is known that what was sent is not there.
        TaskState::Pending | TaskState::Failed { .. }
            if force == Force::No && may_be_there(release, task) =>
        {
            TaskEvent::SkipRequested {
                task: *key,
                reason: reason.to_owned(),
            }
        }
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
    Ok(if matches!(event, TaskEvent::Skipped { .. }) {
        given_up(release, task, event, now)
    } else {
        vec![Event::Task { event }]
    })
}

/// Ends a task by a person's word. What it may have sent all the same is looked for once, later.
fn given_up(release: &Release, task: &Task, ended: TaskEvent, now: Timestamp) -> Vec<Event> {
    let doubt = board::unanswered(release, task, now);
    std::iter::once(ended)
        .chain(doubt)
        .map(|event| Event::Task { event })
        .collect()
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
    output: Output,
    force: Force,
    now: Timestamp,
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
    let unnamed = matches!(output, Output::ByHand { reference: None, .. });
    if indispensable(release, key).is_some() && unnamed {
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
    // What was sent may be the very thing the person speaks of, or a second one beside it.
    Ok(if force == Force::No && may_be_there(release, task) {
        vec![look_first(key, AfterLookUp::Done { output })]
    } else {
        given_up(release, task, TaskEvent::Completed { task: *key, output }, now)
    })
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
    let completed = TaskEvent::Completed {
        task: *key,
        output: Output::Uploaded {
            product: product.clone(),
        },
    };
    // A build that is here counts at once, also while the CI system is down. A run that was sent with an unknown outcome is
    // looked for later: it builds nothing that counts, and comes to the clean-up list.
    let mut events = vec![Event::BuildArrived { build }];
    events.extend(given_up(release, task, completed, now));
    Ok(events)
}
