//! The table of releases: its order, and the views that are saved of it.

use crate::browser::{Browser, form_to};
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

#[tokio::test]
async fn what_is_looked_at_is_saved_as_a_view_and_comes_back() {
    let world = World::new().await;
    for version in ["1.0.0", "1.1.0"] {
        world.made(&world.later(version)).await;
    }
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page("/releases?q=1.1&sort=key&cols=1&c-phase=1").await;
    assert_eq!(keys(&page), ["REL-2"]);
    let mut form = form_to(&page, "/releases/views");
    form.fields.insert("name".to_owned(), "<b>Late</b>".to_owned());
    form.fields.insert("shared".to_owned(), "1".to_owned());
    let saved = member.submit(&form).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let place = saved.headers["location"].clone();
    let view = place.split("view=").nth(1).unwrap().split('&').next().unwrap();
    let page = member.page(&place).await;
    sound(&member.get(&place).await, &place);
    assert_eq!(keys(&page), ["REL-2"]);
    assert!(
        page.contains("value=\"1.1\"") && page.contains("data-label=\"Phase\""),
        "{page}"
    );
    assert!(
        !page.contains("data-label=\"Status\"") && !page.contains("<b>Late"),
        "{page}"
    );
    assert!(!page.contains("not quite the view"));
    // Looked at otherwise it is not that view any more, and can be made so.
    let page = member
        .page(&format!("/releases?view={view}&q=1.0&sort=key"))
        .await;
    assert_eq!(keys(&page), ["REL-1"]);
    let form = form_to(&page, &format!("/releases/views/{view}"));
    assert_eq!(member.submit(&form).await.status, 303);
    let late = member.submit(&form).await;
    assert_eq!(
        late.status, 412,
        "what somebody else changed is not overwritten: {}",
        late.text
    );
    // Others of the organisation see it, and change nothing of it.
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let page = viewer.page(&format!("/releases?view={view}")).await;
    assert_eq!(keys(&page), ["REL-1"]);
    for path in [
        "/releases/views".to_owned(),
        format!("/releases/views/{view}"),
        format!("/releases/views/{view}/delete"),
    ] {
        for browser in [&viewer, &member] {
            let reply = browser.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            sound(&reply, &path);
        }
    }
    let page = viewer.page("/releases/views").await;
    let form = form_to(&page, &format!("/releases/views/{view}/default"));
    assert_eq!(viewer.submit(&form).await.status, 303);
    assert_eq!(
        keys(&viewer.page("/releases").await),
        ["REL-1"],
        "it begins with it"
    );
    assert_eq!(keys(&viewer.page("/releases?view=all").await), ["REL-2", "REL-1"]);
    assert_eq!(
        keys(&viewer.page("/releases?open=true").await),
        ["REL-2", "REL-1"]
    );
    // Deleted, it is gone for all.
    let page = member.page(&format!("/releases/views/{view}/delete")).await;
    let form = form_to(&page, &format!("/releases/views/{view}/delete"));
    assert_eq!(member.submit(&form).await.status, 303);
    assert_eq!(keys(&viewer.page("/releases").await), ["REL-2", "REL-1"]);
    assert_eq!(viewer.get(&format!("/releases?view={view}")).await.status, 404);
    assert!(
        member
            .page("/releases/views")
            .await
            .contains("There is no view yet")
    );
}

#[tokio::test]
async fn a_view_is_renamed_and_no_longer_shared() {
    let world = World::new().await;
    let body = json!({"name": "Ours", "shared": true});
    let made = world.api.post("/views", &body).await.is(201);
    let place = format!("/releases/views/{}", made["id"].as_str().unwrap());
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let mut form = form_to(&owner.page(&place).await, &place);
    form.fields.insert("name".to_owned(), "Mine".to_owned());
    form.fields.remove("shared");
    let reply = owner.submit(&form).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert!(owner.page("/releases").await.contains("Mine"));
    let other = Browser::signed_in(&world.api, "ADMIN").await;
    assert!(!other.page("/releases").await.contains("Mine"));
    assert_eq!(other.get(&place).await.status, 404);
    for (name, value) in [("name", " "), ("version", "2")] {
        form.fields.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(owner.submit(&form).await.status, 400);
}
