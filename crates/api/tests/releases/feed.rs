//! The feed and the live stream.

use crate::support::Api;
use crate::world::World;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::samples;
use delivr_testkit::memory::MemoryStore;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn the_feed_is_paged_from_the_newest_to_the_first() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    world.act(&made, "pause", &json!({"note": "a"})).await.is(200);
    world.act(&made, "resume", &json!({})).await.is(200);
    world
        .api
        .patch(&World::path(&made), &json!({"title": "B"}))
        .await
        .is(200);
    for base in [
        "/activities".to_owned(),
        format!("{}/activities", World::path(&made)),
    ] {
        let mut kinds = Vec::new();
        let mut positions = BTreeSet::new();
        let mut cursor = String::new();
        for _ in 0..10 {
            let page = world.api.get(&format!("{base}?limit=3{cursor}")).await.is(200);
            for item in page["items"].as_array().unwrap() {
                kinds.push(item["kind"].as_str().unwrap().to_owned());
                assert!(positions.insert(item["position"].as_i64().unwrap()), "{item}");
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(
            kinds,
            ["RELEASE_EDITED", "HOLD_LIFTED", "HOLD_PLACED", "RELEASE_CREATED"],
            "{base}"
        );
    }
    world.api.get("/activities?cursor=x").await.wrong_at("/cursor");
    assert_eq!(
        world.api.of("OTHER", "GET", "/activities").send().await.is(200)["items"],
        json!([])
    );
}

/// However long a page is, so many events are looked through for it and no more; the rest is offered.
#[tokio::test]
async fn a_search_for_nothing_ends_and_leads_on() {
    let world = World::new().await;
    let (store, tenant) = (&world.api.app.store, world.api.tenant.id);
    let owner = samples::release_id("much happened");
    let events: Vec<_> = (1..=2_100).map(|number| samples::event(owner, number)).collect();
    let mut unit = store.begin().await.unwrap();
    unit.append(tenant, &events).await.unwrap();
    unit.commit().await.unwrap();
    let newest = store.feed_backwards(tenant, None, 1).await.unwrap()[0].position;
    for limit in [1, 50, 200] {
        let path = format!("/activities?kind=NEVER_HAPPENED&limit={limit}");
        let page = world.api.get(&path).await.is(200);
        assert_eq!(page["items"], json!([]));
        let cursor = page["nextCursor"].as_str().unwrap();
        assert_eq!(cursor, (newest - 1_999).to_string(), "in pages of {limit}");
        let rest = world.api.get(&format!("{path}&cursor={cursor}")).await.is(200);
        assert_eq!((&rest["items"], &rest["nextCursor"]), (&json!([]), &json!(null)));
    }
}

#[tokio::test]
async fn the_feed_is_narrowed_as_the_pages_narrow_it() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    world
        .act(&made, "pause", &json!({"note": "a Needle"}))
        .await
        .is(200);
    let resumed = world
        .api
        .of("ADMIN", "POST", &format!("{}/resume", World::path(&made)))
        .json(&json!({}));
    resumed.send().await.is(200);
    let kinds = async |query: &str| -> Vec<String> {
        let page = world.api.get(&format!("/activities?{query}")).await.is(200);
        let items = page["items"].as_array().unwrap().iter();
        items.map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
    };
    let (lifted, placed, created) = ("HOLD_LIFTED", "HOLD_PLACED", "RELEASE_CREATED");
    assert_eq!(kinds("q=needle").await, [lifted, placed]);
    // Found by the words of the pages too, which are no others here than a capital letter.
    assert_eq!(kinds("q=Held").await, [lifted, placed]);
    assert_eq!(kinds("kind=HOLD_PLACED").await, [placed]);
    assert_eq!(kinds("actor=ADMIN%40").await, [lifted]);
    assert_eq!(kinds("of=RELEASE&actor=owner").await, [placed, created]);
    assert_eq!(kinds("of=ROLLOUT").await, [""; 0]);
    let at = world.api.get("/activities").await.is(200)["items"][2]["at"]
        .as_str()
        .unwrap()
        .to_owned();
    let day = &at[..10];
    assert_eq!(kinds(&format!("since={day}&until={day}")).await.len(), 3);
    assert_eq!(kinds("until=2001-01-01").await, [""; 0]);
    assert_eq!(kinds("since=9000-01-01").await, [""; 0]);
    // Page by page, nothing twice and nothing left out.
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..5 {
        let page = world
            .api
            .get(&format!("/activities?limit=1&q=needle{cursor}"))
            .await
            .is(200);
        let items = page["items"].as_array().unwrap().iter();
        seen.extend(items.map(|it| it["kind"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [lifted, placed]);
    let other = world
        .api
        .of("OTHER", "GET", "/activities?q=needle")
        .send()
        .await
        .is(200);
    assert_eq!(other["items"], json!([]));
    for wrong in ["of=NONSENSE", "since=yesterday", "until=x", "colour=red"] {
        let refused = world.api.get(&format!("/activities?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }
}

#[tokio::test]
async fn what_happened_is_told_with_its_release_and_narrowed_to_one() {
    let world = World::new().await;
    let one = world.made(&world.later("1.0.0")).await;
    let two = world.made(&world.later("2.0.0")).await;
    world.act(&one, "pause", &json!({"note": "a"})).await.is(200);
    world.act(&two, "pause", &json!({"note": "b"})).await.is(200);
    world.act(&one, "resume", &json!({})).await.is(200);
    let told = async |path: &str| -> Vec<(String, String)> {
        let page = world.api.get(path).await.is(200);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|it| (text(&it["kind"]), text(&it["release"]["key"])))
            .collect()
    };
    let keys: Vec<String> = told("/activities")
        .await
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    assert_eq!(keys, ["REL-1", "REL-2", "REL-1", "REL-2", "REL-1"]);
    let ours = [
        ("HOLD_LIFTED", "REL-1"),
        ("HOLD_PLACED", "REL-1"),
        ("RELEASE_CREATED", "REL-1"),
    ]
    .map(|(kind, key)| (kind.to_owned(), key.to_owned()));
    let id = one["id"].as_str().unwrap();
    assert_eq!(told("/activities?release=REL-1").await, ours);
    assert_eq!(told(&format!("/activities?release={id}")).await, ours);
    assert_eq!(told(&format!("{}/activities", World::path(&one))).await, ours);
    assert_eq!(
        told("/activities?release=REL-1&kind=HOLD_PLACED").await,
        ours[1..2]
    );
    assert_eq!(told("/activities?release=REL-77").await, []);
    assert_eq!(told("/activities?release=nonsense").await, []);
    // From page to page.
    let first = world.api.get("/activities?release=REL-1&limit=2").await.is(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = told(&format!("/activities?release=REL-1&limit=2&cursor={cursor}")).await;
    assert_eq!(rest, ours[2..]);
    // Somebody else's release is nobody's.
    for name in ["REL-1", id] {
        let path = format!("/activities?release={name}");
        let theirs = world.api.of("OTHER", "GET", &path).send().await.is(200);
        assert_eq!(theirs["items"], json!([]), "{name}");
    }
}

/// Reads the stream until so many events came, and gives id, event and data of each.
pub(crate) async fn listen(
    world: &World,
    path: &str,
    last: Option<i64>,
    count: usize,
) -> Vec<(i64, String, Value)> {
    listen_telling(world, path, last, count, None).await
}

/// The same, saying when the first event came.
async fn listen_telling(
    world: &World,
    path: &str,
    last: Option<i64>,
    count: usize,
    mut first: Option<tokio::sync::oneshot::Sender<()>>,
) -> Vec<(i64, String, Value)> {
    let mut request = world
        .api
        .http
        .get(format!("{}/api/v1{path}", world.api.root))
        .bearer_auth(&world.api.tokens["VIEWER"]);
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut bytes = response.bytes_stream();
    let mut received: Vec<u8> = Vec::new();
    loop {
        // The last block may be half of one, even in the middle of a character.
        let whole = received.windows(2).rposition(|two| two == b"\n\n").unwrap_or(0);
        let text = std::str::from_utf8(&received[..whole]).unwrap();
        let events: Vec<(i64, String, Value)> = text.split("\n\n").filter_map(event).collect();
        if !events.is_empty()
            && let Some(first) = first.take()
        {
            first.send(()).unwrap();
        }
        if events.len() >= count {
            return events;
        }
        match bytes.next().await {
            Some(part) => received.extend_from_slice(&part.unwrap()),
            None => panic!("the stream ended: {text}"),
        }
    }
}

fn event(block: &str) -> Option<(i64, String, Value)> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let data = serde_json::from_str(field("data: ")?).unwrap();
    Some((
        field("id: ")?.parse().unwrap(),
        field("event: ")?.to_owned(),
        data,
    ))
}

#[tokio::test]
async fn the_stream_goes_on_where_a_client_stopped() {
    let world = World::on_sqlite().await;
    let made = world.made(&world.later("1.0.0")).await;
    let noise = world.made(&world.later("1.1.0")).await;
    let path = format!("{}/events", World::path(&made));
    // From the beginning, past the other release's events.
    world.act(&noise, "pause", &json!({})).await.is(200);
    world.act(&made, "pause", &json!({})).await.is(200);
    let seen = listen(&world, &path, Some(0), 2).await;
    let kinds: Vec<&str> = seen.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(kinds, ["RELEASE_CREATED", "HOLD_PLACED"]);
    assert_eq!(seen[1].2["ownerId"], made["id"]);
    assert_eq!(seen[1].2["position"], json!(seen[1].0));
    // On after the last one: only what came since.
    let next = listen(&world, &path, Some(seen[1].0), 1);
    let act = async {
        world.act(&noise, "resume", &json!({})).await.is(200);
        world.act(&made, "resume", &json!({})).await.is(200)
    };
    let (next, _) = futures_util::future::join(next, act).await;
    assert_eq!(next[0].1, "HOLD_LIFTED");
    assert!(next[0].0 > seen[1].0);
    let bad = world
        .api
        .of("VIEWER", "GET", &path)
        .header("last-event-id", "x")
        .send()
        .await;
    bad.refused(400, "malformed_request");
}

#[tokio::test]
async fn a_place_in_another_history_is_told_and_hides_nothing() {
    for world in [World::new().await, World::on_sqlite().await] {
        let made = world.made(&world.later("1.0.0")).await;
        let path = format!("{}/events", World::path(&made));
        let end = listen(&world, &path, Some(0), 1).await[0].0;
        // The newest one is no stranger.
        let next = listen(&world, &path, Some(end), 1);
        let act = async { world.act(&made, "pause", &json!({})).await.is(200) };
        let (next, _) = futures_util::future::join(next, act).await;
        assert_eq!(next[0].1, "HOLD_PLACED");
        let end = next[0].0;
        let asked = format!("{path}?lastEventId=99999999");
        for (path, last) in [(&path, Some(end + 1)), (&asked, None)] {
            let told = listen(&world, path, last, 1).await;
            assert_eq!((told[0].0, told[0].1.as_str()), (end, "RESET"));
            let given = last.unwrap_or(99_999_999);
            assert_eq!(told[0].2, json!({"lastEventId": given, "position": end}));
        }
        // It goes on with what comes after the newest one.
        let (told, seen) = tokio::sync::oneshot::channel();
        let heard = async {
            let heard = listen_telling(&world, &path, Some(99_999_999), 2, Some(told)).await;
            heard.into_iter().map(|it| it.1).collect::<Vec<_>>()
        };
        let act = async {
            seen.await.unwrap();
            world.act(&made, "resume", &json!({})).await.is(200)
        };
        let (heard, _) = futures_util::future::join(heard, act).await;
        assert_eq!(heard[..2], ["RESET", "HOLD_LIFTED"]);
    }
}

#[tokio::test]
async fn the_stream_ends_when_the_server_closes() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let url = format!("{}/api/v1{}/events", world.api.root, World::path(&made));
    let token = &world.api.tokens["VIEWER"];
    let response = world.api.http.get(url).bearer_auth(token).send().await.unwrap();
    world.api.shared.close();
    // Reading to its end comes back because there is an end.
    let text = response.text().await.unwrap();
    assert!(text.starts_with("retry: 2000"), "{text}");
}

#[tokio::test]
async fn who_loses_the_credential_loses_the_stream_of_a_busy_release() {
    let clock = Arc::new(FakeClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let world = World::over(Api::with(store, clock.clone()).await).await;
    let made = world.made(&world.later("1.0.0")).await;
    let body = json!({"name": "listener", "role": "VIEWER"});
    let token = world.api.post("/tokens", &body).await.is(201);
    let url = format!("{}/api/v1{}/events", world.api.root, World::path(&made));
    let secret = token["token"].as_str().unwrap();
    let response = world.api.http.get(url).bearer_auth(secret).send().await.unwrap();
    let mut bytes = response.bytes_stream();
    assert!(bytes.next().await.unwrap().is_ok());
    let revoke = format!("/tokens/{}", token["id"].as_str().unwrap());
    world.api.delete(&revoke).await.is(204);
    // Something happens every second, so that the stream is never quiet.
    for second in 1..=20 {
        let title = json!({"title": format!("title {second}")});
        world.api.patch(&World::path(&made), &title).await.is(200);
        clock.advance(Duration::from_secs(1));
        let next = loop {
            match tokio::time::timeout(Duration::from_millis(50), bytes.next()).await {
                Ok(next) => break next,
                // It looked just before the event came, and waits for the next look.
                Err(_) => clock.advance(Duration::from_millis(500)),
            }
        };
        match next {
            Some(part) => assert!(part.is_ok()),
            None => return,
        }
    }
    panic!("a revoked token still hears what happens");
}

#[tokio::test]
async fn a_stream_has_no_head_alone() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    for name in ["events", "event%73"] {
        let path = format!("{}/{name}", World::path(&made));
        assert_eq!(world.api.of("VIEWER", "HEAD", &path).send().await.status, 405);
    }
    let head = world.api.of("VIEWER", "HEAD", &World::path(&made)).send().await;
    assert_eq!(head.status, 200);
}
