//! A client of an HTTP API that speaks JSON: Delivr's, or the sandbox's control routes.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One API, with the token it asks for.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
    posts: AtomicU64,
}

impl Client {
    /// Speaks to the address.
    pub(crate) fn new(base: impl Into<String>, token: Option<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: config.into(),
            base: base.into(),
            token,
            posts: AtomicU64::new(0),
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        accepted("GET", path, answer("GET", path, request.call())?)
    }

    /// Asks for something, under an idempotency key of its own.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        accepted("POST", path, self.ask(path, body)?)
    }

    /// Asks for something that must be refused, and returns the refusal.
    ///
    /// # Errors
    /// When there is no answer, or another one.
    pub(crate) fn refused(&self, path: &str, body: &Value, expected: u16) -> Result<Value> {
        let (status, text) = self.ask(path, body)?;
        if status != expected {
            bail!("POST {path} should have been refused with {expected}, but answered {status}: {text}");
        }
        parsed("POST", path, &text)
    }

    fn ask(&self, path: &str, body: &Value) -> Result<(u16, String)> {
        let number = self.posts.fetch_add(1, Ordering::Relaxed);
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Idempotency-Key", format!("demo-{}-{number}", std::process::id()));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        answer("POST", path, request.send_json(body))
    }
}

/// Status and text of an answer.
fn answer(
    method: &str,
    path: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<(u16, String)> {
    let mut response = response.with_context(|| format!("{method} {path}"))?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .with_context(|| format!("{method} {path}: the answer broke off"))?;
    Ok((status, text))
}

fn accepted(method: &str, path: &str, (status, text): (u16, String)) -> Result<Value> {
    if !(200..300).contains(&status) {
        bail!("{method} {path} answered {status}: {text}");
    }
    parsed(method, path, &text)
}

fn parsed(method: &str, path: &str, text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).with_context(|| format!("{method} {path} answered no JSON: {text}"))
}
