//! Changes of the set-up, with the audit of them: both in one transaction, one change of a tenant after the other.

use crate::connect::{Dialect, SqlStore};
use crate::sql::{Row, all, micros, one, run, stored, values};
use crate::{integrations, links, queue, services, tenants};
use async_trait::async_trait;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AuditFilter, AuditLine, By, Change, Draft, Facts, Integration, Pipeline, Service, SetUp, StopBy,
};
use sea_orm::ConnectionTrait;

const WHAT: &str = "audit line";
/// Lines read at once while some are looked for.
const STEP: u16 = 500;

fn read(row: &Row) -> Result<AuditLine, StoreError> {
    let changes = row.text("changes")?;
    Ok(AuditLine {
        number: row.number("number")?,
        said: Draft {
            tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
            at: row.time("at")?,
            actor: row.text("actor")?,
            subject: row.word("subject")?,
            subject_id: row.text("subject_id")?,
            name: row.text("name")?,
            deed: row.word("deed")?,
            changes: serde_json::from_str(&changes).map_err(|error| row.corrupt("changes", error))?,
        },
        digest: row.text("digest")?,
    })
}

/// The end of a tenant's lines. On PostgreSQL whoever changes the tenant's set-up next waits here until this is over: so
/// numbers have no gap, and what is read as "before" is what the change meets.
async fn head<C: ConnectionTrait>(
    on: &C,
    dialect: Dialect,
    tenant: TenantId,
) -> Result<(u64, String), StoreError> {
    let text = "insert into audit_heads (tenant_id, number, digest) values ($1, 0, '')
        on conflict (tenant_id) do nothing";
    run(on, WHAT, text, values![tenant.uuid()]).await?;
    let lock = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => " for update",
    };
    let text = format!("select number, digest from audit_heads where tenant_id = $1{lock}");
    match one(on, WHAT, &text, values![tenant.uuid()]).await? {
        Some(row) => Ok((row.number("number")?, row.text("digest")?)),
        None => Err(StoreError::Conflict),
    }
}

async fn append<C: ConnectionTrait>(on: &C, line: &AuditLine) -> Result<(), StoreError> {
    let said = &line.said;
    let changes = serde_json::to_string(&said.changes).map_err(|error| StoreError::Corrupt {
        what: WHAT,
        why: error.to_string(),
    })?;
    let text = "insert into audit_lines
            (tenant_id, number, at, actor, subject, subject_id, name, deed, changes, digest)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let values = values![
        said.tenant.uuid(),
        stored(line.number),
        micros(said.at),
        said.actor.as_str(),
        said.subject.word(),
        said.subject_id.as_str(),
        said.name.as_str(),
        said.deed.word(),
        changes,
        line.digest.as_str(),
    ];
    run(on, WHAT, text, values).await?;
    let text = "update audit_heads set number = $2, digest = $3 where tenant_id = $1";
    let values = values![said.tenant.uuid(), stored(line.number), line.digest.as_str()];
    run(on, WHAT, text, values).await.map(drop)
}

/// What is stored of the thing now.
async fn before<C: ConnectionTrait>(on: &C, change: &Change<'_>) -> Result<Option<Facts>, StoreError> {
    match change {
        Change::InsertIntegration(_)
        | Change::InsertPipeline(_)
        | Change::InsertService(_)
        | Change::InsertToken(_)
        | Change::InsertStatusLink(_) => Ok(None),
        Change::UpdateIntegration(Integration { tenant, id, .. }, _)
        | Change::DeleteIntegration(tenant, id, _) => {
            let found = integrations::integration(on, *tenant, *id).await?;
            Ok(found.as_ref().map(Facts::of_integration))
        }
        Change::UpdatePipeline(Pipeline { tenant, id, .. }) | Change::DeletePipeline(tenant, id, _) => {
            let found = integrations::pipeline(on, *tenant, *id).await?;
            Ok(found.as_ref().map(Facts::of_pipeline))
        }
        Change::UpdateService(Service { tenant, id, .. }) | Change::DeleteService(tenant, id, _) => {
            let found = services::service(on, *tenant, *id).await?;
            Ok(found.as_ref().map(Facts::of_service))
        }
        Change::InsertProfile(it) => {
            let found = services::profile(on, it.tenant, it.id, None).await?;
            Ok(found.as_ref().map(Facts::of_profile))
        }
        Change::RevokeToken(tenant, id, _) => {
            let found = tenants::token_by_id(on, *tenant, *id).await?;
            Ok(found.as_ref().map(Facts::of_token))
        }
        Change::RevokeStatusLink(tenant, id, _) => {
            let found = links::by_id(on, *tenant, *id).await?;
            Ok(found.as_ref().map(Facts::of_link))
        }
        Change::RenameTenant(id, _, _) => {
            let found = tenants::tenant(on, "id", id.uuid().into()).await?;
            Ok(found.map(|it| Facts::of_tenant(it.id, &it.slug, &it.name)))
        }
        Change::SetStop(tenant, _, _) => {
            let reason = queue::stopped_for(on, *tenant).await?;
            Ok(Some(Facts::of_stop(*tenant, reason.as_deref())))
        }
    }
}

/// Makes the change; false when there is nothing that it could change.
async fn make<C: ConnectionTrait>(
    store: &SqlStore,
    on: &C,
    change: &Change<'_>,
    by: By<'_>,
) -> Result<bool, StoreError> {
    match change {
        Change::InsertIntegration(it) => integrations::insert(on, it).await?,
        Change::UpdateIntegration(it, _) => integrations::update(on, it).await?,
        Change::InsertPipeline(it) => integrations::insert_pipeline(on, it).await?,
        Change::UpdatePipeline(it) => integrations::update_pipeline(on, it).await?,
        Change::InsertService(it) => services::insert(on, it).await?,
        Change::UpdateService(it) => services::update(on, it).await?,
        Change::InsertProfile(it) => services::insert_profile(on, it).await?,
        Change::InsertToken(it) => tenants::insert_token(on, it).await?,
        Change::InsertStatusLink(it) => links::insert(on, it).await?,
        Change::DeleteIntegration(tenant, id, expected) => {
            return integrations::delete(on, *tenant, *id, *expected).await;
        }
        Change::DeletePipeline(tenant, id, expected) => {
            return integrations::delete_pipeline(on, *tenant, *id, *expected).await;
        }
        Change::DeleteService(tenant, id, expected) => {
            return services::delete(on, *tenant, *id, *expected).await;
        }
        Change::RevokeToken(tenant, id, at) => return tenants::revoke(on, *tenant, *id, *at).await,
        Change::RevokeStatusLink(tenant, id, at) => return links::revoke(on, *tenant, *id, *at).await,
        Change::RenameTenant(id, slug, name) => return tenants::rename_tenant(on, *id, slug, name).await,
        Change::SetStop(tenant, stopped, reason) => {
            let stop = stopped.then_some(StopBy {
                reason,
                actor: by.actor,
            });
            queue::put_stop(store, on, Some(*tenant), stop).await?;
        }
    }
    Ok(true)
}

#[async_trait]
impl SetUp for SqlStore {
    async fn set_up(&self, change: &Change<'_>, by: By<'_>) -> Result<bool, StoreError> {
        let unit = self.transaction().await?;
        let (number, digest) = head(&*unit, self.inner.dialect, change.tenant()).await?;
        let before = before(&*unit, change).await?;
        if !make(self, &*unit, change, by).await? {
            return Ok(false);
        }
        if let Some(said) = change.line(by, before.as_ref()) {
            append(&*unit, &AuditLine::after(number, &digest, said)).await?;
        }
        unit.commit().await?;
        if matches!(change, Change::SetStop(_, false, _)) {
            self.announce().await;
        }
        Ok(true)
    }

    async fn audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Vec<AuditLine>, StoreError> {
        // Whoever looks for nothing in a text gets whole pages from the index.
        let step = if filter.actor.is_none() && filter.text.is_none() {
            limit
        } else {
            STEP
        };
        let mut below = before.map_or(i64::MAX, stored);
        let mut found = Vec::new();
        loop {
            let mut values = values![tenant.uuid(), below, i64::from(step)];
            let mut narrow = String::new();
            for (column, value) in [
                ("subject =", filter.subject.map(|it| it.word().into())),
                ("at >=", filter.since.map(|at| micros(at).into())),
                ("at <", filter.until.map(|at| micros(at).into())),
            ] {
                if let Some(value) = value {
                    values.push(value);
                    narrow.push_str(&format!(" and {column} ${}", values.len()));
                }
            }
            let text = format!(
                "select * from audit_lines where tenant_id = $1 and number < $2{narrow}
                order by number desc limit $3"
            );
            let rows = all(&self.inner.read, WHAT, &text, values).await?;
            for row in &rows {
                let line = read(row)?;
                below = stored(line.number);
                if filter.fits(&line.said) {
                    found.push(line);
                }
                if found.len() == usize::from(limit) {
                    return Ok(found);
                }
            }
            if rows.len() < usize::from(step) {
                return Ok(found);
            }
        }
    }
}
