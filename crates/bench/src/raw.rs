//! The raw rate: the statements of the product's claim, run and report, written by hand, on the same connections.
//!
//! What it leaves out is the product: no machine is stepped, no state is read or written as JSON of ours, no vendor is
//! asked, no next task is found. It writes the same bytes into the same tables with the same commits, and is therefore
//! the most that this schema can do on this machine.

use crate::database::Kind;
use crate::world::CONNECTIONS;
use anyhow::Result;
use futures_util::future::try_join_all;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr as _;
use std::time::Duration;

/// Rows claimed at once: the free slots of a worker.
const BATCH: i64 = 16;

/// Does all there is to do; returns how many tasks that were.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn run(url: &str, kind: Kind, workers: u32) -> Result<i64> {
    let done = match kind {
        Kind::Postgres => {
            let mut pools = Vec::new();
            for _worker in 0..workers {
                pools.push(
                    PgPoolOptions::new()
                        .max_connections(CONNECTIONS)
                        .test_before_acquire(false)
                        .connect(url)
                        .await?,
                );
            }
            try_join_all(pools.iter().map(|pool| postgres::work(pool, pool))).await?
        }
        Kind::Sqlite => {
            let file = SqliteConnectOptions::from_str(url)?
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(10))
                .foreign_keys(true);
            let write = SqlitePoolOptions::new()
                .max_connections(1)
                .test_before_acquire(false)
                .connect_with(file.clone())
                .await?;
            let read = SqlitePoolOptions::new()
                .max_connections(CONNECTIONS)
                .test_before_acquire(false)
                .connect_with(file)
                .await?;
            try_join_all((0..workers).map(|_worker| sqlite::work(&write, &read))).await?
        }
    };
    Ok(done.into_iter().sum())
}

macro_rules! raw {
    ($module:ident, $database:ty, $begin:literal, $clock:literal, $skip:literal, $lock:literal, $events:literal) => {
        mod $module {
            use super::BATCH;
            use anyhow::Result;
            use futures_util::future::try_join_all;
            use serde_json::Value;
            use sqlx::{Pool, Row as _, query, query_scalar};
            use uuid::Uuid;

            type Database = $database;

            /// One claimed row.
            struct Claimed {
                id: Uuid,
                tenant: Uuid,
                owner: Uuid,
                integration: Option<Uuid>,
                attempt: i64,
            }

            /// One worker: claims a batch, does it, until there is nothing.
            pub(super) async fn work(write: &Pool<Database>, read: &Pool<Database>) -> Result<i64> {
                let mut done = 0;
                loop {
                    let claimed = claim(write).await?;
                    if claimed.is_empty() {
                        return Ok(done);
                    }
                    done += i64::try_from(claimed.len())?;
                    try_join_all(claimed.iter().map(|one| one_task(write, read, one))).await?;
                }
            }

            async fn claim(write: &Pool<Database>) -> Result<Vec<Claimed>> {
                let mut unit = write.begin_with($begin).await?;
                let now: i64 = query_scalar($clock).fetch_one(&mut *unit).await?;
                let rows = query(concat!(
                    "update effects set attempt = attempt + 1, lease_until = $3, worker = 'raw', state = 'CLAIMED'
                    where id in (select id from effects where state = 'READY' and due_at <= $1
                        order by due_at, id limit $2 ",
                    $skip,
                    ") returning *"
                ))
                .bind(now)
                .bind(BATCH)
                .bind(now + 60_000_000)
                .fetch_all(&mut *unit)
                .await?;
                let mut claimed = Vec::new();
                for row in rows {
                    claimed.push(Claimed {
                        id: row.try_get("id")?,
                        tenant: row.try_get("tenant_id")?,
                        owner: row.try_get("owner_id")?,
                        integration: row.try_get("integration_id")?,
                        attempt: row.try_get("attempt")?,
                    });
                }
                unit.commit().await?;
                Ok(claimed)
            }

            async fn one_task(write: &Pool<Database>, read: &Pool<Database>, it: &Claimed) -> Result<()> {
                // Before the vendor is asked, and once more before it is told.
                for _look in 0..2 {
                    let _state: Value = query_scalar("select state from releases where id = $1")
                        .bind(it.owner)
                        .fetch_one(read)
                        .await?;
                }
                let _integration = query("select * from integrations where tenant_id = $1 and id = $2")
                    .bind(it.tenant)
                    .bind(it.integration)
                    .fetch_optional(read)
                    .await?;
                let _floor = query("select value from settings where name = 'quiet_floor'")
                    .fetch_optional(read)
                    .await?;
                report(write, it).await
            }

            async fn report(write: &Pool<Database>, it: &Claimed) -> Result<()> {
                let mut unit = write.begin_with($begin).await?;
                let row = query(concat!("select * from releases where id = $1 ", $lock))
                    .bind(it.owner)
                    .fetch_one(&mut *unit)
                    .await?;
                let (version, state): (i64, Value) = (row.try_get("version")?, row.try_get("state")?);
                query(
                    "update effects set state = 'DONE', lease_until = null, worker = null
                    where id = $1 and attempt = $2 and state = 'CLAIMED'",
                )
                .bind(it.id)
                .bind(it.attempt)
                .execute(&mut *unit)
                .await?;
                let now: i64 = query_scalar($clock).fetch_one(&mut *unit).await?;
                let _facts = query("select kind, value, observed_at from facts where owner_kind = 'RELEASE' and owner_id = $1")
                    .bind(it.owner)
                    .fetch_all(&mut *unit)
                    .await?;
                query("update releases set version = version + 1, state = $2, wake_at = null where id = $1 and version = $3")
                    .bind(it.owner)
                    .bind(&state)
                    .bind(version)
                    .execute(&mut *unit)
                    .await?;
                // One task of the release has changed.
                query(
                    "update release_tasks set status = 'COMPLETED', external_id = 'raw' where release_id = $1
                    and id = (select id from release_tasks where release_id = $1 order by ordinal limit 1)",
                )
                .bind(it.owner)
                .execute(&mut *unit)
                .await?;
                query(
                    "insert into effect_attempts (tenant_id, effect_id, attempt, outcome, reference, detail, at)
                    values ($1, $2, $3, 'created', 'raw', null, $4)",
                )
                .bind(it.tenant)
                .bind(it.id)
                .bind(it.attempt)
                .bind(now)
                .execute(&mut *unit)
                .await?;
                query($events).execute(&mut *unit).await?;
                query(
                    "insert into state_history (tenant_id, owner_kind, owner_id, sequence, kind, payload, actor, at)
                    values ($1, 'RELEASE', $2, $3, 'RAW', $4, 'system', $5)",
                )
                .bind(it.tenant)
                .bind(it.owner)
                .bind(version + 1_000_000)
                .bind(serde_json::json!({ "format": 1, "event": { "event": "TASK", "task": it.id.to_string() } }))
                .bind(now)
                .execute(&mut *unit)
                .await?;
                unit.commit().await?;
                Ok(())
            }
        }
    };
}

raw!(
    postgres,
    sqlx::Postgres,
    "BEGIN",
    "select (extract(epoch from clock_timestamp()) * 1000000)::bigint",
    "for no key update skip locked",
    "for no key update",
    "select pg_advisory_xact_lock_shared((25701::bigint << 48) + last_value + is_called::int) from state_history_position_seq"
);
raw!(
    sqlite,
    sqlx::Sqlite,
    "BEGIN IMMEDIATE",
    "select cast(unixepoch('subsec') * 1000000 as integer)",
    "",
    "",
    "select 1"
);
