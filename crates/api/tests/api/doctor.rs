//! The doctor, and what uses an integration.

use crate::support::Api;
use serde_json::{Value, json};

fn check<'a>(said: &'a Value, name: &str, what: &str) -> &'a Value {
    let checks = said["checks"].as_array().unwrap();
    let found = checks
        .iter()
        .find(|it| it["name"] == name && it["what"].as_str().unwrap().contains(what));
    found.unwrap_or_else(|| panic!("no `{what}` of {name} in {said:#}"))
}

#[tokio::test]
async fn what_is_missing_is_named_with_what_to_do() {
    let api = Api::start().await;
    let said = api.get("/doctor").await.is(200);
    assert_eq!(said["ready"], false);
    for (name, what) in [
        ("Source control", "connected"),
        ("Targets", "store"),
        ("Services", "one"),
        ("Worker", "alive"),
    ] {
        let found = check(&said, name, what);
        assert_eq!(found["outcome"], "MISSING", "{found}");
        assert!(found["advice"].is_string() && found["why"].is_string(), "{found}");
    }
    let ci = api.jenkins("ci").await;
    let pipeline =
        json!({"name": "p", "integrationId": ci, "platform": "WEB", "purpose": "DEPLOY", "job": "j"});
    api.post("/integrations/pipelines", &pipeline).await.is(201);
    api.service("shop").await;
    api.app.store.beat("a worker").await.unwrap();
    let said = api.get("/doctor").await.is(200);
    assert_eq!(check(&said, "ci", "credential")["outcome"], "UNKNOWN");
    assert_eq!(check(&said, "ci", "credential")["id"], ci);
    assert_eq!(check(&said, "p", "`j` can be started")["outcome"], "UNKNOWN");
    assert_eq!(check(&said, "shop", "repository")["outcome"], "DEGRADED");
    assert_eq!(check(&said, "Worker", "alive")["outcome"], "OK");
    let names: Vec<&Value> = said["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert!(
        !names.contains(&&json!("Targets")),
        "a pipeline deploys: {names:?}"
    );
    // Another tenant's doctor knows nothing of it.
    let other = api.of("OTHER", "GET", "/doctor").send().await.is(200);
    assert!(!other.to_string().contains(&ci), "{other}");
}

#[tokio::test]
async fn trying_everything_needs_an_admin_and_tells_of_vendors_that_do_not_answer() {
    let api = Api::start().await;
    let ci = api.jenkins("ci").await;
    for role in ["VIEWER", "MEMBER"] {
        let refused = api.of(role, "POST", "/doctor").json(&json!({})).send().await;
        refused.refused(403, "role_too_low");
    }
    let said = api.post("/doctor", &json!({})).await.is(200);
    let silent = check(&said, "ci", "the vendor answers");
    assert_eq!(
        (&silent["outcome"], &silent["id"]),
        (&json!("UNKNOWN"), &json!(ci))
    );
    assert!(!silent["advice"].as_str().unwrap().is_empty());
    let stored = api.get(&format!("/integrations/ci-cd/{ci}")).await.is(200);
    assert_eq!(stored["verificationStatus"], "PENDING", "silence proves nothing");
}

#[tokio::test]
async fn what_uses_an_integration_is_told() {
    let api = Api::start().await;
    let ci = api.jenkins("ci").await;
    let usage = format!("/integrations/ci-cd/{ci}/usage");
    assert_eq!(api.get(&usage).await.is(200), json!({"usedBy": [], "users": []}));
    let pipeline =
        json!({"name": "p", "integrationId": ci, "platform": "WEB", "purpose": "DEPLOY", "job": "j"});
    let made = api.post("/integrations/pipelines", &pipeline).await.is(201);
    assert_eq!(
        api.get(&usage).await.is(200),
        json!({
            "usedBy": ["the pipeline p"],
            "users": [{"kind": "PIPELINE", "id": made["id"], "name": "p"}],
        })
    );
    api.of("OTHER", "GET", &usage)
        .send()
        .await
        .refused(404, "not_found");
    api.get(&format!("/integrations/scm/{ci}/usage"))
        .await
        .refused(404, "not_found");
}
