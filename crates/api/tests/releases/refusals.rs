//! Everything a creation is refused for, and that nothing is changed by a refusal.

use crate::world::{World, connect, pipeline};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::VerificationStatus;
use serde_json::{Value, json};

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn nothing_was_made(world: &World) {
    assert_eq!(world.api.get("/releases").await.is(200)["items"], json!([]));
    assert_eq!(world.api.get("/activities").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn syntax_is_a_400_at_its_place() {
    let world = World::new().await;
    let good = world.small("1.0.0");
    let cases = [
        ("/version", with(good.clone(), "version", json!("1.0"))),
        ("/version", with(good.clone(), "version", json!("1.0.0-beta"))),
        ("/version", with(good.clone(), "version", json!(1))),
        ("/type", with(good.clone(), "type", json!("HUGE"))),
        ("/priority", with(good.clone(), "priority", json!("urgent"))),
        ("/title", with(good.clone(), "title", json!(""))),
        ("/title", with(good.clone(), "title", json!("x".repeat(201)))),
        (
            "/description",
            with(good.clone(), "description", json!("x".repeat(10_001))),
        ),
        ("/targets", with(good.clone(), "targets", json!([]))),
        (
            "/targets",
            with(good.clone(), "targets", json!("ANDROID_PLAY_STORE")),
        ),
        ("/targets/0", with(good.clone(), "targets", json!([7]))),
        ("/targets/0/target", with(good.clone(), "targets", json!([{}]))),
        (
            "/targets/0/target",
            with(good.clone(), "targets", json!([{"target": "WINDOWS"}])),
        ),
        (
            "/targets/0/surprise",
            with(
                good.clone(),
                "targets",
                json!([{"target": "IOS_APP_STORE", "surprise": 1}]),
            ),
        ),
        (
            "/targets/0/builds",
            with(
                good.clone(),
                "targets",
                json!([{"target": "IOS_APP_STORE", "builds": "MAGIC"}]),
            ),
        ),
        ("/surprise", with(good.clone(), "surprise", json!(true))),
        ("/kickoffAt", with(good.clone(), "kickoffAt", json!("tomorrow"))),
        ("/slots/0/at", with(good.clone(), "slots", json!([{}]))),
        (
            "/slots/0/missed",
            with(
                good.clone(),
                "slots",
                json!([{"at": world.at(60), "missed": "CRY"}]),
            ),
        ),
        (
            "/settings/surprise",
            with(good.clone(), "settings", json!({"surprise": 1})),
        ),
        (
            "/settings/scm/branchTemplate",
            with(
                good.clone(),
                "settings",
                json!({"scm": {"branchTemplate": "{sha}"}}),
            ),
        ),
        ("/baseBranch", with(good.clone(), "baseBranch", json!("a..b"))),
        (
            "/existingBranch",
            with(good.clone(), "existingBranch", json!("-x")),
        ),
        (
            "/owner",
            with(with(good.clone(), "owner", json!("a")), "pilot", json!("b")),
        ),
    ];
    for (pointer, body) in cases {
        world.api.post("/releases", &body).await.wrong_at(pointer);
    }
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("targets");
    world.api.post("/releases", &missing).await.wrong_at("/targets");
    world
        .api
        .of("MEMBER", "POST", "/releases")
        .body("{")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    nothing_was_made(&world).await;
}

#[tokio::test]
async fn unknown_and_unsuitable_values_are_a_422_at_their_place() {
    let world = World::new().await;
    let api = &world.api;
    let good = world.small("1.0.0");
    let nobody = "0198c1a0-0000-7000-8000-000000000000";
    let unknown = [
        ("/serviceId", with(good.clone(), "serviceId", json!(nobody))),
        ("/serviceId", with(good.clone(), "serviceId", json!("svc_x"))),
        ("/profileId", with(good.clone(), "profileId", json!(nobody))),
        (
            "/scmIntegrationId",
            with(
                with(good.clone(), "serviceId", Value::Null),
                "scmIntegrationId",
                json!("x"),
            ),
        ),
        (
            "/communicationId",
            with(good.clone(), "communicationId", json!(nobody)),
        ),
        // It exists, but in another category.
        (
            "/communicationId",
            with(good.clone(), "communicationId", json!(world.jira)),
        ),
        ("/ticketId", with(good.clone(), "ticketId", json!(world.slack))),
        (
            "/testManagementId",
            with(good.clone(), "testManagementId", json!(world.ci)),
        ),
        ("/pipelines/0", with(good.clone(), "pipelines", json!([nobody]))),
        ("/targets/0", with(good.clone(), "targets", json!([nobody]))),
        ("/targets/0", with(good.clone(), "targets", json!([world.slack]))),
        (
            "/targets/0/storeIntegrationId",
            with(
                good.clone(),
                "targets",
                json!([{"target": "IOS_APP_STORE", "storeIntegrationId": nobody}]),
            ),
        ),
    ];
    for (pointer, body) in unknown {
        let refused = api
            .post("/releases", &body)
            .await
            .refused(422, "unknown_reference");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let app = &api.app;
    let web = pipeline(app, &api.tenant, &world.ci, (None, None), ("WEB", "DEPLOY")).await;
    let foreign_scm = connect(
        app,
        &api.tenant,
        Port::Scm,
        "git",
        json!({}),
        VerificationStatus::Valid,
    )
    .await;
    let of_other_scm = pipeline(
        app,
        &api.tenant,
        &world.ci,
        (Some(&foreign_scm), None),
        ("ANDROID", "AAB_BUILD"),
    )
    .await;
    let of_other_store = pipeline(
        app,
        &api.tenant,
        &world.ci,
        (None, Some(&world.appstore)),
        ("ANDROID", "AAB_BUILD"),
    )
    .await;
    let two_builds = pipeline(
        app,
        &api.tenant,
        &world.ci,
        (None, None),
        ("ANDROID", "AAB_BUILD"),
    )
    .await;
    let unsuitable = [
        (
            "/pipelines/0",
            "pipeline_mismatch",
            with(good.clone(), "pipelines", json!([web])),
        ),
        (
            "/pipelines/0",
            "pipeline_mismatch",
            with(good.clone(), "pipelines", json!([of_other_scm])),
        ),
        (
            "/pipelines/0",
            "pipeline_mismatch",
            with(good.clone(), "pipelines", json!([of_other_store])),
        ),
        (
            "/pipelines/1",
            "pipeline_mismatch",
            with(
                good.clone(),
                "pipelines",
                json!([world.android_pipeline, two_builds]),
            ),
        ),
        (
            "/scmIntegrationId",
            "scm_mismatch",
            with(good.clone(), "scmIntegrationId", json!(foreign_scm)),
        ),
        (
            "/targets/0/storeIntegrationId",
            "store_mismatch",
            with(
                good.clone(),
                "targets",
                json!([{"target": "IOS_APP_STORE", "storeIntegrationId": world.playstore}]),
            ),
        ),
        (
            "/targets/1",
            "duplicate_target",
            with(
                good.clone(),
                "targets",
                json!([world.playstore, {"target": "ANDROID_PLAY_STORE"}]),
            ),
        ),
        (
            "/settings/testing/passThreshold",
            "settings_unsuitable",
            with(
                good.clone(),
                "settings",
                json!({"testing": {"passThreshold": 101}}),
            ),
        ),
        (
            "/kickoffAt",
            "unsuitable_value",
            with(good.clone(), "kickoffAt", json!(world.at(-10))),
        ),
        (
            "/kickoffReminderAt",
            "unsuitable_value",
            with(world.later("1.0.0"), "kickoffReminderAt", json!(world.at(3_000))),
        ),
        (
            "/targetDate",
            "unsuitable_value",
            with(world.later("1.0.0"), "targetDate", json!(world.at(5))),
        ),
        (
            "/slots/1/at",
            "unsuitable_value",
            with(
                world.later("1.0.0"),
                "slots",
                json!([{"at": world.at(3_000)}, {"at": world.at(5)}]),
            ),
        ),
        (
            "/slots/0/at",
            "unsuitable_value",
            with(
                with(world.later("1.0.0"), "targetDate", json!(world.at(4_000))),
                "slots",
                json!([{"at": world.at(5_000)}]),
            ),
        ),
    ];
    for (pointer, code, body) in unsuitable {
        let refused = api.post("/releases", &body).await.refused(422, code);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    nothing_was_made(&world).await;
}

#[tokio::test]
async fn integrations_that_do_not_work_are_refused_in_words() {
    let world = World::new().await;
    let api = &world.api;
    for (status, word) in [
        (VerificationStatus::Pending, "not been verified"),
        (VerificationStatus::Invalid, "failed its verification"),
        (VerificationStatus::Expired, "expired"),
    ] {
        let slack = connect(
            &api.app,
            &api.tenant,
            Port::Communication,
            "slack",
            json!({}),
            status,
        )
        .await;
        let body = with(world.small("1.0.0"), "communicationId", json!(slack));
        let refused = api
            .post("/releases", &body)
            .await
            .refused(422, "integration_not_verified");
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused}");
    }
    nothing_was_made(&world).await;
}

#[tokio::test]
async fn another_tenants_things_cannot_be_named_or_seen() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    // With the other tenant's credential nothing of the first one's body exists.
    let refused = world
        .api
        .of("OTHER", "POST", "/releases")
        .json(&world.later("1.0.0"))
        .send()
        .await
        .refused(422, "unknown_reference");
    assert_eq!(refused["errors"][0]["pointer"], "/serviceId");
    let path = World::path(&made);
    for part in [
        "",
        "/tasks",
        "/slots",
        "/cycles",
        "/builds",
        "/blockers",
        "/approvals",
        "/distribution",
        "/plan",
        "/activities",
        "/events",
    ] {
        world
            .api
            .of("OTHER", "GET", &format!("{path}{part}"))
            .send()
            .await
            .refused(404, "not_found");
    }
    for action in [
        "start",
        "pause",
        "resume",
        "unblock",
        "trigger-pre-release",
        "cycles",
    ] {
        world
            .api
            .of("OTHER", "POST", &format!("{path}/{action}"))
            .send()
            .await
            .refused(404, "not_found");
    }
    world
        .api
        .of("OTHER", "GET", "/releases/REL-1")
        .send()
        .await
        .refused(404, "not_found");
    world
        .api
        .of("OTHER", "DELETE", &path)
        .send()
        .await
        .refused(404, "not_found");
    assert_eq!(
        world.api.of("OTHER", "GET", "/releases").send().await.is(200)["items"],
        json!([])
    );
    assert_eq!(world.read(&made, "").await["revision"], made["revision"]);
}

#[tokio::test]
async fn viewers_read_and_members_write() {
    let world = World::new().await;
    let api = &world.api;
    api.of("VIEWER", "POST", "/releases")
        .json(&world.later("1.0.0"))
        .send()
        .await
        .refused(403, "role_too_low");
    let made = world.made(&world.later("1.0.0")).await;
    let path = World::path(&made);
    for (method, part, body) in [
        ("PATCH", "", json!({"title": "x"})),
        ("DELETE", "", json!({})),
        ("POST", "/start", json!({})),
        ("POST", "/pause", json!({})),
        ("POST", "/archive", json!({"reason": "x"})),
        ("POST", "/trigger-distribution", json!({})),
        ("POST", "/slots", json!({"at": world.at(3_000)})),
        ("POST", "/cycles", json!({})),
        (
            "POST",
            "/builds",
            json!({"target": "ANDROID_PLAY_STORE", "buildNumber": "1"}),
        ),
        ("POST", "/approvals", json!({"stage": "PRE_RELEASE"})),
        ("PUT", "/tasks/FORK_BRANCH%2F-%2F-", json!({"action": "RETRY"})),
        (
            "PATCH",
            "/targets/ANDROID_PLAY_STORE",
            json!({"builds": "PIPELINE"}),
        ),
    ] {
        api.of("VIEWER", method, &format!("{path}{part}"))
            .json(&body)
            .send()
            .await
            .refused(403, "role_too_low");
    }
    api.of("VIEWER", "GET", &path).send().await.is(200);
    assert_eq!(world.read(&made, "").await["revision"], made["revision"]);
}
