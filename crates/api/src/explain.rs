//! `?explain` on a command: what it would do and what stops it, nothing being changed.
//!
//! The command takes the way it always takes, up to the place where it would be written ([`answer`]). What refuses it
//! on that way is an answer here and no error ([`refused`]). A mistake in the question itself stays an error.

use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::places::BASE;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::activities::summary;
use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use delivr_app::apply::Wish;
use delivr_app::usecases::explain;
use delivr_domain::board::Reaction;
use delivr_domain::effect::Effect;
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, TargetKey};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Things whose commands explain themselves.
const EXPLAINED: &[&str] = &[
    "/releases/{releaseId}",
    "/submissions/{submissionId}",
    "/rollouts/{rolloutId}",
];
/// Routes below them that are no commands.
const UNEXPLAINED: &[&str] = &["/events/ticket", "/artifact", "/resend"];

/// Whether an operation explains itself, by its method and its path in the description.
pub(crate) fn explains(method: &str, path: &str) -> bool {
    !method.eq_ignore_ascii_case("get")
        && EXPLAINED.iter().any(|prefix| path.starts_with(prefix))
        && !UNEXPLAINED.iter().any(|suffix| path.ends_with(suffix))
}

/// What the query says about explaining: nothing, yes or no, or something that is neither.
fn said(query: &str) -> Result<bool, Problem> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    match pairs.find(|(name, _)| name == "explain") {
        None => Ok(false),
        Some((_, value)) => match value.as_ref() {
            "" | "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Problem::malformed_at("/explain", "must be true or false")),
        },
    }
}

/// Whether the query asks for an explanation: such a request changes nothing, and is no repetition of one that does.
pub(crate) fn named(query: &str) -> bool {
    said(query).unwrap_or(true)
}

/// Whether a request asks for an explanation. One that could not be given is refused, because the caller expects that
/// nothing is changed.
pub(crate) fn asked(request: &HttpRequest) -> Result<bool, Problem> {
    if request.method() == Method::GET || !said(request.query_string())? {
        return Ok(false);
    }
    let pattern = request.match_pattern().unwrap_or_default();
    let bare = pattern.strip_prefix(BASE).unwrap_or(&pattern);
    if explains(request.method().as_str(), bare) {
        Ok(true)
    } else {
        Err(Problem::malformed_at(
            "/explain",
            "this route cannot say what it would do; nothing was done",
        ))
    }
}

/// What a command would do, or what stops it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// Whether it would be carried out now.
    allowed: bool,
    /// What would be recorded, in order; empty when nothing would change.
    events: Vec<ExplainedEvent>,
    /// What would be sent or read because of it, in order. What follows from answers of vendors comes later.
    effects: Vec<ExplainedEffect>,
    /// What waits to be sent or read and would be dropped.
    dropped: Vec<ExplainedEffect>,
    /// What stops it, as the command itself would be refused.
    problem: Option<ProblemDocument>,
}

/// Something that would be recorded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedEvent {
    kind: &'static str,
    /// What would happen, in one line.
    summary: String,
}

/// Something that would be sent or read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedEffect {
    /// PERFORM, RESOLVE, WATCH, PROBE, CANCEL_RUN, TELL or MESSAGE.
    effect: &'static str,
    /// What it does, with its exact names.
    does: String,
    /// Of which task.
    task: Option<String>,
    target: Option<&'static str>,
    integration_id: Option<String>,
    /// Key of the integration's provider.
    provider: Option<String>,
    /// The very texts that users of a store will read, by language or `default`, where it takes some along.
    notes: Option<BTreeMap<String, String>>,
}

fn effect(effect: &Effect, providers: &BTreeMap<IntegrationId, String>) -> ExplainedEffect {
    let key = effect.key();
    ExplainedEffect {
        effect: effect.word(),
        does: explain::sentence(effect),
        task: key.map(|it| it.task.to_string()),
        target: key
            .and_then(|it| it.task.target)
            .or_else(|| explain::begun(effect))
            .map(TargetKey::word),
        notes: explain::notes(effect).cloned(),
        integration_id: effect.integration().map(|id| id.to_string()),
        provider: effect.integration().and_then(|id| providers.get(&id)).cloned(),
    }
}

/// Explains a command instead of carrying it out.
pub(crate) async fn answer(cx: &Context, id: AggregateId, wish: &Wish<'_>) -> Answered {
    let stepped = explain::command(&cx.app, id, wish)
        .await
        .map_err(|error| cx.too_late(error))?;
    let mut sent = Vec::new();
    let mut ended = Vec::new();
    for reaction in &stepped.reactions {
        match reaction {
            Reaction::Enqueue(effect) => sent.push(effect),
            Reaction::End(row) => ended.push(*row),
        }
    }
    let dropped = explain::ended(&cx.app, id, &ended).await?;
    let integrations = cx.app.store.integrations(cx.tenant(), None).await?;
    let providers = integrations.into_iter().map(|it| (it.id, it.provider)).collect();
    Ok(Answer::ok(&Explanation {
        allowed: true,
        events: stepped
            .events
            .iter()
            .map(|event| ExplainedEvent {
                kind: event.word(),
                summary: summary(event),
            })
            .collect(),
        effects: sent.into_iter().map(|it| effect(it, &providers)).collect(),
        dropped: dropped.iter().map(|it| effect(it, &providers)).collect(),
        problem: None,
    }))
}

/// The explanation of a command that this refuses; none when the question itself is wrong, or cannot be answered.
pub(crate) fn refused(request: &HttpRequest, problem: &Problem, id: &str) -> Option<String> {
    let stops = [
        StatusCode::FORBIDDEN,
        StatusCode::CONFLICT,
        StatusCode::PRECONDITION_FAILED,
        StatusCode::UNPROCESSABLE_ENTITY,
    ]
    .contains(&problem.status());
    if !stops || !asked(request).unwrap_or(false) {
        return None;
    }
    let explanation = Explanation {
        allowed: false,
        events: Vec::new(),
        effects: Vec::new(),
        dropped: Vec::new(),
        problem: Some(problem.document(Some(id))),
    };
    serde_json::to_string(&explanation).ok()
}

#[cfg(test)]
mod tests {
    use super::{explains, named, said};

    #[test]
    fn commands_explain_themselves_and_nothing_else_does() {
        for path in [
            "/releases/{releaseId}",
            "/releases/{releaseId}/tasks/{taskId}",
            "/submissions/{submissionId}/submit",
            "/rollouts/{rolloutId}/halt",
        ] {
            assert!(explains("post", path), "{path}");
            assert!(!explains("GET", path), "{path}");
        }
        for path in [
            "/releases",
            "/services/{serviceId}",
            "/releases/{releaseId}/events/ticket",
        ] {
            assert!(!explains("post", path), "{path}");
        }
    }

    #[test]
    fn a_query_says_yes_or_no() {
        for (query, yes) in [
            ("", false),
            ("explain", true),
            ("explain=", true),
            ("a=b&explain=true", true),
            ("explain=false", false),
        ] {
            assert_eq!(said(query).unwrap(), yes, "{query}");
            assert_eq!(named(query), yes, "{query}");
        }
        // Who means something else gets no change either.
        assert!(said("explain=maybe").is_err() && named("explain=maybe"));
    }
}
