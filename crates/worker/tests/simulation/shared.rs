//! What everything in a run shares: time, dice, the vendors' world, the trace, and what has been found wrong.

use crate::check::Checker;
use crate::time::{Dice, Time, lock};
use crate::weather::Kind;
use crate::world::World;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, EffectId, TaskKey};
use delivr_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

/// A rule that is left out on purpose, to see that the simulation notices. Each is left out by a port that does not
/// keep its part of it; rules that lie inside the machine are named in `rules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// Look-up before create: vendors' look-ups never find anything.
    BlindLookUp,
    /// Quiet period: vendors declare that they deliver and show everything at once.
    NoQuietTime,
    /// Send deadline: claims may be used to send at any time.
    NoSendDeadline,
    /// One key: what vendors are told contains the version at which a row was written.
    KeyOfVersion,
    /// One row per key: whoever is armed again is a new row, which knows nothing of earlier sends.
    RowPerRetry,
    /// Agenda: each timer is told once, and that may be lost like any other message.
    TimersOnce,
    /// Failures apart from attempt: every claim counts as a failure.
    AttemptsAreFailures,
    /// Holds looked at when a row is claimed: the state that is read then has none.
    HoldsUnseen,
    /// Fencing: the store lets any attempt end a row.
    NoFence,
    /// Row lock: the store only compares versions.
    NoRowLock,
    /// A take-over says that a send may have gone out: it does not.
    TakeOverForgets,
    /// A take-over counts as a failure: it does not.
    TakeOverFree,
    /// Restore epoch: nobody says that the database was restored.
    NoRestoreEpoch,
    /// Idempotency: the answer is not kept with the change.
    NoRemember,
    /// A stop switch: the store hands out rows of those who are stopped.
    NoStop,
    /// No rule that a port keeps, in the weather in which rules are left out: a rule inside the machine, or none at all.
    Inside,
}

/// Lines of what happened, and a digest of all of them.
pub struct Trace {
    pub lines: Vec<String>,
    pub digest: u64,
}

/// Who holds an aggregate's row locked, and who waits for any of them.
#[derive(Default)]
pub struct Locks {
    pub held: BTreeMap<AggregateId, u64>,
    pub waiting: Vec<Waker>,
    pub units: u64,
}

/// What somebody does at once.
#[derive(Clone, Copy)]
pub enum Cry {
    /// Tries the task again.
    Again(TaskKey),
    /// Gives up the cycle.
    Abandon(u16),
}

/// What somebody does at once to a release.
#[derive(Default)]
pub struct Alarm {
    pub cry: Option<(AggregateId, Cry)>,
    pub waiting: Vec<Waker>,
}

/// What is wrong, by what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Something exists twice at a vendor.
    Duplicate,
    /// Something that is said to exist does not, or something that should end does not.
    Lost,
    /// A property does not hold.
    Illegal,
}

pub struct Shared {
    pub time: Arc<Time>,
    pub dice: Arc<Mutex<Dice>>,
    pub world: Mutex<World>,
    pub trace: Mutex<Trace>,
    pub checker: Mutex<Checker>,
    pub wrong: Mutex<Vec<(Fault, String)>>,
    pub claimed: Mutex<BTreeMap<EffectId, Duration>>,
    /// Rows whose last attempt has not come to its end.
    pub open: Mutex<BTreeSet<EffectId>>,
    pub store_down_until: Mutex<Duration>,
    pub counts: Arc<Mutex<BTreeMap<Kind, u64>>>,
    pub stopped: Mutex<BTreeSet<Option<TenantId>>>,
    pub locks: Mutex<Locks>,
    pub releases: Mutex<Vec<AggregateId>>,
    /// Each wake-up that was told, where timers are told once.
    pub told: Mutex<BTreeSet<(AggregateId, Timestamp)>>,
    /// Wake-ups that have passed, and since when we know.
    pub overdue: Mutex<BTreeMap<(AggregateId, Timestamp), Duration>>,
    /// Take-overs of a row since it was last armed.
    pub taken_over: Mutex<BTreeMap<EffectId, u16>>,
    /// What a row that was armed again knew of unanswered sends, where it must forget it.
    pub forgotten: Mutex<BTreeMap<EffectId, Option<Timestamp>>>,
    /// What somebody does at once, and whoever waits for such.
    pub alarm: Mutex<Alarm>,
    /// Version at which a row was written, where vendors are told it.
    pub written: Mutex<BTreeMap<EffectId, u64>>,
    /// Whoever sends for this task dies of it.
    pub poison: Mutex<Option<TaskKey>>,
    /// The process that runs now must be killed.
    pub kill: AtomicBool,
    pub calm: AtomicBool,
    /// How many transactions are under way.
    pub transactions: AtomicU64,
    /// How far any process's clock has ever been ahead, in milliseconds.
    pub ahead: AtomicI64,
    pub broken: Broken,
    /// How bad the weather of this seed is, 1 to 3.
    pub harsh: u64,
    /// Whether this is a seed in which every kind of trouble is likely.
    pub everything: bool,
    /// Whether the database locks the row it loads for update.
    pub row_lock: bool,
    keep: bool,
    loud: bool,
}

/// How many lines of a trace are kept where nobody asked for all.
const KEPT: usize = 400;

impl Shared {
    pub fn new(seed: u64, broken: Broken) -> Arc<Self> {
        Self::keeping(seed, broken, false)
    }
    /// `keep` keeps the whole trace.
    pub fn keeping(seed: u64, broken: Broken, keep: bool) -> Arc<Self> {
        let mut dice = Dice::new(seed);
        let counts = Arc::<Mutex<BTreeMap<Kind, u64>>>::default();
        Arc::new(Self {
            // What is broken shows sooner in bad weather.
            harsh: if broken == Broken::Nothing {
                dice.between(1, 4)
            } else {
                3
            },
            everything: seed.is_multiple_of(8) && broken == Broken::Nothing,
            row_lock: dice.chance(700) && broken != Broken::NoRowLock,
            time: Arc::new(Time::default()),
            dice: Arc::new(Mutex::new(dice)),
            world: Mutex::new(World::new(counts.clone())),
            trace: Mutex::new(Trace {
                lines: Vec::new(),
                digest: 0xCBF2_9CE4_8422_2325,
            }),
            checker: Mutex::new(Checker::default()),
            wrong: Mutex::default(),
            claimed: Mutex::default(),
            open: Mutex::default(),
            store_down_until: Mutex::default(),
            counts,
            stopped: Mutex::default(),
            locks: Mutex::default(),
            releases: Mutex::default(),
            told: Mutex::default(),
            overdue: Mutex::default(),
            taken_over: Mutex::default(),
            forgotten: Mutex::default(),
            alarm: Mutex::default(),
            written: Mutex::default(),
            poison: Mutex::default(),
            kill: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            transactions: AtomicU64::new(0),
            ahead: AtomicI64::new(0),
            broken,
            keep,
            loud: std::env::var_os("DELIVR_SIM_LOUD").is_some(),
        })
    }
    /// How often a cycle is given up while something is sent for it, in ten thousand.
    pub fn abandoned_odds(&self) -> u64 {
        let proof = self.broken == Broken::Inside;
        if proof { 150 } else { 40 }
    }
    pub fn calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }
    pub fn now(&self) -> Duration {
        self.time.now()
    }
    pub fn dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut lock(&self.dice))
    }
    /// Whether trouble comes now; never in calm weather.
    pub fn trouble(&self, per_mille: u64) -> bool {
        let hit = self.dice(|dice| dice.chance(per_mille));
        hit && !self.calm()
    }
    /// The same, per ten thousand, and counted.
    pub fn meets(&self, kind: Kind, per_myriad: u64) -> bool {
        let hit = self.dice(|dice| dice.between(0, 10_000) < per_myriad) && !self.calm();
        if hit {
            self.met(kind);
        }
        hit
    }
    /// The same, for what seldom comes: likelier in seeds that have everything.
    pub fn rarely(&self, per_mille: u64) -> bool {
        self.trouble(if self.everything { per_mille * 6 } else { per_mille })
    }
    /// The same, by how bad the weather is.
    pub fn befalls(&self, kind: Kind, per_myriad: u64) -> bool {
        let times = if self.everything { 8 } else { self.harsh };
        self.meets(kind, per_myriad * times)
    }
    /// Wakes somebody who cannot wait.
    pub fn cry(&self, release: AggregateId, cry: Cry) {
        let mut alarm = lock(&self.alarm);
        alarm.cry = Some((release, cry));
        for waker in alarm.waiting.drain(..) {
            waker.wake();
        }
    }
    pub fn met(&self, kind: Kind) {
        *lock(&self.counts).entry(kind).or_default() += 1;
    }
    pub fn note(&self, line: impl AsRef<str>) {
        let line = format!("{:>10.3} {}", self.now().as_secs_f64(), line.as_ref());
        if self.loud {
            eprintln!("{line}");
        }
        let mut trace = lock(&self.trace);
        for byte in line.bytes() {
            trace.digest = (trace.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if !self.keep && trace.lines.len() >= 2 * KEPT {
            trace.lines.drain(..KEPT);
        }
        trace.lines.push(line);
    }
    fn fault(&self, fault: Fault, what: String) {
        self.note(format!("WRONG {what}"));
        lock(&self.wrong).push((fault, what));
    }
    /// A property does not hold.
    pub fn wrong(&self, what: impl Into<String>) {
        self.fault(Fault::Illegal, what.into());
    }
    /// Something exists twice.
    pub fn doubled(&self, what: &str) {
        self.fault(Fault::Duplicate, format!("there are two: {what}"));
    }
    /// Something is missing, or does not end.
    pub fn lost(&self, what: impl Into<String>) {
        self.fault(Fault::Lost, what.into());
    }
    pub fn is_wrong(&self) -> bool {
        !lock(&self.wrong).is_empty()
    }
}
