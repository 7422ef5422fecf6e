//! Saved views of releases.

use crate::connect::SqlStore;
use crate::integrations::delete_row;
use crate::sql::{Row, all, micros, one, run, stored, values};
use async_trait::async_trait;
use delivr_domain::ids::{TenantId, ViewId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{View, Views};

const WHAT: &str = "view";

fn read(row: &Row) -> Result<View, StoreError> {
    Ok(View {
        id: ViewId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        owner: row.text("owner")?,
        made_by: row.text("made_by")?,
        name: row.text("name")?,
        shared: row.flag("shared")?,
        content: row.json("content")?,
        version: row.number("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

#[async_trait]
impl Views for SqlStore {
    async fn insert_view(&self, view: &View) -> Result<(), StoreError> {
        let text = "insert into release_views
            (id, tenant_id, owner, made_by, name, shared, content, version, created_at, updated_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let values = values![
            view.id.uuid(),
            view.tenant.uuid(),
            view.owner.as_str(),
            view.made_by.as_str(),
            view.name.as_str(),
            view.shared,
            view.content.clone(),
            stored(view.version),
            micros(view.created_at),
            micros(view.updated_at),
        ];
        run(&self.inner.write, WHAT, text, values).await.map(drop)
    }

    async fn views(&self, tenant: TenantId, owner: &str) -> Result<Vec<View>, StoreError> {
        let text =
            "select * from release_views where tenant_id = $1 and (owner = $2 or shared) order by name, id";
        let rows = all(&self.inner.read, WHAT, text, values![tenant.uuid(), owner]).await?;
        rows.iter().map(read).collect()
    }

    async fn view(&self, tenant: TenantId, id: ViewId) -> Result<Option<View>, StoreError> {
        let text = "select * from release_views where tenant_id = $1 and id = $2";
        let row = one(&self.inner.read, WHAT, text, values![tenant.uuid(), id.uuid()]).await?;
        row.map(|row| read(&row)).transpose()
    }

    async fn update_view(&self, view: &View) -> Result<(), StoreError> {
        let text =
            "update release_views set name = $3, shared = $4, content = $5, version = $6, updated_at = $7
            where tenant_id = $1 and id = $2 and version = $6 - 1";
        let values = values![
            view.tenant.uuid(),
            view.id.uuid(),
            view.name.as_str(),
            view.shared,
            view.content.clone(),
            stored(view.version),
            micros(view.updated_at),
        ];
        match run(&self.inner.write, WHAT, text, values).await? {
            0 => Err(StoreError::Conflict),
            _one => Ok(()),
        }
    }

    async fn delete_view(
        &self,
        tenant: TenantId,
        id: ViewId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        delete_row(
            &self.inner.write,
            WHAT,
            "release_views",
            (tenant, id.uuid()),
            expected,
        )
        .await
    }

    async fn default_view(&self, tenant: TenantId, owner: &str) -> Result<Option<ViewId>, StoreError> {
        let text = "select v.id from release_view_defaults d join release_views v on v.id = d.view_id
            where d.tenant_id = $1 and d.owner = $2 and (v.shared or v.owner = $2)";
        let row = one(&self.inner.read, WHAT, text, values![tenant.uuid(), owner]).await?;
        row.map(|row| row.uuid("id").map(ViewId::from_uuid)).transpose()
    }

    async fn set_default_view(
        &self,
        tenant: TenantId,
        owner: &str,
        view: Option<ViewId>,
    ) -> Result<(), StoreError> {
        let Some(view) = view else {
            let text = "delete from release_view_defaults where tenant_id = $1 and owner = $2";
            let done = run(&self.inner.write, WHAT, text, values![tenant.uuid(), owner]);
            return done.await.map(drop);
        };
        let text = "insert into release_view_defaults (tenant_id, owner, view_id) values ($1, $2, $3)
            on conflict (tenant_id, owner) do update set view_id = excluded.view_id";
        let values = values![tenant.uuid(), owner, view.uuid()];
        run(&self.inner.write, WHAT, text, values).await.map(drop)
    }
}
