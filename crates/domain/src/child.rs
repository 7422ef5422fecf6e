//! What submissions and rollouts share: children of a release that work in one store.
//!
//! A child learns by a Tell which holds of its release reach it, and keeps them in words. While any does, nothing that
//! moves forward is started or sent; what makes things safer (pause, halt, withdrawal) and every look goes on. Its own
//! pause is its own: the release's holds neither set nor lift it.

use crate::board::{Board, StepKind, Task, TaskEvent};
use crate::effect::{Effect, Operation, Reading, StoreWrite, Watched};
use crate::ids::{InstallId, IntegrationId, ReleaseId};
use crate::key::{AggregateId, AggregateKind, EffectKey, TaskKey, TaskKind};
use crate::release::command::Rejection;
use crate::report::{Held, Outcome, Report};

/// What a child's effects are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// Installation, for effect keys.
    pub(crate) install: InstallId,
    /// The child itself.
    pub(crate) owner: AggregateId,
    /// The store integration.
    pub(crate) integration: IntegrationId,
}

impl Origin {
    /// The key of a task's step: of a finished one, under the generation it ran in.
    pub(crate) fn key(self, task: &Task, step: u16) -> EffectKey {
        let generation = task
            .done
            .get(usize::from(step))
            .map_or(task.generation, |(generation, _)| *generation);
        EffectKey {
            install: self.install,
            owner: self.owner,
            task: task.key,
            generation,
            step,
        }
    }

    fn present(self, task: &Task, step: u16) -> EffectKey {
        EffectKey {
            generation: task.generation,
            ..self.key(task, step)
        }
    }

    /// The row of a step that writes to the store.
    pub(crate) fn write(self, task: &Task, step: u16, write: StoreWrite) -> Effect {
        Effect::Perform {
            key: self.present(task, step),
            integration: self.integration,
            operation: Operation::Store(write),
        }
    }

    /// The row of a step that reads from the store.
    pub(crate) fn read(self, task: &Task, step: u16, reading: Reading) -> Effect {
        Effect::Resolve {
            key: self.present(task, step),
            integration: self.integration,
            reading,
        }
    }

    /// The row of a wait.
    pub(crate) fn watch(self, task: &Task, watched: &Watched, every_seconds: u32) -> Effect {
        Effect::Watch {
            key: self.present(task, task.next_step),
            integration: self.integration,
            watched: watched.clone(),
            every_seconds,
        }
    }

    /// What its release is told.
    pub(crate) fn tell(self, release: ReleaseId, version: u64, report: Report) -> Effect {
        Effect::Tell {
            from: self.owner,
            to: AggregateId {
                kind: AggregateKind::Release,
                id: release.uuid(),
            },
            ordinal: (version, 0),
            report: Box::new(report),
        }
    }
}

/// Whether a task of a child brings the version nearer to users. Only such a task is reached by a hold.
pub(crate) const fn moves_forward(kind: TaskKind) -> bool {
    matches!(
        kind,
        TaskKind::PrepareSubmission
            | TaskKind::SubmitForReview
            | TaskKind::ReleaseToUsers
            | TaskKind::SetExposure
            | TaskKind::ResumeRollout
            | TaskKind::CompleteRollout
    )
}

/// Whether the release's holds keep the task from its next step. What was sent before they came is read back all the
/// same: it is part of a write that was under way.
pub(crate) fn is_held(held: &Held, task: &Task) -> bool {
    let reads_back = task
        .current()
        .is_some_and(|step| step.kind == StepKind::ResolveExposure);
    held.holds() && moves_forward(task.key.kind) && !reads_back
}

/// Whether what the release says now is newer than what the child knows. Recorded even where it says the same: an older
/// word may still be on its way.
pub(crate) const fn is_newer(known: &Held, said: &Held) -> bool {
    said.as_of > known.as_of
}

/// Refuses what would move a held child forward.
pub(crate) fn refuse_if_held(held: &Held) -> Result<(), Rejection> {
    if held.holds() {
        return Err(Rejection::Illegal {
            code: "release_held",
            sentence: format!("the release is held: {}", held.sentence()),
        });
    }
    Ok(())
}

/// A failed task is tried again; anew where its object is spent.
pub(crate) fn retry(board: &Board, key: &TaskKey) -> Result<TaskEvent, Rejection> {
    let task = board.find(key).ok_or(Rejection::Missing("task"))?;
    match task.failure() {
        Some((_, outcome)) => Ok(TaskEvent::Rearmed {
            task: *key,
            spent: outcome == Outcome::Spent,
        }),
        None => Err(Rejection::Illegal {
            code: "task_not_failed",
            sentence: format!("{key} is {}", task.state.word()),
        }),
    }
}

/// Tasks that are still open come to an end.
pub(crate) fn cancel_open(board: &Board) -> impl Iterator<Item = TaskEvent> {
    board
        .iter()
        .filter(|task| !task.state.over())
        .map(|task| TaskEvent::Cancelled { task: task.key })
}

/// What the first failed task says.
pub(crate) fn first_failure(board: &Board) -> Option<String> {
    board
        .iter()
        .find_map(|task| task.failure().map(|(cause, _)| cause.sentence.clone()))
}

/// Whether the event changes what the release is told about failures.
pub(crate) const fn is_failure_news(event: &TaskEvent) -> bool {
    matches!(event, TaskEvent::Failed { .. } | TaskEvent::Rearmed { .. })
}
