//! GitHub's webhooks: signed prompts to look at a ref, a pull request, a release or a run.

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_provider_kit::signature::{Scheme, verify};
use serde_json::Value;

/// `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`. The older `X-Hub-Signature` (SHA-1) proves nothing.
const SCHEME: Scheme = Scheme::HexBody {
    header: "x-hub-signature-256",
    prefix: "sha256=",
};

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
    Ok(Prompt {
        delivery: id.clone(),
        correlations: Vec::new(),
        objects: objects(event, &body),
    })
}

/// What the event is about, in the names our waits know: refs with and without their folder, numbers, ids. An event we
/// do not know names itself, which fits no wait.
fn objects(event: &str, body: &Value) -> Vec<String> {
    let text = |pointer: &str| match body.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let pointers: &[&str] = match event {
        "push" => &["/ref", "/after"],
        "create" | "delete" => &["/ref"],
        "pull_request" => &["/number", "/pull_request/head/ref", "/pull_request/base/ref"],
        "release" => &["/release/tag_name", "/release/id"],
        "workflow_run" => &[
            "/workflow_run/id",
            "/workflow_run/head_branch",
            "/workflow_run/path",
        ],
        "workflow_job" => &["/workflow_job/run_id", "/workflow_job/head_branch"],
        "check_suite" => &["/check_suite/head_branch", "/check_suite/head_sha"],
        _ => &[],
    };
    let mut found: Vec<String> = pointers.iter().filter_map(|pointer| text(pointer)).collect();
    let short: Vec<String> = found
        .iter()
        .filter_map(|name| {
            let rest = name.strip_prefix("refs/")?;
            Some(rest.split_once('/')?.1.to_owned())
        })
        .collect();
    found.extend(short);
    if found.is_empty() {
        found.push(event.to_owned());
    }
    found
}
