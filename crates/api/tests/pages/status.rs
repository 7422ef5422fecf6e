//! Status pages: what a link shows without sign-in, what it does not, and when it shows nothing.

use crate::browser::{Browser, form_to};
use crate::headers::sound_as;
use crate::support::{Api, Reply};
use crate::world::{World, task};
use delivr_api::RateLimits;
use delivr_domain::ports::clock::Clock as _;
use delivr_provider_kit::SystemClock;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What nobody outside may read: people, hosts, addresses, secrets.
const HIDDEN: &[&str] = &[
    "@example.org",
    "owner",
    "pilot",
    "jenkins.internal",
    "ci.acme.example",
    "file://",
    "http://",
    "https://",
    "dlv_",
    "s3cret",
    "lunch",
    "Marketing",
    "nowhere",
    "csrf",
    "profile",
    "/releases",
    "/settings",
];

fn path_of(link: &Value) -> String {
    let url = link["url"].as_str().unwrap();
    let path = url.find("/status/").map(|at| &url[at..]).unwrap();
    assert!(path.len() == "/status/dls_".len() + 64, "{url}");
    path.to_owned()
}

/// Nothing is shown, in the same words whatever is wrong.
async fn shows_nothing(api: &Api, path: &str) -> String {
    api.bare("GET", &format!("/api/v1{path}"))
        .send()
        .await
        .refused(404, "not_found");
    let reply = Browser::new(api).get(path).await;
    assert_eq!(reply.status, 404, "{path}: {}", reply.text);
    sound_as(&reply, path, "no-referrer");
    assert_eq!(reply.headers["x-robots-tag"], "noindex, nofollow");
    let said = reply.text.split("<main").nth(1).unwrap();
    said.split("</main>").next().unwrap().to_owned()
}

async fn shown(api: &Api, path: &str) -> (Value, Reply) {
    let data = api.bare("GET", &format!("/api/v1{path}")).send().await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow"),
    ] {
        assert_eq!(data.headers[name], value);
    }
    let page = Browser::new(api).get(path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    sound_as(&page, path, "no-referrer");
    assert_eq!(page.headers["x-robots-tag"], "noindex, nofollow");
    assert!(
        page.text
            .contains("<meta name=\"robots\" content=\"noindex, nofollow\">")
    );
    for text in HIDDEN {
        assert!(!data.text.contains(text), "{text} in {}", data.text);
        let page = page.text.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(text), "{text} on the page: {page}");
    }
    (data.is(200), page)
}

#[tokio::test]
async fn a_link_shows_how_a_release_stands_and_nothing_that_is_not_for_outside() {
    let world = World::new().await;
    let api = &world.api;
    let mut body = world.small("1.4.0");
    body["title"] =
        json!("Wish lists, by ada@example.org, see https://ci.acme.example/job/7 or jenkins.internal");
    body["description"] = json!("for owner@example.org");
    body["pilot"] = json!("pilot@example.org");
    body["baseBranch"] = json!("nowhere");
    body["targetDate"] = json!(world.at(60 * 24));
    let made = world.made(&body).await;
    // A failure whose sentence names the repository, and a pause with a reason.
    world
        .until(&made, |it| task(it, "FORK_BRANCH")["status"] == "FAILED")
        .await;
    world.act(&made, "pause", &json!({"note": "lunch"})).await.is(200);
    let link = json!({"name": "Marketing", "releaseId": made["key"]});
    let link = api
        .of("MEMBER", "POST", "/status-links")
        .json(&link)
        .send()
        .await
        .is(201);
    let (data, page) = shown(api, &path_of(&link)).await;
    let release = &data["releases"][0];
    assert_eq!(
        (&release["key"], &release["stage"], &release["waits"]),
        (&made["key"], &json!("KICKOFF"), &json!("TROUBLE"))
    );
    assert_eq!(
        release["title"],
        "Wish lists, by \u{2026} see \u{2026} or \u{2026}"
    );
    assert_eq!(release["targets"][0]["status"], "PENDING");
    for text in [
        "Delayed by a problem",
        "1.4.0",
        "Preparation",
        "Planned to be out by",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    // The link itself is not told again, to anybody.
    let listed = api.get("/status-links").await;
    let word = path_of(&link).replace("/status/", "");
    assert!(!listed.text.contains(&word), "{}", listed.text);
    assert_eq!(listed.body["items"][0]["madeBy"], "member@example.org");
}

#[tokio::test]
async fn a_link_shows_the_releases_of_its_service_alone() {
    let world = World::new().await;
    let api = &world.api;
    let kept = world.made(&world.later("1.0.0")).await;
    let given_up = world.made(&world.later("1.1.0")).await;
    world
        .act(&given_up, "archive", &json!({"reason": "lunch"}))
        .await
        .is(200);
    let link = json!({"name": "Marketing", "serviceId": world.service});
    let link = api.post("/status-links", &link).await.is(201);
    let (data, page) = shown(api, &path_of(&link)).await;
    assert_eq!(data["service"], "Shop");
    let keys: Vec<&Value> = data["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["key"])
        .collect();
    assert_eq!(keys, [&kept["key"]]);
    assert!(
        page.text.contains("Planned") && !page.text.contains("1.1.0"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_a_link_it_shows_the_same_nothing() {
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::with(store, clock.clone()).await;
    let service = api.service("shop-app").await;
    let link = || async {
        let body = json!({"name": "x", "serviceId": service});
        api.post("/status-links", &body).await.is(201)
    };
    let (good, revoked) = (link().await, link().await);
    let never = shows_nothing(&api, &format!("/status/dls_{}", "0".repeat(64))).await;
    let path = path_of(&good);
    shown(&api, &path).await;
    let mut changed = path.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == '0' { '1' } else { '0' });
    for wrong in [
        changed.as_str(),
        &path[..path.len() - 1],
        &format!("{path}0"),
        &path.to_uppercase().replace("/STATUS/", "/status/"),
        "/status/dls_",
        "/status/x",
        "/status/%2e%2e%2freleases",
        "/status/dls_%27%20or%201=1",
    ] {
        assert_eq!(shows_nothing(&api, wrong).await, never, "{wrong}");
    }
    // Nobody revokes what is another organisation's.
    let id = revoked["id"].as_str().unwrap();
    let revoke = |role: &'static str| api.of(role, "DELETE", &format!("/status-links/{id}")).send();
    revoke("OTHER").await.refused(404, "not_found");
    revoke("VIEWER").await.refused(403, "role_too_low");
    shown(&api, &path_of(&revoked)).await;
    for _ in 0..2 {
        revoke("MEMBER").await.is(204);
        assert_eq!(shows_nothing(&api, &path_of(&revoked)).await, never);
    }
    let other = api.of("OTHER", "GET", "/status-links").send().await.is(200);
    assert_eq!(other["items"], json!([]));
    // Thirty days, and no longer.
    clock.advance(Duration::from_secs(30 * 86_400 - 60));
    shown(&api, &path).await;
    clock.advance(Duration::from_secs(120));
    assert_eq!(shows_nothing(&api, &path).await, never);
}

#[tokio::test]
async fn links_are_made_for_what_there_is_and_for_a_while() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let service = api.service("shop-app").await;
        let at = |days: i64| (api.app.clock.now() + chrono::TimeDelta::days(days)).to_rfc3339();
        let make = |role: &'static str, body: Value| {
            let ask = api.of(role, "POST", "/status-links").json(&body);
            async move { ask.send().await }
        };
        let body = json!({"name": "x", "serviceId": service});
        make("VIEWER", body.clone()).await.refused(403, "role_too_low");
        // Another organisation's service does not exist.
        make("OTHER", body.clone())
            .await
            .refused(422, "unknown_reference");
        make("MEMBER", json!({"name": "x", "releaseId": "REL-7"}))
            .await
            .refused(422, "unknown_reference");
        for wrong in [
            json!({"name": "x"}),
            json!({"name": "x", "serviceId": service, "releaseId": "REL-1"}),
        ] {
            make("MEMBER", wrong).await.wrong_at("/releaseId");
        }
        make("MEMBER", json!({"name": " ", "serviceId": service}))
            .await
            .wrong_at("/name");
        for (days, code) in [(-1, "past_date"), (367, "too_long")] {
            let body = json!({"name": "x", "serviceId": service, "expiresAt": at(days)});
            make("MEMBER", body).await.refused(422, code);
        }
        // Asked twice under one key there is one link, and it is shown once.
        let twice = || {
            let ask = api.of("MEMBER", "POST", "/status-links");
            ask.header("idempotency-key", "once").json(&body).send()
        };
        let first = twice().await.is(201);
        let below = "https://delivr.example/base/status/dls_";
        assert!(first["url"].as_str().unwrap().starts_with(below), "{first}");
        twice().await.refused(409, "secret_already_shown");
        let listed = api.get("/status-links").await.is(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        assert_eq!(listed["items"][0]["id"], first["id"]);
        shown(&api, &path_of(&first)).await;
        // A credential that is none makes no difference to an open page.
        let asked = api.bare("GET", &format!("/api/v1{}", path_of(&first)));
        asked.header("authorization", "Bearer dlv_0").send().await.is(200);
    }
}

#[tokio::test]
async fn whoever_tries_links_is_limited_like_everybody() {
    let limits = RateLimits {
        per_address: 3,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..RateLimits::default()
    };
    let api = Api::limited(
        Arc::new(MemoryStore::new(Arc::new(SystemClock))),
        Arc::new(SystemClock),
        limits,
    )
    .await;
    for base in ["/api/v1/status/dls_0", "/status/dls_0"] {
        let from = if base.starts_with("/api") {
            "192.0.2.1"
        } else {
            "192.0.2.2"
        };
        let mut last = 0;
        for _ in 0..5 {
            let ask = api.bare("GET", base).header("x-forwarded-for", from);
            last = ask.send().await.status;
        }
        assert_eq!(last, 429, "{base}");
    }
}

#[tokio::test]
async fn links_are_made_and_revoked_on_their_page() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let links = "/settings/links";
    assert!(
        member
            .page(&format!("/releases/{key}"))
            .await
            .contains(&format!("{links}?of={key}"))
    );
    let form = form_to(&member.page(&format!("{links}?of={key}")).await, links);
    assert_eq!(form.fields["/about"], key);
    assert_eq!(member.submit(&form).await.status, 400, "for whom?");
    let reply = member.submit(&form.clone().with("/name", "<b>Board</b>")).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    crate::headers::sound(&reply, "a new link");
    let at = reply.text.find("/status/dls_").unwrap();
    let path = reply.text[at..].split('<').next().unwrap().to_owned();
    shown(&world.api, &path).await;
    let page = member.page(links).await;
    assert!(
        !page.contains("dls_") && page.contains("&#60;b&#62;Board"),
        "{page}"
    );
    let at = page.find("/revoke\"").unwrap();
    let revoke = page[..at + 7].rsplit('"').next().unwrap().to_owned();
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.get(&revoke).await.status, 404);
    assert_eq!(other.forge(&revoke, &[]).await.status, 404);
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    assert!(viewer.page(links).await.contains("This needs the role MEMBER"));
    assert_eq!(viewer.forge(&revoke, &[]).await.status, 403);
    assert_eq!(
        viewer
            .forge(links, &[("/about", key), ("/name", "x"), ("/days", "7")])
            .await
            .status,
        403
    );
    shown(&world.api, &path).await;
    let reply = member
        .submit(&form_to(&member.page(&revoke).await, &revoke))
        .await;
    assert_eq!(reply.headers["location"], "/settings/links?done=unlinked");
    shows_nothing(&world.api, &path).await;
}
