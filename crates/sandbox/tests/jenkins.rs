//! The simulated Jenkins and the sandbox's own routes, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod common;

use common::{Bench, check, hmac_hex, json_of, receiver};
use reqwest::{Method, Response};
use serde_json::{Value, json};

impl Bench {
    async fn jenkins(&self, method: Method, path: &str) -> Response {
        let path = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("/jenkins{path}")
        };
        self.request(method, &path)
            .basic_auth("delivr", Some("sandbox-token"))
            .send()
            .await
            .unwrap()
    }

    async fn read(&self, path: &str) -> Value {
        let answer = self.jenkins(Method::GET, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        json_of(answer).await
    }

    fn build(&self, job: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        self.request(
            Method::POST,
            &format!("/jenkins/job/{job}/buildWithParameters?delay=0sec"),
        )
        .basic_auth("delivr", Some("sandbox-token"))
        .form(form)
    }

    /// Triggers and returns the status and the queue item's URL.
    async fn trigger(&self, job: &str, form: &[(&str, &str)]) -> (u16, String) {
        let answer = self.build(job, form).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), location)
    }
}

fn schema(name: &str) -> Value {
    let mut schema: Value = serde_json::from_str(include_str!("../schemas/jenkins.json")).unwrap();
    schema["$ref"] = json!(format!("#/components/schemas/{name}"));
    schema
}

#[tokio::test]
async fn a_person_sees_a_page_where_a_program_needs_a_credential() {
    let bench = Bench::start().await;
    bench
        .advance(json!({"vendor": "jenkins", "action": "hold_queue"}))
        .await;
    let form = [
        ("VERSION", "<b>1.2.0</b>"),
        ("BRANCH", "main"),
        ("DELIVR_KEY", "k1"),
    ];
    let (_, item) = bench.trigger("ios-prod", &form).await;
    let look = async |path: &str| {
        let asked = bench.request(Method::GET, path).header("accept", "text/html,*/*");
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, page) = look(&item).await;
    assert!(status == 200 && page.contains("waiting in the queue"), "{page}");
    bench
        .advance(json!({"vendor": "jenkins", "action": "start", "job": "ios-prod"}))
        .await;
    // The item's address leads to its build from then on.
    let (status, page) = look(&item).await;
    assert!(status == 200 && page.contains("ios-prod #"), "{page}");
    assert!(
        page.contains("&lt;b&gt;1.2.0&lt;/b&gt;") && !page.contains("<b>"),
        "{page}"
    );
    assert_ne!(look("/jenkins/job/ios-prod/9999/").await.0, 200);
    assert_ne!(look("/jira/browse/REL-9999").await.0, 200);
    assert_ne!(look("/checkmate/project/1/run/9999").await.0, 200);
    // Who wants no page is asked for a credential, as ever.
    let asked = bench.request(Method::GET, &item).send().await.unwrap();
    assert_eq!(asked.status(), 403);
}

#[tokio::test]
async fn a_build_goes_from_the_queue_to_an_artifact() {
    let bench = Bench::start().await;
    bench
        .advance(json!({"vendor": "jenkins", "action": "hold_queue"}))
        .await;
    let form = [
        ("VERSION", "1.2.0"),
        ("BRANCH", "release/1.2.0"),
        ("DELIVR_KEY", "k1"),
        ("UNDECLARED", "x"),
    ];
    let (status, location) = bench.trigger("ios-prod", &form).await;
    assert_eq!(status, 201);
    let item = bench.read(&format!("{location}api/json")).await;
    assert_eq!(item["_class"], "hudson.model.Queue$BuildableItem");
    check(&schema("queueItem"), "queueItem", &item);
    assert_eq!(
        bench.trigger("ios-prod", &form).await,
        (303, location.clone()),
        "equal requests are folded"
    );
    let queue = bench.read("/queue/api/json?tree=items[id]").await;
    check(&schema("queue"), "queue", &queue);
    assert_eq!(queue["items"].as_array().unwrap().len(), 1);

    bench
        .advance(json!({"vendor": "jenkins", "action": "start", "job": "ios-prod"}))
        .await;
    let item = bench.read(&format!("{location}api/json")).await;
    check(&schema("queueItem"), "queueItem", &item);
    assert_eq!(item["executable"]["number"], 41);
    let url = item["executable"]["url"].as_str().unwrap().to_owned();
    let build = bench.read(&format!("{url}api/json")).await;
    assert_eq!(
        (build["building"].clone(), build["result"].clone()),
        (json!(true), Value::Null)
    );

    bench
        .advance(json!({"vendor": "jenkins", "action": "finish", "job": "ios-prod", "number": 41}))
        .await;
    let build = bench.read(&format!("{url}api/json")).await;
    check(&schema("build"), "build", &build);
    assert_eq!(build["result"], "SUCCESS");
    assert_eq!(build["queueId"], item["id"]);
    assert_eq!(
        build["actions"][1]["lastBuiltRevision"]["SHA1"]
            .as_str()
            .unwrap()
            .len(),
        40
    );
    assert!(!build["actions"][0].to_string().contains("UNDECLARED"));
    let path = build["artifacts"][0]["relativePath"].as_str().unwrap();
    assert_eq!(path, "out/ios-prod-1.2.0-41.ipa");
    assert_eq!(
        bench
            .jenkins(Method::GET, &format!("{url}artifact/{path}"))
            .await
            .status(),
        200
    );
    assert_eq!(
        bench.read(&format!("{url}artifact/out/build.json")).await["buildNumber"],
        "41"
    );

    let job = bench
        .read("/job/ios-prod/api/json?tree=builds[number]{0,100}")
        .await;
    check(&schema("job"), "job", &job);
    assert_eq!(job["builds"][0]["number"], 41);
    let journal = bench.journal().await;
    assert_eq!(
        journal["effects"][0]["subject"],
        "ios-prod,VERSION=1.2.0,BRANCH=release/1.2.0"
    );
    assert_eq!(journal["effects"][0]["key"], "k1");
}

#[tokio::test]
async fn a_planted_duplicate_is_seen_whatever_its_key_and_a_rerun_after_failure_is_not_one() {
    let bench = Bench::start().await;
    let trigger = async |key: &str| {
        bench
            .trigger(
                "android-regression",
                &[
                    ("VERSION", "1"),
                    ("BRANCH", "r"),
                    ("CYCLE", "1"),
                    ("DELIVR_KEY", key),
                ],
            )
            .await
    };
    trigger("a").await;
    bench
        .advance(json!({"vendor": "jenkins", "action": "finish", "result": "FAILURE"}))
        .await;
    trigger("b").await;
    assert_eq!(bench.duplicates().await, 0, "the first failed");
    trigger("c").await;
    assert_eq!(bench.duplicates().await, 1, "another key does not hide it");
    assert_eq!(bench.journal().await["duplicates"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_are_those_of_jenkins() {
    let bench = Bench::start().await;
    let anonymous = bench
        .request(Method::GET, "/jenkins/me/api/json")
        .send()
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 404);
    let anonymous = bench
        .request(Method::GET, "/jenkins/api/json")
        .send()
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 403);
    let wrong = bench
        .request(Method::GET, "/jenkins/me/api/json")
        .basic_auth("delivr", Some("no"))
        .send()
        .await;
    assert_eq!(wrong.unwrap().status(), 401);
    let me = bench.jenkins(Method::GET, "/me/api/json").await;
    assert_eq!(me.headers()["x-jenkins"], "2.528.1");
    let jobs = bench.read("/api/json?tree=jobs[name,url]").await;
    assert!(jobs["jobs"].to_string().contains("mobile/nightly"));
    assert_eq!(
        bench
            .jenkins(Method::GET, "/job/mobile/job/nightly/api/json")
            .await
            .status(),
        200
    );
    assert_eq!(
        bench.jenkins(Method::GET, "/job/none/api/json").await.status(),
        404
    );
    let plain = bench
        .jenkins(Method::POST, "/job/unparameterized/buildWithParameters")
        .await;
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("is not parameterized"));
    assert_eq!(
        bench
            .jenkins(Method::POST, "/job/unparameterized/build")
            .await
            .status(),
        201
    );
    bench
        .advance(json!({"vendor": "jenkins", "action": "set_buildable", "job": "no-key", "on": false}))
        .await;
    assert_eq!(bench.build("no-key", &[]).send().await.unwrap().status(), 409);

    bench
        .advance(json!({"vendor": "jenkins", "action": "remove_permission"}))
        .await;
    assert_eq!(bench.build("ios-prod", &[]).send().await.unwrap().status(), 403);
    assert_eq!(bench.jenkins(Method::GET, "/me/api/json").await.status(), 200);
    bench
        .advance(json!({"vendor": "jenkins", "action": "revoke_credentials"}))
        .await;
    assert_eq!(bench.jenkins(Method::GET, "/me/api/json").await.status(), 401);
    bench
        .advance(json!({"vendor": "*", "action": "restore_credentials"}))
        .await;
    assert_eq!(bench.jenkins(Method::GET, "/me/api/json").await.status(), 200);
}

#[tokio::test]
async fn a_password_needs_a_crumb() {
    let bench = Bench::start().await;
    let post = || {
        let path = "/jenkins/job/unparameterized/build";
        bench
            .request(Method::POST, path)
            .basic_auth("delivr", Some("sandbox-password"))
    };
    assert_eq!(post().send().await.unwrap().status(), 403);
    let crumb = bench.read("/crumbIssuer/api/json").await;
    let field = crumb["crumbRequestField"].as_str().unwrap();
    let with = post()
        .header(field, crumb["crumb"].as_str().unwrap())
        .header("cookie", "JSESSIONID=sandbox");
    assert_eq!(with.send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn stopping_and_cancelling_are_effects_that_free_the_subject() {
    let bench = Bench::start().await;
    bench
        .advance(json!({"vendor": "jenkins", "action": "hold_queue"}))
        .await;
    let (_, location) = bench.trigger("automation", &[("VERSION", "1")]).await;
    let id = location
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let cancel = format!("/queue/cancelItem?id={id}");
    assert_eq!(bench.jenkins(Method::POST, &cancel).await.status(), 204);
    assert_eq!(bench.jenkins(Method::POST, &cancel).await.status(), 404);
    let item = bench.read(&format!("{location}api/json")).await;
    assert_eq!(item["cancelled"], true);
    bench.trigger("automation", &[("VERSION", "1")]).await;
    bench
        .advance(json!({"vendor": "jenkins", "action": "start"}))
        .await;
    assert_eq!(
        bench
            .jenkins(Method::POST, "/job/automation/1/stop")
            .await
            .status(),
        302
    );
    let build = bench.read("/job/automation/1/api/json").await;
    assert_eq!(
        (build["result"].clone(), build["building"].clone()),
        (json!("ABORTED"), json!(false))
    );
    bench.trigger("automation", &[("VERSION", "1")]).await;
    assert_eq!(bench.duplicates().await, 0);
    bench
        .advance(json!({"vendor": "jenkins", "action": "forget_queue"}))
        .await;
    assert_eq!(
        bench
            .jenkins(Method::GET, &format!("{location}api/json"))
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn faults_hit_before_or_after_the_effect() {
    let bench = Bench::start().await;
    let effects = async || bench.journal().await["effects"].as_array().unwrap().len();
    let trigger = async |version: &str| bench.build("automation", &[("VERSION", version)]).send().await;
    let fault = |fault: &str| json!({"vendor": "jenkins", "operation": "trigger", "fault": fault});

    bench.fault(fault("response_lost")).await;
    assert!(trigger("1").await.is_err());
    assert_eq!(effects().await, 1, "performed, only the answer was lost");
    bench.fault(fault("reset")).await;
    assert!(trigger("2").await.is_err());
    assert_eq!(effects().await, 1);
    bench.fault(fault("status_after")).await;
    assert_eq!(trigger("3").await.unwrap().status(), 500);
    assert_eq!(effects().await, 2);
    bench.fault(json!({"vendor": "jenkins", "method": "POST", "pathContains": "automation", "fault": "status_before",
        "status": 502})).await;
    assert_eq!(trigger("4").await.unwrap().status(), 502);
    bench
        .fault(json!({"vendor": "*", "fault": "throttle", "retryAfter": 7}))
        .await;
    let throttled = trigger("4").await.unwrap();
    assert_eq!(
        (
            throttled.status().as_u16(),
            throttled.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    bench
        .fault(json!({"vendor": "jenkins", "fault": "redirect", "location": "http://example.com/x"}))
        .await;
    assert_eq!(
        trigger("4").await.unwrap().headers()["location"],
        "http://example.com/x"
    );
    bench.fault(fault("html")).await;
    assert!(
        trigger("4")
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("<html>")
    );
    assert_eq!(effects().await, 2);

    bench
        .fault(json!({"vendor": "jenkins", "operation": "me", "fault": "slow_body", "delayMs": 300}))
        .await;
    let before = std::time::Instant::now();
    assert_eq!(bench.read("/me/api/json").await["id"], "delivr");
    assert!(before.elapsed().as_millis() >= 300);
    bench
        .fault(json!({"vendor": "jenkins", "operation": "me", "fault": "huge"}))
        .await;
    assert_eq!(
        bench
            .jenkins(Method::GET, "/me/api/json")
            .await
            .bytes()
            .await
            .unwrap()
            .len(),
        104_857_600
    );

    bench
        .fault(
            json!({"vendor": "jenkins", "operation": "me", "fault": "status_before", "skip": 1, "times": 2}),
        )
        .await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(bench.jenkins(Method::GET, "/me/api/json").await.status().as_u16());
    }
    assert_eq!(seen, [200, 503, 503, 200]);
    bench.fault(fault("reset")).await;
    bench.request(Method::DELETE, "/_faults").send().await.unwrap();
    assert_eq!(trigger("5").await.unwrap().status(), 201);
    let bad = bench
        .request(Method::POST, "/_faults")
        .json(&json!({"vendor": "jenkins", "fault": "nonsense"}));
    assert_eq!(bad.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn webhooks_carry_token_and_signature() {
    let bench = Bench::start().await;
    let (url, mut posts) = receiver().await;
    bench
        .control(
            "/_webhooks",
            json!({"vendor": "jenkins", "url": url, "secret": "s3cret"}),
        )
        .await;
    bench
        .trigger("ios-prod", &[("VERSION", "1.0"), ("DELIVR_KEY", "k")])
        .await;
    bench
        .advance(json!({"vendor": "jenkins", "action": "finish"}))
        .await;
    let started = posts.recv().await.unwrap();
    assert!(String::from_utf8_lossy(&started.1).contains("STARTED"));
    let (head, body) = posts.recv().await.unwrap();
    assert!(head.contains("x-delivr-token: s3cret"));
    assert!(head.contains(&format!(
        "x-delivr-signature: sha256={}",
        hmac_hex("s3cret", &body)
    )));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (body["buildNumber"].clone(), body["status"].clone()),
        (json!(41), json!("SUCCESS"))
    );
    assert!(body["artifactUrl"].as_str().unwrap().ends_with(".ipa"));
}

#[tokio::test]
async fn auto_mode_needs_no_hands_and_reset_forgets() {
    let bench = Bench::start().await;
    bench
        .advance(json!({"vendor": "*", "action": "auto", "on": true, "afterMs": 10}))
        .await;
    bench.trigger("ios-regression", &[("VERSION", "1")]).await;
    let mut result = Value::Null;
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..100 {
        looks.tick().await;
        let job = bench.read("/job/ios-regression/api/json").await;
        result = job["builds"][0]["result"].clone();
        if result == "SUCCESS" {
            break;
        }
    }
    assert_eq!(result, "SUCCESS");
    bench.request(Method::POST, "/_reset").send().await.unwrap();
    assert_eq!(bench.journal().await["effects"], json!([]));
    assert_eq!(
        bench.read("/job/ios-regression/api/json").await["builds"],
        json!([])
    );
    let credentials = bench.credentials("jenkins").await;
    assert_eq!(credentials["config"]["baseUrl"], bench.url("/jenkins"));
    bench.running.stop().await;
}

#[tokio::test]
async fn added_jobs_have_their_own_parameters_and_choices() {
    let bench = Bench::start().await;
    bench
        .advance(
            json!({"vendor": "jenkins", "action": "add_job", "job": "a/b/deploy", "kind": "plain",
        "parameters": ["ENV", "DELIVR_KEY"], "identifiedBy": ["ENV"], "choices": {"ENV": ["qa", "live"]}}),
        )
        .await;
    let path = "a/job/b/job/deploy";
    assert_eq!(
        bench
            .build(path, &[("ENV", "mars")])
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
    assert_eq!(
        bench.trigger(path, &[("ENV", "qa"), ("DELIVR_KEY", "1")]).await.0,
        201
    );
    assert_eq!(
        bench.trigger(path, &[("ENV", "qa"), ("DELIVR_KEY", "2")]).await.0,
        201
    );
    assert_eq!(bench.duplicates().await, 1);
}
