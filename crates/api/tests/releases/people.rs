//! Decisions are people's: whoever has several tokens counts once, and who is no person does not count.

use crate::flow::in_phase;
use crate::world::World;
use serde_json::{Value, json};

async fn gate(world: &World, release: &Value) -> Value {
    let path = format!("{}/blockers", World::path(release));
    world.api.get(&path).await.is(200)
}

#[tokio::test]
async fn two_tokens_of_one_person_are_one_approver_and_a_service_token_is_none() {
    let world = World::on_sqlite().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"quorum": {"REGRESSION": 2}, "autoStart": []});
    let made = world.made(&body).await;
    world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    assert_eq!(gate(&world, &made).await["approvalsMissing"], 2);

    let path = format!("{}/approvals", World::path(&made));
    let decision = json!({"stage": "REGRESSION"});
    let refused = world
        .api
        .of("SERVICE", "POST", &path)
        .json(&decision)
        .send()
        .await;
    refused.refused(403, "service_token_cannot_decide");
    // A name in the body is no way to be somebody.
    let forged = json!({"stage": "REGRESSION", "by": "bob@example.org"});
    world
        .api
        .post(&path, &forged)
        .await
        .refused(400, "malformed_request");
    // Whoever rejects says why.
    let rejection = json!({"stage": "REGRESSION", "decision": "REJECTED"});
    let refused = world.api.post(&path, &rejection).await;
    let refused = refused.refused(422, "unsuitable_value");
    assert_eq!(refused["errors"][0]["pointer"], "/comment", "{refused}");
    assert_eq!(gate(&world, &made).await["approvalsMissing"], 2);

    let first = world.api.post(&path, &decision).await.is(201);
    assert_eq!(first["by"], "owner@example.org");
    // The same person with another token, of another role and name.
    let token = json!({"name": "phone", "role": "MEMBER", "person": "Owner@Example.org"});
    let token = world.api.post("/tokens", &token).await.is(201);
    let again = world
        .api
        .bare("POST", &format!("/api/v1{path}"))
        .header("x-api-key", token["token"].as_str().unwrap())
        .json(&decision)
        .send()
        .await
        .is(201);
    assert_eq!(again["by"], "owner@example.org");
    assert_eq!(gate(&world, &made).await["approvalsMissing"], 1);
    world
        .act(&made, "trigger-regression-testing", &json!({}))
        .await
        .refused(409, "gate_closed");

    let other = world
        .api
        .of("MEMBER", "POST", &path)
        .json(&decision)
        .send()
        .await
        .is(201);
    assert_eq!(other["by"], "member@example.org");
    let open = gate(&world, &made).await;
    assert_eq!(
        (&open["approvalsMissing"], &open["open"]),
        (&json!(0), &json!(true))
    );
    // The quorum is reached: the trigger itself may come from a service.
    let trigger = format!("{}/trigger-regression-testing", World::path(&made));
    let started = world
        .api
        .of("SERVICE", "POST", &trigger)
        .json(&json!({}))
        .send()
        .await
        .is(200);
    assert_eq!(started["phase"], "REGRESSION_AWAITING_NEXT_CYCLE");
    // The feed tells of people, and calls the service by its name.
    let feed = format!("{}/activities?limit=200", World::path(&made));
    let feed = world.api.get(&feed).await.is(200);
    let actors = |kind: &str| -> Vec<String> {
        let items = feed["items"].as_array().unwrap().iter();
        items
            .filter(|it| it["kind"] == kind)
            .map(|it| it["actor"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        actors("APPROVAL_DECIDED"),
        ["member@example.org", "owner@example.org", "owner@example.org"]
    );
    assert_eq!(actors("STAGE_RELEASED"), ["release bot"]);
}

#[tokio::test]
async fn without_a_policy_any_token_of_sufficient_role_triggers() {
    let world = World::new().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"autoStart": []});
    let made = world.made(&body).await;
    world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    let trigger = format!("{}/trigger-regression-testing", World::path(&made));
    let ask = |role| world.api.of(role, "POST", &trigger).json(&json!({})).send();
    ask("VIEWER").await.refused(403, "role_too_low");
    assert_eq!(
        ask("SERVICE").await.is(200)["phase"],
        "REGRESSION_AWAITING_NEXT_CYCLE"
    );
}

#[tokio::test]
async fn a_closed_release_is_not_opened_again() {
    for world in [World::new().await, World::on_sqlite().await] {
        let made = world.made(&world.later("1.0.0")).await;
        let reopen = format!("{}/reopen", World::path(&made));
        world
            .api
            .post(&reopen, &json!({}))
            .await
            .refused(409, "release_not_closed");
        world
            .api
            .of("VIEWER", "POST", &reopen)
            .send()
            .await
            .refused(403, "role_too_low");
        world
            .api
            .of("OTHER", "POST", &reopen)
            .send()
            .await
            .refused(404, "not_found");
        let reason = json!({"reason": "not needed"});
        world.act(&made, "archive", &reason).await.is(200);
        let refused = world.api.post(&reopen, &json!({})).await;
        let refused = refused.refused(409, "release_not_reopenable");
        assert!(
            refused["detail"].as_str().unwrap().contains("POST /releases"),
            "{refused}"
        );
        // And what it says works.
        world.made(&world.later("1.0.1")).await;
    }
}

#[tokio::test]
async fn a_token_has_so_many_live_streams() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let url = format!("{}/api/v1{}/events", world.api.root, World::path(&made));
    let open = |role: &str| {
        world
            .api
            .http
            .get(&url)
            .bearer_auth(&world.api.tokens[role])
            .send()
    };
    let mut streams = Vec::new();
    for _ in 0..delivr_api::SEATS {
        streams.push(open("VIEWER").await.unwrap());
    }
    assert!(streams.iter().all(|it| it.status() == 200));
    let refused = open("VIEWER").await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("too_many_streams"));
    // Others have seats of their own.
    assert_eq!(open("MEMBER").await.unwrap().status(), 200);
    // Whoever leaves makes room: the server notices when it next writes, which a change brings about.
    drop(streams.pop());
    for number in 0..200 {
        let title = json!({"title": format!("title {number}")});
        world.api.patch(&World::path(&made), &title).await.is(200);
        if open("VIEWER").await.unwrap().status() == 200 {
            return;
        }
        world
            .api
            .app
            .store
            .wait_for_work(std::time::Duration::from_millis(50))
            .await;
    }
    panic!("a closed stream keeps its seat");
}
