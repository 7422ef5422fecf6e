//! A client of the API as any other: status and JSON.

use serde_json::Value;
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// Speaks to one API with one token.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    pub base: String,
    token: String,
}

impl Http {
    pub fn new(base: &str, token: &str) -> Self {
        // Whoever runs the tests may have installed it already.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            // A test may wait for longer than the server keeps an idle connection.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            client,
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }
    /// The same API, seen by another token.
    pub fn as_other(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }
    /// Asks; none when the connection breaks, as it may while a server is killed.
    pub async fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Some(Answer { status, body })
    }
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_ask(method, path, body)
            .await
            .unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.body
    }
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("POST", path, Some(body)).await;
        assert!(
            (200..300).contains(&answer.status),
            "POST {path} {body}: {} {}",
            answer.status,
            answer.body
        );
        answer.body
    }
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("PUT", path, Some(body)).await;
        assert!(
            (200..300).contains(&answer.status),
            "PUT {path} {body}: {} {}",
            answer.status,
            answer.body
        );
        answer.body
    }
    /// Asks for something that must be refused with this status.
    pub async fn refused(&self, path: &str, body: &Value, status: u16) -> Value {
        let answer = self.ask("POST", path, Some(body)).await;
        assert_eq!(answer.status, status, "POST {path} {body}: {}", answer.body);
        answer.body
    }
}

/// The text at a JSON pointer.
pub fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
        .to_owned()
}

/// The items of a list.
pub fn items(list: &Value) -> Vec<Value> {
    list["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .clone()
}
