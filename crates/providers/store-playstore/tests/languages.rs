//! Notes in the languages of the app, which are read in the edit that submits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Play, perform, version};
use delivr_domain::effect::{ReleaseTiming, StoreVersion, StoreWrite};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::lease::Taking;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = texts
        .iter()
        .map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
    owned.collect()
}

fn submit(notes: &[(&str, &str)]) -> StoreWrite {
    StoreWrite::Submit {
        version: StoreVersion {
            notes: texts(notes),
            ..version(101)
        },
        exposure: 500,
        timing: ReleaseTiming::AfterApproval,
    }
}

fn speaks(play: &Play, default: Option<&str>, languages: &[&str]) {
    play.advance(json!({"action": "set_languages", "languages": languages, "default": default}));
}

/// The notes of the release that was submitted, by language.
fn told(play: &Play) -> BTreeMap<String, String> {
    let track = play.track("production");
    let notes = track[0]["releaseNotes"].as_array().cloned().unwrap_or_default();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    notes
        .iter()
        .map(|it| (text(it, "language"), text(it, "text")))
        .collect()
}

#[tokio::test]
async fn the_default_text_goes_to_every_language_of_the_listing_without_its_own() {
    for (default, languages, expected) in [
        // The app's own default language counts, whether or not it is listed.
        (
            Some("de-DE"),
            vec!["fr-FR", "it-IT"],
            vec![("de-DE", "D"), ("fr-FR", "F"), ("it-IT", "D")],
        ),
        (None, vec!["fr-FR", "it-IT"], vec![("fr-FR", "F"), ("it-IT", "D")]),
        (Some("fr-FR"), vec!["fr-FR"], vec![("fr-FR", "F")]),
        // An app that is described in no language: as it was written, and English.
        (None, vec![], vec![("en-US", "D"), ("fr-FR", "F")]),
    ] {
        let play = Play::start().await;
        speaks(&play, default, &languages);
        let write = submit(&[("default", "D"), ("fr-FR", "F")]);
        let made = perform(&play.process(), &write).await.unwrap();
        assert_eq!(told(&play), texts(&expected), "{default:?} {languages:?}");
        // The same once more finds it there.
        assert_eq!(perform(&play.process(), &write).await.unwrap(), made);
        play.assert_no_open_edit();
    }
}

#[tokio::test]
async fn a_language_that_the_app_does_not_have_is_named_before_anything_is_put() {
    let play = Play::start().await;
    let before = play.track("production");
    let store = play.process();
    let error = perform(&store, &submit(&[("default", "D"), ("it-IT", "I"), ("ja", "J")]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Invalid, Certainty::NotDone)
    );
    assert!(
        error
            .sentence
            .contains("for the notes in it-IT (it has de-DE, en-US, ja-JP)"),
        "{error}"
    );
    assert_eq!(play.bench.effects("commit"), 0);
    assert_eq!(play.track("production"), before);
    play.assert_no_open_edit();
    // Somebody adds the language: the same submission goes through.
    speaks(&play, Some("en-US"), &["en-US", "it-IT", "ja-JP"]);
    perform(&store, &submit(&[("default", "D"), ("it-IT", "I"), ("ja", "J")]))
        .await
        .unwrap();
    assert_eq!(
        told(&play),
        texts(&[("en-US", "D"), ("it-IT", "I"), ("ja-JP", "J")])
    );
}

#[tokio::test]
async fn what_would_be_refused_is_found_while_the_version_is_prepared() {
    let play = Play::start().await;
    let store = play.process();
    let notes = |code: i64, texts_of: &[(&str, &str)]| StoreWrite::SetNotes {
        version: StoreVersion {
            notes: texts(texts_of),
            ..version(code)
        },
    };
    let error = perform(&store, &notes(101, &[("default", "D"), ("it-IT", "I")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Invalid);
    assert!(error.sentence.contains("the notes in it-IT"), "{error}");
    perform(&store, &notes(101, &[("default", "D"), ("ja", "J")]))
        .await
        .unwrap();
    perform(&store, &notes(101, &[])).await.unwrap();
    // Notes of a bundle that is not there are none.
    let error = perform(&store, &notes(555, &[("default", "D")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Precondition);
    assert_eq!(play.bench.effects("commit"), 0);
    play.assert_no_open_edit();
}

#[tokio::test]
async fn what_google_refuses_at_the_commit_is_told_too() {
    // Somebody takes the language out between the read and the commit.
    let play = Play::start().await;
    let gone = json!({"action": "set_languages", "languages": ["en-US"], "default": "en-US"});
    play.advance(json!({"action": "meanwhile", "operation": "commit", "do": gone}));
    let error = perform(&play.process(), &submit(&[("default", "D")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Invalid);
    assert!(
        error.sentence.contains("no store listing in a language")
            && error
                .vendor
                .as_deref()
                .unwrap()
                .contains("not associated with the app"),
        "{error:?}"
    );
    assert_eq!(play.bench.effects("commit"), 0);
}

#[tokio::test]
async fn languages_are_read_without_a_trace_and_tell_what_nobody_would_read() {
    let play = Play::start().await;
    speaks(&play, Some("de-DE"), &["de-DE", "fr-FR"]);
    let store = play.process();
    let known = store.languages().await.unwrap();
    assert_eq!(known.default.as_deref(), Some("de-DE"));
    assert_eq!(known.known.iter().collect::<Vec<_>>(), ["de-DE", "fr-FR"]);
    play.assert_no_open_edit();
    let written = texts(&[("default", "D"), ("fr", "F"), ("ja", "J"), ("zh-Hans", "H")]);
    assert_eq!(store.unread(&known, &written), ["ja", "zh-Hans"]);
    // Whoever is at work on the app is not disturbed by somebody who only looks.
    let lease = play
        .leases
        .take(
            "playstore com.example.shop delivr@sandbox.iam.gserviceaccount.com",
            Taking::WhenFree,
            Duration::from_secs(20),
        )
        .await
        .unwrap()
        .unwrap();
    let error = store.languages().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Throttled);
    play.leases.give_back(&lease).await.unwrap();
    store.languages().await.unwrap();
}

#[tokio::test]
async fn a_halt_reads_no_languages() {
    let play = Play::staged().await;
    play.bench
        .fault(json!({"operation": "get_details", "fault": "status_before", "times": 9}));
    let halt = common::change(101, delivr_domain::effect::RolloutChange::Halt);
    perform(&play.process(), &halt).await.unwrap();
}
