//! The description and the server are the same thing said twice; and whatever is sent to it, the server stays polite.

use crate::support::described::Asked;
use crate::support::{Api, Reply};
use delivr_testkit::postgres::NoServer;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                found.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    found
}

/// Shows each source file of this crate.
fn sources(show: &mut dyn FnMut(&str)) {
    fn walk(folder: &std::path::Path, show: &mut dyn FnMut(&str)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, show);
            } else {
                show(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    walk(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        show,
    );
}

/// Paths that handlers register, read from the sources: what is there but not described is found by this.
fn registered() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    sources(&mut |text| {
        for line in text.lines() {
            for method in METHODS {
                let route = line.trim().strip_prefix(&format!("#[{method}(\""));
                if let Some(route) = route.and_then(|rest| rest.split('"').next()) {
                    found.insert((method.to_uppercase(), route.to_owned()));
                }
            }
        }
    });
    found
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_served() {
    let api = Api::start().await;
    let served = api.bare("GET", "/api/v1/openapi.json").send().await.is(200);
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    let described: BTreeSet<(String, String)> = operations(&served)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    assert_eq!(described, registered());
    for (method, path) in described {
        let filled = fill(&path, "00000000-0000-4000-8000-000000000000");
        let reply = ask(&api, &method, &filled, Some("{}")).await;
        assert_ne!(reply.status, 405, "{method} {path}");
        assert_ne!(reply.body["detail"], "there is no such route", "{method} {path}");
    }
}

#[tokio::test]
async fn the_description_is_complete() {
    let api = Api::start().await;
    let document = api.bare("GET", "/api/v1/openapi.json").send().await.is(200);
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(
            operation["summary"].is_string() || operation["description"].is_string(),
            "{place}"
        );
        assert!(!operation["tags"].as_array().unwrap().is_empty(), "{place}");
        let named = |name: &str| {
            let mut parameters = operation["parameters"].as_array().unwrap().iter();
            parameters.any(|it| it["name"] == name)
        };
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            assert!(named(name.trim_end_matches('}')), "{place}");
        }
        assert!(
            operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .any(|key| key.starts_with('2')),
            "{place}"
        );
        assert!(operation["responses"]["default"].is_object(), "{place}");
    }
    let text = document.to_string();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\"#/") {
        rest = &rest[at + 2..];
        let pointer = rest.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}

#[tokio::test]
async fn the_page_is_served_without_a_network() {
    let api = Api::start().await;
    let moved = api.bare("GET", "/docs").send().await;
    assert_eq!(
        (moved.status, moved.headers["location"].as_str()),
        (308, "/docs/")
    );
    let page = api.bare("GET", "/docs/").send().await;
    assert_eq!(page.status, 200);
    let initializer = api.bare("GET", "/docs/swagger-initializer.js").send().await;
    assert!(
        initializer.text.contains("/api/v1/openapi.json"),
        "{}",
        initializer.text
    );
}

#[tokio::test]
async fn answers_look_as_described() {
    // What is sent and what comes back is checked as it passes, here as in every test.
    let api = Api::on_sqlite().await;
    let jenkins = api.jenkins("ci").await;
    let pipeline = json!({
        "name": "p", "integrationId": jenkins, "platform": "IOS", "purpose": "CUSTOM", "job": "j",
    });
    let things = [
        (
            "/services",
            "/services/{serviceId}",
            json!({"slug": "a", "name": "A", "kind": "WEB"}),
        ),
        (
            "/profiles",
            "/profiles/{profileId}",
            json!({"name": "p", "settings": {"automation": false}}),
        ),
        (
            "/integrations/pipelines",
            "/integrations/pipelines/{pipelineId}",
            pipeline,
        ),
        (
            "/views",
            "/views/{viewId}",
            json!({"name": "v", "filter": {"open": true, "sort": "-updatedAt"}, "columns": ["status"]}),
        ),
        (
            "/tokens",
            "/tokens/{tokenId}",
            json!({"name": "t", "role": "VIEWER", "expiresAt": "2100-01-01T00:00:00Z"}),
        ),
        (
            "/integrations/{category}",
            "/integrations/{category}/{integrationId}",
            crate::support::jenkins_body("x"),
        ),
    ];
    for (collection, one, body) in things {
        let path = fill(collection, "");
        let made = api.post(&path, &body).await.is(201);
        api.get(&path).await.is(200);
        if one != "/tokens/{tokenId}" {
            let id = made["id"].as_str().unwrap();
            api.get(&fill(one, id)).await.is(200);
        }
    }
    for path in [
        "/health",
        "/ready",
        "/version",
        "/me",
        "/releases",
        "/activities",
        "/integrations/{category}/providers",
    ] {
        api.get(&fill(path, "")).await.is(200);
    }
}

#[tokio::test]
async fn the_check_of_answers_can_fail() {
    let api = Api::start().await;
    let said = |method: &str, path: &str, body: &Value, status: u16, answer: &Value| {
        let url = format!("{}/api{path}", api.root);
        let asked = api.http.request(method.parse().unwrap(), url).json(body);
        let asked = Asked::of(&asked.build().unwrap());
        let kind = if status < 400 {
            "application/json"
        } else {
            "application/problem+json"
        };
        asked.complaints(status, kind, answer).join(", ")
    };
    let nothing = json!({});
    let me = api.get("/me").await.is(200);
    assert_eq!(said("GET", "/me", &nothing, 200, &me), "");
    let mut less = me.clone();
    less.as_object_mut().unwrap().remove("role");
    assert!(said("GET", "/v1/me", &nothing, 200, &less).contains("\"role\" is a required"));
    assert!(said("GET", "/tenants/shop/me", &nothing, 202, &me).contains("202"));
    assert!(said("GET", "/me?verbose=1", &nothing, 200, &me).contains("verbose"));
    assert!(said("GET", "/me", &json!({"a": 1}), 200, &me).contains("not described"));
    assert_ne!(said("GET", "/me", &nothing, 404, &me), "");
    let service = json!({"slug": "a", "name": "A"});
    let made = api.post("/services", &service).await.is(201);
    assert_eq!(said("POST", "/services", &service, 201, &made), "");
    let wrong = said("POST", "/services", &json!({"slug": 7, "name": "A"}), 201, &made);
    assert!(wrong.contains("request: /slug"), "{wrong}");
}

/// Names of schemas that the sources give, by their types or in so many words.
fn named_schemas() -> Vec<String> {
    let mut found = Vec::new();
    sources(&mut |text| {
        for (at, _) in text.match_indices("#[derive(") {
            let rest = &text[at..];
            let (derived, rest) = rest.split_once(")]").unwrap();
            if !derived.contains("ToSchema") {
                continue;
            }
            let item = |line: &&str| {
                let mut words = line.split(' ').skip_while(|word| word.starts_with("pub"));
                matches!(words.next(), Some("struct" | "enum"))
            };
            let line = rest.lines().find(item).unwrap();
            let attributes = rest.split(line).next().unwrap();
            let given = attributes.split_once("schema(as = ").map(|(_, name)| name);
            let name = given.unwrap_or_else(|| line.split("struct ").last().unwrap());
            let name = name.split("enum ").last().unwrap();
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            found.push(name[..end.unwrap_or(name.len())].to_owned());
        }
    });
    found
}

#[test]
fn every_schema_has_a_name_of_its_own() {
    let mut names = named_schemas();
    assert!(names.len() > 50 && names.iter().any(|it| it == "ServiceBody"));
    names.sort();
    let twice: Vec<_> = names
        .windows(2)
        .filter(|two| two[0] == two[1])
        .map(|two| &two[0])
        .collect();
    assert!(
        twice.is_empty(),
        "the description keeps one schema of a name: {twice:?}"
    );
}

fn fill(path: &str, with: &str) -> String {
    path.split('/')
        .map(|part| match part {
            "{category}" => "ci-cd",
            part if part.starts_with('{') => with,
            part => part,
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(api: &Api, method: &str, path: &str, body: Option<&str>) -> Reply {
    let ask = api.of("OWNER", method, path).loose();
    match body {
        Some(body) => {
            ask.header("content-type", "application/json")
                .body(body.to_owned())
                .send()
                .await
        }
        None => ask.send().await,
    }
}

/// Every operation on every kind of thing, asked by an owner of another tenant.
#[tokio::test]
async fn nothing_of_another_tenant_is_found_by_any_operation() {
    let api = Api::on_sqlite().await;
    let service = api.service("mine").await;
    let jenkins = api.jenkins("mine").await;
    let pipeline = json!({
        "name": "mine", "integrationId": jenkins, "platform": "IOS", "purpose": "CUSTOM", "job": "j",
    });
    let pipeline = api.post("/integrations/pipelines", &pipeline).await.is(201);
    let profile = api.post("/profiles", &json!({"name": "mine"})).await.is(201);
    let token = api
        .post("/tokens", &json!({"name": "mine", "role": "VIEWER"}))
        .await
        .is(201);
    let view = json!({"name": "mine", "shared": true});
    let view = api.post("/views", &view).await.is(201);
    let ids = [
        service.as_str(),
        jenkins.as_str(),
        pipeline["id"].as_str().unwrap(),
        profile["id"].as_str().unwrap(),
        token["id"].as_str().unwrap(),
        view["id"].as_str().unwrap(),
    ];
    let all = |api: &Api| {
        let paths = [
            "/services",
            "/integrations/ci-cd",
            "/integrations/pipelines",
            "/profiles",
            "/tokens",
            "/views",
        ];
        let asks: Vec<_> = paths
            .iter()
            .map(|path| api.of("OWNER", "GET", path).send())
            .collect();
        async {
            futures_util::future::join_all(asks)
                .await
                .into_iter()
                .map(|it| it.text)
                .collect::<Vec<_>>()
        }
    };
    let before = all(&api).await;
    let document: Value = serde_json::from_str(delivr_api::document()).unwrap();
    for (method, path, _) in operations(&document) {
        let open = path.starts_with("/webhooks/") || path.starts_with("/callbacks/");
        if open || path.replace("{category}", "").split('{').count() < 2 {
            continue;
        }
        for id in ids {
            let filled = fill(&path, id);
            let reply = api
                .of("OTHER", &method, &filled)
                .header("content-type", "application/json")
                .body("{\"name\": \"stolen\"}")
                .send()
                .await;
            let refused = [400, 404, 422].contains(&reply.status);
            assert!(refused, "{method} {filled}: {} {}", reply.status, reply.text);
            if method == "GET" || method == "DELETE" {
                assert_eq!(reply.status, 404, "{method} {filled}: {}", reply.text);
            }
            assert!(!reply.text.contains("mine"), "{method} {filled}: {}", reply.text);
        }
    }
    assert_eq!(all(&api).await, before);
}

/// Bodies nobody should send.
fn garbage() -> Vec<String> {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let long = "x".repeat(20_000);
    let mut bodies: Vec<String> = [
        "",
        "{",
        "null",
        "[]",
        "7",
        "\"text\"",
        "{}",
        "{\"\": {}}",
        "[[]]",
        "{\"a\": 1e999}",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    bodies.push(deep.clone());
    bodies.push(format!("{{\"config\": {deep}}}"));
    bodies.push(json!({"name": "a\u{0}b", "slug": "a\u{0}b", "reason": "\u{0}"}).to_string());
    // Every field any body knows, with values of every wrong kind.
    let fields = [
        "name",
        "slug",
        "provider",
        "config",
        "credentials",
        "settings",
        "serviceId",
        "integrationId",
        "platform",
        "purpose",
        "job",
        "parameters",
        "role",
        "person",
        "expiresAt",
        "stopped",
        "reason",
        "version",
        "targets",
        "pipelines",
        "type",
        "title",
        "kickoffAt",
        "targetDate",
        "slots",
        "action",
        "stage",
        "at",
        "scmType",
        "pipelineType",
        "targetType",
        "repositoryUrl",
        "profileId",
        "scmIntegrationId",
        "decision",
        "comment",
        "exposure",
    ];
    for value in [
        json!(null),
        json!(-1),
        json!(18_446_744_073_709_551_615_u64),
        json!(1.5),
        json!(true),
        json!(""),
        json!(long),
        json!("\u{202e}\u{fffd}'\"; drop table releases; --"),
        json!([null, 1, "x"]),
        json!({"a": {"b": []}}),
        json!("2026-13-45T99:99:99Z"),
        json!("+262143-01-01T00:00:00Z"),
    ] {
        let all: serde_json::Map<String, Value> = fields
            .iter()
            .map(|name| ((*name).to_owned(), value.clone()))
            .collect();
        bodies.push(Value::Object(all).to_string());
    }
    for name in fields {
        bodies.push(json!({ name: [null, 1, {"x": "y"}] }).to_string());
        bodies.push(json!({ name: "\u{202e}nobody" }).to_string());
    }
    bodies
}

#[track_caller]
fn polite(reply: &Reply, what: &str) {
    assert!(
        reply.status < 500 || reply.body["code"] == "vendor_unavailable",
        "{what}: {}",
        reply.text
    );
    if reply.status >= 400 {
        assert_eq!(
            reply.headers["content-type"], "application/problem+json",
            "{what}: {}",
            reply.text
        );
        assert!(reply.body["code"].is_string(), "{what}: {}", reply.text);
    }
    assert!(!reply.text.contains("s3cret"), "{what}: {}", reply.text);
}

/// How much garbage is sent.
#[derive(Clone, Copy, PartialEq)]
enum Much {
    /// Everything to everywhere.
    All,
    /// What a database could stumble over: one address each, and bodies with every field.
    Values,
}

async fn sweep(api: &Api, much: Much) {
    let document: Value = serde_json::from_str(delivr_api::document()).unwrap();
    let service = api.service("sweep").await;
    let jenkins = api.jenkins("sweep").await;
    let mut ids = vec![
        "00000000-0000-4000-8000-000000000000",
        "%F0%9F%9A%80",
        "nonsense",
        "..%2F..%2Fetc",
        "REL-1",
        service.as_str(),
        jenkins.as_str(),
    ];
    let mut bodies = garbage();
    if much == Much::Values {
        ids.truncate(2);
        bodies.truncate(26);
    }
    for (method, path, _) in operations(&document) {
        for id in &ids {
            let path = fill(&path, id);
            let what = format!("{method} {path}");
            let query = format!("{path}?limit=-1&cursor=%FF&include=%F0&revision=99999999999&explain=%");
            polite(&ask(api, &method, &query, None).await, &what);
            if method == "GET" {
                polite(&ask(api, &method, &path, None).await, &what);
                continue;
            }
            // The fields matter where the path leads somewhere; elsewhere a few bodies tell as much.
            let few = if *id == ids[0] { bodies.len() } else { 8 };
            let asks = bodies
                .iter()
                .take(few)
                .map(|body| ask(api, &method, &path, Some(body)));
            // A few at a time: on a machine under load a hundred connections at once would each wait past their time-out.
            let replies: Vec<Reply> = stream::iter(asks).buffered(8).collect().await;
            for (reply, body) in replies.iter().zip(&bodies) {
                polite(
                    reply,
                    &format!("{what} {}", body.chars().take(200).collect::<String>()),
                );
            }
        }
    }
}

#[tokio::test]
async fn garbage_never_breaks_a_store_in_memory() {
    sweep(&Api::start().await, Much::All).await;
}

#[tokio::test]
async fn garbage_never_breaks_sqlite() {
    sweep(&Api::on_sqlite().await, Much::Values).await;
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
async fn garbage_never_breaks_postgresql() {
    let server = match delivr_testkit::postgres::server() {
        Ok(server) => server,
        Err(NoServer::NotFound(why)) => {
            println!("SKIPPED: PostgreSQL not found ({why})");
            return;
        }
        Err(NoServer::Broken(why)) => panic!("PostgreSQL is here but does not work: {why}"),
    };
    let url = server.fresh().unwrap();
    sweep(&Api::over(Api::sql(&url).await).await, Much::Values).await;
}
