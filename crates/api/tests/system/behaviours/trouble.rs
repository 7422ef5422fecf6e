//! Vendors in trouble: the release waits or holds and says who must do what, others go on, and nothing is done twice.

use crate::http::text;
use crate::manager::{Followed, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::{Value, json};

const ANDROID: &[&str] = &["ANDROID_PLAY_STORE"];
const TICKET: &str = "CREATE_PROJECT_MANAGEMENT_TICKET/ANDROID_PLAY_STORE/-";

/// Orders a fault of the sandbox.
async fn fault(stage: &Stage, body: &Value) {
    let url = format!("{}/_faults", stage.vendors.url());
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    assert!(
        response.status().is_success(),
        "{body}: {}",
        response.text().await.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_holds_one_release_until_it_is_mended_and_others_go_on() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    stage.advance(&json!({ "vendor": "jira", "action": "revoke_credentials" }));
    let held = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    let other = Followed::create(
        &stage,
        &wanted(&team, "1.2.0", ANDROID, &json!({ "ticketId": null })),
    )
    .await;
    held.task_is(&stage, TICKET, "FAILED").await;
    let hold = held.read(&stage).await["holds"][0].clone();
    assert_eq!(hold["hold"], "INTEGRATION_INVALID");
    assert!(
        text(&hold, "/detail").len() > 20 && text(&hold, "/liftedBy").len() > 5,
        "{hold}"
    );
    other.phase(&stage, "AWAITING_PRE_RELEASE").await;

    stage.advance(&json!({ "vendor": "jira", "action": "restore_credentials" }));
    let verify = format!("/integrations/project-management/{}/verify", team.id("jira"));
    stage.http.post(&verify, &json!({})).await;
    held.phase(&stage, "AWAITING_PRE_RELEASE").await;
    assert_eq!(stage.duplicates(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_vendor_answers_nothing_is_done_twice() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    for (vendor, operation) in [
        ("jira", "create_issue"),
        ("jenkins", "trigger"),
        ("checkmate", "create_run"),
        ("slack", "post_message"),
        ("appstore", "submit"),
        ("playstore", "commit"),
    ] {
        // Done, but the answer is lost; then done, but the answer says otherwise.
        fault(
            &stage,
            &json!({ "vendor": vendor, "operation": operation, "fault": "response_lost" }),
        )
        .await;
        fault(
            &stage,
            &json!({ "vendor": vendor, "operation": operation, "fault": "status_after", "skip": 1 }),
        )
        .await;
    }
    for vendor in ["jira", "jenkins", "checkmate", "slack"] {
        for (skip, kind) in [(2, "throttle"), (3, "html"), (4, "reset")] {
            let body = json!({ "vendor": vendor, "fault": kind, "skip": skip, "retryAfter": 1 });
            fault(&stage, &body).await;
        }
    }
    let release = Followed::create(
        &stage,
        &wanted(
            &team,
            "1.1.0",
            &["IOS_APP_STORE", "ANDROID_PLAY_STORE"],
            &nothing(),
        ),
    )
    .await;
    release.to_the_end(&stage).await;
    release.assert_right(&stage, 2).await;
}
