//! Databases to measure on: a fresh one each time, and a way into it beside the product's.

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// Our own way in.
#[derive(Clone)]
pub(crate) enum Pool {
    /// To the file.
    Sqlite(SqlitePool),
    /// To the server.
    Postgres(PgPool),
}

/// A database of its own.
pub(crate) struct Database {
    pub(crate) kind: Kind,
    /// Where the product finds it.
    pub(crate) url: String,
    pub(crate) pool: Pool,
    /// What drops it on the server.
    admin: Option<(String, String)>,
    /// Holds the file as long as this lives.
    _folder: Option<TempDir>,
}

/// What marks our own statements, so that they are not counted as the product's.
const OURS: &str = "/* measuring */";

/// The number that the next transaction that writes will get: transactions that only read get none. The server has
/// nothing else to do.
const WRITERS: &str = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

/// Where counting began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counting {
    writers: i64,
}

/// What the server has done for the product.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    /// All but BEGIN, COMMIT and ROLLBACK.
    pub(crate) statements: i64,
    /// Transactions that wrote something.
    pub(crate) commits: i64,
}

/// Opens the pool behind a URL; only a few connections, since it only looks.
async fn pool(kind: Kind, url: &str) -> Result<Pool> {
    Ok(match kind {
        Kind::Sqlite => Pool::Sqlite(SqlitePoolOptions::new().max_connections(1).connect(url).await?),
        Kind::Postgres => Pool::Postgres(PgPoolOptions::new().max_connections(2).connect(url).await?),
    })
}

impl Database {
    /// Makes an empty one: a file in the system's temporary folder, or a database on the server.
    ///
    /// # Errors
    /// When there is no server, or it refuses.
    pub(crate) async fn fresh(kind: Kind, server: Option<&str>) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::Builder::new().prefix("delivr-bench-").tempdir()?;
                let url = format!("sqlite://{}?mode=rwc", folder.path().join("delivr.db").display());
                Ok(Self {
                    kind,
                    pool: pool(kind, &url).await?,
                    url,
                    admin: None,
                    _folder: Some(folder),
                })
            }
            Kind::Postgres => {
                let server = server.context("measuring on PostgreSQL needs --server URL")?;
                let name = format!("delivr_bench_{}_{number}", std::process::id());
                let admin = PgPoolOptions::new().max_connections(1).connect(server).await?;
                sqlx::query(AssertSqlSafe(format!("create database {name}")))
                    .execute(&admin)
                    .await?;
                admin.close().await;
                let (base, _admin_database) = server.rsplit_once('/').context("a database in the URL")?;
                let url = format!("{base}/{name}");
                let pool = pool(kind, &url).await?;
                Ok(Self {
                    kind,
                    url,
                    pool,
                    admin: Some((server.to_owned(), name)),
                    _folder: None,
                })
            }
        }
    }

    /// Runs one statement; the number of rows it touched.
    pub(crate) async fn run(&self, text: &str) -> Result<u64> {
        let text = AssertSqlSafe(format!("{OURS} {text}"));
        Ok(match &self.pool {
            Pool::Sqlite(pool) => sqlx::query(text).execute(pool).await?.rows_affected(),
            Pool::Postgres(pool) => sqlx::query(text).execute(pool).await?.rows_affected(),
        })
    }

    /// The number that a query answers.
    pub(crate) async fn number(&self, text: &str) -> Result<i64> {
        let text = AssertSqlSafe(format!("{OURS} {text}"));
        Ok(match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await?,
            Pool::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await?,
        })
    }

    /// Waits until a query answers zero.
    ///
    /// # Errors
    /// When it does not within the span.
    pub(crate) async fn until_zero(&self, what: &str, text: &str, at_most: Duration) -> Result<()> {
        let began = Instant::now();
        while self.number(text).await? != 0 {
            if began.elapsed() > at_most {
                bail!("{what}: not within {} s", at_most.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Brings the planner's statistics up to date, as the server does by itself some time after a bulk load.
    pub(crate) async fn analyze(&self) -> Result<()> {
        self.run("analyze").await.map(drop)
    }

    /// Begins to count what the product does; none where nothing counts it.
    pub(crate) async fn count(&self) -> Option<Counting> {
        match self.kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                self.run("create extension if not exists pg_stat_statements")
                    .await
                    .ok()?;
                self.number("select count(*) from (select pg_stat_statements_reset()) it")
                    .await
                    .ok()?;
                let writers = self.number(WRITERS).await.ok()?;
                Some(Counting { writers })
            }
        }
    }

    /// What was counted since.
    pub(crate) async fn counted(&self, since: Counting) -> Result<Counted> {
        let writers = self.number(WRITERS).await?;
        let statements = format!(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
            where dbid = (select oid from pg_database where datname = current_database())
            and query not like '%{}%' and query not like 'BEGIN%' and query not in ('COMMIT', 'ROLLBACK')",
            OURS.trim_matches(['/', '*', ' '])
        );
        Ok(Counted {
            statements: self.number(&statements).await?,
            commits: writers - since.writers,
        })
    }

    /// Throws it away.
    pub(crate) async fn drop(self) -> Result<()> {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
        if let Some((server, name)) = &self.admin {
            let admin = PgPoolOptions::new().max_connections(1).connect(server).await?;
            sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)")))
                .execute(&admin)
                .await?;
            admin.close().await;
        }
        Ok(())
    }
}
