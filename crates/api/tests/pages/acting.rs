//! Doing things without a script: a page says what it would do, its form does it, the next page shows it.

use crate::browser::{Browser, Form, form_to};
use crate::headers::sound;
use crate::world::{World, task};
use serde_json::{Value, json};

/// Goes to the page that asks, and sends its form as it stands there, with a reason.
async fn done(browser: &Browser<'_>, key: &str, verb: &str, of: &str, reason: &str) -> String {
    let query = if of.is_empty() {
        String::new()
    } else {
        format!("?of={of}")
    };
    let page = browser.page(&format!("/releases/{key}/do/{verb}{query}")).await;
    let form = form_to(&page, &format!("/releases/{key}/do/{verb}"));
    let form = if reason.is_empty() {
        form
    } else {
        form.with("reason", reason)
    };
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 303, "{verb}: {}", reply.text);
    let place = reply.headers["location"].clone();
    assert_eq!(place, format!("/releases/{key}?done={verb}"));
    browser.page(&place).await
}

fn in_phase(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |release| release["phase"] == phase
}

#[tokio::test]
async fn a_release_is_paused_explained_resumed_and_archived() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let page = done(&browser, key, "pause", "", "a <holiday>").await;
    assert!(
        page.contains("The release is paused.") && page.contains("a &#60;holiday&#62;"),
        "{page}"
    );
    let now = world.read(&made, "").await;
    assert_eq!(
        now["holds"][0]["by"], "member@example.org",
        "the person behind the session did it"
    );
    // What is held back says so before it is asked for, and the way out of it does not.
    let preview = browser.page(&format!("/releases/{key}/do/start")).await;
    for said in [
        "Paused by Member: a &#60;holiday&#62;",
        "is sent only after it is lifted",
        "Any member can resume it.",
    ] {
        assert!(preview.contains(said), "{said}: {preview}");
    }
    let preview = browser.page(&format!("/releases/{key}/do/resume")).await;
    assert!(!preview.contains("is sent only after it is lifted"), "{preview}");
    let stop = json!({"stopped": true, "reason": "a fire"});
    world.api.post("/line/stop", &stop).await.is(200);
    let preview = browser.page(&format!("/releases/{key}/do/start")).await;
    assert!(
        preview.contains("what would be sent waits until it goes on"),
        "{preview}"
    );
    world
        .api
        .post("/line/stop", &json!({"stopped": false}))
        .await
        .is(200);
    let page = done(&browser, key, "resume", "", "").await;
    assert!(page.contains("The release goes on."));
    // The preview says what it would do, and does not do it.
    let page = browser
        .page(&format!("/releases/{key}/do/archive?close_tickets=on"))
        .await;
    assert!(page.contains("Recorded") && page.contains("Closed: "), "{page}");
    assert_eq!(world.read(&made, "").await["phase"], "NOT_STARTED");
    let form = form_to(&page, &format!("/releases/{key}/do/archive"));
    assert!(form.fields.contains_key("close_tickets") && !form.fields.contains_key("delete_branch"));
    // Without a reason nothing happens, and the page says why.
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(
        reply.text.contains("Give a reason.") && reply.text.contains("Recorded"),
        "{}",
        reply.text
    );
    sound(&reply, "a refusal");
    assert_eq!(world.read(&made, "").await["phase"], "NOT_STARTED");
    let reply = browser.submit(&form.with("reason", "not wanted any more")).await;
    assert_eq!(reply.status, 303);
    assert_eq!(world.read(&made, "").await["phase"], "ARCHIVED");
    // What is over has no buttons, and its address says so.
    let page = browser.page(&format!("/releases/{key}")).await;
    assert!(!page.contains("/do/archive"), "{page}");
    let page = browser.page(&format!("/releases/{key}/do/pause")).await;
    assert!(page.contains("It cannot be done now"), "{page}");
}

#[tokio::test]
async fn a_failed_task_is_read_and_retried() {
    let world = World::new().await;
    let mut body = world.small("1.0.0");
    body["baseBranch"] = json!("nowhere");
    let made = world.made(&body).await;
    let failed = |release: &Value| task(release, "FORK_BRANCH")["status"] == "FAILED";
    let now = world.until(&made, failed).await;
    let (key, id) = (
        now["key"].as_str().unwrap(),
        task(&now, "FORK_BRANCH")["id"].as_str().unwrap(),
    );
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let page = browser.page("/").await;
    assert!(
        page.contains(&format!("/releases/{key}/tasks/{id}")),
        "it waits for somebody: {page}"
    );
    let page = browser.page(&format!("/releases/{key}")).await;
    assert!(page.contains("`nowhere` does not exist"), "{page}");
    assert!(
        page.contains(&format!("/releases/{key}/do/retry?of={id}")),
        "{page}"
    );
    let page = browser.page(&format!("/releases/{key}/tasks/{id}")).await;
    assert!(
        page.contains("<table class=\"list\">"),
        "every attempt is there: {page}"
    );
    done(&browser, key, "retry", id, "").await;
    let now = world.read(&made, "tasks").await;
    assert_eq!(task(&now, "FORK_BRANCH")["status"], "RUNNING");
    // Completed by hand, with what a person has made.
    world.until(&made, failed).await;
    world.by_hand(&["branch", "release/by-hand", "main"]);
    let path = format!("/releases/{key}/do/complete?of={id}&reference=release%2Fby-hand");
    let page = browser.page(&path).await;
    let form = form_to(&page, &format!("/releases/{key}/do/complete")).with("reason", "made it");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_eq!(world.read(&made, "").await["branchRelease"], "release/by-hand");
}

#[tokio::test]
async fn a_gate_is_passed_by_who_may() {
    let world = World::new().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"quorum": {"REGRESSION": 1}, "autoStart": []});
    let made = world.made(&body).await;
    world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    // The gate is closed: the page says why, and the button says so too.
    let page = member
        .page(&format!("/releases/{key}/do/trigger?of=REGRESSION"))
        .await;
    assert!(
        page.contains("It cannot be done now") && page.contains("Any member can clear this."),
        "{page}"
    );
    // A member does not override it, whatever they send.
    let secret = form_to(&member.page("/profile").await, "/profile/theme").fields["csrf"].clone();
    let forged = Form {
        method: "post".to_owned(),
        action: format!("/releases/{key}/do/override"),
        fields: [
            ("csrf", secret.as_str()),
            ("of", "REGRESSION"),
            ("reason", "let me"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
    };
    assert_eq!(member.submit(&forged).await.status, 403);
    // A service token decides nothing.
    let service = Browser::signed_in(&world.api, "SERVICE").await;
    let page = service.page(&format!("/releases/{key}")).await;
    assert!(page.contains("A service token decides nothing."), "{page}");
    let page = done(&member, key, "approve", "REGRESSION", "fine").await;
    assert!(page.contains("member@example.org"), "{page}");
    let page = done(&member, key, "trigger", "REGRESSION", "").await;
    assert!(page.contains("The stage has started."), "{page}");
    let now = world.read(&made, "approvals").await;
    assert_eq!(now["approvals"][0]["by"], "member@example.org");
    assert_ne!(now["phase"], "AWAITING_REGRESSION");
    let page = done(&member, key, "cycle", "", "").await;
    assert!(page.contains("<svg class=\"timeline\""), "{page}");
}

#[tokio::test]
async fn a_viewer_looks_and_does_nothing() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let page = viewer.page(&format!("/releases/{key}")).await;
    assert!(!page.contains("/do/"), "no control works: {page}");
    assert!(
        page.contains("This needs the role MEMBER; yours is VIEWER."),
        "and each says why"
    );
    let secret = form_to(&viewer.page("/profile").await, "/profile/theme").fields["csrf"].clone();
    for (verb, of) in [
        ("pause", ""),
        ("archive", ""),
        ("start", ""),
        ("approve", "REGRESSION"),
        ("trigger", "REGRESSION"),
    ] {
        let asked = viewer
            .page(&format!(
                "/releases/{key}/do/{verb}{}",
                if of.is_empty() {
                    String::new()
                } else {
                    format!("?of={of}")
                }
            ))
            .await;
        assert!(asked.contains("It cannot be done now"), "{verb}: {asked}");
        let mut fields = vec![("csrf", secret.as_str()), ("reason", "because")];
        if !of.is_empty() {
            fields.push(("of", of));
        }
        let forged = Form {
            method: "post".to_owned(),
            action: format!("/releases/{key}/do/{verb}"),
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        let reply = viewer.submit(&forged).await;
        assert_eq!(reply.status, 403, "{verb}: {}", reply.text);
        sound(&reply, verb);
    }
    let forged = Form {
        method: "post".to_owned(),
        action: "/profile/tokens".to_owned(),
        fields: [("csrf", secret.as_str()), ("name", "mine"), ("role", "OWNER")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    assert_eq!(viewer.submit(&forged).await.status, 403);
    assert_eq!(world.read(&made, "").await["holds"], json!([]));
}

#[tokio::test]
async fn pages_of_many_releases_are_told_when_something_happened() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let other = Browser::signed_in(&world.api, "OTHER").await;
    let at = async |browser: &Browser<'_>| {
        let secret = form_to(&browser.page("/profile").await, "/profile/theme").fields["csrf"].clone();
        let reply = browser
            .send("POST", "/live", Some(format!("csrf={secret}")), &[])
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        serde_json::from_str::<Value>(&reply.text).unwrap()
    };
    let (mine, theirs) = (at(&viewer).await, at(&other).await);
    assert_eq!(mine, at(&viewer).await, "nothing has happened");
    world.act(&made, "pause", &json!({})).await.is(200);
    let paused = at(&viewer).await;
    assert!(
        paused["at"].as_i64().unwrap() > mine["at"].as_i64().unwrap(),
        "{paused}"
    );
    world
        .api
        .post("/line/stop", &json!({"stopped": true, "reason": "x"}))
        .await
        .is(200);
    assert_ne!(at(&viewer).await["stopped"], Value::Null);
    assert_eq!(at(&other).await, theirs, "what others do is not told");
    let forged = viewer.send("POST", "/live", Some("csrf=x".to_owned()), &[]).await;
    assert_eq!(forged.status, 403);
    for (path, id) in [
        ("/releases", "table"),
        ("/activity", "happened"),
        ("/operations", "work"),
    ] {
        let page = viewer.page(path).await;
        let region = page.split(&format!("id=\"{id}\"")).nth(1).unwrap();
        assert!(region.split('>').next().unwrap().contains("data-live"), "{path}");
    }
}

#[tokio::test]
async fn the_script_gets_a_stream_and_nobody_else_does() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let secret = form_to(&viewer.page("/profile").await, "/profile/theme").fields["csrf"].clone();
    let path = format!("/releases/{key}/live");
    let reply = viewer
        .send("POST", &path, Some(format!("csrf={secret}")), &[])
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let said: Value = serde_json::from_str(&reply.text).unwrap();
    let stream = said["url"].as_str().unwrap();
    assert!(
        stream.starts_with("/api/v1/releases/") && stream.contains("?ticket=dlt_"),
        "{stream}"
    );
    let url = format!("{}{stream}", world.api.root);
    let mut live = world.api.http.get(&url).send().await.unwrap();
    assert_eq!(live.status().as_u16(), 200);
    assert!(live.chunk().await.unwrap().is_some());
    assert_eq!(
        viewer
            .send("POST", &path, Some("csrf=x".to_owned()), &[])
            .await
            .status,
        403
    );
}
