//! Links to status pages.

use crate::connect::SqlStore;
use crate::sql::{Row, all, micros, one, opt_micros, run, values};
use async_trait::async_trait;
use delivr_domain::ids::{ReleaseId, ServiceId, StatusLinkId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{StatusLink, StatusLinks, StatusOf};
use delivr_domain::time::Timestamp;
use sea_orm::ConnectionTrait;

const WHAT: &str = "status link";

fn read(row: &Row) -> Result<StatusLink, StoreError> {
    let about = match (row.opt_uuid("release_id")?, row.opt_uuid("service_id")?) {
        (Some(id), None) => StatusOf::Release(ReleaseId::from_uuid(id)),
        (None, Some(id)) => StatusOf::Service(ServiceId::from_uuid(id)),
        (Some(_), Some(_)) | (None, None) => {
            return Err(row.corrupt("release_id", "it is about one release or one service"));
        }
    };
    Ok(StatusLink {
        id: StatusLinkId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        digest: row.text("digest")?,
        name: row.text("name")?,
        about,
        made_by: row.text("made_by")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        revoked_at: row.opt_time("revoked_at")?,
    })
}

pub(crate) async fn insert<C: ConnectionTrait>(on: &C, link: &StatusLink) -> Result<(), StoreError> {
    let (release, service) = match link.about {
        StatusOf::Release(id) => (Some(id.uuid()), None),
        StatusOf::Service(id) => (None, Some(id.uuid())),
    };
    let text = "insert into status_links
            (id, tenant_id, digest, name, release_id, service_id, made_by, created_at, expires_at, revoked_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let values = values![
        link.id.uuid(),
        link.tenant.uuid(),
        link.digest.as_str(),
        link.name.as_str(),
        release,
        service,
        link.made_by.as_str(),
        micros(link.created_at),
        micros(link.expires_at),
        opt_micros(link.revoked_at),
    ];
    run(on, WHAT, text, values).await.map(drop)
}

pub(crate) async fn revoke<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: StatusLinkId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let text =
        "update status_links set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and id = $2";
    let values = values![tenant.uuid(), id.uuid(), micros(at)];
    Ok(run(on, WHAT, text, values).await? > 0)
}

/// The tenant's link of the id.
pub(crate) async fn by_id<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    id: StatusLinkId,
) -> Result<Option<StatusLink>, StoreError> {
    let text = "select * from status_links where tenant_id = $1 and id = $2";
    let row = one(on, WHAT, text, values![tenant.uuid(), id.uuid()]).await?;
    row.map(|row| read(&row)).transpose()
}

#[async_trait]
impl StatusLinks for SqlStore {
    async fn insert_status_link(&self, link: &StatusLink) -> Result<(), StoreError> {
        insert(&self.inner.write, link).await
    }

    async fn status_link(&self, digest: &str) -> Result<Option<StatusLink>, StoreError> {
        let text = "select * from status_links where digest = $1";
        let row = one(&self.inner.read, WHAT, text, values![digest]).await?;
        row.map(|row| read(&row)).transpose()
    }

    async fn status_links(&self, tenant: TenantId) -> Result<Vec<StatusLink>, StoreError> {
        let text = "select * from status_links where tenant_id = $1 order by created_at desc, id";
        let rows = all(&self.inner.read, WHAT, text, values![tenant.uuid()]).await?;
        rows.iter().map(read).collect()
    }

    async fn revoke_status_link(
        &self,
        tenant: TenantId,
        id: StatusLinkId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        revoke(&self.inner.write, tenant, id, at).await
    }
}
