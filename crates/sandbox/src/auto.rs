//! Letting the world move by itself, for demonstrations without hands.

use serde_json::Value;

/// When something entered its present state, and how often it was read since.
#[derive(Debug, Clone, Copy, Default)]
pub struct Step {
    /// Milliseconds since the epoch.
    pub since: i64,
    /// Reads since.
    pub reads: u32,
}

impl Step {
    /// A step that begins now.
    #[must_use]
    pub fn at(now: i64) -> Self {
        Self { since: now, reads: 0 }
    }

    /// Counts one read.
    pub fn read(&mut self) {
        self.reads = self.reads.saturating_add(1);
    }
}

/// Settings of auto mode for one vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Auto {
    after_ms: Option<i64>,
    after_reads: Option<u32>,
    day_ms: Option<i64>,
}

impl Auto {
    /// Reads the settings out of an `auto` action; without any, steps take one second.
    pub(crate) fn of(args: &Value) -> Self {
        let after_ms = args.get("afterMs").and_then(Value::as_i64);
        let after_reads = args
            .get("afterReads")
            .and_then(Value::as_u64)
            .and_then(|reads| u32::try_from(reads).ok());
        let day_ms = args.get("dayMs").and_then(Value::as_i64);
        match (after_ms, after_reads) {
            (None, None) => Self {
                after_ms: Some(1000),
                after_reads,
                day_ms,
            },
            _ => Self {
                after_ms,
                after_reads,
                day_ms,
            },
        }
    }

    /// Whether a step is over.
    pub(crate) fn due(self, step: Step, now: i64) -> bool {
        self.after_ms.is_some_and(|after| now - step.since >= after)
            || self.after_reads.is_some_and(|after| step.reads >= after)
    }

    /// Whether a simulated day is over.
    pub(crate) fn day_due(self, step: Step, now: i64) -> bool {
        self.day_ms.is_some_and(|day| now - step.since >= day)
    }
}
