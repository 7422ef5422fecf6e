//! A submission: one try to get one build of one target through a store's review and to its users.
//!
//! Born by a Tell of its release, it tells its release of every change. A rejected one is spent: a new try is a new
//! submission. What the store says that we do not know moves nothing and is shown as the store's own word.

use crate::board::{
    self, Begin, Board, Lane, Owner, PlannedTask, Reaction, Step, StepKind, StepResult, Task, TaskEvent,
    TaskState, Wait,
};
use crate::child::{self, Origin};
use crate::effect::{Effect, Reading, ReleaseTiming, StoreWrite, Watched};
use crate::ids::RolloutId;
use crate::key::{AggregateId, AggregateKind, Channel, EffectKey, TaskKey, TaskKind};
use crate::plan::SubmitMode;
use crate::report::{
    ChildState, Finding, Held, Outcome, Report, ReviewState, ReviewWord, RolloutStart, Sighting,
    SubmissionStart,
};
use crate::time::{Span, Timestamp, in_order};
use serde::{Deserialize, Serialize};

/// How long a store's reads may lag behind a hand-in. Lags of some seconds are usual, of two minutes and a half known for
/// new versions; what is shown for longer than this is taken for true at the next look.
const READ_LAG: Span = Span::minutes(2);

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// What it was born with; the build number is completed when the store's build is found.
    pub start: SubmissionStart,
    /// Events folded so far.
    pub version: u64,
    /// Where it stands.
    pub status: ReviewWord,
    /// The store's last words.
    pub review: Option<ReviewState>,
    /// Tasks.
    pub board: Board,
    /// A person asked to submit.
    pub submit_asked: bool,
    /// A person asked to release the approved version.
    pub release_asked: bool,
    /// Holds of the release that reach it.
    #[serde(default)]
    pub held: Held,
    /// When the last event happened.
    pub updated_at: Timestamp,
}

/// What can happen to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(
    clippy::large_enum_variant,
    reason = "events are few and short-lived; boxing the common one would cost every reader"
)]
pub enum Event {
    /// It came to life.
    Born {
        /// With this.
        start: Box<SubmissionStart>,
    },
    /// Something happened to a task.
    Task {
        /// This.
        event: TaskEvent,
    },
    /// A person asked to submit.
    SubmitAsked,
    /// A person asked to release.
    ReleaseAsked {
        /// Why, where they said so; nobody was asked before events had it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person asked to withdraw it; the events after this one say what comes of it.
    WithdrawalAsked {
        /// Why.
        reason: String,
    },
    /// It stands elsewhere now.
    StatusChanged {
        /// Here.
        status: ReviewWord,
        /// The store's words.
        review: Option<ReviewState>,
    },
    /// Other holds of the release reach it now.
    HoldsChanged {
        /// These.
        held: Held,
    },
}

/// What a person asks of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command {
    /// Hand it to review.
    Submit,
    /// Release the approved version.
    Release {
        /// Why, if they say so.
        reason: Option<String>,
    },
    /// Withdraw it from review.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Try a failed task again.
    Retry {
        /// Which.
        task: TaskKey,
    },
}

use crate::release::command::Rejection;

impl Submission {
    /// A submission as it is born.
    #[must_use]
    pub fn born(start: SubmissionStart, at: Timestamp) -> Self {
        Self {
            start,
            version: 1,
            status: ReviewWord::Preparing,
            review: None,
            board: Board::default(),
            submit_asked: false,
            release_asked: false,
            held: Held::default(),
            updated_at: at,
        }
    }
    /// Its aggregate id.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        AggregateId {
            kind: AggregateKind::Submission,
            id: self.start.id.uuid(),
        }
    }
    /// Whether nothing more happens.
    #[must_use]
    pub const fn terminal(&self) -> bool {
        matches!(
            self.status,
            ReviewWord::Rejected | ReviewWord::Cancelled | ReviewWord::Live | ReviewWord::Suspended
        )
    }
    /// Id of the rollout it would become.
    #[must_use]
    pub fn rollout_id(&self) -> RolloutId {
        RolloutId::derived(&[self.start.id.uuid().as_bytes()])
    }

    fn first_exposure(&self) -> u16 {
        match self.start.target.channel() {
            Channel::PlayStore => self.start.settings.steps.first().copied().unwrap_or(10_000),
            Channel::AppStore if self.start.settings.phased => 100,
            Channel::AppStore | Channel::Environment => 10_000,
        }
    }

    /// Folds one event.
    #[must_use]
    pub fn evolve(mut self, event: &Event, at: Timestamp) -> Self {
        self.version = self.version.saturating_add(1);
        // The release puts our news in order by it.
        self.updated_at = in_order(self.updated_at, at);
        match event {
            Event::Born { .. } | Event::WithdrawalAsked { .. } => {}
            Event::Task { event } => {
                self.board.evolve(event, at);
                if let TaskEvent::StepDone {
                    result:
                        StepResult::Found {
                            finding: Finding::StoreBuild { build },
                        },
                    ..
                } = event
                {
                    self.start.version.build_number.clone_from(&build.build_number);
                }
            }
            Event::SubmitAsked => self.submit_asked = true,
            Event::ReleaseAsked { .. } => self.release_asked = true,
            Event::StatusChanged { status, review } => {
                self.status = *status;
                if review.is_some() {
                    self.review.clone_from(review);
                }
            }
            Event::HoldsChanged { held } => self.held = held.clone(),
        }
        self
    }

    /// Events of a command.
    ///
    /// # Errors
    /// [`Rejection`], with the state untouched.
    pub fn decide_command(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        let illegal = |code, sentence: String| Err(Rejection::Illegal { code, sentence });
        if self.terminal() {
            return illegal("submission_closed", format!("the submission is {}", self.status));
        }
        match command {
            Command::Submit | Command::Release { .. } => child::refuse_if_held(&self.held)?,
            Command::Cancel { .. } | Command::Retry { .. } => {}
        }
        match command {
            Command::Submit if self.submit_asked || self.start.settings.submit == SubmitMode::Auto => {
                illegal(
                    "already_submitted",
                    "the submission has been handed to the store already".to_owned(),
                )
            }
            Command::Submit => Ok(vec![Event::SubmitAsked]),
            Command::Release { reason } if self.status == ReviewWord::Approved => {
                Ok(vec![Event::ReleaseAsked {
                    reason: reason.clone(),
                }])
            }
            Command::Release { .. } => illegal(
                "not_approved",
                format!(
                    "the submission is {}; only an approved one is released",
                    self.status
                ),
            ),
            Command::Cancel { reason } => {
                let asked = Event::WithdrawalAsked {
                    reason: reason.clone(),
                };
                let key = TaskKey::once(TaskKind::WithdrawSubmission);
                if self.board.find(&key).is_some() {
                    return illegal(
                        "already_cancelled",
                        "the submission is being withdrawn already".to_owned(),
                    );
                }
                let submit = self.board.find(&TaskKey::once(TaskKind::SubmitForReview));
                let submitted =
                    submit.is_some_and(|task| task.state != TaskState::Pending || task.is_armed_anew());
                if !submitted {
                    let mut events = vec![asked];
                    events.extend(self.open_tasks());
                    events.push(Event::StatusChanged {
                        status: ReviewWord::Cancelled,
                        review: None,
                    });
                    return Ok(events);
                }
                let task = PlannedTask {
                    key,
                    lane: Lane::Store,
                    after: std::collections::BTreeSet::new(),
                    skipped: None,
                };
                let planned = TaskEvent::Planned { tasks: vec![task] };
                let looked_for = submit.into_iter().flat_map(|task| self.look_for_hand_in(task));
                let tasks = std::iter::once(planned).chain(looked_for);
                Ok(std::iter::once(asked)
                    .chain(tasks.map(|event| Event::Task { event }))
                    .collect())
            }
            Command::Retry { task } => {
                let event = child::retry(&self.board, task)?;
                Ok(vec![Event::Task { event }])
            }
        }
    }

    /// A hand-in that may have arrived, though nobody is at it, is looked for before it is withdrawn: the withdrawal would
    /// find nothing yet, and what arrives after it would stay with the store. It is not sent again: a withdrawal is planned.
    fn look_for_hand_in(&self, submit: &Task) -> Vec<TaskEvent> {
        let failed = match &submit.state {
            TaskState::Failed { outcome, .. } => *outcome == Outcome::Unknown,
            TaskState::Pending => false,
            TaskState::Running { .. }
            | TaskState::AwaitingCallback { .. }
            | TaskState::AwaitingManual { .. }
            | TaskState::AwaitingChild { .. }
            | TaskState::Completed { .. }
            | TaskState::Skipped { .. }
            | TaskState::Cancelled => return Vec::new(),
        };
        if !failed && !submit.is_armed_anew() {
            return Vec::new();
        }
        let rearmed = failed.then_some(TaskEvent::Rearmed {
            task: submit.key,
            spent: false,
        });
        let started = TaskEvent::Started {
            task: submit.key,
            steps: submit.steps.clone(),
            begin: Begin::Step,
        };
        rearmed.into_iter().chain([started]).collect()
    }

    fn open_tasks(&self) -> Vec<Event> {
        child::cancel_open(&self.board)
            .map(|event| Event::Task { event })
            .collect()
    }

    /// Events of a report. Total.
    #[must_use]
    pub fn decide_report(&self, report: &Report, now: Timestamp) -> Vec<Event> {
        match report {
            Report::Performed { .. } | Report::Resolved { .. } => board::decide_report(self, report, now)
                .into_iter()
                .map(|event| Event::Task { event })
                .collect(),
            Report::Seen {
                key,
                sighting: Sighting::Review { state },
            } => self.reviewed(key, state, now),
            Report::HoldsChanged { held } if !self.terminal() && child::is_newer(&self.held, held) => {
                vec![Event::HoldsChanged { held: held.clone() }]
            }
            Report::HoldsChanged { .. }
            | Report::DriftAccepted { .. }
            | Report::Seen { .. }
            | Report::FactChanged { .. }
            | Report::RunCancelled { .. }
            | Report::ChildChanged { .. }
            | Report::StartSubmission { .. }
            | Report::StartRollout { .. }
            | Report::Tick => Vec::new(),
        }
    }

    /// Whether a look still shows what was before the hand-in: a version that was refused or withdrawn is handed in again
    /// under the same name, and a store's reads lag behind its writes. Once it has shown the new hand-in, an end is one of
    /// this hand-in; and one that stays longer than any lag is so too.
    fn is_of_before(&self, task: &Task, state: &ReviewState, now: Timestamp) -> bool {
        let is_end = matches!(state.word, ReviewWord::Rejected | ReviewWord::Cancelled);
        let shown = self
            .review
            .as_ref()
            .is_some_and(|it| it.word == ReviewWord::Submitted);
        let fresh = task.started_at.is_some_and(|at| now - at < READ_LAG);
        is_end && fresh && self.status == ReviewWord::Submitted && !shown
    }

    fn reviewed(&self, key: &EffectKey, state: &ReviewState, now: Timestamp) -> Vec<Event> {
        if self.terminal() || self.review.as_ref() == Some(state) {
            return Vec::new();
        }
        let waiting = self
            .board
            .find(&key.task)
            .filter(|task| task.is_at(key) && matches!(task.state, TaskState::AwaitingCallback { .. }));
        let Some(task) = waiting else { return Vec::new() };
        if self.is_of_before(task, state, now) {
            return Vec::new();
        }
        let status = match state.word {
            // A word we do not know moves nothing, but is shown. A review does not go back to being prepared.
            ReviewWord::Unknown | ReviewWord::Preparing => self.status,
            ReviewWord::Submitted
            | ReviewWord::InReview
            | ReviewWord::Approved
            | ReviewWord::Live
            | ReviewWord::Rejected
            | ReviewWord::Cancelled
            | ReviewWord::Suspended
            | ReviewWord::ActionRequired => state.word,
        };
        let mut events = Vec::new();
        match status {
            ReviewWord::Live => {
                let done = board::step_done(self, task, task.next_step, StepResult::Seen, self.updated_at);
                // Whatever else was still wanted of it, a withdrawal too, comes too late.
                let late = child::cancel_open(&self.board)
                    .filter(|event| !matches!(event, TaskEvent::Cancelled { task: it } if *it == task.key));
                events.extend(done.into_iter().chain(late).map(|event| Event::Task { event }));
            }
            ReviewWord::Rejected | ReviewWord::Cancelled | ReviewWord::Suspended => {
                events.extend(self.open_tasks());
            }
            ReviewWord::Preparing
            | ReviewWord::Submitted
            | ReviewWord::InReview
            | ReviewWord::Approved
            | ReviewWord::ActionRequired
            | ReviewWord::Unknown => {}
        }
        events.push(Event::StatusChanged {
            status,
            review: Some(state.clone()),
        });
        events
    }

    /// The next consequence.
    #[must_use]
    pub fn settle(&self, now: Timestamp) -> Option<Event> {
        let task = |event| Some(Event::Task { event });
        if self.board.iter().next().is_none() {
            let plan = |kind, after: &[TaskKind]| PlannedTask {
                key: TaskKey::once(kind),
                lane: Lane::Store,
                after: after.iter().copied().map(TaskKey::once).collect(),
                skipped: None,
            };
            return task(TaskEvent::Planned {
                tasks: vec![
                    plan(TaskKind::PrepareSubmission, &[]),
                    plan(TaskKind::SubmitForReview, &[TaskKind::PrepareSubmission]),
                    plan(TaskKind::AwaitReview, &[TaskKind::SubmitForReview]),
                ],
            });
        }
        if self.terminal() {
            return None;
        }
        if let Some(event) = board::overdue(&self.board, now) {
            return task(event);
        }
        let done = |kind| {
            self.board
                .find(&TaskKey::once(kind))
                .is_some_and(|it| it.state.settled())
        };
        if done(TaskKind::SubmitForReview) && self.status == ReviewWord::Preparing {
            return Some(Event::StatusChanged {
                status: ReviewWord::Submitted,
                review: None,
            });
        }
        if done(TaskKind::WithdrawSubmission) {
            return self
                .open_tasks()
                .into_iter()
                .next()
                .or(Some(Event::StatusChanged {
                    status: ReviewWord::Cancelled,
                    review: None,
                }));
        }
        if self.wants_release()
            && self
                .board
                .find(&TaskKey::once(TaskKind::ReleaseToUsers))
                .is_none()
        {
            let key = TaskKey::once(TaskKind::ReleaseToUsers);
            let planned = PlannedTask {
                key,
                lane: Lane::Store,
                after: std::collections::BTreeSet::new(),
                skipped: None,
            };
            return task(TaskEvent::Planned { tasks: vec![planned] });
        }
        self.board
            .iter()
            .filter(|it| {
                matches!(it.state, TaskState::Pending)
                    && (self.board.unblocked_by_order(it) || self.is_looked_at_anyway(it))
                    && !self.is_blocked(it)
            })
            .find_map(|it| self.start(it, now))
            .and_then(task)
    }

    /// The review is looked at without knowing of a hand-in where a withdrawal has failed: one of unknown outcome may have
    /// arrived, and a version that went live meanwhile refuses every withdrawal, so that trying again never ends.
    fn is_looked_at_anyway(&self, task: &Task) -> bool {
        let withdrawal = || self.board.find(&TaskKey::once(TaskKind::WithdrawSubmission));
        task.key.kind == TaskKind::AwaitReview && withdrawal().is_some_and(|it| it.failure().is_some())
    }

    /// An approved version is released by us only where the store waits for us.
    fn wants_release(&self) -> bool {
        self.status == ReviewWord::Approved
            && self.release_asked
            && self.start.settings.timing != ReleaseTiming::AfterApproval
    }

    fn step_kinds(&self, kind: TaskKind) -> &'static [StepKind] {
        if kind == TaskKind::AwaitReview {
            return &[StepKind::Watch];
        }
        if kind != TaskKind::PrepareSubmission {
            return &[StepKind::Perform];
        }
        match self.start.target.channel() {
            Channel::AppStore if self.start.settings.phased => &[
                StepKind::ResolveStoreBuild,
                StepKind::Perform,
                StepKind::Perform,
                StepKind::Perform,
                StepKind::Perform,
            ],
            Channel::AppStore => &[
                StepKind::ResolveStoreBuild,
                StepKind::Perform,
                StepKind::Perform,
                StepKind::Perform,
            ],
            // Play takes version, notes and exposure in the one edit that submits; that it would take the notes is found
            // out before, so that nobody hands in what is refused.
            Channel::PlayStore => &[StepKind::ResolveStoreBuild, StepKind::Perform],
            Channel::Environment => &[StepKind::ResolveStoreBuild],
        }
    }

    fn start(&self, task: &Task, now: Timestamp) -> Option<TaskEvent> {
        let kinds = self.step_kinds(task.key.kind);
        let steps = if task.steps.is_empty() {
            kinds.iter().copied().map(Step::new).collect()
        } else {
            task.steps.clone()
        };
        let begin = if task.key.kind == TaskKind::AwaitReview {
            Begin::Wait {
                wait: self.review_wait(now),
            }
        } else {
            Begin::Step
        };
        Some(TaskEvent::Started {
            task: task.key,
            steps,
            begin,
        })
    }

    fn review_wait(&self, now: Timestamp) -> Wait {
        // A store may take its time: a week, then a person looks.
        Wait {
            watched: Watched::Review {
                version: self.start.version.clone(),
            },
            deadline: now + Span::days(14),
        }
    }

    /// Reactions to an event, asked with the state after it.
    #[must_use]
    pub fn react(&self, event: &Event) -> Vec<Reaction> {
        let mut reactions = match event {
            Event::Task { event } => board::react(self, event),
            Event::Born { .. }
            | Event::SubmitAsked
            | Event::ReleaseAsked { .. }
            | Event::WithdrawalAsked { .. }
            | Event::StatusChanged { .. }
            | Event::HoldsChanged { .. } => Vec::new(),
        };
        let failed = matches!(event, Event::Task { event } if child::is_failure_news(event));
        let news = matches!(
            event,
            Event::StatusChanged { .. }
                | Event::Born { .. }
                | Event::SubmitAsked
                | Event::ReleaseAsked { .. }
        );
        if news || failed {
            reactions.push(Reaction::Enqueue(self.tell_parent()));
        }
        if matches!(
            event,
            Event::StatusChanged {
                status: ReviewWord::Live,
                ..
            }
        ) {
            reactions.push(Reaction::Enqueue(self.birth()));
        }
        reactions
    }

    const fn origin(&self) -> Origin {
        Origin {
            install: self.start.install,
            owner: self.aggregate_id(),
            integration: self.start.integration,
        }
    }

    fn tell_parent(&self) -> Effect {
        let failure = child::first_failure(&self.board);
        let blocker = match self.status {
            ReviewWord::Rejected => Some(format!(
                "the store rejected the version{}; mend it and submit anew",
                self.review
                    .as_ref()
                    .and_then(|it| it.explanation.as_ref())
                    .map_or_else(String::new, |why| format!(" ({why})"))
            )),
            ReviewWord::Suspended => Some("the store suspended the app; act in its console".to_owned()),
            ReviewWord::ActionRequired => Some("the store asks for an action in its console".to_owned()),
            ReviewWord::Cancelled => Some("the submission was withdrawn".to_owned()),
            ReviewWord::Preparing
            | ReviewWord::Submitted
            | ReviewWord::InReview
            | ReviewWord::Approved
            | ReviewWord::Live
            | ReviewWord::Unknown => failure,
        };
        let state = ChildState {
            status: self.status.word().to_owned(),
            exposure: 0,
            // Live for the release means at its final exposure: that is the rollout's to say.
            live: false,
            blocker,
            store_words: self.review.as_ref().map(|it| it.store_word.clone()),
            at: self.updated_at,
            asked: match self.status {
                ReviewWord::Preparing => self.submit_asked,
                ReviewWord::Approved => self.release_asked,
                ReviewWord::Submitted
                | ReviewWord::InReview
                | ReviewWord::Live
                | ReviewWord::Rejected
                | ReviewWord::Cancelled
                | ReviewWord::Suspended
                | ReviewWord::ActionRequired
                | ReviewWord::Unknown => false,
            },
            held: self.held.clone(),
            drift: None,
        };
        let news = Report::ChildChanged {
            target: self.start.target,
            submission: self.start.id,
            rollout: None,
            state,
        };
        self.origin().tell(self.start.release, self.version, news)
    }

    fn birth(&self) -> Effect {
        let start = RolloutStart {
            id: self.rollout_id(),
            tenant: self.start.tenant,
            install: self.start.install,
            release: self.start.release,
            submission: self.start.id,
            target: self.start.target,
            integration: self.start.integration,
            version: self.start.version.clone(),
            settings: self.start.settings.clone(),
            exposure: self.first_exposure(),
            held: self.held.clone(),
        };
        Effect::Tell {
            from: self.aggregate_id(),
            to: AggregateId {
                kind: AggregateKind::Rollout,
                id: self.rollout_id().uuid(),
            },
            ordinal: (self.version, 1),
            report: Box::new(Report::StartRollout {
                start: Box::new(start),
            }),
        }
    }

    /// Instants at which something follows by itself.
    #[must_use]
    pub fn agenda(&self) -> Vec<Timestamp> {
        if self.terminal() {
            Vec::new()
        } else {
            self.board.iter().filter_map(Task::deadline).collect()
        }
    }

    fn write(&self, task: &Task, step: u16) -> Option<StoreWrite> {
        let version = self.start.version.clone();
        let timing = self.start.settings.timing.clone();
        let in_one_edit = self.start.target.channel() == Channel::PlayStore;
        match (task.key.kind, step) {
            (TaskKind::PrepareSubmission, 1) if in_one_edit => Some(StoreWrite::SetNotes { version }),
            (TaskKind::PrepareSubmission, 1) => Some(StoreWrite::EnsureVersion { version, timing }),
            (TaskKind::PrepareSubmission, 2) => Some(StoreWrite::AttachBuild { version }),
            (TaskKind::PrepareSubmission, 3) => Some(StoreWrite::SetNotes { version }),
            (TaskKind::PrepareSubmission, 4) => Some(StoreWrite::EnablePhasedRelease { version }),
            (TaskKind::SubmitForReview, _) => Some(StoreWrite::Submit {
                version,
                exposure: self.first_exposure(),
                timing,
            }),
            (TaskKind::WithdrawSubmission, _) => Some(StoreWrite::Withdraw { version }),
            (TaskKind::ReleaseToUsers, _) => Some(StoreWrite::ReleaseToUsers { version }),
            (_, _) => None,
        }
    }
}

impl Owner for Submission {
    fn aggregate(&self) -> AggregateId {
        self.aggregate_id()
    }
    fn board(&self) -> &Board {
        &self.board
    }
    fn effect_key(&self, task: &Task, step: u16) -> EffectKey {
        self.origin().key(task, step)
    }
    fn step_effect(&self, task: &Task, step: u16) -> Option<Effect> {
        let shape = task.steps.get(usize::from(step))?;
        match shape.kind {
            StepKind::ResolveStoreBuild => {
                let number = &self.start.version.build_number;
                let build_number = (!number.is_empty()).then(|| number.clone());
                let reading = Reading::StoreBuild {
                    version: self.start.version.version.clone(),
                    build_number,
                };
                Some(self.origin().read(task, step, reading))
            }
            StepKind::Perform | StepKind::PerformRun => {
                Some(self.origin().write(task, step, self.write(task, step)?))
            }
            StepKind::ResolveHead
            | StepKind::ResolveNotes
            | StepKind::ResolveTotals
            | StepKind::ResolveExposure
            | StepKind::Watch => None,
        }
    }
    fn watch_effect(&self, task: &Task, watched: &Watched) -> Option<Effect> {
        let every = self.start.settings.poll_seconds;
        Some(self.origin().watch(task, watched, every))
    }
    fn wait_after(&self, _task: &Task, _result: &StepResult, now: Timestamp) -> Option<Wait> {
        Some(self.review_wait(now))
    }
    fn is_blocked(&self, task: &Task) -> bool {
        if child::is_held(&self.held, task) {
            return true;
        }
        let withdrawal = self.board.find(&TaskKey::once(TaskKind::WithdrawSubmission));
        let by_person = self.start.settings.submit == SubmitMode::ByPerson;
        if task.key.kind == TaskKind::SubmitForReview {
            // It waits for a person where the plan says so, and is not sent any more once it is to be withdrawn.
            withdrawal.is_some() || (by_person && !self.submit_asked)
        } else if task.key.kind == TaskKind::WithdrawSubmission {
            // What may still arrive at the store is looked up first: withdrawing before it would leave it standing.
            let submit = self.board.find(&TaskKey::once(TaskKind::SubmitForReview));
            submit.is_some_and(|it| matches!(it.state, TaskState::Running { .. }))
        } else {
            false
        }
    }
}
