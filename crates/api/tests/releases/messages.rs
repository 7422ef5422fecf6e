//! The delivery log: what was told to people, and telling it again.

use crate::support::Api;
use crate::world::World;
use delivr_domain::effect::{Effect, Note, Topic};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::clock::{Clock as _, Monotonic};
use delivr_domain::ports::store::{AttemptRecord, ClaimRequest, Queue as _, Rooms, RowEnd, Store as _};
use delivr_persistence::{MessagesOf as StoredOf, SqlStore};
use delivr_provider_kit::SystemClock;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

#[path = "../../src/cli/log.rs"]
mod log;

struct Told {
    world: World,
    store: SqlStore,
    release: Value,
    _folder: TempDir,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Told {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("delivr.db").display());
        let options = delivr_persistence::Options::new(Arc::new(SystemClock));
        let store = delivr_persistence::connect(&url, options).await.unwrap();
        store.migrate().await.unwrap();
        let mut world = World::over(Api::over(Arc::new(store.clone())).await).await;
        // The same, with the log.
        let shared = world
            .api
            .shared
            .clone()
            .telling(Arc::new(log::Log(store.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        world.api.root = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(delivr_api::serve(shared.clone(), listener).unwrap());
        world.api.shared = shared;
        let release = world.made(&world.later("1.0.0")).await;
        Self {
            world,
            store,
            release,
            _folder: folder,
        }
    }

    /// Writes a message of the release, and ends it like this after one attempt.
    async fn tell(&self, ordinal: u16, end: Option<(RowEnd, &str)>) -> String {
        let id = self.release["id"].as_str().unwrap();
        let effect = Effect::Message {
            from: AggregateId {
                kind: AggregateKind::Release,
                id: id.trim_start_matches("rel_").parse().unwrap(),
            },
            ordinal: (1_000, ordinal),
            integration: self.world.slack.parse::<IntegrationId>().unwrap(),
            topic: Topic::Releases,
            note: Note {
                kind: "TEST".to_owned(),
                title: format!("message {ordinal}"),
                lines: vec!["a line".to_owned()],
            },
        };
        let mut unit = self.store.begin().await.unwrap();
        let tenant = self.world.api.tenant.id;
        unit.enqueue(tenant, &effect, Duration::ZERO, DAY).await.unwrap();
        unit.commit().await.unwrap();
        if let Some((end, words)) = end {
            self.end(&effect, end, words).await;
        }
        effect.id().to_string()
    }

    async fn end(&self, effect: &Effect, end: RowEnd, words: &str) {
        let request = ClaimRequest {
            worker: "test".to_owned(),
            limit: 50,
            lease: Duration::from_secs(60),
            margin: Duration::from_secs(2),
            call_timeout: Duration::from_secs(10),
            started: Monotonic(Duration::ZERO),
            rooms: Rooms::default(),
        };
        for claimed in self.store.claim(&request).await.unwrap() {
            let claim = claimed.claim.unwrap();
            if claim.effect() != effect.id() {
                continue;
            }
            let record = AttemptRecord {
                effect: claim.effect(),
                attempt: claim.attempt(),
                outcome: "not_delivered".to_owned(),
                reference: None,
                detail: Some(words.to_owned()),
                at: SystemClock.now(),
                exchanges: None,
            };
            let tenant = self.world.api.tenant.id;
            self.store.record_attempt(tenant, &record).await.unwrap();
            let mut unit = self.store.begin().await.unwrap();
            unit.finish(&claim, end).await.unwrap();
            unit.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_told_is_listed_with_the_vendors_words() {
    let told = Told::new().await;
    let done = told.tell(1, Some((RowEnd::Done, "-"))).await;
    let lost = told.tell(2, Some((RowEnd::Dead, "channel_not_found"))).await;
    let queued = told.tell(3, None).await;
    let of_release = format!("{}/messages", World::path(&told.release));
    let of_integration = format!("/integrations/communication/{}/messages", told.world.slack);
    for path in [&of_release, &of_integration] {
        let list = told.world.api.of("VIEWER", "GET", path).send().await.is(200);
        let ids: Vec<&str> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [queued.as_str(), &lost, &done], "{path}");
        let states: Vec<&Value> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["state"])
            .collect();
        assert_eq!(states, ["QUEUED", "NOT_DELIVERED", "DELIVERED"], "{path}");
        let first = told.world.api.get(&format!("{path}?limit=2")).await.is(200);
        let next = first["nextCursor"].as_str().unwrap();
        let rest = told
            .world
            .api
            .get(&format!("{path}?limit=2&cursor={next}"))
            .await
            .is(200);
        assert_eq!(rest["items"][0]["id"], done.as_str());
        assert_eq!(rest["nextCursor"], Value::Null);
        told.world
            .api
            .get(&format!("{path}?cursor=x"))
            .await
            .wrong_at("/cursor");
        told.world
            .api
            .of("OTHER", "GET", path)
            .send()
            .await
            .refused(404, "not_found");
    }
    let one = told.world.api.get(&format!("/messages/{lost}")).await.is(200);
    assert_eq!(one["attempts"][0]["detail"], "channel_not_found");
    assert_eq!(
        (&one["title"], &one["topic"]),
        (&json!("message 2"), &json!("releases"))
    );
    told.world
        .api
        .of("OTHER", "GET", &format!("/messages/{lost}"))
        .send()
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn what_did_not_arrive_is_sent_again_by_whoever_runs_releases() {
    let told = Told::new().await;
    let done = told.tell(1, Some((RowEnd::Done, "-"))).await;
    let lost = told.tell(2, Some((RowEnd::Dead, "no answer"))).await;
    let resend = |role: &str, id: &str| {
        told.world
            .api
            .of(role, "POST", &format!("/messages/{id}/resend"))
            .send()
    };
    resend("VIEWER", &lost).await.refused(403, "role_too_low");
    resend("OTHER", &lost).await.refused(404, "not_found");
    resend("MEMBER", &done).await.refused(409, "message_not_given_up");
    let nobody = "00000000-0000-4000-8000-000000000000";
    resend("MEMBER", nobody).await.refused(404, "not_found");
    let (one, other) = tokio::join!(resend("MEMBER", &lost), resend("MEMBER", &lost));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409], "of two who ask at once one is heard");
    let again = told.world.api.get(&format!("/messages/{lost}")).await.is(200);
    assert_eq!(again["state"], "QUEUED");
    let attempts = again["attempts"].as_array().unwrap();
    let said = attempts.last().unwrap();
    assert_eq!(said["outcome"], "sent_again");
    assert!(
        said["detail"].as_str().unwrap().starts_with("asked for by "),
        "{said}"
    );
}
