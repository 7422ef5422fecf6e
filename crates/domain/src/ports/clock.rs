//! Time as the application needs it. Three clocks exist: this one's wall and monotonic time, and the database's.

use crate::time::Timestamp;
use async_trait::async_trait;
use std::time::Duration;

/// A point of a process's monotonic clock; meaningless outside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(pub Duration);

impl Monotonic {
    /// This point plus a span.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// The process's clock. Wall time is cut to microseconds, so that every database keeps it whole.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall time.
    fn now(&self) -> Timestamp;
    /// Monotonic time since the process started.
    fn monotonic(&self) -> Monotonic;
    /// Returns when the monotonic clock has reached the point.
    async fn sleep_until(&self, until: Monotonic);
}
