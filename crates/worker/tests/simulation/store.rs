//! The store as a process reaches it: it may refuse, time out, and a commit's answer may be lost before or after it.

use crate::check::at_once;
use crate::shared::{Broken, Shared};
use crate::time::{breathe, lock, seconds};
use crate::unit::FaultUnit;
use crate::weather::Kind;
use async_trait::async_trait;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Heard, PutBack, Queue, Stop, StopBy, Store,
    UnitOfWork, Workload,
};
use delivr_domain::time::Timestamp;
use delivr_testkit::conformance::store::samples::stop_by;
use delivr_testkit::memory::MemoryStore;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub struct FaultStore {
    pub inner: MemoryStore,
    pub shared: Arc<Shared>,
}

pub fn refused() -> StoreError {
    StoreError::Unavailable {
        source: "connection reset".into(),
    }
}

impl FaultStore {
    /// The way to the database, which is not always there.
    pub async fn reach(&self) -> Result<(), StoreError> {
        breathe().await;
        let down = self.shared.now() < *lock(&self.shared.store_down_until);
        if self.shared.meets(Kind::DatabaseTimedOut, 4) {
            let span = self.shared.dice(|dice| dice.millis(2_000, 30_000));
            self.shared.time.after(span).await;
            return Err(refused());
        }
        if down || self.shared.meets(Kind::DatabaseRefused, 36) {
            return Err(refused());
        }
        Ok(())
    }
    /// The way back of a commit's answer.
    pub async fn answered(&self) -> Result<(), StoreError> {
        breathe().await;
        if self.shared.meets(Kind::AnswerLost, 80) {
            self.shared.note("an answer of the store is lost");
            return Err(refused());
        }
        Ok(())
    }

    /// What an attempt came to, before it is written down.
    pub fn note_attempt(&self, record: &AttemptRecord) {
        if record.outcome == "adopted" {
            self.shared.met(Kind::Adopted);
        }
        self.shared.note(format!(
            "attempt {} {} {}",
            record.attempt,
            record.outcome,
            record.detail.as_deref().unwrap_or_default()
        ));
    }

    /// Claims, although somebody is stopped.
    fn claim_all(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let stopped: BTreeSet<Option<TenantId>> = lock(&self.shared.stopped).clone();
        for who in &stopped {
            at_once(self.inner.set_stop(*who, None))?;
        }
        let claimed = at_once(self.inner.claim(request))?;
        for who in &stopped {
            at_once(self.inner.set_stop(*who, Some(stop_by(""))))?;
        }
        Ok(claimed)
    }

    /// A claim with what enqueued the row, as a store without the rule that is left out would give it.
    pub fn born(&self, one: &mut Claimed) {
        if one.claim.is_none() {
            return;
        }
        if lock(&self.shared.forgotten).get(&one.row.id) == Some(&one.row.unknown_since) {
            one.row.unknown_since = None;
        }
        if self.shared.broken == Broken::AttemptsAreFailures {
            one.row.failures = u16::try_from(one.row.attempt - 1).unwrap_or(u16::MAX);
        }
    }

    /// Notes that it has been committed.
    pub fn born_for_good(&self, worker: &str, row: &EffectRow, fenced: bool) {
        let shared = &self.shared;
        lock(&shared.claimed).insert(row.id, shared.now());
        let stopped = lock(&shared.stopped);
        let heeded = !stopped.contains(&None) && !stopped.contains(&Some(row.tenant));
        drop(stopped);
        if !heeded {
            shared.wrong(format!("{} is claimed though its tenant is stopped", row.id));
        }
        if fenced {
            lock(&shared.open).insert(row.id);
            let (word, attempt) = (row.effect.word(), row.attempt);
            shared.note(format!(
                "{worker} claims {word} of its own report, attempt {attempt}"
            ));
        }
    }

    fn looked_at(&self, worker: &str, one: &mut Claimed) {
        let shared = &self.shared;
        let id = one.row.id;
        lock(&shared.claimed).insert(id, shared.now());
        {
            let stopped = lock(&shared.stopped);
            if stopped.contains(&None) || stopped.contains(&Some(one.row.tenant)) {
                drop(stopped);
                shared.wrong(format!("{id} is claimed though its tenant is stopped"));
            }
        }
        if one.claim.is_none() {
            return;
        }
        let times = if lock(&shared.open).insert(id) {
            lock(&shared.taken_over).get(&id).copied().unwrap_or_default()
        } else {
            shared.met(Kind::LeaseTaken);
            if shared.broken == Broken::TakeOverForgets {
                one.row.unknown_since = None;
            }
            let mut taken_over = lock(&shared.taken_over);
            let times = taken_over.entry(id).or_default();
            *times += 1;
            *times
        };
        if shared.broken == Broken::TakeOverFree {
            one.row.failures = one.row.failures.saturating_sub(times);
        }
        if lock(&shared.forgotten).get(&id) == Some(&one.row.unknown_since) {
            one.row.unknown_since = None;
        }
        if shared.broken == Broken::AttemptsAreFailures {
            one.row.failures = u16::try_from(one.row.attempt - 1).unwrap_or(u16::MAX);
        }
        let key = one.row.effect.key();
        let task = key.map_or_else(String::new, |key| key.task.to_string());
        let (word, attempt) = (one.row.effect.word(), one.row.attempt);
        shared.note(format!("{worker} claims {word} {task} attempt {attempt}"));
    }
}

#[async_trait]
impl Store for FaultStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork + '_>, StoreError> {
        self.reach().await?;
        Ok(Box::new(FaultUnit::new(self.inner.begin().await?, self)))
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
        let mut claimed = if self.shared.broken == Broken::NoStop {
            self.claim_all(&request)?
        } else {
            self.inner.claim(&request).await?
        };
        for one in &mut claimed {
            self.looked_at(&request.worker, one);
        }
        self.answered().await?;
        Ok(claimed)
    }
    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError> {
        self.reach().await?;
        match self.inner.put_back(claim, how).await {
            Ok(()) => {
                lock(&self.shared.open).remove(&claim.effect());
            }
            Err(error) => {
                if matches!(error, StoreError::Fenced) {
                    self.shared.met(Kind::Fenced);
                }
                return Err(error);
            }
        }
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
        self.note_attempt(record);
        self.inner.record_attempt(tenant, record).await
    }
    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError> {
        self.reach().await?;
        let mut due = self.inner.due_aggregates(limit).await?;
        if self.shared.broken == Broken::TimersOnce {
            let mut told = lock(&self.shared.told);
            due.retain(|one| told.insert(*one) && !self.shared.dice(|dice| dice.chance(300)));
        }
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
    async fn workload(&self, tenant: TenantId, most: u32, told: u16) -> Result<Workload, StoreError> {
        self.reach().await?;
        self.inner.workload(tenant, most, told).await
    }
    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError> {
        self.inner.attempts(owner).await
    }
    async fn exchanges(
        &self,
        tenant: TenantId,
        effects: &[EffectId],
        limit: u16,
    ) -> Result<Vec<Heard>, StoreError> {
        self.reach().await?;
        self.inner.exchanges(tenant, effects, limit).await
    }
    async fn stops(&self, tenant: TenantId) -> Result<Vec<Stop>, StoreError> {
        self.reach().await?;
        self.inner.stops(tenant).await
    }
    async fn set_stop(&self, tenant: Option<TenantId>, stop: Option<StopBy<'_>>) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.set_stop(tenant, stop).await?;
        let mut all = lock(&self.shared.stopped);
        if stop.is_some() {
            all.insert(tenant);
        } else {
            all.remove(&tenant);
        }
        Ok(())
    }
    async fn wait_for_work(&self, at_most: Duration) {
        if self.shared.meets(Kind::WakeLost, 500) {
            return self.shared.time.after(at_most.max(seconds(1))).await;
        }
        if self.shared.meets(Kind::WakeEarly, 300) {
            let span = self.shared.dice(|dice| dice.millis(0, 900));
            return self.shared.time.after(span.min(at_most)).await;
        }
        self.inner.wait_for_work(at_most).await;
        if self.shared.meets(Kind::WakeLate, 500) {
            let span = self.shared.dice(|dice| dice.millis(1, 4_000));
            self.shared.time.after(span).await;
        }
    }
    async fn beat(&self, worker: &str) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.beat(worker).await
    }
    async fn last_beat(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.last_beat().await
    }
}
