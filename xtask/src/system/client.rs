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
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// Whether what was asked for is done.
    pub(crate) fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
    /// The document; nothing where there is none.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// A key for one thing that is asked for, new each time.
pub(crate) fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("xtask-{}-{number}", std::process::id())
}

impl Client {
    /// Speaks to the address; waits a minute for an answer.
    pub(crate) fn new(base: impl Into<String>, token: Option<String>) -> Self {
        Self::patient(base, token, Duration::from_secs(60))
    }

    /// The same, with another patience.
    pub(crate) fn patient(base: impl Into<String>, token: Option<String>, patience: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(patience))
            .build();
        Self {
            agent: config.into(),
            base: base.into(),
            token,
        }
    }

    /// Asks once; a POST under the idempotency key, if there is one.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                self.agent.run(request.body(body.to_string())?)
            }
            None => self.agent.run(request.body(())?),
        };
        let mut response = response.with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(64 * 1024 * 1024)
            .read_to_string()
            .with_context(|| format!("{method} {path}: the answer broke off"))?;
        Ok(Answer { status, text })
    }

    /// Reads.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        accepted("GET", path, &self.ask("GET", path, None, None)?)
    }

    /// Asks for something, under an idempotency key of its own.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.ask("POST", path, Some(body), Some(&fresh_key()))?;
        accepted("POST", path, &answer)
    }

    /// Asks for something that must be refused, and returns the refusal.
    ///
    /// # Errors
    /// When there is no answer, or another one.
    pub(crate) fn refused(&self, path: &str, body: &Value, expected: u16) -> Result<Value> {
        let answer = self.ask("POST", path, Some(body), Some(&fresh_key()))?;
        if answer.status != expected {
            bail!(
                "POST {path} should have been refused with {expected}, but answered {}: {}",
                answer.status,
                answer.text
            );
        }
        parsed("POST", path, &answer.text)
    }
}

fn accepted(method: &str, path: &str, answer: &Answer) -> Result<Value> {
    if !answer.accepted() {
        bail!("{method} {path} answered {}: {}", answer.status, answer.text);
    }
    parsed(method, path, &answer.text)
}

fn parsed(method: &str, path: &str, text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).with_context(|| format!("{method} {path} answered no JSON: {text}"))
}
