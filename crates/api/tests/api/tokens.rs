//! Names of tokens and the people behind them: events tell by them who did what, and quorums count people.

use crate::support::Api;
use serde_json::json;

#[tokio::test]
async fn nobody_is_called_like_delivr_itself_or_like_somebody_else() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        for name in ["system", "System", " system ", "alice@example.org", "@"] {
            let refused = api
                .post("/tokens", &json!({"name": name, "role": "VIEWER"}))
                .await;
            assert_eq!(
                refused.refused(422, "reserved_name")["errors"][0]["pointer"],
                "/name"
            );
        }
        let body = json!({"name": "bot", "role": "MEMBER"});
        let first = api.post("/tokens", &body).await.is(201);
        api.post("/tokens", &body).await.refused(409, "duplicate");
        api.post("/tokens", &json!({"name": "bot", "role": "VIEWER"}))
            .await
            .refused(409, "duplicate");
        // Another tenant has names of its own.
        api.of("OTHER", "POST", "/tokens")
            .json(&body)
            .send()
            .await
            .is(201);
        // Who no longer has it leaves it to others.
        api.delete(&format!("/tokens/{}", first["id"].as_str().unwrap()))
            .await
            .is(204);
        api.post("/tokens", &body).await.is(201);
    }
}

#[tokio::test]
async fn of_simultaneous_tokens_with_one_name_at_most_one_stays() {
    let api = Api::on_sqlite().await;
    let body = json!({"name": "bot", "role": "VIEWER"});
    let asks = (0..8).map(|_| api.of("OWNER", "POST", "/tokens").json(&body).send());
    let replies = futures_util::future::join_all(asks).await;
    let made = replies.iter().filter(|it| it.status == 201).count();
    assert!(made <= 1 && replies.iter().all(|it| [201, 409].contains(&it.status)));
    let listed = api.get("/tokens").await.is(200);
    let items = listed["items"].as_array().unwrap();
    let live = items
        .iter()
        .filter(|it| it["name"] == "bot" && it["revokedAt"].is_null());
    assert_eq!(live.count(), made);
}

#[tokio::test]
async fn a_token_says_who_is_behind_it() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let me = api.get("/me").await.is(200);
        assert_eq!(
            (&me["person"], &me["kind"], &me["actor"]),
            (
                &json!("owner@example.org"),
                &json!("PERSON"),
                &json!("owner@example.org")
            )
        );
        let me = api.of("SERVICE", "GET", "/me").send().await.is(200);
        assert_eq!(
            (&me["person"], &me["kind"], &me["actor"]),
            (&json!(null), &json!("SERVICE"), &json!("release bot"))
        );
        // A person is written in one way, and may have several tokens; not two of one name.
        let body = json!({"name": "laptop", "role": "MEMBER", "person": "Alice@Example.org"});
        let made = api.post("/tokens", &body).await.is(201);
        assert_eq!(made["person"], "alice@example.org");
        api.post("/tokens", &body).await.refused(409, "duplicate");
        for (name, person) in [("phone", "alice@example.org"), ("laptop", "bob@example.org")] {
            let body = json!({"name": name, "role": "MEMBER", "person": person});
            api.post("/tokens", &body).await.is(201);
        }
        for person in [
            "alice",
            "",
            "a b@example.org",
            "alice@example.org, bob@example.org",
        ] {
            let body = json!({"name": "x", "role": "MEMBER", "person": person});
            api.post("/tokens", &body).await.wrong_at("/person");
        }
        let listed = api.get("/tokens").await.is(200);
        let of_alice = |it: &&serde_json::Value| it["person"] == "alice@example.org";
        assert_eq!(
            listed["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(of_alice)
                .count(),
            2
        );
    }
}

#[tokio::test]
async fn only_an_owner_makes_tokens_for_others() {
    let api = Api::start().await;
    let ask = |role: &str, person: &str| {
        let body = json!({"name": "another", "role": "VIEWER", "person": person});
        api.of(role, "POST", "/tokens").json(&body).send()
    };
    // Who could would approve twice.
    ask("ADMIN", "bob@example.org").await.refused(403, "role_too_low");
    ask("ADMIN", "admin@example.org").await.is(201);
    ask("MEMBER", "member@example.org")
        .await
        .refused(403, "role_too_low");
    ask("SERVICE", "bob@example.org").await.is(201);
}

#[tokio::test]
async fn what_a_person_did_stays_theirs_whichever_token_they_use() {
    let api = Api::on_sqlite().await;
    let body = json!({"name": "phone", "role": "MEMBER", "person": "owner@example.org"});
    let made = api.post("/tokens", &body).await.is(201);
    let me = api
        .bare("GET", "/api/v1/me")
        .header("x-api-key", made["token"].as_str().unwrap())
        .send()
        .await
        .is(200);
    assert_eq!(
        (&me["actor"], &me["name"], &me["role"]),
        (&json!("owner@example.org"), &json!("phone"), &json!("MEMBER"))
    );
}
