//! Each write to Jira is done once, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Operation, TicketDraft, TrackerWrite};
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_provider_kit::Deps;
use delivr_provider_proof::receiver::Receiver;
use delivr_provider_proof::{
    Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract,
};
use serde_json::json;
use std::path::Path;

fn draft() -> TrackerWrite {
    TrackerWrite::CreateTicket {
        ticket: TicketDraft {
            title: "Release 1.4.0".into(),
            body: "Android\nsecond line".into(),
            target: None,
            version: "1.4.0".into(),
        },
    }
}

struct Jira;

#[async_trait]
impl Enrolment for Jira {
    type Side = SandboxSide;
    const NAME: &'static str = "pm-jira";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_pm_jira::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        SandboxSide::start("jira").await
    }
    fn writes(&self) -> Vec<Write> {
        vec![
            Write::new("create ticket", "create_issue", Foreign::Made),
            Write::new("close ticket", "comment", Foreign::None("a status is nobody's")).then("transition"),
        ]
    }
    async fn prepare(&self, write: &str, scene: &Scene<SandboxSide>) -> Work {
        let write = match write {
            "create ticket" => draft(),
            _ => {
                let Connection::Tracker(jira) = &scene.connection else {
                    panic!("not a tracker");
                };
                let ticket = jira.create(&scene.other, &draft()).await.unwrap().id;
                TrackerWrite::CloseTicket {
                    ticket,
                    comment: "Shipped".into(),
                }
            }
        };
        Work::Write(Operation::Tracker(write))
    }
    /// Somebody cloned our ticket, label and all, and deleted the original.
    async fn foreign(&self, _write: &str, scene: &Scene<SandboxSide>) {
        let Connection::Tracker(jira) = &scene.connection else {
            panic!("not a tracker");
        };
        let ticket = jira.create(&scene.key, &draft()).await.unwrap().id;
        scene
            .side
            .advance(json!({"action": "clone_issue", "ticket": ticket}));
        scene
            .side
            .advance(json!({"action": "delete_issue", "ticket": ticket}));
    }
}

delivr_provider_proof::prove!(Jira);

#[tokio::test]
async fn contract_with_a_real_jira() {
    let names = ["BASE_URL", "EMAIL", "API_TOKEN", "PROJECT_KEY", "CLOSED_STATUS"];
    let Some([base, email, token, project, closed]) = contract::given("JIRA", names) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let kind = contract::also("JIRA", "ISSUE_TYPE").unwrap_or_else(|| "Task".to_owned());
    let config = json!({"baseUrl": base, "projectKey": project, "issueType": kind, "closedStatus": closed});
    let secret = json!({"email": email, "apiToken": token});
    let connection = contract::connect(delivr_pm_jira::descriptor, folder.path(), &config, &secret);
    let Connection::Tracker(jira) = connection else {
        panic!("not a tracker");
    };
    let verification = jira.verify().await.unwrap();
    assert!(verification.passed(), "{verification:?}");
    let none = jira.find(&delivr_provider_proof::key(1), &draft()).await.unwrap();
    assert_eq!(none, delivr_domain::ports::vendor::Lookup::Found(Vec::new()));
    contract::ran("JIRA");
}

#[tokio::test]
async fn what_jira_sends_prompts_to_look_and_a_changed_body_does_not() {
    let bench = Bench::start("jira").await;
    let descriptor = delivr_pm_jira::descriptor(&bench.deps);
    let secrets = delivr_provider_proof::secrets(&json!({"webhookSecret": "s3cret"}));
    let receiver = Receiver::of(&bench.running, "jira", "s3cret").await;
    let Connection::Tracker(jira) = bench.connect(&descriptor) else {
        panic!("not a tracker");
    };
    let key = delivr_provider_proof::key(7);
    let ticket = jira.create(&key, &draft()).await.unwrap().id;
    let created = receiver.next().await;
    let prompt = created.read(&descriptor, &secrets).unwrap();
    assert_eq!(prompt.objects, [ticket.as_str()]);
    assert_eq!(prompt.correlations, [key.short()]);
    assert!(String::from_utf8_lossy(&created.body).contains("jira:issue_created"));
    bench.advance(json!({"action": "set_status", "ticket": ticket, "status": "Done"}));
    let moved = receiver.next().await;
    let later = moved.read(&descriptor, &secrets).unwrap();
    assert_eq!(later.objects, [ticket.as_str()]);
    assert_ne!(later.delivery, prompt.delivery, "two events are two deliveries");
    assert!(moved.forged().read(&descriptor, &secrets).is_err());
    let others = delivr_provider_proof::secrets(&json!({"webhookSecret": "another"}));
    assert!(moved.read(&descriptor, &others).is_err());
}
