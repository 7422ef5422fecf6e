//! A walk over all pages with ill will: forms that another place makes a browser send, and addresses that would lead away.

use crate::browser::{Browser, Form, form_to};
use crate::headers::sound;
use crate::routes::{self, Examples};
use crate::support::Reply;
use crate::world::World;
use std::collections::BTreeMap;

/// Fields that would do something somewhere, if a form with them were taken.
const FIELDS: &[(&str, &str)] = &[
    ("reason", "because"),
    ("name", "planted"),
    ("role", "OWNER"),
    ("theme", "dark"),
    ("do", "create"),
    ("provider", "jenkins"),
    ("/name", "planted"),
    ("/slug", "planted"),
    ("/version", "9.9.9"),
    ("/reason", "because"),
    ("/about", "REL-1"),
    ("/days", "30"),
    ("/ship/ANDROID_PLAY_STORE/on", "true"),
    ("/platform", "IOS"),
    ("/purpose", "CUSTOM"),
    ("/job", "planted"),
    ("/credentials/apiToken", "planted-planted"),
];

fn filled(action: &str, secret: Option<&str>) -> Form {
    let mut fields: BTreeMap<String, String> = FIELDS
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    if let Some(secret) = secret {
        fields.insert("csrf".to_owned(), secret.to_owned());
    }
    Form {
        method: "post".to_owned(),
        action: action.to_owned(),
        fields,
    }
}

#[tokio::test]
async fn no_form_is_taken_that_no_page_of_the_session_has_made() {
    let world = World::new().await;
    let examples = Examples::of(&world).await;
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let (ours, theirs) = (
        owner.secret().await,
        Browser::signed_in(&world.api, "ADMIN").await.secret().await,
    );
    assert_ne!(ours, theirs);
    let before = routes::everything(&world).await;
    // The way in without a token is there in practice alone; its own tests go it.
    let writing: Vec<_> = routes::all()
        .into_iter()
        .filter(|it| it.posts && it.path != "/sign-in/practice")
        .collect();
    assert!(writing.len() > 20, "{writing:?}");
    let zeros = "0".repeat(64);
    for route in writing {
        let path = examples.path(&world, &route.path);
        for (what, secret, headers) in [
            ("without a secret", None, vec![]),
            ("with an empty one", Some(""), vec![]),
            ("with one made up", Some(zeros.as_str()), vec![]),
            ("with another session's", Some(theirs.as_str()), vec![]),
            (
                "sent by another place",
                Some(ours.as_str()),
                vec![("origin", "https://evil.example")],
            ),
            (
                "sent by nobody's page",
                Some(ours.as_str()),
                vec![("origin", "null")],
            ),
            (
                "sent across sites",
                Some(ours.as_str()),
                vec![("sec-fetch-site", "cross-site")],
            ),
            (
                "sent by a neighbour",
                Some(ours.as_str()),
                vec![("sec-fetch-site", "same-site")],
            ),
        ] {
            let reply = owner.submit_with(&filled(&path, secret), &headers).await;
            assert_eq!(reply.status, 403, "{path} {what}: {}", reply.text);
            sound(&reply, &format!("{path} {what}"));
        }
        // A secret alone is nobody's.
        let nobody = Browser::new(&world.api);
        let reply = nobody.submit(&filled(&path, Some(&ours))).await;
        let led = reply.headers.get("location").map_or("", String::as_str);
        assert!(
            reply.status == 403 || (reply.status == 303 && led.starts_with("/sign-in")),
            "{path} by nobody: {} {}",
            reply.status,
            reply.text
        );
    }
    assert_eq!(routes::everything(&world).await, before, "something was changed");
    assert_eq!(owner.get("/").await.status, 200, "and nobody was signed out");
    // The walk can fail: with its own secret the same form changes something.
    let reply = owner.submit(&filled("/operations/stop", Some(&ours))).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_ne!(routes::everything(&world).await, before);
}

/// What would lead to another place, in the ways in which browsers have been led.
const AWAY: &[&str] = &[
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    " //evil.example",
    "http:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/%09/evil.example",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "/\r\nlocation: https://evil.example",
    "/\u{ff0f}evil.example",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Asserts that what an answer leads to is at home.
#[track_caller]
fn leads_home(world: &World, reply: &Reply, what: &str) {
    let Some(place) = reply.headers.get("location") else {
        return;
    };
    let root: reqwest::Url = world.api.root.parse().unwrap();
    // As a browser reads it.
    let led = root.join(place).unwrap();
    assert_eq!(led.origin(), root.origin(), "{what} leads to {place}");
    assert!(
        place.starts_with('/') && !place.starts_with("//"),
        "{what}: {place}"
    );
}

#[tokio::test]
async fn no_address_leads_away() {
    let world = World::new().await;
    let examples = Examples::of(&world).await;
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let nobody = Browser::new(&world.api);
    for route in routes::all() {
        let path = examples.path(&world, &route.path);
        for away in AWAY {
            let away = encoded(away);
            let path = format!(
                "{path}?next={away}&back={away}&return={away}&url={away}&done={away}&of={away}&service={away}&provider={away}"
            );
            for browser in [&owner, &nobody] {
                if route.gets {
                    let reply = browser.get(&path).await;
                    assert!(reply.status < 500, "{path}: {} {}", reply.status, reply.text);
                    leads_home(&world, &reply, &path);
                    let raw = reply.text.to_lowercase();
                    for link in [
                        "href=\"//",
                        "href=\"/\\",
                        "href=\"https://evil",
                        "href=\"javascript:",
                    ] {
                        assert!(!raw.contains(link), "{path}: {}", reply.text);
                    }
                }
                if route.posts {
                    let reply = browser.submit(&filled(&path, Some("x"))).await;
                    assert!(reply.status < 500, "{path}: {} {}", reply.status, reply.text);
                    leads_home(&world, &reply, &path);
                }
            }
        }
    }
}

#[tokio::test]
async fn signing_in_leads_home_however_the_way_is_written() {
    let world = World::new().await;
    for away in AWAY {
        // Once encoded, twice, and as it is in the form itself.
        let twice = encoded(&encoded(away));
        let browser = Browser::new(&world.api);
        let reply = browser.sign_in(&world.api.tokens["OWNER"], away).await;
        assert_eq!(reply.status, 303, "{away:?}");
        leads_home(&world, &reply, away);
        let browser = Browser::new(&world.api);
        let page = browser.page(&format!("/sign-in?next={twice}")).await;
        let form = form_to(&page, "/sign-in").with("token", &world.api.tokens["OWNER"]);
        leads_home(&world, &browser.submit(&form).await, away);
        let browser = Browser::new(&world.api);
        let form = form_to(&browser.page("/sign-in").await, "/sign-in")
            .with("token", &world.api.tokens["OWNER"])
            .with("next", away);
        leads_home(&world, &browser.submit(&form).await, away);
    }
    // And who comes without a session is led back to pages of ours alone.
    for path in [
        "//evil.example/releases",
        "/%5cevil.example",
        "/releases//evil.example",
    ] {
        let reply = Browser::new(&world.api).get(path).await;
        leads_home(&world, &reply, path);
    }
}
