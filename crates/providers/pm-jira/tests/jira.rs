//! The adapter against the simulated Jira.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{TicketDraft, TrackerWrite};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Delivery, WebhookError};
use delivr_domain::ports::vendor::{Lookup, Tracker};
use delivr_pm_jira::descriptor;
use delivr_provider_proof::{Bench, key, secrets};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn bench() -> (Bench, Arc<dyn Tracker>) {
    let bench = Bench::start("jira").await;
    let Connection::Tracker(jira) = bench.connect(&descriptor(&bench.deps)) else {
        panic!("not a tracker");
    };
    (bench, jira)
}

async fn bench_of(deployment: &str) -> (Bench, Arc<dyn Tracker>) {
    let bench = Bench::start("jira").await;
    let mut settings = bench.settings();
    let mut secret = settings["credentials"].take();
    if deployment == "data-center" {
        settings["config"]["deployment"] = json!("data-center");
        secret = settings["dataCenter"].take();
    }
    let connect = descriptor(&bench.deps).connect;
    let Connection::Tracker(jira) = connect(&settings["config"], &secrets(&secret)).unwrap() else {
        panic!("not a tracker");
    };
    (bench, jira)
}

fn draft() -> TrackerWrite {
    TrackerWrite::CreateTicket {
        ticket: TicketDraft {
            title: "Release 1.4.0".into(),
            body: "Android\nsecond line\n\nnext paragraph".into(),
            target: None,
            version: "1.4.0".into(),
        },
    }
}

fn close(ticket: &str) -> TrackerWrite {
    TrackerWrite::CloseTicket {
        ticket: ticket.into(),
        comment: "Shipped".into(),
    }
}

fn ids(found: Lookup) -> Vec<String> {
    match found {
        Lookup::Found(all) => all.into_iter().map(|one| one.id).collect(),
        Lookup::Foreign(why) => panic!("{why}"),
        Lookup::Unsure | Lookup::Over(_) => panic!("unsure"),
    }
}

#[tokio::test]
async fn a_ticket_whose_answer_was_lost_is_found_and_adopted() {
    let (bench, jira) = bench().await;
    let key = key(7);
    assert!(ids(jira.find(&key, &draft()).await.unwrap()).is_empty());
    bench.fault(json!({"operation": "create_issue", "fault": "response_lost"}));
    let error = jira.create(&key, &draft()).await.unwrap_err();
    assert_eq!(error.certainty, Certainty::Unknown);
    assert_eq!(ids(jira.find(&key, &draft()).await.unwrap()), ["REL-1"]);
    assert_eq!(bench.effects("create_issue"), 1);
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn an_error_after_the_effect_leaves_it_unknown_and_the_ticket_findable() {
    let (bench, jira) = bench().await;
    bench.fault(json!({"operation": "create_issue", "fault": "status_after", "status": 500}));
    let error = jira.create(&key(7), &draft()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
    assert_eq!(ids(jira.find(&key(7), &draft()).await.unwrap()), ["REL-1"]);
}

#[tokio::test]
async fn throttling_is_told_with_its_hint_and_nothing_is_made() {
    let (bench, jira) = bench().await;
    bench.fault(json!({"operation": "create_issue", "fault": "throttle", "retryAfter": 17}));
    let error = jira.create(&key(7), &draft()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Throttled);
    assert_eq!(error.certainty, Certainty::NotDone);
    assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
    assert_eq!(bench.effects("create_issue"), 0);
}

#[tokio::test]
async fn the_search_lags_as_long_as_declared() {
    let (bench, jira) = bench().await;
    bench.advance(json!({"action": "index_lag", "ms": 30_000}));
    jira.create(&key(7), &draft()).await.unwrap();
    assert!(ids(jira.find(&key(7), &draft()).await.unwrap()).is_empty());
    bench.advance(json!({"action": "time", "seconds": 31}));
    assert_eq!(ids(jira.find(&key(7), &draft()).await.unwrap()), ["REL-1"]);
    assert!(ids(jira.find(&key(8), &draft()).await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_copy_of_our_ticket_is_not_ours() {
    let (bench, jira) = bench().await;
    jira.create(&key(7), &draft()).await.unwrap();
    bench.advance(json!({"action": "clone_issue", "ticket": "REL-1"}));
    assert_eq!(ids(jira.find(&key(7), &draft()).await.unwrap()), ["REL-1"]);
    bench.advance(json!({"action": "delete_issue", "ticket": "REL-1"}));
    let Lookup::Foreign(sentence) = jira.find(&key(7), &draft()).await.unwrap() else {
        panic!("the copy was taken for ours");
    };
    assert!(sentence.contains("REL-2"), "{sentence}");
}

#[tokio::test]
async fn ours_is_found_behind_pages_of_copies() {
    for deployment in ["cloud", "data-center"] {
        let (bench, jira) = bench_of(deployment).await;
        let made = jira.create(&key(7), &draft()).await.unwrap().id;
        for _ in 0..60 {
            bench.advance(json!({"action": "clone_issue", "ticket": made}));
        }
        assert_eq!(
            ids(jira.find(&key(7), &draft()).await.unwrap()),
            [made],
            "{deployment}"
        );
    }
}

#[tokio::test]
async fn our_comment_is_found_behind_pages_of_others() {
    for deployment in ["cloud", "data-center"] {
        let (bench, jira) = bench_of(deployment).await;
        let ticket = jira.create(&key(7), &draft()).await.unwrap().id;
        for number in 0..105_u128 {
            let other = TrackerWrite::CloseTicket {
                ticket: ticket.clone(),
                comment: format!("Note {number}"),
            };
            jira.create(&key(1_000 + number), &other).await.unwrap();
            bench.advance(json!({"action": "set_status", "ticket": ticket, "status": "To Do"}));
        }
        bench.fault(json!({"operation": "transition", "fault": "reset"}));
        jira.create(&key(9), &close(&ticket)).await.unwrap_err();
        let before = bench.effects("comment");
        jira.create(&key(9), &close(&ticket)).await.unwrap();
        assert_eq!(bench.effects("comment"), before, "{deployment}");
    }
}

#[tokio::test]
async fn closing_comments_and_moves_once_whatever_gets_lost() {
    let (bench, jira) = bench().await;
    let ticket = jira.create(&key(7), &draft()).await.unwrap().id;
    assert!(ids(jira.find(&key(9), &close(&ticket)).await.unwrap()).is_empty());
    for operation in ["comment", "transition"] {
        bench.fault(json!({"operation": operation, "fault": "response_lost"}));
        let error = jira.create(&key(9), &close(&ticket)).await.unwrap_err();
        assert_eq!(error.certainty, Certainty::Unknown, "{operation}");
    }
    assert_eq!(ids(jira.find(&key(9), &close(&ticket)).await.unwrap()), [ticket]);
    assert_eq!(bench.effects("comment"), 1);
    assert_eq!(bench.effects("transition"), 1);
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_workflow_without_the_closing_transition_goes_to_a_person() {
    let (bench, jira) = bench().await;
    let ticket = jira.create(&key(7), &draft()).await.unwrap().id;
    bench.advance(json!({"action": "hide_transition", "status": "Done"}));
    let error = jira.create(&key(9), &close(&ticket)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    assert_eq!(bench.effects("comment"), 0);
    let error = jira.find(&key(9), &close("REL-99")).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
}

#[tokio::test]
async fn approvals_follow_the_setting_or_the_category() {
    let (bench, jira) = bench().await;
    jira.create(&key(1), &draft()).await.unwrap();
    jira.create(&key(2), &draft()).await.unwrap();
    bench.advance(json!({"action": "set_status", "ticket": "REL-2", "status": "Approved"}));
    let tickets = ["REL-2".to_owned(), "REL-1".to_owned()];
    let wanted = vec![("Approved".to_owned(), true), ("To Do".to_owned(), false)];
    assert_eq!(jira.approvals(&tickets).await.unwrap(), wanted);
    let mut settings = bench.settings();
    settings["config"]
        .as_object_mut()
        .unwrap()
        .remove("approvedStatuses");
    let connect = descriptor(&bench.deps).connect;
    let Ok(Connection::Tracker(jira)) = connect(&settings["config"], &secrets(&settings["credentials"]))
    else {
        panic!("no connection");
    };
    assert!(!jira.approvals(&tickets).await.unwrap()[0].1);
    bench.advance(json!({"action": "set_status", "ticket": "REL-2", "status": "Done"}));
    assert!(jira.approvals(&tickets).await.unwrap()[0].1);
}

#[tokio::test]
async fn data_center_works_by_its_own_paths_and_texts() {
    let bench = Bench::start("jira").await;
    let mut settings = bench.settings();
    settings["config"]["deployment"] = json!("data-center");
    let connect = descriptor(&bench.deps).connect;
    let Ok(Connection::Tracker(jira)) = connect(&settings["config"], &secrets(&settings["dataCenter"]))
    else {
        panic!("no connection");
    };
    assert!(jira.verify().await.unwrap().passed());
    jira.create(&key(7), &draft()).await.unwrap();
    assert_eq!(ids(jira.find(&key(7), &draft()).await.unwrap()), ["REL-1"]);
    jira.create(&key(9), &close("REL-1")).await.unwrap();
    assert_eq!(ids(jira.find(&key(9), &close("REL-1")).await.unwrap()), ["REL-1"]);
}

#[tokio::test]
async fn verification_names_what_is_missing() {
    let (bench, jira) = bench().await;
    assert!(jira.verify().await.unwrap().passed());
    bench.advance(json!({"action": "remove_permission"}));
    let checks = jira.verify().await.unwrap().checks;
    let missing: Vec<String> = checks.into_iter().filter_map(|check| check.missing).collect();
    assert!(
        missing.iter().any(|one| one.contains("CREATE_ISSUES")),
        "{missing:?}"
    );
    let error = jira.create(&key(7), &draft()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = jira.verify().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert!(!format!("{error:?}").contains("sandbox-api-token"));
}

#[tokio::test]
async fn answers_that_are_none_are_malformed() {
    let (bench, jira) = bench().await;
    for fault in ["html", "huge"] {
        for operation in ["search", "create_issue"] {
            bench.fault(json!({"operation": operation, "fault": fault}));
        }
        let error = jira.find(&key(7), &draft()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::NotDone)
        );
        let error = jira.create(&key(7), &draft()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::Unknown)
        );
    }
}

#[tokio::test]
async fn the_error_table_holds() {
    let (bench, jira) = bench().await;
    for (status, kind) in [
        (400, ProviderErrorKind::Invalid),
        (403, ProviderErrorKind::Forbidden),
        (404, ProviderErrorKind::NotFound),
        (409, ProviderErrorKind::Precondition),
        (413, ProviderErrorKind::Invalid),
        (422, ProviderErrorKind::Invalid),
        (429, ProviderErrorKind::Throttled),
        (503, ProviderErrorKind::Unavailable),
    ] {
        bench.fault(json!({"operation": "create_issue", "fault": "status_before", "status": status}));
        let error = jira.create(&key(7), &draft()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        let unsure = kind == ProviderErrorKind::Unavailable;
        assert_eq!(error.certainty == Certainty::Unknown, unsure, "{status}");
    }
}

#[test]
fn webhooks_are_read_only_when_signed() {
    let folder = tempfile::tempdir().unwrap();
    let deps = delivr_provider_kit::Deps::for_tests(folder.path().into()).unwrap();
    let read = descriptor(&deps).webhook.unwrap();
    let secret = secrets(&json!({"webhookSecret": "s3cret-s3cret"}));
    let body = br#"{"webhookEvent":"jira:issue_updated","timestamp":1,"issue":{"key":"REL-1","fields":{"labels":["delivr_key-abc"]}}}"#;
    let at = "2026-11-21T08:00:00Z".parse().unwrap();
    let scheme = delivr_provider_kit::signature::Scheme::HexBody {
        header: "x-hub-signature",
        prefix: "sha256=",
    };
    let signed = delivr_provider_kit::signature::sign(scheme, "s3cret-s3cret", "1", at, body);
    let mut headers: BTreeMap<String, String> = signed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    headers.insert("x-atlassian-webhook-identifier".into(), "delivery-1".into());
    let delivery = Delivery {
        headers: &headers,
        body,
        at,
    };
    let prompt = read(&delivery, &secret).unwrap();
    assert_eq!(prompt.delivery, "delivery-1");
    assert_eq!(prompt.objects, ["REL-1"]);
    assert_eq!(prompt.correlations, ["abc"]);
    let none = BTreeMap::new();
    let unsigned = Delivery {
        headers: &none,
        body,
        at,
    };
    assert_eq!(read(&unsigned, &secret), Err(WebhookError::Unsigned));
    let changed = Delivery {
        headers: &headers,
        body: b"{}",
        at,
    };
    assert_eq!(read(&changed, &secret), Err(WebhookError::Unsigned));
}

#[test]
fn settings_that_cannot_work_are_refused_at_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let deps = delivr_provider_kit::Deps::for_tests(folder.path().into()).unwrap();
    let connect = descriptor(&deps).connect;
    let good = secrets(&json!({"email": "a@example.com", "apiToken": "token"}));
    let config = |project: &str| json!({"baseUrl": "http://127.0.0.1:1", "projectKey": project, "closedStatus": "Done"});
    assert!(connect(&config("REL"), &good).is_ok());
    let pointer = |config, secrets| connect(&config, &secrets).unwrap_err().pointer;
    assert_eq!(pointer(config("R\" OR 1=1"), good.clone()), "/config/projectKey");
    assert_eq!(
        pointer(config("REL"), secrets(&json!({"email": "a@b.c"}))),
        "/credentials/apiToken"
    );
    assert_eq!(
        pointer(config("REL"), secrets(&json!({"token": "x"}))),
        "/credentials/token"
    );
    assert_eq!(
        pointer(
            json!({"baseUrl": "http://127.0.0.1:1", "projectKey": "REL"}),
            good
        ),
        "/config/closedStatus"
    );
}
