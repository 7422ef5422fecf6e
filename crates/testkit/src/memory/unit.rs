//! One transaction: a copy of the state, and the changes to repeat on the true one.

use super::state::State;
use super::{MemoryStore, after};
use async_trait::async_trait;
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::{DeliveryId, ServiceId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::kept::Kept;
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Fact, Finished, RowEnd, RowState,
    Sought, Standing, StoredAnswer, StoredEvent, UnitOfWork, line,
};
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a change answered, so that the repetition can be compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Nothing,
    Version(Option<u64>),
    Number(i64),
    Count(usize),
    Flag(bool),
    Finished(Finished),
    /// The rows as they stand after their claim.
    Claimed(Vec<EffectRow>),
}

type Change = Box<dyn Fn(&mut State) -> Result<Answer, StoreError> + Send>;

pub(super) struct MemoryUnit<'a> {
    store: &'a MemoryStore,
    /// What the store held when this began: while it still does, the copy is what a repetition would come to.
    begun: Arc<State>,
    copy: Arc<State>,
    changes: Vec<(Change, Answer)>,
    wakes: bool,
}

impl<'a> MemoryUnit<'a> {
    pub(super) fn new(store: &'a MemoryStore) -> Self {
        let begun = store.state().0.clone();
        Self {
            store,
            copy: begun.clone(),
            begun,
            changes: Vec::new(),
            wakes: false,
        }
    }

    fn make(
        &mut self,
        change: impl Fn(&mut State) -> Result<Answer, StoreError> + Send + 'static,
    ) -> Result<Answer, StoreError> {
        let answer = change(Arc::make_mut(&mut self.copy))?;
        self.changes.push((Box::new(change), answer.clone()));
        Ok(answer)
    }
}

#[async_trait]
impl UnitOfWork for MemoryUnit<'_> {
    async fn load_for_update(&mut self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        // In place of the lock: the version must still be this one at commit.
        let version = Answer::Version(self.copy.version_of(id));
        self.changes.push((
            Box::new(move |state| Ok(Answer::Version(state.version_of(id)))),
            version,
        ));
        Ok(self.copy.aggregates.get(&id).map(Kept::copy))
    }
    async fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError> {
        self.wakes |= row.wake_at.is_some();
        let row = row.clone();
        self.make(move |state| state.save(&row, expected).map(|()| Answer::Nothing))
            .map(drop)
    }
    async fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError> {
        let events = events.to_vec();
        self.make(move |state| state.append(tenant, &events).map(|()| Answer::Nothing))
            .map(drop)
    }
    async fn finish(&mut self, claim: &Claim, end: RowEnd) -> Result<Finished, StoreError> {
        let (id, attempt) = (claim.effect(), claim.attempt());
        match self.make(move |state| state.finish(id, attempt, end).map(Answer::Finished))? {
            Answer::Finished(finished) => Ok(finished),
            Answer::Nothing
            | Answer::Version(_)
            | Answer::Count(_)
            | Answer::Number(_)
            | Answer::Flag(_)
            | Answer::Claimed(_) => Err(StoreError::Conflict),
        }
    }
    async fn record_attempt(&mut self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError> {
        let record = record.clone();
        self.make(move |state| state.record_attempt(tenant, &record).map(|()| Answer::Nothing))
            .map(drop)
    }
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        wait: Duration,
        give_up_after: Duration,
    ) -> Result<(), StoreError> {
        self.wakes = true;
        let now = self.store.time();
        let (due, give_up) = (after(now, wait), after(now, give_up_after));
        let effect = effect.clone();
        self.make(move |state| {
            state
                .enqueue(tenant, &effect, due, give_up)
                .map(|()| Answer::Nothing)
        })
        .map(drop)
    }
    async fn claim_enqueued(
        &mut self,
        effects: &[EffectId],
        request: &ClaimRequest,
    ) -> Result<Vec<Claimed>, StoreError> {
        let now = self.store.time();
        let send_before = request
            .started
            .plus(request.lease.saturating_sub(request.call_timeout));
        let (effects, request) = (effects.to_vec(), request.clone());
        let answer =
            self.make(move |state| Ok(Answer::Claimed(state.claim_enqueued(&effects, &request, now)?)))?;
        let rows = match answer {
            Answer::Claimed(rows) => rows,
            Answer::Nothing
            | Answer::Version(_)
            | Answer::Count(_)
            | Answer::Number(_)
            | Answer::Finished(_)
            | Answer::Flag(_) => return Err(StoreError::Conflict),
        };
        let claimed = |row: EffectRow| Claimed {
            claim: (row.state == RowState::Claimed)
                .then(|| Claim::issued_by_store(row.id, row.attempt, send_before)),
            row,
            now,
        };
        Ok(rows.into_iter().map(claimed).collect())
    }
    async fn end(&mut self, effect: EffectId) -> Result<(), StoreError> {
        self.make(move |state| {
            state.end(effect);
            Ok(Answer::Nothing)
        })
        .map(drop)
    }
    async fn facts(&mut self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
        Ok(self.copy.facts.get(&owner).cloned().unwrap_or_default())
    }
    async fn put_fact(
        &mut self,
        owner: AggregateId,
        kind: FactKind,
        fact: &Fact,
    ) -> Result<bool, StoreError> {
        let fact = fact.clone();
        let answer = self.make(move |state| state.put_fact(owner, kind, &fact).map(Answer::Flag))?;
        Ok(answer == Answer::Flag(true))
    }
    async fn next_number(&mut self, tenant: TenantId, counter: &str) -> Result<i64, StoreError> {
        let counter = counter.to_owned();
        match self.make(move |state| state.next_number(tenant, &counter).map(Answer::Number))? {
            Answer::Number(number) => Ok(number),
            Answer::Nothing
            | Answer::Version(_)
            | Answer::Count(_)
            | Answer::Finished(_)
            | Answer::Flag(_)
            | Answer::Claimed(_) => Err(StoreError::Conflict),
        }
    }
    async fn standing(
        &mut self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError> {
        // In place of a lock: at commit the service must still have as many releases.
        let many = self.copy.releases_of(tenant, service).count();
        self.changes.push((
            Box::new(move |state| Ok(Answer::Count(state.releases_of(tenant, service).count()))),
            Answer::Count(many),
        ));
        let given = self.copy.releases_of(tenant, service).flat_map(|row| {
            let it = &row.projection;
            it.line.iter().map(|line| Standing {
                number: it.number,
                key: it.key.clone(),
                row: line.clone(),
            })
        });
        Ok(line::highest(given, sought))
    }
    async fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        let (now, key, answer) = (self.store.time(), key.to_owned(), answer.clone());
        self.make(move |state| {
            state
                .put_answer(tenant, &key, &answer, now)
                .map(|()| Answer::Nothing)
        })
        .map(drop)
    }
    async fn finish_delivery(&mut self, id: DeliveryId) -> Result<(), StoreError> {
        self.make(move |state| {
            for (delivery, processed) in state.deliveries.iter_mut() {
                *processed |= delivery.id == id;
            }
            Ok(Answer::Nothing)
        })
        .map(drop)
    }
    async fn now(&mut self) -> Result<Timestamp, StoreError> {
        Ok(self.store.time())
    }
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let Self {
            store,
            changes,
            wakes,
            begun,
            copy,
        } = *self;
        {
            let mut state = store.state();
            if Arc::ptr_eq(&state.0, &begun) {
                *state.0 = copy;
            } else {
                let mut next = State::clone(&state);
                for (change, answer) in &changes {
                    if change(&mut next)? != *answer {
                        return Err(StoreError::Conflict);
                    }
                }
                *state.0 = Arc::new(next);
            }
        }
        if wakes {
            store.ring();
        }
        Ok(())
    }
}
