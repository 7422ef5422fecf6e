//! Languages of the app, and notes that the next version could not take.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    dead_code,
    reason = "tests"
)]

mod common;

use common::{Bench, version};
use delivr_domain::effect::{ReleaseTiming, StoreVersion, StoreWrite};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_language_that_the_next_version_lacks_is_named_before_it_is_made() {
    let bench = Bench::with_build().await;
    let known = bench.store.languages().await.unwrap();
    assert_eq!(known.default.as_deref(), Some("en-US"));
    assert_eq!(known.known.iter().collect::<Vec<_>>(), ["de-DE", "en-US"]);
    let texts = |texts: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = texts
            .iter()
            .map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
        owned.collect()
    };
    let written = texts(&[("default", "D"), ("de-DE", "G"), ("fr-FR", "F"), ("ja", "J")]);
    assert_eq!(bench.store.unread(&known, &written), ["fr-FR", "ja"]);
    let ensure = |notes: BTreeMap<String, String>| StoreWrite::EnsureVersion {
        version: StoreVersion { notes, ..version() },
        timing: ReleaseTiming::Manual,
    };
    for (notes, says) in [
        (written, "no language for the notes in fr-FR, ja"),
        (texts(&[("de-DE", "G")]), "no notes for en-US and no default text"),
        (
            texts(&[("default", "D"), ("de-DE", &"x".repeat(4001))]),
            "the notes for de-DE have 4001",
        ),
    ] {
        let error = bench.perform(&ensure(notes)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Invalid, Certainty::NotDone)
        );
        assert!(error.sentence.contains(says), "{error}");
    }
    assert_eq!(bench.effects("create_version"), 0);
    bench
        .perform(&ensure(texts(&[("default", "D"), ("de-DE", "G")])))
        .await
        .unwrap();
    assert_eq!(bench.effects("create_version"), 1);
}

#[tokio::test]
async fn languages_that_the_set_up_names_are_known_as_well() {
    let bench = Bench::with(|all| all["config"]["locales"] = json!(["en-US", "fr-FR"])).await;
    let known = bench.store.languages().await.unwrap();
    assert_eq!(
        known.known.iter().collect::<Vec<_>>(),
        ["de-DE", "en-US", "fr-FR"]
    );
    let written: BTreeMap<String, String> = ["default", "de-DE", "fr-FR", "ja"]
        .map(|it| (it.to_owned(), "Text.".to_owned()))
        .into();
    assert_eq!(bench.store.unread(&known, &written), ["ja"]);
    // Of an app without any version nobody knows them.
    let fresh = Bench::with(|all| all["config"]["bundleId"] = json!("com.example.fresh")).await;
    let nothing = fresh.store.languages().await.unwrap();
    assert!(nothing.known.is_empty());
    assert_eq!(fresh.store.unread(&nothing, &written), Vec::<String>::new());
}
