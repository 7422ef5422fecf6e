//! How much waits, for gauges. Every question is bounded or answered by an index: asking costs the same with a hundred
//! thousand releases as with ten.

use crate::claim::{EVERYBODY, stops};
use crate::connect::{Dialect, SqlStore};
use crate::sql::{all, micros, one, values};
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows counted, at most: whoever has more waiting needs no exact number.
const MOST: i64 = 10_000;

/// Rows of one kind that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// How many; at most 10 000 of all kinds together.
    pub count: u64,
    /// For how long the oldest has been due.
    pub oldest: Duration,
}

/// Things in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// How many; at most 10 000.
    pub count: u64,
    /// For how long the oldest has been waiting.
    pub oldest: Duration,
}

/// Connections to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// In use.
    pub busy: u32,
    /// Open and free.
    pub idle: u32,
}

/// How much waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Due effects by kind word. Those of stopped tenants do not count: nobody is late with them.
    pub due: BTreeMap<String, Due>,
    /// Deliveries of others that were not worked off yet.
    pub inbox: Waiting,
    /// Messages to people that were not posted yet.
    pub messages: Waiting,
    /// Releases under way by phase and status word.
    pub releases: BTreeMap<(String, String), u64>,
}

fn age(now: Timestamp, since: Timestamp) -> Duration {
    (now - since).to_std().unwrap_or_default()
}

impl SqlStore {
    /// How much waits now, by the database's clock.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let now = self.time(&self.inner.read).await?;
        Ok(Backlog {
            due: self.due(now).await?,
            inbox: self
                .waiting(
                    now,
                    "select at from inbox where not processed order by position limit $1",
                )
                .await?,
            messages: self
                .waiting(
                    now,
                    "select due_at as at from effects where kind = 'MESSAGE' and state = 'READY'
                        order by due_at limit $1",
                )
                .await?,
            releases: self.phases().await?,
        })
    }

    async fn due(&self, now: Timestamp) -> Result<BTreeMap<String, Due>, StoreError> {
        let stopped = stops(&self.inner.read).await?;
        let mut due = BTreeMap::new();
        if stopped.contains(EVERYBODY) {
            return Ok(due);
        }
        let text = "select tenant_id, kind, count(*) as many, min(due_at) as since from (
                select tenant_id, kind, due_at from effects where state = 'READY' and due_at <= $1
                order by due_at limit $2) rows_due
            group by tenant_id, kind";
        for row in all(&self.inner.read, "due effect", text, values![micros(now), MOST]).await? {
            if stopped.contains(&row.uuid("tenant_id")?.to_string()) {
                continue;
            }
            let kind: &mut Due = due.entry(row.text("kind")?).or_default();
            kind.count = kind.count.saturating_add(row.number("many")?);
            kind.oldest = kind.oldest.max(age(now, row.time("since")?));
        }
        Ok(due)
    }

    async fn waiting(&self, now: Timestamp, rows: &str) -> Result<Waiting, StoreError> {
        let text = format!("select count(*) as many, min(at) as since from ({rows}) rows_waiting");
        let Some(row) = one(&self.inner.read, "backlog", &text, values![MOST]).await? else {
            return Ok(Waiting::default());
        };
        Ok(Waiting {
            count: row.number("many")?,
            oldest: row
                .opt_time("since")?
                .map_or(Duration::ZERO, |since| age(now, since)),
        })
    }

    async fn phases(&self) -> Result<BTreeMap<(String, String), u64>, StoreError> {
        let text =
            "select phase, status, count(*) as many from releases where not terminal group by phase, status";
        all(&self.inner.read, "release", text, Vec::new())
            .await?
            .iter()
            .map(|row| Ok(((row.text("phase")?, row.text("status")?), row.number("many")?)))
            .collect()
    }

    /// Connections that are open now; on SQLite those of readers and the writer.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let of = |size: u32, idle: usize| {
            let idle = u32::try_from(idle).unwrap_or(size).min(size);
            (size.saturating_sub(idle), idle)
        };
        let counted = match self.inner.dialect {
            Dialect::Sqlite => {
                let (read, write) = (
                    self.inner.read.on.get_sqlite_connection_pool(),
                    self.inner.write.on.get_sqlite_connection_pool(),
                );
                vec![
                    of(read.size(), read.num_idle()),
                    of(write.size(), write.num_idle()),
                ]
            }
            Dialect::Postgres => {
                let pool = self.inner.write.on.get_postgres_connection_pool();
                vec![of(pool.size(), pool.num_idle())]
            }
        };
        counted
            .into_iter()
            .fold(Connections::default(), |sum, (busy, idle)| Connections {
                busy: sum.busy.saturating_add(busy),
                idle: sum.idle.saturating_add(idle),
            })
    }
}
