//! What each role may bring about.

use crate::flow::{handed_in, in_phase, waits};
use crate::world::World;
use delivr_domain::effect::FactKind;
use delivr_domain::ids::ReleaseId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::Fact;
use serde_json::json;

#[tokio::test]
async fn a_viewer_makes_no_vendor_work() {
    let world = World::new().await;
    let made = world.made(&world.small("1.0.0")).await;
    world
        .until(&made, in_phase("REGRESSION_AWAITING_NEXT_CYCLE"))
        .await;
    world.act(&made, "cycles", &json!({})).await.is(201);
    let now = world.until(&made, waits("TRIGGER_REGRESSION_BUILDS")).await;
    handed_in(&world, &made, "101", &now["cycles"][0]["sha"]).await;
    world.until(&made, in_phase("AWAITING_PRE_RELEASE")).await;
    let release: ReleaseId = made["id"].as_str().unwrap().parse().unwrap();
    let owner = AggregateId {
        kind: AggregateKind::Release,
        id: release.uuid(),
    };
    // What is known of the branch is old.
    let store = &world.api.app.store;
    let known = Fact {
        value: now["cycles"][0]["sha"].as_str().unwrap().to_owned(),
        observed_at: world.api.app.clock.now() - chrono::TimeDelta::minutes(10),
    };
    let mut unit = store.begin().await.unwrap();
    unit.put_fact(owner, FactKind::BranchHead, &known).await.unwrap();
    unit.commit().await.unwrap();
    let gate = format!("{}/blockers", World::path(&made));
    let whole = format!("{}?include=blockers", World::path(&made));
    for path in [&gate, &whole] {
        let seen = world.api.of("VIEWER", "GET", path).send().await.is(200);
        assert_ne!(seen["blockers"], json!([]), "it is told that it is old: {seen}");
        let after = store.read_facts(owner).await.unwrap();
        assert_eq!(after[&FactKind::BranchHead].observed_at, known.observed_at);
    }
    let seen = world.api.of("MEMBER", "GET", &gate).send().await.is(200);
    assert_eq!(seen["blockers"], json!([]), "{seen}");
    let after = store.read_facts(owner).await.unwrap();
    assert!(after[&FactKind::BranchHead].observed_at > known.observed_at);
}
