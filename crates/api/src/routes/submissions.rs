//! Submissions: one try to get one build of one target through a store's review.

use crate::answer::{Answer, Answered};
use crate::body::{Body, Maybe};
use crate::check::syntax;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::releases::actions::{NothingBody, ReasonBody, reason};
use crate::routes::releases::load::{Success, act_on};
use crate::routes::releases::tasks::{EffectView, effects};
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use delivr_app::stored::show_state;
use delivr_app::usecases::access::Role;
use delivr_app::usecases::releases;
use delivr_domain::aggregate::{Aggregate, Command};
use delivr_domain::board::{Board, Task};
use delivr_domain::ids::SubmissionId;
use delivr_domain::key::{AggregateId, AggregateKind, TaskKey};
use delivr_domain::ports::store::AggregateRow;
use delivr_domain::release::Command as ReleaseCommand;
use delivr_domain::release::catalogue::ship_task;
use delivr_domain::release::command::Force;
use delivr_domain::submission::{Command as SubmissionCommand, Submission};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(read)
        .service(submit)
        .service(release_now)
        .service(cancel)
        .service(resubmit)
        .service(retry);
}

/// A submission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubmissionView {
    id: String,
    release_id: String,
    target: &'static str,
    integration_id: String,
    /// 1 is the first try.
    attempt: u16,
    version: String,
    build_number: Option<String>,
    /// What it tells users, by language; `default` is for languages without their own.
    notes: BTreeMap<String, String>,
    /// Guards against lost updates; the ETag begins with it.
    revision: u64,
    /// Where it stands; a word of the store that is not known moves nothing.
    status: &'static str,
    /// The store's own word and explanation.
    store_word: Option<String>,
    explanation: Option<String>,
    /// AUTO or BY_PERSON.
    submit: &'static str,
    /// Whether a person asked to submit.
    submit_asked: bool,
    /// Whether a person asked to release the approved version.
    release_asked: bool,
    tasks: Vec<StepView>,
    updated_at: DateTime<Utc>,
}

/// A task of a submission or rollout.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    key: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    /// Why it failed and who must do what.
    detail: Option<String>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

/// Tasks of a child, by start.
pub(crate) fn steps(board: &Board) -> Vec<StepView> {
    let mut all: Vec<&Task> = board.iter().collect();
    all.sort_by_key(|it| (it.started_at.is_none(), it.started_at, it.key));
    all.into_iter()
        .map(|it| StepView {
            key: it.key.to_string(),
            kind: it.key.kind.word(),
            status: it.state.word(),
            detail: it.failure().map(|(cause, _)| cause.sentence.clone()),
            started_at: it.started_at,
            ended_at: it.ended_at,
        })
        .collect()
}

/// A submission.
pub(crate) fn submission(it: &Submission) -> SubmissionView {
    let number = &it.start.version.build_number;
    SubmissionView {
        id: it.start.id.to_string(),
        release_id: it.start.release.to_string(),
        target: it.start.target.word(),
        integration_id: it.start.integration.to_string(),
        attempt: it.start.attempt,
        version: it.start.version.version.clone(),
        build_number: (!number.is_empty()).then(|| number.clone()),
        notes: it.start.version.notes.clone(),
        revision: it.version,
        status: it.status.word(),
        store_word: it.review.as_ref().map(|review| review.store_word.clone()),
        explanation: it.review.as_ref().and_then(|review| review.explanation.clone()),
        submit: it.start.settings.submit.word(),
        submit_asked: it.submit_asked,
        release_asked: it.release_asked,
        tasks: steps(&it.board),
        updated_at: it.updated_at,
    }
}

/// A submission with its effects.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubmissionDetail {
    #[serde(flatten)]
    submission: SubmissionView,
    effects: Vec<EffectView>,
}

fn id(cx: &Context) -> Result<AggregateId, Problem> {
    let id: SubmissionId = cx.id("submissionId", "submission")?;
    Ok(AggregateId {
        kind: AggregateKind::Submission,
        id: id.uuid(),
    })
}

async fn find(cx: &Context) -> Result<(AggregateRow, Box<Submission>), Problem> {
    let missing = || Problem::missing("submission");
    let row = cx
        .app
        .store
        .look(cx.tenant(), id(cx)?)
        .await?
        .ok_or_else(missing)?;
    match show_state(&row)? {
        Aggregate::Submission(it) => Ok((row, it)),
        Aggregate::Release(_) | Aggregate::Rollout(_) => Err(missing()),
    }
}

fn view(state: &Aggregate) -> Option<SubmissionView> {
    match state {
        Aggregate::Submission(it) => Some(submission(it)),
        Aggregate::Release(_) | Aggregate::Rollout(_) => None,
    }
}

async fn act(cx: &Context, command: SubmissionCommand) -> Answered {
    cx.at_least(Role::Member)?;
    act_on(cx, id(cx)?, &Command::Submission(command), Success::Ok, &view).await
}

/// One submission with its effects and attempts.
#[utoipa::path(tag = "Distribution", responses((status = 200, description = "The submission", body = SubmissionDetail)))]
#[get("/submissions/{submissionId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, it) = find(&cx).await?;
    let effects = effects(&cx, row.id, None).await?;
    Ok(Answer::ok(&SubmissionDetail {
        submission: submission(&it),
        effects,
    })
    .version(row.version))
}

/// Hands the prepared version to the store's review.
#[utoipa::path(tag = "Distribution", request_body = inline(Option<NothingBody>), responses((status = 200, description = "The submission", body = SubmissionView)))]
#[post("/submissions/{submissionId}/submit")]
pub(crate) async fn submit(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    act(&cx, SubmissionCommand::Submit).await
}

/// Why an approved version is released.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseToUsersBody {
    /// Why; it may be left out.
    reason: Option<String>,
}

/// Releases the approved version to users.
#[utoipa::path(tag = "Distribution", request_body = inline(Option<ReleaseToUsersBody>), responses((status = 200, description = "The submission", body = SubmissionView)))]
#[post("/submissions/{submissionId}/release")]
pub(crate) async fn release_now(cx: Context, body: Maybe<ReleaseToUsersBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.reason.map(reason).transpose()?;
    act(&cx, SubmissionCommand::Release { reason }).await
}

/// Withdraws it from the store.
#[utoipa::path(tag = "Distribution", request_body = ReasonBody, responses((status = 200, description = "The submission", body = SubmissionView)))]
#[post("/submissions/{submissionId}/cancel")]
pub(crate) async fn cancel(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.read()?;
    act(&cx, SubmissionCommand::Cancel { reason }).await
}

/// What came of asking for a new try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResubmitView {
    /// The submission that is spent.
    superseded_id: String,
    /// The one that takes its place; a worker brings it to life.
    submission_id: Option<String>,
    release_id: String,
    target: &'static str,
}

/// Tries anew after a rejection or withdrawal: a new submission takes the place of this one.
#[utoipa::path(tag = "Distribution", request_body = inline(Option<NothingBody>), responses((status = 200, description = "The new try", body = ResubmitView)))]
#[post("/submissions/{submissionId}/resubmit")]
pub(crate) async fn resubmit(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let (row, it) = find(&cx).await?;
    cx.unchanged(row.version)?;
    let target = it.start.target;
    let parent = AggregateId {
        kind: AggregateKind::Release,
        id: it.start.release.uuid(),
    };
    let (parent_row, parent_state) = releases::find(&cx.app, cx.tenant(), parent)
        .await?
        .ok_or_else(|| Problem::missing("release"))?;
    let in_force = parent_state
        .shipments
        .get(&target)
        .map(|shipment| shipment.submission);
    if in_force.is_some_and(|in_force| in_force != it.start.id) {
        return Err(Problem::conflict(
            "superseded",
            "another submission has taken this one's place; resubmit that one",
        ));
    }
    // The release is changed at exactly the version that was looked at.
    let mut seen = cx.looked_at(parent_row.version);
    // The version that the caller named is the submission's, and was compared above.
    seen.if_match = None;
    let command = Command::Release(ReleaseCommand::RetryTask {
        task: ship_task(target),
        force: Force::No,
    });
    let (superseded, release) = (it.start.id, it.start.release);
    act_on(&seen, parent, &command, Success::Ok, &|state| {
        let new = match state {
            Aggregate::Release(release) => release
                .board
                .find(&ship_task(target))
                .map(|task| delivr_domain::release::work::submission_id(release, task)),
            Aggregate::Submission(_) | Aggregate::Rollout(_) => None,
        };
        ResubmitView {
            superseded_id: superseded.to_string(),
            submission_id: new.map(|id| id.to_string()),
            release_id: release.to_string(),
            target: target.word(),
        }
    })
    .await
}

/// Which failed task is tried again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RetryBody {
    /// Its key; left out, the only one that failed.
    task: Option<String>,
}

impl RetryBody {
    /// The task of the board that is meant.
    pub(crate) fn read(&self, board: &Board) -> Result<TaskKey, Problem> {
        if let Some(text) = &self.task {
            return syntax("/task", text);
        }
        let mut failed = board.iter().filter(|it| it.failure().is_some());
        match (failed.next(), failed.next()) {
            (Some(only), None) => Ok(only.key),
            (None, _) => Err(Problem::conflict("task_not_failed", "no task has failed")),
            (Some(_), Some(_)) => Err(Problem::malformed_at("/task", "several tasks failed; name one")),
        }
    }
}

/// Tries a failed task of the submission again.
#[utoipa::path(tag = "Distribution", request_body = inline(Option<RetryBody>), responses((status = 200, description = "The submission", body = SubmissionView)))]
#[post("/submissions/{submissionId}/retry")]
pub(crate) async fn retry(cx: Context, body: Maybe<RetryBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let (_row, it) = find(&cx).await?;
    let task = body.0.read(&it.board)?;
    act(&cx, SubmissionCommand::Retry { task }).await
}
