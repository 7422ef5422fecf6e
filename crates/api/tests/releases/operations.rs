//! How a tenant's work stands.

use crate::world::World;
use serde_json::{Value, json};

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
