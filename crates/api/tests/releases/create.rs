//! Making releases: our body, seed 004's body, defaults, names, versions, repetitions.

use crate::world::World;
use delivr_domain::release::view::Status;
use serde_json::{Value, json};

#[tokio::test]
async fn our_body_makes_a_release_with_everything_in_it() {
    let world = World::new().await;
    let settings = json!({"quorum": {"PRE_RELEASE": 2}, "testing": {"passThreshold": 90}});
    let profile = world
        .api
        .post(
            "/profiles",
            &json!({"name": "weekly", "serviceId": world.service, "settings": settings}),
        )
        .await
        .is(201);
    let (kickoff, reminder, target) = (world.at(600), world.at(540), world.at(6_000));
    let body = json!({
        "serviceId": world.service, "type": "MAJOR", "priority": "HIGH", "title": "The big one",
        "description": "Everything new.", "owner": "Ada", "profileId": profile["id"],
        "targets": [
            {"target": "IOS_APP_STORE", "version": "3.0.0", "storeIntegrationId": world.appstore,
             "pipelines": [world.ios_pipeline]},
            {"target": "ANDROID_PLAY_STORE", "version": "2.9.0", "builds": "MANUAL"},
        ],
        "settings": {"testing": {"passThreshold": 95}, "scm": {"baseBranch": "develop", "mergeBack": true}},
        "communicationId": world.slack, "ticketId": world.jira, "testManagementId": world.checkmate,
        "kickoffAt": kickoff, "kickoffReminderAt": reminder, "targetDate": target,
        "slots": [{"at": world.at(700)}, {"at": world.at(900), "builds": "NO_BUILD", "missed": "SKIP"}],
    });
    let reply = world.api.post("/releases", &body).await;
    assert_eq!(reply.headers["etag"], format!("\"{}\"", reply.body["revision"]));
    let place = reply.headers["location"].clone();
    let made = reply.is(201);
    assert_eq!(
        place,
        format!("/api/v1/releases/{}", made["id"].as_str().unwrap())
    );
    for (field, value) in [
        ("key", json!("REL-1")),
        ("version", json!("3.0.0")),
        ("status", json!(Status::Planning.word())),
        ("phase", json!("NOT_STARTED")),
        ("type", json!("MAJOR")),
        ("priority", json!("HIGH")),
        ("pilot", json!("Ada")),
        ("profileId", profile["id"].clone()),
        ("baseBranch", json!("develop")),
        ("branchRelease", json!("release/3.0.0")),
        ("scmIntegrationId", json!(world.scm)),
        ("ticketId", json!(world.jira)),
        ("testManagementId", json!(world.checkmate)),
        ("holds", json!([])),
    ] {
        assert_eq!(made[field], value, "{field} of {made}");
    }
    assert_eq!(made["slots"].as_array().unwrap().len(), 2);
    assert_eq!(made["slots"][1]["missed"], "SKIP");
    assert!(made["orchestration"]["nextWakeAt"].is_string(), "{made}");
    let android = &made["targets"][0];
    assert_eq!(
        (&android["target"], &android["version"]),
        (&json!("ANDROID_PLAY_STORE"), &json!("2.9.0"))
    );
    // The only store that ships it was taken.
    assert_eq!(android["storeIntegrationId"], json!(world.playstore));
    assert_eq!(android["builds"], "MANUAL");
    let ios = &made["targets"][1];
    assert_eq!(ios["pipelines"][0]["pipelineId"], json!(world.ios_pipeline));
    assert_eq!(ios["pipelines"][0]["triggered"], json!(false));
}

#[tokio::test]
async fn seed_004s_body_works_as_it_is() {
    let world = World::on_sqlite().await;
    let made = world.made(&world.seed()).await;
    assert_eq!(made["serviceId"], json!(world.service));
    assert_eq!(made["version"], "1.5.0");
    assert_eq!(made["branchRelease"], "release/1.5.0");
    let versions: Vec<&Value> = made["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["version"])
        .collect();
    assert_eq!(versions, ["1.5.0", "1.5.0"]);
    // Kickoff is now: its tasks are there.
    assert_eq!(made["phase"], "KICKOFF");
    let path = World::path(&made);
    let tasks = world.api.get(&format!("{path}/tasks")).await.is(200);
    let kinds: Vec<&str> = tasks["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "FORK_BRANCH",
            "CREATE_PROJECT_MANAGEMENT_TICKET",
            "CREATE_PROJECT_MANAGEMENT_TICKET"
        ]
    );
    // Also under the path of seed 000, by id and by key, for the same answer.
    let tenant = world.api.tenant.id;
    for name in [
        made["id"].as_str().unwrap(),
        "REL-1",
        &format!("rel_{}", made["id"].as_str().unwrap()),
    ] {
        let path = format!("/api/v1/release-management/tenants/{tenant}/releases/{name}");
        let same = world
            .api
            .bare("GET", &path)
            .header("x-api-key", &world.api.tokens["VIEWER"])
            .send()
            .await
            .is(200);
        assert_eq!(
            (&same["id"], &same["revision"]),
            (&made["id"], &made["revision"]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn versions_continue_their_line_and_never_collide() {
    let world = World::new().await;
    // There is nothing to continue from yet.
    let mut body = world.later("1.0.0");
    body.as_object_mut().unwrap().remove("version");
    world
        .api
        .post("/releases", &body)
        .await
        .refused(422, "version_missing");
    world.made(&world.later("1.0.0")).await;
    let next = world.made(&body).await;
    assert_eq!(next["version"], "1.1.0");
    body["type"] = json!("MAJOR");
    assert_eq!(world.made(&body).await["version"], "2.0.0");
    for version in ["2.0.0", "1.9.9", "1.0.0"] {
        let refused = world
            .api
            .post("/releases", &world.later(version))
            .await
            .refused(422, "version_not_above");
        assert_eq!(refused["errors"][0]["pointer"], "/version", "{refused}");
    }
    // The other target has a line of its own, but the branch's name is taken.
    let mut ios = world.later("2.0.0");
    ios["targets"] = json!(["IOS"]);
    world
        .api
        .post("/releases", &ios)
        .await
        .refused(422, "unknown_reference");
    ios["targets"] = json!([{"target": "IOS_APP_STORE"}]);
    world
        .api
        .post("/releases", &ios)
        .await
        .refused(422, "name_collision");
    // What was withdrawn counts no more.
    let listed = world.api.get("/releases?q=2.0.0").await.is(200);
    let path = format!("/releases/{}", listed["items"][0]["key"].as_str().unwrap());
    world.api.delete(&path).await.is(204);
    world.made(&ios).await;
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_makes_nothing() {
    let world = World::on_sqlite().await;
    let post = |body: Value, key: &'static str| {
        world
            .api
            .of("MEMBER", "POST", "/releases")
            .header("idempotency-key", key)
            .json(&body)
            .send()
    };
    let first = post(world.later("1.0.0"), "k-1").await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = post(world.later("1.0.0"), "k-2").await;
    again.refused(422, "version_not_above");
    let body = world.later("1.1.0");
    let one = post(body.clone(), "k-3").await;
    let two = post(body, "k-3").await;
    assert_eq!(one.text, two.text);
    assert_eq!(two.headers["idempotent-replayed"], "true");
    post(world.later("1.2.0"), "k-3")
        .await
        .refused(409, "idempotency_key_reused");
    let listed = world.api.get("/releases").await.is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
    // An action remembers its answer as well.
    let path = format!("/releases/{}/pause", one.body["id"].as_str().unwrap());
    let pause = || {
        world
            .api
            .of("MEMBER", "POST", &path)
            .header("idempotency-key", "p-1")
            .send()
    };
    let (first, second) = (pause().await, pause().await);
    assert_eq!((first.status, &first.text), (200, &second.text));
    assert_eq!(second.headers["idempotent-replayed"], "true");
}

#[tokio::test]
async fn two_requests_at_once_make_one_release_of_a_version() {
    let world = World::on_sqlite().await;
    let body = world.later("4.0.0");
    let posts = (0..6).map(|_| world.api.post("/releases", &body));
    let replies = futures_util::future::join_all(posts).await;
    let made = replies.iter().filter(|it| it.status == 201).count();
    assert_eq!(made, 1, "{replies:?}");
    assert!(
        replies.iter().all(|it| matches!(it.status, 201 | 409 | 422)),
        "{replies:?}"
    );
    assert_eq!(
        world.api.get("/releases").await.is(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_providers_lack_is_planned_as_left_out() {
    let world = World::new().await;
    let mut body = world.later("1.0.0");
    body["settings"] = json!({"scm": {"mergeBack": true}});
    let made = world.made(&body).await;
    let plan = world
        .api
        .get(&format!("{}/plan", World::path(&made)))
        .await
        .is(200);
    let left_out = plan["leftOut"].as_array().unwrap();
    let merge = left_out.iter().find(|it| it["type"] == "MERGE_BACK").unwrap();
    assert!(
        merge["reason"].as_str().unwrap().contains("pull requests"),
        "{merge}"
    );
}

#[tokio::test]
async fn services_of_one_repository_get_names_that_differ() {
    let world = World::new().await;
    let second = json!({"slug": "shop-lite", "name": "Lite", "scmIntegrationId": world.scm});
    let lite = world.api.post("/services", &second).await.is(201);
    let made = world.made(&world.later("1.0.0")).await;
    assert_eq!(made["branchRelease"], "release/shop-app-1.0.0");
    let mut body = world.later("1.0.0");
    body["serviceId"] = lite["id"].clone();
    assert_eq!(
        world.made(&body).await["branchRelease"],
        "release/shop-lite-1.0.0"
    );
    // A template that would make them equal is refused.
    let mut body = world.later("1.1.0");
    body["settings"] = json!({"scm": {"branchTemplate": "release/{version}"}});
    let refused = world
        .api
        .post("/releases", &body)
        .await
        .refused(422, "name_collision");
    assert_eq!(refused["errors"][0]["pointer"], "/settings/scm/branchTemplate");
    // And seed 004 cannot know which service is meant.
    world
        .api
        .post("/releases", &world.seed())
        .await
        .refused(422, "service_ambiguous");
}

#[tokio::test]
async fn what_keeps_gates_closed_is_not_a_members_to_name() {
    let world = World::new().await;
    let api = &world.api;
    for (number, settings) in [
        json!({"quorum": {}}),
        json!({"autoStart": ["PRE_RELEASE"]}),
        json!({"shaOrigins": ["DECLARED"]}),
        json!({"allowZeroCycles": true}),
        json!({"tickets": {"gateOnApproval": false}}),
        json!({"testing": {"passThreshold": 0}}),
        json!({"automation": false}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = world.later(&format!("{}.0.0", number + 1));
        body["settings"] = settings;
        let member = api.of("MEMBER", "POST", "/releases").json(&body).send().await;
        member.refused(403, "role_too_low");
        let admin = api.of("ADMIN", "POST", "/releases").json(&body).send().await;
        assert_ne!(admin.status, 403, "{}", admin.text);
    }
    let mut body = world.later("20.0.0");
    body["settings"] = json!({"scm": {"mergeBack": true}, "tickets": {"close": true}});
    let member = api.of("MEMBER", "POST", "/releases").json(&body).send().await;
    member.is(201);
}

#[tokio::test]
async fn the_only_profile_of_a_service_need_not_be_named() {
    let world = World::new().await;
    let api = &world.api;
    // Somebody else's, and everybody's, are not the service's.
    let other = api.service("other").await;
    api.post("/profiles", &json!({"name": "theirs", "serviceId": other}))
        .await
        .is(201);
    api.post("/profiles", &json!({"name": "everybody's"}))
        .await
        .is(201);
    let made = world.made(&world.later("1.0.0")).await;
    assert_eq!(made["profileId"], Value::Null, "{made}");
    let profile = json!({"name": "weekly", "serviceId": world.service});
    let profile = api.post("/profiles", &profile).await.is(201);
    let made = world.made(&world.later("2.0.0")).await;
    assert_eq!(made["profileId"], profile["id"]);
    let second = json!({"name": "daily", "serviceId": world.service});
    api.post("/profiles", &second).await.is(201);
    let made = world.made(&world.later("3.0.0")).await;
    assert_eq!(made["profileId"], Value::Null);
}
