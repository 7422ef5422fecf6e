//! Gates: what keeps a stage from starting, and what people decide about it.

use super::load::{Success, act_on, find};
use super::parts::{ApprovalView, approval, approvals};
use super::read::{fresh_blockers, next_gate};
use super::view::{HoldView, as_release, holds, trigger_of};
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, syntax};
use crate::context::Context;
use crate::problem::{BlockerView, Problem};
use crate::query::{Paging, Query};
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::releases;
use delivr_domain::aggregate::Command;
use delivr_domain::plan::GatedStage;
use delivr_domain::release::gate;
use delivr_domain::release::state::Decision;
use delivr_domain::release::{Command as ReleaseCommand, Release};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The gate in front of a stage.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GateView {
    /// The stage behind it; none when no gate is left.
    stage: Option<&'static str>,
    /// Whether nothing keeps it closed.
    open: bool,
    blockers: Vec<BlockerView>,
    /// What else stops the release, whichever its stage.
    holds: Vec<HoldView>,
    /// What stops its targets in their stores.
    stores: Vec<StoreBlockerView>,
    /// Approvals still needed.
    approvals_missing: u8,
    /// The commit decisions are about.
    sha: Option<String>,
    /// Whether the stage starts by itself when nothing keeps its gate closed.
    starts_by_itself: bool,
    /// The route that lets it start.
    trigger: Option<&'static str>,
}

/// What stops a target in its store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreBlockerView {
    target: &'static str,
    status: String,
    detail: String,
}

fn stores(release: &Release) -> Vec<StoreBlockerView> {
    let stopped = release.shipments.iter().filter_map(|(target, it)| {
        Some(StoreBlockerView {
            target: target.word(),
            status: it.state.status.clone(),
            detail: it.state.blocker.clone()?,
        })
    });
    stopped.collect()
}

/// Which gate is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GateQuery {
    /// REGRESSION, PRE_RELEASE or DISTRIBUTION; the next one unless said.
    stage: Option<String>,
}

/// What keeps the next stage (or the named one) from starting. Facts that are not fresh are read again.
#[utoipa::path(tag = "Gates", params(GateQuery), responses((status = 200, description = "The gate", body = GateView)))]
#[get("/releases/{releaseId}/blockers")]
pub(crate) async fn blockers(cx: Context, asked: Query<GateQuery>) -> Answered {
    let stage: Option<GatedStage> = asked.0.stage.map(|text| syntax("/stage", &text)).transpose()?;
    let (row, release) = find(&cx).await?;
    let Some(stage) = stage.or_else(|| next_gate(&release)) else {
        let none = GateView {
            stage: None,
            open: true,
            blockers: Vec::new(),
            holds: holds(&release),
            stores: stores(&release),
            approvals_missing: 0,
            sha: None,
            starts_by_itself: false,
            trigger: None,
        };
        return Ok(Answer::ok(&none).version(row.version));
    };
    let found = fresh_blockers(&cx, &release, stage).await?;
    let view = GateView {
        stage: Some(stage.word()),
        open: found.is_empty(),
        blockers: found.into_iter().map(BlockerView::from).collect(),
        holds: holds(&release),
        stores: stores(&release),
        approvals_missing: gate::missing_approvals(&release, stage),
        sha: gate::sha_at_gate(&release).map(|sha| sha.to_string()),
        starts_by_itself: release.plan().auto_start.contains(&stage),
        trigger: Some(trigger_of(stage)),
    };
    Ok(Answer::ok(&view).version(row.version))
}

/// Decisions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalList {
    items: Vec<ApprovalView>,
    next_cursor: Option<String>,
}

/// Decisions at gates, the oldest first.
#[utoipa::path(tag = "Gates",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Decisions", body = ApprovalList)))]
#[get("/releases/{releaseId}/approvals")]
pub(crate) async fn list_approvals(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, release) = find(&cx).await?;
    let id = |it: &ApprovalView| format!("{}/{}", it.at.timestamp_micros(), it.stage);
    let (items, next_cursor) = paging.0.page(approvals(&release), id)?;
    Ok(Answer::ok(&ApprovalList { items, next_cursor }).version(row.version))
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApprovalBody {
    /// REGRESSION, PRE_RELEASE or DISTRIBUTION.
    stage: String,
    /// APPROVED (default) or REJECTED.
    decision: Option<String>,
    /// Why; a rejection must have one.
    comment: Option<String>,
}

/// Decides at a gate, as the person behind the token, about the commit that stands there now. A later decision of the
/// same person replaces the earlier one, whichever token it comes with. A service token decides nothing (403,
/// `service_token_cannot_decide`), and a rejection without a comment is refused (422).
#[utoipa::path(tag = "Gates", request_body = ApprovalBody, responses((status = 201, description = "The decision", body = ApprovalView)))]
#[post("/releases/{releaseId}/approvals")]
pub(crate) async fn decide(cx: Context, body: Body<ApprovalBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let stage: GatedStage = syntax("/stage", &body.stage)?;
    let decision: Decision = match &body.decision {
        Some(text) => syntax("/decision", text)?,
        None => Decision::Approved,
    };
    Checks::new()
        .text_if("/comment", body.comment.as_deref(), 1, 2_000)
        .done()?;
    if cx.who.person.is_none() {
        return Err(Problem::nobody());
    }
    let (row, release) = find(&cx).await?;
    cx.unchanged(row.version)?;
    releases::refresh_facts(&cx.app, cx.tenant(), &release, stage).await?;
    let command = Command::Release(ReleaseCommand::Decide {
        stage,
        decision,
        comment: body.comment,
    });
    let place = cx.place(&format!("/releases/{}/approvals", release.draft.id));
    act_on(&cx, row.id, &command, Success::Created(place), &|state| {
        as_release(state).and_then(|release| release.approvals.last().map(approval))
    })
    .await
}
