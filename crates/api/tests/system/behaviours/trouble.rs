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

/// Made, but the answer is lost; and the look for it is refused once.
async fn lost_ticket(stage: &Stage) {
    fault(
        stage,
        &json!({ "vendor": "jira", "operation": "create_issue", "fault": "response_lost" }),
    )
    .await;
    fault(
        stage,
        &json!({ "vendor": "jira", "operation": "search", "fault": "status_before", "status": 400, "skip": 1 }),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_made_is_looked_for_before_a_persons_word_counts() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up(&stage, &nothing()).await;
    lost_ticket(&stage).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    let failed = release.task_is(&stage, TICKET, "FAILED").await;
    assert_eq!(failed["cause"]["outcome"], "UNKNOWN", "{failed}");
    assert_eq!(stage.performed("jira", "create_issue"), 1);
    let path = release.path(&format!("/tasks/{}", text(&failed, "/id")));
    let word = json!({ "action": "COMPLETE", "reason": "there is one, I think" });
    let said = stage.http.put(&path, &word).await;
    assert_eq!(said["status"], "RUNNING", "{said}");
    assert!(
        text(&said, "/detail").starts_with("a person did it by hand"),
        "{said}"
    );
    let done = release.task_is(&stage, TICKET, "COMPLETED").await;
    assert!(
        done["externalId"].is_string(),
        "what is found is the task's own: {done}"
    );
    assert_eq!(stage.performed("jira", "create_issue"), 1);
    assert_eq!(stage.duplicates(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_beside_what_a_person_named_is_told() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up(&stage, &nothing()).await;
    lost_ticket(&stage).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    let failed = release.task_is(&stage, TICKET, "FAILED").await;
    let path = release.path(&format!("/tasks/{}", text(&failed, "/id")));
    let word = json!({ "action": "COMPLETE", "reason": "I made one", "reference": { "id": "MINE-1" } });
    stage.http.put(&path, &word).await;
    let done = release.task_is(&stage, TICKET, "COMPLETED").await;
    assert_eq!(done["externalId"], "MINE-1");
    let surplus = done["surplus"].as_array().unwrap();
    assert_eq!(surplus.len(), 1, "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_forced_word_counts_before_anybody_looks() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up(&stage, &nothing()).await;
    lost_ticket(&stage).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    let failed = release.task_is(&stage, TICKET, "FAILED").await;
    let path = release.path(&format!("/tasks/{}", text(&failed, "/id")));
    let word = json!({ "action": "SKIP", "reason": "no ticket this time", "acceptDuplicate": true });
    let member = stage.http.as_other(&stage.token("acme", "MEMBER"));
    let refused = member.ask("PUT", &path, Some(&word)).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let said = stage.http.put(&path, &word).await;
    assert_eq!(said["status"], "SKIPPED", "{said}");
}
