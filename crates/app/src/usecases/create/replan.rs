//! The plan a release would get if it were made now, from the present state of its profile, pipelines and providers.
//!
//! What names things at vendors stays as it was frozen: integrations, versions, branch, names of tags that no template
//! of the settings changes. What may still change at all, the release decides.

use super::choose::{Known, integration, optional, pipelines, settings};
use super::{CreateError, capabilities};
use crate::App;
use crate::usecases::plan::{self, ChosenTarget, Parts, Refusal};
use crate::usecases::profile;
use delivr_domain::ids::{PipelineId, ProfileId, TenantId};
use delivr_domain::plan::Plan;
use delivr_domain::ports::provider::Port;
use delivr_domain::release::Release;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a plan is made anew from; what is none stays as the release has it.
#[derive(Debug, Clone, Default)]
pub struct Replan {
    /// Another profile; its newest revision counts.
    pub profile: Option<ProfileId>,
    /// Settings document laid over the profile's; already read strictly. Those of the creation are not kept: what of
    /// them shall stay is named again.
    pub settings: Option<Value>,
    /// Pipelines with the pointers that name them.
    pub pipelines: Option<Vec<(String, PipelineId)>>,
}

/// The plan the release would get now.
///
/// # Errors
/// See [`CreateError`].
pub async fn replanned(
    app: &App,
    tenant: TenantId,
    release: &Release,
    wanted: &Replan,
) -> Result<Plan, CreateError> {
    let old = release.plan();
    let profile = wanted.profile.or_else(|| old.profile.map(|(id, _)| id));
    let service_id = release.draft.service;
    let effective = settings(app, tenant, profile, Some(service_id), wanted.settings.as_ref()).await?;
    let settings = &effective.settings;
    let services = app.store.services(tenant).await?;
    let service = services
        .iter()
        .find(|it| it.id == service_id)
        .ok_or_else(|| Refusal::unknown("", "service"))?;
    let known = Known::default();
    let scm = integration(app, tenant, &known, Port::Scm, old.scm.integration, "").await?;
    let tracker = old.tracker.as_ref().map(|it| it.integration);
    let tracker = optional(app, tenant, &known, Port::ProjectManagement, tracker, "").await?;
    let testing = old.testing.as_ref().map(|it| it.integration);
    let testing = optional(app, tenant, &known, Port::TestManagement, testing, "").await?;
    let chat = old.chat.as_ref().map(|it| it.integration);
    let chat = optional(app, tenant, &known, Port::Communication, chat, "").await?;
    let targets: Vec<ChosenTarget> = old
        .targets
        .iter()
        .map(|(target, plan)| ChosenTarget {
            target: *target,
            version: plan.version,
            store: plan.store,
            // A choice made for this release stays until the settings say otherwise.
            builds: (!settings.builds.contains_key(target)).then_some(plan.builds),
        })
        .collect();
    let kept: BTreeSet<PipelineId> = plan::pipelines(old).collect();
    let kept = kept.into_iter().map(|id| ("/pipelines".to_owned(), id));
    let named = wanted.pipelines.clone().unwrap_or_else(|| kept.collect());
    let pipelines = pipelines(app, tenant, &known, &named).await?;
    let mut plan = plan::plan(&Parts {
        profile: effective.profile,
        settings,
        service,
        shared_repository: profile::shares_repository(&services, service),
        bump: release.draft.bump,
        scm: (&scm, capabilities(app, &scm)),
        base: settings.scm.base_branch.is_none().then(|| old.scm.base.clone()),
        existing_branch: old.scm.existing_branch.clone(),
        previous_tag: old.scm.previous_tag.clone(),
        tracker: tracker.as_ref(),
        testing: testing.as_ref(),
        chat: chat.as_ref(),
        targets: &targets,
        pipelines: &pipelines,
    })?;
    // Defaults of names follow the neighbourhood at creation: a service that came to the repository since changes none.
    if settings.scm.branch_template.is_none() {
        plan.scm.branch = old.scm.branch.clone();
    }
    if settings.scm.rc_tag_template.is_none() {
        plan.scm.rc_tag = old.scm.rc_tag.clone();
    }
    if settings.scm.release_tag_template.is_none() {
        plan.scm.release_tag = old.scm.release_tag.clone();
    }
    Ok(plan)
}
