//! The store: aggregates, the effects queue, the directory of a tenant's things, inbox and idempotency.
//!
//! Two guards for two dangers. A lost update: [`UnitOfWork::save`] checks the version in its WHERE clause, zero rows is
//! [`StoreError::Conflict`]. A straggler: [`UnitOfWork::finish`] checks the attempt, zero rows is [`StoreError::Fenced`]
//! unless this very attempt has finished the row already (its COMMIT answer was lost).

mod audit;
mod family;
mod health;
mod kept;
pub mod line;
mod links;
pub mod listing;
pub mod search;
mod views;
mod work;
mod workload;

pub use audit::{Altered, AuditFilter, AuditLine, By, Change, Deed, Draft, Facts, SetUp, Subject, broken};
pub use family::{Families, Named};
pub use health::{HealthBook, HealthOf};
pub use kept::{StoredAnswer, StoredDelivery};
pub use line::{LineRow, Sought, Standing};
pub use links::{StatusLink, StatusLinks, StatusOf};
pub use listing::{After, Attention, Listing, ReleaseFilter, Sort, SortBy};
pub use views::{View, Views};
pub use work::{
    AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Heard, PutBack, Rooms, RowEnd, RowState, Stop,
    StopBy,
};
pub use workload::{Troubled, Workload};

use super::error::StoreError;
use super::kept::Kept;
use super::provider::Port;
use crate::effect::{Effect, FactKind};
use crate::ids::{DeliveryId, IntegrationId, PipelineId, ProfileId, ServiceId, TenantId, TokenId};
use crate::key::{AggregateId, EffectId, words};
use crate::time::Timestamp;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// An aggregate as stored: the fold of its events and columns to find it by.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateRow {
    /// Which.
    pub id: AggregateId,
    /// Whose.
    pub tenant: TenantId,
    /// Number of events folded into it; guards against lost updates.
    pub version: u64,
    /// The next thing on its agenda.
    pub wake_at: Option<Timestamp>,
    /// The state.
    pub state: Kept<Value>,
    /// Columns and rows derived from the state.
    pub projection: Kept<Projection>,
}

/// What can be asked about an aggregate without reading its state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    /// Key people see (`REL-42`), for releases.
    pub key: String,
    /// Number behind the key; unique per tenant and kind.
    pub number: i64,
    /// Title.
    pub title: String,
    /// Board status (releases) or status word.
    pub status: String,
    /// Phase (releases) or status word.
    pub phase: String,
    /// Service of a release; release of a child.
    pub parent: Option<uuid::Uuid>,
    /// Version, or versions joined.
    pub version: String,
    /// Whether it is over.
    pub terminal: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Kickoff, for releases.
    pub kickoff_at: Option<Timestamp>,
    /// Target date, for releases.
    pub target_date: Option<Timestamp>,
    /// Integrations that its plan uses, so that none of them is deleted under it.
    pub integrations: Vec<IntegrationId>,
    /// Rows of `release_tasks`.
    pub tasks: Vec<TaskRow>,
    /// Rows of `regression_cycles`.
    pub cycles: Vec<CycleRow>,
    /// Rows of `builds`.
    pub builds: Vec<BuildRow>,
    /// Rows of `platform_releases`.
    pub targets: Vec<TargetRow>,
    /// Rows of `release_line`.
    pub line: Vec<LineRow>,
    /// What a release is listed by.
    pub listing: Listing,
}

/// A row of `release_tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Derived id.
    pub id: uuid::Uuid,
    /// Task key as text.
    pub key: String,
    /// Seed name of the type.
    pub kind: String,
    /// Stage word.
    pub stage: String,
    /// State word.
    pub status: String,
    /// Vendor's id of what it made (seed: `externalId`).
    pub external_id: Option<String>,
    /// Everything else it made (seed: `externalData`).
    pub external_data: Value,
}

/// A row of `regression_cycles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleRow {
    /// Its id.
    pub id: uuid::Uuid,
    /// 1 is the first.
    pub number: u16,
    /// State word.
    pub status: String,
    /// Its tag, once made.
    pub tag: Option<String>,
    /// Its commit, once pinned.
    pub sha: Option<String>,
}

/// A row of `builds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// Its id.
    pub id: uuid::Uuid,
    /// For which target.
    pub target: String,
    /// State word.
    pub status: String,
    /// Number at the CI system or store.
    pub build_number: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Correlation key of the run that makes it.
    pub correlation: Option<String>,
}

/// A row of `platform_releases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// For which target.
    pub target: String,
    /// Its version.
    pub version: String,
    /// Status word.
    pub status: String,
    /// Exposure in basis points.
    pub exposure: u16,
}

/// An event as stored in `state_history`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Of which aggregate.
    pub owner: AggregateId,
    /// 1 is the first; without gap.
    pub sequence: u64,
    /// Kind word.
    pub kind: String,
    /// The event in its versioned envelope.
    pub payload: Value,
    /// Who caused it: a principal's name, or `system`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Installation-wide order of commits as far as readers see them; for live streams.
    pub position: i64,
}

/// A gate's fact as last observed. Lies beside the release, outside the fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its value.
    pub value: String,
    /// When it was read.
    pub observed_at: Timestamp,
}

/// The answer of `finish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The row is ended by this call.
    Now,
    /// This very attempt ended it before: its commit's answer was lost. The whole unit is already in the database.
    Before,
}

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// At most so many.
    pub limit: u16,
    /// After the item this text of an earlier page names.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// One transaction. Dropping it rolls back.
#[async_trait]
pub trait UnitOfWork: Send {
    /// Loads and (on PostgreSQL) locks an aggregate: its state and columns, not the derived rows of its projection.
    async fn load_for_update(&mut self, id: AggregateId) -> Result<Option<AggregateRow>, StoreError>;
    /// Writes an aggregate: `expected` none inserts, else the version it was loaded with.
    async fn save(&mut self, row: &AggregateRow, expected: Option<u64>) -> Result<(), StoreError>;
    /// Appends events (sequence and position: position is the store's to give and ignored here).
    async fn append(&mut self, tenant: TenantId, events: &[StoredEvent]) -> Result<(), StoreError>;
    /// Ends the row of a claim.
    async fn finish(&mut self, claim: &Claim, end: RowEnd) -> Result<Finished, StoreError>;
    /// Writes one line about an attempt with everything else; see [`Queue::record_attempt`] for one by itself.
    async fn record_attempt(&mut self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError>;
    /// Inserts the effect's row, or re-arms it (DONE, DEAD, PARKED become READY with failures 0, attempt and
    /// `unknown_since` kept, effect replaced). A READY or CLAIMED row is left alone. Due after `after`.
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        effect: &Effect,
        after: Duration,
        give_up_after: Duration,
    ) -> Result<(), StoreError>;
    /// Claims, of rows that this unit has enqueued, those named, as [`Queue::claim`] would: READY, due, of no stopped
    /// tenant. They are the caller's once this unit is committed: one commit ends an effect and claims the next.
    async fn claim_enqueued(
        &mut self,
        effects: &[EffectId],
        request: &ClaimRequest,
    ) -> Result<Vec<Claimed>, StoreError>;
    /// Ends a READY or PARKED row as DEAD; a CLAIMED one reports late.
    async fn end(&mut self, effect: EffectId) -> Result<(), StoreError>;
    /// Facts of an aggregate.
    async fn facts(&mut self, owner: AggregateId) -> Result<BTreeMap<FactKind, Fact>, StoreError>;
    /// Records a fact; the answer says whether the value changed. One that was observed before the one kept changes
    /// nothing: readers answer in any order.
    async fn put_fact(&mut self, owner: AggregateId, kind: FactKind, fact: &Fact)
    -> Result<bool, StoreError>;
    /// The next number of a tenant's counter (`release`), starting at 1. It is given to nobody else; the number of a unit
    /// that is not committed may be left out.
    async fn next_number(&mut self, tenant: TenantId, counter: &str) -> Result<i64, StoreError>;
    /// As [`Directory::standing`], in this transaction. Whoever asks for the same service after this waits, or loses a race,
    /// until this transaction is over: what it finds then is what this one left.
    async fn standing(
        &mut self,
        tenant: TenantId,
        service: ServiceId,
        sought: &[Sought],
    ) -> Result<Vec<Standing>, StoreError>;
    /// Remembers the answer to an idempotent request.
    async fn put_answer(
        &mut self,
        tenant: TenantId,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError>;
    /// Marks a delivery processed.
    async fn finish_delivery(&mut self, id: DeliveryId) -> Result<(), StoreError>;
    /// The database's time, for this transaction.
    async fn now(&mut self) -> Result<Timestamp, StoreError>;
    /// Commits. An error may mean that it took effect all the same.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The effects queue and the scheduler's view of aggregates.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Claims due rows (READY and due, or CLAIMED with the lease over by `margin`: then failures + 1 and
    /// `unknown_since` = the lease's end), fair between tenants; stopped tenants get none, and of one integration no
    /// more are claimed than it has room for. One commit, and none when nothing is due. Fewer than are due may be
    /// claimed where one integration's rows stand before all others: the rest is there for the next claim.
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError>;
    /// Gives a claimed row back.
    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError>;
    /// Makes a READY row due now (a webhook prompts us to look); any other state is left alone.
    async fn hasten(&self, effect: EffectId) -> Result<(), StoreError>;
    /// READY rows that read from the vendor through the integration (Watch, Probe, Resolve), the next due first, at
    /// most 500: what a webhook of that integration may prompt us to look at.
    async fn watching(
        &self,
        tenant: TenantId,
        integration: IntegrationId,
    ) -> Result<Vec<EffectRow>, StoreError>;
    /// Extends the lease of a claim.
    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<(), StoreError>;
    /// Writes one line about an attempt whose end is in no transaction of its own; best effort.
    async fn record_attempt(&self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError>;
    /// Aggregates whose agenda is due, by the database's clock.
    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError>;
    /// The earliest instant at which something becomes due (rows, leases, agendas); none when nothing waits.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;
    /// The database's time.
    async fn now(&self) -> Result<Timestamp, StoreError>;
    /// Live rows of an aggregate (or all ever, with `ended`).
    async fn rows(&self, owner: AggregateId, ended: bool) -> Result<Vec<EffectRow>, StoreError>;
    /// How the live rows of a tenant stand: each number counted up to `most`, and of those in trouble the first `told`. Costs
    /// the same however many releases there are.
    async fn workload(&self, tenant: TenantId, most: u32, told: u16) -> Result<Workload, StoreError>;
    /// Attempts at the effects of an aggregate, oldest first, without what was exchanged in them.
    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError>;
    /// What was exchanged with vendors in attempts at these effects of a tenant: the newest so many, the newest first.
    async fn exchanges(
        &self,
        tenant: TenantId,
        effects: &[EffectId],
        limit: u16,
    ) -> Result<Vec<Heard>, StoreError>;
    /// Stops claiming for a tenant, or (none) for the installation, and says why and by whom; none lets it go on.
    /// Stopped again, it stays stopped since the first time, for the newer reason.
    async fn set_stop(&self, tenant: Option<TenantId>, stop: Option<StopBy<'_>>) -> Result<(), StoreError>;
    /// What stops a tenant now: the installation's switch first, then its own.
    async fn stops(&self, tenant: TenantId) -> Result<Vec<Stop>, StoreError>;
    /// Returns when rows may have become due or the monotonic span is over; may return early or late, never counts.
    async fn wait_for_work(&self, at_most: Duration);
    /// Says that a worker is alive.
    async fn beat(&self, worker: &str) -> Result<(), StoreError>;
    /// When a worker was last alive.
    async fn last_beat(&self) -> Result<Option<Timestamp>, StoreError>;
}

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

/// The whole store.
#[async_trait]
pub trait Store: Queue + Directory + Families + StatusLinks + Views + HealthBook + SetUp {
    /// Begins a transaction that may write.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork + '_>, StoreError>;
    /// Whether the database answers and its schema is the one this build needs.
    async fn ready(&self) -> Result<(), StoreError>;
}
