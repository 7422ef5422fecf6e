//! Integrations: connected, shown without secrets, changed, verified, kept while they are used.

use crate::support::{Api, jenkins_body};
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::store::VerificationStatus;
use delivr_sandbox::Sandbox;
use serde_json::{Value, json};

#[tokio::test]
async fn providers_are_listed_with_their_forms() {
    let api = Api::start().await;
    for (category, provider) in [
        ("scm", "git"),
        ("ci-cd", "jenkins"),
        ("project-management", "jira"),
        ("communication", "slack"),
        ("test-management", "checkmate"),
        ("stores", "appstore"),
    ] {
        let listed = api
            .get(&format!("/integrations/{category}/providers"))
            .await
            .is(200);
        let items = listed["items"].as_array().unwrap();
        let found = items.iter().find(|it| it["provider"] == provider).unwrap();
        assert_eq!(found["category"], category);
        assert_eq!(found["configSchema"]["additionalProperties"], false);
        assert!(found["credentialsSchema"]["properties"].is_object());
        assert!(found["capabilities"].is_object());
    }
    api.get("/integrations/nonsense/providers")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let api = Api::on_sqlite().await;
    let made = api.post("/integrations/ci-cd", &jenkins_body("ci")).await;
    let mut texts = vec![made.text.clone()];
    let made = made.is(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["verificationStatus"], "PENDING");
    assert_eq!(
        made["credentials"]["apiToken"],
        json!({"set": true, "lastFour": "6789"})
    );
    assert_eq!(
        made["credentials"]["username"],
        json!({"set": true, "lastFour": null})
    );
    assert_eq!(
        made["webhookUrl"],
        format!("https://delivr.example/base/api/v1/webhooks/jenkins/{id}")
    );
    let path = format!("/integrations/ci-cd/{id}");
    texts.push(api.get(&path).await.text);
    texts.push(api.get("/integrations/ci-cd").await.text);
    texts.push(api.put(&path, &json!({"name": "renamed"})).await.text);
    texts.push(
        api.put(
            &path,
            &json!({"credentials": {"apiToken": "s3cret-other-token-987654321"}}),
        )
        .await
        .text,
    );
    // Secrets in the wrong place are not repeated by the refusal.
    for body in [
        json!({"credentials": "s3cret"}),
        json!({"credentials": {"apiToken": {"s": "s3cret"}}}),
        json!({"credentials": ["s3cret"]}),
        json!({"credentials": {"wrongName": "s3cret"}}),
        json!({"config": {"baseUrl": "http://127.0.0.1:9/"}, "credentials": {"webhookSecret": ["s3cret"]}}),
    ] {
        let refused = api.put(&path, &body).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        texts.push(refused.text);
    }
    for text in texts {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let stored = api.app.store.all_integrations().await.unwrap();
    let plain = format!("{stored:?}");
    assert!(!plain.contains("s3cret"));
}

#[tokio::test]
async fn wrong_integrations_are_refused_where_they_are_wrong() {
    let api = Api::start().await;
    let with = |place: &str, value: Value| {
        let mut body = jenkins_body("ci");
        let (parent, name) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    let without = |place: &str| {
        let mut body = jenkins_body("ci");
        let (parent, name) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(name);
        body
    };
    for (body, pointer) in [
        (without("/provider"), "/provider"),
        (without("/name"), "/name"),
        (without("/config/baseUrl"), "/config/baseUrl"),
        (without("/credentials/apiToken"), "/credentials/apiToken"),
        (with("/name", json!("")), "/name"),
        (with("/name", json!("x".repeat(101))), "/name"),
        (with("/name", json!(1)), "/name"),
        (with("/config", json!([])), "/config"),
        (with("/config/baseUrl", json!("nowhere")), "/config/baseUrl"),
        (
            with("/config/baseUrl", json!("http://192.168.1.1/")),
            "/config/baseUrl",
        ),
        (with("/config/baseUrl", json!(5)), "/config/baseUrl"),
        (with("/config/surprise", json!(5)), "/config/surprise"),
        (with("/credentials/surprise", json!("x")), "/credentials/surprise"),
        (with("/credentials/apiToken", json!(5)), "/credentials/apiToken"),
        (with("/surprise", json!(5)), "/surprise"),
    ] {
        let refused = api.post("/integrations/ci-cd", &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        refused.wrong_at(pointer);
    }
    api.post("/integrations/ci-cd", &with("/provider", json!("hudson")))
        .await
        .refused(422, "unknown_provider");
    assert_eq!(api.get("/integrations/ci-cd").await.is(200)["items"], json!([]));
    let id = api.jenkins("ci").await;
    api.post("/integrations/ci-cd", &jenkins_body("ci"))
        .await
        .refused(409, "duplicate");
    let path = format!("/integrations/ci-cd/{id}");
    api.put(&path, &json!({"provider": "git"}))
        .await
        .refused(422, "provider_is_fixed");
    api.put(&path, &json!({"config": {}}))
        .await
        .wrong_at("/config/baseUrl");
    api.put(&path, &json!({"credentials": {"apiToken": null}}))
        .await
        .wrong_at("/credentials/apiToken");
    api.of("OWNER", "PUT", &path)
        .header("if-match", "\"7\"")
        .json(&json!({"name": "x"}))
        .send()
        .await
        .refused(412, "stale_version");
    assert_eq!(
        api.get(&path).await.is(200)["version"],
        1,
        "nothing changed after a refusal"
    );
    // The id is of another category.
    api.get(&format!("/integrations/scm/{id}"))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn what_is_used_is_not_deleted() {
    let api = Api::on_sqlite().await;
    let ci = api.jenkins("ci").await;
    let pipeline = json!({
        "name": "ios build", "integrationId": ci, "platform": "IOS", "purpose": "TEST_FLIGHT_BUILD", "job": "ios",
    });
    let made = api.post("/integrations/pipelines", &pipeline).await.is(201);
    let path = format!("/integrations/ci-cd/{ci}");
    let refused = api.delete(&path).await.refused(409, "integration_in_use");
    assert!(
        refused["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("ios build")
    );
    api.delete(&format!(
        "/integrations/pipelines/{}",
        made["id"].as_str().unwrap()
    ))
    .await
    .is(204);
    api.delete(&path).await.is(204);
    api.get(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn verification_asks_the_vendor() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
    let api = Api::start().await;
    let known: Value = api
        .http
        .get(format!("{}/_credentials", sandbox.url()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let jenkins = &known["jenkins"];
    let body = json!({
        "provider": "jenkins", "name": "ci", "config": jenkins["config"], "credentials": jenkins["credentials"],
    });
    let made = api.post("/integrations/ci-cd", &body).await.is(201);
    let path = format!("/integrations/ci-cd/{}", made["id"].as_str().unwrap());
    let verified = api.post(&format!("{path}/verify"), &json!({})).await.is(200);
    assert_eq!(verified["verificationStatus"], "VALID", "{verified}");
    assert_eq!(verified["providerName"], "Jenkins", "{verified}");
    assert!(verified["verifiedAt"].is_string());
    api.of("MEMBER", "POST", &format!("{path}/verify"))
        .send()
        .await
        .refused(403, "role_too_low");

    // A pipeline's parameters are what the job declares.
    let pipeline = json!({
        "name": "p", "integrationId": made["id"], "platform": "IOS", "purpose": "CUSTOM", "job": "ios-build",
    });
    let declared = json!({"vendor": "jenkins", "action": "add_job", "job": "ios-build", "kind": "plain",
        "parameters": ["VERSION", "DELIVR_KEY"]});
    sandbox.advance(&declared).unwrap();
    let pipeline = api.post("/integrations/pipelines", &pipeline).await.is(201);
    assert_eq!(
        pipeline["parameters"],
        json!({"VERSION": "{version}", "BRANCH": "{branch}"})
    );
    let read = api
        .get(&format!(
            "/integrations/pipelines/{}/parameters",
            pipeline["id"].as_str().unwrap()
        ))
        .await
        .is(200);
    let version = read["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "VERSION");
    assert_eq!(version.unwrap()["value"], "{version}", "{read}");

    let path_of_test = format!(
        "/integrations/pipelines/{}/test",
        pipeline["id"].as_str().unwrap()
    );
    let tested = api.post(&path_of_test, &json!({})).await.is(200);
    assert_eq!(tested["usable"], false);
    assert!(tested["problems"].to_string().contains("BRANCH"), "{tested}");
    let declared = json!({"vendor": "jenkins", "action": "add_job", "job": "ios-build", "kind": "plain",
        "parameters": ["VERSION", "BRANCH", "DELIVR_KEY"]});
    sandbox.advance(&declared).unwrap();
    let tested = api.post(&path_of_test, &json!({})).await.is(200);
    assert_eq!(
        (&tested["usable"], &tested["problems"]),
        (&json!(true), &json!([]))
    );

    // A changed credential must prove itself anew, and a wrong one is said to be wrong.
    let changed = api
        .put(&path, &json!({"credentials": {"apiToken": "s3cret-wrong"}}))
        .await
        .is(200);
    assert_eq!(changed["verificationStatus"], "PENDING");
    let verified = api.post(&format!("{path}/verify"), &json!({})).await.is(200);
    assert_eq!(verified["verificationStatus"], "INVALID", "{verified}");
    assert!(!verified.to_string().contains("s3cret"));
    // The vendor is down: that says nothing about the credential, and what was known stays.
    let mut moved = json!({"config": {"baseUrl": "http://127.0.0.1:9/jenkins"}});
    moved["credentials"] = jenkins_body("x")["credentials"].clone();
    api.put(&path, &moved).await.is(200);
    let refused = api.post(&format!("{path}/verify"), &json!({})).await;
    refused.refused(502, "vendor_unavailable");
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let stored = api
        .app
        .store
        .integration(api.tenant.id, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.status, VerificationStatus::Pending);
}

#[tokio::test]
async fn secrets_are_not_taken_along_to_another_address() {
    let api = Api::start().await;
    let id = api.jenkins("ci").await;
    let path = format!("/integrations/ci-cd/{id}");
    let all = jenkins_body("x")["credentials"].clone();
    let mut some = all.clone();
    some.as_object_mut().unwrap().remove("apiToken");
    let elsewhere = |port: u16| json!({"baseUrl": format!("http://127.0.0.1:{port}/jenkins")});
    for body in [
        json!({"config": elsewhere(10)}),
        json!({"config": elsewhere(10), "credentials": {}}),
        json!({"config": elsewhere(10), "credentials": some}),
    ] {
        let refused = api.put(&path, &body).await.wrong_at("/credentials");
        assert!(refused.to_string().contains("apiToken"), "{refused}");
    }
    assert_eq!(api.get(&path).await.is(200)["config"], elsewhere(9));
    // Another path of the same address, or the same one with everything given again.
    let below = json!({"baseUrl": "http://127.0.0.1:9/elsewhere"});
    api.put(&path, &json!({"config": below})).await.is(200);
    api.put(&path, &json!({"config": elsewhere(10), "credentials": all}))
        .await
        .is(200);
}

#[tokio::test]
async fn what_was_changed_is_not_used_before_it_is_verified() {
    let api = Api::start().await;
    let id: IntegrationId = api.jenkins("ci").await.parse().unwrap();
    let app = &api.app;
    let open = || {
        app.connections
            .open(app.store.as_ref(), &app.registry, &app.vault, api.tenant.id, id)
    };
    // While it is set up, its pipelines may be looked at.
    assert!(open().await.is_ok());
    let mut stored = app.store.integration(api.tenant.id, id).await.unwrap().unwrap();
    stored.status = VerificationStatus::Valid;
    stored.verified_at = Some(app.clock.now());
    stored.version += 1;
    app.store.update_integration(&stored).await.unwrap();
    assert!(open().await.is_ok());
    // The connection that is open already does not outlive the change.
    let path = format!("/integrations/ci-cd/{id}");
    let body = json!({"credentials": {"apiToken": "s3cret-other"}});
    api.put(&path, &body).await.is(200);
    let refused = open().await.unwrap_err().to_string();
    assert!(refused.contains("not verified yet"), "{refused}");
    // A name alone changes nothing of it.
    let mut stored = app.store.integration(api.tenant.id, id).await.unwrap().unwrap();
    stored.status = VerificationStatus::Valid;
    stored.version += 1;
    app.store.update_integration(&stored).await.unwrap();
    api.put(&path, &json!({"name": "renamed"})).await.is(200);
    assert!(open().await.is_ok());
}

#[tokio::test]
async fn bodies_of_the_seed_are_understood() {
    let api = Api::start().await;
    let scm = json!({"scmType": "GITHUB", "repositoryUrl": "github.com/dream11/app", "accessToken": "s3cret-scm-token"});
    let made = api.post("/integrations/scm", &scm).await.is(201);
    assert!(made.to_string().contains("dream11"), "{made}");
    assert_eq!(made["verificationStatus"], "PENDING");
    let made = api
        .post(
            "/integrations/scm",
            &json!({"scmType": "GITLAB", "repositoryUrl": "gitlab.com/a/b", "accessToken": "s3cret"}),
        )
        .await
        .is(201);
    assert_eq!(
        (&made["provider"], &made["config"]["url"]),
        (&json!("git"), &json!("https://gitlab.com/a/b"))
    );
    let chat = json!({"communicationType": "SLACK", "slackBotToken": "s3cret-xoxb", "slackChannels": ["C123", "C456"]});
    let made = api.post("/integrations/communication", &chat).await.is(201);
    assert_eq!(made["config"]["channels"]["releases"], "C123");
    let tickets = json!({
        "ticketType": "JIRA", "jiraUrl": "dream11.atlassian.net", "jiraApiToken": "s3cret", "jiraProjectKey": "MOBILE",
        "jiraEmail": "bot@example.com",
    });
    let made = api.post("/integrations/tickets", &tickets).await.is(201);
    assert_eq!(made["config"]["baseUrl"], "https://dream11.atlassian.net");
    assert!(api.get("/integrations/tickets").await.text.contains("MOBILE"));

    for (path, body, pointer) in [
        (
            "scm",
            json!({"scmType": "CVS", "repositoryUrl": "x.example/a", "accessToken": "x"}),
            "/scmType",
        ),
        (
            "scm",
            json!({"scmType": "GITHUB", "accessToken": "x"}),
            "/repositoryUrl",
        ),
        (
            "tickets",
            json!({"ticketType": "JIRA", "jiraUrl": "x.example", "jiraFoo": "x"}),
            "/jiraFoo",
        ),
        (
            "targets",
            json!({"targetType": "APP_STORE", "appleApiKey": "x"}),
            "/config/bundleId",
        ),
        (
            "communication",
            json!({"communicationType": "SLACK", "slackChannels": 5}),
            "/slackChannels",
        ),
        ("tickets", json!({"ticketType": "TRELLO"}), "/ticketType"),
    ] {
        let refused = api.post(&format!("/integrations/{path}"), &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        let refused = refused.refused(400, "malformed_request");
        let found = refused["errors"][0]["pointer"].as_str().unwrap();
        assert!(
            found == pointer || pointer.starts_with("/config"),
            "{pointer}: {refused}"
        );
    }
}

#[tokio::test]
async fn stores_of_the_seed_are_understood() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
    let api = Api::start().await;
    let known = api
        .http
        .get(format!("{}/_credentials", sandbox.url()))
        .send()
        .await
        .unwrap();
    let known: Value = known.json().await.unwrap();
    let (apple, google) = (&known["appstore"], &known["playstore"]);
    let body = json!({
        "targetType": "APP_STORE", "appleApiKey": apple["credentials"]["privateKeyPem"],
        "appleKeyId": apple["config"]["keyId"], "appleIssuerId": apple["config"]["issuerId"],
        "appleBundleId": apple["config"]["bundleId"], "config": {"baseUrl": apple["config"]["baseUrl"]},
    });
    let made = api.post("/integrations/targets", &body).await.is(201);
    assert_eq!(
        (&made["provider"], &made["category"]),
        (&json!("appstore"), &json!("stores"))
    );
    let path = format!("/integrations/targets/{}/verify", made["id"].as_str().unwrap());
    assert_eq!(
        api.post(&path, &json!({})).await.is(200)["verificationStatus"],
        "VALID"
    );
    // A service account may come as the object that it is.
    let account = google["credentials"]["serviceAccountJson"].as_str().unwrap();
    let account: Value = serde_json::from_str(account).unwrap();
    let body = json!({
        "targetType": "PLAY_STORE", "googleServiceAccount": account, "name": "Play",
        "config": google["config"],
    });
    let made = api.post("/integrations/targets", &body).await.is(201);
    let path = format!("/integrations/stores/{}/verify", made["id"].as_str().unwrap());
    assert_eq!(
        api.post(&path, &json!({})).await.is(200)["verificationStatus"],
        "VALID"
    );
}

#[tokio::test]
async fn a_pipeline_of_the_seed_brings_its_ci_system_along() {
    let api = Api::start().await;
    let scm = json!({
        "provider": "git", "name": "app", "config": {"url": "https://git.example.com/app.git"},
        "credentials": {"username": "git", "password": "s3cret"},
    });
    let scm = api.post("/integrations/scm", &scm).await.is(201);
    let body = json!({
        "pipelineType": "JENKINS", "scmIntegrationId": scm["id"], "jenkinsUrl": "127.0.0.1:9/ci",
        "jenkinsUsername": "bot", "jenkinsApiToken": "s3cret", "jenkinsJobPath": "/job/ios-prod",
        "platform": "IOS", "purpose": "TEST_FLIGHT_BUILD",
    });
    // What is refused leaves nothing behind, not even the CI system that came along.
    for (name, value) in [
        ("platform", json!("AMIGA")),
        ("scmIntegrationId", json!("nonsense")),
        ("surprise", json!(1)),
    ] {
        let mut wrong = body.clone();
        wrong[name] = value;
        assert!([400, 422].contains(&api.post("/integrations/pipelines", &wrong).await.status));
    }
    assert_eq!(api.get("/integrations/ci-cd").await.is(200)["items"], json!([]));
    let made = api.post("/integrations/pipelines", &body).await.is(201);
    assert_eq!(
        (&made["job"], &made["scmIntegrationId"]),
        (&json!("/job/ios-prod"), &scm["id"])
    );
    let mut second = body.clone();
    second["name"] = json!("second");
    let second = api.post("/integrations/pipelines", &second).await.is(201);
    assert_eq!(
        made["integrationId"], second["integrationId"],
        "one CI system at one address"
    );
    assert_eq!(
        api.get("/integrations/ci-cd").await.is(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn pipelines_are_checked() {
    let api = Api::on_sqlite().await;
    let ci = api.jenkins("ci").await;
    let good = json!({
        "name": "p", "integrationId": ci, "platform": "ANDROID", "purpose": "AAB_BUILD", "job": "android",
        "parameters": {"VERSION": "{version}", "RAW": "{\"a\": 1}"},
    });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (name, value, pointer) in [
        ("name", json!(""), "/name"),
        ("name", json!("x".repeat(101)), "/name"),
        ("job", json!(""), "/job"),
        ("job", json!(7), "/job"),
        ("platform", json!("AMIGA"), "/platform"),
        ("purpose", json!("FUN"), "/purpose"),
        ("parameters", json!({"V": "{versoin}"}), "/parameters/V"),
        ("parameters", json!({"V": 5}), "/parameters/V"),
        ("surprise", json!(1), "/surprise"),
    ] {
        let refused = api.post("/integrations/pipelines", &with(name, value)).await;
        assert_eq!(refused.status, 400, "{name}: {}", refused.text);
        refused.wrong_at(pointer);
    }
    for (name, value) in [
        ("integrationId", json!("nonsense")),
        ("integrationId", json!("00000000-0000-4000-8000-000000000000")),
        ("scmIntegrationId", json!(ci)),
        ("storeIntegrationId", json!(ci)),
    ] {
        let refused = api.post("/integrations/pipelines", &with(name, value)).await;
        let refused = refused.refused(422, "unknown_reference");
        assert_eq!(refused["errors"][0]["pointer"], format!("/{name}"));
    }
    api.post("/integrations/pipelines", &with("platform", json!("IOS")))
        .await
        .refused(422, "purpose_mismatch");
    let made = api.post("/integrations/pipelines", &good).await.is(201);
    api.post("/integrations/pipelines", &good)
        .await
        .refused(409, "duplicate");
    let path = format!("/integrations/pipelines/{}", made["id"].as_str().unwrap());
    let changed = api.put(&path, &with("job", json!("other"))).await.is(200);
    assert_eq!(
        (&changed["job"], &changed["version"]),
        (&json!("other"), &json!(2))
    );
    api.of("OWNER", "PUT", &path)
        .header("if-match", "\"1\"")
        .json(&good)
        .send()
        .await
        .refused(412, "stale_version");
    assert_eq!(api.get(&path).await.is(200), changed);
    // The vendor is not there: named as its trouble, not ours.
    api.get(&format!("{path}/parameters"))
        .await
        .refused(502, "vendor_unavailable");
}

#[tokio::test]
async fn profiles_are_kept_in_revisions() {
    let api = Api::on_sqlite().await;
    let service = api.service("shop").await;
    let body =
        json!({"name": "default", "serviceId": service, "settings": {"testing": {"passThreshold": 90}}});
    let made = api.post("/profiles", &body).await.is(201);
    assert_eq!(
        (&made["revision"], &made["settings"]["testing"]["passThreshold"]),
        (&json!(1), &json!(90))
    );
    let path = format!("/profiles/{}", made["id"].as_str().unwrap());
    let revised = api
        .put(
            &path,
            &json!({"serviceId": service, "settings": {"automation": false}}),
        )
        .await;
    assert_eq!(revised.headers["etag"], "\"2\"");
    let revised = revised.is(200);
    assert_eq!(
        (&revised["revision"], &revised["settings"]["automation"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(api.get(&path).await.is(200), revised);
    assert_eq!(api.get(&format!("{path}?revision=1")).await.is(200), made);
    api.get(&format!("{path}?revision=3"))
        .await
        .refused(404, "not_found");
    api.get(&format!("{path}?revision=x"))
        .await
        .refused(400, "malformed_request");
    api.of("OWNER", "PUT", &path)
        .header("if-match", "\"1\"")
        .json(&json!({"settings": {}}))
        .send()
        .await
        .refused(412, "stale_version");
    api.put(&path, &json!({"name": "other", "settings": {}}))
        .await
        .refused(422, "name_is_fixed");
    api.post("/profiles", &json!({"name": "default"}))
        .await
        .refused(409, "duplicate");
    assert_eq!(api.get("/profiles").await.is(200)["items"], json!([revised]));

    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({"name": "x", "settings": 5}), "/settings"),
        (
            json!({"name": "x", "settings": {"surprise": 1}}),
            "/settings/surprise",
        ),
        (
            json!({"name": "x", "settings": {"testing": {"passThreshold": 101}}}),
            "/settings/testing/passThreshold",
        ),
        (
            json!({"name": "x", "settings": {"scm": {"baseBranch": "a..b"}}}),
            "/settings/scm/baseBranch",
        ),
        (json!({"name": "x", "surprise": 1}), "/surprise"),
    ] {
        let refused = api.post("/profiles", &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        refused.wrong_at(pointer);
    }
    api.post("/profiles", &json!({"name": "x", "serviceId": "nonsense"}))
        .await
        .refused(422, "unknown_reference");
}
