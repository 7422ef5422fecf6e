//! SQLite and PostgreSQL meet the store's contract, and the migrations go up, down and up again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use async_trait::async_trait;
use common::{Fresh, on_postgres, open, sqlite_url};
use delivr_domain::effect::Effect;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{AttemptRecord, Directory, Queue, Store};
use delivr_migrations::{Migrator, MigratorTrait};
use delivr_persistence::{Options, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::{self, StoreFixture, Subject, samples};
use delivr_testkit::postgres;
use futures_util::FutureExt as _;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement, Value};
use std::sync::Arc;
use std::time::Duration;

struct Sqlite;

#[async_trait]
impl StoreFixture for Sqlite {
    async fn fresh(&self) -> Box<dyn Subject> {
        let (url, directory) = sqlite_url();
        Box::new(open(url, Some(directory)).await)
    }
}

struct Postgres(&'static postgres::Server);

#[async_trait]
impl StoreFixture for Postgres {
    async fn fresh(&self) -> Box<dyn Subject> {
        Box::new(open(self.0.fresh().unwrap(), None).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_meets_the_contract() {
    store::all(&Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_meets_the_contract() {
    on_postgres(|server| async move { store::all(&Postgres(server)).await }).await;
}

async fn up_down_up(url: &str) {
    let database: DatabaseConnection = Database::connect(url).await.unwrap();
    Migrator::up(&database, None).await.unwrap();
    Migrator::down(&database, None).await.unwrap();
    assert_eq!(
        Migrator::get_pending_migrations(&database).await.unwrap().len(),
        Migrator::migrations().len()
    );
    Migrator::up(&database, None).await.unwrap();
    assert!(
        Migrator::get_pending_migrations(&database)
            .await
            .unwrap()
            .is_empty()
    );
    database.close().await.unwrap();
}

#[tokio::test]
async fn sqlite_migrates_up_down_up() {
    let (url, _directory) = sqlite_url();
    up_down_up(&url).await;
}

#[tokio::test]
async fn postgres_migrates_up_down_up() {
    on_postgres(|server| async move { up_down_up(&server.fresh().unwrap()).await }).await;
}

/// Before the migrations the store is not ready; several processes that migrate at once do not get into each other's way.
async fn ready_after_migrating(url: &str) {
    let options = || Options::new(Arc::new(FakeClock::default()));
    let (one, other) = (
        connect(url, options()).await.unwrap(),
        connect(url, options()).await.unwrap(),
    );
    assert!(one.ready().await.is_err());
    let (first, second) = tokio::join!(one.migrate(), other.migrate());
    first.unwrap();
    second.unwrap();
    one.ready().await.unwrap();
}

#[tokio::test]
async fn sqlite_is_ready_after_migrating() {
    let (url, _directory) = sqlite_url();
    ready_after_migrating(&url).await;
}

#[tokio::test]
async fn postgres_is_ready_after_migrating() {
    on_postgres(|server| async move { ready_after_migrating(&server.fresh().unwrap()).await }).await;
}

/// A watch that is claimed with the commit that enqueues it becomes due again: who sleeps until something is due must learn
/// of it, or it would sleep on. What is claimed for good is nobody else's work and wakes nobody.
async fn woken_by_a_watch_that_is_claimed_at_once(here: Fresh) {
    let tenant = samples::tenant(&here, "one").await;
    let commit = async |effect: Effect| {
        let mut unit = here.store.begin().await.unwrap();
        unit.enqueue(tenant, &effect, Duration::ZERO, samples::DAY)
            .await
            .unwrap();
        let claimed = unit
            .claim_enqueued(&[effect.id()], &samples::request(1))
            .await
            .unwrap();
        assert_eq!(claimed.len(), 1);
        unit.commit().await.unwrap();
    };
    // Nothing listens on a file but its own watch, which hears every commit; so this is about the bell itself.
    let heard = async || here.store.wait_for_work(samples::DAY).now_or_never().is_some();
    let quiet = async || {
        while heard().await {}
    };
    quiet().await;
    commit(samples::perform(samples::release_id("app"), 0)).await;
    assert!(!heard().await);
    commit(samples::watch(samples::release_id("app"), 1, 30)).await;
    tokio::time::timeout(Duration::from_secs(60), here.store.wait_for_work(samples::DAY))
        .await
        .expect("woken by the watch");
}

#[tokio::test]
async fn sqlite_workers_learn_when_a_watch_claimed_at_once_is_due_again() {
    let (url, directory) = sqlite_url();
    woken_by_a_watch_that_is_claimed_at_once(open(url, Some(directory)).await).await;
}

#[tokio::test]
async fn postgres_workers_learn_when_a_watch_claimed_at_once_is_due_again() {
    on_postgres(|server| async move {
        woken_by_a_watch_that_is_claimed_at_once(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

/// Work that another process enqueues ends this one's wait, long before its span is over.
async fn woken_by_another_process(here: Fresh) {
    let there = connect(&here.url, Options::new(Arc::new(FakeClock::default())))
        .await
        .unwrap();
    let tenant = samples::tenant(&here, "one").await;
    // Whatever rang so far is heard here, so that the wait below hears the other process only.
    here.store.wait_for_work(Duration::from_millis(300)).await;
    let work = async {
        let mut unit = there.begin().await.unwrap();
        let effect = samples::perform(samples::release_id("app"), 0);
        unit.enqueue(tenant, &effect, Duration::ZERO, samples::DAY)
            .await
            .unwrap();
        unit.commit().await.unwrap();
    };
    let wait = tokio::time::timeout(Duration::from_secs(60), here.store.wait_for_work(samples::DAY));
    let (woken, ()) = tokio::join!(wait, work);
    woken.expect("woken by the other process");
}

#[tokio::test]
async fn sqlite_workers_are_woken_by_another_process() {
    let (url, directory) = sqlite_url();
    woken_by_another_process(open(url, Some(directory)).await).await;
}

#[tokio::test]
async fn postgres_workers_are_woken_by_another_process() {
    on_postgres(
        |server| async move { woken_by_another_process(open(server.fresh().unwrap(), None).await).await },
    )
    .await;
}

/// A server that went away took all connections with it: one of them tells, and nobody meets the others.
async fn one_error_for_all_lost_connections(here: Fresh) {
    let units = futures_util::future::join_all((0..5).map(|_| here.store.begin())).await;
    drop(units);
    let database = Database::connect(&here.url).await.unwrap();
    database
        .execute_unprepared(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = 'delivr' and datname = current_database()",
        )
        .await
        .unwrap();
    let mut failed = 0;
    for _ in 0..5 {
        failed += u8::from(here.store.begin().await.is_err());
    }
    assert!(
        failed <= 1,
        "{failed} connections were found lost one after the other"
    );
}

#[tokio::test]
async fn postgres_connections_are_found_lost_once() {
    on_postgres(|server| async move {
        one_error_for_all_lost_connections(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

/// One integration that this build cannot read is left out and told; the others work on.
async fn one_unreadable_integration(here: Fresh) {
    let tenant = samples::tenant(&here, "one").await;
    let good = samples::integration(tenant, Port::Scm, "github");
    let bad = samples::integration(tenant, Port::Scm, "gitlab");
    for it in [&good, &bad] {
        here.store.insert_integration(it).await.unwrap();
    }
    assert!(here.store.unreadable_integrations().await.unwrap().is_empty());
    let database = Database::connect(&here.url).await.unwrap();
    let text = "update integrations set hints = '[1]' where id = $1";
    let values = [Value::from(bad.id.uuid())];
    let statement = Statement::from_sql_and_values(database.get_database_backend(), text, values);
    let changed = database.execute_raw(statement).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    database.close().await.unwrap();
    assert_eq!(
        here.store.all_integrations().await.unwrap(),
        std::slice::from_ref(&good)
    );
    let of = |port, provider| here.store.integrations_of(port, provider);
    assert_eq!(
        of(Port::Scm, "sample").await.unwrap(),
        std::slice::from_ref(&good)
    );
    for (port, provider) in [(Port::Cicd, "sample"), (Port::Scm, "jenkins")] {
        assert!(of(port, provider).await.unwrap().is_empty());
    }
    assert_eq!(here.store.unreadable_integrations().await.unwrap(), [bad.id]);
    assert_eq!(here.store.integration_by_id(good.id).await.unwrap(), Some(good));
    // Who asks for the damaged one is told so; it does not look deleted.
    assert!(here.store.integration_by_id(bad.id).await.is_err());
}

#[tokio::test]
async fn sqlite_leaves_out_an_unreadable_integration() {
    let (url, directory) = sqlite_url();
    one_unreadable_integration(open(url, Some(directory)).await).await;
}

#[tokio::test]
async fn postgres_leaves_out_an_unreadable_integration() {
    on_postgres(|server| async move {
        one_unreadable_integration(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

async fn texts(url: &str, query: &str) -> Vec<Vec<Option<String>>> {
    let database = Database::connect(url).await.unwrap();
    let statement = Statement::from_string(database.get_database_backend(), query);
    let rows = database.query_all_raw(statement).await.unwrap();
    let columns =
        |row: &sea_orm::QueryResult| (0..3).map(|place| row.try_get_by_index(place).unwrap()).collect();
    let found = rows.iter().map(columns).collect();
    database.close().await.unwrap();
    found
}

/// Rows that no method of the port reads: what a save changed in the columns people see, and what they were told.
async fn kept_for_people(here: Fresh) {
    let tenant = samples::tenant(&here, "one").await;
    let mut row = samples::release(tenant, "app", 1);
    samples::insert(&here, &row).await;
    for (version, phase) in [(2, "KICKOFF"), (3, "KICKOFF")] {
        row.version = version;
        row.projection.phase = phase.to_owned();
        let mut unit = here.store.begin().await.unwrap();
        unit.save(&row, Some(version - 1)).await.unwrap();
        unit.commit().await.unwrap();
    }
    let query = "select field, old_value, new_value from state_history_items order by sequence, field";
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        [text("phase"), None, text("NOT_STARTED")],
        [text("status"), None, text("PENDING")],
        [text("phase"), text("NOT_STARTED"), text("KICKOFF")],
    ];
    assert_eq!(texts(&here.url, query).await, expected);

    let (note, write) = (samples::message(row.id, 0), samples::perform(row.id, 0));
    samples::enqueue(&here, tenant, &[note.clone(), write.clone()]).await;
    for effect in [note.id(), write.id()] {
        let record = AttemptRecord {
            effect,
            attempt: 1,
            outcome: "DONE".to_owned(),
            reference: text("1700000000.000100"),
            detail: None,
            at: samples::instant(),
            exchanges: None,
        };
        here.store.record_attempt(tenant, &record).await.unwrap();
    }
    let query = "select channel, reference, cast(null as text) from outbox";
    assert_eq!(
        texts(&here.url, query).await,
        [[text("releases"), text("1700000000.000100"), None]]
    );
}

#[tokio::test]
async fn sqlite_keeps_changes_and_messages() {
    let (url, directory) = sqlite_url();
    kept_for_people(open(url, Some(directory)).await).await;
}

#[tokio::test]
async fn postgres_keeps_changes_and_messages() {
    on_postgres(|server| async move { kept_for_people(open(server.fresh().unwrap(), None).await).await })
        .await;
}
