//! `POST /releases`: our body and the one of seed 004, which is a subset of it.

use super::load::{after, kept, last_sweep};
use super::view::{ReleaseView, as_release};
use crate::answer::{Answer, Answered};
use crate::body::{Body, parse_value};
use crate::check::{Checks, micros, reference, syntax};
use crate::context::Context;
use crate::problem::Problem;
use actix_web::post;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::create::{self, CreateError, NewRelease, WantedSlot, WantedTarget};
use delivr_app::usecases::profile::Settings;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::{IntegrationId, PipelineId, ReleaseId};
use delivr_domain::plan::MissedSlot;
use delivr_domain::release::state::{AutomationWanted, BuildsWanted};
use delivr_domain::version::Bump;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Priorities, the lowest first.
pub(crate) const PRIORITIES: &[&str] = &["LOW", "MEDIUM", "HIGH", "CRITICAL"];

/// A release to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseBody {
    /// Service; left out, the only one bound to the SCM integration.
    service_id: Option<String>,
    /// MAJOR, MINOR (default) or HOTFIX.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Left out, the service's name and the version.
    title: Option<String>,
    description: Option<String>,
    /// LOW, MEDIUM (default), HIGH or CRITICAL.
    priority: Option<String>,
    /// Who pilots it.
    pilot: Option<String>,
    /// The same by seed 002's name.
    owner: Option<String>,
    /// Version of every target that names none; left out, the next of the line.
    version: Option<String>,
    /// What ships: a store integration's id, or an object with target, version, storeIntegrationId, pipelines, builds.
    #[schema(value_type = Vec<TargetForm>)]
    targets: Vec<Value>,
    /// Left out, the only profile of the service, if it has exactly one.
    profile_id: Option<String>,
    /// Settings laid over the profile's. What keeps a gate closed is an ADMIN's to name: quorum, autoStart, shaOrigins,
    /// allowZeroCycles, automation, tickets.gateOnApproval, testing.passThreshold.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Source control; left out, the service's.
    scm_integration_id: Option<String>,
    communication_id: Option<String>,
    ticket_id: Option<String>,
    test_management_id: Option<String>,
    /// Pipelines; each serves the target of its platform.
    pipelines: Option<Vec<String>>,
    /// Branch to fork from.
    base_branch: Option<String>,
    /// Branch to use instead of forking one.
    existing_branch: Option<String>,
    /// Left out, now.
    kickoff_at: Option<DateTime<Utc>>,
    kickoff_reminder_at: Option<DateTime<Utc>>,
    target_date: Option<DateTime<Utc>>,
    /// Regression slots.
    slots: Option<Vec<SlotBody>>,
}

/// A target as an object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TargetBody {
    target: String,
    version: Option<String>,
    store_integration_id: Option<String>,
    pipelines: Option<Vec<String>>,
    builds: Option<String>,
}

/// What ships, in either form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the description alone needs it: each target is read apart, so that mistakes have a place"
)]
enum TargetForm {
    /// Id of a store integration.
    Store(String),
    Target(TargetBody),
}

/// A regression slot to be planned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SlotBody {
    /// When it runs.
    at: DateTime<Utc>,
    /// BUILD (default) or NO_BUILD.
    builds: Option<String>,
    /// RUN (default) or NO_RUN.
    automation: Option<String>,
    /// RUN_LATE (default) or SKIP.
    missed: Option<String>,
}

impl SlotBody {
    /// The slot, its words read at the pointer.
    pub(crate) fn read(&self, pointer: &str) -> Result<WantedSlot, Problem> {
        let at = |field: &str| format!("{pointer}/{field}");
        Ok(WantedSlot {
            at: micros(self.at),
            builds: word(&at("builds"), self.builds.as_deref(), BuildsWanted::Build)?,
            automation: word(
                &at("automation"),
                self.automation.as_deref(),
                AutomationWanted::Run,
            )?,
            missed: word(&at("missed"), self.missed.as_deref(), MissedSlot::RunLate)?,
        })
    }
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(
    pointer: &str,
    text: Option<&str>,
    default: T,
) -> Result<T, Problem> {
    text.map_or(Ok(default), |text| syntax(pointer, text))
}

pub(crate) fn maybe<T: std::str::FromStr>(
    pointer: &str,
    text: Option<&str>,
    what: &str,
) -> Result<Option<T>, Problem> {
    text.map(|text| reference(pointer, text, what)).transpose()
}

pub(crate) fn pipelines(pointer: &str, ids: Option<&[String]>) -> Result<Vec<(String, PipelineId)>, Problem> {
    let ids = ids.unwrap_or_default();
    if ids.len() > 50 {
        return Err(Problem::malformed_at(pointer, "at most 50 pipelines"));
    }
    ids.iter()
        .enumerate()
        .map(|(index, id)| {
            let at = format!("{pointer}/{index}");
            let id = reference(&at, id, "pipeline")?;
            Ok((at, id))
        })
        .collect()
}

fn target(index: usize, value: &Value) -> Result<WantedTarget, Problem> {
    let at = format!("/targets/{index}");
    if let Value::String(store) = value {
        return Ok(WantedTarget {
            target: None,
            version: None,
            store: Some(reference(&at, store, "store integration")?),
            store_pointer: at,
            pipelines: Vec::new(),
            builds: None,
        });
    }
    if !value.is_object() {
        let detail = "must be a store integration's id, or an object with `target`";
        return Err(Problem::malformed_at(at, detail));
    }
    let body: TargetBody = parse_value(&at, value)?;
    let store_pointer = format!("{at}/storeIntegrationId");
    Ok(WantedTarget {
        target: Some(syntax(&format!("{at}/target"), &body.target)?),
        version: body
            .version
            .as_deref()
            .map(|text| syntax(&format!("{at}/version"), text))
            .transpose()?,
        store: maybe(
            &store_pointer,
            body.store_integration_id.as_deref(),
            "store integration",
        )?,
        store_pointer,
        pipelines: pipelines(&format!("{at}/pipelines"), body.pipelines.as_deref())?,
        builds: body
            .builds
            .as_deref()
            .map(|text| syntax(&format!("{at}/builds"), text))
            .transpose()?,
    })
}

/// Texts of a release that people write, checked the same wherever they are set.
pub(crate) fn check_texts(
    checks: &mut Checks,
    title: Option<&str>,
    description: Option<&str>,
    priority: Option<&str>,
    pilot: Option<&str>,
) {
    checks
        .text_if("/title", title, 1, 200)
        .text_if("/description", description, 0, 10_000)
        .text_if("/pilot", pilot, 1, 200);
    if let Some(priority) = priority {
        let known = PRIORITIES.contains(&priority);
        checks.holds("/priority", known, "must be one of LOW, MEDIUM, HIGH, CRITICAL");
    }
}

/// What is asked for, its syntax checked.
pub(super) fn read(id: ReleaseId, body: ReleaseBody) -> Result<NewRelease, Problem> {
    let mut checks = Checks::new();
    let pilot = body.pilot.as_deref().or(body.owner.as_deref());
    check_texts(
        &mut checks,
        body.title.as_deref(),
        body.description.as_deref(),
        body.priority.as_deref(),
        pilot,
    );
    checks
        .holds(
            "/owner",
            body.pilot.is_none() || body.owner.is_none(),
            "name either pilot or owner",
        )
        .holds(
            "/targets",
            !body.targets.is_empty(),
            "a release ships to at least one target",
        )
        .holds("/targets", body.targets.len() <= 8, "at most 8 targets")
        .holds(
            "/slots",
            body.slots.as_ref().is_none_or(|it| it.len() <= 100),
            "at most 100 slots",
        );
    checks.done()?;
    if let Some(settings) = &body.settings {
        // Strictly by itself first: a mistake in it is told at its own place.
        let _read: Settings = parse_value("/settings", settings)?;
    }
    let targets = body.targets.iter().enumerate();
    let slots = body.slots.iter().flatten().enumerate();
    let integration = |pointer, text: Option<&str>, what| maybe::<IntegrationId>(pointer, text, what);
    let named = |pointer, text: Option<&str>| text.map(|text| syntax(pointer, text)).transpose();
    Ok(NewRelease {
        id,
        service: maybe("/serviceId", body.service_id.as_deref(), "service")?,
        bump: word("/type", body.kind.as_deref(), Bump::Minor)?,
        version: body
            .version
            .as_deref()
            .map(|text| syntax("/version", text))
            .transpose()?,
        targets: targets
            .map(|(index, value)| target(index, value))
            .collect::<Result<_, _>>()?,
        profile: maybe("/profileId", body.profile_id.as_deref(), "profile")?,
        scm: integration(
            "/scmIntegrationId",
            body.scm_integration_id.as_deref(),
            "source-control integration",
        )?,
        communication: integration(
            "/communicationId",
            body.communication_id.as_deref(),
            "communication integration",
        )?,
        ticket: integration(
            "/ticketId",
            body.ticket_id.as_deref(),
            "project-management integration",
        )?,
        testing: integration(
            "/testManagementId",
            body.test_management_id.as_deref(),
            "test-management integration",
        )?,
        pipelines: pipelines("/pipelines", body.pipelines.as_deref())?,
        base: named("/baseBranch", body.base_branch.as_deref())?,
        existing_branch: named("/existingBranch", body.existing_branch.as_deref())?,
        kickoff_at: body.kickoff_at.map(micros),
        kickoff_reminder_at: body.kickoff_reminder_at.map(micros),
        target_date: body.target_date.map(micros),
        slots: slots
            .map(|(index, slot)| slot.read(&format!("/slots/{index}")))
            .collect::<Result<_, _>>()?,
        title: body.title,
        description: body.description,
        priority: body.priority.unwrap_or_else(|| "MEDIUM".to_owned()),
        pilot: body.pilot.or(body.owner),
        settings: body.settings,
    })
}

/// What keeps a gate closed is changed by those alone who may override a gate.
pub(crate) fn guards(cx: &Context, changed: Option<&str>) -> Result<(), Problem> {
    match changed {
        Some(what) if cx.who.role < Role::Admin => Err(Problem::forbidden(format!(
            "`{what}` decides what keeps a gate closed: changing it for a release needs the role {}; the token has {}",
            Role::Admin,
            cx.who.role
        ))),
        Some(_) | None => Ok(()),
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Refused(refusal) => {
                Self::unsuitable(refusal.code, refusal.pointer, refusal.sentence)
            }
            CreateError::Simultaneous(_) => Self::conflict("being_created", error.to_string()),
            CreateError::Apply(error) => error.into(),
            CreateError::Store(error) => error.into(),
        }
    }
}

/// Creates a release: everything it refers to is checked, and its plan is frozen, before anything is stored.
#[utoipa::path(tag = "Releases", request_body = ReleaseBody, responses((status = 201, description = "The release", body = ReleaseView)))]
#[post("/releases")]
pub(crate) async fn make(cx: Context, body: Body<ReleaseBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let wanted = read(ReleaseId::from_uuid(cx.fresh().await?), body)?;
    guards(&cx, wanted.settings.as_ref().and_then(create::guarded_setting))?;
    let sweep = last_sweep(&cx).await?;
    let kept = kept(&cx, 201);
    let answer = |state: &Aggregate| kept.with(&after(state, sweep));
    let remember = cx.remember(&answer);
    let state = create::create(&cx.app, cx.tenant(), wanted, cx.who.actor(), remember.as_ref()).await?;
    cx.stored_with_the_change();
    let id = as_release(&state).map_or_else(String::new, |release| release.draft.id.to_string());
    let place = cx.place(&format!("/releases/{id}"));
    Ok(Answer::created(place, &after(&state, sweep)).version(state.version()))
}
