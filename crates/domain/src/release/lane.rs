//! What stops a target in its store, or waits there for a person.
//!
//! A submission and a rollout tell their release how they stand; the release alone knows its plan. What follows from both
//! is said here, once, for holds, lists and reminders.

use super::hold::Hold;
use super::state::{Release, Shipment};
use crate::board::TaskState;
use crate::effect::ReleaseTiming;
use crate::key::{Channel, TargetKey, words};
use crate::plan::SubmitMode;
use crate::report::ReviewWord;

words! {
    /// What stops a target in its store, or waits there for a person.
    LaneStop ("stop in a store") {
        /// A step of the submission failed, and is not tried again by itself.
        SubmissionFailed = "SUBMISSION_FAILED",
        /// A decision on the rollout failed at the store.
        RolloutFailed = "ROLLOUT_FAILED",
        /// The store asks for an action in its console.
        ActionRequired = "STORE_ACTION_REQUIRED",
        /// The store withholds the version.
        RolloutHalted = "ROLLOUT_HALTED",
        /// The share of users is not raised for now.
        RolloutPaused = "ROLLOUT_PAUSED",
        /// A person hands the prepared version in.
        AwaitingSubmit = "AWAITING_SUBMIT",
        /// A person releases the approved version to users.
        AwaitingUsers = "AWAITING_RELEASE_TO_USERS",
        /// A person raises the rollout to its next step.
        AwaitingAdvance = "AWAITING_ADVANCE",
    }
}

impl LaneStop {
    /// Whether it is a decision that comes with every release, and no trouble.
    #[must_use]
    pub const fn is_wait(self) -> bool {
        match self {
            Self::AwaitingSubmit | Self::AwaitingUsers | Self::AwaitingAdvance => true,
            Self::SubmissionFailed
            | Self::RolloutFailed
            | Self::ActionRequired
            | Self::RolloutHalted
            | Self::RolloutPaused => false,
        }
    }
}

/// Basis points as people write them.
fn percent(bps: u16) -> String {
    match bps % 100 {
        0 => format!("{} %", bps / 100),
        rest => format!("{}.{rest:02} %", bps / 100),
    }
}

/// What stops the target, with the sentence that says so; none while its store or time moves it. Drift is a hold of its
/// own.
#[must_use]
pub fn stop(release: &Release, target: TargetKey, shipment: &Shipment) -> Option<(LaneStop, String)> {
    let state = &shipment.state;
    let share = percent(state.exposure);
    if state.status == "HALTED" {
        return Some((
            LaneStop::RolloutHalted,
            format!("the store withholds the version, which {share} of its users got"),
        ));
    }
    if state.drift.is_some() {
        return None;
    }
    if let Some(blocker) = &state.blocker {
        let stop = if state.status == ReviewWord::ActionRequired.word() {
            LaneStop::ActionRequired
        } else if shipment.rollout.is_some() {
            LaneStop::RolloutFailed
        } else {
            LaneStop::SubmissionFailed
        };
        return Some((stop, blocker.clone()));
    }
    if state.status == "PAUSED" {
        return Some((
            LaneStop::RolloutPaused,
            format!("the rollout is paused at {share} of the users"),
        ));
    }
    if state.asked {
        return None;
    }
    let settings = &release.plan().targets.get(&target)?.settings;
    let by_hand = target.channel() == Channel::PlayStore && settings.step_minutes.is_none();
    let next = || settings.steps.iter().find(|step| **step > state.exposure);
    if state.status == ReviewWord::Preparing.word() && settings.submit == SubmitMode::ByPerson {
        let said = "the version is not handed in yet: submit it";
        Some((LaneStop::AwaitingSubmit, said.to_owned()))
    } else if state.status == ReviewWord::Approved.word() && settings.timing == ReleaseTiming::Manual {
        let said = "the store has approved the version: release it to its users";
        Some((LaneStop::AwaitingUsers, said.to_owned()))
    } else if shipment.rollout.is_some() && state.exposure > 0 && !state.live && by_hand {
        let next = next()?;
        Some((
            LaneStop::AwaitingAdvance,
            format!(
                "{share} of the users have it, and no time is planned for the next step: raise it to {}",
                percent(*next)
            ),
        ))
    } else {
        None
    }
}

/// The holds of targets whose submission or rollout is waited for.
pub(super) fn holds(release: &Release) -> impl Iterator<Item = Hold> {
    release.shipments.iter().filter_map(|(target, shipment)| {
        let ship = release.board.find(&super::catalogue::ship_task(*target))?;
        if !matches!(ship.state, TaskState::AwaitingChild { .. }) {
            return None;
        }
        let (stop, sentence) = stop(release, *target, shipment)?;
        Some(Hold::InStore {
            target: *target,
            stop,
            sentence,
        })
    })
}
