//! Doubts: writes that are done and may still come to stand twice.
//!
//! A vendor that recognises by a mark can deliver a given-up send later than it declares. Once per write whose outcome was
//! ever unknown, the vendor is therefore asked once more, long after, what stands under the mark. The look waits on the
//! agenda until it is due; then the write's own row is armed again, under a permit that only looks.

use super::{Board, Owner, Task, TaskEvent, TaskState};
use crate::effect::{Effect, Operation, Reference};
use crate::ids::IntegrationId;
use crate::key::{AggregateKind, EffectKey};
use crate::report::{Outcome, Performed, Report};
use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// A write that may come to stand twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Under this key.
    pub key: EffectKey,
    /// Through which integration.
    pub integration: IntegrationId,
    /// What was written.
    pub operation: Operation,
    /// When it is looked for; none once it is being looked for.
    pub due: Option<Timestamp>,
    /// Its task ended without it: nobody waits for what is found, which belongs on the clean-up list.
    #[serde(default, skip_serializing_if = "is_false")]
    pub given_up: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(it: &bool) -> bool {
    !*it
}

impl Doubt {
    /// The row that looks for it: the write's own.
    #[must_use]
    pub fn row(&self) -> Effect {
        Effect::Perform {
            key: self.key,
            integration: self.integration,
            operation: self.operation.clone(),
        }
    }
    const fn under_way(&self) -> bool {
        self.due.is_none()
    }
}

impl Board {
    /// Rows of doubts that are looked for now.
    pub fn doubt_rows(&self) -> impl Iterator<Item = Effect> {
        self.doubts.iter().filter(|it| it.under_way()).map(Doubt::row)
    }
    /// When doubts are looked for.
    pub fn doubts_due(&self) -> impl Iterator<Item = Timestamp> {
        self.doubts.iter().filter_map(|it| it.due)
    }
    /// Whether the key's write is being looked for once more.
    #[must_use]
    pub fn looks_again(&self, key: &EffectKey) -> bool {
        self.doubts.iter().any(|it| it.under_way() && it.key == *key)
    }
    /// Whether the key's write is looked for though its task ended without it.
    #[must_use]
    pub fn gave_up(&self, key: &EffectKey) -> bool {
        self.doubts.iter().any(|it| it.given_up && it.key == *key)
    }
    /// The row of a doubt that is looked for now.
    pub(super) fn doubt_row(&self, key: &EffectKey) -> Option<Effect> {
        let doubt = self.doubts.iter().find(|it| it.under_way() && it.key == *key);
        doubt.map(Doubt::row)
    }
    pub(super) fn evolve_doubt(&mut self, event: &TaskEvent) {
        if let TaskEvent::Doubted { doubt } = event {
            self.doubts.push(doubt.as_ref().clone());
        } else if let TaskEvent::DoubtDue { key } = event {
            for doubt in self.doubts.iter_mut().filter(|it| it.key == *key) {
                doubt.due = None;
            }
        } else if let TaskEvent::DoubtSettled { key, .. } = event {
            self.doubts.retain(|it| it.key != *key);
        }
    }
}

/// The next doubt whose time has come.
#[must_use]
pub fn doubt_due(board: &Board, now: Timestamp) -> Option<TaskEvent> {
    let due = board.doubts.iter().find(|it| it.due.is_some_and(|at| at <= now));
    due.map(|it| TaskEvent::DoubtDue { key: it.key })
}

/// How long after a task is given up what it may have sent is looked for, in seconds: longer than a lease and every
/// delivery bound and lag that is declared.
pub const UNANSWERED_SECONDS: i64 = 600;

/// A task that is given up while its write may have been sent: whether it arrived is looked for once, so that what exists
/// comes to the clean-up list. The row itself ends with the task.
#[must_use]
pub fn unanswered(owner: &dyn Owner, task: &Task, now: Timestamp) -> Option<TaskEvent> {
    let may_be_sent = match &task.state {
        TaskState::Pending => task.is_armed_anew(),
        TaskState::Running { .. }
        | TaskState::Failed {
            outcome: Outcome::Unknown,
            ..
        } => true,
        TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => false,
    };
    if !may_be_sent {
        return None;
    }
    match owner.step_effect(task, task.next_step) {
        Some(Effect::Perform {
            key,
            integration,
            operation,
        }) if owner.board().doubts.iter().all(|it| it.key != key) => Some(TaskEvent::Doubted {
            doubt: Box::new(Doubt {
                key,
                integration,
                operation,
                due: Some(now + Span::seconds(UNANSWERED_SECONDS)),
                given_up: true,
            }),
        }),
        Some(_) | None => None,
    }
}

/// What a report says about doubts beside its step: a new one, or the end of one.
pub(super) fn events(owner: &dyn Owner, report: &Report, now: Timestamp) -> Vec<TaskEvent> {
    let Report::Performed { key, performed } = report else {
        return Vec::new();
    };
    let looks_again = owner.board().looks_again(key);
    // Stores recognise by state or name: nothing there can be made twice, and a child has no lane to hold.
    let of_release = owner.aggregate().kind == AggregateKind::Release;
    match performed {
        Performed::DoneInDoubt {
            integration,
            operation,
            look_again_seconds,
            ..
        } if of_release
            && owner.board().doubts.iter().all(|it| it.key != *key)
            && super::rules::expects(owner, key) =>
        {
            vec![TaskEvent::Doubted {
                doubt: Box::new(Doubt {
                    key: *key,
                    integration: *integration,
                    operation: operation.as_ref().clone(),
                    due: Some(now + Span::seconds(i64::from(*look_again_seconds))),
                    given_up: false,
                }),
            }]
        }
        Performed::LookedAgain { found } if looks_again => settled(key, found.clone()),
        // An attempt from before its task was given up came back after all: that is the answer.
        Performed::Done { reference } | Performed::DoneInDoubt { reference, .. } if looks_again => {
            settled(key, vec![reference.clone()])
        }
        // Whoever could not be asked in a day is not asked any more; nothing waits for the answer.
        Performed::Failed { .. } | Performed::Parked | Performed::Absent if looks_again => {
            settled(key, Vec::new())
        }
        Performed::Done { .. }
        | Performed::DoneInDoubt { .. }
        | Performed::LookedAgain { .. }
        | Performed::Failed { .. }
        | Performed::Parked
        | Performed::Absent => Vec::new(),
    }
}

fn settled(key: &EffectKey, found: Vec<Reference>) -> Vec<TaskEvent> {
    vec![TaskEvent::DoubtSettled { key: *key, found }]
}
