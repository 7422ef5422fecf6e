//! Several at work on one app: our releases, our processes, people in the Console, other tools. Nobody's change is
//! overwritten, nobody's edit is ended by a look of ours, and what was changed by hand is seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use async_trait::async_trait;
use common::{Play, change, perform, submit, version};
use delivr_domain::aggregate::{Aggregate, Input};
use delivr_domain::board::Reaction;
use delivr_domain::effect::{Effect, RolloutChange};
use delivr_domain::ids::{InstallId, IntegrationId, ReleaseId, RolloutId, SubmissionId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::plan::StoreSettings;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::lease::{Lease, Leases, Taking};
use delivr_domain::ports::vendor::Lookup;
use delivr_domain::release::gate::Context;
use delivr_domain::report::{Exposure, ExposureWord, Held, Report, RolloutStart, Sighting};
use delivr_domain::rollout::Rollout;
use delivr_provider_proof::key;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Name of the lease in the sandbox.
const LEASE: &str = "playstore com.example.shop delivr@sandbox.iam.gserviceaccount.com";

/// As the engine does where it is told to wait: tried again, at no cost.
async fn patiently<T>(work: impl AsyncFn() -> Result<T, ProviderError>) -> Result<T, ProviderError> {
    let tried = async {
        loop {
            match work().await {
                Err(busy) if busy.kind == ProviderErrorKind::Throttled => {
                    assert!(busy.sentence.contains("under way here"), "{busy}");
                    tokio::task::yield_now().await;
                }
                other => return other,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tried)
        .await
        .unwrap()
}

#[tokio::test]
async fn two_releases_and_many_looks_at_once_never_end_each_others_edits() {
    let play = Play::start().await;
    play.upload(102, "1.2.0");
    let production = play.process();
    let beta = play.process_with(&json!({"track": "beta"}));
    let watcher = play.process();
    let (submit_production, submit_beta) = (submit(101, 500), submit(102, 10_000));
    let looks = async {
        for _ in 0..6 {
            patiently(async || watcher.exposure(&version(100)).await)
                .await
                .unwrap();
            patiently(async || watcher.find_build("1.1.0", None).await)
                .await
                .unwrap();
        }
    };
    let (first, second, ()) = tokio::join!(
        patiently(async || perform(&production, &submit_production).await),
        patiently(async || perform(&beta, &submit_beta).await),
        looks
    );
    // One commit comes second, while the other's change is in review: that one is told so, and no more.
    let refused: Vec<_> = [&first, &second]
        .into_iter()
        .filter_map(|it| it.as_ref().err())
        .collect();
    assert_eq!(refused.len(), 1, "{first:?} {second:?}");
    assert_eq!(refused[0].kind, ProviderErrorKind::Conflict, "{refused:?}");
    play.advance(json!({"action": "approve"}));
    perform(&production, &submit_production).await.unwrap();
    play.advance(json!({"action": "approve"}));
    perform(&beta, &submit_beta).await.unwrap();
    assert_eq!(play.track("production")[0]["versionCodes"], json!(["101"]));
    assert_eq!(play.track("production")[1]["versionCodes"], json!(["100"]));
    assert_eq!(play.track("beta")[0]["versionCodes"], json!(["102"]));
    assert_eq!(play.bench.effects("commit"), 2);
    play.assert_no_open_edit();
    play.bench.assert_no_duplicates();
}

#[tokio::test]
async fn an_edit_that_google_gives_out_twice_is_opened_anew() {
    let play = Play::start().await;
    play.advance(json!({"action": "same_edit", "ms": 30_000}));
    // A write goes on in the edit of its look-up.
    let store = play.process();
    perform(&store, &submit(101, 500)).await.unwrap();
    assert_eq!(play.bench.effects("commit"), 1);
    assert_eq!(play.track("production")[0]["versionCodes"], json!(["101"]));
    play.advance(json!({"action": "approve"}));
    // After another look the edit that comes back is at its end; that is waited out, and costs no failure.
    let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
    for _ in 0..2 {
        let waited = store.create(&key(7), &raise).await.unwrap_err();
        assert_eq!(
            (waited.kind, waited.certainty),
            (ProviderErrorKind::Throttled, Certainty::NotDone),
            "{waited}"
        );
        assert!(waited.retry_after.is_some(), "{waited}");
    }
    play.advance(json!({"action": "time", "vendor": "*", "seconds": 31}));
    perform(&store, &raise).await.unwrap();
    assert_eq!(play.track("production")[0]["userFraction"], json!(0.2));
    play.assert_no_open_edit();
}

#[tokio::test]
async fn an_edit_that_a_look_up_left_is_ended_by_whoever_comes_first() {
    let play = Play::start().await;
    play.upload(102, "1.2.0");
    let (one, two) = (play.process(), play.process());
    assert_eq!(
        one.find(&key(7), &submit(101, 500)).await.unwrap(),
        Lookup::Found(Vec::new())
    );
    assert_eq!(play.advance(json!({"action": "open_edits"})), json!({"open": 1}));
    perform(&two, &submit(102, 500)).await.unwrap();
    // What was read in it no longer holds.
    let stopped = one.create(&key(7), &submit(101, 500)).await.unwrap_err();
    assert_eq!(stopped.kind, ProviderErrorKind::Conflict, "{stopped}");
    assert_eq!(play.bench.effects("commit"), 1);
    play.assert_no_open_edit();
    // A look of the same process ends it too.
    assert_eq!(
        two.find(&key(7), &change(102, RolloutChange::Halt))
            .await
            .unwrap(),
        Lookup::Found(Vec::new())
    );
    two.find_build("1.2.0", None).await.unwrap();
    play.assert_no_open_edit();
}

/// Leases of a process that stops for a while just before it keeps its lease for the nth time.
struct Stopped {
    inner: Arc<dyn Leases>,
    at: usize,
    kept: AtomicUsize,
}

#[async_trait]
impl Leases for Stopped {
    async fn take(&self, name: &str, how: Taking, span: Duration) -> Result<Option<Lease>, StoreError> {
        self.inner.take(name, how, span).await
    }
    async fn keep(&self, lease: &Lease, span: Duration, note: Option<&str>) -> Result<(), StoreError> {
        if self.kept.fetch_add(1, Ordering::SeqCst) == self.at {
            std::future::pending::<()>().await;
        }
        self.inner.keep(lease, span, note).await
    }
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.give_back(lease).await
    }
}

impl Play {
    /// A process that is killed within a write: 0 before it has noted its edit, 1 before it has put anything into it, 2
    /// with a change in it, before the commit.
    async fn killed(&self, at: usize, write: &delivr_domain::effect::StoreWrite) {
        let stopped = Arc::new(Stopped {
            inner: self.leases.clone(),
            at,
            kept: AtomicUsize::new(0),
        });
        let process = self.process_over(stopped.clone(), &json!({}));
        let at_the_stop = async {
            while stopped.kept.load(Ordering::SeqCst) <= at {
                tokio::task::yield_now().await;
            }
        };
        let key = key(7);
        tokio::select! {
            done = process.create(&key, write) => panic!("it did not stop: {done:?}"),
            () = at_the_stop => {}
        }
    }
}

#[tokio::test]
async fn a_killed_process_is_outlived_and_its_edit_ended() {
    for at in [0, 1, 2] {
        let play = Play::start().await;
        play.upload(102, "1.2.0");
        play.killed(at, &submit(101, 500)).await;
        assert_eq!(
            play.advance(json!({"action": "open_edits"})),
            json!({"open": 1}),
            "{at}"
        );
        // Google would give the same edit out once more, with the change in it.
        play.advance(json!({"action": "same_edit", "ms": 3_000}));
        let other = play.process();
        let waited = other.create(&key(8), &submit(102, 500)).await.unwrap_err();
        assert_eq!(
            (waited.kind, waited.certainty),
            (ProviderErrorKind::Throttled, Certainty::NotDone),
            "{at}"
        );
        assert!(waited.sentence.contains("under way here"), "{waited}");
        play.clock.advance(Duration::from_secs(31));
        play.advance(json!({"action": "time", "vendor": "*", "seconds": 4}));
        other.create(&key(8), &submit(102, 500)).await.unwrap();
        assert_eq!(
            play.track("production")[0]["versionCodes"],
            json!(["102"]),
            "{at}"
        );
        assert_eq!(play.track("production").as_array().unwrap().len(), 2, "{at}");
        assert_eq!(play.bench.effects("commit"), 1, "{at}");
        play.assert_no_open_edit();
    }
}

#[tokio::test]
async fn a_half_done_change_that_google_gives_out_again_is_never_committed() {
    let play = Play::staged().await;
    play.upload(102, "1.2.0");
    play.killed(2, &change(101, RolloutChange::Complete)).await;
    // Whoever cannot wait takes the lease at once, within the seconds in which Google repeats itself.
    play.advance(json!({"action": "same_edit", "ms": 3_000}));
    let urgent = play.process();
    let refused = urgent
        .create(&key(8), &change(101, RolloutChange::Halt))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ProviderErrorKind::Throttled, "{refused}");
    assert_eq!(
        play.track("production")[0]["status"],
        "inProgress",
        "nothing half-done is committed"
    );
    play.advance(json!({"action": "time", "vendor": "*", "seconds": 4}));
    urgent
        .create(&key(8), &change(101, RolloutChange::Halt))
        .await
        .unwrap();
    let now = play.track("production");
    assert_eq!(
        (&now[0]["status"], &now[0]["userFraction"]),
        (&json!("halted"), &json!(0.05))
    );
}

/// Leases that hold nobody back and remember nothing.
struct Lax;

#[async_trait]
impl Leases for Lax {
    async fn take(&self, name: &str, _how: Taking, _span: Duration) -> Result<Option<Lease>, StoreError> {
        Ok(Some(Lease::issued_by_store(name.to_owned(), 1, None)))
    }
    async fn keep(&self, _lease: &Lease, _span: Duration, _note: Option<&str>) -> Result<(), StoreError> {
        Ok(())
    }
    async fn give_back(&self, _lease: &Lease) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn without_leases_a_half_done_change_of_another_is_committed() {
    let mut play = Play::staged().await;
    play.leases = Arc::new(Lax);
    play.killed(2, &change(101, RolloutChange::Complete)).await;
    play.advance(json!({"action": "same_edit", "ms": 3_000}));
    let urgent = play.process();
    urgent
        .create(&key(8), &change(101, RolloutChange::Halt))
        .await
        .unwrap();
    let now = play.track("production");
    assert_eq!(
        (now.as_array().unwrap().len(), &now[0]["userFraction"]),
        (1, &json!(null)),
        "nobody was to get it but five per cent: {now}"
    );
}

#[tokio::test]
async fn a_half_done_change_that_could_not_be_thrown_away_is_never_committed() {
    let play = Play::staged().await;
    for operation in ["validate", "delete_edit"] {
        play.bench
            .fault(json!({"operation": operation, "fault": "status_before", "status": 503}));
    }
    let store = play.process();
    let failed = store
        .create(&key(7), &change(101, RolloutChange::Complete))
        .await
        .unwrap_err();
    assert_eq!(failed.certainty, Certainty::NotDone);
    assert_eq!(play.advance(json!({"action": "open_edits"})), json!({"open": 1}));
    play.advance(json!({"action": "same_edit", "ms": 3_000}));
    // Nor when the next one cannot reach Google either.
    play.bench
        .fault(json!({"operation": "delete_edit", "fault": "status_before", "status": 503}));
    play.bench
        .fault(json!({"operation": "insert_edit", "fault": "status_before", "status": 503}));
    let halt = change(101, RolloutChange::Halt);
    store.create(&key(8), &halt).await.unwrap_err();
    let refused = play.process().create(&key(8), &halt).await.unwrap_err();
    assert_eq!(refused.kind, ProviderErrorKind::Throttled, "{refused}");
    play.assert_no_open_edit();
    play.advance(json!({"action": "time", "vendor": "*", "seconds": 4}));
    store.create(&key(8), &halt).await.unwrap();
    let now = play.track("production");
    assert_eq!(
        (now.as_array().unwrap().len(), &now[0]["userFraction"]),
        (2, &json!(0.05))
    );
}

#[tokio::test]
async fn a_halt_waits_for_nobody_and_whom_it_overtakes_commits_nothing() {
    let play = Play::staged().await;
    let held = play
        .leases
        .take(LEASE, Taking::WhenFree, Duration::from_secs(30))
        .await;
    let held = held.unwrap().expect("the lease has this name");
    let store = play.process();
    let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
    let busy = store.create(&key(7), &raise).await.unwrap_err();
    assert!(
        busy.kind == ProviderErrorKind::Throttled && busy.retry_after.is_some(),
        "{busy}"
    );
    perform(&store, &change(101, RolloutChange::Halt)).await.unwrap();
    assert_eq!(play.track("production")[0]["status"], "halted");
    // The one that was overtaken finds out before it puts or commits anything.
    let kept = play.leases.keep(&held, Duration::from_secs(30), None).await;
    assert!(matches!(kept, Err(StoreError::Fenced)));
}

/// Leases that somebody more urgent takes just before they are kept for the nth time.
struct Overtaken(Arc<dyn Leases>, usize, AtomicUsize);

#[async_trait]
impl Leases for Overtaken {
    async fn take(&self, name: &str, how: Taking, span: Duration) -> Result<Option<Lease>, StoreError> {
        self.0.take(name, how, span).await
    }
    async fn keep(&self, lease: &Lease, span: Duration, note: Option<&str>) -> Result<(), StoreError> {
        if self.2.fetch_add(1, Ordering::SeqCst) == self.1 {
            let urgent = self.0.take(lease.name(), Taking::AtOnce, span).await?.unwrap();
            self.0.give_back(&urgent).await?;
        }
        self.0.keep(lease, span, note).await
    }
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        self.0.give_back(lease).await
    }
}

#[tokio::test]
async fn a_lease_that_is_lost_on_the_way_stops_the_write() {
    for at in [0, 1, 2] {
        let play = Play::staged().await;
        let leases = Overtaken(play.leases.clone(), at, AtomicUsize::new(0));
        let process = play.process_over(Arc::new(leases), &json!({}));
        let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
        let before = play.bench.effects("commit");
        let lost = process.create(&key(7), &raise).await.unwrap_err();
        assert_eq!(
            (lost.kind, lost.certainty),
            (ProviderErrorKind::Throttled, Certainty::NotDone),
            "{at}"
        );
        assert!(lost.sentence.contains("more urgent"), "{lost}");
        assert_eq!(play.bench.effects("commit"), before, "{at}");
        perform(&process, &raise).await.unwrap();
        assert_eq!(play.track("production")[0]["userFraction"], json!(0.2));
    }
}

#[tokio::test]
async fn a_change_made_in_the_console_on_the_way_is_kept_or_stops_us() {
    // A person prepares the next release while ours is committed: both stand afterwards.
    let play = Play::staged().await;
    play.upload(103, "1.3.0");
    let store = play.process();
    let draft = json!({"name": "Next", "versionCodes": ["103"], "status": "draft"});
    let ours = json!({"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.05});
    let old = json!({"versionCodes": ["100"], "status": "completed"});
    play.meanwhile("commit", &json!([ours, draft, old]));
    let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
    perform(&store, &raise).await.unwrap();
    let now = play.track("production");
    assert_eq!(now[0]["userFraction"], json!(0.2));
    assert_eq!(now[1], draft, "what a person prepared is still there");
    // A person halts while we raise: the halt stands, and a person is asked.
    let halted = json!([{"versionCodes": ["101"], "status": "halted", "userFraction": 0.2}, draft, old]);
    for operation in ["put_track", "validate", "commit"] {
        play.console(
            &json!([{"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.2}, draft, old]),
        );
        play.meanwhile(operation, &halted);
        let further = change(101, RolloutChange::SetExposure { bps: 5_000 });
        let stopped = store.create(&key(7), &further).await.unwrap_err();
        assert_eq!(
            (stopped.kind, stopped.certainty),
            (ProviderErrorKind::Conflict, Certainty::NotDone),
            "{operation}: {stopped}"
        );
        assert!(stopped.sentence.contains("halted"), "{stopped}");
        assert_eq!(play.track("production"), halted, "{operation}");
    }
    // A person ships a later version while we submit: theirs stands.
    let play = Play::start().await;
    play.upload(102, "1.2.0");
    let theirs = json!([{"versionCodes": ["102"], "status": "completed"}]);
    play.meanwhile("commit", &theirs);
    let stopped = play
        .process()
        .create(&key(7), &submit(101, 500))
        .await
        .unwrap_err();
    assert_eq!(stopped.kind, ProviderErrorKind::Conflict, "{stopped}");
    assert!(stopped.sentence.contains("102"), "{stopped}");
    assert_eq!(play.track("production"), theirs);
    play.assert_no_open_edit();
}

#[tokio::test]
async fn somebody_who_never_stops_is_waited_for_without_a_failure() {
    let play = Play::staged().await;
    let same = json!([{"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.05},
        {"versionCodes": ["100"], "status": "completed"}]);
    let interrupt = |times: usize| {
        for _ in 0..times {
            play.meanwhile("validate", &same);
        }
    };
    let store = play.process();
    let before = play.bench.effects("commit");
    let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
    interrupt(2);
    let crowded = store.create(&key(7), &raise).await.unwrap_err();
    assert_eq!(
        (crowded.kind, crowded.certainty),
        (ProviderErrorKind::Throttled, Certainty::NotDone)
    );
    assert!(crowded.retry_after.is_some(), "waiting must cost no failure");
    assert!(crowded.sentence.contains("keeps changing"), "{crowded}");
    interrupt(1);
    perform(&store, &raise).await.unwrap();
    assert_eq!(play.bench.effects("commit") - before, 1);
}

#[tokio::test]
async fn each_form_in_which_google_says_that_an_edit_is_gone_means_to_start_anew() {
    for (code, status, reason, message) in [
        (410, "", "editDeleted", "This Edit has been deleted."),
        (
            400,
            "INVALID_ARGUMENT",
            "badRequest",
            "This Edit has been deleted.",
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "failedPrecondition",
            "This Edit has been deleted.",
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "editExpired",
            "This edit has expired please create a new Edit.",
        ),
        (404, "NOT_FOUND", "editNotFound", "Edit not found: 12."),
        (
            409,
            "ABORTED",
            "conflict",
            "The app was changed at the same time.",
        ),
    ] {
        let play = Play::staged().await;
        for operation in ["get_track", "put_track", "commit"] {
            play.advance(
                json!({"action": "refuse", "operation": operation, "code": code, "status": status,
                "reason": reason, "message": message}),
            );
        }
        let store = play.process();
        store
            .create(&key(7), &change(101, RolloutChange::Halt))
            .await
            .unwrap_err();
        let halted = store.create(&key(7), &change(101, RolloutChange::Halt)).await;
        assert!(halted.is_ok(), "{message}: {halted:?}");
        assert_eq!(play.track("production")[0]["status"], "halted", "{message}");
    }
}

fn rollout() -> Rollout {
    let release = ReleaseId::derived(&[b"editors"]);
    let start = RolloutStart {
        id: RolloutId::derived(&[b"editors"]),
        tenant: TenantId::derived(&[b"editors"]),
        install: InstallId::derived(&[b"editors"]),
        release,
        submission: SubmissionId::derived(&[b"editors"]),
        target: TargetKey::AndroidPlayStore,
        integration: IntegrationId::derived(&[b"editors"]),
        version: version(101),
        settings: StoreSettings {
            steps: vec![500, 2_000, 10_000],
            step_minutes: Some(60),
            ..StoreSettings::default()
        },
        exposure: 500,
        held: Held::default(),
    };
    Rollout::born(start, "2026-11-21T08:00:00Z".parse().unwrap())
}

/// What the release's machine makes of what the store shows: the looks, one after the other.
fn watched(looks: &[Exposure]) -> Rollout {
    let facts = BTreeMap::new();
    let cx = Context {
        now: "2026-11-21T08:01:00Z".parse().unwrap(),
        actor: "system",
        facts: &facts,
    };
    let born = Aggregate::Rollout(Box::new(rollout())).run(Vec::new(), &cx);
    let watch = born.reactions.iter().find_map(|it| match it {
        Reaction::Enqueue(Effect::Watch { key, .. }) => Some(*key),
        _ => None,
    });
    let mut state = born.state;
    for exposure in looks {
        let report = Report::Seen {
            key: watch.unwrap(),
            sighting: Sighting::Rollout {
                exposure: exposure.clone(),
            },
        };
        state = state.step(Input::Report(&report), &cx).unwrap().state;
    }
    match state {
        Aggregate::Rollout(rollout) => *rollout,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_changed_by_hand_is_drift_and_is_never_overwritten() {
    let old = json!({"versionCodes": ["100"], "status": "completed"});
    let by_hand = [
        // (what a person makes of the track, what we see, what we may not do over it)
        (
            json!([{"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.5}, old]),
            (ExposureWord::Active, 5_000),
            RolloutChange::SetExposure { bps: 2_000 },
        ),
        (
            json!([{"versionCodes": ["101"], "status": "halted", "userFraction": 0.05}, old]),
            (ExposureWord::Halted, 500),
            RolloutChange::SetExposure { bps: 2_000 },
        ),
        (
            json!([{"versionCodes": ["101"], "status": "completed"}]),
            (ExposureWord::Completed, 10_000),
            RolloutChange::SetExposure { bps: 2_000 },
        ),
        (
            json!([{"versionCodes": ["102"], "status": "completed"}]),
            (ExposureWord::Inactive, 0),
            RolloutChange::Complete,
        ),
        (
            json!([old]),
            (ExposureWord::Inactive, 0),
            RolloutChange::SetExposure { bps: 2_000 },
        ),
    ];
    for (console, seen, not_over) in by_hand {
        let play = Play::staged().await;
        play.upload(102, "1.2.0");
        let store = play.process();
        let before = store.exposure(&version(101)).await.unwrap();
        assert_eq!((before.word, before.bps), (ExposureWord::Active, 500));
        assert_eq!(watched(std::slice::from_ref(&before)).drift, None);
        play.console(&console);
        let after = store.exposure(&version(101)).await.unwrap();
        assert_eq!((after.word, after.bps), seen, "{console}");
        let drifted = watched(&[before, after]);
        let drift = drifted.drift.expect("a drift");
        assert!(drift.contains("nobody decided"), "{drift}");
        assert_eq!(drifted.exposure, seen.1);
        let write = change(101, not_over);
        let stopped = store.find(&key(7), &write).await.unwrap();
        assert!(matches!(stopped, Lookup::Foreign(_)), "{console}: {stopped:?}");
        let refused = store.create(&key(7), &write).await.unwrap_err();
        assert_eq!(refused.kind, ProviderErrorKind::Conflict, "{console}");
        assert_eq!(play.track("production"), console, "nothing is overwritten");
        play.assert_no_open_edit();
    }
}

#[tokio::test]
async fn looks_at_a_review_open_no_edit_and_others_leave_none() {
    let play = Play::start().await;
    let store = play.process();
    perform(&store, &submit(101, 500)).await.unwrap();
    // Were an edit opened, this would refuse it.
    let refuse = json!({"action": "refuse", "operation": "insert_edit", "code": 403, "status": "PERMISSION_DENIED",
        "reason": "forbidden", "message": "an edit was opened"});
    play.advance(refuse);
    store.review_state(&version(101)).await.unwrap();
    assert_eq!(
        store.exposure(&version(101)).await.unwrap().word,
        ExposureWord::Inactive
    );
    play.advance(json!({"action": "approve"}));
    store.review_state(&version(101)).await.unwrap();
    store.exposure(&version(101)).await.unwrap_err();
    for operation in ["get_track", "list_bundles", "list_tracks"] {
        play.bench
            .fault(json!({"operation": operation, "fault": "status_before", "status": 503}));
    }
    store.exposure(&version(101)).await.unwrap_err();
    store.find_build("1.1.0", Some("101")).await.unwrap_err();
    store.find_build("1.1.0", None).await.unwrap_err();
    play.assert_no_open_edit();
}

#[tokio::test]
async fn a_commit_without_an_answer_is_at_its_end_before_anybody_else_is_let_in() {
    let play = Play::staged().await;
    let store = play.process();
    let raise = change(101, RolloutChange::SetExposure { bps: 2_000 });
    play.bench.fault(json!({"operation": "commit", "fault": "reset"}));
    let lost = store.create(&key(7), &raise).await.unwrap_err();
    assert_eq!(lost.certainty, Certainty::Unknown);
    play.assert_no_open_edit();
    // The same, and the edit cannot be ended either: the lease stays with the doubt until it runs out.
    play.bench.fault(json!({"operation": "commit", "fault": "reset"}));
    play.bench
        .fault(json!({"operation": "delete_edit", "fault": "status_before", "status": 503}));
    store.create(&key(7), &raise).await.unwrap_err();
    let next = store.create(&key(7), &raise).await.unwrap_err();
    assert_eq!(next.kind, ProviderErrorKind::Throttled, "{next}");
    play.clock.advance(Duration::from_secs(31));
    perform(&store, &raise).await.unwrap();
    play.assert_no_open_edit();
    assert_eq!(play.track("production")[0]["userFraction"], json!(0.2));
    play.bench.assert_no_duplicates();
}
