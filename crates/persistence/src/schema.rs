//! Bringing the schema up to date, and asking whether it is.
//!
//! Two versions of the program work on one database while an installation is brought up to date. A migration therefore
//! only adds, and a build works beside migrations it does not know: until one of them takes away what the build needs.
//! The database says from which build on that is so ([`WORKS_FROM`]).

use crate::bounded::Bounded;
use crate::connect::{Dialect, SqlStore};
use crate::error::{answered, kept_waiting, meaning, unavailable};
use crate::sql::{all, micros, one, run, values};
use chrono::TimeDelta;
use delivr_domain::ports::error::{StoreError, Unusable};
use delivr_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{IntoSchemaManagerConnection, SchemaManager};
use std::time::{Duration, Instant};

/// Key of the advisory lock that migrations run under; any number that nothing else uses.
const LOCK: i64 = 0x0064_656c_6976_7201;

/// The setting that names the oldest build that still works on the schema, by that build's newest migration.
const WORKS_FROM: &str = "schema_works_from";

/// How long a migration goes on trying to get hold of tables that others use, and how long it leaves them alone between
/// two tries.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(1);

/// A worker that has given no sign of life for this long is taken for ended.
const ENDED: TimeDelta = TimeDelta::seconds(60);

/// See [`SqlStore::migrate`]. All migrations run in one transaction: either the schema is this build's afterwards, or
/// it is what it was.
///
/// # Errors
/// `Unavailable` when the database refuses, when it belongs to a build that this one cannot work beside, and when an
/// older build still works that could not work beside this one.
pub async fn migrate(store: &SqlStore) -> Result<(), StoreError> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match migrate_to(store, delivr_migrations::WORKS_FROM).await? {
            Tried::Current => return Ok(()),
            Tried::KeptWaiting(error) if Instant::now() >= patience => return Err(unavailable(error)),
            Tried::KeptWaiting(error) => {
                tracing::info!(%error, "others hold the tables that are to change; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What became of a try to bring the schema up to date.
enum Tried {
    /// It is.
    Current,
    /// Others held a table that was to change. Nothing was changed.
    KeptWaiting(DbErr),
}

async fn migrate_to(store: &SqlStore, works_from: &str) -> Result<Tried, StoreError> {
    // On SQLite BEGIN IMMEDIATE is the lock.
    let unit = store.transaction_alone().await?;
    match store.inner.dialect {
        Dialect::Sqlite => {}
        Dialect::Postgres => {
            let lock = format!("select pg_advisory_xact_lock({LOCK})");
            unit.execute_unprepared(&lock)
                .await
                .map_err(|error| meaning(error, "schema"))?;
            // Whoever comes after a statement that waits for a table waits too, readers and writers alike. So it does not
            // wait for long behind a backup or a report, and everything is begun anew.
            unit.execute_unprepared("set local lock_timeout = '2s'")
                .await
                .map_err(|error| meaning(error, "schema"))?;
        }
    }
    let found = Found::read(&unit).await?;
    if !found.newer.is_empty() {
        found.must_suit()?;
        // Nothing is left to do: a newer build has migrated already.
        return Ok(Tried::Current);
    }
    if found.works_from.as_deref().is_some_and(|from| from < works_from) {
        let now = store.time(&unit).await?;
        older_must_have_ended(&unit, works_from, micros(now - ENDED)).await?;
    }
    match Migrator::up(&unit, None).await {
        Ok(()) => {}
        Err(error) if kept_waiting(&error) => return Ok(Tried::KeptWaiting(error)),
        Err(error) => return Err(unavailable(error)),
    }
    let text = "insert into settings (name, value) values ($1, $2)
        on conflict (name) do update set value = excluded.value where settings.value < excluded.value";
    run(&unit, "setting", text, values![WORKS_FROM, works_from]).await?;
    unit.commit().await.map_err(unavailable)?;
    Ok(Tried::Current)
}

/// Whether the database answers and its schema is one that this build works on.
pub(crate) async fn ready(store: &SqlStore) -> Result<(), StoreError> {
    // Asked by every page: one question where all is well. Where a table is missing, what there is is looked at one by one.
    let found = match Found::read_at_once(&store.inner.read).await {
        Ok(found) => found,
        Err(error) if answered(&error) => Found::read(&store.inner.read.on).await?,
        // Where nobody answers, a second question takes as long and tells no more.
        Err(error) => return Err(store.troubled(error)),
    };
    found.must_suit()
}

/// See [`SqlStore::is_new`].
pub(crate) async fn is_new(store: &SqlStore) -> Result<bool, StoreError> {
    let Bounded { on, bound } = &store.inner.read;
    let there = bound.of(SchemaManager::new(on).has_table("settings")).await;
    Ok(!there.map_err(unavailable)?)
}

/// The migrations of this build.
fn known() -> Vec<String> {
    let all = Migrator::migrations();
    all.iter().map(|it| it.name().to_owned()).collect()
}

/// The newest migration of this build: what it is named by.
pub(crate) fn newest() -> String {
    let names = Migrator::migrations();
    names.last().map(|it| it.name().to_owned()).unwrap_or_default()
}

/// What a database says of its schema.
#[derive(Debug)]
struct Found {
    /// Migrations of this build that have not run.
    pending: usize,
    /// Migrations that have run and that this build does not know.
    newer: Vec<String>,
    /// See [`WORKS_FROM`]; none where no build has said it.
    works_from: Option<String>,
}

impl Found {
    async fn read<'a, C>(on: &'a C) -> Result<Self, StoreError>
    where
        C: ConnectionTrait,
        &'a C: IntoSchemaManagerConnection<'a>,
    {
        let known = known();
        let manager = SchemaManager::new(on);
        if !manager.has_table("seaql_migrations").await.map_err(unavailable)? {
            return Ok(Self {
                pending: known.len(),
                newer: Vec::new(),
                works_from: None,
            });
        }
        let text = "select version from seaql_migrations";
        let rows = all(on, "migration", text, Vec::new()).await?;
        let applied: Vec<String> = rows
            .iter()
            .map(|row| row.text("version"))
            .collect::<Result<_, _>>()?;
        let works_from = if applied.is_empty() {
            None
        } else {
            let text = "select value from settings where name = $1";
            let row = one(on, "setting", text, values![WORKS_FROM]).await?;
            row.map(|row| row.text("value")).transpose()?
        };
        Ok(Self::of(&known, applied, works_from))
    }

    /// The same where there are migrations and settings. On PostgreSQL a transaction ends with the first table that is missed.
    async fn read_at_once<C: ConnectionTrait>(on: &C) -> Result<Self, StoreError> {
        let text = "select version, (select value from settings where name = $1) as works_from from seaql_migrations";
        let rows = all(on, "migration", text, values![WORKS_FROM]).await?;
        let applied: Vec<String> = rows
            .iter()
            .map(|row| row.text("version"))
            .collect::<Result<_, _>>()?;
        let works_from = rows.first().map(|row| row.opt_text("works_from")).transpose()?;
        Ok(Self::of(&known(), applied, works_from.flatten()))
    }

    fn of(known: &[String], applied: Vec<String>, works_from: Option<String>) -> Self {
        Self {
            pending: known.iter().filter(|name| !applied.contains(name)).count(),
            newer: applied.into_iter().filter(|name| !known.contains(name)).collect(),
            works_from,
        }
    }

    fn must_suit(&self) -> Result<(), StoreError> {
        let mine = newest();
        if self.pending > 0 {
            return Err(unsuitable(if self.newer.is_empty() {
                format!(
                    "the database's schema is not current, {} migrations are pending: run `delivr-api migrate`",
                    self.pending
                )
            } else {
                format!(
                    "the schema is of another line of versions: it has {}, and lacks {} migrations of this one",
                    self.newer.join(", "),
                    self.pending
                )
            }));
        }
        match &self.works_from {
            Some(from) if *from > mine => Err(unsuitable(format!(
                "the schema works with versions from {from} on, and this one is of {mine}: start a newer version"
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

fn unsuitable(why: String) -> StoreError {
    unavailable(Unusable::Schema(why))
}

/// Refuses to take away what a living worker of an older version needs.
async fn older_must_have_ended<C: ConnectionTrait>(
    on: &C,
    works_from: &str,
    since: i64,
) -> Result<(), StoreError> {
    let text =
        "select worker from worker_beats where at > $1 and (build is null or build < $2) order by worker";
    let mut older = Vec::new();
    for row in all(on, "heartbeat", text, values![since, works_from]).await? {
        older.push(row.text("worker")?);
    }
    if older.is_empty() {
        return Ok(());
    }
    Err(unavailable(format!(
        "workers of an older version could not go on with this schema: end {} and start again after {} s",
        older.join(", "),
        ENDED.num_seconds()
    )))
}
