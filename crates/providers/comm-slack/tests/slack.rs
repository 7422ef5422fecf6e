//! The adapter against the simulated Slack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_comm_slack::descriptor;
use delivr_domain::effect::{Note, Topic};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Delivery, WebhookError};
use delivr_domain::ports::vendor::{Chat, ChatMessage, Lookup, Recognition};
use delivr_provider_kit::SystemClock;
use delivr_provider_proof::{Bench, secrets};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn bench() -> (Bench, Arc<dyn Chat>) {
    let bench = Bench::start("slack").await;
    let Connection::Chat(chat) = bench.connect(&descriptor(&bench.deps)) else {
        panic!("not a chat system");
    };
    (bench, chat)
}

fn message() -> ChatMessage {
    ChatMessage {
        topic: Topic::Builds,
        note: Note {
            kind: "BUILD_FAILED".into(),
            title: "Build of 1.4.0 failed <!channel>".into(),
            lines: vec!["Android & iOS".into()],
        },
        link: Some("https://delivr.example.com/releases/1".into()),
        since: SystemClock.now(),
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
async fn a_message_whose_answer_was_lost_is_found_and_not_posted_again() {
    let (bench, chat) = bench().await;
    for (key, fault) in [("aa", "response_lost"), ("bb", "status_after")] {
        assert!(ids(chat.find(key, &message()).await.unwrap()).is_empty());
        bench.fault(json!({"operation": "post_message", "fault": fault}));
        let error = chat.post(key, &message()).await.unwrap_err();
        assert_eq!(error.certainty, Certainty::Unknown);
        assert_eq!(ids(chat.find(key, &message()).await.unwrap()).len(), 1);
    }
    let posted = chat.post("cc", &message()).await.unwrap();
    assert_eq!(ids(chat.find("cc", &message()).await.unwrap()), [posted.id]);
    assert_eq!(bench.effects("post_message"), 3);
    let said = bench.advance(json!({"action": "messages"}));
    assert_eq!(said["messages"][0]["channel"], "C0BUILDS");
    assert!(!said["messages"][0]["text"].to_string().contains("<!channel>"));
}

#[tokio::test]
async fn the_history_is_read_to_its_end() {
    let (_bench, chat) = bench().await;
    let first = chat.post("first", &message()).await.unwrap();
    for number in 0..120 {
        chat.post(&format!("other-{number}"), &message()).await.unwrap();
    }
    assert_eq!(ids(chat.find("first", &message()).await.unwrap()), [first.id]);
}

#[tokio::test]
async fn an_old_message_that_is_not_there_may_have_been_deleted() {
    let (_bench, chat) = bench().await;
    let mut old = message();
    old.since -= chrono::TimeDelta::minutes(16);
    assert_eq!(chat.find("aa", &old).await.unwrap(), Lookup::Unsure);
}

#[tokio::test]
async fn throttling_is_told_with_its_hint() {
    let (bench, chat) = bench().await;
    bench.fault(json!({"operation": "post_message", "fault": "throttle", "retryAfter": 30}));
    let error = chat.post("aa", &message()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty, error.retry_after),
        (
            ProviderErrorKind::Throttled,
            Certainty::NotDone,
            Some(Duration::from_secs(30))
        )
    );
}

#[tokio::test]
async fn refusals_within_a_200_are_told_apart() {
    let (bench, chat) = bench().await;
    assert!(chat.verify().await.unwrap().passed());
    bench.advance(json!({"action": "leave", "channel": "C0BUILDS"}));
    let error = chat.post("aa", &message()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(!chat.verify().await.unwrap().passed());
    bench.advance(json!({"action": "archive", "channel": "C0BUILDS"}));
    let error = chat.post("aa", &message()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured);
    bench.advance(json!({"action": "remove_scope", "scope": "channels:history"}));
    let error = chat.find("aa", &message()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(error.sentence.contains("channels:history"));
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = chat.post("aa", &message()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unauthenticated, Certainty::NotDone)
    );
}

#[tokio::test]
async fn answers_that_are_none_are_malformed() {
    let (bench, chat) = bench().await;
    for fault in ["html", "huge"] {
        bench.fault(json!({"operation": "post_message", "fault": fault}));
        let error = chat.post("aa", &message()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Malformed, Certainty::Unknown)
        );
        bench.fault(json!({"operation": "history", "fault": fault}));
        let error = chat.find("aa", &message()).await.unwrap_err();
        assert_eq!(error.certainty, Certainty::NotDone);
    }
}

#[tokio::test]
async fn an_incoming_webhook_posts_and_cannot_look() {
    let bench = Bench::start("slack").await;
    let settings = bench.settings();
    let connect = descriptor(&bench.deps).connect;
    let Ok(Connection::Chat(chat)) = connect(&json!({}), &secrets(&settings["webhookOnly"])) else {
        panic!("no connection");
    };
    assert_eq!(chat.declared().recognition, Recognition::None);
    assert!(chat.verify().await.unwrap().passed());
    assert_eq!(bench.effects("webhook"), 0);
    chat.post("aa", &message()).await.unwrap();
    assert_eq!(bench.effects("webhook"), 1);
    assert_eq!(chat.find("aa", &message()).await.unwrap(), Lookup::Unsure);
    bench.advance(json!({"action": "revoke_credentials"}));
    let error = chat.post("aa", &message()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert!(!format!("{error:?}").contains("sandboxhooksecret"));
}

#[test]
fn settings_that_cannot_work_are_refused_at_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let deps = delivr_provider_kit::Deps::for_tests(folder.path().into()).unwrap();
    let connect = descriptor(&deps).connect;
    let bot = || secrets(&json!({"botToken": "xoxb-1"}));
    let pointer = |config, secrets| connect(&config, &secrets).unwrap_err().pointer;
    assert!(connect(&json!({"channels": {"releases": "C012"}}), &bot()).is_ok());
    assert_eq!(pointer(json!({}), bot()), "/config/channels");
    assert_eq!(
        pointer(json!({"channels": {"releases": "#general"}}), bot()),
        "/config/channels"
    );
    assert_eq!(
        pointer(json!({"channels": {"releases": "C012"}}), secrets(&json!({}))),
        "/credentials/botToken"
    );
}

#[test]
fn a_fresh_signature_is_accepted_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let deps = delivr_provider_kit::Deps::for_tests(folder.path().into()).unwrap();
    let read = descriptor(&deps).webhook.unwrap();
    let secret = secrets(&json!({"signingSecret": "8f742231b10e8888abcd99yyyzzz85a5"}));
    let scheme = delivr_provider_kit::signature::Scheme::TimeBody {
        time: "x-slack-request-timestamp",
        signature: "x-slack-signature",
    };
    let at = "2026-11-21T08:00:00Z".parse().unwrap();
    let body = br#"{"event_id":"Ev1","event":{"channel":"C1","ts":"1.2"}}"#;
    let signed =
        delivr_provider_kit::signature::sign(scheme, "8f742231b10e8888abcd99yyyzzz85a5", "1", at, body);
    let headers: BTreeMap<String, String> = signed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let delivery = |at| Delivery {
        headers: &headers,
        body,
        at,
    };
    let prompt = read(&delivery(at), &secret).unwrap();
    assert_eq!(
        (prompt.delivery.as_str(), prompt.objects),
        ("Ev1", vec!["C1/1.2".to_owned()])
    );
    let late = at + chrono::TimeDelta::minutes(6);
    assert_eq!(read(&delivery(late), &secret), Err(WebhookError::Unsigned));
    let other = secrets(&json!({"signingSecret": "another-secret-altogether"}));
    assert_eq!(read(&delivery(at), &other), Err(WebhookError::Unsigned));
}
