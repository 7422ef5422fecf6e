//! How it goes with integrations: what the vendor answers is shown to its organisation, whichever process asked.

use crate::support::Api;
use chrono::{DateTime, TimeDelta, Utc};
use delivr_domain::ports::store::Store;
use delivr_provider_kit::SystemClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A vendor that answers everything with the same head and body, until told otherwise.
struct Vendor {
    url: String,
    answer: Arc<Mutex<String>>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(String::new()));
        let told = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 65536];
                let _ = stream.read(&mut buffer).await;
                let text = told.lock().unwrap().clone();
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        Self { url, answer }
    }

    fn says(&self, head: &str, body: &str) {
        let length = body.len();
        *self.answer.lock().unwrap() = format!(
            "HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
    }
}

/// That there is no such repository is an answer: the vendor works, and so does the credential.
const NOT_THERE: &str = r#"{"message": "Not Found"}"#;
const SECRET: &str = "ghp_canary0123456789012345678901234567";

async fn connected(api: &Api, vendor: &Vendor) -> String {
    let body = json!({
        "provider": "github", "name": "repository",
        "config": {"owner": "shop", "repository": "app", "baseUrl": vendor.url},
        "credentials": {"token": SECRET},
    });
    let made = api.post("/integrations/scm", &body).await.is(201);
    for none in ["lastCall", "lastAnsweredAt", "failing", "credential"] {
        assert_eq!(made[none], Value::Null, "{none}");
    }
    assert_eq!(made["quota"], json!([]));
    format!("/integrations/scm/{}", made["id"].as_str().unwrap())
}

fn limits(remaining: u32, ends: DateTime<Utc>) -> String {
    format!(
        "x-ratelimit-limit: 5000\r\nx-ratelimit-remaining: {remaining}\r\nx-ratelimit-reset: {}\r\n\
         x-ratelimit-resource: core\r\ngithub-authentication-token-expiration: {}",
        (Utc::now() + TimeDelta::minutes(30)).timestamp(),
        ends.format("%Y-%m-%d %H:%M:%S UTC"),
    )
}

fn named<'a>(said: &'a Value, what: &str) -> Option<&'a Value> {
    let checks = said["checks"].as_array().unwrap();
    checks.iter().find(|it| it["what"] == what)
}

#[tokio::test]
async fn the_last_call_the_quota_and_the_end_of_the_credential_are_shown() {
    let vendor = Vendor::start().await;
    let api = Api::on_sqlite().await;
    let path = connected(&api, &vendor).await;
    let verify = format!("{path}/verify");
    let ends = Utc::now() + TimeDelta::days(3);
    vendor.says(
        &format!(
            "404 Not Found\r\n{}",
            limits(4_000, Utc::now() + TimeDelta::days(90))
        ),
        "{}",
    );
    api.post(&verify, &json!({})).await;
    let seen = api.get(&path).await.is(200);
    assert_eq!(seen["lastCall"]["outcome"], "ANSWERED", "{seen:#}");
    assert_eq!(
        (
            &seen["quota"][0]["name"],
            &seen["quota"][0]["remaining"],
            &seen["quota"][0]["low"]
        ),
        (&json!("core"), &json!(4_000), &json!(false))
    );
    assert_eq!(seen["credential"]["expires"], "LATER");
    assert_eq!(seen["failing"], Value::Null);
    let said = api.get("/doctor").await.is(200);
    assert!(named(&said, "calls are left").is_none() && named(&said, "credential lasts").is_none());

    vendor.says(&format!("404 Not Found\r\n{}", limits(499, ends)), NOT_THERE);
    api.post(&verify, &json!({})).await;
    let seen = api.get(&path).await.is(200);
    assert_eq!(seen["quota"][0]["low"], true, "{seen:#}");
    assert_eq!(seen["credential"]["expires"], "SOON");
    let told: DateTime<Utc> = seen["credential"]["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(told.timestamp(), ends.timestamp());
    let said = api.get("/doctor").await.is(200);
    for what in ["calls are left", "credential lasts"] {
        assert_eq!(named(&said, what).unwrap()["outcome"], "DEGRADED", "{what}");
    }

    // Refused: the vendor's words are told, without the secret, and the failures are counted.
    let answered = seen["lastAnsweredAt"].clone();
    vendor.says(
        "401 Unauthorized",
        &format!("{{\"message\": \"Bad credentials {SECRET}\"}}"),
    );
    for _ in 0..2 {
        api.post(&verify, &json!({})).await;
    }
    let reply = api.get(&path).await;
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    let seen = reply.is(200);
    assert_eq!(seen["lastCall"]["outcome"], "REFUSED", "{seen:#}");
    assert!(seen["lastCall"]["detail"].is_string());
    assert!(
        seen["lastCall"]["vendor"]
            .as_str()
            .unwrap()
            .contains("Bad credentials")
    );
    assert_eq!(seen["lastAnsweredAt"], answered);
    assert!(seen["failing"]["calls"].as_u64().unwrap() >= 2, "{seen:#}");
    assert_eq!(
        seen["quota"][0]["remaining"], 499,
        "what it said before still counts"
    );

    // An ended credential is told as such.
    vendor.says(
        &format!(
            "404 Not Found\r\n{}",
            limits(4_000, Utc::now() - TimeDelta::days(1))
        ),
        "{}",
    );
    api.post(&verify, &json!({})).await;
    let seen = api.get(&path).await.is(200);
    assert_eq!(seen["credential"]["expires"], "OVER", "{seen:#}");
    assert_eq!(seen["failing"], Value::Null);
    let said = api.get("/doctor").await.is(200);
    assert_eq!(named(&said, "credential lasts").unwrap()["outcome"], "MISSING");

    // A new credential: what was said of the old one is not said of it.
    let body = json!({"credentials": {"token": "ghp_another0123456789012345678901234567"}});
    let seen = api.put(&path, &body).await.is(200);
    assert_eq!(seen["credential"], Value::Null);
}

async fn is_seen_by_every_process_of_its_tenant(store: Arc<dyn Store>) {
    let vendor = Vendor::start().await;
    let api = Api::over(store.clone()).await;
    let path = connected(&api, &vendor).await;
    vendor.says(
        &format!(
            "404 Not Found\r\n{}",
            limits(4_000, Utc::now() + TimeDelta::days(90))
        ),
        "{}",
    );
    api.post(&format!("{path}/verify"), &json!({})).await;
    let tenant = api.tenant.id;
    assert!(
        store.health(tenant).await.unwrap().is_empty(),
        "a call costs no commit"
    );
    let gathered = api.app.connections.health();
    assert_eq!(gathered.write(store.as_ref()).await.unwrap(), 1);
    assert_eq!(
        gathered.write(store.as_ref()).await.unwrap(),
        0,
        "it is written once"
    );
    let before = api.get(&path).await.is(200);
    assert_eq!(before["lastCall"]["outcome"], "ANSWERED");
    // Another process of the installation, which has called nobody.
    let other = delivr_app::connections::cache();
    let seen = other.health().health(store.as_ref(), tenant).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen.values().next().unwrap().quotas["core"].remaining, 4_000);
    // Another organisation sees nothing of it.
    assert!(
        other
            .health()
            .health(store.as_ref(), api.other.id)
            .await
            .unwrap()
            .is_empty()
    );
    api.of("OTHER", "GET", &path)
        .send()
        .await
        .refused(404, "not_found");
    // It goes with the integration, also what comes late.
    vendor.says("503 Unavailable", "{}");
    api.post(&format!("{path}/verify"), &json!({})).await;
    api.delete(&path).await;
    gathered.write(store.as_ref()).await.unwrap();
    assert!(store.health(tenant).await.unwrap().is_empty());
}

#[tokio::test]
async fn sqlite_shows_the_health_of_integrations_to_every_process_of_its_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("delivr.db").display());
    is_seen_by_every_process_of_its_tenant(Api::sql(&url).await).await;
}

#[tokio::test]
async fn memory_shows_the_health_of_integrations_to_every_process_of_its_tenant() {
    is_seen_by_every_process_of_its_tenant(Arc::new(MemoryStore::new(Arc::new(SystemClock)))).await;
}
