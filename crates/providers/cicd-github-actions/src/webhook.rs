//! GitHub's webhooks: signed prompts to look at a run.

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_provider_kit::signature::{Scheme, verify};
use serde_json::Value;

/// `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`. The older `X-Hub-Signature` (SHA-1) proves nothing.
const SCHEME: Scheme = Scheme::HexBody {
    header: "x-hub-signature-256",
    prefix: "sha256=",
};
/// Letters of a key in a run's name.
const KEY_LETTERS: usize = 32;

pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let secret = credentials.find("webhookSecret").ok_or(WebhookError::Unsigned)?;
    verify(SCHEME, secret, delivery)?;
    let malformed = |why: &str| WebhookError::Malformed(why.to_owned());
    let header = |name: &str| delivery.headers.get(name).filter(|text| !text.is_empty());
    // GitHub signs no time; the id, which a redelivery keeps, is what a replay is known by.
    let id = header("x-github-delivery").ok_or_else(|| malformed("it names no delivery"))?;
    let event = header("x-github-event").ok_or_else(|| malformed("it names no event"))?;
    let body: Value = serde_json::from_slice(delivery.body).map_err(|_why| {
        malformed("it is no JSON; set the webhook's content type to application/json at GitHub")
    })?;
    let text = |pointer: &str| match body.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let titles = [text("/workflow_run/display_title"), text("/workflow_run/name")];
    let mut correlations: Vec<String> = titles.iter().flatten().flat_map(|title| keys(title)).collect();
    correlations.dedup();
    let mut objects: Vec<String> = ["/workflow_run/id", "/workflow_job/run_id"]
        .into_iter()
        .filter_map(text)
        .collect();
    if correlations.is_empty()
        && let Some(path) = text("/workflow_run/path")
    {
        // Without a key in the name every wait for the workflow is looked at; the path may say its ref as well.
        let path = path.split('@').next().unwrap_or_default();
        objects.extend(path.rsplit('/').next().map(str::to_owned));
        objects.push(path.to_owned());
    }
    if objects.is_empty() {
        // An event that we do not know names itself, which fits no wait.
        objects.push(event.clone());
    }
    Ok(Prompt {
        delivery: id.clone(),
        correlations,
        objects,
    })
}

/// What may be a key of ours in a run's name: 32 hex digits that stand alone.
fn keys(title: &str) -> Vec<String> {
    title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == KEY_LETTERS && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase)
        .collect()
}
