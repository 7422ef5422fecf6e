//! The audit of the set-up: every change is on record with who made it, before and after, and without secrets.

use crate::support::Api;
use serde_json::{Value, json};

async fn audit(api: &Api, query: &str) -> Vec<Value> {
    let listed = api.get(&format!("/audit{query}")).await.is(200);
    listed["items"].as_array().unwrap().clone()
}

fn deeds(lines: &[Value]) -> Vec<(String, String)> {
    let word = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    lines
        .iter()
        .map(|it| (word(it, "about"), word(it, "deed")))
        .collect()
}

fn altered<'a>(line: &'a Value, field: &str) -> &'a Value {
    let changes = line["changes"].as_array().unwrap();
    let found = changes.iter().find(|it| it["field"] == field);
    found.unwrap_or_else(|| panic!("no `{field}` in {line:#}"))
}

/// Makes one change of every kind; what is expected of the audit, the oldest first.
async fn change_everything(api: &Api) -> Vec<(&'static str, &'static str)> {
    let ci = api.jenkins("ci").await;
    let path = format!("/integrations/ci-cd/{ci}");
    let body = json!({"name": "our ci", "credentials": {"apiToken": "s3cret-other-token-9876543210"}});
    api.put(&path, &body).await.is(200);
    // Refused: nothing is changed, and nothing is on record.
    let refused = api.put(&path, &json!({"config": {"baseUrl": "nowhere"}})).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    api.of("VIEWER", "PUT", &path)
        .json(&body)
        .send()
        .await
        .refused(403, "role_too_low");
    let pipeline =
        json!({"name": "p", "integrationId": ci, "platform": "WEB", "purpose": "DEPLOY", "job": "j"});
    let pipeline = api.post("/integrations/pipelines", &pipeline).await.is(201);
    let service = api.service("shop").await;
    api.patch(&format!("/services/{service}"), &json!({"name": "The shop"}))
        .await
        .is(200);
    let profile = api.post("/profiles", &json!({"name": "weekly"})).await.is(201);
    let profile = format!("/profiles/{}", profile["id"].as_str().unwrap());
    api.put(&profile, &json!({"settings": {}})).await.is(200);
    let token = api
        .post("/tokens", &json!({"name": "bot", "role": "MEMBER"}))
        .await
        .is(201);
    let token = format!("/tokens/{}", token["id"].as_str().unwrap());
    api.delete(&token).await.is(204);
    api.post("/line/stop", &json!({"stopped": true, "reason": "fire"}))
        .await
        .is(200);
    api.post("/line/stop", &json!({"stopped": false, "reason": "it is out"}))
        .await
        .is(200);
    api.patch("/team/settings", &json!({"name": "The Shop"}))
        .await
        .is(200);
    let link = api
        .post("/status-links", &json!({"name": "boss", "serviceId": service}))
        .await
        .is(201);
    let link = format!("/status-links/{}", link["id"].as_str().unwrap());
    api.delete(&link).await.is(204);
    let link = api
        .post("/calendar/links", &json!({"name": "mine"}))
        .await
        .is(201);
    let link = format!("/calendar/links/{}", link["id"].as_str().unwrap());
    api.delete(&link).await.is(204);
    api.delete(&format!(
        "/integrations/pipelines/{}",
        pipeline["id"].as_str().unwrap()
    ))
    .await
    .is(204);
    api.delete(&path).await.is(204);
    vec![
        ("INTEGRATION", "CREATED"),
        ("INTEGRATION", "CHANGED"),
        ("PIPELINE", "CREATED"),
        ("SERVICE", "CREATED"),
        ("SERVICE", "CHANGED"),
        ("PROFILE", "CREATED"),
        ("PROFILE", "CHANGED"),
        ("TOKEN", "CREATED"),
        ("TOKEN", "REVOKED"),
        ("LINE", "STOPPED"),
        ("LINE", "RESUMED"),
        ("ORGANISATION", "CHANGED"),
        ("STATUS_LINK", "CREATED"),
        ("STATUS_LINK", "REVOKED"),
        ("CALENDAR_LINK", "CREATED"),
        ("CALENDAR_LINK", "REVOKED"),
        ("PIPELINE", "REMOVED"),
        ("INTEGRATION", "REMOVED"),
    ]
}

async fn every_change_is_on_record(api: Api) {
    // The tokens that this test works with were made by whoever runs the installation.
    let before = audit(&api, "?limit=200").await;
    assert!(
        before
            .iter()
            .all(|it| it["about"] == "TOKEN" && it["actor"] == "operator"),
        "{before:#?}"
    );
    let expected = change_everything(&api).await;
    let mut lines = audit(&api, "?limit=200").await;
    lines.truncate(lines.len() - before.len());
    lines.reverse();
    let expected: Vec<(String, String)> = expected
        .into_iter()
        .map(|(about, deed)| (about.to_owned(), deed.to_owned()))
        .collect();
    assert_eq!(deeds(&lines), expected);
    assert!(
        lines.iter().all(|it| it["actor"] == "owner@example.org"),
        "{lines:#?}"
    );
    let numbers: Vec<u64> = lines.iter().map(|it| it["number"].as_u64().unwrap()).collect();
    let first = before.len() as u64 + 1;
    assert_eq!(numbers, (first..first + lines.len() as u64).collect::<Vec<_>>());
    // What it was, and what it is.
    let changed = &lines[1];
    assert_eq!(
        altered(changed, "name"),
        &json!({"field": "name", "before": "ci", "after": "our ci"})
    );
    assert_eq!(
        altered(changed, "credential apiToken")["after"],
        "replaced, ends with 3210"
    );
    assert_eq!(changed["changes"].as_array().unwrap().len(), 2, "{changed:#}");
    assert_eq!(
        changed["summary"],
        "changed the integration our ci: credential apiToken, name"
    );
    assert_eq!(lines[9]["summary"], "stopped the line: fire");
    assert_eq!(lines[10]["summary"], "let the line go on: it is out");
    let text = format!("{lines:?}");
    assert!(!text.contains("s3cret"), "{text}");

    let proof = api.get("/audit/verify").await.is(200);
    let count = before.len() + lines.len();
    assert_eq!(proof, json!({"intact": true, "lines": count, "brokenAt": null}));

    // Whoever is of the organisation may read it, and nobody else.
    api.of("VIEWER", "GET", "/audit").send().await.is(200);
    api.of("VIEWER", "GET", "/audit/verify")
        .send()
        .await
        .refused(403, "role_too_low");
    let other = api.of("OTHER", "GET", "/audit?limit=200").send().await.is(200);
    assert!(
        other["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["actor"] == "operator"),
        "{other:#}"
    );
    api.of("OTHER", "GET", "/tenants/shop/audit")
        .send()
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn every_change_of_the_set_up_is_on_record() {
    every_change_is_on_record(Api::start().await).await;
}

#[tokio::test]
async fn every_change_of_the_set_up_is_on_record_on_sqlite() {
    every_change_is_on_record(Api::on_sqlite().await).await;
}

#[tokio::test]
async fn a_repeated_request_is_on_record_once() {
    let api = Api::on_sqlite().await;
    let before = audit(&api, "").await.len();
    let ask = || async {
        api.of("OWNER", "POST", "/services")
            .header("idempotency-key", "once")
            .json(&json!({"slug": "shop", "name": "Shop"}))
            .send()
            .await
            .is(201)
    };
    assert_eq!(ask().await, ask().await);
    assert_eq!(audit(&api, "").await.len(), before + 1);
}

#[tokio::test]
async fn the_audit_is_narrowed_and_paged() {
    let api = Api::start().await;
    change_everything(&api).await;
    let integrations = audit(&api, "?about=INTEGRATION").await;
    assert_eq!(
        deeds(&integrations),
        ["REMOVED", "CHANGED", "CREATED"].map(|deed| ("INTEGRATION".to_owned(), deed.to_owned()))
    );
    assert_eq!(audit(&api, "?actor=OWNER%40&about=LINE").await.len(), 2);
    assert_eq!(audit(&api, "?actor=nobody").await.len(), 0);
    assert_eq!(audit(&api, "?q=The%20Shop&about=ORGANISATION").await.len(), 1);
    let today = chrono::Utc::now().date_naive();
    let whole = audit(&api, "?limit=200").await.len();
    let days = format!(
        "?limit=200&since={}&until={}",
        today.pred_opt().unwrap(),
        today.succ_opt().unwrap()
    );
    assert_eq!(audit(&api, &days).await.len(), whole);
    let later = format!("?since={}", today.succ_opt().unwrap());
    assert_eq!(audit(&api, &later).await.len(), 0);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/audit?limit=7{cursor}")).await.is(200);
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["number"].as_u64().unwrap()),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (1..=whole as u64).rev().collect::<Vec<_>>());
    for wrong in [
        "?limit=0",
        "?limit=201",
        "?cursor=x",
        "?about=NONSENSE",
        "?since=yesterday",
        "?until=2026-13-01",
        "?colour=red",
    ] {
        let refused = api.get(&format!("/audit{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }
}
