//! Holds: the set of reasons why a release does not advance, each with a reach and a cause that alone lifts it.

use super::lane::{self, LaneStop};
use super::state::{Release, Stage};
use crate::board::{Lane, Task};
use crate::ids::IntegrationId;
use crate::key::{TargetKey, TaskKey, TaskKind, words};
use crate::plan::{GatedStage, Plan};
use serde::{Deserialize, Serialize};

words! {
    /// Which environments a hold reaches.
    Scope ("hold scope") {
        /// Regression.
        Staging = "STAGING",
        /// Distribution.
        Production = "PRODUCTION",
        /// Everything.
        Everything = "EVERYTHING",
    }
}

/// One reason why a release does not advance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "hold", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Hold {
    /// A person paused it; resume lifts it.
    UserPaused {
        /// Who.
        by: String,
        /// Why.
        note: Option<String>,
    },
    /// A person flagged it as blocked; unblock lifts it.
    Blocked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// How far it reaches.
        scope: Scope,
    },
    /// A task failed; retrying or skipping that task lifts it.
    TaskFailed {
        /// Which.
        task: TaskKey,
    },
    /// An integration's credential or permission fails; verifying it anew lifts it.
    IntegrationInvalid {
        /// Which.
        integration: IntegrationId,
    },
    /// A stage waits for a person; trigger or approval lifts it.
    AwaitingApproval {
        /// Which.
        stage: GatedStage,
    },
    /// Regression has neither a running cycle nor a planned one, and no cycle counts yet; a slot or a cycle lifts it.
    AwaitingCycle,
    /// A vendor has something else than was decided here; a person puts it right and clears it with a reason.
    Drift {
        /// Whose lane; none is every lane.
        target: Option<TargetKey>,
        /// What is there, and who must do what.
        sentence: String,
    },
    /// A target's submission or rollout stands still in its store, or waits there for a person; what moves it there lifts
    /// it.
    InStore {
        /// Which target.
        target: TargetKey,
        /// What stops it.
        stop: LaneStop,
        /// The same in a sentence; of a refusal, the store's own.
        sentence: String,
    },
    /// An operator quarantined it.
    Quarantine {
        /// Why.
        reason: String,
    },
}

impl Hold {
    /// The word of the API.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UserPaused { .. } => "USER_PAUSED",
            Self::Blocked { .. } => "BLOCKED",
            Self::TaskFailed { .. } => "TASK_FAILED",
            Self::IntegrationInvalid { .. } => "INTEGRATION_INVALID",
            Self::AwaitingApproval { .. } => "AWAITING_APPROVAL",
            Self::AwaitingCycle => "AWAITING_CYCLE",
            Self::Drift { .. } => "DRIFT",
            Self::InStore { stop, .. } => stop.word(),
            Self::Quarantine { .. } => "QUARANTINE",
        }
    }
    /// Why, and who can lift it: what a child of the release says while it waits.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::UserPaused { by, note } => {
                let why = note
                    .as_ref()
                    .map_or_else(String::new, |note| format!(" ({note})"));
                format!("{by} paused the release{why}: resume it")
            }
            Self::Blocked { by, reason, .. } => format!("{by} blocked the release ({reason}): unblock it"),
            Self::TaskFailed { task } => format!("{task} failed: try it again or skip it"),
            Self::IntegrationInvalid { .. } => {
                "the store integration does not work: mend it and verify it".to_owned()
            }
            Self::AwaitingApproval { stage } => format!("{stage} waits for a person to let it start"),
            Self::AwaitingCycle => "no regression cycle is planned: start one, or plan a slot".to_owned(),
            Self::Drift { sentence, .. } => sentence.clone(),
            Self::InStore { target, sentence, .. } => format!("{target}: {sentence}"),
            Self::Quarantine { reason } => {
                format!("the release is quarantined ({reason}): ask an operator")
            }
        }
    }
}

/// Work that no hold ever reaches: what makes things safer, and clean-up.
const fn never_blocked(kind: TaskKind) -> bool {
    matches!(
        kind,
        TaskKind::CleanupCloseTickets
            | TaskKind::CleanupDeleteBranch
            | TaskKind::HaltRollout
            | TaskKind::PauseRollout
            | TaskKind::WithdrawSubmission
    )
}

/// Whether the hold reaches the task: the reach table, total over both enums.
#[must_use]
pub fn blocks(plan: &Plan, hold: &Hold, task: &Task) -> bool {
    if never_blocked(task.key.kind) {
        return false;
    }
    match hold {
        Hold::UserPaused { .. }
        | Hold::Quarantine { .. }
        | Hold::Blocked {
            scope: Scope::Everything,
            ..
        } => true,
        Hold::Blocked {
            scope: Scope::Staging,
            ..
        } => task.lane == Lane::Regression,
        Hold::Blocked {
            scope: Scope::Production,
            ..
        } => task.lane == Lane::Distribution,
        Hold::TaskFailed { task: failed } => task.after.contains(failed),
        Hold::IntegrationInvalid { integration } => {
            super::work::integration_of(plan, &task.key) == Some(*integration)
        }
        // A task without target is in every lane.
        Hold::Drift { target: None, .. } => true,
        Hold::Drift { target, .. } => task.key.target.is_none() || task.key.target == *target,
        // What waits for its approval, or for its next cycle, has no tasks yet. What waits in a store waits there.
        Hold::AwaitingApproval { .. } | Hold::AwaitingCycle | Hold::InStore { .. } => false,
    }
}

/// All holds: those placed, and those that follow from the state.
#[must_use]
pub fn holds(release: &Release) -> Vec<Hold> {
    let mut all: Vec<Hold> = release.holds.iter().cloned().collect();
    for (task, cause) in release.failures() {
        let hold = match cause.integration {
            Some(integration) => Hold::IntegrationInvalid { integration },
            None => Hold::TaskFailed { task: task.key },
        };
        if !all.contains(&hold) {
            all.push(hold);
        }
    }
    let waits_for = match release.stage {
        Stage::AwaitingRegression => Some(GatedStage::Regression),
        Stage::AwaitingPreRelease => Some(GatedStage::PreRelease),
        Stage::AwaitingDistribution => Some(GatedStage::Distribution),
        Stage::NotStarted
        | Stage::Kickoff
        | Stage::Regression
        | Stage::PreRelease
        | Stage::Distribution
        | Stage::Completed
        | Stage::RolledBack
        | Stage::Archived => None,
    };
    if let Some(stage) = waits_for {
        let by_itself =
            release.plan().auto_start.contains(&stage) && super::gate::missing_approvals(release, stage) == 0;
        if !by_itself && !release.released.contains(&stage) {
            all.push(Hold::AwaitingApproval { stage });
        }
    }
    if super::settle::lacks_cycle(release) {
        all.push(Hold::AwaitingCycle);
    }
    all.extend(lane::holds(release));
    all
}

/// Whether any hold reaches the task.
#[must_use]
pub fn is_blocked(release: &Release, task: &Task) -> bool {
    holds(release)
        .iter()
        .any(|hold| blocks(release.plan(), hold, task))
}

/// Whether a hold stops the release as a whole (stages and cycles do not start).
#[must_use]
pub fn is_stopped(release: &Release, scope: Scope) -> bool {
    release.holds.iter().any(|hold| match hold {
        Hold::UserPaused { .. } | Hold::Quarantine { .. } => true,
        Hold::Blocked { scope: reach, .. } => *reach == Scope::Everything || *reach == scope,
        Hold::Drift { target, .. } => target.is_none(),
        Hold::TaskFailed { .. }
        | Hold::IntegrationInvalid { .. }
        | Hold::AwaitingApproval { .. }
        | Hold::AwaitingCycle
        | Hold::InStore { .. } => false,
    })
}
