//! Names of tokens: events tell by them who did what.

use crate::support::Api;
use serde_json::json;

#[tokio::test]
async fn nobody_is_called_like_delivr_itself_or_like_somebody_else() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        for name in ["system", "System", " system "] {
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
