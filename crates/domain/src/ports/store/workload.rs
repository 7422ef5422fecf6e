//! How the live effects of a tenant stand, for people.

use super::EffectRow;
use crate::time::Timestamp;

/// The live effects of a tenant. Each number is counted up to a bound that the asker names, and no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The database's time of the count.
    pub now: Timestamp,
    /// READY and due.
    pub due: u32,
    /// Since when the oldest of those has been due.
    pub oldest_due_at: Option<Timestamp>,
    /// READY, and due later.
    pub waiting: u32,
    /// CLAIMED.
    pub claimed: u32,
    /// PARKED.
    pub parked: u32,
    /// Those that failed since they were due first, or that tell of trouble: the longest due first. One that this build
    /// cannot read, or whose release is not stored, is counted and not told.
    pub troubled: Vec<Troubled>,
}

/// A live effect that did not come to its end at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubled {
    /// Key of its release; of a submission or rollout, that of the release it belongs to.
    pub release: String,
    /// Its row.
    pub row: EffectRow,
}
