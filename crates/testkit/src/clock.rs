//! A clock that stands still until it is turned.

use async_trait::async_trait;
use chrono::TimeDelta;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::time::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    monotonic: Duration,
    sleepers: Vec<Waker>,
}

/// Wall and monotonic time that move only when a test says so.
#[derive(Debug)]
pub struct FakeClock {
    hands: Mutex<Hands>,
}

impl FakeClock {
    /// A clock that shows this wall time; the process has just started.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            hands: Mutex::new(Hands {
                now,
                monotonic: Duration::ZERO,
                sleepers: Vec::new(),
            }),
        }
    }
    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Both clocks go forward, and sleepers look again.
    pub fn advance(&self, span: Duration) {
        let mut hands = self.hands();
        hands.monotonic = hands.monotonic.saturating_add(span);
        hands.now += TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        for sleeper in hands.sleepers.drain(..) {
            sleeper.wake();
        }
    }
    /// Wall time jumps (also backwards), as when somebody sets it; the monotonic clock does not notice.
    pub fn set(&self, now: Timestamp) {
        self.hands().now = now;
    }
}

impl Default for FakeClock {
    /// 2026-01-01, midnight UTC.
    fn default() -> Self {
        Self::at(Timestamp::UNIX_EPOCH + TimeDelta::seconds(1_767_225_600))
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.hands().monotonic)
    }
    async fn sleep_until(&self, until: Monotonic) {
        std::future::poll_fn(|context| {
            let mut hands = self.hands();
            if hands.monotonic >= until.0 {
                return Poll::Ready(());
            }
            hands.sleepers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
