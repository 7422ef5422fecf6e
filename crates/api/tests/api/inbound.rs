//! Inbound: proved, stored once, answered at once.

use crate::support::{Api, Reply, jenkins_body};
use delivr_app::usecases::{callbacks, keys};
use delivr_domain::ports::store::StoredDelivery;
use delivr_provider_kit::signature::hex;
use serde_json::{Value, json};

const SECRET: &str = "s3cret-hook-secret-0123456789";

async fn send(api: &Api, path: &str, token: Option<&str>, body: &str) -> Reply {
    let ask = api.bare("POST", path);
    let ask = match token {
        Some(token) => ask.header("x-delivr-token", token),
        None => ask,
    };
    ask.body(body.to_owned()).send().await
}

async fn open(api: &Api) -> Vec<StoredDelivery> {
    api.app.store.open_deliveries(100).await.unwrap()
}

#[tokio::test]
async fn a_proved_webhook_is_stored_once() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let ci = api.jenkins("ci").await;
        let path = format!("/api/v1/webhooks/jenkins/{ci}");
        let body = json!({"delivrKey": "k1", "job": "ios", "buildNumber": 7}).to_string();
        let first = send(&api, &path, Some(SECRET), &body).await.is(202);
        assert_eq!(first, json!({"received": true, "repeated": false}));
        let again = send(&api, &path, Some(SECRET), &body).await.is(202);
        assert_eq!(again["repeated"], true);
        let stored = open(&api).await;
        assert_eq!(stored.len(), 1);
        assert_eq!(
            stored[0].payload,
            json!({"correlations": ["k1"], "objects": ["ios#7"]})
        );
        assert_eq!(
            (stored[0].tenant, stored[0].source.as_str()),
            (api.tenant.id, "jenkins")
        );
        assert_eq!(stored[0].integration.unwrap().to_string(), ci);
        // People see that something came, and when.
        let silent = api.jenkins("silent").await;
        for (id, at) in [(&ci, json!(stored[0].at)), (&silent, json!(null))] {
            let read = api.get(&format!("/integrations/ci-cd/{id}")).await.is(200);
            assert_eq!(read["lastDeliveryAt"], at);
            assert_eq!(
                read["webhookUrl"],
                format!("https://delivr.example/base/api/v1/webhooks/jenkins/{id}")
            );
            let listed = api.get("/integrations/ci-cd").await.is(200);
            let mut items = listed["items"].as_array().unwrap().iter();
            assert_eq!(items.find(|it| it["id"] == **id).unwrap()["lastDeliveryAt"], at);
        }
    }
}

#[tokio::test]
async fn what_is_not_proved_or_not_understood_is_refused() {
    let api = Api::start().await;
    let ci = api.jenkins("ci").await;
    let path = format!("/api/v1/webhooks/jenkins/{ci}");
    let body = r#"{"buildNumber": 7}"#;
    for token in [None, Some(""), Some("wrong")] {
        send(&api, &path, token, body)
            .await
            .refused(401, "unsigned_delivery");
        send(&api, "/api/v1/webhooks/jenkins", token, body)
            .await
            .refused(401, "unsigned_delivery");
    }
    for malformed in ["", "{", "[]", "{}", "nul"] {
        send(&api, &path, Some(SECRET), malformed)
            .await
            .refused(400, "malformed_request");
        send(&api, "/api/v1/webhooks/jenkins", Some(SECRET), malformed)
            .await
            .refused(400, "malformed_request");
    }
    let large = " ".repeat(delivr_api::LIMIT + 1);
    send(&api, &path, Some(SECRET), &large)
        .await
        .refused(413, "body_too_large");
    for nowhere in [
        "/api/v1/webhooks/jenkins/nonsense".to_owned(),
        "/api/v1/webhooks/jenkins/00000000-0000-4000-8000-000000000000".to_owned(),
        format!("/api/v1/webhooks/slack/{ci}"),
    ] {
        send(&api, &nowhere, Some(SECRET), body)
            .await
            .refused(404, "not_found");
    }
    assert!(open(&api).await.is_empty());
}

#[tokio::test]
async fn the_seeds_jenkins_webhook_finds_its_integration_by_the_token() {
    let api = Api::start().await;
    api.jenkins("ci").await;
    let mut other = jenkins_body("other");
    other["credentials"]["webhookSecret"] = json!("s3cret-of-the-other-one-42");
    let other = api.post("/integrations/ci-cd", &other).await.is(201);
    let body = json!({"buildNumber": 245, "status": "SUCCESS", "artifactUrl": "s3://builds/ios-245.ipa"})
        .to_string();
    send(
        &api,
        "/api/v1/webhooks/jenkins",
        Some("s3cret-of-the-other-one-42"),
        &body,
    )
    .await
    .is(202);
    let stored = open(&api).await;
    assert_eq!(stored.len(), 1);
    assert_eq!(
        stored[0].integration.unwrap().to_string(),
        other["id"].as_str().unwrap()
    );
    assert_eq!(stored[0].payload["objects"], json!(["245"]));
}

#[tokio::test]
async fn slack_gets_its_word_back() {
    let api = Api::start().await;
    let body = json!({
        "provider": "slack", "name": "chat", "config": {"channels": {"releases": "C123"}},
        "credentials": {"botToken": "s3cret-bot", "signingSecret": SECRET},
    });
    let made = api.post("/integrations/communication", &body).await.is(201);
    let path = format!("/api/v1/webhooks/slack/{}", made["id"].as_str().unwrap());
    let body = json!({"type": "url_verification", "challenge": "word"}).to_string();
    let time = api.app.clock.now().timestamp().to_string();
    let key = ring_key(SECRET);
    let signature = format!(
        "v0={}",
        hex(key(format!("v0:{time}:{body}").as_bytes()).as_slice())
    );
    let ask = |signature: &str| {
        api.bare("POST", &path)
            .header("x-slack-request-timestamp", &time)
            .header("x-slack-signature", signature)
            .body(body.clone())
            .send()
    };
    assert_eq!(ask(&signature).await.is(200)["challenge"], "word");
    let refused = ask("v0=00").await.refused(401, "unsigned_delivery");
    assert!(!refused.to_string().contains("word\""));
}

fn ring_key(secret: &str) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    move |bytes| ring::hmac::sign(&key, bytes).as_ref().to_vec()
}

#[tokio::test]
async fn a_run_calls_back_by_the_address_it_was_given() {
    let api = Api::on_sqlite().await;
    let key = "0123456789abcdef0123456789abcdef";
    let token = callbacks::token(&api.app, api.tenant.id, key).await.unwrap();
    let path = format!("/api/v1/callbacks/builds/{token}");
    let body = r#"{"status": "SUCCESS", "buildNumber": 7}"#;
    assert_eq!(send(&api, &path, None, body).await.is(202)["repeated"], false);
    assert_eq!(send(&api, &path, None, body).await.is(202)["repeated"], true);
    assert_eq!(send(&api, &path, None, "").await.is(202)["repeated"], false);
    send(&api, &path, None, "{")
        .await
        .refused(400, "malformed_request");
    let stored = open(&api).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].payload["correlations"], json!([key]));
    assert_eq!(stored[0].payload["said"]["buildNumber"], 7);
    assert_eq!(
        (stored[0].tenant, stored[0].source.as_str()),
        (api.tenant.id, "callback")
    );

    // Every changed character makes it somebody else's.
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let found = callbacks::verify(&api.app, &changed).await.unwrap();
        // The last character of each half has bits that say nothing.
        let same = found
            .as_ref()
            .is_some_and(|it| it.correlation == key && it.tenant == api.tenant.id);
        assert!(found.is_none() || same, "{at}");
    }
    for wrong in ["x", "a.b", "AA.AA", &"x".repeat(5_000)] {
        let path = format!("/api/v1/callbacks/builds/{wrong}");
        send(&api, &path, None, body)
            .await
            .refused(401, "callback_not_ours");
    }
    // Another installation signs with another secret.
    let elsewhere = Api::start().await;
    send(&elsewhere, &path, None, body)
        .await
        .refused(401, "callback_not_ours");
    // Sealing anew keeps addresses that are out there.
    keys::rotate(&api.app).await.unwrap();
    assert_eq!(send(&api, &path, None, body).await.is(202)["repeated"], true);
    let setting: Option<String> = api.app.store.setting("callback_secret").await.unwrap();
    assert!(
        serde_json::from_str::<Value>(&setting.unwrap()).is_err(),
        "it is sealed"
    );
}
