//! The store as a process reaches it: it may refuse, and a commit's answer may be lost before or after the commit.

use crate::shared::{Broken, Shared};
use crate::time::{breathe, lock};
use async_trait::async_trait;
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::{DeliveryId, IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Fact, Finished, PutBack, Queue,
    RowEnd, Store, StoredAnswer, StoredEvent, UnitOfWork,
};
use delivr_domain::time::Timestamp;
use delivr_testkit::memory::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub struct FaultStore {
    pub inner: MemoryStore,
    pub shared: Arc<Shared>,
}

fn refused() -> StoreError {
    StoreError::Unavailable {
        source: "connection reset".into(),
    }
}

impl FaultStore {
    /// The way to the database, which is not always there.
    pub async fn reach(&self) -> Result<(), StoreError> {
        breathe().await;
        let down = self.shared.now() < *lock(&self.shared.store_down_until);
        if down || self.shared.trouble(4) {
            return Err(refused());
        }
        Ok(())
    }
    /// The way back of a commit's answer.
    async fn answered(&self) -> Result<(), StoreError> {
        breathe().await;
        if self.shared.trouble(8) {
            self.shared.note("an answer of the store is lost");
            return Err(refused());
        }
        Ok(())
    }
}

struct FaultUnit<'a> {
    inner: Box<dyn UnitOfWork + 'a>,
    store: &'a FaultStore,
    touched: Vec<AggregateId>,
}

#[async_trait]
impl UnitOfWork for FaultUnit<'_> {
    async fn load_for_update(&mut self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        self.store.reach().await?;
        self.touched.push(id);
        self.inner.load_for_update(id).await
    }
    async fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError> {
        self.touched.push(row.id);
        self.inner.save(row, expected).await
    }
    async fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError> {
        self.inner.append(tenant, events).await
    }
    async fn finish(&mut self, claim: &Claim, end: RowEnd) -> Result<Finished, StoreError> {
        match self.inner.finish(claim, end).await {
            Err(StoreError::Fenced) if self.store.shared.broken == Broken::NoFence => Ok(Finished::Now),
            answer => answer,
        }
    }
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        after: Duration,
        give_up_after: Duration,
    ) -> Result<(), StoreError> {
        self.inner.enqueue(tenant, effect, after, give_up_after).await
    }
    async fn end(&mut self, effect: EffectId) -> Result<(), StoreError> {
        self.inner.end(effect).await
    }
    async fn facts(&mut self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
        breathe().await;
        self.inner.facts(owner).await
    }
    async fn put_fact(
        &mut self,
        owner: AggregateId,
        kind: FactKind,
        fact: &Fact,
    ) -> Result<bool, StoreError> {
        self.inner.put_fact(owner, kind, fact).await
    }
    async fn next_number(&mut self, tenant: TenantId, counter: &str) -> Result<i64, StoreError> {
        self.inner.next_number(tenant, counter).await
    }
    async fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        self.inner.put_answer(tenant, key, answer).await
    }
    async fn finish_delivery(&mut self, id: DeliveryId) -> Result<(), StoreError> {
        self.inner.finish_delivery(id).await
    }
    async fn now(&mut self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let Self {
            inner,
            store,
            touched,
        } = *self;
        store.reach().await?;
        inner.commit().await?;
        let touched: BTreeSet<AggregateId> = touched.into_iter().collect();
        for id in touched {
            crate::check::after_commit(&store.shared, &store.inner, id);
        }
        store.answered().await
    }
}

#[async_trait]
impl Store for FaultStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork + '_>, StoreError> {
        self.reach().await?;
        Ok(Box::new(FaultUnit {
            inner: self.inner.begin().await?,
            store: self,
            touched: Vec::new(),
        }))
    }
    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }
}

#[async_trait]
impl Queue for FaultStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.reach().await?;
        let mut request = request.clone();
        if self.shared.broken == Broken::NoSendDeadline {
            request.started = Monotonic(Duration::MAX / 2);
        }
        let claimed = self.inner.claim(&request).await?;
        for one in &claimed {
            let now = self.shared.now();
            lock(&self.shared.claimed).insert(one.row.id, now);
            if one.claim.is_some() {
                let key = one
                    .row
                    .effect
                    .key()
                    .map_or_else(String::new, |key| key.task.to_string());
                let (word, attempt) = (one.row.effect.word(), one.row.attempt);
                self.shared.note(format!(
                    "{} claims {word} {key} attempt {attempt}",
                    request.worker
                ));
            }
        }
        self.answered().await?;
        Ok(claimed)
    }
    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.put_back(claim, how).await?;
        self.answered().await
    }
    async fn hasten(&self, effect: EffectId) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.hasten(effect).await
    }
    async fn watching(
        &self,
        tenant: TenantId,
        integration: IntegrationId,
    ) -> Result<Vec<EffectRow>, StoreError> {
        self.reach().await?;
        self.inner.watching(tenant, integration).await
    }
    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.renew(claim, lease).await
    }
    async fn record_attempt(&self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError> {
        self.reach().await?;
        self.shared.note(format!(
            "attempt {} {} {}",
            record.attempt,
            record.outcome,
            record.detail.as_deref().unwrap_or_default()
        ));
        self.inner.record_attempt(tenant, record).await
    }
    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError> {
        self.reach().await?;
        let due = self.inner.due_aggregates(limit).await?;
        breathe().await;
        Ok(due)
    }
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reach().await?;
        self.inner.next_due().await
    }
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }
    async fn rows(&self, owner: AggregateId, ended: bool) -> Result<Vec<EffectRow>, StoreError> {
        self.reach().await?;
        self.inner.rows(owner, ended).await
    }
    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError> {
        self.inner.attempts(owner).await
    }
    async fn set_stop(
        &self,
        tenant: Option<TenantId>,
        stopped: bool,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.inner.set_stop(tenant, stopped, reason).await
    }
    async fn wait_for_work(&self, at_most: Duration) {
        self.inner.wait_for_work(at_most).await;
    }
    async fn beat(&self, worker: &str) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.beat(worker).await
    }
    async fn last_beat(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.last_beat().await
    }
}
