//! One run of a seed: a scheduler that decides who goes on, who is killed, who is stalled, and when time moves.

use crate::check::{at_once, state_of};
use crate::finish;
use crate::people::{PATIENCE, People};
use crate::plan::{draft, furnish, tenant, vault};
use crate::shared::{Broken, Shared};
use crate::store::FaultStore;
use crate::time::{SimClock, Thrown, lock, seconds};
use crate::vendor::{CALL_TIMEOUT, registry};
use delivr_app::vault::Vault;
use delivr_app::{App, apply, connections};
use delivr_domain::key::AggregateId;
use delivr_domain::ports::provider::Registry;
use delivr_domain::ports::store::Directory as _;
use delivr_testkit::memory::MemoryStore;
use delivr_worker::{Worker, WorkerSettings};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Workers of a run.
const WORKERS: usize = 3;
/// More steps than any seed needs.
const STEPS: u64 = 3_000_000;
/// How long a worker may take to end after it was asked to.
const STOPS_WITHIN: Duration = seconds(60);

/// What a run came to.
pub struct Ended {
    pub seed: u64,
    pub wrong: Vec<String>,
    pub lines: Vec<String>,
    pub digest: u64,
    pub completed: usize,
    pub crashes: u64,
    pub commits: u64,
    pub created: u64,
    pub steps: u64,
}

impl Ended {
    /// What a person needs to find out what went wrong.
    pub fn story(&self) -> String {
        let from = self.lines.len().saturating_sub(120);
        format!(
            "seed {} (DELIVR_SIM_FIRST={} DELIVR_SIM_SEEDS=1):\n  {}\ntrace:\n{}",
            self.seed,
            self.seed,
            self.wrong.join("\n  "),
            self.lines[from..].join("\n")
        )
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }
    async fn asked(self: Arc<Self>) {
        std::future::poll_fn(|context| {
            if self.asked.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *lock(&self.waker) = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

struct Process {
    /// None are the people.
    worker: Option<usize>,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    flag: Arc<Flag>,
    starts_at: Duration,
    stalled_until: Duration,
    stop: Arc<Stop>,
    stop_by: Option<Duration>,
}

struct Run {
    shared: Arc<Shared>,
    store: FaultStore,
    vault: Arc<Vault>,
    registry: Arc<Registry>,
    releases: Vec<AggregateId>,
    offsets: Vec<i64>,
    processes: Vec<Process>,
    crashes: u64,
    steps: u64,
}

/// Runs a seed to its end.
pub fn run(seed: u64, broken: Broken) -> Ended {
    let shared = Shared::new(seed, broken);
    let base = SimClock {
        time: shared.time.clone(),
        off_millis: 0,
        started: Duration::ZERO,
    };
    let memory = MemoryStore::new(Arc::new(base));
    memory.skew(i64::try_from(shared.dice(|dice| dice.between(0, 1_500_000))).unwrap() - 750_000);
    let vault = vault();
    at_once(furnish(&memory, &shared, &vault));
    let install = at_once(memory.install()).unwrap();
    let mut releases = Vec::new();
    let clock = SimClock {
        time: shared.time.clone(),
        off_millis: 0,
        started: Duration::ZERO,
    };
    for n in 0..u32::try_from(shared.dice(|dice| dice.between(1, 3))).unwrap() {
        let draft = shared.dice(|dice| draft(n, install, dice));
        shared.note(format!("{draft:?}"));
        let made = at_once(apply::create(&memory, &clock, draft, "pilot", None)).unwrap();
        releases.push(made.id());
    }
    let registry = Arc::new(registry(&shared));
    let store = FaultStore {
        inner: memory,
        shared: shared.clone(),
    };
    let offsets = (0..=WORKERS)
        .map(|_| i64::try_from(shared.dice(|dice| dice.between(0, 4_000))).unwrap() - 2_000)
        .collect();
    let mut run = Run {
        shared,
        store,
        vault,
        registry,
        releases,
        offsets,
        processes: (0..=WORKERS).map(Process::new).collect(),
        crashes: 0,
        steps: 0,
    };
    run.until_over();
    run.ended(seed)
}

impl Process {
    fn new(number: usize) -> Self {
        Self {
            worker: (number < WORKERS).then_some(number),
            future: None,
            flag: Arc::new(Flag(AtomicBool::new(true))),
            starts_at: Duration::ZERO,
            stalled_until: Duration::ZERO,
            stop: Arc::default(),
            stop_by: None,
        }
    }
    fn ready(&self, now: Duration) -> bool {
        self.future.is_some() && self.flag.0.load(Ordering::Relaxed) && self.stalled_until <= now
    }
    /// When it may go on, if that is a matter of time only.
    fn goes_on_at(&self) -> Option<Duration> {
        if self.future.is_none() {
            Some(self.starts_at)
        } else if self.flag.0.load(Ordering::Relaxed) {
            Some(self.stalled_until)
        } else {
            None
        }
    }
}

impl Run {
    fn clock(&self, process: usize) -> SimClock {
        SimClock {
            time: self.shared.time.clone(),
            off_millis: self.offsets[process],
            // Each process began to count when it liked.
            started: seconds(1_000 * u64::try_from(process).unwrap()),
        }
    }

    fn start(&mut self, number: usize) {
        let stop: Arc<Stop> = Arc::default();
        let future: Pin<Box<dyn Future<Output = ()>>> = match self.processes[number].worker {
            Some(worker) => {
                let app = App {
                    store: Arc::new(self.store.clone()),
                    clock: Arc::new(self.clock(number)),
                    entropy: Arc::new(Thrown(self.shared.dice.clone())),
                    registry: self.registry.clone(),
                    vault: self.vault.clone(),
                    connections: connections::cache(),
                };
                let settings = WorkerSettings {
                    name: format!("worker {worker}"),
                    concurrency: 5,
                    per_integration: 3,
                    lease: CALL_TIMEOUT * 3,
                    margin: seconds(2),
                    call_timeout: CALL_TIMEOUT,
                    sweep: seconds(300),
                    drain: seconds(25),
                };
                let asked = stop.clone().asked();
                Box::pin(async move { Worker::new(app, settings).run(asked).await })
            }
            None => Box::pin(
                People {
                    shared: self.shared.clone(),
                    store: self.store.clone(),
                    clock: self.clock(number),
                    releases: self.releases.clone(),
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
                self.shared.wrong("the run does not come to an end");
                return;
            }
            let now = self.shared.now();
            if now >= calm_at && !self.shared.calm() {
                self.shared.note("the weather clears");
                self.shared.calm.store(true, Ordering::Relaxed);
            }
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
                self.shared.wrong(format!("there are two: {what}"));
            }
            if self.shared.calm() && now >= looked + seconds(120) {
                looked = now;
                if finish::over(&self.store.inner, &self.releases) {
                    finish::check(&self.shared, &self.store.inner, &self.releases);
                    return;
                }
                if now > calm_at + PATIENCE {
                    finish::stuck(&self.shared, &self.store.inner, &self.releases);
                    return;
                }
            }
            let waits = self.processes.iter().filter_map(Process::goes_on_at);
            match waits.chain(self.shared.time.next()).min() {
                Some(next) => self.shared.time.advance_to(next),
                None => {
                    self.shared.wrong("nobody waits for anything");
                    return;
                }
            }
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
        let process = &mut self.processes[number];
        match fate {
            _ if calm => {}
            0..12 => {
                self.crashes += 1;
                self.shared.note(format!("process {number} is killed"));
                process.future = None;
                process.starts_at = now + span / 2;
                return;
            }
            12.. if fate < stalls => {
                self.shared.note(format!("process {number} stalls for {span:?}"));
                process.stalled_until = now + span;
                process.stop_by = process.stop_by.map(|by| by + span);
                return;
            }
            9_997.. if process.stop_by.is_none() && process.worker.is_some() => {
                self.shared.note(format!("process {number} is asked to stop"));
                process.stop.ask();
                process.stop_by = Some(now + STOPS_WITHIN);
            }
            _ => {}
        }
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
    }

    fn ended(self, seed: u64) -> Ended {
        let trace = lock(&self.shared.trace);
        let completed = self
            .releases
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
        }
    }
}

/// The tenant's children of a release, as ids.
pub fn children(store: &MemoryStore, release: AggregateId) -> Vec<AggregateId> {
    let rows = at_once(store.children(tenant(), release.id)).unwrap();
    rows.into_iter().map(|row| row.id).collect()
}
