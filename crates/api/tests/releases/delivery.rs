//! What was shipped, how long it took, and what is late.

use crate::support::Api;
use crate::support::shipping::{shipped, walked};
use crate::world::World;
use chrono::{DateTime, TimeDelta, Utc};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: i64 = 24 * 60;

/// Wednesday noon, in the middle of a month.
fn noon() -> DateTime<Utc> {
    "2026-11-18T12:00:00Z".parse().unwrap()
}

async fn figures(world: &World, role: &str) -> Value {
    let asked = world.api.of(role, "GET", "/dashboard/delivery");
    asked.send().await.is(200)
}

/// The figure of a stage or phase.
fn of<'a>(figures: &'a Value, list: &str, name: &str, word: &str) -> &'a Value {
    let all = figures[list].as_array().unwrap();
    all.iter().find(|it| it[name] == word).unwrap()
}

#[tokio::test]
async fn what_was_shipped_is_counted_from_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("delivr.db").display());
    let clock = Arc::new(FakeClock::at(noon()));
    let world = World::over(Api::with(Api::sql(&url).await, clock).await).await;
    let (store, tenant) = (&*world.api.app.store, world.api.tenant.id);
    let none = figures(&world, "OWNER").await;
    assert_eq!(
        (&none["zone"], &none["settling"], &none["thisMonth"]["count"]),
        (&json!("UTC"), &json!(false), &json!(0))
    );
    assert_eq!(
        none["leadTime"],
        json!({"releases": 0, "medianSeconds": null, "ninetiethSeconds": null})
    );
    let now = noon();
    for (number, hours) in [(101, [1, 10, 2, 7]), (102, [1, 20, 2, 7])] {
        shipped(store, tenant, number, now, hours).await;
    }
    let few = figures(&world, "OWNER").await;
    assert_eq!(
        few["leadTime"],
        json!({"releases": 2, "medianSeconds": null, "ninetiethSeconds": null}),
        "two tell nothing"
    );
    let last = shipped(store, tenant, 103, now, [1, 30, 2, 27]).await;
    let three = figures(&world, "OWNER").await;
    // It does not matter what becomes of one.
    walked(
        store,
        &last,
        &[
            ("ROLLED_BACK", "ROLLED_BACK", now),
            ("CANCELLED", "ARCHIVED", now),
        ],
    )
    .await;
    assert_eq!(figures(&world, "OWNER").await, three);
    for (count, figure) in [
        (3, &three["thisMonth"]),
        (0, &three["lastMonth"]),
        (3, &three["weeks"][11]),
        (0, &three["weeks"][10]),
        (3, &three["shipped"]),
    ] {
        assert_eq!(
            (&figure["count"], &figure["more"]),
            (&json!(count), &json!(false)),
            "{three}"
        );
    }
    assert_eq!(three["weeks"].as_array().unwrap().len(), 12);
    let hours = |median: i64, ninetieth: i64| json!({"releases": 3, "medianSeconds": median * 3_600, "ninetiethSeconds": ninetieth * 3_600});
    assert_eq!(three["leadTime"], hours(30, 60));
    let mut regression = hours(20, 30);
    regression["stage"] = json!("REGRESSION");
    assert_eq!(of(&three, "stages", "stage", "REGRESSION"), &regression);
    let mut waiting = hours(20, 30);
    waiting["phase"] = json!("REGRESSION_AWAITING_NEXT_CYCLE");
    assert_eq!(
        of(&three, "phases", "phase", "REGRESSION_AWAITING_NEXT_CYCLE"),
        &waiting
    );
    assert_eq!(
        of(&three, "phases", "phase", "AWAITING_REGRESSION")["releases"],
        0,
        "none of them waited"
    );
    // Nothing of it is anybody else's; who may read may read it.
    let other = figures(&world, "OTHER").await;
    assert_eq!(
        (
            &other["thisMonth"]["count"],
            &other["leadTime"]["releases"],
            &other["late"]["count"]
        ),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(figures(&world, "VIEWER").await["thisMonth"]["count"], 3);
}

#[tokio::test]
async fn releases_are_out_in_time_or_late() {
    let clock = Arc::new(FakeClock::at(noon()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let world = World::over(Api::with(store, clock.clone()).await).await;
    for (version, target) in [
        ("1.0.0", Some(2 * DAY)),
        ("1.1.0", Some(7 * DAY)),
        ("1.2.0", None),
        ("1.3.0", Some(3 * DAY)),
        ("1.4.0", Some(6 * DAY)),
    ] {
        let mut body = world.later(version);
        body["targetDate"] = json!(target.map(|minutes| world.at(minutes)));
        world.made(&body).await;
    }
    assert_eq!(figures(&world, "OWNER").await["late"]["count"], 0);
    clock.advance(Duration::from_secs(4 * 24 * 60 * 60));
    let keys = async |role: &str, query: &str| {
        let asked = world.api.of(role, "GET", &format!("/releases?{query}"));
        let found = asked.send().await.is(200);
        let items = found["items"].as_array().unwrap().clone();
        let key = |it: &Value| it["key"].as_str().unwrap().to_owned();
        items.iter().map(key).collect::<Vec<String>>()
    };
    assert_eq!(
        keys("OWNER", "due=LATE&sort=targetDate").await,
        ["REL-1", "REL-4"]
    );
    assert_eq!(
        keys("OWNER", "due=UPCOMING&sort=targetDate").await,
        ["REL-5", "REL-2"]
    );
    assert_eq!(keys("OWNER", "due=UPCOMING").await, ["REL-5", "REL-2"]);
    assert_eq!(keys("OTHER", "due=LATE").await, [""; 0]);
    assert_eq!(figures(&world, "OWNER").await["late"]["count"], 2);
    // A page goes on while time does.
    let first = world
        .api
        .get("/releases?due=LATE&sort=targetDate&limit=1")
        .await
        .is(200);
    let next = format!(
        "due=LATE&sort=targetDate&limit=1&cursor={}",
        first["nextCursor"].as_str().unwrap()
    );
    assert_eq!(keys("OWNER", &next).await, ["REL-4"]);
    // Given up, it is late no more.
    let late = world.api.get("/releases/REL-1").await.is(200);
    assert!(late["stageSince"].is_string(), "{late}");
    world
        .act(&late, "archive", &json!({"reason": "not any more"}))
        .await
        .is(200);
    assert_eq!(keys("OWNER", "due=LATE").await, ["REL-4"]);
    assert_eq!(figures(&world, "OWNER").await["late"]["count"], 1);
    world.api.get("/releases?due=SOON").await.wrong_at("/due");

    // Shipped at its target date or before, or later than that.
    let (store, tenant) = (&*world.api.app.store, world.api.tenant.id);
    let now = noon() + TimeDelta::days(4);
    for (number, target) in [(101, Some(1)), (102, Some(-1)), (103, Some(0)), (104, None)] {
        let mut row = shipped(store, tenant, number, now, [1, 1, 1, 1]).await;
        row.projection.target_date = target.map(|hours| now + TimeDelta::hours(hours));
        walked(store, &row, &[("DEPLOYED", "COMPLETED", now)]).await;
    }
    let figures = figures(&world, "OWNER").await;
    assert_eq!(figures["onTime"], json!({"releases": 3, "met": 2}));
    assert_eq!(figures["late"]["count"], 1, "what is out is late no more");
}
