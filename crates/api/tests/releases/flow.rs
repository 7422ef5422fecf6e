//! A release moves through its stages, with a real repository, by people and a worker.

use crate::world::{World, task};
use delivr_domain::release::gate::FACT_LIFETIME_SECONDS;
use serde_json::{Value, json};

pub(crate) fn in_phase(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |release| release["phase"] == phase
}

pub(crate) fn waits(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |release| {
        let tasks = release["tasks"].as_array().unwrap();
        tasks
            .iter()
            .any(|it| it["type"] == kind && it["status"] == "AWAITING_MANUAL")
    }
}

pub(crate) async fn handed_in(world: &World, release: &Value, number: &str, sha: &Value) -> Value {
    let body = json!({
        "target": "ANDROID_PLAY_STORE", "buildNumber": number, "sha": sha,
        "artifactUrl": format!("s3://builds/{number}.aab"),
    });
    let build = world.act(release, "builds", &body).await.is(201);
    assert_eq!(
        (&build["buildNumber"], &build["shaOrigin"]),
        (&json!(number), &json!("DECLARED"))
    );
    build
}

#[tokio::test]
async fn from_kickoff_to_the_store_through_every_gate() {
    assert_eq!(FACT_LIFETIME_SECONDS, 120);
    let world = World::on_sqlite().await;
    let mut body = world.small("1.0.0");
    body["settings"] = json!({"quorum": {"PRE_RELEASE": 1}, "autoStart": []});
    let made = world.made(&body).await;

    // KICKOFF makes the branch, then a person is needed: nothing starts by itself.
    let now = world.until(&made, in_phase("AWAITING_REGRESSION")).await;
    assert_eq!(now["holds"][0]["hold"], "AWAITING_APPROVAL");
    let fork = task(&now, "FORK_BRANCH");
    assert_eq!(
        (&fork["status"], &fork["externalId"]),
        (&json!("COMPLETED"), &json!("release/1.0.0"))
    );
    let path = format!("{}/tasks/{}", World::path(&made), fork["id"].as_str().unwrap());
    let detail = world.api.get(&path).await.is(200);
    let does: Vec<&str> = detail["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["does"].as_str().unwrap())
        .collect();
    assert!(
        does.iter()
            .any(|it| it.starts_with("create the branch `release/1.0.0`")),
        "{does:?}"
    );
    assert!(
        detail["effects"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| !it["attempts"].as_array().unwrap().is_empty()),
        "{detail}"
    );
    assert!(!detail.to_string().contains("s3cret"), "no secret is shown");
    // By its key too.
    let same = world
        .api
        .get(&format!("{}/tasks/FORK_BRANCH%2F-%2F-", World::path(&made)))
        .await
        .is(200);
    assert_eq!(same["id"], fork["id"]);
    world
        .api
        .put(&path, &json!({"action": "RETRY"}))
        .await
        .refused(409, "task_not_failed");
    world
        .api
        .put(&path, &json!({"action": "SKIP", "reason": "x"}))
        .await
        .refused(409, "task_not_skippable");
    world
        .api
        .put(&path, &json!({"action": "SKIP"}))
        .await
        .wrong_at("/reason");
    world
        .api
        .put(&path, &json!({"action": "DANCE"}))
        .await
        .wrong_at("/action");

    // REGRESSION: one cycle, its build handed in by a person.
    world
        .act(&made, "trigger-regression-testing", &json!({}))
        .await
        .is(200);
    let cycle = world.act(&made, "cycles", &json!({})).await.is(201);
    assert_eq!(
        (&cycle["number"], &cycle["status"]),
        (&json!(1), &json!("IN_PROGRESS"))
    );
    world
        .act(&made, "cycles", &json!({}))
        .await
        .refused(409, "cycle_active");
    let now = world.until(&made, waits("TRIGGER_REGRESSION_BUILDS")).await;
    let sha = now["cycles"][0]["sha"].clone();
    assert_eq!(now["cycles"][0]["tag"], "v1.0.0-rc.1");
    handed_in(&world, &made, "101", &sha).await;
    let now = world.until(&made, in_phase("AWAITING_PRE_RELEASE")).await;
    assert_eq!(now["builds"][0]["artifactUrl"], "s3://builds/101.aab");

    // The gate needs an approval; the refusal says so and changes nothing.
    let gate = world
        .api
        .get(&format!("{}/blockers", World::path(&made)))
        .await
        .is(200);
    assert_eq!(
        (&gate["open"], &gate["approvalsMissing"]),
        (&json!(false), &json!(1))
    );
    assert_eq!((&gate["stage"], &gate["sha"]), (&json!("PRE_RELEASE"), &sha));
    let refused = world
        .act(&made, "trigger-pre-release", &json!({}))
        .await
        .refused(409, "gate_closed");
    assert_eq!(refused["blockers"][0]["code"], "approval_missing", "{refused}");
    assert_eq!(refused["blockers"][0]["clearedBy"], "MEMBER");
    assert_eq!(world.read(&made, "").await["phase"], "AWAITING_PRE_RELEASE");
    let decision = world
        .act(
            &made,
            "approvals",
            &json!({"stage": "PRE_RELEASE", "comment": "fine"}),
        )
        .await
        .is(201);
    assert_eq!(
        (&decision["by"], &decision["sha"]),
        (&json!("owner@example.org"), &sha)
    );

    let whole = world.read(&made, "blockers,approvals").await;
    assert_eq!(whole["approvals"][0]["comment"], "fine");
    assert_eq!(whole["blockers"], json!([]), "{whole}");

    // Somebody pushes: what would ship was not tested, and the approval was for another commit's cycle.
    world.commit("release/1.0.0");
    let refused = world
        .act(&made, "trigger-pre-release", &json!({}))
        .await
        .refused(409, "gate_closed");
    assert_eq!(refused["blockers"][0]["code"], "untested_commits", "{refused}");
    // A member may not pass it; an admin may, with a reason that is kept.
    let path = format!("{}/trigger-pre-release", World::path(&made));
    let overriding = json!({"override": true, "reason": "only a comment changed"});
    let member = world
        .api
        .of("MEMBER", "POST", &path)
        .json(&overriding)
        .send()
        .await;
    member.refused(403, "role_too_low");
    let passed = world
        .api
        .of("ADMIN", "POST", &path)
        .json(&overriding)
        .send()
        .await
        .is(200);
    assert_eq!(passed["phase"], "PRE_RELEASE");

    // PRE_RELEASE tags the tested commit and waits for the store's build.
    let now = world.until(&made, waits("CREATE_AAB_BUILD")).await;
    assert_eq!(now["tag"], "v1.0.0");
    handed_in(&world, &made, "102", &sha).await;
    world.until(&made, in_phase("AWAITING_DISTRIBUTION")).await;
    let gate = world
        .api
        .get(&format!("{}/blockers", World::path(&made)))
        .await
        .is(200);
    assert_eq!(
        (&gate["stage"], &gate["open"]),
        (&json!("DISTRIBUTION"), &json!(true)),
        "{gate}"
    );
    let shipped = world.act(&made, "trigger-distribution", &json!({})).await.is(200);
    assert_eq!(shipped["phase"], "DISTRIBUTION");
    // It can be sent back only to where that makes sense, and not while the store has it.
    world
        .act(&made, "rework", &json!({"toStage": "KICKOFF", "reason": "x"}))
        .await
        .wrong_at("/toStage");
    world
        .act(&made, "rework", &json!({"toStage": "REGRESSION"}))
        .await
        .wrong_at("/reason");
    world
        .act(
            &made,
            "rework",
            &json!({"toStage": "REGRESSION", "reason": "a crash"}),
        )
        .await
        .refused(409, "tasks_running");

    // The whole history is in the feed, the override with its reason.
    let feed = world
        .api
        .get(&format!("{}/activities?limit=200", World::path(&made)))
        .await
        .is(200);
    let items = feed["items"].as_array().unwrap();
    let override_line = items.iter().find(|it| {
        it["kind"] == "STAGE_RELEASED" && it["summary"].as_str().unwrap().contains("only a comment changed")
    });
    assert_eq!(override_line.unwrap()["actor"], "admin@example.org");
    assert_eq!(items.last().unwrap()["kind"], "RELEASE_CREATED");
}

#[tokio::test]
async fn a_failed_task_is_retried_completed_by_hand_or_left_out() {
    let world = World::new().await;
    // The base branch does not exist: the first step fails and says what to do.
    let mut body = world.small("1.0.0");
    body["baseBranch"] = json!("nowhere");
    let made = world.made(&body).await;
    let failed = |release: &Value| task(release, "FORK_BRANCH")["status"] == "FAILED";
    let now = world.until(&made, failed).await;
    let fork = task(&now, "FORK_BRANCH");
    assert_eq!(fork["cause"]["code"], "ref_missing", "{fork}");
    assert!(
        fork["detail"]
            .as_str()
            .unwrap()
            .contains("`nowhere` does not exist"),
        "{fork}"
    );
    assert_eq!(now["holds"][0]["hold"], "TASK_FAILED");
    assert_eq!(now["holds"][0]["taskId"], fork["id"]);
    let path = format!("{}/tasks/{}", World::path(&made), fork["id"].as_str().unwrap());
    // Nobody may leave the branch out, and a branch that does not exist is no branch.
    world
        .api
        .put(&path, &json!({"action": "SKIP", "reason": "why not"}))
        .await
        .refused(409, "task_needed");
    world
        .api
        .put(&path, &json!({"action": "COMPLETE", "reason": "made it"}))
        .await
        .refused(422, "unsuitable_value");
    let named = |id: &str| json!({"action": "COMPLETE", "reason": "made it", "reference": {"id": id}});
    world
        .api
        .put(&path, &named("ghost"))
        .await
        .refused(422, "reference_unsuitable");
    world
        .api
        .put(&path, &named("a..b"))
        .await
        .refused(422, "reference_unsuitable");
    let duplicate = json!({"action": "RETRY", "acceptDuplicate": true});
    world
        .api
        .of("MEMBER", "PUT", &path)
        .json(&duplicate)
        .send()
        .await
        .refused(403, "role_too_low");
    let stale = world
        .api
        .of("MEMBER", "PUT", &path)
        .header("if-match", "\"1\"")
        .json(&named("ghost"));
    stale.send().await.refused(412, "stale_version");
    // Trying again is the same again.
    let again = world.api.put(&path, &json!({"action": "RETRY"})).await.is(200);
    assert_eq!(again["status"], "RUNNING");
    world.until(&made, failed).await;
    // Somebody makes the branch, and the release goes on with it.
    world.by_hand(&["branch", "release/by-hand", "main"]);
    let done = world.api.put(&path, &named("release/by-hand")).await.is(200);
    assert_eq!(
        (&done["status"], &done["externalId"]),
        (&json!("COMPLETED"), &json!("release/by-hand"))
    );
    let now = world.read(&made, "").await;
    assert_eq!(now["phase"], "REGRESSION_AWAITING_NEXT_CYCLE");
    assert_eq!(now["branchRelease"], "release/by-hand");
}

#[tokio::test]
async fn a_cycle_is_judged_and_abandoned_by_people() {
    let world = World::new().await;
    let made = world.made(&world.small("1.0.0")).await;
    world
        .until(&made, in_phase("REGRESSION_AWAITING_NEXT_CYCLE"))
        .await;
    let first = world.act(&made, "cycles", &json!({})).await.is(201);
    let by_id = format!("cycles/{}/abandon", first["id"].as_str().unwrap());
    world.act(&made, &by_id, &json!({})).await.wrong_at("/reason");
    let abandoned = world
        .act(&made, &by_id, &json!({"reason": "wrong commit"}))
        .await
        .is(200);
    assert_eq!(abandoned["status"], "ABANDONED");
    world
        .act(&made, "cycles/1/abandon", &json!({"reason": "again"}))
        .await
        .refused(409, "cycle_over");
    let verdict = json!({"verdict": "PASSED", "note": "all good"});
    world
        .act(&made, "cycles/1/result", &verdict)
        .await
        .refused(409, "cycle_abandoned");
    world.act(&made, "cycles", &json!({})).await.is(201);
    let totals = json!({
        "verdict": "FAILED", "note": "two crashes", "link": "https://tests.example/7",
        "totals": {"total": 10, "passed": 8, "failed": 2},
    });
    let judged = world.act(&made, "cycles/2/result", &totals).await.is(200);
    assert_eq!(judged["verdict"], "FAILED");
    assert!(
        judged["verdictNote"].as_str().unwrap().contains("8 of 10 passed"),
        "{judged}"
    );
    for (pointer, body) in [
        ("/verdict", json!({"verdict": "GREAT", "note": "x"})),
        ("/note", json!({"verdict": "PASSED"})),
        (
            "/link",
            json!({"verdict": "PASSED", "note": "x", "link": "javascript:alert(1)"}),
        ),
        (
            "/totals",
            json!({"verdict": "PASSED", "note": "x", "totals": {"total": 1, "passed": 2, "failed": 0}}),
        ),
    ] {
        world.act(&made, "cycles/2/result", &body).await.wrong_at(pointer);
    }
    let listed = world
        .api
        .get(&format!("{}/cycles", World::path(&made)))
        .await
        .is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}
