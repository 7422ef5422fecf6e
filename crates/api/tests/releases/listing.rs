//! The list of releases in every order, narrowed to whom it concerns, page by page.

use crate::support::Api;
use crate::world::World;
use serde_json::{Value, json};

fn keys(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|it| it["key"].as_str().unwrap().to_owned())
        .collect()
}

/// All keys of a list, two by two.
async fn all(api: &Api, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api
            .get(&format!("/releases?limit=2&{query}{cursor}"))
            .await
            .is(200);
        found.extend(keys(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
        assert!(found.len() < 50, "the list has an end");
    }
}

async fn furnished() -> World {
    let world = World::new().await;
    for (version, priority, target, pilot) in [
        ("1.0.0", "LOW", Some(3 * 24 * 60), Some("Ada@Example.org")),
        ("1.1.0", "CRITICAL", None, Some("ada@example.org")),
        ("1.2.0", "HIGH", Some(2 * 24 * 60), None),
    ] {
        let mut body = world.later(version);
        body["priority"] = json!(priority);
        body["targetDate"] = json!(target.map(|minutes| world.at(minutes)));
        body["pilot"] = json!(pilot);
        world.made(&body).await;
    }
    world
}

#[tokio::test]
async fn releases_are_sorted_by_what_they_have() {
    let world = furnished().await;
    let first = world.api.get("/releases/REL-1").await.is(200);
    world
        .act(&first, "block", &json!({"reason": "the shop is closed"}))
        .await
        .is(200);
    for (sort, expected) in [
        ("", ["REL-3", "REL-2", "REL-1"]),
        ("sort=key", ["REL-1", "REL-2", "REL-3"]),
        ("sort=targetDate", ["REL-3", "REL-1", "REL-2"]),
        ("sort=-targetDate", ["REL-1", "REL-3", "REL-2"]),
        ("sort=-updatedAt", ["REL-1", "REL-3", "REL-2"]),
        ("sort=updatedAt", ["REL-2", "REL-3", "REL-1"]),
        ("sort=priority", ["REL-2", "REL-3", "REL-1"]),
        ("sort=-status", ["REL-3", "REL-2", "REL-1"]),
        ("sort=-serviceSlug", ["REL-3", "REL-2", "REL-1"]),
        ("sort=kickoffAt", ["REL-1", "REL-2", "REL-3"]),
    ] {
        assert_eq!(all(&world.api, sort).await, expected, "{sort}");
    }
    for wrong in ["title", "-", "KEY", "key,status", "--key", "%20key"] {
        let reply = world.api.get(&format!("/releases?sort={wrong}")).await;
        reply.wrong_at("/sort");
    }
}

#[tokio::test]
async fn releases_are_narrowed_to_whom_they_concern() {
    let world = furnished().await;
    let of = async |query: &str| all(&world.api, query).await;
    assert_eq!(of("pilot=ADA%40example.org").await, ["REL-2", "REL-1"]);
    assert_eq!(of("pilot=ada").await, [""; 0], "a pilot is whole");
    assert_eq!(of("pilot=me").await, [""; 0]);
    assert_eq!(of("open=true&attention=NONE").await.len(), 3);
    let second = world.api.get("/releases/REL-2").await.is(200);
    world
        .act(&second, "pause", &json!({"note": "lunch"}))
        .await
        .is(200);
    assert_eq!(of("open=true&attention=STOPPED").await, ["REL-2"]);
    assert_eq!(of("attention=WAITING,STOPPED&sort=priority").await, ["REL-2"]);
    assert_eq!(of("attention=NONE").await, ["REL-3", "REL-1"]);
    world.act(&second, "resume", &json!({})).await.is(200);
    assert_eq!(of("attention=STOPPED").await, [""; 0]);
    let third = world.api.get("/releases/REL-3").await.is(200);
    world
        .act(&third, "archive", &json!({"reason": "not any more"}))
        .await
        .is(200);
    assert_eq!(of("open=true").await, ["REL-2", "REL-1"]);
    assert_eq!(of("open=false").await.len(), 3);
    for (wrong, at) in [
        ("attention=LOTS", "/attention"),
        ("attention=NONE,", "/attention"),
        ("pilot=", "/pilot"),
    ] {
        world.api.get(&format!("/releases?{wrong}")).await.wrong_at(at);
    }
    world
        .api
        .get("/releases?open=maybe")
        .await
        .refused(400, "malformed_request");
}

/// The numbers of the statistics, by name.
async fn counted(world: &World, role: &str) -> Value {
    let stats = world.api.of(role, "GET", "/dashboard/stats").send().await.is(200);
    let mut all = json!({});
    for (name, value) in stats.as_object().unwrap() {
        if value["count"].is_number() {
            assert_eq!(value["more"], false);
            all[name] = value["count"].clone();
        }
    }
    for stage in stats["stages"].as_array().unwrap() {
        all[stage["stage"].as_str().unwrap()] = stage["count"].clone();
    }
    all
}

#[tokio::test]
async fn releases_are_counted_where_they_stand() {
    let world = furnished().await;
    let mut body = world.small("2.0.0");
    body["pilot"] = json!("Owner@Example.org");
    let made = world.made(&body).await;
    world
        .until(&made, |it| it["phase"] == "REGRESSION_AWAITING_NEXT_CYCLE")
        .await;
    let first = world.api.get("/releases/REL-1").await.is(200);
    world.act(&first, "pause", &json!({})).await.is(200);
    let expected = json!({
        "open": 4, "waiting": 1, "stopped": 1, "mine": 1, "readyForStaging": 1, "readyForProduction": 0,
        "waitingInStores": 0,
        "PLANNED": 3, "KICKOFF": 0, "REGRESSION": 1, "PRE_RELEASE": 0, "DISTRIBUTION": 0,
    });
    assert_eq!(counted(&world, "OWNER").await, expected);
    assert_eq!(counted(&world, "VIEWER").await["mine"], 0);
    // What is stopped is ready for nothing, and what is archived is nobody's.
    world.act(&made, "pause", &json!({})).await.is(200);
    let counts = counted(&world, "OWNER").await;
    assert_eq!(
        (&counts["readyForStaging"], &counts["stopped"]),
        (&json!(0), &json!(2))
    );
    world
        .act(&first, "archive", &json!({"reason": "not any more"}))
        .await
        .is(200);
    let counts = counted(&world, "OWNER").await;
    assert_eq!((&counts["open"], &counts["PLANNED"]), (&json!(3), &json!(2)));
    let other = counted(&world, "OTHER").await;
    assert_eq!((&other["open"], &other["stopped"]), (&json!(0), &json!(0)));
}
