//! What is wrong before anything is sent, what GitHub refuses, what the wizard is told, and webhooks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Bench, JOB, key, write_of, write_with};
use delivr_cicd_github_actions::descriptor;
use delivr_domain::effect::CicdWrite;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Delivery, WebhookError};
use delivr_provider_kit::Deps;
use delivr_provider_kit::signature::{Scheme, sign};
use delivr_provider_proof::receiver::Receiver;
use delivr_provider_proof::secrets;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

impl Bench {
    async fn refused(&self, write: &CicdWrite) -> ProviderError {
        let error = self.actions.create(&key(7), write).await.unwrap_err();
        assert_eq!(error.certainty, Certainty::NotDone, "{error}");
        assert_eq!(self.dispatches(), 0, "{error}");
        error
    }
    /// The kinds of what is missing, by check.
    async fn missing(&self) -> Vec<(String, String)> {
        let verified = self.actions.verify().await.unwrap();
        let missing = verified.checks.into_iter();
        missing.filter_map(|it| Some((it.what, it.missing?))).collect()
    }
}

#[tokio::test]
async fn a_workflow_whose_runs_could_not_be_found_again_is_never_started() {
    let bench = Bench::start().await;
    let error = bench.refused(&write_of("no-key.yml", &bench.sha)).await;
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    assert!(
        error.sentence.contains("delivr_key: { type: string"),
        "{}",
        error.sentence
    );
    let bare = write_with("checks.yml", &bench.sha, &[]);
    let error = bench.refused(&bare).await;
    assert!(
        error.sentence.contains("no `workflow_dispatch` trigger"),
        "{}",
        error.sentence
    );
    for name in [
        json!("Release ${{ inputs.version }}"),
        json!(null),
        json!("${{ inputs.delivr_key && 'x' }}"),
    ] {
        bench.advance(
            "add_workflow",
            json!({"workflow": "odd.yml", "inputs": ["delivr_key"], "runName": name}),
        );
        let error = bench.refused(&write_with("odd.yml", &bench.sha, &[])).await;
        assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
        assert!(error.sentence.contains("run-name: ${{"), "{}", error.sentence);
        let error = bench.actions.job_parameters("odd.yml").await.unwrap_err();
        assert!(error.sentence.contains("run-name: ${{"), "{}", error.sentence);
    }
    // What counts is the file at the commit, not the one on the default branch.
    bench.advance(
        "add_workflow",
        json!({"workflow": JOB, "ref": bench.sha, "inputs": ["version"]}),
    );
    let error = bench.refused(&bench.write()).await;
    assert!(
        error.sentence.contains("does not take the input `delivr_key`"),
        "{}",
        error.sentence
    );
    bench.advance(
        "add_workflow",
        json!({"workflow": JOB, "ref": bench.sha, "missing": true}),
    );
    assert_eq!(
        bench.refused(&bench.write()).await.kind,
        ProviderErrorKind::NotFound
    );
    bench.advance(
        "add_workflow",
        json!({"workflow": JOB, "ref": bench.sha, "text": "on: [push"}),
    );
    let error = bench.refused(&bench.write()).await;
    assert!(error.sentence.contains("is no workflow: "), "{}", error.sentence);
    for name in ["release", "4711", "../x.yml", "a/b.yml"] {
        let error = bench.refused(&write_of(name, &bench.sha)).await;
        assert_eq!(error.kind, ProviderErrorKind::Misconfigured, "{name}");
        let error = bench
            .actions
            .find(&key(7), &write_of(name, &bench.sha))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Misconfigured, "{name}");
    }
}

#[tokio::test]
async fn inputs_that_github_would_refuse_are_not_sent() {
    let bench = Bench::start().await;
    let inputs = json!(["delivr_key", {"name": "lane", "type": "choice", "options": ["beta", "prod"]},
                        {"name": "version", "required": true}]);
    bench.advance(
        "add_workflow",
        json!({"workflow": "strict.yml", "inputs": inputs}),
    );
    for (given, said) in [
        (vec![], "requires the input version"),
        (vec![("version", "1"), ("lane", "gamma")], "none of the choices"),
        (
            vec![("version", "1"), ("VERSION", "1")],
            "declares no input VERSION",
        ),
    ] {
        let error = bench.refused(&write_with("strict.yml", &bench.sha, &given)).await;
        assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
        assert!(error.sentence.contains(said), "{}", error.sentence);
    }
    let good = write_with(
        ".github/workflows/strict.yml",
        &bench.sha,
        &[("version", "1"), ("lane", "beta")],
    );
    bench.actions.create(&key(7), &good).await.unwrap();
    assert_eq!(bench.dispatches(), 1);
    bench.hold();
}

#[tokio::test]
async fn lost_answers_leave_it_unknown_and_are_found_again() {
    for fault in [
        json!({"fault": "response_lost"}),
        json!({"fault": "status_after"}),
        json!({"fault": "status_after", "status": 504}),
    ] {
        let bench = Bench::start().await;
        let name = fault["fault"].as_str().unwrap().to_owned();
        bench.fault("dispatch", &name, fault);
        let error = bench.actions.create(&key(7), &bench.write()).await.unwrap_err();
        let said = (error.kind, error.certainty);
        assert_eq!(said, (ProviderErrorKind::Unavailable, Certainty::Unknown));
        let found = common::found(bench.actions.find(&key(7), &bench.write()).await.unwrap());
        assert_eq!((found.len(), bench.dispatches()), (1, 1));
    }
    // A reading before the dispatch that fails leaves nothing in doubt.
    for operation in ["get_commit", "get_contents"] {
        let bench = Bench::start().await;
        bench.fault(operation, "response_lost", json!({}));
        assert_eq!(
            bench.refused(&bench.write()).await.kind,
            ProviderErrorKind::Unavailable
        );
    }
    // A look after the dispatch that fails says nothing against the run.
    let bench = Bench::start().await;
    bench.fault("get_run", "status_before", json!({}));
    let made = bench.actions.create(&key(7), &bench.write()).await.unwrap();
    assert!(made.id.parse::<u64>().is_ok() && made.url.is_some());
}

#[tokio::test]
async fn refusals_say_who_must_do_what() {
    let bench = Bench::start().await;
    bench.fault("dispatch", "throttle", json!({"retryAfter": 7}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(
        (error.kind, error.retry_after),
        (ProviderErrorKind::Throttled, Some(Duration::from_secs(7)))
    );
    // Without a hint a secondary limit wants a minute.
    bench.fault("dispatch", "throttle", json!({}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(
        (error.kind, error.retry_after),
        (ProviderErrorKind::Throttled, Some(Duration::from_secs(60)))
    );
    bench.advance("rate", json!({"remaining": 0}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(error.kind, ProviderErrorKind::Throttled);
    let wait = error.retry_after.unwrap().as_secs();
    assert!(
        (3_000..=3_602).contains(&wait),
        "until the hour is over: {wait} s"
    );
    bench.advance("rate", json!({"remaining": 5000}));
    bench.advance(
        "set_workflow_state",
        json!({"workflow": JOB, "state": "disabled_manually"}),
    );
    let error = bench.refused(&bench.write()).await;
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    assert!(
        error.sentence.contains("enable it") && error.vendor.is_some(),
        "{error:?}"
    );
    bench.advance("set_workflow_state", json!({"workflow": JOB, "state": "active"}));
    bench.fault("dispatch", "status_before", json!({"status": 404}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    assert!(
        error.sentence.contains("on the default branch too"),
        "{}",
        error.sentence
    );
    bench.fault("dispatch", "html", json!({}));
    let error = bench.actions.create(&key(7), &bench.write()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Malformed, Certainty::Unknown)
    );
    bench.advance("remove_permission", json!({}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(error.sentence.contains("actions: write"), "{}", error.sentence);
    bench.advance("restore_permission", json!({}));
    bench.advance("sso", json!({"on": true}));
    let error = bench.refused(&bench.write()).await;
    assert!(error.sentence.contains("/orgs/acme/sso"), "{}", error.sentence);
    bench.advance("sso", json!({"on": false}));
    bench.advance("rename", json!({"to": "store"}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    assert!(error.sentence.contains("renamed or moved"), "{}", error.sentence);
    bench.advance("rename", json!({"to": "shop"}));
    bench.advance("revoke_credentials", json!({}));
    let error = bench.refused(&bench.write()).await;
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert!(!format!("{error:?}").contains("github_pat_"), "{error:?}");
}

#[tokio::test]
async fn the_wizard_sees_workflows_and_what_they_take() {
    let bench = Bench::start().await;
    let jobs = bench.actions.jobs().await.unwrap();
    assert!(
        jobs.contains(&JOB.to_owned()) && jobs.contains(&"nightly.yaml".to_owned()),
        "{jobs:?}"
    );
    bench.advance(
        "set_workflow_state",
        json!({"workflow": "nightly.yaml", "state": "disabled_inactivity"}),
    );
    assert!(
        !bench
            .actions
            .jobs()
            .await
            .unwrap()
            .contains(&"nightly.yaml".to_owned())
    );
    let inputs = json!(["delivr_key", {"name": "lane", "type": "choice", "options": ["beta", "1.0"], "default": "1.0"}]);
    bench.advance("add_workflow", json!({"workflow": "lanes.yml", "inputs": inputs}));
    let taken = bench.actions.job_parameters("lanes.yml").await.unwrap();
    let lane = taken.iter().find(|it| it.name == "lane").unwrap();
    assert_eq!(
        (lane.kind.as_str(), lane.default.as_deref()),
        ("choice", Some("1.0"))
    );
    let bare = bench.actions.job_parameters("no-key.yml").await.unwrap();
    assert!(
        bare.iter().all(|it| it.name != "delivr_key"),
        "the pipeline's test names what is missing"
    );
    let error = bench.actions.job_parameters("checks.yml").await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    let error = bench.actions.job_parameters("none.yml").await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    // More workflows than a page has.
    for number in 0..120 {
        bench.advance("add_workflow", json!({"workflow": format!("many-{number}.yml")}));
    }
    assert!(bench.actions.jobs().await.unwrap().len() > 120);
    bench.hold();
}

#[tokio::test]
async fn verification_tries_each_permission_and_starts_nothing() {
    let bench = Bench::start().await;
    assert_eq!(bench.missing().await, []);
    assert_eq!(bench.actions.verify().await.unwrap().account, "delivr-bot");
    let classic = bench.shared.settings()["classic"]["token"].clone();
    let verified = bench.connect(&json!({"token": classic})).verify().await.unwrap();
    assert!(
        verified.passed() && verified.checks.iter().any(|it| it.what == "scope repo"),
        "{verified:?}"
    );
    bench.advance("remove_permission", json!({}));
    let missing = bench.missing().await;
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0].0, "start and stop runs");
    bench.advance("restore_permission", json!({}));
    for file in [
        "ios-release.yml",
        "android-release.yml",
        "ios-regression.yml",
        "android-regression.yml",
        "automation.yml",
        "nightly.yaml",
    ] {
        bench.advance(
            "set_workflow_state",
            json!({"workflow": file, "state": "disabled_manually"}),
        );
    }
    let missing = bench.missing().await;
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].1.contains("no-key.yml does not take the input"),
        "{missing:?}"
    );
    assert_eq!(bench.dispatches(), 0);
    let nowhere = bench
        .connect(&json!({"repository": "none"}))
        .verify()
        .await
        .unwrap();
    assert!(!nowhere.passed() && nowhere.checks[0].missing.is_some());
    bench.hold();
    bench.advance("revoke_credentials", json!({}));
    let error = bench.actions.verify().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
}

#[test]
fn settings_that_cannot_work_are_refused_at_their_field() {
    let deps = Deps::for_tests(std::env::temp_dir()).unwrap();
    let connect = descriptor(&deps).connect;
    let token = json!({"token": "x"});
    let pointer = |config: Value, secret: &Value| connect(&config, &secrets(secret)).unwrap_err().pointer;
    let valid = json!({"owner": "acme", "repository": "shop"});
    assert!(connect(&valid, &secrets(&token)).is_ok());
    assert!(connect(&json!({"owner": "acme", "repo": "shop"}), &secrets(&token)).is_ok());
    for (field, value) in [
        ("owner", "acme/shop"),
        ("repository", "shop.git"),
        ("repository", ".."),
        ("baseUrl", "http://10.0.0.1/"),
        ("apiVersion", "2020-01-01"),
        ("correlation", "guess"),
        ("x", "1"),
    ] {
        let mut config = valid.clone();
        config[field] = json!(value);
        assert_eq!(pointer(config, &token), format!("/config/{field}"), "{value}");
    }
    assert_eq!(pointer(json!({"owner": "acme"}), &token), "/config/repository");
    assert_eq!(pointer(valid.clone(), &json!({})), "/credentials/token");
    assert_eq!(pointer(valid, &json!({"token": "x", "y": "z"})), "/credentials/y");
}

/// GitHub's own example: secret, body and signature.
const VECTOR: (&str, &[u8], &str) = (
    "It's a Secret to Everybody",
    b"Hello, World!",
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
);

#[test]
fn a_webhook_is_believed_by_its_signature_alone() {
    let deps = Deps::for_tests(std::env::temp_dir()).unwrap();
    let read = descriptor(&deps).webhook.unwrap();
    let at = "2026-11-21T12:00:00Z".parse().unwrap();
    let ask = |secret: &str, headers: Vec<(&str, String)>, body: &[u8]| {
        let headers: BTreeMap<String, String> = headers.into_iter().map(|(a, b)| (a.to_owned(), b)).collect();
        let secret = secrets(&json!({"webhookSecret": secret}));
        read(
            &Delivery {
                headers: &headers,
                body,
                at,
            },
            &secret,
        )
    };
    let (secret, body, signature) = VECTOR;
    let named = |signature: &str| {
        vec![
            ("x-hub-signature-256", signature.to_owned()),
            (
                "x-github-delivery",
                "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
            ),
            ("x-github-event", "workflow_run".to_owned()),
        ]
    };
    // Signed as published, so it is read on; that it is no JSON is said of what is believed only.
    assert!(matches!(
        ask(secret, named(signature), body),
        Err(WebhookError::Malformed(_))
    ));
    let wrong = signature.replace("757107", "757108");
    assert_eq!(ask(secret, named(&wrong), body), Err(WebhookError::Unsigned));
    assert_eq!(
        ask("another", named(signature), body),
        Err(WebhookError::Unsigned)
    );
    assert_eq!(
        ask(secret, named(signature), b"Hello, World"),
        Err(WebhookError::Unsigned)
    );
    assert_eq!(
        ask(secret, named(signature)[1..].to_vec(), body),
        Err(WebhookError::Unsigned)
    );
    let scheme = Scheme::HexBody {
        header: "x-hub-signature-256",
        prefix: "sha256=",
    };
    let told = |event: &str, body: Value| {
        let body = body.to_string().into_bytes();
        let mut headers = sign(scheme, secret, "", at, &body);
        headers.push(("x-github-delivery", "one".to_owned()));
        headers.push(("x-github-event", event.to_owned()));
        ask(secret, headers, &body).unwrap()
    };
    let mine = "0123456789abcdef0123456789abcdef";
    let run = json!({"id": 7, "display_title": format!("iOS 1.4.0 {mine}"), "path": ".github/workflows/ios.yml@main"});
    let prompt = told("workflow_run", json!({"workflow_run": run}));
    assert_eq!(
        (prompt.correlations, prompt.objects),
        (vec![mine.to_owned()], vec!["7".to_owned()])
    );
    let run = json!({"id": 7, "display_title": "iOS 1.4.0", "path": ".github/workflows/ios.yml@main"});
    let prompt = told("workflow_run", json!({"workflow_run": run}));
    assert_eq!(prompt.correlations, Vec::<String>::new());
    assert_eq!(prompt.objects, ["7", "ios.yml", ".github/workflows/ios.yml"]);
    let prompt = told("workflow_job", json!({"workflow_job": {"id": 1, "run_id": 9}}));
    assert_eq!(prompt.objects, ["9"]);
    // What we do not know is taken in and fits no wait.
    assert_eq!(told("deployment", json!({"a": 1})).objects, ["deployment"]);
}

#[tokio::test]
async fn what_the_vendor_sends_prompts_a_look_at_the_run() {
    let bench = Bench::start().await;
    let descriptor = descriptor(&bench.shared.deps);
    let secret = secrets(&json!({"webhookSecret": "s3cret"}));
    let receiver = Receiver::of(&bench.shared.running, "github", "s3cret").await;
    bench.advance("hold_runs", json!({"on": true}));
    let run = bench.started(7).await;
    let requested = receiver.next().await;
    let prompt = requested.read(&descriptor, &secret).unwrap();
    assert_eq!(
        (prompt.objects.clone(), prompt.correlations.clone()),
        (vec![run.id.clone()], vec![run.correlation.clone()])
    );
    bench.advance("finish_run", json!({"conclusion": "failure"}));
    let completed = receiver.next().await;
    let later = completed.read(&descriptor, &secret).unwrap();
    assert_eq!(later.objects, [run.id.as_str()]);
    assert_ne!(later.delivery, prompt.delivery, "two events are two deliveries");
    // A replay is known by its id; what it says is asked of GitHub, not believed.
    bench.advance("redeliver", json!({}));
    let again = receiver.next().await.read(&descriptor, &secret).unwrap();
    assert_eq!(again.delivery, later.delivery);
    assert!(completed.forged().read(&descriptor, &secret).is_err());
    assert!(
        completed
            .read(&descriptor, &secrets(&json!({"webhookSecret": "another"})))
            .is_err()
    );
}
