//! Opening a database, and the store that stands on it.

use crate::bounded::{Bound, Bounded, Trouble};
use crate::error::{meaning, unavailable};
use crate::group::{Group, Transaction};
use crate::reach::{for_its_owner, reach};
use crate::schema;
use crate::sql::{micros, one};
use crate::unit::SqlUnit;
use crate::wake::Wake;
use async_trait::async_trait;
use chrono::DateTime;
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Store, UnitOfWork};
use delivr_domain::time::Timestamp;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, TransactionOptions, TransactionTrait, Value,
};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// How to open a database.
#[derive(Clone)]
pub struct Options {
    /// The clock of due times and leases on SQLite, where the database is a file on this host. On PostgreSQL the
    /// server's clock is used.
    pub clock: Arc<dyn Clock>,
    /// Added to the database's clock, in microseconds. Zero but in tests, which advance it instead of waiting.
    pub clock_offset: Arc<AtomicI64>,
    /// Connections to PostgreSQL, or readers on SQLite.
    pub max_connections: u32,
    /// How long a call waits for a free connection, or for SQLite's writer.
    pub acquire_timeout: Duration,
    /// How long a statement may take on PostgreSQL: then the server ends it, and one that does not even do that is taken
    /// for gone a second later. What is long by its nature (migrations, backups) has no bound.
    pub answer_timeout: Duration,
    /// For how long a PostgreSQL that takes no connections is tried again when it is opened: it may be starting too.
    pub start_timeout: Duration,
    /// Whether what was committed on SQLite outlives the machine's power. Without, it outlives the process alone, which
    /// is enough for what is made anew with every start, and faster.
    pub durable: bool,
}

impl Options {
    /// Ten connections, thirty seconds for one of them and for the start, ten for an answer, no offset, durable.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            clock_offset: Arc::new(AtomicI64::new(0)),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(10),
            start_timeout: Duration::from_secs(30),
            durable: true,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("clock_offset", &self.clock_offset)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("start_timeout", &self.start_timeout)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

/// PostgreSQL's clock, in microseconds since 1970 UTC.
pub(crate) const CLOCK: &str = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";
/// A connection that has not been used for so long is asked whether it still is one.
const RESTED: Duration = Duration::from_secs(1);
/// For so long a full disk is told after it was last noticed.
const RECENT: Duration = Duration::from_secs(60);
/// A server that ends its statements in time needs this much more to say so.
const GRACE: Duration = Duration::from_secs(1);
/// For so long after a connection was found lost, one that is given back must answer in time.
const DOUBT: Duration = Duration::from_secs(60);
/// Statements that a connection keeps prepared. Some are of many shapes (as many rows as there are), so that there are
/// more of them than the library's hundred.
const PREPARED: usize = 500;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A file of this host.
    Sqlite,
    /// A server.
    Postgres,
}

/// The store on a database. Clones share its connections.
#[derive(Clone)]
pub struct SqlStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) dialect: Dialect,
    /// The one writer on SQLite; the pool on PostgreSQL.
    pub(crate) write: Bounded<DatabaseConnection>,
    /// The readers on SQLite; the same pool on PostgreSQL.
    pub(crate) read: Bounded<DatabaseConnection>,
    /// Draws numbers beside the transactions that want them, on PostgreSQL. Who waits for a connection of the pool while
    /// holding one of it may wait for ever; these are nobody's to hold.
    pub(crate) numbers: Option<Bounded<DatabaseConnection>>,
    /// Of a statement in a transaction.
    answer: Bound,
    clock: Arc<dyn Clock>,
    pub(crate) offset: Arc<AtomicI64>,
    /// SQLite's writer is shared by units that commit together.
    pub(crate) group: Option<Group>,
    pub(crate) wake: Wake,
    /// What statements met that others will meet too.
    trouble: Arc<Trouble>,
    /// The tenant this process served last, for the round robin of claims.
    pub(crate) served: Mutex<Option<Uuid>>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("dialect", &self.inner.dialect)
            .finish_non_exhaustive()
    }
}

/// Opens the database of the URL (`sqlite://path?mode=rwc` or `postgres://...`). The schema is not touched: see
/// [`crate::migrate`].
///
/// # Errors
/// `Unavailable` when the URL is none of the two or the database cannot be reached.
pub async fn connect(url: &str, options: Options) -> Result<SqlStore, StoreError> {
    match url.split_once(':').map(|(scheme, _rest)| scheme) {
        Some("sqlite") => sqlite(url, options).await,
        Some("postgres" | "postgresql") => postgres(url, options).await,
        Some(_) | None => Err(unavailable(
            "the database URL must begin with sqlite: or postgres:",
        )),
    }
}

async fn sqlite(url: &str, options: Options) -> Result<SqlStore, StoreError> {
    let file = SqliteConnectOptions::from_str(url)
        .map_err(unavailable)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if options.durable {
            SqliteSynchronous::Full
        } else {
            SqliteSynchronous::Off
        })
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(PREPARED)
        .foreign_keys(true);
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.acquire_timeout)
            // A file does not hang up.
            .test_before_acquire(false)
    };
    for_its_owner(url, file.get_filename()).map_err(unavailable)?;
    // The writer first: it creates the file and puts it into WAL mode.
    let write = pool(1)
        // A transaction that the database has ended by itself (a full disk) leaves the driver counting: what it would take
        // for a savepoint's begin is none. Such a connection is closed.
        .after_release(|connection, _used| {
            Box::pin(async move {
                // Behind a rollback that is still to be done.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(file.clone())
        .await
        .map_err(unavailable)?;
    let reader = file.pragma("query_only", "on");
    let read = pool(options.max_connections.max(1)).connect_lazy_with(reader.clone());
    // `data_version` counts what other connections committed, as seen by this one: it must stay the same connection.
    let watch = pool(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(reader);
    let trouble = Arc::new(Trouble::default());
    let unbounded = Bound::new(None, Arc::clone(&trouble));
    let bounded = |on| Bounded {
        on,
        bound: unbounded.clone(),
    };
    Ok(SqlStore {
        inner: Arc::new(Inner {
            dialect: Dialect::Sqlite,
            write: bounded(SqlxSqliteConnector::from_sqlx_sqlite_pool(write)),
            read: bounded(SqlxSqliteConnector::from_sqlx_sqlite_pool(read)),
            numbers: None,
            answer: unbounded.clone(),
            clock: options.clock,
            offset: options.clock_offset,
            group: Some(Group::new(options.acquire_timeout)),
            wake: Wake::of_file(SqlxSqliteConnector::from_sqlx_sqlite_pool(watch)),
            trouble,
            served: Mutex::new(None),
        }),
    })
}

async fn postgres(url: &str, options: Options) -> Result<SqlStore, StoreError> {
    let server = PgConnectOptions::from_str(url)
        .map_err(unavailable)?
        .application_name("delivr")
        .statement_cache_capacity(PREPARED)
        // A process that stalls inside a transaction must not keep a release locked for ever.
        .options([("idle_in_transaction_session_timeout", "60s")])
        // Nobody waits for the answer any more.
        .options([(
            "statement_timeout",
            options.answer_timeout.as_millis().to_string(),
        )]);
    reach(&server, options.start_timeout).await?;
    let answer_within = options.answer_timeout + GRACE;
    let trouble = Arc::new(Trouble::default());
    let pool = |connections: u32| {
        let (known, doubted) = (Arc::clone(&trouble), Arc::clone(&trouble));
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.acquire_timeout)
            // Asked each time, a connection costs each statement a second round trip. One that has just been used is
            // taken as it is; a server that went away since is an error like one that goes away a moment later. After one
            // such error the others are asked too: what is repeated then must not meet them one after the other.
            .test_before_acquire(false)
            .before_acquire(move |connection, used| {
                let ask = used.idle_for > RESTED || known.may_have_taken(used.idle_for);
                Box::pin(async move {
                    if ask {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // What was given up is still under way on its connection. The place of a connection that never comes back is
            // free again.
            .after_release(move |connection, _used| {
                let ask = doubted.may_have_taken(DOUBT);
                Box::pin(async move {
                    if ask {
                        let answered = tokio::time::timeout(answer_within, connection.ping()).await;
                        answered.map_err(|_elapsed| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
                    }
                    Ok(true)
                })
            })
    };
    let numbers = pool(1).connect_lazy_with(server.clone());
    let pool = pool(options.max_connections.max(2)).connect_lazy_with(server.clone());
    // One listens, one tells.
    let listening = PgPoolOptions::new()
        .max_connections(2)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(server);
    // Who asks the pool may wait for a connection first.
    let bound = Bound::new(
        Some(answer_within.max(options.acquire_timeout)),
        Arc::clone(&trouble),
    );
    let bounded = |pool| Bounded {
        on: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
        bound: bound.clone(),
    };
    let pool = bounded(pool);
    Ok(SqlStore {
        inner: Arc::new(Inner {
            dialect: Dialect::Postgres,
            write: pool.clone(),
            read: pool,
            numbers: Some(bounded(numbers)),
            answer: Bound::new(Some(answer_within), Arc::clone(&trouble)),
            clock: options.clock,
            offset: options.clock_offset,
            group: None,
            wake: Wake::of_server(listening, answer_within).await,
            trouble,
            served: Mutex::new(None),
        }),
    })
}

impl SqlStore {
    /// Whether nothing was ever stored here: the schema is still to be made.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn is_new(&self) -> Result<bool, StoreError> {
        schema::is_new(self).await
    }

    /// Brings the schema up to date, under a lock: several processes may call it at once.
    ///
    /// # Errors
    /// `Unavailable` when the database refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        schema::migrate(self).await
    }

    /// Begins a transaction that may write. On SQLite it may be committed together with others'.
    pub(crate) async fn transaction(&self) -> Result<Transaction, StoreError> {
        let begun = match &self.inner.group {
            Some(group) => group.begin(self.begin_alone()).await,
            None => self
                .begin_alone()
                .await
                .map(Transaction::alone)
                .map_err(|error| meaning(error, "transaction")),
        };
        begun.map_err(|error| self.troubled(error))
    }

    /// Begins a transaction that is no others' and whose statements may take as long as they like, for what changes the
    /// schema.
    pub(crate) async fn transaction_alone(&self) -> Result<DatabaseTransaction, StoreError> {
        let begun = self.begin_alone().await;
        let unit = begun
            .map_err(|error| self.troubled(meaning(error, "transaction")))?
            .on;
        self.take_time(&unit).await?;
        Ok(unit)
    }

    /// From now on no statement of the transaction is ended by the server.
    pub(crate) async fn take_time(&self, unit: &DatabaseTransaction) -> Result<(), StoreError> {
        match self.inner.dialect {
            Dialect::Sqlite => Ok(()),
            Dialect::Postgres => unit
                .execute_unprepared("set local statement_timeout = 0")
                .await
                .map(drop)
                .map_err(|error| meaning(error, "transaction")),
        }
    }

    async fn begin_alone(&self) -> Result<Bounded<DatabaseTransaction>, DbErr> {
        let how = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            sqlite_transaction_mode: match self.inner.dialect {
                // A deferred transaction that turns into a writer can fail as busy without waiting.
                Dialect::Sqlite => Some(SqliteTransactionMode::Immediate),
                Dialect::Postgres => None,
            },
        };
        let Bounded { on, bound } = &self.inner.write;
        Ok(Bounded {
            on: bound.of(on.begin_with_options(how)).await?,
            bound: self.inner.answer.clone(),
        })
    }

    /// Remembers that the server was not there, if that is what it was.
    pub(crate) fn troubled(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::Unavailable { .. }) {
            self.inner.trouble.lost();
        }
        error
    }

    /// The database's time.
    pub(crate) async fn time<C: ConnectionTrait>(&self, on: &C) -> Result<Timestamp, StoreError> {
        let base = match self.inner.dialect {
            Dialect::Sqlite => micros(self.inner.clock.now()),
            Dialect::Postgres => {
                let row = one(on, "clock", &format!("select {CLOCK} as now"), Vec::new()).await?;
                row.ok_or_else(|| unavailable("the database told no time"))?
                    .long("now")?
            }
        };
        self.instant(base)
    }

    /// The database's time as an expression for a statement with these values, so that it needs no question of its own.
    pub(crate) fn now(&self, values: &mut Vec<Value>) -> String {
        let offset = self.inner.offset.load(Ordering::Relaxed);
        match self.inner.dialect {
            Dialect::Sqlite => {
                values.push(micros(self.inner.clock.now()).saturating_add(offset).into());
                format!("${}", values.len())
            }
            Dialect::Postgres => {
                values.push(offset.into());
                format!("(select {CLOCK} + ${})", values.len())
            }
        }
    }

    /// The time that the database's clock shows.
    pub(crate) fn instant(&self, base: i64) -> Result<Timestamp, StoreError> {
        let now = base.saturating_add(self.inner.offset.load(Ordering::Relaxed));
        DateTime::from_timestamp_micros(now)
            .ok_or_else(|| unavailable("the database's clock is out of range"))
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork + '_>, StoreError> {
        Ok(Box::new(SqlUnit::new(self, self.transaction().await?)))
    }
    async fn ready(&self) -> Result<(), StoreError> {
        schema::ready(self).await
    }
    fn hindered(&self) -> Option<String> {
        let full = self.inner.trouble.was_full(RECENT);
        full.then(|| "the disk of the database is full: nothing can be stored".to_owned())
    }
}
