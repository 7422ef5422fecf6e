//! Faults that a test queues: lost answers, refusals, throttling, odd bodies.

use serde::{Deserialize, Serialize};

use crate::call::Call;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The effect is performed, then the connection is dropped without an answer.
    ResponseLost,
    /// The effect is performed, then an error status (default 500) is answered.
    StatusAfter,
    /// The effect is performed; nothing is answered, and the connection drops after `delayMs`.
    Silence,
    /// An error status (default 503) is answered, nothing is performed.
    StatusBefore,
    /// The vendor's throttling answer, nothing is performed.
    Throttle,
    /// The effect is performed; half of the body comes at once, the rest after `delayMs`.
    SlowBody,
    /// The connection is dropped, nothing is performed.
    Reset,
    /// 200 with an HTML page, nothing is performed.
    Html,
    /// 200 with a body of 100 MB, nothing is performed.
    Huge,
    /// 302 to `location`, nothing is performed.
    Redirect,
}

impl Kind {
    /// Whether what is answered (or would have been) is the vendor's own.
    pub(crate) fn speaks(self) -> bool {
        !matches!(self, Self::Reset | Self::Html | Self::Huge | Self::Redirect)
    }

    /// Whether the vendor still performs the call.
    pub(crate) fn performs(self) -> bool {
        matches!(
            self,
            Self::ResponseLost | Self::StatusAfter | Self::SlowBody | Self::Silence
        )
    }
}

/// One queued fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) vendor: String,
    #[serde(default)]
    pub(crate) operation: Option<String>,
    #[serde(default)]
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) path_contains: Option<String>,
    pub(crate) fault: Kind,
    #[serde(default)]
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) retry_after: Option<u64>,
    #[serde(default)]
    pub(crate) delay_ms: Option<u64>,
    #[serde(default)]
    pub(crate) location: Option<String>,
    #[serde(default = "once")]
    pub(crate) times: u32,
    #[serde(default)]
    pub(crate) skip: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    fn fits(&self, vendor: &str, operation: &str, call: &Call) -> bool {
        (self.vendor == "*" || self.vendor == vendor)
            && self.operation.as_deref().is_none_or(|name| name == operation)
            && self
                .method
                .as_deref()
                .is_none_or(|name| name.eq_ignore_ascii_case(&call.method))
            && self
                .path_contains
                .as_deref()
                .is_none_or(|part| call.path.contains(part))
    }
}

/// The queue of faults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    queue: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.queue.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.queue
    }

    /// The fault that hits this call, if any. The first that fits decides, also when it only skips.
    pub(crate) fn take(&mut self, vendor: &str, operation: &str, call: &Call) -> Option<Fault> {
        let position = self
            .queue
            .iter()
            .position(|fault| fault.fits(vendor, operation, call))?;
        let fault = self.queue.get_mut(position)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times = fault.times.saturating_sub(1);
        let taken = fault.clone();
        if fault.times == 0 {
            self.queue.remove(position);
        }
        Some(taken)
    }
}
