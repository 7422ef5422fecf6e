//! Things to put into a store under test.

use super::Subject;
use chrono::TimeDelta;
use delivr_domain::effect::{Effect, Note, Operation, RunRef, TicketDraft, Topic, TrackerWrite, Watched};
use delivr_domain::ids::{
    InstallId, IntegrationId, PipelineId, ProfileId, ReleaseId, ServiceId, StatusLinkId, TenantId, TokenId,
    derive_uuid,
};
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TaskKey, TaskKind};
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    AggregateRow, Claim, ClaimRequest, Claimed, Integration, Pipeline, Profile, Projection, Rooms, Service,
    StatusLink, StatusOf, StopBy, StoredEvent, Tenant, Token, VerificationStatus,
};
use delivr_domain::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// A lease of all cases.
pub const LEASE: Duration = Duration::from_secs(30);
/// A margin of all cases.
pub const MARGIN: Duration = Duration::from_secs(2);
/// Long enough never to end a wait.
pub const DAY: Duration = Duration::from_secs(86_400);

/// An id from a name.
#[must_use]
pub fn id(name: &str) -> Uuid {
    derive_uuid(&[b"sample", name.as_bytes()])
}

/// An instant with microseconds that a coarser or finer column would lose.
#[must_use]
pub fn instant() -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::microseconds(1_790_000_000_123_457)
}

/// A tenant, inserted.
pub async fn tenant(subject: &dyn Subject, name: &str) -> TenantId {
    let tenant = Tenant {
        id: TenantId::from_uuid(id(name)),
        slug: name.to_owned(),
        name: name.to_uppercase(),
    };
    subject.store().insert_tenant(&tenant).await.unwrap();
    tenant.id
}

/// A release's id.
#[must_use]
pub fn release_id(name: &str) -> AggregateId {
    AggregateId {
        kind: AggregateKind::Release,
        id: id(name),
    }
}

/// A release without service, integrations and derived rows.
#[must_use]
pub fn release(tenant: TenantId, name: &str, number: i64) -> AggregateRow {
    AggregateRow {
        id: release_id(name),
        tenant,
        version: 1,
        wake_at: None,
        state: json!({"name": name, "steps": [1, 2.5, null, "ü"]}).into(),
        projection: Projection {
            key: format!("REL-{number}"),
            number,
            title: format!("Release of {name}"),
            status: "PENDING".to_owned(),
            phase: "NOT_STARTED".to_owned(),
            version: "1.4.0".to_owned(),
            created_at: Some(instant() + TimeDelta::seconds(number)),
            ..Projection::default()
        }
        .into(),
    }
}

/// The key of a step of a release's task.
#[must_use]
pub fn key(owner: AggregateId, step: u16) -> EffectKey {
    EffectKey {
        install: InstallId::derived(&[b"sample"]),
        owner,
        task: TaskKey::once(TaskKind::CreateProjectManagementTicket),
        generation: Generation(1),
        step,
    }
}

/// The integration that sample effects go through.
#[must_use]
pub fn tracker() -> IntegrationId {
    IntegrationId::from_uuid(id("tracker"))
}

/// A vendor write.
#[must_use]
pub fn perform(owner: AggregateId, step: u16) -> Effect {
    let ticket = TicketDraft {
        title: "Release".to_owned(),
        body: "line\nline".to_owned(),
        target: None,
        version: "1.4.0".to_owned(),
    };
    Effect::Perform {
        key: key(owner, step),
        integration: tracker(),
        operation: Operation::Tracker(TrackerWrite::CreateTicket { ticket }),
    }
}

/// A wait for a run, read every so many seconds.
#[must_use]
pub fn watch(owner: AggregateId, step: u16, every_seconds: u32) -> Effect {
    let key = key(owner, step);
    let run = RunRef {
        job: "build".to_owned(),
        id: "7".to_owned(),
        correlation: key.short(),
        url: None,
    };
    Effect::Watch {
        key,
        integration: tracker(),
        watched: Watched::Run { run },
        every_seconds,
    }
}

/// A message to people.
#[must_use]
pub fn message(from: AggregateId, ordinal: u16) -> Effect {
    Effect::Message {
        from,
        ordinal: (1, ordinal),
        integration: IntegrationId::from_uuid(id("chat")),
        topic: Topic::Releases,
        note: Note {
            kind: "TEST".to_owned(),
            title: "Title".to_owned(),
            lines: Vec::new(),
        },
    }
}

/// Enqueues effects, due at once, in one unit.
pub async fn enqueue(subject: &dyn Subject, tenant: TenantId, effects: &[Effect]) {
    let mut unit = subject.store().begin().await.unwrap();
    for effect in effects {
        unit.enqueue(tenant, effect, Duration::ZERO, DAY).await.unwrap();
    }
    unit.commit().await.unwrap();
}

/// A request for so many claims.
#[must_use]
pub fn request(limit: u16) -> ClaimRequest {
    ClaimRequest {
        worker: "worker".to_owned(),
        limit,
        lease: LEASE,
        margin: MARGIN,
        call_timeout: Duration::from_secs(10),
        started: Monotonic(Duration::from_secs(5)),
        rooms: Rooms::default(),
    }
}

/// Claims at most so many.
pub async fn claim(subject: &dyn Subject, limit: u16) -> Vec<Claimed> {
    subject.store().claim(&request(limit)).await.unwrap()
}

/// Claims the one row that is due.
pub async fn claim_one(subject: &dyn Subject) -> Claim {
    let mut claimed = claim(subject, 10).await;
    assert_eq!(claimed.len(), 1, "exactly one row must be due");
    claimed.remove(0).claim.expect("a claim")
}

/// Saves a new aggregate.
pub async fn insert(subject: &dyn Subject, row: &AggregateRow) {
    let mut unit = subject.store().begin().await.unwrap();
    unit.save(row, None).await.unwrap();
    unit.commit().await.unwrap();
}

/// An event.
#[must_use]
pub fn event(owner: AggregateId, sequence: u64) -> StoredEvent {
    StoredEvent {
        owner,
        sequence,
        kind: "STARTED".to_owned(),
        payload: json!({"v": 1, "n": sequence}),
        actor: "system".to_owned(),
        at: instant(),
        position: 0,
    }
}

/// Appends an event in a unit of its own.
pub async fn append(subject: &dyn Subject, tenant: TenantId, owner: AggregateId, sequence: u64) {
    let mut unit = subject.store().begin().await.unwrap();
    unit.append(tenant, &[event(owner, sequence)]).await.unwrap();
    unit.commit().await.unwrap();
}

/// An integration of a category.
#[must_use]
pub fn integration(tenant: TenantId, port: Port, name: &str) -> Integration {
    Integration {
        id: IntegrationId::from_uuid(id(name)),
        tenant,
        port,
        provider: "sample".to_owned(),
        name: name.to_owned(),
        config: json!({"url": "https://example.invalid"}),
        sealed: vec![0, 255, 7],
        hints: BTreeMap::from([("token".to_owned(), "cdef".to_owned())]),
        status: VerificationStatus::Pending,
        status_detail: None,
        verified_at: None,
        version: 1,
        created_at: instant(),
        updated_at: instant(),
    }
}

/// A pipeline on an integration.
#[must_use]
pub fn pipeline(tenant: TenantId, name: &str, integration: IntegrationId) -> Pipeline {
    Pipeline {
        id: PipelineId::from_uuid(id(name)),
        tenant,
        name: name.to_owned(),
        integration,
        scm: None,
        store: None,
        platform: "ANDROID".to_owned(),
        purpose: "REGRESSION".to_owned(),
        job: "job/build".to_owned(),
        parameters: BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]),
        version: 1,
        created_at: instant(),
    }
}

/// A service.
#[must_use]
pub fn service(tenant: TenantId, slug: &str) -> Service {
    Service {
        id: ServiceId::from_uuid(id(slug)),
        tenant,
        slug: slug.to_owned(),
        name: slug.to_uppercase(),
        detail: json!({"kind": "MOBILE"}),
        version: 1,
        created_at: instant(),
    }
}

/// A revision of a profile.
#[must_use]
pub fn profile(tenant: TenantId, name: &str, revision: u32) -> Profile {
    Profile {
        id: ProfileId::from_uuid(id(name)),
        tenant,
        name: name.to_owned(),
        service: None,
        revision,
        settings: json!({"revision": revision}),
        created_at: instant(),
    }
}

/// A token.
#[must_use]
pub fn token(tenant: TenantId, name: &str) -> Token {
    Token {
        id: TokenId::from_uuid(id(name)),
        tenant,
        name: name.to_owned(),
        person: None,
        role: "ADMIN".to_owned(),
        digest: format!("digest of {name}"),
        expires_at: Some(instant()),
        revoked_at: None,
        created_at: instant(),
    }
}

/// A reason to stop, of somebody.
#[must_use]
pub const fn stop_by(reason: &str) -> StopBy<'_> {
    StopBy {
        reason,
        actor: "ada@example.org",
    }
}

/// A link to the status page of a release; of a service where it is called old.
#[must_use]
pub fn status_link(tenant: TenantId, name: &str) -> StatusLink {
    StatusLink {
        id: StatusLinkId::from_uuid(id(&format!("link {tenant} {name}"))),
        tenant,
        digest: format!("digest of {tenant} {name}"),
        name: name.to_owned(),
        about: if name == "old" {
            StatusOf::Service(ServiceId::from_uuid(id("service of a link")))
        } else {
            StatusOf::Release(ReleaseId::from_uuid(id("release of a link")))
        },
        made_by: "ada@example.org".to_owned(),
        created_at: instant(),
        expires_at: instant() + TimeDelta::days(30),
        revoked_at: None,
    }
}
