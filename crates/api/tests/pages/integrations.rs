//! Integrations as a browser without scripts connects, tries, changes and removes them, and the doctor.

use crate::browser::{Browser, Form, form_to, unescaped};
use crate::headers::sound;
use crate::support::{Api, Reply, jenkins_body};
use chrono::TimeDelta;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::health::{Called, Expiry, Health, LastCall, Quota};
use delivr_domain::ports::store::HealthOf;
use delivr_sandbox::{Running, Sandbox};
use serde_json::{Value, json};

const NEW: &str = "/integrations/ci-cd/new";

/// What the sandbox takes for its Jenkins.
async fn jenkins(api: &Api, sandbox: &Running) -> Value {
    let known = api.http.get(format!("{}/_credentials", sandbox.url()));
    let known: Value = known.send().await.unwrap().json().await.unwrap();
    known["jenkins"].clone()
}

/// The form, filled in with settings and credentials.
fn filled(mut form: Form, with: &Value) -> Form {
    for part in ["config", "credentials"] {
        for (name, value) in with[part].as_object().into_iter().flatten() {
            let field = format!("/{part}/{name}");
            form = match value.as_str() {
                Some(text) => form.with(&field, text),
                None if *value == Value::Bool(false) => form.without(&field),
                None => form.with(&field, &value.to_string()),
            };
        }
    }
    form
}

fn place(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{}", reply.text);
    &reply.headers["location"]
}

#[tokio::test]
async fn a_vendor_is_connected_tried_changed_and_removed() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "OWNER").await;
    let page = browser.page("/integrations").await;
    assert!(
        page.contains(NEW) && page.contains("None is connected."),
        "{page}"
    );
    let page = browser.page(NEW).await;
    for provider in ["jenkins", "github-actions"] {
        assert!(page.contains(&format!("?provider={provider}")), "{page}");
    }
    let page = browser.page(&format!("{NEW}?provider=jenkins")).await;
    assert!(
        page.contains("type=\"password\"") && page.contains("With its path prefix"),
        "{page}"
    );
    let known = jenkins(&api, &sandbox).await;
    let form = filled(form_to(&page, NEW), &known).with("/name", "our CI");
    let reply = browser.submit(&form).await;
    let shown = place(&reply).to_owned();
    let page = browser.page(&shown).await;
    assert!(
        page.contains("It is connected.") && page.contains("Works"),
        "{page}"
    );
    assert!(
        page.contains("read jobs") && page.contains("Builds are followed until they end."),
        "{page}"
    );
    let secret = known["credentials"]["apiToken"].as_str().unwrap();
    assert!(!page.contains(secret), "a secret is shown");
    let path = shown.split('?').next().unwrap().to_owned();
    // Tried again.
    let reply = browser.submit(&form_to(&page, &format!("{path}/verify"))).await;
    assert_eq!(place(&reply), format!("{path}?done=tried"));
    // A new name; the secrets stay.
    let edit = format!("{path}/edit");
    let page = browser.page(&edit).await;
    assert!(
        page.contains("left empty, it stays") && !page.contains(secret),
        "{page}"
    );
    let form = form_to(&page, &edit);
    assert_eq!(
        form.fields["/config/baseUrl"],
        known["config"]["baseUrl"].as_str().unwrap()
    );
    let reply = browser.submit(&form.clone().with("/name", "their CI")).await;
    assert_eq!(place(&reply), format!("{path}?done=saved"));
    let page = browser.page(&path).await;
    assert!(page.contains("their CI") && page.contains("Works"), "{page}");
    // Whoever saw an older state overwrites nothing.
    let reply = browser.submit(&form.with("/name", "my CI")).await;
    assert_eq!(reply.status, 412, "{}", reply.text);
    sound(&reply, "a lost race");
    let reply = browser.submit(&form_to(&reply.text, &edit)).await;
    assert_eq!(reply.status, 412, "nor does the form that is shown then");
    // Other things live below the same address.
    for other in ["/integrations/scm/providers", "/integrations/pipelines/x/edit"] {
        assert_eq!(browser.get(other).await.status, 404, "{other}");
    }
    // A wrong secret is told, and how it stands.
    let rotate = format!("{path}/secrets");
    let form = form_to(&browser.page(&rotate).await, &rotate).with("/credentials/apiToken", "wrong");
    let page = browser.page(place(&browser.submit(&form).await)).await;
    assert!(page.contains("Does not work"), "{page}");
    let form = form_to(&browser.page(&rotate).await, &rotate).with("/credentials/apiToken", secret);
    let page = browser.page(place(&browser.submit(&form).await)).await;
    assert!(page.contains("Works"), "{page}");
    // What is used stays, and says by what.
    let id = path.rsplit('/').next().unwrap();
    let pipeline =
        json!({"name": "nightly", "integrationId": id, "platform": "IOS", "purpose": "CUSTOM", "job": "j"});
    let pipeline = api.post("/integrations/pipelines", &pipeline).await.is(201);
    let remove = format!("{path}/remove");
    let page = browser.page(&remove).await;
    let user = format!(
        "the pipeline <a href=\"/pipelines/{}\">nightly</a>",
        pipeline["id"].as_str().unwrap()
    );
    assert!(
        page.contains(&user) && !page.contains("<button class=\"danger\""),
        "{page}"
    );
    let used = browser.page(&path).await;
    assert!(used.contains(&user), "{used}");
    let reply = browser.forge(&remove, &[]).await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    assert!(reply.text.contains("the pipeline nightly"), "{}", reply.text);
    let pipeline = pipeline["id"].as_str().unwrap();
    api.delete(&format!("/integrations/pipelines/{pipeline}"))
        .await
        .is(204);
    let page = browser.page(&remove).await;
    let reply = browser.submit(&form_to(&page, &remove)).await;
    assert_eq!(place(&reply), "/integrations?done=removed");
    assert_eq!(browser.get(&path).await.status, 404);
}

#[tokio::test]
async fn mistakes_stand_at_their_fields_and_nothing_is_saved() {
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "OWNER").await;
    let page = browser.page(&format!("{NEW}?provider=jenkins")).await;
    let form = form_to(&page, NEW).with("/credentials/apiToken", "s3cret-token");
    // Found by the page itself.
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    sound(&reply, "mistakes");
    assert!(
        reply.text.contains("href=\"#f-config-baseUrl\""),
        "{}",
        reply.text
    );
    assert!(
        reply.text.contains("2 things are to be put right"),
        "{}",
        reply.text
    );
    assert!(!reply.text.contains("s3cret-token"), "a secret comes back");
    // Found by the API.
    let form = form
        .with(
            "/config/baseUrl",
            "http://192.168.1.1/\"><script>alert(1)</script>",
        )
        .with("/credentials/username", "bot");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    sound(&reply, "what the API found");
    assert!(
        reply.text.contains("href=\"#f-config-baseUrl\"") && reply.text.contains("aria-invalid=\"true\"")
    );
    assert!(
        unescaped(&reply.text).contains("http://192.168.1.1/\"><script>alert(1)</script>"),
        "what was filled in stands there again"
    );
    assert_eq!(api.get("/integrations/ci-cd").await.is(200)["items"], json!([]));
    // A name that is taken is told in the summary.
    api.jenkins("Jenkins").await;
    let form = form.with("/config/baseUrl", "http://127.0.0.1:9/jenkins");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    // A vendor that does not answer: saved, and said so.
    let reply = browser.submit(&form.with("/name", "second")).await;
    let place = place(&reply).to_owned();
    assert!(place.ends_with("&silent=1"), "{place}");
    let page = browser.page(&place).await;
    assert!(
        page.contains("The vendor did not answer") && page.contains("Not tried yet"),
        "{page}"
    );
}

#[tokio::test]
async fn the_doctor_says_what_is_missing_and_tries_it() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "OWNER").await;
    let page = browser.page("/doctor").await;
    assert!(
        page.contains("Not ready yet") && page.contains("Connect a repository"),
        "{page}"
    );
    let known = jenkins(&api, &sandbox).await;
    let body = json!({
        "provider": "jenkins", "name": "ci", "config": known["config"], "credentials": known["credentials"],
    });
    let made = api.post("/integrations/ci-cd", &body).await.is(201);
    let pipeline = json!({
        "name": "nightly", "integrationId": made["id"], "platform": "IOS", "purpose": "CUSTOM", "job": "nightly",
        "parameters": {"FLAVOUR": "x"},
    });
    api.post("/integrations/pipelines", &pipeline).await.is(201);
    let declared = json!({"vendor": "jenkins", "action": "add_job", "job": "nightly", "kind": "plain",
        "parameters": ["DELIVR_KEY"]});
    sandbox.advance(&declared).unwrap();
    let page = browser.page("/doctor").await;
    assert!(
        page.contains("It was not tried since it was made or changed"),
        "{page}"
    );
    let reply = browser.submit(&form_to(&page, "/doctor")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    sound(&reply, "the doctor");
    for said in [
        "read jobs",
        "does not declare the parameter FLAVOUR",
        "CI systems drop parameters",
    ] {
        assert!(reply.text.contains(said), "{said}: {}", reply.text);
    }
    // It is not forgotten with the page, nor by another process, and says how old it is.
    let kept = browser.page("/doctor").await;
    for said in [
        "does not declare the parameter FLAVOUR",
        "The oldest of what was tried is from <time",
    ] {
        assert!(kept.contains(said), "{said}: {kept}");
    }
    assert!(!kept.contains("It was not tried since"), "{kept}");
    let stored = api.app.store.health(api.tenant.id).await.unwrap();
    assert_eq!(
        stored.values().map(|it| it.jobs.len()).sum::<usize>(),
        1,
        "{stored:?}"
    );
    // Of a pipeline that was changed since, nothing is known.
    let found = api.get("/integrations/pipelines").await.is(200);
    let id = found["items"][0]["id"].as_str().unwrap().to_owned();
    let form = form_to(
        &browser.page(&format!("/pipelines/{id}/edit")).await,
        &format!("/pipelines/{id}/edit"),
    );
    assert_eq!(browser.submit(&form.with("/name", "weekly")).await.status, 303);
    assert!(
        browser
            .page("/doctor")
            .await
            .contains("It was not tried since it was made or changed")
    );
    let verified = api
        .get(&format!("/integrations/ci-cd/{}", made["id"].as_str().unwrap()))
        .await;
    let verified = verified.is(200);
    assert_eq!(verified["verificationStatus"], "VALID", "what was tried is kept");
    // A form that is sent twice, by a finger that is too quick, examines once.
    let again = browser.submit(&form_to(&page, "/doctor")).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let path = format!("/integrations/ci-cd/{}", made["id"].as_str().unwrap());
    let tried = || async { api.get(&path).await.is(200)["verifiedAt"].clone() };
    assert_eq!(tried().await, verified["verifiedAt"]);
    let reply = browser.submit(&form_to(&again.text, "/doctor")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_ne!(tried().await, verified["verifiedAt"], "a new form examines anew");
}

#[tokio::test]
async fn only_who_may_changes_what_is_connected() {
    let api = Api::start().await;
    let id = api.jenkins("ci").await;
    let path = format!("/integrations/ci-cd/{id}");
    let member = Browser::signed_in(&api, "MEMBER").await;
    for path in [
        "/integrations",
        "/doctor",
        &path,
        NEW,
        &format!("{path}/edit"),
        &format!("{path}/remove"),
    ] {
        let reply = member.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        sound(&reply, path);
        assert!(
            reply.text.contains("This needs the role ADMIN; yours is MEMBER."),
            "{path}: {}",
            reply.text
        );
        assert!(
            !reply.text.contains(" action=\"/integrations"),
            "{path}: {}",
            reply.text
        );
    }
    let name = [
        ("/name", "mine"),
        ("provider", "jenkins"),
        ("/config/baseUrl", "http://127.0.0.1:9/"),
        ("/credentials/username", "u"),
        ("/credentials/apiToken", "t"),
    ];
    for (action, fields) in [
        (NEW.to_owned(), &name[..]),
        (format!("{path}/edit"), &name[..]),
        (format!("{path}/secrets"), &name[3..]),
        (format!("{path}/verify"), &name[..0]),
        (format!("{path}/remove"), &name[..0]),
        ("/doctor".to_owned(), &name[..0]),
    ] {
        let reply = member.forge(&action, fields).await;
        assert_eq!(reply.status, 403, "{action}: {}", reply.text);
        sound(&reply, &action);
    }
    // Another tenant's is not there, for whoever asks.
    let other = Browser::signed_in(&api, "OTHER").await;
    for part in ["", "/edit", "/secrets", "/remove"] {
        assert_eq!(other.get(&format!("{path}{part}")).await.status, 404, "{part}");
    }
    for part in ["edit", "secrets", "verify", "remove"] {
        assert_eq!(
            other.forge(&format!("{path}/{part}"), &name).await.status,
            404,
            "{part}"
        );
    }
    // A form without the session's secret is none.
    let owner = Browser::signed_in(&api, "OWNER").await;
    for part in ["edit", "secrets", "verify", "remove"] {
        let reply = owner
            .send("POST", &format!("{path}/{part}"), Some("csrf=x".to_owned()), &[])
            .await;
        assert_eq!(reply.status, 403, "{part}: {}", reply.text);
    }
    assert_eq!(api.get(&path).await.is(200)["version"], 1, "nothing was changed");
}

#[tokio::test]
async fn names_are_texts_wherever_they_stand() {
    let api = Api::start().await;
    let owner = Browser::signed_in(&api, "OWNER").await;
    let text = "<script>alert(1)</script>\"onmouseover=\"x";
    let mut body = jenkins_body(text);
    body["config"]["baseUrl"] = json!("http://127.0.0.1:9/a?\"><b>");
    api.post("/integrations/ci-cd", &body)
        .await
        .wrong_at("/config/baseUrl");
    body["config"]["baseUrl"] = json!("http://127.0.0.1:9/a");
    let made = api.post("/integrations/ci-cd", &body).await.is(201);
    let path = format!("/integrations/ci-cd/{}", made["id"].as_str().unwrap());
    for place in [
        "/integrations".to_owned(),
        "/doctor".to_owned(),
        path.clone(),
        format!("{path}/edit"),
        format!("{path}/secrets"),
        format!("{path}/remove"),
        format!("{path}?done=<script>&silent=<b>"),
    ] {
        let reply = owner.get(&place).await;
        assert_eq!(reply.status, 200, "{place}: {}", reply.text);
        sound(&reply, &place);
        assert!(unescaped(&reply.text).contains(text), "{place}");
    }
    for place in [
        "/integrations/%3Cscript%3E/new",
        "/integrations/nonsense/new",
        "/integrations/ci-cd/new?provider=x",
        "/integrations/ci-cd/..%2F..%2Fme",
    ] {
        let reply = owner.get(place).await;
        assert_eq!(reply.status, 404, "{place}: {}", reply.text);
        sound(&reply, place);
    }
}

#[tokio::test]
async fn what_calls_tell_is_shown_and_warned_of() {
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "VIEWER").await;
    let id = api.jenkins("our CI").await;
    let path = format!("/integrations/ci-cd/{id}");
    let page = browser.page(&path).await;
    assert!(
        page.contains("Nothing has been asked of the vendor yet."),
        "{page}"
    );
    let now = api.app.clock.now();
    let error = ProviderError::new(
        "jenkins",
        "start_run",
        ProviderErrorKind::Forbidden,
        "let it build",
    )
    .vendor("<script>alert(1)</script> is missing Job/Build");
    let refused = |at| Health::of(LastCall::failed(at, "start_run", Called::Refused, &error));
    let mut health = refused(now).merged(refused(now + TimeDelta::seconds(1)));
    health.expiry = Some(Expiry {
        at: Some(now + TimeDelta::days(3)),
        told_at: now,
    });
    let quota = Quota {
        limit: 5_000,
        remaining: 12,
        resets_at: Some(now + TimeDelta::minutes(20)),
        told_at: now,
    };
    health.quotas.insert("core".to_owned(), quota);
    let told = HealthOf {
        tenant: api.tenant.id,
        integration: id.parse().unwrap(),
        health,
    };
    api.app.store.add_health(&[told]).await.unwrap();
    let page = browser.page("/integrations").await;
    for mark in ["2 calls not answered", "Credential ends soon", "Few calls left"] {
        assert!(page.contains(mark), "{mark}: {page}");
    }
    let reply = browser.get(&path).await;
    sound(&reply, "an integration with warnings");
    let page = unescaped(&reply.text);
    for text in [
        "Its credential ends",
        "12 of 5000 calls are left",
        "Refused",
        "start run",
        "let it build",
        "is missing Job/Build",
        "2 calls, since",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!reply.text.contains("<script>alert"), "{}", reply.text);
}

#[tokio::test]
async fn changes_of_the_set_up_are_seen_narrowed_and_taken_away() {
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "VIEWER").await;
    let id = api.jenkins("=our<b>CI").await;
    api.put(&format!("/integrations/ci-cd/{id}"), &json!({"name": "their CI"}))
        .await
        .is(200);
    let page = browser.page("/activity").await;
    assert!(page.contains("href=\"/activity/setup\""), "{page}");
    let reply = browser.get("/activity/setup").await;
    sound(&reply, "changes of the set-up");
    let page = unescaped(&reply.text);
    assert!(page.contains("Changed the integration their CI: name"), "{page}");
    assert!(page.contains("=our<b>CI → their CI"), "{page}");
    assert!(!reply.text.contains("<b>CI"), "{}", reply.text);
    let page = browser.page("/activity/setup?about=TOKEN").await;
    assert!(
        !page.contains("their CI") && page.contains("Made the token"),
        "{page}"
    );
    let page = browser.page("/activity/setup?actor=nobody&since=yesterday").await;
    assert!(page.contains("Nothing fits"), "{page}");
    let file = browser
        .get("/activity/setup/export?as=json&about=INTEGRATION")
        .await;
    assert_eq!(file.status, 200, "{}", file.text);
    let rows: serde_json::Value = serde_json::from_str(&file.text).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(
        rows[0]["changes"][0],
        json!({"field": "name", "before": "=our<b>CI", "after": "their CI"})
    );
    let file = browser
        .get("/activity/setup/export?as=csv&about=INTEGRATION")
        .await;
    assert!(
        file.text
            .starts_with("number,at,actor,about,id,name,deed,summary,changes\r\n"),
        "{}",
        file.text
    );
    assert!(file.text.contains("\"'=our<b>CI\""), "no formula: {}", file.text);
    assert_eq!(browser.get("/activity/setup/export?as=pdf").await.status, 404);
}
