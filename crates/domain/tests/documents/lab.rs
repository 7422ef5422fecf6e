//! A machine that can be copied and stepped, and a notebook of everything that was seen on the way.

use super::source;
use delivr_domain::aggregate::{Aggregate, Command, Event, Input, Stepped};
use delivr_domain::board::{Reaction, TaskEvent, TaskState};
use delivr_domain::effect::{Effect, FactKind, OperationKind, Topic};
use delivr_domain::key::{TaskKey, TaskKind};
use delivr_domain::plan::GatedStage;
use delivr_domain::ports::store::Fact;
use delivr_domain::release::command::Rejection;
use delivr_domain::release::gate::{self, Context};
use delivr_domain::release::state::{Phase, Release, Stage};
use delivr_domain::release::view::Status;
use delivr_domain::report::Report;
use delivr_domain::time::{Span, Timestamp};
use delivr_domain::{release, rollout, submission};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What an input came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Accepted,
    NoChange,
    Refused { code: String, sentence: String },
}

/// What sets a machine off, and the event directly before the move.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reasons {
    /// Commands of people.
    pub(crate) commands: BTreeSet<String>,
    /// Reports and the clock.
    pub(crate) reports: BTreeSet<String>,
    /// Events directly before it.
    pub(crate) after: BTreeSet<String>,
}

/// Moves from a place to a place.
pub(crate) type Moves = BTreeMap<(String, String), Reasons>;

/// Everything seen. Sets and maps in order, so that the document does not depend on the way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) places: BTreeSet<(Stage, Phase, Status)>,
    pub(crate) stages: Moves,
    pub(crate) tasks: BTreeMap<(String, String), BTreeSet<String>>,
    pub(crate) submissions: Moves,
    pub(crate) rollouts: Moves,
    pub(crate) blockers: BTreeMap<String, (String, BTreeSet<GatedStage>, String)>,
    pub(crate) commands: BTreeMap<(String, String), BTreeSet<Outcome>>,
    pub(crate) operations: BTreeMap<OperationKind, BTreeSet<TaskKind>>,
    pub(crate) readings: BTreeMap<String, BTreeSet<TaskKind>>,
    pub(crate) watches: BTreeMap<String, BTreeSet<TaskKind>>,
    pub(crate) probes: BTreeSet<FactKind>,
    pub(crate) tells: BTreeSet<String>,
    pub(crate) messages: BTreeMap<String, (BTreeSet<Topic>, BTreeSet<String>)>,
    pub(crate) effects: BTreeSet<&'static str>,
    pub(crate) events: BTreeSet<&'static str>,
    /// Task kinds with their steps, as they started.
    pub(crate) steps: BTreeMap<TaskKind, BTreeSet<Vec<String>>>,
    /// One row of each kind, as it may lie in a queue.
    pub(crate) rows: BTreeMap<String, Effect>,
    /// Causes of failures.
    pub(crate) causes: BTreeSet<String>,
}

/// The value of a serde tag.
pub(crate) fn tag(of: &impl Serialize, field: &str) -> String {
    let value = serde_json::to_value(of).expect("serialises");
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no tag {field}"))
        .to_owned()
}

/// One machine at one instant.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) state: Aggregate,
    pub(crate) facts: BTreeMap<FactKind, Fact>,
    pub(crate) now: Timestamp,
}

impl Subject {
    pub(crate) fn born(stepped: &Stepped, now: Timestamp, seen: &mut Seen) -> Self {
        let subject = Self {
            state: stepped.state.clone(),
            facts: BTreeMap::new(),
            now,
        };
        let first = Aggregate::fold(&[(stepped.events[0].clone(), now)]).expect("a first event");
        seen.note(
            &first,
            &stepped.events[1..],
            &stepped.reactions,
            "",
            "created",
            &subject,
        );
        subject
    }
    pub(crate) fn release(&self) -> &Release {
        match &self.state {
            Aggregate::Release(release) => release,
            _ => panic!("not a release"),
        }
    }
    pub(crate) fn cx(&self) -> Context<'_> {
        Context {
            now: self.now,
            actor: "pat",
            facts: &self.facts,
        }
    }
    /// One input; the notebook keeps what followed.
    pub(crate) fn input(&mut self, seen: &mut Seen, input: Input<'_>) -> Outcome {
        let before = self.state.clone();
        let stepped = match before.clone().step(input, &self.cx()) {
            Ok(stepped) => stepped,
            Err(rejection) => return refused(&rejection),
        };
        self.state = stepped.state.clone();
        assert!(self.state.settled(&self.cx()), "settling came to its end");
        let (command, report) = match input {
            Input::Command(command) => (command_word(command), ""),
            Input::Report(report) => (String::new(), report_word(report)),
        };
        seen.note(
            &before,
            &stepped.events,
            &stepped.reactions,
            &command,
            report,
            self,
        );
        if stepped.events.is_empty() {
            Outcome::NoChange
        } else {
            Outcome::Accepted
        }
    }
    pub(crate) fn command(&mut self, seen: &mut Seen, command: release::Command) -> Outcome {
        self.input(seen, Input::Command(&Command::Release(command)))
    }
    pub(crate) fn report(&mut self, seen: &mut Seen, report: &Report) -> Outcome {
        self.input(seen, Input::Report(report))
    }
    pub(crate) fn tick(&mut self, seen: &mut Seen) -> Outcome {
        self.report(seen, &Report::Tick)
    }
    pub(crate) fn wait(&mut self, seen: &mut Seen, span: Span) {
        self.now += span;
        self.tick(seen);
    }
    /// Facts as a fresh look at the vendors gives them.
    pub(crate) fn know(&mut self, head: &str, tickets: &str) {
        for (kind, value) in [
            (FactKind::BranchHead, head.repeat(40)),
            (FactKind::TicketsApproved, tickets.to_owned()),
        ] {
            let observed_at = self.now;
            self.facts.insert(kind, Fact { value, observed_at });
        }
    }
}

fn refused(rejection: &Rejection) -> Outcome {
    let code = match rejection {
        Rejection::Illegal { code, .. } => (*code).to_owned(),
        Rejection::GateClosed { .. } => "gate_closed".to_owned(),
        Rejection::Unsuitable { pointer, .. } => format!("unsuitable {pointer}"),
        Rejection::Missing(what) => format!("missing {what}"),
    };
    let sentence = rejection.to_string();
    Outcome::Refused { code, sentence }
}

/// The command's word, with the stage where it names one.
pub(crate) fn command_word(command: &Command) -> String {
    let value = serde_json::to_value(command).expect("serialises");
    let word = value["data"]["command"].as_str().expect("a command").to_owned();
    match value["data"]["stage"].as_str() {
        Some(stage) => format!("{word} {stage}"),
        None if word == "REWORK" => format!("{word} {}", value["data"]["to"].as_str().expect("a stage")),
        None if value["data"]["edit"]["kickoff_at"].is_string() => format!("{word} of the kickoff"),
        None => word,
    }
}

/// What a report is, for people.
fn report_word(report: &Report) -> &'static str {
    match report {
        Report::Performed { .. } => "a write ended",
        Report::Resolved { .. } => "a read ended",
        Report::Seen { .. } => "the vendor's state changed",
        Report::FactChanged { .. } => "a gate's fact changed",
        Report::RunCancelled { .. } => "a run was asked to stop",
        Report::ChildChanged { .. } => "a submission or rollout changed",
        Report::HoldsChanged { .. } => "the release's holds changed",
        Report::DriftAccepted { .. } => "the release's drift was cleared",
        Report::StartSubmission { .. } | Report::StartRollout { .. } => "created",
        Report::Tick => "the clock",
    }
}

/// The machine's kind and where it stands.
fn place(of: &Aggregate) -> (&'static str, &'static str) {
    let word = match of {
        Aggregate::Release(it) => it.stage.word(),
        Aggregate::Submission(it) => it.status.word(),
        Aggregate::Rollout(it) => it.status.word(),
    };
    (of.id().kind.word(), word)
}

fn task_event(event: &Event) -> Option<&TaskEvent> {
    match event {
        Event::Release(release::Event::Task { event })
        | Event::Submission(submission::Event::Task { event })
        | Event::Rollout(rollout::Event::Task { event }) => Some(event),
        _ => None,
    }
}

/// A task's state as it is stored: the API's word tells a child at work from a step under way no better.
pub(crate) fn task_tag(state: &TaskState) -> &'static str {
    match state {
        TaskState::AwaitingChild { .. } => "AWAITING_CHILD",
        TaskState::Pending
        | TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => state.word(),
    }
}

fn task_state(of: &Aggregate, key: &TaskKey) -> String {
    let task = of.owner().board().find(key);
    task.map_or("[*]", |task| task_tag(&task.state)).to_owned()
}

impl Seen {
    fn note(
        &mut self,
        before: &Aggregate,
        events: &[Event],
        reactions: &[Reaction],
        command: &str,
        report: &str,
        at: &Subject,
    ) {
        let mut state = before.clone();
        let mut previous = "";
        for event in events {
            self.events.insert(event.word());
            let place = place(&state);
            let tasks = self.tasks_of(event);
            let from: Vec<String> = tasks.iter().map(|key| task_state(&state, key)).collect();
            state = state.evolve(event, at.now);
            if let Some((edges, from, to)) = self.moved(place, &state) {
                let reasons = edges.entry((from, to)).or_default();
                if command.is_empty() {
                    reasons.reports.insert(report.to_owned());
                } else {
                    reasons.commands.insert(command.to_owned());
                }
                if !previous.is_empty() {
                    reasons.after.insert(previous.to_owned());
                }
            }
            if let Some(task_event) = task_event(event) {
                let word = tag(task_event, "task_event");
                for (key, from) in tasks.iter().zip(from) {
                    let edge = (from, task_state(&state, key));
                    self.tasks.entry(edge).or_default().insert(word.clone());
                }
            }
            previous = event.word();
        }
        self.note_release(at);
        for reaction in reactions {
            if let Reaction::Enqueue(effect) = reaction {
                self.note_effect(effect, before.version(), events, &at.state);
            }
        }
    }

    fn note_release(&mut self, at: &Subject) {
        let Aggregate::Release(release) = &at.state else {
            return;
        };
        self.places
            .insert((release.stage, release.phase(), release.status()));
        for stage in GatedStage::ALL {
            for blocker in gate::blockers(release, *stage, &at.cx()) {
                let entry = self
                    .blockers
                    .entry(blocker.code)
                    .or_insert_with(|| (blocker.cleared_by, BTreeSet::new(), blocker.detail.clone()));
                entry.1.insert(*stage);
                if blocker.detail < entry.2 {
                    entry.2 = blocker.detail;
                }
            }
        }
    }

    /// The moves of the machine's kind, with the two places, if it has moved.
    fn moved(
        &mut self,
        before: (&'static str, &'static str),
        after: &Aggregate,
    ) -> Option<(&mut Moves, String, String)> {
        let (kind, from) = before;
        let (_, to) = place(after);
        let edges = match kind {
            "RELEASE" => &mut self.stages,
            "SUBMISSION" => &mut self.submissions,
            _ => &mut self.rollouts,
        };
        (from != to).then(|| (edges, from.to_owned(), to.to_owned()))
    }

    /// The tasks an event is about; what it tells of them is kept.
    fn tasks_of(&mut self, event: &Event) -> Vec<TaskKey> {
        let Some(event) = task_event(event) else {
            return Vec::new();
        };
        match event {
            TaskEvent::Planned { tasks } => return tasks.iter().map(|plan| plan.key).collect(),
            TaskEvent::LateResult { .. }
            | TaskEvent::Doubted { .. }
            | TaskEvent::DoubtDue { .. }
            | TaskEvent::DoubtSettled { .. } => return Vec::new(),
            TaskEvent::Started { task, steps, .. } => {
                let of_a_list = !steps.is_empty() && steps.iter().all(|step| step.item.is_some());
                let steps: Vec<String> = if of_a_list {
                    vec!["PERFORM for each ticket".to_owned()]
                } else {
                    steps.iter().map(|step| step.kind.to_string()).collect()
                };
                self.steps.entry(task.kind).or_default().insert(steps);
            }
            TaskEvent::Failed { cause, .. } => {
                self.causes.insert(cause.code.clone());
            }
            _ => {}
        }
        vec![tag(event, "task").parse().expect("a task key")]
    }

    fn note_effect(&mut self, effect: &Effect, version: u64, events: &[Event], of: &Aggregate) {
        self.effects.insert(effect.word());
        let kind = match effect {
            Effect::Perform { operation, .. } => operation.kind().to_string(),
            Effect::Resolve { reading, .. } => tag(reading, "read"),
            Effect::Watch { watched, .. } => tag(watched, "watch"),
            Effect::Probe { fact, .. } => fact.to_string(),
            Effect::Tell { report, .. } => tag(report.as_ref(), "report"),
            Effect::CancelRun { .. } | Effect::Message { .. } => String::new(),
        };
        let name = format!("{} {kind}", effect.word()).trim_end().to_owned();
        self.rows.entry(name).or_insert_with(|| effect.clone());
        match effect {
            Effect::Perform { key, operation, .. } => {
                self.operations
                    .entry(operation.kind())
                    .or_default()
                    .insert(key.task.kind);
            }
            Effect::Resolve { key, reading, .. } => {
                self.readings
                    .entry(tag(reading, "read"))
                    .or_default()
                    .insert(key.task.kind);
            }
            Effect::Watch { key, watched, .. } => {
                self.watches
                    .entry(tag(watched, "watch"))
                    .or_default()
                    .insert(key.task.kind);
            }
            Effect::Probe { fact, .. } => {
                self.probes.insert(*fact);
            }
            Effect::CancelRun { .. } => {}
            Effect::Tell { report, .. } => {
                let from = of.id().kind.word();
                self.tells.insert(format!("{from}: {}", tag(report, "report")));
            }
            Effect::Message {
                topic, note, ordinal, ..
            } => {
                // A message carries the number of the event it tells of.
                let index = usize::try_from(ordinal.0 - version).expect("few events");
                let word = index
                    .checked_sub(1)
                    .map_or("RELEASE_CREATED", |at| events[at].word());
                let entry = self.messages.entry(note.kind.clone()).or_default();
                entry.0.insert(*topic);
                entry.1.insert(word.to_owned());
            }
        }
    }

    /// Remembers how a command fared in a column of the tables.
    pub(crate) fn tried(&mut self, command: &str, column: &str, outcome: Outcome) {
        self.commands
            .entry((command.to_owned(), column.to_owned()))
            .or_default()
            .insert(outcome);
    }

    /// Codes of refused commands.
    fn refusals(&self) -> BTreeSet<String> {
        self.commands
            .values()
            .flatten()
            .filter_map(|outcome| match outcome {
                Outcome::Refused { code, .. } => Some(code.clone()),
                Outcome::Accepted | Outcome::NoChange => None,
            })
            .collect()
    }

    /// What the sources have and the scenarios did not meet, by kind. The document says so: nobody shall take a hole
    /// in the scenarios for something that cannot happen.
    pub(crate) fn gaps(&self) -> Vec<(&'static str, Vec<String>)> {
        let codes = [
            source::COMMAND,
            source::EDIT,
            source::REPLAN,
            source::REWORK,
            source::SUBMISSION,
            source::ROLLOUT_COMMAND,
        ]
        .into_iter()
        .flat_map(|text| source::words_after(text, "illegal("))
        .collect();
        let tried = self
            .commands
            .keys()
            .map(|(row, _)| row.split(' ').next().unwrap_or(row).to_owned());
        let commands = [source::COMMAND, source::SUBMISSION, source::ROLLOUT]
            .into_iter()
            .flat_map(|text| source::members(text, "Command"))
            .map(|it| it.tag())
            .collect();
        let words = |of: &[&str]| of.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        // Messages are posted by the worker from a Message effect, not by a task's step.
        let operations = OperationKind::ALL
            .iter()
            .filter(|kind| **kind != OperationKind::PostMessage)
            .map(ToString::to_string);
        let states = source::members(source::BOARD, "TaskState");
        let places = self.places.iter().map(|(stage, _, _)| stage.to_string());
        [
            ("commands", commands, tried.collect()),
            ("refusals", codes, self.refusals()),
            (
                "blockers",
                source::words_after(source::GATE, "Blocker::new("),
                self.blockers.keys().cloned().collect(),
            ),
            (
                "operations",
                operations.collect(),
                self.operations.keys().map(ToString::to_string).collect(),
            ),
            (
                "stages",
                Stage::ALL.iter().map(ToString::to_string).collect(),
                places.collect(),
            ),
            (
                "task states",
                states.iter().map(source::Member::tag).collect(),
                self.tasks.keys().map(|(_, to)| to.clone()).collect(),
            ),
            (
                "effects",
                source::members(source::EFFECT, "Effect")
                    .iter()
                    .map(source::Member::tag)
                    .collect(),
                words(&self.effects.iter().copied().collect::<Vec<_>>())
                    .into_iter()
                    .collect(),
            ),
        ]
        .into_iter()
        .map(|(what, all, met): (_, Vec<String>, BTreeSet<String>)| {
            (
                what,
                all.into_iter()
                    .filter(|word| !met.contains(word))
                    .collect::<BTreeSet<_>>(),
            )
        })
        .filter(|(_, missing)| !missing.is_empty())
        .map(|(what, missing)| (what, missing.into_iter().collect()))
        .collect()
    }
}
