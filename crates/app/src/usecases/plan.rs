//! From wishes and integrations to a release's frozen plan: what the providers can do decides, once, what is planned.
//!
//! A task whose capability a provider lacks is left out with its reason, never silently.

use super::profile::Settings;
use delivr_domain::ids::{IntegrationId, PipelineId, ProfileId};
use delivr_domain::key::{Platform, TargetKey, TaskKind};
use delivr_domain::names::{NameContext, NameTemplate, RefName};
use delivr_domain::plan::{
    BuildMode, ChatPlan, Plan, PlannedPipeline, Purpose, ScmPlan, StoreSettings, TargetPlan, TestingPlan,
    TrackerPlan,
};
use delivr_domain::ports::provider::Descriptor;
use delivr_domain::ports::store::{Integration, Pipeline, Service};
use delivr_domain::time::Timestamp;
use delivr_domain::version::{Bump, Version};
use serde_json::Value;
use std::collections::BTreeMap;

/// A value that is well-formed, but unknown or not suitable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// Stable word.
    pub code: &'static str,
    /// JSON pointer to the value in the request.
    pub pointer: String,
    /// What is wrong, and what can be done.
    pub sentence: String,
}

impl Refusal {
    /// A refusal of the value at the pointer.
    pub fn new(code: &'static str, pointer: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            sentence: sentence.into(),
        }
    }
    /// Something referred to does not exist (or is another tenant's, which is the same).
    #[must_use]
    pub fn unknown(pointer: &str, what: &str) -> Self {
        Self::new("unknown_reference", pointer, format!("there is no such {what}"))
    }
}

/// What a provider can do, as far as planning asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Publishes releases with notes.
    pub releases: bool,
    /// Has pull requests.
    pub pull_requests: bool,
    /// Targets a store ships.
    pub targets: Vec<TargetKey>,
}

impl Capabilities {
    /// Reads them from a descriptor's data; what is not said is not there.
    #[must_use]
    pub fn of(descriptor: &Descriptor) -> Self {
        let said = |name: &str| match descriptor.capabilities.get(name) {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(word)) => word != "none",
            Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
        };
        let targets = descriptor.capabilities.get("targets").and_then(Value::as_array);
        Self {
            releases: said("release"),
            pull_requests: said("pr"),
            targets: targets
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter_map(|word| word.parse().ok())
                .collect(),
        }
    }
}

/// A pipeline with the place in the request that names it.
#[derive(Debug, Clone)]
pub struct NamedPipeline {
    /// JSON pointer.
    pub pointer: String,
    /// The pipeline.
    pub pipeline: Pipeline,
}

/// A target as it shall ship.
#[derive(Debug, Clone)]
pub struct ChosenTarget {
    /// Which.
    pub target: TargetKey,
    /// Its version.
    pub version: Version,
    /// The store integration, for store targets.
    pub store: Option<IntegrationId>,
    /// Where its builds come from, if the request says so.
    pub builds: Option<BuildMode>,
}

/// Everything a plan is made of, loaded and checked to exist.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The profile and its revision.
    pub profile: Option<(ProfileId, u32)>,
    /// Effective settings.
    pub settings: &'a Settings,
    /// The service.
    pub service: &'a Service,
    /// Whether other services share its repository.
    pub shared_repository: bool,
    /// The kind of bump.
    pub bump: Bump,
    /// Source control and what it can do.
    pub scm: (&'a Integration, Capabilities),
    /// Base branch of the request.
    pub base: Option<RefName>,
    /// Existing branch of the request.
    pub existing_branch: Option<RefName>,
    /// Tag of the service's last shipped release.
    pub previous_tag: Option<RefName>,
    /// Tickets.
    pub tracker: Option<&'a Integration>,
    /// Test management.
    pub testing: Option<&'a Integration>,
    /// Chat.
    pub chat: Option<&'a Integration>,
    /// What ships.
    pub targets: &'a [ChosenTarget],
    /// Pipelines.
    pub pipelines: &'a [NamedPipeline],
}

/// The plan of the parts.
///
/// # Errors
/// [`Refusal`] when they do not fit each other.
pub fn plan(parts: &Parts<'_>) -> Result<Plan, Refusal> {
    let settings = parts.settings;
    let mut left_out = BTreeMap::new();
    let scm = scm(parts, &mut left_out)?;
    let mut targets: BTreeMap<TargetKey, TargetPlan> = parts
        .targets
        .iter()
        .map(|chosen| (chosen.target, target(settings, chosen)))
        .collect();
    for named in parts.pipelines {
        assign(parts, &mut targets, named)?;
    }
    if parts.tracker.is_none() {
        let reason = "the release has no project-management integration";
        left_out.insert(TaskKind::CreateProjectManagementTicket, reason.to_owned());
        left_out.insert(TaskKind::CloseReleaseTickets, reason.to_owned());
    }
    if parts.testing.is_none() {
        let reason = "the release has no test-management integration";
        left_out.insert(TaskKind::CreateTestSuite, reason.to_owned());
        left_out.insert(TaskKind::ResetTestSuite, reason.to_owned());
    }
    let automates = targets
        .values()
        .any(|it| it.pipelines.contains_key(&Purpose::Automation));
    if !automates {
        let reason = "the release has no pipeline with the purpose AUTOMATION";
        left_out.insert(TaskKind::TriggerAutomationRuns, reason.to_owned());
        left_out.insert(TaskKind::AutomationRuns, reason.to_owned());
    }
    Ok(Plan {
        profile: parts.profile,
        scm,
        tracker: parts.tracker.map(|integration| TrackerPlan {
            integration: integration.id,
            gate_on_approval: settings.tickets.gate_on_approval,
            close_tickets: settings.tickets.close,
        }),
        testing: parts.testing.map(|integration| TestingPlan {
            integration: integration.id,
            pass_threshold: settings.testing.pass_threshold,
        }),
        chat: parts.chat.map(|integration| ChatPlan {
            integration: integration.id,
            topics: settings.chat.topics.clone(),
        }),
        targets,
        pre_regression_builds: settings.pre_regression_builds,
        automation: settings.automation && automates,
        auto_start: settings.auto_start.clone(),
        quorum: settings.quorum.clone(),
        allow_zero_cycles: settings.allow_zero_cycles,
        sha_origins: settings.sha_origins.clone(),
        deadlines: (&settings.deadlines).into(),
        left_out,
    })
}

fn target(settings: &Settings, chosen: &ChosenTarget) -> TargetPlan {
    let builds = chosen
        .builds
        .or_else(|| settings.builds.get(&chosen.target).copied())
        .unwrap_or(BuildMode::Pipeline);
    TargetPlan {
        version: chosen.version,
        store: chosen.store,
        settings: StoreSettings::from(&settings.store(chosen.target)),
        pipelines: BTreeMap::new(),
        builds,
        notes: settings.notes(chosen.target),
    }
}

fn assign(
    parts: &Parts<'_>,
    targets: &mut BTreeMap<TargetKey, TargetPlan>,
    named: &NamedPipeline,
) -> Result<(), Refusal> {
    let NamedPipeline { pointer, pipeline } = named;
    let refused = |code, sentence| Err(Refusal::new(code, pointer.clone(), sentence));
    let corrupt = |what: &str| {
        Refusal::new(
            "pipeline_unusable",
            pointer.clone(),
            format!("its {what} is not known"),
        )
    };
    let platform: Platform = pipeline
        .platform
        .parse()
        .map_err(|_ignored| corrupt("platform"))?;
    let purpose: Purpose = pipeline.purpose.parse().map_err(|_ignored| corrupt("purpose"))?;
    let Some((target, plan)) = targets
        .iter_mut()
        .find(|(target, _)| target.platform() == platform)
    else {
        return refused(
            "pipeline_mismatch",
            format!(
                "`{}` builds for {platform}, but the release has no such target",
                pipeline.name
            ),
        );
    };
    if pipeline.scm.is_some_and(|scm| scm != parts.scm.0.id) {
        return refused(
            "pipeline_mismatch",
            format!(
                "`{}` belongs to another source-control integration than the release",
                pipeline.name
            ),
        );
    }
    if pipeline.store.is_some() && pipeline.store != plan.store {
        return refused(
            "pipeline_mismatch",
            format!(
                "`{}` belongs to another store integration than the release's {target}",
                pipeline.name
            ),
        );
    }
    let planned = PlannedPipeline {
        pipeline: pipeline.id,
        integration: pipeline.integration,
        job: pipeline.job.clone(),
        parameters: pipeline.parameters.clone(),
    };
    match plan.pipelines.insert(purpose, planned) {
        Some(other) if other.pipeline != pipeline.id => refused(
            "pipeline_mismatch",
            format!("two pipelines serve {purpose} of {target}; name one of them"),
        ),
        Some(_) | None => Ok(()),
    }
}

/// Ids of the pipelines a plan uses.
pub fn pipelines(plan: &Plan) -> impl Iterator<Item = PipelineId> {
    plan.targets
        .values()
        .flat_map(|target| target.pipelines.values().map(|it| it.pipeline))
}

fn scm(parts: &Parts<'_>, left_out: &mut BTreeMap<TaskKind, String>) -> Result<ScmPlan, Refusal> {
    let settings = &parts.settings.scm;
    let (integration, capabilities) = &parts.scm;
    let mut merge_reason = (settings.merge_back && !capabilities.pull_requests).then(|| {
        format!(
            "{} has no pull requests; merge the branch back by hand",
            integration.provider
        )
    });
    // A hotfix repairs what users have: it starts where the shipped release was tagged.
    let hotfix_base = parts
        .previous_tag
        .clone()
        .filter(|_| parts.bump == Bump::Hotfix && parts.existing_branch.is_none());
    let base = match (&parts.base, &settings.base_branch, hotfix_base) {
        (Some(base), _, _) => base.clone(),
        (None, _, Some(tag)) => {
            merge_reason = settings
                .merge_back
                .then(|| format!("a hotfix starts at the tag {tag}; merge its branch back by hand"));
            tag
        }
        (None, Some(base), None) => base.clone(),
        (None, None, None) => default_branch(integration)?,
    };
    if let Some(reason) = merge_reason {
        left_out.insert(TaskKind::MergeBack, reason);
    }
    let plan = ScmPlan {
        integration: integration.id,
        base,
        branch: template(
            settings.branch_template.as_ref(),
            match (parts.bump, parts.shared_repository) {
                (Bump::Hotfix, false) => "hotfix/{version}",
                (Bump::Hotfix, true) => "hotfix/{service}-{version}",
                (Bump::Major | Bump::Minor, false) => "release/{version}",
                (Bump::Major | Bump::Minor, true) => "release/{service}-{version}",
            },
            "branchTemplate",
        )?,
        rc_tag: template(
            settings.rc_tag_template.as_ref(),
            if parts.shared_repository {
                "{service}-v{version}-rc.{cycle}"
            } else {
                "v{version}-rc.{cycle}"
            },
            "rcTagTemplate",
        )?,
        release_tag: template(
            settings.release_tag_template.as_ref(),
            if parts.shared_repository {
                "{service}-v{version}"
            } else {
                "v{version}"
            },
            "releaseTagTemplate",
        )?,
        existing_branch: parts.existing_branch.clone(),
        previous_tag: parts.previous_tag.clone(),
        publishes_releases: capabilities.releases,
        merge_back: settings.merge_back,
    };
    Ok(plan)
}

fn template(set: Option<&NameTemplate>, default: &str, field: &str) -> Result<NameTemplate, Refusal> {
    match set {
        Some(template) => Ok(template.clone()),
        None => default.parse().map_err(|error: delivr_domain::names::NameError| {
            Refusal::new(
                "name_invalid",
                format!("/settings/scm/{field}"),
                error.to_string(),
            )
        }),
    }
}

fn default_branch(integration: &Integration) -> Result<RefName, Refusal> {
    let word = integration
        .config
        .get("defaultBranch")
        .and_then(Value::as_str)
        .filter(|it| !it.is_empty())
        .unwrap_or("main");
    word.parse().map_err(|error: delivr_domain::names::NameError| {
        Refusal::new("name_invalid", "/baseBranch", error.to_string())
    })
}

/// The names a plan leads to: branch, first cycle's tag, release tag. They are checked before anything is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The release branch.
    pub branch: RefName,
    /// The first cycle's tag.
    pub rc_tag: RefName,
    /// The release tag.
    pub release_tag: RefName,
}

/// Renders a plan's names.
///
/// # Errors
/// [`Refusal`] when one is not a name git accepts.
pub fn names(plan: &Plan, slug: &str, version: &str, kickoff_at: Timestamp) -> Result<Names, Refusal> {
    let date = kickoff_at.format("%Y-%m-%d").to_string();
    let render = |template: &NameTemplate, cycle: Option<u16>, field: &str| {
        let cx = NameContext {
            service: slug,
            version,
            target: None,
            cycle,
            date: &date,
        };
        template.render(&cx).map_err(|error| {
            Refusal::new(
                "name_invalid",
                format!("/settings/scm/{field}"),
                error.to_string(),
            )
        })
    };
    let branch = match &plan.scm.existing_branch {
        Some(branch) => branch.clone(),
        None => render(&plan.scm.branch, None, "branchTemplate")?,
    };
    Ok(Names {
        branch,
        rc_tag: render(&plan.scm.rc_tag, Some(1), "rcTagTemplate")?,
        release_tag: render(&plan.scm.release_tag, None, "releaseTagTemplate")?,
    })
}
