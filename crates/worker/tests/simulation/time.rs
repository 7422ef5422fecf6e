//! Virtual time, and the dice of a seed: everything a run needs that is not allowed to differ from replay to replay.

use async_trait::async_trait;
use chrono::TimeDelta;
use delivr_app::Entropy;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// When every run begins.
pub fn epoch() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

#[derive(Default)]
struct Inner {
    now: Duration,
    entries: u64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

/// The one true time of a run. It stands still until the scheduler has nothing left to do.
#[derive(Default)]
pub struct Time {
    inner: Mutex<Inner>,
}

impl Time {
    pub fn now(&self) -> Duration {
        lock(&self.inner).now
    }
    pub fn wall(&self) -> Timestamp {
        epoch() + TimeDelta::from_std(self.now()).unwrap()
    }
    /// When the next sleeper wants to be woken.
    pub fn next(&self) -> Option<Duration> {
        lock(&self.inner).sleepers.keys().next().map(|(at, _)| *at)
    }
    pub fn advance_to(&self, at: Duration) {
        let mut inner = lock(&self.inner);
        inner.now = inner.now.max(at);
        let later = inner.sleepers.split_off(&(at, u64::MAX));
        for waker in std::mem::replace(&mut inner.sleepers, later).into_values() {
            waker.wake();
        }
    }
    /// Ready at this instant.
    pub fn until(self: &Arc<Self>, at: Duration) -> Sleep {
        Sleep {
            time: self.clone(),
            at,
            entry: None,
        }
    }
    pub fn after(self: &Arc<Self>, span: Duration) -> Sleep {
        self.until(self.now() + span)
    }
}

/// Waits for an instant of the true time; leaves nothing behind when it is dropped.
pub struct Sleep {
    time: Arc<Time>,
    at: Duration,
    entry: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut inner = lock(&time.inner);
        if inner.now >= self.at {
            return Poll::Ready(());
        }
        let entry = self.entry.unwrap_or_else(|| {
            inner.entries += 1;
            (self.at, inner.entries)
        });
        inner.sleepers.insert(entry, context.waker().clone());
        self.entry = Some(entry);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            lock(&self.time.inner).sleepers.remove(&entry);
        }
    }
}

/// Gives the scheduler a chance to run somebody else, or to end this process.
pub async fn breathe() {
    let mut first = true;
    std::future::poll_fn(move |context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// What a process's clocks show beside the true time. Somebody may set the wall clock; the monotonic one may run ahead,
/// never back, and never stands still.
#[derive(Default)]
pub struct Hands {
    pub wall_millis: AtomicI64,
    pub monotonic_millis: AtomicU64,
}

/// A process's clock: its wall time is off by some, its monotonic time began when it liked.
pub struct SimClock {
    pub time: Arc<Time>,
    pub hands: Arc<Hands>,
    pub started: Duration,
}

impl SimClock {
    /// One that shows the true time.
    pub fn exact(time: Arc<Time>) -> Self {
        Self {
            time,
            hands: Arc::default(),
            started: Duration::ZERO,
        }
    }
    fn zero(&self) -> Duration {
        self.started + Duration::from_millis(self.hands.monotonic_millis.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.time.wall() + TimeDelta::milliseconds(self.hands.wall_millis.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.time.now() + self.zero())
    }
    async fn sleep_until(&self, until: Monotonic) {
        self.time.until(until.0.saturating_sub(self.zero())).await;
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The dice of a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        // Mixed, so that no seed's dice are another one's, some throws later.
        Self(mix(seed ^ 0xD1B5_4A32_D192_ED03))
    }
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
    /// `from..to`
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }
    pub const fn chance(&mut self, per_mille: u64) -> bool {
        self.next() % 1_000 < per_mille
    }
    pub const fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }
    pub fn pick<T>(&mut self, mut from: Vec<T>) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        let index = usize::try_from(self.next() % from.len() as u64).unwrap();
        Some(from.swap_remove(index))
    }
}

/// The application's randomness, from the same dice.
pub struct Thrown(pub Arc<Mutex<Dice>>);

impl Entropy for Thrown {
    fn uuid(&self) -> uuid::Uuid {
        let mut dice = lock(&self.0);
        uuid::Uuid::from_u64_pair(dice.next(), dice.next())
    }
    fn fraction(&self) -> f64 {
        let high = u32::try_from(lock(&self.0).next() >> 32).unwrap();
        f64::from(high) / f64::from(u32::MAX)
    }
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = lock(&self.0).next().to_le_bytes()[0];
        }
    }
}
