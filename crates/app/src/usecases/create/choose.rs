//! Choosing what a release is made of: every reference loaded, checked to be this tenant's, of the right category, and
//! verified.

use super::{CreateError, NewRelease, WantedTarget};
use crate::App;
use crate::usecases::integrations::{self, IntegrationError};
use crate::usecases::plan::{Capabilities, ChosenTarget, NamedPipeline, Refusal};
use crate::usecases::profile::{self, Settings};
use crate::usecases::services::SCM_OF_SERVICE;
use delivr_domain::ids::{IntegrationId, PipelineId, ProfileId, ServiceId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Integration, Service, Sought, Standing, VerificationStatus};
use delivr_domain::release::view::{LAST_MARK, shipped_mark, version_mark};
use delivr_domain::version::{Bump, Version};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Settings in force, and where they come from.
pub(super) struct Effective {
    /// The profile and its revision.
    pub(super) profile: Option<(ProfileId, u32)>,
    /// The service the profile is for, if it is for one.
    pub(super) service: Option<ServiceId>,
    /// The settings.
    pub(super) settings: Settings,
}

pub(super) async fn settings(
    app: &App,
    tenant: TenantId,
    profile: Option<ProfileId>,
    service: Option<ServiceId>,
    over: Option<&Value>,
) -> Result<Effective, CreateError> {
    let profile = match profile {
        Some(id) => Some(
            app.store
                .profile(tenant, id, None)
                .await?
                .ok_or_else(|| Refusal::unknown("/profileId", "profile"))?,
        ),
        None => None,
    };
    if let Some(of) = profile.as_ref().and_then(|it| it.service)
        && service.is_some_and(|id| id != of)
    {
        let sentence = "the profile is for another service";
        return Err(Refusal::new("profile_mismatch", "/profileId", sentence).into());
    }
    let mut document = profile
        .as_ref()
        .map_or_else(|| Value::Object(serde_json::Map::new()), |it| it.settings.clone());
    if let Some(over) = over {
        document = profile::layered(document, over);
    }
    let settings: Settings = serde_json::from_value(document)
        .map_err(|error| Refusal::new("settings_unreadable", "/settings", error.to_string()))?;
    let faults = settings.faults().into_iter().chain(settings.refused_notes());
    if let Some(fault) = faults.into_iter().next() {
        return Err(Refusal::new(
            "settings_unsuitable",
            format!("/settings{}", fault.pointer),
            fault.detail,
        )
        .into());
    }
    Ok(Effective {
        service: profile.as_ref().and_then(|it| it.service),
        profile: profile.map(|it| (it.id, it.revision)),
        settings,
    })
}

/// The profile of a service that has exactly one.
pub(super) async fn only_profile(
    app: &App,
    tenant: TenantId,
    service: ServiceId,
) -> Result<Option<ProfileId>, StoreError> {
    let profiles = app.store.profiles(tenant).await?;
    let mut fit = profiles.iter().filter(|it| it.service == Some(service));
    Ok(match (fit.next(), fit.next()) {
        (Some(only), None) => Some(only.id),
        (None, _) | (Some(_), Some(_)) => None,
    })
}

pub(super) fn service<'a>(
    services: &'a [Service],
    wanted: &NewRelease,
    of_profile: Option<ServiceId>,
) -> Result<&'a Service, Refusal> {
    if let Some(id) = wanted.service.or(of_profile) {
        return services
            .iter()
            .find(|it| it.id == id)
            .ok_or_else(|| Refusal::unknown("/serviceId", "service"));
    }
    let Some(scm) = wanted.scm else {
        let sentence =
            "name the service (serviceId), or the source-control integration that only one service uses";
        return Err(Refusal::new("service_missing", "/serviceId", sentence));
    };
    let mut bound = services.iter().filter(|it| scm_bound(it) == Some(scm));
    match (bound.next(), bound.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Refusal::new(
            "service_missing",
            "/serviceId",
            "no service is bound to this source-control integration; name the service (serviceId), or set scmIntegrationId of one",
        )),
        (Some(_), Some(_)) => Err(Refusal::new(
            "service_ambiguous",
            "/serviceId",
            "several services use this source-control integration; name the service (serviceId)",
        )),
    }
}

fn scm_bound(service: &Service) -> Option<IntegrationId> {
    let id = service.detail.get(SCM_OF_SERVICE).and_then(Value::as_str);
    id.and_then(|id| id.parse().ok())
}

pub(super) fn scm_of(service: &Service, wanted: &NewRelease) -> Result<IntegrationId, Refusal> {
    match (wanted.scm, scm_bound(service)) {
        (Some(scm), Some(bound)) if scm != bound => Err(Refusal::new(
            "scm_mismatch",
            "/scmIntegrationId",
            format!(
                "`{}` is bound to another source-control integration",
                service.slug
            ),
        )),
        (Some(scm), _) | (None, Some(scm)) => Ok(scm),
        (None, None) => Err(Refusal::new(
            "scm_missing",
            "/scmIntegrationId",
            format!(
                "`{}` is bound to no source-control integration; name one (scmIntegrationId)",
                service.slug
            ),
        )),
    }
}

/// What an integration of the category is called in a refusal.
const fn called(port: Port) -> &'static str {
    match port {
        Port::Scm => "source-control integration",
        Port::Cicd => "CI/CD integration",
        Port::ProjectManagement => "project-management integration",
        Port::Communication => "communication integration",
        Port::TestManagement => "test-management integration",
        Port::Stores => "store integration",
    }
}

/// Integrations that were read in one go. One that is not among them is asked for by itself.
#[derive(Default)]
pub(super) struct Known(BTreeMap<IntegrationId, Integration>);

impl Known {
    /// Those that the wish names.
    pub(super) async fn of(
        app: &App,
        tenant: TenantId,
        scm: IntegrationId,
        wanted: &NewRelease,
    ) -> Result<Self, StoreError> {
        let named = [wanted.ticket, wanted.testing, wanted.communication];
        let stores = wanted.targets.iter().filter_map(|it| it.store);
        let ids: BTreeSet<IntegrationId> = named.into_iter().flatten().chain(stores).chain([scm]).collect();
        let ids: Vec<IntegrationId> = ids.into_iter().collect();
        let found = app.store.integrations_named(tenant, &ids).await?;
        Ok(Self(found.into_iter().map(|it| (it.id, it)).collect()))
    }
}

pub(super) async fn integration(
    app: &App,
    tenant: TenantId,
    known: &Known,
    port: Port,
    id: IntegrationId,
    pointer: &str,
) -> Result<Integration, CreateError> {
    let found = match known.0.get(&id) {
        Some(known) => Some(known.clone()),
        None => app.store.integration(tenant, id).await?,
    };
    let found = found
        .filter(|it| it.port == port)
        .ok_or_else(|| Refusal::unknown(pointer, called(port)))?;
    verified(&found, pointer)?;
    match integrations::provider(app, port, &found.provider) {
        Ok(_) => Ok(found),
        Err(IntegrationError::Store(error)) => Err(error.into()),
        Err(
            error @ (IntegrationError::Provider { .. }
            | IntegrationError::Config(_)
            | IntegrationError::Vault(_)),
        ) => Err(Refusal::new("provider_missing", pointer, error.to_string()).into()),
    }
}

fn verified(integration: &Integration, pointer: &str) -> Result<(), Refusal> {
    let sentence = match integration.status {
        VerificationStatus::Valid => return Ok(()),
        VerificationStatus::Pending => "has not been verified yet; verify it first",
        VerificationStatus::Invalid => "failed its verification; mend it and verify it again",
        VerificationStatus::Expired => "has an expired credential; renew it and verify it again",
    };
    let sentence = format!(
        "the {} `{}` {sentence}",
        called(integration.port),
        integration.name
    );
    Err(Refusal::new("integration_not_verified", pointer, sentence))
}

pub(super) async fn optional(
    app: &App,
    tenant: TenantId,
    known: &Known,
    port: Port,
    id: Option<IntegrationId>,
    pointer: &str,
) -> Result<Option<Integration>, CreateError> {
    match id {
        Some(id) => integration(app, tenant, known, port, id, pointer).await.map(Some),
        None => Ok(None),
    }
}

/// What the service's line says about versions, and the release that went live last.
pub(super) async fn line_of(
    app: &App,
    tenant: TenantId,
    service: ServiceId,
) -> Result<Vec<Standing>, StoreError> {
    let versions = TargetKey::ALL
        .iter()
        .flat_map(|target| [version_mark(*target), shipped_mark(*target)]);
    let sought: Vec<Sought> = versions
        .chain([LAST_MARK.to_owned()])
        .map(Sought::highest)
        .collect();
    app.store.standing(tenant, service, &sought).await
}

/// What stands on the line under a mark.
pub(super) fn at<'a>(line: &'a [Standing], mark: &str) -> Option<&'a Standing> {
    line.iter().find(|it| it.row.mark == mark)
}

pub(super) async fn targets(
    app: &App,
    tenant: TenantId,
    known: &Known,
    wanted: &NewRelease,
    service: ServiceId,
    line: &[Standing],
) -> Result<Vec<ChosenTarget>, CreateError> {
    let mut chosen: Vec<ChosenTarget> = Vec::new();
    for (index, target) in wanted.targets.iter().enumerate() {
        let at = format!("/targets/{index}");
        let (key, store) = shop(app, tenant, known, target, &at).await?;
        if chosen.iter().any(|it| it.target == key) {
            return Err(Refusal::new("duplicate_target", at, format!("{key} is named twice")).into());
        }
        let asked = target.version.or(wanted.version);
        let pointer = if target.version.is_some() {
            format!("{at}/version")
        } else {
            "/version".to_owned()
        };
        let version = version(line, key, wanted.bump, asked, &pointer)?;
        free(app, tenant, service, key, version, wanted.bump, &pointer).await?;
        chosen.push(ChosenTarget {
            target: key,
            version,
            store,
            builds: target.builds,
        });
    }
    if chosen.is_empty() {
        return Err(Refusal::new(
            "targets_missing",
            "/targets",
            "a release ships to at least one target",
        )
        .into());
    }
    Ok(chosen)
}

/// The target and the store it ships through.
async fn shop(
    app: &App,
    tenant: TenantId,
    known: &Known,
    wanted: &WantedTarget,
    at: &str,
) -> Result<(TargetKey, Option<IntegrationId>), CreateError> {
    let ships = |integration: &Integration| {
        app.registry
            .find(Port::Stores, &integration.provider)
            .map(|descriptor| Capabilities::of(descriptor).targets)
            .unwrap_or_default()
    };
    if let Some(id) = wanted.store {
        let pointer = &wanted.store_pointer;
        let found = integration(app, tenant, known, Port::Stores, id, pointer).await?;
        let targets = ships(&found);
        return match (wanted.target, targets.as_slice()) {
            (Some(key), _) if targets.contains(&key) => Ok((key, Some(id))),
            (None, [only]) => Ok((*only, Some(id))),
            (Some(key), _) => {
                let sentence = format!("`{}` does not ship {key}", found.name);
                Err(Refusal::new("store_mismatch", pointer.clone(), sentence).into())
            }
            (None, _) => {
                let sentence = format!(
                    "`{}` ships several targets; name the one that is meant",
                    found.name
                );
                Err(Refusal::new("target_ambiguous", at, sentence).into())
            }
        };
    }
    let Some(key) = wanted.target else {
        return Err(Refusal::unknown(at, "target").into());
    };
    if !key.is_store() {
        return Ok((key, None));
    }
    let stores = app.store.integrations(tenant, Some(Port::Stores)).await?;
    let mut fit = stores.iter().filter(|it| ships(it).contains(&key));
    match (fit.next(), fit.next()) {
        (Some(only), None) => {
            verified(only, &wanted.store_pointer)?;
            Ok((key, Some(only.id)))
        }
        (None, _) => {
            let sentence = format!("no store integration ships {key}; connect one first");
            Err(Refusal::new("store_missing", wanted.store_pointer.clone(), sentence).into())
        }
        (Some(_), Some(_)) => {
            let sentence = format!("several store integrations ship {key}; name one (storeIntegrationId)");
            Err(Refusal::new("store_ambiguous", wanted.store_pointer.clone(), sentence).into())
        }
    }
}

/// The version a target gets: asked for and above its line, or the next of it.
fn version(
    line: &[Standing],
    target: TargetKey,
    bump: Bump,
    asked: Option<Version>,
    pointer: &str,
) -> Result<Version, Refusal> {
    // A hotfix continues the shipped version while a later train is open.
    let mark = match bump {
        Bump::Hotfix => shipped_mark(target),
        Bump::Major | Bump::Minor => version_mark(target),
    };
    let below: Option<Version> = at(line, &mark).and_then(|it| it.row.value.parse().ok());
    let Some(version) = asked.or_else(|| below.map(|it| it.next(bump))) else {
        let sentence = format!("{target} has no version yet to continue from; name the first one");
        return Err(Refusal::new("version_missing", pointer, sentence));
    };
    version
        .check_above(below)
        .map_err(|error| Refusal::new("version_not_above", pointer, format!("{target}: {error}")))?;
    Ok(version)
}

/// Refuses a version that another release ships already. One above the highest is nobody's; a hotfix's is only above
/// what was shipped.
async fn free(
    app: &App,
    tenant: TenantId,
    service: ServiceId,
    target: TargetKey,
    version: Version,
    bump: Bump,
    pointer: &str,
) -> Result<(), CreateError> {
    match bump {
        Bump::Major | Bump::Minor => return Ok(()),
        Bump::Hotfix => {}
    }
    let same = [Sought::exactly(version_mark(target), version.rank())];
    match app.store.standing(tenant, service, &same).await?.first() {
        None => Ok(()),
        Some(same) => {
            let sentence = format!("{} ships {version} to {target} already", same.key);
            Err(Refusal::new("version_taken", pointer, sentence).into())
        }
    }
}

pub(super) async fn pipelines(
    app: &App,
    tenant: TenantId,
    known: &Known,
    wanted: impl IntoIterator<Item = &(String, PipelineId)>,
) -> Result<Vec<NamedPipeline>, CreateError> {
    let mut named = Vec::new();
    for (pointer, id) in wanted {
        let pipeline = app
            .store
            .pipeline(tenant, *id)
            .await?
            .ok_or_else(|| Refusal::unknown(pointer, "pipeline"))?;
        integration(app, tenant, known, Port::Cicd, pipeline.integration, pointer).await?;
        named.push(NamedPipeline {
            pointer: pointer.clone(),
            pipeline,
        });
    }
    Ok(named)
}
