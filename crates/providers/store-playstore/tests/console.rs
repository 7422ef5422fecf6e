//! Tracks, settings of releases, and what Google refuses: each with a sentence that says who must do what.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Play, change, perform, submit, version};
use delivr_domain::effect::RolloutChange;
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::lease::LocalLeases;
use delivr_domain::ports::provider::Credentials;
use delivr_domain::report::ReviewWord;
use delivr_provider_kit::Deps;
use delivr_provider_proof::key;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_build_is_promoted_to_the_track_of_the_settings() {
    for track in ["alpha", "beta", "qa-team", "wear:production"] {
        let play = Play::start().await;
        play.advance(json!({"action": "add_track", "track": track}));
        let store = play.process_with(&json!({"track": track}));
        assert!(store.verify().await.unwrap().passed(), "{track}");
        // A track's first release goes to everybody.
        let staged = perform(&store, &submit(101, 500)).await.unwrap_err();
        assert_eq!(staged.kind, ProviderErrorKind::Invalid, "{track}");
        assert!(staged.sentence.contains("100 per cent"), "{staged}");
        perform(&store, &submit(101, 10_000)).await.unwrap();
        assert_eq!(play.track(track)[0]["versionCodes"], json!(["101"]), "{track}");
        assert_eq!(
            play.track("internal")[0]["versionCodes"],
            json!(["101"]),
            "it stays where it came from"
        );
        assert_eq!(
            play.track("production")[0]["versionCodes"],
            json!(["100"]),
            "{track}"
        );
    }
    let play = Play::start().await;
    let lost = play.process_with(&json!({"track": "qa-team"}));
    let verified = lost.verify().await.unwrap();
    let missing: Vec<String> = verified.checks.into_iter().filter_map(|it| it.missing).collect();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].contains("qa-team") && missing[0].contains("internal"),
        "{missing:?}"
    );
    let refused = perform(&lost, &submit(101, 10_000)).await.unwrap_err();
    assert!(
        refused.kind == ProviderErrorKind::NotFound && refused.sentence.contains("track"),
        "{refused}"
    );
}

#[tokio::test]
async fn builds_come_from_the_track_of_uploads_and_only_when_processed() {
    let play = Play::start().await;
    play.advance(json!({"action": "add_track", "track": "ci"}));
    play.advance(json!({"action": "add_bundle", "versionCode": 120, "version": "1.2.0", "processing": true}));
    let store = play.process();
    assert_eq!(store.find_build("1.2.0", Some("120")).await.unwrap(), None);
    assert_eq!(store.find_build("1.2.0", None).await.unwrap(), None);
    let early = store.create(&key(7), &submit(120, 500)).await.unwrap_err();
    assert_eq!(early.kind, ProviderErrorKind::Precondition);
    assert!(early.sentence.contains("still processing"), "{early}");
    play.advance(json!({"action": "add_bundle", "versionCode": 120}));
    for number in [Some("120"), None] {
        let build = store.find_build("1.2.0", number).await.unwrap().unwrap();
        assert_eq!(build.build_number, "120");
    }
    // The same version uploaded twice, to two tracks: the track of uploads decides.
    let named = |code: &str| json!([{"name": "1.2.0", "versionCodes": [code], "status": "completed"}]);
    play.advance(json!({"action": "console_track", "track": "ci", "releases": named("101")}));
    let from_ci = play.process_with(&json!({"uploadTrack": "ci"}));
    assert_eq!(
        from_ci
            .find_build("1.2.0", None)
            .await
            .unwrap()
            .unwrap()
            .build_number,
        "101"
    );
    assert_eq!(
        store
            .find_build("1.2.0", None)
            .await
            .unwrap()
            .unwrap()
            .build_number,
        "120"
    );
}

#[tokio::test]
async fn priority_and_countries_reach_the_release_and_stay_with_it() {
    let play = Play::start().await;
    let store =
        play.process_with(&json!({"inAppUpdatePriority": 4, "countries": ["DE", "FR"], "restOfWorld": true}));
    perform(&store, &submit(101, 500)).await.unwrap();
    play.advance(json!({"action": "approve"}));
    // The settings change while the rollout runs; what is out stays as it is.
    let later = play.process_with(&json!({"inAppUpdatePriority": 1}));
    perform(&later, &change(101, RolloutChange::SetExposure { bps: 2_000 }))
        .await
        .unwrap();
    perform(&later, &change(101, RolloutChange::Halt)).await.unwrap();
    perform(&later, &change(101, RolloutChange::Resume))
        .await
        .unwrap();
    let now = play.track("production");
    assert_eq!(now[0]["inAppUpdatePriority"], 4);
    assert_eq!(
        now[0]["countryTargeting"],
        json!({"countries": ["DE", "FR"], "includeRestOfWorld": true})
    );
    assert_eq!(
        now[0]["releaseNotes"],
        json!([{"language": "en-US", "text": "Faster."}])
    );
    assert_eq!(now[0]["userFraction"], json!(0.2));
}

#[tokio::test]
async fn a_new_release_supersedes_a_halted_one_and_nothing_else() {
    let play = Play::staged().await;
    let store = play.process();
    perform(&store, &change(101, RolloutChange::Halt)).await.unwrap();
    play.upload(102, "1.2.0");
    play.upload(110, "2.0.0");
    let draft = json!({"name": "Next", "versionCodes": ["110"], "status": "draft"});
    let mut there = play.track("production");
    there.as_array_mut().unwrap().push(draft.clone());
    play.console(&there);
    perform(&store, &submit(102, 500)).await.unwrap();
    let now = play.track("production");
    let codes: Vec<&Value> = now
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["versionCodes"][0])
        .collect();
    assert_eq!(
        codes,
        ["102", "100", "110"],
        "users of the halted one get the new one"
    );
    assert_eq!(now[2], draft);
    // The halted one cannot come back beside it.
    let refused = store
        .create(&key(8), &change(101, RolloutChange::Resume))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ProviderErrorKind::Conflict);
    assert!(refused.sentence.contains("not on the track"), "{refused}");
}

#[tokio::test]
async fn a_review_under_way_is_named_and_never_cancelled() {
    let play = Play::staged().await;
    play.upload(102, "1.2.0");
    let beta = play.process_with(&json!({"track": "beta"}));
    perform(&beta, &submit(102, 10_000)).await.unwrap();
    assert_eq!(
        beta.review_state(&version(102)).await.unwrap().word,
        ReviewWord::InReview
    );
    let store = play.process();
    for (what, write) in [
        ("raise", change(101, RolloutChange::SetExposure { bps: 2_000 })),
        ("halt", change(101, RolloutChange::Halt)),
    ] {
        let refused = store.create(&key(7), &write).await.unwrap_err();
        assert_eq!(
            (refused.kind, refused.certainty),
            (ProviderErrorKind::Conflict, Certainty::NotDone),
            "{what}"
        );
        for piece in [
            "would cancel it",
            "version code 102 on beta",
            "Publishing overview",
        ] {
            assert!(refused.sentence.contains(piece), "{what}: {refused}");
        }
        assert_eq!(
            refused.sentence.contains("halt it in Play Console"),
            what == "halt",
            "{refused}"
        );
    }
    assert_eq!(play.bench.effects("cancel_review"), 0);
    play.assert_no_open_edit();
    // Where the integration's settings say so, a halt comes first; nothing else does.
    let bold = play.process_with(&json!({"haltCancelsReview": true}));
    let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
    assert_eq!(
        bold.create(&key(7), &raise).await.unwrap_err().kind,
        ProviderErrorKind::Conflict
    );
    perform(&bold, &change(101, RolloutChange::Halt)).await.unwrap();
    assert_eq!(play.bench.effects("cancel_review"), 1);
    assert_eq!(play.track("production")[0]["status"], "halted");
}

#[tokio::test]
async fn an_app_whose_changes_a_person_must_send_is_committed_unsent() {
    let play = Play::start().await;
    let store = play.process();
    perform(&store, &submit(101, 500)).await.unwrap();
    play.advance(json!({"action": "reject"}));
    let rejected = store.review_state(&version(101)).await.unwrap();
    assert_eq!(rejected.word, ReviewWord::Rejected);
    assert!(rejected.explanation.unwrap().contains("Policy status"));
    perform(&store, &change(101, RolloutChange::Halt)).await.unwrap();
    play.upload(102, "1.2.0");
    let before = play.bench.effects("commit");
    perform(&store, &submit(102, 500)).await.unwrap();
    assert_eq!(play.bench.effects("commit") - before, 1);
    let waiting = store.review_state(&version(102)).await.unwrap();
    assert_eq!(waiting.word, ReviewWord::ActionRequired);
    assert_eq!(store.exposure(&version(102)).await.unwrap().bps, 0);
    play.advance(json!({"action": "send_for_review"}));
    play.advance(json!({"action": "approve"}));
    assert_eq!(
        store.review_state(&version(102)).await.unwrap().word,
        ReviewWord::Live
    );
    // From here on Google sends by itself again, and would refuse the other way.
    perform(&store, &change(102, RolloutChange::SetExposure { bps: 2_000 }))
        .await
        .unwrap();
    play.bench.assert_no_duplicates();
}

#[tokio::test]
async fn where_the_lifecycle_is_not_told_the_track_must_do() {
    let play = Play::staged().await;
    play.advance(json!({"action": "without_lifecycle", "on": true}));
    let store = play.process();
    assert!(store.verify().await.unwrap().passed());
    let state = store.review_state(&version(101)).await.unwrap();
    assert_eq!(
        (state.word, state.store_word.as_str()),
        (ReviewWord::Live, "inProgress")
    );
    assert_eq!(store.exposure(&version(101)).await.unwrap().bps, 500);
    let unknown = store.review_state(&version(77)).await.unwrap();
    assert_eq!(unknown.word, ReviewWord::Unknown);
    play.assert_no_open_edit();
}

#[tokio::test]
async fn an_app_that_was_never_published_is_said_to_need_a_person() {
    let play = Play::start().await;
    let store = play.process_with(&json!({"packageName": "com.example.draft"}));
    let refused = perform(&store, &submit(1, 10_000)).await.unwrap_err();
    assert_eq!(refused.kind, ProviderErrorKind::Invalid);
    assert!(refused.sentence.contains("first release by hand"), "{refused}");
    let nobody = play.process_with(&json!({"packageName": "com.example.none"}));
    let refused = perform(&nobody, &submit(1, 10_000)).await.unwrap_err();
    assert_eq!(refused.kind, ProviderErrorKind::NotFound);
    assert!(refused.sentence.contains("first bundle"), "{refused}");
}

#[tokio::test]
async fn each_refusal_of_a_permission_says_who_must_grant_what() {
    use ProviderErrorKind as K;
    for (operation, reason, message, kind, says) in [
        (
            "insert_edit",
            "forbidden",
            "The caller does not have permission",
            K::Forbidden,
            "must invite it",
        ),
        (
            "insert_edit",
            "forbidden",
            "Forbidden",
            K::Forbidden,
            "must invite it",
        ),
        (
            "put_track",
            "forbidden",
            "The caller does not have permission",
            K::Forbidden,
            "Release to production",
        ),
        (
            "commit",
            "forbidden",
            "The caller does not have permission",
            K::Forbidden,
            "Release to production",
        ),
        (
            "commit",
            "permissionDenied",
            "The current user has insufficient permissions to perform the requested operation.",
            K::Forbidden,
            "testing tracks",
        ),
        (
            "insert_edit",
            "accessNotConfigured",
            "Google Play Android Developer API has not been used in project 12 before or it is disabled.",
            K::Forbidden,
            "APIs and services, Library",
        ),
        (
            "insert_edit",
            "projectNotLinked",
            "The project id used to call the Google Play Developer API has not been linked in the Google Play \
             Developer Console.",
            K::Forbidden,
            "not linked",
        ),
        (
            "insert_edit",
            "insufficientPermissions",
            "Request had insufficient authentication scopes.",
            K::Misconfigured,
            "key file",
        ),
        (
            "commit",
            "forbidden",
            "You must accept the updated Developer Distribution Agreement.",
            K::Forbidden,
            "owner must accept",
        ),
        (
            "commit",
            "forbidden",
            "There are issues with your account.",
            K::Forbidden,
            "owner must resolve",
        ),
        (
            "insert_edit",
            "forbidden",
            "Your developer account has been terminated.",
            K::Forbidden,
            "closed or suspended",
        ),
    ] {
        let play = Play::start().await;
        play.advance(json!({"action": "refuse", "operation": operation, "code": 403,
            "status": "PERMISSION_DENIED", "reason": reason, "message": message}));
        let refused = play
            .process()
            .create(&key(7), &submit(101, 500))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.kind, refused.certainty),
            (kind, Certainty::NotDone),
            "{message}"
        );
        assert!(refused.sentence.contains(says), "{message}: {}", refused.sentence);
        assert!(
            refused.vendor.as_deref().unwrap().contains(message),
            "{refused:?}"
        );
        play.assert_no_open_edit();
        // Nobody is kept waiting by it.
        play.process().create(&key(8), &submit(101, 500)).await.unwrap();
    }
}

#[tokio::test]
async fn quotas_are_waited_for_and_cost_no_failure() {
    for (code, reason, message, seconds) in [
        (
            429,
            "rateLimitExceeded",
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'.",
            60,
        ),
        (403, "quotaExceeded", "Quota exceeded.", 60),
        (403, "userRateLimitExceeded", "User rate limit exceeded.", 60),
        (403, "dailyLimitExceeded", "Daily limit exceeded.", 3_600),
        (
            429,
            "rateLimitExceeded",
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'.",
            3_600,
        ),
    ] {
        for operation in ["insert_edit", "put_track", "commit"] {
            let play = Play::start().await;
            play.advance(json!({"action": "refuse", "operation": operation, "code": code,
                "status": "RESOURCE_EXHAUSTED", "reason": reason, "message": message}));
            let waited = play
                .process()
                .create(&key(7), &submit(101, 500))
                .await
                .unwrap_err();
            assert_eq!(
                (waited.kind, waited.certainty),
                (ProviderErrorKind::Throttled, Certainty::NotDone),
                "{operation} {message}"
            );
            assert_eq!(
                waited.retry_after,
                Some(Duration::from_secs(seconds)),
                "{operation} {message}"
            );
            assert_eq!(play.bench.effects("commit"), 0);
        }
    }
}

#[tokio::test]
async fn who_cannot_log_in_keeps_nobody_waiting() {
    let play = Play::start().await;
    play.advance(json!({"action": "revoke_credentials"}));
    let leases = Arc::new(LocalLeases::new(play.clock.clone()));
    let stranger = play.process_over(leases.clone(), &json!({}));
    let refused = stranger.create(&key(7), &submit(101, 500)).await.unwrap_err();
    assert_eq!(refused.kind, ProviderErrorKind::Unauthenticated);
    assert!(
        !format!("{leases:?}").contains("playstore"),
        "the lease was taken: {leases:?}"
    );
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_with_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let descriptor = delivr_store_playstore::descriptor(&Deps::for_tests(folder.path().to_owned()).unwrap());
    let key = Credentials::new([("serviceAccountJson".to_owned(), SecretString::from("{}"))]);
    for (field, value) in [
        ("track", json!("a/b")),
        ("uploadTrack", json!("a?b")),
        ("inAppUpdatePriority", json!(6)),
        ("countries", json!(["Germany"])),
        ("restOfWorld", json!(true)),
    ] {
        let mut config = json!({"packageName": "com.example.shop"});
        config[field] = value;
        let error = (descriptor.connect)(&config, &key).unwrap_err();
        assert_eq!(error.pointer, format!("/config/{field}"));
    }
}
