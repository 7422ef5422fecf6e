//! Databases of their own for tests.
#![allow(dead_code, reason = "every test binary uses another part")]

use async_trait::async_trait;
use delivr_domain::key::EffectId;
use delivr_domain::ports::store::Store;
use delivr_persistence::{Options, SqlStore, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::Subject;
use delivr_testkit::postgres::{self, NoServer};
use sea_orm::{ConnectionTrait, Database, Statement, Value};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A store on a database of its own, and a second way into the database.
pub(crate) struct Fresh {
    pub(crate) url: String,
    pub(crate) offset: Arc<AtomicI64>,
    pub(crate) store: SqlStore,
    _directory: Option<TempDir>,
}

pub(crate) async fn open(url: String, directory: Option<TempDir>) -> Fresh {
    let options = Options::new(Arc::new(FakeClock::default()));
    let offset = Arc::clone(&options.clock_offset);
    let store = connect(&url, options).await.unwrap();
    store.migrate().await.unwrap();
    Fresh {
        url,
        offset,
        store,
        _directory: directory,
    }
}

pub(crate) fn sqlite_url() -> (String, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/delivr.db?mode=rwc", directory.path().display());
    (url, directory)
}

#[async_trait]
impl Subject for Fresh {
    fn store(&self) -> &dyn Store {
        &self.store
    }
    fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.offset.fetch_add(micros, Ordering::Relaxed);
    }
    async fn corrupt_effect(&self, effect: EffectId) {
        let database = Database::connect(&self.url).await.unwrap();
        let text = "update effects set effect = '{\"effect\": \"NONSENSE\"}' where id = $1";
        let values = [Value::from(effect.uuid())];
        let statement = Statement::from_sql_and_values(database.get_database_backend(), text, values);
        database.execute_raw(statement).await.unwrap();
        database.close().await.unwrap();
    }
}

/// Runs a test on PostgreSQL, or says why it does not.
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
pub(crate) async fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(&'static postgres::Server) -> F) {
    match postgres::server() {
        Ok(server) => test(server).await,
        Err(NoServer::NotFound(why)) => println!("SKIPPED: PostgreSQL not found ({why})"),
        Err(NoServer::Broken(why)) => panic!("PostgreSQL is here but does not work: {why}"),
    }
}
