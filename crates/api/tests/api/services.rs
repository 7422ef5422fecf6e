//! Services.

use crate::support::Api;
use delivr_api::Shared;
use delivr_app::usecases::access;
use delivr_provider_kit::SystemClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_service_lives_from_making_to_deleting() {
    let api = Api::on_sqlite().await;
    let body = json!({
        "slug": "shop-app", "name": "Shop", "kind": "MOBILE", "description": "The app", "color": "#112233",
        "repository": "https://git.example.com/shop", "jiraProjectKey": "SHOP",
    });
    let made = api.post("/services", &body).await;
    assert_eq!(made.headers["etag"], "\"1\"");
    let place = made.headers["location"].clone();
    let made = made.is(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(place, format!("/api/v1/services/{id}"));
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_eq!(made["isActive"], true);

    let path = format!("/services/{id}");
    let changed = api
        .patch(&path, &json!({"name": "Shop 2", "description": null}))
        .await
        .is(200);
    assert_eq!(
        (&changed["name"], &changed["description"]),
        (&json!("Shop 2"), &json!(null))
    );
    assert_eq!(
        (&changed["kind"], &changed["version"]),
        (&json!("MOBILE"), &json!(2))
    );
    assert_eq!(api.get(&path).await.is(200), changed);

    api.of("OWNER", "PATCH", &path)
        .header("if-match", "\"1\"")
        .json(&json!({"name": "late"}))
        .send()
        .await
        .refused(412, "stale_version");
    api.of("OWNER", "DELETE", &path)
        .header("if-match", "\"1\"")
        .send()
        .await
        .refused(412, "stale_version");
    assert_eq!(
        api.get(&path).await.is(200),
        changed,
        "nothing changed after a refusal"
    );
    api.delete(&path).await.is(204);
    api.get(&path).await.refused(404, "not_found");
    api.delete(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn wrong_services_are_refused_where_they_are_wrong() {
    let api = Api::start().await;
    for (body, pointer) in [
        (json!({"slug": "a"}), "/name"),
        (json!({"name": "A"}), "/slug"),
        (json!({"slug": 7, "name": "A"}), "/slug"),
        (json!({"slug": "A b", "name": "A"}), "/slug"),
        (json!({"slug": "-a", "name": "A"}), "/slug"),
        (json!({"slug": "a", "name": "  "}), "/name"),
        (json!({"slug": "a", "name": "x".repeat(101)}), "/name"),
        (json!({"slug": "a", "name": "A", "kind": "ROCKET"}), "/kind"),
        (json!({"slug": "a", "name": "A", "color": "red"}), "/color"),
        (
            json!({"slug": "a", "name": "A", "description": "x".repeat(501)}),
            "/description",
        ),
        (json!({"slug": "a", "name": "A", "isActive": "yes"}), "/isActive"),
        (json!({"slug": "a", "name": "A", "surprise": 1}), "/surprise"),
        (json!([]), ""),
        (json!("text"), ""),
    ] {
        let refused = api.post("/services", &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        refused.wrong_at(pointer);
    }
    for scm in [
        "nonsense",
        "00000000-0000-4000-8000-000000000000",
        &api.jenkins("ci").await,
    ] {
        let body = json!({"slug": "a", "name": "A", "scmIntegrationId": scm});
        let refused = api
            .post("/services", &body)
            .await
            .refused(422, "unknown_reference");
        assert_eq!(refused["errors"][0]["pointer"], "/scmIntegrationId");
    }
    assert_eq!(api.get("/services").await.is(200)["items"], json!([]));
    api.service("a").await;
    api.post("/services", &json!({"slug": "a", "name": "again"}))
        .await
        .refused(409, "duplicate");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::start().await;
    for slug in ["c", "a", "b", "e", "d"] {
        api.service(slug).await;
    }
    let mut seen = Vec::new();
    let mut path = "/services?limit=2".to_owned();
    loop {
        let page = api.get(&path).await.is(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|it| it["slug"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/services?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    for query in ["limit=0", "limit=201", "limit=x", "cursor=nobody", "surprise=1"] {
        api.get(&format!("/services?{query}"))
            .await
            .refused(400, "malformed_request");
    }
}

#[tokio::test]
async fn a_version_seen_before_a_restore_names_nothing_after_it() {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let before = Api::over(store.clone()).await;
    let made = before
        .post("/services", &json!({"slug": "shop", "name": "Shop"}))
        .await
        .is(201);
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    let backup = store.backup();
    let seen = before.patch(&path, &json!({"name": "Lost"})).await;
    let seen = seen.headers["etag"].clone();
    assert_eq!(seen, "\"2\"");

    // Processes begin anew after a restore, and versions are given once more.
    store.restore(&backup);
    access::restore_epoch(&before.app).await.unwrap();
    let epoch = access::epoch(&before.app).await.unwrap();
    assert!(epoch.is_some());
    let after = Api::serving(store.clone(), Arc::new(SystemClock), &[], |shared| {
        shared.in_epoch(epoch)
    })
    .await;
    let changed = after.patch(&path, &json!({"name": "Kept"})).await;
    let now = changed.headers["etag"].clone();
    assert_eq!(changed.is(200)["version"], 2, "the number of the lost change");
    let late = |tag: String| {
        let ask = after.of("OWNER", "PATCH", &path).header("if-match", &tag);
        ask.json(&json!({"name": "late"})).send()
    };
    late(seen).await.refused(412, "stale_version");
    late("\"2-1\"".to_owned()).await.refused(412, "stale_version");
    late("two".to_owned()).await.refused(400, "malformed_request");
    assert_eq!(after.get(&path).await.is(200)["name"], "Kept");
    late(now.clone()).await.is(200);

    // A server that began before there was a schema reads it later.
    let later = Api::serving(store, Arc::new(SystemClock), &[], Shared::in_unknown_epoch).await;
    let ask = later.of("OWNER", "PATCH", &path).header("if-match", &now);
    ask.json(&json!({"name": "late"}))
        .send()
        .await
        .refused(412, "stale_version");
    let tag = later.get(&path).await.headers["etag"].clone();
    assert!(tag.starts_with("\"3-"), "{tag}");
}
