//! Deliveries that speak of a run of ours which the database does not know: what a restored database has forgotten, and
//! what nobody will look for by itself.

use crate::connect::SqlStore;
use crate::sql::{all, micros, one, span, values};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// Deliveries looked at, at most.
const MOST: i64 = 5_000;

/// Something at a vendor under our mark, without an intent of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Whose.
    pub tenant: TenantId,
    /// Provider's key, or `callback`.
    pub source: String,
    /// Through which integration it was told.
    pub integration: Option<IntegrationId>,
    /// The mark (`delivr_key`).
    pub correlation: String,
    /// When it was last told.
    pub at: Timestamp,
}

impl SqlStore {
    /// Marks that deliveries of the last `within` named and no effect has, the latest first. Of ended releases the rows
    /// are forgotten one day, so that old deliveries tell nothing.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn strays(&self, within: Duration) -> Result<Vec<Stray>, StoreError> {
        let now = self.time(&self.inner.read).await?;
        let since = micros(now).saturating_sub(span(within));
        let text = "select tenant_id, integration_id, source, payload, at from inbox
            where processed and at >= $1 order by at desc limit $2";
        let mut seen = BTreeSet::new();
        let mut strays = Vec::new();
        for row in all(&self.inner.read, "delivery", text, values![since, MOST]).await? {
            let tenant = TenantId::from_uuid(row.uuid("tenant_id")?);
            let payload = row.json("payload")?;
            let named = payload.get("correlations").and_then(serde_json::Value::as_array);
            for correlation in named.into_iter().flatten().filter_map(serde_json::Value::as_str) {
                if !seen.insert((tenant, correlation.to_owned())) || self.knows(tenant, correlation).await? {
                    continue;
                }
                strays.push(Stray {
                    tenant,
                    source: row.text("source")?,
                    integration: row.opt_uuid("integration_id")?.map(IntegrationId::from_uuid),
                    correlation: correlation.to_owned(),
                    at: row.time("at")?,
                });
            }
        }
        Ok(strays)
    }

    async fn knows(&self, tenant: TenantId, correlation: &str) -> Result<bool, StoreError> {
        let text = "select id from effects where tenant_id = $1 and correlation = $2 limit 1";
        let row = one(
            &self.inner.read,
            "effect",
            text,
            values![tenant.uuid(), correlation],
        )
        .await?;
        Ok(row.is_some())
    }
}
