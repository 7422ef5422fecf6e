//! What the disk and the schema allow of creations: the rows of one release, copied by one hand-written statement and one
//! commit each, by as many connections as there are clients. No number is drawn, so that nobody waits for anybody.

use crate::bulk::BESIDE;
use crate::figure::{float, ratio};
use anyhow::Result;
use futures_util::future::try_join_all;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Columns of a release that a copy has as they are.
const SAME: &str =
    "tenant_id, version, wake_at, state, title, status, phase, parent_id, version_text, terminal,
    created_at, kickoff_at, target_date, integrations, search, lined, worded,
    listed, service_slug, pilot, attention, changed_at, turn";

/// Releases stored each second so, on PostgreSQL. Copies have numbers below zero: nobody lists them before the others.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn creations(url: &str, clients: u32, asked: Duration) -> Result<f64> {
    let pool = PgPoolOptions::new()
        .max_connections(clients)
        .test_before_acquire(false)
        .connect(url)
        .await?;
    let original: Uuid = sqlx::query_scalar("select id from releases order by number desc limit 1")
        .fetch_one(&pool)
        .await?;
    let text = Arc::new(statement());
    let number = Arc::new(AtomicI64::new(-1));
    let began = Instant::now();
    let clients = (0..clients).map(|_client| {
        let (pool, text, number) = (pool.clone(), Arc::clone(&text), Arc::clone(&number));
        tokio::spawn(async move {
            let mut made = 0_i64;
            while began.elapsed() < asked {
                one(&pool, &text, original, number.fetch_sub(1, Ordering::Relaxed)).await?;
                made += 1;
            }
            Ok::<i64, anyhow::Error>(made)
        })
    });
    let mut all = 0;
    for made in try_join_all(clients).await? {
        all += made?;
    }
    let rate = ratio(float(all), began.elapsed().as_secs_f64());
    pool.close().await;
    Ok(rate)
}

async fn one(pool: &PgPool, text: &str, original: Uuid, number: i64) -> Result<()> {
    sqlx::query(AssertSqlSafe(text.to_owned()))
        .bind(original)
        .bind(number)
        .execute(pool)
        .await?;
    Ok(())
}

/// All rows of a release, under a new id, in one statement: `$1` is the original, `$2` the number.
fn statement() -> String {
    let mut parts = vec![
        "new as materialized (select gen_random_uuid() as id)".to_owned(),
        format!(
            "r as (insert into releases (id, key, number, {SAME})
                select new.id, 'REL' || $2, $2, {SAME} from releases, new where releases.id = $1)"
        ),
    ];
    let derived = [
        (
            "release_line",
            "release_id",
            "tenant_id, ordinal, service_id, mark, rank, value",
            None,
        ),
        (
            "release_words",
            "release_id",
            "tenant_id, ordinal, number, word",
            None,
        ),
    ];
    for (place, (table, owner, same, changed)) in BESIDE.into_iter().chain(derived).enumerate() {
        let columns = changed.map_or_else(|| same.to_owned(), |column| format!("{same}, {column}"));
        parts.push(format!(
            "p{place} as (insert into {table} ({owner}, {columns})
                select new.id, {columns} from {table}, new where {owner} = $1)"
        ));
    }
    format!("with {} select 1", parts.join(", "))
}
