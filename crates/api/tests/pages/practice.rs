//! The organisation that is open without a credential: in practice, by its own form, and nowhere else.

use crate::browser::{Browser, form_to, forms};
use crate::headers::sound;
use crate::support::Api;
use delivr_api::Practice;
use delivr_app::usecases::access;
use delivr_domain::ids::TokenId;
use delivr_provider_kit::SystemClock;
use delivr_testkit::memory::MemoryStore;
use std::sync::Arc;

const OPEN: &str = "/sign-in/practice";
const BANNER: &str = "Practice: nothing leaves this machine";

/// A practising server, and the token whose session it begins.
async fn practising() -> (Api, TokenId) {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let first = Api::over(store.clone()).await;
    let who = access::authenticate(&first.app, &first.tokens["ADMIN"])
        .await
        .unwrap()
        .unwrap();
    let practice = Practice {
        tenant: who.tenant.id,
        token: who.token,
    };
    let api = Api::serving(store, Arc::new(SystemClock), &[], |shared| {
        shared.practising(practice)
    })
    .await;
    (api, who.token)
}

#[tokio::test]
async fn it_is_opened_by_a_button_and_every_page_says_what_it_is() {
    let (api, _) = practising().await;
    let browser = Browser::new(&api);
    let page = browser.get("/sign-in?next=%2Freleases").await;
    sound(&page, "sign-in in practice");
    assert!(page.text.contains("Open the practice organisation") && page.text.contains(BANNER));
    let opened = browser.submit(&form_to(&page.text, OPEN)).await;
    assert_eq!(
        (opened.status, opened.headers["location"].as_str()),
        (303, "/releases"),
        "{}",
        opened.text
    );
    for path in ["/", "/releases", "/profile", "/settings", "/releases/REL-404"] {
        let reply = browser.get(path).await;
        sound(&reply, path);
        assert!(reply.text.contains(BANNER), "{path}: {}", reply.text);
    }
    let profile = browser.page("/profile").await;
    assert!(profile.contains("admin@example.org"), "{profile}");
    // The token form is there as everywhere.
    let browser = Browser::new(&api);
    assert_eq!(browser.sign_in(&api.tokens["OWNER"], "/").await.status, 303);
}

#[tokio::test]
async fn elsewhere_there_is_no_such_place() {
    let api = Api::start().await;
    let browser = Browser::new(&api);
    let page = browser.page("/sign-in").await;
    assert!(!page.contains(BANNER) && !page.contains("practice"), "{page}");
    assert!(forms(&page).iter().all(|form| form.action != OPEN), "{page}");
    // Even with everything that the form would have.
    let mut form = form_to(&page, "/sign-in");
    form.action = OPEN.to_owned();
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    sound(&reply, "no practice");
    assert_eq!(browser.cookie("delivr"), None);
    let owner = Browser::signed_in(&api, "OWNER").await;
    assert!(!owner.page("/").await.contains(BANNER));
}

#[tokio::test]
async fn nobody_is_brought_in_by_another_place() {
    let (api, _) = practising().await;
    let browser = Browser::new(&api);
    let form = form_to(&browser.page("/sign-in").await, OPEN);
    for (what, form, headers) in [
        ("without a secret", form.clone().without("csrf"), vec![]),
        ("with one made up", form.clone().with("csrf", "00"), vec![]),
        (
            "sent by another place",
            form.clone(),
            vec![("origin", "https://evil.example")],
        ),
        (
            "sent across sites",
            form.clone(),
            vec![("sec-fetch-site", "cross-site")],
        ),
    ] {
        let reply = browser.submit_with(&form, &headers).await;
        assert_eq!(reply.status, 403, "{what}: {}", reply.text);
        assert_eq!(browser.cookie("delivr"), None, "{what}");
    }
    // A name of somebody else's that was made to lead here: the browser holds the cookie and the secret of that name.
    for host in ["rebound.example", "delivr.example"] {
        let stranger = Browser::new(&api);
        let page = stranger.send("GET", "/sign-in", None, &[("host", host)]).await;
        let form = form_to(&page.text, OPEN);
        let reply = stranger.submit_with(&form, &[("host", host)]).await;
        assert_eq!(reply.status, 403, "{host}: {}", reply.text);
        assert_eq!(stranger.cookie("delivr"), None, "{host}");
        assert_eq!(stranger.cookie("__Host-delivr"), None, "{host}");
    }
}

#[tokio::test]
async fn what_was_revoked_opens_nothing() {
    let (api, token) = practising().await;
    let browser = Browser::new(&api);
    let form = form_to(&browser.page("/sign-in").await, OPEN);
    let store = &api.app.store;
    assert!(
        store
            .revoke_token(api.tenant.id, token, api.app.clock.now())
            .await
            .unwrap()
    );
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 403, "{}", reply.text);
    assert!(reply.text.contains("revoked"), "{}", reply.text);
    assert_eq!(browser.cookie("delivr"), None);
}
