//! Reviews and rollouts, and a release that is given up.

use crate::http::text;
use crate::manager::{Followed, children, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::{Value, json};

/// A release whose first submission is on its way.
async fn in_distribution(stage: &Stage, targets: &[&str]) -> Followed {
    stage.auto();
    let team = set_up(stage, &nothing()).await;
    let release = Followed::create(stage, &wanted(&team, "1.1.0", targets, &nothing())).await;
    release.phase(stage, "AWAITING_PRE_RELEASE").await;
    release.action(stage, "trigger-pre-release", &json!({})).await;
    release.phase(stage, "AWAITING_DISTRIBUTION").await;
    Followed::approve_tickets(stage);
    release
}

/// Waits until the only target's submission (0) or rollout (1) has a status.
async fn child(stage: &Stage, release: &Followed, which: usize, status: &str) -> Value {
    stage
        .until(&format!("the child is {status}"), async || {
            let (submission, rollout) = children(&release.distribution(stage).await[0]);
            let found = [submission, rollout][which].clone();
            (found["status"] == status).then_some(found)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_version_is_submitted_again() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let release = in_distribution(&stage, &["IOS_APP_STORE"]).await;
    // Reviewers decide by hand now.
    stage.advance(&json!({ "vendor": "appstore", "action": "auto", "on": false }));
    release.action(&stage, "trigger-distribution", &json!({})).await;
    child(&stage, &release, 0, "SUBMITTED").await;
    stage.advance(&json!({ "vendor": "appstore", "action": "start_review" }));
    // Seen in review: what ends before that may be the end of an earlier try.
    child(&stage, &release, 0, "IN_REVIEW").await;
    stage.advance(&json!({ "vendor": "appstore", "action": "reject", "state": "METADATA_REJECTED" }));
    let task = release
        .task_is(&stage, "SUBMIT_TO_STORE/IOS_APP_STORE/-", "FAILED")
        .await;
    let first = child(&stage, &release, 0, "REJECTED").await;

    let path = release.path(&format!("/tasks/{}", text(&task, "/id")));
    stage.http.put(&path, &json!({ "action": "RETRY" })).await;
    let second = child(&stage, &release, 0, "SUBMITTED").await;
    assert_ne!(first["id"], second["id"], "a new try is a new submission");
    assert_eq!(second["attempt"], 2);
    stage.advance(&json!({ "vendor": "appstore", "action": "start_review" }));
    stage.advance(&json!({ "vendor": "appstore", "action": "approve" }));
    release.ship(&stage).await;
    release.phase(&stage, "COMPLETED").await;
    release.assert_right(&stage, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_paused_resumed_halted_resumed_and_completed() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let release = in_distribution(&stage, &["ANDROID_PLAY_STORE"]).await;
    release.action(&stage, "trigger-distribution", &json!({})).await;
    let rollout = child(&stage, &release, 1, "ACTIVE").await;
    assert_eq!(rollout["exposure"], 500);
    let act = async |action: &str| {
        let path = format!("/rollouts/{}/{action}", text(&rollout, "/id"));
        stage
            .http
            .post(&path, &json!({ "reason": "as seen in the dashboards" }))
            .await
    };
    act("pause").await;
    child(&stage, &release, 1, "PAUSED").await;
    act("resume").await;
    child(&stage, &release, 1, "ACTIVE").await;
    act("halt").await;
    let halted = child(&stage, &release, 1, "HALTED").await;
    assert_eq!(release.read(&stage).await["phase"], "DISTRIBUTION");
    assert_ne!(halted["storeWord"], "");
    act("resume").await;
    child(&stage, &release, 1, "ACTIVE").await;
    act("complete").await;
    release.phase(&stage, "COMPLETED").await;
    release.assert_right(&stage, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_release_cleans_up_and_reports_it() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(
        &stage,
        &wanted(&team, "1.1.0", &["ANDROID_PLAY_STORE"], &nothing()),
    )
    .await;
    release
        .task_is(
            &stage,
            "TRIGGER_REGRESSION_BUILDS/ANDROID_PLAY_STORE/1",
            "AWAITING_CALLBACK",
        )
        .await;
    let body = json!({ "reason": "not this quarter", "closeTickets": true, "deleteBranch": true });
    release.action(&stage, "archive", &body).await;
    for task in ["CLEANUP_CLOSE_TICKETS/-/-", "CLEANUP_DELETE_BRANCH/-/-"] {
        release.task_is(&stage, task, "COMPLETED").await;
    }
    stage
        .until("the run is stopped", async || {
            (stage.performed("jenkins", "stop") + stage.performed("jenkins", "cancel_item") == 1)
                .then_some(())
        })
        .await;
    let read = release.read(&stage).await;
    assert_eq!(read["phase"], "ARCHIVED");
    let left: Vec<&str> = read["leftBehind"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["TAG", "TEST_RUN"], "branch and ticket are gone: {read}");
    assert_eq!(stage.performed("jira", "transition"), 1);
    stage
        .http
        .refused(&release.path("/resume"), &json!({}), 409)
        .await;
}
