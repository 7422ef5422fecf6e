//! What only requests about workflows and runs are refused for.

use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;

/// Versions of the API that the server does not speak, an archived repository, and dispatches that GitHub does not take.
pub(crate) fn of_runs(answer: &Answer, words: &str, repository: &str) -> Option<ProviderError> {
    match answer.status.as_u16() {
        403 if words.contains("archived") => Some(answer.error(
            ProviderErrorKind::Forbidden,
            format!("{repository} is archived and runs nothing; unarchive it"),
        )),
        409 => Some(answer.error(
            ProviderErrorKind::Precondition,
            format!("{repository} or the run was being changed by somebody else; it is tried again"),
        )),
        410 if words.contains("version") => Some(answer.error(
            ProviderErrorKind::Misconfigured,
            "this GitHub server does not speak the version of the API that is set; choose the other one in `apiVersion`",
        )),
        422 => refused(answer, words, repository),
        _ => None,
    }
}

/// What GitHub says against a dispatch. Each is sure to have started nothing.
fn refused(answer: &Answer, words: &str, repository: &str) -> Option<ProviderError> {
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
        return Some(answer.error(
            ProviderErrorKind::NotFound,
            format!("{repository} has no such branch or tag; the release's source must be the same repository, or mirrored to it"),
        ));
    } else {
        return None;
    };
    Some(answer.error(ProviderErrorKind::Misconfigured, sentence))
}
