//! What units that share a commit see of each other: nothing but the commit.

use super::{Group, Transaction};
use crate::connect::{Options, SqlStore, connect};
use crate::sql::{one, run};
use delivr_domain::ports::error::{StoreError, Unusable};
use delivr_domain::ports::store::Store as _;
use delivr_testkit::clock::FakeClock;
use futures_util::FutureExt as _;
use sea_orm::ConnectionTrait as _;
use sqlx::Connection as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

struct Database {
    store: SqlStore,
    folder: TempDir,
}

impl Database {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("group.db").display());
        let options = Options::new(Arc::new(FakeClock::default()));
        let store = connect(&url, options).await.unwrap();
        let unit = store.transaction().await.unwrap();
        for text in [
            "create table things (name text primary key)",
            "create table parts (name text primary key,
                thing text not null references things (name) deferrable initially deferred)",
        ] {
            unit.execute_unprepared(text).await.unwrap();
        }
        unit.commit().await.unwrap();
        Self { store, folder }
    }
    fn group(&self) -> &Group {
        self.store.inner.group.as_ref().unwrap()
    }
    /// What others see.
    async fn there(&self) -> Vec<String> {
        let text = "select coalesce(group_concat(name, ' '), '') as names from (select name from things order by name)";
        let row = one(&self.store.inner.read, "thing", text, Vec::new())
            .await
            .unwrap();
        let names = row.unwrap().text("names").unwrap();
        names.split_whitespace().map(str::to_owned).collect()
    }
    /// How much has been written since the last checkpoint, in bytes.
    fn written(&self) -> u64 {
        std::fs::metadata(self.folder.path().join("group.db-wal"))
            .unwrap()
            .len()
    }
    /// Begins, writes and commits in a task of its own.
    fn adds(&self, text: String) -> tokio::task::JoinHandle<Result<(), StoreError>> {
        let store = self.store.clone();
        tokio::spawn(async move {
            let unit = store.transaction().await?;
            write(&unit, &text).await?;
            unit.commit().await
        })
    }
    async fn until_waiting(&self, many: usize) {
        while self.group().waiting.load(Ordering::Relaxed) < many {
            tokio::task::yield_now().await;
        }
    }
}

async fn write(unit: &Transaction, text: &str) -> Result<(), StoreError> {
    run(&**unit, "thing", text, Vec::new()).await.map(drop)
}

fn thing(name: &str) -> String {
    format!("insert into things values ('{name}')")
}

#[tokio::test]
async fn who_waits_is_committed_with_the_first() {
    let database = Database::new().await;
    let first = database.store.transaction().await.unwrap();
    write(&first, &thing("a")).await.unwrap();
    let before = database.written();
    let mut others = Vec::new();
    for number in 0..16 {
        others.push(database.adds(thing(&format!("b{number:02}"))));
    }
    database.until_waiting(16).await;
    assert!(
        database.there().await.is_empty(),
        "nothing is seen before the commit"
    );
    first.commit().await.unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(database.there().await.len(), 17);
    // Each commit appends each page it has changed, with its header.
    let pages = (database.written() - before) / (4_096 + 24);
    assert!(pages < 16, "{pages} pages for 17 units are more than one commit");
    assert!(database.group().writer.lock().await.is_none());
}

#[tokio::test]
async fn who_fails_takes_nobody_along() {
    let database = Database::new().await;
    let first = database.store.transaction().await.unwrap();
    write(&first, &thing("a")).await.unwrap();
    let twice = database.adds(thing("a"));
    database.until_waiting(1).await;
    let dropped = database.store.transaction();
    let third = async {
        let unit = dropped.await.unwrap();
        write(&unit, &thing("c")).await.unwrap();
        drop(unit);
    };
    let fourth = database.adds(thing("d"));
    let (done, ()) = tokio::join!(first.commit(), third);
    done.unwrap();
    assert!(matches!(twice.await.unwrap(), Err(StoreError::Duplicate(_))));
    fourth.await.unwrap().unwrap();
    assert_eq!(database.there().await, ["a", "d"]);
    assert!(database.group().writer.lock().await.is_none());
}

#[tokio::test]
async fn who_goes_away_leaves_the_commit_to_the_others() {
    let database = Database::new().await;
    let first = database.store.transaction().await.unwrap();
    write(&first, &thing("a")).await.unwrap();
    let second = database.adds(thing("b"));
    database.until_waiting(1).await;
    // The first to be released is the one that sees to the commit.
    let gone = tokio::spawn(first.commit());
    while database.group().waiting.load(Ordering::Relaxed) > 0 && !second.is_finished() {
        tokio::task::yield_now().await;
    }
    gone.abort();
    second.await.unwrap().unwrap();
    let there = database.there().await;
    assert!(there.contains(&"b".to_owned()), "{there:?}");
    // The writer is free, and whole.
    database.adds(thing("c")).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_commit_that_fails_fails_for_all() {
    let database = Database::new().await;
    let first = database.store.transaction().await.unwrap();
    write(&first, &thing("a")).await.unwrap();
    let orphan = database.adds("insert into parts values ('p', 'nothing')".to_owned());
    database.until_waiting(1).await;
    assert!(matches!(
        first.commit().await,
        Err(StoreError::Unavailable { .. })
    ));
    assert!(matches!(
        orphan.await.unwrap(),
        Err(StoreError::Unavailable { .. })
    ));
    assert!(database.there().await.is_empty());
    database.adds(thing("b")).await.unwrap().unwrap();
    assert_eq!(database.there().await, ["b"]);
}

#[tokio::test]
async fn nobody_is_told_of_a_commit_that_the_database_has_undone() {
    let database = Database::new().await;
    database.adds(thing("a")).await.unwrap().unwrap();
    let first = database.store.transaction().await.unwrap();
    write(&first, &thing("b")).await.unwrap();
    // As a full disk does: the database itself ends the whole transaction.
    let undoes = database.adds("insert or rollback into things values ('a')".to_owned());
    database.until_waiting(1).await;
    let third = database.adds(thing("c"));
    database.until_waiting(2).await;
    let told = first.commit().await;
    assert!(undoes.await.unwrap().is_err());
    let third = third.await.unwrap();
    let there = database.there().await;
    assert_eq!(
        told.is_ok(),
        there.contains(&"b".to_owned()),
        "{told:?} {there:?}"
    );
    assert!(told.is_err());
    if third.is_ok() {
        assert!(there.contains(&"c".to_owned()));
    }
    // The connection counts from nothing again.
    for name in ["d", "e"] {
        database.adds(thing(name)).await.unwrap().unwrap();
    }
    let pool = database.store.inner.write.on.get_sqlite_connection_pool();
    let connection = pool.acquire().await.unwrap();
    assert!(!connection.is_in_transaction());
}

#[tokio::test]
async fn a_full_disk_is_named() {
    let database = Database::new().await;
    assert_eq!(database.store.hindered(), None);
    // The file may not grow any more.
    let writer = &database.store.inner.write;
    writer
        .execute_unprepared("pragma max_page_count = 1")
        .await
        .unwrap();
    let large = thing(&"x".repeat(1_000_000));
    let refused = database.adds(large.clone()).await.unwrap().unwrap_err();
    assert!(
        matches!(refused.unusable(), Some(Unusable::Full(_))),
        "{refused:?}"
    );
    assert!(database.store.hindered().is_some_and(|it| it.contains("full")));
    assert!(database.there().await.is_empty());
    writer
        .execute_unprepared("pragma max_page_count = 100000")
        .await
        .unwrap();
    database.adds(large).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_given_up_while_he_begins_leaves_the_writer_free() {
    let database = Database::new().await;
    for polls in 0..12 {
        let mut begins = Box::pin(database.store.transaction());
        for _ in 0..polls {
            if begins.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begins);
        database.adds(thing(&format!("a{polls}"))).await.unwrap().unwrap();
    }
    assert_eq!(database.there().await.len(), 12);
}
