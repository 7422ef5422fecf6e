//! What was said to a vendor in an attempt: with the attempt, for whoever may see it, and for nobody else.

use crate::world::{World, task};
use delivr_domain::ids::ReleaseId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::exchange::{Exchange, Exchanges, Said};
use delivr_domain::ports::store::AttemptRecord;
use serde_json::{Value, json};

fn exchanges(number: u32) -> Exchanges {
    let said = |text: &str| Said {
        kind: Some("application/json".to_owned()),
        text: Some(text.to_owned()),
        bytes: 9_000,
        cut: true,
    };
    Exchanges {
        list: vec![Exchange {
            provider: "jira".to_owned(),
            operation: "create_issue".to_owned(),
            method: "POST".to_owned(),
            address: format!("https://vendor.example/issue?n={number}"),
            sent: Some(said("{\"summary\":\"Release 1.0.0\"")),
            status: Some(201),
            failure: None,
            headers: vec![("x-request-id".to_owned(), "r-7".to_owned())],
            received: Some(Said {
                kind: None,
                text: None,
                bytes: 4,
                cut: false,
            }),
            at: "2026-11-22T09:00:00.5Z".parse().unwrap(),
            took_ms: 1_250,
        }],
        left_out: 3,
    }
}

#[tokio::test]
async fn what_was_said_stands_with_the_attempt() {
    for world in [World::new().await, World::on_sqlite().await] {
        let mut body = world.small("1.0.0");
        body["baseBranch"] = json!("nowhere");
        let made = world.made(&body).await;
        let failed = |release: &Value| task(release, "FORK_BRANCH")["status"] == "FAILED";
        let now = world.until(&made, failed).await;
        let (key, id) = (
            now["key"].as_str().unwrap(),
            task(&now, "FORK_BRANCH")["id"].as_str().unwrap(),
        );
        let path = format!("/releases/{key}/tasks/{id}");
        let before = world.api.get(&path).await.is(200);
        assert!(
            before["effects"][0]["attempts"]
                .as_array()
                .unwrap()
                .iter()
                .all(|it| { (&it["exchanges"], &it["exchangesLeftOut"]) == (&json!([]), &json!(0)) })
        );

        let release: ReleaseId = made["id"].as_str().unwrap().parse().unwrap();
        let owner = AggregateId {
            kind: AggregateKind::Release,
            id: release.uuid(),
        };
        let store = &world.api.app.store;
        let effect = before["effects"][0]["id"].as_str().unwrap();
        let rows = store.rows(owner, true).await.unwrap();
        let row = rows.iter().find(|it| it.id.to_string() == effect).unwrap();
        for number in 0..41 {
            let line = AttemptRecord {
                effect: row.id,
                attempt: 100 + number,
                outcome: "created".to_owned(),
                reference: None,
                detail: None,
                at: world.api.app.clock.now(),
                exchanges: Some(exchanges(number)),
            };
            store.record_attempt(world.api.tenant.id, &line).await.unwrap();
        }
        let shown = world.api.of("VIEWER", "GET", &path).send().await.is(200);
        let attempts = shown["effects"][0]["attempts"].as_array().unwrap();
        let of = |number: u32| attempts.iter().find(|it| it["attempt"] == number).unwrap();
        assert_eq!(
            (&of(140)["exchanges"], &of(140)["exchangesLeftOut"]),
            (
                &json!([{
                    "provider": "jira", "operation": "create_issue", "method": "POST",
                    "address": "https://vendor.example/issue?n=40", "status": 201, "failure": null,
                    "sent": {"contentType": "application/json", "text": "{\"summary\":\"Release 1.0.0\"", "bytes": 9000,
                        "cut": true},
                    "received": {"contentType": null, "text": null, "bytes": 4, "cut": false},
                    "headers": [{"name": "x-request-id", "value": "r-7"}],
                    "at": "2026-11-22T09:00:00.500Z", "tookMs": 1250,
                }]),
                &json!(3)
            )
        );
        assert_eq!(
            of(101)["exchanges"][0]["address"],
            "https://vendor.example/issue?n=1"
        );
        assert_eq!(of(100)["exchanges"], json!([]), "the newest forty");
        // Nobody else's, by release or by task.
        world.api.of("OTHER", "GET", &path).send().await.is(404);
        let ids = [row.id];
        assert_eq!(store.exchanges(world.api.other.id, &ids, 9).await.unwrap(), []);
    }
}
