//! Defects of release servers that are seen from outside: who somebody is, who decided, and how large a wish may be.
//! The list is `docs/defects-prevented.md`.

use crate::flow::{handed_in, in_phase, waits};
use crate::world::World;
use serde_json::{Value, json};

/// Headers by which servers have let callers say who they are.
const CLAIMS: [&str; 8] = [
    "userid",
    "user-id",
    "x-user-id",
    "x-user-email",
    "x-forwarded-user",
    "x-remote-user",
    "x-tenant-id",
    "x-cronicle-secret",
];

#[tokio::test]
async fn nobody_is_whom_a_header_names() {
    let world = World::new().await;
    let api = &world.api;
    let me = api.get("/me").await.is(200);
    let named: Vec<String> = ["name", "tenantId", "tenantSlug", "role"]
        .iter()
        .filter_map(|field| me[field].as_str().map(str::to_owned))
        .collect();
    assert!(named.len() > 1, "{me}");
    let viewer = api.of("VIEWER", "GET", "/me").send().await.is(200);
    for claim in CLAIMS {
        for name in &named {
            for (method, path) in [("GET", "/api/v1/me"), ("POST", "/api/v1/releases")] {
                let refused = api.bare(method, path).header(claim, name).body("{}").send().await;
                refused.refused(401, "unauthenticated");
            }
            // Beside a credential it says nothing either.
            let same = api.of("VIEWER", "GET", "/me").header(claim, name).send().await;
            assert_eq!(same.is(200), viewer, "{claim}: {name}");
        }
    }
}

#[tokio::test]
async fn who_decides_is_who_asks_and_what_was_said_is_kept() {
    let world = World::new().await;
    let api = &world.api;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"quorum": {"PRE_RELEASE": 2}});
    let made = world.made(&body).await;
    world
        .until(&made, in_phase("REGRESSION_AWAITING_NEXT_CYCLE"))
        .await;
    world.act(&made, "cycles", &json!({})).await.is(201);
    let now = world.until(&made, waits("TRIGGER_REGRESSION_BUILDS")).await;
    handed_in(&world, &made, "101", &now["cycles"][0]["sha"]).await;
    world.until(&made, in_phase("AWAITING_PRE_RELEASE")).await;
    for field in ["by", "approvedBy", "approver", "userId", "force"] {
        let mut body = json!({"stage": "PRE_RELEASE"});
        body[field] = json!("Grace");
        let wrong = world.act(&made, "approvals", &body).await;
        wrong.wrong_at(&format!("/{field}"));
    }
    let path = format!("{}/approvals", World::path(&made));
    let say = async |role: &str, comment: &str| {
        let body = json!({"stage": "PRE_RELEASE", "comment": comment});
        api.of(role, "POST", &path).json(&body).send().await
    };
    say("VIEWER", "me too").await.refused(403, "role_too_low");
    // One person counts once, however often it says so.
    let fine = say("MEMBER", "fine").await.is(201);
    let still = say("MEMBER", "still fine").await.is(201);
    let gate = format!("{}/blockers", World::path(&made));
    let missing = async || api.get(&gate).await.is(200)["approvalsMissing"].clone();
    assert_eq!(missing().await, json!(1));
    let go = say("ADMIN", "go").await.is(201);
    assert_eq!(missing().await, json!(0));
    for (role, decision) in [("member", &fine), ("member", &still), ("admin", &go)] {
        let by = decision["by"].as_str().unwrap().to_lowercase();
        assert!(by.contains(role), "{decision}");
    }
    let whole = world.read(&made, "approvals").await;
    let said: Vec<(&Value, &Value)> = whole["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["by"], &it["comment"]))
        .collect();
    assert_eq!(
        said,
        [
            (&fine["by"], &json!("fine")),
            (&fine["by"], &json!("still fine")),
            (&go["by"], &json!("go"))
        ]
    );
}

#[tokio::test]
async fn a_large_wish_is_taken_whole() {
    let world = World::new().await;
    let mut body = world.later("1.0.0");
    let text = "\u{1f680}".repeat(10_000);
    body["description"] = json!(text);
    let slots: Vec<Value> = (0..100)
        .map(|number| json!({"at": world.at(25 * 60 + number)}))
        .collect();
    body["slots"] = json!(slots);
    assert!(body.to_string().len() > 40_000);
    let made = world.made(&body).await;
    let read = world.read(&made, "slots").await;
    assert_eq!(read["description"], json!(text));
    assert_eq!(read["slots"].as_array().unwrap().len(), 100);
}
