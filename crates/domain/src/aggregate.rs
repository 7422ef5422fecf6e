//! All machines behind one face: what `apply`, the worker and the store see.

use crate::board::{self, Owner, Permit, Reaction};
use crate::effect::Effect;
use crate::key::{AggregateId, EffectKey};
use crate::ports::store::Projection;
use crate::release::gate::Context;
use crate::release::{self, Release, command::Rejection};
use crate::report::Report;
use crate::rollout::{self, Rollout};
use crate::submission::{self, Submission};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How many consequences one input may have before settling counts as broken.
pub const SETTLE_BOUND: usize = 1_000;

/// The state of one aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "aggregate", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Aggregate {
    /// A release.
    Release(Box<Release>),
    /// A submission.
    Submission(Box<Submission>),
    /// A rollout.
    Rollout(Box<Rollout>),
}

/// A fact about one aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "data", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// Of a release.
    Release(release::Event),
    /// Of a submission.
    Submission(submission::Event),
    /// Of a rollout.
    Rollout(rollout::Event),
}

impl Event {
    /// The word stored with it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Release(event) => event.word(),
            Self::Submission(event) => match event {
                submission::Event::Born { .. } => "SUBMISSION_CREATED",
                submission::Event::Task { .. } => "SUBMISSION_TASK",
                submission::Event::SubmitAsked => "SUBMIT_ASKED",
                submission::Event::ReleaseAsked { .. } => "RELEASE_ASKED",
                submission::Event::WithdrawalAsked { .. } => "WITHDRAWAL_ASKED",
                submission::Event::StatusChanged { .. } => "SUBMISSION_STATUS_CHANGED",
                submission::Event::HoldsChanged { .. } => "SUBMISSION_HOLDS_CHANGED",
            },
            Self::Rollout(event) => match event {
                rollout::Event::Born { .. } => "ROLLOUT_CREATED",
                rollout::Event::Task { .. } => "ROLLOUT_TASK",
                rollout::Event::Decided { .. } => "ROLLOUT_DECIDED",
                rollout::Event::Observed { .. } => "ROLLOUT_OBSERVED",
                rollout::Event::RaisingStopped { .. } => "ROLLOUT_RAISING_CHANGED",
                rollout::Event::HoldsChanged { .. } => "ROLLOUT_HOLDS_CHANGED",
                rollout::Event::DriftAccepted { .. } => "ROLLOUT_DRIFT_ACCEPTED",
            },
        }
    }
}

/// What a person asks of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "data", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command {
    /// Of a release.
    Release(release::Command),
    /// Of a submission.
    Submission(submission::Command),
    /// Of a rollout.
    Rollout(rollout::Command),
}

/// What moves a machine.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A person's wish; may be rejected.
    Command(&'a Command),
    /// A fact from outside; never rejected.
    Report(&'a Report),
}

/// What one input came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// The state afterwards.
    pub state: Aggregate,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What the queue must do, in order.
    pub reactions: Vec<Reaction>,
}

impl Aggregate {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> AggregateId {
        self.owner().aggregate()
    }
    /// Events folded so far.
    #[must_use]
    pub const fn version(&self) -> u64 {
        match self {
            Self::Release(it) => it.version,
            Self::Submission(it) => it.version,
            Self::Rollout(it) => it.version,
        }
    }
    /// Its board and what it knows of its steps.
    #[must_use]
    pub fn owner(&self) -> &dyn Owner {
        match self {
            Self::Release(it) => it.as_ref(),
            Self::Submission(it) => it.as_ref(),
            Self::Rollout(it) => it.as_ref(),
        }
    }
    /// The next instant at which something follows by itself.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self {
            Self::Release(it) => release::settle::agenda(it).into_iter().min(),
            Self::Submission(it) => it.agenda().into_iter().min(),
            Self::Rollout(it) => it.agenda().into_iter().min(),
        }
    }
    /// Rows that stand for work under way, from the state alone. Tells and messages are news, not state.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Effect> {
        let owner = self.owner();
        let mut rows: Vec<Effect> = owner
            .board()
            .iter()
            .filter_map(|task| board::row_of(owner, task))
            .collect();
        rows.extend(owner.board().doubt_rows());
        if let Self::Release(release) = self {
            rows.extend(release::settle::probes(release));
        }
        rows
    }
    /// Whether a claimed effect may write.
    #[must_use]
    pub fn permit(&self, key: &EffectKey) -> Permit {
        board::permit(self.owner(), key)
    }
    /// Columns and rows derived from the state.
    #[must_use]
    pub fn projection(&self) -> Projection {
        match self {
            Self::Release(it) => it.projection(),
            Self::Submission(it) => Projection {
                title: it.start.target.word().to_owned(),
                status: it.status.word().to_owned(),
                phase: it.status.word().to_owned(),
                parent: Some(it.start.release.uuid()),
                version: it.start.version.version.clone(),
                terminal: it.terminal(),
                created_at: Some(it.updated_at),
                integrations: vec![it.start.integration],
                ..Projection::default()
            },
            Self::Rollout(it) => Projection {
                title: it.start.target.word().to_owned(),
                status: it.status.word().to_owned(),
                phase: it.status.word().to_owned(),
                parent: Some(it.start.release.uuid()),
                version: it.start.version.version.clone(),
                terminal: it.terminal(),
                created_at: Some(it.updated_at),
                integrations: vec![it.start.integration],
                ..Projection::default()
            },
        }
    }

    /// Folds one event; an event of another machine leaves the state alone.
    #[must_use]
    pub fn evolve(self, event: &Event, at: Timestamp) -> Self {
        match (self, event) {
            (Self::Release(it), Event::Release(event)) => Self::Release(Box::new(it.evolve(event, at))),
            (Self::Submission(it), Event::Submission(event)) => {
                Self::Submission(Box::new(it.evolve(event, at)))
            }
            (Self::Rollout(it), Event::Rollout(event)) => Self::Rollout(Box::new(it.evolve(event, at))),
            (state @ (Self::Release(_) | Self::Submission(_) | Self::Rollout(_)), _) => state,
        }
    }

    fn decide(&self, input: Input<'_>, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        match (self, input) {
            (Self::Release(it), Input::Command(Command::Release(command))) => {
                Ok(release::decide_command(it, command, cx)?
                    .into_iter()
                    .map(Event::Release)
                    .collect())
            }
            (Self::Submission(it), Input::Command(Command::Submission(command))) => Ok(it
                .decide_command(command)?
                .into_iter()
                .map(Event::Submission)
                .collect()),
            (Self::Rollout(it), Input::Command(Command::Rollout(command))) => Ok(it
                .decide_command(command)?
                .into_iter()
                .map(Event::Rollout)
                .collect()),
            (_, Input::Command(_)) => Err(Rejection::Missing("command")),
            (Self::Release(it), Input::Report(report)) => Ok(release::report::decide_report(it, report, cx)
                .into_iter()
                .map(Event::Release)
                .collect()),
            (Self::Submission(it), Input::Report(report)) => Ok(it
                .decide_report(report, cx.now)
                .into_iter()
                .map(Event::Submission)
                .collect()),
            (Self::Rollout(it), Input::Report(report)) => Ok(it
                .decide_report(report, cx.now)
                .into_iter()
                .map(Event::Rollout)
                .collect()),
        }
    }

    fn settle(&self, cx: &Context<'_>) -> Option<Event> {
        match self {
            Self::Release(it) => release::settle::settle(it, cx).map(Event::Release),
            Self::Submission(it) => it.settle(cx.now).map(Event::Submission),
            Self::Rollout(it) => it.settle(cx.now).map(Event::Rollout),
        }
    }

    fn react(&self, before: &Self, event: &Event) -> Vec<Reaction> {
        match (before, self, event) {
            (Self::Release(before), Self::Release(it), Event::Release(event)) => {
                release::react::react(before, it, event)
            }
            (_, Self::Submission(it), Event::Submission(event)) => it.react(event),
            (_, Self::Rollout(it), Event::Rollout(event)) => it.react(event),
            (_, Self::Release(_) | Self::Submission(_) | Self::Rollout(_), _) => Vec::new(),
        }
    }

    /// One input through decide, evolve, settle and react.
    ///
    /// # Errors
    /// A [`Rejection`] of a command; reports are never rejected.
    pub fn step(self, input: Input<'_>, cx: &Context<'_>) -> Result<Stepped, Rejection> {
        let events = self.decide(input, cx)?;
        Ok(self.run(events, cx))
    }

    /// Folds the events and everything that follows from them.
    #[must_use]
    pub fn run(self, first: Vec<Event>, cx: &Context<'_>) -> Stepped {
        let mut stepped = Stepped {
            state: self,
            events: Vec::new(),
            reactions: Vec::new(),
        };
        for event in first {
            stepped.take(event, cx.now);
        }
        // The bound is never reached by a right machine (property test); it keeps a wrong one from hanging a worker.
        for _ in 0..SETTLE_BOUND {
            let Some(event) = stepped.state.settle(cx) else {
                break;
            };
            stepped.take(event, cx.now);
            #[cfg(delivr_sim)]
            if crate::sim::off(crate::sim::Rule::Settle) {
                break;
            }
        }
        stepped
    }

    /// Whether settling has come to its end.
    #[must_use]
    pub fn settled(&self, cx: &Context<'_>) -> bool {
        self.settle(cx).is_none()
    }

    /// A new release and everything that follows from its creation.
    #[must_use]
    pub fn create(draft: release::state::Draft, cx: &Context<'_>) -> Stepped {
        let event = release::Event::Created {
            draft: Box::new(draft.clone()),
        };
        // `born` has folded the first event already: it is recorded, not folded again.
        let state = Self::Release(Box::new(Release::born(draft, cx.now)));
        born(state, Event::Release(event), cx)
    }

    /// The aggregate a Start report brings to life, if it is one.
    #[must_use]
    pub fn birth(report: &Report, cx: &Context<'_>) -> Option<Stepped> {
        match report {
            Report::StartSubmission { start } => {
                let state = Self::Submission(Box::new(Submission::born(start.as_ref().clone(), cx.now)));
                Some(born(
                    state,
                    Event::Submission(submission::Event::Born { start: start.clone() }),
                    cx,
                ))
            }
            Report::StartRollout { start } => {
                let state = Self::Rollout(Box::new(Rollout::born(start.as_ref().clone(), cx.now)));
                Some(born(
                    state,
                    Event::Rollout(rollout::Event::Born { start: start.clone() }),
                    cx,
                ))
            }
            Report::Performed { .. }
            | Report::Resolved { .. }
            | Report::Seen { .. }
            | Report::FactChanged { .. }
            | Report::RunCancelled { .. }
            | Report::ChildChanged { .. }
            | Report::HoldsChanged { .. }
            | Report::DriftAccepted { .. }
            | Report::Tick => None,
        }
    }

    /// The state that folding an aggregate's whole history yields; none for an empty or foreign history.
    #[must_use]
    pub fn fold(history: &[(Event, Timestamp)]) -> Option<Self> {
        let (first, rest) = history.split_first()?;
        let born = match &first.0 {
            Event::Release(release::Event::Created { draft }) => {
                Self::Release(Box::new(Release::born(draft.as_ref().clone(), first.1)))
            }
            Event::Submission(submission::Event::Born { start }) => {
                Self::Submission(Box::new(Submission::born(start.as_ref().clone(), first.1)))
            }
            Event::Rollout(rollout::Event::Born { start }) => {
                Self::Rollout(Box::new(Rollout::born(start.as_ref().clone(), first.1)))
            }
            Event::Release(_) | Event::Submission(_) | Event::Rollout(_) => return None,
        };
        Some(
            rest.iter()
                .fold(born, |state, (event, at)| state.evolve(event, *at)),
        )
    }
}

fn born(state: Aggregate, event: Event, cx: &Context<'_>) -> Stepped {
    let reactions = state.react(&state, &event);
    let rest = state.run(Vec::new(), cx);
    let mut events = vec![event];
    events.extend(rest.events);
    let mut all = reactions;
    all.extend(rest.reactions);
    Stepped {
        state: rest.state,
        events,
        reactions: all,
    }
}

impl Stepped {
    fn take(&mut self, event: Event, at: Timestamp) {
        let before = self.state.clone();
        let after = before.clone().evolve(&event, at);
        self.reactions.extend(after.react(&before, &event));
        self.state = after;
        self.events.push(event);
    }
}
