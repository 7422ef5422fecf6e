//! The table of releases: its order.

use crate::browser::Browser;
use crate::headers::sound;
use crate::world::World;
use serde_json::json;

/// Keys of a page, from top to bottom.
fn keys(page: &str) -> Vec<&str> {
    page.split("<th scope=\"row\"><a href=\"/releases/")
        .skip(1)
        .map(|part| part.split('"').next().unwrap())
        .collect()
}

/// Where a head of the table leads, and how it is sorted by it now.
fn head<'a>(page: &'a str, label: &str) -> (&'a str, Option<&'a str>) {
    let cell = page
        .split("<th scope=\"col\"")
        .find(|cell| cell.contains(&format!("\">{label}<svg")))
        .unwrap_or_else(|| panic!("{label} in {page}"));
    let attribute = |name: &str| {
        let (_, rest) = cell.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    (attribute("href").unwrap(), attribute("aria-sort"))
}

#[tokio::test]
async fn its_heads_sort_it_and_turn_it_round() {
    let world = World::new().await;
    for (version, days) in [("1.0.0", 9), ("1.1.0", 3), ("1.2.0", 5)] {
        let mut body = world.later(version);
        body["targetDate"] = json!(world.at(days * 24 * 60));
        world.made(&body).await;
    }
    let browser = Browser::signed_in(&world.api, "VIEWER").await;
    let page = browser.page("/releases?q=rel").await;
    assert_eq!(keys(&page), ["REL-3", "REL-2", "REL-1"]);
    assert_eq!(head(&page, "Release").1, Some("descending"));
    let (there, now) = head(&page, "Target date");
    assert_eq!(now, None);
    let page = browser
        .page(&there.replace("&amp;", "&").replace("&#38;", "&"))
        .await;
    assert_eq!(keys(&page), ["REL-2", "REL-3", "REL-1"], "the soonest first");
    let (there, now) = head(&page, "Target date");
    assert_eq!((now, head(&page, "Release").1), (Some("ascending"), None));
    let page = browser
        .page(&there.replace("&amp;", "&").replace("&#38;", "&"))
        .await;
    assert_eq!(keys(&page), ["REL-1", "REL-3", "REL-2"]);
    assert!(page.contains("value=\"rel\""), "what narrows it stays");
    for path in [
        "/releases?sort=targetDate&attention=NONE&open=true&pilot=me",
        "/releases?open=true",
    ] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        sound(&reply, path);
    }
    for path in ["/releases?sort=nothing", "/releases?cursor=x", "/releases?open=x"] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text);
        sound(&reply, path);
    }
}
