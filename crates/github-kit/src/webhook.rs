//! The envelope of GitHub's webhooks: who sent it, which delivery it is, and what it is about.

use delivr_domain::ports::provider::{Credentials, Delivery, WebhookError};
use delivr_provider_kit::signature::{Scheme, verify};
use serde_json::Value;

/// `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`. The older `X-Hub-Signature` (SHA-1) proves nothing.
const SCHEME: Scheme = Scheme::HexBody {
    header: "x-hub-signature-256",
    prefix: "sha256=",
};

/// A delivery that GitHub is known to have sent.
#[derive(Debug)]
pub struct Opened {
    /// GitHub's id of the delivery. GitHub signs no time; the id, which a redelivery keeps, is what a replay is known by.
    pub delivery: String,
    /// The name of the event: `push`, `workflow_run`.
    pub event: String,
    body: Value,
}

impl Opened {
    /// The text or number at a JSON pointer, as text.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<String> {
        match self.body.pointer(pointer)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// Proves a delivery by the credential `webhookSecret` and opens it.
///
/// # Errors
/// [`WebhookError::Unsigned`] without a secret, what [`verify`] says of the signature, and
/// [`WebhookError::Malformed`] for what GitHub does not send.
pub fn open(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Opened, WebhookError> {
    let secret = credentials.find("webhookSecret").ok_or(WebhookError::Unsigned)?;
    verify(SCHEME, secret, delivery)?;
    let malformed = |why: &str| WebhookError::Malformed(why.to_owned());
    let header = |name: &str| delivery.headers.get(name).filter(|text| !text.is_empty());
    let id = header("x-github-delivery").ok_or_else(|| malformed("it names no delivery"))?;
    let event = header("x-github-event").ok_or_else(|| malformed("it names no event"))?;
    let body = serde_json::from_slice(delivery.body).map_err(|_why| {
        malformed("it is no JSON; set the webhook's content type to application/json at GitHub")
    })?;
    Ok(Opened {
        delivery: id.clone(),
        event: event.clone(),
        body,
    })
}
