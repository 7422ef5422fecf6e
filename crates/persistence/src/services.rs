//! Services and release profiles.

use crate::connect::SqlStore;
use crate::integrations::delete_row;
use crate::sql::{Row, all, micros, one, run, stored, values};
use delivr_domain::ids::{ProfileId, ServiceId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Profile, Service};
use sea_orm::ConnectionTrait;

const SERVICE: &str = "service";
const PROFILE: &str = "profile";

fn read(row: &Row) -> Result<Service, StoreError> {
    Ok(Service {
        id: ServiceId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        slug: row.text("slug")?,
        name: row.text("name")?,
        detail: row.json("detail")?,
        version: row.number("version")?,
        created_at: row.time("created_at")?,
    })
}

pub(crate) async fn services(store: &SqlStore, tenant: TenantId) -> Result<Vec<Service>, StoreError> {
    let text = "select * from services where tenant_id = $1 order by slug";
    let rows = all(&store.inner.read, SERVICE, text, values![tenant.uuid()]).await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn service<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: ServiceId,
) -> Result<Option<Service>, StoreError> {
    let text = "select * from services where tenant_id = $1 and id = $2";
    let row = one(on, SERVICE, text, values![tenant.uuid(), id.uuid()]).await?;
    row.map(|row| read(&row)).transpose()
}

pub(crate) async fn insert<C: ConnectionTrait>(on: &C, service: &Service) -> Result<(), StoreError> {
    let text = "insert into services (id, tenant_id, slug, name, detail, version, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    let values = values![
        service.id.uuid(),
        service.tenant.uuid(),
        service.slug.as_str(),
        service.name.as_str(),
        service.detail.clone(),
        stored(service.version),
        micros(service.created_at),
    ];
    run(on, SERVICE, text, values).await.map(drop)
}

pub(crate) async fn update<C: ConnectionTrait>(on: &C, service: &Service) -> Result<(), StoreError> {
    let text = "update services set slug = $3, name = $4, detail = $5, version = $6
        where tenant_id = $1 and id = $2 and version = $6 - 1";
    let values = values![
        service.tenant.uuid(),
        service.id.uuid(),
        service.slug.as_str(),
        service.name.as_str(),
        service.detail.clone(),
        stored(service.version),
    ];
    match run(on, SERVICE, text, values).await? {
        0 => Err(StoreError::Conflict),
        _one => Ok(()),
    }
}

pub(crate) async fn delete<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: ServiceId,
    expected: Option<u64>,
) -> Result<bool, StoreError> {
    delete_row(on, SERVICE, "services", (tenant, id.uuid()), expected).await
}

fn read_profile(row: &Row) -> Result<Profile, StoreError> {
    Ok(Profile {
        id: ProfileId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        name: row.text("name")?,
        service: row.opt_uuid("service_id")?.map(ServiceId::from_uuid),
        revision: row.number("revision")?,
        settings: row.json("settings")?,
        created_at: row.time("created_at")?,
    })
}

/// The newest revision of each profile, by name.
pub(crate) async fn profiles(store: &SqlStore, tenant: TenantId) -> Result<Vec<Profile>, StoreError> {
    let text = "select * from release_profiles p where tenant_id = $1
        and revision = (select max(revision) from release_profiles q where q.id = p.id) order by name, id";
    let rows = all(&store.inner.read, PROFILE, text, values![tenant.uuid()]).await?;
    rows.iter().map(read_profile).collect()
}

pub(crate) async fn profile<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: ProfileId,
    revision: Option<u32>,
) -> Result<Option<Profile>, StoreError> {
    let mut values = values![tenant.uuid(), id.uuid()];
    let mut narrow = "";
    if let Some(revision) = revision {
        narrow = " and revision = $3";
        values.extend(values![i64::from(revision)]);
    }
    let text = format!(
        "select * from release_profiles where tenant_id = $1 and id = $2{narrow} order by revision desc limit 1"
    );
    let row = one(on, PROFILE, &text, values).await?;
    row.map(|row| read_profile(&row)).transpose()
}

pub(crate) async fn insert_profile<C: ConnectionTrait>(on: &C, profile: &Profile) -> Result<(), StoreError> {
    let text =
        "insert into release_profiles (id, tenant_id, name, service_id, revision, settings, created_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (id, revision) do nothing";
    let values = values![
        profile.id.uuid(),
        profile.tenant.uuid(),
        profile.name.as_str(),
        profile.service.map(ServiceId::uuid),
        i64::from(profile.revision),
        profile.settings.clone(),
        micros(profile.created_at),
    ];
    match run(on, "profile name, or its service,", text, values).await? {
        0 => Err(StoreError::Conflict),
        _one => Ok(()),
    }
}
