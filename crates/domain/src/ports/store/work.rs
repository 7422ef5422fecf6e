//! Work in the queue: a row, a claim on it, how it goes back or ends, and what is written down about an attempt.

use crate::effect::Effect;
use crate::ids::{IntegrationId, TenantId};
use crate::key::{EffectId, words};
use crate::ports::clock::Monotonic;
use crate::ports::exchange::Exchanges;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Proof that this process holds one attempt at one effect. Not `Clone`; made by store adapters only.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    effect: EffectId,
    attempt: u32,
    send_before: Monotonic,
}

impl Claim {
    /// For store adapters: the attempt that the claim statement has just written.
    #[must_use]
    pub const fn issued_by_store(effect: EffectId, attempt: u32, send_before: Monotonic) -> Self {
        Self {
            effect,
            attempt,
            send_before,
        }
    }
    /// The claimed row.
    #[must_use]
    pub const fn effect(&self) -> EffectId {
        self.effect
    }
    /// The fence.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
    /// No write may be sent later than this.
    #[must_use]
    pub const fn send_before(&self) -> Monotonic {
        self.send_before
    }
}

words! {
    /// State of an effect's row. READY, CLAIMED and PARKED rows are live.
    RowState ("row state") {
        /// May be claimed when due.
        Ready = "READY",
        /// Held by an attempt until its lease ends.
        Claimed = "CLAIMED",
        /// Waiting for a hold to be lifted; only settle re-arms it.
        Parked = "PARKED",
        /// Ended with a result.
        Done = "DONE",
        /// Ended without a result.
        Dead = "DEAD",
    }
}

/// An effect's row as operators and tests see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectRow {
    /// Row id.
    pub id: EffectId,
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub effect: Effect,
    /// State.
    pub state: RowState,
    /// Not claimed before.
    pub due_at: Timestamp,
    /// The fence; grows with every claim for the life of the row.
    pub attempt: u32,
    /// End of the lease, while claimed.
    pub lease_until: Option<Timestamp>,
    /// The budget used so far.
    pub failures: u16,
    /// Waiting without failures ends here.
    pub give_up_at: Timestamp,
    /// End of the latest send whose outcome is unknown. Nothing is created before this plus the
    /// operation's delivery bound and visibility lag.
    pub unknown_since: Option<Timestamp>,
    /// Last trouble, for people.
    pub trouble: Option<String>,
}

/// How many effects to claim and for how long.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Name of the worker, for operators.
    pub worker: String,
    /// At most so many.
    pub limit: u16,
    /// For so long, by the database's clock.
    pub lease: Duration,
    /// A lease is taken over only this long after its end.
    pub margin: Duration,
    /// Total time-out of one vendor write.
    pub call_timeout: Duration,
    /// Monotonic time read before the claim statement is sent.
    pub started: Monotonic,
    /// What each integration admits now: nothing is claimed that could not be run.
    pub rooms: Rooms,
}

/// How many more calls each integration admits now. An effect that calls no vendor always has room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms {
    /// Calls through an integration that is not named.
    pub each: u16,
    /// Integrations that admit another number: calls are under way through them, or their circuit is open. Those with 0
    /// get none.
    pub of: BTreeMap<IntegrationId, u16>,
}

impl Default for Rooms {
    /// No limits.
    fn default() -> Self {
        Self {
            each: u16::MAX,
            of: BTreeMap::new(),
        }
    }
}

impl Rooms {
    /// How many more effects of the integration there is room for.
    #[must_use]
    pub fn left(&self, integration: Option<IntegrationId>) -> u16 {
        integration.map_or(u16::MAX, |id| self.of.get(&id).copied().unwrap_or(self.each))
    }

    /// Takes one place away, if there is one; whether there was.
    pub fn take(&mut self, integration: Option<IntegrationId>) -> bool {
        let left = self.left(integration);
        if let Some(id) = integration
            && left > 0
        {
            self.of.insert(id, left - 1);
        }
        left > 0
    }

    /// Integrations that get no call now.
    pub fn full(&self) -> impl Iterator<Item = IntegrationId> {
        self.of.iter().filter(|(_, left)| **left == 0).map(|(id, _)| *id)
    }
}

/// A claimed effect.
#[derive(Debug)]
pub struct Claimed {
    /// The proof. A Watch has none: it stays READY and moved its due time.
    pub claim: Option<Claim>,
    /// Row as it stands after the claim.
    pub row: EffectRow,
    /// The database's time at the claim.
    pub now: Timestamp,
}

/// Why and until when an effect goes back.
#[derive(Debug, Clone)]
pub struct PutBack {
    /// Due again after this span, by the database's clock.
    pub after: Duration,
    /// Added to the budget used (0 for waits that are nobody's failure).
    pub failures: u16,
    /// The send just ended and its outcome is unknown: sets `unknown_since` to the database's now.
    pub unknown: bool,
    /// For operators.
    pub trouble: Option<String>,
}

words! {
    /// How a claimed row ends.
    RowEnd ("row end") {
        /// With a result.
        Done = "DONE",
        /// Without one.
        Dead = "DEAD",
        /// Not tried: a hold came first.
        Parked = "PARKED",
    }
}

/// One attempt, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Which effect.
    pub effect: EffectId,
    /// Which attempt.
    pub attempt: u32,
    /// Word for what came of it.
    pub outcome: String,
    /// Vendor's id of what exists now.
    pub reference: Option<String>,
    /// Redacted detail for people.
    pub detail: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What was exchanged with the vendor. Written with the line, and read by [`Queue::exchanges`] alone.
    ///
    /// [`Queue::exchanges`]: super::Queue::exchanges
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanges: Option<Exchanges>,
}

/// What was exchanged in an attempt that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which effect.
    pub effect: EffectId,
    /// Which attempt.
    pub attempt: u32,
    /// When its line was written, which tells two lines of one attempt apart.
    pub at: Timestamp,
    /// What was exchanged.
    pub exchanges: Exchanges,
}

/// Why somebody turns a stop switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopBy<'a> {
    /// Why, for people.
    pub reason: &'a str,
    /// What events call whoever does it.
    pub actor: &'a str,
}

/// A stop switch that is on: nothing new of those it is for is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Whom it stops; none is the whole installation.
    pub tenant: Option<TenantId>,
    /// Why, for people.
    pub reason: String,
    /// Who turned it on; none when a version of the program did that kept no name.
    pub by: Option<String>,
    /// Since when.
    pub at: Timestamp,
}
