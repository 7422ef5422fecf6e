//! SQLite: its own copy of the file, and a file put in the place of none.

use super::file::{Writing, sync_folder};
use super::{Backup, BackupError, BackupInfo, GAP, Kind, Mark, afterwards, beside, io};
use crate::connect::{Options, SqlStore, connect};
use crate::error::{meaning, unavailable};
use crate::sql::{all, one, run, values};
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, SqlxSqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

/// A file that is not needed any more when this goes.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, BackupError> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&path)(error)),
            // One that an interrupted run has left is of no use.
            Ok(()) | Err(_) => Ok(Self(path)),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

/// Opens a file that nobody else uses, without a log beside it.
async fn alone(path: &Path) -> Result<DatabaseConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Delete)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(
        pool.map_err(unavailable)?,
    ))
}

async fn setting<C: ConnectionTrait>(on: &C, name: &str) -> Result<Option<String>, StoreError> {
    let row = one(
        on,
        "setting",
        "select value from settings where name = $1",
        values![name],
    )
    .await?;
    row.map(|row| row.text("value")).transpose()
}

pub(super) async fn dump(
    store: &SqlStore,
    taken_at: Timestamp,
    writing: &mut Writing,
) -> Result<BackupInfo, BackupError> {
    let copy = Scratch::new(writing.scratch())?;
    // Reads one snapshot; writers go on meanwhile.
    let target = copy.0.display().to_string().replace('\'', "''");
    store
        .inner
        .write
        .execute_unprepared(&format!("vacuum into '{target}'"))
        .await
        .map_err(|error| meaning(error, "copy of the database"))?;
    let there = alone(&copy.0).await?;
    let info = described(&there, taken_at).await;
    there.close().await.map_err(unavailable)?;
    let info = info?;
    writing.header(&info)?;
    writing.write_file(&copy.0)?;
    Ok(info)
}

async fn described(on: &DatabaseConnection, taken_at: Timestamp) -> Result<BackupInfo, StoreError> {
    let rows = all(
        on,
        "migration",
        "select version from seaql_migrations order by version",
        Vec::new(),
    )
    .await?;
    let migrations: Result<Vec<String>, StoreError> = rows.iter().map(|row| row.text("version")).collect();
    Ok(BackupInfo {
        database: Kind::Sqlite,
        migrations: migrations?,
        install: setting(on, "install_id").await?.unwrap_or_default(),
        taken_at,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Writes the data into a file and lets SQLite look whether it is whole.
async fn unpack(backup: &Backup, to: &Path) -> Result<DatabaseConnection, BackupError> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(to).map_err(io(to))?;
    std::io::copy(&mut backup.reading.data()?, &mut file).map_err(io(to))?;
    file.sync_all().map_err(io(to))?;
    drop(file);
    let opened = alone(to).await?;
    let whole = all(&opened, "database", "pragma integrity_check", Vec::new()).await?;
    let words: Vec<String> = whole
        .iter()
        .filter_map(|row| row.text("integrity_check").ok())
        .collect();
    let loose = all(&opened, "database", "pragma foreign_key_check", Vec::new()).await?;
    if words != ["ok"] || !loose.is_empty() {
        return Err(backup.reading.unusable("SQLite says that its data is damaged"));
    }
    Ok(opened)
}

pub(super) async fn read_setting(backup: &Backup, name: &str) -> Result<Option<String>, BackupError> {
    let folder = tempfile::tempdir().map_err(io(&std::env::temp_dir()))?;
    let opened = unpack(backup, &folder.path().join("checked.db")).await?;
    let found = setting(&opened, name).await;
    opened.close().await.map_err(unavailable)?;
    Ok(found?)
}

/// Refuses a place where something is.
async fn is_free(path: &Path) -> Result<(), BackupError> {
    // A log of a database that is gone would be taken for the new one's.
    for suffix in ["-wal", "-shm", "-journal"] {
        let leftover = beside(path, suffix);
        if leftover.exists() && !path.exists() {
            return Err(BackupError::Target(format!(
                "{} is left of another database; remove it",
                leftover.display()
            )));
        }
    }
    if !path.exists() {
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await;
    let there = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.map_err(unavailable)?);
    let tables = all(
        &there,
        "table",
        "select name from sqlite_master limit 1",
        Vec::new(),
    )
    .await;
    there.close().await.map_err(unavailable)?;
    if tables?.is_empty() {
        Ok(())
    } else {
        Err(BackupError::Target(format!(
            "{} is not empty; move it away first",
            path.display()
        )))
    }
}

pub(super) async fn restore(
    backup: &Backup,
    url: &str,
    options: Options,
    marks: impl FnOnce(Timestamp) -> Vec<Mark> + Send,
) -> Result<(), BackupError> {
    let target = SqliteConnectOptions::from_str(url)
        .map_err(unavailable)?
        .get_filename()
        .to_path_buf();
    is_free(&target).await?;
    let scratch = Scratch::new(beside(&target, ".restoring"))?;
    let opened = unpack(backup, &scratch.0).await?;
    // The clock of a store on a file is the process's.
    let now = options.clock.now();
    afterwards(&opened, now, marks(now)).await?;
    run(
        &opened,
        "position",
        "update sqlite_sequence set seq = seq + $1",
        values![GAP],
    )
    .await?;
    opened.close().await.map_err(unavailable)?;
    let file = File::open(&scratch.0).map_err(io(&scratch.0))?;
    file.sync_all().map_err(io(&scratch.0))?;
    std::fs::rename(&scratch.0, &target).map_err(io(&target))?;
    sync_folder(&target);
    // Puts it into the mode it is served in.
    drop(connect(url, options).await?);
    Ok(())
}
