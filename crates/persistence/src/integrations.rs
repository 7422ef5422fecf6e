//! Integrations and the pipelines that use them.

use crate::connect::SqlStore;
use crate::sql::{Row, all, document, micros, one, opt_micros, places, run, stored, values};
use delivr_domain::ids::{IntegrationId, PipelineId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Integration, Pipeline};
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

const WHAT: &str = "integration";
/// Most ids of one statement.
const MOST_NAMED: usize = 500;
const PIPELINE: &str = "pipeline, or an integration of it,";

fn read(row: &Row) -> Result<Integration, StoreError> {
    Ok(Integration {
        id: IntegrationId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        port: row.word("port")?,
        provider: row.text("provider")?,
        name: row.text("name")?,
        config: row.json("config")?,
        sealed: row.bytes("sealed")?,
        hints: row.document("hints")?,
        status: row.word("status")?,
        status_detail: row.opt_json("status_detail")?,
        verified_at: row.opt_time("verified_at")?,
        version: row.number("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(crate) async fn integrations(
    store: &SqlStore,
    tenant: TenantId,
    port: Option<Port>,
) -> Result<Vec<Integration>, StoreError> {
    let mut values = values![tenant.uuid()];
    let mut narrow = "";
    if let Some(port) = port {
        narrow = " and port = $2";
        values.extend(values![port.word()]);
    }
    let text = format!("select * from integrations where tenant_id = $1{narrow} order by name, id");
    let rows = all(&store.inner.read, WHAT, &text, values).await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn integration<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: IntegrationId,
) -> Result<Option<Integration>, StoreError> {
    let text = "select * from integrations where tenant_id = $1 and id = $2";
    let row = one(on, WHAT, text, values![tenant.uuid(), id.uuid()]).await?;
    row.map(|row| read(&row)).transpose()
}

pub(crate) async fn named(
    store: &SqlStore,
    tenant: TenantId,
    ids: &[IntegrationId],
) -> Result<Vec<Integration>, StoreError> {
    let mut found = Vec::new();
    for some in ids.chunks(MOST_NAMED) {
        let text = format!(
            "select * from integrations where tenant_id = $1 and id in ({})",
            places(2, some.len())
        );
        let mut values = values![tenant.uuid()];
        values.extend(some.iter().map(|id| Value::from(id.uuid())));
        for row in all(&store.inner.read, WHAT, &text, values).await? {
            found.push(read(&row)?);
        }
    }
    Ok(found)
}

pub(crate) async fn by_id(store: &SqlStore, id: IntegrationId) -> Result<Option<Integration>, StoreError> {
    let text = "select * from integrations where id = $1";
    let row = one(&store.inner.read, WHAT, text, values![id.uuid()]).await?;
    row.map(|row| read(&row)).transpose()
}

/// The integrations that can be read, and the ids of those that cannot.
pub(crate) async fn everything(
    store: &SqlStore,
) -> Result<(Vec<Integration>, Vec<IntegrationId>), StoreError> {
    let text = "select * from integrations order by id";
    sorted_out(&all(&store.inner.read, WHAT, text, Vec::new()).await?)
}

/// Those of one provider, of any tenant, that can be read.
pub(crate) async fn of_provider(
    store: &SqlStore,
    port: Port,
    provider: &str,
) -> Result<Vec<Integration>, StoreError> {
    let text = "select * from integrations where port = $1 and provider = $2 order by id";
    let rows = all(&store.inner.read, WHAT, text, values![port.word(), provider]).await?;
    sorted_out(&rows).map(|(readable, _unreadable)| readable)
}

/// The rows that can be read, and the ids of those that cannot.
fn sorted_out(rows: &[Row]) -> Result<(Vec<Integration>, Vec<IntegrationId>), StoreError> {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        match read(row) {
            Ok(integration) => readable.push(integration),
            Err(error) => {
                // A row whose very id is damaged is counted all the same.
                let id = IntegrationId::from_uuid(row.uuid("id").unwrap_or_default());
                tracing::error!(integration = %id, %error, "an integration cannot be read and is left out");
                unreadable.push(id);
            }
        }
    }
    Ok((readable, unreadable))
}

pub(crate) async fn insert<C: ConnectionTrait>(on: &C, it: &Integration) -> Result<(), StoreError> {
    let text = "insert into integrations (id, tenant_id, port, provider, name, config, sealed, hints, status,
            status_detail, verified_at, version, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let values = values![
        it.id.uuid(),
        it.tenant.uuid(),
        it.port.word(),
        it.provider.as_str(),
        it.name.as_str(),
        it.config.clone(),
        it.sealed.clone(),
        document(WHAT, &it.hints)?,
        it.status.word(),
        it.status_detail.clone(),
        opt_micros(it.verified_at),
        stored(it.version),
        micros(it.created_at),
        micros(it.updated_at),
    ];
    run(on, WHAT, text, values).await.map(drop)
}

/// Category and provider of an integration are for life: a row of another category would slip under its pipelines.
pub(crate) async fn update<C: ConnectionTrait>(on: &C, it: &Integration) -> Result<(), StoreError> {
    let text = "update integrations set name = $3, config = $4, sealed = $5, hints = $6, status = $7,
            status_detail = $8, verified_at = $9, version = $10, updated_at = $11
        where tenant_id = $1 and id = $2 and version = $10 - 1";
    let values = values![
        it.tenant.uuid(),
        it.id.uuid(),
        it.name.as_str(),
        it.config.clone(),
        it.sealed.clone(),
        document(WHAT, &it.hints)?,
        it.status.word(),
        it.status_detail.clone(),
        opt_micros(it.verified_at),
        stored(it.version),
        micros(it.updated_at),
    ];
    match run(on, WHAT, text, values).await? {
        0 => Err(StoreError::Conflict),
        _one => Ok(()),
    }
}

/// Deletes a row of the tenant whose table counts versions, if it is still at the expected one.
pub(crate) async fn delete_row<C: ConnectionTrait>(
    on: &C,
    what: &'static str,
    table: &str,
    (tenant, id): (TenantId, Uuid),
    expected: Option<u64>,
) -> Result<bool, StoreError> {
    // No version is negative: -1 stands for any.
    let version = expected.map_or(-1, stored);
    let text = format!("delete from {table} where tenant_id = $1 and id = $2 and ($3 < 0 or version = $3)");
    let named = values![tenant.uuid(), id, version];
    if run(on, what, &text, named).await? > 0 {
        return Ok(true);
    }
    if expected.is_none() {
        return Ok(false);
    }
    let text = format!("select version from {table} where tenant_id = $1 and id = $2");
    let left = one(on, what, &text, values![tenant.uuid(), id]).await?;
    match left {
        Some(_another_version) => Err(StoreError::Conflict),
        None => Ok(false),
    }
}

pub(crate) async fn delete<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: IntegrationId,
    expected: Option<u64>,
) -> Result<bool, StoreError> {
    delete_row(on, WHAT, "integrations", (tenant, id.uuid()), expected).await
}

fn read_pipeline(row: &Row) -> Result<Pipeline, StoreError> {
    Ok(Pipeline {
        id: PipelineId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        name: row.text("name")?,
        integration: IntegrationId::from_uuid(row.uuid("integration_id")?),
        scm: row.opt_uuid("scm_id")?.map(IntegrationId::from_uuid),
        store: row.opt_uuid("store_id")?.map(IntegrationId::from_uuid),
        platform: row.text("platform")?,
        purpose: row.text("purpose")?,
        job: row.text("job")?,
        parameters: row.document("parameters")?,
        version: row.number("version")?,
        created_at: row.time("created_at")?,
    })
}

pub(crate) async fn pipelines(store: &SqlStore, tenant: TenantId) -> Result<Vec<Pipeline>, StoreError> {
    let text = "select * from pipelines where tenant_id = $1 order by name, id";
    let rows = all(&store.inner.read, PIPELINE, text, values![tenant.uuid()]).await?;
    rows.iter().map(read_pipeline).collect()
}

pub(crate) async fn pipeline<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: PipelineId,
) -> Result<Option<Pipeline>, StoreError> {
    let text = "select * from pipelines where tenant_id = $1 and id = $2";
    let row = one(on, PIPELINE, text, values![tenant.uuid(), id.uuid()]).await?;
    row.map(|row| read_pipeline(&row)).transpose()
}

pub(crate) async fn insert_pipeline<C: ConnectionTrait>(on: &C, it: &Pipeline) -> Result<(), StoreError> {
    let text = "insert into pipelines (id, tenant_id, name, integration_id, scm_id, store_id, platform, purpose, job,
            parameters, version, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values = values![
        it.id.uuid(),
        it.tenant.uuid(),
        it.name.as_str(),
        it.integration.uuid(),
        it.scm.map(IntegrationId::uuid),
        it.store.map(IntegrationId::uuid),
        it.platform.as_str(),
        it.purpose.as_str(),
        it.job.as_str(),
        document(PIPELINE, &it.parameters)?,
        stored(it.version),
        micros(it.created_at),
    ];
    run(on, PIPELINE, text, values).await.map(drop)
}

pub(crate) async fn update_pipeline<C: ConnectionTrait>(on: &C, it: &Pipeline) -> Result<(), StoreError> {
    let text =
        "update pipelines set name = $3, integration_id = $4, scm_id = $5, store_id = $6, platform = $7,
            purpose = $8, job = $9, parameters = $10, version = $11
        where tenant_id = $1 and id = $2 and version = $11 - 1";
    let values = values![
        it.tenant.uuid(),
        it.id.uuid(),
        it.name.as_str(),
        it.integration.uuid(),
        it.scm.map(IntegrationId::uuid),
        it.store.map(IntegrationId::uuid),
        it.platform.as_str(),
        it.purpose.as_str(),
        it.job.as_str(),
        document(PIPELINE, &it.parameters)?,
        stored(it.version),
    ];
    match run(on, PIPELINE, text, values).await? {
        0 => Err(StoreError::Conflict),
        _one => Ok(()),
    }
}

pub(crate) async fn delete_pipeline<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: PipelineId,
    expected: Option<u64>,
) -> Result<bool, StoreError> {
    delete_row(on, PIPELINE, "pipelines", (tenant, id.uuid()), expected).await
}
