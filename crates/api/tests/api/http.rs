//! What HTTP itself asks of a server: conditions, methods, kinds of bodies, and refusals that lead to their place.

use crate::support::{Api, Reply, jenkins_body};
use serde_json::json;

#[tokio::test]
async fn who_uses_a_wrong_method_learns_the_right_ones() {
    let api = Api::start().await;
    for (method, path, allowed) in [
        ("PUT", "/services", "GET, POST, HEAD"),
        ("POST", "/me", "GET, HEAD"),
        ("DELETE", "/line/stop", "GET, POST, HEAD"),
    ] {
        let refused = api.of("OWNER", method, path).json(&json!({})).send().await;
        let allow = refused.headers["allow"].clone();
        refused.refused(405, "method_not_allowed");
        let sorted = |text: &str| {
            let mut words: Vec<String> = text.split(", ").map(ToOwned::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(sorted(&allow), sorted(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let api = Api::start().await;
    let path = format!("/services/{}", api.service("a").await);
    let read = api.get(&path).await;
    let tag = read.headers["etag"].clone();
    assert!(tag.starts_with("\"1."), "{tag}");
    let ask = async |method: &str, tags: &str| -> Reply {
        api.of("OWNER", method, &path)
            .header("if-none-match", tags)
            .send()
            .await
    };
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"7\", {tag}"),
        "*".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let same = ask(method, &known).await;
            assert_eq!((same.status, same.text.as_str()), (304, ""), "{known}");
            assert_eq!(same.headers["etag"], tag);
        }
    }
    for other in ["\"7\"", "\"1\"", "nonsense"] {
        ask("GET", other).await.is(200);
    }
    // What was read names the version for a change, once.
    let rename = async |tag: &str| {
        let ask = api.of("OWNER", "PATCH", &path).header("if-match", tag);
        ask.json(&json!({"name": "B"})).send().await
    };
    rename(&tag).await.is(200);
    rename(&tag).await.refused(412, "stale_version");
    ask("GET", &tag).await.is(200);
    api.of("OWNER", "GET", "/services/nothing")
        .header("if-none-match", "*")
        .send()
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_change_needs_the_very_version_it_names() {
    let api = Api::start().await;
    let path = format!("/services/{}", api.service("a").await);
    let rename = async |tags: &str| {
        let ask = api.of("OWNER", "PATCH", &path).header("if-match", tags);
        ask.json(&json!({"name": "B"})).send().await
    };
    for other in [
        "W/\"1\"",
        "\"7\"",
        "\"soon\"",
        "\"2\", \"3\"",
        "W/\"1\", \"9\"",
        "\"1-77\"",
    ] {
        rename(other).await.refused(412, "stale_version");
    }
    for wrong in ["1", "W/1", "\"1", "\"1\" \"2\"", ","] {
        rename(wrong).await.refused(400, "malformed_request");
    }
    assert_eq!(rename("\"1\"").await.headers["etag"], "\"2\"");
    assert_eq!(rename("\"1\", \"2\"").await.headers["etag"], "\"3\"");
    assert_eq!(rename("W/\"9\", \"3\"").await.headers["etag"], "\"4\"");
    assert_eq!(rename("*").await.headers["etag"], "\"5\"");
}

#[tokio::test]
async fn a_repetition_has_the_head_of_the_first_answer() {
    let api = Api::start().await;
    let things = [
        ("/services", json!({"slug": "a", "name": "A"})),
        ("/profiles", json!({"name": "p"})),
        ("/views", json!({"name": "v"})),
        ("/integrations/ci-cd", jenkins_body("ci")),
    ];
    for (path, body) in things {
        let ask = || {
            let ask = api.of("OWNER", "POST", path);
            ask.header("idempotency-key", path).json(&body).send()
        };
        let (first, again) = (ask().await, ask().await);
        for name in ["etag", "location", "content-type"] {
            assert_eq!(first.headers[name], again.headers[name], "{path} {name}");
        }
        assert_eq!(first.is(201), again.is(201));
    }
}

#[tokio::test]
async fn a_wrong_category_is_told_the_right_ones() {
    let api = Api::start().await;
    let refused = api.get("/integrations/nonsense").await.refused(404, "not_found");
    let said = refused["detail"].as_str().unwrap();
    let document: serde_json::Value = serde_json::from_str(delivr_api::document()).unwrap();
    let parameters = &document["paths"]["/integrations/{category}"]["get"]["parameters"];
    let category = parameters
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "category");
    let words = category.unwrap()["schema"]["enum"].as_array().unwrap();
    assert!(
        words.len() >= 6 && words.iter().all(|word| said.contains(word.as_str().unwrap())),
        "{said}"
    );
}

#[tokio::test]
async fn json_is_utf_8() {
    let api = Api::start().await;
    let ask = |kind: &'static str, slug: &str| {
        let body = json!({"slug": slug, "name": "A"}).to_string();
        let ask = api.of("OWNER", "POST", "/services").header("content-type", kind);
        ask.body(body).send()
    };
    for kind in [
        "application/json; charset=latin1",
        "application/json;charset=\"ISO-8859-1\"",
        "application/json; x=y; Charset=utf-16",
    ] {
        ask(kind, "a").await.refused(415, "unsupported_media_type");
    }
    ask("application/json; charset=UTF-8", "a").await.is(201);
    ask("application/json;charset=\"utf-8\"", "b").await.is(201);
}

#[tokio::test]
async fn a_mistake_in_the_query_is_pointed_at() {
    let api = Api::start().await;
    for (query, pointer) in [
        ("limit=abc", "/limit"),
        ("limit=70000", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=0", "/limit"),
        ("limit=", "/limit"),
        ("colour=red", "/colour"),
        ("limit=1&limit=2", "/limit"),
    ] {
        let refused = api.get(&format!("/services?{query}")).await.wrong_at(pointer);
        let said = refused["detail"].as_str().unwrap();
        assert!(!said.contains("digit") && !said.contains("deserialize"), "{said}");
    }
}

#[tokio::test]
async fn what_is_there_already_is_named() {
    for api in [Api::start().await, Api::on_sqlite().await] {
        let service = api.service("a").await;
        let jenkins = api.jenkins("ci").await;
        for (path, body, pointer, existing) in [
            (
                "/services",
                json!({"slug": "a", "name": "Other"}),
                "/slug",
                &service,
            ),
            ("/integrations/ci-cd", jenkins_body("ci"), "/name", &jenkins),
        ] {
            for key in [None, Some("key")] {
                let mut ask = api.of("OWNER", "POST", path);
                if let Some(key) = key {
                    ask = ask.header("idempotency-key", &format!("{key}{pointer}"));
                }
                let refused = ask.json(&body).send().await.refused(409, "duplicate");
                assert_eq!(refused["existing"], existing.as_str(), "{refused}");
                assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
            }
        }
        // Nobody else's is named.
        let body = json!({"slug": "a", "name": "A"});
        let ask = api.of("OTHER", "POST", "/services");
        ask.json(&body).send().await.is(201);
    }
}
