//! Every write against the simulator: done once whatever happens on the way, and never over somebody else's work.
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

use common::*;
use delivr_domain::effect::OperationKind;
use delivr_domain::effect::{ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::vendor::{Lookup, Recognition};
use serde_json::json;
use std::time::Duration;

/// Each write with the vendor calls it makes, and what must come before it.
fn table() -> Vec<(&'static str, StoreWrite, Vec<&'static str>)> {
    vec![
        ("version", ensure(), vec!["create_version"]),
        ("build", attach(), vec!["attach_build"]),
        ("notes", notes(), vec!["set_notes"]),
        ("phased", phased(), vec!["create_phased"]),
        (
            "submit",
            submit(),
            vec!["create_submission", "add_item", "submit"],
        ),
        ("withdraw", withdraw(), vec!["cancel_submission"]),
        ("release", release(), vec!["release"]),
        ("pause", change(RolloutChange::Pause), vec!["set_phased"]),
        ("resume", change(RolloutChange::Resume), vec!["set_phased"]),
        ("complete", change(RolloutChange::Complete), vec!["set_phased"]),
    ]
}

async fn prepared(name: &str) -> Bench {
    let bench = Bench::with_build().await;
    let all = until_submitted();
    match name {
        "version" => {}
        "build" => bench.through(&all[..1]).await,
        "notes" => bench.through(&all[..2]).await,
        "phased" => bench.through(&all[..3]).await,
        "submit" => bench.through(&all[..4]).await,
        "withdraw" => bench.through(&all).await,
        "release" => {
            bench.through(&all).await;
            bench.advance(json!({"action": "approve"}));
        }
        "resume" => {
            bench.live().await;
            bench.perform(&change(RolloutChange::Pause)).await.unwrap();
        }
        _ => bench.live().await,
    }
    bench
}

#[tokio::test]
async fn a_lost_answer_or_a_500_after_the_effect_is_adopted_or_continued() {
    for fault in ["response_lost", "status_after"] {
        for (name, write, operations) in table() {
            for operation in &operations {
                let bench = prepared(name).await;
                let before = bench.effects(operation);
                bench.fault(json!({"operation": operation, "fault": fault})).await;
                let error = bench.store.create(&key(), &write).await.unwrap_err();
                assert_eq!(
                    error.kind,
                    ProviderErrorKind::Unavailable,
                    "{name} {operation} {fault}: {error}"
                );
                assert_eq!(error.certainty, Certainty::Unknown, "{name} {operation} {fault}");
                bench.perform(&write).await.unwrap();
                assert!(bench.done(&write).await, "{name} {operation} {fault}");
                // Notes are one write per locale.
                let most = if name == "notes" { 2 } else { 1 };
                assert_eq!(
                    bench.effects(operation) - before,
                    most,
                    "{name} {operation} {fault}"
                );
                bench.assert_no_duplicates();
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_create_changes_nothing() {
    for (name, write, operations) in table() {
        let bench = prepared(name).await;
        assert!(!bench.done(&write).await, "{name}");
        bench.store.create(&key(), &write).await.unwrap();
        let before: Vec<usize> = operations.iter().map(|it| bench.effects(it)).collect();
        bench.store.create(&key(), &write).await.unwrap();
        assert!(bench.done(&write).await, "{name}");
        let after: Vec<usize> = operations.iter().map(|it| bench.effects(it)).collect();
        assert_eq!(before, after, "{name}");
        bench.assert_no_duplicates();
    }
}

#[tokio::test]
async fn throttling_is_told_with_its_hint_and_leaves_nothing() {
    for (name, write, operations) in table() {
        for operation in &operations {
            let bench = prepared(name).await;
            bench
                .fault(json!({"operation": operation, "fault": "throttle", "retryAfter": 17}))
                .await;
            let error = bench.store.create(&key(), &write).await.unwrap_err();
            assert_eq!(error.kind, ProviderErrorKind::Throttled, "{name} {operation}");
            assert_eq!(error.certainty, Certainty::NotDone, "{name} {operation}");
            assert_eq!(
                error.retry_after,
                Some(Duration::from_secs(17)),
                "{name} {operation}"
            );
            bench.perform(&write).await.unwrap();
            bench.assert_no_duplicates();
        }
    }
}

#[tokio::test]
async fn another_version_under_way_is_foreign() {
    let bench = Bench::with_build().await;
    bench.perform(&ensure()).await.unwrap();
    let mut other = version();
    other.version = "1.2.0".into();
    let write = StoreWrite::EnsureVersion {
        version: other,
        timing: ReleaseTiming::Manual,
    };
    let sentence = bench.foreign(&write).await;
    assert!(
        sentence.contains("1.1.0") && sentence.contains("one at a time"),
        "{sentence}"
    );
    let error = bench.store.create(&key(), &write).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Conflict);
    assert_eq!(bench.effects("create_version"), 1);
}

#[tokio::test]
async fn a_version_in_review_is_ours_only_with_our_build() {
    let bench = Bench::with_build().await;
    bench.through(&until_submitted()).await;
    assert!(bench.done(&ensure()).await && bench.done(&attach()).await && bench.done(&notes()).await);
    let mut other = version();
    other.build_number = "42".into();
    for write in [
        StoreWrite::EnsureVersion {
            version: other.clone(),
            timing: ReleaseTiming::Manual,
        },
        StoreWrite::AttachBuild {
            version: other.clone(),
        },
        StoreWrite::Submit {
            version: other,
            exposure: 10_000,
            timing: ReleaseTiming::Manual,
        },
    ] {
        let sentence = bench.foreign(&write).await;
        assert!(sentence.contains("41") && sentence.contains("42"), "{sentence}");
    }
    let mut noted = version();
    noted.notes.insert("en-US".into(), "Other words.".into());
    assert!(
        bench
            .foreign(&StoreWrite::SetNotes { version: noted })
            .await
            .contains("withdraw")
    );
}

#[tokio::test]
async fn a_live_version_of_the_same_number_is_foreign() {
    let bench = Bench::start().await;
    let mut old = version();
    old.version = "1.0.0".into();
    let write = StoreWrite::EnsureVersion {
        version: old.clone(),
        timing: ReleaseTiming::Manual,
    };
    assert!(bench.foreign(&write).await.contains("higher version"));
    let write = StoreWrite::Withdraw { version: old.clone() };
    assert!(bench.foreign(&write).await.contains("passed the review"));
    let write = StoreWrite::EnablePhasedRelease { version: old.clone() };
    assert!(bench.foreign(&write).await.contains("released to everybody"));
    let write = StoreWrite::ChangeRollout {
        version: old,
        change: RolloutChange::Pause,
    };
    assert!(bench.foreign(&write).await.contains("no phased release"));
}

#[tokio::test]
async fn another_release_timing_is_corrected_in_place() {
    let bench = Bench::with_build().await;
    bench.perform(&ensure()).await.unwrap();
    let at = "2026-12-24T08:00:00Z".parse().unwrap();
    let write = StoreWrite::EnsureVersion {
        version: version(),
        timing: ReleaseTiming::At { at },
    };
    assert!(!bench.done(&write).await);
    bench.perform(&write).await.unwrap();
    assert!(bench.done(&write).await);
    assert_eq!(
        (bench.effects("create_version"), bench.effects("update_version")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_version_hidden_by_reading_lag_is_not_made_twice() {
    let bench = Bench::with_build().await;
    bench.advance(json!({"action": "lag", "ms": 60_000}));
    bench.perform(&ensure()).await.unwrap();
    let error = bench.store.create(&key(), &ensure()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Precondition);
    bench.advance(json!({"action": "lag", "ms": 0}));
    assert!(bench.done(&ensure()).await);
    assert_eq!(bench.effects("create_version"), 1);
}

#[tokio::test]
async fn an_unprocessed_build_is_waited_for() {
    let bench = Bench::start().await;
    bench.advance(json!({"action": "add_build", "version": "1.1.0", "build": "41"}));
    bench.perform(&ensure()).await.unwrap();
    assert_eq!(bench.store.find_build("1.1.0", Some("41")).await.unwrap(), None);
    let error = bench.store.create(&key(), &attach()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Precondition);
    bench.advance(json!({"action": "process_build"}));
    let build = bench.store.find_build("1.1.0", None).await.unwrap().unwrap();
    assert_eq!(build.build_number, "41");
    bench.perform(&attach()).await.unwrap();
    bench.advance(json!({"action": "add_build", "version": "1.1.0", "build": "42"}));
    bench.advance(json!({"action": "process_build", "build": "42", "result": "INVALID"}));
    let error = bench.store.find_build("1.1.0", Some("42")).await.unwrap_err();
    assert!(error.kind == ProviderErrorKind::Invalid && error.sentence.contains("Upload a new build"));
}

#[tokio::test]
async fn what_a_version_lacks_is_listed() {
    let bench = Bench::with_build().await;
    bench.through(&[ensure(), attach()]).await;
    let error = bench.perform(&submit()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Invalid);
    assert!(error.sentence.contains("whatsNew"), "{error}");
    // The empty submission left behind is used, not doubled.
    bench.through(&[notes(), submit()]).await;
    assert_eq!(bench.effects("create_submission"), 1);
}

#[tokio::test]
async fn what_the_store_cannot_do_is_said() {
    let bench = Bench::with_build().await;
    bench.live().await;
    for (wanted, says) in [
        (
            RolloutChange::SetExposure { bps: 500 },
            "1, 2, 5, 10, 20, 50, 100",
        ),
        (RolloutChange::Halt, "cannot halt"),
    ] {
        let error = bench.store.find(&key(), &change(wanted)).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Unsupported);
        assert!(error.sentence.contains(says));
        assert!(bench.store.create(&key(), &change(wanted)).await.is_err());
    }
}

#[tokio::test]
async fn notes_follow_the_language_and_their_limit() {
    let bench = Bench::with_build().await;
    bench.perform(&ensure()).await.unwrap();
    let noted = |texts: &[(&str, &str)]| {
        let owned = texts
            .iter()
            .map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
        StoreWrite::SetNotes {
            version: StoreVersion {
                notes: owned.collect(),
                ..version()
            },
        }
    };
    // The version has German and American English.
    let written = noted(&[("default", "D"), ("de-DE", "G")]);
    bench.perform(&written).await.unwrap();
    assert_eq!(
        bench.notes(),
        [("de-DE".into(), "G".into()), ("en-US".into(), "D".into())].into()
    );
    assert_eq!(bench.effects("set_notes"), 2);
    // The same once more is there already; of other texts only those that differ are written.
    assert!(bench.done(&written).await);
    bench.perform(&written).await.unwrap();
    bench
        .perform(&noted(&[("default", "D"), ("de-DE", "H")]))
        .await
        .unwrap();
    assert_eq!(bench.effects("set_notes"), 3);
    assert_eq!(
        bench.notes(),
        [("de-DE".into(), "H".into()), ("en-US".into(), "D".into())].into()
    );
    // One text for a language goes to its other countries.
    bench
        .perform(&noted(&[("default", "D"), ("en-GB", "B")]))
        .await
        .unwrap();
    assert_eq!(
        bench.notes(),
        [("de-DE".into(), "D".into()), ("en-US".into(), "B".into())].into()
    );
    // What cannot be as it is written is refused by name, and nothing is half done.
    let kept = (bench.effects("set_notes"), bench.notes());
    let long = "x".repeat(4001);
    for (texts, says) in [
        (
            vec![("default", "E"), ("fr-FR", "F"), ("ja", "J")],
            "no language for the notes in fr-FR, ja",
        ),
        (
            vec![("de-DE", "G"), ("fr-FR", "F")],
            "no language for the notes in fr-FR",
        ),
        (vec![("de-DE", "G")], "no notes for en-US and no default text"),
        (
            vec![("default", "E"), ("de-DE", long.as_str())],
            "4000 characters: the notes for de-DE have 4001",
        ),
    ] {
        for error in [
            bench.perform(&noted(&texts)).await.unwrap_err(),
            bench.store.find(&key(), &noted(&texts)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, ProviderErrorKind::Invalid);
            assert!(error.sentence.contains(says), "{error}");
        }
    }
    assert_eq!((bench.effects("set_notes"), bench.notes()), kept);
    let mut none = version();
    none.notes.clear();
    assert!(bench.done(&StoreWrite::SetNotes { version: none }).await);
}

#[tokio::test]
async fn a_language_is_added_where_the_set_up_names_it() {
    let bench = Bench::with(|all| all["config"]["locales"] = json!(["en-US", "fr-FR"])).await;
    bench.perform(&ensure()).await.unwrap();
    let texts = [("default", "D"), ("de-DE", "G")];
    let owned = texts.map(|(language, text)| (language.to_owned(), text.to_owned()));
    let write = StoreWrite::SetNotes {
        version: StoreVersion {
            notes: owned.into(),
            ..version()
        },
    };
    bench.perform(&write).await.unwrap();
    // German is not named there, but the version has it, and somebody wrote for it.
    let expected = [("de-DE", "G"), ("en-US", "D"), ("fr-FR", "D")];
    let expected = expected.map(|(language, text)| (language.to_owned(), text.to_owned()));
    assert_eq!(bench.notes(), expected.into());
    assert!(bench.done(&write).await);
}

#[tokio::test]
async fn every_write_is_recognised_by_state() {
    let bench = Bench::start().await;
    for operation in OperationKind::ALL {
        assert_eq!(bench.store.declared(*operation).recognition, Recognition::ByState);
    }
    assert!(
        matches!(bench.store.find(&key(), &ensure()).await.unwrap(), Lookup::Found(found) if found.is_empty())
    );
}
