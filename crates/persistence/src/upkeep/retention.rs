//! Forgetting what has ended, in small steps.
//!
//! Rows of ended effects are the memory by which nothing is done twice, so that none goes while anything could still
//! ask for it. A release's rows go together with those of its submissions and rollouts, and only when all of them are
//! over, none has a row that is due, claimed or parked, and nothing has happened to any of them for the whole time. By
//! then every lease has run out (the time is at least a day, a lease at most an hour), so that no straggler can come
//! back to a row that was written anew under its old number; every quiet time is over; and whoever re-opens such a
//! release later finds what was made in its state and its history, which are kept, and looks before it writes.

use crate::connect::{Dialect, SqlStore};
use crate::sql::{all, micros, one, run, span, values};
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};
use std::time::Duration;
use uuid::Uuid;

/// Nothing younger is ever forgotten.
pub const SHORTEST: Duration = Duration::from_secs(86_400);
/// Rows deleted by one statement, at most: the writer of SQLite is free again soon.
const BATCH: i64 = 500;
/// Releases looked at by one statement.
const PAGE: i64 = 200;

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Deliveries that had been worked off.
    pub deliveries: u64,
    /// Kept answers whose time was over.
    pub answers: u64,
    /// Signs of life of workers that are gone.
    pub beats: u64,
    /// Effects of ended releases, with their attempts.
    pub effects: u64,
    /// Releases whose effects went.
    pub releases: u64,
}

/// The members of a release's family: `$1` is the release.
const FAMILY: &str = "select 'RELEASE' as kind, id, terminal from releases where id = $1
    union all select 'SUBMISSION', id, terminal from submissions where parent_id = $1
    union all select 'ROLLOUT', id, terminal from rollouts where parent_id = $1";

impl SqlStore {
    /// Forgets what ended longer ago than `after` (at least [`SHORTEST`]). Any number of processes may do so at once, and
    /// each may end at any time.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; what is deleted by then stays deleted.
    pub async fn forget(&self, after: Duration) -> Result<Forgotten, StoreError> {
        let now = self.time(&self.inner.read).await?;
        let before = micros(now).saturating_sub(span(after.max(SHORTEST)));
        let (deliveries, answers, beats) = (
            self.in_batches(
                "delete from inbox where position in
                    (select position from inbox where processed and at < $1 order by at limit $2)",
                before,
            )
            .await?,
            self.in_batches(
                "delete from idempotency_keys where (tenant_id, key) in
                    (select tenant_id, key from idempotency_keys where expires_at <= $1 order by expires_at limit $2)",
                micros(now),
            )
            .await?,
            self.in_batches(
                "delete from worker_beats where worker in
                    (select worker from worker_beats where at < $1 limit $2)",
                before,
            )
            .await?,
        );
        let mut done = Forgotten {
            deliveries,
            answers,
            beats,
            ..Forgotten::default()
        };
        let mut last = Uuid::nil();
        loop {
            let text = "select id from releases where terminal and id > $1 order by id limit $2";
            let page = all(&self.inner.read, "release", text, values![last, PAGE]).await?;
            for row in &page {
                last = row.uuid("id")?;
                let gone = self.forget_release(last, before).await?;
                done.effects = done.effects.saturating_add(gone);
                done.releases = done.releases.saturating_add(u64::from(gone > 0));
            }
            if page.is_empty() {
                return Ok(done);
            }
        }
    }

    async fn in_batches(&self, text: &str, before: i64) -> Result<u64, StoreError> {
        let mut gone: u64 = 0;
        loop {
            let now = run(&self.inner.write, "old row", text, values![before, BATCH]).await?;
            gone = gone.saturating_add(now);
            if now < BATCH.unsigned_abs() {
                return Ok(gone);
            }
        }
    }

    async fn forget_release(&self, release: Uuid, before: i64) -> Result<u64, StoreError> {
        let mut gone: u64 = 0;
        // Most ended releases have nothing left: that is seen without a lock.
        while has_rows(&self.inner.read, release).await? {
            let now = match self.forget_some(release, before).await {
                Ok(now) => now,
                // Somebody wrote a line about an attempt, or the release, at this very moment: another time.
                Err(StoreError::Reference(_) | StoreError::Conflict) => 0,
                Err(error) => return Err(error),
            };
            gone = gone.saturating_add(now);
            if now == 0 {
                break;
            }
        }
        Ok(gone)
    }

    async fn forget_some(&self, release: Uuid, before: i64) -> Result<u64, StoreError> {
        let unit = self.transaction().await?;
        match self.inner.dialect {
            Dialect::Sqlite => {}
            // Who changes one of them loads it under the same lock.
            Dialect::Postgres => {
                for text in [
                    "select id from releases where id = $1 for no key update",
                    "select id from submissions where parent_id = $1 order by id for no key update",
                    "select id from rollouts where parent_id = $1 order by id for no key update",
                ] {
                    all(&*unit, "release", text, values![release]).await?;
                }
            }
        }
        if !is_over(&*unit, release, before).await? {
            return Ok(0);
        }
        let text = format!(
            "select e.id from effects e join ({FAMILY}) f on e.owner_kind = f.kind and e.owner_id = f.id limit $2"
        );
        let rows = all(&*unit, "effect", &text, values![release, BATCH]).await?;
        let ids: Result<Vec<Value>, StoreError> =
            rows.iter().map(|row| row.uuid("id").map(Value::from)).collect();
        let ids = ids?;
        if ids.is_empty() {
            return Ok(0);
        }
        let list = crate::sql::places(1, ids.len());
        for (table, column) in [
            ("outbox", "effect_id"),
            ("effect_attempts", "effect_id"),
            ("effects", "id"),
        ] {
            let text = format!("delete from {table} where {column} in ({list})");
            run(&*unit, "old effect", &text, ids.clone()).await?;
        }
        unit.commit().await?;
        Ok(u64::try_from(ids.len()).unwrap_or_default())
    }
}

async fn has_rows<C: ConnectionTrait>(on: &C, release: Uuid) -> Result<bool, StoreError> {
    let text = format!(
        "select e.id from effects e join ({FAMILY}) f on e.owner_kind = f.kind and e.owner_id = f.id limit 1"
    );
    Ok(one(on, "effect", &text, values![release]).await?.is_some())
}

/// Whether a release and its children are over, have nothing to do, and have been left alone since before the instant.
async fn is_over<C: ConnectionTrait>(on: &C, release: Uuid, before: i64) -> Result<bool, StoreError> {
    let family = all(on, "aggregate", FAMILY, values![release]).await?;
    for member in &family {
        if !member.flag("terminal")? {
            return Ok(false);
        }
        let (kind, id) = (member.text("kind")?, member.uuid("id")?);
        let text = "select at from state_history where owner_kind = $1 and owner_id = $2
            order by sequence desc limit 1";
        let last = one(on, "event", text, values![kind.as_str(), id]).await?;
        let last: Option<Timestamp> = last.map(|row| row.time("at")).transpose()?;
        if last.is_none_or(|at| micros(at) >= before) {
            return Ok(false);
        }
        let text = "select id from effects where owner_kind = $1 and owner_id = $2
            and state in ('READY', 'CLAIMED', 'PARKED') limit 1";
        if one(on, "effect", text, values![kind, id]).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(!family.is_empty())
}
