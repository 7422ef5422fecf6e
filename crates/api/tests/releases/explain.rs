//! `?explain`: what a command would do and what stops it, and nothing is changed.

use crate::flow::in_phase;
use crate::support::Reply;
use crate::world::World;
use serde_json::{Value, json};

async fn explained(world: &World, role: &str, path: &str, body: &Value) -> Reply {
    let path = format!("{path}?explain");
    world.api.of(role, "POST", &path).json(body).send().await
}

async fn version(world: &World, release: &Value) -> String {
    world.api.get(&World::path(release)).await.headers["etag"].clone()
}

#[tokio::test]
async fn a_command_says_what_it_would_do_and_does_nothing() {
    for world in [World::new().await, World::on_sqlite().await] {
        let made = world.made(&world.later("1.0.0")).await;
        let before = version(&world, &made).await;
        let start = format!("{}/start", World::path(&made));
        let said = explained(&world, "OWNER", &start, &json!({})).await.is(200);
        assert_eq!(
            (&said["allowed"], &said["problem"]),
            (&json!(true), &json!(null)),
            "{said}"
        );
        let events = said["events"].as_array().unwrap();
        assert_eq!(events[0]["kind"], "KICKOFF_STARTED_NOW");
        assert_eq!(events[0]["summary"], "kicked off before its time");
        let effects = said["effects"].as_array().unwrap();
        let read = effects.iter().find(|it| it["effect"] == "RESOLVE").unwrap();
        assert_eq!(
            (&read["does"], &read["provider"]),
            (&json!("read the commit of `main`"), &json!("git")),
            "{said}"
        );
        assert_eq!(read["integrationId"], world.scm.as_str());
        // Nothing has happened, and the command does just that.
        assert_eq!(version(&world, &made).await, before);
        world.api.post(&start, &json!({})).await.is(200);
        let feed = format!("{}/activities?limit=200", World::path(&made));
        let feed = world.api.get(&feed).await.is(200);
        let mut happened: Vec<&Value> = feed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["kind"])
            .collect();
        happened.reverse();
        let foretold: Vec<&Value> = events.iter().map(|it| &it["kind"]).collect();
        // After its creation and the planning of its tasks.
        assert!(happened.ends_with(&foretold), "{happened:?} {foretold:?}");
        // A command that changes nothing says so.
        let resume = format!("{}/resume", World::path(&made));
        let said = explained(&world, "OWNER", &resume, &json!({})).await.is(200);
        assert_eq!((&said["allowed"], &said["events"]), (&json!(true), &json!([])));
    }
}

#[tokio::test]
async fn what_stops_a_command_is_told_like_its_refusal() {
    let world = World::on_sqlite().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"quorum": {"REGRESSION": 1}, "autoStart": []});
    let made = world.made(&body).await;
    world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    let trigger = format!("{}/trigger-regression-testing", World::path(&made));
    let approvals = format!("{}/approvals", World::path(&made));
    let start = format!("{}/start", World::path(&made));
    let decision = json!({"stage": "REGRESSION"});
    let nothing = json!({});
    for (role, path, body) in [
        ("OWNER", &trigger, &nothing),
        ("VIEWER", &trigger, &nothing),
        (
            "MEMBER",
            &trigger,
            &json!({"override": true, "reason": "in a hurry"}),
        ),
        ("SERVICE", &approvals, &decision),
        ("OWNER", &start, &nothing),
    ] {
        let said = explained(&world, role, path, body).await.is(200);
        let refused = world.api.of(role, "POST", path).json(body).send().await;
        assert_eq!(said["allowed"], false, "{path} {said}");
        for field in ["status", "code", "detail", "blockers"] {
            assert_eq!(
                said["problem"][field], refused.body[field],
                "{path} {role} {field}"
            );
        }
        assert!(refused.status == 409 || refused.status == 403, "{}", refused.text);
    }
    let stale = world
        .api
        .of("OWNER", "POST", &format!("{trigger}?explain"))
        .header("if-match", "\"1\"")
        .json(&nothing)
        .send()
        .await
        .is(200);
    assert_eq!(stale["problem"]["code"], "stale_version");
    // A wrong question stays an error, and so does one about something that is not there.
    explained(&world, "OWNER", &approvals, &json!({"stage": "KICKOFF"}))
        .await
        .wrong_at("/stage");
    explained(&world, "OTHER", &trigger, &nothing)
        .await
        .refused(404, "not_found");
    let nobody = world.api.bare("POST", &format!("/api/v1{trigger}?explain"));
    nobody.json(&nothing).send().await.refused(401, "unauthenticated");
    // An approval would open the gate, and was not given by asking.
    let said = explained(&world, "OWNER", &approvals, &decision).await.is(200);
    assert_eq!(said["events"][0]["kind"], "APPROVAL_DECIDED", "{said}");
    let gate = world
        .api
        .get(&format!("{}/blockers", World::path(&made)))
        .await
        .is(200);
    assert_eq!(gate["approvalsMissing"], 1);
}

#[tokio::test]
async fn an_explanation_is_no_first_time_of_a_repetition() {
    let world = World::on_sqlite().await;
    let made = world.made(&world.later("1.0.0")).await;
    let pause = format!("{}/pause", World::path(&made));
    let ask = |query: &str| {
        let path = format!("{pause}{query}");
        let ask = world
            .api
            .of("OWNER", "POST", &path)
            .header("idempotency-key", "k1");
        ask.json(&json!({})).send()
    };
    let said = ask("?explain").await.is(200);
    assert_eq!(said["events"][0]["kind"], "HOLD_PLACED");
    let paused = ask("").await;
    assert!(!paused.headers.contains_key("idempotent-replayed"));
    assert_eq!(paused.is(200)["holds"][0]["hold"], "USER_PAUSED");
    // Nor is a repetition answered instead of an explanation.
    let said = ask("?explain").await;
    assert!(!said.headers.contains_key("idempotent-replayed"));
    assert_eq!(said.is(200)["events"], json!([]));
}

#[tokio::test]
async fn what_cannot_explain_itself_does_nothing_when_asked_to() {
    let world = World::new().await;
    let service = json!({"slug": "new", "name": "New"});
    world
        .api
        .post("/services?explain", &service)
        .await
        .wrong_at("/explain");
    world
        .api
        .post("/services?explain=perhaps", &service)
        .await
        .wrong_at("/explain");
    let listed = world.api.get("/services").await.is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let ask = world.api.of("OWNER", "POST", "/services?explain=false");
    ask.loose().json(&service).send().await.is(201);
}

/// Every command of a release, explained: none changes anything, whatever state it is asked in.
#[tokio::test]
async fn no_command_changes_anything_by_explaining_itself() {
    let world = World::on_sqlite().await;
    let mut body = world.later("1.0.0");
    body["slots"] = json!([{"at": world.at(3 * 24 * 60)}]);
    let made = world.made(&body).await;
    let document: Value = serde_json::from_str(delivr_api::document()).unwrap();
    let release = World::path(&made);
    let whole = world.read(&made, "tasks,slots,cycles").await;
    let slot = whole["slots"][0]["id"].as_str().unwrap();
    let bodies = [
        json!({}),
        json!({"reason": "x"}),
        json!({"reason": "x", "toStage": "REGRESSION"}),
        json!({"title": "another"}),
        json!({"builds": "PIPELINE"}),
        json!({"at": world.at(4 * 24 * 60)}),
        json!({"target": "ANDROID_PLAY_STORE", "buildNumber": "7"}),
        json!({"stage": "REGRESSION"}),
    ];
    let before = version(&world, &made).await;
    let (mut asked, mut allowed) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch", "delete"] {
            let parameters = item[method]["parameters"].as_array().cloned().unwrap_or_default();
            let explains = parameters.iter().any(|it| it["name"] == "explain");
            let Some(below) = path
                .strip_prefix("/releases/{releaseId}")
                .filter(|_below| explains)
            else {
                continue;
            };
            asked += 1;
            let below = below
                .replace("{slotId}", slot)
                .replace("{target}", "ANDROID_PLAY_STORE")
                .replace("{cycleId}", "1")
                .replace("{taskId}", "FORK_BRANCH%2F-%2F-");
            for body in &bodies {
                let path = format!("{release}{below}?explain");
                let reply = world
                    .api
                    .of("OWNER", &method.to_uppercase(), &path)
                    .json(body)
                    .send()
                    .await;
                assert!(
                    [200, 400, 404].contains(&reply.status),
                    "{method} {path} {body}: {}",
                    reply.text
                );
                if reply.status == 200 {
                    assert!(
                        reply.body["allowed"].is_boolean(),
                        "{method} {path}: {}",
                        reply.text
                    );
                    allowed += u32::from(reply.body["allowed"] == true);
                }
                assert_eq!(version(&world, &made).await, before, "{method} {path} {body}");
            }
        }
    }
    assert!(asked > 20 && allowed > 10, "{asked} {allowed}");
}
