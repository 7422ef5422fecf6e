//! Tenants, tokens and the installation's settings.

use crate::connect::{Dialect, SqlStore};
use crate::error::unavailable;
use crate::sql::{Row, all, micros, one, opt_micros, run, values};
use delivr_domain::ids::{InstallId, TenantId, TokenId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Tenant, Token};
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};

const INSTALL: &str = "install_id";
const TENANT: &str = "tenant";
const TOKEN: &str = "token";

/// The installation's id. The database draws it when it is asked for the first time.
pub(crate) async fn install(store: &SqlStore) -> Result<InstallId, StoreError> {
    if let Some(id) = setting(store, INSTALL).await? {
        return parse(&id);
    }
    let random = match store.inner.dialect {
        Dialect::Sqlite => "lower(hex(randomblob(16)))",
        Dialect::Postgres => "gen_random_uuid()::text",
    };
    let text = format!(
        "insert into settings (name, value) select $1, {random} where true on conflict (name) do nothing"
    );
    run(&store.inner.write, "setting", &text, values![INSTALL]).await?;
    let id = setting(store, INSTALL).await?;
    parse(&id.ok_or_else(|| unavailable("the installation's id could not be stored"))?)
}

fn parse(id: &str) -> Result<InstallId, StoreError> {
    id.parse()
        .map_err(|error: delivr_domain::ids::IdError| StoreError::Corrupt {
            what: INSTALL,
            why: error.to_string(),
        })
}

pub(crate) async fn setting(store: &SqlStore, name: &str) -> Result<Option<String>, StoreError> {
    let text = "select value from settings where name = $1";
    let row = one(&store.inner.read, "setting", text, values![name]).await?;
    row.map(|row| row.text("value")).transpose()
}

pub(crate) async fn put_setting(store: &SqlStore, name: &str, value: &str) -> Result<(), StoreError> {
    let text = "insert into settings (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value";
    run(&store.inner.write, "setting", text, values![name, value])
        .await
        .map(drop)
}

fn read_tenant(row: &Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: TenantId::from_uuid(row.uuid("id")?),
        slug: row.text("slug")?,
        name: row.text("name")?,
    })
}

pub(crate) async fn tenants(store: &SqlStore) -> Result<Vec<Tenant>, StoreError> {
    let rows = all(
        &store.inner.read,
        TENANT,
        "select * from tenants order by slug",
        Vec::new(),
    )
    .await?;
    rows.iter().map(read_tenant).collect()
}

pub(crate) async fn insert_tenant(store: &SqlStore, tenant: &Tenant) -> Result<(), StoreError> {
    let text = "insert into tenants (id, slug, name) values ($1, $2, $3)";
    let values = values![tenant.id.uuid(), tenant.slug.as_str(), tenant.name.as_str()];
    run(&store.inner.write, TENANT, text, values).await.map(drop)
}

/// The tenant whose column has the value.
pub(crate) async fn tenant<C: ConnectionTrait>(
    on: &C,
    column: &str,
    value: Value,
) -> Result<Option<Tenant>, StoreError> {
    let text = format!("select * from tenants where {column} = $1");
    let row = one(on, TENANT, &text, vec![value]).await?;
    row.map(|row| read_tenant(&row)).transpose()
}

pub(crate) async fn rename_tenant<C: ConnectionTrait>(
    on: &C,
    id: TenantId,
    slug: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let text = "update tenants set slug = $2, name = $3 where id = $1";
    Ok(run(on, TENANT, text, values![id.uuid(), slug, name]).await? > 0)
}

fn read_token(row: &Row) -> Result<Token, StoreError> {
    Ok(Token {
        id: TokenId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        name: row.text("name")?,
        person: row.opt_text("person")?,
        role: row.text("role")?,
        digest: row.text("digest")?,
        expires_at: row.opt_time("expires_at")?,
        revoked_at: row.opt_time("revoked_at")?,
        created_at: row.time("created_at")?,
    })
}

pub(crate) async fn insert_token<C: ConnectionTrait>(on: &C, token: &Token) -> Result<(), StoreError> {
    let text =
        "insert into api_tokens (id, tenant_id, name, role, digest, expires_at, revoked_at, created_at, person)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = values![
        token.id.uuid(),
        token.tenant.uuid(),
        token.name.as_str(),
        token.role.as_str(),
        token.digest.as_str(),
        opt_micros(token.expires_at),
        opt_micros(token.revoked_at),
        micros(token.created_at),
        token.person.clone(),
    ];
    run(on, TOKEN, text, values).await.map(drop)
}

pub(crate) async fn token(store: &SqlStore, digest: &str) -> Result<Option<Token>, StoreError> {
    let text = "select * from api_tokens where digest = $1";
    let row = one(&store.inner.read, TOKEN, text, values![digest]).await?;
    row.map(|row| read_token(&row)).transpose()
}

/// The tenant's token of the id.
pub(crate) async fn token_by_id<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: TokenId,
) -> Result<Option<Token>, StoreError> {
    let text = "select * from api_tokens where tenant_id = $1 and id = $2";
    let row = one(on, TOKEN, text, values![tenant.uuid(), id.uuid()]).await?;
    row.map(|row| read_token(&row)).transpose()
}

/// The token of the digest, with its tenant.
pub(crate) async fn bearer(store: &SqlStore, digest: &str) -> Result<Option<(Token, Tenant)>, StoreError> {
    let text = "select k.*, t.slug as tenant_slug, t.name as tenant_name
        from api_tokens k join tenants t on t.id = k.tenant_id where k.digest = $1";
    let Some(row) = one(&store.inner.read, TOKEN, text, values![digest]).await? else {
        return Ok(None);
    };
    let token = read_token(&row)?;
    let tenant = Tenant {
        id: token.tenant,
        slug: row.text("tenant_slug")?,
        name: row.text("tenant_name")?,
    };
    Ok(Some((token, tenant)))
}

pub(crate) async fn tokens(store: &SqlStore, tenant: TenantId) -> Result<Vec<Token>, StoreError> {
    let text = "select * from api_tokens where tenant_id = $1 order by created_at desc, id";
    let rows = all(&store.inner.read, TOKEN, text, values![tenant.uuid()]).await?;
    rows.iter().map(read_token).collect()
}

/// A token revoked twice keeps the first instant.
pub(crate) async fn revoke<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: TokenId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let text = "update api_tokens set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and id = $2";
    let values = values![tenant.uuid(), id.uuid(), micros(at)];
    Ok(run(on, TOKEN, text, values).await? > 0)
}
