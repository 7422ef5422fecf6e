//! How often somebody may ask: by token, by address, by failure, and through which proxies.

use crate::support::{Api, Reply};
use delivr_api::RateLimits;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Served with limits, on a clock that stands still.
async fn limited(limits: RateLimits) -> (Api, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::limited(store, clock.clone(), limits).await;
    (api, clock)
}

fn behind_a_proxy() -> RateLimits {
    RateLimits {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..RateLimits::default()
    }
}

async fn me(api: &Api, role: &str, from: &str) -> Reply {
    api.of(role, "GET", "/me")
        .header("x-forwarded-for", from)
        .send()
        .await
}

#[track_caller]
fn too_many(reply: Reply) -> u64 {
    let wait = reply.headers["retry-after"].parse().unwrap();
    reply.refused(429, "rate_limited");
    wait
}

#[tokio::test]
async fn one_token_is_not_anothers_limit() {
    let limits = RateLimits {
        per_token: 3,
        ..RateLimits::default()
    };
    let (api, clock) = limited(limits).await;
    for _ in 0..3 {
        api.get("/me").await.is(200);
    }
    let wait = too_many(api.get("/services").await);
    assert!((1..=20).contains(&wait), "{wait}");
    api.of("MEMBER", "GET", "/me").send().await.is(200);
    // Nothing of a refused request takes place, and it can be sent again as it was.
    let body = json!({"slug": "late", "name": "late"});
    let refused = api
        .of("OWNER", "POST", "/services")
        .header("idempotency-key", "late")
        .json(&body)
        .send()
        .await;
    too_many(refused);
    clock.advance(Duration::from_secs(wait));
    let made = api
        .of("OWNER", "POST", "/services")
        .header("idempotency-key", "late")
        .json(&body)
        .send()
        .await;
    assert!(!made.headers.contains_key("idempotent-replayed"));
    made.is(201);
}

#[tokio::test]
async fn one_address_is_not_anothers_limit_and_probes_have_none() {
    let limits = RateLimits {
        per_address: 2,
        ..behind_a_proxy()
    };
    let (api, clock) = limited(limits).await;
    for _ in 0..2 {
        me(&api, "OWNER", "192.0.2.1").await.is(200);
    }
    too_many(me(&api, "MEMBER", "192.0.2.1").await);
    // What the client itself wrote into the header does not help it.
    too_many(me(&api, "OWNER", "203.0.113.77, 192.0.2.1").await);
    me(&api, "OWNER", "192.0.2.2").await.is(200);
    for _ in 0..5 {
        let alive = api.bare("GET", "/health").header("x-forwarded-for", "192.0.2.1");
        alive.send().await.is(200);
    }
    clock.advance(Duration::from_secs(30));
    me(&api, "OWNER", "192.0.2.1").await.is(200);
}

#[tokio::test]
async fn without_trusted_proxies_the_header_is_a_text_and_this_machine_has_no_limit() {
    let limits = RateLimits {
        per_address: 1,
        ..RateLimits::default()
    };
    let (api, _clock) = limited(limits).await;
    for _ in 0..5 {
        me(&api, "OWNER", "192.0.2.1").await.is(200);
    }
}

#[tokio::test]
async fn failed_authentications_are_limited_before_the_database_is_asked() {
    let limits = RateLimits {
        failures: 2,
        ..behind_a_proxy()
    };
    let (api, clock) = limited(limits).await;
    let bad = |from: &'static str| {
        api.bare("GET", "/api/v1/me")
            .header("x-api-key", "dlv_none")
            .header("x-forwarded-for", from)
            .send()
    };
    me(&api, "OWNER", "192.0.2.1").await.is(200);
    for _ in 0..3 {
        bad("192.0.2.1").await.refused(401, "unauthenticated");
    }
    let wait = too_many(bad("192.0.2.1").await);
    // A colleague behind the same address whose token was good before goes on; one who is new waits.
    me(&api, "OWNER", "192.0.2.1").await.is(200);
    too_many(me(&api, "VIEWER", "192.0.2.1").await);
    bad("192.0.2.2").await.refused(401, "unauthenticated");
    clock.advance(Duration::from_secs(wait));
    me(&api, "VIEWER", "192.0.2.1").await.is(200);
    // What needs no credential is not refused for a bad one.
    let open = api.bare("GET", "/api/v1/version").header("x-api-key", "dlv_none");
    open.send().await.is(200);
}

#[tokio::test]
async fn webhooks_have_a_limit_of_their_own() {
    let limits = RateLimits {
        per_address: 1,
        inbound: 3,
        ..behind_a_proxy()
    };
    let (api, clock) = limited(limits).await;
    let deliver = || {
        api.bare("POST", "/api/v1/webhooks/jenkins")
            .header("x-forwarded-for", "192.0.2.1")
            .body("{}")
            .send()
    };
    me(&api, "OWNER", "192.0.2.1").await.is(200);
    too_many(me(&api, "OWNER", "192.0.2.1").await);
    for _ in 0..3 {
        assert_eq!(
            deliver().await.status,
            401,
            "refused for its signature, not for its number"
        );
    }
    too_many(deliver().await);
    clock.advance(Duration::from_secs(20));
    assert_eq!(deliver().await.status, 401);
}
