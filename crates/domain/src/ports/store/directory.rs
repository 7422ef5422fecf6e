//! The directory: the things of an organisation (tokens, integrations, pipelines, services, profiles), its releases to be
//! listed and read, and what is kept beside them (inbox, idempotency).

use super::kept::{StoredAnswer, StoredDelivery};
use super::line;
use super::{
    AggregateRow, EffectRow, Fact, Listed, Page, Projection, ReleaseFilter, Sought, Standing, StoredEvent,
};
use crate::effect::FactKind;
use crate::ids::{IntegrationId, PipelineId, ProfileId, ServiceId, TenantId, TokenId};
use crate::key::{AggregateId, words};
use crate::ports::error::StoreError;
use crate::ports::provider::Port;
use crate::time::Timestamp;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its slug, unique.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// An API token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub tenant: TenantId,
    /// Name for people.
    pub name: String,
    /// The person behind it, as a normalised address; none behind a service token.
    pub person: Option<String>,
    /// Role word: OWNER, ADMIN, MEMBER, VIEWER; CALENDAR for a link to the calendar, which is no credential.
    pub role: String,
    /// Lower-case hex SHA-256 of the secret.
    #[serde(skip)]
    pub digest: String,
    /// Not valid from here on.
    pub expires_at: Option<Timestamp>,
    /// Revoked then.
    pub revoked_at: Option<Timestamp>,
    /// Made then.
    pub created_at: Timestamp,
}

words! {
    /// State of an integration's verification.
    VerificationStatus ("verification status") {
        /// Not tried yet.
        Pending = "PENDING",
        /// Works.
        Valid = "VALID",
        /// Does not work.
        Invalid = "INVALID",
        /// Worked once; the credential has expired.
        Expired = "EXPIRED",
    }
}

/// A stored integration. Credentials are sealed; only the vault opens them.
#[derive(Debug, Clone, PartialEq)]
pub struct Integration {
    /// Its id.
    pub id: IntegrationId,
    /// Whose.
    pub tenant: TenantId,
    /// Category.
    pub port: Port,
    /// Provider key.
    pub provider: String,
    /// Name for people; unique per tenant and category.
    pub name: String,
    /// Public configuration.
    pub config: Value,
    /// Sealed credentials envelope.
    pub sealed: Vec<u8>,
    /// Names of the credentials that are set, with the last four characters where that is safe.
    pub hints: BTreeMap<String, String>,
    /// Verification.
    pub status: VerificationStatus,
    /// What the last verification said.
    pub status_detail: Option<Value>,
    /// When it was last verified.
    pub verified_at: Option<Timestamp>,
    /// Guards against lost updates; 1 is the first.
    pub version: u64,
    /// Made then.
    pub created_at: Timestamp,
    /// Changed then.
    pub updated_at: Timestamp,
}

/// A stored pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// Whose.
    pub tenant: TenantId,
    /// Name for people.
    pub name: String,
    /// CI integration.
    pub integration: IntegrationId,
    /// Source-control integration.
    pub scm: Option<IntegrationId>,
    /// Store integration.
    pub store: Option<IntegrationId>,
    /// Platform word.
    pub platform: String,
    /// Purpose word.
    pub purpose: String,
    /// Job or workflow.
    pub job: String,
    /// Parameter templates.
    pub parameters: BTreeMap<String, String>,
    /// Guards against lost updates; 1 is the first.
    pub version: u64,
    /// Made then.
    pub created_at: Timestamp,
}

/// A stored service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Whose.
    pub tenant: TenantId,
    /// Slug, unique per tenant.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Everything else the API keeps (kind, description, color, repository ...).
    pub detail: Value,
    /// Guards against lost updates; 1 is the first.
    pub version: u64,
    /// Made then.
    pub created_at: Timestamp,
}

/// A stored profile: one row per revision, the highest is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// Whose.
    pub tenant: TenantId,
    /// Name, unique per tenant.
    pub name: String,
    /// Service it is for.
    pub service: Option<ServiceId>,
    /// 1 is the first.
    pub revision: u32,
    /// The settings, as the API's document.
    pub settings: Value,
    /// Made then.
    pub created_at: Timestamp,
}

/// A tenant's things. Every call names the tenant; nothing of another one is ever returned or touched.
#[async_trait]
pub trait Directory: Send + Sync {
    /// This installation's id, made once.
    async fn install(&self) -> Result<crate::ids::InstallId, StoreError>;
    /// Value of an installation setting.
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    /// Sets an installation setting.
    async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError>;

    /// Tenants.
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;
    /// Inserts a tenant.
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError>;
    /// The tenant of the slug.
    async fn tenant_by_slug(&self, slug: &str) -> Result<Option<Tenant>, StoreError>;
    /// The tenant of the id.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;
    /// Gives a tenant another slug and name; false when there is none of the id, `Duplicate` when the slug is taken.
    async fn rename_tenant(&self, id: TenantId, slug: &str, name: &str) -> Result<bool, StoreError>;

    /// Inserts a token.
    async fn insert_token(&self, token: &Token) -> Result<(), StoreError>;
    /// The token of the digest.
    async fn token_by_digest(&self, digest: &str) -> Result<Option<Token>, StoreError>;
    /// The token of the digest, with its tenant.
    async fn bearer(&self, digest: &str) -> Result<Option<(Token, Tenant)>, StoreError> {
        let Some(token) = self.token_by_digest(digest).await? else {
            return Ok(None);
        };
        let tenant = self.tenant(token.tenant).await?;
        Ok(tenant.map(|tenant| (token, tenant)))
    }
    /// Tokens of a tenant, newest first.
    async fn tokens(&self, tenant: TenantId) -> Result<Vec<Token>, StoreError>;
    /// Revokes a token; false when there is none of the id.
    async fn revoke_token(&self, tenant: TenantId, id: TokenId, at: Timestamp) -> Result<bool, StoreError>;

    /// Integrations of a tenant, by name.
    async fn integrations(
        &self,
        tenant: TenantId,
        port: Option<Port>,
    ) -> Result<Vec<Integration>, StoreError>;
    /// One integration.
    async fn integration(
        &self,
        tenant: TenantId,
        id: IntegrationId,
    ) -> Result<Option<Integration>, StoreError>;
    /// Those of the tenant's integrations that have one of the ids.
    async fn integrations_named(
        &self,
        tenant: TenantId,
        ids: &[IntegrationId],
    ) -> Result<Vec<Integration>, StoreError> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.integration(tenant, *id).await?);
        }
        Ok(found)
    }
    /// One integration, whoever it belongs to: the address of an inbound webhook names the id only, and its sender
    /// proves itself by the integration's secret. Nothing of it may be told before that.
    async fn integration_by_id(&self, id: IntegrationId) -> Result<Option<Integration>, StoreError> {
        let all = self.all_integrations().await?;
        Ok(all.into_iter().find(|it| it.id == id))
    }
    /// All integrations of the installation that this build can read, for re-sealing and for senders that name none.
    /// One it cannot read (damaged, or written by a newer build) is logged and left out: it must not stop the others.
    async fn all_integrations(&self) -> Result<Vec<Integration>, StoreError>;
    /// Integrations of one provider, whoever they belong to, for senders that name none; the unreadable are left out.
    async fn integrations_of(&self, port: Port, provider: &str) -> Result<Vec<Integration>, StoreError> {
        let mut all = self.all_integrations().await?;
        all.retain(|it| it.port == port && it.provider == provider);
        Ok(all)
    }
    /// Integrations that [`Directory::all_integrations`] leaves out. While there are any, re-sealing is not complete and
    /// the old master key must be kept. A store that keeps its rows as they are has none.
    async fn unreadable_integrations(&self) -> Result<Vec<IntegrationId>, StoreError> {
        Ok(Vec::new())
    }
    /// Inserts an integration.
    async fn insert_integration(&self, integration: &Integration) -> Result<(), StoreError>;
    /// Updates an integration whose version is one less than the given one's.
    async fn update_integration(&self, integration: &Integration) -> Result<(), StoreError>;
    /// Deletes an integration; false when there is none of the id. `Reference` when a pipeline uses it, `Conflict` when
    /// a version is expected and another one is stored.
    async fn delete_integration(
        &self,
        tenant: TenantId,
        id: IntegrationId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError>;
    /// When something last came in through each of the tenant's integrations, as far as deliveries are kept.
    async fn last_deliveries(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<IntegrationId, Timestamp>, StoreError>;
    /// Keys of live releases whose plan uses the integration.
    async fn releases_using(&self, tenant: TenantId, id: IntegrationId) -> Result<Vec<String>, StoreError>;

    /// Pipelines of a tenant, by name.
    async fn pipelines(&self, tenant: TenantId) -> Result<Vec<Pipeline>, StoreError>;
    /// One pipeline.
    async fn pipeline(&self, tenant: TenantId, id: PipelineId) -> Result<Option<Pipeline>, StoreError>;
    /// Inserts a pipeline.
    async fn insert_pipeline(&self, pipeline: &Pipeline) -> Result<(), StoreError>;
    /// Updates a pipeline whose version is one less than the given one's.
    async fn update_pipeline(&self, pipeline: &Pipeline) -> Result<(), StoreError>;
    /// Deletes a pipeline; false when there is none of the id, `Conflict` when a version is expected and another one is
    /// stored.
    async fn delete_pipeline(
        &self,
        tenant: TenantId,
        id: PipelineId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError>;

    /// Services of a tenant, by slug.
    async fn services(&self, tenant: TenantId) -> Result<Vec<Service>, StoreError>;
    /// One service.
    async fn service(&self, tenant: TenantId, id: ServiceId) -> Result<Option<Service>, StoreError>;
    /// Inserts a service.
    async fn insert_service(&self, service: &Service) -> Result<(), StoreError>;
    /// Updates a service whose version is one less than the given one's.
    async fn update_service(&self, service: &Service) -> Result<(), StoreError>;
    /// Deletes a service; false when there is none of the id. `Reference` when a release belongs to it, `Conflict` when a
    /// version is expected and another one is stored.
    async fn delete_service(
        &self,
        tenant: TenantId,
        id: ServiceId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError>;

    /// The newest revision of each profile, by name.
    async fn profiles(&self, tenant: TenantId) -> Result<Vec<Profile>, StoreError>;
    /// One profile: a revision, or the newest.
    async fn profile(
        &self,
        tenant: TenantId,
        id: ProfileId,
        revision: Option<u32>,
    ) -> Result<Option<Profile>, StoreError>;
    /// Inserts a revision; `Conflict` when it exists already.
    async fn insert_profile(&self, profile: &Profile) -> Result<(), StoreError>;

    /// Reads an aggregate of a tenant without lock.
    async fn read(&self, tenant: TenantId, id: AggregateId) -> Result<Option<AggregateRow>, StoreError>;
    /// The same without derived rows: its state, which says what they say, and its columns.
    async fn look(&self, tenant: TenantId, id: AggregateId) -> Result<Option<AggregateRow>, StoreError> {
        self.read(tenant, id).await
    }
    /// The release that people call by the key (`REL-42`).
    async fn release_by_key(&self, tenant: TenantId, key: &str) -> Result<Option<AggregateId>, StoreError> {
        let mut page = Page {
            limit: 200,
            cursor: None,
        };
        loop {
            let listed = self.releases(tenant, &ReleaseFilter::default(), &page).await?;
            if let Some(row) = listed.items.iter().find(|row| row.projection.key == key) {
                return Ok(Some(row.id));
            }
            match listed.next {
                Some(next) => page.cursor = Some(next),
                None => return Ok(None),
            }
        }
    }
    /// Reads an aggregate for the machine itself (worker, Tell), whose tenant is not known yet; without derived rows.
    async fn peek(&self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError>;
    /// Releases of a tenant, in the order of the filter; without derived rows. A cursor that no page of this very list gave
    /// out names nothing, and nothing comes after it.
    async fn releases(
        &self,
        tenant: TenantId,
        filter: &ReleaseFilter,
        page: &Page,
    ) -> Result<Listed<AggregateRow>, StoreError>;
    /// How many releases there are of each of some lists, counted up to so many and no further.
    async fn count_releases(
        &self,
        tenant: TenantId,
        lists: &[ReleaseFilter],
        most: u32,
    ) -> Result<Vec<u32>, StoreError> {
        let mut counts = Vec::with_capacity(lists.len());
        for filter in lists {
            let mut count: u32 = 0;
            let mut page = Page {
                limit: 200,
                cursor: None,
            };
            loop {
                let listed = self.releases(tenant, filter, &page).await?;
                count = count.saturating_add(u32::try_from(listed.items.len()).unwrap_or(u32::MAX));
                page.cursor = listed.next;
                if page.cursor.is_none() || count >= most {
                    break;
                }
            }
            counts.push(count.min(most));
        }
        Ok(counts)
    }
    /// Whether a version of the program that knows nothing of lists has saved some of the tenant's releases last: until the
    /// upkeep has taken them up, they stand at the end of a sort, and are missing where somebody is needed.
    async fn unlisted(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let _every_release_is_listed_where_rows_are_kept_as_they_are = tenant;
        Ok(false)
    }
    /// Of each mark sought, what stands highest on the line of the service; see [`line::highest`]. A store without an
    /// index looks through all releases of the service.
    async fn standing(
        &self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError> {
        let filter = ReleaseFilter {
            service: Some(service),
            ..ReleaseFilter::default()
        };
        let mut page = Page {
            limit: 200,
            cursor: None,
        };
        let mut given = Vec::new();
        loop {
            let listed = self.releases(tenant, &filter, &page).await?;
            for release in listed.items {
                let Projection {
                    number, key, line, ..
                } = release.projection.into_inner();
                given.extend(line.into_iter().map(|row| Standing {
                    number,
                    key: key.clone(),
                    row,
                }));
            }
            match listed.next {
                Some(next) => page.cursor = Some(next),
                None => return Ok(line::highest(given, sought)),
            }
        }
    }
    /// Children (submissions, rollouts) of a release, oldest first.
    async fn children(&self, tenant: TenantId, release: uuid::Uuid) -> Result<Vec<AggregateRow>, StoreError>;
    /// The release and effect a correlation key belongs to, by its live or ended row.
    async fn effect_by_correlation(
        &self,
        tenant: TenantId,
        correlation: &str,
    ) -> Result<Option<EffectRow>, StoreError>;
    /// Facts of an aggregate.
    async fn read_facts(&self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError>;
    /// Events of an aggregate after a sequence number, oldest first.
    async fn events(
        &self,
        tenant: TenantId,
        owner: AggregateId,
        after: u64,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError>;
    /// Events of a tenant after a position, oldest first; an event whose elders are not all visible yet is left for the
    /// next look, so that whoever goes on after the last one misses none.
    async fn feed(&self, tenant: TenantId, after: i64, limit: u16) -> Result<Vec<StoredEvent>, StoreError>;
    /// The position after which [`Directory::feed`] tells what comes from now on.
    async fn feed_end(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let newest = self.feed_backwards(tenant, None, 1).await?;
        Ok(newest.first().map_or(0, |event| event.position))
    }
    /// Newest events of a tenant first, before a position.
    async fn feed_backwards(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// The answer kept under an idempotency key.
    async fn answer(&self, tenant: TenantId, key: &str) -> Result<Option<StoredAnswer>, StoreError>;
    /// Keeps an answer that has no transaction of its own; `Duplicate` when one is there.
    async fn insert_answer(
        &self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError>;
    /// Stores a delivery; false when the sender's id is there already.
    async fn insert_delivery(&self, delivery: &StoredDelivery) -> Result<bool, StoreError>;
    /// Deliveries not processed yet, oldest first.
    async fn open_deliveries(&self, limit: u16) -> Result<Vec<StoredDelivery>, StoreError>;
}
