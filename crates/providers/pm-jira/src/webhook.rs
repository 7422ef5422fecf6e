//! Jira's webhooks: a signed prompt to look at a ticket.

use crate::tracker::LABEL;
use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_provider_kit::signature::{Scheme, verify};
use serde_json::Value;

/// `X-Hub-Signature: sha256=<hex HMAC-SHA256 of the body>`.
const SCHEME: Scheme = Scheme::HexBody {
    header: "x-hub-signature",
    prefix: "sha256=",
};

pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let secret = credentials.find("webhookSecret").ok_or(WebhookError::Unsigned)?;
    verify(SCHEME, secret, delivery)?;
    let body: Value = serde_json::from_slice(delivery.body)
        .map_err(|_why| WebhookError::Malformed("it is no JSON".to_owned()))?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let ticket = text("/issue/key").map(str::to_owned);
    // The identifier stays the same over Jira's own retries.
    let id = delivery.headers.get("x-atlassian-webhook-identifier").cloned();
    let id = id.or_else(|| {
        let at = body.get("timestamp")?.as_i64()?;
        Some(format!(
            "{at}/{}/{}",
            text("/webhookEvent")?,
            ticket.as_deref().unwrap_or("-")
        ))
    });
    let labels = body.pointer("/issue/fields/labels").and_then(Value::as_array);
    Ok(Prompt {
        delivery: id.ok_or_else(|| WebhookError::Malformed("it names no delivery".to_owned()))?,
        correlations: labels
            .into_iter()
            .flatten()
            .filter_map(|label| label.as_str()?.strip_prefix(LABEL).map(str::to_owned))
            .collect(),
        objects: ticket.into_iter().collect(),
    })
}
