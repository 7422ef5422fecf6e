//! Runs from dispatch to product, of both versions of the API, and what became of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Bench, JOB, TAG, found, key, run_of, write_of, write_with};
use delivr_domain::effect::{CicdWrite, RunRef};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::vendor::{Lookup, Recognition};
use delivr_domain::report::{RunProduct, RunResult, RunState};
use serde_json::{Value, json};

fn ended(state: RunState) -> (RunResult, RunProduct) {
    match state {
        RunState::Ended { result, product } => (result, product),
        other => panic!("{other:?}"),
    }
}

impl Bench {
    async fn state(&self, run: &RunRef) -> RunState {
        self.actions.run_state(run).await.unwrap()
    }
    async fn found(&self, number: u128) -> Vec<String> {
        let list = found(self.actions.find(&key(number), &self.write()).await.unwrap());
        list.into_iter().map(|it| it.id).collect()
    }
}

async fn from_dispatch_to_product(bench: &Bench) {
    bench.advance("hold_runs", json!({"on": true}));
    let given = [
        ("version", "1.4.0"),
        ("platform", "IOS"),
        ("build_number", "4711"),
    ];
    let write = write_with(JOB, &bench.sha, &given);
    assert_eq!(found(bench.actions.find(&key(7), &write).await.unwrap()), []);
    let made = bench.actions.create(&key(7), &write).await.unwrap();
    let run = run_of(&made, JOB, &key(7));
    assert!(
        made.url.unwrap().starts_with("http"),
        "a person sees where it runs"
    );
    assert_eq!(bench.state(&run).await, RunState::Queued);
    let seen = found(bench.actions.find(&key(7), &write).await.unwrap());
    assert_eq!(seen.len(), 1);
    assert_eq!(found(bench.actions.find(&key(8), &write).await.unwrap()), []);
    bench.advance("start_runs", json!({}));
    assert_eq!(bench.state(&run).await, RunState::Running);
    bench.advance("finish_run", json!({"workflow": JOB}));
    let (result, product) = ended(bench.state(&run).await);
    assert_eq!(result, RunResult::Succeeded);
    assert_eq!(product.number.as_deref(), Some("41"));
    assert_eq!(
        product.build_number.as_deref(),
        Some("4711"),
        "an artifact says it"
    );
    assert_eq!(product.sha.unwrap().as_str(), bench.sha, "the commit GitHub ran");
    let page = product.url.unwrap();
    let artifact = product.artifact_url.unwrap();
    assert!(artifact.starts_with(&format!("{page}/artifacts/")), "{artifact}");
    assert!(!product.failed);
    assert_eq!(bench.dispatches(), 1);
    bench.shared.assert_no_duplicates();
}

fn sent(exchanges: &[Value]) -> Value {
    let mut dispatches = exchanges
        .iter()
        .filter(|it| it["path"].as_str().unwrap().ends_with("/dispatches"));
    dispatches.next().unwrap().clone()
}

#[tokio::test]
async fn a_run_from_dispatch_to_its_product() {
    let bench = Bench::start().await;
    from_dispatch_to_product(&bench).await;
    bench.hold();
}

#[tokio::test]
async fn the_newer_version_is_not_asked_for_what_it_always_says() {
    let bench = Bench::with(&json!({"apiVersion": "2026-03-10"})).await;
    let run = bench.started(7).await;
    assert!(run.id.parse::<u64>().is_ok());
    let exchange = sent(&bench.shared.running.exchanges("github"));
    assert_eq!(exchange["status"], 200);
    assert!(exchange["request"].get("return_run_details").is_none());
    from_dispatch_to_product(&Bench::with(&json!({"apiVersion": "2026-03-10"})).await).await;
}

#[tokio::test]
async fn a_server_that_answers_without_a_word_is_no_failure() {
    let bench = Bench::start().await;
    bench.advance("run_details", json!({"on": false}));
    from_dispatch_to_product(&bench).await;
    let exchanges = bench.shared.running.exchanges("github");
    let dispatch = sent(&exchanges);
    assert_eq!(
        (&dispatch["status"], &dispatch["request"]["return_run_details"]),
        (&json!(204), &json!(true))
    );
}

#[tokio::test]
async fn an_enterprise_server_is_not_asked_for_what_it_may_not_know() {
    let bench = Bench::start().await;
    let base = bench.shared.settings()["actions"]["config"]["baseUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    let server = bench.connect(&json!({"baseUrl": format!("{base}/api/v3")}));
    let made = server.create(&key(7), &bench.write()).await.unwrap();
    let page = made.url.clone().unwrap();
    assert_eq!(
        page,
        format!("{base}/acme/shop/actions/workflows/{JOB}"),
        "people have an address of their own"
    );
    let exchange = sent(&bench.shared.running.exchanges("github"));
    assert!(exchange["request"].get("return_run_details").is_none());
    assert_eq!(bench.found(7).await.len(), 1);
    let state = server.run_state(&run_of(&made, JOB, &key(7))).await.unwrap();
    assert!(matches!(state, RunState::Queued | RunState::Running), "{state:?}");
}

#[tokio::test]
async fn a_run_that_lists_do_not_show_yet_is_on_its_way() {
    let bench = Bench::start().await;
    bench.advance("run_details", json!({"on": false}));
    bench.advance("hold_runs", json!({"on": true}));
    bench.advance("run_lag", json!({"ms": 30_000}));
    let run = bench.started(7).await;
    assert_eq!(bench.state(&run).await, RunState::Queued);
    let error = bench.actions.cancel(&run).await.unwrap_err();
    assert_eq!(
        error.kind,
        ProviderErrorKind::Precondition,
        "it is stopped when it is shown"
    );
    bench.advance("time", json!({"seconds": 31}));
    bench.advance("start_runs", json!({}));
    assert_eq!(bench.state(&run).await, RunState::Running);
    bench.actions.cancel(&run).await.unwrap();
    assert_eq!(ended(bench.state(&run).await).0, RunResult::Cancelled);
    // Long after, what is not shown is not there.
    let long_ago = RunRef {
        id: format!("dispatched-1700000000-{}", bench.sha),
        correlation: key(9).short(),
        ..run
    };
    assert_eq!(bench.state(&long_ago).await, RunState::Gone);
    bench.actions.cancel(&long_ago).await.unwrap();
}

#[tokio::test]
async fn a_deleted_run_is_gone_once_a_later_one_is_shown() {
    let bench = Bench::start().await;
    let run = bench.started(7).await;
    let id: u64 = run.id.parse().unwrap();
    bench.advance("delete_run", json!({"run": id}));
    assert_eq!(
        bench.state(&run).await,
        RunState::Queued,
        "it may not be shown yet"
    );
    bench.started(8).await;
    assert_eq!(bench.state(&run).await, RunState::Gone);
}

#[tokio::test]
async fn the_commit_is_that_of_the_tag_or_nothing_is_started() {
    let bench = Bench::start().await;
    let write = bench.write();
    let pushed = bench.advance("push", json!({"branch": "main"}));
    let other = pushed["sha"].as_str().unwrap();
    // Moved before anything was asked.
    let full = format!("refs/tags/{TAG}");
    bench.advance("set_ref", json!({"ref": full, "sha": other}));
    let error = bench.actions.create(&key(7), &write).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Conflict, Certainty::NotDone)
    );
    assert!(
        error.sentence.contains(other) && error.sentence.contains(&bench.sha),
        "{}",
        error.sentence
    );
    bench.advance("delete_ref", json!({"ref": full}));
    let error = bench.actions.create(&key(7), &write).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::NotFound, Certainty::NotDone)
    );
    assert_eq!(bench.dispatches(), 0);
}

#[tokio::test]
async fn a_ref_that_moves_under_the_dispatch_is_seen() {
    for details in [true, false] {
        let bench = Bench::start().await;
        let pushed = bench.advance("push", json!({"branch": "main"}));
        let other = pushed["sha"].as_str().unwrap().to_owned();
        let moved = json!({"ref": format!("refs/tags/{TAG}"), "sha": other});
        bench.advance("run_details", json!({"on": details}));
        bench.advance("move_before_dispatch", moved);
        let made = bench.actions.create(&key(7), &bench.write()).await;
        if details {
            let error = made.unwrap_err();
            assert_eq!(
                (error.kind, error.certainty),
                (ProviderErrorKind::Conflict, Certainty::Unknown)
            );
        } else {
            let (result, product) = ended(bench.state(&run_of(&made.unwrap(), JOB, &key(7))).await);
            assert_eq!(
                (result, product.sha.unwrap().as_str()),
                (RunResult::Cancelled, other.as_str())
            );
        }
        // It stands under our key, and is not what was to be started: a person is asked, and no second one is started.
        match bench.actions.find(&key(7), &bench.write()).await.unwrap() {
            Lookup::Foreign(sentence) => assert!(sentence.contains(&other), "{sentence}"),
            it => panic!("{it:?}"),
        }
        // Where the ref is read anew (a branch), it is just what is wanted.
        let mut anew = bench.write();
        let CicdWrite::TriggerRun { sha, .. } = &mut anew;
        *sha = other.parse().unwrap();
        assert_eq!(found(bench.actions.find(&key(7), &anew).await.unwrap()).len(), 1);
        assert_eq!(bench.dispatches(), 1);
        // The person ends it, and the way is free.
        bench.advance(
            "set_run",
            json!({"status": "completed", "conclusion": "cancelled"}),
        );
        assert_eq!(bench.found(7).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn every_word_of_github_has_a_meaning() {
    let bench = Bench::start().await;
    bench.advance("hold_runs", json!({"on": true}));
    let run = bench.started(7).await;
    for (status, state) in [
        ("queued", RunState::Queued),
        ("requested", RunState::Queued),
        ("waiting", RunState::Queued),
        ("pending", RunState::Queued),
        ("in_progress", RunState::Running),
        ("a_new_word", RunState::Running),
        // Its conclusion is not written yet.
        ("completed", RunState::Running),
    ] {
        bench.advance("set_run", json!({"status": status}));
        assert_eq!(bench.state(&run).await, state, "{status}");
    }
    for (conclusion, result) in [
        ("success", RunResult::Succeeded),
        ("failure", RunResult::Failed),
        ("cancelled", RunResult::Cancelled),
        ("timed_out", RunResult::Failed),
        ("startup_failure", RunResult::Failed),
        ("stale", RunResult::Failed),
        ("skipped", RunResult::Failed),
        ("neutral", RunResult::Failed),
        ("a_new_word", RunResult::Failed),
    ] {
        bench.advance(
            "set_run",
            json!({"status": "completed", "conclusion": conclusion}),
        );
        let (said, product) = ended(bench.state(&run).await);
        assert_eq!(
            (said, product.failed),
            (result, result == RunResult::Failed),
            "{conclusion}"
        );
        assert!(product.url.is_some() && product.number.is_some(), "{conclusion}");
    }
    // Somebody must approve it at GitHub; then it goes on.
    bench.advance(
        "set_run",
        json!({"status": "completed", "conclusion": "action_required"}),
    );
    assert_eq!(bench.state(&run).await, RunState::Queued);
}

#[tokio::test]
async fn a_run_that_is_run_again_keeps_its_id_and_says_which_try_it_is() {
    let bench = Bench::start().await;
    bench.advance("hold_runs", json!({"on": true}));
    let run = bench.started(7).await;
    bench.advance("finish_run", json!({"conclusion": "failure"}));
    assert_eq!(ended(bench.state(&run).await).0, RunResult::Failed);
    bench.advance("rerun_run", json!({}));
    assert_eq!(bench.state(&run).await, RunState::Queued);
    assert_eq!(bench.found(7).await, [run.id.as_str()], "it is no second run");
    bench.advance("finish_run", json!({}));
    let (result, product) = ended(bench.state(&run).await);
    assert_eq!(result, RunResult::Succeeded);
    assert_eq!(product.number.as_deref(), Some("41 (attempt 2)"));
    assert!(product.url.unwrap().ends_with("/attempts/2"));
    assert_eq!(product.build_number.as_deref(), Some("41"));
    bench.hold();
}

#[tokio::test]
async fn artifacts_that_expired_are_not_offered() {
    let bench = Bench::start().await;
    let run = bench.started(7).await;
    bench.advance("finish_run", json!({}));
    bench.advance("expire_artifacts", json!({}));
    let (_, product) = ended(bench.state(&run).await);
    assert_eq!(product.artifact_url, None);
    assert_eq!(product.build_number.as_deref(), Some("41"));
}

#[tokio::test]
async fn runs_are_stopped_wherever_they_stand() {
    let bench = Bench::start().await;
    bench.advance("hold_runs", json!({"on": true}));
    let waiting = bench.started(7).await;
    bench.actions.cancel(&waiting).await.unwrap();
    bench.actions.cancel(&waiting).await.unwrap();
    assert_eq!(
        bench.shared.effects("cancel_run"),
        1,
        "an ended run is not stopped again"
    );
    assert_eq!(ended(bench.state(&waiting).await).0, RunResult::Cancelled);
    let running = bench.started(8).await;
    bench.advance("start_runs", json!({}));
    bench.fault("cancel_run", "status_before", json!({"status": 409}));
    let error = bench.actions.cancel(&running).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Precondition, "it still runs");
    bench.actions.cancel(&running).await.unwrap();
    assert_eq!(ended(bench.state(&running).await).0, RunResult::Cancelled);
    // It ends while it is being stopped: GitHub refuses, and what was wanted is so.
    let late = bench.started(9).await;
    bench.fault("cancel_run", "status_after", json!({"status": 409}));
    bench.actions.cancel(&late).await.unwrap();
    bench.hold();
}

#[tokio::test]
async fn two_keys_are_two_runs_and_two_runs_of_a_key_are_seen_as_two() {
    let bench = Bench::start().await;
    let (one, two) = (bench.started(7).await, bench.started(8).await);
    assert_ne!(one.id, two.id);
    assert_eq!(bench.found(7).await, [one.id.as_str()]);
    bench.started(7).await;
    assert_eq!(bench.found(7).await.len(), 2);
    let journal = bench.shared.running.journal();
    let surplus = journal["duplicates"][0]["count"].as_u64();
    assert_eq!(
        surplus,
        Some(2),
        "the vendor counts by what is built, not by our key"
    );
}

#[tokio::test]
async fn ours_is_found_behind_pages_of_later_runs_and_missed_by_no_cut() {
    let bench = Bench::start().await;
    let run = bench.started(7).await;
    bench.advance("person_runs", json!({"workflow": JOB, "count": 250}));
    assert_eq!(bench.found(7).await, [run.id.as_str()]);
    // GitHub shows the newest thousand: those before are asked for by their time.
    bench.advance(
        "person_runs",
        json!({"workflow": JOB, "count": 760, "age_ms": 5_000}),
    );
    assert_eq!(bench.found(7).await, [run.id.as_str()]);
    assert_eq!(
        bench.found(8).await,
        Vec::<String>::new(),
        "and it can be said that one is not there"
    );
    // More than a thousand of one second: behind them it cannot be said any more.
    bench.advance(
        "person_runs",
        json!({"workflow": JOB, "count": 1010, "age_ms": 5_000}),
    );
    let lookup = bench.actions.find(&key(7), &bench.write()).await.unwrap();
    assert_eq!(lookup, Lookup::Unsure);
    // A count that is a little ahead of what is shown is no cut.
    bench.advance("run_count_ahead", json!({"by": 2}));
    let other = write_of("automation.yml", &bench.sha);
    assert_eq!(found(bench.actions.find(&key(7), &other).await.unwrap()), []);
}

#[tokio::test]
async fn the_degraded_way_asks_a_person_wherever_it_cannot_tell() {
    let bench = Bench::with(&json!({"correlation": "window"})).await;
    let write = write_with("no-key.yml", &bench.sha, &[("version", "1.4.0")]);
    let kind = delivr_domain::effect::OperationKind::TriggerRun;
    let declared = bench.actions.declared(kind);
    assert_eq!(declared.recognition, Recognition::Window);
    assert!(
        declared.delivery_bound.as_secs() >= 70,
        "a run is listed a minute late: an empty list says nothing before"
    );
    assert_eq!(found(bench.actions.find(&key(7), &write).await.unwrap()), []);
    bench.fault("dispatch", "response_lost", json!({}));
    bench.actions.create(&key(7), &write).await.unwrap_err();
    assert_eq!(bench.dispatches(), 1, "it was started without a key");
    assert_eq!(bench.actions.find(&key(7), &write).await.unwrap(), Lookup::Unsure);
    let verified = bench.actions.verify().await.unwrap();
    assert!(verified.passed());
    let told = verified
        .checks
        .iter()
        .any(|it| it.what.contains("a person is asked whenever an answer"));
    assert!(told, "nobody is told what it costs: {verified:?}");
}

#[tokio::test]
async fn an_app_starts_runs_and_what_it_lacks_is_named() {
    let bench = Bench::start().await;
    let app = bench.connect_as_app();
    let verified = app.verify().await.unwrap();
    assert!(
        verified.checks.iter().all(|it| it.missing.is_none()),
        "{:?}",
        verified.checks
    );
    assert!(
        verified
            .checks
            .iter()
            .any(|it| it.what == "App permission actions: write"),
        "{:?}",
        verified.checks
    );
    let made = app.create(&key(7), &bench.write()).await.unwrap();
    // By the App or by a token: it is one run.
    assert_eq!(bench.found(7).await, [made.id]);
    assert_eq!(bench.dispatches(), 1);
    bench.advance("remove_permission", json!({}));
    let verified = app.verify().await.unwrap();
    let lacks: Vec<String> = verified.checks.into_iter().filter_map(|it| it.missing).collect();
    assert!(
        lacks
            .iter()
            .any(|it| it.contains("give the App actions: write (it has none)")),
        "{lacks:?}"
    );
}
