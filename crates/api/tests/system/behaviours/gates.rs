//! Gates: approvals, overrides, and commits that nobody tested.

use crate::http::text;
use crate::manager::{Followed, nothing, set_up, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::json;

const ANDROID: &[&str] = &["ANDROID_PLAY_STORE"];

fn codes(refusal: &serde_json::Value) -> Vec<String> {
    refusal["blockers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(it, "/code"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cherry_pick_closes_the_gate_and_only_an_admin_with_a_reason_opens_it() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    stage.auto();
    let team = set_up(&stage, &nothing()).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    let read = release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    let tested = text(&read, "/cycles/0/sha");
    let picked = stage.repository.commit("release/1.1.0", "a.txt", "two");
    assert_ne!(picked, tested);

    let trigger = release.path("/trigger-pre-release");
    let refusal = stage.http.refused(&trigger, &json!({}), 409).await;
    assert_eq!(refusal["code"], "gate_closed");
    assert_eq!(codes(&refusal), ["untested_commits"]);
    let over = json!({ "override": true, "reason": "a comment only" });
    let member = stage.http.as_other(&stage.token("acme", "MEMBER"));
    member.refused(&trigger, &over, 403).await;
    assert_eq!(
        release.read(&stage).await["phase"],
        "AWAITING_PRE_RELEASE",
        "a refusal changes nothing"
    );
    stage
        .http
        .refused(&trigger, &json!({ "override": true }), 400)
        .await;

    stage.http.post(&trigger, &over).await;
    release.phase(&stage, "AWAITING_DISTRIBUTION").await;
    // What ships is what was tested, not what lies on the branch.
    assert_eq!(stage.repository.commit_of("refs/tags/v1.1.0"), tested);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_approval_is_a_blocker() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    stage.auto();
    let team = set_up(&stage, &json!({ "quorum": { "PRE_RELEASE": 1 } })).await;
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", ANDROID, &nothing())).await;
    release.phase(&stage, "AWAITING_PRE_RELEASE").await;
    let trigger = release.path("/trigger-pre-release");
    let refusal = stage.http.refused(&trigger, &json!({}), 409).await;
    assert_eq!(codes(&refusal), ["approval_missing"]);
    let approval = json!({ "stage": "PRE_RELEASE", "decision": "APPROVED", "comment": "looks good" });
    release.action(&stage, "approvals", &approval).await;
    stage.http.post(&trigger, &json!({})).await;
    release.phase(&stage, "AWAITING_DISTRIBUTION").await;
}
