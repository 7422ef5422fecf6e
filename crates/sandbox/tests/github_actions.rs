//! Workflows and runs of the simulated GitHub, over HTTP, held against its published description.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod common;

use common::{Bench, Description, hmac_hex, receiver, tell_checked};
use reqwest::Method;
use serde_json::{Value, json};

const ACTIONS: &str = "/github/repos/acme/shop/actions";
const IOS: &str = "/workflows/ios-release.yml";

struct Hub {
    bench: Bench,
    token: String,
    description: Option<Description>,
}

impl Hub {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let offered = bench.credentials("github").await["actions"].clone();
        assert_eq!(offered["key"], "github-actions");
        let hub = Self {
            token: offered["credentials"]["token"].as_str().unwrap().to_owned(),
            description: Description::load("github.json"),
            bench,
        };
        hub.advance("hold_runs", json!({})).await;
        hub
    }

    /// Below `/actions`, in this version of the API.
    async fn ask(&self, version: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = if path.starts_with("/github") {
            path.to_owned()
        } else {
            format!("{ACTIONS}{path}")
        };
        let mut request = self
            .bench
            .request(method, &path)
            .bearer_auth(&self.token)
            .header("user-agent", "test")
            .header("x-github-api-version", version);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null);
        if status >= 400 {
            self.check("basic-error", &body);
        }
        (status, body)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("2022-11-28", Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("2022-11-28", Method::POST, path, Some(body)).await
    }

    async fn dispatch(&self, inputs: Value) -> u64 {
        let body = json!({"ref": "main", "inputs": inputs, "return_run_details": true});
        let (status, said) = self.post(&format!("{IOS}/dispatches"), body).await;
        assert_eq!(status, 200, "{said}");
        self.check("workflow-dispatch-response", &said);
        said["workflow_run_id"].as_u64().unwrap()
    }

    async fn run(&self, id: u64) -> Value {
        let run = self.get(&format!("/runs/{id}")).await;
        self.check("workflow-run", &run);
        run
    }

    async fn advance(&self, action: &str, mut args: Value) -> Value {
        args["vendor"] = json!("github");
        args["action"] = json!(action);
        self.bench.advance(args).await
    }

    /// Says how much was held against the description.
    fn report(&self) {
        tell_checked("github.json", self.description.as_ref());
    }

    fn check(&self, schema: &str, body: &Value) {
        if let Some(description) = &self.description {
            description.check(schema, body);
        }
    }
}

#[tokio::test]
async fn a_run_goes_from_its_dispatch_to_artifacts_that_expire() {
    let hub = Hub::start().await;
    let id = hub
        .dispatch(json!({"version": "1.4.0", "delivr_key": "k1"}))
        .await;
    let run = hub.run(id).await;
    assert_eq!(
        (&run["status"], &run["conclusion"]),
        (&json!("queued"), &Value::Null)
    );
    assert_eq!(run["display_title"], "iOS release 1.4.0 k1");
    assert_eq!((&run["run_number"], &run["run_attempt"]), (&json!(41), &json!(1)));
    hub.advance("start_runs", json!({"workflow": "ios-release.yml"}))
        .await;
    assert_eq!(hub.run(id).await["status"], "in_progress");
    hub.advance("finish_run", json!({"run": id})).await;
    let run = hub.run(id).await;
    assert_eq!(
        (&run["status"], &run["conclusion"]),
        (&json!("completed"), &json!("success"))
    );
    let jobs = hub.get(&format!("/runs/{id}/jobs")).await;
    hub.check("job", &jobs["jobs"][0]);
    let left = hub.get(&format!("/runs/{id}/artifacts")).await;
    assert_eq!(left["total_count"], 2);
    hub.check("artifact", &left["artifacts"][0]);
    let named = hub
        .get(&format!("/runs/{id}/artifacts?name=build-number-41"))
        .await;
    let zip = format!("/artifacts/{}/zip", named["artifacts"][0]["id"]);
    assert_eq!(hub.ask("2022-11-28", Method::GET, &zip, None).await.0, 302);
    hub.advance("expire_artifacts", json!({})).await;
    assert_eq!(hub.ask("2022-11-28", Method::GET, &zip, None).await.0, 410);
    // The build is in the store's hands.
    let builds = hub.bench.journal().await;
    assert_eq!(
        builds["effects"][0]["subject"],
        "ios-release.yml@main,version=1.4.0"
    );
    assert_eq!(builds["effects"][0]["key"], "k1");
    hub.report();
}

#[tokio::test]
async fn each_version_of_the_api_answers_a_dispatch_in_its_own_way() {
    let hub = Hub::start().await;
    let path = format!("{IOS}/dispatches");
    let (status, said) = hub.post(&path, json!({"ref": "main"})).await;
    assert_eq!((status, said), (204, Value::Null), "nobody asked");
    hub.advance("run_details", json!({"on": false})).await;
    let asked = json!({"ref": "refs/heads/main", "return_run_details": true});
    assert_eq!(hub.post(&path, asked.clone()).await.0, 204, "asked in vain");
    let newer = |body: Value| hub.ask("2026-03-10", Method::POST, &path, Some(body));
    let (status, said) = newer(json!({"ref": "main"})).await;
    assert_eq!(status, 200);
    hub.check("workflow-dispatch-response", &said);
    let (status, said) = newer(asked).await;
    assert_eq!(status, 422);
    assert!(said["message"].as_str().unwrap().contains("not a permitted key"));
    assert_eq!(hub.get("/runs").await["total_count"], 3);
    let (_, listed) = hub
        .ask(
            "2022-11-28",
            Method::GET,
            "/github/api/v3/repos/acme/shop/actions/runs",
            None,
        )
        .await;
    assert_eq!(listed["total_count"], 3, "an Enterprise Server has its own root");
    hub.report();
}

#[tokio::test]
async fn what_a_dispatch_lacks_is_refused_in_githubs_words() {
    let hub = Hub::start().await;
    let refused = async |file: &str, body: Value| {
        let (status, said) = hub.post(&format!("/workflows/{file}/dispatches"), body).await;
        (status, said["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused("none.yml", json!({"ref": "main"})).await.0, 404);
    for (file, body, words) in [
        (
            "ios-release.yml",
            json!({"ref": "nowhere"}),
            "No ref found for: nowhere",
        ),
        (
            "ios-release.yml",
            json!({"ref": "main", "inputs": {"x": "1"}}),
            "Unexpected inputs provided: [\"x\"]",
        ),
        (
            "ios-release.yml",
            json!({"ref": "main", "inputs": {"version": []}}),
            "is not a string",
        ),
        (
            "ios-release.yml",
            json!({"ref": "main", "inputs": {"version": "x".repeat(66_000)}}),
            "too large",
        ),
        (
            "checks.yml",
            json!({"ref": "main"}),
            "does not have 'workflow_dispatch' trigger",
        ),
    ] {
        let (status, said) = refused(file, body).await;
        assert!(status == 422 && said.contains(words), "{said}");
    }
    let many: serde_json::Map<String, Value> = (0..26).map(|n| (format!("i{n}"), json!("x"))).collect();
    assert!(
        refused("ios-release.yml", json!({"ref": "main", "inputs": many}))
            .await
            .1
            .contains("up to 25")
    );
    let inputs =
        json!([{"name": "lane", "type": "choice", "options": ["beta"]}, {"name": "v", "required": true}]);
    hub.advance(
        "add_workflow",
        json!({"workflow": "strict.yml", "inputs": inputs}),
    )
    .await;
    assert!(
        refused("strict.yml", json!({"ref": "main"}))
            .await
            .1
            .contains("Required input 'v'")
    );
    let wrong = json!({"ref": "main", "inputs": {"v": "1", "lane": "prod"}});
    assert!(
        refused("strict.yml", wrong)
            .await
            .1
            .contains("not in the list of allowed values")
    );
    hub.advance(
        "set_workflow_state",
        json!({"workflow": "strict.yml", "state": "disabled_manually"}),
    )
    .await;
    let right = json!({"ref": "main", "inputs": {"v": "1"}});
    assert!(refused("strict.yml", right).await.1.contains("disabled workflow"));
    assert_eq!(hub.get("/runs").await["total_count"], 0);
    hub.report();
}

#[tokio::test]
async fn lists_lag_filter_and_end_at_a_thousand() {
    let hub = Hub::start().await;
    hub.advance("run_lag", json!({"ms": 20_000})).await;
    let id = hub.dispatch(json!({"delivr_key": "k1"})).await;
    assert_eq!(hub.get(&format!("{IOS}/runs")).await["total_count"], 0);
    hub.run(id).await;
    hub.bench
        .advance(json!({"vendor": "*", "action": "time", "seconds": 21}))
        .await;
    let listed = hub.get(&format!("{IOS}/runs")).await;
    hub.check("workflow-run", &listed["workflow_runs"][0]);
    assert_eq!(listed["workflow_runs"][0]["id"], id);
    for (query, count) in [
        ("event=workflow_dispatch", 1),
        ("event=push", 0),
        ("branch=main&status=queued", 1),
        ("branch=other", 0),
        ("created=%3E%3D2026-01-01T00:00:00Z", 1),
        ("created=%3C2026-01-01", 0),
        ("created=2026-01-01..2026-01-02", 0),
    ] {
        assert_eq!(
            hub.get(&format!("/runs?{query}")).await["total_count"],
            count,
            "{query}"
        );
    }
    assert_eq!(
        hub.get("/workflows/5/runs").await["total_count"],
        0,
        "of another workflow"
    );
    hub.advance("run_lag", json!({"ms": 0})).await;
    hub.advance(
        "person_runs",
        json!({"workflow": "ios-release.yml", "count": 1004}),
    )
    .await;
    let last = hub
        .get("/runs?event=workflow_dispatch&per_page=100&page=10")
        .await;
    assert_eq!(
        (
            &last["total_count"],
            last["workflow_runs"].as_array().unwrap().len()
        ),
        (&json!(1005), 100)
    );
    let behind = hub
        .get("/runs?event=workflow_dispatch&per_page=100&page=11")
        .await;
    assert_eq!(behind["workflow_runs"], json!([]));
    hub.report();
}

#[tokio::test]
async fn runs_are_cancelled_once_and_run_again_under_their_id() {
    let hub = Hub::start().await;
    let id = hub.dispatch(json!({"version": "1"})).await;
    assert_eq!(
        hub.post(&format!("/runs/{id}/rerun"), json!({})).await.0,
        403,
        "it has not ended"
    );
    let (status, said) = hub.post(&format!("/runs/{id}/cancel"), json!({})).await;
    assert_eq!((status, said), (202, json!({})));
    assert_eq!(hub.run(id).await["conclusion"], "cancelled");
    assert_eq!(hub.post(&format!("/runs/{id}/cancel"), json!({})).await.0, 409);
    assert_eq!(hub.post(&format!("/runs/{id}/rerun"), json!({})).await.0, 201);
    let run = hub.run(id).await;
    assert_eq!(
        (&run["run_attempt"], &run["status"]),
        (&json!(2), &json!("queued"))
    );
    // The first one was spent, so the same dispatch is no duplicate; a third one is.
    hub.dispatch(json!({"version": "1"})).await;
    assert_eq!(hub.bench.duplicates().await, 0);
    hub.dispatch(json!({"version": "1", "delivr_key": "another"}))
        .await;
    assert_eq!(hub.bench.duplicates().await, 1);
    hub.report();
}

#[tokio::test]
async fn a_workflow_file_is_text_at_its_commit() {
    use base64::Engine as _;
    let hub = Hub::start().await;
    let path = "/github/repos/acme/shop/contents/.github/workflows/ios-release.yml";
    let text = async |query: &str| {
        let file = hub.get(&format!("{path}{query}")).await;
        let content: String = file["content"].as_str().unwrap().split('\n').collect();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(content).unwrap()).unwrap()
    };
    let now = text("").await;
    assert!(
        now.contains("run-name: \"iOS release ${{ inputs.version }} ${{ inputs.delivr_key }}\""),
        "{now}"
    );
    assert!(now.contains("      delivr_key:\n        type: string\n"), "{now}");
    hub.advance("push", json!({"branch": "topic"})).await;
    hub.advance(
        "add_workflow",
        json!({"workflow": "ios-release.yml", "ref": "topic", "text": "on: push\n"}),
    )
    .await;
    assert_eq!(text("?ref=topic").await, "on: push\n");
    assert_eq!(text("?ref=main").await, now);
    assert_eq!(
        hub.ask("2022-11-28", Method::GET, &format!("{path}?ref=none"), None)
            .await
            .0,
        404
    );
    let workflows = hub.get("/workflows").await;
    hub.check("workflow", &workflows["workflows"][0]);
    assert_eq!(hub.get(IOS).await["path"], ".github/workflows/ios-release.yml");
    hub.report();
}

#[tokio::test]
async fn each_move_of_a_run_is_told() {
    let hub = Hub::start().await;
    let (url, mut posted) = receiver().await;
    let body = json!({"vendor": "github", "url": url, "secret": "s3cret"});
    hub.bench.control("/_webhooks", body).await;
    let id = hub.dispatch(json!({"delivr_key": "k1"})).await;
    for (action, status) in [
        ("requested", "queued"),
        ("in_progress", "in_progress"),
        ("completed", "completed"),
    ] {
        match action {
            "in_progress" => drop(hub.advance("start_runs", json!({})).await),
            "completed" => drop(hub.advance("finish_run", json!({"run": id})).await),
            _ => {}
        }
        let (head, body) = posted.recv().await.unwrap();
        assert!(head.contains("x-github-event: workflow_run"), "{head}");
        assert!(head.contains(&format!("sha256={}", hmac_hex("s3cret", &body))));
        let told: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&told["action"], &told["workflow_run"]["status"]),
            (&json!(action), &json!(status))
        );
        assert_eq!(
            (&told["workflow_run"]["id"], &told["workflow"]["id"]),
            (&json!(id), &json!(1))
        );
    }
}
