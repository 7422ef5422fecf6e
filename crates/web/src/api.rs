//! What the pages need of the server they are part of.

use crate::parts::Content;
use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use async_trait::async_trait;
use delivr_app::App;
use delivr_app::usecases::access::Principal;
use delivr_domain::ids::{TenantId, TokenId};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request to the API.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path below `/api/v1`, with its query.
    pub path: String,
    /// Its body.
    pub body: Option<Value>,
    /// The version that must still be stored (`If-Match`).
    pub version: Option<u64>,
    /// The name under which it is done at most once (`Idempotency-Key`).
    pub once: Option<String>,
}

impl Call {
    /// A request without body.
    #[must_use]
    pub fn bare(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            version: None,
            once: None,
        }
    }
    /// A request with a body.
    #[must_use]
    pub fn with(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::bare(method, path)
        }
    }
    /// Reads.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::bare(Method::GET, path)
    }
    /// Asks for something.
    #[must_use]
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self::with(Method::POST, path, body)
    }
    /// The same, which changes nothing when another version is stored.
    #[must_use]
    pub fn of_version(self, version: Option<u64>) -> Self {
        Self { version, ..self }
    }
    /// The same, done at most once under the name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self {
            once: Some(name.to_owned()),
            ..self
        }
    }
    /// The same question, answered by what it would do.
    #[must_use]
    pub fn explained(self) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        Self {
            path: format!("{}{mark}explain=true", self.path),
            ..self
        }
    }
}

/// What the API answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The document as JSON; empty where there is none. It is read once, as what a page needs of it.
    body: Bytes,
}

impl Reply {
    /// An answer as it came.
    #[must_use]
    pub const fn new(status: StatusCode, body: Bytes) -> Self {
        Self { status, body }
    }
    /// An answer with a document.
    #[must_use]
    pub fn of(status: StatusCode, document: &Value) -> Self {
        Self::new(status, Bytes::from(document.to_string()))
    }
    /// The document; null where there is none.
    #[must_use]
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
    /// The document as what it must be.
    ///
    /// # Errors
    /// The reply itself when it is a refusal, or a document of another kind.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, Self> {
        if !self.status.is_success() {
            return Err(self);
        }
        // What the API answers without a body is null.
        let body: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| {
            tracing::error!(%error, "the API answered a page with a document of another kind");
            let why = serde_json::json!({
                "code": "internal",
                "detail": "the page does not understand what the API answered",
            });
            Self::of(StatusCode::INTERNAL_SERVER_ERROR, &why)
        })
    }
}

/// A refusal, as the API words it.
#[derive(Debug, Clone)]
pub struct Refusal(pub Reply);

/// Who can listen between the browser and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Nobody: TLS, here or at a proxy that is trusted.
    Encrypted,
    /// Nobody: browser and server are one machine.
    ThisMachine,
    /// Everybody on the way.
    Open,
}

/// An organisation to practise in, which anybody on this machine opens without a credential of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Practice {
    /// The organisation.
    pub tenant: TenantId,
    /// Its token whose session is begun.
    pub token: TokenId,
}

/// The server, as the pages see it.
#[async_trait(?Send)]
pub trait Api {
    /// The application, for sessions.
    fn app(&self) -> &App;
    /// What tells the versions given since the last restore from earlier ones; none where nothing was restored.
    fn epoch(&self) -> Option<&str>;
    /// Asks the API, as somebody.
    async fn call(&self, who: &Principal, call: Call) -> Reply;
    /// Asks the API with a body that is still on its way, of the media type.
    async fn send(&self, who: &Principal, call: Call, media_type: &str, body: Content) -> Reply;
    /// Reads from the API what it answers whoever asks.
    async fn open(&self, path: &str) -> Reply;
    /// Who has the token; none when it is not valid. Refuses an address that failed too often.
    async fn sign_in(&self, request: &HttpRequest, token: &str) -> Result<Option<Principal>, Refusal>;
    /// Counts a visit; refuses who comes too often.
    ///
    /// # Errors
    /// The refusal.
    fn admit(&self, who: &Principal) -> Result<(), Refusal>;
    /// What is opened without a credential; none everywhere but in practice, where nothing real can be reached.
    fn practice(&self) -> Option<Practice>;
    /// How the request came.
    fn encryption(&self, request: &HttpRequest) -> Encryption;
}
