//! Google Play against its simulator: each write done once whatever happens, reviews, rollouts, broken answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use delivr_domain::effect::{Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ids::InstallId;
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TaskKey, TaskKind};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Credentials};
use delivr_domain::ports::vendor::{Lookup, Storefront};
use delivr_domain::report::{Exposure, ExposureWord, ReviewWord};
use delivr_provider_kit::Deps;
use delivr_sandbox::{Running, Sandbox};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

struct Bench {
    running: Running,
    store: Arc<dyn Storefront>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let deps = Deps::for_tests(folder.path().to_owned()).unwrap();
        let url = format!("{}/_credentials", running.url());
        let all: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let own = &all["playstore"];
        let secrets = own["credentials"].as_object().unwrap().iter();
        let secrets = secrets.map(|(name, it)| (name.clone(), SecretString::from(it.as_str().unwrap())));
        let connect = delivr_store_playstore::descriptor(&deps).connect;
        let store = match connect(&own["config"], &Credentials::new(secrets)).unwrap() {
            Connection::Store(store) => store,
            other => panic!("{other:?}"),
        };
        let bench = Self {
            running,
            store,
            _folder: folder,
        };
        bench.advance(json!({"action": "add_bundle", "versionCode": 101, "version": "1.1.0"}));
        bench
    }

    /// With version code 101 published to five per cent.
    async fn staged() -> Self {
        let bench = Self::start().await;
        bench.perform(&submit(500)).await.unwrap();
        bench.advance(json!({"action": "approve"}));
        bench
    }

    fn advance(&self, mut body: Value) {
        body["vendor"] = json!("playstore");
        self.running.advance(&body).unwrap();
    }

    async fn fault(&self, mut body: Value) {
        body["vendor"] = json!("playstore");
        let url = format!("{}/_faults", self.running.url());
        assert!(
            reqwest::Client::new()
                .post(url)
                .json(&body)
                .send()
                .await
                .unwrap()
                .status()
                .is_success()
        );
    }

    async fn find(&self, write: &StoreWrite) -> Result<Lookup, ProviderError> {
        self.store.find(&key(), write).await
    }

    async fn create(&self, write: &StoreWrite) -> Result<Reference, ProviderError> {
        self.store.create(&key(), write).await
    }

    /// As the engine does: look, make if it is not there.
    async fn perform(&self, write: &StoreWrite) -> Result<Reference, ProviderError> {
        match self.find(write).await? {
            Lookup::Found(found) if found.is_empty() => self.create(write).await,
            Lookup::Found(found) => Ok(found[0].clone()),
            other => panic!("{other:?}"),
        }
    }

    async fn done(&self, write: &StoreWrite) -> bool {
        matches!(self.find(write).await.unwrap(), Lookup::Found(found) if !found.is_empty())
    }

    async fn foreign(&self, write: &StoreWrite) -> String {
        match self.find(write).await.unwrap() {
            Lookup::Foreign(sentence) => sentence,
            other => panic!("{other:?}"),
        }
    }

    async fn exposure(&self) -> Exposure {
        self.store.exposure(&version("101")).await.unwrap()
    }

    async fn review(&self) -> ReviewWord {
        self.store.review_state(&version("101")).await.unwrap().word
    }

    fn commits(&self) -> usize {
        let journal = self.running.journal();
        let all = journal["effects"].as_array().unwrap().iter();
        all.filter(|one| one["vendor"] == "playstore" && one["operation"] == "commit")
            .count()
    }

    fn assert_no_duplicates(&self) {
        assert_eq!(self.running.journal()["duplicates"], json!([]));
    }
}

fn key() -> EffectKey {
    EffectKey {
        install: InstallId::from_uuid(Uuid::from_u128(1)),
        owner: AggregateId {
            kind: AggregateKind::Submission,
            id: Uuid::from_u128(2),
        },
        task: TaskKey::once(TaskKind::SubmitForReview),
        generation: Generation(0),
        step: 0,
    }
}

fn version(code: &str) -> StoreVersion {
    StoreVersion {
        version: "1.1.0".into(),
        build_number: code.into(),
        notes: [
            ("en-US".to_owned(), "Faster.".to_owned()),
            ("ja".to_owned(), "速い".to_owned()),
        ]
        .into(),
    }
}

fn submit(exposure: u16) -> StoreWrite {
    StoreWrite::Submit {
        version: version("101"),
        exposure,
        timing: ReleaseTiming::AfterApproval,
    }
}

fn change(change: RolloutChange) -> StoreWrite {
    StoreWrite::ChangeRollout {
        version: version("101"),
        change,
    }
}

async fn prepared(name: &str) -> Bench {
    match name {
        "submit" | "submit to all" => Bench::start().await,
        "resume" => {
            let bench = Bench::staged().await;
            bench.perform(&change(RolloutChange::Halt)).await.unwrap();
            bench
        }
        _ => Bench::staged().await,
    }
}

fn table() -> Vec<(&'static str, StoreWrite)> {
    vec![
        ("submit", submit(500)),
        ("submit to all", submit(10_000)),
        ("raise", change(RolloutChange::SetExposure { bps: 2_000 })),
        ("halt", change(RolloutChange::Halt)),
        ("resume", change(RolloutChange::Resume)),
        ("complete", change(RolloutChange::Complete)),
    ]
}

#[tokio::test]
async fn a_lost_answer_or_a_500_after_the_commit_is_adopted() {
    for fault in ["response_lost", "status_after"] {
        for (name, write) in table() {
            let bench = prepared(name).await;
            let before = bench.commits();
            bench.fault(json!({"operation": "commit", "fault": fault})).await;
            let error = bench.create(&write).await.unwrap_err();
            assert_eq!(
                error.kind,
                ProviderErrorKind::Unavailable,
                "{name} {fault}: {error}"
            );
            assert_eq!(error.certainty, Certainty::Unknown, "{name} {fault}");
            bench.perform(&write).await.unwrap();
            assert!(bench.done(&write).await, "{name} {fault}");
            assert_eq!(bench.commits() - before, 1, "{name} {fault}");
            bench.assert_no_duplicates();
        }
    }
}

#[tokio::test]
async fn a_repeated_create_changes_nothing() {
    for (name, write) in table() {
        let bench = prepared(name).await;
        assert!(!bench.done(&write).await, "{name}");
        let before = bench.commits();
        bench.create(&write).await.unwrap();
        bench.create(&write).await.unwrap();
        assert_eq!(bench.commits() - before, 1, "{name}");
        bench.assert_no_duplicates();
    }
}

#[tokio::test]
async fn trouble_before_the_commit_leaves_nothing_in_doubt() {
    for operation in ["insert_edit", "get_track", "put_track", "commit"] {
        let bench = Bench::start().await;
        bench
            .fault(json!({"operation": operation, "fault": "throttle", "retryAfter": 17}))
            .await;
        let error = bench.create(&submit(500)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Throttled, Certainty::NotDone),
            "{operation}"
        );
        assert_eq!(error.retry_after, Some(Duration::from_secs(17)), "{operation}");
        if operation != "commit" {
            bench
                .fault(json!({"operation": operation, "fault": "response_lost"}))
                .await;
            let error = bench.create(&submit(500)).await.unwrap_err();
            assert_eq!(error.certainty, Certainty::NotDone, "{operation}");
        }
        bench.perform(&submit(500)).await.unwrap();
        assert_eq!(bench.commits(), 1);
    }
}

#[tokio::test]
async fn a_release_is_reviewed_staged_raised_halted_resumed_and_completed() {
    let bench = Bench::start().await;
    assert_eq!(bench.review().await, ReviewWord::Unknown);
    bench.perform(&submit(500)).await.unwrap();
    assert_eq!(bench.review().await, ReviewWord::InReview);
    assert_eq!(
        (bench.exposure().await.word, bench.exposure().await.bps),
        (ExposureWord::Inactive, 0)
    );
    let early = bench
        .perform(&change(RolloutChange::SetExposure { bps: 1_000 }))
        .await
        .unwrap_err();
    assert_eq!(
        (early.kind, early.certainty),
        (ProviderErrorKind::Conflict, Certainty::NotDone)
    );
    assert!(
        early.sentence.contains("version code 101 on production"),
        "{early}"
    );
    bench.advance(json!({"action": "approve"}));
    assert_eq!(bench.review().await, ReviewWord::Live);
    assert_eq!(
        (bench.exposure().await.word, bench.exposure().await.bps),
        (ExposureWord::Active, 500)
    );
    bench
        .perform(&change(RolloutChange::SetExposure { bps: 2_500 }))
        .await
        .unwrap();
    assert_eq!(bench.exposure().await.bps, 2_500);
    let lower = change(RolloutChange::SetExposure { bps: 1_000 });
    assert!(bench.foreign(&lower).await.contains("cannot lower"));
    assert_eq!(
        bench.create(&lower).await.unwrap_err().kind,
        ProviderErrorKind::Conflict
    );
    bench.perform(&change(RolloutChange::Halt)).await.unwrap();
    let halted = bench.exposure().await;
    assert_eq!(
        (halted.word, halted.bps, halted.store_word.as_str()),
        (ExposureWord::Halted, 2_500, "halted")
    );
    assert!(
        bench
            .foreign(&change(RolloutChange::Complete))
            .await
            .contains("resume it first")
    );
    bench.perform(&change(RolloutChange::Resume)).await.unwrap();
    assert_eq!(bench.exposure().await.bps, 2_500);
    bench
        .perform(&change(RolloutChange::SetExposure { bps: 10_000 }))
        .await
        .unwrap();
    assert_eq!(
        (bench.exposure().await.word, bench.exposure().await.bps),
        (ExposureWord::Completed, 10_000)
    );
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_rejection_is_seen_and_later_changes_wait_for_a_person() {
    let bench = Bench::start().await;
    bench.perform(&submit(500)).await.unwrap();
    bench.advance(json!({"action": "reject"}));
    assert_eq!(bench.review().await, ReviewWord::Rejected);
    assert_eq!(bench.exposure().await.bps, 0);
    bench.perform(&change(RolloutChange::Halt)).await.unwrap();
    bench.advance(json!({"action": "add_bundle", "versionCode": 102, "version": "1.1.1"}));
    let next = StoreWrite::Submit {
        version: version("102"),
        exposure: 500,
        timing: ReleaseTiming::AfterApproval,
    };
    bench.perform(&next).await.unwrap();
    let state = bench.store.review_state(&version("102")).await.unwrap();
    assert_eq!(state.word, ReviewWord::ActionRequired);
    assert!(state.explanation.unwrap().contains("Publishing overview"));
    bench.advance(json!({"action": "send_for_review"}));
    assert_eq!(
        bench.store.review_state(&version("102")).await.unwrap().word,
        ReviewWord::InReview
    );
}

#[tokio::test]
async fn managed_publishing_waits_for_a_person() {
    let bench = Bench::start().await;
    bench.advance(json!({"action": "managed_publishing", "on": true}));
    bench.perform(&submit(500)).await.unwrap();
    bench.advance(json!({"action": "approve"}));
    assert_eq!(bench.review().await, ReviewWord::Approved);
    let release = StoreWrite::ReleaseToUsers {
        version: version("101"),
    };
    let error = bench.perform(&release).await.unwrap_err();
    assert!(error.kind == ProviderErrorKind::Precondition && error.sentence.contains("managed publishing"));
    bench.advance(json!({"action": "publish"}));
    assert!(bench.done(&release).await);
}

#[tokio::test]
async fn other_releases_are_foreign() {
    let bench = Bench::staged().await;
    bench.advance(json!({"action": "add_bundle", "versionCode": 102, "version": "1.2.0"}));
    let next = StoreWrite::Submit {
        version: version("102"),
        exposure: 500,
        timing: ReleaseTiming::AfterApproval,
    };
    let sentence = bench.foreign(&next).await;
    assert!(
        sentence.contains("101") && sentence.contains("complete or halt"),
        "{sentence}"
    );
    let old = StoreWrite::Submit {
        version: version("99"),
        exposure: 500,
        timing: ReleaseTiming::AfterApproval,
    };
    assert!(bench.foreign(&old).await.contains("higher version code"));
    let gone = StoreWrite::ChangeRollout {
        version: version("77"),
        change: RolloutChange::Halt,
    };
    assert!(bench.foreign(&gone).await.contains("not on the track"));
    assert_eq!(
        bench.create(&next).await.unwrap_err().kind,
        ProviderErrorKind::Conflict
    );
    assert_eq!(bench.commits(), 1);
}

#[tokio::test]
async fn builds_are_found_and_carry_version_and_notes() {
    let bench = Bench::start().await;
    assert_eq!(
        bench
            .store
            .find_build("1.1.0", Some("101"))
            .await
            .unwrap()
            .unwrap()
            .build_number,
        "101"
    );
    assert_eq!(
        bench
            .store
            .find_build("1.1.0", None)
            .await
            .unwrap()
            .unwrap()
            .build_number,
        "101"
    );
    assert_eq!(bench.store.find_build("1.1.0", Some("555")).await.unwrap(), None);
    assert_eq!(bench.store.find_build("9.9.9", None).await.unwrap(), None);
    for write in [
        StoreWrite::EnsureVersion {
            version: version("101"),
            timing: ReleaseTiming::Manual,
        },
        StoreWrite::AttachBuild {
            version: version("101"),
        },
        StoreWrite::SetNotes {
            version: version("101"),
        },
    ] {
        assert!(bench.done(&write).await);
    }
    let missing = StoreWrite::AttachBuild {
        version: version("555"),
    };
    assert_eq!(
        bench.perform(&missing).await.unwrap_err().kind,
        ProviderErrorKind::Precondition
    );
    assert_eq!(bench.commits(), 0);
}

#[tokio::test]
async fn what_play_cannot_do_is_said() {
    let bench = Bench::staged().await;
    let at = "2026-12-24T08:00:00Z".parse().unwrap();
    for write in [
        change(RolloutChange::Pause),
        change(RolloutChange::SetExposure { bps: 0 }),
        StoreWrite::Submit {
            version: version("101"),
            exposure: 500,
            timing: ReleaseTiming::At { at },
        },
    ] {
        assert_eq!(
            bench.find(&write).await.unwrap_err().kind,
            ProviderErrorKind::Unsupported
        );
        assert_eq!(
            bench.create(&write).await.unwrap_err().kind,
            ProviderErrorKind::Unsupported
        );
    }
    let mut long = version("101");
    long.notes.insert("en-US".into(), "x".repeat(501));
    let fresh = Bench::start().await;
    let write = StoreWrite::Submit {
        version: long,
        exposure: 500,
        timing: ReleaseTiming::AfterApproval,
    };
    assert_eq!(
        fresh.perform(&write).await.unwrap_err().kind,
        ProviderErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_revoked_key_and_a_missing_permission_are_told_apart_and_tokens_renewed() {
    let bench = Bench::start().await;
    let verified = bench.store.verify().await.unwrap();
    assert!(verified.passed() && verified.account.contains("gserviceaccount"));
    bench.advance(json!({"action": "expire_tokens"}));
    bench.perform(&submit(500)).await.unwrap();
    bench.advance(json!({"action": "remove_permission"}));
    let error = bench.perform(&change(RolloutChange::Halt)).await.unwrap_err();
    assert!(error.kind == ProviderErrorKind::Forbidden && error.sentence.contains("Users and permissions"));
    assert!(!bench.store.verify().await.unwrap().passed());
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = bench.perform(&change(RolloutChange::Halt)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unauthenticated, Certainty::NotDone)
    );
}

#[tokio::test]
async fn broken_answers_are_malformed() {
    for fault in ["html", "huge"] {
        let bench = Bench::start().await;
        bench
            .fault(json!({"operation": "get_track", "fault": fault}))
            .await;
        let error = bench.perform(&submit(500)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::NotDone),
            "{fault}"
        );
        bench.fault(json!({"operation": "commit", "fault": fault})).await;
        let error = bench.create(&submit(500)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::Unknown),
            "{fault}"
        );
        bench.perform(&submit(500)).await.unwrap();
        assert_eq!(bench.commits(), 1);
    }
}

#[tokio::test]
async fn configuration_errors_point_at_their_field_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let descriptor = delivr_store_playstore::descriptor(&Deps::for_tests(folder.path().to_owned()).unwrap());
    let key = |text: &str| Credentials::new([("serviceAccountJson".to_owned(), SecretString::from(text))]);
    let error = (descriptor.connect)(&json!({"packageName": "a.b"}), &key("very-secret-words")).unwrap_err();
    assert_eq!(error.pointer, "/credentials/serviceAccountJson");
    assert!(!error.to_string().contains("very-secret-words"));
    let error = (descriptor.connect)(&json!({"packageName": "a/../b"}), &key("{}")).unwrap_err();
    assert_eq!(error.pointer, "/config/packageName");
}
