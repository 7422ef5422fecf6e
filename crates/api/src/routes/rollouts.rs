//! Rollouts: how an accepted submission reaches its users.

use crate::answer::{Answer, Answered};
use crate::body::{Body, Maybe};
use crate::check::Checks;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::releases::actions::{ReasonBody, reason};
use crate::routes::releases::load::{Success, act_on};
use crate::routes::releases::tasks::{EffectView, effects};
use crate::routes::submissions::{RetryBody, StepView, steps};
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use delivr_app::stored::show_state;
use delivr_app::usecases::access::Role;
use delivr_domain::aggregate::{Aggregate, Command};
use delivr_domain::ids::RolloutId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::AggregateRow;
use delivr_domain::rollout::{Command as RolloutCommand, Rollout};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(read)
        .service(advance)
        .service(pause)
        .service(resume)
        .service(halt)
        .service(complete)
        .service(retry);
}

/// A rollout.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutView {
    id: String,
    release_id: String,
    submission_id: String,
    target: &'static str,
    integration_id: String,
    version: String,
    build_number: String,
    /// Guards against lost updates; the ETag begins with it.
    revision: u64,
    /// ACTIVE, PAUSED, HALTED or COMPLETED.
    status: &'static str,
    /// Users who get it, in basis points, as last read back from the store.
    exposure: u16,
    /// The exposure that counts as final.
    final_exposure: u16,
    /// Steps in basis points; in the App Store those of its phased release.
    steps: Vec<u16>,
    /// Minutes at a step; none waits for a person.
    step_minutes: Option<u32>,
    /// When the exposure last rose.
    step_at: DateTime<Utc>,
    /// Decisions taken so far.
    traffic_generation: u64,
    /// The store differs from what was decided here.
    drift: Option<String>,
    store_word: Option<String>,
    tasks: Vec<StepView>,
    updated_at: DateTime<Utc>,
}

/// A rollout.
pub(crate) fn rollout(it: &Rollout) -> RolloutView {
    RolloutView {
        id: it.start.id.to_string(),
        release_id: it.start.release.to_string(),
        submission_id: it.start.submission.to_string(),
        target: it.start.target.word(),
        integration_id: it.start.integration.to_string(),
        version: it.start.version.version.clone(),
        build_number: it.start.version.build_number.clone(),
        revision: it.version,
        status: it.status.word(),
        exposure: it.exposure,
        final_exposure: it.final_exposure(),
        steps: it.steps().to_vec(),
        step_minutes: it.start.settings.step_minutes,
        step_at: it.step_at,
        traffic_generation: it.traffic_generation,
        drift: it.drift.clone(),
        store_word: it.store_word.clone(),
        tasks: steps(&it.board),
        updated_at: it.updated_at,
    }
}

/// A rollout with its effects.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutDetail {
    #[serde(flatten)]
    rollout: RolloutView,
    effects: Vec<EffectView>,
}

fn id(cx: &Context) -> Result<AggregateId, Problem> {
    let id: RolloutId = cx.id("rolloutId", "rollout")?;
    Ok(AggregateId {
        kind: AggregateKind::Rollout,
        id: id.uuid(),
    })
}

async fn find(cx: &Context) -> Result<(AggregateRow, Box<Rollout>), Problem> {
    let missing = || Problem::missing("rollout");
    let row = cx
        .app
        .store
        .look(cx.tenant(), id(cx)?)
        .await?
        .ok_or_else(missing)?;
    match show_state(&row)? {
        Aggregate::Rollout(it) => Ok((row, it)),
        Aggregate::Release(_) | Aggregate::Submission(_) => Err(missing()),
    }
}

async fn act(cx: &Context, command: RolloutCommand) -> Answered {
    act_on(
        cx,
        id(cx)?,
        &Command::Rollout(command),
        Success::Ok,
        &|state| match state {
            Aggregate::Rollout(it) => Some(rollout(it)),
            Aggregate::Release(_) | Aggregate::Submission(_) => None,
        },
    )
    .await
}

/// One rollout with its effects and attempts.
#[utoipa::path(tag = "Distribution", responses((status = 200, description = "The rollout", body = RolloutDetail)))]
#[get("/rollouts/{rolloutId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, it) = find(&cx).await?;
    let effects = effects(&cx, row.id, None).await?;
    Ok(Answer::ok(&RolloutDetail {
        rollout: rollout(&it),
        effects,
    })
    .version(row.version))
}

/// How far it is raised, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AdvanceBody {
    reason: String,
    /// In basis points, above the present exposure; left out, the next step.
    exposure: Option<u16>,
}

/// Raises it to the next step, or to an exposure.
#[utoipa::path(tag = "Distribution", request_body = AdvanceBody, responses((status = 200, description = "The rollout", body = RolloutView)))]
#[post("/rollouts/{rolloutId}/advance")]
pub(crate) async fn advance(cx: Context, body: Body<AdvanceBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let fits = body.exposure.is_none_or(|bps| (1..=10_000).contains(&bps));
    Checks::new()
        .holds("/exposure", fits, "must be 1 to 10000 basis points")
        .done()?;
    let command = RolloutCommand::Advance {
        bps: body.exposure,
        reason: reason(body.reason)?,
    };
    act(&cx, command).await
}

/// Stops raising; users who have it keep it. (App Store: Apple's own pause.)
#[utoipa::path(tag = "Distribution", request_body = ReasonBody, responses((status = 200, description = "The rollout", body = RolloutView)))]
#[post("/rollouts/{rolloutId}/pause")]
pub(crate) async fn pause(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.read()?;
    act(&cx, RolloutCommand::Pause { reason }).await
}

/// Goes on after a pause or halt.
#[utoipa::path(tag = "Distribution", request_body = ReasonBody, responses((status = 200, description = "The rollout", body = RolloutView)))]
#[post("/rollouts/{rolloutId}/resume")]
pub(crate) async fn resume(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.read()?;
    act(&cx, RolloutCommand::Resume { reason }).await
}

/// Withholds it in the store, at once and before any other decision.
#[utoipa::path(tag = "Distribution", request_body = ReasonBody, responses((status = 200, description = "The rollout", body = RolloutView)))]
#[post("/rollouts/{rolloutId}/halt")]
pub(crate) async fn halt(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.read()?;
    act(&cx, RolloutCommand::Halt { reason }).await
}

/// Gives it to everybody.
#[utoipa::path(tag = "Distribution", request_body = ReasonBody, responses((status = 200, description = "The rollout", body = RolloutView)))]
#[post("/rollouts/{rolloutId}/complete")]
pub(crate) async fn complete(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.read()?;
    act(&cx, RolloutCommand::Complete { reason }).await
}

/// Tries a failed decision again.
#[utoipa::path(tag = "Distribution", request_body = inline(Option<RetryBody>), responses((status = 200, description = "The rollout", body = RolloutView)))]
#[post("/rollouts/{rolloutId}/retry")]
pub(crate) async fn retry(cx: Context, body: Maybe<RetryBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let (_row, it) = find(&cx).await?;
    let task = body.0.read(&it.board)?;
    act(&cx, RolloutCommand::Retry { task }).await
}
