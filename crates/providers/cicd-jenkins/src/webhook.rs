//! Deliveries from a job's notification step. Jenkins itself sends none; the step signs or shows the shared secret.

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_provider_kit::signature::{self, Scheme};
use ring::digest::{SHA256, digest};
use serde_json::Value;

const SIGNED: Scheme = Scheme::HexBody {
    header: "x-delivr-signature",
    prefix: "sha256=",
};
const TOKEN: Scheme = Scheme::Token {
    header: "x-delivr-token",
};

/// Believes a delivery by its signature, or by its token where it carries no signature.
pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let secret = credentials.find("webhookSecret").ok_or(WebhookError::Unsigned)?;
    // A wrong signature is not made good by a right token.
    let scheme = if delivery.headers.contains_key("x-delivr-signature") {
        SIGNED
    } else {
        TOKEN
    };
    signature::verify(scheme, secret, delivery)?;
    let malformed = |why: &str| WebhookError::Malformed(why.to_owned());
    let body: Value =
        serde_json::from_slice(delivery.body).map_err(|_ignored| malformed("the body is not JSON"))?;
    if !body.is_object() {
        return Err(malformed("the body is not a JSON object"));
    }
    let text = |names: &[&str]| {
        names.iter().find_map(|name| match body.get(*name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
    };
    let key = text(&["delivrKey", "delivr_key", "DELIVR_KEY"]);
    let (job, number) = (text(&["job", "jobName"]), text(&["buildNumber", "number"]));
    let mut objects: Vec<String> = text(&["queueId"]).into_iter().collect();
    objects.extend(match (&job, &number) {
        (Some(job), Some(number)) => Some(format!("{job}#{number}")),
        (_, number) => number.clone(),
    });
    objects.extend(text(&["buildUrl"]));
    if key.is_none() && objects.is_empty() {
        return Err(malformed(
            "it names neither delivrKey nor buildNumber, queueId or buildUrl",
        ));
    }
    // The same news sent twice has the same bytes; a step may give its deliveries an id as well.
    let own = delivery
        .headers
        .get("x-delivr-delivery")
        .filter(|id| !id.is_empty() && id.len() <= 200);
    let hash = signature::hex(digest(&SHA256, delivery.body).as_ref());
    Ok(Prompt {
        delivery: own.cloned().unwrap_or_else(|| format!("sha256:{hash}")),
        correlations: key.into_iter().collect(),
        objects,
    })
}
