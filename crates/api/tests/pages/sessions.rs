//! Signing in and out, how long a session lasts, and who may send a form.

use crate::browser::{Browser, form_to};
use crate::support::Api;
use crate::world::World;
use delivr_api::RateLimits;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_token_opens_a_session_and_signing_out_ends_it() {
    let api = Api::start().await;
    let browser = Browser::new(&api);
    // Nobody is signed in: every page leads to the form, which leads back.
    let reply = browser.get("/releases?status=PLANNING").await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_eq!(
        reply.headers["location"],
        "/sign-in?next=%2Freleases%3Fstatus%3DPLANNING"
    );
    let reply = browser
        .sign_in(&api.tokens["OWNER"], "/releases?status=PLANNING")
        .await;
    assert_eq!(
        (reply.status, reply.headers["location"].as_str()),
        (303, "/releases?status=PLANNING")
    );
    let cookie = &reply.headers["set-cookie"];
    assert!(
        !cookie.contains(&api.tokens["OWNER"]),
        "the token stays out of the cookie"
    );
    let page = browser.page("/profile").await;
    assert!(page.contains("owner@example.org"), "{page}");
    assert!(!page.contains(&api.tokens["OWNER"]));
    // A changed cookie is none.
    let good = browser.cookie("delivr").unwrap();
    let mut changed = good.clone();
    changed.replace_range(20..21, if &good[20..21] == "A" { "B" } else { "A" });
    browser.set_cookie("delivr", &changed);
    assert_eq!(browser.get("/").await.status, 303);
    browser.set_cookie("delivr", &good);
    let page = browser.page("/").await;
    let reply = browser.submit(&form_to(&page, "/sign-out")).await;
    assert_eq!(
        (reply.status, reply.headers["location"].as_str()),
        (303, "/sign-in")
    );
    assert_eq!(browser.cookie("delivr"), None);
    assert_eq!(browser.get("/").await.status, 303);
}

#[tokio::test]
async fn the_cookie_is_for_nobody_but_the_server() {
    let api = Api::start().await;
    let browser = Browser::new(&api);
    let page = browser.get("/sign-in").await;
    let form = form_to(&page.text, "/sign-in").with("token", &api.tokens["OWNER"]);
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    // Two are set: the session, and the form's, which is forgotten; the last one is shown here or the first.
    assert!(
        reply.headers["set-cookie"].contains("HttpOnly; SameSite=Lax"),
        "{:?}",
        reply.headers
    );
    assert!(
        reply.headers["set-cookie"].contains("Path=/"),
        "{:?}",
        reply.headers
    );
    // What a proxy says that nobody trusts is not believed: the host is no machine of ours.
    let open = browser
        .send(
            "GET",
            "/sign-in",
            None,
            &[("host", "delivr.test"), ("x-forwarded-proto", "https")],
        )
        .await;
    assert!(open.text.contains("not encrypted"), "{}", open.text);
    // The installation's own address is reached over TLS alone: its cookies are for that.
    let own = browser
        .send("GET", "/sign-in", None, &[("host", "delivr.example")])
        .await;
    let set = &own.headers["set-cookie"];
    assert!(
        set.starts_with("__Host-delivr-form=") && set.contains("Secure"),
        "{set}"
    );
}

#[tokio::test]
async fn a_token_that_is_not_valid_opens_nothing() {
    let api = Api::start().await;
    let browser = Browser::new(&api);
    for token in ["", "dlv_nothing", "<script>alert(1)</script>"] {
        let reply = browser.sign_in(token, "/").await;
        assert!([400, 403].contains(&reply.status), "{token}: {}", reply.status);
        assert_eq!(browser.cookie("delivr"), None, "{token}");
        assert!(!reply.text.contains("<script>alert"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_with_its_time() {
    let clock = Arc::new(FakeClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::with(store, clock.clone()).await;
    let browser = Browser::signed_in(&api, "MEMBER").await;
    let owner = Browser::signed_in(&api, "OWNER").await;
    browser.page("/").await;
    let tokens = api.get("/tokens").await.is(200);
    let member = tokens["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "MEMBER")
        .unwrap();
    // Revoked on the page, after being asked.
    let path = format!("/profile/tokens/{}/revoke", member["id"].as_str().unwrap());
    let page = owner.page(&path).await;
    let reply = owner.submit(&form_to(&page, &path)).await;
    assert_eq!(reply.headers["location"], "/profile?done=revoked");
    let reply = browser.get("/").await;
    assert_eq!(reply.status, 303, "a revoked token has no session");
    assert_eq!(browser.cookie("delivr"), None, "the browser forgets it");
    clock.advance(Duration::from_secs(12 * 3600 - 60));
    owner.page("/").await;
    clock.advance(Duration::from_secs(120));
    assert_eq!(owner.get("/").await.status, 303, "12 hours are over");
}

#[tokio::test]
async fn a_form_that_is_not_ours_does_nothing() {
    let api = Api::start().await;
    let owner = Browser::signed_in(&api, "OWNER").await;
    let page = owner.page("/profile").await;
    let form = form_to(&page, "/profile/tokens")
        .with("name", "planted")
        .with("role", "OWNER");
    let here = api.root.clone();
    for (what, form, headers) in [
        ("missing", form.clone().without("csrf"), vec![]),
        ("empty", form.clone().with("csrf", ""), vec![]),
        ("wrong", form.clone().with("csrf", &"0".repeat(64)), vec![]),
        (
            "from another place",
            form.clone(),
            vec![("origin", "https://evil.example")],
        ),
        ("from nowhere", form.clone(), vec![("origin", "null")]),
        (
            "across sites",
            form.clone(),
            vec![("sec-fetch-site", "cross-site")],
        ),
        (
            "of a neighbour",
            form.clone(),
            vec![("sec-fetch-site", "same-site")],
        ),
    ] {
        let reply = owner.submit_with(&form, &headers).await;
        assert_eq!(reply.status, 403, "{what}: {}", reply.text);
        assert!(reply.headers["content-type"].starts_with("text/html"), "{what}");
    }
    // Another session's secret is not this one's.
    let other = Browser::signed_in(&api, "OWNER").await;
    let theirs = form_to(&other.page("/profile").await, "/profile/tokens");
    let reply = owner
        .submit(&form.clone().with("csrf", &theirs.fields["csrf"]))
        .await;
    assert_eq!(reply.status, 403);
    let made = |tokens: &serde_json::Value| {
        tokens["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["name"] == "planted")
    };
    assert!(!made(&api.get("/tokens").await.is(200)));
    let headers = [("origin", here.as_str()), ("sec-fetch-site", "same-origin")];
    let reply = owner.submit_with(&form, &headers).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert!(reply.text.contains("dlv_"), "the secret is shown once");
    assert!(!owner.page("/profile").await.contains("dlv_"), "and only once");
    assert!(made(&api.get("/tokens").await.is(200)));
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_page_of_somebody_else() {
    let api = Api::start().await;
    let victim = Browser::new(&api);
    let attacker = Browser::new(&api);
    // The attacker's form carries a secret of theirs, which the victim's browser has no cookie for.
    let form = form_to(&attacker.page("/sign-in").await, "/sign-in").with("token", &api.tokens["OTHER"]);
    assert_eq!(victim.submit(&form).await.status, 403);
    victim.page("/sign-in").await;
    assert_eq!(victim.submit(&form).await.status, 403);
    assert_eq!(victim.cookie("delivr"), None);
    // And a page that reads neither cannot send it.
    let own = form_to(&victim.page("/sign-in").await, "/sign-in").with("token", &api.tokens["OTHER"]);
    let reply = victim
        .submit_with(&own, &[("origin", "https://evil.example")])
        .await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn signing_in_leads_to_no_other_place() {
    let api = Api::start().await;
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/a\r\nset-cookie: x=y",
    ] {
        let browser = Browser::new(&api);
        let reply = browser.sign_in(&api.tokens["OWNER"], next).await;
        assert_eq!(
            (reply.status, reply.headers["location"].as_str()),
            (303, "/"),
            "{next:?}"
        );
    }
}

#[tokio::test]
async fn who_guesses_tokens_must_wait() {
    let clock = Arc::new(FakeClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let limits = RateLimits {
        failures: 3,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..RateLimits::default()
    };
    let api = Api::limited(store, clock.clone(), limits).await;
    let browser = Browser::new(&api);
    let page = browser.page("/sign-in").await;
    let form = form_to(&page, "/sign-in").with("token", "dlv_guess");
    let from = |address: &'static str| [("x-forwarded-for", address)];
    let mut seen = Vec::new();
    let mut form = form;
    for _ in 0..6 {
        let reply = browser.submit_with(&form, &from("192.0.2.1")).await;
        seen.push(reply.status);
        // Every answer is a form anew.
        form = form_to(&reply.text, "/sign-in").with("token", "dlv_guess");
    }
    assert!(
        seen.starts_with(&[403, 403, 403]) && seen.ends_with(&[429]),
        "{seen:?}"
    );
    // The right token does not help from there either, and does from somewhere else.
    let right = form.clone().with("token", &api.tokens["OWNER"]);
    let reply = browser.submit_with(&right, &from("192.0.2.1")).await;
    assert_eq!(reply.status, 429);
    let right = form_to(&reply.text, "/sign-in").with("token", &api.tokens["OWNER"]);
    assert_eq!(browser.submit_with(&right, &from("192.0.2.2")).await.status, 303);
}

#[tokio::test]
async fn another_organisations_release_is_not_there() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    assert_eq!(made["key"], "REL-1");
    let id = made["id"].as_str().unwrap();
    let stranger = Browser::signed_in(&world.api, "OTHER").await;
    assert!(!stranger.page("/releases").await.contains("shop-app"));
    let by_id = format!("/releases/{id}");
    let act = format!("/releases/{id}/do/archive");
    for path in [
        "/releases/REL-1",
        "/releases/REL-1/do/archive",
        "/releases/REL-1/tasks/x",
        &by_id,
        &act,
    ] {
        let reply = stranger.get(path).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
        assert!(reply.text.contains("This is not here"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_session_of_before_a_restore_ends_with_it() {
    let mut api = Api::start().await;
    let made = json!({"slug": "app", "name": "App"});
    let made = api.post("/services", &made).await.is(201);
    let path = format!("/services/{}/edit", made["id"].as_str().unwrap());
    let cookie = Browser::signed_in(&api, "OWNER").await.cookie("delivr").unwrap();
    // Processes begin anew after a restore; the key and the tokens are those of before.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    api.root = format!("http://{}", listener.local_addr().unwrap());
    let restored = api.shared.clone().in_epoch(Some("20261122".to_owned()));
    tokio::spawn(delivr_api::serve(restored, listener).unwrap());
    // Its open pages show versions that are given once more.
    let old = Browser::new(&api);
    old.set_cookie("delivr", &cookie);
    assert_eq!(old.get(&path).await.status, 303);
    // Who signs in anew sees what is stored now, and changes it.
    let browser = Browser::signed_in(&api, "OWNER").await;
    let form = form_to(&browser.page(&path).await, &path).with("/name", "The app");
    assert_eq!(browser.submit(&form).await.status, 303);
    assert_eq!(
        browser.submit(&form).await.status,
        412,
        "it shows an older version"
    );
    let stored = api
        .get(&format!("/services/{}", made["id"].as_str().unwrap()))
        .await;
    assert_eq!(stored.is(200)["name"], "The app");
}
