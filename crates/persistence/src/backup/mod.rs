//! Copies of a database for a bad day: one file, taken while everything runs, and put back into an empty database.
//!
//! A file is a line that says what it is, a line of JSON about the database ([`BackupInfo`]), the data, and the SHA-256
//! of all before. The data is SQLite's own copy of the file (`VACUUM INTO`), or every row of every table as PostgreSQL
//! writes it in JSON, read in one snapshot. It holds what the database holds: credentials stay sealed, and the master
//! key is not in it.
//!
//! A restored database is older than the world. What it knows as to be done may have been done since: every write and
//! message that waits is marked as sent with an unknown outcome, so that it is looked up before it is sent.

mod file;
mod postgres;
mod sqlite;

use crate::connect::{Dialect, Options, SqlStore};
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use delivr_migrations::{Migrator, MigratorTrait as _};
use file::{Reading, Writing};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Which database a copy is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Kind {
    /// The kind of database behind an address; none when it is neither.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Some(Self::Sqlite),
            Some("postgres" | "postgresql") => Some(Self::Postgres),
            Some(_) | None => None,
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// What a copy is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupInfo {
    /// Which database.
    pub database: Kind,
    /// The migrations that made its schema, in their order.
    pub migrations: Vec<String>,
    /// The installation's id.
    pub install: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Version of the program that took it.
    pub program: String,
}

/// Why there is no copy, or it is not put back. Names no secret.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no backup, or damaged.
    #[error("{path} cannot be restored: {why}")]
    Unusable {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// The database does not take it.
    #[error("the database cannot be restored into: {0}")]
    Target(String),
    /// The database fails.
    #[error("the database")]
    Store(#[from] StoreError),
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let path = path.display().to_string();
    move |source| BackupError::File { path, source }
}

/// Names of this build's migrations, in their order.
fn known() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|it| it.name().to_owned())
        .collect()
}

/// A setting to be written with the restored data.
pub type Mark = (&'static str, String);

impl SqlStore {
    /// Copies the database into a new file, while others read and write it.
    ///
    /// # Errors
    /// When the file exists or cannot be written, or the database fails; then no file is left behind.
    pub async fn back_up(&self, to: &Path) -> Result<BackupInfo, BackupError> {
        let taken_at = self.time(&self.inner.read).await?;
        let mut writing = Writing::begin(to)?;
        let info = match self.inner.dialect {
            Dialect::Sqlite => sqlite::dump(self, taken_at, &mut writing).await?,
            Dialect::Postgres => postgres::dump(self, taken_at, &mut writing).await?,
        };
        writing.end()?;
        Ok(info)
    }
}

/// A copy that is whole.
#[derive(Debug)]
pub struct Backup {
    reading: Reading,
    info: BackupInfo,
}

impl Backup {
    /// Opens a copy and reads it once from end to end.
    ///
    /// # Errors
    /// When it is no backup, was changed or cut since, or was taken by a newer version.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let (reading, info) = Reading::open(path)?;
        let known = known();
        if let Some(newer) = info.migrations.iter().find(|name| !known.contains(name)) {
            return Err(BackupError::Unusable {
                path: path.display().to_string(),
                why: format!(
                    "it was taken by version {}, whose schema this version does not know ({newer}); use that version or a newer one",
                    info.program
                ),
            });
        }
        if !known.starts_with(&info.migrations) {
            return Err(BackupError::Unusable {
                path: path.display().to_string(),
                why: "its schema is none that this program ever had".to_owned(),
            });
        }
        Ok(Self { reading, info })
    }

    /// What it is a copy of.
    #[must_use]
    pub const fn info(&self) -> &BackupInfo {
        &self.info
    }

    /// Reads the data as a restore does, without a database to put it into, and gives the value of a setting in it.
    ///
    /// # Errors
    /// When the data is not what it should be.
    pub async fn read_setting(&self, name: &str) -> Result<Option<String>, BackupError> {
        match self.info.database {
            Kind::Sqlite => sqlite::read_setting(self, name).await,
            Kind::Postgres => postgres::read_setting(self, name),
        }
    }

    /// Puts the data into the empty database of the address, in one step: it is there with the marks, or not at all.
    /// `marks` is asked with the database's time. The schema is the one of the copy; migrate afterwards.
    ///
    /// # Errors
    /// When the database is not empty or of the other kind, or fails.
    pub async fn restore(
        &self,
        url: &str,
        options: Options,
        marks: impl FnOnce(Timestamp) -> Vec<Mark> + Send,
    ) -> Result<(), BackupError> {
        if Kind::of(url) != Some(self.info.database) {
            return Err(BackupError::Target(format!(
                "the copy is of {}, and the database is not",
                self.info.database.name()
            )));
        }
        match self.info.database {
            Kind::Sqlite => sqlite::restore(self, url, options, marks).await,
            Kind::Postgres => postgres::restore(self, url, options, marks).await,
        }
    }
}

/// What is done to restored data beside the marks, in both databases; `$1` is the time.
const AFTERWARDS: &[&str] = &[
    "update effects set unknown_since = coalesce(unknown_since, $1)
        where state in ('READY', 'CLAIMED', 'PARKED') and kind in ('PERFORM', 'MESSAGE')",
    // Whoever gave these signs of life worked on another database.
    "delete from worker_beats where at <= $1",
];

/// Positions given since the copy was taken are not given again: who follows the feed would miss what comes under them.
const GAP: i64 = 1_000_000;

async fn afterwards<C: sea_orm::ConnectionTrait>(
    on: &C,
    now: Timestamp,
    marks: Vec<Mark>,
) -> Result<(), StoreError> {
    use crate::sql::{micros, run, values};
    for text in AFTERWARDS {
        run(on, "restored row", text, values![micros(now)]).await?;
    }
    for (name, value) in marks {
        let text = "insert into settings (name, value) values ($1, $2)
            on conflict (name) do update set value = excluded.value";
        run(on, "setting", text, values![name, value]).await?;
    }
    Ok(())
}

/// A file beside another one, for what is not finished yet.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
