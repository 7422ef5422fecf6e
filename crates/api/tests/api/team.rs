//! The organisation: its name, and who has a way in.

use crate::support::Api;
use serde_json::{Value, json};

#[tokio::test]
async fn an_organisation_says_who_has_a_way_in() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let team = api.of("VIEWER", "GET", "/team/settings").send().await.is(200);
        assert_eq!((&team["slug"], &team["name"]), (&json!("shop"), &json!("shop")));
        let people = |team: &Value| {
            let all = team["people"].as_array().unwrap().iter();
            all.map(|it| {
                format!(
                    "{} {}",
                    it["person"].as_str().unwrap(),
                    it["role"].as_str().unwrap()
                )
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(
            people(&team),
            [
                "admin@example.org ADMIN",
                "member@example.org MEMBER",
                "owner@example.org OWNER",
                "viewer@example.org VIEWER"
            ]
        );
        assert_eq!(team["serviceTokens"], 1);
        // The highest of somebody's roles counts, of what is valid.
        let body = json!({"name": "second", "person": "member@example.org", "role": "ADMIN"});
        let made = api.post("/tokens", &body).await.is(201);
        assert!(
            people(&api.get("/team/settings").await.is(200)).contains(&"member@example.org ADMIN".to_owned())
        );
        api.delete(&format!("/tokens/{}", made["id"].as_str().unwrap()))
            .await
            .is(204);
        assert!(
            people(&api.get("/team/settings").await.is(200))
                .contains(&"member@example.org MEMBER".to_owned())
        );
        // No secret, no digest.
        let text = api.get("/team/settings").await.text;
        assert!(!text.contains("dlv_") && !text.contains("digest"), "{text}");
    }
}

#[tokio::test]
async fn an_organisation_is_renamed_by_its_admins_alone() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let rename = |role: &'static str, body: Value| {
            let ask = api.of(role, "PATCH", "/team/settings").json(&body);
            async move { ask.send().await }
        };
        rename("MEMBER", json!({"name": "Ours"}))
            .await
            .refused(403, "role_too_low");
        for wrong in ["", "  "] {
            rename("ADMIN", json!({"name": wrong})).await.wrong_at("/name");
        }
        rename("ADMIN", json!({"slug": "x"})).await.wrong_at("/slug");
        let first = api.get("/team/settings").await;
        let renamed = rename("ADMIN", json!({"name": " Shop & Sons "})).await.is(200);
        assert_eq!(
            (&renamed["name"], &renamed["slug"]),
            (&json!("Shop & Sons"), &json!("shop"))
        );
        assert_eq!(api.get("/team/settings").await.is(200)["name"], "Shop & Sons");
        // Whoever saw the old name overwrites nothing.
        let late = api.of("OWNER", "PATCH", "/team/settings");
        let late = late
            .header("if-match", &first.headers["etag"])
            .json(&json!({"name": "Mine"}));
        late.send().await.refused(412, "stale_version");
        let other = api.of("OTHER", "GET", "/team/settings").send().await.is(200);
        assert_eq!(other["name"], "other", "another organisation keeps its name");
    }
}
