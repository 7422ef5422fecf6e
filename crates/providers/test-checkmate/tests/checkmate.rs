//! The adapter against the simulated Checkmate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{OperationKind, TestingWrite};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::vendor::{InDoubt, Lookup, Testing, Writes};
use delivr_domain::report::TestTotals;
use delivr_provider_proof::{Bench, key, secrets};
use delivr_test_checkmate::descriptor;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn bench() -> (Bench, Arc<dyn Testing>) {
    let bench = Bench::start("checkmate").await;
    let Connection::Testing(it) = bench.connect(&descriptor(&bench.deps)) else {
        panic!("not a test-management system");
    };
    (bench, it)
}

fn run() -> TestingWrite {
    TestingWrite::CreateRun {
        name: "Regression of 1.4.0 on Android, a name that is far too long for Checkmate".into(),
        description: "Release 1.4.0".into(),
        target: None,
    }
}

fn reset(run: &str) -> TestingWrite {
    TestingWrite::ResetRun { run: run.into() }
}

fn ids(found: Lookup) -> Vec<String> {
    match found {
        Lookup::Found(all) => all.into_iter().map(|one| one.id).collect(),
        Lookup::Foreign(why) => panic!("{why}"),
        Lookup::Unsure | Lookup::Over(_) => panic!("unsure"),
    }
}

#[tokio::test]
async fn a_run_whose_answer_was_lost_is_found_and_adopted() {
    let (bench, it) = bench().await;
    assert!(ids(it.find(&key(7), &run()).await.unwrap()).is_empty());
    for (fault, number) in [("response_lost", 7), ("status_after", 8)] {
        bench.fault(json!({"operation": "create_run", "fault": fault}));
        let error = it.create(&key(number), &run()).await.unwrap_err();
        assert_eq!(error.certainty, Certainty::Unknown);
    }
    assert_eq!(ids(it.find(&key(7), &run()).await.unwrap()), ["1"]);
    assert_eq!(ids(it.find(&key(8), &run()).await.unwrap()), ["2"]);
    assert!(ids(it.find(&key(9), &run()).await.unwrap()).is_empty());
    bench.advance(json!({"action": "set_status", "run": 1, "status": "Locked"}));
    assert_eq!(ids(it.find(&key(7), &run()).await.unwrap()), ["1"]);
}

#[tokio::test]
async fn a_race_leaves_two_runs_which_the_look_up_shows() {
    let (_bench, it) = bench().await;
    it.create(&key(7), &run()).await.unwrap();
    it.create(&key(7), &run()).await.unwrap();
    assert_eq!(ids(it.find(&key(7), &run()).await.unwrap()).len(), 2);
}

#[tokio::test]
async fn throttling_is_told_with_its_hint() {
    let (bench, it) = bench().await;
    bench.fault(json!({"operation": "create_run", "fault": "throttle", "retryAfter": 9}));
    let error = it.create(&key(7), &run()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty, error.retry_after),
        (
            ProviderErrorKind::Throttled,
            Certainty::NotDone,
            Some(Duration::from_secs(9))
        )
    );
    assert_eq!(bench.effects("create_run"), 0);
}

#[tokio::test]
async fn a_reset_in_doubt_is_not_sent_over_the_results_of_those_who_tested_on() {
    let (bench, it) = bench().await;
    let id = it.create(&key(7), &run()).await.unwrap().id;
    bench.advance(json!({"action": "pass_all"}));
    bench.fault(json!({"operation": "reset_run", "fault": "response_lost"}));
    it.create(&key(8), &reset(&id)).await.unwrap_err();
    bench.advance(json!({"action": "results", "passed": 1}));
    assert!(
        ids(it.find(&key(8), &reset(&id)).await.unwrap()).is_empty(),
        "it looks as if it had not been done"
    );
    let declared = |kind| Writes::<TestingWrite>::declared(it.as_ref(), kind).in_doubt;
    assert_eq!(declared(OperationKind::ResetTestRun), InDoubt::AskAPerson);
    assert_eq!(declared(OperationKind::CreateTestRun), InDoubt::SendAgain);
}

#[tokio::test]
async fn reset_is_known_by_its_state() {
    let (bench, it) = bench().await;
    let id = it.create(&key(7), &run()).await.unwrap().id;
    bench.advance(json!({"action": "results", "passed": 30, "failed": 5, "skipped": 10}));
    let totals = TestTotals {
        total: 40,
        passed: 30,
        failed: 5,
        untested: 5,
    };
    assert_eq!(it.totals(&id).await.unwrap(), totals);
    assert!(ids(it.find(&key(8), &reset(&id)).await.unwrap()).is_empty());
    bench.fault(json!({"operation": "reset_run", "fault": "response_lost"}));
    it.create(&key(8), &reset(&id)).await.unwrap_err();
    assert_eq!(ids(it.find(&key(8), &reset(&id)).await.unwrap()).len(), 1);
    assert_eq!(it.totals(&id).await.unwrap().untested, 35);
    bench.advance(json!({"action": "set_status", "run": 1, "status": "Locked"}));
    let error = it.create(&key(8), &reset(&id)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    let error = it.totals("99").await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    let error = it.totals("x").await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Invalid);
}

#[tokio::test]
async fn missing_roles_and_revoked_tokens_are_told_apart() {
    let (bench, it) = bench().await;
    bench.advance(json!({"action": "remove_permission"}));
    let error = it.create(&key(7), &run()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = it.create(&key(7), &run()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert_eq!(
        it.verify().await.unwrap_err().kind,
        ProviderErrorKind::Unauthenticated
    );
}

#[tokio::test]
async fn settings_that_do_not_exist_there_are_named() {
    let bench = Bench::start("checkmate").await;
    let settings = bench.settings();
    let credentials = secrets(&settings["credentials"]);
    let connect = descriptor(&bench.deps).connect;
    for (field, value, passes) in [("projectId", json!(7), false), ("sections", json!([404]), true)] {
        let mut config = settings["config"].clone();
        config[field] = value;
        let Ok(Connection::Testing(it)) = connect(&config, &credentials) else {
            panic!("no connection");
        };
        assert_eq!(it.verify().await.unwrap().passed(), passes, "{field}");
        let error = it.create(&key(7), &run()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Misconfigured, Certainty::NotDone),
            "{field}"
        );
    }
    let refused = connect(
        &json!({"baseUrl": "http://127.0.0.1:1", "orgId": 1}),
        &credentials,
    );
    assert_eq!(refused.unwrap_err().pointer, "/config/projectId");
    let refused = connect(&settings["config"], &secrets(&json!({})));
    assert_eq!(refused.unwrap_err().pointer, "/credentials/token");
}

#[tokio::test]
async fn answers_that_are_none_are_malformed() {
    let (bench, it) = bench().await;
    for fault in ["html", "huge"] {
        bench.fault(json!({"operation": "list_runs", "fault": fault}));
        let error = it.find(&key(7), &run()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::NotDone)
        );
        bench.fault(json!({"operation": "create_run", "fault": fault}));
        let error = it.create(&key(7), &run()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::Unknown)
        );
    }
}
