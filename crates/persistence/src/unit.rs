//! One transaction. Dropping it rolls back.

use crate::aggregates::{self, Stored};
use crate::attempts;
use crate::batch;
use crate::claim;
use crate::connect::{CLOCK, Dialect, SqlStore};
use crate::effects::{self, Enqueued};
use crate::group::Transaction;
use crate::history;
use crate::inbox;
use crate::line;
use crate::number;
use crate::sql::Row;
use async_trait::async_trait;
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::{DeliveryId, ServiceId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, Claim, ClaimRequest, Claimed, Fact, Finished, RowEnd, Sought, Standing,
    StoredAnswer, StoredEvent, UnitOfWork,
};
use delivr_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A transaction with what is kept for its end.
pub(crate) struct SqlUnit<'a> {
    store: &'a SqlStore,
    transaction: Transaction,
    /// Written with the effects, at the latest at the commit.
    events: Vec<(TenantId, StoredEvent)>,
    /// Effects to be enqueued, in one statement, before anything that could touch their rows.
    effects: Vec<Enqueued>,
    /// Whether the transaction has said that it writes events: see [`history::announce`].
    announced: bool,
    /// What stood in the database when an aggregate was loaded for this change.
    loaded: BTreeMap<AggregateId, Stored>,
    /// The database's time, once it was asked for.
    now: Option<Timestamp>,
    /// Whether an agenda has changed: it may be due before what waiters wait for.
    agenda: bool,
    /// Rows that were enqueued and not claimed here: work for whoever has room.
    open: BTreeSet<EffectId>,
}

impl<'a> SqlUnit<'a> {
    pub(crate) fn new(store: &'a SqlStore, transaction: Transaction) -> Self {
        Self {
            store,
            transaction,
            events: Vec::new(),
            effects: Vec::new(),
            announced: false,
            loaded: BTreeMap::new(),
            now: None,
            agenda: false,
            open: BTreeSet::new(),
        }
    }

    /// The database's time, asked for once: what a transaction writes carries one time.
    async fn time(&mut self) -> Result<Timestamp, StoreError> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = self.store.time(&*self.transaction).await?;
        self.now = Some(now);
        Ok(now)
    }

    /// Writes the events and effects that were kept.
    async fn write_kept(&mut self) -> Result<(), StoreError> {
        let mut writes = Vec::new();
        if !self.effects.is_empty() {
            let now = self.time().await?;
            writes.extend(effects::enqueue(&std::mem::take(&mut self.effects), now)?);
        }
        if !self.events.is_empty() {
            if !self.announced {
                history::announce(&*self.transaction, self.store.inner.dialect).await?;
                self.announced = true;
            }
            writes.extend(history::append(&std::mem::take(&mut self.events)));
        }
        batch::make(&*self.transaction, writes).await
    }

    /// What a query beside its own columns answers about the transaction itself; on PostgreSQL, where asking for it alone
    /// would be a round trip.
    fn aside(&self) -> String {
        match self.store.inner.dialect {
            Dialect::Sqlite => String::new(),
            Dialect::Postgres => format!(", {CLOCK} as clock, {}", history::announcement()),
        }
    }

    /// Reads what [`Self::aside`] asked for.
    fn heard(&mut self, row: &Row) -> Result<(), StoreError> {
        match self.store.inner.dialect {
            Dialect::Sqlite => {}
            Dialect::Postgres => {
                self.announced = true;
                if self.now.is_none() {
                    self.now = Some(self.store.instant(row.long("clock")?)?);
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl UnitOfWork for SqlUnit<'_> {
    async fn load_for_update(&mut self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        let lock = match self.store.inner.dialect {
            Dialect::Sqlite => "",
            // Excludes other writers; rows that merely refer to this one (a submission being born) do not wait.
            Dialect::Postgres => "for no key update",
        };
        let Some(found) = aggregates::find(&*self.transaction, id, None, &self.aside(), lock).await? else {
            return Ok(None);
        };
        self.heard(&found)?;
        let (row, current) = aggregates::found(&found, id.kind)?;
        self.loaded.insert(id, Stored::of(&row, current));
        Ok(Some(row))
    }
    async fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError> {
        let stored = self.loaded.remove(&row.id);
        let before = stored.as_ref().and_then(Stored::wake_at);
        self.agenda |= row.wake_at.is_some() && row.wake_at != before;
        aggregates::save(&*self.transaction, row, expected, stored).await
    }
    async fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError> {
        self.events
            .extend(events.iter().map(|event| (tenant, event.clone())));
        Ok(())
    }
    async fn finish(&mut self, claim: &Claim, end: RowEnd) -> Result<Finished, StoreError> {
        self.write_kept().await?;
        effects::finish(&*self.transaction, claim, end).await
    }
    async fn record_attempt(&mut self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError> {
        attempts::record(&*self.transaction, tenant, record).await
    }
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        after: Duration,
        give_up_after: Duration,
    ) -> Result<(), StoreError> {
        self.open.insert(effect.id());
        if self.effects.iter().any(|kept| kept.effect.id() == effect.id()) {
            self.write_kept().await?;
        }
        self.effects.push(Enqueued {
            tenant,
            effect: effect.clone(),
            wait: after,
            give_up_after,
        });
        Ok(())
    }
    async fn claim_enqueued(
        &mut self,
        effects: &[EffectId],
        request: &ClaimRequest,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.write_kept().await?;
        let now = self.time().await?;
        let dialect = self.store.inner.dialect;
        let claimed = claim::enqueued(&*self.transaction, dialect, effects, request, now).await?;
        // A watch is ready again later: whoever sleeps until something is due must learn of it.
        for one in claimed.iter().filter(|one| one.claim.is_some()) {
            self.open.remove(&one.row.id);
        }
        Ok(claimed)
    }
    async fn end(&mut self, effect: EffectId) -> Result<(), StoreError> {
        self.write_kept().await?;
        effects::end(&*self.transaction, effect).await
    }
    async fn facts(&mut self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
        history::facts(&*self.transaction, owner).await
    }
    async fn put_fact(
        &mut self,
        owner: AggregateId,
        kind: FactKind,
        fact: &Fact,
    ) -> Result<bool, StoreError> {
        history::put_fact(&*self.transaction, owner, kind, fact).await
    }
    async fn next_number(&mut self, tenant: TenantId, counter: &str) -> Result<i64, StoreError> {
        let row = match &self.store.inner.numbers {
            None => number::draw(&*self.transaction, tenant, counter).await?,
            Some(numbers) => number::draw_alone(numbers, tenant, counter)
                .await
                .map_err(|error| self.store.troubled(error))?,
        };
        row.ok_or(StoreError::Conflict)
    }
    async fn standing(
        &mut self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError> {
        let aside = self.aside();
        if let Some(row) = line::hold(&*self.transaction, tenant, service, &aside).await? {
            self.heard(&row)?;
        }
        line::standing(&*self.transaction, tenant, service, sought).await
    }
    async fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        let now = self.time().await?;
        inbox::put_answer(&*self.transaction, tenant, key, answer, now).await
    }
    async fn finish_delivery(&mut self, id: DeliveryId) -> Result<(), StoreError> {
        inbox::finish(&*self.transaction, id).await
    }
    async fn now(&mut self) -> Result<Timestamp, StoreError> {
        self.time().await
    }
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.write_kept().await?;
        let Self {
            store,
            transaction,
            agenda,
            open,
            ..
        } = *self;
        let wakes = agenda || !open.is_empty();
        transaction
            .commit()
            .await
            .map_err(|error| store.troubled(error))?;
        if wakes {
            store.inner.wake.committed();
        }
        Ok(())
    }
}
