//! Slots and cycles.

use crate::manager::{Followed, in_seconds, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::json;

const ANDROID: &[&str] = &["ANDROID_PLAY_STORE"];

#[tokio::test(flavor = "multi_thread")]
async fn overdue_slots_coalesce_and_a_late_one_reopens_regression() {
    // Nobody works until both slots are overdue.
    let mut stage = Stage::open(Database::Sqlite, Work::Separate(0)).await.unwrap();
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    let slots = json!({ "slots": [{ "at": in_seconds(1) }, { "at": in_seconds(2) }] });
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &slots)).await;
    let due = in_seconds(2);
    stage
        .until("both slots are overdue", async || {
            (in_seconds(0) > due).then_some(())
        })
        .await;
    stage.start_worker();
    let read = release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    assert_eq!(
        read["cycles"].as_array().unwrap().len(),
        1,
        "two overdue slots are one cycle"
    );

    release
        .action(&stage, "slots", &json!({ "at": in_seconds(2) }))
        .await;
    let read = release.read(&stage).await;
    assert_eq!(read["phase"], "REGRESSION_AWAITING_NEXT_CYCLE");
    let read = release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    assert_eq!(read["cycles"].as_array().unwrap().len(), 2);
    assert_eq!(stage.duplicates(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_cycle_stops_its_runs_and_is_not_what_the_gate_reads() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    // Nothing finishes by itself: the build of the first cycle waits.
    let build = "TRIGGER_REGRESSION_BUILDS/ANDROID_PLAY_STORE/1";
    release.task_is(&stage, build, "AWAITING_CALLBACK").await;
    release
        .action(
            &stage,
            "cycles/1/abandon",
            &json!({ "reason": "the wrong commit" }),
        )
        .await;
    stage
        .until("the run is stopped at the vendor", async || {
            (stage.performed("jenkins", "stop") + stage.performed("jenkins", "cancel_item") == 1)
                .then_some(())
        })
        .await;
    assert_eq!(release.read(&stage).await["cycles"][0]["status"], "ABANDONED");
    stage.auto();
    release.action(&stage, "cycles", &json!({})).await;
    let read = release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    assert_eq!(read["cycles"][1]["verdict"], "PASSED");
    release.action(&stage, "trigger-pre-release", &json!({})).await;
    release.phase(&stage, "AWAITING_DISTRIBUTION").await;
    release.assert_right(&stage, 1).await;
}
