//! The engine's properties, asked after every commit: the fold of the history is the state, the rows are what the state
//! has outstanding, nothing more follows by itself, nothing came before its time.

use crate::people::reasons;
use crate::shared::Shared;
use crate::time::lock;
use delivr_app::apply::{read_event, read_state};
use delivr_domain::aggregate::{Aggregate, Event};
use delivr_domain::board::{TaskEvent, TaskState};
use delivr_domain::effect::Effect;
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::store::{AggregateRow, Directory as _, EffectRow, Queue as _, RowState};
use delivr_domain::release::gate::Context;
use delivr_domain::release::hold::Hold;
use delivr_domain::release::state::{Phase, Stage};
use delivr_domain::release::{Event as ReleaseEvent, settle};
use delivr_domain::report::Outcome;
use delivr_domain::time::{Span, Timestamp};
use delivr_testkit::memory::MemoryStore;
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// How far all clocks of a run together may be off.
const OFF: i64 = 6;

/// What is remembered of each aggregate between two commits.
#[derive(Default)]
pub struct Checker {
    folded: BTreeMap<AggregateId, (Aggregate, u64)>,
    paused: BTreeMap<AggregateId, Duration>,
    pub commits: u64,
}

impl Checker {
    pub fn paused_since(&self, owner: AggregateId) -> Option<Duration> {
        self.paused.get(&owner).copied()
    }
}

/// The store in memory answers at once.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory does not wait")
}

pub fn state_of(store: &MemoryStore, id: AggregateId) -> Option<Aggregate> {
    at_once(store.peek(id))
        .unwrap()
        .map(|row| read_state(&row).unwrap())
}

pub fn after_commit(shared: &Shared, store: &MemoryStore, id: AggregateId) {
    let Some(row) = at_once(store.peek(id)).unwrap() else {
        return;
    };
    let state = match read_state(&row) {
        Ok(state) => state,
        Err(error) => return shared.wrong(format!("{id}: {error}")),
    };
    let mut checker = lock(&shared.checker);
    checker.commits += 1;
    history(shared, store, &mut checker, &row, &state);
    drop(checker);
    if row.version != state.version() || row.wake_at != state.wake_at() {
        shared.wrong(format!(
            "{id}: version or wake-up beside the state differ from it"
        ));
    }
    rows(shared, store, id, &state);
}

fn history(
    shared: &Shared,
    store: &MemoryStore,
    checker: &mut Checker,
    row: &AggregateRow,
    state: &Aggregate,
) {
    let id = row.id;
    let after = checker.folded.get(&id).map_or(0, |(_, sequence)| *sequence);
    let news = at_once(store.events(row.tenant, id, after, 1_000)).unwrap();
    let mut fold = checker.folded.remove(&id).map(|(state, _)| state);
    let mut sequence = after;
    for stored in &news {
        sequence += 1;
        if stored.sequence != sequence {
            shared.wrong(format!(
                "{id}: event {} follows {}",
                stored.sequence,
                sequence - 1
            ));
        }
        let event = read_event(stored).unwrap();
        shared.note(format!("{id} {sequence} {}", said(&event)));
        if let Some(before) = &fold {
            in_time(shared, id, before, &event);
            replaced(shared, id, before, &event);
        }
        fold = match fold {
            Some(state) => Some(state.evolve(&event, stored.at)),
            None => Aggregate::fold(&[(event, stored.at)]),
        };
    }
    if fold.as_ref() != Some(state) {
        shared.wrong(format!("{id}: the fold of the history is not the state"));
    }
    if let Some(last) = news.last() {
        let facts = at_once(store.read_facts(id)).unwrap();
        let cx = Context {
            now: last.at,
            actor: "system",
            facts: &facts,
        };
        if !state.settled(&cx) {
            shared.wrong(format!("{id}: something still follows from {}", last.kind));
        }
        if state.wake_at().is_some_and(|at| at <= last.at) {
            shared.wrong(format!("{id}: the wake-up {:?} has passed", state.wake_at()));
        }
    }
    checker.folded.insert(id, (state.clone(), sequence));
    let paused = |hold: &Hold| matches!(hold, Hold::UserPaused { .. });
    if matches!(state, Aggregate::Release(release) if release.holds.iter().any(paused)) {
        checker.paused.entry(id).or_insert(shared.now());
    } else {
        checker.paused.remove(&id);
    }
}

/// A task that is repeated on purpose makes a second object; one whose first object nobody knows of must not.
fn replaced(shared: &Shared, id: AggregateId, before: &Aggregate, event: &Event) {
    let Event::Release(ReleaseEvent::Task {
        event: TaskEvent::Repeated { task },
    }) = event
    else {
        return;
    };
    let unknown = before.owner().board().find(task).is_some_and(|it| {
        matches!(
            it.state,
            TaskState::Failed {
                outcome: Outcome::Unknown,
                ..
            }
        )
    });
    if !unknown {
        lock(&shared.world).replace(task, id);
    }
}

/// A word for the trace.
fn said(event: &Event) -> String {
    let task = match event {
        Event::Release(ReleaseEvent::Task { event })
        | Event::Submission(delivr_domain::submission::Event::Task { event })
        | Event::Rollout(delivr_domain::rollout::Event::Task { event }) => event,
        Event::Release(ReleaseEvent::StageEntered { stage }) => return format!("STAGE {stage}"),
        Event::Submission(delivr_domain::submission::Event::StatusChanged { status, .. }) => {
            return format!("SUBMISSION {status}");
        }
        Event::Rollout(delivr_domain::rollout::Event::Observed { exposure, .. }) => {
            return format!("ROLLOUT {} {}", exposure.word, exposure.bps);
        }
        Event::Release(_) | Event::Submission(_) | Event::Rollout(_) => return event.word().to_owned(),
    };
    match task {
        TaskEvent::Started { task, .. } => format!("STARTED {task}"),
        TaskEvent::StepDone { task, step, .. } => format!("STEP {step} of {task}"),
        TaskEvent::Parked { task } => format!("PARKED {task}"),
        TaskEvent::Completed { task, .. } => format!("COMPLETED {task}"),
        TaskEvent::Failed { task, cause, outcome } => {
            format!("FAILED {task} {} {outcome}: {}", cause.code, cause.sentence)
        }
        TaskEvent::Rearmed { task, spent } => format!("REARMED {task} spent {spent}"),
        TaskEvent::Repeated { task } => format!("REPEATED {task}"),
        TaskEvent::Skipped { task, .. } => format!("SKIPPED {task}"),
        TaskEvent::SkipRequested { task, .. } => format!("SKIP REQUESTED {task}"),
        TaskEvent::Cancelled { task } => format!("CANCELLED {task}"),
        TaskEvent::LateResult { key, .. } => format!("LATE {}", key.task),
        TaskEvent::Planned { tasks } => format!("PLANNED {}", tasks.len()),
    }
}

/// Nothing that waits for a date comes before it, as far as clocks agree.
fn in_time(shared: &Shared, id: AggregateId, before: &Aggregate, event: &Event) {
    let Aggregate::Release(release) = before else {
        return;
    };
    let early = |at: Timestamp| at > shared.time.wall() + Span::seconds(OFF);
    let too_early = match event {
        Event::Release(ReleaseEvent::StageEntered {
            stage: Stage::Kickoff,
        }) => early(release.draft.kickoff_at),
        Event::Release(ReleaseEvent::CycleStarted { slots, .. }) => slots
            .iter()
            .filter_map(|slot| release.slots.get(slot))
            .any(|slot| early(slot.at)),
        Event::Release(ReleaseEvent::ReminderFired { reminder }) => settle::due_reminders(release)
            .iter()
            .any(|(key, at)| key == reminder && early(*at)),
        Event::Release(_) | Event::Submission(_) | Event::Rollout(_) => false,
    };
    if too_early {
        shared.wrong(format!("{id}: {} came before its time", said(event)));
    }
}

/// Live rows are what the state has outstanding.
fn rows(shared: &Shared, store: &MemoryStore, id: AggregateId, state: &Aggregate) {
    let live: BTreeMap<EffectId, EffectRow> = at_once(store.rows(id, false))
        .unwrap()
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    says_why(shared, state, &live);
    let outstanding: BTreeMap<EffectId, Effect> = state
        .outstanding()
        .into_iter()
        .map(|effect| (effect.id(), effect))
        .collect();
    let board = state.owner().board();
    for task in board.iter() {
        let needs_row = matches!(
            task.state,
            TaskState::Running { .. } | TaskState::AwaitingCallback { .. }
        );
        let has = outstanding
            .values()
            .filter(|effect| effect.key().is_some_and(|key| key.task == task.key))
            .count();
        // Automation whose totals are there is settled in the same transaction.
        if needs_row && has != 1 {
            shared.wrong(format!(
                "{id}: {} is {} with {has} rows",
                task.key,
                task.state.word()
            ));
        }
    }
    for (row, effect) in &outstanding {
        let parked = effect
            .key()
            .and_then(|key| board.find(&key.task))
            .is_some_and(|task| task.parked);
        let fits = live.get(row).is_some_and(|it| match it.state {
            RowState::Parked => parked,
            RowState::Ready | RowState::Claimed => !parked,
            RowState::Done | RowState::Dead => false,
        });
        if !fits {
            let found = live.get(row).map(|it| it.state);
            shared.wrong(format!(
                "{id}: {} {:?} has row {found:?}",
                effect.word(),
                effect.key()
            ));
        }
    }
    for (row, it) in live.iter().filter(|(row, _)| !outstanding.contains_key(row)) {
        let excused = match &it.effect {
            Effect::Tell { .. } | Effect::Message { .. } | Effect::CancelRun { .. } => true,
            // What was claimed when its task was cancelled (or its stage left) reports late, or is handed back once.
            Effect::Perform { key, .. } | Effect::Resolve { key, .. } => {
                let cancelled = board
                    .find(&key.task)
                    .is_some_and(|task| matches!(task.state, TaskState::Cancelled));
                cancelled && (it.state == RowState::Claimed || handed_back(it))
            }
            Effect::Probe { .. } => it.state == RowState::Claimed || handed_back(it),
            Effect::Watch { .. } => false,
        };
        if !excused {
            let what = it.effect.key().map(ToString::to_string);
            shared.wrong(format!(
                "{id}: row {row} {} {what:?} is {} for nothing",
                it.effect.word(),
                it.state
            ));
        }
    }
}

/// A release that is not over and has nothing under way says why, to those who could act.
fn says_why(shared: &Shared, state: &Aggregate, live: &BTreeMap<EffectId, EffectRow>) {
    let Aggregate::Release(release) = state else {
        return;
    };
    let works = live
        .values()
        .any(|row| row.effect.key().is_some() || row.effect.word() == "PROBE");
    let waits_for_child = release
        .board
        .iter()
        .any(|task| matches!(task.state, TaskState::AwaitingChild { .. }));
    // Between two cycles the phase itself says what is asked for.
    let between = release.phase() == Phase::RegressionAwaitingNextCycle;
    let over = release.terminal() || release.stage == Stage::Completed;
    let dated = state.wake_at().is_some();
    if !(over || works || waits_for_child || between || dated || !reasons(release).is_empty()) {
        shared.wrong(format!(
            "{} is {} and nobody is told why",
            release.key(),
            release.phase()
        ));
    }
}

fn handed_back(row: &EffectRow) -> bool {
    row.state == RowState::Ready && row.attempt > 0 && row.trouble.is_some()
}
