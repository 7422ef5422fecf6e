//! The queue in memory.

use super::state::{Slot, State};
use super::{MemoryStore, after};
use async_trait::async_trait;
use delivr_domain::effect::Effect;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Heard, PutBack, Queue, RowState, Stop, StopBy,
    Workload,
};
use delivr_domain::time::Timestamp;
use futures_util::future::{self, poll_fn};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

/// How long a row that cannot be read is left alone.
const UNREADABLE: Duration = Duration::from_secs(60);

impl State {
    /// Since when a row may be claimed, if it may.
    fn claimable(&self, slot: &Slot, request: &ClaimRequest, now: Timestamp) -> Option<Timestamp> {
        let stopped = self.stops.contains_key(&None) || self.stops.contains_key(&Some(slot.tenant));
        if stopped || request.rooms.left(slot.integration) == 0 {
            return None;
        }
        match slot.state {
            RowState::Ready => Some(slot.due_at).filter(|due| *due <= now),
            RowState::Claimed => slot
                .lease_until
                .filter(|lease| after(*lease, request.margin) < now),
            RowState::Parked | RowState::Done | RowState::Dead => None,
        }
    }

    /// Claims those of the rows that are READY and due.
    pub(super) fn claim_enqueued(
        &mut self,
        effects: &[EffectId],
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Vec<EffectRow>, StoreError> {
        let mut claimed = Vec::new();
        for id in effects {
            let ready = self.effects.get(id).is_some_and(|slot| {
                slot.state == RowState::Ready && self.claimable(slot, request, now).is_some()
            });
            if ready && let Some(slot) = self.effects.get_mut(id) {
                take(slot, request, now);
                claimed.push(slot.row(*id)?);
            }
        }
        Ok(claimed)
    }

    fn held(&mut self, claim: &Claim) -> Result<&mut Slot, StoreError> {
        self.effects
            .get_mut(&claim.effect())
            .filter(|slot| slot.attempt == claim.attempt() && slot.state == RowState::Claimed)
            .map(|slot| &mut **slot)
            .ok_or(StoreError::Fenced)
    }
}

fn take(slot: &mut Slot, request: &ClaimRequest, now: Timestamp) {
    if slot.state == RowState::Claimed {
        slot.failures = slot.failures.saturating_add(1);
        slot.unknown_since = slot.lease_until;
    }
    if slot.kind == "WATCH" {
        slot.due_at = after(now, Duration::from_secs(u64::from(slot.every_seconds)));
    } else {
        slot.state = RowState::Claimed;
        slot.attempt = slot.attempt.saturating_add(1);
        slot.lease_until = Some(after(now, request.lease));
    }
}

#[async_trait]
impl Queue for MemoryStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.answer().await;
        let now = self.time();
        let mut state = self.state();
        let mut due: Vec<(Timestamp, EffectId, TenantId)> = state
            .effects
            .iter()
            .filter_map(|(id, slot)| Some((state.claimable(slot, request, now)?, *id, slot.tenant)))
            .collect();
        due.sort_unstable();
        let mut waiting: BTreeMap<TenantId, VecDeque<EffectId>> = BTreeMap::new();
        for (_since, id, tenant) in due {
            waiting.entry(tenant).or_default().push_back(id);
        }
        // One of each tenant in turn, beginning after the one served last.
        let mut order: Vec<TenantId> = waiting.keys().copied().collect();
        order.sort_by_key(|tenant| (Some(*tenant) <= state.served, *tenant));
        let mut order: VecDeque<TenantId> = order.into();
        let send_before = request
            .started
            .plus(request.lease.saturating_sub(request.call_timeout));
        let mut claimed = Vec::new();
        let mut looked_at = 0;
        let mut rooms = request.rooms.clone();
        while looked_at < request.limit
            && let Some(tenant) = order.pop_front()
        {
            let mut has_room = |id: &EffectId| {
                let integration = state.effects.get(id).and_then(|slot| slot.integration);
                rooms.take(integration)
            };
            let next = waiting
                .get_mut(&tenant)
                .and_then(|ids| std::iter::from_fn(|| ids.pop_front()).find(&mut has_room));
            let Some(id) = next else {
                continue;
            };
            looked_at += 1;
            order.push_back(tenant);
            state.served = Some(tenant);
            let Some(slot) = state.effects.get_mut(&id) else {
                continue;
            };
            take(slot, request, now);
            match slot.row(id) {
                Ok(row) => {
                    let claim = (row.state == RowState::Claimed)
                        .then(|| Claim::issued_by_store(id, row.attempt, send_before));
                    claimed.push(Claimed { claim, row, now });
                }
                Err(error) => {
                    slot.state = RowState::Ready;
                    slot.lease_until = None;
                    slot.due_at = after(now, UNREADABLE);
                    slot.trouble = Some(error.to_string());
                }
            }
        }
        Ok(claimed)
    }

    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError> {
        let now = self.time();
        {
            let mut state = self.state();
            let slot = state.held(claim)?;
            slot.state = RowState::Ready;
            slot.lease_until = None;
            slot.due_at = after(now, how.after);
            slot.failures = slot.failures.saturating_add(how.failures);
            if how.unknown {
                slot.unknown_since = Some(now);
            }
            if how.trouble.is_some() {
                slot.trouble.clone_from(&how.trouble);
            }
        }
        self.ring();
        Ok(())
    }

    async fn hasten(&self, effect: EffectId) -> Result<(), StoreError> {
        let now = self.time();
        if let Some(slot) = self.state().effects.get_mut(&effect)
            && slot.state == RowState::Ready
        {
            slot.due_at = slot.due_at.min(now);
        }
        self.ring();
        Ok(())
    }

    async fn watching(
        &self,
        tenant: TenantId,
        integration: IntegrationId,
    ) -> Result<Vec<EffectRow>, StoreError> {
        let state = self.state();
        let mut rows = Vec::new();
        for (id, slot) in state.effects.iter().filter(|(_, slot)| slot.tenant == tenant) {
            // A row that this build cannot read is nothing to look at, and must not hide the others.
            let Ok(row) = slot.row(*id) else {
                continue;
            };
            let reads = matches!(
                row.effect,
                Effect::Watch { .. } | Effect::Probe { .. } | Effect::Resolve { .. }
            );
            if slot.state == RowState::Ready && reads && row.effect.integration() == Some(integration) {
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| (row.due_at, row.id));
        rows.truncate(500);
        Ok(rows)
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<(), StoreError> {
        let now = self.time();
        self.state().held(claim)?.lease_until = Some(after(now, lease));
        Ok(())
    }

    async fn record_attempt(&self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError> {
        self.state().record_attempt(tenant, record)
    }

    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError> {
        self.answer().await;
        let now = self.time();
        let mut due: Vec<(Timestamp, AggregateId)> = self
            .state()
            .aggregates
            .values()
            .filter_map(|row| Some((row.wake_at.filter(|wake| *wake <= now)?, row.id)))
            .collect();
        due.sort_unstable_by_key(|(wake, id)| (*wake, id.id));
        due.truncate(usize::from(limit));
        Ok(due.into_iter().map(|(wake, id)| (id, wake)).collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let state = self.state();
        let stopped = |tenant| state.stops.contains_key(&None) || state.stops.contains_key(&Some(tenant));
        let open = state.effects.values().filter(|slot| !stopped(slot.tenant));
        let rows = open.filter_map(|slot| match slot.state {
            RowState::Ready => Some(slot.due_at),
            RowState::Claimed => slot.lease_until,
            RowState::Parked | RowState::Done | RowState::Dead => None,
        });
        let agendas = state.aggregates.values().filter_map(|row| row.wake_at);
        Ok(rows.chain(agendas).min())
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.time())
    }

    async fn rows(&self, owner: AggregateId, ended: bool) -> Result<Vec<EffectRow>, StoreError> {
        let state = self.state();
        let mut rows = Vec::new();
        for (id, slot) in state.effects.iter().filter(|(_, slot)| slot.owner == owner) {
            if ended || !matches!(slot.state, RowState::Done | RowState::Dead) {
                rows.push(slot.row(*id)?);
            }
        }
        rows.sort_by_key(|row| (row.due_at, row.id));
        Ok(rows)
    }

    async fn workload(&self, tenant: TenantId, most: u32, told: u16) -> Result<Workload, StoreError> {
        let now = self.time();
        Ok(self.state().workload(tenant, now, most, told))
    }

    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError> {
        let state = self.state();
        let of_owner = |id: &EffectId| state.effects.get(id).is_some_and(|slot| slot.owner == owner);
        Ok(state
            .attempts
            .iter()
            .filter(|record| of_owner(&record.effect))
            .map(|record| AttemptRecord {
                exchanges: None,
                ..record.copy()
            })
            .collect())
    }

    async fn exchanges(
        &self,
        tenant: TenantId,
        effects: &[EffectId],
        limit: u16,
    ) -> Result<Vec<Heard>, StoreError> {
        let state = self.state();
        let of_tenant = |id: &EffectId| state.effects.get(id).is_some_and(|slot| slot.tenant == tenant);
        let mut found: Vec<Heard> = state
            .attempts
            .iter()
            .filter(|record| effects.contains(&record.effect) && of_tenant(&record.effect))
            .filter_map(|record| {
                Some(Heard {
                    effect: record.effect,
                    attempt: record.attempt,
                    at: record.at,
                    exchanges: record.exchanges.clone()?,
                })
            })
            .collect();
        found.reverse();
        found.truncate(usize::from(limit));
        Ok(found)
    }

    async fn set_stop(&self, tenant: Option<TenantId>, stop: Option<StopBy<'_>>) -> Result<(), StoreError> {
        let now = self.time();
        match stop {
            Some(StopBy { reason, actor }) => {
                let mut state = self.state();
                let at = state.stops.get(&tenant).map_or(now, |old| old.at);
                let stop = Stop {
                    tenant,
                    reason: reason.to_owned(),
                    by: Some(actor.to_owned()),
                    at,
                };
                state.stops.insert(tenant, stop);
            }
            None => {
                self.state().stops.remove(&tenant);
                self.ring();
            }
        }
        Ok(())
    }

    async fn stops(&self, tenant: TenantId) -> Result<Vec<Stop>, StoreError> {
        let state = self.state();
        let scopes = [None, Some(tenant)];
        Ok(scopes
            .iter()
            .filter_map(|scope| state.stops.get(scope).cloned())
            .collect())
    }

    async fn wait_for_work(&self, at_most: Duration) {
        let over = self.inner.clock.monotonic().plus(at_most);
        let ear = self.listen();
        let rung = poll_fn(|context| ear.hear(context));
        let _first = future::select(pin!(rung), self.inner.clock.sleep_until(over)).await;
    }

    async fn beat(&self, worker: &str) -> Result<(), StoreError> {
        self.answer().await;
        let now = self.time();
        self.state().beats.insert(worker.to_owned(), now);
        Ok(())
    }

    async fn last_beat(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state().beats.values().max().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeClock;
    use futures_util::FutureExt as _;
    use std::sync::Arc;

    #[tokio::test]
    async fn waiting_ends_with_a_ring_before_it_or_with_the_span() {
        let clock = Arc::new(FakeClock::default());
        let store = MemoryStore::new(clock.clone());
        store.ring();
        store.wait_for_work(Duration::from_secs(60)).await;
        let waiting = store.wait_for_work(Duration::from_secs(60));
        let passing = async { clock.advance(Duration::from_secs(60)) };
        future::join(waiting, passing).await;
    }

    #[tokio::test]
    async fn everybody_who_waits_hears_a_ring_and_nobody_hears_it_twice() {
        let clock = Arc::new(FakeClock::default());
        let store = MemoryStore::new(clock.clone());
        let wait = || store.wait_for_work(Duration::from_secs(60)).boxed();
        let (mut one, mut other) = (wait(), wait());
        assert!(one.as_mut().now_or_never().is_none());
        assert!(other.as_mut().now_or_never().is_none());
        store.ring();
        assert!(one.now_or_never().is_some());
        assert!(other.now_or_never().is_some());
        assert!(wait().now_or_never().is_none());
        // Nobody waits any more: kept for whoever waits next.
        store.ring();
        assert!(wait().now_or_never().is_some());
        assert!(wait().now_or_never().is_none());
    }
}
