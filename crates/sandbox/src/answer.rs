//! What a simulator answers.

use bytes::Bytes;
use serde_json::Value;

/// An answer before faults are applied to it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// Content type; empty means none is sent.
    pub content_type: String,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(
            status,
            "application/json;charset=utf-8",
            body.to_string().into_bytes(),
        )
    }

    /// A plain text answer.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::bytes(status, "text/plain;charset=utf-8", body.as_bytes().to_vec())
    }

    /// An HTML answer.
    #[must_use]
    pub fn html(status: u16, body: &str) -> Self {
        Self::bytes(status, "text/html;charset=utf-8", body.as_bytes().to_vec())
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::bytes(status, "", Vec::new())
    }

    /// An answer of any content.
    #[must_use]
    pub fn bytes(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: content_type.to_owned(),
            body: Bytes::from(body),
        }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Whether the vendor accepted the call.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..400).contains(&self.status)
    }
}
