//! A release from creation into both stores, by the API alone.

use crate::manager::{BOTH, Followed, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};

async fn completes(database: Database, work: Work) {
    let Some(stage) = Stage::open(database, work).await else {
        return;
    };
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", BOTH, &nothing())).await;
    release.to_the_end(&stage).await;
    release.assert_right(&stage, 2).await;
    assert_eq!(stage.performed("appstore", "submit"), 1);
    assert_eq!(stage.performed("jira", "create_issue"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_reaches_both_stores_on_sqlite() {
    completes(Database::Sqlite, Work::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_reaches_both_stores_on_postgresql_with_two_workers() {
    completes(Database::Postgres, Work::Separate(2)).await;
}
