//! The form of a new release helps: its targets, the next versions, and what is likely a mistake.

use crate::browser::{Browser, form_to, unescaped};
use crate::headers::sound;
use crate::world::World;
use serde_json::json;

const NEW: &str = "/releases/new";

#[tokio::test]
async fn the_next_versions_are_suggested_and_follow_the_kind() {
    let world = World::new().await;
    let mut body = world.later("1.4.0");
    body["targets"] = json!([{"target": "IOS_APP_STORE", "builds": "MANUAL"}]);
    world.made(&body).await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page(NEW).await;
    let form = form_to(&page, NEW);
    assert_eq!(
        form.fields["/version"], "1.5.0",
        "the next of the line stands there"
    );
    for said in ["Minor: 1.5.0", "Major: 2.0.0"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Its targets are those of the last release.
    assert!(form.fields.contains_key("/ship/IOS_APP_STORE/on"));
    assert!(!form.fields.contains_key("/ship/ANDROID_PLAY_STORE/on"));
    // Left as it was, the version follows the kind.
    let form = form.with("/type", "MAJOR");
    let reply = member.submit(&form.clone().with("do", "plan")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let shown = form_to(&reply.text, NEW);
    assert_eq!(shown.fields["/version"], "2.0.0");
    let reply = member.submit(&shown.with("do", "create")).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    let newest = &world.api.get("/releases").await.is(200)["items"][0];
    assert_eq!(newest["version"], "2.0.0", "{newest}");
    // What is written instead is taken, and checked.
    let form = form_to(&member.page(NEW).await, NEW).with("do", "plan");
    assert_eq!(form.fields["/version"], "2.1.0");
    let reply = member.submit(&form.clone().with("/version", "2.7.0")).await;
    assert!(reply.text.contains("release/2.7.0"), "{}", reply.text);
    let reply = member.submit(&form.with("/version", "1.9.0")).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert!(reply.text.contains("href=\"#f-version\""), "{}", reply.text);
}

#[tokio::test]
async fn only_targets_of_the_service_s_kind_are_offered() {
    let world = World::new().await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let path = format!("/services/{}", world.service);
    for (kind, offered, others) in [
        ("MOBILE", "IOS_APP_STORE", "WEB_ENVIRONMENT"),
        ("WEB", "WEB_ENVIRONMENT", "IOS_APP_STORE"),
        ("BACKEND", "SERVICE_ENVIRONMENT", "ANDROID_PLAY_STORE"),
    ] {
        let edit = json!({"kind": kind});
        let ask = world.api.of("MEMBER", "PATCH", &path).json(&edit).send().await;
        assert_eq!(ask.status, 200, "{}", ask.text);
        let page = member.page(NEW).await;
        let form = form_to(&page, NEW);
        let on = |target: &str| format!("/ship/{target}/on");
        assert_eq!(form.fields[&on(offered)], "true", "{kind}");
        assert!(!page.contains(&on(others)), "{kind}: {page}");
    }
    // What is always chosen, or what says itself what comes of leaving it empty, is not called optional.
    let page = member.page(NEW).await;
    let label = |text: &str| {
        let (_, rest) = page.split_once(&format!(">{text}")).unwrap();
        rest.split("</label>").next().unwrap().to_owned()
    };
    for (text, optional) in [
        ("Priority", false),
        ("Kind", false),
        ("Pilot", true),
        ("Description", true),
    ] {
        assert_eq!(label(text).contains("(optional)"), optional, "{text}");
    }
}

#[tokio::test]
async fn what_is_likely_a_mistake_is_told_beside_the_plan() {
    let world = World::new().await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let form = form_to(&member.page(NEW).await, NEW).with("do", "plan");
    let reply = member.submit(&form).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!reply.text.contains("nobody with a way in"), "{}", reply.text);
    let wrong = form
        .with("/pilot", "nobody@nowhere.example")
        .with("/baseBranch", "nope/nope");
    let reply = member.submit(&wrong).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "warnings");
    for said in [
        "Look at this first",
        "`nobody@nowhere.example`",
        "no branch `nope/nope`",
        "href=\"#f-pilot\"",
        "href=\"#f-baseBranch\"",
        "Nobody wrote notes for Android and iOS: users would read the changelog",
        "href=\"#f-profileId\"",
    ] {
        assert!(unescaped(&reply.text).contains(said), "{said}: {}", reply.text);
    }
}
