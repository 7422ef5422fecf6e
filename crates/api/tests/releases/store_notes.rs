//! What the stores tell users: texts by language, set for each store.

use crate::world::World;
use serde_json::{Value, json};

fn notes(body: &Value) -> Value {
    json!({"notes": body})
}

#[tokio::test]
async fn texts_are_set_and_taken_away_by_language() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let api = &world.api;
    let all = format!("{}/store-notes", World::path(&made));
    let path = format!("{all}/ANDROID_PLAY_STORE");
    let mut none = api.of("VIEWER", "GET", &all).send().await.is(200);
    // This world's store has no credential that works.
    let languages = none["items"][0].as_object_mut().unwrap().remove("languages");
    assert!(languages.unwrap()["failure"].is_string());
    assert_eq!(
        none,
        json!({"items": [{
            "target": "ANDROID_PLAY_STORE", "longest": 500, "closed": null, "notes": {}, "collected": null,
            "defaults": {}, "profile": null, "readings": [], "previous": null,
            "warning": "nobody wrote notes: users would read the changelog",
        }]})
    );
    let set = notes(&json!({"default": "Gifts.", "DE_de": "Geschenke.\r\nUnd mehr."}));
    let now = api.patch(&path, &set).await.is(200);
    assert_eq!(
        now["notes"],
        json!({"default": "Gifts.", "de-DE": "Geschenke.\nUnd mehr."})
    );
    // Two people at once write for two languages: both texts stand.
    let french = notes(&json!({"fr-FR": "Cadeaux."}));
    let italian = notes(&json!({"it-IT": "Regali."}));
    let (one, other) = tokio::join!(api.patch(&path, &french), api.patch(&path, &italian));
    one.is(200);
    other.is(200);
    api.patch(&path, &notes(&json!({"default": null, "de-DE": ""})))
        .await
        .is(200);
    let read = api.get(&all).await.is(200);
    assert_eq!(
        read["items"][0]["notes"],
        json!({"fr-FR": "Cadeaux.", "it-IT": "Regali."})
    );
    let feed = api
        .get(&format!("{}/activities", World::path(&made)))
        .await
        .is(200);
    let told = feed["items"][0]["summary"].as_str().unwrap();
    assert_eq!(
        told,
        "store notes of ANDROID_PLAY_STORE changed: de-DE taken away, default taken away"
    );
    // What the release is has not grown by them: lists stay small.
    assert!(!world.read(&made, "").await.to_string().contains("Regali"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_name() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let api = &world.api;
    let all = format!("{}/store-notes", World::path(&made));
    let path = format!("{all}/ANDROID_PLAY_STORE");
    let long = "\u{fc}".repeat(501);
    let refused = api
        .patch(&path, &notes(&json!({"default": "Fine.", "de-DE": long})))
        .await
        .refused(422, "unsuitable_value");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("ANDROID_PLAY_STORE for de-DE have 501 characters") && detail.contains("takes 500"),
        "{refused}"
    );
    for wrong in [
        json!({"german": "x"}),
        json!({"de-DE": "x", "de_de": "y"}),
        json!({"": "x"}),
    ] {
        api.patch(&path, &notes(&wrong)).await.wrong_at("/notes");
    }
    api.patch(&path, &notes(&json!({"de-DE": "a\u{1b}[31mb"})))
        .await
        .refused(422, "unsuitable_value");
    api.patch(&path, &json!({"texts": {}})).await.is(400);
    for target in ["IOS_APP_STORE", "NOWHERE"] {
        api.patch(&format!("{all}/{target}"), &notes(&json!({"default": "x"})))
            .await
            .refused(404, "not_found");
    }
    let wanted = notes(&json!({"default": "x"}));
    for (who, status, code) in [("VIEWER", 403, "role_too_low"), ("OTHER", 404, "not_found")] {
        api.of(who, "PATCH", &path)
            .json(&wanted)
            .send()
            .await
            .refused(status, code);
    }
    api.of("OTHER", "GET", &all)
        .send()
        .await
        .refused(404, "not_found");
    api.of("MEMBER", "PATCH", &path)
        .header("if-match", "\"99\"")
        .json(&wanted)
        .send()
        .await
        .refused(412, "stale_version");
    let read = api.get(&all).await.is(200);
    assert_eq!(read["items"][0]["notes"], json!({}), "nothing was written");
}

#[tokio::test]
async fn defaults_of_the_profile_are_checked_when_they_are_saved() {
    let world = World::new().await;
    let api = &world.api;
    let long = "ü".repeat(501);
    let wanted =
        json!({"name": "Weekly", "settings": {"storeNotes": {"default": "Bug fixes.", "de-de": long}}});
    let refused = api
        .post("/profiles", &wanted)
        .await
        .refused(422, "notes_unsuitable");
    assert_eq!(refused["errors"][0]["pointer"], "/settings/storeNotes/de-DE");
    let said = refused["detail"].as_str().unwrap();
    assert!(
        said.contains("for de-DE have 501 characters") && said.contains("takes 500"),
        "{said}"
    );
    assert_eq!(api.get("/profiles").await.is(200)["items"], json!([]));
    let named_twice = json!({"name": "Weekly", "settings": {"storeNotes": {"de-DE": "x", "de_de": "y"}}});
    assert_eq!(api.post("/profiles", &named_twice).await.status, 400);
    // A release's own settings are held to the same.
    let mut body = world.later("1.0.0");
    body["settings"] = json!({"storeNotes": {"default": long}});
    api.post("/releases", &body)
        .await
        .refused(422, "settings_unsuitable");
}

#[tokio::test]
async fn users_read_the_defaults_that_the_release_was_planned_with_where_nobody_wrote_a_text() {
    let world = World::new().await;
    let api = &world.api;
    let settings = json!({"storeNotes": {"default": "Bug fixes.", "de-DE": "Fehler behoben."}});
    let wanted = json!({"name": "Weekly", "serviceId": world.service, "settings": settings});
    let profile = api.post("/profiles", &wanted).await.is(201);
    // The dry run says so, and warns where there is nothing.
    let body = world.later("1.0.0");
    let plan = api.post("/releases/plan", &body).await.is(200);
    assert_eq!(
        plan["targets"][0]["storeNotes"],
        json!({"default": "Bug fixes.", "de-DE": "Fehler behoben."})
    );
    assert_eq!(plan["warnings"], json!([]));
    let made = world.made(&body).await;
    let all = format!("{}/store-notes", World::path(&made));
    let brief = format!("{all}?ask=false");
    let read = async || api.get(&brief).await.is(200)["items"][0].take();
    let reading = |language: &str, source: &str, text: &str| json!({"language": language, "source": source, "text": text});
    let now = read().await;
    assert_eq!(
        now["readings"],
        json!([
            reading("de-DE", "PROFILE", "Fehler behoben."),
            reading("default", "PROFILE", "Bug fixes.")
        ])
    );
    assert_eq!(
        (&now["profile"], &now["warning"], &now["languages"]),
        (&json!("Weekly"), &Value::Null, &Value::Null)
    );
    // Another revision is none of this release's.
    let path = format!("/profiles/{}", profile["id"].as_str().unwrap());
    let revised = json!({"serviceId": world.service, "settings": {}});
    api.put(&path, &revised).await.is(200);
    assert_eq!(read().await["readings"], now["readings"]);
    let plan = api.post("/releases/plan", &world.later("1.1.0")).await.is(200);
    assert_eq!(plan["warnings"][0]["pointer"], "/profileId");
    let said = plan["warnings"][0]["detail"].as_str().unwrap();
    assert!(
        said.starts_with("nobody wrote notes for ANDROID_PLAY_STORE: users would read the changelog"),
        "{said}"
    );
    // What a person writes stands before them: in one language, then for everybody.
    let target = format!("{all}/ANDROID_PLAY_STORE");
    api.patch(&target, &notes(&json!({"de-DE": "Geschenke."})))
        .await
        .is(200);
    assert_eq!(
        read().await["readings"],
        json!([
            reading("de-DE", "WRITTEN", "Geschenke."),
            reading("default", "PROFILE", "Bug fixes.")
        ])
    );
    let written = notes(&json!({"default": "Gifts.", "de-DE": null}));
    let kept = api.patch(&target, &written).await.is(200);
    assert_eq!(kept["readings"], json!([reading("default", "WRITTEN", "Gifts.")]));
    for path in [&all, &brief] {
        api.of("OTHER", "GET", path)
            .send()
            .await
            .refused(404, "not_found");
    }
    assert_eq!(api.get(&format!("{all}?ask=perhaps")).await.status, 400);
}

#[tokio::test]
async fn the_doctor_names_profiles_without_default_notes() {
    let world = World::new().await;
    let api = &world.api;
    let wanted = json!({"name": "Weekly", "settings": {"stores": {"IOS_APP_STORE": {"notes": {"default": "Fixes."}}}}});
    let made = api.post("/profiles", &wanted).await.is(201);
    let check = async |role: &str| {
        let said = api.of(role, "GET", "/doctor").send().await.is(200);
        let all = said["checks"].as_array().unwrap().iter();
        all.filter(|it| it["about"] == "PROFILE")
            .cloned()
            .collect::<Vec<Value>>()
    };
    let found = check("OWNER").await;
    assert_eq!(
        (&found[0]["outcome"], &found[0]["id"], &found[0]["name"]),
        (&json!("DEGRADED"), &made["id"], &json!("Weekly"))
    );
    let advice = found[0]["advice"].as_str().unwrap();
    assert!(
        advice.contains("ANDROID_PLAY_STORE") && !advice.contains("IOS_APP_STORE"),
        "{advice}"
    );
    let path = format!("/profiles/{}", made["id"].as_str().unwrap());
    let better = json!({"settings": {"storeNotes": {"en-US": "Bug fixes."}}});
    api.put(&path, &better).await.is(200);
    let found = check("OWNER").await;
    assert_eq!(
        (&found[0]["outcome"], &found[0]["advice"]),
        (&json!("OK"), &Value::Null)
    );
    assert_eq!(check("OTHER").await, Vec::<Value>::new());
}
