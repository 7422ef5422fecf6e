//! What a release is: the fold of its events.

use super::event::Event;
use super::hold::Hold;
use super::store_notes::{self, Texts};
use crate::board::{Board, Lane, StepResult, TaskEvent, TaskState};
use crate::ids::{BuildId, CycleId, InstallId, ReleaseId, ServiceId, SlotId, TenantId};
use crate::key::{AggregateId, AggregateKind, TargetKey, TaskKey, TaskKind, words};
use crate::names::{RefName, Sha};
use crate::plan::{GatedStage, MissedSlot, Plan, ShaOrigin};
use crate::report::{ChildState, Finding};
use crate::time::Timestamp;
use crate::version::Bump;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

words! {
    /// How far the orchestration has come; exactly one at a time.
    Stage ("stage") {
        /// Waiting for its kickoff.
        NotStarted = "NOT_STARTED",
        /// Branch, tickets, test runs.
        Kickoff = "KICKOFF",
        /// Waiting to enter regression.
        AwaitingRegression = "AWAITING_REGRESSION",
        /// Cycles.
        Regression = "REGRESSION",
        /// Waiting to enter pre-release.
        AwaitingPreRelease = "AWAITING_PRE_RELEASE",
        /// Release tag, notes, store builds.
        PreRelease = "PRE_RELEASE",
        /// Waiting to enter distribution.
        AwaitingDistribution = "AWAITING_DISTRIBUTION",
        /// Stores.
        Distribution = "DISTRIBUTION",
        /// Everything done.
        Completed = "COMPLETED",
        /// Closed after a roll-back or halt.
        RolledBack = "ROLLED_BACK",
        /// Given up by a person.
        Archived = "ARCHIVED",
    }
}

words! {
    /// The orchestration view people see.
    Phase ("phase") {
        /// Kickoff not reached.
        NotStarted = "NOT_STARTED",
        /// Kickoff running.
        Kickoff = "KICKOFF",
        /// Kickoff complete.
        AwaitingRegression = "AWAITING_REGRESSION",
        /// A cycle is active.
        Regression = "REGRESSION",
        /// In regression, no cycle active.
        RegressionAwaitingNextCycle = "REGRESSION_AWAITING_NEXT_CYCLE",
        /// Cycles done.
        AwaitingPreRelease = "AWAITING_PRE_RELEASE",
        /// Pre-release running.
        PreRelease = "PRE_RELEASE",
        /// Pre-release complete.
        AwaitingDistribution = "AWAITING_DISTRIBUTION",
        /// In the stores.
        Distribution = "DISTRIBUTION",
        /// Done.
        Completed = "COMPLETED",
        /// Rolled back.
        RolledBack = "ROLLED_BACK",
        /// Archived.
        Archived = "ARCHIVED",
    }
}

words! {
    /// State of a regression cycle.
    CycleState ("cycle state") {
        /// Its tasks run.
        InProgress = "IN_PROGRESS",
        /// Its tasks are done.
        Done = "DONE",
        /// Given up with a reason.
        Abandoned = "ABANDONED",
    }
}

words! {
    /// What a cycle says about the build.
    Verdict ("verdict") {
        /// Good enough.
        Passed = "PASSED",
        /// Not good enough.
        Failed = "FAILED",
        /// Nobody said.
        Unknown = "UNKNOWN",
    }
}

words! {
    /// What a person decided at a gate.
    Decision ("decision") {
        /// Yes.
        Approved = "APPROVED",
        /// No.
        Rejected = "REJECTED",
    }
}

/// A planned time of a regression cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its id.
    pub id: SlotId,
    /// When it runs.
    pub at: Timestamp,
    /// Whether builds are made.
    pub builds: BuildsWanted,
    /// Whether automation runs (where a pipeline for it exists).
    pub automation: AutomationWanted,
    /// What happens when its time passed unused.
    pub missed: MissedSlot,
}

words! {
    /// Whether a cycle makes builds.
    BuildsWanted ("builds option") {
        /// It does.
        Build = "BUILD",
        /// It does not.
        NoBuild = "NO_BUILD",
    }
}

words! {
    /// Whether a cycle runs automation.
    AutomationWanted ("automation option") {
        /// It does.
        Run = "RUN",
        /// It does not.
        NoRun = "NO_RUN",
    }
}

/// One executed regression cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// Its id.
    pub id: CycleId,
    /// 1 is the first.
    pub number: u16,
    /// State.
    pub state: CycleState,
    /// Verdict.
    pub verdict: Verdict,
    /// Who or what said so.
    pub verdict_note: Option<String>,
    /// Commit it tests, once pinned.
    pub sha: Option<Sha>,
    /// Its tag, once made.
    pub tag: Option<RefName>,
    /// Whether it makes builds.
    pub builds: BuildsWanted,
    /// Whether it runs automation.
    pub automation: AutomationWanted,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// One artifact of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// For which target.
    pub target: TargetKey,
    /// The task that made it.
    pub task: TaskKey,
    /// Number at the CI system or store.
    pub build_number: Option<String>,
    /// Where a person sees the run.
    pub url: Option<String>,
    /// Where the artifact lies.
    pub artifact_url: Option<String>,
    /// Its commit.
    pub sha: Option<Sha>,
    /// How the commit is known.
    pub origin: ShaOrigin,
    /// When it came.
    pub at: Timestamp,
}

impl Build {
    /// Whether it is of a run that should have left a file and did not. What TestFlight has is not handed on.
    #[must_use]
    pub fn lacks_file(&self) -> bool {
        let of_a_run = self.url.is_some();
        of_a_run && self.artifact_url.is_none() && self.task.kind != TaskKind::TriggerTestFlightBuild
    }
}

/// A recorded decision at a gate, bound to the commit it was taken on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// For entering this stage.
    pub stage: GatedStage,
    /// Who.
    pub by: String,
    /// What.
    pub decision: Decision,
    /// On which commit.
    pub sha: Option<Sha>,
    /// What was said.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A child of the release as its last Tell described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// The submission in force.
    pub submission: crate::ids::SubmissionId,
    /// Its rollout, once there is one.
    pub rollout: Option<crate::ids::RolloutId>,
    /// State.
    pub state: ChildState,
}

impl Shipment {
    /// The hold that what its store has beside what was decided places on its lane.
    #[must_use]
    pub fn drift(&self, target: TargetKey) -> Option<Hold> {
        let drift = self.state.drift.as_ref()?;
        Some(Hold::Drift {
            target: Some(target),
            sentence: format!(
                "{target}: {drift}; decide anew on the rollout, put it back in the store's console, or clear the drift \
                 to keep it so"
            ),
        })
    }
}

/// Everything a release is created with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its id.
    pub id: ReleaseId,
    /// Whose.
    pub tenant: TenantId,
    /// The installation, for effect keys.
    pub install: InstallId,
    /// Number behind the key.
    pub number: i64,
    /// Service.
    pub service: ServiceId,
    /// Service's slug, for names.
    pub service_slug: String,
    /// Kind of bump.
    pub bump: Bump,
    /// Title.
    pub title: String,
    /// Description.
    pub description: Option<String>,
    /// Priority word.
    pub priority: String,
    /// Who pilots it.
    pub pilot: Option<String>,
    /// Frozen plan.
    pub plan: Plan,
    /// When it starts.
    pub kickoff_at: Timestamp,
    /// When people are reminded of it.
    pub kickoff_reminder_at: Option<Timestamp>,
    /// When it shall be out.
    pub target_date: Option<Timestamp>,
    /// Regression slots.
    pub slots: Vec<Slot>,
}

/// What earlier attempts at the later stages left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rework {
    /// How often the release was sent back.
    #[serde(default)]
    pub times: u16,
    /// Release tags that were made and are no longer meant. Tags never move, so the next one gets another name.
    pub tags: u16,
    /// Decisions before this one were about an earlier attempt and count no more.
    pub approvals_from: usize,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// What it was created with; edits change it.
    pub draft: Draft,
    /// Events folded so far.
    pub version: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Explicit holds; others follow from the state, see [`super::hold::holds`].
    pub holds: BTreeSet<Hold>,
    /// Tasks.
    pub board: Board,
    /// Slots not used yet.
    pub slots: BTreeMap<SlotId, Slot>,
    /// Cycles, oldest first.
    pub cycles: Vec<Cycle>,
    /// Builds, oldest first.
    pub builds: Vec<Build>,
    /// Decisions at gates.
    pub approvals: Vec<Approval>,
    /// Stages that a person let start (by trigger, approval or override).
    pub released: BTreeSet<GatedStage>,
    /// Release branch, once it exists.
    pub branch: Option<RefName>,
    /// What the base's head was at kickoff.
    pub base_sha: Option<Sha>,
    /// Release tag, once made.
    pub tag: Option<RefName>,
    /// Final notes.
    pub notes: Option<String>,
    /// What people wrote for users in the stores, by target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub store_notes: BTreeMap<TargetKey, Texts>,
    /// Children by target.
    pub shipments: BTreeMap<TargetKey, Shipment>,
    /// Reminder keys that fired or were skipped, each with the date it was for.
    pub reminders: BTreeSet<String>,
    /// What earlier attempts left behind.
    #[serde(default)]
    pub rework: Rework,
    /// The event at which the holds that reach a target's child last changed: a child that knows less is told again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<TargetKey, u64>,
    /// When it came to its stage; none in states of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_since: Option<Timestamp>,
    /// Since when children say of themselves what they say now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lanes_since: BTreeMap<TargetKey, Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the last event happened.
    pub updated_at: Timestamp,
}

impl Release {
    /// A release as it is born.
    #[must_use]
    pub fn born(draft: Draft, at: Timestamp) -> Self {
        let slots = draft.slots.iter().map(|slot| (slot.id, slot.clone())).collect();
        Self {
            draft,
            version: 1,
            stage: Stage::NotStarted,
            holds: BTreeSet::new(),
            board: Board::default(),
            slots,
            cycles: Vec::new(),
            builds: Vec::new(),
            approvals: Vec::new(),
            released: BTreeSet::new(),
            branch: None,
            base_sha: None,
            tag: None,
            notes: None,
            store_notes: BTreeMap::new(),
            shipments: BTreeMap::new(),
            reminders: BTreeSet::new(),
            rework: Rework::default(),
            told: BTreeMap::new(),
            stage_since: Some(at),
            lanes_since: BTreeMap::new(),
            created_at: at,
            updated_at: at,
        }
    }
    /// Its aggregate id.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        AggregateId {
            kind: AggregateKind::Release,
            id: self.draft.id.uuid(),
        }
    }
    /// Key people see.
    #[must_use]
    pub fn key(&self) -> String {
        format!("REL-{}", self.draft.number)
    }
    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.draft.plan
    }
    /// Whether it is left only by reopening.
    #[must_use]
    pub const fn terminal(&self) -> bool {
        matches!(self.stage, Stage::Archived | Stage::RolledBack)
    }
    /// The cycle under way.
    #[must_use]
    pub fn active_cycle(&self) -> Option<&Cycle> {
        self.cycles
            .iter()
            .rev()
            .find(|cycle| cycle.state == CycleState::InProgress)
    }
    /// The newest cycle that was not abandoned: the one gates read.
    #[must_use]
    pub fn judged_cycle(&self) -> Option<&Cycle> {
        self.cycles
            .iter()
            .rev()
            .find(|cycle| cycle.state != CycleState::Abandoned)
    }
    /// The commit that ships: what the judged cycle tested, or, where no cycle was run, what the release tag's own step
    /// found on the branch.
    #[must_use]
    pub fn shipped_sha(&self) -> Option<&Sha> {
        if let Some(cycle) = self.judged_cycle() {
            return cycle.sha.as_ref();
        }
        let tag = self.board.find(&TaskKey::once(TaskKind::CreateReleaseTag))?;
        tag.done.iter().find_map(|(_, result)| match result {
            StepResult::Found {
                finding: Finding::Head { sha },
            } => Some(sha),
            StepResult::Found { .. }
            | StepResult::Made { .. }
            | StepResult::Ran { .. }
            | StepResult::Seen => None,
        })
    }
    /// The newest build of a target that was made for its store.
    #[must_use]
    pub fn store_build(&self, target: TargetKey) -> Option<&Build> {
        let kind = if target == TargetKey::IosAppStore {
            TaskKind::TriggerTestFlightBuild
        } else {
            TaskKind::CreateAabBuild
        };
        self.builds
            .iter()
            .rev()
            .find(|build| build.target == target && build.task.kind == kind)
    }
    /// The version that names branch and tags: all targets' version, or the highest.
    #[must_use]
    pub fn version_name(&self) -> String {
        self.plan()
            .targets
            .values()
            .map(|target| target.version)
            .max()
            .map_or_else(String::new, |version| version.to_string())
    }
    /// Whether a target has reached its users for good.
    #[must_use]
    pub fn is_out(&self, target: TargetKey) -> bool {
        let shipped = self.board.find(&super::catalogue::ship_task(target));
        shipped.is_some_and(|task| task.state.settled())
    }
    /// A task of it.
    #[must_use]
    pub fn task(&self, key: &TaskKey) -> Option<&crate::board::Task> {
        self.board.find(key)
    }

    /// Folds one event. Cannot fail; an event decide never yields leaves the state alone.
    #[must_use]
    pub fn evolve(mut self, event: &Event, at: Timestamp) -> Self {
        let before = super::children::holds_by_target(&self);
        self.version = self.version.saturating_add(1);
        self.updated_at = at;
        self.take(event, at);
        for (target, by) in super::children::holds_by_target(&self) {
            if before.get(&target).is_some_and(|known| *known != by) {
                self.told.insert(target, self.version);
            }
        }
        self
    }

    fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Created { .. } => {}
            Event::Task { event } => self.evolve_task(event, at),
            Event::StageEntered { stage } => {
                self.stage = *stage;
                self.stage_since = Some(at);
                match stage {
                    Stage::Regression => {
                        // A trigger was given for what had been tested then.
                        self.released.remove(&GatedStage::PreRelease);
                        self.released.remove(&GatedStage::Distribution);
                        self.holds_cleared(GatedStage::Regression);
                    }
                    Stage::PreRelease => self.holds_cleared(GatedStage::PreRelease),
                    Stage::Distribution => self.holds_cleared(GatedStage::Distribution),
                    Stage::NotStarted
                    | Stage::Kickoff
                    | Stage::AwaitingRegression
                    | Stage::AwaitingPreRelease
                    | Stage::AwaitingDistribution
                    | Stage::Completed
                    | Stage::RolledBack
                    | Stage::Archived => {}
                }
            }
            Event::KickoffStartedNow { at } => self.draft.kickoff_at = *at,
            Event::CycleStarted { cycle, slots, .. } => {
                for slot in slots {
                    self.slots.remove(slot);
                }
                self.cycles.push(cycle.clone());
            }
            Event::CycleEnded {
                cycle,
                state,
                verdict,
                note,
            } => {
                if let Some(it) = self.cycles.iter_mut().find(|it| it.number == *cycle) {
                    it.state = *state;
                    it.verdict = *verdict;
                    it.verdict_note.clone_from(note);
                    it.ended_at = Some(at);
                }
            }
            Event::VerdictRecorded { cycle, verdict, note } => {
                if let Some(it) = self.cycles.iter_mut().find(|it| it.number == *cycle) {
                    it.verdict = *verdict;
                    it.verdict_note = Some(note.clone());
                }
            }
            Event::SlotAdded { slot } | Event::SlotChanged { slot } => {
                self.slots.insert(slot.id, slot.clone());
            }
            Event::SlotRemoved { slot } | Event::SlotSkipped { slot } => {
                self.slots.remove(slot);
            }
            Event::BuildArrived { build } => self.builds.push(build.clone()),
            Event::HoldPlaced { hold } => {
                self.holds.insert(hold.clone());
            }
            Event::HoldLifted { hold } | Event::DriftCleared { hold, .. } => {
                self.holds.remove(hold);
            }
            Event::Decided { approval } => self.approvals.push(approval.clone()),
            Event::StageReleased { stage, .. } => {
                self.released.insert(*stage);
            }
            Event::ReminderFired { reminder } | Event::ReminderSkipped { reminder } => {
                super::remind::note(self, reminder);
            }
            Event::Edited { edit } => edit.apply(&mut self.draft),
            Event::BuildModeChanged { target, mode } => {
                if let Some(plan) = self.draft.plan.targets.get_mut(target) {
                    plan.builds = *mode;
                }
            }
            Event::StoreNotesChanged { target, texts } => store_notes::fold(self, *target, texts),
            Event::ShipmentChanged { target, shipment } => {
                let before = self.shipments.insert(*target, shipment.clone());
                // A step of a rollout is news, unless something blocks the lane: that goes on for as long as it is said.
                let step = |it: &ChildState| it.blocker.is_none().then_some(it.exposure);
                let says = |it: &Shipment| {
                    let state = &it.state;
                    (
                        it.submission,
                        state.status.clone(),
                        state.blocker.clone(),
                        step(state),
                    )
                };
                let same = before.is_some_and(|before| says(&before) == says(shipment));
                if !same {
                    self.lanes_since.insert(*target, at);
                }
            }
            Event::Reworked { to, .. } => self.note_rework(*to),
            Event::Replanned { plan, .. } => self.draft.plan = plan.as_ref().clone(),
            Event::FactChanged { .. } | Event::Archived { .. } | Event::RunCancelled { .. } => {}
        }
    }

    fn note_rework(&mut self, to: GatedStage) {
        self.rework.times = self.rework.times.saturating_add(1);
        self.rework.approvals_from = self.approvals.len();
        self.released.remove(&GatedStage::Distribution);
        if to != GatedStage::Distribution {
            self.released.remove(&GatedStage::PreRelease);
        }
        if to == GatedStage::Regression {
            self.rework.tags = self.rework.tags.saturating_add(u16::from(self.tag.is_some()));
            self.tag = None;
            self.notes = None;
        }
    }

    fn holds_cleared(&mut self, stage: GatedStage) {
        self.released.insert(stage);
    }

    fn evolve_task(&mut self, event: &TaskEvent, at: Timestamp) {
        self.board.evolve(event, at);
        match event {
            TaskEvent::StepDone { task, result, .. } => self.note_step(task, result),
            TaskEvent::Completed { task, .. } => self.note_completed(task),
            TaskEvent::Planned { .. }
            | TaskEvent::Started { .. }
            | TaskEvent::Parked { .. }
            | TaskEvent::Failed { .. }
            | TaskEvent::Rearmed { .. }
            | TaskEvent::Repeated { .. }
            | TaskEvent::Skipped { .. }
            | TaskEvent::SkipRequested { .. }
            | TaskEvent::LookUpRequested { .. }
            | TaskEvent::Cancelled { .. }
            | TaskEvent::LateResult { .. }
            | TaskEvent::Doubted { .. }
            | TaskEvent::DoubtDue { .. }
            | TaskEvent::DoubtSettled { .. } => {}
        }
    }

    fn note_step(&mut self, key: &TaskKey, result: &StepResult) {
        match (key.kind, result) {
            (
                TaskKind::ForkBranch,
                StepResult::Found {
                    finding: Finding::Head { sha },
                },
            ) => self.base_sha = Some(sha.clone()),
            (
                TaskKind::CreateRcTag,
                StepResult::Found {
                    finding: Finding::Head { sha },
                },
            ) => {
                if let Some(cycle) = self.cycles.iter_mut().find(|it| Some(it.number) == key.cycle) {
                    cycle.sha = Some(sha.clone());
                }
            }
            (
                TaskKind::CreateFinalReleaseNotes,
                StepResult::Found {
                    finding: Finding::Notes { text },
                },
            ) => self.notes = Some(text.clone()),
            (
                _,
                StepResult::Found { .. }
                | StepResult::Made { .. }
                | StepResult::Ran { .. }
                | StepResult::Seen,
            ) => {}
        }
    }

    fn note_completed(&mut self, key: &TaskKey) {
        let made = self
            .board
            .find(key)
            .and_then(|task| task.reference())
            .map(|reference| reference.id.clone());
        let name = made.and_then(|id| id.parse::<RefName>().ok());
        if key.kind == TaskKind::ForkBranch {
            self.branch = name.or_else(|| self.plan().scm.existing_branch.clone());
        } else if key.kind == TaskKind::CreateReleaseTag {
            self.tag = name;
        } else if key.kind == TaskKind::CreateRcTag
            && let Some(cycle) = self.cycles.iter_mut().find(|it| Some(it.number) == key.cycle)
        {
            cycle.tag = name;
        }
    }

    /// Whether every task of the lane lets the stage complete.
    #[must_use]
    pub fn lane_settled(&self, lane: Lane) -> bool {
        self.board.lane(lane).all(|task| task.state.over())
    }
    /// Failed tasks, with their causes.
    pub fn failures(&self) -> impl Iterator<Item = (&crate::board::Task, &crate::report::Cause)> {
        self.board.iter().filter_map(|task| match &task.state {
            TaskState::Failed { cause, .. } => Some((task, cause)),
            TaskState::Pending
            | TaskState::Running { .. }
            | TaskState::AwaitingCallback { .. }
            | TaskState::AwaitingManual { .. }
            | TaskState::AwaitingChild { .. }
            | TaskState::Completed { .. }
            | TaskState::Skipped { .. }
            | TaskState::Cancelled => None,
        })
    }
}
