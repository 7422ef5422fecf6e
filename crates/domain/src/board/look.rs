//! Look-ups before anything else: a write whose outcome is unknown is looked for before a person's word takes its place.

use super::{Output, StepKind, StepResult, Task, TaskEvent, TaskState};
use crate::effect::Reference;
use crate::key::EffectKey;
use crate::report::Outcome;
use serde::{Deserialize, Serialize};

/// What is done about a task once it is known whether what was sent for it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AfterLookUp {
    /// A person has done it. What is found is the task's own, unless the person named another thing.
    Done {
        /// So.
        output: Output,
    },
    /// It is tried again as the plan and the branch are then. What is found goes on instead.
    Again,
}

impl Task {
    /// Whether what was sent is looked for, and nothing is sent whatever that comes to.
    #[must_use]
    pub const fn looks_first(&self) -> bool {
        self.skip_after_look_up.is_some() || self.after_look_up.is_some()
    }

    /// Whether it reads what its next step, a run, is started at.
    #[must_use]
    pub fn reads_what_it_runs(&self) -> bool {
        self.with_its_reading(self.next_step) != self.next_step
    }

    /// Where a try of this step begins: a run is started at the head that the step before it reads, and a new try of the
    /// run reads it anew.
    pub(super) fn with_its_reading(&self, step: u16) -> u16 {
        let kind = |step: u16| self.steps.get(usize::from(step)).map(|it| it.kind);
        match step.checked_sub(1) {
            Some(before)
                if kind(step) == Some(StepKind::PerformRun)
                    && kind(before) == Some(StepKind::ResolveHead) =>
            {
                before
            }
            Some(_) | None => step,
        }
    }

    /// Whether it is known that nothing stands under its step's mark: what was read for the step may be read anew then.
    pub(super) fn is_not_there(&self) -> bool {
        matches!(
            self.state,
            TaskState::Failed {
                outcome: Outcome::NotDone,
                ..
            }
        ) || self.after_look_up == Some(AfterLookUp::Again)
    }

    pub(super) fn return_to(&mut self, step: u16) {
        self.done.truncate(usize::from(step));
        self.next_step = step;
    }
}

/// What comes of a look-up that found it, where somebody waits for the answer to say that the task is done.
pub(super) fn found(task: &Task, key: &EffectKey, reference: &Reference) -> Option<Vec<TaskEvent>> {
    let Some(AfterLookUp::Done { output }) = &task.after_look_up else {
        return None;
    };
    let named = match output {
        Output::ByHand { reference, .. } => reference.as_ref(),
        Output::Steps | Output::Uploaded { .. } | Output::Verdict { .. } | Output::Child => None,
    };
    let first = if named.is_some_and(|named| named.id != reference.id) {
        TaskEvent::LateResult {
            key: *key,
            reference: reference.clone(),
        }
    } else {
        TaskEvent::StepDone {
            task: task.key,
            step: key.step,
            result: StepResult::Made {
                reference: reference.clone(),
            },
            wait: None,
        }
    };
    let done = TaskEvent::Completed {
        task: task.key,
        output: output.clone(),
    };
    Some(vec![first, done])
}

/// What comes of a look-up that found nothing.
pub(super) fn absent(task: &Task) -> TaskEvent {
    let key = task.key;
    match (&task.skip_after_look_up, &task.after_look_up) {
        (Some(reason), _) => TaskEvent::Skipped {
            task: key,
            reason: reason.clone(),
        },
        (None, Some(AfterLookUp::Done { output })) => TaskEvent::Completed {
            task: key,
            output: output.clone(),
        },
        (None, Some(AfterLookUp::Again)) => TaskEvent::Rearmed {
            task: key,
            spent: false,
        },
        (None, None) => TaskEvent::Parked { task: key },
    }
}
