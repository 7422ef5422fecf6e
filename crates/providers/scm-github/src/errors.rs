//! What only requests about refs, releases and pull requests are refused for.

use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_github_kit::has_fault;
use delivr_provider_kit::Answer;

/// Rules that stand against a write, and a repository without a commit.
pub(crate) fn of_source(answer: &Answer, words: &str, repository: &str) -> Option<ProviderError> {
    match answer.status.as_u16() {
        403 | 422 if is_rule(words) => Some(answer.error(
            ProviderErrorKind::Forbidden,
            format!(
                "a ruleset or branch protection of {repository} does not allow this; let this account bypass it, or \
                 change the rule"
            ),
        )),
        409 if words.contains("empty") => Some(answer.error(
            ProviderErrorKind::Misconfigured,
            format!("{repository} is empty; push a first commit"),
        )),
        _ => None,
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
    if words.contains("reference already exists")
        || has_fault(answer, |_, code, message| {
            code == "already_exists" || message.contains("already exists")
        })
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
    if has_fault(answer, |_, _, message| message.contains("no commits between")) {
        return Some(Refused::NothingBetween);
    }
    has_fault(answer, |field, code, _| {
        ["head", "base"].contains(&field) && code == "invalid"
    })
    .then_some(Refused::NoBranch)
}
