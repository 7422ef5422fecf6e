//! Builds that fail, are repeated, left out, or made by people.

use crate::http::text;
use crate::manager::{BOTH, Followed, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::json;

const IOS: &str = "TRIGGER_REGRESSION_BUILDS/IOS_APP_STORE/1";
const ANDROID: &str = "TRIGGER_REGRESSION_BUILDS/ANDROID_PLAY_STORE/1";

#[tokio::test(flavor = "multi_thread")]
async fn a_build_fails_on_one_platform_while_the_other_goes_on_and_a_pause_lifts_only_itself() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", BOTH, &nothing())).await;
    release.task_is(&stage, IOS, "AWAITING_CALLBACK").await;
    release.task_is(&stage, ANDROID, "AWAITING_CALLBACK").await;
    for (job, result) in [("ios-regression", "FAILURE"), ("android-regression", "SUCCESS")] {
        // A run may still stand in the queue.
        stage.advance(&json!({ "vendor": "jenkins", "action": "start", "job": job }));
        stage.advance(&json!({ "vendor": "jenkins", "action": "finish", "job": job, "number": "all", "result": result }));
    }
    let failed = release.task_is(&stage, IOS, "FAILED").await;
    release.task_is(&stage, ANDROID, "COMPLETED").await;
    release
        .task_is(
            &stage,
            "TRIGGER_AUTOMATION_RUNS/ANDROID_PLAY_STORE/1",
            "COMPLETED",
        )
        .await;
    let holds = |read: &serde_json::Value| {
        let all = read["holds"].as_array().unwrap();
        all.iter().map(|it| text(it, "/hold")).collect::<Vec<_>>()
    };
    assert_eq!(holds(&release.read(&stage).await), ["TASK_FAILED"]);

    // A pause during the failure: each is lifted by its own.
    release.action(&stage, "pause", &json!({ "note": "lunch" })).await;
    assert_eq!(holds(&release.read(&stage).await), ["USER_PAUSED", "TASK_FAILED"]);
    release.action(&stage, "resume", &json!({})).await;
    assert_eq!(holds(&release.read(&stage).await), ["TASK_FAILED"]);

    stage.auto();
    let path = release.path(&format!("/tasks/{}", text(&failed, "/id")));
    stage.http.put(&path, &json!({ "action": "RETRY" })).await;
    release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    // The failed run is spent: its repetition is no duplicate.
    assert_eq!(stage.duplicates(), Vec::<String>::new());
    release.to_the_end(&stage).await;
    release.assert_right(&stage, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_is_left_out_and_a_build_of_one_target_comes_from_a_person() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let settings = json!({ "builds": { "ANDROID_PLAY_STORE": "MANUAL" }, "testing": null });
    let settings = json!({ "builds": settings["builds"] });
    let team = set_up(&stage, &settings).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", BOTH, &nothing())).await;
    release.task_is(&stage, IOS, "AWAITING_CALLBACK").await;
    release.task_is(&stage, ANDROID, "AWAITING_MANUAL").await;
    stage.advance(&json!({ "vendor": "jenkins", "action": "start", "job": "ios-regression" }));
    stage.advance(
        &json!({ "vendor": "jenkins", "action": "finish", "job": "ios-regression", "number": "all", "result": "FAILURE" }),
    );
    let failed = release.task_is(&stage, IOS, "FAILED").await;
    let path = release.path(&format!("/tasks/{}", text(&failed, "/id")));
    stage
        .http
        .put(
            &path,
            &json!({ "action": "SKIP", "reason": "tested by hand on a phone" }),
        )
        .await;
    stage.auto();
    let tested = release.read(&stage).await["cycles"][0]["sha"].clone();
    let build = json!({ "target": "ANDROID_PLAY_STORE", "buildNumber": "7", "sha": tested });
    release.action(&stage, "builds", &build).await;
    let read = release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    assert_eq!(release.task(&stage, IOS).await["status"], "SKIPPED");
    let by_hand = read["builds"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["target"] == "ANDROID_PLAY_STORE")
        .unwrap();
    assert_eq!(by_hand["shaOrigin"], "DECLARED");
    assert_eq!(by_hand["buildNumber"], "7");
}
