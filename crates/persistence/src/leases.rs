//! Leases by name: one row each, taken by one statement.

use crate::connect::SqlStore;
use crate::sql::{after, all, micros, run, values};
use async_trait::async_trait;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::lease::{Lease, Leases, Taking};
use std::time::Duration;

const LEASE: &str = "lease";

#[async_trait]
impl Leases for SqlStore {
    async fn take(&self, name: &str, how: Taking, span: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.time(&self.inner.write).await?;
        // Two that come at once are put in order by the row: the second sees what the first has written.
        let text = "insert into leases (name, fence, until, note) values ($1, 1, $3, null)
            on conflict (name) do update set fence = leases.fence + 1, until = excluded.until
                where leases.until <= $2 or $4
            returning fence, note";
        let values = values![name, micros(now), after(now, span), how == Taking::AtOnce];
        let rows = all(&self.inner.write, LEASE, text, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (fence, left) = (row.number("fence")?, row.opt_text("note")?);
        Ok(Some(Lease::issued_by_store(name.to_owned(), fence, left)))
    }

    async fn keep(&self, lease: &Lease, span: Duration, note: Option<&str>) -> Result<(), StoreError> {
        let now = self.time(&self.inner.write).await?;
        let text = "update leases set until = $3, note = $4 where name = $1 and fence = $2";
        let values = values![
            lease.name(),
            fence(lease),
            after(now, span),
            note.map(str::to_owned)
        ];
        match run(&self.inner.write, LEASE, text, values).await? {
            0 => Err(StoreError::Fenced),
            _ => Ok(()),
        }
    }

    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        let text = "update leases set until = 0, note = null where name = $1 and fence = $2";
        let values = values![lease.name(), fence(lease)];
        run(&self.inner.write, LEASE, text, values).await.map(drop)
    }
}

/// The fence as the database keeps it.
fn fence(lease: &Lease) -> i64 {
    i64::try_from(lease.fence()).unwrap_or(i64::MAX)
}
