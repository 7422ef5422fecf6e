//! What people do with a release as a whole.

use super::load::{act, find};
use super::view::ReleaseView;
use crate::answer::Answered;
use crate::body::{Body, Maybe};
use crate::check::{Checks, syntax};
use crate::context::Context;
use crate::problem::Problem;
use actix_web::post;
use delivr_app::usecases::access::Role;
use delivr_app::usecases::releases;
use delivr_domain::plan::GatedStage;
use delivr_domain::release::hold::Scope;
use delivr_domain::release::{Command, Stage};
use serde::Deserialize;
use utoipa::ToSchema;

/// A body without fields.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NothingBody {}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReasonBody {
    reason: String,
}

impl ReasonBody {
    /// The reason, checked.
    pub(crate) fn read(self) -> Result<String, Problem> {
        reason(self.reason)
    }
}

/// A reason must say something.
pub(crate) fn reason(text: String) -> Result<String, Problem> {
    Checks::new().text("/reason", &text, 1, 1_000).done()?;
    Ok(text)
}

/// Kicks the release off now, before its time.
#[utoipa::path(tag = "Releases", request_body = inline(Option<NothingBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/start")]
pub(crate) async fn start(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    act(&cx, Command::Start).await
}

/// Why it is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PauseBody {
    note: Option<String>,
}

/// Pauses: nothing new starts; what is under way ends and is recorded.
#[utoipa::path(tag = "Releases", request_body = inline(Option<PauseBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/pause")]
pub(crate) async fn pause(cx: Context, body: Maybe<PauseBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Maybe(body) = body;
    Checks::new()
        .text_if("/note", body.note.as_deref(), 1, 1_000)
        .done()?;
    act(&cx, Command::Pause { note: body.note }).await
}

/// Lifts the pause, and nothing else.
#[utoipa::path(tag = "Releases", request_body = inline(Option<NothingBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/resume")]
pub(crate) async fn resume(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    act(&cx, Command::Resume).await
}

/// Why and how far it is blocked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BlockBody {
    reason: String,
    /// STAGING, PRODUCTION or EVERYTHING (default).
    scope: Option<String>,
}

/// Flags it as blocked.
#[utoipa::path(tag = "Releases", request_body = BlockBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/block")]
pub(crate) async fn block(cx: Context, body: Body<BlockBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let reason = reason(body.reason)?;
    let scope = match body.scope {
        Some(text) => syntax("/scope", &text)?,
        None => Scope::Everything,
    };
    act(&cx, Command::Block { reason, scope }).await
}

/// Lifts the flag.
#[utoipa::path(tag = "Releases", request_body = inline(Option<NothingBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/unblock")]
pub(crate) async fn unblock(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    act(&cx, Command::Unblock).await
}

/// Lifts its drift: a person has put right at the vendor what was there more than once.
#[utoipa::path(tag = "Releases", request_body = ReasonBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/clear-drift")]
pub(crate) async fn clear_drift(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let reason = body.read()?;
    act(&cx, Command::ClearDrift { reason }).await
}

/// Why it is given up, and what is cleaned up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ArchiveBody {
    reason: String,
    /// Whether its tickets are closed.
    #[serde(default)]
    close_tickets: bool,
    /// Whether its branch is deleted.
    #[serde(default)]
    delete_branch: bool,
}

/// Gives it up for good. Runs under way are cancelled; clean-up is shown as tasks of the stage CLEAN_UP.
#[utoipa::path(tag = "Releases", request_body = ArchiveBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/archive")]
pub(crate) async fn archive(cx: Context, body: Body<ArchiveBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let command = Command::Archive {
        reason: reason(body.reason)?,
        close_tickets: body.close_tickets,
        delete_branch: body.delete_branch,
    };
    act(&cx, command).await
}

/// Closes it as rolled back, after every rollout was halted; in the App Store, which cannot halt, after it was paused. What
/// everybody has there already bars nothing: no store takes it back.
#[utoipa::path(tag = "Releases", request_body = ReasonBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/close-rolled-back")]
pub(crate) async fn close(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let reason = body.read()?;
    act(&cx, Command::CloseRolledBack { reason }).await
}

/// An orchestrated release that was closed stays closed (409): its runs were cancelled, its branch and tickets may be
/// gone, and what it shipped is in the stores. The refusal says what to do instead.
#[utoipa::path(tag = "Releases", request_body = inline(Option<NothingBody>), responses((status = 200, description = "The release; never for an orchestrated one", body = ReleaseView)))]
#[post("/releases/{releaseId}/reopen")]
pub(crate) async fn reopen(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let (row, release) = find(&cx).await?;
    cx.unchanged(row.version)?;
    let key = release.key();
    let (code, instead) = match release.stage {
        Stage::Archived => (
            "release_not_reopenable",
            "was given up: its runs were cancelled, and its branch and tickets may be gone; create a release anew \
             (POST /releases), with `existingBranch` if the branch is still there",
        ),
        Stage::RolledBack => (
            "release_not_reopenable",
            "was rolled back in the stores; ship a release with a higher version (POST /releases)",
        ),
        Stage::Completed => (
            "release_not_reopenable",
            "is complete; ship what is missing as a release with a higher version (POST /releases)",
        ),
        Stage::NotStarted
        | Stage::Kickoff
        | Stage::AwaitingRegression
        | Stage::Regression
        | Stage::AwaitingPreRelease
        | Stage::PreRelease
        | Stage::AwaitingDistribution
        | Stage::Distribution => (
            "release_not_closed",
            "is not closed; `resume` lifts a pause, `rework` sends it back to an earlier stage",
        ),
    };
    Err(Problem::conflict(code, format!("{key} {instead}")))
}

/// Where it goes back to, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReworkBody {
    /// REGRESSION (a new cycle) or PRE_RELEASE (new builds of the approved commit).
    to_stage: String,
    reason: String,
}

/// Sends it back after a rejection or a bad build.
#[utoipa::path(tag = "Releases", request_body = ReworkBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/rework")]
pub(crate) async fn rework(cx: Context, body: Body<ReworkBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let command = Command::Rework {
        to: syntax("/toStage", &body.to_stage)?,
        reason: reason(body.reason)?,
    };
    act(&cx, command).await
}

/// Whether blockers are overridden, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TriggerBody {
    /// Passes closed gates; needs ADMIN and a reason.
    #[serde(rename = "override", default)]
    overriding: bool,
    reason: Option<String>,
}

async fn trigger(cx: &Context, stage: GatedStage, body: TriggerBody) -> Answered {
    cx.at_least(Role::Member)?;
    Checks::new()
        .text_if("/reason", body.reason.as_deref(), 1, 1_000)
        .holds(
            "/reason",
            !body.overriding || body.reason.is_some(),
            "an override needs a reason",
        )
        .done()?;
    if body.overriding {
        cx.at_least(Role::Admin)?;
    }
    let (row, release) = find(cx).await?;
    cx.unchanged(row.version)?;
    releases::refresh_facts(&cx.app, cx.tenant(), &release, stage).await?;
    let override_reason = body.reason.filter(|_reason| body.overriding);
    let command = Command::Trigger {
        stage,
        override_reason,
    };
    act(cx, command).await
}

/// Lets REGRESSION start. Facts of the gate are read anew; a refusal lists what keeps it closed.
#[utoipa::path(tag = "Releases", request_body = inline(Option<TriggerBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/trigger-regression-testing")]
pub(crate) async fn trigger_regression(cx: Context, body: Maybe<TriggerBody>) -> Answered {
    trigger(&cx, GatedStage::Regression, body.0).await
}

/// Lets PRE_RELEASE start. Facts of the gate are read anew; a refusal lists what keeps it closed.
#[utoipa::path(tag = "Releases", request_body = inline(Option<TriggerBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/trigger-pre-release")]
pub(crate) async fn trigger_pre_release(cx: Context, body: Maybe<TriggerBody>) -> Answered {
    trigger(&cx, GatedStage::PreRelease, body.0).await
}

/// Lets DISTRIBUTION start. Facts of the gate are read anew; a refusal lists what keeps it closed.
#[utoipa::path(tag = "Releases", request_body = inline(Option<TriggerBody>), responses((status = 200, description = "The release", body = ReleaseView)))]
#[post("/releases/{releaseId}/trigger-distribution")]
pub(crate) async fn trigger_distribution(cx: Context, body: Maybe<TriggerBody>) -> Answered {
    trigger(&cx, GatedStage::Distribution, body.0).await
}
