//! What people do with a release: legal, illegal, stale, and on slots, cycles, tasks and targets.

use crate::world::World;
use serde_json::{Value, json};

#[tokio::test]
async fn edits_change_what_they_name_and_mind_versions() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = World::path(&made);
    let etag = format!("\"{}\"", made["revision"]);
    let patch = |tag: String, body: Value| {
        world
            .api
            .of("MEMBER", "PATCH", &path)
            .header("if-match", &tag)
            .json(&body)
            .send()
    };
    let changed = patch(
        etag.clone(),
        json!({"title": "New", "owner": "Grace", "priority": "LOW"}),
    )
    .await;
    assert_ne!(changed.headers["etag"], etag);
    let changed = changed.is(200);
    assert_eq!(
        (&changed["title"], &changed["pilot"]),
        (&json!("New"), &json!("Grace"))
    );
    assert_eq!(changed["description"], made["description"]);
    // Somebody who saw the version before.
    patch(etag.clone(), json!({"title": "Old"}))
        .await
        .refused(412, "stale_version");
    patch("x".to_owned(), json!({"title": "Old"}))
        .await
        .refused(400, "malformed_request");
    for (pointer, body) in [
        ("/title", json!({"title": ""})),
        ("/priority", json!({"priority": "WHATEVER"})),
        ("/status", json!({"status": "DEPLOYED"})),
        ("/targetDate", json!({"targetDate": 7})),
    ] {
        world.api.patch(&path, &body).await.wrong_at(pointer);
    }
    for (pointer, body) in [
        ("/kickoffAt", json!({"kickoffAt": world.at(-100)})),
        ("/targetDate", json!({"targetDate": world.at(1)})),
        (
            "/kickoffReminderAt",
            json!({"kickoffReminderAt": world.at(9_000)}),
        ),
    ] {
        let refused = world
            .api
            .patch(&path, &body)
            .await
            .refused(422, "unsuitable_value");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let now = world.read(&made, "").await;
    assert_eq!(now["revision"], changed["revision"], "refusals change nothing");
    // Nothing clears what stays; null clears what a release can do without.
    let date = world.at(9_000);
    let dated = json!({"targetDate": date, "kickoffReminderAt": world.at(10)});
    let dated = world.api.patch(&path, &dated).await.is(200);
    assert!(dated["targetDate"].is_string() && dated["kickoffReminderAt"].is_string());
    let clear = json!({"targetDate": null, "kickoffReminderAt": null, "owner": null});
    let cleared = world.api.patch(&path, &clear).await.is(200);
    for name in ["targetDate", "kickoffReminderAt", "pilot"] {
        assert_eq!(cleared[name], json!(null), "{name}");
    }
    assert_eq!(
        (&cleared["title"], &cleared["description"]),
        (&json!("New"), &made["description"])
    );
    let feed = world
        .api
        .get(&format!("{path}/activities?limit=200"))
        .await
        .is(200);
    let said = "took away pilot, kickoff reminder, target date";
    let items = feed["items"].as_array().unwrap();
    assert!(items.iter().any(|it| it["summary"] == said), "{feed}");
    let again = world.api.patch(&path, &clear).await.is(200);
    assert_eq!(again["revision"], cleared["revision"]);
    world
        .api
        .patch(&path, &json!({"title": null, "pilot": null, "owner": null}))
        .await
        .wrong_at("/owner");
    let changed = cleared;
    // An edit that changes nothing is no event.
    let same = world.api.patch(&path, &json!({"title": "New"})).await.is(200);
    assert_eq!(same["revision"], changed["revision"]);
    world.api.get("/releases/REL-77").await.refused(404, "not_found");
    world
        .api
        .get("/releases/nonsense")
        .await
        .refused(404, "not_found");
    world
        .api
        .patch("/releases/REL-77", &json!({}))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn holds_are_placed_and_lifted_each_by_its_own() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let paused = world.act(&made, "pause", &json!({"note": "lunch"})).await.is(200);
    assert_eq!(paused["holds"][0]["hold"], "USER_PAUSED");
    assert!(
        paused["holds"][0]["detail"].as_str().unwrap().contains("lunch"),
        "{paused}"
    );
    // Again is nothing.
    let again = world.act(&made, "pause", &json!({})).await.is(200);
    assert_eq!(again["revision"], paused["revision"]);
    let both = world
        .act(&made, "block", &json!({"reason": "law", "scope": "PRODUCTION"}))
        .await
        .is(200);
    assert_eq!(both["holds"].as_array().unwrap().len(), 2);
    world
        .act(&made, "block", &json!({"reason": "law", "scope": "MOON"}))
        .await
        .wrong_at("/scope");
    world.act(&made, "block", &json!({})).await.wrong_at("/reason");
    // A paused release is kicked off, but nothing starts.
    let started = world.act(&made, "start", &json!({})).await.is(200);
    assert_eq!(started["phase"], "NOT_STARTED");
    let resumed = world.act(&made, "resume", &json!({})).await.is(200);
    assert_eq!(resumed["holds"][0]["hold"], "BLOCKED");
    assert_eq!(resumed["phase"], "KICKOFF");
    let free = world.act(&made, "unblock", &json!({})).await.is(200);
    assert_eq!(free["holds"], json!([]));
    world
        .act(&made, "start", &json!({}))
        .await
        .refused(409, "already_started");
    world
        .act(&made, "start", &json!({"now": true}))
        .await
        .wrong_at("/now");
}

#[tokio::test]
async fn a_release_ends_by_archive_or_withdrawal_and_then_refuses_everything() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = World::path(&made);
    let stale = world
        .api
        .of("MEMBER", "DELETE", &path)
        .header("if-match", "\"999\"")
        .send()
        .await;
    stale.refused(412, "stale_version");
    world.api.delete(&path).await.is(204);
    let gone = world.read(&made, "").await;
    assert_eq!(
        (&gone["status"], &gone["phase"]),
        (&json!("CANCELLED"), &json!("ARCHIVED"))
    );
    for (action, body) in [
        ("start", json!({})),
        ("pause", json!({})),
        ("archive", json!({"reason": "again"})),
        ("slots", json!({"at": world.at(3_000)})),
        ("cycles", json!({})),
        ("trigger-pre-release", json!({})),
    ] {
        world
            .act(&made, action, &body)
            .await
            .refused(409, "release_closed");
    }
    world
        .api
        .patch(&path, &json!({"title": "x"}))
        .await
        .refused(409, "release_closed");
    // One that has begun is archived, with what is cleaned up.
    let begun = world.made(&world.small("1.1.0")).await;
    let path = World::path(&begun);
    world.api.delete(&path).await.refused(409, "had_effects");
    world.act(&begun, "archive", &json!({})).await.wrong_at("/reason");
    let archived = world
        .act(
            &begun,
            "archive",
            &json!({"reason": "never mind", "deleteBranch": true, "closeTickets": true}),
        )
        .await
        .is(200);
    assert_eq!(archived["phase"], "ARCHIVED");
}

#[tokio::test]
async fn slots_are_planned_changed_and_dropped() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = format!("{}/slots", World::path(&made));
    world
        .api
        .post(&path, &json!({"at": "soon"}))
        .await
        .wrong_at("/at");
    world
        .api
        .post(&path, &json!({"at": world.at(3_000), "builds": "SOME"}))
        .await
        .wrong_at("/builds");
    // Before the kickoff.
    world
        .api
        .post(&path, &json!({"at": world.at(5)}))
        .await
        .refused(422, "unsuitable_value");
    let reply = world
        .api
        .post(&path, &json!({"at": world.at(3_000), "automation": "NO_RUN"}))
        .await;
    let place = reply.headers["location"].clone();
    let slot = reply.is(201);
    assert!(place.ends_with(slot["id"].as_str().unwrap()), "{place}");
    assert_eq!(
        (&slot["builds"], &slot["automation"]),
        (&json!("BUILD"), &json!("NO_RUN"))
    );
    let one = format!("{path}/{}", slot["id"].as_str().unwrap());
    let changed = world.api.patch(&one, &json!({"missed": "SKIP"})).await.is(200);
    assert_eq!(
        (&changed["at"], &changed["missed"]),
        (&slot["at"], &json!("SKIP"))
    );
    world
        .api
        .patch(&one, &json!({"at": world.at(-60)}))
        .await
        .refused(422, "unsuitable_value");
    let listed = world.api.get(&path).await.is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    world.api.delete(&one).await.is(204);
    world.api.delete(&one).await.refused(404, "not_found");
    world.api.patch(&one, &json!({})).await.refused(404, "not_found");
    assert_eq!(world.api.get(&path).await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn what_the_stage_does_not_allow_is_a_409_with_a_word() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let before = world.read(&made, "").await;
    for (action, body, code) in [
        ("trigger-regression-testing", json!({}), "wrong_stage"),
        ("trigger-pre-release", json!({}), "wrong_stage"),
        ("trigger-distribution", json!({}), "wrong_stage"),
        ("cycles", json!({}), "wrong_stage"),
        ("approvals", json!({"stage": "PRE_RELEASE"}), "wrong_stage"),
        ("close-rolled-back", json!({"reason": "x"}), "wrong_stage"),
        (
            "builds",
            json!({"target": "ANDROID_PLAY_STORE", "buildNumber": "1"}),
            "upload_not_expected",
        ),
        ("builds", json!({"target": "ANDROID_PLAY_STORE"}), "build_not_due"),
    ] {
        world.act(&made, action, &body).await.refused(409, code);
    }
    for (action, body, pointer) in [
        ("trigger-pre-release", json!({"override": true}), "/reason"),
        ("trigger-pre-release", json!({"force": true}), "/force"),
        ("approvals", json!({"stage": "KICKOFF"}), "/stage"),
        (
            "approvals",
            json!({"stage": "PRE_RELEASE", "decision": "MAYBE"}),
            "/decision",
        ),
        ("approvals", json!({}), "/stage"),
        ("builds", json!({"buildNumber": "1"}), "/target"),
        (
            "builds",
            json!({"target": "ANDROID_PLAY_STORE", "buildNumber": "1", "artifactUrl": "file:///etc/passwd"}),
            "/artifactUrl",
        ),
        (
            "builds",
            json!({"target": "ANDROID_PLAY_STORE", "buildNumber": "1", "artifactUrl": "https://a:b@example.com/x"}),
            "/artifactUrl",
        ),
        (
            "builds",
            json!({"target": "ANDROID_PLAY_STORE", "buildNumber": "1", "sha": "abc"}),
            "/sha",
        ),
    ] {
        world.act(&made, action, &body).await.wrong_at(pointer);
    }
    world
        .act(
            &made,
            "builds",
            &json!({"target": "IOS_APP_STORE", "buildNumber": "1"}),
        )
        .await
        .refused(422, "unknown_reference");
    let path = World::path(&made);
    world
        .api
        .get(&format!("{path}/cycles/1"))
        .await
        .refused(404, "not_found");
    world
        .act(&made, "cycles/1/abandon", &json!({"reason": "x"}))
        .await
        .refused(404, "not_found");
    world
        .api
        .get(&format!("{path}/tasks/FORK_BRANCH%2F-%2F-"))
        .await
        .refused(404, "not_found");
    world
        .api
        .get(&format!("{path}?include=secrets"))
        .await
        .wrong_at("/include");
    world.api.get("/releases?status=DONE").await.wrong_at("/status");
    world.api.get("/releases?limit=0").await.wrong_at("/limit");
    for part in ["tasks", "slots", "cycles", "builds", "approvals", "activities"] {
        let path = format!("{path}/{part}");
        world.api.get(&format!("{path}?limit=0")).await.wrong_at("/limit");
        world.api.get(&format!("{path}?limit=1")).await.is(200);
        world
            .api
            .get(&format!("{path}?surprise=1"))
            .await
            .refused(400, "malformed_request");
    }
    world
        .api
        .get("/releases?surprise=1")
        .await
        .refused(400, "malformed_request");
    assert_eq!(world.read(&made, "").await["revision"], before["revision"]);
}

#[tokio::test]
async fn lists_are_narrowed_and_paged() {
    let world = World::new().await;
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        world.made(&world.later(version)).await;
    }
    let keys = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|it| it["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = world.api.get("/releases?limit=2").await.is(200);
    assert_eq!(keys(&first), ["REL-3", "REL-2"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = world
        .api
        .get(&format!("/releases?limit=2&cursor={cursor}"))
        .await
        .is(200);
    assert_eq!(keys(&second), ["REL-1"]);
    assert_eq!(second["nextCursor"], Value::Null);
    // The page goes on in its own list and in no other.
    for other in [
        "sort=key",
        "status=PLANNING",
        "open=true",
        "pilot=me",
        "attention=NONE",
    ] {
        let reply = world
            .api
            .get(&format!("/releases?limit=2&cursor={cursor}&{other}"))
            .await;
        reply.wrong_at("/cursor");
    }
    assert_eq!(keys(&world.api.get("/releases?q=1.1").await.is(200)), ["REL-2"]);
    // What no release can contain is no search, and a made-up cursor no page.
    world
        .api
        .get("/releases?q=a%00b")
        .await
        .refused(400, "malformed_request");
    for cursor in ["garbage", "%00", "-1", "99999999999999999999", "1/x"] {
        let reply = world.api.get(&format!("/releases?cursor={cursor}")).await;
        assert_eq!(reply.status, 400, "{cursor}: {}", reply.text);
    }
    assert_eq!(
        keys(&world.api.get("/releases?status=DEPLOYED").await.is(200)),
        [""; 0]
    );
    let service = format!("/releases?phase=NOT_STARTED&serviceId={}", world.service);
    assert_eq!(keys(&world.api.get(&service).await.is(200)).len(), 3);
}

#[tokio::test]
async fn builds_of_a_target_can_come_from_people_at_any_time() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = format!("{}/targets/ANDROID_PLAY_STORE", World::path(&made));
    let changed = world
        .api
        .patch(&path, &json!({"builds": "PIPELINE"}))
        .await
        .is(200);
    assert_eq!(changed["targets"][0]["builds"], "PIPELINE");
    world
        .api
        .patch(&path, &json!({"builds": "ROBOT"}))
        .await
        .wrong_at("/builds");
    let ios = format!("{}/targets/IOS_APP_STORE", World::path(&made));
    world
        .api
        .patch(&ios, &json!({"builds": "MANUAL"}))
        .await
        .refused(404, "not_found");
    let none = format!("{}/targets/MOON", World::path(&made));
    world
        .api
        .patch(&none, &json!({"builds": "MANUAL"}))
        .await
        .refused(404, "not_found");
}
