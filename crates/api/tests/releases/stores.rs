//! Submissions and rollouts: what people may ask of them.

use crate::world::World;
use delivr_app::apply::{self, Delivery};
use delivr_domain::effect::StoreVersion;
use delivr_domain::ids::{InstallId, ReleaseId, RolloutId, SubmissionId};
use delivr_domain::key::{AggregateId, AggregateKind, TargetKey};
use delivr_domain::plan::StoreSettings;
use delivr_domain::report::{Held, Report, RolloutStart, SubmissionStart};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn version() -> StoreVersion {
    StoreVersion {
        version: "1.0.0".to_owned(),
        build_number: "100".to_owned(),
        notes: BTreeMap::new(),
    }
}

fn parts(world: &World, release: &Value) -> (ReleaseId, InstallId) {
    let id = release["id"].as_str().unwrap().parse().unwrap();
    (id, InstallId::from_uuid(world.api.app.entropy.uuid()))
}

async fn born(world: &World, kind: AggregateKind, id: uuid::Uuid, report: &Report) {
    let delivery = Delivery {
        to: AggregateId { kind, id },
        report,
        claim: None,
        fact: None,
        tenant: Some(world.api.tenant.id),
    };
    let app = &world.api.app;
    apply::report(app.store.as_ref(), app.clock.as_ref(), &delivery)
        .await
        .unwrap();
}

async fn submission(world: &World, release: &Value, target: TargetKey) -> String {
    let (of, install) = parts(world, release);
    let id = SubmissionId::from_uuid(world.api.app.entropy.uuid());
    let start = SubmissionStart {
        id,
        tenant: world.api.tenant.id,
        install,
        release: of,
        target,
        attempt: 1,
        integration: world.appstore.parse().unwrap(),
        version: version(),
        settings: StoreSettings::default(),
    };
    let report = Report::StartSubmission {
        start: Box::new(start),
    };
    born(world, AggregateKind::Submission, id.uuid(), &report).await;
    format!("/submissions/{id}")
}

async fn rollout(world: &World, release: &Value, target: TargetKey) -> String {
    let (of, install) = parts(world, release);
    let id = RolloutId::from_uuid(world.api.app.entropy.uuid());
    let start = RolloutStart {
        id,
        tenant: world.api.tenant.id,
        install,
        release: of,
        submission: SubmissionId::from_uuid(world.api.app.entropy.uuid()),
        target,
        integration: world.playstore.parse().unwrap(),
        version: version(),
        settings: StoreSettings::default(),
        exposure: 100,
        held: Held::default(),
    };
    let report = Report::StartRollout {
        start: Box::new(start),
    };
    born(world, AggregateKind::Rollout, id.uuid(), &report).await;
    format!("/rollouts/{id}")
}

#[tokio::test]
async fn submissions_do_what_their_state_allows() {
    let world = World::new().await;
    let release = world.made(&world.later("1.0.0")).await;
    let path = submission(&world, &release, TargetKey::IosAppStore).await;
    let api = &world.api;
    let read = api.get(&path).await.is(200);
    assert_eq!(
        (&read["status"], &read["version"]),
        (&json!("PREPARING"), &json!("1.0.0"))
    );
    assert!(!read["effects"].as_array().unwrap().is_empty(), "{read}");
    api.post(&format!("{path}/release"), &json!({}))
        .await
        .refused(409, "not_approved");
    let asked = api.post(&format!("{path}/submit"), &json!({})).await.is(200);
    assert_eq!(asked["submitAsked"], json!(true));
    api.post(&format!("{path}/submit"), &json!({}))
        .await
        .refused(409, "already_submitted");
    api.post(&format!("{path}/retry"), &json!({}))
        .await
        .refused(409, "task_not_failed");
    api.post(&format!("{path}/retry"), &json!({"task": "x"}))
        .await
        .wrong_at("/task");
    let reason = json!({"reason": "a crash at the start"});
    api.of("VIEWER", "POST", &format!("{path}/cancel"))
        .json(&reason)
        .send()
        .await
        .refused(403, "role_too_low");
    api.of("OTHER", "GET", &path)
        .send()
        .await
        .refused(404, "not_found");
    api.of("OTHER", "POST", &format!("{path}/cancel"))
        .json(&reason)
        .send()
        .await
        .refused(404, "not_found");
    let stale = api
        .of("MEMBER", "POST", &format!("{path}/cancel"))
        .header("if-match", "\"1\"")
        .json(&reason)
        .send()
        .await;
    stale.refused(412, "stale_version");
    for none in [json!({}), json!({"reason": " "})] {
        api.post(&format!("{path}/cancel"), &none)
            .await
            .wrong_at("/reason");
    }
    let cancelled = api.post(&format!("{path}/cancel"), &reason).await.is(200);
    assert_eq!(cancelled["status"], "CANCELLED");
    let feed = api.get("/activities?of=SUBMISSION").await.is(200);
    let said = feed["items"].as_array().unwrap().iter().any(|it| {
        it["kind"] == "WITHDRAWAL_ASKED"
            && it["summary"] == "asked to withdraw the submission: a crash at the start"
    });
    assert!(said, "{feed}");
    api.post(&format!("{path}/cancel"), &reason)
        .await
        .refused(409, "submission_closed");
    // The release has no failed task to try anew.
    api.post(&format!("{path}/resubmit"), &json!({}))
        .await
        .refused(404, "not_found");
    api.get("/submissions/0198c1a0-0000-7000-8000-000000000000")
        .await
        .refused(404, "not_found");
    let distribution = api
        .get(&format!("{}/distribution", World::path(&release)))
        .await
        .is(200);
    assert_eq!(distribution["status"], "PENDING");
}

#[tokio::test]
async fn rollouts_rise_pause_and_halt_with_a_reason() {
    let world = World::new().await;
    let release = world.made(&world.later("1.0.0")).await;
    let api = &world.api;
    let path = rollout(&world, &release, TargetKey::AndroidPlayStore).await;
    let read = api.get(&path).await.is(200);
    assert_eq!(
        (&read["status"], &read["exposure"]),
        (&json!("ACTIVE"), &json!(100))
    );
    assert_eq!(read["steps"], json!([100, 1_000, 5_000, 10_000]));
    for action in ["advance", "pause", "resume", "halt", "complete"] {
        api.post(&format!("{path}/{action}"), &json!({}))
            .await
            .wrong_at("/reason");
        api.of("VIEWER", "POST", &format!("{path}/{action}"))
            .json(&json!({"reason": "x"}))
            .send()
            .await
            .refused(403, "role_too_low");
        api.of("OTHER", "POST", &format!("{path}/{action}"))
            .json(&json!({"reason": "x"}))
            .send()
            .await
            .refused(404, "not_found");
    }
    let why = json!({"reason": "numbers"});
    api.post(&format!("{path}/advance"), &json!({"reason": "x", "exposure": 0}))
        .await
        .wrong_at("/exposure");
    api.post(
        &format!("{path}/advance"),
        &json!({"reason": "x", "exposure": 50}),
    )
    .await
    .refused(422, "unsuitable_value");
    api.post(&format!("{path}/resume"), &why)
        .await
        .refused(409, "not_paused");
    let paused = api.post(&format!("{path}/pause"), &why).await.is(200);
    assert_eq!(paused["status"], "PAUSED");
    api.post(&format!("{path}/advance"), &why)
        .await
        .refused(409, "not_active");
    assert_eq!(
        api.post(&format!("{path}/resume"), &why).await.is(200)["status"],
        "ACTIVE"
    );
    let raised = api.post(&format!("{path}/advance"), &why).await.is(200);
    assert_eq!(raised["trafficGeneration"], json!(1));
    // No exposure is believed before it is read back.
    assert_eq!(raised["exposure"], json!(100));
    api.post(&format!("{path}/complete"), &why)
        .await
        .refused(409, "decision_open");
    // A halt does not wait.
    assert_eq!(
        api.post(&format!("{path}/halt"), &why).await.is(200)["trafficGeneration"],
        json!(2)
    );
    // The App Store has steps of its own, and no halt.
    let ios = rollout(&world, &release, TargetKey::IosAppStore).await;
    api.post(&format!("{ios}/advance"), &why)
        .await
        .refused(409, "fixed_steps");
    api.post(&format!("{ios}/halt"), &why)
        .await
        .refused(409, "halt_unsupported");
}
