//! The calendar and its links: what is in them, for whom, and for how long.

use crate::support::{Api, Reply};
use crate::world::World;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn link(api: &Api, role: &str, name: &str) -> Value {
    let ask = api.of(role, "POST", "/calendar/links");
    ask.json(&json!({"name": name})).send().await.is(201)
}

async fn read(api: &Api, url: &str) -> Reply {
    api.bare("GET", url).send().await
}

/// A release with a slot and a target date, whose texts can be searched for.
async fn planned(world: &World, version: &str) -> Value {
    let mut body = world.later(version);
    body["title"] = json!("Secret title");
    body["description"] = json!("Secret words");
    body["pilot"] = json!("ada@example.org");
    body["slots"] = json!([{"at": world.at(48 * 60)}]);
    body["targetDate"] = json!(world.at(72 * 60));
    world.made(&body).await
}

#[tokio::test]
async fn a_span_shows_what_is_under_way_in_it() {
    for world in [World::new().await, World::on_sqlite().await] {
        let made = planned(&world, "1.0.0").await;
        let gone = world.made(&world.later("2.0.0")).await;
        let body = json!({"reason": "not wanted"});
        world.act(&gone, "archive", &body).await.is(200);
        let found = world.api.get("/calendar").await.is(200);
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "what was called off is in no calendar: {found}");
        for name in [
            "id",
            "key",
            "version",
            "title",
            "serviceSlug",
            "pilot",
            "kickoffAt",
            "targetDate",
        ] {
            assert_eq!(items[0][name], made[name], "{name}");
        }
        assert_eq!(
            (&items[0]["endedAt"], &found["more"]),
            (&Value::Null, &json!(false))
        );
        assert_eq!(items[0]["slots"].as_array().unwrap().len(), 1);
        // It reaches from today, where it is planned, to its target date.
        let asked = |from: i64, to: i64| {
            let (from, to) = (world.at(from * 24 * 60), world.at(to * 24 * 60));
            format!(
                "/calendar?from={}&to={}",
                from.replace('+', "%2B"),
                to.replace('+', "%2B")
            )
        };
        for (from, to, count) in [(0, 2, 1), (2, 9, 1), (4, 9, 0), (-9, 0, 0)] {
            let found = world.api.get(&asked(from, to)).await.is(200);
            assert_eq!(
                found["items"].as_array().unwrap().len(),
                count,
                "{from} to {to}: {found}"
            );
        }
        let nothing = "/calendar?from=2026-03-04T00:00:00Z&to=2026-03-04T00:00:00Z";
        world.api.get(nothing).await.wrong_at("/to");
        world.api.get(&asked(0, 401)).await.wrong_at("/to");
        world
            .api
            .get("/calendar?from=%2B262142-12-01T00:00:00Z")
            .await
            .wrong_at("/from");
        let other = world.api.of("OTHER", "GET", "/calendar").send().await.is(200);
        assert_eq!(other["items"], json!([]));
    }
}

#[tokio::test]
async fn a_link_opens_the_dates_and_nothing_else() {
    for world in [World::new().await, World::on_sqlite().await] {
        let api = &world.api;
        let made = planned(&world, "1.0.0").await;
        let mine = link(api, "MEMBER", "Team").await;
        let url = mine["url"].as_str().unwrap();
        let reply = read(api, url).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        for (name, value) in [
            ("content-type", "text/calendar; charset=utf-8"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
        ] {
            assert_eq!(reply.headers[name], value);
        }
        let text = &reply.text;
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 3, "{text}");
        let key = made["key"].as_str().unwrap();
        for what in ["kickoff", "regression slot", "target date"] {
            assert!(
                text.contains(&format!("SUMMARY:shop-app 1.0.0: {what} ({key})")),
                "{text}"
            );
        }
        for secret in ["Secret", "ada@", "example.org", "dlc_"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        // The same things have the same names at every reading, or calendars would double them.
        assert_eq!(&read(api, url).await.text, text);
        let credential = api.of("VIEWER", "GET", "/calendar.ics").send().await;
        assert_eq!(&credential.text, text);
        api.bare("GET", "/api/v1/calendar.ics")
            .send()
            .await
            .refused(401, "unauthenticated");

        // The secret is no credential, and a credential is no link.
        let secret = url.split_once("link=").unwrap().1;
        let header = format!("Bearer {secret}");
        let me = api.bare("GET", "/api/v1/me").header("authorization", &header);
        me.send().await.refused(401, "unauthenticated");
        for wrong in [
            api.tokens["OWNER"].as_str(),
            "",
            "dlc_",
            &secret[..secret.len() - 1],
            &secret.replacen("dlc_", "dlv_", 1),
        ] {
            let reply = read(api, &format!("/api/v1/calendar.ics?link={wrong}")).await;
            reply.refused(404, "not_found");
        }
        let flipped = if secret.ends_with('0') { '1' } else { '0' };
        let changed = format!("{}{flipped}", &secret[..secret.len() - 1]);
        let reply = read(api, &format!("/api/v1/calendar.ics?link={changed}")).await;
        reply.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_link_is_of_one_tenant() {
    let world = World::new().await;
    let api = &world.api;
    planned(&world, "1.0.0").await;
    let theirs = link(api, "OTHER", "Theirs").await;
    let url = theirs["url"].as_str().unwrap();
    let text = read(api, url).await.text;
    assert!(
        text.contains("BEGIN:VCALENDAR") && !text.contains("VEVENT"),
        "{text}"
    );
    // Under the name of our tenant it is nothing, and nobody of ours sees or revokes it.
    let ours = url.replacen("/api/v1/", "/api/v1/tenants/shop/", 1);
    read(api, &ours).await.refused(404, "not_found");
    let own = url.replacen("/api/v1/", "/api/v1/tenants/other/", 1);
    assert_eq!(read(api, &own).await.status, 200);
    assert_eq!(api.get("/calendar/links").await.is(200)["items"], json!([]));
    let path = format!("/calendar/links/{}", theirs["id"].as_str().unwrap());
    api.delete(&path).await.refused(404, "not_found");
    assert_eq!(read(api, url).await.status, 200);
}

#[tokio::test]
async fn a_link_ends_when_it_is_revoked_and_with_its_time() {
    let clock = Arc::new(FakeClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::with(store, clock.clone()).await;
    let forever = link(&api, "MEMBER", "Team").await;
    let soon = clock_after(&api, 60);
    let body = json!({"name": "An hour", "expiresAt": soon});
    let short = api
        .of("MEMBER", "POST", "/calendar/links")
        .json(&body)
        .send()
        .await
        .is(201);
    let url = |link: &Value| {
        link["url"]
            .as_str()
            .unwrap()
            .replace("https://delivr.example/base", "")
    };
    assert!(
        forever["url"]
            .as_str()
            .unwrap()
            .starts_with("https://delivr.example/base/api/v1/calendar.ics?link=dlc_")
    );
    for link in [&forever, &short] {
        assert_eq!(read(&api, &url(link)).await.status, 200);
    }
    clock.advance(Duration::from_secs(3_700));
    read(&api, &url(&short)).await.refused(404, "not_found");
    assert_eq!(read(&api, &url(&forever)).await.status, 200);
    // What was shown is not shown again, and the lists tell no secret.
    let listed = api.of("MEMBER", "GET", "/calendar/links").send().await;
    assert!(
        !listed.text.contains("dlc_") && !listed.text.contains("digest"),
        "{}",
        listed.text
    );
    assert_eq!(listed.is(200)["items"].as_array().unwrap().len(), 2);
    // A link stands among what opens something.
    let tokens = api.get("/tokens").await.is(200);
    let roles: Vec<&str> = tokens["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles.iter().filter(|role| **role == "CALENDAR").count(), 2);
    // It takes no name from a token.
    let token = json!({"name": "Team", "role": "VIEWER", "person": "member@example.org"});
    api.post("/tokens", &token).await.is(201);
    let path = format!("/calendar/links/{}", forever["id"].as_str().unwrap());
    api.of("MEMBER", "DELETE", &path).send().await.is(204);
    read(&api, &url(&forever)).await.refused(404, "not_found");
    let past = json!({"name": "x", "expiresAt": "2001-01-01T00:00:00Z"});
    api.post("/calendar/links", &past).await.refused(422, "past_date");
    api.post("/calendar/links", &json!({"name": " "}))
        .await
        .wrong_at("/name");
}

fn clock_after(api: &Api, minutes: i64) -> String {
    (api.app.clock.now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339()
}

#[tokio::test]
async fn a_link_belongs_to_who_made_it() {
    let api = Api::start().await;
    let body = json!({"name": "x"});
    let viewer = api.of("VIEWER", "POST", "/calendar/links");
    viewer.json(&body).send().await.refused(403, "role_too_low");
    let owners = link(&api, "OWNER", "The owner's").await;
    let service = link(&api, "SERVICE", "A service's").await;
    let mine = link(&api, "MEMBER", "Mine").await;
    let names = |reply: Reply| {
        let body = reply.is(200);
        let items = body["items"].as_array().unwrap();
        let mut names: Vec<String> = items
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let seen = api.of("MEMBER", "GET", "/calendar/links").send().await;
    assert_eq!(names(seen), ["Mine"]);
    let seen = api.of("ADMIN", "GET", "/calendar/links").send().await;
    assert_eq!(names(seen), ["A service's", "Mine", "The owner's"]);
    for link in [&owners, &service] {
        let path = format!("/calendar/links/{}", link["id"].as_str().unwrap());
        api.of("MEMBER", "DELETE", &path)
            .send()
            .await
            .refused(404, "not_found");
    }
    // Not every token is a link.
    let tokens = api.get("/tokens").await.is(200);
    let token = tokens["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["role"] == "VIEWER")
        .unwrap();
    let path = format!("/calendar/links/{}", token["id"].as_str().unwrap());
    api.delete(&path).await.refused(404, "not_found");
    let path = format!("/calendar/links/{}", mine["id"].as_str().unwrap());
    api.of("ADMIN", "DELETE", &path).send().await.is(204);
    // A repetition does not show the secret again.
    let ask = || {
        api.of("MEMBER", "POST", "/calendar/links")
            .header("idempotency-key", "k1")
            .json(&body)
            .send()
    };
    let first = ask().await.is(201);
    assert!(first["url"].is_string());
    let again = ask().await;
    assert_eq!(again.status, 409, "{}", again.text);
    assert!(!again.text.contains("dlc_"), "{}", again.text);
}

#[tokio::test]
async fn a_span_has_what_begins_in_it_however_many_are_planned_for_later() {
    let world = World::new().await;
    world.made(&world.later("1.0.0")).await;
    for minor in 1..=52 {
        let mut body = world.later(&format!("1.{minor}.0"));
        body["kickoffAt"] = json!(world.at(100 * 24 * 60));
        world.made(&body).await;
    }
    let seen = world.api.get("/calendar").await.is(200);
    let keys: Vec<&str> = seen["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["key"].as_str().unwrap())
        .collect();
    assert_eq!((keys, &seen["more"]), (vec!["REL-1"], &json!(false)));
}
