//! A rollout: how an accepted submission reaches its users, in steps, with pause, resume, halt and completion.
//!
//! Every decision that touches traffic raises the traffic generation and is a task of its own whose key carries it.
//! No exposure is believed before it is read back from the store; what is changed in the store's console is drift.

mod command;

use crate::board::{
    self, Begin, Board, Lane, Owner, PlannedTask, Reaction, Step, StepKind, StepResult, Task, TaskEvent,
    TaskState, Wait,
};
use crate::child::{self, Origin};
use crate::effect::{Effect, Reading, RolloutChange, StoreWrite, Watched};
use crate::key::{AggregateId, AggregateKind, Channel, EffectKey, TaskKey, TaskKind, words};
use crate::report::{ChildState, Exposure, ExposureWord, Finding, Held, Report, RolloutStart, Sighting};
use crate::time::{Span, Timestamp, in_order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everybody, in basis points.
pub const EVERYBODY: u16 = 10_000;

/// Shares of Apple's phased release in basis points, one for each of its seven days.
/// ("Release a version update in phases", App Store Connect Help.)
pub const PHASED: &[u16] = &[100, 200, 500, 1_000, 2_000, 5_000, EVERYBODY];

words! {
    /// Where a rollout stands.
    Status ("rollout status") {
        /// Users get it, step by step.
        Active = "ACTIVE",
        /// Not raised for now.
        Paused = "PAUSED",
        /// Withheld in the store.
        Halted = "HALTED",
        /// Everybody (or the accepted final exposure).
        Completed = "COMPLETED",
    }
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// What it was born with.
    pub start: RolloutStart,
    /// Events folded so far.
    pub version: u64,
    /// Where it stands.
    pub status: Status,
    /// Exposure last read back, in basis points.
    pub exposure: u16,
    /// The store's last word.
    pub store_word: Option<String>,
    /// Decisions taken so far: the traffic generation.
    pub traffic_generation: u64,
    /// The last decision, until it has a task: its kind and the exposure it aims at.
    pub undone: Option<(TaskKind, u16)>,
    /// When the exposure last rose.
    pub step_at: Timestamp,
    /// The store's state differs from what we decided last.
    pub drift: Option<String>,
    /// How it stood before it drifted: once the store is put back there, nothing is left to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undrifted: Option<Undrifted>,
    /// Holds of the release that reach it.
    #[serde(default)]
    pub held: Held,
    /// Tasks.
    pub board: Board,
    /// When the last event happened.
    pub updated_at: Timestamp,
}

/// How a rollout stood when the store last had what was decided here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undrifted {
    /// Where it stood.
    pub status: Status,
    /// Exposure, in basis points.
    pub exposure: u16,
    /// The store's word.
    pub store_word: Option<String>,
}

impl Undrifted {
    fn is(&self, seen: &Exposure) -> bool {
        self.exposure == seen.bps && self.store_word.as_ref() == Some(&seen.store_word)
    }
}

/// What can happen to a rollout.
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
        start: Box<RolloutStart>,
    },
    /// Something happened to a task.
    Task {
        /// This.
        event: TaskEvent,
    },
    /// Somebody (or a step's time) decided.
    Decided {
        /// What.
        kind: TaskKind,
        /// To this exposure, for raises.
        bps: u16,
        /// Why.
        reason: String,
    },
    /// The store was read back.
    Observed {
        /// So it stands.
        exposure: Exposure,
        /// Whether we had decided so: if not, this is drift.
        drift: Option<String>,
    },
    /// We stop (or go on) raising; nothing changes at the store.
    RaisingStopped {
        /// Whether it is stopped.
        status: Status,
        /// Why.
        reason: String,
    },
    /// Other holds of the release reach it now.
    HoldsChanged {
        /// These.
        held: Held,
    },
    /// A person cleared the drift at the release: what the store has counts as decided.
    DriftAccepted {
        /// What had drifted.
        drift: String,
    },
}

/// What a person asks of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command {
    /// To the next step, or to this exposure.
    Advance {
        /// Basis points; none is the next step.
        bps: Option<u16>,
        /// Why.
        reason: String,
    },
    /// Stop raising.
    Pause {
        /// Why.
        reason: String,
    },
    /// Go on.
    Resume {
        /// Why.
        reason: String,
    },
    /// Withhold in the store.
    Halt {
        /// Why.
        reason: String,
    },
    /// To everybody.
    Complete {
        /// Why.
        reason: String,
    },
    /// Try a failed decision again.
    Retry {
        /// Which.
        task: TaskKey,
    },
}

/// Whether a task is a decision that has not come to its end.
const fn is_decision(task: &Task) -> bool {
    !matches!(task.key.kind, TaskKind::WatchRollout) && !task.state.over()
}

/// Whether the store stands where the decision wants it.
fn aims_at(decision: &Task, seen: &Exposure) -> bool {
    let raised = || {
        let aim = decision.steps.first().and_then(|step| step.item.as_ref());
        aim.and_then(|item| item.parse().ok()) == Some(seen.bps)
    };
    match seen.word {
        ExposureWord::Active => {
            decision.key.kind == TaskKind::ResumeRollout
                || (decision.key.kind == TaskKind::SetExposure && raised())
        }
        ExposureWord::Completed => decision.key.kind == TaskKind::CompleteRollout,
        ExposureWord::Paused => decision.key.kind == TaskKind::PauseRollout,
        ExposureWord::Halted => decision.key.kind == TaskKind::HaltRollout,
        ExposureWord::Inactive | ExposureWord::Unknown => false,
    }
}

impl Rollout {
    /// A rollout as it is born.
    #[must_use]
    pub fn born(start: RolloutStart, at: Timestamp) -> Self {
        let exposure = start.exposure;
        let held = start.held.clone();
        Self {
            start,
            version: 1,
            status: Status::Active,
            exposure,
            store_word: None,
            traffic_generation: 0,
            undone: None,
            step_at: at,
            drift: None,
            undrifted: None,
            held,
            board: Board::default(),
            updated_at: at,
        }
    }
    /// Its aggregate id.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        AggregateId {
            kind: AggregateKind::Rollout,
            id: self.start.id.uuid(),
        }
    }
    /// Whether nothing more happens.
    #[must_use]
    pub const fn terminal(&self) -> bool {
        matches!(self.status, Status::Completed)
    }
    /// The exposure that counts as final.
    #[must_use]
    pub fn final_exposure(&self) -> u16 {
        match self.start.target.channel() {
            Channel::PlayStore => self.start.settings.steps.last().copied().unwrap_or(EVERYBODY),
            Channel::AppStore | Channel::Environment => EVERYBODY,
        }
    }
    /// The steps it rises by, in basis points: those that were planned, or Apple's seven days.
    #[must_use]
    pub fn steps(&self) -> &[u16] {
        match self.start.target.channel() {
            Channel::AppStore if self.start.settings.phased => PHASED,
            Channel::AppStore => &[EVERYBODY],
            Channel::PlayStore | Channel::Environment => &self.start.settings.steps,
        }
    }
    fn next_step(&self) -> Option<u16> {
        self.steps().iter().copied().find(|step| *step > self.exposure)
    }
    fn open_decision(&self) -> Option<&Task> {
        self.board.iter().find(|task| is_decision(task))
    }
    /// A decision on its way to the store. A failed one is a person's matter; it hides nothing the store shows.
    fn decision_under_way(&self) -> Option<&Task> {
        self.board
            .iter()
            .find(|task| is_decision(task) && task.failure().is_none())
    }
    fn deciding(&self) -> bool {
        self.undone.is_some() || self.open_decision().is_some()
    }

    /// Folds one event.
    #[must_use]
    pub fn evolve(mut self, event: &Event, at: Timestamp) -> Self {
        self.version = self.version.saturating_add(1);
        // The release puts our news in order by it.
        self.updated_at = in_order(self.updated_at, at);
        match event {
            Event::Born { .. } => {}
            Event::Task { event } => {
                self.board.evolve(event, at);
                if matches!(event, TaskEvent::Started { task, .. } if task.decision == Some(self.traffic_generation))
                {
                    self.undone = None;
                }
            }
            Event::Decided { kind, bps, .. } => {
                self.traffic_generation = self.traffic_generation.saturating_add(1);
                self.undone = Some((*kind, *bps));
            }
            Event::Observed { exposure, drift } => {
                if exposure.bps != self.exposure {
                    self.step_at = at;
                }
                let put_back = self.undrifted.take_if(|_| drift.is_none());
                if drift.is_some() && self.drift.is_none() {
                    self.undrifted = Some(Undrifted {
                        status: self.status,
                        exposure: self.exposure,
                        store_word: self.store_word.clone(),
                    });
                }
                self.exposure = exposure.bps;
                self.store_word = Some(exposure.store_word.clone());
                self.drift.clone_from(drift);
                self.status = match exposure.word {
                    ExposureWord::Completed => Status::Completed,
                    ExposureWord::Halted => Status::Halted,
                    ExposureWord::Paused => Status::Paused,
                    // On Play a pause is ours alone: the store goes on saying that it is active.
                    ExposureWord::Active
                        if self.status == Status::Paused
                            && self.start.target.channel() == Channel::PlayStore =>
                    {
                        Status::Paused
                    }
                    ExposureWord::Active => Status::Active,
                    ExposureWord::Inactive | ExposureWord::Unknown => self.status,
                };
                // A pause of ours that the store knows nothing of outlasts what came and went there.
                if let Some(before) = put_back.filter(|before| before.is(exposure)) {
                    self.status = before.status;
                }
                if self.status == Status::Active && self.exposure >= self.final_exposure() {
                    self.status = Status::Completed;
                }
            }
            Event::RaisingStopped { status, .. } => {
                self.status = *status;
                if let Some(before) = &mut self.undrifted {
                    before.status = *status;
                }
            }
            Event::HoldsChanged { held } => self.held = held.clone(),
            Event::DriftAccepted { .. } => {
                self.drift = None;
                self.undrifted = None;
            }
        }
        self
    }

    /// Events of a report. Total.
    #[must_use]
    pub fn decide_report(&self, report: &Report, now: Timestamp) -> Vec<Event> {
        match report {
            Report::Performed { .. } | Report::Resolved { .. } => {
                let events = board::decide_report(self, report, now);
                let read_back = events.iter().find_map(|event| {
                    let TaskEvent::StepDone {
                        result:
                            StepResult::Found {
                                finding: Finding::Exposure { exposure },
                            },
                        ..
                    } = event
                    else {
                        return None;
                    };
                    Some(exposure.clone())
                });
                let mut all: Vec<Event> = events.into_iter().map(|event| Event::Task { event }).collect();
                all.extend(read_back.map(|exposure| Event::Observed {
                    exposure,
                    drift: None,
                }));
                all
            }
            Report::Seen {
                key,
                sighting: Sighting::Rollout { exposure },
            } => {
                let waiting = self.board.find(&key.task).is_some_and(|task| {
                    task.is_at(key) && matches!(task.state, TaskState::AwaitingCallback { .. })
                });
                let same =
                    exposure.bps == self.exposure && self.store_word.as_ref() == Some(&exposure.store_word);
                // While a decision is under way the store may show either state: its own read-back decides.
                let deciding = self.undone.is_some() || self.decision_under_way().is_some();
                if !waiting || same || deciding || exposure.word == ExposureWord::Unknown {
                    return Vec::new();
                }
                vec![Event::Observed {
                    exposure: exposure.clone(),
                    drift: self.drift(exposure),
                }]
            }
            Report::HoldsChanged { held } if !self.terminal() && child::is_newer(&self.held, held) => {
                vec![Event::HoldsChanged { held: held.clone() }]
            }
            // What the store has is taken for decided, unless it has something else by now.
            Report::DriftAccepted { drift } if self.drift.as_ref() == Some(drift) => {
                vec![Event::DriftAccepted { drift: drift.clone() }]
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

    /// Whether the store stands where nobody of us put it. Apple raises by itself: that is no drift. Neither is what a
    /// decision of ours that was given up came to after all, nor that somebody put the store back.
    fn drift(&self, seen: &Exposure) -> Option<String> {
        let put_back = self.undrifted.as_ref().is_some_and(|before| before.is(seen));
        if put_back || self.open_decision().is_some_and(|task| aims_at(task, seen)) {
            return None;
        }
        let first_look = self.store_word.is_none();
        let apple_rose = self.start.target.channel() == Channel::AppStore && seen.bps > self.exposure;
        let finished =
            seen.word == ExposureWord::Completed && self.start.target.channel() == Channel::AppStore;
        (!first_look && !apple_rose && !finished).then(|| {
            format!(
                "the store says {} at {} basis points, which nobody decided here",
                seen.store_word, seen.bps
            )
        })
    }

    /// The next consequence.
    #[must_use]
    pub fn settle(&self, now: Timestamp) -> Option<Event> {
        let task = |event| Some(Event::Task { event });
        let watch = TaskKey::once(TaskKind::WatchRollout);
        match self.board.find(&watch) {
            None => {
                return task(TaskEvent::Planned {
                    tasks: vec![PlannedTask {
                        key: watch,
                        lane: Lane::Store,
                        after: BTreeSet::new(),
                        skipped: None,
                    }],
                });
            }
            Some(it) if self.terminal() => {
                if !it.state.over() {
                    return task(TaskEvent::Completed {
                        task: watch,
                        output: board::Output::Steps,
                    });
                }
                let open = self.open_decision().map(|it| it.key);
                return open.and_then(|key| task(TaskEvent::Cancelled { task: key }));
            }
            Some(it) if matches!(it.state, TaskState::Pending) => {
                let wait = self.wait(now);
                return task(TaskEvent::Started {
                    task: watch,
                    steps: vec![Step::new(StepKind::Watch)],
                    begin: Begin::Wait { wait },
                });
            }
            Some(_) => {}
        }
        if let Some(event) = board::overdue(&self.board, now) {
            return task(event);
        }
        if let Some((kind, bps)) = self.undone
            && !(self.held.holds() && child::moves_forward(kind))
        {
            // The task's key carries the decision's generation; the exposure it aims at is frozen in its first step.
            let key = TaskKey::once(kind).decision(self.traffic_generation);
            if self.board.find(&key).is_none() {
                return task(TaskEvent::Planned {
                    tasks: vec![PlannedTask {
                        key,
                        lane: Lane::Store,
                        after: BTreeSet::new(),
                        skipped: None,
                    }],
                });
            }
            let steps = vec![
                Step::perform(bps.to_string()),
                Step::new(StepKind::ResolveExposure),
            ];
            return task(TaskEvent::Started {
                task: key,
                steps,
                begin: Begin::Step,
            });
        }
        let again = self.board.iter().find(|it| {
            matches!(it.state, TaskState::Pending) && !it.steps.is_empty() && !self.is_blocked(it)
        });
        if let Some(it) = again {
            return task(TaskEvent::Started {
                task: it.key,
                steps: it.steps.clone(),
                begin: Begin::Step,
            });
        }
        match (self.timed_step(), self.next_step()) {
            (Some(at), Some(to)) if at <= now => {
                let kind = if to == EVERYBODY {
                    TaskKind::CompleteRollout
                } else {
                    TaskKind::SetExposure
                };
                Some(Event::Decided {
                    kind,
                    bps: to,
                    reason: "the step's time is over".to_owned(),
                })
            }
            (_, _) => None,
        }
    }

    /// When the next step comes by itself.
    fn timed_step(&self) -> Option<Timestamp> {
        let minutes = self.start.settings.step_minutes?;
        let waits = self.status == Status::Active
            && self.drift.is_none()
            && !self.held.holds()
            && !self.deciding()
            && self.start.target.channel() == Channel::PlayStore;
        (waits && self.next_step().is_some()).then(|| self.step_at + Span::minutes(i64::from(minutes)))
    }

    fn wait(&self, now: Timestamp) -> Wait {
        Wait {
            watched: Watched::Rollout {
                version: self.start.version.clone(),
            },
            deadline: now + Span::days(60),
        }
    }

    /// Reactions to an event, asked with the state after it.
    #[must_use]
    pub fn react(&self, event: &Event) -> Vec<Reaction> {
        let mut reactions = match event {
            Event::Task { event } => board::react(self, event),
            Event::Born { .. }
            | Event::Decided { .. }
            | Event::Observed { .. }
            | Event::RaisingStopped { .. }
            | Event::HoldsChanged { .. }
            | Event::DriftAccepted { .. } => Vec::new(),
        };
        let failed = matches!(event, Event::Task { event } if child::is_failure_news(event));
        if failed
            || matches!(
                event,
                Event::Born { .. }
                    | Event::Decided { .. }
                    | Event::Observed { .. }
                    | Event::RaisingStopped { .. }
                    | Event::DriftAccepted { .. }
            )
        {
            let asked = matches!(event, Event::Decided { .. });
            reactions.push(Reaction::Enqueue(self.tell_parent(asked)));
        }
        reactions
    }

    /// How it stands; what was just decided is `asked` of the store, until it is read back or has failed.
    fn tell_parent(&self, asked: bool) -> Effect {
        let failure = child::first_failure(&self.board);
        let blocker = match self.status {
            Status::Halted => {
                Some("the rollout is halted: resume it, or close the release as rolled back".to_owned())
            }
            Status::Active | Status::Paused | Status::Completed => self.drift.clone().or(failure),
        };
        let status = if self.status == Status::Completed || self.status == Status::Active {
            "LIVE"
        } else {
            self.status.word()
        };
        let state = ChildState {
            status: status.to_owned(),
            exposure: self.exposure,
            live: self.status == Status::Completed,
            blocker,
            store_words: self.store_word.clone(),
            at: self.updated_at,
            asked,
            held: self.held.clone(),
            drift: self.drift.clone(),
        };
        let news = Report::ChildChanged {
            target: self.start.target,
            submission: self.start.submission,
            rollout: Some(self.start.id),
            state,
        };
        self.origin().tell(self.start.release, self.version, news)
    }

    const fn origin(&self) -> Origin {
        Origin {
            install: self.start.install,
            owner: self.aggregate_id(),
            integration: self.start.integration,
        }
    }

    /// Instants at which something follows by itself.
    #[must_use]
    pub fn agenda(&self) -> Vec<Timestamp> {
        if self.terminal() {
            return Vec::new();
        }
        let deadlines = self.board.iter().filter_map(Task::deadline);
        deadlines.chain(self.timed_step()).collect()
    }
}

impl Owner for Rollout {
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
        let version = self.start.version.clone();
        match shape.kind {
            StepKind::ResolveExposure => Some(self.origin().read(task, step, Reading::Exposure { version })),
            StepKind::Perform | StepKind::PerformRun => {
                let change = if task.key.kind == TaskKind::PauseRollout {
                    RolloutChange::Pause
                } else if task.key.kind == TaskKind::ResumeRollout {
                    RolloutChange::Resume
                } else if task.key.kind == TaskKind::HaltRollout {
                    RolloutChange::Halt
                } else if task.key.kind == TaskKind::CompleteRollout {
                    RolloutChange::Complete
                } else {
                    RolloutChange::SetExposure {
                        bps: shape.item.as_ref().and_then(|it| it.parse().ok())?,
                    }
                };
                let write = StoreWrite::ChangeRollout { version, change };
                Some(self.origin().write(task, step, write))
            }
            StepKind::ResolveHead
            | StepKind::ResolveNotes
            | StepKind::ResolveTotals
            | StepKind::ResolveStoreBuild
            | StepKind::Watch => None,
        }
    }
    fn watch_effect(&self, task: &Task, watched: &Watched) -> Option<Effect> {
        let every = self.start.settings.poll_seconds;
        Some(self.origin().watch(task, watched, every))
    }
    fn wait_after(&self, _task: &Task, _result: &StepResult, now: Timestamp) -> Option<Wait> {
        Some(self.wait(now))
    }
    fn is_blocked(&self, task: &Task) -> bool {
        child::is_held(&self.held, task)
    }
}
