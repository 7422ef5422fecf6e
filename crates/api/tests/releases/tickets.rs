//! Tickets: a browser's way to the live stream, once.

use crate::support::Api;
use crate::world::World;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn world() -> (World, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    (World::over(Api::with(store, clock.clone()).await).await, clock)
}

async fn ticket(world: &World, role: &str, release: &Value) -> Value {
    let path = format!("{}/events/ticket", World::path(release));
    world.api.of(role, "POST", &path).send().await.is(201)
}

/// Opens what the ticket's own address names, without any credential, and gives the status.
async fn open(world: &World, url: &str) -> reqwest::Response {
    let url = format!("{}{url}", world.api.root);
    world.api.http.get(url).send().await.unwrap()
}

fn url(ticket: &Value) -> &str {
    ticket["url"].as_str().unwrap()
}

#[tokio::test]
async fn a_ticket_opens_its_stream_once() {
    let (world, _clock) = world().await;
    let made = world.made(&world.later("1.0.0")).await;
    let ticket = ticket(&world, "VIEWER", &made).await;
    let from_the_first = format!("{}&lastEventId=0", url(&ticket));
    let (one, other) = tokio::join!(open(&world, &from_the_first), open(&world, &from_the_first));
    let mut statuses = [one.status().as_u16(), other.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "of two at the same time one hears");
    let heard = if one.status().is_success() { one } else { other };
    let mut bytes = heard.bytes_stream();
    let mut text = String::new();
    while !text.contains("event: RELEASE_CREATED") {
        text.push_str(std::str::from_utf8(&bytes.next().await.unwrap().unwrap()).unwrap());
    }
    assert_eq!(open(&world, url(&ticket)).await.status(), 401, "and nobody later");
}

#[tokio::test]
async fn a_ticket_is_good_for_a_minute_for_its_release_and_for_nothing_else() {
    let (world, clock) = world().await;
    let made = world.made(&world.later("1.0.0")).await;
    let noise = world.made(&world.later("1.1.0")).await;
    let first = ticket(&world, "VIEWER", &made).await;
    let word = first["ticket"].as_str().unwrap();
    let id = |release: &Value| release["id"].as_str().unwrap().to_owned();
    for (path, status) in [
        (
            format!("/api/v1/releases/{}/events?ticket={word}", id(&noise)),
            401,
        ),
        (format!("/api/v1/releases/{}?ticket={word}", id(&made)), 401),
        (format!("/api/v1/me?ticket={word}"), 401),
        (
            format!("/api/v1/releases/{}/events?ticket={word}0", id(&made)),
            401,
        ),
        (format!("/api/v1/releases/{}/events?ticket=dlt_x", id(&made)), 401),
        (
            format!(
                "/api/v1/tenants/other/releases/{}/events?ticket={word}",
                id(&made)
            ),
            404,
        ),
    ] {
        assert_eq!(open(&world, &path).await.status(), status, "{path}");
    }
    // The last of them spent it: a ticket shown in a wrong place is not good in the right one any more.
    let second = ticket(&world, "VIEWER", &made).await;
    clock.advance(Duration::from_secs(61));
    assert_eq!(open(&world, url(&second)).await.status(), 401);
    let third = ticket(&world, "VIEWER", &made).await;
    clock.advance(Duration::from_secs(59));
    assert_eq!(open(&world, url(&third)).await.status(), 200);
}

#[tokio::test]
async fn a_ticket_is_no_more_than_its_token() {
    let (world, clock) = world().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = format!("{}/events/ticket", World::path(&made));
    world
        .api
        .bare("POST", &format!("/api/v1{path}"))
        .send()
        .await
        .refused(401, "unauthenticated");
    world
        .api
        .of("OTHER", "POST", &path)
        .send()
        .await
        .refused(404, "not_found");
    // The secret is shown once, to repetitions too.
    let asked = || {
        world
            .api
            .of("VIEWER", "POST", &path)
            .header("idempotency-key", "t")
            .send()
    };
    asked().await.is(201);
    asked().await.refused(409, "secret_already_shown");
    let body = json!({"name": "listener", "role": "VIEWER"});
    let token = world.api.post("/tokens", &body).await.is(201);
    let secret = token["token"].as_str().unwrap();
    let issue = || async {
        let bare = world.api.bare("POST", &format!("/api/v1{path}"));
        bare.header("x-api-key", secret).send().await.is(201)
    };
    let (opened, unused) = (issue().await, issue().await);
    let mut stream = open(&world, url(&opened)).await.bytes_stream();
    assert!(stream.next().await.unwrap().is_ok());
    let revoke = format!("/tokens/{}", token["id"].as_str().unwrap());
    world.api.delete(&revoke).await.is(204);
    assert_eq!(open(&world, url(&unused)).await.status(), 401);
    // And the stream that is open ends when it looks again.
    for _ in 0..60 {
        clock.advance(Duration::from_secs(1));
        match tokio::time::timeout(Duration::from_millis(50), stream.next()).await {
            Ok(None) => return,
            Ok(Some(part)) => assert!(part.is_ok()),
            Err(_) => {}
        }
    }
    panic!("a revoked token still listens by its ticket");
}
