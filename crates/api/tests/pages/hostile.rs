//! Texts that would be more than texts: whoever can write a title, a branch or a reason must not write a page.

use crate::browser::{Browser, form_to, unescaped};
use crate::headers::sound;
use crate::world::{World, task};
use serde_json::json;

const TEXTS: &[&str] = &[
    "<script>alert(1)</script>",
    "\"onmouseover=\"alert(1)",
    "'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include \"/etc/passwd\" %}",
];

#[tokio::test]
async fn no_text_becomes_a_part_of_a_page() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.api, "OWNER").await;
    for (at, text) in TEXTS.iter().enumerate() {
        let mut body = world.later(&format!("{}.0.0", at + 1));
        body["title"] = json!(text);
        body["description"] = json!(text);
        body["pilot"] = json!(text);
        let made = world.made(&body).await;
        let key = made["key"].as_str().unwrap();
        world.act(&made, "block", &json!({"reason": text})).await.is(200);
        world.act(&made, "pause", &json!({"note": text})).await.is(200);
        for path in [
            "/".to_owned(),
            "/board".to_owned(),
            "/releases".to_owned(),
            format!("/releases/{key}"),
            format!("/releases/{key}/do/resume"),
            format!("/releases/{key}/move?to=DEPLOYED"),
            "/board?group=service".to_owned(),
        ] {
            let reply = browser.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            sound(&reply, &format!("{path} with {text}"));
        }
        // It is there, as a text.
        let page = browser.page(&format!("/releases/{key}")).await;
        assert!(unescaped(&page).contains(text), "{text}");
        let reply = browser
            .get(&format!(
                "/releases?q={}",
                text.replace(['%', '#', '&', ' '], "+")
            ))
            .await;
        sound(&reply, &format!("the search for {text}"));
    }
}

#[tokio::test]
async fn no_text_turns_around_what_stands_beside_it() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.api, "OWNER").await;
    let text = "over\u{202e}ride \u{2067}isolate";
    let mut body = world.later("5.9.0");
    for member in ["title", "description", "pilot"] {
        body[member] = json!(text);
    }
    let made = world.made(&body).await;
    let key = made["key"].as_str().unwrap();
    world.act(&made, "block", &json!({"reason": text})).await.is(200);
    let paths = ["/", "/board", "/releases", "/queues", "/activity", "/timeline"];
    let own = ["", "/do/unblock", "/move?to=DEPLOYED"].map(|it| format!("/releases/{key}{it}"));
    for path in paths.into_iter().map(ToOwned::to_owned).chain(own) {
        let page = browser.page(&path).await;
        assert!(page.contains("override"), "{path} shows it: {page}");
        assert!(!page.contains('\u{202e}'), "{path}");
        let opened = page.matches('\u{2067}').count();
        assert_eq!(
            page.matches('\u{2069}').count(),
            opened,
            "{path} closes what is open"
        );
    }
}

#[tokio::test]
async fn what_a_vendor_says_stays_a_text() {
    let world = World::new().await;
    let branch = "no<script>alert(1)</script>\"onmouseover=alert(1)";
    let mut body = world.small("1.0.0");
    body["baseBranch"] = json!(branch);
    let reply = world.api.post("/releases", &body).await;
    let made = reply.is(201);
    // The branch is not there; the failure names it.
    let now = world
        .until(&made, |release| {
            task(release, "FORK_BRANCH")["status"] == "FAILED"
        })
        .await;
    let (key, id) = (
        now["key"].as_str().unwrap(),
        task(&now, "FORK_BRANCH")["id"].as_str().unwrap(),
    );
    let browser = Browser::signed_in(&world.api, "OWNER").await;
    for path in [
        "/".to_owned(),
        "/board".to_owned(),
        format!("/releases/{key}"),
        format!("/releases/{key}/tasks/{id}"),
        format!("/releases/{key}/do/retry?of={id}"),
        format!("/releases/{key}/do/complete?of={id}"),
    ] {
        let reply = browser.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        sound(&reply, &path);
        if path.contains("/releases/") && !path.contains("/do/") {
            assert!(unescaped(&reply.text).contains(branch), "{path}");
        }
    }
}

#[tokio::test]
async fn an_address_puts_nothing_on_a_page() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let browser = Browser::signed_in(&world.api, "OWNER").await;
    for (path, status) in [
        (
            format!("/releases/{key}?done=%3Cscript%3Ealert(1)%3C/script%3E"),
            200,
        ),
        (
            format!("/releases/{key}/do/block?scope=%22%3E%3Cscript%3E&reference=%22%20onclick=x"),
            200,
        ),
        (format!("/releases/{key}/do/retry?of=..%2F..%2Ftokens"), 404),
        (format!("/releases/{key}/do/%3Cscript%3E"), 404),
        (format!("/releases/{key}/do/halt?of=7"), 404),
    ] {
        let reply = browser.get(&path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
        sound(&reply, &path);
    }
    // A form cannot name another path either.
    let ask = format!("/releases/{key}/do/pause");
    let form = form_to(&browser.page(&ask).await, &ask).with("of", "../../../tokens");
    assert_eq!(browser.submit(&form).await.status, 404);
}
