//! How it goes with integrations.

use crate::connect::{Dialect, SqlStore};
use crate::sql::{Row, all, document, one, run, values};
use async_trait::async_trait;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::Health;
use delivr_domain::ports::store::{HealthBook, HealthOf};
use std::collections::BTreeMap;

const WHAT: &str = "health of an integration";

/// What is stored. What cannot be read is of no use to anybody, and is known anew with the next call.
fn read(row: &Row) -> Health {
    row.document("health").unwrap_or_else(|error| {
        tracing::warn!(%error, "the stored health of an integration is left out");
        Health::default()
    })
}

#[async_trait]
impl HealthBook for SqlStore {
    async fn add_health(&self, of: &[HealthOf]) -> Result<(), StoreError> {
        // In one order, so that two processes that write the same ones never wait for each other in a circle.
        let mut of: Vec<&HealthOf> = of.iter().collect();
        of.sort_by_key(|it| it.integration);
        let unit = self.transaction().await?;
        let lock = match self.inner.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for update",
        };
        for it in of {
            let key = values![it.integration.uuid(), it.tenant.uuid()];
            let mut first = key.clone();
            first.extend(values![document(WHAT, &Health::default())?]);
            let text = "insert into integration_health (integration_id, tenant_id, health)
                select id, tenant_id, $3 from integrations where id = $1 and tenant_id = $2
                on conflict (integration_id) do nothing";
            run(&*unit, WHAT, text, first).await?;
            let text = format!(
                "select health from integration_health where integration_id = $1 and tenant_id = $2{lock}"
            );
            let Some(row) = one(&*unit, WHAT, &text, key.clone()).await? else {
                continue;
            };
            let mut merged = key;
            merged.extend(values![document(WHAT, &read(&row).merged(it.health.clone()))?]);
            let text =
                "update integration_health set health = $3 where integration_id = $1 and tenant_id = $2";
            run(&*unit, WHAT, text, merged).await?;
        }
        unit.commit().await
    }

    async fn health(&self, tenant: TenantId) -> Result<BTreeMap<IntegrationId, Health>, StoreError> {
        let text = "select integration_id, health from integration_health where tenant_id = $1";
        let rows = all(&self.inner.read, WHAT, text, values![tenant.uuid()]).await?;
        let of = |row: &Row| Ok((IntegrationId::from_uuid(row.uuid("integration_id")?), read(row)));
        rows.iter().map(of).collect()
    }
}
