//! Settings of the organisation, as a browser without scripts sees and changes them.

use crate::browser::{Browser, form_to, unescaped};
use crate::headers::sound;
use crate::support::Api;
use delivr_app::usecases::access;
use serde_json::json;

#[tokio::test]
async fn an_organisation_is_shown_to_all_and_renamed_by_its_admins() {
    let api = Api::start().await;
    let viewer = Browser::signed_in(&api, "VIEWER").await;
    let page = viewer.page("/settings").await;
    for shown in [
        "owner@example.org",
        "The line runs",
        "This needs the role ADMIN; yours is VIEWER.",
        "No chat is connected",
        "href=\"/profile\"",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("owner@other.example"), "{page}");
    let name = "/settings/name";
    assert_eq!(viewer.forge(name, &[("/name", "Mine")]).await.status, 403);
    let owner = Browser::signed_in(&api, "OWNER").await;
    let form = form_to(&owner.page(name).await, name);
    assert_eq!(form.fields["/name"], "shop");
    let reply = owner.submit(&form.clone().with("/name", "")).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    sound(&reply, "no name");
    let text = "<b>Shop</b> & \"Sons\"";
    let reply = owner.submit(&form.with("/name", text)).await;
    assert_eq!(
        (reply.status, reply.headers["location"].as_str()),
        (303, "/settings?done=renamed")
    );
    for path in ["/settings?done=renamed", name, "/"] {
        let reply = owner.get(path).await;
        sound(&reply, path);
        assert!(unescaped(&reply.text).contains(text), "{path}");
    }
    assert!(
        owner
            .page("/settings?done=renamed")
            .await
            .contains("The organisation has its new name.")
    );
    // Another organisation keeps its own.
    let other = access::ensure_tenant(&api.app, "other").await.unwrap();
    assert_eq!(other.name, "other");
}

#[tokio::test]
async fn it_is_shown_which_messages_go_where() {
    let api = Api::start().await;
    let chat = json!({
        "provider": "slack", "name": "Our Slack",
        "config": {"channels": {"releases": "C0RELEASES", "critical": "C0CRITICAL"}},
        "credentials": {"botToken": "xoxb-s3cret-0123456789"},
    });
    let made = api.post("/integrations/communication", &chat).await.is(201);
    let quiet = json!({"name": "quiet", "settings": {"chat": {"topics": ["critical"]}}});
    api.post("/profiles", &quiet).await.is(201);
    api.post("/profiles", &json!({"name": "loud"})).await.is(201);
    let browser = Browser::signed_in(&api, "OWNER").await;
    let reply = browser.get("/settings").await;
    sound(&reply, "settings");
    let page = reply.text;
    let row = |topic: &str| {
        let at = page.find(&format!("<th scope=\"row\">{topic} ")).unwrap();
        page[at..].split("</tr>").next().unwrap().to_owned()
    };
    let critical = row("critical");
    assert!(
        critical.contains("C0CRITICAL") && critical.contains("quiet") && critical.contains("loud"),
        "{critical}"
    );
    let builds = row("builds");
    assert!(
        builds.contains("C0RELEASES") && builds.contains("as releases"),
        "{builds}"
    );
    assert!(
        builds.contains("loud") && !builds.contains("quiet</a>"),
        "{builds}"
    );
    let edit = format!(
        "/integrations/communication/{}/edit",
        made["id"].as_str().unwrap()
    );
    assert!(page.contains(&edit) && !page.contains("s3cret"), "{page}");
    let fields = form_to(&browser.page(&edit).await, &edit).fields;
    assert_eq!(fields["/config/channels/critical"], "C0CRITICAL");
}

#[tokio::test]
async fn a_stopped_line_says_by_whom_why_and_since_when() {
    let api = Api::start().await;
    let reason = "<img src=x> the vendor is on fire";
    let admin = Browser::signed_in(&api, "ADMIN").await;
    let stop = "/operations/stop";
    let form = form_to(&admin.page(stop).await, stop).with("/reason", reason);
    assert_eq!(admin.submit(&form).await.status, 303);
    let viewer = Browser::signed_in(&api, "VIEWER").await;
    for path in ["/operations", "/settings"] {
        let reply = viewer.get(path).await;
        sound(&reply, path);
        let page = unescaped(&reply.text);
        assert!(
            page.contains(reason) && page.contains("Admin stopped it <time"),
            "{path}: {page}"
        );
        assert!(
            page.contains("Let the line go on") && !page.contains(">Stop the line<"),
            "{path}: {page}"
        );
    }
    for path in [
        "/",
        "/board",
        "/releases",
        "/releases/new",
        "/activity",
        "/profile",
        "/doctor",
        "/services/new",
    ] {
        let reply = viewer.get(path).await;
        sound(&reply, path);
        let page = unescaped(&reply.text);
        let banner = page.split("<main").next().unwrap();
        for said in [
            "The line is stopped",
            reason,
            "Admin stopped it <time",
            "an admin lets the line go on",
        ] {
            assert!(banner.contains(said), "{path} does not say {said}: {banner}");
        }
    }
    let other = Browser::signed_in(&api, "OTHER").await;
    assert!(!other.page("/operations").await.contains("on fire"));
    let go = "/operations/go";
    assert_eq!(
        admin.submit(&form_to(&admin.page(go).await, go)).await.status,
        303
    );
    assert!(admin.page("/settings").await.contains("The line runs"));
    assert!(!admin.page("/").await.contains("The line is stopped"));
}
