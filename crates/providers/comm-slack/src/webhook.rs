//! Slack's signed events.

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_provider_kit::signature::{Scheme, verify};
use serde_json::Value;

/// `v0=<hex HMAC-SHA256 of v0:timestamp:body>`, good for five minutes.
const SCHEME: Scheme = Scheme::TimeBody {
    time: "x-slack-request-timestamp",
    signature: "x-slack-signature",
};

pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let secret = credentials.find("signingSecret").ok_or(WebhookError::Unsigned)?;
    verify(SCHEME, secret, delivery)?;
    let body: Value = serde_json::from_slice(delivery.body)
        .map_err(|_why| WebhookError::Malformed("it is no JSON".to_owned()))?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    // The first delivery only proves that the address is ours.
    let id = text("/event_id").or_else(|| text("/challenge"));
    let object = text("/event/channel").zip(text("/event/ts"));
    Ok(Prompt {
        delivery: id
            .ok_or_else(|| WebhookError::Malformed("it names no event".to_owned()))?
            .to_owned(),
        correlations: text("/event/metadata/event_payload/delivr_key")
            .map(str::to_owned)
            .into_iter()
            .collect(),
        objects: object
            .map(|(channel, ts)| format!("{channel}/{ts}"))
            .into_iter()
            .collect(),
    })
}
