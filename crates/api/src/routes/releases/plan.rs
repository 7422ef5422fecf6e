//! The dry run: everything that is still to come of a release, with its exact names.

use super::load::find;
use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use actix_web::get;
use chrono::{DateTime, Utc};
use delivr_app::apply::read_state;
use delivr_app::usecases::explain::{Line, dry_run};
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::TargetKey;
use delivr_domain::release::Release;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is still to come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanView {
    release_id: String,
    key: String,
    /// The stage it comes to if all goes well.
    ends_in: &'static str,
    /// What will be done, in order. What is not known yet stands in round brackets.
    steps: Vec<LineView>,
    /// What is not done, and why.
    left_out: Vec<LeftOutView>,
}

/// One thing that will be done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineView {
    /// What is done, with its exact names.
    does: String,
    /// PERFORM, RESOLVE, WATCH, MESSAGE, or PERSON where only a person can go on.
    by: &'static str,
    task: Option<String>,
    /// Kind of the task.
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    target: Option<&'static str>,
    cycle: Option<u16>,
    integration_id: Option<String>,
    provider: Option<String>,
    /// Not before this instant; how long vendors and people take is not foreseen.
    not_before: DateTime<Utc>,
}

/// A kind of task that is not done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeftOutView {
    #[serde(rename = "type")]
    kind: &'static str,
    reason: String,
}

fn line(line: Line, providers: &BTreeMap<IntegrationId, String>) -> LineView {
    LineView {
        does: line.does,
        by: line.kind,
        task: line.task.map(|task| task.to_string()),
        kind: line.task.map(|task| task.kind.word()),
        target: line.target.map(TargetKey::word),
        cycle: line.task.and_then(|task| task.cycle),
        integration_id: line.integration.map(|id| id.to_string()),
        provider: line.integration.and_then(|id| providers.get(&id).cloned()),
        not_before: line.not_before,
    }
}

async fn children(cx: &Context, release: &Release) -> Result<Vec<Aggregate>, Problem> {
    let rows = cx
        .app
        .store
        .children(cx.tenant(), release.draft.id.uuid())
        .await?;
    Ok(rows.iter().map(read_state).collect::<Result<_, _>>()?)
}

/// What is still to come, by stepping the same machine forward on assumed successes. Nothing is stored and no vendor is
/// asked.
#[utoipa::path(tag = "Releases", responses((status = 200, description = "What is still to come", body = PlanView)))]
#[get("/releases/{releaseId}/plan")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let children = children(&cx, &release).await?;
    let integrations = cx.app.store.integrations(cx.tenant(), None).await?;
    let providers = integrations.into_iter().map(|it| (it.id, it.provider)).collect();
    let run = dry_run(&release, children, cx.now());
    let left_out = release.plan().left_out.iter();
    let view = PlanView {
        release_id: release.draft.id.to_string(),
        key: release.key(),
        ends_in: run.ends_in.word(),
        steps: run.lines.into_iter().map(|it| line(it, &providers)).collect(),
        left_out: left_out
            .map(|(kind, reason)| LeftOutView {
                kind: kind.word(),
                reason: reason.clone(),
            })
            .collect(),
    };
    Ok(Answer::ok(&view).version(row.version))
}
