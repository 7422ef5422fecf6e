//! kill -9 of the worker in every stage: the release completes, and every effect stands once.

use crate::manager::{BOTH, Followed, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::json;

/// Waits until the phase is there with at least one task running in it, kills the worker, starts another.
async fn killed_in(stage: &mut Stage, release: &Followed, phase: &str) {
    stage
        .until(&format!("something runs in {phase}"), async || {
            let read = stage.http.try_ask("GET", &release.path(""), None).await?.body;
            (read["phase"] == phase).then_some(())
        })
        .await;
    stage.kill_workers();
    stage.start_worker();
}

async fn completes_though_killed(database: Database) {
    let Some(mut stage) = Stage::open(database, Work::Separate(1)).await else {
        return;
    };
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", BOTH, &nothing())).await;
    killed_in(&mut stage, &release, "KICKOFF").await;
    killed_in(&mut stage, &release, "REGRESSION").await;
    release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    release.action(&stage, "trigger-pre-release", &json!({})).await;
    killed_in(&mut stage, &release, "PRE_RELEASE").await;
    release.phase(&stage, "AWAITING_DISTRIBUTION").await;
    Followed::approve_tickets(&stage);
    release.action(&stage, "trigger-distribution", &json!({})).await;
    killed_in(&mut stage, &release, "DISTRIBUTION").await;
    release.ship(&stage).await;
    release.phase(&stage, "COMPLETED").await;
    release.assert_right(&stage, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_leaves_nothing_undone_or_doubled_on_sqlite() {
    completes_though_killed(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_leaves_nothing_undone_or_doubled_on_postgresql() {
    completes_though_killed(Database::Postgres).await;
}
