//! GitHub's webhooks: signed prompts to look at a run.

use delivr_domain::ports::provider::{Credentials, Delivery, Prompt, WebhookError};
use delivr_github_kit::webhook::open;

/// Letters of a key in a run's name.
const KEY_LETTERS: usize = 32;

pub(crate) fn read(delivery: &Delivery<'_>, credentials: &Credentials) -> Result<Prompt, WebhookError> {
    let opened = open(delivery, credentials)?;
    let text = |pointer: &str| opened.text(pointer);
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
        objects.push(opened.event.clone());
    }
    Ok(Prompt {
        delivery: opened.delivery,
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
