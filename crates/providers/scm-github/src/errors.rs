//! GitHub's refusals: which class they are, who must act, and what to do. GitHub's own words stay beside them.

use crate::KEY;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;
use serde_json::Value;
use std::time::Duration;

/// Least wait after a secondary limit without a hint, as GitHub's documentation asks for.
const SECONDARY: Duration = Duration::from_secs(60);

/// An error of ours.
pub(crate) fn fail(
    operation: &'static str,
    kind: ProviderErrorKind,
    sentence: impl Into<String>,
) -> ProviderError {
    ProviderError::new(KEY, operation, kind, sentence)
}

/// The error behind an answer that is no success.
pub(crate) fn failure(answer: &Answer, repository: &str) -> ProviderError {
    let words = answer.words().unwrap_or_default().to_lowercase();
    let said = |part: &str| words.contains(part);
    match answer.status.as_u16() {
        401 => answer.error(
            ProviderErrorKind::Unauthenticated,
            "GitHub does not accept the credential; it ended or was revoked: renew it in the integration",
        ),
        403 | 429 if is_throttled(answer, &words) => throttled(answer),
        403 => answer.error(
            ProviderErrorKind::Forbidden,
            forbidden(answer, &words, repository),
        ),
        404 => answer.error(
            ProviderErrorKind::NotFound,
            format!(
                "GitHub shows no such thing in {repository}: it does not exist, or this credential may not see it \
                 (GitHub tells the two apart to nobody)"
            ),
        ),
        409 if said("empty") => answer.error(
            ProviderErrorKind::Misconfigured,
            format!("{repository} is empty; push a first commit"),
        ),
        409 => answer.error(
            ProviderErrorKind::Precondition,
            format!("{repository} was being changed by somebody else; it is tried again"),
        ),
        410 if said("version") => answer.error(
            ProviderErrorKind::Misconfigured,
            "this GitHub server no longer speaks the API version that Delivr uses; Delivr must be updated",
        ),
        422 if said("submitted too quickly") || said("spammed") => throttled(answer),
        422 if is_rule(&words) => answer.error(
            ProviderErrorKind::Forbidden,
            format!(
                "a ruleset or branch protection of {repository} does not allow this; let this account bypass it, or \
                 change the rule"
            ),
        ),
        422 => answer.error(ProviderErrorKind::Invalid, "GitHub refuses the request"),
        _ => answer.failure(),
    }
}

/// The error behind a refused token of an installation.
pub(crate) fn app_failure(answer: &Answer, repository: &str) -> ProviderError {
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
        _ => failure(answer, repository),
    }
}

fn is_throttled(answer: &Answer, words: &str) -> bool {
    answer.status.as_u16() == 429
        || answer.header("retry-after").is_some()
        || answer.header("x-ratelimit-remaining") == Some("0")
        || words.contains("secondary rate limit")
        || words.contains("abuse detection")
        || words.contains("rate limit exceeded")
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
fn forbidden(answer: &Answer, words: &str, repository: &str) -> String {
    if let Some(sso) = answer.header("x-github-sso") {
        let link = sso.split_once("url=").map(|(_, url)| url.trim());
        return match link.filter(|link| link.starts_with("https://") || link.starts_with("http://")) {
            Some(link) => {
                format!("the organization wants the token authorized for single sign-on; do so at {link}")
            }
            None => "the organization wants the token authorized for single sign-on; do so in the token's settings"
                .to_owned(),
        };
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
    if is_rule(words) {
        return format!(
            "a ruleset or branch protection of {repository} does not allow this; let this account bypass it"
        );
    }
    match answer.header("x-accepted-github-permissions") {
        Some(wanted) => format!(
            "the credential lacks a permission on {repository}: it needs {}",
            wanted.replace('=', ": ").replace("; ", " or ")
        ),
        None => format!(
            "the credential lacks a permission on {repository}; it needs contents and pull requests: write"
        ),
    }
}

fn is_rule(words: &str) -> bool {
    [
        "rule violation",
        "protected branch",
        "protected tag",
        "changes must be made through a pull request",
        "immutable",
    ]
    .iter()
    .any(|part| words.contains(part))
}

/// What a 422 says about its fields: `(field, code, message)`.
fn faults(answer: &Answer) -> Vec<(String, String, String)> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let list = body.get("errors").and_then(Value::as_array).cloned();
    let text = |one: &Value, name: &str| {
        one.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    list.unwrap_or_default()
        .iter()
        .map(|one| (text(one, "field"), text(one, "code"), text(one, "message")))
        .collect()
}

/// Why a write was not done although nothing is wrong with the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Something of the name exists.
    Exists,
    /// The ref does not exist (any more).
    Gone,
    /// The commit is not in the repository.
    NoObject,
    /// Another ref is in the way: a name cannot be a part of another one.
    InTheWay,
    /// There is nothing between the two branches.
    NothingBetween,
    /// A branch of the pull request does not exist.
    NoBranch,
}

/// The refusal behind an answer, where it is one of those that callers act on.
pub(crate) fn refusal(answer: &Answer) -> Option<Refused> {
    if answer.status.as_u16() != 422 {
        return None;
    }
    let words = answer.words().unwrap_or_default().to_lowercase();
    let faults = faults(answer);
    let fault = |fits: &dyn Fn(&str, &str, &str) -> bool| {
        faults
            .iter()
            .any(|(field, code, message)| fits(field, code, &message.to_lowercase()))
    };
    if words.contains("reference already exists")
        || fault(&|_, code, message| code == "already_exists" || message.contains("already exists"))
    {
        return Some(Refused::Exists);
    }
    if words.contains("reference does not exist") {
        return Some(Refused::Gone);
    }
    if words.contains("object does not exist") || words.contains("no commit found") {
        return Some(Refused::NoObject);
    }
    if words.contains("reference update failed") {
        return Some(Refused::InTheWay);
    }
    if fault(&|_, _, message| message.contains("no commits between")) {
        return Some(Refused::NothingBetween);
    }
    fault(&|field, code, _| ["head", "base"].contains(&field) && code == "invalid")
        .then_some(Refused::NoBranch)
}
