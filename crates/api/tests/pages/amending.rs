//! A release is changed on its pages: its text and dates, its planned cycles, its plan, a cycle's verdict, its builds.

use crate::browser::{Browser, form_to, unescaped};
use crate::headers::sound;
use crate::support::Reply;
use crate::world::{World, task};
use serde_json::{Value, json};

fn place(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.headers["location"].clone()
}

/// A day and hour so many days from now, as a field takes it, and as an instant.
fn day(days: i64) -> (String, String) {
    let at = chrono::Utc::now() + chrono::TimeDelta::days(days);
    let text = at.format("%Y-%m-%dT10:00").to_string();
    let instant = format!("{}:00Z", text);
    (text, instant)
}

/// A release in a cycle whose builds people make, with the key.
async fn in_cycle(world: &World) -> (Value, String) {
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"autoStart": []});
    let made = world.made(&body).await;
    let waits = |release: &Value| release["phase"] == "AWAITING_REGRESSION";
    world.until(&made, waits).await;
    world
        .act(&made, "trigger-regression-testing", &json!({}))
        .await
        .is(200);
    world.act(&made, "cycles", &json!({})).await.is(201);
    let waits = |release: &Value| {
        let tasks = release["tasks"].as_array().unwrap();
        tasks
            .iter()
            .any(|it| it["type"] == "TRIGGER_REGRESSION_BUILDS" && it["status"] == "AWAITING_MANUAL")
    };
    let now = world.until(&made, waits).await;
    let key = now["key"].as_str().unwrap().to_owned();
    (now, key)
}

#[tokio::test]
async fn what_is_said_of_a_planned_release_and_its_dates_are_edited() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let edit = format!("/releases/{key}/edit");
    let page = member.page(&format!("/releases/{key}")).await;
    assert!(page.contains(&format!("href=\"{edit}\"")), "{page}");
    // Times are shown and read as clocks of a place show them.
    let form = form_to(
        &member.page(&format!("{edit}?zone=Africa%2FJohannesburg")).await,
        &edit,
    );
    let (kickoff, _) = day(3);
    let (out, out_at) = day(9);
    let filled = form
        .clone()
        .with("/title", "Spring <b>")
        .with("/description", "two\nlines")
        .with("/pilot", "member@example.org")
        .with("/kickoffAt", &kickoff)
        .with("/targetDate", &out);
    // What it would do is shown first, and is not done.
    let reply = member.submit(&filled.clone().with("do", "look")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "a look");
    assert!(reply.text.contains("What it would do"), "{}", reply.text);
    assert_ne!(world.read(&made, "").await["title"], "Spring <b>");
    let filled = form_to(&reply.text, &edit);
    assert_eq!(filled.fields["/title"], "Spring <b>", "what is filled in stays");
    let reply = member.submit(&filled.with("do", "send")).await;
    assert_eq!(place(&reply), format!("/releases/{key}?done=edited"));
    let now = world.read(&made, "").await;
    assert_eq!(
        (&now["title"], &now["description"], &now["pilot"]),
        (
            &json!("Spring <b>"),
            &json!("two\nlines"),
            &json!("member@example.org")
        )
    );
    let at: chrono::DateTime<chrono::Utc> = now["targetDate"].as_str().unwrap().parse().unwrap();
    let named: chrono::DateTime<chrono::Utc> = out_at.parse().unwrap();
    assert_eq!(at, named - chrono::TimeDelta::hours(2));
    // A form that was opened before overwrites nothing that its sender has not read, and its own fields alone.
    let late = member
        .submit(&form.clone().with("/title", "Late").with("/priority", "HIGH"))
        .await;
    assert_eq!(late.status, 409, "{}", late.text);
    sound(&late, "too late");
    assert!(
        unescaped(&late.text).contains("it is now: Spring <b>"),
        "{}",
        late.text
    );
    assert_eq!(world.read(&made, "").await["priority"], "MEDIUM");
    let reply = member.submit(&form.with("/priority", "HIGH")).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    let now = world.read(&made, "").await;
    assert_eq!(
        (&now["title"], &now["priority"]),
        (&json!("Spring <b>"), &json!("HIGH"))
    );
    // Mistakes stand at their fields, with what was filled in.
    let form = form_to(&member.page(&edit).await, &edit);
    for (name, value, status, said) in [
        ("/title", "", 400, "must be filled in"),
        ("/kickoffAt", "someday", 400, "must look like"),
        ("/kickoffAt", "2020-01-01T10:00", 422, "lies in the past"),
        ("/targetDate", "2020-01-01T10:00", 422, "lies in the past"),
    ] {
        let reply = member.submit(&form.clone().with(name, value)).await;
        assert_eq!(reply.status, status, "{name} {value}: {}", reply.text);
        assert!(reply.text.contains(said), "{name} {value}: {}", reply.text);
        let id = name.replace('/', "-");
        assert!(reply.text.contains(&format!("href=\"#f{id}\"")), "{}", reply.text);
        assert_eq!(form_to(&reply.text, &edit).fields[name], value);
    }
    // What it can do without is taken away: nobody, and no date.
    let form = form_to(&member.page(&edit).await, &edit);
    let emptied = form.with("/pilot", "").with("/targetDate", "");
    let look = member.submit(&emptied.clone().with("do", "look")).await;
    assert!(
        look.text.contains("Took away pilot, target date"),
        "{}",
        look.text
    );
    let reply = member.submit(&emptied.with("do", "send")).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    let now = world.read(&made, "").await;
    assert_eq!(
        (&now["pilot"], &now["targetDate"], &now["description"]),
        (&json!(null), &json!(null), &json!("two\nlines"))
    );
    let page = member.page(&format!("/releases/{key}")).await;
    assert!(page.contains("Took away pilot, target date"), "{page}");
    // Who may not is told; other organisations see nothing.
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let page = viewer.page(&edit).await;
    assert!(
        page.contains("; yours is VIEWER.") && !page.contains("novalidate"),
        "{page}"
    );
    let title = [("/title", "mine"), ("/priority", "LOW")];
    assert_eq!(viewer.forge(&edit, &title).await.status, 403);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.get(&edit).await.status, 404);
    assert_eq!(other.forge(&edit, &title).await.status, 404);
}

#[tokio::test]
async fn the_dates_of_a_kickoff_that_is_over_are_not_offered() {
    let world = World::new().await;
    let (made, key) = in_cycle(&world).await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let edit = format!("/releases/{key}/edit");
    let form = form_to(&member.page(&edit).await, &edit);
    assert!(!form.fields.contains_key("/kickoffAt"));
    // It moves by itself while somebody writes; what they write fits all the same.
    world.act(&made, "pause", &json!({})).await.is(200);
    let reply = member.submit(&form.with("/title", "Summer")).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_eq!(world.read(&made, "").await["title"], "Summer");
}

#[tokio::test]
async fn cycles_are_planned_changed_and_dropped() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let slots = format!("/releases/{key}/slots");
    let form = form_to(&member.page(&slots).await, &slots);
    for (value, status) in [("", 400), ("someday", 400), ("2020-01-01T10:00", 422)] {
        let reply = member.submit(&form.clone().with("/at", value)).await;
        assert_eq!(reply.status, status, "{value}: {}", reply.text);
        assert!(reply.text.contains("href=\"#f-at\""), "{}", reply.text);
        sound(&reply, value);
    }
    let (at, instant) = day(4);
    let form = form_to(&member.page(&slots).await, &slots)
        .with("/at", &at)
        .with("/automation", "NO_RUN");
    let reply = member.submit(&form.clone().with("do", "look")).await;
    assert!(reply.text.contains("What it would do"), "{}", reply.text);
    let planned = format!("{slots}?done=slot-planned&zone=UTC");
    assert_eq!(place(&member.submit(&form).await), planned);
    assert_eq!(
        place(&member.submit(&form).await),
        planned,
        "sent twice it is one"
    );
    let now = world.read(&made, "slots").await;
    let all = now["slots"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{now}");
    assert_eq!(
        (&all[0]["at"], &all[0]["builds"], &all[0]["automation"]),
        (&json!(instant), &json!("BUILD"), &json!("NO_RUN"))
    );
    let id = all[0]["id"].as_str().unwrap();
    let page = member.page(&slots).await;
    let one = format!("{slots}/{id}");
    assert!(page.contains(&format!("href=\"{one}\"")), "{page}");
    let form = form_to(&member.page(&one).await, &one);
    assert_eq!(form.fields["/at"], at);
    let reply = member.submit(&form.clone().with("/builds", "NO_BUILD")).await;
    assert_eq!(
        place(&reply),
        format!("{slots}?done=slot-changed&zone=UTC"),
        "{}",
        reply.text
    );
    let now = world.read(&made, "slots").await;
    assert_eq!(
        (&now["slots"][0]["builds"], &now["slots"][0]["at"]),
        (&json!("NO_BUILD"), &json!(instant))
    );
    // Who opened the form before is told what somebody else has made of it.
    let reply = member.submit(&form.with("/builds", "")).await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    // Dropped, after its effect was shown.
    let ask = format!("/releases/{key}/do/drop-slot?of={id}");
    assert!(page.contains(&format!("href=\"{ask}\"")), "{page}");
    let page = member.page(&ask).await;
    assert!(page.contains("What it would do"), "{page}");
    assert_eq!(world.read(&made, "slots").await["slots"][0]["id"], id);
    let form = form_to(&page, &format!("/releases/{key}/do/drop-slot"));
    assert_eq!(member.submit(&form).await.status, 303);
    assert_eq!(world.read(&made, "slots").await["slots"], json!([]));
    assert_eq!(member.get(&one).await.status, 404);
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    assert_eq!(viewer.forge(&slots, &[("/at", &at)]).await.status, 403);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.get(&slots).await.status, 404);
    assert_eq!(other.forge(&one, &[("/at", &at)]).await.status, 404);
}

#[tokio::test]
async fn a_person_says_how_a_cycle_went() {
    let world = World::new().await;
    let (made, key) = in_cycle(&world).await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let verdict = format!("/releases/{key}/cycles/1/verdict");
    let page = member.page(&format!("/releases/{key}")).await;
    assert!(page.contains(&format!("href=\"{verdict}\"")), "{page}");
    let form = form_to(&member.page(&verdict).await, &verdict);
    assert_eq!(form.fields["/verdict"], "", "nothing is chosen for anybody");
    let reply = member.submit(&form.clone().with("/note", "fine")).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(
        reply.text.contains("href=\"#f-verdict\"") && reply.text.contains(">fine</textarea>"),
        "{}",
        reply.text
    );
    let form = form.with("/verdict", "FAILED").with("/note", "it <crashes>");
    let reply = member.submit(&form.clone().with("/totals/passed", "3")).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.text.contains("href=\"#f-totals-total\""), "{}", reply.text);
    let counted = form
        .with("/totals/total", "4")
        .with("/totals/passed", "3")
        .with("/totals/failed", "1");
    let reply = member.submit(&counted.clone().with("do", "look")).await;
    assert!(reply.text.contains("What it would do"), "{}", reply.text);
    assert_eq!(
        world.read(&made, "cycles").await["cycles"][0]["verdict"],
        "UNKNOWN"
    );
    let reply = member.submit(&counted).await;
    assert_eq!(place(&reply), format!("/releases/{key}?done=verdict#regression"));
    let now = world.read(&made, "cycles").await;
    assert_eq!(now["cycles"][0]["verdict"], "FAILED");
    let note = now["cycles"][0]["verdictNote"].as_str().unwrap();
    assert!(
        note.contains("it <crashes> (3 of 4 passed, 1 failed)") && note.contains("member@example.org"),
        "{note}"
    );
    assert_eq!(
        member
            .get(&format!("/releases/{key}/cycles/7/verdict"))
            .await
            .status,
        404
    );
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let fields = [("/verdict", "PASSED"), ("/note", "x")];
    assert_eq!(viewer.forge(&verdict, &fields).await.status, 403);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.forge(&verdict, &fields).await.status, 404);
    assert_eq!(
        world.read(&made, "cycles").await["cycles"][0]["verdict"],
        "FAILED"
    );
}

#[tokio::test]
async fn a_newer_profile_is_taken_up_after_its_difference_is_shown() {
    let world = World::new().await;
    let profile = json!({"name": "Weekly", "serviceId": world.service});
    let profile = world.api.post("/profiles", &profile).await.is(201);
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let path = format!("/releases/{key}/plan");
    let page = member.page(&path).await;
    assert!(page.contains("Nothing would change"), "{page}");
    let id = profile["id"].as_str().unwrap();
    let place_of = |version: u32| format!("/profiles/{id}?revision={version}\">Weekly, version {version}");
    let at_release = format!("/releases/{key}");
    let page = member.page(&at_release).await;
    assert!(
        page.contains(&place_of(1)) && !page.contains("has moved on"),
        "{page}"
    );
    let revised = json!({"settings": {"deadlines": {"pipelineMinutes": 33, "automationMinutes": 120,
        "storeMinutes": 600, "pollSeconds": 60}}, "serviceId": world.service});
    world.api.put(&format!("/profiles/{id}"), &revised).await.is(200);
    let page = member.page(&at_release).await;
    let diff = format!("/profiles/{id}/diff?from=1&amp;to=2");
    assert!(
        page.contains(&place_of(1)) && page.contains("moved on to version 2") && page.contains(&diff),
        "{page}"
    );
    assert_eq!(member.get(&diff.replace("&amp;", "&")).await.status, 200);
    let reply = member.get(&path).await;
    sound(&reply, "the difference");
    assert!(
        reply.text.contains("<ins>version 2</ins>") && reply.text.contains("<ins>33"),
        "{}",
        reply.text
    );
    assert_eq!(world.read(&made, "").await["profileRevision"], 1);
    let form = form_to(&reply.text, &path);
    // Somebody moves it meanwhile: what is shown is looked at again.
    world.act(&made, "pause", &json!({})).await.is(200);
    let late = member.submit(&form).await;
    assert_eq!(late.status, 412, "{}", late.text);
    assert!(late.text.contains("<ins>version 2</ins>"), "{}", late.text);
    let reply = member.submit(&form_to(&late.text, &path)).await;
    assert_eq!(place(&reply), format!("/releases/{key}?done=replanned"));
    assert_eq!(world.read(&made, "").await["profileRevision"], 2);
    let page = member.page(&at_release).await;
    assert!(
        page.contains(&place_of(2)) && !page.contains("has moved on"),
        "{page}"
    );
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    assert!(viewer.page(&path).await.contains("; yours is VIEWER."));
    assert_eq!(viewer.forge(&path, &[("revision", "1")]).await.status, 403);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.forge(&path, &[]).await.status, 404);
}

#[tokio::test]
async fn a_build_that_a_person_made_is_handed_in_with_its_file() {
    let world = World::on_sqlite().await;
    let (made, key) = in_cycle(&world).await;
    let waiting = task(&made, "TRIGGER_REGRESSION_BUILDS")["id"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page(&format!("/releases/{key}")).await;
    let new = format!("/releases/{key}/builds/new");
    assert!(page.contains(&format!("href=\"{new}?task={waiting}\"")), "{page}");
    let form = form_to(&member.page(&format!("{new}?task={waiting}")).await, &new);
    assert_eq!(form.fields["/task"], waiting);
    let wrong = form.clone().with("/buildNumber", "101").with("/sha", "no commit");
    let reply = member.submit(&wrong).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    sound(&reply, "no commit");
    assert!(
        reply.text.contains("href=\"#f-sha\"") && reply.text.contains("value=\"101\""),
        "{}",
        reply.text
    );
    let sha = made["cycles"][0]["sha"].as_str().unwrap();
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let fields = [("/task", waiting), ("/buildNumber", "1")];
    assert_eq!(viewer.forge(&new, &fields).await.status, 403);
    let led = place(
        &member
            .submit(&form.with("/buildNumber", "101").with("/sha", sha))
            .await,
    );
    let now = world.read(&made, "tasks,builds").await;
    assert_eq!(now["builds"][0]["buildNumber"], "101");
    assert_eq!(task(&now, "TRIGGER_REGRESSION_BUILDS")["status"], "COMPLETED");
    let build = now["builds"][0]["id"].as_str().unwrap();
    let file = format!("/releases/{key}/builds/{build}/file");
    assert_eq!(led, format!("{file}?done=handed-in"));
    let page = member.page(&led).await;
    assert!(
        page.contains("enctype=\"multipart/form-data\""),
        "its file may follow: {page}"
    );
    let secret = member.secret().await;
    // No other page's form, no file, one that is too large: nothing is kept, and it is said.
    let reply = member.upload(&file, "0", "a.aab", "content").await;
    assert_eq!(reply.status, 403, "{}", reply.text);
    let reply = member.upload(&file, &secret, "", "").await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.text.contains("Choose the file first."), "{}", reply.text);
    let large = "x".repeat(usize::try_from(World::UPLOAD_LIMIT).unwrap() + 1);
    let reply = member.upload(&file, &secret, "a.aab", &large).await;
    assert_eq!(reply.status, 413, "{}", reply.text);
    sound(&reply, "too large");
    let reply = viewer.upload(&file, &viewer.secret().await, "a.aab", "x").await;
    assert_eq!(reply.status, 403, "{}", reply.text);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    let reply = other.upload(&file, &other.secret().await, "a.aab", "x").await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    assert_eq!(world.left_over(), 0);
    // Kept as it came, the largest there may be.
    let content = &large[1..];
    let reply = member.upload(&file, &secret, "a.aab", content).await;
    assert_eq!(place(&reply), format!("{file}?done=file-kept"));
    let page = member.page(&file).await;
    assert!(
        page.contains(&format!("{} bytes", content.len())) && !page.contains("type=\"file\""),
        "{page}"
    );
    let path = format!("/builds/{build}/artifact");
    let stored = world.api.of("VIEWER", "GET", &path).send().await;
    assert_eq!(stored.text, content);
    assert_eq!(stored.headers["content-type"], "application/zip");
    // Nothing waits any more: the page says so in the place of its form.
    let reply = member.get(&format!("{new}?task={waiting}")).await;
    sound(&reply, "nothing waits");
}

#[tokio::test]
async fn where_builds_come_from_is_changed() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let path = format!("/releases/{key}/targets");
    let form = form_to(&member.page(&path).await, &path);
    assert_eq!(form.fields["/ANDROID_PLAY_STORE"], "MANUAL");
    // What it would do is shown first, and is not done.
    let look = form.clone().with("do", "look");
    let reply = member.submit(&look).await;
    assert!(reply.text.contains("Nothing would change"), "{}", reply.text);
    let reply = member.submit(&look.with("/ANDROID_PLAY_STORE", "PIPELINE")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "a look");
    assert!(reply.text.contains("Builds of Android come by"), "{}", reply.text);
    assert_eq!(world.read(&made, "").await["targets"][0]["builds"], "MANUAL");
    let form = form_to(&reply.text, &path);
    assert_eq!(
        form.fields["/ANDROID_PLAY_STORE"], "PIPELINE",
        "what is filled in stays"
    );
    let reply = member.submit(&form.with("do", "send")).await;
    assert_eq!(place(&reply), format!("/releases/{key}?done=builds-changed"));
    assert_eq!(world.read(&made, "").await["targets"][0]["builds"], "PIPELINE");
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let fields = [("/ANDROID_PLAY_STORE", "MANUAL")];
    assert_eq!(viewer.forge(&path, &fields).await.status, 403);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.forge(&path, &fields).await.status, 404);
}
