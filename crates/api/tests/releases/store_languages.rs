//! Languages of the stores: which the app has, and which texts nobody would read there.

use crate::world::World;
use delivr_sandbox::{Running, Sandbox};
use serde_json::{Value, json};

/// A tenant with a simulated Google Play.
struct Shop {
    world: World,
    vendors: Running,
    play: String,
}

impl Shop {
    async fn open() -> Self {
        let world = World::new().await;
        let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 5).await.unwrap();
        let url = format!("{}/_credentials", vendors.url());
        let all: Value = world
            .api
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let mut body = all["playstore"].clone();
        let config = body.as_object_mut().unwrap();
        config.insert("provider".to_owned(), json!("playstore"));
        config.insert("name".to_owned(), json!("our Play"));
        config.remove("key");
        let made = world.api.post("/integrations/stores", &body).await.is(201);
        let play = made["id"].as_str().unwrap().to_owned();
        let shop = Self { world, vendors, play };
        shop.verify().await;
        shop
    }

    fn integration(&self) -> String {
        format!("/integrations/stores/{}", self.play)
    }

    async fn verify(&self) {
        let path = format!("{}/verify", self.integration());
        self.world.api.post(&path, &json!({})).await.is(200);
    }

    /// The integration is changed, so that what was kept of its app no longer counts.
    async fn renamed(&self, name: &str) {
        let change = json!({"name": name});
        self.world.api.put(&self.integration(), &change).await.is(200);
    }

    fn vendor(&self, action: &str, more: &Value) {
        let mut body = json!({"vendor": "playstore", "action": action});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        self.vendors.advance(&body).unwrap();
    }

    async fn fault(&self, mut body: Value) {
        body["vendor"] = json!("playstore");
        let url = format!("{}/_faults", self.vendors.url());
        let answer = self.world.api.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The store notes of a release that begins tomorrow.
    async fn planned(&self, version: &str) -> String {
        let mut body = self.world.later(version);
        body["targets"][0]["storeIntegrationId"] = json!(self.play);
        let made = self.world.made(&body).await;
        format!("{}/store-notes", World::path(&made))
    }

    async fn languages(&self, notes: &str) -> Value {
        let mut read = self.world.api.get(notes).await.is(200);
        read["items"][0]["languages"].take()
    }
}

#[tokio::test]
async fn the_languages_of_the_app_are_told_and_texts_for_others_are_named() {
    let shop = Shop::open().await;
    let api = &shop.world.api;
    let notes = shop.planned("1.1.0").await;
    let told = shop.languages(&notes).await;
    assert_eq!(told["known"], json!(["de-DE", "en-US", "ja-JP"]), "{told}");
    assert_eq!(
        (&told["default"], &told["failure"], &told["unread"]),
        (&json!("en-US"), &Value::Null, &json!([]))
    );
    assert!(told["askedAt"].is_string());
    // A text for another one is kept, since the language may be added before the submission, and named at once.
    let texts = json!({"notes": {"default": "New.", "ja": "新しい", "fr-FR": "Nouveau.", "it-IT": "Nuovo."}});
    let kept = api
        .patch(&format!("{notes}/ANDROID_PLAY_STORE"), &texts)
        .await
        .is(200);
    assert_eq!(kept["languages"]["unread"], json!(["fr-FR", "it-IT"]));
    assert_eq!(kept["notes"]["fr-FR"], "Nouveau.");
    assert_eq!(shop.languages(&notes).await["unread"], json!(["fr-FR", "it-IT"]));
    // Viewers see it as well.
    let seen = api.of("VIEWER", "GET", &notes).send().await.is(200);
    assert_eq!(seen["items"][0]["languages"]["unread"], json!(["fr-FR", "it-IT"]));
    // Somebody adds a language, and has the integration tried: the app is asked anew.
    shop.vendor(
        "set_languages",
        &json!({"languages": ["en-US", "fr-FR", "ja-JP"], "default": "fr-FR"}),
    );
    shop.verify().await;
    let told = shop.languages(&notes).await;
    assert_eq!(
        (&told["default"], &told["unread"]),
        (&json!("fr-FR"), &json!(["it-IT"]))
    );
}

#[tokio::test]
async fn a_store_is_asked_once_for_many_readers_and_leaves_no_edit() {
    let shop = Shop::open().await;
    let notes = shop.planned("1.1.0").await;
    let requests = || shop.vendors.journal()["requests"].as_u64().unwrap();
    let before = requests();
    let (one, other, third) = tokio::join!(
        shop.languages(&notes),
        shop.languages(&notes),
        shop.languages(&notes)
    );
    assert_eq!(one, other);
    assert_eq!(one["known"], third["known"]);
    let first = requests();
    assert!(first > before);
    assert_eq!(shop.languages(&notes).await, one);
    assert_eq!(requests(), first, "an answer is kept");
    let listed = shop
        .vendors
        .advance(&json!({"vendor": "playstore", "action": "open_edits"}));
    assert_eq!(listed.unwrap(), json!({"open": 0}));
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_said_so_and_hides_nothing() {
    let shop = Shop::open().await;
    let api = &shop.world.api;
    let notes = shop.planned("1.1.0").await;
    let texts = json!({"notes": {"fr-FR": "Nouveau."}});
    for (name, fault, says) in [
        (
            "busy",
            json!({"fault": "throttle", "operation": "insert_edit", "retryAfter": 30}),
            "no more requests for this minute",
        ),
        (
            "down",
            json!({"fault": "status_before", "operation": "list_listings", "times": 9}),
            "not available",
        ),
        (
            "page",
            json!({"fault": "html", "operation": "get_details", "times": 9}),
            "",
        ),
    ] {
        shop.renamed(name).await;
        shop.fault(fault).await;
        let told = shop.languages(&notes).await;
        let failure = told["failure"].as_str().unwrap_or_default();
        assert!(!failure.is_empty() && failure.contains(says), "{name}: {told}");
        assert_eq!(
            (&told["known"], &told["unread"], &told["askedAt"]),
            (&json!([]), &json!([]), &Value::Null)
        );
        let kept = api
            .patch(&format!("{notes}/ANDROID_PLAY_STORE"), &texts)
            .await
            .is(200);
        assert_eq!(
            kept["notes"],
            json!({"fr-FR": "Nouveau."}),
            "it is written all the same"
        );
    }
    // A credential that Google no longer takes, and one that was changed and not tried since.
    shop.renamed("revoked").await;
    shop.vendor("revoke_credentials", &json!({}));
    let told = shop.languages(&notes).await;
    let failure = told["failure"].as_str().unwrap();
    assert!(failure.contains("Google"), "{told}");
    assert!(!told.to_string().contains("PRIVATE KEY"));
    let config = api.get(&shop.integration()).await.is(200)["config"].take();
    let changed = json!({"config": config});
    api.put(&shop.integration(), &changed).await.is(200);
    let told = shop.languages(&notes).await;
    assert!(
        told["failure"].as_str().unwrap().contains("not verified yet"),
        "{told}"
    );
}

#[tokio::test]
async fn nobody_is_asked_for_what_no_longer_changes_or_is_not_theirs() {
    let shop = Shop::open().await;
    let api = &shop.world.api;
    let notes = shop.planned("1.1.0").await;
    let requests = || shop.vendors.journal()["requests"].as_u64().unwrap();
    let before = requests();
    api.of("OTHER", "GET", &notes)
        .send()
        .await
        .refused(404, "not_found");
    let path = format!("{notes}/ANDROID_PLAY_STORE");
    let wanted = json!({"notes": {"default": "x"}});
    api.of("OTHER", "PATCH", &path)
        .json(&wanted)
        .send()
        .await
        .refused(404, "not_found");
    let release = notes.trim_end_matches("/store-notes");
    api.post(&format!("{release}/archive"), &json!({"reason": "not wanted"}))
        .await
        .is(200);
    assert_eq!(shop.languages(&notes).await, Value::Null);
    assert_eq!(requests(), before);
}
