//! Saved views of releases: whose they are, who sees and changes them, and which one an account begins with.

use crate::support::Api;
use serde_json::{Value, json};

fn body(name: &str) -> Value {
    json!({"name": name, "filter": {"status": "PLANNING", "sort": "targetDate", "pilot": "me"}, "columns": ["status"]})
}

/// Asks as the token of a role.
async fn as_role(api: &Api, role: &str, method: &str, path: &str, body: Value) -> crate::support::Reply {
    api.of(role, method, path).json(&body).send().await
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_view_is_saved_renamed_replaced_and_deleted() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let made = api.post("/views", &body("Mine")).await.is(201);
        assert_eq!(made["filter"], body("")["filter"]);
        assert_eq!((&made["mine"], &made["shared"]), (&json!(true), &json!(false)));
        let path = format!("/views/{}", made["id"].as_str().unwrap());
        api.post("/views", &body("Mine")).await.refused(409, "duplicate");
        let renamed = api.patch(&path, &json!({"name": "Planned"})).await.is(200);
        assert_eq!(
            (&renamed["name"], &renamed["columns"]),
            (&json!("Planned"), &json!(["status"]))
        );
        let replaced = api
            .of("OWNER", "PUT", &path)
            .header("if-match", "\"2\"")
            .json(&json!({"name": "All"}))
            .send()
            .await
            .is(200);
        assert_eq!(
            (&replaced["filter"], &replaced["columns"]),
            (&json!({}), &Value::Null)
        );
        assert_eq!(api.get(&path).await.is(200), replaced);
        for method in ["PUT", "PATCH", "DELETE"] {
            let stale = api
                .of("OWNER", method, &path)
                .header("if-match", "\"2\"")
                .json(&json!({"name": "Late"}))
                .send();
            stale.await.refused(412, "stale_version");
        }
        as_role(&api, "OWNER", "DELETE", &path, Value::Null).await.is(204);
        api.get(&path).await.refused(404, "not_found");
        assert_eq!(names(&api.get("/views").await.is(200)), [""; 0]);
    }
}

#[tokio::test]
async fn what_is_shared_is_seen_by_all_and_changed_by_its_owner_and_admins() {
    let api = Api::on_sqlite().await;
    let mut shared = body("Ours");
    shared["shared"] = json!(true);
    let made = as_role(&api, "MEMBER", "POST", "/views", shared.clone())
        .await
        .is(201);
    let own = as_role(&api, "MEMBER", "POST", "/views", body("Own"))
        .await
        .is(201);
    let path = |it: &Value| format!("/views/{}", it["id"].as_str().unwrap());
    // Looking is everybody's, and so is a view of one's own; sharing one is not.
    as_role(&api, "VIEWER", "POST", "/views", body("Own"))
        .await
        .is(201);
    shared["name"] = json!("Another");
    as_role(&api, "VIEWER", "POST", "/views", shared)
        .await
        .refused(403, "role_too_low");
    let seen = api.of("VIEWER", "GET", "/views").send().await.is(200);
    assert_eq!(names(&seen), ["Ours", "Own"]);
    assert_eq!(seen["items"][0]["mine"], false);
    for (method, of) in [("GET", &own), ("PATCH", &own), ("PUT", &own), ("DELETE", &own)] {
        let reply = as_role(&api, "ADMIN", method, &path(of), json!({"name": "x"})).await;
        reply.refused(404, "not_found");
    }
    for method in ["PATCH", "PUT", "DELETE"] {
        let reply = as_role(&api, "VIEWER", method, &path(&made), json!({"name": "x"})).await;
        reply.refused(403, "role_too_low");
    }
    let renamed = as_role(&api, "ADMIN", "PATCH", &path(&made), json!({"name": "All"})).await;
    assert_eq!(renamed.is(200)["name"], "All");
    // Each begins with their own choice.
    let first = async |role: &str| {
        let seen = api.of(role, "GET", "/views").send().await.is(200);
        let items = seen["items"].as_array().unwrap().clone();
        let first = items.into_iter().find(|it| it["isDefault"] == true);
        first.map(|it| it["name"].as_str().unwrap().to_owned())
    };
    let default = format!("{}/default", path(&made));
    for role in ["VIEWER", "MEMBER"] {
        api.of(role, "PUT", &default).send().await.is(204);
    }
    assert_eq!(first("VIEWER").await.as_deref(), Some("All"));
    assert_eq!(first("ADMIN").await, None);
    api.of("ADMIN", "PUT", &format!("{}/default", path(&own)))
        .send()
        .await
        .refused(404, "not_found");
    api.of("VIEWER", "DELETE", &default).send().await.is(204);
    assert_eq!(first("VIEWER").await, None);
    // Not shared any more, it is nobody else's.
    as_role(&api, "MEMBER", "PATCH", &path(&made), json!({"shared": false}))
        .await
        .is(200);
    as_role(&api, "ADMIN", "GET", &path(&made), Value::Null)
        .await
        .refused(404, "not_found");
    assert_eq!(first("MEMBER").await.as_deref(), Some("All"));
    as_role(&api, "MEMBER", "DELETE", &path(&made), Value::Null)
        .await
        .is(204);
    assert_eq!(first("MEMBER").await, None);
}

#[tokio::test]
async fn a_view_that_makes_no_list_is_refused() {
    let api = Api::on_sqlite().await;
    for (wrong, at) in [
        (json!({"name": ""}), "/name"),
        (json!({"name": "x".repeat(61)}), "/name"),
        (
            json!({"name": "x", "filter": {"status": "GONE"}}),
            "/filter/status",
        ),
        (json!({"name": "x", "filter": {"sort": "colour"}}), "/filter/sort"),
        (
            json!({"name": "x", "filter": {"attention": "NONE,"}}),
            "/filter/attention",
        ),
        (
            json!({"name": "x", "filter": {"q": "q".repeat(201)}}),
            "/filter/q",
        ),
        (
            json!({"name": "x", "columns": ["status", "colour"]}),
            "/columns/1",
        ),
        (
            json!({"name": "x", "columns": ["status", "status"]}),
            "/columns/1",
        ),
    ] {
        api.post("/views", &wrong).await.wrong_at(at);
    }
    for wrong in [
        json!({"name": "x", "filter": {"cursor": "1"}}),
        json!({"name": "x", "surprise": 1}),
        json!({"shared": false}),
    ] {
        api.post("/views", &wrong).await.refused(400, "malformed_request");
    }
    let none = json!({"name": "x", "filter": {"serviceId": "00000000-0000-0000-0000-000000000000"}});
    api.post("/views", &none).await.refused(422, "unknown_reference");
    assert_eq!(names(&api.get("/views").await.is(200)), [""; 0]);
}

#[tokio::test]
async fn an_account_has_so_many_and_no_more() {
    let api = Api::start().await;
    for number in 0..100 {
        api.post("/views", &json!({"name": format!("{number}")}))
            .await
            .is(201);
    }
    api.post("/views", &json!({"name": "one more"}))
        .await
        .refused(409, "too_many");
    as_role(&api, "MEMBER", "POST", "/views", json!({"name": "first"}))
        .await
        .is(201);
    // Sent again under its key, it is the one that was made.
    let mut made = Vec::new();
    for _ in 0..2 {
        let sent = api
            .of("MEMBER", "POST", "/views")
            .header("idempotency-key", "once")
            .json(&json!({"name": "second"}))
            .send();
        made.push(sent.await.is(201)["id"].clone());
    }
    assert_eq!(made[0], made[1]);
}
