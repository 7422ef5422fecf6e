//! The board: an aggregate's durable tasks, how they move, and which rows of the queue they stand for.
//!
//! Releases, submissions and rollouts own a board each and share this code, so that starting, retrying, parking and
//! skipping mean the same everywhere. The owner says what a step's effect contains; the board says when it exists.

mod doubt;
mod look;
mod rules;

pub use doubt::{Doubt, UNANSWERED_SECONDS, doubt_due, unanswered};
pub use look::AfterLookUp;
pub use rules::{decide_report, is_known, overdue, permit, react, row_of, step_done};

use crate::effect::{Effect, Reference, Watched};
use crate::key::{AggregateId, EffectKey, Generation, TaskKey, words};
use crate::report::{Cause, Finding, Outcome, RunProduct};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

words! {
    /// The shape of a step. Its content follows from the owner's state when it starts.
    StepKind ("step") {
        /// Read that fixes the commit of a ref.
        ResolveHead = "RESOLVE_HEAD",
        /// Read that fixes notes.
        ResolveNotes = "RESOLVE_NOTES",
        /// Read that fixes test totals.
        ResolveTotals = "RESOLVE_TOTALS",
        /// Read that fixes the store's build.
        ResolveStoreBuild = "RESOLVE_STORE_BUILD",
        /// Read that fixes a rollout's exposure.
        ResolveExposure = "RESOLVE_EXPOSURE",
        /// One vendor write.
        Perform = "PERFORM",
        /// The vendor write that starts a run.
        PerformRun = "PERFORM_RUN",
        /// One wait.
        Watch = "WATCH",
    }
}

impl StepKind {
    /// The row variant that stands for the step.
    #[must_use]
    pub const fn row(self) -> &'static str {
        match self {
            Self::ResolveHead
            | Self::ResolveNotes
            | Self::ResolveTotals
            | Self::ResolveStoreBuild
            | Self::ResolveExposure => "resolve",
            Self::Perform | Self::PerformRun => "perform",
            Self::Watch => "watch",
        }
    }
    pub(crate) const fn is_perform(self) -> bool {
        matches!(self, Self::Perform | Self::PerformRun)
    }
}

/// A frozen step: its shape and, for lists, which item it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its shape.
    pub kind: StepKind,
    /// The vendor object it is about, frozen when the task started (a ticket of a list).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

impl Step {
    /// A step without an item.
    #[must_use]
    pub const fn new(kind: StepKind) -> Self {
        Self { kind, item: None }
    }
    /// A vendor write about one item of a list.
    #[must_use]
    pub const fn perform(item: String) -> Self {
        Self {
            kind: StepKind::Perform,
            item: Some(item),
        }
    }
}

/// What a finished step left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepResult {
    /// Something exists at the vendor.
    Made {
        /// This.
        reference: Reference,
    },
    /// A fact was read.
    Found {
        /// This.
        finding: Finding,
    },
    /// A run ended well.
    Ran {
        /// With this.
        product: RunProduct,
    },
    /// A wait ended well.
    Seen,
}

/// What a person must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manual {
    /// Who must do what.
    pub sentence: String,
}

/// What a completed task left beside its steps' results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "output", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Output {
    /// Its steps' results say it all.
    Steps,
    /// A person did it.
    ByHand {
        /// What the person says.
        reason: String,
        /// What the person made, if named.
        reference: Option<Reference>,
    },
    /// A person uploaded a build.
    Uploaded {
        /// What.
        product: RunProduct,
    },
    /// Test automation came to a verdict.
    Verdict {
        /// Whether the threshold was reached.
        passed: bool,
    },
    /// A child aggregate came to its end.
    Child,
}

/// State of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// Not started, or parked by a hold.
    Pending,
    /// A write or read is under way.
    Running {
        /// Which.
        step: u16,
    },
    /// A run or review is under way at a vendor.
    AwaitingCallback {
        /// What is watched.
        watched: Watched,
        /// When the wait fails.
        deadline: Timestamp,
    },
    /// A person must act.
    AwaitingManual {
        /// How.
        what: Manual,
    },
    /// Another aggregate is at work.
    AwaitingChild {
        /// Which.
        child: AggregateId,
    },
    /// Done.
    Completed {
        /// With this.
        output: Output,
    },
    /// Given up until a person acts.
    Failed {
        /// Why.
        cause: Cause,
        /// What is known of the object.
        outcome: Outcome,
    },
    /// Left out.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Its stage or cycle is over without it.
    Cancelled,
}

impl TaskState {
    /// The word of the API (the seeds' task states).
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running { .. } | Self::AwaitingChild { .. } => "RUNNING",
            Self::AwaitingCallback { .. } => "AWAITING_CALLBACK",
            Self::AwaitingManual { .. } => "AWAITING_MANUAL",
            Self::Completed { .. } => "COMPLETED",
            Self::Failed { .. } => "FAILED",
            Self::Skipped { .. } => "SKIPPED",
            Self::Cancelled => "CANCELLED",
        }
    }
    /// Whether dependants may start.
    #[must_use]
    pub const fn settled(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Skipped { .. })
    }
    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn over(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. } | Self::Skipped { .. } | Self::Cancelled
        )
    }
}

words! {
    /// Where a task belongs.
    Lane ("task stage") {
        /// Stage 1.
        Kickoff = "KICKOFF",
        /// Stage 2.
        Regression = "REGRESSION",
        /// Stage 3.
        PreRelease = "PRE_RELEASE",
        /// Stage 4.
        Distribution = "DISTRIBUTION",
        /// After an archive, outside stages.
        CleanUp = "CLEAN_UP",
        /// In a submission or rollout.
        Store = "STORE",
    }
}

/// A durable task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Which.
    pub key: TaskKey,
    /// Of which stage.
    pub lane: Lane,
    /// Where it stands.
    pub state: TaskState,
    /// Spent predecessors of the object of the next step.
    pub generation: Generation,
    /// Its steps, frozen when it first started.
    pub steps: Vec<Step>,
    /// The step that comes next.
    pub next_step: u16,
    /// What its finished steps left, with the generation they ran under.
    pub done: Vec<(Generation, StepResult)>,
    /// Tasks that come first.
    pub after: BTreeSet<TaskKey>,
    /// Its row lies PARKED until no hold reaches it.
    pub parked: bool,
    /// A skip waits for a look-up of an unknown outcome; the reason given.
    pub skip_after_look_up: Option<String>,
    /// Something else waits for such a look-up; what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_look_up: Option<AfterLookUp>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// When it last came to an end.
    pub ended_at: Option<Timestamp>,
}

/// A task as it is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// Which.
    pub key: TaskKey,
    /// Of which stage.
    pub lane: Lane,
    /// Tasks that come first.
    pub after: BTreeSet<TaskKey>,
    /// Left out from the start, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Task {
    fn planned(plan: &PlannedTask, at: Timestamp) -> Self {
        Self {
            key: plan.key,
            lane: plan.lane,
            state: match &plan.skipped {
                Some(reason) => TaskState::Skipped {
                    reason: reason.clone(),
                },
                None => TaskState::Pending,
            },
            generation: Generation::default(),
            steps: Vec::new(),
            next_step: 0,
            done: Vec::new(),
            after: plan.after.clone(),
            parked: false,
            skip_after_look_up: None,
            after_look_up: None,
            started_at: None,
            ended_at: plan.skipped.as_ref().map(|_| at),
        }
    }
    /// The reference its last vendor write left.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        if let TaskState::Completed {
            output:
                Output::ByHand {
                    reference: Some(reference),
                    ..
                },
        } = &self.state
        {
            return Some(reference);
        }
        self.done.iter().rev().find_map(|(_, result)| match result {
            StepResult::Made { reference } => Some(reference),
            StepResult::Found { .. } | StepResult::Ran { .. } | StepResult::Seen => None,
        })
    }
    /// What its run, or the person who uploaded, left.
    #[must_use]
    pub fn product(&self) -> Option<&RunProduct> {
        if let TaskState::Completed {
            output: Output::Uploaded { product },
        } = &self.state
        {
            return Some(product);
        }
        self.done.iter().rev().find_map(|(_, result)| match result {
            StepResult::Ran { product } => Some(product),
            StepResult::Made { .. } | StepResult::Found { .. } | StepResult::Seen => None,
        })
    }
    /// The last fact its steps read.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.done.iter().rev().find_map(|(_, result)| match result {
            StepResult::Found { finding } => Some(finding),
            StepResult::Made { .. } | StepResult::Ran { .. } | StepResult::Seen => None,
        })
    }
    /// The step under way.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.steps.get(usize::from(self.next_step))
    }
    /// Whether the key names the step that is under way now.
    #[must_use]
    pub fn is_at(&self, key: &EffectKey) -> bool {
        self.generation == key.generation && self.next_step == key.step
    }
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task_event", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskEvent {
    /// Tasks came to be.
    Planned {
        /// These.
        tasks: Vec<PlannedTask>,
    },
    /// A task started, or started again.
    Started {
        /// Which.
        task: TaskKey,
        /// Its steps, frozen.
        steps: Vec<Step>,
        /// How it begins.
        begin: Begin,
    },
    /// A step is done.
    StepDone {
        /// Of which task.
        task: TaskKey,
        /// Which.
        step: u16,
        /// What it left.
        result: StepResult,
        /// The wait that follows, if one does.
        wait: Option<Wait>,
    },
    /// A hold came before the write: not tried.
    Parked {
        /// Which.
        task: TaskKey,
    },
    /// Done.
    Completed {
        /// Which.
        task: TaskKey,
        /// With this.
        output: Output,
    },
    /// Given up until a person acts.
    Failed {
        /// Which.
        task: TaskKey,
        /// Why.
        cause: Cause,
        /// What is known of the object.
        outcome: Outcome,
    },
    /// To be tried again.
    Rearmed {
        /// Which.
        task: TaskKey,
        /// The object is spent: a new generation, from the write that made it.
        spent: bool,
    },
    /// To be done once more from its first step, because its stage is: a new generation with steps of its own.
    Repeated {
        /// Which.
        task: TaskKey,
    },
    /// Left out.
    Skipped {
        /// Which.
        task: TaskKey,
        /// Why.
        reason: String,
    },
    /// Left out once a look-up has said whether it exists.
    SkipRequested {
        /// Which.
        task: TaskKey,
        /// Why.
        reason: String,
    },
    /// What was sent for it is looked for before anything else is done about it.
    LookUpRequested {
        /// Which.
        task: TaskKey,
        /// What is done then.
        then: AfterLookUp,
    },
    /// Its stage or cycle is over without it.
    Cancelled {
        /// Which.
        task: TaskKey,
    },
    /// Something came to exist that nobody waits for any more.
    LateResult {
        /// Under this key.
        key: EffectKey,
        /// This.
        reference: Reference,
    },
    /// What was written may stand twice at the vendor once an earlier send arrives: it is looked for once more.
    Doubted {
        /// This.
        doubt: Box<Doubt>,
    },
    /// The time to look has come.
    DoubtDue {
        /// For this write.
        key: EffectKey,
    },
    /// It was looked for once more.
    DoubtSettled {
        /// For this write.
        key: EffectKey,
        /// What stands under its mark; empty too when the vendor could not be asked.
        found: Vec<Reference>,
    },
}

/// How a started task begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "begin", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Begin {
    /// With the next step's row.
    Step,
    /// With a wait.
    Wait {
        /// This one.
        wait: Wait,
    },
    /// With a person.
    Manual {
        /// Who must do this.
        what: Manual,
    },
    /// With another aggregate.
    Child {
        /// This one.
        child: AggregateId,
    },
}

/// A wait for something at a vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What is watched.
    pub watched: Watched,
    /// When it fails.
    pub deadline: Timestamp,
}

/// What an event asks of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Insert or re-arm this row.
    Enqueue(Effect),
    /// End this row if it is READY or PARKED.
    End(crate::key::EffectId),
}

/// Whether a claimed effect may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Write,
    /// A hold reaches it (or a skip waits): it may look up and adopt, not create.
    LookUpOnly,
    /// It was done; it is looked for once more, whether it stands twice.
    LookAgain,
    /// Nobody waits for it any more.
    Stale,
}

/// What an owner knows about its tasks' content.
pub trait Owner {
    /// The owner's id.
    fn aggregate(&self) -> AggregateId;
    /// Its board.
    fn board(&self) -> &Board;
    /// The key of a task's step.
    fn effect_key(&self, task: &Task, step: u16) -> EffectKey;
    /// Content of the row a step stands for, from the state as it is.
    fn step_effect(&self, task: &Task, step: u16) -> Option<Effect>;
    /// Content of the row a wait stands for.
    fn watch_effect(&self, task: &Task, watched: &Watched) -> Option<Effect>;
    /// The wait that follows once the step before a Watch has left its result.
    fn wait_after(&self, task: &Task, result: &StepResult, now: Timestamp) -> Option<Wait>;
    /// Whether a hold reaches the task.
    fn is_blocked(&self, task: &Task) -> bool;
}

/// All tasks of an aggregate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    tasks: BTreeMap<TaskKey, Task>,
    /// Results that came too late, for the clean-up list.
    pub late: Vec<(EffectKey, Reference)>,
    /// Writes that may stand twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<Doubt>,
}

impl Board {
    /// The task of the key.
    #[must_use]
    pub fn find(&self, key: &TaskKey) -> Option<&Task> {
        self.tasks.get(key)
    }
    /// All tasks, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }
    /// Tasks of a stage.
    pub fn lane(&self, lane: Lane) -> impl Iterator<Item = &Task> {
        self.tasks.values().filter(move |task| task.lane == lane)
    }
    /// Whether every task that comes first lets this one start.
    #[must_use]
    pub fn unblocked_by_order(&self, task: &Task) -> bool {
        task.after
            .iter()
            .all(|first| self.find(first).is_none_or(|it| it.state.settled()))
    }

    /// Folds one event.
    pub fn evolve(&mut self, event: &TaskEvent, at: Timestamp) {
        match event {
            TaskEvent::Planned { tasks } => {
                for plan in tasks {
                    self.tasks
                        .entry(plan.key)
                        .or_insert_with(|| Task::planned(plan, at));
                }
            }
            TaskEvent::Started { task, steps, begin } => self.change(task, |it| {
                it.steps.clone_from(steps);
                it.parked = false;
                it.started_at = Some(at);
                it.ended_at = None;
                it.state = match begin {
                    Begin::Step => TaskState::Running { step: it.next_step },
                    Begin::Wait { wait } => TaskState::AwaitingCallback {
                        watched: wait.watched.clone(),
                        deadline: wait.deadline,
                    },
                    Begin::Manual { what } => TaskState::AwaitingManual { what: what.clone() },
                    Begin::Child { child } => TaskState::AwaitingChild { child: *child },
                };
            }),
            TaskEvent::StepDone {
                task,
                step,
                result,
                wait,
            } => self.change(task, |it| {
                it.done.truncate(usize::from(*step));
                it.done.push((it.generation, result.clone()));
                it.next_step = step.saturating_add(1);
                it.parked = false;
                it.after_look_up = None;
                it.state = match wait {
                    Some(wait) => TaskState::AwaitingCallback {
                        watched: wait.watched.clone(),
                        deadline: wait.deadline,
                    },
                    None => TaskState::Running { step: it.next_step },
                };
            }),
            TaskEvent::Parked { task } => self.change(task, |it| {
                it.state = TaskState::Pending;
                it.parked = true;
            }),
            TaskEvent::Completed { task, output } => self.close(
                task,
                at,
                TaskState::Completed {
                    output: output.clone(),
                },
            ),
            TaskEvent::Failed { task, cause, outcome } => {
                self.close(
                    task,
                    at,
                    TaskState::Failed {
                        cause: cause.clone(),
                        outcome: *outcome,
                    },
                );
            }
            TaskEvent::Rearmed { task, spent } => self.change(task, |it| {
                if *spent {
                    let from = it.spent_step();
                    it.return_to(from);
                    // Nothing is left of the old try: the new one's steps are frozen anew.
                    if from == 0 {
                        it.steps.clear();
                    }
                    let before = it.generation;
                    it.generation = before.next();
                    #[cfg(delivr_sim)]
                    crate::sim::off(crate::sim::Rule::GenerationRises).then(|| it.generation = before);
                } else if it.is_not_there() {
                    it.return_to(it.with_its_reading(it.next_step));
                }
                it.state = TaskState::Pending;
                it.parked = false;
                it.skip_after_look_up = None;
                it.after_look_up = None;
                it.ended_at = None;
            }),
            TaskEvent::Repeated { task } => self.change(task, |it| {
                it.generation = it.generation.next();
                it.steps.clear();
                it.done.clear();
                it.next_step = 0;
                it.state = TaskState::Pending;
                it.parked = false;
                it.skip_after_look_up = None;
                it.after_look_up = None;
                it.started_at = None;
                it.ended_at = None;
            }),
            TaskEvent::Skipped { task, reason } => self.close(
                task,
                at,
                TaskState::Skipped {
                    reason: reason.clone(),
                },
            ),
            TaskEvent::SkipRequested { task, reason } => self.change(task, |it| {
                it.skip_after_look_up = Some(reason.clone());
                it.state = TaskState::Running { step: it.next_step };
                it.ended_at = None;
            }),
            TaskEvent::LookUpRequested { task, then } => self.change(task, |it| {
                it.after_look_up = Some(then.clone());
                it.state = TaskState::Running { step: it.next_step };
                it.ended_at = None;
            }),
            TaskEvent::Cancelled { task } => self.close(task, at, TaskState::Cancelled),
            TaskEvent::LateResult { key, reference } => self.late.push((*key, reference.clone())),
            TaskEvent::Doubted { .. } | TaskEvent::DoubtDue { .. } | TaskEvent::DoubtSettled { .. } => {
                self.evolve_doubt(event);
            }
        }
    }

    fn change(&mut self, key: &TaskKey, how: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.get_mut(key) {
            how(task);
        }
    }

    fn close(&mut self, key: &TaskKey, at: Timestamp, state: TaskState) {
        self.change(key, |it| {
            it.state = state;
            it.parked = false;
            it.skip_after_look_up = None;
            it.after_look_up = None;
            it.ended_at = Some(at);
        });
    }
}

impl Task {
    /// The write whose object is spent when this task's object is: the last one up to where it stands.
    fn spent_step(&self) -> u16 {
        let until = usize::from(self.next_step)
            .saturating_add(1)
            .min(self.steps.len());
        let last = self
            .steps
            .iter()
            .take(until)
            .rposition(|step| step.kind.is_perform());
        let write = last.and_then(|index| u16::try_from(index).ok()).unwrap_or(0);
        self.with_its_reading(write)
    }
    /// Whether somebody had it tried again and it has not begun, because something holds its owner: what it sent before
    /// may be unknown still, and nobody has looked.
    #[must_use]
    pub fn is_armed_anew(&self) -> bool {
        self.state == TaskState::Pending && !self.parked && self.started_at.is_some()
    }
    /// Why it failed and what is known of its object, if it failed.
    #[must_use]
    pub const fn failure(&self) -> Option<(&Cause, Outcome)> {
        if let TaskState::Failed { cause, outcome } = &self.state {
            Some((cause, *outcome))
        } else {
            None
        }
    }
    /// When its wait fails, if it waits.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        if let TaskState::AwaitingCallback { deadline, .. } = &self.state {
            Some(*deadline)
        } else {
            None
        }
    }
    /// Whether a run started by it is (or may be) under way at the vendor.
    #[must_use]
    pub fn accepted_run(&self) -> Option<&crate::effect::RunRef> {
        match &self.state {
            TaskState::AwaitingCallback {
                watched: Watched::Run { run },
                ..
            } => Some(run),
            TaskState::AwaitingCallback { .. }
            | TaskState::Pending
            | TaskState::Running { .. }
            | TaskState::AwaitingManual { .. }
            | TaskState::AwaitingChild { .. }
            | TaskState::Completed { .. }
            | TaskState::Failed { .. }
            | TaskState::Skipped { .. }
            | TaskState::Cancelled => None,
        }
    }
}
