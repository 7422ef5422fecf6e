//! The engine's properties, asked after every commit: the fold of the history is the state, the rows are what the state
//! has outstanding, nothing more follows by itself, nothing came before its time.

use crate::people::reasons;
use crate::shared::{Broken, Cry, Shared};
use crate::time::{lock, seconds};
use crate::weather::Kind;
use delivr_app::run_effect::BUDGET;
use delivr_app::stored::{STATE_FORMAT, read_event, read_state};
use delivr_domain::aggregate::{Aggregate, Event};
use delivr_domain::board::{StepResult, TaskEvent, TaskState};
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::key::{AggregateId, AggregateKind, EffectId, EffectKey, TaskKey};
use delivr_domain::plan::GatedStage;
use delivr_domain::ports::store::{AggregateRow, Directory as _, EffectRow, Fact, Queue as _, RowState};
use delivr_domain::release::gate::{self, Context};
use delivr_domain::release::hold::Hold;
use delivr_domain::release::state::{Phase, Release, Shipment, Stage};
use delivr_domain::release::{Event as ReleaseEvent, remind};
use delivr_domain::report::Outcome;
use delivr_domain::time::{Span, Timestamp};
use delivr_testkit::memory::MemoryStore;
use futures_util::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How far all clocks of a run together may be off.
const OFF: i64 = 6;

/// A wake-up that has passed is heeded within so long, whatever befalls workers and database.
const HEEDED: Duration = seconds(1_200);

/// Facts of an aggregate.
pub type Facts = BTreeMap<FactKind, Fact>;

/// What is remembered of each aggregate between two commits.
#[derive(Default)]
pub struct Checker {
    folded: BTreeMap<AggregateId, (Aggregate, u64)>,
    paused: BTreeMap<AggregateId, Duration>,
    /// The commit in which each request of a client took effect.
    requests: BTreeMap<String, u64>,
    /// What each aggregate has ever known to exist at vendors.
    known: BTreeMap<AggregateId, BTreeSet<String>>,
    pub commits: u64,
}

impl Checker {
    /// The database is an older one now: what is stored is where the checks go on from.
    pub fn forget(&mut self, store: &MemoryStore) {
        self.requests.clear();
        for id in std::mem::take(&mut self.folded).into_keys() {
            match state_of(store, id) {
                Some(state) => {
                    let version = state.version();
                    if !is_paused(&state) {
                        self.paused.remove(&id);
                    }
                    self.folded.insert(id, (state, version));
                }
                None => {
                    self.paused.remove(&id);
                    self.known.remove(&id);
                }
            }
        }
    }
    pub fn knows(&self, owner: AggregateId, reference: &str) -> bool {
        self.known.get(&owner).is_some_and(|all| all.contains(reference))
    }
    /// The state after the last commit.
    pub fn last(&self, id: AggregateId) -> Option<Aggregate> {
        self.folded.get(&id).map(|(state, _)| state.clone())
    }
    /// When each aggregate wants to be woken.
    fn wake_ups(&self) -> Vec<(AggregateId, Timestamp)> {
        let states = self.folded.iter();
        states
            .filter_map(|(id, (state, _))| Some((*id, state.wake_at()?)))
            .collect()
    }
    /// Its children's states.
    pub fn children(&self, release: AggregateId) -> Vec<Aggregate> {
        let states = self.folded.values().map(|(state, _)| state);
        let ours = states.filter(|state| match state {
            Aggregate::Release(_) => false,
            Aggregate::Submission(it) => it.start.release.uuid() == release.id,
            Aggregate::Rollout(it) => it.start.release.uuid() == release.id,
        });
        ours.cloned().collect()
    }
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

/// `read` are the facts by which the commit decided, where it read any.
pub fn after_commit(shared: &Shared, store: &MemoryStore, id: AggregateId, read: Option<&Facts>) {
    let Some(row) = at_once(store.peek(id)).unwrap() else {
        return;
    };
    let mut checker = lock(&shared.checker);
    checker.commits += 1;
    let Some(state) = history(shared, store, &mut checker, &row, read) else {
        return;
    };
    // Writing and reading documents is dear. The next step begins with what is stored, so that a difference stays: it is
    // looked for now and then, and at the end.
    let write = checker.commits.is_multiple_of(4) || shared.calm();
    let read = checker.commits.is_multiple_of(16);
    drop(checker);
    if read && read_state(&row).ok().as_ref() != Some(&state) {
        shared.wrong(format!("{id}: what is stored cannot be read back"));
    }
    let format = row.state.get("format");
    if format.and_then(serde_json::Value::as_u64) != Some(STATE_FORMAT) {
        shared.wrong(format!("{id}: the state is stored as {format:?}"));
    }
    if write && !is_stored(&state, &row.state) {
        shared.wrong(format!("{id}: the fold of the history is not the state"));
    }
    if row.version != state.version() || row.wake_at != state.wake_at() {
        shared.wrong(format!(
            "{id}: version or wake-up beside the state differ from it"
        ));
    }
    rows(shared, store, id, &state);
}

/// Whether the document is the state's, beside its format.
fn is_stored(state: &Aggregate, document: &serde_json::Value) -> bool {
    let (Ok(serde_json::Value::Object(written)), Some(stored)) =
        (serde_json::to_value(state), document.as_object())
    else {
        return false;
    };
    let format = usize::from(stored.contains_key("format"));
    written.len() + format == stored.len()
        && written
            .iter()
            .all(|(name, value)| stored.get(name) == Some(value))
}

/// A wake-up that the database's clock has reached is heeded by somebody before long.
pub fn none_is_late(shared: &Shared, store: &MemoryStore) {
    let (now, there) = (shared.now(), at_once(store.now()).unwrap());
    let mut passed = BTreeMap::new();
    let mut overdue = lock(&shared.overdue);
    for (id, wake_at) in lock(&shared.checker).wake_ups() {
        if wake_at > there {
            continue;
        }
        let since = overdue.get(&(id, wake_at)).copied().unwrap_or(now);
        if now > since + HEEDED {
            shared.lost(format!("{id} is due since {wake_at} and nobody came"));
        }
        passed.insert((id, wake_at), since);
    }
    *overdue = passed;
}

fn is_paused(state: &Aggregate) -> bool {
    let paused = |hold: &Hold| matches!(hold, Hold::UserPaused { .. });
    matches!(state, Aggregate::Release(release) if release.holds.iter().any(paused))
}

fn history(
    shared: &Shared,
    store: &MemoryStore,
    checker: &mut Checker,
    row: &AggregateRow,
    read: Option<&Facts>,
) -> Option<Aggregate> {
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
        once(shared, checker, &stored.actor);
        learn(shared, checker, id, &event);
        if let Some(before) = &fold {
            in_time(shared, id, before, &event);
            in_budget(shared, store, id, before, &event);
            replaced(shared, id, before, &event);
            in_order(shared, id, before, &event);
        }
        fold = match fold {
            Some(state) => Some(state.evolve(&event, stored.at)),
            None => Aggregate::fold(&[(event, stored.at)]),
        };
    }
    let Some(state) = fold else {
        shared.wrong(format!("{id}: there is a state and no history"));
        return None;
    };
    if let Some(last) = news.last() {
        // Where rows are not locked, a fact may be seen anew beside a commit: the next one decides by it.
        let stored = at_once(store.read_facts(id)).unwrap();
        let facts = read.filter(|_| !shared.row_lock).unwrap_or(&stored);
        let cx = Context {
            now: last.at,
            actor: "system",
            facts,
        };
        if !state.settled(&cx) {
            let follows = state.clone().run(Vec::new(), &cx).events;
            let words: Vec<&str> = follows.iter().map(Event::word).collect();
            shared.wrong(format!(
                "{id}: {words:?} still follow from {} of {}, by the facts {facts:?} (rows locked: {})",
                last.kind, last.at, shared.row_lock
            ));
        }
        if state.wake_at().is_some_and(|at| at <= last.at) {
            shared.wrong(format!("{id}: the wake-up {:?} has passed", state.wake_at()));
        }
    }
    checker.folded.insert(id, (state.clone(), sequence));
    if is_paused(&state) {
        checker.paused.entry(id).or_insert(shared.now());
    } else {
        checker.paused.remove(&id);
    }
    Some(state)
}

const fn task_of(event: &Event) -> Option<&TaskEvent> {
    match event {
        Event::Release(ReleaseEvent::Task { event })
        | Event::Submission(delivr_domain::submission::Event::Task { event })
        | Event::Rollout(delivr_domain::rollout::Event::Task { event }) => Some(event),
        Event::Release(_) | Event::Submission(_) | Event::Rollout(_) => None,
    }
}

/// However often a client sends a request under one key, it takes effect once.
fn once(shared: &Shared, checker: &mut Checker, actor: &str) {
    if actor.contains('#') {
        let commit = checker.commits;
        let first = *checker.requests.entry(actor.to_owned()).or_insert(commit);
        if first != commit {
            shared.wrong(format!("the request of {actor} took effect twice"));
        }
    }
}

/// What the aggregate knows from now on, and what is counted.
fn learn(shared: &Shared, checker: &mut Checker, id: AggregateId, event: &Event) {
    match event {
        Event::Release(ReleaseEvent::HoldPlaced {
            hold: Hold::UserPaused { .. },
        }) => shared.met(Kind::Paused),
        Event::Release(ReleaseEvent::Replanned { .. }) => shared.met(Kind::Replanned),
        Event::Release(ReleaseEvent::Reworked { .. }) => shared.met(Kind::Reworked),
        Event::Release(ReleaseEvent::Archived { .. }) => shared.met(Kind::Archived),
        _ => {}
    }
    let reference = match task_of(event) {
        Some(TaskEvent::StepDone {
            result: StepResult::Made { reference },
            ..
        }) => Some(reference),
        Some(TaskEvent::LateResult { reference, .. }) => {
            shared.met(Kind::LateResult);
            Some(reference)
        }
        Some(TaskEvent::SkipRequested { .. }) => {
            shared.met(Kind::Skipped);
            None
        }
        Some(TaskEvent::Failed { task, outcome, .. }) => {
            let all = shared.broken == Broken::RowPerRetry;
            let odds = if all { 3_000 } else { 400 };
            if id.kind == AggregateKind::Release
                && *outcome == Outcome::Unknown
                && shared.befalls(Kind::Impatient, odds)
            {
                shared.cry(id, Cry::Again(*task));
            }
            wears_off(shared, *task);
            None
        }
        // What a store has refused is taken for what was sent: only a person hands it in anew, and not for ever.
        Some(TaskEvent::Completed { task, .. }) => {
            wears_off(shared, *task);
            None
        }
        Some(_) | None => None,
    };
    if let Some(reference) = reference {
        checker.known.entry(id).or_default().insert(reference.id.clone());
    }
}

/// A write that kills whoever sends it does so until its task is over.
fn wears_off(shared: &Shared, task: TaskKey) {
    let mut poison = lock(&shared.poison);
    if *poison == Some(task) {
        *poison = None;
    }
}

/// No task is given up before its budget is used.
fn in_budget(shared: &Shared, store: &MemoryStore, id: AggregateId, before: &Aggregate, event: &Event) {
    let Some(TaskEvent::Failed { task, cause, .. }) = task_of(event) else {
        return;
    };
    if cause.code != "budget_exhausted" && !cause.sentence.contains("(given up after") {
        return;
    }
    let owner = before.owner();
    let Some(it) = owner.board().find(task) else {
        return;
    };
    let Some(step) = it.current() else {
        return;
    };
    let key = owner.effect_key(it, it.next_step);
    let row = EffectId::derived(step.kind.row(), &[key.to_string().as_bytes()]);
    let rows = at_once(store.rows(id, true)).unwrap();
    // The failure that is the last straw is reported, not counted.
    let used = rows.iter().find(|it| it.id == row).map(|it| it.failures + 1);
    if used.is_none_or(|used| used < BUDGET) {
        shared.wrong(format!(
            "{id}: {task} is given up after {used:?} failures of {BUDGET}"
        ));
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
        lock(&shared.world).replace(task, id, shared.now());
    }
}

/// What a release knows of a child is never replaced by what the child said before that.
fn in_order(shared: &Shared, id: AggregateId, before: &Aggregate, event: &Event) {
    let (Aggregate::Release(release), Event::Release(ReleaseEvent::ShipmentChanged { target, shipment })) =
        (before, event)
    else {
        return;
    };
    let said = |it: &Shipment| (it.submission, it.rollout, it.state.at);
    let known = release.shipments.get(target).map(said);
    let (submission, rollout, at) = said(shipment);
    if known.is_some_and(|known| (known.0, known.1) == (submission, rollout) && at < known.2) {
        shared.wrong(format!("{id}: older news of {target} replace newer news"));
    }
}

/// A word for the trace.
fn said(event: &Event) -> String {
    let Some(task) = task_of(event) else {
        return match event {
            Event::Release(ReleaseEvent::StageEntered { stage }) => format!("STAGE {stage}"),
            Event::Submission(delivr_domain::submission::Event::StatusChanged { status, .. }) => {
                format!("SUBMISSION {status}")
            }
            Event::Rollout(delivr_domain::rollout::Event::Observed { exposure, .. }) => {
                format!("ROLLOUT {} {}", exposure.word, exposure.bps)
            }
            Event::Release(_) | Event::Submission(_) | Event::Rollout(_) => event.word().to_owned(),
        };
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
        TaskEvent::LookUpRequested { task, .. } => format!("LOOK-UP REQUESTED {task}"),
        TaskEvent::Cancelled { task } => format!("CANCELLED {task}"),
        TaskEvent::LateResult { key, .. } => format!("LATE {}", key.task),
        TaskEvent::Doubted { doubt } => format!("DOUBTED {}", doubt.key.task),
        TaskEvent::DoubtDue { key } => format!("DOUBT DUE {}", key.task),
        TaskEvent::DoubtSettled { key, found } => format!("DOUBT SETTLED {} {}", key.task, found.len()),
        TaskEvent::Planned { tasks } => format!("PLANNED {}", tasks.len()),
    }
}

/// Nothing that waits for a date comes before it, as far as clocks agree.
fn in_time(shared: &Shared, id: AggregateId, before: &Aggregate, event: &Event) {
    let Aggregate::Release(release) = before else {
        return;
    };
    // Whoever's clock is ahead comes early, and cannot know.
    let ahead = Span::milliseconds(shared.ahead.load(Ordering::Relaxed));
    let early = |at: Timestamp| at > shared.time.wall() + ahead + Span::seconds(OFF);
    let too_early = match event {
        Event::Release(ReleaseEvent::StageEntered {
            stage: Stage::Kickoff,
        }) => early(release.draft.kickoff_at),
        Event::Release(ReleaseEvent::CycleStarted { slots, .. }) => slots
            .iter()
            .filter_map(|slot| release.slots.get(slot))
            .any(|slot| early(slot.at)),
        Event::Release(ReleaseEvent::ReminderFired { reminder }) => {
            remind::due_reminders(release).iter().any(|(key, at)| {
                let same = key == reminder || (remind::of_waits(key) && remind::of_waits(reminder));
                same && early(*at)
            })
        }
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
    says_why(shared, store, state, &live);
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
        // What is done and looked for once more is no step under way.
        let under_way = |key: &EffectKey| key.task == task.key && !board.looks_again(key);
        let has = outstanding
            .values()
            .filter(|effect| effect.key().is_some_and(under_way))
            .count();
        let watched = outstanding
            .values()
            .any(|effect| effect.word() == "WATCH" && effect.key().is_some_and(|key| key.task == task.key));
        if matches!(task.state, TaskState::AwaitingChild { .. }) && has != 0 {
            shared.wrong(format!(
                "{id}: {} waits for another one and has {has} rows",
                task.key
            ));
        }
        if matches!(task.state, TaskState::AwaitingCallback { .. }) != watched {
            shared.wrong(format!(
                "{id}: {} is {} and watched is {watched}",
                task.key,
                task.state.word()
            ));
        }
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
            .filter(|key| !board.looks_again(key))
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
fn says_why(shared: &Shared, store: &MemoryStore, state: &Aggregate, live: &BTreeMap<EffectId, EffectRow>) {
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
    let said = || !reasons(release).is_empty() || closed(store, release);
    if !(over || works || waits_for_child || between || dated || said()) {
        shared.wrong(format!(
            "{} is {} and nobody is told why",
            release.key(),
            release.phase()
        ));
    }
}

/// Whether the page of a gate that opens by itself says why it does not.
fn closed(store: &MemoryStore, release: &Release) -> bool {
    let stage = match release.stage {
        Stage::AwaitingRegression => GatedStage::Regression,
        Stage::AwaitingPreRelease => GatedStage::PreRelease,
        Stage::AwaitingDistribution => GatedStage::Distribution,
        _ => return false,
    };
    let facts = at_once(store.read_facts(release.aggregate_id())).unwrap();
    let cx = Context {
        now: release.updated_at,
        actor: "system",
        facts: &facts,
    };
    !gate::blockers(release, stage, &cx).is_empty()
}

fn handed_back(row: &EffectRow) -> bool {
    row.state == RowState::Ready && row.attempt > 0 && row.trouble.is_some()
}
