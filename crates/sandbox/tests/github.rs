//! The simulated GitHub, over HTTP, held against its published description.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod common;

use common::{Bench, Description, Signer, hmac_hex, jwt, now, receiver, tell_checked};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

const REPO: &str = "/github/repos/acme/shop";

struct Hub {
    bench: Bench,
    token: String,
    description: Option<Description>,
}

impl Hub {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let credentials = bench.credentials("github").await;
        Self {
            token: credentials["credentials"]["token"].as_str().unwrap().to_owned(),
            description: Description::load("github.json"),
            bench,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value, HeaderMap) {
        self.send_as(&self.token, method, path, body).await
    }

    async fn send_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value, HeaderMap) {
        let path = if path.starts_with("http") || path.starts_with("/github") {
            path.to_owned()
        } else {
            format!("{REPO}{path}")
        };
        let mut request = self
            .bench
            .request(method, &path)
            .bearer_auth(token)
            .header("user-agent", "test");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if let (400.., Some(description)) = (status, &self.description) {
            let schema = if body["errors"].is_array() {
                "validation-error"
            } else {
                "basic-error"
            };
            description.check(schema, &body);
        }
        (status, body, headers)
    }

    async fn get(&self, path: &str, schema: &str) -> Value {
        let (status, body, _) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        self.check(schema, &body);
        body
    }

    async fn write(&self, method: Method, path: &str, body: Value, status: u16, schema: &str) -> Value {
        let (given, answer, _) = self.send(method, path, Some(body)).await;
        assert_eq!(given, status, "{path}: {answer}");
        self.check(schema, &answer);
        answer
    }

    fn check(&self, schema: &str, body: &Value) {
        let Some(description) = self.description.as_ref().filter(|_| !schema.is_empty()) else {
            return;
        };
        match (schema.strip_prefix('*'), body) {
            (Some(one), Value::Array(list)) => list.iter().for_each(|body| description.check(one, body)),
            _ => description.check(schema, body),
        }
    }

    async fn advance(&self, action: &str, mut args: Value) -> Value {
        args["vendor"] = json!("github");
        args["action"] = json!(action);
        self.bench.advance(args).await
    }

    async fn main(&self) -> String {
        let head = self.get("/git/ref/heads/main", "git-ref").await;
        head["object"]["sha"].as_str().unwrap().to_owned()
    }

    /// Says how much was held against the description.
    fn report(&self) {
        tell_checked("github.json", self.description.as_ref());
    }
}

fn message(body: &Value) -> &str {
    body["message"].as_str().unwrap()
}

#[tokio::test]
async fn refs_are_made_once_moved_forward_and_deleted() {
    let hub = Hub::start().await;
    let sha = hub.main().await;
    let new = json!({"ref": "refs/heads/release/1.1", "sha": sha});
    let made = hub
        .write(Method::POST, "/git/refs", new.clone(), 201, "git-ref")
        .await;
    assert_eq!(made["object"]["type"], "commit");
    let (status, body, _) = hub.send(Method::POST, "/git/refs", Some(new)).await;
    assert_eq!((status, message(&body)), (422, "Reference already exists"));
    let inside = json!({"ref": "refs/heads/release", "sha": sha});
    let (_, body, _) = hub.send(Method::POST, "/git/refs", Some(inside)).await;
    assert_eq!(message(&body), "Reference update failed");
    let lost = json!({"ref": "refs/heads/x", "sha": "0".repeat(40)});
    let (_, body, _) = hub.send(Method::POST, "/git/refs", Some(lost)).await;
    assert_eq!(message(&body), "Object does not exist");
    let pushed = hub.advance("push", json!({"branch": "release/1.1"})).await;
    let head = hub.get("/git/ref/heads/release/1.1", "git-ref").await;
    assert_eq!(head["object"]["sha"], pushed["sha"]);
    let back = json!({"sha": sha});
    let (status, body, _) = hub
        .send(Method::PATCH, "/git/refs/heads/release/1.1", Some(back))
        .await;
    assert_eq!((status, message(&body)), (422, "Update is not a fast forward"));
    let list = hub.get("/git/matching-refs/heads/release/", "*git-ref").await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        hub.get("/branches", "*short-branch")
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let (status, _, _) = hub
        .send(Method::DELETE, "/git/refs/heads/release/1.1", None)
        .await;
    assert_eq!(status, 204);
    let (status, body, _) = hub
        .send(Method::DELETE, "/git/refs/heads/release/1.1", None)
        .await;
    assert_eq!((status, message(&body)), (422, "Reference does not exist"));
    hub.advance("protect", json!({"ref": "refs/tags/v9"})).await;
    let held = json!({"ref": "refs/tags/v9", "sha": sha});
    let (_, body, _) = hub.send(Method::POST, "/git/refs", Some(held)).await;
    assert!(message(&body).contains("rule violations"));
    assert_eq!(hub.bench.duplicates().await, 0);
    hub.report();
}

#[tokio::test]
async fn annotated_tags_are_objects_of_their_own_and_equal_ones_are_the_same() {
    let hub = Hub::start().await;
    let sha = hub.main().await;
    let tagger = json!({"name": "Delivr", "email": "delivr@example.com", "date": "2026-11-21T08:00:00Z"});
    let new = json!({"tag": "v1.1.0", "message": "1.1.0", "object": sha, "type": "commit", "tagger": tagger});
    let one = hub
        .write(Method::POST, "/git/tags", new.clone(), 201, "git-tag")
        .await;
    let two = hub.write(Method::POST, "/git/tags", new, 201, "git-tag").await;
    assert_eq!(one["sha"], two["sha"]);
    let name = json!({"ref": "refs/tags/v1.1.0", "sha": one["sha"]});
    let made = hub.write(Method::POST, "/git/refs", name, 201, "git-ref").await;
    assert_eq!(made["object"]["type"], "tag");
    let path = format!("/git/tags/{}", one["sha"].as_str().unwrap());
    assert_eq!(hub.get(&path, "git-tag").await["object"]["sha"], sha);
    let journal = hub.bench.journal().await;
    assert_eq!(journal["effects"].as_array().unwrap().len(), 2);
    // Pipelines of other vendors see the commit behind the tag.
    let form = [("TAG", "v1.1.0")];
    let trigger = hub
        .bench
        .request(Method::POST, "/jenkins/job/android-prod/buildWithParameters");
    let trigger = trigger.basic_auth("delivr", Some("sandbox-token")).form(&form);
    assert_eq!(trigger.send().await.unwrap().status().as_u16(), 201);
    hub.report();
}

#[tokio::test]
async fn comparisons_come_in_pages_oldest_first() {
    let hub = Hub::start().await;
    hub.advance("push", json!({"branch": "topic", "count": 120}))
        .await;
    let whole = hub.get("/compare/main...topic", "commit-comparison").await;
    assert_eq!(whole["total_commits"], 120);
    assert_eq!(whole["commits"].as_array().unwrap().len(), 120);
    let (_, first, headers) = hub
        .send(Method::GET, "/compare/main...topic?per_page=100&page=1", None)
        .await;
    assert_eq!(
        first["commits"][0]["commit"]["message"], "Change 1 of topic",
        "{first}"
    );
    let link = headers["link"].to_str().unwrap();
    let next = link.split(['<', '>']).nth(1).unwrap();
    assert!(link.contains("rel=\"next\""));
    let (_, second, headers) = hub.send(Method::GET, next, None).await;
    assert_eq!(second["commits"].as_array().unwrap().len(), 20);
    assert!(second.get("files").is_none() && headers.get("link").is_none());
    assert_eq!(
        hub.get("/compare/topic...main", "commit-comparison").await["status"],
        "behind"
    );
    let (status, body, _) = hub.send(Method::GET, "/compare/main...nowhere", None).await;
    assert_eq!((status, message(&body)), (404, "Not Found"));
    let list = hub.get("/commits?sha=topic&per_page=100", "*commit").await;
    assert_eq!(list[0]["commit"]["message"], "Change 120 of topic");
    hub.get("/commits/topic", "commit").await;
    hub.report();
}

#[tokio::test]
async fn a_tag_has_one_published_release_but_any_number_of_drafts() {
    let hub = Hub::start().await;
    hub.get("", "full-repository").await;
    hub.get("/releases/tags/v1.0.0", "release").await;
    hub.get("/releases", "*release").await;
    let new = json!({"tag_name": "v1.1.0", "target_commitish": "main", "name": "1.1.0",
                     "body": "Notes\n<!-- delivr_key:k/1 -->"});
    hub.write(Method::POST, "/releases", new.clone(), 201, "release")
        .await;
    let (status, body, _) = hub.send(Method::POST, "/releases", Some(new)).await;
    assert_eq!(
        (status, &body["errors"][0]["code"]),
        (422, &json!("already_exists"))
    );
    for _ in 0..2 {
        let draft = json!({"tag_name": "v1.1.0", "draft": true});
        hub.write(Method::POST, "/releases", draft, 201, "release").await;
    }
    assert_eq!(hub.bench.duplicates().await, 2, "drafts are surplus objects");
    let journal = hub.bench.journal().await;
    let made = journal["effects"].as_array().unwrap().iter();
    assert_eq!(
        made.filter(|it| it["key"] == "k/1").count(),
        1,
        "the mark is read out of the text"
    );
    let long = json!({"tag_name": "v2", "body": "x".repeat(125_001)});
    let (status, body, _) = hub.send(Method::POST, "/releases", Some(long)).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("body")));
    hub.advance("push", json!({"message": "feat: Gift cards (#8)"}))
        .await;
    hub.advance("push", json!({"message": "A bare commit"})).await;
    let head = hub.main().await;
    let wanted = json!({"tag_name": "v1.2.0", "target_commitish": head, "previous_tag_name": "v1.0.0"});
    let notes = hub
        .write(
            Method::POST,
            "/releases/generate-notes",
            wanted,
            200,
            "release-notes-content",
        )
        .await;
    let text = notes["body"].as_str().unwrap();
    assert!(text.contains("Gift cards by @"), "{text}");
    assert!(!text.contains("bare"), "{text}");
    hub.report();
}

#[tokio::test]
async fn a_pull_request_is_opened_once_and_merged_when_its_state_allows() {
    let hub = Hub::start().await;
    hub.advance("push", json!({"branch": "topic"})).await;
    let new = json!({"title": "Merge back", "head": "topic", "base": "main", "body": "text"});
    let made = hub
        .write(Method::POST, "/pulls", new.clone(), 201, "pull-request")
        .await;
    let number = made["number"].as_u64().unwrap();
    let (status, body, _) = hub.send(Method::POST, "/pulls", Some(new.clone())).await;
    assert_eq!(status, 422);
    assert_eq!(
        body["errors"][0]["message"],
        "A pull request already exists for acme:topic."
    );
    let list = hub
        .get("/pulls?head=acme:topic&base=main", "*pull-request-simple")
        .await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    let path = format!("/pulls/{number}");
    assert_eq!(
        hub.get(&path, "pull-request").await["mergeable"],
        Value::Null,
        "not worked out yet"
    );
    hub.advance("conflict", json!({"number": number})).await;
    assert_eq!(hub.get(&path, "pull-request").await["mergeable_state"], "dirty");
    let merge = format!("{path}/merge");
    let (status, _, _) = hub.send(Method::PUT, &merge, None).await;
    assert_eq!(status, 405);
    hub.advance("conflict", json!({"number": number, "on": false}))
        .await;
    let other = json!({"sha": "0".repeat(40)});
    let (status, _, _) = hub.send(Method::PUT, &merge, Some(other)).await;
    assert_eq!(status, 409);
    let mine = json!({"sha": made["head"]["sha"], "merge_method": "merge"});
    hub.write(Method::PUT, &merge, mine, 200, "pull-request-merge-result")
        .await;
    let (status, _, _) = hub.send(Method::GET, &merge, None).await;
    assert_eq!(status, 204);
    let (_, body, _) = hub.send(Method::POST, "/pulls", Some(new)).await;
    assert_eq!(body["errors"][0]["message"], "No commits between main and topic");
    let again = json!({"base": "main", "head": "topic"});
    let (status, _, _) = hub.send(Method::POST, "/merges", Some(again)).await;
    assert_eq!(status, 204, "merged already");
    assert_eq!(hub.bench.duplicates().await, 0);
    hub.report();
}

#[tokio::test]
async fn the_app_gets_tokens_that_end() {
    let hub = Hub::start().await;
    let app = hub.bench.credentials("github").await["app"].clone();
    let assertion = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({"iss": app["appId"], "iat": now() - 60, "exp": now() + 500});
        change(&mut claims);
        let header = json!({"alg": "RS256", "typ": "JWT"});
        jwt(
            Signer::Rs256,
            &header,
            &claims,
            app["privateKeyPem"].as_str().unwrap(),
        )
    };
    let path = format!(
        "/github/app/installations/{}",
        app["installationId"].as_str().unwrap()
    );
    let tokens = format!("{path}/access_tokens");
    let good = assertion(&|_| {});
    let (status, body, _) = hub.send_as(&good, Method::GET, &path, None).await;
    assert_eq!(status, 200);
    hub.check("installation", &body);
    let (status, granted, _) = hub
        .send_as(
            &good,
            Method::POST,
            &tokens,
            Some(json!({"repositories": ["shop"]})),
        )
        .await;
    assert_eq!(status, 201);
    hub.check("installation-token", &granted);
    let token = granted["token"].as_str().unwrap();
    let (status, _, _) = hub.send_as(token, Method::GET, REPO, None).await;
    assert_eq!(status, 200);
    let (status, body, _) = hub.send_as(token, Method::GET, "/github/user", None).await;
    assert_eq!(
        (status, message(&body)),
        (403, "Resource not accessible by integration")
    );
    for bad in [
        assertion(&|claims| claims["iat"] = json!(now() + 60)),
        assertion(&|claims| claims["exp"] = json!(now() + 3600)),
        assertion(&|claims| claims["iss"] = json!("1")),
        format!("{good}x"),
    ] {
        let (status, body, _) = hub.send_as(&bad, Method::POST, &tokens, None).await;
        assert_eq!(status, 401, "{body}");
    }
    let (status, _, _) = hub.send_as(&good, Method::GET, REPO, None).await;
    assert_eq!(status, 401, "the App itself reads no repository");
    hub.advance("token_ttl", json!({"seconds": 60})).await;
    hub.bench
        .advance(json!({"vendor": "*", "action": "time", "seconds": 3601}))
        .await;
    let (status, body, _) = hub.send_as(token, Method::GET, REPO, None).await;
    assert_eq!((status, message(&body)), (401, "Bad credentials"));
    hub.report();
}

#[tokio::test]
async fn limits_permissions_and_names_are_told_as_github_tells_them() {
    let hub = Hub::start().await;
    hub.get("/github/user", "private-user").await;
    hub.get("/github/rate_limit", "rate-limit-overview").await;
    let (_, _, headers) = hub.send(Method::GET, "", None).await;
    assert_eq!(headers["x-ratelimit-limit"], "5000");
    hub.advance("rate", json!({"remaining": 1})).await;
    let (status, _, headers) = hub.send(Method::GET, "", None).await;
    assert_eq!(status, 200);
    assert_eq!(headers["x-ratelimit-remaining"], "0");
    let (status, body, _) = hub.send(Method::GET, "", None).await;
    assert_eq!(status, 403);
    assert!(message(&body).starts_with("API rate limit exceeded"));
    hub.bench
        .advance(json!({"vendor": "*", "action": "time", "seconds": 3601}))
        .await;
    assert_eq!(hub.send(Method::GET, "", None).await.0, 200);
    hub.advance("sso", json!({"on": true})).await;
    let (status, _, headers) = hub.send(Method::GET, "", None).await;
    assert_eq!(status, 403);
    assert!(
        headers["x-github-sso"]
            .to_str()
            .unwrap()
            .starts_with("required; url=")
    );
    hub.advance("sso", json!({"on": false})).await;
    hub.advance("remove_permission", json!({})).await;
    let sha = hub.main().await;
    let new = json!({"ref": "refs/heads/x", "sha": sha});
    let (status, body, _) = hub.send(Method::POST, "/git/refs", Some(new.clone())).await;
    assert_eq!(
        (status, message(&body)),
        (403, "Resource not accessible by personal access token")
    );
    hub.advance("restore_permission", json!({})).await;
    hub.advance("rename", json!({"to": "store"})).await;
    let (status, _, headers) = hub.send(Method::GET, "/git/ref/heads/main", None).await;
    assert_eq!(status, 301);
    let (status, _, _) = hub
        .send(Method::GET, headers["location"].to_str().unwrap(), None)
        .await;
    assert_eq!(status, 200);
    assert_eq!(hub.send(Method::POST, "/git/refs", Some(new)).await.0, 307);
    hub.advance("revoke_credentials", json!({})).await;
    assert_eq!(hub.send(Method::GET, "", None).await.0, 401);
    hub.report();
}

#[tokio::test]
async fn webhooks_are_signed_and_a_redelivery_keeps_its_id() {
    let hub = Hub::start().await;
    let (url, mut posted) = receiver().await;
    hub.bench
        .control(
            "/_webhooks",
            json!({"vendor": "github", "url": url, "secret": "s3cret"}),
        )
        .await;
    hub.advance("push", json!({"branch": "topic"})).await;
    let (head, body) = posted.recv().await.unwrap();
    assert!(head.contains("x-github-event: create"), "{head}");
    assert!(head.contains(&format!(
        "x-hub-signature-256: sha256={}",
        hmac_hex("s3cret", &body)
    )));
    let (head, body) = posted.recv().await.unwrap();
    assert!(head.contains("x-github-event: push"));
    let push: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&push["ref"], &push["created"]),
        (&json!("refs/heads/topic"), &json!(true))
    );
    let again = hub.advance("redeliver", json!({})).await;
    let (head, _) = posted.recv().await.unwrap();
    assert!(head.contains(again["delivery"].as_str().unwrap()));
}
