//! What everything in a run shares: time, dice, the vendors' world, the trace, and what has been found wrong.

use crate::check::Checker;
use crate::time::{Dice, Time, lock};
use crate::world::World;
use delivr_domain::key::EffectId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A part that is broken on purpose, to see that the simulation notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// Vendors' look-ups never find anything.
    BlindLookUp,
    /// The store lets any attempt end a row.
    NoFence,
    /// Claims may be used to send at any time.
    NoSendDeadline,
    /// Vendors declare that they deliver and show everything at once.
    NoQuietTime,
}

/// Lines of what happened, and a digest of all of them.
pub struct Trace {
    pub lines: Vec<String>,
    pub digest: u64,
}

pub struct Shared {
    pub time: Arc<Time>,
    pub dice: Arc<Mutex<Dice>>,
    pub world: Mutex<World>,
    pub trace: Mutex<Trace>,
    pub checker: Mutex<Checker>,
    pub wrong: Mutex<Vec<String>>,
    pub claimed: Mutex<BTreeMap<EffectId, Duration>>,
    pub store_down_until: Mutex<Duration>,
    pub calm: AtomicBool,
    pub broken: Broken,
    /// How bad the weather of this seed is, 1 to 3.
    pub harsh: u64,
    loud: bool,
}

impl Shared {
    pub fn new(seed: u64, broken: Broken) -> Arc<Self> {
        let mut dice = Dice::new(seed);
        Arc::new(Self {
            // What is broken shows sooner in bad weather.
            harsh: if broken == Broken::Nothing {
                dice.between(1, 4)
            } else {
                3
            },
            time: Arc::new(Time::default()),
            dice: Arc::new(Mutex::new(dice)),
            world: Mutex::new(World::new()),
            trace: Mutex::new(Trace {
                lines: Vec::new(),
                digest: 0xCBF2_9CE4_8422_2325,
            }),
            checker: Mutex::new(Checker::default()),
            wrong: Mutex::new(Vec::new()),
            claimed: Mutex::new(BTreeMap::new()),
            store_down_until: Mutex::new(Duration::ZERO),
            calm: AtomicBool::new(false),
            broken,
            loud: std::env::var_os("DELIVR_SIM_LOUD").is_some(),
        })
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
    pub fn note(&self, line: impl AsRef<str>) {
        let line = format!("{:>10.3} {}", self.now().as_secs_f64(), line.as_ref());
        if self.loud {
            eprintln!("{line}");
        }
        let mut trace = lock(&self.trace);
        for byte in line.bytes() {
            trace.digest = (trace.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        trace.lines.push(line);
    }
    /// A property does not hold.
    pub fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("WRONG {what}"));
        lock(&self.wrong).push(what);
    }
    pub fn is_wrong(&self) -> bool {
        !lock(&self.wrong).is_empty()
    }
}
