//! What a release brings, as its repository tells it.

use crate::browser::Browser;
use crate::headers::sound;
use crate::world::{World, task};
use serde_json::{Value, json};

#[tokio::test]
async fn what_was_picked_since_the_last_cycle_is_told() {
    let world = World::new().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"autoStart": []});
    let made = world.made(&body).await;
    let path = format!("{}/changes", World::path(&made));
    let key = made["key"].as_str().unwrap();
    let page = format!("/releases/{key}/changes");
    // Before there is a branch, it is the one that the release will fork from; and nothing was shipped before.
    let early = world.api.get(&path).await.is(200);
    assert_eq!(
        early,
        json!({"head": "main", "shipped": null, "cycle": null, "picked": null})
    );
    world
        .until(&made, |it| it["phase"] == "AWAITING_REGRESSION")
        .await;
    world
        .act(&made, "trigger-regression-testing", &json!({}))
        .await
        .is(200);
    world.act(&made, "cycles", &json!({})).await.is(201);
    world
        .until(&made, |it| {
            it["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .any(|it| it["type"] == "CREATE_RC_TAG")
                && task(it, "CREATE_RC_TAG")["status"] == "COMPLETED"
        })
        .await;
    let none = world.api.get(&path).await.is(200);
    assert_eq!(
        (&none["cycle"], &none["picked"]["count"]),
        (&json!(1), &json!(0)),
        "{none}"
    );
    world.commit("release/1.0.0");
    let now = world.api.of("MEMBER", "GET", &path).send().await.is(200);
    assert_eq!(
        (&now["head"], &now["picked"]["base"], &now["picked"]["count"]),
        (&json!("release/1.0.0"), &json!("v1.0.0-rc.1"), &json!(1))
    );
    let commit: &Value = &now["picked"]["commits"][0];
    assert_eq!(
        (&commit["subject"], &commit["author"]),
        (&json!("More"), &json!("Test"))
    );
    assert!(
        !now.to_string().contains("test@example.com"),
        "names, no addresses: {now}"
    );
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    assert!(member.page(&format!("/releases/{key}")).await.contains(&page));
    let reply = member.get(&page).await;
    sound(&reply, &page);
    for said in [
        "Picked since cycle 1",
        "More",
        "everything in the repository is new",
    ] {
        assert!(reply.text.contains(said), "{said}: {}", reply.text);
    }
    // Looking makes no work for the host; whoever may only look is told so.
    world
        .api
        .of("VIEWER", "GET", &path)
        .send()
        .await
        .refused(403, "role_too_low");
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    assert!(viewer.page(&page).await.contains("needs the role MEMBER"));
    world
        .api
        .of("OTHER", "GET", &path)
        .send()
        .await
        .refused(404, "not_found");
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert!(!other.get(&page).await.text.contains("Picked"));
    // What the release stands on is gone: that is told, and nothing breaks.
    world.by_hand(&["branch", "-D", "release/1.0.0"]);
    let gone = world.api.get(&path).await;
    assert!(
        gone.status != 500 && gone.status >= 400 && gone.body["detail"].is_string(),
        "{}",
        gone.text
    );
    let reply = member.get(&page).await;
    assert_eq!(reply.status, gone.status, "{}", reply.text);
    sound(&reply, "a branch that is gone");
}
