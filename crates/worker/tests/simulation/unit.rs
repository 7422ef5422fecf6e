//! One transaction as a process reaches it: it may wait for another one's lock, be refused, or never hear of its commit.

use crate::check::{Facts, after_commit, at_once};
use crate::shared::{Broken, Shared};
use crate::store::{FaultStore, refused};
use crate::time::{lock, seconds};
use crate::weather::Kind;
use async_trait::async_trait;
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::{DeliveryId, ServiceId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, Claim, ClaimRequest, Claimed, Directory as _, EffectRow, Fact, Finished,
    Queue as _, RowEnd, RowState, Sought, Standing, Store as _, StoredAnswer, StoredEvent, UnitOfWork,
};
use delivr_domain::time::Timestamp;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

/// How long a transaction waits for a lock before the database gives up.
const LOCK_TIMEOUT: Duration = seconds(20);

/// A locked row. The database gives it up with the connection, so dropping it is no work of the process.
struct Held {
    shared: Arc<Shared>,
    id: AggregateId,
    unit: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut locks = lock(&self.shared.locks);
        if locks.held.get(&self.id) == Some(&self.unit) {
            locks.held.remove(&self.id);
        }
        for waker in locks.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// A transaction that is under way, as long as it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.transactions.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.transactions.fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct FaultUnit<'a> {
    inner: Box<dyn UnitOfWork + 'a>,
    store: &'a FaultStore,
    unit: u64,
    open: Open,
    held: Vec<Held>,
    loaded: Vec<(AggregateId, Option<u64>)>,
    touched: BTreeSet<AggregateId>,
    /// The facts that were read of each.
    read: BTreeMap<AggregateId, Facts>,
    saved: u64,
    finished: Vec<EffectId>,
    /// Rows that were over and are armed again, with what they know of unanswered sends.
    armed: Vec<(EffectId, Option<Timestamp>)>,
    /// Rows that were claimed with what enqueued them: by whom, and whether there is a claim to fence.
    born: Vec<(String, EffectRow, bool)>,
}

impl<'a> FaultUnit<'a> {
    pub fn new(inner: Box<dyn UnitOfWork + 'a>, store: &'a FaultStore) -> Self {
        let unit = {
            let mut locks = lock(&store.shared.locks);
            locks.units += 1;
            locks.units
        };
        Self {
            inner,
            store,
            unit,
            open: Open::new(&store.shared),
            held: Vec::new(),
            loaded: Vec::new(),
            touched: BTreeSet::new(),
            read: BTreeMap::new(),
            saved: 0,
            finished: Vec::new(),
            armed: Vec::new(),
            born: Vec::new(),
        }
    }

    async fn hold(&mut self, id: AggregateId) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        if !shared.row_lock {
            return Ok(());
        }
        let mut timer = pin!(shared.time.after(LOCK_TIMEOUT));
        let mut waited = false;
        let got = std::future::poll_fn(|context| {
            let mut locks = lock(&shared.locks);
            if let Entry::Vacant(free) = locks.held.entry(id) {
                free.insert(self.unit);
                return Poll::Ready(true);
            }
            waited = true;
            locks.waiting.push(context.waker().clone());
            drop(locks);
            timer.as_mut().poll(context).map(|()| false)
        })
        .await;
        if waited {
            shared.met(Kind::LockWaited);
        }
        if !got {
            shared.met(Kind::DatabaseTimedOut);
            return Err(refused());
        }
        self.held.push(Held {
            shared: shared.clone(),
            id,
            unit: self.unit,
        });
        // What is read after the lock was given is what the last holder left.
        self.inner = self.store.inner.begin().await?;
        Ok(())
    }

    /// The row of a vendor's write that was over, or never was, and begins (again).
    fn arm(&mut self, effect: &Effect) {
        let (id, shared) = (effect.id(), &self.store.shared);
        let told = matches!(shared.broken, Broken::KeyOfVersion | Broken::RowPerRetry);
        if !told && !lock(&shared.taken_over).contains_key(&id) {
            return;
        }
        let rows = at_once(self.store.inner.rows(effect.owner(), true)).unwrap();
        let row = rows.iter().find(|row| row.id == id);
        if row.is_none_or(|row| !matches!(row.state, RowState::Ready | RowState::Claimed)) {
            self.armed.push((id, row.and_then(|row| row.unknown_since)));
            if self.store.shared.broken == Broken::KeyOfVersion {
                lock(&self.store.shared.written).insert(id, self.saved);
            }
        }
    }
}

#[async_trait]
impl UnitOfWork for FaultUnit<'_> {
    async fn load_for_update(&mut self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        self.store.reach().await?;
        self.hold(id).await?;
        self.touched.insert(id);
        let row = self.inner.load_for_update(id).await?;
        self.loaded.push((id, row.as_ref().map(|row| row.version)));
        Ok(row)
    }
    async fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError> {
        self.touched.insert(row.id);
        self.saved = row.version;
        self.inner.save(row, expected).await
    }
    async fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError> {
        self.inner.append(tenant, events).await
    }
    async fn finish(&mut self, claim: &Claim, end: RowEnd) -> Result<Finished, StoreError> {
        let answer = self.inner.finish(claim, end).await;
        match answer {
            Ok(Finished::Now) => self.finished.push(claim.effect()),
            Ok(Finished::Before) => self.store.shared.met(Kind::EndedBefore),
            Err(StoreError::Fenced) => {
                self.store.shared.met(Kind::Fenced);
                if self.store.shared.broken == Broken::NoFence {
                    return Ok(Finished::Now);
                }
            }
            Err(_) => {}
        }
        answer
    }
    async fn record_attempt(&mut self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError> {
        self.store.note_attempt(record);
        self.inner.record_attempt(tenant, record).await
    }
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        after: Duration,
        give_up_after: Duration,
    ) -> Result<(), StoreError> {
        if matches!(effect, Effect::Perform { .. }) {
            self.arm(effect);
        }
        self.inner.enqueue(tenant, effect, after, give_up_after).await
    }
    async fn claim_enqueued(
        &mut self,
        effects: &[EffectId],
        request: &ClaimRequest,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut request = request.clone();
        if self.store.shared.broken == Broken::NoSendDeadline {
            request.started = Monotonic(Duration::MAX / 2);
        }
        let mut claimed = self.inner.claim_enqueued(effects, &request).await?;
        for one in &mut claimed {
            self.store.born(one);
            let fenced = one.claim.is_some();
            self.born.push((request.worker.clone(), one.row.clone(), fenced));
        }
        Ok(claimed)
    }
    async fn end(&mut self, effect: EffectId) -> Result<(), StoreError> {
        self.inner.end(effect).await
    }
    async fn facts(&mut self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
        let facts = self.inner.facts(owner).await?;
        self.read.insert(owner, facts.clone());
        Ok(facts)
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
    async fn standing(
        &mut self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError> {
        self.inner.standing(tenant, service, sought).await
    }
    async fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        if self.store.shared.broken == Broken::NoRemember {
            return Ok(());
        }
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
            unit: _,
            open,
            held,
            loaded,
            touched,
            read,
            saved: _,
            finished,
            armed,
            born,
        } = *self;
        store.reach().await?;
        let shared = &store.shared;
        if let Err(error) = inner.commit().await {
            let version = |id| at_once(store.inner.peek(id)).unwrap().map(|row| row.version);
            if loaded.iter().any(|(id, seen)| version(*id) != *seen) {
                shared.met(Kind::Raced);
                if shared.row_lock {
                    shared.wrong("a row that was locked was changed by somebody else");
                }
            }
            return Err(error);
        }
        drop(open);
        for id in finished {
            lock(&shared.open).remove(&id);
        }
        for (id, unknown_since) in armed {
            lock(&shared.taken_over).remove(&id);
            if shared.broken == Broken::RowPerRetry {
                lock(&shared.forgotten).insert(id, unknown_since);
            }
        }
        for (worker, row, fenced) in born {
            store.born_for_good(&worker, &row, fenced);
        }
        for id in touched {
            after_commit(shared, &store.inner, id, read.get(&id));
        }
        drop(held);
        store.answered().await
    }
}
