//! Reading, editing and deleting releases.

use super::create::check_texts;
use super::load::{Success, act, act_on, find, last_sweep};
use super::view::{Include, ReleaseView, Wanted, release};
use crate::answer::{Answer, Answered};
use crate::body::{Body, given};
use crate::check::{Checks, micros, syntax};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::Query;
use actix_web::{delete, get, patch};
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::releases;
use delivr_domain::aggregate::Command;
use delivr_domain::plan::{BuildMode, GatedStage};
use delivr_domain::release::event::{Clearable, Edit};
use delivr_domain::release::gate::{self, Blocker};
use delivr_domain::release::{Command as ReleaseCommand, Release, Stage};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// What is read beside the release.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadQuery {
    /// Any of tasks, cycles, builds, slots, approvals, blockers, separated by commas; cycles, builds and slots unless said.
    include: Option<String>,
}

fn include(text: Option<&str>) -> Result<Include, Problem> {
    let Some(text) = text else {
        return Ok(Include::DETAIL);
    };
    let mut include = Include::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let wanted = match part {
            "tasks" => &mut include.tasks,
            "cycles" => &mut include.cycles,
            "builds" => &mut include.builds,
            "slots" => &mut include.slots,
            "approvals" => &mut include.approvals,
            "blockers" => &mut include.blockers,
            _ => {
                let detail = "include knows tasks, cycles, builds, slots, approvals, blockers";
                return Err(Problem::malformed_at("/include", detail));
            }
        };
        *wanted = Wanted::Yes;
    }
    Ok(include)
}

/// The stage whose gate comes next.
pub(crate) const fn next_gate(release: &Release) -> Option<GatedStage> {
    match release.stage {
        Stage::NotStarted | Stage::Kickoff | Stage::AwaitingRegression => Some(GatedStage::Regression),
        Stage::Regression | Stage::AwaitingPreRelease => Some(GatedStage::PreRelease),
        Stage::PreRelease | Stage::AwaitingDistribution => Some(GatedStage::Distribution),
        Stage::Distribution | Stage::Completed | Stage::RolledBack | Stage::Archived => None,
    }
}

/// What keeps the stage from starting, by the facts as they are known.
pub(crate) async fn blockers(
    cx: &Context,
    release: &Release,
    stage: GatedStage,
) -> Result<Vec<Blocker>, Problem> {
    let facts = cx.app.store.read_facts(release.aggregate_id()).await?;
    let context = gate::Context {
        now: cx.now(),
        actor: cx.who.actor(),
        facts: &facts,
    };
    Ok(gate::blockers(release, stage, &context))
}

/// The same, with facts that are not fresh read again from their vendors. Who may only read makes no vendor work and
/// changes nothing: a viewer sees what is known.
pub(crate) async fn fresh_blockers(
    cx: &Context,
    release: &Release,
    stage: GatedStage,
) -> Result<Vec<Blocker>, Problem> {
    if cx.who.role < Role::Member {
        return blockers(cx, release, stage).await;
    }
    let facts = cx.app.store.read_facts(release.aggregate_id()).await?;
    let context = gate::Context {
        now: cx.now(),
        actor: cx.who.actor(),
        facts: &facts,
    };
    let needed = gate::facts_needed(release, stage);
    if needed.iter().any(|fact| context.fresh(*fact).is_none()) {
        releases::refresh_facts(&cx.app, cx.tenant(), release, stage).await?;
    }
    blockers(cx, release, stage).await
}

/// One release.
#[utoipa::path(tag = "Releases", params(ReadQuery), responses((status = 200, description = "The release", body = ReleaseView)))]
#[get("/releases/{releaseId}")]
pub(crate) async fn read(cx: Context, asked: Query<ReadQuery>) -> Answered {
    let include = include(asked.0.include.as_deref())?;
    let (row, found) = find(&cx).await?;
    let blockers = match (include.blockers, next_gate(&found)) {
        (Wanted::Yes, Some(stage)) => fresh_blockers(&cx, &found, stage).await?,
        (Wanted::Yes | Wanted::No, _) => Vec::new(),
    };
    let sweep = last_sweep(&cx).await?;
    Ok(Answer::ok(&release(&found, include, sweep, &blockers)).version(row.version))
}

/// What may be edited; what is left out stays, `null` clears what a release can do without.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EditBody {
    title: Option<String>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// LOW, MEDIUM, HIGH or CRITICAL.
    priority: Option<String>,
    /// Who brings it home; `null` is nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pilot: Option<Option<String>>,
    /// The same by seed 002's name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    /// Before the kickoff only.
    kickoff_at: Option<DateTime<Utc>>,
    /// Before the kickoff only; `null` takes it away, and nobody is reminded.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    kickoff_reminder_at: Option<Option<DateTime<Utc>>>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    target_date: Option<Option<DateTime<Utc>>>,
}

/// Edits what may still change: title, description, priority, pilot and target date always, the kickoff's dates before
/// it. `null` clears the description, the pilot, the reminder and the target date. The status of an orchestrated release follows from its work and is not edited.
#[utoipa::path(tag = "Releases", request_body = EditBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[patch("/releases/{releaseId}")]
pub(crate) async fn change(cx: Context, body: Body<EditBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let mut checks = Checks::new();
    let named = body.pilot.is_some() && body.owner.is_some();
    let pilot = body.pilot.or(body.owner);
    check_texts(
        &mut checks,
        body.title.as_deref(),
        body.description.as_ref().and_then(Option::as_deref),
        body.priority.as_deref(),
        pilot.as_ref().and_then(Option::as_deref),
    );
    checks.holds("/owner", !named, "name either pilot or owner");
    checks.done()?;
    let cleared = [
        (Clearable::Description, matches!(body.description, Some(None))),
        (Clearable::Pilot, matches!(pilot, Some(None))),
        (
            Clearable::KickoffReminder,
            matches!(body.kickoff_reminder_at, Some(None)),
        ),
        (Clearable::TargetDate, matches!(body.target_date, Some(None))),
    ];
    let edit = Edit {
        title: body.title,
        description: body.description.flatten(),
        priority: body.priority,
        pilot: pilot.flatten(),
        kickoff_at: body.kickoff_at.map(micros),
        kickoff_reminder_at: body.kickoff_reminder_at.flatten().map(micros),
        target_date: body.target_date.flatten().map(micros),
        cleared: cleared
            .into_iter()
            .filter_map(|(what, cleared)| cleared.then_some(what))
            .collect(),
    };
    act(&cx, ReleaseCommand::Edit { edit }).await
}

/// Where a target's builds come from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TargetEditBody {
    /// PIPELINE or MANUAL; counts for builds that have not started.
    builds: String,
}

/// Changes where a target's builds come from, at any time. A person is asked for a build only once it is known that no run
/// was started for it.
#[utoipa::path(tag = "Releases", request_body = TargetEditBody, responses((status = 200, description = "The release", body = ReleaseView)))]
#[patch("/releases/{releaseId}/targets/{target}")]
pub(crate) async fn change_target(cx: Context, body: Body<TargetEditBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let mode: BuildMode = syntax("/builds", &body.builds)?;
    let target = cx.id("target", "target")?;
    act(&cx, ReleaseCommand::ChangeBuildMode { target, mode }).await
}

/// Withdraws a release that has not been kicked off; its history stays. One that has is archived instead, which cleans
/// up what it made at vendors.
#[utoipa::path(tag = "Releases", responses((status = 204, description = "It is withdrawn")))]
#[delete("/releases/{releaseId}")]
pub(crate) async fn remove(cx: Context) -> Answered {
    cx.at_least(Role::Member)?;
    let (row, found) = find(&cx).await?;
    cx.unchanged(row.version)?;
    if found.stage != Stage::NotStarted {
        return Err(Problem::conflict(
            "had_effects",
            format!(
                "{} has been kicked off: archive it (POST archive), which also cleans up at the vendors",
                found.key()
            ),
        ));
    }
    let command = Command::Release(ReleaseCommand::Archive {
        reason: "withdrawn before its kickoff".to_owned(),
        close_tickets: false,
        delete_branch: false,
    });
    // At exactly the version that was looked at: a kickoff in between must not be undone silently.
    let seen = cx.looked_at(row.version);
    act_on(&seen, row.id, &command, Success::Nothing, &|_state| ()).await
}
