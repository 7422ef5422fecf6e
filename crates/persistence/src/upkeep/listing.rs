//! Releases that a version of the program which knows nothing of lists has saved last, listed anew.

use crate::aggregates::projection;
use crate::connect::{Dialect, SqlStore};
use crate::sql::{all, one, opt_micros, run, values};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Attention;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

const WHAT: &str = "release";
/// Releases that are listed anew in one transaction.
const AT_ONCE: i64 = 100;

/// Releases whose columns of lists are still to be written: see the migration.
const UNLISTED: &str = "(listed is null or listed <> version)";

/// Whether the tenant has any of them.
pub(crate) async fn unlisted<C: ConnectionTrait>(on: &C, tenant: TenantId) -> Result<bool, StoreError> {
    let text =
        format!("select number from releases where tenant_id = $1 and {UNLISTED} order by number limit 1");
    Ok(one(on, WHAT, &text, values![tenant.uuid()]).await?.is_some())
}

impl SqlStore {
    /// Writes what releases are listed by that a version of the program without it has saved last. Any number of processes
    /// may do so at once, and each may end at any time.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; what is written by then stays written.
    pub async fn list_releases(&self) -> Result<u64, StoreError> {
        let mut done: u64 = 0;
        let mut last = (Uuid::nil(), 0);
        loop {
            let text = format!(
                "select tenant_id, number from releases
                where {UNLISTED} and (tenant_id, number) > ($1, $2)
                order by tenant_id, number limit $3"
            );
            let page = all(&self.inner.read, WHAT, &text, values![last.0, last.1, AT_ONCE]).await?;
            let Some(end) = page.last() else {
                return Ok(done);
            };
            let end = (end.uuid("tenant_id")?, end.long("number")?);
            done = done.saturating_add(self.list_some(last, end).await?);
            last = end;
        }
    }

    /// Those after the first, up to the last.
    async fn list_some(&self, after: (Uuid, i64), end: (Uuid, i64)) -> Result<u64, StoreError> {
        let unit = self.transaction().await?;
        // What somebody is working on is left to him: he writes it himself.
        let lock = match self.inner.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for no key update skip locked",
        };
        let text = format!(
            "select id, version, state from releases
            where {UNLISTED}
                and (tenant_id, number) > ($1, $2) and (tenant_id, number) <= ($3, $4){lock}"
        );
        let rows = all(&*unit, WHAT, &text, values![after.0, after.1, end.0, end.1]).await?;
        for row in &rows {
            // A state that this build cannot read is listed by what its columns say: it stands at the end of every sort
            // that they do not know, and is somebody's to look at.
            let listing = projection(&row.json("state")?).map(|it| it.listing);
            let text = "update releases set listed = version, service_slug = $2, pilot = $3, attention = $4,
                    changed_at = $5, turn = $6 where id = $1";
            let attention = listing.as_ref().map_or(Attention::Stopped, |it| it.attention);
            let values = values![
                row.uuid("id")?,
                listing.as_ref().map(|it| it.service.clone()),
                listing.as_ref().and_then(|it| it.pilot.clone()),
                attention.rank(),
                listing.as_ref().and_then(|it| opt_micros(it.changed_at)),
                listing.as_ref().and_then(|it| it.turn),
            ];
            run(&*unit, WHAT, text, values).await?;
        }
        unit.commit().await?;
        Ok(u64::try_from(rows.len()).unwrap_or_default())
    }
}
