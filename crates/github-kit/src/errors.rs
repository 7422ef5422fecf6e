//! GitHub's refusals: which class they are, who must act, and what to do. GitHub's own words stay beside them.

use crate::Adapter;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;
use serde_json::Value;
use std::time::Duration;

/// Least wait after a secondary limit without a hint, as GitHub's documentation asks for.
const SECONDARY: Duration = Duration::from_secs(60);

/// The error behind an answer that is no success.
pub(crate) fn failure(adapter: &Adapter, answer: &Answer, repository: &str) -> ProviderError {
    let words = answer.words().unwrap_or_default().to_lowercase();
    let said = |part: &str| words.contains(part);
    let status = answer.status.as_u16();
    if is_throttled(answer, &words) {
        return throttled(answer);
    }
    if let Some(own) = (adapter.refusal)(answer, &words, repository) {
        return own;
    }
    match status {
        401 => answer.error(
            ProviderErrorKind::Unauthenticated,
            "GitHub does not accept the credential; it ended or was revoked: renew it in the integration",
        ),
        403 => answer.error(
            ProviderErrorKind::Forbidden,
            forbidden(adapter, answer, &words, repository),
        ),
        404 => answer.error(
            ProviderErrorKind::NotFound,
            format!(
                "GitHub shows no such thing in {repository}: it does not exist, or this credential may not see it \
                 (GitHub tells the two apart to nobody)"
            ),
        ),
        409 => answer.error(
            ProviderErrorKind::Precondition,
            format!("{repository} was being changed by somebody else; it is tried again"),
        ),
        410 if said("version") => answer.error(
            ProviderErrorKind::Misconfigured,
            "this GitHub server no longer speaks the API version that Delivr uses; Delivr must be updated",
        ),
        422 => answer.error(ProviderErrorKind::Invalid, "GitHub refuses the request"),
        _ => answer.failure(),
    }
}

/// The error behind a refused question of the App itself, for an installation or its token.
pub(crate) fn app_failure(adapter: &Adapter, answer: &Answer, repository: &str) -> ProviderError {
    match answer.status.as_u16() {
        401 => answer.error(
            ProviderErrorKind::Unauthenticated,
            "GitHub does not accept the App's signature; check App id and private key, and this machine's clock",
        ),
        403 if answer
            .words()
            .is_some_and(|words| words.to_lowercase().contains("suspended")) =>
        {
            answer.error(
                ProviderErrorKind::Forbidden,
                "the App's installation is suspended; an owner of the organization can resume it",
            )
        }
        404 => answer.error(
            ProviderErrorKind::NotFound,
            "the App has no such installation; check the installation id, or install the App again",
        ),
        422 => answer.error(
            ProviderErrorKind::Forbidden,
            format!("the App's installation does not cover {repository}; add the repository to it"),
        ),
        _ => failure(adapter, answer, repository),
    }
}

fn is_throttled(answer: &Answer, words: &str) -> bool {
    let said = |part: &str| words.contains(part);
    match answer.status.as_u16() {
        429 => true,
        403 => {
            answer.header("retry-after").is_some()
                || answer.header("x-ratelimit-remaining") == Some("0")
                || said("secondary rate limit")
                || said("abuse detection")
                || said("rate limit exceeded")
        }
        422 => said("submitted too quickly") || said("spammed"),
        _ => false,
    }
}

fn throttled(answer: &Answer) -> ProviderError {
    let spent = answer.header("x-ratelimit-remaining") == Some("0");
    let sentence = if spent {
        "this hour's requests of the GitHub account are used up; it goes on when GitHub counts anew"
    } else {
        "GitHub asks for fewer requests at a time; it is tried again later"
    };
    let error = answer.error(ProviderErrorKind::Throttled, sentence);
    // The reset of the hour says nothing about the secondary limits.
    if spent || answer.header("retry-after").is_some() {
        return error;
    }
    error.retry_after(SECONDARY)
}

/// Who must do what about a 403.
fn forbidden(adapter: &Adapter, answer: &Answer, words: &str, repository: &str) -> String {
    if let Some(sso) = answer.header("x-github-sso") {
        let link = sso.split_once("url=").map(|(_, url)| url.trim());
        let link = link.filter(|link| link.starts_with("https://") || link.starts_with("http://"));
        let place = link.map_or_else(
            || "in the token's settings".to_owned(),
            |link| format!("at {link}"),
        );
        return format!("the organization wants the token authorized for single sign-on; do so {place}");
    }
    if words.contains("ip allow list") {
        return "the organization's IP allow list does not have this machine's address; add it there"
            .to_owned();
    }
    if words.contains("archived") {
        return format!("{repository} is archived and can only be read; unarchive it");
    }
    if words.contains("suspended") {
        return "the account or App is suspended at GitHub; an owner of the organization can resume it"
            .to_owned();
    }
    let needs = match answer.header("x-accepted-github-permissions") {
        Some(wanted) => wanted.replace('=', ": ").replace("; ", " or "),
        None => adapter.needs(),
    };
    format!("the credential lacks a permission on {repository}: it needs {needs}")
}

/// Whether a refusal says something of a field: its name, GitHub's code for what is wrong, and its message in lower
/// case.
#[must_use]
pub fn has_fault(answer: &Answer, fits: impl Fn(&str, &str, &str) -> bool) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let list = body.get("errors").and_then(Value::as_array).cloned();
    let text = |one: &Value, name: &str| {
        one.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    list.unwrap_or_default().iter().any(|one| {
        fits(
            &text(one, "field"),
            &text(one, "code"),
            &text(one, "message").to_lowercase(),
        )
    })
}
