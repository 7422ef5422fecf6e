//! What can happen to a release. Never edited, never deleted: the truth and the audit.

use super::hold::Hold;
use super::state::{Approval, Build, Cycle, CycleState, Draft, Shipment, Slot, Stage, Verdict};
use super::store_notes::Language;
use crate::board::TaskEvent;
use crate::effect::{FactKind, RunRef};
use crate::ids::SlotId;
use crate::key::{EffectKey, TargetKey};
use crate::plan::{BuildMode, GatedStage, Plan};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A fact about a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// It was created.
    Created {
        /// With this.
        draft: Box<Draft>,
    },
    /// Something happened to a task.
    Task {
        /// This.
        event: TaskEvent,
    },
    /// It came to a stage.
    StageEntered {
        /// This one.
        stage: Stage,
    },
    /// A person started it before its time.
    KickoffStartedNow {
        /// When.
        at: Timestamp,
    },
    /// A regression cycle began, with its tasks.
    CycleStarted {
        /// Which.
        cycle: Cycle,
        /// The slots it uses up.
        slots: Vec<SlotId>,
    },
    /// A regression cycle ended.
    CycleEnded {
        /// Which.
        cycle: u16,
        /// So.
        state: CycleState,
        /// With this verdict.
        verdict: Verdict,
        /// And this to say.
        note: Option<String>,
    },
    /// A person recorded a verdict.
    VerdictRecorded {
        /// Of which cycle.
        cycle: u16,
        /// This.
        verdict: Verdict,
        /// With totals and link, as said.
        note: String,
    },
    /// A slot was added.
    SlotAdded {
        /// This.
        slot: Slot,
    },
    /// A slot was changed.
    SlotChanged {
        /// To this.
        slot: Slot,
    },
    /// A slot was removed by a person.
    SlotRemoved {
        /// This.
        slot: SlotId,
    },
    /// A slot's time passed and its policy says that it is left out.
    SlotSkipped {
        /// This.
        slot: SlotId,
    },
    /// A build came.
    BuildArrived {
        /// This.
        build: Build,
    },
    /// A hold was placed.
    HoldPlaced {
        /// This.
        hold: Hold,
    },
    /// A hold was lifted.
    HoldLifted {
        /// This.
        hold: Hold,
    },
    /// A person says that a drift is put right.
    DriftCleared {
        /// This hold.
        hold: Hold,
        /// What was done.
        reason: String,
    },
    /// A person decided at a gate.
    Decided {
        /// This.
        approval: Approval,
    },
    /// A person let a stage start.
    StageReleased {
        /// This one.
        stage: GatedStage,
        /// Blockers that were overridden, as sentences; empty when there were none.
        overridden: Vec<String>,
        /// Why they were.
        reason: Option<String>,
    },
    /// People were reminded.
    ReminderFired {
        /// Kind and date.
        reminder: String,
    },
    /// A reminder's moment had passed when its date was edited.
    ReminderSkipped {
        /// Kind and date.
        reminder: String,
    },
    /// Fields were edited.
    Edited {
        /// These.
        edit: Box<Edit>,
    },
    /// Builds of a target come from elsewhere now.
    BuildModeChanged {
        /// Which target.
        target: TargetKey,
        /// From there.
        mode: BuildMode,
    },
    /// What a store tells users about the version changed.
    StoreNotesChanged {
        /// For which target.
        target: TargetKey,
        /// Texts by language: set to this, or taken away. Languages that are not named stay.
        texts: BTreeMap<Language, Option<String>>,
    },
    /// A submission or rollout of it changed.
    ShipmentChanged {
        /// For which target.
        target: TargetKey,
        /// To this.
        shipment: Shipment,
    },
    /// A gate's fact changed.
    FactChanged {
        /// Which.
        fact: FactKind,
        /// To this.
        value: String,
    },
    /// A person gave it up.
    Archived {
        /// Why.
        reason: String,
    },
    /// A person sent it back to an earlier stage; the events after this one say which tasks are done once more.
    Reworked {
        /// Back to this one.
        to: GatedStage,
        /// Why.
        reason: String,
    },
    /// The plan was replaced by the profile's and integrations' present state.
    Replanned {
        /// The new plan.
        plan: Box<Plan>,
        /// What changed, as JSON pointers into the plan.
        changed: Vec<String>,
    },
    /// A run that nobody waits for was asked to stop.
    RunCancelled {
        /// Of this step.
        key: EffectKey,
        /// This.
        run: RunRef,
    },
}

impl Event {
    /// The word stored with it and shown in the feed.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Created { .. } => "RELEASE_CREATED",
            Self::Task { event } => match event {
                TaskEvent::Planned { .. } => "TASKS_PLANNED",
                TaskEvent::Started { .. } => "TASK_STARTED",
                TaskEvent::StepDone { .. } => "TASK_STEP_DONE",
                TaskEvent::Parked { .. } => "TASK_PARKED",
                TaskEvent::Completed { .. } => "TASK_COMPLETED",
                TaskEvent::Failed { .. } => "TASK_FAILED",
                TaskEvent::Rearmed { .. } => "TASK_REARMED",
                TaskEvent::Repeated { .. } => "TASK_REPEATED",
                TaskEvent::Skipped { .. } => "TASK_SKIPPED",
                TaskEvent::SkipRequested { .. } => "TASK_SKIP_REQUESTED",
                TaskEvent::LookUpRequested { .. } => "TASK_LOOK_UP_REQUESTED",
                TaskEvent::Cancelled { .. } => "TASK_CANCELLED",
                TaskEvent::LateResult { .. } => "LATE_RESULT",
                TaskEvent::Doubted { .. } => "DUPLICATE_POSSIBLE",
                TaskEvent::DoubtDue { .. } => "DUPLICATE_LOOKED_FOR",
                TaskEvent::DoubtSettled { .. } => "DUPLICATE_SETTLED",
            },
            Self::StageEntered { .. } => "STAGE_ENTERED",
            Self::KickoffStartedNow { .. } => "KICKOFF_STARTED_NOW",
            Self::CycleStarted { .. } => "CYCLE_STARTED",
            Self::CycleEnded { .. } => "CYCLE_ENDED",
            Self::VerdictRecorded { .. } => "VERDICT_RECORDED",
            Self::SlotAdded { .. } => "SLOT_ADDED",
            Self::SlotChanged { .. } => "SLOT_CHANGED",
            Self::SlotRemoved { .. } => "SLOT_REMOVED",
            Self::SlotSkipped { .. } => "SLOT_SKIPPED",
            Self::BuildArrived { .. } => "BUILD_ARRIVED",
            Self::HoldPlaced { .. } => "HOLD_PLACED",
            Self::HoldLifted { .. } => "HOLD_LIFTED",
            Self::DriftCleared { .. } => "DRIFT_CLEARED",
            Self::Decided { .. } => "APPROVAL_DECIDED",
            Self::StageReleased { .. } => "STAGE_RELEASED",
            Self::ReminderFired { .. } => "REMINDER_FIRED",
            Self::ReminderSkipped { .. } => "REMINDER_SKIPPED",
            Self::Edited { .. } => "RELEASE_EDITED",
            Self::BuildModeChanged { .. } => "BUILD_MODE_CHANGED",
            Self::StoreNotesChanged { .. } => "STORE_NOTES_CHANGED",
            Self::ShipmentChanged { .. } => "SHIPMENT_CHANGED",
            Self::FactChanged { .. } => "FACT_CHANGED",
            Self::Archived { .. } => "RELEASE_ARCHIVED",
            Self::Reworked { .. } => "RELEASE_REWORKED",
            Self::Replanned { .. } => "RELEASE_REPLANNED",
            Self::RunCancelled { .. } => "RUN_CANCELLED",
        }
    }
}

/// What a release has and can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Clearable {
    /// What is said of it.
    Description,
    /// Who brings it home.
    Pilot,
    /// The reminder of its kickoff.
    KickoffReminder,
    /// When it shall be out.
    TargetDate,
}

/// An edit: what is set replaces, what is cleared goes, what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edit {
    /// New title.
    pub title: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New priority word.
    pub priority: Option<String>,
    /// New pilot.
    pub pilot: Option<String>,
    /// New kickoff.
    pub kickoff_at: Option<Timestamp>,
    /// New reminder.
    pub kickoff_reminder_at: Option<Timestamp>,
    /// New target date.
    pub target_date: Option<Timestamp>,
    /// What is taken away. Nothing of it is set too.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cleared: BTreeSet<Clearable>,
}

impl Edit {
    /// Writes what is set into the draft, and takes away what is cleared.
    pub fn apply(&self, draft: &mut Draft) {
        if let Some(title) = &self.title {
            draft.title.clone_from(title);
        }
        if self.description.is_some() {
            draft.description.clone_from(&self.description);
        }
        if let Some(priority) = &self.priority {
            draft.priority.clone_from(priority);
        }
        if self.pilot.is_some() {
            draft.pilot.clone_from(&self.pilot);
        }
        if let Some(at) = self.kickoff_at {
            draft.kickoff_at = at;
        }
        if self.kickoff_reminder_at.is_some() {
            draft.kickoff_reminder_at = self.kickoff_reminder_at;
        }
        if self.target_date.is_some() {
            draft.target_date = self.target_date;
        }
        for cleared in &self.cleared {
            match cleared {
                Clearable::Description => draft.description = None,
                Clearable::Pilot => draft.pilot = None,
                Clearable::KickoffReminder => draft.kickoff_reminder_at = None,
                Clearable::TargetDate => draft.target_date = None,
            }
        }
    }
}
