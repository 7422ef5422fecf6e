//! One run of a seed: a scheduler that decides who goes on, who is killed, who is stalled, and when time moves.

use crate::check::{at_once, none_is_late, state_of};
use crate::client::Client;
use crate::clocks::Clocks;
use crate::finish;
use crate::gateway::Gateway;
use crate::people::{PATIENCE, People};
use crate::plan::{draft_of, furnish, furnish_one, tenants, vault};
use crate::process::{PROCESSES, Process, Role, Stop, WORKERS, role};
use crate::shared::{Broken, Fault, Shared};
use crate::store::FaultStore;
use crate::time::{Dice, SimClock, Thrown, lock, seconds};
use crate::vendor::{CALL_TIMEOUT, MARGIN, registry};
use crate::weather::Kind;
use delivr_app::usecases::access::restore_epoch;
use delivr_app::vault::Vault;
use delivr_app::{App, apply, connections};
use delivr_domain::key::AggregateId;
use delivr_domain::ports::provider::Registry;
use delivr_domain::ports::store::{Directory as _, Queue as _, Store};
use delivr_domain::release::state::Draft;
use delivr_testkit::memory::{Backup, MemoryStore};
use delivr_worker::{Worker, WorkerSettings};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

/// More steps than any seed needs.
const STEPS: u64 = 3_000_000;
/// How long a worker may take to end after it was asked to.
const STOPS_WITHIN: Duration = seconds(60);

/// What a run came to.
pub struct Ended {
    pub seed: u64,
    pub wrong: Vec<(Fault, String)>,
    pub lines: Vec<String>,
    pub digest: u64,
    pub completed: usize,
    pub crashes: u64,
    pub commits: u64,
    pub created: u64,
    pub steps: u64,
    pub counts: BTreeMap<Kind, u64>,
    /// Whether the database locked the rows it loaded.
    pub row_lock: bool,
}

impl Ended {
    pub fn says(&self) -> String {
        let all: Vec<&str> = self.wrong.iter().map(|(_, what)| what.as_str()).collect();
        all.join("\n  ")
    }
    /// One that fell over.
    pub fn fell(seed: u64, said: String) -> Self {
        Self {
            seed,
            wrong: vec![(Fault::Illegal, said)],
            lines: Vec::new(),
            digest: 0,
            completed: 0,
            crashes: 0,
            commits: 0,
            created: 0,
            steps: 0,
            counts: BTreeMap::new(),
            row_lock: false,
        }
    }
    /// What a person needs to find out what went wrong.
    pub fn story(&self) -> String {
        let from = self.lines.len().saturating_sub(120);
        format!(
            "seed {} (cargo xtask simulate --seed {} --loud):\n  {}\ntrace:\n{}",
            self.seed,
            self.seed,
            self.says(),
            self.lines[from..].join("\n")
        )
    }
}

/// A backup that is put back later.
struct Plan {
    taken_at: Duration,
    restored_at: Duration,
    backup: Option<(Backup, Vec<AggregateId>, Duration)>,
    /// It is taken again and again, and put back while a write of a later time is on its way.
    sending: bool,
}

/// How old the backup is at most that is put back while a write is on its way.
const FRESH: Duration = seconds(3);

struct Run {
    shared: Arc<Shared>,
    store: FaultStore,
    vault: Arc<Vault>,
    registry: Arc<Registry>,
    clocks: Clocks,
    /// Whether clocks jump in this run.
    jumps: bool,
    restore: Option<Plan>,
    order: Option<Box<Draft>>,
    processes: Vec<Process>,
    crashes: u64,
    steps: u64,
}

/// Runs a seed to its end.
pub fn run(seed: u64, broken: Broken) -> Ended {
    run_in(Shared::new(seed, broken), seed)
}

/// The same, with the whole trace.
pub fn traced(seed: u64) -> Ended {
    run_in(Shared::keeping(seed, Broken::Nothing, true), seed)
}

fn restore_plan(shared: &Shared) -> Option<Plan> {
    let proof = shared.broken == Broken::NoRestoreEpoch;
    let per_mille = if proof || shared.everything { 1_000 } else { 250 };
    shared.dice(|dice| {
        let taken_at = dice.millis(600_000, 5_000_000);
        let restored_at = taken_at + dice.millis(5_000, 1_200_000);
        let sending = dice.chance(400) || proof;
        dice.chance(per_mille).then_some(Plan {
            taken_at,
            restored_at,
            backup: None,
            sending,
        })
    })
}

fn run_in(shared: Arc<Shared>, seed: u64) -> Ended {
    let clock = SimClock::exact(shared.time.clone());
    let memory = MemoryStore::new(Arc::new(SimClock::exact(shared.time.clone())));
    memory.skew(i64::try_from(shared.dice(|dice| dice.between(0, 1_500_000))).unwrap() - 750_000);
    let vault = vault();
    let [_, other] = tenants();
    at_once(furnish(&memory, &shared, &vault));
    at_once(furnish_one(&memory, &shared, &vault, other, "other"));
    let install = at_once(memory.install()).unwrap();
    let drawn = |n: u32| {
        shared.dice(|dice: &mut Dice| {
            let of = dice.pick(tenants().to_vec()).unwrap();
            draft_of(of, n, install, dice)
        })
    };
    for n in 0..u32::try_from(shared.dice(|dice| dice.between(1, 3))).unwrap() {
        let draft = drawn(n);
        shared.note(format!("{draft:?}"));
        let made = at_once(apply::create(&memory, &clock, draft, "pilot", None)).unwrap();
        lock(&shared.releases).push(made.id());
    }
    let ordered = shared.dice(|dice| dice.chance(250));
    let order = (ordered || shared.everything).then(|| Box::new(drawn(2)));
    let registry = Arc::new(registry(&shared));
    let store = FaultStore {
        inner: memory,
        shared: shared.clone(),
    };
    let mut run = Run {
        clocks: Clocks::new(&shared, PROCESSES),
        jumps: shared.dice(|dice| dice.chance(400)) || shared.everything,
        restore: restore_plan(&shared),
        shared,
        store,
        vault,
        registry,
        order,
        processes: (0..PROCESSES).map(|_| Process::new()).collect(),
        crashes: 0,
        steps: 0,
    };
    run.until_over();
    run.ended(seed)
}

impl Run {
    fn app(&self, store: Arc<dyn Store>, number: usize) -> App {
        App {
            store,
            clock: Arc::new(SimClock {
                time: self.shared.time.clone(),
                hands: self.clocks.hands[number].clone(),
                // Each process began to count when it liked.
                started: seconds(1_000 * u64::try_from(number).unwrap()),
            }),
            entropy: Arc::new(Thrown(self.shared.dice.clone())),
            registry: self.registry.clone(),
            vault: self.vault.clone(),
            connections: connections::cache(),
        }
    }

    fn start(&mut self, number: usize) {
        let stop: Arc<Stop> = Arc::default();
        let shared = self.shared.clone();
        let app = self.app(Arc::new(self.store.clone()), number);
        let future: Pin<Box<dyn Future<Output = ()>>> = match role(number) {
            Role::Worker => {
                let settings = WorkerSettings {
                    name: format!("worker {number}"),
                    concurrency: 5,
                    per_integration: 3,
                    lease: CALL_TIMEOUT * 3,
                    margin: MARGIN,
                    call_timeout: CALL_TIMEOUT,
                    sweep: seconds(300),
                    drain: seconds(25),
                };
                let asked = stop.clone().asked();
                Box::pin(async move { Worker::new(app, settings).run(asked).await })
            }
            Role::People => {
                let client = Client {
                    shared: shared.clone(),
                    app,
                };
                let order = if number == WORKERS {
                    self.order.take()
                } else {
                    None
                };
                Box::pin(
                    People {
                        shared,
                        store: self.store.clone(),
                        client,
                        order,
                    }
                    .live(),
                )
            }
            Role::Gateway => Box::pin(
                Gateway {
                    shared,
                    app,
                    tenants: tenants().to_vec(),
                }
                .live(),
            ),
        };
        self.shared.note(format!("process {number} starts"));
        let process = &mut self.processes[number];
        process.future = Some(future);
        process.stop = stop;
        process.stop_by = None;
        process.flag.0.store(true, Ordering::Relaxed);
    }

    fn until_over(&mut self) {
        let calm_at = self.shared.dice(|dice| dice.millis(6_000_000, 16_000_000));
        let mut looked = Duration::ZERO;
        while !self.shared.is_wrong() {
            self.steps += 1;
            if self.steps > STEPS {
                self.shared.lost("the run does not come to an end");
                return;
            }
            let now = self.shared.now();
            if now >= calm_at && !self.shared.calm() {
                self.shared.note("the weather clears");
                self.shared.calm.store(true, Ordering::Relaxed);
                self.clocks.set_right();
            }
            self.backups(now);
            for number in 0..self.processes.len() {
                if self.processes[number].future.is_none() && self.processes[number].starts_at <= now {
                    self.start(number);
                }
            }
            let ready: Vec<usize> = (0..self.processes.len())
                .filter(|number| self.processes[*number].ready(now))
                .collect();
            if let Some(number) = self.shared.dice(|dice| dice.pick(ready)) {
                self.step(number);
                continue;
            }
            let doubled = std::mem::take(&mut lock(&self.shared.world).doubled);
            for what in doubled {
                self.shared.doubled(&what);
            }
            if now < looked + seconds(120) {
                // Nothing to look at yet.
            } else if !self.shared.calm() {
                looked = now;
                self.in_time();
            } else {
                looked = now;
                self.in_time();
                let releases = lock(&self.shared.releases).clone();
                if finish::over(&self.shared, &self.store.inner, &releases) {
                    finish::check(&self.shared, &self.store.inner, &releases);
                    return;
                }
                if now > calm_at + PATIENCE {
                    finish::stuck(&self.shared, &self.store.inner, &releases);
                    return;
                }
            }
            let waits = self.processes.iter().filter_map(Process::goes_on_at);
            match waits.chain(self.shared.time.next()).min() {
                Some(next) => self.shared.time.advance_to(next),
                None => {
                    self.shared.lost("nobody waits for anything");
                    return;
                }
            }
        }
    }

    /// Nobody's wake-up is forgotten.
    fn in_time(&self) {
        none_is_late(&self.shared, &self.store.inner);
    }

    /// A backup is taken, or put back.
    fn backups(&mut self, now: Duration) {
        let Some(plan) = &mut self.restore else {
            return;
        };
        if plan.taken_at > now {
            return;
        }
        let sends = plan.sending && lock(&self.shared.world).will_arrive(now + FRESH);
        let old = |then: Duration| plan.sending && then + FRESH < now;
        if !sends && plan.backup.as_ref().is_none_or(|(.., then)| old(*then)) {
            let releases = lock(&self.shared.releases).clone();
            plan.backup = Some((self.store.inner.backup(), releases, now));
            self.shared.note("a backup is taken");
        }
        if plan.restored_at > now && !sends {
            return;
        }
        let Some((backup, releases, then)) = plan.backup.take() else {
            return;
        };
        self.restore = None;
        let soon = if sends {
            self.shared.met(Kind::RestoredSending);
            2_000
        } else {
            90_000
        };
        self.outage(now, soon);
        self.shared.met(Kind::Restored);
        self.shared.note(format!("the backup of {then:?} is put back"));
        self.store.inner.restore(&backup);
        *lock(&self.shared.releases) = releases;
        lock(&self.shared.checker).forget(&self.store.inner);
        lock(&self.shared.world).restored(then, now);
        lock(&self.shared.open).clear();
        lock(&self.shared.taken_over).clear();
        lock(&self.shared.forgotten).clear();
        lock(&self.shared.told).clear();
        lock(&self.shared.overdue).clear();
        lock(&self.shared.alarm).cry = None;
        // What the backup knew of stops is what counts; whoever put it back lifts them.
        lock(&self.shared.stopped).clear();
        for who in [None, Some(tenants()[0]), Some(tenants()[1])] {
            at_once(self.store.inner.set_stop(who, None)).unwrap();
        }
        if self.shared.broken != Broken::NoRestoreEpoch {
            let app = self.app(Arc::new(self.store.inner.clone()), 0);
            at_once(restore_epoch(&app)).unwrap();
        }
    }

    /// Everything ends at once, and begins again at different times, at the latest after so many milliseconds.
    fn outage(&mut self, now: Duration, latest: u64) {
        for process in &mut self.processes {
            self.crashes += u64::from(process.future.is_some());
            process.kill(now + self.shared.dice(|dice| dice.millis(100, latest)));
        }
    }

    /// One process goes on by one step, or meets its fate.
    fn step(&mut self, number: usize) {
        let now = self.shared.now();
        let (fate, span) = self
            .shared
            .dice(|dice| (dice.between(0, 10_000), dice.millis(100, 100_000)));
        let calm = self.shared.calm();
        let stalls = if self.shared.broken == Broken::Nothing {
            27
        } else {
            90
        };
        match fate {
            _ if calm => {}
            0..12 => {
                self.crashes += 1;
                self.shared.met(Kind::Killed);
                self.shared.note(format!("process {number} is killed"));
                self.processes[number].kill(now + span / 2);
                return;
            }
            12.. if fate < stalls => {
                self.shared.met(Kind::Stalled);
                self.shared.note(format!("process {number} stalls for {span:?}"));
                let process = &mut self.processes[number];
                process.stalled_until = now + span;
                process.stop_by = process.stop_by.map(|by| by + span);
                return;
            }
            9_990..9_992 => {
                self.shared.met(Kind::Outage);
                self.shared.note("everything is killed");
                self.outage(now, 90_000);
                return;
            }
            9_992..9_994 if self.jumps => self.clocks.set_wall(&self.shared, number),
            9_994 if self.jumps => self.clocks.push_monotonic(&self.shared, number),
            9_995..9_997 if self.jumps => {
                let releases = lock(&self.shared.releases).clone();
                self.clocks
                    .set_database(&self.shared, &self.store.inner, &releases);
            }
            9_997.. if self.processes[number].stop_by.is_none() && role(number) == Role::Worker => {
                self.shared.met(Kind::AskedToStop);
                self.shared.note(format!("process {number} is asked to stop"));
                self.processes[number].stop.ask();
                self.processes[number].stop_by = Some(now + STOPS_WITHIN);
            }
            _ => {}
        }
        self.poll(number, now, span);
    }

    fn poll(&mut self, number: usize, now: Duration, span: Duration) {
        let process = &mut self.processes[number];
        if process.stop_by.is_some_and(|by| by < now) {
            self.shared
                .wrong(format!("process {number} goes on though it was asked to stop"));
        }
        process.flag.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(process.flag.clone());
        let mut context = Context::from_waker(&waker);
        let Some(future) = &mut process.future else {
            return;
        };
        if future.as_mut().poll(&mut context).is_ready() {
            self.shared.note(format!("process {number} has stopped"));
            process.future = None;
            process.starts_at = now + span / 4;
        }
        if self.shared.kill.swap(false, Ordering::Relaxed) {
            self.crashes += 1;
            process.kill(now + span / 2);
        }
    }

    fn ended(self, seed: u64) -> Ended {
        let trace = lock(&self.shared.trace);
        let releases = lock(&self.shared.releases).clone();
        let completed = releases
            .iter()
            .filter(|id| finish::completed(state_of(&self.store.inner, **id).as_ref()))
            .count();
        Ended {
            seed,
            wrong: lock(&self.shared.wrong).clone(),
            lines: trace.lines.clone(),
            digest: trace.digest,
            completed,
            crashes: self.crashes,
            commits: lock(&self.shared.checker).commits,
            created: lock(&self.shared.world).created,
            steps: self.steps,
            counts: lock(&self.shared.counts).clone(),
            row_lock: self.shared.row_lock,
        }
    }
}

/// The children of a release, as ids.
pub fn children(store: &MemoryStore, release: AggregateId) -> Vec<AggregateId> {
    let Some(parent) = at_once(store.peek(release)).unwrap() else {
        return Vec::new();
    };
    let rows = at_once(store.children(parent.tenant, release.id)).unwrap();
    rows.into_iter().map(|row| row.id).collect()
}
