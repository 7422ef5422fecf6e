//! Each message to Slack is posted once by a bot, and at most once through an incoming webhook.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Note, Topic};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::{ChatMessage, Lookup};
use delivr_domain::time::Span;
use delivr_provider_kit::Deps;
use delivr_provider_proof::receiver::Receiver;
use delivr_provider_proof::{
    Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract,
};
use serde_json::json;
use std::path::Path;

const NOBODYS: Foreign = Foreign::None("no message stands in another's way");

fn message() -> Work {
    let note = Note {
        kind: "BUILD_FAILED".into(),
        title: "Build of 1.4.0 failed".into(),
        lines: vec!["Android & iOS".into()],
    };
    Work::Message(Topic::Builds, note)
}

mod bot {
    use super::*;

    struct Bot;

    #[async_trait]
    impl Enrolment for Bot {
        type Side = SandboxSide;
        const NAME: &'static str = "comm-slack, bot";

        fn descriptor(&self, deps: &Deps) -> Descriptor {
            delivr_comm_slack::descriptor(deps)
        }
        async fn side(&self, _folder: &Path) -> SandboxSide {
            SandboxSide::start("slack").await
        }
        fn writes(&self) -> Vec<Write> {
            vec![Write::new("post message", "post_message", NOBODYS)]
        }
        async fn prepare(&self, _write: &str, _scene: &Scene<SandboxSide>) -> Work {
            message()
        }
    }

    delivr_provider_proof::prove!(Bot);
}

mod incoming {
    use super::*;

    struct Incoming;

    #[async_trait]
    impl Enrolment for Incoming {
        type Side = SandboxSide;
        const NAME: &'static str = "comm-slack, webhook";

        fn descriptor(&self, deps: &Deps) -> Descriptor {
            delivr_comm_slack::descriptor(deps)
        }
        async fn side(&self, _folder: &Path) -> SandboxSide {
            let side = SandboxSide::start("slack").await;
            let mut settings = side.running.credentials()["slack"].take();
            let secret = settings["webhookOnly"].take();
            side.with(settings["config"].take(), secret)
        }
        fn writes(&self) -> Vec<Write> {
            vec![Write::new("post message", "webhook", NOBODYS)]
        }
        async fn prepare(&self, _write: &str, _scene: &Scene<SandboxSide>) -> Work {
            message()
        }
    }

    delivr_provider_proof::prove!(Incoming);
}

#[tokio::test]
async fn contract_with_a_real_slack() {
    let Some([token, channel]) = contract::given("SLACK", ["BOT_TOKEN", "CHANNEL"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"channels": {"releases": channel}});
    let secret = json!({"botToken": token});
    let connection = contract::connect(delivr_comm_slack::descriptor, folder.path(), &config, &secret);
    let Connection::Chat(slack) = connection else {
        panic!("not a chat system");
    };
    let verification = slack.verify().await.unwrap();
    assert!(verification.passed(), "{verification:?}");
    let Work::Message(topic, note) = message() else {
        panic!("not a message");
    };
    let since = delivr_provider_kit::SystemClock.now();
    let message = ChatMessage {
        topic,
        note,
        link: None,
        since,
    };
    let none = slack
        .find("00000000000000000000000000000000", &message)
        .await
        .unwrap();
    assert_eq!(none, Lookup::Found(Vec::new()));
    contract::ran("SLACK");
}

#[tokio::test]
async fn what_slack_sends_prompts_to_look_for_five_minutes_and_a_changed_body_does_not() {
    let bench = Bench::start("slack").await;
    let descriptor = delivr_comm_slack::descriptor(&bench.deps);
    let secrets = delivr_provider_proof::secrets(&json!({"signingSecret": "s3cret"}));
    let receiver = Receiver::of(&bench.running, "slack", "s3cret").await;
    let Connection::Chat(slack) = bench.connect(&descriptor) else {
        panic!("not a chat system");
    };
    let Work::Message(topic, note) = message() else {
        panic!("not a message");
    };
    let since = delivr_provider_kit::SystemClock.now();
    let message = ChatMessage {
        topic,
        note,
        link: None,
        since,
    };
    let posted = slack.post("aa", &message).await.unwrap();
    let event = receiver.next().await;
    let prompt = event.read(&descriptor, &secrets).unwrap();
    assert_eq!(prompt.objects, [posted.id]);
    let minutes = |minutes| event.read_at(&descriptor, &secrets, Span::minutes(minutes));
    assert!(minutes(4).is_ok());
    assert!(
        minutes(6).is_err(),
        "a delivery kept by somebody is worth nothing later"
    );
    assert!(event.forged().read(&descriptor, &secrets).is_err());
    let others = delivr_provider_proof::secrets(&json!({"signingSecret": "another"}));
    assert!(event.read(&descriptor, &others).is_err());
}
