//! Builds on demand, and their files: streamed in, kept once, read back whole or in parts.

use crate::flow::{handed_in, in_phase, waits};
use crate::support::Reply;
use crate::world::{World, pipeline, task};
use delivr_sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn a_failed_build_is_started_anew_by_its_target() {
    let world = World::on_sqlite().await;
    let android = (Some(world.scm.as_str()), Some(world.playstore.as_str()));
    let first = pipeline(
        &world.api.app,
        &world.api.tenant,
        &world.ci,
        android,
        ("ANDROID", "PRE_REGRESSION_BUILD"),
    )
    .await;
    let body = json!({
        "serviceId": world.service, "version": "1.0.0", "pipelines": [first, world.android_pipeline],
        "targets": [{"target": "ANDROID_PLAY_STORE"}], "kickoffAt": world.at(24 * 60),
        "settings": {"preRegressionBuilds": true},
    });
    let made = world.made(&body).await;
    let builds = format!("{}/builds", World::path(&made));
    let wanted = json!({"target": "ANDROID_PLAY_STORE"});
    // Its turn has not come.
    world
        .api
        .post(&builds, &wanted)
        .await
        .refused(409, "build_not_due");
    world.act(&made, "start", &json!({})).await.is(200);
    // The CI system has no address: its start fails.
    let failed = |release: &Value| {
        let tasks = release["tasks"].as_array().unwrap();
        let mut builds = tasks
            .iter()
            .filter(|it| it["type"] == "TRIGGER_PRE_REGRESSION_BUILDS");
        builds.any(|it| it["status"] == "FAILED")
    };
    world.until(&made, failed).await;
    // Who may, what may be said, and of whom.
    world
        .api
        .of("VIEWER", "POST", &builds)
        .json(&wanted)
        .send()
        .await
        .refused(403, "role_too_low");
    world
        .api
        .of("OTHER", "POST", &builds)
        .json(&wanted)
        .send()
        .await
        .refused(404, "not_found");
    for (body, pointer) in [
        (json!({}), "/target"),
        (
            json!({"target": "ANDROID_PLAY_STORE", "sha": "a".repeat(40)}),
            "/sha",
        ),
        (
            json!({"target": "ANDROID_PLAY_STORE", "artifactUrl": "s3://x/y"}),
            "/artifactUrl",
        ),
        (json!({"target": "PALM_STORE"}), "/target"),
    ] {
        world.api.post(&builds, &body).await.wrong_at(pointer);
    }
    let elsewhere = json!({"target": "IOS_APP_STORE"});
    world
        .api
        .post(&builds, &elsewhere)
        .await
        .refused(422, "unknown_reference");
    let fork = json!({"task": "FORK_BRANCH/-/-"});
    world
        .api
        .post(&builds, &fork)
        .await
        .refused(422, "unknown_reference");
    // It is started anew, once however often the request is repeated.
    let ask = || {
        let ask = world
            .api
            .of("MEMBER", "POST", &builds)
            .header("idempotency-key", "again");
        ask.json(&wanted).send()
    };
    let started = ask().await;
    assert_eq!(
        started.body["type"], "TRIGGER_PRE_REGRESSION_BUILDS",
        "{}",
        started.text
    );
    assert_eq!(started.clone().is(202)["status"], "RUNNING");
    let replayed = ask().await;
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(replayed.is(202), started.body);
    world
        .api
        .post(&builds, &wanted)
        .await
        .refused(409, "build_under_way");
    // What people build has no pipeline to start.
    let manual = world.made(&world.later("2.0.0")).await;
    let path = format!("{}/builds", World::path(&manual));
    world.api.post(&path, &wanted).await.refused(409, "build_not_due");
}

/// A world with a build of a person, its release, and the path of its artifact.
async fn built() -> (World, Value, String) {
    let world = World::on_sqlite().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"autoStart": []});
    let made = world.made(&body).await;
    world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    world
        .act(&made, "trigger-regression-testing", &json!({}))
        .await
        .is(200);
    world.act(&made, "cycles", &json!({})).await.is(201);
    let now = world.until(&made, waits("TRIGGER_REGRESSION_BUILDS")).await;
    // A person's build is not started by us.
    let builds = format!("{}/builds", World::path(&made));
    let wanted = json!({"target": "ANDROID_PLAY_STORE"});
    let refused = world.api.post(&builds, &wanted).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    let build = handed_in(&world, &made, "101", &now["cycles"][0]["sha"]).await;
    let id = build["id"].as_str().unwrap().to_owned();
    (world, made, id)
}

async fn put(world: &World, role: &str, path: &str, bytes: Vec<u8>) -> Reply {
    let ask = world.api.of(role, "PUT", path);
    ask.header("content-type", "application/vnd.android")
        .body(bytes)
        .send()
        .await
}

#[tokio::test]
async fn an_artifact_is_kept_once_and_read_back() {
    let (world, made, build) = built().await;
    let path = format!("{}/builds/{build}/artifact", World::path(&made));
    let read = format!("/builds/{build}/artifact");
    world.api.get(&read).await.refused(404, "not_found");
    let bytes: Vec<u8> = (0..300_000_u32)
        .map(|it| u8::try_from(it % 251).unwrap())
        .collect();
    // Refused before and while it comes: nothing is kept.
    put(&world, "VIEWER", &path, bytes.clone())
        .await
        .refused(403, "role_too_low");
    put(&world, "OTHER", &path, bytes.clone())
        .await
        .refused(404, "not_found");
    let other = format!("{}/builds/{}/artifact", World::path(&made), uuid(9));
    put(&world, "MEMBER", &other, bytes.clone())
        .await
        .refused(404, "not_found");
    put(&world, "MEMBER", &path, Vec::new())
        .await
        .refused(400, "malformed_request");
    let large = vec![0; usize::try_from(World::UPLOAD_LIMIT).unwrap() + 1];
    put(&world, "MEMBER", &path, large)
        .await
        .refused(413, "body_too_large");
    let coded = world
        .api
        .of("MEMBER", "PUT", &path)
        .header("content-encoding", "gzip");
    coded
        .body(bytes.clone())
        .send()
        .await
        .refused(415, "unsupported_content_encoding");
    world.api.get(&read).await.refused(404, "not_found");

    let kept = put(&world, "MEMBER", &path, bytes.clone()).await;
    assert_eq!(kept.headers["location"], format!("/api/v1{read}"));
    let kept = kept.is(201);
    assert_eq!(
        (&kept["size"], &kept["uploadedBy"]),
        (&json!(300_000), &json!("member@example.org"))
    );
    let digest = delivr_app::usecases::access::digest_of(&bytes);
    assert_eq!(kept["sha256"], digest);
    // The same again is no mistake, another one is.
    assert_eq!(
        put(&world, "OWNER", &path, bytes.clone()).await.is(200)["uploadedAt"],
        kept["uploadedAt"]
    );
    put(&world, "OWNER", &path, b"other".to_vec())
        .await
        .refused(409, "artifact_exists");
    let listed = world
        .api
        .get(&format!("{}/builds", World::path(&made)))
        .await
        .is(200);
    assert_eq!(listed["items"][0]["artifact"]["sha256"], digest);

    // Whole and in parts, by whoever may read.
    let url = |query: &str| format!("{}/api/v1{read}{query}", world.api.root);
    let get = |query: &str, role: Option<&str>, range: Option<&str>| {
        let mut ask = world.api.http.get(url(query));
        if let Some(role) = role {
            ask = ask.bearer_auth(&world.api.tokens[role]);
        }
        if let Some(range) = range {
            ask = ask.header("range", range);
        }
        async move { ask.send().await.unwrap() }
    };
    let whole = get("", Some("VIEWER"), None).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.headers()["content-length"], "300000");
    assert_eq!(whole.headers()["content-type"], "application/vnd.android");
    assert_eq!(
        whole.headers()["content-disposition"],
        "attachment; filename=\"ANDROID_PLAY_STORE-101\""
    );
    assert_eq!(whole.bytes().await.unwrap(), bytes);
    let part = get("", Some("VIEWER"), Some("bytes=100000-199999")).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 100000-199999/300000");
    assert_eq!(part.bytes().await.unwrap(), bytes[100_000..200_000]);
    assert_eq!(get("", Some("VIEWER"), Some("bytes=300000-")).await.status(), 416);
    assert_eq!(get("", Some("OTHER"), None).await.status(), 404);
    assert_eq!(get("", None, None).await.status(), 401);

    // The link needs no credential, and is good for this build and this time alone.
    let link = listed["items"][0]["artifact"]["url"].as_str().unwrap();
    let query = &link[link.find('?').unwrap()..];
    assert_eq!(
        get(query, None, Some("bytes=0-0")).await.bytes().await.unwrap(),
        bytes[..1]
    );
    let longer = query.replace("expires=", "expires=9");
    assert_eq!(get(&longer, None, None).await.status(), 403);
    assert_eq!(get(&format!("{query}x"), None, None).await.status(), 403);
    let elsewhere = format!("{}/api/v1/builds/{}/artifact{query}", world.api.root, uuid(9));
    assert_eq!(world.api.http.get(elsewhere).send().await.unwrap().status(), 403);
    assert_eq!(world.left_over(), 0);
}

fn uuid(number: u128) -> String {
    uuid::Uuid::from_u128(number).to_string()
}

#[tokio::test]
async fn a_broken_off_artifact_leaves_nothing_and_the_next_one_counts() {
    let (world, made, build) = built().await;
    let path = format!("{}/builds/{build}/artifact", World::path(&made));
    let address = world.api.root.strip_prefix("http://").unwrap();
    let mut wire = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /api/v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-length: 100000\r\n\r\nhalf",
        world.api.tokens["MEMBER"]
    );
    wire.write_all(head.as_bytes()).await.unwrap();
    // It is under way: there is something on its way in.
    for _ in 0..500 {
        if world.left_over() > 0 {
            break;
        }
        world
            .api
            .app
            .store
            .wait_for_work(std::time::Duration::from_millis(20))
            .await;
    }
    assert_eq!(world.left_over(), 1);
    wire.shutdown().await.unwrap();
    let mut heard = Vec::new();
    let _reset = wire.read_to_end(&mut heard).await;
    drop(wire);
    for _ in 0..500 {
        if world.left_over() == 0 {
            break;
        }
        world
            .api
            .app
            .store
            .wait_for_work(std::time::Duration::from_millis(20))
            .await;
    }
    assert_eq!(world.left_over(), 0);
    world
        .api
        .get(&format!("/builds/{build}/artifact"))
        .await
        .refused(404, "not_found");
    // Two at once, with different contents: one is kept, and stays.
    let (one, other) = futures_util::future::join(
        put(&world, "MEMBER", &path, vec![1; 50_000]),
        put(&world, "OWNER", &path, vec![2; 50_000]),
    )
    .await;
    let statuses = [one.status, other.status];
    assert!(statuses == [201, 409] || statuses == [409, 201], "{statuses:?}");
    assert_eq!(world.left_over(), 0);
}

#[tokio::test]
async fn a_test_run_is_reset_unless_its_results_are_counted() {
    let world = World::on_sqlite().await;
    let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 11).await.unwrap();
    let all: Value = world
        .api
        .http
        .get(format!("{}/_credentials", vendors.url()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let body = json!({
        "provider": all["checkmate"]["key"], "name": "our tests",
        "config": all["checkmate"]["config"], "credentials": all["checkmate"]["credentials"],
    });
    let tests = world
        .api
        .post("/integrations/test-management", &body)
        .await
        .is(201);
    let id = tests["id"].as_str().unwrap();
    let verify = format!("/integrations/test-management/{id}/verify");
    world.api.post(&verify, &json!({})).await.is(200);
    let mut body = world.small("1.0.0");
    body["testManagementId"] = json!(id);
    body["settings"] = json!({"autoStart": []});
    let made = world.made(&body).await;
    let now = world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    let run = task(&now, "CREATE_TEST_SUITE")["externalId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/integrations/test-management/test-runs/{run}/reset");
    let nothing = json!({});
    let reset = || world.api.post(&path, &nothing);
    assert_eq!(reset().await.is(200)["reset"], false, "nothing has passed yet");
    vendors
        .advance(&json!({"vendor": "checkmate", "action": "pass_all"}))
        .unwrap();
    let done = reset().await.is(200);
    assert_eq!((&done["reset"], &done["release"]), (&json!(true), &made["key"]));
    assert_eq!(reset().await.is(200)["reset"], false, "nothing is reset twice");
    // Whose it is, and who may.
    world
        .api
        .of("VIEWER", "POST", &path)
        .send()
        .await
        .refused(403, "role_too_low");
    world
        .api
        .of("OTHER", "POST", &path)
        .send()
        .await
        .refused(404, "not_found");
    let unknown = "/integrations/test-management/test-runs/999999/reset";
    world
        .api
        .post(unknown, &json!({}))
        .await
        .refused(404, "not_found");
    // A cycle that counts the results is not robbed of them.
    world
        .act(&made, "trigger-regression-testing", &json!({}))
        .await
        .is(200);
    world.act(&made, "cycles", &json!({})).await.is(201);
    reset().await.refused(409, "test_run_in_use");
}
