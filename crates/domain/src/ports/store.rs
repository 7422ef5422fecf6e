//! The store: aggregates, the effects queue, the directory of a tenant's things, inbox and idempotency.
//!
//! Two guards for two dangers. A lost update: [`UnitOfWork::save`] checks the version in its WHERE clause, zero rows is
//! [`StoreError::Conflict`]. A straggler: [`UnitOfWork::finish`] checks the attempt, zero rows is [`StoreError::Fenced`]
//! unless this very attempt has finished the row already (its COMMIT answer was lost).

mod audit;
mod directory;
mod family;
mod health;
mod kept;
pub mod line;
mod links;
pub mod listing;
mod rows;
pub mod search;
mod shipping;
mod views;
mod work;
mod workload;

pub use audit::{Altered, AuditFilter, AuditLine, By, Change, Deed, Draft, Facts, SetUp, Subject, broken};
pub use directory::{Directory, Integration, Pipeline, Profile, Service, Tenant, Token, VerificationStatus};
pub use family::{Families, Named};
pub use health::{HealthBook, HealthOf};
pub use kept::{StoredAnswer, StoredDelivery};
pub use line::{LineRow, Sought, Standing};
pub use links::{StatusLink, StatusLinks, StatusOf};
pub use listing::{After, Attention, Due, Listing, ReleaseFilter, Sort, SortBy};
pub use rows::{
    AggregateRow, BuildRow, CycleRow, Fact, Finished, Projection, StoredEvent, TargetRow, TaskRow,
};
pub use shipping::{ON_THE_WAY, Shipped, ShippingBook, Step};
pub use views::{View, Views};
pub use work::{
    AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Heard, PutBack, Rooms, RowEnd, RowState, Stop,
    StopBy,
};
pub use workload::{Troubled, Workload};

use super::error::StoreError;
use crate::effect::{Effect, FactKind};
use crate::ids::{DeliveryId, IntegrationId, ServiceId, TenantId};
use crate::key::{AggregateId, EffectId};
use crate::time::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// At most so many.
    pub limit: u16,
    /// After the item this text of an earlier page names.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// One transaction. Dropping it rolls back.
#[async_trait]
pub trait UnitOfWork: Send {
    /// Loads and (on PostgreSQL) locks an aggregate: its state and columns, not the derived rows of its projection.
    async fn load_for_update(&mut self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError>;
    /// Writes an aggregate: `expected` none inserts, else the version it was loaded with.
    async fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError>;
    /// Appends events (sequence and position: position is the store's to give and ignored here).
    async fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError>;
    /// Ends the row of a claim.
    async fn finish(&mut self, claim: &Claim, end: RowEnd) -> Result<Finished, StoreError>;
    /// Writes one line about an attempt with everything else; see [`Queue::record_attempt`] for one by itself.
    async fn record_attempt(&mut self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError>;
    /// Inserts the effect's row, or re-arms it (DONE, DEAD, PARKED become READY with failures 0, attempt and
    /// `unknown_since` kept, effect replaced). A READY or CLAIMED row is left alone. Due after `after`.
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        after: Duration,
        give_up_after: Duration,
    ) -> Result<(), StoreError>;
    /// Claims, of rows that this unit has enqueued, those named, as [`Queue::claim`] would: READY, due, of no stopped
    /// tenant. They are the caller's once this unit is committed: one commit ends an effect and claims the next.
    async fn claim_enqueued(
        &mut self,
        effects: &[EffectId],
        request: &ClaimRequest,
    ) -> Result<Vec<Claimed>, StoreError>;
    /// Ends a READY or PARKED row as DEAD; a CLAIMED one reports late.
    async fn end(&mut self, effect: EffectId) -> Result<(), StoreError>;
    /// Facts of an aggregate.
    async fn facts(&mut self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError>;
    /// Records a fact; the answer says whether the value changed. One that was observed before the one kept changes
    /// nothing: readers answer in any order.
    async fn put_fact(&mut self, owner: AggregateId, kind: FactKind, fact: &Fact)
    -> Result<bool, StoreError>;
    /// The next number of a tenant's counter (`release`), starting at 1. It is given to nobody else; the number of a unit
    /// that is not committed may be left out.
    async fn next_number(&mut self, tenant: TenantId, counter: &str) -> Result<i64, StoreError>;
    /// As [`Directory::standing`], in this transaction. Whoever asks for the same service after this waits, or loses a race,
    /// until this transaction is over: what it finds then is what this one left.
    async fn standing(
        &mut self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError>;
    /// Remembers the answer to an idempotent request.
    async fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError>;
    /// Marks a delivery processed.
    async fn finish_delivery(&mut self, id: DeliveryId) -> Result<(), StoreError>;
    /// The database's time, for this transaction.
    async fn now(&mut self) -> Result<Timestamp, StoreError>;
    /// Commits. An error may mean that it took effect all the same.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The effects queue and the scheduler's view of aggregates.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Claims due rows (READY and due, or CLAIMED with the lease over by `margin`: then failures + 1 and
    /// `unknown_since` = the lease's end), fair between tenants; stopped tenants get none, and of one integration no
    /// more are claimed than it has room for. One commit, and none when nothing is due. Fewer than are due may be
    /// claimed where one integration's rows stand before all others: the rest is there for the next claim.
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError>;
    /// Gives a claimed row back.
    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError>;
    /// Makes a READY row due now (a webhook prompts us to look); any other state is left alone.
    async fn hasten(&self, effect: EffectId) -> Result<(), StoreError>;
    /// READY rows that read from the vendor through the integration (Watch, Probe, Resolve), the next due first, at
    /// most 500: what a webhook of that integration may prompt us to look at.
    async fn watching(
        &self,
        tenant: TenantId,
        integration: IntegrationId,
    ) -> Result<Vec<EffectRow>, StoreError>;
    /// Extends the lease of a claim.
    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<(), StoreError>;
    /// Writes one line about an attempt whose end is in no transaction of its own; best effort.
    async fn record_attempt(&self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError>;
    /// Aggregates whose agenda is due, by the database's clock.
    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError>;
    /// The earliest instant at which something becomes due (rows, leases, agendas); none when nothing waits.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;
    /// The database's time.
    async fn now(&self) -> Result<Timestamp, StoreError>;
    /// Live rows of an aggregate (or all ever, with `ended`).
    async fn rows(&self, owner: AggregateId, ended: bool) -> Result<Vec<EffectRow>, StoreError>;
    /// How the live rows of a tenant stand: each number counted up to `most`, and of those in trouble the first `told`. Costs
    /// the same however many releases there are.
    async fn workload(&self, tenant: TenantId, most: u32, told: u16) -> Result<Workload, StoreError>;
    /// Attempts at the effects of an aggregate, oldest first, without what was exchanged in them.
    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError>;
    /// What was exchanged with vendors in attempts at these effects of a tenant: the newest so many, the newest first.
    async fn exchanges(
        &self,
        tenant: TenantId,
        effects: &[EffectId],
        limit: u16,
    ) -> Result<Vec<Heard>, StoreError>;
    /// Stops claiming for a tenant, or (none) for the installation, and says why and by whom; none lets it go on.
    /// Stopped again, it stays stopped since the first time, for the newer reason.
    async fn set_stop(&self, tenant: Option<TenantId>, stop: Option<StopBy<'_>>) -> Result<(), StoreError>;
    /// What stops a tenant now: the installation's switch first, then its own.
    async fn stops(&self, tenant: TenantId) -> Result<Vec<Stop>, StoreError>;
    /// Returns when rows may have become due or the monotonic span is over; may return early or late, never counts.
    async fn wait_for_work(&self, at_most: Duration);
    /// Says that a worker is alive.
    async fn beat(&self, worker: &str) -> Result<(), StoreError>;
    /// When a worker was last alive.
    async fn last_beat(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// The whole store.
#[async_trait]
pub trait Store:
    Queue + Directory + Families + StatusLinks + Views + HealthBook + SetUp + ShippingBook
{
    /// Begins a transaction that may write.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork + '_>, StoreError>;
    /// Whether the database answers and its schema is the one this build needs.
    async fn ready(&self) -> Result<(), StoreError>;
    /// What kept this process from storing something in the last minute, for people; none where nothing did.
    fn hindered(&self) -> Option<String> {
        None
    }
}
