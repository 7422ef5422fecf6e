//! How a tenant's work stands.

use crate::world::World;
use delivr_domain::effect::Effect;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::PutBack;
use delivr_testkit::conformance::store::samples;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn what_is_due_waiting_and_alive_is_counted_for_the_tenant_alone() {
    let world = World::new().await;
    let api = &world.api;
    let empty = api.get("/operations").await.is(200);
    assert_eq!(
        (
            &empty["due"],
            &empty["releases"],
            &empty["workerAlive"],
            &empty["oldestDueAt"]
        ),
        (&json!(0), &json!(0), &json!(false), &Value::Null)
    );
    world.made(&world.small("1.0.0")).await;
    api.app.store.beat("a worker").await.unwrap();
    let now = api.of("VIEWER", "GET", "/operations").send().await.is(200);
    assert!(
        now["due"].as_u64().unwrap() >= 1 && now["oldestDueAt"].is_string(),
        "{now}"
    );
    assert_eq!(
        (&now["releases"], &now["workerAlive"], &now["more"]),
        (&json!(1), &json!(true), &json!(false))
    );
    assert_eq!(now["troubled"], json!([]), "nothing failed yet");
    let other = api.of("OTHER", "GET", "/operations").send().await.is(200);
    assert_eq!((&other["due"], &other["releases"]), (&json!(0), &json!(0)));
}

async fn enqueue(world: &World, effects: &[Effect]) {
    let mut unit = world.api.app.store.begin().await.unwrap();
    for effect in effects {
        unit.enqueue(world.api.tenant.id, effect, Duration::ZERO, samples::DAY)
            .await
            .unwrap();
    }
    unit.commit().await.unwrap();
}

fn work_of(release: &Value, step: u16) -> Effect {
    let id = release["id"].as_str().unwrap().parse().unwrap();
    let kind = AggregateKind::Release;
    samples::perform(AggregateId { kind, id }, step)
}

#[tokio::test]
async fn every_release_is_counted_however_many_there_are_and_trouble_names_its_own() {
    let world = World::new().await;
    let (api, store) = (&world.api, &world.api.app.store);
    let first = world.made(&world.later("1.0.0")).await;
    let before = api.get("/operations").await.is(200);
    enqueue(&world, &[work_of(&first, 0)]).await;
    let mut claimed = store.claim(&samples::request(1)).await.unwrap();
    let claim = claimed.remove(0).claim.unwrap();
    let back = PutBack {
        after: samples::DAY,
        failures: 2,
        unknown: false,
        trouble: Some("the vendor is on fire".to_owned()),
    };
    store.put_back(&claim, &back).await.unwrap();
    let mut others = Vec::new();
    for minor in 1..=120 {
        let made = world.made(&world.later(&format!("1.{minor}.0"))).await;
        others.push(work_of(&made, 0));
    }
    enqueue(&world, &others).await;
    let now = api.get("/operations").await.is(200);
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap();
    assert_eq!(
        (number(&now, "due"), number(&now, "waiting")),
        (number(&before, "due") + 120, number(&before, "waiting") + 1)
    );
    let troubled = now["troubled"].as_array().unwrap();
    assert_eq!(troubled.len(), 1, "{now}");
    assert_eq!(
        (
            &troubled[0]["release"],
            &troubled[0]["failures"],
            &troubled[0]["trouble"]
        ),
        (&first["key"], &json!(2), &json!("the vendor is on fire"))
    );
    assert_eq!((&now["releases"], &now["more"]), (&json!(121), &json!(false)));
    let other = api.of("OTHER", "GET", "/operations").send().await.is(200);
    assert_eq!(
        (&other["due"], &other["waiting"], &other["troubled"]),
        (&json!(0), &json!(0), &json!([])),
        "another organisation's work"
    );
    // Counted to ten thousand, and said that there are more.
    let many: Vec<Effect> = (1..=9_881).map(|step| work_of(&first, step)).collect();
    enqueue(&world, &many).await;
    let now = api.get("/operations").await.is(200);
    assert_eq!((number(&now, "due"), &now["more"]), (10_000, &json!(true)));
}
