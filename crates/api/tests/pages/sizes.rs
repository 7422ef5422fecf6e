//! However many releases there are, a page shows so many of them and leads to the rest.

use crate::browser::Browser;
use crate::headers::sound;
use crate::world::World;
use serde_json::json;

/// More than any page shows, in one status.
const MANY: usize = 260;

#[tokio::test]
async fn pages_stay_bounded_with_very_many_releases() {
    let world = World::new().await;
    let title = "Very long title of a release, as long as titles may be. ".repeat(4);
    for at in 0..MANY {
        let mut body = world.later(&format!("1.{at}.0"));
        body["title"] = json!(title[..200]);
        body["pilot"] = json!("member@example.org");
        // The oldest is the one that is needed most.
        body["priority"] = json!(if at == 0 { "CRITICAL" } else { "HIGH" });
        body["slots"] = json!([{"at": world.at(36 * 60)}, {"at": world.at(48 * 60)}]);
        body["targetDate"] = json!(world.at(96 * 60));
        let made = world.made(&body).await;
        let reason = json!({"reason": "x".repeat(300)});
        world.act(&made, "block", &reason).await.is(200);
    }
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let mut sizes = Vec::new();
    for (path, what, most) in [
        ("/releases", "<th scope=\"row\">", 50),
        ("/board", "class=\"card\"", 20),
        ("/", "<strong>Very long title", 40),
        ("/queues", "<strong>Very long title", 80),
        ("/timeline", "class=\"gantt-row\"", 50),
        ("/activity", "<li>", 50),
    ] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        sound(&reply, path);
        let shown = reply.text.matches(what).count();
        assert!(shown > 0 && shown <= most, "{path} shows {shown}");
        sizes.push((path, reply.text.len()));
    }
    // What is not shown is said, and led to.
    for path in ["/releases", "/activity"] {
        assert!(browser.page(path).await.contains("rel=\"next\""), "{path}");
    }
    for path in ["/board", "/queues", "/timeline"] {
        assert!(browser.page(path).await.contains("href=\"/releases"), "{path}");
    }
    assert!(
        browser
            .page("/timeline")
            .await
            .contains("Not every release is drawn")
    );
    let queues = browser.page("/queues").await;
    assert!(queues.contains("The first 40 of 260."), "{queues}");
    for queue in ["mine-list", "blocked-list"] {
        let (_, list) = queues.split_once(&format!("id=\"{queue}\"")).unwrap();
        let first = list.split("href=\"/releases/").nth(1).unwrap();
        assert!(
            first.starts_with("REL-1\""),
            "{queue} begins with the oldest, which is critical: {first}"
        );
    }
    let dashboard = browser.page("/").await;
    for said in [
        "<dt>On their way</dt><dd>260</dd>",
        "<dt>Stopped</dt><dd>260</dd>",
        "All 260 releases that need somebody",
    ] {
        assert!(dashboard.contains(said), "{said} in {dashboard}");
    }
    assert!(sizes.iter().all(|(_, size)| *size < 150_000), "{sizes:?}");
}
