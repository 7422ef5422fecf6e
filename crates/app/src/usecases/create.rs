//! Creating a release: every reference checked, the plan frozen, names and versions free; then one transaction.

mod choose;
mod guarded;
mod replan;
mod warn;

pub use guarded::{guarded_change, guarded_setting};
pub use replan::{Replan, replanned};
pub use warn::{LIMIT, Warning, branch_warning, notes_warning, pilot_warning};

use super::plan::{self, Capabilities, Parts, Refusal};
use super::profile;
use crate::App;
use crate::apply::{self, ApplyError, Created, Remember};
use choose::{
    Known, at, integration, line_of, only_profile, optional, pipelines, scm_of, service, settings, targets,
};
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::{IntegrationId, PipelineId, ProfileId, ReleaseId, ServiceId, SlotId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::names::RefName;
use delivr_domain::plan::{BuildMode, MissedSlot};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Integration, Sought};
use delivr_domain::release::command::{Rejection, check_draft};
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, Draft, Slot};
use delivr_domain::release::view::{LAST_MARK, branch_mark, tag_mark, version_mark};
use delivr_domain::time::Timestamp;
use delivr_domain::version::{Bump, Version};
use serde_json::Value;

/// A target as it is asked for.
#[derive(Debug, Clone)]
pub struct WantedTarget {
    /// Which; none where the store integration says it.
    pub target: Option<TargetKey>,
    /// Its version; none takes the release's.
    pub version: Option<Version>,
    /// The store integration; none takes the only one there is.
    pub store: Option<IntegrationId>,
    /// JSON pointer to where the store integration is (or would be) named.
    pub store_pointer: String,
    /// Its pipelines with the pointers that name them.
    pub pipelines: Vec<(String, PipelineId)>,
    /// Where its builds come from.
    pub builds: Option<BuildMode>,
}

/// A slot as it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct WantedSlot {
    /// When.
    pub at: Timestamp,
    /// Whether builds are made.
    pub builds: BuildsWanted,
    /// Whether automation runs.
    pub automation: AutomationWanted,
    /// What happens when its time passed unused.
    pub missed: MissedSlot,
}

/// A release as it is asked for; its syntax is checked.
#[derive(Debug, Clone)]
pub struct NewRelease {
    /// Its id. A repetition of one request names the same one.
    pub id: ReleaseId,
    /// The service; none takes the only one bound to the SCM integration.
    pub service: Option<ServiceId>,
    /// Kind of bump.
    pub bump: Bump,
    /// Title; none takes service and version.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Priority word.
    pub priority: String,
    /// Who pilots it.
    pub pilot: Option<String>,
    /// Version of all targets that name none; none takes the next of the line.
    pub version: Option<Version>,
    /// What ships.
    pub targets: Vec<WantedTarget>,
    /// The profile; none takes the service's only one.
    pub profile: Option<ProfileId>,
    /// Settings document laid over the profile's; already read strictly.
    pub settings: Option<Value>,
    /// Source control; none takes the service's.
    pub scm: Option<IntegrationId>,
    /// Chat.
    pub communication: Option<IntegrationId>,
    /// Tickets.
    pub ticket: Option<IntegrationId>,
    /// Test management.
    pub testing: Option<IntegrationId>,
    /// Pipelines with the pointers that name them.
    pub pipelines: Vec<(String, PipelineId)>,
    /// Branch to fork from.
    pub base: Option<RefName>,
    /// Branch to use instead of forking one.
    pub existing_branch: Option<RefName>,
    /// Kickoff; none is now.
    pub kickoff_at: Option<Timestamp>,
    /// Reminder of it.
    pub kickoff_reminder_at: Option<Timestamp>,
    /// When it shall be out.
    pub target_date: Option<Timestamp>,
    /// Regression slots.
    pub slots: Vec<WantedSlot>,
}

/// Why a release is not created; nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A value is unknown or not suitable.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another request is creating the same version or branch right now.
    #[error("{0} is being created by another request; read the list of releases before you try again")]
    Simultaneous(String),
    /// The machine refuses it, or storing it fails.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The store fails.
    #[error("reading what the release refers to")]
    Store(#[from] StoreError),
}

/// Creates a release.
///
/// # Errors
/// See [`CreateError`].
pub async fn create(
    app: &App,
    tenant: TenantId,
    wanted: NewRelease,
    actor: &str,
    remember: Option<&Remember<'_>>,
) -> Result<Aggregate, CreateError> {
    let draft = draft(app, tenant, wanted).await?;
    // The line was read outside the transaction that writes: whoever came between is found in it.
    let places = places(&draft)?;
    let sought: Vec<Sought> = places.iter().map(|(_what, place)| place.clone()).collect();
    let (store, clock) = (app.store.as_ref(), app.clock.as_ref());
    match apply::create_where_free(store, clock, draft, actor, remember, &sought).await? {
        Created::Stored(state) => Ok(state),
        Created::Taken(other) => {
            let of = places
                .into_iter()
                .find(|(_what, place)| place.mark == other.row.mark);
            Err(CreateError::Simultaneous(
                of.map_or(other.key, |(what, _place)| what),
            ))
        }
    }
}

fn capabilities(app: &App, integration: &Integration) -> Capabilities {
    app.registry
        .find(integration.port, &integration.provider)
        .map(Capabilities::of)
        .unwrap_or_default()
}

/// The draft of a wish: everything the release would be created with, nothing of it stored. Its number is 0.
///
/// # Errors
/// See [`CreateError`].
pub async fn draft(app: &App, tenant: TenantId, wanted: NewRelease) -> Result<Draft, CreateError> {
    let services = app.store.services(tenant).await?;
    let profile = match wanted.profile {
        Some(named) => Some(named),
        None => only_profile(app, tenant, service(&services, &wanted, None)?.id).await?,
    };
    let effective = settings(app, tenant, profile, wanted.service, wanted.settings.as_ref()).await?;
    let settings = &effective.settings;
    let service = service(&services, &wanted, effective.service)?;
    let scm_id = scm_of(service, &wanted)?;
    let known = Known::of(app, tenant, scm_id, &wanted).await?;
    let scm = integration(app, tenant, &known, Port::Scm, scm_id, "/scmIntegrationId").await?;
    let shared_repository = profile::shares_repository(&services, service);
    if let Some(fault) = profile::collisions(app, tenant, Some(service.id), settings)
        .await?
        .into_iter()
        .next()
    {
        return Err(Refusal::new(
            "name_collision",
            format!("/settings{}", fault.pointer),
            fault.detail,
        )
        .into());
    }
    let tracker = optional(
        app,
        tenant,
        &known,
        Port::ProjectManagement,
        wanted.ticket,
        "/ticketId",
    )
    .await?;
    let testing = optional(
        app,
        tenant,
        &known,
        Port::TestManagement,
        wanted.testing,
        "/testManagementId",
    )
    .await?;
    let chat = optional(
        app,
        tenant,
        &known,
        Port::Communication,
        wanted.communication,
        "/communicationId",
    )
    .await?;
    let line = line_of(app, tenant, service.id).await?;
    let targets = targets(app, tenant, &known, &wanted, service.id, &line).await?;
    let of_targets = wanted.targets.iter().flat_map(|it| &it.pipelines);
    let pipelines = pipelines(app, tenant, &known, wanted.pipelines.iter().chain(of_targets)).await?;
    let last = at(&line, LAST_MARK);
    let plan = plan::plan(&Parts {
        profile: effective.profile,
        settings,
        service,
        shared_repository,
        bump: wanted.bump,
        scm: (&scm, capabilities(app, &scm)),
        base: wanted.base.clone(),
        existing_branch: wanted.existing_branch.clone(),
        previous_tag: last.and_then(|it| it.row.value.parse().ok()),
        tracker: tracker.as_ref(),
        testing: testing.as_ref(),
        chat: chat.as_ref(),
        targets: &targets,
        pipelines: &pipelines,
    })?;
    let version = targets.iter().map(|it| it.version).max();
    let version = version.map_or_else(String::new, |it| it.to_string());
    let now = app.clock.now();
    let draft = Draft {
        id: wanted.id,
        tenant,
        install: app.store.install().await?,
        number: 0,
        service: service.id,
        service_slug: service.slug.clone(),
        bump: wanted.bump,
        title: wanted
            .title
            .unwrap_or_else(|| format!("{} {version}", service.name)),
        description: wanted.description,
        priority: wanted.priority,
        pilot: wanted.pilot,
        plan,
        kickoff_at: wanted.kickoff_at.unwrap_or(now),
        kickoff_reminder_at: wanted.kickoff_reminder_at,
        target_date: wanted.target_date,
        slots: slots(app, &wanted.slots),
    };
    check_dates(&draft, now)?;
    check_names(app, &draft, &version).await?;
    Ok(draft)
}

fn slots(app: &App, wanted: &[WantedSlot]) -> Vec<Slot> {
    wanted
        .iter()
        .map(|slot| Slot {
            id: SlotId::from_uuid(app.entropy.uuid()),
            at: slot.at,
            builds: slot.builds,
            automation: slot.automation,
            missed: slot.missed,
        })
        .collect()
}

/// Checks dates slot by slot, so that the refusal names the slot.
fn check_dates(draft: &Draft, now: Timestamp) -> Result<(), CreateError> {
    let mut one = draft.clone();
    one.slots.clear();
    check_draft(&one, now).map_err(ApplyError::Rejected)?;
    for (index, slot) in draft.slots.iter().enumerate() {
        one.slots = vec![slot.clone()];
        if let Err(rejection) = check_draft(&one, now) {
            return Err(match rejection {
                Rejection::Unsuitable { sentence, .. } => {
                    Refusal::new("unsuitable_value", format!("/slots/{index}/at"), sentence).into()
                }
                other
                @ (Rejection::Illegal { .. } | Rejection::GateClosed { .. } | Rejection::Missing(_)) => {
                    CreateError::Apply(other.into())
                }
            });
        }
    }
    Ok(())
}

/// Branch and tags must be valid names, and not those of another release of the service.
async fn check_names(app: &App, draft: &Draft, version: &str) -> Result<(), CreateError> {
    let names = plan::names(&draft.plan, &draft.service_slug, version, draft.kickoff_at)?;
    if names.rc_tag == names.release_tag {
        let sentence = "a cycle's tag and the release tag would get the same name";
        return Err(Refusal::new("name_collision", "/settings/scm/rcTagTemplate", sentence).into());
    }
    let sought = [
        Sought::highest(tag_mark(&names.release_tag)),
        Sought::highest(branch_mark(&names.branch)),
    ];
    let taken = app.store.standing(draft.tenant, draft.service, &sought).await?;
    let Some(other) = taken.first() else {
        return Ok(());
    };
    let sentence = format!(
        "{} uses the name `{}` already; take another version or another template",
        other.key, other.row.value
    );
    let its_branch = taken.iter().any(|it| it.row.mark == branch_mark(&names.branch));
    let pointer = if draft.plan.scm.existing_branch.is_some() && its_branch {
        "/existingBranch"
    } else {
        "/version"
    };
    Err(Refusal::new("name_collision", pointer, sentence).into())
}

/// Where the release will stand on the line of its service, and what to call it: its versions, its branch and its tag.
fn places(draft: &Draft) -> Result<Vec<(String, Sought)>, CreateError> {
    let names = plan::names(
        &draft.plan,
        &draft.service_slug,
        &version_of(draft),
        draft.kickoff_at,
    )?;
    let versions = draft.plan.targets.iter().map(|(target, plan)| {
        let place = Sought::exactly(version_mark(*target), plan.version.rank());
        (format!("{target} {}", plan.version), place)
    });
    let branch = Sought::highest(branch_mark(&names.branch));
    let tag = Sought::highest(tag_mark(&names.release_tag));
    Ok(versions
        .chain([
            (format!("a release on `{}`", names.branch), branch),
            (format!("a release tagged `{}`", names.release_tag), tag),
        ])
        .collect())
}

/// The version by which a release is called: the highest of its targets'.
fn version_of(draft: &Draft) -> String {
    let highest = draft.plan.targets.values().map(|it| it.version).max();
    highest.map_or_else(String::new, |it| it.to_string())
}
