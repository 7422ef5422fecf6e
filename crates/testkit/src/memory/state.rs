//! The state and the changes a transaction can make to it. Every change checks before it writes, so that one that
//! fails has written nothing.

use super::log::Log;
use super::rows::Rows;
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::{
    IntegrationId, PipelineId, ProfileId, ServiceId, StatusLinkId, TenantId, TokenId, ViewId,
};
use delivr_domain::key::{AggregateId, AggregateKind, EffectId, EffectKey};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::Health;
use delivr_domain::ports::kept::Kept;
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, AuditLine, EffectRow, Fact, Finished, Integration, Pipeline, Profile,
    RowEnd, RowState, Service, StatusLink, Step, Stop, StoredAnswer, StoredDelivery, StoredEvent, Tenant,
    Token, View,
};
use delivr_domain::time::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row of the queue. The effect is kept as JSON, as a database keeps it, and read back once.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// What the document was read as; none when it cannot be read.
    pub(super) effect: Option<Arc<Effect>>,
    pub(super) tenant: TenantId,
    pub(super) owner: AggregateId,
    pub(super) kind: &'static str,
    pub(super) correlation: Option<String>,
    pub(super) integration: Option<IntegrationId>,
    pub(super) every_seconds: u32,
    pub(super) document: Value,
    pub(super) state: RowState,
    pub(super) due_at: Timestamp,
    pub(super) attempt: u32,
    pub(super) lease_until: Option<Timestamp>,
    pub(super) failures: u16,
    pub(super) give_up_at: Timestamp,
    pub(super) unknown_since: Option<Timestamp>,
    pub(super) trouble: Option<String>,
}

fn read_effect(document: &Value) -> Result<Effect, StoreError> {
    Effect::deserialize(document).map_err(|error| StoreError::Corrupt {
        what: "effect",
        why: error.to_string(),
    })
}

impl Slot {
    pub(super) fn row(&self, id: EffectId) -> Result<EffectRow, StoreError> {
        let effect = match &self.effect {
            Some(effect) => effect.as_ref().clone(),
            None => read_effect(&self.document)?,
        };
        Ok(EffectRow {
            id,
            tenant: self.tenant,
            effect,
            state: self.state,
            due_at: self.due_at,
            attempt: self.attempt,
            lease_until: self.lease_until,
            failures: self.failures,
            give_up_at: self.give_up_at,
            unknown_since: self.unknown_since,
            trouble: self.trouble.clone(),
        })
    }
}

/// Everything stored. Its parts are shared by all copies of it until one of them changes them, so that a copy of
/// everything, which each transaction works on, costs little however long the history.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) settings: Kept<BTreeMap<String, String>>,
    pub(super) tenants: Kept<BTreeMap<TenantId, Tenant>>,
    pub(super) tokens: Kept<BTreeMap<TokenId, Token>>,
    pub(super) links: Kept<BTreeMap<StatusLinkId, StatusLink>>,
    pub(super) views: Kept<BTreeMap<ViewId, View>>,
    /// The view that an account begins with.
    pub(super) first_views: Kept<BTreeMap<(TenantId, String), ViewId>>,
    pub(super) audit: Kept<BTreeMap<TenantId, Vec<AuditLine>>>,
    pub(super) health: Kept<BTreeMap<IntegrationId, Health>>,
    pub(super) integrations: Kept<BTreeMap<IntegrationId, Integration>>,
    pub(super) pipelines: Kept<BTreeMap<PipelineId, Pipeline>>,
    pub(super) services: Kept<BTreeMap<ServiceId, Service>>,
    pub(super) profiles: Kept<BTreeMap<(ProfileId, u32), Profile>>,
    pub(super) aggregates: BTreeMap<AggregateId, Kept<AggregateRow>>,
    /// Statuses and phases that releases came to, in their order.
    pub(super) steps: BTreeMap<AggregateId, Kept<Vec<(Step, Timestamp)>>>,
    /// In order of position; the first has position 1.
    pub(super) events: Log<(TenantId, Kept<StoredEvent>)>,
    pub(super) facts: Kept<BTreeMap<AggregateId, BTreeMap<FactKind, Fact>>>,
    pub(super) counters: Kept<BTreeMap<(TenantId, String), i64>>,
    pub(super) answers: Kept<BTreeMap<(TenantId, String), Kept<StoredAnswer>>>,
    /// With whether it is processed.
    pub(super) deliveries: Kept<Vec<(Kept<StoredDelivery>, bool)>>,
    pub(super) effects: Rows,
    pub(super) attempts: Log<Kept<AttemptRecord>>,
    /// None stands for the installation.
    pub(super) stops: BTreeMap<Option<TenantId>, Stop>,
    pub(super) beats: BTreeMap<String, Timestamp>,
    pub(super) served: Option<TenantId>,
}

fn every_seconds(effect: &Effect) -> u32 {
    match effect {
        Effect::Watch { every_seconds, .. } => *every_seconds,
        Effect::Resolve { .. }
        | Effect::Perform { .. }
        | Effect::Probe { .. }
        | Effect::CancelRun { .. }
        | Effect::Tell { .. }
        | Effect::Message { .. } => 0,
    }
}

impl State {
    pub(super) fn known(&self, tenant: TenantId, what: &'static str) -> Result<(), StoreError> {
        if self.tenants.contains_key(&tenant) {
            Ok(())
        } else {
            Err(StoreError::Reference(what))
        }
    }

    pub(super) fn version_of(&self, id: AggregateId) -> Option<u64> {
        self.aggregates.get(&id).map(|row| row.version)
    }

    pub(super) fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError> {
        self.known(row.tenant, "tenant of an aggregate")?;
        let stored = self.aggregates.get(&row.id);
        if stored.map(|old| old.version) != expected || stored.is_some_and(|old| old.tenant != row.tenant) {
            return Err(StoreError::Conflict);
        }
        let release = row.id.kind == AggregateKind::Release;
        if let Some(parent) = row.projection.parent {
            let found = if release {
                self.services
                    .get(&ServiceId::from_uuid(parent))
                    .map(|it| it.tenant)
            } else {
                let id = AggregateId {
                    kind: AggregateKind::Release,
                    id: parent,
                };
                self.aggregates.get(&id).map(|it| it.tenant)
            };
            if found != Some(row.tenant) {
                return Err(StoreError::Reference("service or release of an aggregate"));
            }
        }
        if release {
            let taken = self.aggregates.values().any(|other| {
                other.id != row.id
                    && other.id.kind == AggregateKind::Release
                    && other.tenant == row.tenant
                    && other.projection.number == row.projection.number
            });
            if taken {
                return Err(StoreError::Duplicate("release number"));
            }
            let integrations = &row.projection.integrations;
            if !row.projection.terminal && !integrations.iter().all(|id| self.integrations.contains_key(id)) {
                return Err(StoreError::Reference("integration of the release"));
            }
        }
        self.note_steps(row);
        self.aggregates.insert(row.id, row.clone().into());
        Ok(())
    }

    pub(super) fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError> {
        self.known(tenant, "tenant of an event")?;
        for event in events {
            // An aggregate's events lie in order: from the end it is not far to the place in question.
            let of_owner = self
                .events
                .iter()
                .rev()
                .filter(|(_, old)| old.owner == event.owner);
            let taken = of_owner
                .take_while(|(_, old)| old.sequence >= event.sequence)
                .any(|(_, old)| old.sequence == event.sequence);
            if taken {
                return Err(StoreError::Conflict);
            }
        }
        for event in events {
            let position = i64::try_from(self.events.len())
                .unwrap_or(i64::MAX)
                .saturating_add(1);
            self.events.push((
                tenant,
                Kept::from(StoredEvent {
                    position,
                    ..event.clone()
                }),
            ));
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, id: EffectId, attempt: u32, end: RowEnd) -> Result<Finished, StoreError> {
        let slot = self
            .effects
            .get_mut(&id)
            .filter(|slot| slot.attempt == attempt)
            .ok_or(StoreError::Fenced)?;
        match slot.state {
            RowState::Claimed => {
                slot.state = match end {
                    RowEnd::Done => RowState::Done,
                    RowEnd::Dead => RowState::Dead,
                    RowEnd::Parked => RowState::Parked,
                };
                slot.lease_until = None;
                Ok(Finished::Now)
            }
            RowState::Done | RowState::Dead | RowState::Parked => Ok(Finished::Before),
            RowState::Ready => Err(StoreError::Fenced),
        }
    }

    pub(super) fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        due_at: Timestamp,
        give_up_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.known(tenant, "tenant of an effect")?;
        let document = serde_json::to_value(effect).map_err(|error| StoreError::Corrupt {
            what: "effect",
            why: error.to_string(),
        })?;
        let id = effect.id();
        let (attempt, unknown_since) = match self.effects.get(&id) {
            Some(old) if matches!(old.state, RowState::Ready | RowState::Claimed) || old.tenant != tenant => {
                return Ok(());
            }
            Some(old) => (old.attempt, old.unknown_since),
            None => (0, None),
        };
        let slot = Slot {
            effect: Some(Arc::new(read_effect(&document)?)),
            tenant,
            owner: effect.owner(),
            kind: effect.word(),
            correlation: effect.key().map(EffectKey::short),
            integration: effect.integration(),
            every_seconds: every_seconds(effect),
            document,
            state: RowState::Ready,
            due_at,
            attempt,
            lease_until: None,
            failures: 0,
            give_up_at,
            unknown_since,
            trouble: None,
        };
        self.effects.insert(id, slot.into());
        Ok(())
    }

    pub(super) fn record_attempt(
        &mut self,
        tenant: TenantId,
        record: &AttemptRecord,
    ) -> Result<(), StoreError> {
        let slot = self.effects.get(&record.effect);
        if slot.is_none_or(|slot| slot.tenant != tenant) {
            return Err(StoreError::Reference("effect"));
        }
        self.attempts.push(record.clone().into());
        Ok(())
    }

    pub(super) fn end(&mut self, id: EffectId) {
        if let Some(slot) = self.effects.get_mut(&id)
            && matches!(slot.state, RowState::Ready | RowState::Parked)
        {
            slot.state = RowState::Dead;
        }
    }

    pub(super) fn put_fact(
        &mut self,
        owner: AggregateId,
        kind: FactKind,
        fact: &Fact,
    ) -> Result<bool, StoreError> {
        if !self.aggregates.contains_key(&owner) {
            return Err(StoreError::Reference("owner of a fact"));
        }
        let kept = self.facts.entry(owner).or_default();
        if kept
            .get(&kind)
            .is_some_and(|kept| kept.observed_at > fact.observed_at)
        {
            return Ok(false);
        }
        let before = kept.insert(kind, fact.clone());
        Ok(before.is_none_or(|before| before.value != fact.value))
    }

    /// The releases of a service.
    pub(super) fn releases_of(
        &self,
        tenant: TenantId,
        service: ServiceId,
    ) -> impl Iterator<Item = &Kept<AggregateRow>> {
        self.aggregates.values().filter(move |row| {
            row.id.kind == AggregateKind::Release
                && row.tenant == tenant
                && row.projection.parent == Some(service.uuid())
        })
    }

    pub(super) fn next_number(&mut self, tenant: TenantId, counter: &str) -> Result<i64, StoreError> {
        self.known(tenant, "tenant of a counter")?;
        let value = self.counters.entry((tenant, counter.to_owned())).or_default();
        *value = value.saturating_add(1);
        Ok(*value)
    }

    pub(super) fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.known(tenant, "idempotency key")?;
        self.answers.retain(|_key, kept| kept.expires_at > now);
        if self.answers.contains_key(&(tenant, key.to_owned())) {
            return Err(StoreError::Duplicate("idempotency key"));
        }
        self.answers
            .insert((tenant, key.to_owned()), answer.clone().into());
        Ok(())
    }
}
