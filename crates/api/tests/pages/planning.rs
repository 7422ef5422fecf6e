//! Services, profiles, pipelines and a new release, as a browser without scripts makes them.

use crate::browser::{Browser, form_to, unescaped};
use crate::headers::sound;
use crate::support::{Api, Reply};
use crate::world::World;
use delivr_sandbox::Sandbox;
use serde_json::{Value, json};

fn place(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.headers["location"].clone()
}

#[tokio::test]
async fn a_service_is_made_changed_archived_and_removed() {
    let world = World::new().await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page("/services/new").await;
    let form = form_to(&page, "/services/new");
    assert_eq!(
        form.fields["/scmIntegrationId"], world.scm,
        "the only repository stands there"
    );
    let reply = member
        .submit(&form.clone().with("/name", "Web").with("/slug", "Not A Slug"))
        .await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.text.contains("href=\"#f-slug\""), "{}", reply.text);
    sound(&reply, "a wrong slug");
    let form = form
        .with("/name", "Web <b>")
        .with("/slug", "web")
        .with("/kind", "WEB");
    let shown = place(&member.submit(&form).await);
    let path = shown.split('?').next().unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap();
    let page = member.page(&shown).await;
    assert!(
        unescaped(&page).contains("Web <b>") && page.contains("It was never released."),
        "{page}"
    );
    let edit = format!("{path}/edit");
    let form = form_to(&member.page(&edit).await, &edit);
    assert_eq!(
        (form.fields["/kind"].as_str(), form.fields["/isActive"].as_str()),
        ("WEB", "true")
    );
    // Cleared and archived.
    let form = form
        .with("/kind", "")
        .with("/description", "two\nlines")
        .without("/isActive");
    assert_eq!(place(&member.submit(&form).await), format!("{path}?done=saved"));
    let stored = world.api.get(&format!("/services/{id}")).await.is(200);
    assert_eq!(
        (&stored["kind"], &stored["description"], &stored["isActive"]),
        (&Value::Null, &json!("two\nlines"), &json!(false))
    );
    let late = member.submit(&form).await;
    assert_eq!(late.status, 412, "it was changed meanwhile");
    // Nor does the form that is shown then, or after a mistake, overwrite what nobody has read.
    let again = form_to(&late.text, &edit);
    assert_eq!(member.submit(&again).await.status, 412);
    let mistaken = member.submit(&again.with("/name", "")).await;
    assert_eq!(mistaken.status, 400);
    let again = form_to(&mistaken.text, &edit).with("/name", "Mine");
    assert_eq!(member.submit(&again).await.status, 412);
    assert!(
        !member.page("/releases/new").await.contains(id),
        "what is archived is not offered"
    );
    // What has releases stays.
    world.made(&world.later("1.0.0")).await;
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let page = owner.page(&format!("/services/{}/remove", world.service)).await;
    assert!(
        page.contains("the release <a href=\"/releases/REL-1\">REL-1</a>")
            && !page.contains("<button class=\"danger\""),
        "{page}"
    );
    let remove = format!("{path}/remove");
    assert_eq!(member.forge(&remove, &[]).await.status, 403);
    let page = owner.page(&remove).await;
    assert_eq!(
        place(&owner.submit(&form_to(&page, &remove)).await),
        "/services?done=removed"
    );
}

#[tokio::test]
async fn a_profile_has_versions_and_what_changed_between_them() {
    let world = World::new().await;
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let form = form_to(&owner.page("/profiles/new").await, "/profiles/new").with("/name", "Weekly");
    let reply = owner
        .submit(&form.clone().with("/settings/scm/branchTemplate", "release"))
        .await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(
        reply.text.contains("href=\"#f-settings-scm-branchTemplate\""),
        "{}",
        reply.text
    );
    let shown = place(&owner.submit(&form).await);
    let path = shown.split('?').next().unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap();
    let whole = owner.page(&shown).await;
    assert!(
        whole.contains("The CI system said so, A callback or a person said so"),
        "{whole}"
    );
    let edit = format!("{path}/edit");
    let form = form_to(&owner.page(&edit).await, &edit)
        .with("/settings/testing/passThreshold", "95")
        .with("/settings/quorum/PRE_RELEASE", "2")
        .with("/settings/autoStart=PRE_RELEASE", "on");
    let reply = owner.submit(&form).await;
    assert_eq!(place(&reply), format!("{path}/diff?done=revised"));
    let page = owner.page(&place(&reply)).await;
    for said in [
        "<del>100</del>",
        "<ins>95</ins>",
        "<ins>2</ins>",
        "<ins>Regression, Pre-release</ins>",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(page.matches("<tr>").count(), 4, "and nothing else: {page}");
    let late = owner.submit(&form).await;
    assert_eq!(late.status, 412, "somebody was faster");
    assert_eq!(owner.submit(&form_to(&late.text, &edit)).await.status, 412);
    let old = owner.page(&format!("{path}?revision=1")).await;
    assert!(old.contains("This is an older version."), "{old}");
    let stored = world.api.get(&format!("/profiles/{id}")).await.is(200);
    assert_eq!(
        (&stored["revision"], &stored["settings"]["quorum"]),
        (&json!(2), &json!({"PRE_RELEASE": 2}))
    );
    for nothing in ["?revision=7", "?revision=x", "/diff?from=9"] {
        assert_eq!(
            owner.get(&format!("{path}{nothing}")).await.status,
            404,
            "{nothing}"
        );
    }
}

#[tokio::test]
async fn a_pipeline_is_made_tested_changed_and_removed() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
    let api = Api::start().await;
    let known = api.http.get(format!("{}/_credentials", sandbox.url()));
    let known: Value = known.send().await.unwrap().json().await.unwrap();
    let ci = json!({"provider": "jenkins", "name": "ci", "config": known["jenkins"]["config"],
        "credentials": known["jenkins"]["credentials"]});
    let ci = api.post("/integrations/ci-cd", &ci).await.is(201);
    let ci = ci["id"].as_str().unwrap();
    api.post(&format!("/integrations/ci-cd/{ci}/verify"), &json!({}))
        .await
        .is(200);
    let declared = json!({"vendor": "jenkins", "action": "add_job", "job": "ios-build", "kind": "plain",
        "parameters": ["VERSION", "DELIVR_KEY"]});
    sandbox.advance(&declared).unwrap();
    let owner = Browser::signed_in(&api, "OWNER").await;
    let form = form_to(&owner.page("/pipelines/new").await, "/pipelines/new");
    assert_eq!(
        form.fields["/integrationId"], ci,
        "the only CI system stands there"
    );
    let form = form
        .with("/name", "ios")
        .with("/job", "ios-build")
        .with("/platform", "IOS")
        .with("/purpose", "AAB_BUILD")
        .with("/parameters", "VERSION={version}\nFLAVOUR=a=b");
    let reply = owner.submit(&form).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert!(reply.text.contains("href=\"#f-purpose\""), "{}", reply.text);
    let shown = place(&owner.submit(&form.with("/purpose", "TEST_FLIGHT_BUILD")).await);
    let path = shown.split('?').next().unwrap().to_owned();
    let page = owner.page(&shown).await;
    let member = Browser::signed_in(&api, "MEMBER").await;
    let reply = member
        .submit(&form_to(&member.page(&path).await, &format!("{path}/test")))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "a test");
    assert!(
        reply.text.contains("A release could not start it") && reply.text.contains("FLAVOUR"),
        "{}",
        reply.text
    );
    assert!(page.contains("a=b"), "{page}");
    let edit = format!("{path}/edit");
    let form = form_to(&owner.page(&edit).await, &edit);
    assert_eq!(form.fields["/parameters"], "FLAVOUR=a=b\nVERSION={version}");
    assert_eq!(
        place(&owner.submit(&form.with("/parameters", "VERSION={version}")).await),
        format!("{path}?done=saved")
    );
    let reply = owner
        .submit(&form_to(&owner.page(&path).await, &format!("{path}/test")))
        .await;
    assert!(reply.text.contains("A release could start it"), "{}", reply.text);
    assert_eq!(member.forge(&edit, &[("/name", "x")]).await.status, 400);
    let remove = format!("{path}/remove");
    assert_eq!(member.forge(&remove, &[]).await.status, 403);
    let page = owner.page(&remove).await;
    assert_eq!(
        place(&owner.submit(&form_to(&page, &remove)).await),
        "/pipelines?done=removed"
    );
}

#[tokio::test]
async fn a_release_is_planned_in_full_before_it_is_made_once() {
    let world = World::new().await;
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let new = "/releases/new";
    // The only service needs no choosing; what is missing is told.
    let form = form_to(&member.page(new).await, new).with("do", "plan");
    assert_eq!(form.fields["service"], world.service);
    assert_eq!(
        form.fields["/ticketId"], world.jira,
        "the only tracker stands there"
    );
    // It fits as it stands: what is connected, and the first version.
    for (name, value) in [
        ("/ship/ANDROID_PLAY_STORE/on", "true"),
        ("/ship/IOS_APP_STORE/on", "true"),
        ("/version", "1.0.0"),
    ] {
        assert_eq!(form.fields[name], value, "{name}");
    }
    assert!(!form.fields.contains_key("/ship/WEB_ENVIRONMENT/on"));
    let reply = member.submit(&form).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let form = form.without("/ship/IOS_APP_STORE/on");
    let reply = member
        .submit(&form.clone().without("/ship/ANDROID_PLAY_STORE/on"))
        .await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(
        reply.text.contains("choose at least one target"),
        "{}",
        reply.text
    );
    let form = form
        .with("/ship/ANDROID_PLAY_STORE/builds", "MANUAL")
        .with("/title", "Summer <script>alert(1)</script>");
    let reply = member.submit(&form.clone().with("/version", "")).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert!(
        reply.text.contains("name the first one") && reply.text.contains("href=\"#f-version\""),
        "{}",
        reply.text
    );
    let reply = member
        .submit(
            &form
                .clone()
                .with("/version", "2.0.0")
                .with("/slots/1/at", "someday"),
        )
        .await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.text.contains("href=\"#f-slots-1-at\""), "{}", reply.text);
    // The whole plan, and nothing is done.
    let kickoff = chrono::Utc::now() + chrono::TimeDelta::days(30);
    let form = form
        .with("/version", "2.0.0")
        .with("/zone", "Africa/Johannesburg")
        .with("/kickoffAt", &kickoff.format("%Y-%m-%dT10:00").to_string());
    let reply = member.submit(&form).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "the plan");
    for said in [
        "release/2.0.0",
        "v2.0.0-rc.1",
        "Step by step",
        "<h4>Kickoff</h4>",
        "<h4>Distribution</h4>",
        "A person",
        "after that person",
        "08:00 UTC",
        "people upload its builds",
    ] {
        assert!(reply.text.contains(said), "{said}: {}", reply.text);
    }
    let (_, steps) = reply.text.split_once("Step by step").unwrap();
    let (steps, _) = steps.split_once("<form ").unwrap();
    for token in ["PRE_RELEASE", "PLAY_STORE", ".00 %", "just now"] {
        assert!(!steps.contains(token), "{token}: {steps}");
    }
    assert!(
        unescaped(&reply.text).contains("Summer <script>"),
        "{}",
        reply.text
    );
    assert_eq!(
        world.api.get("/releases").await.is(200)["items"],
        json!([]),
        "nothing is stored"
    );
    // Made, from the form below the plan; sent twice, it is one.
    let form = form_to(&reply.text, new).with("do", "create");
    let (one, two) = futures_util::future::join(member.submit(&form), member.submit(&form)).await;
    let made = [&one, &two]
        .into_iter()
        .find(|it| it.status == 303)
        .expect("one of both");
    let key = place(made).split('?').next().unwrap().to_owned();
    let again = member.submit(&form).await;
    assert_eq!(
        place(&again).split('?').next().unwrap(),
        key,
        "the same one is shown again"
    );
    let all = world.api.get("/releases").await.is(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["items"][0]["version"], "2.0.0");
    let page = member.page(&place(made)).await;
    assert!(page.contains("The release is planned."), "{page}");
}

#[tokio::test]
async fn who_may_not_is_told_and_other_organisations_see_nothing() {
    let world = World::new().await;
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let profile = json!({"name": "Weekly", "serviceId": world.service});
    let profile = world.api.post("/profiles", &profile).await.is(201);
    let profile = format!("/profiles/{}", profile["id"].as_str().unwrap());
    let service = format!("/services/{}", world.service);
    let pipeline = format!("/pipelines/{}", world.ios_pipeline);
    for path in [
        "/services",
        "/services/new",
        "/profiles",
        "/profiles/new",
        "/pipelines",
        "/pipelines/new",
        "/releases/new",
        &service,
        &profile,
        &pipeline,
    ] {
        let reply = viewer.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        sound(&reply, path);
        assert!(
            reply.text.contains("; yours is VIEWER."),
            "{path}: {}",
            reply.text
        );
    }
    let edits = [
        format!("{service}/edit"),
        format!("{profile}/edit"),
        format!("{pipeline}/edit"),
    ];
    for path in &edits {
        let page = viewer.page(path).await;
        assert!(
            page.contains("; yours is VIEWER.") && !page.contains("novalidate"),
            "{path}: {page}"
        );
    }
    let name = [("/name", "mine"), ("/slug", "mine"), ("/color", "#000000")];
    assert_eq!(viewer.forge("/services/new", &name).await.status, 403);
    assert_eq!(viewer.forge(&edits[0], &name).await.status, 403);
    assert_eq!(viewer.forge(&format!("{service}/remove"), &[]).await.status, 403);
    assert_eq!(viewer.forge(&format!("{pipeline}/test"), &[]).await.status, 403);
    let release = [
        ("service", world.service.as_str()),
        ("/version", "1.0.0"),
        ("/ship/WEB_ENVIRONMENT/on", "true"),
        ("/type", "MINOR"),
        ("/priority", "LOW"),
        ("do", "create"),
    ];
    assert_eq!(viewer.forge("/releases/new", &release).await.status, 403);
    let other = Browser::signed_in(&world.api, "OTHER").await;
    for path in [&service, &profile, &pipeline, &edits[0], &edits[1], &edits[2]] {
        assert_eq!(other.get(path).await.status, 404, "{path}");
    }
    assert_eq!(
        other
            .get(&format!("/releases/new?service={}", world.service))
            .await
            .status,
        404
    );
    assert_eq!(other.forge("/releases/new", &release).await.status, 404);
    for path in [
        &edits[0],
        &edits[1],
        &edits[2],
        &format!("{pipeline}/test"),
        &format!("{service}/remove"),
    ] {
        assert_eq!(other.forge(path, &name).await.status, 404, "{path}");
        let reply = viewer.send("POST", path, Some("csrf=x".to_owned()), &[]).await;
        assert_eq!(reply.status, 403, "{path}: a form without the secret");
    }
    assert_eq!(world.api.get("/releases").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn the_way_to_the_first_release_is_shown_step_by_step() {
    let world = World::new().await;
    let other = Browser::signed_in(&world.api, "OTHER").await;
    let page = other.page("/").await;
    assert!(
        page.contains("href=\"/start\""),
        "an empty dashboard leads there: {page}"
    );
    let page = other.page("/start").await;
    assert!(page.contains("<strong>0 of 11</strong> done"), "{page}");
    let next = page.split("aria-current=\"step\"").nth(1).unwrap();
    assert!(
        next.split("</li>")
            .next()
            .unwrap()
            .contains("Connect your source control"),
        "{page}"
    );
    // What there is decides how far one is, whoever looks.
    for role in ["OWNER", "VIEWER"] {
        let browser = Browser::signed_in(&world.api, role).await;
        let reply = browser.get("/start").await;
        sound(&reply, role);
        assert!(
            reply.text.contains("<strong>8 of 11</strong> done"),
            "{}",
            reply.text
        );
        assert!(
            reply
                .text
                .contains(&format!("href=\"/services/{}\"", world.service)),
            "{}",
            reply.text
        );
    }
    world.made(&world.later("1.0.0")).await;
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    assert!(
        owner
            .page("/start")
            .await
            .contains("<strong>9 of 11</strong> done")
    );
}

#[tokio::test]
async fn what_failed_is_found_and_the_line_is_stopped_by_admins_alone() {
    let world = World::new().await;
    let mut body = world.small("1.0.0");
    body["baseBranch"] = json!("nowhere");
    let made = world.made(&body).await;
    world
        .until(&made, |release| {
            crate::world::task(release, "FORK_BRANCH")["status"] == "FAILED"
        })
        .await;
    let key = made["key"].as_str().unwrap();
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let reply = member.get("/operations").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "operations");
    assert!(
        reply.text.contains(&format!("/releases/{key}/do/retry?of=")),
        "{}",
        reply.text
    );
    assert!(
        reply.text.contains("This needs the role ADMIN; yours is MEMBER."),
        "{}",
        reply.text
    );
    let other = Browser::signed_in(&world.api, "OTHER").await;
    assert!(
        !other.page("/operations").await.contains("nowhere"),
        "another organisation's work"
    );
    assert_eq!(
        member.forge("/operations/stop", &[("/reason", "x")]).await.status,
        403
    );
    assert_eq!(member.forge("/operations/go", &[]).await.status, 403);
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let stop = "/operations/stop";
    let form = form_to(&owner.page(stop).await, stop);
    let reply = owner.submit(&form).await;
    assert_eq!(reply.status, 400, "a reason is needed: {}", reply.text);
    sound(&reply, "no reason");
    assert_eq!(
        place(&owner.submit(&form.with("/reason", "the vendor is on fire")).await),
        "/operations?done=stopped"
    );
    // Nothing new is begun.
    let later = world.made(&world.small("1.1.0")).await;
    let worker = delivr_worker::Worker::new(world.api.app.clone(), delivr_worker::WorkerSettings::default());
    for _ in 0..5 {
        worker.run_due_once().await.unwrap();
    }
    let stopped = world.read(&later, "tasks").await;
    assert_ne!(crate::world::task(&stopped, "FORK_BRANCH")["status"], "COMPLETED");
    let go = "/operations/go";
    let reply = owner.submit(&form_to(&owner.page(go).await, go)).await;
    assert_eq!(place(&reply), "/operations?done=going");
    world
        .until(&later, |release| {
            crate::world::task(release, "FORK_BRANCH")["status"] == "COMPLETED"
        })
        .await;
    for path in [stop, go] {
        let reply = owner.send("POST", path, Some("csrf=x".to_owned()), &[]).await;
        assert_eq!(reply.status, 403, "{path}");
    }
}
