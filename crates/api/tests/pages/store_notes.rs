//! What the stores tell users, written on a page: one form for each text.

use crate::browser::{Browser, Form, form_to, forms};
use crate::headers::sound;
use crate::world::World;
use delivr_sandbox::{Running, Sandbox};
use serde_json::{Value, json};

/// The form of a language, as the page shows it; of the further language where it is none.
fn form(page: &str, language: &str) -> Form {
    let found = forms(page).into_iter().find(|form| {
        form.fields
            .get("target")
            .is_some_and(|it| it == "ANDROID_PLAY_STORE")
            && form.fields.get("language").map_or("", String::as_str) == language
    });
    found
        .unwrap_or_else(|| panic!("a form for {language:?}: {page}"))
        .without("remove")
}

#[tokio::test]
async fn notes_are_written_changed_and_taken_away_on_a_page() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let path = format!("/releases/{key}/store-notes");
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    assert!(member.page(&format!("/releases/{key}")).await.contains(&path));
    let page = member.page(&path).await;
    assert!(
        page.contains("Default text") && page.contains("At most 500 characters"),
        "{page}"
    );
    let further = form(&page, "")
        .with("language", "de-de")
        .with("text", "<b>Geschenke</b>");
    let reply = member.submit(&further).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_eq!(
        reply.headers["location"],
        format!("{path}?done=noted#ANDROID_PLAY_STORE").as_str()
    );
    let page = member.page(&format!("{path}?done=noted")).await;
    assert!(page.contains("The text is kept"), "{page}");
    assert!(
        page.contains("&#60;b&#62;Geschenke") && page.contains("lang=\"de-DE\""),
        "{page}"
    );
    member
        .submit(&form(&page, "default").with("text", "Gifts."))
        .await;
    let api = format!("/releases/{key}/store-notes");
    let read = world.api.get(&api).await.is(200);
    assert_eq!(
        read["items"][0]["notes"],
        json!({"default": "Gifts.", "de-DE": "<b>Geschenke</b>"})
    );
    let taken = form(&page, "de-DE").with("remove", "on");
    assert_eq!(member.submit(&taken).await.status, 303);
    let read = world.api.get(&api).await.is(200);
    assert_eq!(read["items"][0]["notes"], json!({"default": "Gifts."}));
}

#[tokio::test]
async fn a_further_language_is_a_new_one_and_has_a_text() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let api = format!("/releases/{}/store-notes", made["key"].as_str().unwrap());
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let further =
        |page: &str, language: &str, text: &str| form(page, "").with("language", language).with("text", text);
    let page = member.page(&api).await;
    assert_eq!(
        member.submit(&further(&page, "de-DE", "Geschenke")).await.status,
        303
    );
    assert_eq!(
        member.submit(&further(&page, "default", "Gifts")).await.status,
        303
    );
    for (language, text, status, says) in [
        ("de-DE", "Etwas anderes", 409, "de-DE is written already"),
        ("DE-de", "Etwas anderes", 409, "de-DE is written already"),
        (
            "Default",
            "Something else",
            409,
            "The default text is written already",
        ),
        ("fr-FR", "", 400, "Write a text"),
        ("fr-FR", " \r\n ", 400, "Write a text"),
    ] {
        let reply = member.submit(&further(&page, language, text)).await;
        assert_eq!(reply.status, status, "{language}: {}", reply.text);
        assert!(reply.text.contains(says), "{says}: {}", reply.text);
        assert!(reply.text.contains(&format!("value=\"{language}\"")) && reply.text.contains(text.trim()));
        sound(&reply, says);
    }
    let read = world.api.get(&api).await.is(200);
    assert_eq!(
        read["items"][0]["notes"],
        json!({"default": "Gifts", "de-DE": "Geschenke"})
    );
}

#[tokio::test]
async fn what_is_refused_stays_in_its_form() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = format!("/releases/{}/store-notes", made["key"].as_str().unwrap());
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page(&path).await;
    let long = "x".repeat(501);
    for (sent, status, says) in [
        (
            form(&page, "").with("language", "de-DE").with("text", &long),
            422,
            "501 characters",
        ),
        (
            form(&page, "").with("language", "german").with("text", &long),
            400,
            "is not a language tag",
        ),
        (form(&page, "default").with("text", &long), 422, "501 characters"),
    ] {
        let reply = member.submit(&sent).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        assert!(
            reply.text.contains(says) && reply.text.contains(&long),
            "{}",
            reply.text
        );
        sound(&reply, says);
    }
    // Only members write, and only for stores of theirs.
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let seen = viewer.page(&path).await;
    assert!(
        seen.contains("Members write these notes") && !seen.contains("<textarea"),
        "{seen}"
    );
    let fields = [
        ("target", "ANDROID_PLAY_STORE"),
        ("language", "default"),
        ("text", "x"),
    ];
    assert_eq!(viewer.forge(&path, &fields).await.status, 403);
    let nowhere = [("target", "../x"), ("language", "default"), ("text", "x")];
    assert_eq!(member.forge(&path, &nowhere).await.status, 404);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.forge(&path, &fields).await.status, 404);
}

/// The notes of a release that ships to a simulated Google Play, which has German, English and Japanese.
async fn with_play(world: &World, vendors: &Running) -> String {
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
    let own = &all["playstore"];
    let connected = json!({
        "provider": "playstore", "name": "our Play", "config": own["config"], "credentials": own["credentials"],
    });
    let made = world.api.post("/integrations/stores", &connected).await.is(201);
    let verify = format!("/integrations/stores/{}/verify", made["id"].as_str().unwrap());
    world.api.post(&verify, &json!({})).await.is(200);
    let mut body = world.later("1.1.0");
    body["targets"][0]["storeIntegrationId"] = made["id"].clone();
    let made = world.made(&body).await;
    format!("/releases/{}/store-notes", made["key"].as_str().unwrap())
}

#[tokio::test]
async fn languages_of_the_store_are_offered_and_others_are_flagged() {
    let world = World::new().await;
    let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 5).await.unwrap();
    let path = with_play(&world, &vendors).await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page(&path).await;
    assert!(
        page.contains("The app has these languages there: de-DE, en-US (its default), ja-JP."),
        "{page}"
    );
    for language in ["de-DE", "en-US", "ja-JP"] {
        assert!(page.contains(&format!("<option value=\"{language}\">")), "{page}");
    }
    assert!(!page.contains("does not have"), "{page}");
    // One that the store has, and one that it does not: both are kept, and the other one is flagged.
    for language in ["de-DE", "fr-FR"] {
        let further = form(&page, "").with("language", language).with("text", "Text.");
        assert_eq!(member.submit(&further).await.status, 303);
    }
    let reply = member.get(&path).await;
    sound(&reply, "flagged");
    assert!(
        reply.text.contains("The app does not have fr-FR in this store")
            && !reply.text.contains("does not have de-DE")
            && !reply.text.contains("<option value=\"de-DE\">"),
        "{}",
        reply.text
    );
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let seen = viewer.page(&path).await;
    assert!(
        seen.contains("The app does not have fr-FR in this store"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_page_opens_and_is_written_where_the_store_cannot_be_asked() {
    // The credential that this world has for its store is none that Google would take.
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let path = format!("/releases/{}/store-notes", made["key"].as_str().unwrap());
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let reply = member.get(&path).await;
    sound(&reply, "not asked");
    assert!(
        reply.text.contains("could not be asked just now") && !reply.text.contains("<datalist"),
        "{}",
        reply.text
    );
    let further = form(&reply.text, "")
        .with("language", "fr-FR")
        .with("text", "Texte.");
    assert_eq!(member.submit(&further).await.status, 303);
}

#[tokio::test]
async fn default_notes_are_written_in_the_profile_and_read_on_every_page_of_the_release() {
    let world = World::new().await;
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let form = form_to(&owner.page("/profiles/new").await, "/profiles/new")
        .with("/name", "Weekly")
        .with("/serviceId", &world.service)
        .with("/settings/storeNotes/default", "Bug fixes & more.");
    for (language, text, status, says) in [
        ("de-DE", "", 400, "must be filled in, since a language is named"),
        ("", "Text", 400, "must be filled in, since a text is written"),
        ("german", "Text", 400, "is not a language tag"),
        ("Default", "Text", 400, "has a text above already"),
        ("de-DE", &"x".repeat(501), 422, "501 characters"),
    ] {
        let sent = form
            .clone()
            .with("/further/language", language)
            .with("/further/text", text);
        let reply = owner.submit(&sent).await;
        assert_eq!(reply.status, status, "{says}: {}", reply.text);
        assert!(
            reply.text.contains(says) && reply.text.contains("href=\"#f-further-"),
            "{says}: {}",
            reply.text
        );
        sound(&reply, says);
    }
    let sent = form
        .with("/further/language", "de-de")
        .with("/further/text", "Fehler behoben.\r\nUnd mehr.");
    let reply = owner.submit(&sent).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    let path = reply.headers["location"].split('?').next().unwrap().to_owned();
    let page = owner.page(&path).await;
    assert!(
        page.contains("Bug fixes &#38; more.") && page.contains("Text in de-DE"),
        "{page}"
    );
    // The dry run tells it.
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let plan = form_to(&member.page("/releases/new").await, "/releases/new").with("do", "plan");
    let reply = member.submit(&plan).await;
    sound(&reply, "the dry run");
    assert!(
        reply.text.contains("<q>Bug fixes &#38; more.</q>") && !reply.text.contains("read the changelog"),
        "{}",
        reply.text
    );
    // So do the release and its notes.
    for place in [
        format!("/releases/{key}"),
        format!("/releases/{key}/store-notes"),
        format!("/releases/{key}/store-notes?take=ANDROID_PLAY_STORE"),
    ] {
        let reply = member.get(&place).await;
        sound(&reply, &place);
        for said in [
            "<q>Bug fixes &#38; more.</q>",
            "(default of profile Weekly)",
            "in every other language",
        ] {
            assert!(reply.text.contains(said), "{said}: {}", reply.text);
        }
        assert!(
            !reply.text.contains("Nobody wrote notes") && !reply.text.contains("Take those of"),
            "{}",
            reply.text
        );
    }
    // Changed, the difference shows the texts; emptied, one is gone.
    let edit = format!("{path}/edit");
    let form = form_to(&owner.page(&edit).await, &edit)
        .with("/settings/storeNotes/default", "Better than ever.")
        .with("/settings/storeNotes/de-DE", "");
    let reply = owner.submit(&form).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    let page = owner.page(&format!("{path}/diff?from=1&to=2")).await;
    for said in ["<ins>Better than ever.</ins>", "<ins>not set</ins>"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Another organisation sees none of it.
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(other.get(&path).await.status, 404);
}
