//! GitHub's webhooks: signed prompts to look at a ref, a pull request, a release or a run.

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_github_kit::webhook::{Opened, open};

pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let opened = open(delivery, credentials)?;
    Ok(Prompt {
        objects: objects(&opened),
        delivery: opened.delivery,
        correlations: Vec::new(),
    })
}

/// What the event is about, in the names our waits know: refs with and without their folder, numbers, ids. An event we
/// do not know names itself, which fits no wait.
fn objects(opened: &Opened) -> Vec<String> {
    let event = opened.event.as_str();
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
    let mut found: Vec<String> = pointers
        .iter()
        .filter_map(|pointer| opened.text(pointer))
        .collect();
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
