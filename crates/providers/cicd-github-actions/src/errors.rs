//! GitHub's refusals: which class they are, who must act, and what to do. GitHub's own words stay beside them.

use crate::KEY;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;
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
            "GitHub does not accept the token; it ended or was revoked: renew it in the integration",
        ),
        403 | 429 if is_throttled(answer, &words) => throttled(answer),
        403 => answer.error(ProviderErrorKind::Forbidden, forbidden(answer, &words, repository)),
        404 => answer.error(
            ProviderErrorKind::NotFound,
            format!(
                "GitHub shows no such thing in {repository}: it does not exist, or this token may not see it (GitHub \
                 tells the two apart to nobody)"
            ),
        ),
        409 => answer.error(
            ProviderErrorKind::Precondition,
            format!("{repository} or the run was being changed by somebody else; it is tried again"),
        ),
        410 if said("version") => answer.error(
            ProviderErrorKind::Misconfigured,
            "this GitHub server does not speak the version of the API that is set; choose the other one in `apiVersion`",
        ),
        422 if said("submitted too quickly") || said("spammed") => throttled(answer),
        422 => refused(answer, &words, repository),
        _ => answer.failure(),
    }
}

/// What GitHub says against a dispatch. Each is sure to have started nothing.
fn refused(answer: &Answer, words: &str, repository: &str) -> ProviderError {
    let said = |part: &str| words.contains(part);
    let sentence = if said("does not have 'workflow_dispatch'") {
        "the workflow has no `workflow_dispatch` trigger at this ref; add it to the file on the default branch and on the \
         branch that is released"
            .to_owned()
    } else if said("disabled workflow") {
        "the workflow is disabled; enable it on its page in GitHub, or choose another one".to_owned()
    } else if said("unexpected inputs") {
        "the workflow does not declare all of the pipeline's parameters at this ref; declare them as inputs, or take them \
         out of the pipeline"
            .to_owned()
    } else if said("required input") {
        "the workflow requires an input that the pipeline does not give; add it to the pipeline's parameters"
            .to_owned()
    } else if said("not in the list of allowed values") {
        "a parameter's value is none of the choices the workflow declares; correct the pipeline's parameters"
            .to_owned()
    } else if said("inputs are too large") || said("up to 25") {
        "the pipeline's parameters are more or longer than GitHub takes (25 inputs, 65535 characters); shorten them"
            .to_owned()
    } else if said("no ref found") || said("no commit found") {
        return answer.error(
            ProviderErrorKind::NotFound,
            format!("{repository} has no such branch or tag; the release's source must be the same repository, or mirrored to it"),
        );
    } else {
        return answer.error(ProviderErrorKind::Invalid, "GitHub refuses the request");
    };
    answer.error(ProviderErrorKind::Misconfigured, sentence)
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
        let link = link.filter(|link| link.starts_with("https://") || link.starts_with("http://"));
        let place = link.unwrap_or("the token's settings");
        return format!("the organization wants the token authorized for single sign-on; do so at {place}");
    }
    if words.contains("ip allow list") {
        return "the organization's IP allow list does not have this machine's address; add it there"
            .to_owned();
    }
    if words.contains("archived") {
        return format!("{repository} is archived and runs nothing; unarchive it");
    }
    if words.contains("suspended") {
        return "the account is suspended at GitHub; an owner of the organization can resume it".to_owned();
    }
    match answer.header("x-accepted-github-permissions") {
        Some(wanted) => format!(
            "the token lacks a permission on {repository}: it needs {}",
            wanted.replace('=', ": ").replace("; ", " or ")
        ),
        None => format!(
            "the token lacks a permission on {repository}; it needs actions: write and contents: read"
        ),
    }
}
