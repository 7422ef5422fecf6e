//! The dry run: what is still to come, in order, with exact names, and nothing of it done.

use crate::world::{World, pipeline};
use serde_json::{Value, json};

fn lines(plan: &Value) -> Vec<String> {
    let steps = plan["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|it| format!("{} {}", it["by"].as_str().unwrap(), it["does"].as_str().unwrap()))
        .collect()
}

/// The place of the first line that begins so.
#[track_caller]
fn place(lines: &[String], begin: &str) -> usize {
    lines
        .iter()
        .position(|it| it.starts_with(begin))
        .unwrap_or_else(|| panic!("no `{begin}` in {lines:#?}"))
}

#[tokio::test]
async fn a_release_is_rehearsed_to_its_end_before_anything_is_done() {
    let world = World::new().await;
    let api = &world.api;
    let android = (Some(world.scm.as_str()), Some(world.playstore.as_str()));
    let regression = pipeline(
        &api.app,
        &api.tenant,
        &world.ci,
        android,
        ("ANDROID", "REGRESSION_BUILD"),
    )
    .await;
    let automation = pipeline(
        &api.app,
        &api.tenant,
        &world.ci,
        android,
        ("ANDROID", "AUTOMATION"),
    )
    .await;
    let mut body = world.seed();
    body["kickoffAt"] = json!(world.at(600));
    body["slots"] = json!([{"at": world.at(700)}]);
    body["testManagementId"] = json!(world.checkmate);
    body["pipelines"] = json!([world.ios_pipeline, world.android_pipeline, regression, automation]);
    let made = world.made(&body).await;
    let plan = api.get(&format!("{}/plan", World::path(&made))).await.is(200);
    assert_eq!(plan["endsIn"], "COMPLETED", "{plan:#}");
    let lines = lines(&plan);
    // One thing after the other, with the names that vendors will see.
    let order = [
        "PERFORM create the branch `release/1.5.0` at (the commit known then)",
        "PERFORM create the tag `v1.5.0-rc.1` at (the commit known then)",
        "PERFORM start `job/android` on `v1.5.0-rc.1`",
        "PERSON let PRE_RELEASE start",
        "PERFORM create the tag `v1.5.0` at (the commit known then)",
        "PERSON let DISTRIBUTION start",
        "PERSON submit 1.5.0",
        "PERFORM submit version 1.5.0 for review",
        "PERFORM close the ticket",
    ];
    let places: Vec<usize> = order.iter().map(|begin| place(&lines, begin)).collect();
    assert!(
        places.windows(2).all(|two| two[0] < two[1]),
        "{places:?} of {lines:#?}"
    );
    place(&lines, "PERFORM create the ticket");
    place(&lines, "PERFORM create the test run");
    place(&lines, "PERFORM raise the rollout of 1.5.0 to 10 %");
    place(&lines, "PERFORM complete the rollout of 1.5.0");
    place(&lines, "PERSON upload the build for IOS_APP_STORE");
    // Who does it and when it can be at the earliest.
    let steps = plan["steps"].as_array().unwrap();
    let branch = steps.iter().find(|it| it["type"] == "FORK_BRANCH").unwrap();
    assert_eq!(
        (&branch["provider"], &branch["integrationId"]),
        (&json!("git"), &json!(world.scm))
    );
    assert_eq!(branch["notBefore"], made["kickoffAt"]);
    let tag = steps.iter().find(|it| it["type"] == "CREATE_RC_TAG").unwrap();
    assert_eq!(tag["notBefore"], made["slots"][0]["at"]);
    // Nothing of it has happened.
    let now = world.read(&made, "tasks").await;
    assert_eq!((&now["revision"], &now["tasks"]), (&made["revision"], &json!([])));
}

#[tokio::test]
async fn the_rehearsal_goes_on_from_where_the_release_stands() {
    let world = World::new().await;
    let made = world.made(&world.small("1.0.0")).await;
    world
        .until(&made, |it| it["phase"] == "REGRESSION_AWAITING_NEXT_CYCLE")
        .await;
    world.act(&made, "pause", &json!({})).await.is(200);
    let plan = world
        .api
        .get(&format!("{}/plan", World::path(&made)))
        .await
        .is(200);
    let rest = lines(&plan);
    assert!(
        !rest.iter().any(|it| it.contains("create the branch")),
        "{rest:#?}"
    );
    // A hold and a missing cycle are a person's, and said so before what follows from them.
    assert_eq!(place(&rest, "PERSON resume the release"), 0, "{rest:#?}");
    assert!(
        place(&rest, "PERSON start a regression cycle")
            < place(&rest, "PERFORM create the tag `v1.0.0-rc.1`")
    );
    assert_eq!(plan["endsIn"], "COMPLETED");
    // A closed release has nothing to come.
    world.act(&made, "archive", &json!({"reason": "x"})).await.is(200);
    let plan = world
        .api
        .get(&format!("{}/plan", World::path(&made)))
        .await
        .is(200);
    assert_eq!(
        (&plan["endsIn"], &plan["steps"]),
        (&json!("ARCHIVED"), &json!([]))
    );
}

#[tokio::test]
async fn a_changed_profile_is_taken_up_as_far_as_it_can_be() {
    let world = World::new().await;
    let api = &world.api;
    let settings = json!({"quorum": {"PRE_RELEASE": 2}});
    let profile = api
        .post("/profiles", &json!({"name": "p", "settings": settings}))
        .await
        .is(201);
    let mut body = world.small("1.0.0");
    body["profileId"] = profile["id"].clone();
    let made = world.made(&body).await;
    world
        .until(&made, |it| it["phase"] == "REGRESSION_AWAITING_NEXT_CYCLE")
        .await;
    let replan = |body: Value| {
        let path = format!("{}/replan", World::path(&made));
        async move { api.post(&path, &body).await }
    };
    // Nothing has changed yet.
    let same = replan(json!({"dryRun": true})).await.is(200);
    assert_eq!((&same["applied"], &same["changes"]), (&json!(false), &json!([])));
    let path = format!("/profiles/{}", profile["id"].as_str().unwrap());
    let settings = json!({"quorum": {"PRE_RELEASE": 1}, "deadlines": {"pollSeconds": 7}});
    api.put(&path, &json!({"name": "p", "settings": settings}))
        .await
        .is(200);
    let shown = replan(json!({"dryRun": true})).await.is(200);
    let pointers: Vec<&str> = shown["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["pointer"].as_str().unwrap())
        .collect();
    assert!(
        pointers.contains(&"/quorum/PRE_RELEASE") && pointers.contains(&"/deadlines/poll_seconds"),
        "{shown}"
    );
    assert!(
        !pointers
            .iter()
            .any(|it| it.starts_with("/targets") || it.starts_with("/scm")),
        "{shown}"
    );
    let before = world.read(&made, "").await;
    let applied = replan(json!({})).await.is(200);
    assert_eq!(
        (&applied["applied"], &applied["release"]["profileRevision"]),
        (&json!(true), &json!(2))
    );
    assert_ne!(applied["release"]["revision"], before["revision"]);
    // What names things at vendors already is past changing, and nothing of it is changed.
    let late = json!({"settings": {"scm": {"branchTemplate": "other/{version}"}}});
    replan(late.clone()).await.refused(409, "replan_too_late");
    let mut shown = late;
    shown["dryRun"] = json!(true);
    let shown = replan(shown).await.is(200);
    assert!(shown["changes"][0]["refused"].is_string(), "{shown}");
    replan(json!({"settings": {"surprise": 1}}))
        .await
        .wrong_at("/settings/surprise");
    replan(json!({"profileId": "x"}))
        .await
        .refused(422, "unknown_reference");
    assert_eq!(
        world.read(&made, "").await["revision"],
        applied["release"]["revision"]
    );
}

#[tokio::test]
async fn a_rehearsal_ends_also_where_the_release_cannot_go_on() {
    let world = World::new().await;
    let mut body = world.small("1.0.0");
    body["baseBranch"] = json!("nowhere");
    let made = world.made(&body).await;
    let failed = |release: &Value| crate::world::task(release, "FORK_BRANCH")["status"] == "FAILED";
    world.until(&made, failed).await;
    let plan = world
        .api
        .get(&format!("{}/plan", World::path(&made)))
        .await
        .is(200);
    // The failed task is a person's first; then all is assumed to go well.
    let rest = lines(&plan);
    assert!(
        rest[0].starts_with("PERSON") && rest[0].contains("`nowhere` does not exist"),
        "{rest:#?}"
    );
    assert_eq!(plan["endsIn"], "COMPLETED");
    // Without a cycle there is no commit to tag: it says where it ends, and does not go round.
    let mut body = world.later("2.0.0");
    body["settings"] = json!({"allowZeroCycles": true, "autoStart": ["REGRESSION", "PRE_RELEASE"]});
    let made = world.made(&body).await;
    let plan = world
        .api
        .get(&format!("{}/plan", World::path(&made)))
        .await
        .is(200);
    assert!(plan["steps"].as_array().unwrap().len() < 100, "{plan:#}");
}

#[tokio::test]
async fn a_member_replans_nothing_that_keeps_a_gate_closed() {
    let world = World::new().await;
    let api = &world.api;
    let profile = |name: &str| json!({"name": name, "settings": {"quorum": {"PRE_RELEASE": 2}}});
    let own = api.post("/profiles", &profile("own")).await.is(201);
    let other = api.post("/profiles", &profile("other")).await.is(201);
    let mut body = world.later("1.0.0");
    body["profileId"] = own["id"].clone();
    let made = world.made(&body).await;
    let path = format!("{}/replan", World::path(&made));
    let replan = |role: &str, body: &Value| api.of(role, "POST", &path).json(body).send();
    for body in [
        json!({"settings": {"quorum": {"DISTRIBUTION": 1}}}),
        json!({"settings": {"quorum": {"PRE_RELEASE": 1}}}),
        json!({"settings": {"autoStart": []}}),
        json!({"settings": {"allowZeroCycles": true}}),
        json!({"profileId": other["id"]}),
    ] {
        let mut shown = body.clone();
        shown["dryRun"] = json!(true);
        let shown = replan("MEMBER", &shown).await.is(200);
        assert_ne!(shown["changes"], json!([]), "{body}");
        replan("MEMBER", &body).await.refused(403, "role_too_low");
    }
    // What keeps nothing closed is theirs to take up, also where the profile says it anew.
    let free = json!({"settings": {"deadlines": {"pollSeconds": 7}}});
    replan("MEMBER", &free).await.is(200);
    let mut newer = profile("own");
    newer["settings"]["deadlines"] = json!({"pollSeconds": 9});
    let of_own = format!("/profiles/{}", own["id"].as_str().unwrap());
    api.put(&of_own, &newer).await.is(200);
    replan("MEMBER", &json!({})).await.is(200);
    newer["settings"]["quorum"] = json!({"PRE_RELEASE": 1});
    api.put(&of_own, &newer).await.is(200);
    replan("MEMBER", &json!({})).await.refused(403, "role_too_low");
    replan("ADMIN", &json!({})).await.is(200);
}

#[tokio::test]
async fn a_release_that_does_not_exist_yet_is_rehearsed_and_not_made() {
    let world = World::new().await;
    let mut body = world.seed();
    body["kickoffAt"] = json!(world.at(60));
    let plan = world.api.post("/releases/plan", &body).await.is(200);
    assert_eq!(
        (
            &plan["version"],
            &plan["branch"],
            &plan["rcTag"],
            &plan["releaseTag"]
        ),
        (
            &json!("1.5.0"),
            &json!("release/1.5.0"),
            &json!("v1.5.0-rc.1"),
            &json!("v1.5.0")
        )
    );
    let all = lines(&plan);
    assert!(
        place(&all, "PERFORM create the branch `release/1.5.0`")
            < place(&all, "PERFORM create the tag `v1.5.0")
    );
    assert!(!plan.to_string().contains("REL-0"), "it has no key yet: {plan}");
    assert_eq!(plan["targets"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(world.api.get("/releases").await.is(200)["items"], json!([]));
    // It says what the release then does.
    let made = world.made(&body).await;
    let of_made = world
        .api
        .get(&format!("{}/plan", World::path(&made)))
        .await
        .is(200);
    let key = made["key"].as_str().unwrap();
    // Lanes go side by side; which of two stands first follows from ids that are drawn.
    let sorted = |mut all: Vec<String>| {
        all.sort_unstable();
        all
    };
    let known = lines(&of_made)
        .iter()
        .map(|it| it.replace(key, "(its key)"))
        .collect();
    assert_eq!(sorted(all), sorted(known));
    // Each step says in which stage it is done, the steps of a stage stand together, and a person's in a store has its
    // target.
    let steps = plan["steps"].as_array().unwrap();
    let mut stages: Vec<&str> = steps.iter().map(|it| it["stage"].as_str().unwrap()).collect();
    stages.dedup();
    let known: std::collections::BTreeSet<&str> = stages.iter().copied().collect();
    assert_eq!(stages.len(), known.len(), "{stages:?}");
    let shares = |it: &&Value| it["by"] != "MESSAGE" && it["does"].to_string().contains(".00 %");
    assert_eq!(
        steps.iter().find(shares),
        None,
        "a share is told as people write it"
    );
    for stage in ["KICKOFF", "REGRESSION", "PRE_RELEASE", "DISTRIBUTION"] {
        assert!(known.contains(stage), "{stage}: {stages:?}");
    }
    // Refused as the creation would be, with the same place.
    world
        .api
        .post("/releases/plan", &body)
        .await
        .refused(422, "version_not_above");
    let viewer = world
        .api
        .of("VIEWER", "POST", "/releases/plan")
        .json(&body)
        .send()
        .await;
    viewer.refused(403, "role_too_low");
    let other = world
        .api
        .of("OTHER", "POST", "/releases/plan")
        .json(&body)
        .send()
        .await;
    other.refused(422, "service_missing");
}

#[tokio::test]
async fn what_a_creation_lets_pass_and_people_should_know_is_a_warning() {
    let world = World::new().await;
    let mut body = world.later("1.0.0");
    body["settings"] = json!({"storeNotes": {"default": "Bug fixes."}});
    body["pilot"] = json!("nobody@nowhere.example");
    body["baseBranch"] = json!("nope/nope");
    let pointers = |plan: &Value| -> Vec<String> {
        let all = plan["warnings"].as_array().unwrap();
        all.iter()
            .map(|it| it["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    // No vendor is asked unless that is asked for.
    let plan = world.api.post("/releases/plan", &body).await.is(200);
    assert_eq!(pointers(&plan), ["/pilot"], "{plan}");
    let plan = world.api.post("/releases/plan?check=true", &body).await.is(200);
    assert_eq!(pointers(&plan), ["/pilot", "/baseBranch"], "{plan}");
    assert!(
        plan["warnings"][1]["detail"]
            .as_str()
            .unwrap()
            .contains("`nope/nope`"),
        "{plan}"
    );
    body["pilot"] = json!("Member@example.org");
    body["baseBranch"] = json!("main");
    let plan = world.api.post("/releases/plan?check=true", &body).await.is(200);
    assert_eq!(pointers(&plan), Vec::<String>::new(), "{plan}");
    body["existingBranch"] = json!("release/none");
    let plan = world.api.post("/releases/plan?check=true", &body).await.is(200);
    assert_eq!(pointers(&plan), ["/existingBranch"], "{plan}");
    // A repository that cannot be asked is told as such, and keeps nobody from looking.
    body["existingBranch"] = json!("main");
    world.lose_repository();
    let plan = world.api.post("/releases/plan?check=true", &body).await.is(200);
    let said = plan["warnings"][0]["detail"].as_str().unwrap();
    assert!(said.contains("could not be asked"), "{plan}");
    let wrong = world.api.post("/releases/plan?check=perhaps", &body).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
}
