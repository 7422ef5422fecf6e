//! Reviews, phased releases, credentials and broken answers against the simulator.
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
use delivr_domain::effect::RolloutChange;
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::{Credentials, Delivery};
use delivr_domain::ports::vendor::Lookup;
use delivr_domain::report::{ExposureWord, ReviewWord};
use delivr_provider_kit::Deps;
use secrecy::SecretString;
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_version_is_reviewed_approved_released_and_phased() {
    let bench = Bench::with_build().await;
    assert_eq!(bench.review().await.word, ReviewWord::Unknown);
    bench.through(&until_submitted()[..4]).await;
    assert_eq!(bench.review().await.word, ReviewWord::Preparing);
    assert_eq!(bench.exposure().await.word, ExposureWord::Inactive);
    bench.perform(&submit()).await.unwrap();
    assert_eq!(bench.review().await.word, ReviewWord::Submitted);
    let early = bench.store.create(&key(), &release()).await.unwrap_err();
    assert_eq!(early.kind, ProviderErrorKind::Precondition);
    bench.advance(json!({"action": "start_review"}));
    assert_eq!(bench.review().await.word, ReviewWord::InReview);
    bench.advance(json!({"action": "approve"}));
    assert_eq!(bench.review().await.word, ReviewWord::Approved);
    bench.perform(&release()).await.unwrap();
    bench.advance(json!({"action": "time", "seconds": 2}));
    assert_eq!(bench.review().await.word, ReviewWord::Live);
    let day = bench.exposure().await;
    assert_eq!((day.word, day.bps), (ExposureWord::Active, 100));
    bench.advance(json!({"action": "day", "days": 2}));
    assert_eq!(bench.exposure().await.bps, 500);
    bench.perform(&change(RolloutChange::Pause)).await.unwrap();
    let paused = bench.exposure().await;
    assert_eq!((paused.word, paused.bps), (ExposureWord::Paused, 500));
    bench.perform(&change(RolloutChange::Resume)).await.unwrap();
    bench.perform(&change(RolloutChange::Complete)).await.unwrap();
    let all = bench.exposure().await;
    assert_eq!((all.word, all.bps), (ExposureWord::Completed, 10_000));
    assert!(
        bench
            .foreign(&change(RolloutChange::Pause))
            .await
            .contains("complete")
    );
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_rejected_version_is_submitted_anew() {
    let bench = Bench::with_build().await;
    bench.through(&until_submitted()).await;
    bench.advance(json!({"action": "reject"}));
    let review = bench.review().await;
    assert_eq!(
        (review.word, review.store_word.as_str()),
        (ReviewWord::Rejected, "REJECTED")
    );
    assert!(review.explanation.unwrap().contains("App Review"));
    assert!(bench.foreign(&release()).await.contains("must pass the review"));
    // It was handed in, which whoever does not know whether he did takes for his own.
    let looked = bench.store.find(&key(), &submit()).await.unwrap();
    assert!(matches!(looked, Lookup::Over(_)), "{looked:?}");
    bench.perform(&submit()).await.unwrap();
    assert_eq!(bench.review().await.word, ReviewWord::Submitted);
    assert_eq!(
        (bench.effects("create_submission"), bench.effects("submit")),
        (1, 2)
    );
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_withdrawn_version_is_cancelled_and_can_be_submitted_again() {
    let bench = Bench::with_build().await;
    bench.through(&until_submitted()).await;
    bench.perform(&withdraw()).await.unwrap();
    assert!(bench.done(&withdraw()).await);
    bench.advance(json!({"action": "time", "seconds": 2}));
    assert_eq!(bench.review().await.word, ReviewWord::Cancelled);
    assert!(bench.done(&withdraw()).await);
    bench.perform(&submit()).await.unwrap();
    assert_eq!(bench.review().await.word, ReviewWord::Submitted);
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn what_the_list_still_shows_as_a_draft_or_refused_is_withdrawn_all_the_same() {
    // Refused before, and handed in anew just now.
    let anew = Bench::with_build().await;
    anew.through(&until_submitted()).await;
    anew.advance(json!({"action": "reject"}));
    anew.advance(json!({"action": "freeze_states"}));
    anew.perform(&submit()).await.unwrap();
    assert_eq!(
        anew.review().await.word,
        ReviewWord::Rejected,
        "the store's reads lag"
    );
    // Left as a draft by a first try, and handed in by the second one.
    let draft = Bench::with_build().await;
    let all = until_submitted();
    draft.through(&all[..all.len() - 1]).await;
    draft
        .fault(json!({"operation": "submit", "fault": "throttle", "retryAfter": 1}))
        .await;
    draft.perform(&submit()).await.unwrap_err();
    draft.advance(json!({"action": "freeze_states"}));
    draft.perform(&submit()).await.unwrap();
    for bench in [anew, draft] {
        assert!(!bench.done(&withdraw()).await);
        bench.perform(&withdraw()).await.unwrap();
        assert_eq!(bench.effects("cancel_submission"), 1);
        bench.advance(json!({"action": "freeze_states", "on": false}));
        assert!(bench.done(&withdraw()).await);
        bench.advance(json!({"action": "time", "seconds": 2}));
        assert_eq!(bench.review().await.word, ReviewWord::Cancelled);
        bench.assert_no_duplicates();
    }
}

#[tokio::test]
async fn verify_names_the_app_and_what_is_missing() {
    let bench = Bench::start().await;
    let verified = bench.store.verify().await.unwrap();
    assert!(verified.passed() && verified.account.contains("com.example.shop"));
    let other = Bench::with(|it| it["config"]["bundleId"] = json!("com.example.sho")).await;
    let error = other.store.verify().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    bench.advance(json!({"action": "agreements", "missing": true}));
    let error = bench.store.review_state(&version()).await.unwrap_err();
    assert!(error.kind == ProviderErrorKind::Forbidden && error.sentence.contains("account holder"));
}

#[tokio::test]
async fn a_revoked_key_and_a_missing_role_are_told_apart() {
    let bench = Bench::with_build().await;
    bench.advance(json!({"action": "remove_permission"}));
    let error = bench.perform(&ensure()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Forbidden, Certainty::NotDone)
    );
    assert!(error.sentence.contains("App Manager"));
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = bench.perform(&ensure()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    bench.advance(json!({"action": "restore_credentials"}));
    bench.perform(&ensure()).await.unwrap();
}

#[tokio::test]
async fn broken_answers_are_malformed_and_leave_writes_in_doubt() {
    for fault in ["html", "huge"] {
        let bench = Bench::with_build().await;
        bench
            .fault(json!({"operation": "list_versions", "fault": fault}))
            .await;
        let error = bench.store.review_state(&version()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::NotDone),
            "{fault}"
        );
        bench
            .fault(json!({"operation": "create_version", "fault": fault}))
            .await;
        let error = bench.perform(&ensure()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::Unknown),
            "{fault}"
        );
        bench.perform(&ensure()).await.unwrap();
        bench.assert_no_duplicates();
    }
}

#[tokio::test]
async fn redirects_to_other_hosts_are_refused() {
    let bench = Bench::start().await;
    bench
        .fault(json!({"fault": "redirect", "location": "https://elsewhere.example/x"}))
        .await;
    let error = bench.store.review_state(&version()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Refused);
}

#[tokio::test]
async fn configuration_errors_point_at_their_field_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let descriptor = delivr_store_appstore::descriptor(&Deps::for_tests(folder.path().to_owned()).unwrap());
    let pem = |text: &str| Credentials::new([("privateKeyPem".to_owned(), SecretString::from(text))]);
    let good = json!({"issuerId": "i", "keyId": "K", "bundleId": "com.example.shop"});
    let error = (descriptor.connect)(&good, &pem("very-secret-words")).unwrap_err();
    assert_eq!(error.pointer, "/credentials/privateKeyPem");
    assert!(!error.to_string().contains("very-secret-words"));
    let error = (descriptor.connect)(&json!({"keyId": "K"}), &pem("x")).unwrap_err();
    assert_eq!(error.pointer, "/config/bundleId");
    assert_eq!(descriptor.config_schema["additionalProperties"], json!(false));
}

#[tokio::test]
async fn webhooks_are_believed_only_with_their_signature() {
    let folder = tempfile::tempdir().unwrap();
    let descriptor = delivr_store_appstore::descriptor(&Deps::for_tests(folder.path().to_owned()).unwrap());
    let read = descriptor.webhook.unwrap();
    let credentials =
        Credentials::new([("webhookSecret".to_owned(), SecretString::from("a webhook secret"))]);
    let body = br#"{"data":{"id":"d1","type":"x","relationships":{"instance":{"data":{"type":"appStoreVersions","id":"v1"}}}}}"#;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a webhook secret");
    let signed: String = ring::hmac::sign(&key, body)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let deliver = |header: Option<String>| {
        let headers: BTreeMap<String, String> = header
            .into_iter()
            .map(|it| ("x-apple-signature".to_owned(), it))
            .collect();
        let at = "2026-11-21T08:00:00Z".parse().unwrap();
        read(
            &Delivery {
                headers: &headers,
                body,
                at,
            },
            &credentials,
        )
    };
    let prompt = deliver(Some(format!("hmacsha256={signed}"))).unwrap();
    assert_eq!(
        (prompt.delivery.as_str(), prompt.objects),
        ("d1", vec!["v1".to_owned()])
    );
    assert!(deliver(Some(format!("hmacsha256={}", signed.replace('a', "b")))).is_err());
    assert!(deliver(None).is_err());
}
