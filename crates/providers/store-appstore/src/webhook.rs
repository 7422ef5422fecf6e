//! Webhooks of App Store Connect: a signed prompt to look, never the state itself (vendor-apis 17.12).

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_provider_kit::signature::{self, Scheme};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Event {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    id: String,
    #[serde(default)]
    relationships: Relationships,
}

#[derive(Debug, Default, Deserialize)]
struct Relationships {
    #[serde(default)]
    instance: Option<Instance>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    #[serde(default)]
    data: Option<Object>,
}

#[derive(Debug, Deserialize)]
struct Object {
    id: String,
}

/// Verifies and reads a delivery. Events of any kind are prompts: unknown ones only lead to a needless look.
pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let secret = credentials.find("webhookSecret").ok_or(WebhookError::Unsigned)?;
    let scheme = Scheme::HexBody {
        header: "x-apple-signature",
        prefix: "hmacsha256=",
    };
    signature::verify(scheme, secret, delivery)?;
    let event: Event = serde_json::from_slice(delivery.body)
        .map_err(|_ignored| WebhookError::Malformed("it is not an event of App Store Connect".to_owned()))?;
    let object = event
        .data
        .relationships
        .instance
        .and_then(|it| it.data)
        .map(|it| it.id);
    Ok(Prompt {
        delivery: event.data.id,
        correlations: Vec::new(),
        objects: object.into_iter().collect(),
    })
}
