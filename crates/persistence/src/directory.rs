//! A tenant's things: the port's directory, each method a call of the module that knows the table.

use crate::aggregates::Parts;
use crate::connect::SqlStore;
use crate::{aggregates, effects, history, inbox, integrations, line, listing, services, tenants, upkeep};
use async_trait::async_trait;
use delivr_domain::effect::FactKind;
use delivr_domain::ids::{InstallId, IntegrationId, PipelineId, ProfileId, ServiceId, TenantId, TokenId};
use delivr_domain::key::AggregateId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    AggregateRow, Directory, EffectRow, Fact, Integration, Listed, Page, Pipeline, Profile, ReleaseFilter,
    Service, Sought, Standing, StoredAnswer, StoredDelivery, StoredEvent, Tenant, Token,
};
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

#[async_trait]
impl Directory for SqlStore {
    async fn install(&self) -> Result<InstallId, StoreError> {
        tenants::install(self).await
    }
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        tenants::setting(self, name).await
    }
    async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        tenants::put_setting(self, name, value).await
    }
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        tenants::tenants(self).await
    }
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        tenants::insert_tenant(self, tenant).await
    }
    async fn tenant_by_slug(&self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        tenants::tenant(&self.inner.read, "slug", slug.into()).await
    }
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        tenants::tenant(&self.inner.read, "id", id.uuid().into()).await
    }
    async fn rename_tenant(&self, id: TenantId, slug: &str, name: &str) -> Result<bool, StoreError> {
        tenants::rename_tenant(&self.inner.write, id, slug, name).await
    }
    async fn insert_token(&self, token: &Token) -> Result<(), StoreError> {
        tenants::insert_token(&self.inner.write, token).await
    }
    async fn token_by_digest(&self, digest: &str) -> Result<Option<Token>, StoreError> {
        tenants::token(self, digest).await
    }
    async fn bearer(&self, digest: &str) -> Result<Option<(Token, Tenant)>, StoreError> {
        tenants::bearer(self, digest).await
    }
    async fn tokens(&self, tenant: TenantId) -> Result<Vec<Token>, StoreError> {
        tenants::tokens(self, tenant).await
    }
    async fn revoke_token(&self, tenant: TenantId, id: TokenId, at: Timestamp) -> Result<bool, StoreError> {
        tenants::revoke(&self.inner.write, tenant, id, at).await
    }
    async fn integrations(
        &self,
        tenant: TenantId,
        port: Option<Port>,
    ) -> Result<Vec<Integration>, StoreError> {
        integrations::integrations(self, tenant, port).await
    }
    async fn integration(
        &self,
        tenant: TenantId,
        id: IntegrationId,
    ) -> Result<Option<Integration>, StoreError> {
        integrations::integration(&self.inner.read, tenant, id).await
    }
    async fn integrations_named(
        &self,
        tenant: TenantId,
        ids: &[IntegrationId],
    ) -> Result<Vec<Integration>, StoreError> {
        integrations::named(self, tenant, ids).await
    }
    async fn integration_by_id(&self, id: IntegrationId) -> Result<Option<Integration>, StoreError> {
        integrations::by_id(self, id).await
    }
    async fn all_integrations(&self) -> Result<Vec<Integration>, StoreError> {
        let (readable, _unreadable) = integrations::everything(self).await?;
        Ok(readable)
    }
    async fn integrations_of(&self, port: Port, provider: &str) -> Result<Vec<Integration>, StoreError> {
        integrations::of_provider(self, port, provider).await
    }
    async fn unreadable_integrations(&self) -> Result<Vec<IntegrationId>, StoreError> {
        let (_readable, unreadable) = integrations::everything(self).await?;
        Ok(unreadable)
    }
    async fn insert_integration(&self, integration: &Integration) -> Result<(), StoreError> {
        integrations::insert(&self.inner.write, integration).await
    }
    async fn update_integration(&self, integration: &Integration) -> Result<(), StoreError> {
        integrations::update(&self.inner.write, integration).await
    }
    async fn delete_integration(
        &self,
        tenant: TenantId,
        id: IntegrationId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        integrations::delete(&self.inner.write, tenant, id, expected).await
    }
    async fn last_deliveries(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<IntegrationId, Timestamp>, StoreError> {
        inbox::last_of_integrations(&self.inner.read, tenant).await
    }
    async fn releases_using(&self, tenant: TenantId, id: IntegrationId) -> Result<Vec<String>, StoreError> {
        aggregates::using(&self.inner.read, tenant, id).await
    }
    async fn pipelines(&self, tenant: TenantId) -> Result<Vec<Pipeline>, StoreError> {
        integrations::pipelines(self, tenant).await
    }
    async fn pipeline(&self, tenant: TenantId, id: PipelineId) -> Result<Option<Pipeline>, StoreError> {
        integrations::pipeline(&self.inner.read, tenant, id).await
    }
    async fn insert_pipeline(&self, pipeline: &Pipeline) -> Result<(), StoreError> {
        integrations::insert_pipeline(&self.inner.write, pipeline).await
    }
    async fn update_pipeline(&self, pipeline: &Pipeline) -> Result<(), StoreError> {
        integrations::update_pipeline(&self.inner.write, pipeline).await
    }
    async fn delete_pipeline(
        &self,
        tenant: TenantId,
        id: PipelineId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        integrations::delete_pipeline(&self.inner.write, tenant, id, expected).await
    }
    async fn services(&self, tenant: TenantId) -> Result<Vec<Service>, StoreError> {
        services::services(self, tenant).await
    }
    async fn service(&self, tenant: TenantId, id: ServiceId) -> Result<Option<Service>, StoreError> {
        services::service(&self.inner.read, tenant, id).await
    }
    async fn insert_service(&self, service: &Service) -> Result<(), StoreError> {
        services::insert(&self.inner.write, service).await
    }
    async fn update_service(&self, service: &Service) -> Result<(), StoreError> {
        services::update(&self.inner.write, service).await
    }
    async fn delete_service(
        &self,
        tenant: TenantId,
        id: ServiceId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        services::delete(&self.inner.write, tenant, id, expected).await
    }
    async fn profiles(&self, tenant: TenantId) -> Result<Vec<Profile>, StoreError> {
        services::profiles(self, tenant).await
    }
    async fn profile(
        &self,
        tenant: TenantId,
        id: ProfileId,
        revision: Option<u32>,
    ) -> Result<Option<Profile>, StoreError> {
        services::profile(&self.inner.read, tenant, id, revision).await
    }
    async fn insert_profile(&self, profile: &Profile) -> Result<(), StoreError> {
        services::insert_profile(&self.inner.write, profile).await
    }
    async fn read(&self, tenant: TenantId, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        aggregates::load(&self.inner.read, id, Some(tenant), Parts::Read).await
    }
    async fn look(&self, tenant: TenantId, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        aggregates::load(&self.inner.read, id, Some(tenant), Parts::Left).await
    }
    async fn release_by_key(&self, tenant: TenantId, key: &str) -> Result<Option<AggregateId>, StoreError> {
        aggregates::by_key(&self.inner.read, tenant, key).await
    }
    async fn peek(&self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        aggregates::load(&self.inner.read, id, None, Parts::Left).await
    }
    async fn releases(
        &self,
        tenant: TenantId,
        filter: &ReleaseFilter,
        page: &Page,
    ) -> Result<Listed<AggregateRow>, StoreError> {
        listing::list(&self.inner.read, tenant, filter, page).await
    }
    async fn count_releases(
        &self,
        tenant: TenantId,
        lists: &[ReleaseFilter],
        most: u32,
    ) -> Result<Vec<u32>, StoreError> {
        listing::count(&self.inner.read, tenant, lists, most).await
    }
    async fn unlisted(&self, tenant: TenantId) -> Result<bool, StoreError> {
        upkeep::unlisted(&self.inner.read, tenant).await
    }
    async fn standing(
        &self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError> {
        line::standing(&self.inner.read, tenant, service, sought).await
    }
    async fn children(&self, tenant: TenantId, release: Uuid) -> Result<Vec<AggregateRow>, StoreError> {
        aggregates::children(&self.inner.read, tenant, release).await
    }
    async fn effect_by_correlation(
        &self,
        tenant: TenantId,
        correlation: &str,
    ) -> Result<Option<EffectRow>, StoreError> {
        effects::by_correlation(&self.inner.read, tenant, correlation).await
    }
    async fn read_facts(&self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
        history::facts(&self.inner.read, owner).await
    }
    async fn events(
        &self,
        tenant: TenantId,
        owner: AggregateId,
        after: u64,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        history::of_aggregate(&self.inner.read, tenant, owner, after, limit).await
    }
    async fn feed(&self, tenant: TenantId, after: i64, limit: u16) -> Result<Vec<StoredEvent>, StoreError> {
        history::forwards(&self.inner.read, self.inner.dialect, tenant, after, limit).await
    }
    async fn feed_end(&self, tenant: TenantId) -> Result<i64, StoreError> {
        history::newest(&self.inner.read, self.inner.dialect, tenant).await
    }
    async fn feed_backwards(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        history::backwards(&self.inner.read, tenant, before, limit).await
    }
    async fn answer(&self, tenant: TenantId, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        inbox::answer(self, tenant, key).await
    }
    async fn insert_answer(
        &self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        let now = self.time(&self.inner.write).await?;
        inbox::put_answer(&self.inner.write, tenant, key, answer, now).await
    }
    async fn insert_delivery(&self, delivery: &StoredDelivery) -> Result<bool, StoreError> {
        let stored = inbox::insert(&self.inner.write, delivery).await?;
        if stored {
            self.announce().await;
        }
        Ok(stored)
    }
    async fn open_deliveries(&self, limit: u16) -> Result<Vec<StoredDelivery>, StoreError> {
        inbox::open(&self.inner.read, limit).await
    }
}
