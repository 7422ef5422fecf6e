//! The adapter against the simulated Jenkins: every way an answer can get lost, and what is found afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use delivr_cicd_jenkins::descriptor;
use delivr_domain::effect::{CicdWrite, Reference, RunRef};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Credentials, Delivery, WebhookError};
use delivr_domain::ports::vendor::{Cicd, Lookup};
use delivr_domain::report::{RunResult, RunState};
use delivr_provider_kit::Deps;
use delivr_provider_kit::signature::{Scheme, sign};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The shared bench, which holds every exchange against the description of Jenkins, and a connection.
struct Bench {
    shared: delivr_provider_proof::Bench,
    jenkins: Arc<dyn Cicd>,
}

impl Bench {
    async fn start() -> Self {
        Self::with("sandbox-token", false).await
    }

    async fn with(token: &str, use_crumb: bool) -> Self {
        let shared = delivr_provider_proof::Bench::start("jenkins").await;
        let jenkins = connect(&format!("{}/jenkins", shared.running.url()), token, use_crumb);
        Self { shared, jenkins }
    }

    fn fault(&self, fault: Value) {
        self.shared.fault(fault);
    }

    fn advance(&self, body: Value) {
        self.shared.advance(body);
    }

    /// How often the vendor really started something, and the surplus.
    fn effects(&self, operation: &str) -> (usize, usize) {
        let journal = self.shared.running.journal();
        let count = journal["effects"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["operation"] == operation)
            .count();
        (count, journal["duplicates"].as_array().unwrap().len())
    }

    async fn found(&self, write: &CicdWrite) -> Vec<Reference> {
        match self.jenkins.find(&key(0), write).await.unwrap() {
            Lookup::Found(list) => list,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_run_behind_many_of_others_is_found_and_none_is_said_only_where_all_were_seen() {
    let (job, others) = (
        "ios-prod",
        |count: u32, days: u32| json!({"action": "others_run", "job": "ios-prod", "count": count, "daysAgo": days}),
    );
    let bench = Bench::start().await;
    bench.advance(others(1100, 31));
    bench.advance(others(150, 0));
    assert!(
        bench.found(&write(job)).await.is_empty(),
        "those behind are older than the step"
    );
    let made = bench.jenkins.create(&key(0), &write(job)).await.unwrap();
    bench.advance(json!({"action": "start", "job": job}));
    bench.advance(json!({"action": "forget_queue"}));
    bench.advance(others(1200, 0));
    let found = bench.found(&write(job)).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, made.id);
    bench.advance(others(5000, 0));
    let looked = bench.jenkins.find(&key(0), &write(job)).await.unwrap();
    assert_eq!(
        looked,
        Lookup::Unsure,
        "it is there, behind more than is looked through"
    );
    // It is not said to be gone either.
    let state = bench.jenkins.run_state(&run(&made, job)).await.unwrap_err();
    assert_eq!(state.kind, ProviderErrorKind::Unavailable);
}

fn connect(base: &str, token: &str, use_crumb: bool) -> Arc<dyn Cicd> {
    let deps = Deps::for_tests(std::env::temp_dir()).unwrap();
    let credentials = Credentials::new([
        ("username".to_owned(), "delivr".into()),
        ("apiToken".to_owned(), token.into()),
    ]);
    let config = json!({"baseUrl": base, "useCrumb": use_crumb});
    match (descriptor(&deps).connect)(&config, &credentials).unwrap() {
        Connection::Cicd(it) => it,
        other => panic!("{other:?}"),
    }
}

fn key(step: u16) -> EffectKey {
    let id = uuid::Uuid::from_u128(7);
    serde_json::from_value(json!({
        "install": id, "owner": {"kind": "RELEASE", "id": id}, "task": "TRIGGER_REGRESSION_BUILDS/IOS_APP_STORE/1",
        "generation": 0, "step": step,
    }))
    .unwrap()
}

fn write(job: &str) -> CicdWrite {
    CicdWrite::TriggerRun {
        job: job.to_owned(),
        git_ref: "v1.4.0-rc.1".parse().unwrap(),
        sha: "a".repeat(40).parse().unwrap(),
        parameters: BTreeMap::from([
            ("VERSION".to_owned(), "1.4.0".to_owned()),
            ("BRANCH".to_owned(), "release/1.4.0".to_owned()),
        ]),
    }
}

fn run(reference: &Reference, job: &str) -> RunRef {
    RunRef {
        job: job.to_owned(),
        id: reference.id.clone(),
        correlation: key(0).short(),
        url: reference.url.clone(),
    }
}

const JOB: &str = "ios-prod";

#[tokio::test]
async fn a_run_from_trigger_to_its_product() {
    let bench = Bench::start().await;
    bench.advance(json!({"action": "hold_queue", "on": true}));
    let write = write(JOB);
    assert_eq!(bench.found(&write).await, []);
    let made = bench.jenkins.create(&key(0), &write).await.unwrap();
    let run = run(&made, JOB);
    assert_eq!(bench.jenkins.run_state(&run).await.unwrap(), RunState::Queued);
    let found = bench.found(&write).await;
    assert_eq!(found.iter().map(|it| &it.id).collect::<Vec<_>>(), [&made.id]);
    bench.advance(json!({"action": "start", "job": JOB}));
    assert_eq!(bench.jenkins.run_state(&run).await.unwrap(), RunState::Running);
    assert_eq!(
        bench.found(&write).await[0].id,
        made.id,
        "queue item and run are one"
    );
    bench.advance(json!({"action": "finish", "job": JOB, "number": "all", "result": "SUCCESS"}));
    // The queue's memory is gone, as five minutes later or after a restart.
    bench.advance(json!({"action": "forget_queue"}));
    let RunState::Ended { result, product } = bench.jenkins.run_state(&run).await.unwrap() else {
        panic!("not ended");
    };
    assert_eq!(result, RunResult::Succeeded);
    let number = product.number.unwrap();
    assert_eq!(product.build_number.as_deref(), Some(number.as_str()));
    assert!(product.sha.is_some());
    let artifact = product.artifact_url.unwrap();
    assert!(
        artifact.starts_with(bench.shared.running.url()) && artifact.ends_with(".ipa"),
        "{artifact}"
    );
    assert!(product.url.unwrap().contains("/job/ios-prod/"));
    assert!(!product.failed);
    assert_eq!(bench.effects("trigger"), (1, 0));
}

#[tokio::test]
async fn a_failed_run_says_so() {
    let bench = Bench::start().await;
    let made = bench.jenkins.create(&key(0), &write(JOB)).await.unwrap();
    bench.advance(json!({"action": "start", "job": JOB}));
    bench.advance(json!({"action": "finish", "job": JOB, "number": "all", "result": "FAILURE"}));
    match bench.jenkins.run_state(&run(&made, JOB)).await.unwrap() {
        RunState::Ended { result, product } => {
            assert_eq!(result, RunResult::Failed);
            assert!(product.failed && product.artifact_url.is_none());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lost_answers_are_unknown_and_found_again() {
    for fault in [
        json!({"fault": "response_lost", "operation": "trigger"}),
        json!({"fault": "status_after", "operation": "trigger"}),
        json!({"fault": "status_after", "status": 504, "operation": "trigger"}),
    ] {
        let bench = Bench::start().await;
        bench.fault(fault.clone());
        let error = bench.jenkins.create(&key(0), &write(JOB)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Unavailable, Certainty::Unknown),
            "{fault}"
        );
        assert_eq!(bench.found(&write(JOB)).await.len(), 1, "{fault}");
        assert_eq!(bench.effects("trigger"), (1, 0), "{fault}");
    }
}

#[tokio::test]
async fn answers_without_effect_are_classified() {
    let bench = Bench::start().await;
    let create = async || bench.jenkins.create(&key(0), &write(JOB)).await.unwrap_err();
    bench.fault(json!({"fault": "throttle", "retryAfter": 7, "operation": "trigger"}));
    let error = create().await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Throttled, Certainty::NotDone)
    );
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    bench.fault(json!({"fault": "html", "operation": "trigger"}));
    let error = create().await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Malformed, Certainty::Unknown)
    );
    bench.fault(json!({"fault": "huge", "operation": "trigger"}));
    assert_eq!(create().await.kind, ProviderErrorKind::Malformed);
    for operation in ["job", "queue"] {
        bench.fault(json!({"fault": "html", "operation": operation}));
        let error = bench.jenkins.find(&key(0), &write(JOB)).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Malformed);
    }
    assert_eq!(bench.effects("trigger"), (0, 0));
    bench.advance(json!({"action": "set_buildable", "job": JOB, "on": false}));
    assert_eq!(create().await.kind, ProviderErrorKind::Misconfigured);
    let error = bench
        .jenkins
        .create(&key(0), &write("nowhere"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::NotFound, Certainty::NotDone)
    );
    bench.advance(json!({"action": "remove_permission"}));
    assert_eq!(create().await.kind, ProviderErrorKind::Forbidden);
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = create().await;
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unauthenticated, Certainty::NotDone)
    );
    assert_eq!(
        bench.jenkins.verify().await.unwrap_err().kind,
        ProviderErrorKind::Unauthenticated
    );
    assert!(!format!("{error:?}").contains("sandbox-token"));
}

#[tokio::test]
async fn redirects_to_other_hosts_are_refused_without_credentials() {
    let bench = Bench::start().await;
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/login", trap.local_addr().unwrap());
    for operation in ["me", "trigger"] {
        bench.fault(json!({"fault": "redirect", "location": location, "operation": operation}));
    }
    assert_eq!(
        bench.jenkins.verify().await.unwrap_err().kind,
        ProviderErrorKind::Refused
    );
    let error = bench.jenkins.create(&key(0), &write(JOB)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Refused);
    let called = tokio::time::timeout(Duration::from_millis(100), trap.accept()).await;
    assert!(called.is_err(), "the other host was called");
}

#[tokio::test]
async fn a_second_request_under_the_key_is_folded_or_seen_as_two() {
    let bench = Bench::start().await;
    bench.advance(json!({"action": "hold_queue", "on": true}));
    let first = bench.jenkins.create(&key(0), &write(JOB)).await.unwrap();
    let folded = bench.jenkins.create(&key(0), &write(JOB)).await.unwrap();
    assert_eq!(first.id, folded.id);
    bench.advance(json!({"action": "start", "job": JOB}));
    bench.jenkins.create(&key(0), &write(JOB)).await.unwrap();
    assert_eq!(bench.found(&write(JOB)).await.len(), 2);
    assert_eq!(bench.effects("trigger").0, 2);
    assert_eq!(
        bench.effects("trigger").1,
        1,
        "the vendor counts the surplus by its own subject"
    );
}

#[tokio::test]
async fn two_keys_are_two_runs() {
    let bench = Bench::start().await;
    bench.advance(json!({"action": "hold_queue", "on": true}));
    bench.jenkins.create(&key(0), &write(JOB)).await.unwrap();
    bench.jenkins.create(&key(1), &write(JOB)).await.unwrap();
    assert_eq!(bench.found(&write(JOB)).await.len(), 1);
}

#[tokio::test]
async fn runs_are_stopped_wherever_they_stand() {
    let bench = Bench::start().await;
    bench.advance(json!({"action": "hold_queue", "on": true}));
    let waiting = run(&bench.jenkins.create(&key(0), &write(JOB)).await.unwrap(), JOB);
    bench.jenkins.cancel(&waiting).await.unwrap();
    bench.jenkins.cancel(&waiting).await.unwrap();
    assert_eq!(bench.effects("cancel_item").0, 1);
    assert!(matches!(
        bench.jenkins.run_state(&waiting).await.unwrap(),
        RunState::Ended {
            result: RunResult::Cancelled,
            ..
        }
    ));
    let other = bench.jenkins.create(&key(0), &write(JOB)).await.unwrap();
    let started = run(&other, JOB);
    bench.advance(json!({"action": "start", "job": JOB}));
    bench.jenkins.cancel(&started).await.unwrap();
    bench.jenkins.cancel(&started).await.unwrap();
    assert_eq!(bench.effects("stop").0, 1);
    assert!(matches!(
        bench.jenkins.run_state(&started).await.unwrap(),
        RunState::Ended {
            result: RunResult::Cancelled,
            ..
        }
    ));
    let unknown = RunRef {
        id: "424242".to_owned(),
        correlation: "0".repeat(32),
        ..started
    };
    assert_eq!(bench.jenkins.run_state(&unknown).await.unwrap(), RunState::Gone);
    bench.jenkins.cancel(&unknown).await.unwrap();
}

#[tokio::test]
async fn jobs_in_folders_and_their_parameters() {
    let bench = Bench::start().await;
    bench.advance(
        json!({"action": "add_job", "job": "mobile/nightly/e2e", "kind": "tests",
                         "parameters": ["VERSION", "DELIVR_KEY"]}),
    );
    bench.advance(
        json!({"action": "add_job", "job": "mobile/bare", "kind": "plain", "parameters": ["VERSION"]}),
    );
    let jobs = bench.jenkins.jobs().await.unwrap();
    assert!(
        jobs.contains(&"mobile/nightly/e2e".to_owned()) && jobs.contains(&JOB.to_owned()),
        "{jobs:?}"
    );
    let verified = bench.jenkins.verify().await.unwrap();
    assert!(verified.passed(), "{verified:?}");
    assert!(verified.account.contains("Delivr"));
    for name in ["mobile/nightly/e2e", "job/mobile/job/nightly/job/e2e"] {
        let parameters = bench.jenkins.job_parameters(name).await.unwrap();
        assert!(parameters.iter().any(|it| it.name == "DELIVR_KEY"), "{name}");
        assert_eq!(bench.found(&write(name)).await, []);
    }
    bench
        .jenkins
        .create(&key(0), &write("mobile/nightly/e2e"))
        .await
        .unwrap();
    let error = bench
        .jenkins
        .create(&key(1), &write("mobile/bare"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Misconfigured, Certainty::NotDone)
    );
    assert!(
        error.sentence.contains("string(name: 'DELIVR_KEY'"),
        "{}",
        error.sentence
    );
    assert_eq!(bench.effects("trigger").0, 1);
}

#[tokio::test]
async fn a_password_needs_a_crumb() {
    let without = Bench::with("sandbox-password", false).await;
    let error = without.jenkins.create(&key(0), &write(JOB)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    assert!(error.sentence.contains("useCrumb"));
    let with = Bench::with("sandbox-password", true).await;
    with.jenkins.create(&key(0), &write(JOB)).await.unwrap();
}

#[test]
fn configurations_are_checked() {
    let deps = Deps::for_tests(std::env::temp_dir()).unwrap();
    let descriptor = descriptor(&deps);
    let credentials =
        |names: &[&str]| Credentials::new(names.iter().map(|it| ((*it).to_owned(), "x".into())));
    let all = credentials(&["username", "apiToken"]);
    let pointer = |config: Value, credentials: &Credentials| {
        (descriptor.connect)(&config, credentials).unwrap_err().pointer
    };
    assert_eq!(pointer(json!({}), &all), "/config/baseUrl");
    assert_eq!(
        pointer(json!({"baseUrl": "http://10.0.0.1/"}), &all),
        "/config/baseUrl"
    );
    assert_eq!(
        pointer(json!({"baseUrl": "https://x.example", "x": 1}), &all),
        "/config/x"
    );
    let valid = json!({"baseUrl": "https://x.example"});
    assert_eq!(
        pointer(valid.clone(), &credentials(&["username"])),
        "/credentials/apiToken"
    );
    assert_eq!(
        pointer(valid.clone(), &credentials(&["username", "apiToken", "y"])),
        "/credentials/y"
    );
    assert!((descriptor.connect)(&valid, &all).is_ok());
    let schema = jsonschema::validator_for(&descriptor.config_schema).unwrap();
    assert!(schema.is_valid(&valid) && !schema.is_valid(&json!({"baseUrl": 1})));
}

#[test]
fn webhooks_prompt_only_when_they_are_proved() {
    let deps = Deps::for_tests(std::env::temp_dir()).unwrap();
    let read = descriptor(&deps).webhook.unwrap();
    let credentials = Credentials::new([("webhookSecret".to_owned(), "hook-secret".into())]);
    let at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let signed = Scheme::HexBody {
        header: "x-delivr-signature",
        prefix: "sha256=",
    };
    let ask = |headers: Vec<(&str, String)>, body: &[u8]| {
        let headers: BTreeMap<String, String> = headers.into_iter().map(|(a, b)| (a.to_owned(), b)).collect();
        read(
            &Delivery {
                headers: &headers,
                body,
                at,
            },
            &credentials,
        )
    };
    let body = br#"{"job":"ios-prod","buildNumber":12,"status":"SUCCESS","queueId":9,"delivrKey":"abc"}"#;
    let prompt = ask(sign(signed, "hook-secret", "", at, body), body).unwrap();
    assert_eq!(prompt.correlations, ["abc"]);
    assert_eq!(prompt.objects, ["9", "ios-prod#12"]);
    let again = ask(vec![("x-delivr-token", "hook-secret".to_owned())], body).unwrap();
    assert_eq!(again.delivery, prompt.delivery, "the same news is one delivery");
    let seed = br#"{"buildNumber":"42","status":"SUCCESS","artifactUrl":"s3://b/a.ipa"}"#;
    assert_eq!(
        ask(vec![("x-delivr-token", "hook-secret".to_owned())], seed)
            .unwrap()
            .objects,
        ["42"]
    );
    let wrong = vec![
        ("x-delivr-signature", "sha256=00".to_owned()),
        ("x-delivr-token", "hook-secret".to_owned()),
    ];
    assert_eq!(ask(wrong, body), Err(WebhookError::Unsigned));
    assert_eq!(
        ask(vec![("x-delivr-token", "hook-secre".to_owned())], body),
        Err(WebhookError::Unsigned)
    );
    assert_eq!(ask(vec![], body), Err(WebhookError::Unsigned));
    for odd in [&b"[]"[..], b"{}", b"nonsense"] {
        let headers = sign(signed, "hook-secret", "", at, odd);
        assert!(matches!(ask(headers, odd), Err(WebhookError::Malformed(_))));
    }
    let nobody = Credentials::default();
    let headers = BTreeMap::from([("x-delivr-token".to_owned(), String::new())]);
    assert_eq!(
        read(
            &Delivery {
                headers: &headers,
                body,
                at
            },
            &nobody
        ),
        Err(WebhookError::Unsigned)
    );
}
