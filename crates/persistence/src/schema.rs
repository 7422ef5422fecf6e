//! Bringing the schema up to date, and asking whether it is.

use crate::connect::{Dialect, SqlStore};
use crate::error::{meaning, unavailable};
use delivr_domain::ports::error::StoreError;
use delivr_migrations::{Migrator, MigratorTrait};
use sea_orm::ConnectionTrait;

/// Key of the advisory lock that migrations run under; any number that nothing else uses.
const LOCK: i64 = 0x0064_656c_6976_7201;

/// See [`SqlStore::migrate`]. All migrations run in one transaction: either the schema is this build's afterwards, or
/// it is what it was.
///
/// # Errors
/// `Unavailable` when the database refuses.
pub async fn migrate(store: &SqlStore) -> Result<(), StoreError> {
    // On SQLite BEGIN IMMEDIATE is the lock.
    let unit = store.transaction().await?;
    match store.inner.dialect {
        Dialect::Sqlite => {}
        Dialect::Postgres => {
            let lock = format!("select pg_advisory_xact_lock({LOCK})");
            unit.execute_unprepared(&lock)
                .await
                .map_err(|error| meaning(error, "schema"))?;
        }
    }
    Migrator::up(&unit, None).await.map_err(unavailable)?;
    unit.commit().await.map_err(unavailable)
}

/// Whether the database answers and its schema is this build's.
pub(crate) async fn ready(store: &SqlStore) -> Result<(), StoreError> {
    let pending = Migrator::get_pending_migrations_read_only(&store.inner.read)
        .await
        .map_err(unavailable)?;
    if pending.is_empty() {
        Ok(())
    } else {
        Err(unavailable(format!("{} migrations are pending", pending.len())))
    }
}
