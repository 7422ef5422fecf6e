//! The bad day: the database is lost in the middle of a release, and an older one takes its place. What was done since
//! the backup is found at the vendors and adopted; nothing is done twice.

use crate::manager::{BOTH, Followed, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::json;

async fn goes_on(database: Database, work: Work) {
    let Some(mut stage) = Stage::open(database, work).await else {
        return;
    };
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", BOTH, &nothing())).await;
    release.phase(&stage, "REGRESSION").await;
    let backup = stage.back_up();
    // It goes on: tags, builds, runs, tickets' comments and messages that the backup knows nothing of.
    release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    release.action(&stage, "trigger-pre-release", &json!({})).await;
    release.phase(&stage, "AWAITING_DISTRIBUTION").await;
    let tag = release.read(&stage).await["tag"].clone();
    let builds = stage.performed("jenkins", "trigger_build");
    stage.restore(database, &backup);
    let older = release.read(&stage).await;
    assert_eq!(
        older["phase"], "REGRESSION",
        "the database is older than the world"
    );
    // People do again what they did, and the release arrives where it was without doing anything anew.
    release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    release.action(&stage, "trigger-pre-release", &json!({})).await;
    release.phase(&stage, "AWAITING_DISTRIBUTION").await;
    assert_eq!(release.read(&stage).await["tag"], tag);
    assert_eq!(
        stage.performed("jenkins", "trigger_build"),
        builds,
        "builds are adopted"
    );
    Followed::approve_tickets(&stage);
    release.action(&stage, "trigger-distribution", &json!({})).await;
    release.ship(&stage).await;
    release.phase(&stage, "COMPLETED").await;
    release.assert_one_commit(&stage, 2).await;
    // News has no natural key: its mark is that of the event it tells of, and after a restore events are numbered anew.
    // So it may be told again, which hurts nobody; nothing else is done again.
    let mut doubled = stage.duplicates();
    doubled.retain(|it| !it.contains("\"operation\":\"post_message\""));
    assert_eq!(doubled, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_sqlite_finds_what_was_done_since() {
    goes_on(Database::Sqlite, Work::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_postgresql_finds_what_was_done_since() {
    goes_on(Database::Postgres, Work::Separate(2)).await;
}
