//! What holds for every route: credentials, tenants, aliases, bodies, repetitions.

use crate::support::Api;
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::store::{StopBy, StoredAnswer};
use delivr_provider_kit::SystemClock;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn a_credential_is_needed_and_nothing_is_said_before_it() {
    let api = Api::start().await;
    let bad = [
        ("authorization", "Bearer dlv_0000"),
        ("authorization", "Basic abc"),
        ("authorization", "Bearer"),
        ("x-api-key", "nothing"),
    ];
    for (method, path) in [
        ("GET", "/api/v1/services"),
        ("POST", "/api/v1/services"),
        ("GET", "/api/me"),
    ] {
        api.bare(method, path)
            .body("{garbage")
            .send()
            .await
            .refused(401, "unauthenticated");
        for (name, value) in bad {
            let refused = api.bare(method, path).header(name, value).send().await;
            assert_eq!(refused.headers["www-authenticate"], "Bearer");
            refused.refused(401, "unauthenticated");
        }
    }
    let me = api
        .bare("GET", "/api/v1/me")
        .header("x-api-key", &api.tokens["MEMBER"])
        .send()
        .await
        .is(200);
    assert_eq!(
        (&me["role"], &me["tenantSlug"]),
        (&json!("MEMBER"), &json!("shop"))
    );
}

#[tokio::test]
async fn revoked_and_expired_tokens_are_nobodys() {
    let api = Api::start().await;
    let past = json!({"name": "x", "role": "VIEWER", "expiresAt": "2001-01-01T00:00:00Z"});
    api.post("/tokens", &past).await.refused(422, "past_date");
    let made = api
        .post("/tokens", &json!({"name": "x", "role": "VIEWER"}))
        .await
        .is(201);
    let secret = made["token"].as_str().unwrap();
    let me = || api.bare("GET", "/api/v1/me").header("x-api-key", secret).send();
    me().await.is(200);
    let listed = api.get("/tokens").await;
    assert!(!listed.text.contains(secret), "a secret is shown once");
    api.delete(&format!("/tokens/{}", made["id"].as_str().unwrap()))
        .await
        .is(204);
    me().await.refused(401, "unauthenticated");
    // The same collection by the name that another seed gives it.
    assert_eq!(
        api.get("/team/api-keys").await.is(200),
        api.get("/tokens").await.is(200)
    );
}

#[tokio::test]
async fn roles_end_where_they_end() {
    let api = Api::start().await;
    let service = json!({"slug": "a", "name": "A"});
    let cases = [
        ("VIEWER", "POST", "/services", service.clone()),
        ("MEMBER", "POST", "/profiles", json!({"name": "p"})),
        (
            "MEMBER",
            "POST",
            "/line/stop",
            json!({"stopped": true, "reason": "x"}),
        ),
        (
            "MEMBER",
            "POST",
            "/tokens",
            json!({"name": "x", "role": "VIEWER"}),
        ),
        ("ADMIN", "POST", "/tokens", json!({"name": "x", "role": "OWNER"})),
        (
            "MEMBER",
            "POST",
            "/integrations/ci-cd",
            crate::support::jenkins_body("x"),
        ),
    ];
    for (role, method, path, body) in cases {
        api.of(role, method, path)
            .json(&body)
            .send()
            .await
            .refused(403, "role_too_low");
    }
    api.of("MEMBER", "GET", "/tokens")
        .send()
        .await
        .refused(403, "role_too_low");
    api.of("MEMBER", "POST", "/services")
        .json(&service)
        .send()
        .await
        .is(201);
    api.of("VIEWER", "GET", "/services").send().await.is(200);
}

#[tokio::test]
async fn another_tenants_things_do_not_exist() {
    let api = Api::start().await;
    let service = api.service("a").await;
    let jenkins = api.jenkins("ci").await;
    for path in [
        format!("/services/{service}"),
        format!("/integrations/ci-cd/{jenkins}"),
    ] {
        for method in ["GET", "DELETE"] {
            api.of("OTHER", method, &path)
                .send()
                .await
                .refused(404, "not_found");
        }
    }
    api.of("OTHER", "PATCH", &format!("/services/{service}"))
        .json(&json!({"name": "stolen"}))
        .send()
        .await
        .refused(404, "not_found");
    let pipeline = json!({
        "name": "p", "integrationId": jenkins, "platform": "IOS", "purpose": "CUSTOM", "job": "j",
    });
    api.of("OTHER", "POST", "/integrations/pipelines")
        .json(&pipeline)
        .send()
        .await
        .refused(422, "unknown_reference");
    assert_eq!(
        api.of("OTHER", "GET", "/services").send().await.is(200)["items"],
        json!([])
    );
}

#[tokio::test]
async fn every_name_of_a_route_answers_alike() {
    let api = Api::start().await;
    api.service("a").await;
    api.jenkins("ci").await;
    let (id, slug) = (api.tenant.id, &api.tenant.slug);
    let groups: [&[String]; 3] = [
        &[
            "/api/v1/services".to_owned(),
            "/api/services".to_owned(),
            format!("/api/v1/tenants/{id}/services"),
            format!("/api/v1/tenants/{slug}/services"),
            format!("/api/v1/release-management/tenants/{id}/services"),
            format!("/api/release-management/tenants/{id}/services"),
        ],
        &[
            "/api/v1/integrations/ci-cd".to_owned(),
            "/api/v1/integrations/ci-cd/connections".to_owned(),
            format!("/api/v1/tenants/{id}/integrations/ci-cd/connections"),
        ],
        &[
            "/api/v1/integrations/project-management/int_1".to_owned(),
            "/api/v1/integrations/tickets/int_1".to_owned(),
            "/api/v1/integrations/project-management/integrations/int_1".to_owned(),
        ],
    ];
    for group in groups {
        let mut answers: Vec<(u16, Value)> = Vec::new();
        for path in group {
            let mut reply = api
                .bare("GET", path)
                .header("x-api-key", &api.tokens["OWNER"])
                .send()
                .await;
            if let Some(map) = reply.body.as_object_mut() {
                map.remove("instance");
            }
            answers.push((reply.status, reply.body));
        }
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    }
    for path in [
        format!("/api/v1/tenants/{}/services", api.other.id),
        "/api/v1/tenants/nobody/services".to_owned(),
        format!("/api/v1/release-management/tenants/{}/services", api.other.id),
    ] {
        let key = &api.tokens["OWNER"];
        api.bare("GET", &path)
            .header("x-api-key", key)
            .send()
            .await
            .refused(404, "not_found");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let api = Api::start().await;
    for path in [
        "/docs/nothing.js",
        "/api/v1/nothing",
        "/nothing",
        "/api",
        "/api/v2/services",
        "/api/v1/services/a/b",
    ] {
        api.bare("GET", path).send().await.refused(404, "not_found");
    }
    let refused = api.of("OWNER", "PUT", "/services").json(&json!({})).send().await;
    assert!(
        refused.refused(405, "method_not_allowed")["detail"]
            .as_str()
            .unwrap()
            .contains("POST")
    );
    api.of("OWNER", "POST", "/integrations/nonsense")
        .json(&json!({}))
        .send()
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn bodies_are_json_of_a_size() {
    let api = Api::start().await;
    let ask = || api.of("OWNER", "POST", "/services");
    ask().send().await.refused(415, "unsupported_media_type");
    ask()
        .header("content-type", "text/plain")
        .body(r#"{"slug": "a", "name": "A"}"#)
        .send()
        .await
        .refused(415, "unsupported_media_type");
    ask()
        .header("content-type", "application/json")
        .body(vec![b' '; delivr_api::LIMIT + 1])
        .send()
        .await
        .refused(413, "body_too_large");
    ask()
        .header("content-type", "application/json")
        .body(vec![b' '; 5 * delivr_api::LIMIT])
        .send()
        .await
        .refused(413, "body_too_large");
    ask()
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body("{}")
        .send()
        .await
        .refused(415, "unsupported_content_encoding");
    // Even where the caller names an idempotency key, for which the body is read early.
    ask()
        .header("content-type", "application/json")
        .header("idempotency-key", "big")
        .body(vec![b' '; delivr_api::LIMIT + 1])
        .send()
        .await
        .refused(413, "body_too_large");
    for garbage in [
        "",
        "{",
        "nul",
        "{\"slug\": \"a\", \"slug\": \"b\", \"name\": \"x\"}",
        "{} {}",
        "\u{1}",
    ] {
        ask()
            .header("content-type", "application/json; charset=utf-8")
            .body(garbage)
            .send()
            .await
            .refused(400, "malformed_request");
    }
    ask()
        .header("content-type", "application/json")
        .body(r#"{"slug": "a", "name": "a\u0000b"}"#)
        .send()
        .await
        .refused(400, "malformed_request");
    let broken: &[u8] = b"{\"slug\": \"a\", \"name\": \"\xff\"}";
    ask()
        .header("content-type", "application/json")
        .body(broken)
        .send()
        .await
        .refused(400, "malformed_request");
    api.get("/services?cursor=a%00b")
        .await
        .refused(400, "malformed_request");
    api.get("/services/%00").await.refused(400, "malformed_request");
    ask()
        .header("if-match", "soon")
        .json(&json!({"slug": "a", "name": "A"}))
        .send()
        .await
        .refused(400, "malformed_request");
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::with(store, clock.clone()).await;
    let address = api.root.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/services HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    for _ in 0..200 {
        clock.advance(Duration::from_secs(31));
        let reading = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut answer));
        if let Ok(read) = reading.await {
            let said = String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned();
            assert!(
                said.starts_with("HTTP/1.1 408") && said.contains("body_too_slow"),
                "{said}"
            );
            return;
        }
    }
    panic!("no answer");
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let ask = |path: &str, key: &str, body: &Value| {
            api.of("OWNER", "POST", path)
                .header("idempotency-key", key)
                .json(body)
                .send()
        };
        let body = json!({"slug": "a", "name": "A"});
        let first = ask("/services", "k1", &body).await;
        let again = ask("/services", "k1", &body).await;
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(first.headers["location"], again.headers["location"]);
        assert_eq!(first.is(201), again.is(201));
        // The same route by another name is the same request.
        let by_alias = api
            .bare("POST", "/api/services")
            .header("x-api-key", &api.tokens["OWNER"])
            .header("idempotency-key", "k1")
            .json(&body)
            .send()
            .await;
        assert_eq!(by_alias.headers["idempotent-replayed"], "true");
        ask("/services", "k1", &json!({"slug": "b", "name": "B"}))
            .await
            .refused(409, "idempotency_key_reused");
        ask("/profiles", "k1", &body)
            .await
            .refused(409, "idempotency_key_reused");
        ask("/services", "", &body)
            .await
            .refused(400, "malformed_request");
        ask("/services", &"k".repeat(201), &body)
            .await
            .refused(400, "malformed_request");
        // A refusal is not an answer to keep: put right, the same key works.
        ask("/services", "k2", &json!({"slug": "B", "name": "B"}))
            .await
            .refused(400, "malformed_request");
        ask("/services", "k2", &json!({"slug": "b", "name": "B"}))
            .await
            .is(201);
        // Keys belong to the token.
        api.of("OTHER", "POST", "/services")
            .header("idempotency-key", "k1")
            .json(&body)
            .send()
            .await
            .is(201);
        // A secret is shown once, even to a repetition.
        let token = json!({"name": "t", "role": "VIEWER"});
        let made = ask("/tokens", "k3", &token).await.is(201);
        let again = ask("/tokens", "k3", &token).await;
        assert!(!again.text.contains(made["token"].as_str().unwrap()));
        again.refused(409, "secret_already_shown");
        assert_eq!(
            api.get("/services").await.is(200)["items"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn simultaneous_repetitions_make_one_thing() {
    let api = Api::on_sqlite().await;
    let body = json!({"name": "t", "role": "VIEWER"});
    let asks = (0..8).map(|_| {
        api.of("OWNER", "POST", "/tokens")
            .header("idempotency-key", "once")
            .json(&body)
            .send()
    });
    let replies = futures_util::future::join_all(asks).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1);
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 201 || reply.body["code"] == "secret_already_shown")
    );
    let names = api.get("/tokens").await.is(200);
    let count = names["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["name"] == "t")
        .count();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_interrupted_request_is_completed_by_its_repetition() {
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let api = Api::over(Arc::new(MemoryStore::new(clock.clone()))).await;
    let jenkins = api.jenkins("ci").await;
    let pipeline = json!({
        "name": "p", "integrationId": jenkins, "platform": "IOS", "purpose": "CUSTOM", "job": "j",
    });
    for (path, body) in [
        ("/services", json!({"slug": "a", "name": "A"})),
        ("/integrations/ci-cd", crate::support::jenkins_body("second")),
        ("/integrations/pipelines", pipeline),
        ("/profiles", json!({"name": "p"})),
    ] {
        let ask = || {
            api.of("OWNER", "POST", path)
                .header("idempotency-key", &path.replace('/', "-"))
                .json(&body)
                .send()
        };
        // What ids follow from is kept longer than the answer will be.
        let me = api.get("/me").await.is(200);
        let seed = StoredAnswer {
            request: String::new(),
            status: 0,
            body: "seed".to_owned(),
            expires_at: clock.now() + chrono::TimeDelta::days(1_000),
        };
        let key = format!(
            "seed/{}/{}",
            me["tokenId"].as_str().unwrap(),
            path.replace('/', "-")
        );
        api.app
            .store
            .insert_answer(api.tenant.id, &key, &seed)
            .await
            .unwrap();
        let first = ask().await.is(201);
        // The kept answer is gone, as after a crash between the change and its answer; the thing made is there.
        clock.advance(Duration::from_secs(25 * 60 * 60));
        let again = ask().await;
        assert!(!again.headers.contains_key("idempotent-replayed"));
        assert_eq!(again.is(201), first, "{path}");
    }
}

#[tokio::test]
async fn two_processes_make_one_thing_under_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("delivr.db").display());
    // Each with connections, and a memory of keys under way, of its own.
    let (one, two) = (
        Api::over(Api::sql(&url).await).await,
        Api::over(Api::sql(&url).await).await,
    );
    let jenkins = one.jenkins("ci").await;
    let pipeline = json!({
        "name": "p", "integrationId": jenkins, "platform": "IOS", "purpose": "CUSTOM", "job": "j",
    });
    let seed = json!({
        "pipelineType": "JENKINS", "jenkinsUrl": "127.0.0.1:9/ci", "jenkinsUsername": "bot", "name": "seed",
        "jenkinsApiToken": "s3cret", "jenkinsJobPath": "/job/ios", "platform": "IOS", "purpose": "CUSTOM",
    });
    for (number, (path, body)) in [
        ("/services", json!({"slug": "a", "name": "A"})),
        ("/integrations/ci-cd", crate::support::jenkins_body("second")),
        ("/integrations/pipelines", pipeline),
        ("/integrations/pipelines", seed),
        ("/profiles", json!({"name": "p"})),
    ]
    .iter()
    .enumerate()
    {
        let asks = [&one, &two, &one, &two, &two, &one].map(|api| {
            api.bare("POST", &format!("/api/v1{path}"))
                .header("x-api-key", &one.tokens["OWNER"])
                .header("idempotency-key", &format!("k{number}"))
                .json(body)
                .send()
        });
        let replies = futures_util::future::join_all(asks).await;
        let ids: std::collections::BTreeSet<String> = replies
            .into_iter()
            .map(|reply| reply.is(201)["id"].to_string())
            .collect();
        assert_eq!(ids.len(), 1, "{path}");
    }
}

#[tokio::test]
async fn simultaneous_changes_are_never_lost() {
    let api = Api::on_sqlite().await;
    let service = api.service("a").await;
    let jenkins = api.jenkins("ci").await;
    for (method, path) in [
        ("PATCH", format!("/services/{service}")),
        ("PUT", format!("/integrations/ci-cd/{jenkins}")),
    ] {
        let asks = (0..12).map(|number| {
            api.of("OWNER", method, &path)
                .json(&json!({"name": format!("name {number}")}))
                .send()
        });
        let replies = futures_util::future::join_all(asks).await;
        let made: Vec<&Value> = replies
            .iter()
            .filter(|it| it.status == 200)
            .map(|it| &it.body)
            .collect();
        assert!(!made.is_empty());
        for lost in replies.iter().filter(|it| it.status != 200) {
            lost.clone().refused(409, "changed_meanwhile");
        }
        let now = api.get(&path).await.is(200);
        assert_eq!(now["version"], made.len() + 1, "{path}");
        let last = made.iter().max_by_key(|it| it["version"].as_u64()).unwrap();
        assert_eq!(now["name"], last["name"]);
    }
    // A version is taken by one change only, whoever names it at the same time.
    let path = format!("/services/{service}");
    let seen = api.get(&path).await.headers["etag"].clone();
    let asks = (0..12).map(|number| {
        api.of("OWNER", "PATCH", &path)
            .header("if-match", &seen)
            .json(&json!({"name": format!("last {number}")}))
            .send()
    });
    let replies = futures_util::future::join_all(asks).await;
    assert_eq!(replies.iter().filter(|it| it.status == 200).count(), 1);
    // Who named a version and came too late is told just that.
    for lost in replies.into_iter().filter(|it| it.status != 200) {
        lost.refused(412, "stale_version");
    }
}

/// A change and a deletion of the version that both have seen: one of them is made, and the other one is told.
#[tokio::test]
async fn nothing_is_deleted_that_changed_meanwhile() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let jenkins = api.jenkins("ci").await;
        for number in 0..12 {
            let pipeline = json!({
                "name": format!("p{number}"), "integrationId": jenkins, "platform": "IOS", "purpose": "CUSTOM",
                "job": "j",
            });
            let service = json!({"slug": format!("s{number}"), "name": "S"});
            let integration = crate::support::jenkins_body(&format!("ci {number}"));
            for (collection, method, body, change) in [
                ("/services", "PATCH", service, json!({"name": "T"})),
                ("/integrations/pipelines", "PUT", pipeline.clone(), pipeline),
                (
                    "/integrations/ci-cd",
                    "PUT",
                    integration,
                    json!({"name": format!("other {number}")}),
                ),
            ] {
                let made = api.post(collection, &body).await.is(201);
                let path = format!("{collection}/{}", made["id"].as_str().unwrap());
                let change = api.of("OWNER", method, &path).json(&change).send();
                let delete = api
                    .of("OWNER", "DELETE", &path)
                    .header("if-match", "\"1\"")
                    .send();
                let (changed, deleted) = futures_util::future::join(change, delete).await;
                match deleted.status {
                    204 => assert!([404, 409].contains(&changed.status), "{path}: {}", changed.text),
                    _ => {
                        deleted.refused(412, "stale_version");
                        changed.is(200);
                        assert_eq!(api.get(&path).await.is(200)["version"], 2);
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_key_of_yesterday_names_something_new() {
    let clock = std::sync::Arc::new(delivr_testkit::clock::FakeClock::default());
    let store = std::sync::Arc::new(delivr_testkit::memory::MemoryStore::new(clock.clone()));
    let api = Api::with(store, clock.clone()).await;
    let make = || {
        let ask = api
            .of("OWNER", "POST", "/services")
            .header("idempotency-key", "k");
        ask.json(&json!({"slug": "a", "name": "A"})).send()
    };
    let first = make().await.is(201);
    let path = format!("/services/{}", first["id"].as_str().unwrap());
    api.delete(&path).await.is(204);
    // Within the day the answer is the first one, whatever became of the thing.
    clock.advance(std::time::Duration::from_secs(23 * 3_600));
    assert_eq!(make().await.is(201)["id"], first["id"]);
    clock.advance(std::time::Duration::from_secs(2 * 3_600));
    let second = make().await.is(201);
    assert_ne!(second["id"], first["id"]);
    // What is there is not taken for what this request makes.
    clock.advance(std::time::Duration::from_secs(25 * 3_600));
    make().await.refused(409, "duplicate");
}

#[tokio::test]
async fn probes_answer_without_credential_and_tell_of_missing_workers() {
    let api = Api::start().await;
    for path in ["/health", "/api/v1/health", "/api/health"] {
        assert_eq!(api.bare("GET", path).send().await.is(200)["status"], "UP");
    }
    for path in ["/health", "/api/v1/openapi.json"] {
        let head = api.bare("HEAD", path).send().await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_ne!(head.headers["content-length"], "0");
    }
    assert_eq!(
        api.of("OWNER", "HEAD", "/releases/REL-1/start")
            .send()
            .await
            .status,
        405
    );
    let ready = api.bare("GET", "/ready").send().await.is(200);
    assert_eq!(ready["status"], "DEGRADED");
    api.app.store.beat("w").await.unwrap();
    let ready = api.bare("GET", "/ready").send().await.is(200);
    assert_eq!(ready["status"], "READY", "{ready}");
    assert_eq!(ready["warnings"], json!([]));
}

#[tokio::test]
async fn the_stop_switch_stops_claims_of_the_tenant() {
    let api = Api::start().await;
    api.post("/line/stop", &json!({"stopped": true}))
        .await
        .wrong_at("/reason");
    api.post("/line/stop", &json!({"reason": "x"}))
        .await
        .wrong_at("/stopped");
    let body = json!({"stopped": true, "reason": "the CI system burns"});
    assert_eq!(api.post("/line/stop", &body).await.is(200), body);
    api.post("/line/stop", &json!({"stopped": false})).await.is(200);
}

#[tokio::test]
async fn whoever_finds_the_line_stopped_reads_by_whom_why_and_since_when() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let line = || async { api.of("VIEWER", "GET", "/line/stop").send().await.is(200) };
        assert_eq!(line().await, json!({"stopped": false, "stops": []}));
        for reason in ["the CI system burns", "it still burns"] {
            let body = json!({"stopped": true, "reason": reason});
            api.of("ADMIN", "POST", "/line/stop")
                .json(&body)
                .send()
                .await
                .is(200);
        }
        let now = line().await;
        let stop = &now["stops"][0];
        assert_eq!(
            (&now["stopped"], &stop["scope"], &stop["by"], &stop["reason"]),
            (
                &json!(true),
                &json!("ORGANISATION"),
                &json!("admin@example.org"),
                &json!("it still burns")
            )
        );
        assert!(stop["since"].is_string(), "{now}");
        assert_eq!(api.get("/operations").await.is(200)["stops"], now["stops"]);
        // It is nobody else's, but for the installation's, whose operator is not named.
        let other = || async { api.of("OTHER", "GET", "/line/stop").send().await.is(200) };
        assert_eq!(other().await["stopped"], false);
        let by = StopBy {
            reason: "the database moves",
            actor: "root@operator.example",
        };
        api.app.store.set_stop(None, Some(by)).await.unwrap();
        let all = other().await;
        assert_eq!(
            (
                &all["stops"][0]["scope"],
                &all["stops"][0]["by"],
                &all["stops"][0]["reason"]
            ),
            (&json!("INSTALLATION"), &Value::Null, &json!("the database moves"))
        );
        assert_eq!(line().await["stops"].as_array().unwrap().len(), 2);
        api.post("/line/stop", &json!({"stopped": false})).await.is(200);
        assert_eq!(line().await["stops"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_before_waits_end_too_early() {
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::with(store.clone(), clock).await;
    api.app.store.beat("w").await.unwrap();
    let ready = api.bare("GET", "/ready").send().await.is(200);
    assert_eq!(
        (&ready["status"], &ready["warnings"]),
        (&json!("READY"), &json!([]))
    );
    store.skew(2_040_000_000);
    api.app.store.beat("w").await.unwrap();
    let ready = api.bare("GET", "/ready").send().await.is(200);
    assert_eq!(ready["status"], "DEGRADED");
    let said = ready["warnings"].to_string();
    assert!(said.contains("clock is 2040 s behind the database's"), "{said}");
    let found = api.of("OWNER", "GET", "/doctor").send().await.is(200);
    let found = found.to_string();
    assert!(found.contains("clock is 2040 s behind the database's"), "{found}");
}
