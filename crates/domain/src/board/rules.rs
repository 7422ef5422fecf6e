//! The rules of the board: which row a task stands for, what an event asks of the queue, and what a report comes to.

use super::{
    Begin, Board, Output, Owner, Permit, Reaction, StepKind, StepResult, Task, TaskEvent, TaskState, doubt,
    look,
};
use crate::effect::{Effect, Reference};
use crate::key::EffectKey;
use crate::report::{Cause, Class, Outcome, Performed, Report, Resolved};
use crate::time::Timestamp;

/// The live row a task stands for, if it stands for one.
#[must_use]
pub fn row_of(owner: &dyn Owner, task: &Task) -> Option<Effect> {
    match &task.state {
        TaskState::Running { step } => owner.step_effect(task, *step),
        TaskState::AwaitingCallback { watched, .. } => owner.watch_effect(task, watched),
        TaskState::Pending if task.parked => owner.step_effect(task, task.next_step),
        TaskState::Pending
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => None,
    }
}

/// Rows a task event starts and ends; asked with the state directly after it.
#[must_use]
pub fn react(owner: &dyn Owner, event: &TaskEvent) -> Vec<Reaction> {
    let board = owner.board();
    match event {
        // A person takes over from here: a row that lies parked would never be woken.
        TaskEvent::Started {
            task,
            begin: Begin::Manual { .. },
            ..
        } => end_steps(owner, board.find(task)),
        TaskEvent::Started { task, .. }
        | TaskEvent::SkipRequested { task, .. }
        | TaskEvent::LookUpRequested { task, .. } => enqueue(owner, board.find(task)),
        TaskEvent::StepDone { task, step, .. } => {
            let mut reactions = Vec::new();
            if let Some(it) = board.find(task) {
                reactions.extend(end_step(owner, it, *step));
            }
            reactions.extend(enqueue(owner, board.find(task)));
            reactions
        }
        TaskEvent::Completed { task, .. }
        | TaskEvent::Failed { task, .. }
        | TaskEvent::Skipped { task, .. }
        | TaskEvent::Cancelled { task } => end_steps(owner, board.find(task)),
        TaskEvent::DoubtDue { key } => board
            .doubt_row(key)
            .map(Reaction::Enqueue)
            .into_iter()
            .collect(),
        // Its row ends with the report.
        TaskEvent::DoubtSettled { .. }
        | TaskEvent::Doubted { .. }
        | TaskEvent::Planned { .. }
        | TaskEvent::Parked { .. }
        | TaskEvent::Rearmed { .. }
        // Only tasks without a row are repeated.
        | TaskEvent::Repeated { .. }
        | TaskEvent::LateResult { .. } => Vec::new(),
    }
}

fn enqueue(owner: &dyn Owner, task: Option<&Task>) -> Vec<Reaction> {
    task.and_then(|it| row_of(owner, it))
        .map(Reaction::Enqueue)
        .into_iter()
        .collect()
}

fn end_steps(owner: &dyn Owner, task: Option<&Task>) -> Vec<Reaction> {
    let Some(it) = task else {
        return Vec::new();
    };
    (0..u16::try_from(it.steps.len()).unwrap_or(u16::MAX))
        .filter_map(|step| end_step(owner, it, step))
        .collect()
}

fn end_step(owner: &dyn Owner, task: &Task, step: u16) -> Option<Reaction> {
    let kind = task.steps.get(usize::from(step))?.kind;
    let key = owner.effect_key(task, step);
    // The row of a finished write that is looked for once more is not its task's any more.
    if owner.board().looks_again(&key) {
        return None;
    }
    Some(Reaction::End(crate::key::EffectId::derived(
        kind.row(),
        &[key.to_string().as_bytes()],
    )))
}

/// Whether the claimed effect may write, look up, or nothing.
#[must_use]
pub fn permit(owner: &dyn Owner, key: &EffectKey) -> Permit {
    if owner.board().looks_again(key) {
        return Permit::LookAgain;
    }
    let Some(task) = owner.board().find(&key.task) else {
        return Permit::Stale;
    };
    match &task.state {
        TaskState::Running { step } if *step == key.step && task.generation == key.generation => {
            if task.looks_first() || owner.is_blocked(task) {
                Permit::LookUpOnly
            } else {
                Permit::Write
            }
        }
        TaskState::Running { .. }
        | TaskState::Pending
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => Permit::Stale,
    }
}

/// What the board makes of a report about one of its steps. Total: too late yields a late result or nothing.
/// Sightings are the owner's to judge.
#[must_use]
pub fn decide_report(owner: &dyn Owner, report: &Report, now: Timestamp) -> Vec<TaskEvent> {
    match report {
        Report::Performed { key, performed } => {
            let mut events = doubt::events(owner, report, now);
            if !owner.board().looks_again(key) {
                events.extend(performed_events(owner, key, performed, now));
            }
            events
        }
        Report::Resolved { key, resolved } => resolved_events(owner, key, resolved, now),
        Report::Seen { .. }
        | Report::FactChanged { .. }
        | Report::RunCancelled { .. }
        | Report::ChildChanged { .. }
        | Report::HoldsChanged { .. }
        | Report::DriftAccepted { .. }
        | Report::StartSubmission { .. }
        | Report::StartRollout { .. }
        | Report::Tick => Vec::new(),
    }
}

fn running<'a>(owner: &'a dyn Owner, key: &EffectKey) -> Option<&'a Task> {
    owner.board().find(&key.task).filter(|task| {
        task.is_at(key) && matches!(task.state, TaskState::Running { step } if step == key.step)
    })
}

fn performed_events(
    owner: &dyn Owner,
    key: &EffectKey,
    performed: &Performed,
    now: Timestamp,
) -> Vec<TaskEvent> {
    let Some(task) = running(owner, key) else {
        #[cfg(delivr_sim)]
        if crate::sim::off(crate::sim::Rule::LateResult) {
            return Vec::new();
        }
        return match performed {
            Performed::Done { reference } | Performed::DoneInDoubt { reference, .. }
                if !is_known(owner, key, reference) =>
            {
                vec![TaskEvent::LateResult {
                    key: *key,
                    reference: reference.clone(),
                }]
            }
            Performed::Done { .. }
            | Performed::DoneInDoubt { .. }
            | Performed::LookedAgain { .. }
            | Performed::Failed { .. }
            | Performed::Parked
            | Performed::Absent => Vec::new(),
        };
    };
    match performed {
        Performed::Done { reference } | Performed::DoneInDoubt { reference, .. } => {
            look::found(task, key, reference).unwrap_or_else(|| {
                let reference = reference.clone();
                step_done(owner, task, key.step, StepResult::Made { reference }, now)
            })
        }
        Performed::Failed { cause, outcome } => {
            vec![TaskEvent::Failed {
                task: task.key,
                cause: cause.clone(),
                outcome: *outcome,
            }]
        }
        Performed::Parked => vec![TaskEvent::Parked { task: task.key }],
        Performed::LookedAgain { .. } => Vec::new(),
        Performed::Absent => vec![look::absent(task)],
    }
}

/// Whether the key's step is under way, so that its report moves the task.
pub(super) fn expects(owner: &dyn Owner, key: &EffectKey) -> bool {
    running(owner, key).is_some()
}

/// Whether the object is known to exist: as a result of its task, or on the clean-up list.
#[must_use]
pub fn is_known(owner: &dyn Owner, key: &EffectKey, reference: &Reference) -> bool {
    let on_task = owner.board().find(&key.task).is_some_and(|task| {
        task.reference().is_some_and(|known| known.id == reference.id)
            || task.done.iter().any(
                |(_, result)| matches!(result, StepResult::Made { reference: known } if known.id == reference.id),
            )
    });
    on_task
        || owner
            .board()
            .late
            .iter()
            .any(|(_, known)| known.id == reference.id)
}

fn resolved_events(
    owner: &dyn Owner,
    key: &EffectKey,
    resolved: &Resolved,
    now: Timestamp,
) -> Vec<TaskEvent> {
    let Some(task) = running(owner, key) else {
        return Vec::new();
    };
    match resolved {
        Resolved::Found { finding } => step_done(
            owner,
            task,
            key.step,
            StepResult::Found {
                finding: finding.clone(),
            },
            now,
        ),
        Resolved::Failed { cause } => {
            vec![TaskEvent::Failed {
                task: task.key,
                cause: cause.clone(),
                outcome: Outcome::NotDone,
            }]
        }
        Resolved::Parked => vec![TaskEvent::Parked { task: task.key }],
    }
}

/// Events of a step that ended well: the step, and the task's completion where it was the last one.
#[must_use]
pub fn step_done(
    owner: &dyn Owner,
    task: &Task,
    step: u16,
    result: StepResult,
    now: Timestamp,
) -> Vec<TaskEvent> {
    let next = task.steps.get(usize::from(step).saturating_add(1));
    let wait = match next {
        Some(next) if next.kind == StepKind::Watch => owner.wait_after(task, &result, now),
        Some(_) | None => None,
    };
    let mut events = vec![TaskEvent::StepDone {
        task: task.key,
        step,
        result,
        wait,
    }];
    let later = task.steps.iter().skip(usize::from(step).saturating_add(1));
    let mut writes = later.filter(|step| matches!(step.kind, StepKind::Perform | StepKind::PerformRun));
    match &task.skip_after_look_up {
        // What was found is done; what was never sent is left out, and not said to be done.
        Some(reason) if writes.next().is_some() => events.push(TaskEvent::Skipped {
            task: task.key,
            reason: reason.clone(),
        }),
        skipped if next.is_none() || skipped.is_some() => events.push(TaskEvent::Completed {
            task: task.key,
            output: Output::Steps,
        }),
        Some(_) | None => {}
    }
    events
}

/// Waits whose deadline has passed fail; the wait itself may be taken up again.
#[must_use]
pub fn overdue(board: &Board, now: Timestamp) -> Option<TaskEvent> {
    board.iter().find_map(|task| match &task.state {
        TaskState::AwaitingCallback { deadline, .. } if *deadline <= now => Some(TaskEvent::Failed {
            task: task.key,
            cause: Cause::new(
                "wait_timed_out",
                "the run or review did not end in time; look at it at the vendor, then try again to go on waiting",
                Class::NeedsHuman,
            ),
            outcome: Outcome::Unknown,
        }),
        TaskState::AwaitingCallback { .. }
        | TaskState::Pending
        | TaskState::Running { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => None,
    })
}
