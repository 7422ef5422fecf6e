//! The directory as a process reaches it: every call takes a breath, and may be refused.

use crate::shared::Broken;
use crate::store::FaultStore;
use async_trait::async_trait;
use delivr_domain::effect::FactKind;
use delivr_domain::ids::{
    InstallId, IntegrationId, PipelineId, ProfileId, ServiceId, StatusLinkId, TenantId, TokenId, ViewId,
};
use delivr_domain::key::AggregateId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::Health;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    AggregateRow, AuditFilter, AuditLine, By, Change, Directory, EffectRow, Fact, Families, HealthBook,
    HealthOf, Integration, Listed, Named, Page, Pipeline, Profile, ReleaseFilter, Service, SetUp, Shipped,
    ShippingBook, StatusLink, StatusLinks, StoredAnswer, StoredDelivery, StoredEvent, Tenant, Token, View,
    Views,
};
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;

macro_rules! directory {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Directory for FaultStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                self.reach().await?;
                self.inner.$name($($arg),*).await
            })*
            async fn peek(&self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
                self.reach().await?;
                let mut row = self.inner.peek(id).await?;
                if self.shared.broken == Broken::HoldsUnseen
                    && let Some(holds) = row.as_mut().and_then(|row| row.state.get_mut("holds"))
                {
                    *holds = serde_json::json!([]);
                }
                Ok(row)
            }
        }
    };
}

directory! {
    install() -> InstallId;
    setting(name: &str) -> Option<String>;
    put_setting(name: &str, value: &str) -> ();
    tenants() -> Vec<Tenant>;
    insert_tenant(tenant: &Tenant) -> ();
    tenant_by_slug(slug: &str) -> Option<Tenant>;
    tenant(id: TenantId) -> Option<Tenant>;
    rename_tenant(id: TenantId, slug: &str, name: &str) -> bool;
    insert_token(token: &Token) -> ();
    token_by_digest(digest: &str) -> Option<Token>;
    tokens(tenant: TenantId) -> Vec<Token>;
    revoke_token(tenant: TenantId, id: TokenId, at: Timestamp) -> bool;
    integrations(tenant: TenantId, port: Option<Port>) -> Vec<Integration>;
    integration(tenant: TenantId, id: IntegrationId) -> Option<Integration>;
    all_integrations() -> Vec<Integration>;
    insert_integration(integration: &Integration) -> ();
    update_integration(integration: &Integration) -> ();
    delete_integration(tenant: TenantId, id: IntegrationId, expected: Option<u64>) -> bool;
    last_deliveries(tenant: TenantId) -> BTreeMap<IntegrationId, Timestamp>;
    releases_using(tenant: TenantId, id: IntegrationId) -> Vec<String>;
    pipelines(tenant: TenantId) -> Vec<Pipeline>;
    pipeline(tenant: TenantId, id: PipelineId) -> Option<Pipeline>;
    insert_pipeline(pipeline: &Pipeline) -> ();
    update_pipeline(pipeline: &Pipeline) -> ();
    delete_pipeline(tenant: TenantId, id: PipelineId, expected: Option<u64>) -> bool;
    services(tenant: TenantId) -> Vec<Service>;
    service(tenant: TenantId, id: ServiceId) -> Option<Service>;
    insert_service(service: &Service) -> ();
    update_service(service: &Service) -> ();
    delete_service(tenant: TenantId, id: ServiceId, expected: Option<u64>) -> bool;
    profiles(tenant: TenantId) -> Vec<Profile>;
    profile(tenant: TenantId, id: ProfileId, revision: Option<u32>) -> Option<Profile>;
    insert_profile(profile: &Profile) -> ();
    read(tenant: TenantId, id: AggregateId) -> Option<AggregateRow>;
    releases(tenant: TenantId, filter: &ReleaseFilter, page: &Page) -> Listed<AggregateRow>;
    count_releases(tenant: TenantId, lists: &[ReleaseFilter], most: u32) -> Vec<u32>;
    unlisted(tenant: TenantId) -> bool;
    children(tenant: TenantId, release: uuid::Uuid) -> Vec<AggregateRow>;
    effect_by_correlation(tenant: TenantId, correlation: &str) -> Option<EffectRow>;
    read_facts(owner: AggregateId) -> BTreeMap<FactKind, Fact>;
    events(tenant: TenantId, owner: AggregateId, after: u64, limit: u16) -> Vec<StoredEvent>;
    feed(tenant: TenantId, after: i64, limit: u16) -> Vec<StoredEvent>;
    feed_backwards(tenant: TenantId, before: Option<i64>, limit: u16) -> Vec<StoredEvent>;
    answer(tenant: TenantId, key: &str) -> Option<StoredAnswer>;
    insert_answer(tenant: TenantId, key: &str, answer: &StoredAnswer) -> ();
    insert_delivery(delivery: &StoredDelivery) -> bool;
    open_deliveries(limit: u16) -> Vec<StoredDelivery>;
}

#[async_trait]
impl StatusLinks for FaultStore {
    async fn insert_status_link(&self, link: &StatusLink) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.insert_status_link(link).await
    }
    async fn status_link(&self, digest: &str) -> Result<Option<StatusLink>, StoreError> {
        self.reach().await?;
        self.inner.status_link(digest).await
    }
    async fn status_links(&self, tenant: TenantId) -> Result<Vec<StatusLink>, StoreError> {
        self.reach().await?;
        self.inner.status_links(tenant).await
    }
    async fn revoke_status_link(
        &self,
        tenant: TenantId,
        id: StatusLinkId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.reach().await?;
        self.inner.revoke_status_link(tenant, id, at).await
    }
}

#[async_trait]
impl Families for FaultStore {
    async fn releases_of(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
    ) -> Result<BTreeMap<AggregateId, Named>, StoreError> {
        self.reach().await?;
        self.inner.releases_of(tenant, members).await
    }
    async fn family_feed_backwards(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.reach().await?;
        self.inner
            .family_feed_backwards(tenant, members, before, limit)
            .await
    }
}

#[async_trait]
impl Views for FaultStore {
    async fn insert_view(&self, view: &View) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.insert_view(view).await
    }
    async fn views(&self, tenant: TenantId, owner: &str) -> Result<Vec<View>, StoreError> {
        self.reach().await?;
        self.inner.views(tenant, owner).await
    }
    async fn view(&self, tenant: TenantId, id: ViewId) -> Result<Option<View>, StoreError> {
        self.reach().await?;
        self.inner.view(tenant, id).await
    }
    async fn update_view(&self, view: &View) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.update_view(view).await
    }
    async fn delete_view(
        &self,
        tenant: TenantId,
        id: ViewId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        self.reach().await?;
        self.inner.delete_view(tenant, id, expected).await
    }
    async fn default_view(&self, tenant: TenantId, owner: &str) -> Result<Option<ViewId>, StoreError> {
        self.reach().await?;
        self.inner.default_view(tenant, owner).await
    }
    async fn set_default_view(
        &self,
        tenant: TenantId,
        owner: &str,
        view: Option<ViewId>,
    ) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.set_default_view(tenant, owner, view).await
    }
}

#[async_trait]
impl HealthBook for FaultStore {
    async fn add_health(&self, of: &[HealthOf]) -> Result<(), StoreError> {
        self.reach().await?;
        self.inner.add_health(of).await
    }
    async fn health(&self, tenant: TenantId) -> Result<BTreeMap<IntegrationId, Health>, StoreError> {
        self.reach().await?;
        self.inner.health(tenant).await
    }
}

#[async_trait]
impl ShippingBook for FaultStore {
    async fn shipped(
        &self,
        tenant: TenantId,
        since: Timestamp,
        most: u16,
    ) -> Result<Vec<Shipped>, StoreError> {
        self.reach().await?;
        self.inner.shipped(tenant, since, most).await
    }
    async fn count_shipped(
        &self,
        tenant: TenantId,
        spans: &[(Timestamp, Timestamp)],
        most: u32,
    ) -> Result<Vec<u32>, StoreError> {
        self.reach().await?;
        self.inner.count_shipped(tenant, spans, most).await
    }
}

#[async_trait]
impl SetUp for FaultStore {
    async fn set_up(&self, change: &Change<'_>, by: By<'_>) -> Result<bool, StoreError> {
        self.reach().await?;
        self.inner.set_up(change, by).await
    }
    async fn audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Vec<AuditLine>, StoreError> {
        self.reach().await?;
        self.inner.audit(tenant, filter, before, limit).await
    }
}
