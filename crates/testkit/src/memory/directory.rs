//! A tenant's things in memory.

use super::MemoryStore;
use super::state::State;
use async_trait::async_trait;
use delivr_domain::effect::FactKind;
use delivr_domain::ids::{InstallId, IntegrationId, PipelineId, ProfileId, ServiceId, TenantId, TokenId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::kept::Kept;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    After, AggregateRow, Directory, EffectRow, Fact, Integration, Listed, Page, Pipeline, Profile,
    ReleaseFilter, Service, StoredAnswer, StoredDelivery, StoredEvent, Tenant, Token, listing, search,
};
use delivr_domain::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Refuses a value that must be unique and is taken.
fn insert(taken: bool, what: &'static str) -> Result<(), StoreError> {
    if taken {
        Err(StoreError::Duplicate(what))
    } else {
        Ok(())
    }
}

/// Whether it is a live release that uses the integration.
fn uses(row: &AggregateRow, id: IntegrationId) -> bool {
    row.id.kind == AggregateKind::Release
        && !row.projection.terminal
        && row.projection.integrations.contains(&id)
}

fn matches(row: &AggregateRow, filter: &ReleaseFilter) -> bool {
    let it = &row.projection;
    let found = |wanted: &String| search::finds(&search::asked(wanted), &search::words(it));
    filter.fits(it) && filter.text.as_ref().is_none_or(found)
}

impl State {
    fn integration_name_taken(&self, it: &Integration) -> bool {
        let same = |old: &Integration| old.tenant == it.tenant && old.port == it.port && old.name == it.name;
        self.integrations.values().any(|old| old.id != it.id && same(old))
    }
    fn pipeline_name_taken(&self, it: &Pipeline) -> bool {
        self.pipelines
            .values()
            .any(|old| old.id != it.id && old.tenant == it.tenant && old.name == it.name)
    }
    fn slug_taken(&self, it: &Service) -> bool {
        self.services
            .values()
            .any(|old| old.id != it.id && old.tenant == it.tenant && old.slug == it.slug)
    }
    /// Each of its integrations is the tenant's and of the right category.
    fn pipeline_stands(&self, it: &Pipeline) -> Result<(), StoreError> {
        self.known(it.tenant, "pipeline")?;
        let wanted = [
            (Some(it.integration), Port::Cicd),
            (it.scm, Port::Scm),
            (it.store, Port::Stores),
        ];
        let stands = wanted.into_iter().all(|(id, port)| {
            id.is_none_or(|id| {
                self.integrations
                    .get(&id)
                    .is_some_and(|found| found.tenant == it.tenant && found.port == port)
            })
        });
        if stands {
            Ok(())
        } else {
            Err(StoreError::Reference("integration of a pipeline"))
        }
    }
}

/// Refuses when another version than the expected one is stored.
fn at_version(stored: u64, expected: Option<u64>) -> Result<(), StoreError> {
    match expected {
        Some(expected) if expected != stored => Err(StoreError::Conflict),
        Some(_) | None => Ok(()),
    }
}

#[async_trait]
impl Directory for MemoryStore {
    async fn install(&self) -> Result<InstallId, StoreError> {
        Ok(self.inner.install)
    }
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.state().settings.get(name).cloned())
    }
    async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.state().settings.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let mut found: Vec<Tenant> = self.state().tenants.values().cloned().collect();
        found.sort_by(|one, other| one.slug.cmp(&other.slug));
        Ok(found)
    }
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = state
            .tenants
            .values()
            .any(|old| old.id == tenant.id || old.slug == tenant.slug);
        insert(taken, "tenant")?;
        state.tenants.insert(tenant.id, tenant.clone());
        Ok(())
    }
    async fn tenant_by_slug(&self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        Ok(self
            .state()
            .tenants
            .values()
            .find(|tenant| tenant.slug == slug)
            .cloned())
    }
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(self.state().tenants.get(&id).cloned())
    }
    async fn rename_tenant(&self, id: TenantId, slug: &str, name: &str) -> Result<bool, StoreError> {
        let mut state = self.state();
        let taken = state.tenants.values().any(|old| old.id != id && old.slug == slug);
        insert(taken, "tenant")?;
        let Some(tenant) = state.tenants.get_mut(&id) else {
            return Ok(false);
        };
        slug.clone_into(&mut tenant.slug);
        name.clone_into(&mut tenant.name);
        Ok(true)
    }
    async fn insert_token(&self, token: &Token) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = state
            .tokens
            .values()
            .any(|old| old.id == token.id || old.digest == token.digest);
        insert(taken, "token")?;
        state.known(token.tenant, "token")?;
        state.tokens.insert(token.id, token.clone());
        Ok(())
    }
    async fn token_by_digest(&self, digest: &str) -> Result<Option<Token>, StoreError> {
        Ok(self
            .state()
            .tokens
            .values()
            .find(|token| token.digest == digest)
            .cloned())
    }
    async fn tokens(&self, tenant: TenantId) -> Result<Vec<Token>, StoreError> {
        let state = self.state();
        let mut found: Vec<Token> = state
            .tokens
            .values()
            .filter(|it| it.tenant == tenant)
            .cloned()
            .collect();
        found.sort_by_key(|token| (Reverse(token.created_at), token.id));
        Ok(found)
    }
    async fn revoke_token(&self, tenant: TenantId, id: TokenId, at: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(token) = state.tokens.get_mut(&id).filter(|it| it.tenant == tenant) else {
            return Ok(false);
        };
        token.revoked_at.get_or_insert(at);
        Ok(true)
    }
    async fn integrations(
        &self,
        tenant: TenantId,
        port: Option<Port>,
    ) -> Result<Vec<Integration>, StoreError> {
        let state = self.state();
        let of_port = |it: &&Integration| it.tenant == tenant && port.is_none_or(|port| it.port == port);
        let mut found: Vec<Integration> = state.integrations.values().filter(of_port).cloned().collect();
        found.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Ok(found)
    }
    async fn integration(
        &self,
        tenant: TenantId,
        id: IntegrationId,
    ) -> Result<Option<Integration>, StoreError> {
        Ok(self
            .state()
            .integrations
            .get(&id)
            .filter(|it| it.tenant == tenant)
            .cloned())
    }
    async fn integration_by_id(&self, id: IntegrationId) -> Result<Option<Integration>, StoreError> {
        Ok(self.state().integrations.get(&id).cloned())
    }
    async fn all_integrations(&self) -> Result<Vec<Integration>, StoreError> {
        Ok(self.state().integrations.values().cloned().collect())
    }
    async fn insert_integration(&self, integration: &Integration) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken =
            state.integrations.contains_key(&integration.id) || state.integration_name_taken(integration);
        insert(taken, "integration")?;
        state.known(integration.tenant, "integration")?;
        state.integrations.insert(integration.id, integration.clone());
        Ok(())
    }
    async fn update_integration(&self, integration: &Integration) -> Result<(), StoreError> {
        let mut state = self.state();
        let old = state
            .integrations
            .get(&integration.id)
            .filter(|it| it.tenant == integration.tenant);
        let old = old.filter(|old| old.version.checked_add(1) == Some(integration.version));
        let old = old.ok_or(StoreError::Conflict)?.clone();
        insert(state.integration_name_taken(integration), "integration")?;
        // Category, provider and birth are for life.
        let new = Integration {
            port: old.port,
            provider: old.provider,
            created_at: old.created_at,
            ..integration.clone()
        };
        state.integrations.insert(new.id, new);
        Ok(())
    }
    async fn delete_integration(
        &self,
        tenant: TenantId,
        id: IntegrationId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(found) = state.integrations.get(&id).filter(|it| it.tenant == tenant) else {
            return Ok(false);
        };
        at_version(found.version, expected)?;
        let by_pipeline = state
            .pipelines
            .values()
            .any(|it| it.integration == id || it.scm == Some(id) || it.store == Some(id));
        let by_release = state.aggregates.values().any(|row| uses(row, id));
        if by_pipeline || by_release {
            return Err(StoreError::Reference("integration"));
        }
        state.integrations.remove(&id);
        state.health.remove(&id);
        Ok(true)
    }
    async fn last_deliveries(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<IntegrationId, Timestamp>, StoreError> {
        let state = self.state();
        let mut found: BTreeMap<IntegrationId, Timestamp> = BTreeMap::new();
        for (delivery, _) in state.deliveries.iter() {
            let of_tenant = delivery.integration.filter(|id| {
                let known = state.integrations.get(id);
                known.is_some_and(|it| it.tenant == tenant)
            });
            if let Some(id) = of_tenant {
                let last = found.entry(id).or_insert(delivery.at);
                *last = delivery.at.max(*last);
            }
        }
        Ok(found)
    }
    async fn releases_using(&self, tenant: TenantId, id: IntegrationId) -> Result<Vec<String>, StoreError> {
        let state = self.state();
        let mut found: Vec<&Kept<AggregateRow>> = state
            .aggregates
            .values()
            .filter(|row| row.tenant == tenant && uses(row, id))
            .collect();
        found.sort_by_key(|row| row.projection.number);
        Ok(found.into_iter().map(|row| row.projection.key.clone()).collect())
    }
    async fn pipelines(&self, tenant: TenantId) -> Result<Vec<Pipeline>, StoreError> {
        let state = self.state();
        let mut found: Vec<Pipeline> = state
            .pipelines
            .values()
            .filter(|it| it.tenant == tenant)
            .cloned()
            .collect();
        found.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Ok(found)
    }
    async fn pipeline(&self, tenant: TenantId, id: PipelineId) -> Result<Option<Pipeline>, StoreError> {
        Ok(self
            .state()
            .pipelines
            .get(&id)
            .filter(|it| it.tenant == tenant)
            .cloned())
    }
    async fn insert_pipeline(&self, pipeline: &Pipeline) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = state.pipelines.contains_key(&pipeline.id) || state.pipeline_name_taken(pipeline);
        insert(taken, "pipeline")?;
        state.pipeline_stands(pipeline)?;
        state.pipelines.insert(pipeline.id, pipeline.clone());
        Ok(())
    }
    async fn update_pipeline(&self, pipeline: &Pipeline) -> Result<(), StoreError> {
        let mut state = self.state();
        let old = state
            .pipelines
            .get(&pipeline.id)
            .filter(|it| it.tenant == pipeline.tenant);
        let old = old.filter(|old| old.version.checked_add(1) == Some(pipeline.version));
        let created_at = old.ok_or(StoreError::Conflict)?.created_at;
        insert(state.pipeline_name_taken(pipeline), "pipeline")?;
        state.pipeline_stands(pipeline)?;
        state.pipelines.insert(
            pipeline.id,
            Pipeline {
                created_at,
                ..pipeline.clone()
            },
        );
        Ok(())
    }
    async fn delete_pipeline(
        &self,
        tenant: TenantId,
        id: PipelineId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(found) = state.pipelines.get(&id).filter(|it| it.tenant == tenant) else {
            return Ok(false);
        };
        at_version(found.version, expected)?;
        state.pipelines.remove(&id);
        Ok(true)
    }
    async fn services(&self, tenant: TenantId) -> Result<Vec<Service>, StoreError> {
        let state = self.state();
        let mut found: Vec<Service> = state
            .services
            .values()
            .filter(|it| it.tenant == tenant)
            .cloned()
            .collect();
        found.sort_by(|one, other| one.slug.cmp(&other.slug));
        Ok(found)
    }
    async fn service(&self, tenant: TenantId, id: ServiceId) -> Result<Option<Service>, StoreError> {
        Ok(self
            .state()
            .services
            .get(&id)
            .filter(|it| it.tenant == tenant)
            .cloned())
    }
    async fn insert_service(&self, service: &Service) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = state.services.contains_key(&service.id) || state.slug_taken(service);
        insert(taken, "service")?;
        state.known(service.tenant, "service")?;
        state.services.insert(service.id, service.clone());
        Ok(())
    }
    async fn update_service(&self, service: &Service) -> Result<(), StoreError> {
        let mut state = self.state();
        let old = state
            .services
            .get(&service.id)
            .filter(|it| it.tenant == service.tenant);
        let old = old.filter(|old| old.version.checked_add(1) == Some(service.version));
        let created_at = old.ok_or(StoreError::Conflict)?.created_at;
        insert(state.slug_taken(service), "service")?;
        state.services.insert(
            service.id,
            Service {
                created_at,
                ..service.clone()
            },
        );
        Ok(())
    }
    async fn delete_service(
        &self,
        tenant: TenantId,
        id: ServiceId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(found) = state.services.get(&id).filter(|it| it.tenant == tenant) else {
            return Ok(false);
        };
        at_version(found.version, expected)?;
        let by_release = state
            .aggregates
            .values()
            .any(|row| row.id.kind == AggregateKind::Release && row.projection.parent == Some(id.uuid()));
        if by_release || state.profiles.values().any(|it| it.service == Some(id)) {
            return Err(StoreError::Reference("service"));
        }
        state.services.remove(&id);
        Ok(true)
    }
    async fn profiles(&self, tenant: TenantId) -> Result<Vec<Profile>, StoreError> {
        let state = self.state();
        let newest: BTreeMap<ProfileId, &Profile> = state
            .profiles
            .values()
            .filter(|it| it.tenant == tenant)
            .map(|it| (it.id, it))
            .collect();
        let mut found: Vec<Profile> = newest.into_values().cloned().collect();
        found.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Ok(found)
    }
    async fn profile(
        &self,
        tenant: TenantId,
        id: ProfileId,
        revision: Option<u32>,
    ) -> Result<Option<Profile>, StoreError> {
        let state = self.state();
        let revisions = state.profiles.range((id, 0)..=(id, u32::MAX)).map(|(_, it)| it);
        let mut wanted =
            revisions.filter(|it| it.tenant == tenant && revision.is_none_or(|no| it.revision == no));
        Ok(wanted.next_back().cloned())
    }
    async fn insert_profile(&self, profile: &Profile) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.profiles.contains_key(&(profile.id, profile.revision)) {
            return Err(StoreError::Conflict);
        }
        let taken = state.profiles.values().any(|old| {
            old.tenant == profile.tenant && old.name == profile.name && old.revision == profile.revision
        });
        insert(taken, "profile name")?;
        state.known(profile.tenant, "profile")?;
        let service = profile
            .service
            .map(|id| state.services.get(&id).map(|it| it.tenant));
        if service.is_some_and(|tenant| tenant != Some(profile.tenant)) {
            return Err(StoreError::Reference("service of a profile"));
        }
        state
            .profiles
            .insert((profile.id, profile.revision), profile.clone());
        Ok(())
    }
    async fn read(&self, tenant: TenantId, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        Ok(self
            .state()
            .aggregates
            .get(&id)
            .filter(|it| it.tenant == tenant)
            .map(Kept::copy))
    }
    async fn peek(&self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        Ok(self.state().aggregates.get(&id).map(Kept::copy))
    }
    async fn releases(
        &self,
        tenant: TenantId,
        filter: &ReleaseFilter,
        page: &Page,
    ) -> Result<Listed<AggregateRow>, StoreError> {
        let state = self.state();
        let after = match page.cursor.as_deref().map(|cursor| After::read(cursor, filter)) {
            None => None,
            Some(Some(after)) => Some(after),
            Some(None) => {
                return Ok(Listed {
                    items: Vec::new(),
                    next: None,
                });
            }
        };
        let mut found: Vec<AggregateRow> = state
            .aggregates
            .values()
            .filter(|row| {
                row.tenant == tenant && row.id.kind == AggregateKind::Release && matches(row, filter)
            })
            .filter(|row| {
                let goes_on = |after: &After| after.precedes(&row.projection, filter.sort);
                after.as_ref().is_none_or(goes_on)
            })
            .map(Kept::copy)
            .collect();
        listing::arrange(&mut found, filter.sort, |row| &row.projection);
        let limit = usize::from(page.limit.clamp(1, 200));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_last| more)
            .map(|last| After::of(&last.projection, filter.sort).cursor(filter));
        Ok(Listed { items: found, next })
    }
    async fn children(&self, tenant: TenantId, release: Uuid) -> Result<Vec<AggregateRow>, StoreError> {
        let state = self.state();
        let of_release = |row: &&Kept<AggregateRow>| {
            row.tenant == tenant
                && row.id.kind != AggregateKind::Release
                && row.projection.parent == Some(release)
        };
        let of_release = state.aggregates.values().filter(of_release);
        let mut found: Vec<AggregateRow> = of_release.map(Kept::copy).collect();
        found.sort_by_key(|row| (row.projection.created_at, row.id));
        Ok(found)
    }
    async fn effect_by_correlation(
        &self,
        tenant: TenantId,
        correlation: &str,
    ) -> Result<Option<EffectRow>, StoreError> {
        let state = self.state();
        let found = state
            .effects
            .iter()
            .filter(|(_, slot)| slot.tenant == tenant && slot.correlation.as_deref() == Some(correlation))
            .min_by_key(|(id, slot)| {
                let rank = match slot.kind {
                    "PERFORM" => 0,
                    "WATCH" => 1,
                    _other => 2,
                };
                (rank, **id)
            });
        found.map(|(id, slot)| slot.row(*id)).transpose()
    }
    async fn read_facts(&self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
        Ok(self.state().facts.get(&owner).cloned().unwrap_or_default())
    }
    async fn events(
        &self,
        tenant: TenantId,
        owner: AggregateId,
        after: u64,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        // An aggregate's events lie in order, and the newest are asked for most.
        let of_owner = state
            .events
            .iter()
            .rev()
            .filter(|(of, event)| *of == tenant && event.owner == owner);
        let mut found: Vec<StoredEvent> = of_owner
            .map(|(_, event)| event)
            .take_while(|event| event.sequence > after)
            .map(Kept::copy)
            .collect();
        found.sort_by_key(|event| event.sequence);
        found.truncate(usize::from(limit));
        Ok(found)
    }
    async fn feed(&self, tenant: TenantId, after: i64, limit: u16) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        let of_tenant = state
            .events
            .iter()
            .filter(|(of, event)| *of == tenant && event.position > after);
        Ok(of_tenant
            .take(usize::from(limit))
            .map(|(_, event)| event.copy())
            .collect())
    }
    async fn feed_backwards(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        let before = before.unwrap_or(i64::MAX);
        let of_tenant = state
            .events
            .iter()
            .rev()
            .filter(|(of, event)| *of == tenant && event.position < before);
        Ok(of_tenant
            .take(usize::from(limit))
            .map(|(_, event)| event.copy())
            .collect())
    }
    async fn answer(&self, tenant: TenantId, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        let now = self.time();
        let state = self.state();
        let kept = state.answers.get(&(tenant, key.to_owned()));
        Ok(kept.filter(|answer| answer.expires_at > now).map(Kept::copy))
    }
    async fn insert_answer(
        &self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        let now = self.time();
        self.state().put_answer(tenant, key, answer, now)
    }
    async fn insert_delivery(&self, delivery: &StoredDelivery) -> Result<bool, StoreError> {
        let mut state = self.state();
        state.known(delivery.tenant, "delivery")?;
        let again = state.deliveries.iter().any(|(old, _)| {
            let same_sender = if delivery.integration.is_some() {
                true
            } else {
                old.tenant == delivery.tenant
            };
            old.id == delivery.id
                || (same_sender
                    && old.integration == delivery.integration
                    && old.source == delivery.source
                    && old.external == delivery.external)
        });
        if !again {
            state.deliveries.push((delivery.clone().into(), false));
        }
        Ok(!again)
    }
    async fn open_deliveries(&self, limit: u16) -> Result<Vec<StoredDelivery>, StoreError> {
        let state = self.state();
        let open = state.deliveries.iter().filter(|(_, processed)| !processed);
        Ok(open
            .take(usize::from(limit))
            .map(|(delivery, _)| delivery.copy())
            .collect())
    }
}
