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
