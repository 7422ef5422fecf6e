//! The doctor: everything that a release will need, tried before the first one, and what to do about what is missing.
//!
//! What an integration's vendor allows is what its verification found; a pipeline's job is read from its CI system. What
//! lies in the installation itself (a service, a worker, an address) is looked up here.

mod installation;

use super::integrations::{self, VerifyError};
use super::pipelines;
use super::profile::Settings;
use super::services::SCM_OF_SERVICE;
use crate::App;
use delivr_domain::ids::{IntegrationId, PipelineId, ProfileId, ServiceId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::plan::Purpose;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::{Ending, Health, JobState};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Integration, Pipeline, Profile, Service, VerificationStatus};
use delivr_domain::time::Timestamp;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use std::collections::BTreeMap;

/// Vendors asked at the same time: enough to be quick, few enough to be no burden.
const AT_ONCE: usize = 4;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Ok,
    /// It works less well than it could.
    Degraded,
    /// A release would fail there.
    Missing,
    /// It was not tried, or the vendor did not answer.
    Unknown,
}

impl Outcome {
    /// Its word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Degraded => "DEGRADED",
            Self::Missing => "MISSING",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What a check is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The installation, or the tenant as a whole.
    Installation,
    /// An integration of a category.
    Integration(Port, IntegrationId),
    /// A service.
    Service(ServiceId),
    /// A pipeline.
    Pipeline(PipelineId),
    /// A release profile.
    Profile(ProfileId),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// Name of that, for people.
    pub name: String,
    /// What was tried, e.g. `create branches`.
    pub what: String,
    /// Why a release needs it.
    pub why: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What to do about it, in the vendor's terms where it is the vendor's; none when nothing is to be done.
    pub advice: Option<String>,
    /// When it was tried; none where it is looked up whenever somebody asks, and where it never was.
    pub tried_at: Option<Timestamp>,
}

/// Whether releases can be made: nothing is missing, and nothing is unknown.
#[must_use]
pub fn fit(findings: &[Finding]) -> bool {
    let stands = |outcome| match outcome {
        Outcome::Ok | Outcome::Degraded => true,
        Outcome::Missing | Outcome::Unknown => false,
    };
    findings.iter().all(|it| stands(it.outcome))
}

/// Why a release needs what was tried at a vendor.
fn why(port: Port, what: &str) -> &'static str {
    let tried = |word: &str| what.contains(word);
    match port {
        Port::Scm if tried("pull request") || tried("pull_requests") => {
            "At its end a release can be merged back by a pull request."
        }
        Port::Scm if tried("create") || tried("write") || tried("scope") => {
            "Kickoff forks the release branch; every regression cycle and the release itself get a tag."
        }
        Port::Scm if tried("default branch") => "Releases fork from it where nothing else is named.",
        Port::Scm => "Every release begins with a branch, and is built from its commits.",
        Port::Cicd if tried("declare") || tried("run-name") || tried("trigger") => {
            "A run is found again by the key it is given, so that none is started twice."
        }
        Port::Cicd if tried("start") || tried("dispatch") => "Builds and automation are started as runs.",
        Port::Cicd => "Builds are followed until they end.",
        Port::ProjectManagement if tried("create") || tried("issue type") => {
            "Kickoff makes a ticket for every target."
        }
        Port::ProjectManagement if tried("see") => {
            "The gate in front of distribution reads the tickets' states."
        }
        Port::ProjectManagement => "Tickets are kept up to date, and closed when the release is out.",
        Port::Communication if tried("find") => {
            "A message whose answer was lost is found again, and not posted twice."
        }
        Port::Communication => "Your team is told about kickoff, cycles, builds and what goes wrong.",
        Port::TestManagement => "Kickoff makes a test run for every target; the gate reads its totals.",
        Port::Stores if tried("review") => "The store's review is followed until it ends.",
        Port::Stores => "Versions are made, submitted and rolled out here.",
    }
}

/// What is known of an integration: what its last verification found.
fn of_integration(it: &Integration, providers: &App) -> Vec<Finding> {
    let finding = |what: &str, outcome, advice: Option<String>| Finding {
        about: About::Integration(it.port, it.id),
        name: it.name.clone(),
        what: what.to_owned(),
        why: why(it.port, what),
        outcome,
        advice,
        tried_at: it.verified_at,
    };
    if integrations::provider(providers, it.port, &it.provider).is_err() {
        let advice = format!(
            "this build has no provider `{}`; update the installation",
            it.provider
        );
        return vec![finding("provider", Outcome::Missing, Some(advice))];
    }
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let detail = it.status_detail.clone().unwrap_or_default();
    let mut found: Vec<Finding> = Vec::new();
    for check in detail
        .get("checks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let what = text(check, "what").unwrap_or_default();
        let missing = text(check, "missing");
        let outcome = match missing {
            None => Outcome::Ok,
            Some(_) => Outcome::Missing,
        };
        found.push(finding(&what, outcome, missing));
    }
    let credential = match it.status {
        VerificationStatus::Valid => finding("credential", Outcome::Ok, None),
        VerificationStatus::Invalid if !found.is_empty() => finding("credential", Outcome::Ok, None),
        VerificationStatus::Invalid => {
            let said = [
                text(&detail, "detail"),
                text(&detail, "vendor").map(|it| format!("The vendor says: {it}")),
            ];
            let said: Vec<String> = said.into_iter().flatten().collect();
            finding("credential", Outcome::Missing, Some(said.join(" ")))
        }
        VerificationStatus::Pending => finding(
            "credential",
            Outcome::Unknown,
            Some("it was not tried since it was made or changed; try it".to_owned()),
        ),
        VerificationStatus::Expired => finding(
            "credential",
            Outcome::Missing,
            Some("it has expired; replace it, and try it again".to_owned()),
        ),
    };
    found.insert(0, credential);
    found
}

/// What the calls through it tell that somebody should see to before it stops a release.
fn of_health(it: &Integration, health: &Health, now: Timestamp) -> Vec<Finding> {
    let finding = |what: &str, why, outcome, advice: String| Finding {
        about: About::Integration(it.port, it.id),
        name: it.name.clone(),
        what: what.to_owned(),
        why,
        outcome,
        advice: Some(advice),
        tried_at: None,
    };
    let mut found = Vec::new();
    let end = integrations::ends_at(it, health).map(|at| (at, Ending::of(at, now)));
    let why = "With an ended credential every call is refused.";
    match end {
        Some((at, Ending::Over)) => {
            let advice = format!("it ended at {}; replace it, and try it again", at.to_rfc3339());
            found.push(finding("credential lasts", why, Outcome::Missing, advice));
        }
        Some((at, Ending::Soon)) => {
            let advice = format!("it ends at {}; replace it before", at.to_rfc3339());
            found.push(finding("credential lasts", why, Outcome::Degraded, advice));
        }
        Some((_, Ending::Later)) | None => {}
    }
    for (name, quota) in health.quotas.iter().filter(|(_, quota)| quota.is_low(now)) {
        let again = quota.resets_at.map_or_else(String::new, |at| {
            format!("; it is given anew at {}", at.to_rfc3339())
        });
        let advice = format!(
            "{} of {} calls of the limit `{name}` are left{again}; look who else uses the credential",
            quota.remaining, quota.limit
        );
        found.push(finding(
            "calls are left",
            "Without calls left, everything waits until the vendor gives new ones.",
            Outcome::Degraded,
            advice,
        ));
    }
    found
}

fn missing(name: &str, what: &str, why: &'static str, advice: &str) -> Finding {
    Finding {
        about: About::Installation,
        name: name.to_owned(),
        what: what.to_owned(),
        why,
        outcome: Outcome::Missing,
        advice: Some(advice.to_owned()),
        tried_at: None,
    }
}

/// What is not there at all.
fn gaps(integrations: &[Integration], pipelines: &[Pipeline], services: &[Service]) -> Vec<Finding> {
    let mut found = Vec::new();
    let has = |port: Port| integrations.iter().any(|it| it.port == port);
    if !has(Port::Scm) {
        found.push(missing(
            "Source control",
            "is connected",
            "Every release begins with a branch.",
            "connect a repository",
        ));
    }
    let deploys = pipelines.iter().any(|it| it.purpose == Purpose::Deploy.word());
    if !has(Port::Stores) && !deploys {
        found.push(missing(
            "Targets",
            "a store is connected, or a pipeline deploys",
            "A release ships to at least one store or environment.",
            "connect a store, or make a pipeline of the purpose DEPLOY",
        ));
    }
    if services.is_empty() {
        found.push(missing(
            "Services",
            "there is one",
            "A release is a version of a service.",
            "make a service for what you release",
        ));
    }
    for service in services {
        let bound = service.detail.get(SCM_OF_SERVICE).and_then(Value::as_str);
        let bound = bound.and_then(|text| text.parse::<IntegrationId>().ok());
        let there = bound.is_some_and(|id| integrations.iter().any(|it| it.id == id));
        found.push(Finding {
            about: About::Service(service.id),
            name: service.name.clone(),
            what: "has a repository".to_owned(),
            why: "Its releases fork their branch there.",
            outcome: if there { Outcome::Ok } else { Outcome::Degraded },
            advice: (!there)
                .then(|| "bind it to a source-control integration, or name one with each release".to_owned()),
            tried_at: None,
        });
    }
    found
}

/// What is known without asking anybody.
///
/// # Errors
/// When the store fails.
pub async fn known(app: &App, tenant: TenantId) -> Result<Vec<Finding>, StoreError> {
    let pipelines = app.store.pipelines(tenant).await?;
    together(app, tenant, &pipelines, &BTreeMap::new()).await
}

async fn together(
    app: &App,
    tenant: TenantId,
    pipelines: &[Pipeline],
    silent: &BTreeMap<IntegrationId, String>,
) -> Result<Vec<Finding>, StoreError> {
    let integrations = app.store.integrations(tenant, None).await?;
    let services = app.store.services(tenant).await?;
    let health = app
        .connections
        .health()
        .health(app.store.as_ref(), tenant)
        .await?;
    let now = app.clock.now();
    let mut all = gaps(&integrations, pipelines, &services);
    for port in Port::ALL {
        for it in integrations.iter().filter(|it| it.port == *port) {
            if let Some(why_not) = silent.get(&it.id) {
                all.push(Finding {
                    about: About::Integration(it.port, it.id),
                    name: it.name.clone(),
                    what: "the vendor answers".to_owned(),
                    why: "Nothing can be tried while it does not.",
                    outcome: Outcome::Unknown,
                    advice: Some(why_not.clone()),
                    tried_at: Some(now),
                });
            }
            all.extend(of_integration(it, app));
            if let Some(health) = health.get(&it.id) {
                all.extend(of_health(it, health, now));
            }
        }
    }
    all.extend(
        pipelines
            .iter()
            .map(|it| of_pipeline(it, health.get(&it.integration))),
    );
    if integrations.iter().any(|it| it.port == Port::Stores) {
        let profiles = app.store.profiles(tenant).await?;
        all.extend(profiles.iter().map(of_profile));
    }
    all.extend(installation::findings(app).await?);
    Ok(all)
}

/// Whether users of the stores have something to read where nobody writes notes of a release.
fn of_profile(it: &Profile) -> Finding {
    let settings: Settings = serde_json::from_value(it.settings.clone()).unwrap_or_default();
    let silent = TargetKey::ALL
        .iter()
        .filter(|target| target.is_store() && settings.notes(**target).is_empty());
    let silent: Vec<&str> = silent.map(|target| target.word()).collect();
    Finding {
        about: About::Profile(it.id),
        name: it.name.clone(),
        what: "has default store notes".to_owned(),
        why: "Users of a store read them where nobody wrote notes of a release.",
        outcome: if silent.is_empty() {
            Outcome::Ok
        } else {
            Outcome::Degraded
        },
        advice: (!silent.is_empty()).then(|| {
            format!(
                "users of {} would read the changelog where nobody writes notes; write default ones in the profile",
                silent.join(" and ")
            )
        }),
        tried_at: None,
    }
}

/// What the last reading of a pipeline's job found, if that was of the pipeline as it is.
fn of_pipeline(it: &Pipeline, health: Option<&Health>) -> Finding {
    let read = health.and_then(|health| health.jobs.get(&it.id));
    let read = read.filter(|read| read.version == it.version);
    let (outcome, advice) = match read {
        None => (
            Outcome::Unknown,
            Some("it was not tried since it was made or changed; let the doctor try everything".to_owned()),
        ),
        Some(read) => {
            let outcome = match read.state {
                JobState::Usable => Outcome::Ok,
                JobState::Unusable => Outcome::Missing,
                JobState::Unread => Outcome::Unknown,
            };
            (outcome, read.detail.clone())
        }
    };
    Finding {
        tried_at: read.map(|read| read.at),
        about: About::Pipeline(it.id),
        name: it.name.clone(),
        what: format!("`{}` can be started", it.job),
        why: "CI systems drop parameters that a job does not declare, most of them without a word.",
        outcome,
        advice,
    }
}

/// Tries everything now: every integration is verified, which is kept like any other verification, and every pipeline's
/// job is read, which is kept too. Starts no run and writes nothing at any vendor.
///
/// # Errors
/// When the store fails. What a vendor refuses, or does not answer, is a finding.
pub async fn examine(app: &App, tenant: TenantId, actor: &str) -> Result<Vec<Finding>, StoreError> {
    let integrations = app.store.integrations(tenant, None).await?;
    let tried = stream::iter(integrations).map(|it| async move {
        let said = integrations::verify(app, tenant, it.id, actor).await;
        (it.id, said)
    });
    let mut silent = BTreeMap::new();
    for (id, said) in tried.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        match said {
            Ok(_) => {}
            Err(VerifyError::Vendor(error)) => {
                silent.insert(id, error.sentence);
            }
            Err(VerifyError::Store(error)) if !matches!(error, StoreError::Conflict) => return Err(error),
            // Somebody changed or removed it meanwhile: what is stored then says so.
            Err(error @ (VerifyError::Missing | VerifyError::Store(_) | VerifyError::Apply(_))) => {
                silent.insert(id, error.to_string());
            }
        }
    }
    let pipelines = app.store.pipelines(tenant).await?;
    // What comes of each is kept, and read from there.
    let read = stream::iter(&pipelines).map(|it| async move { pipelines::test(app, tenant, it).await });
    let _kept: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
    // At once, so that other processes know it too.
    app.connections.health().write(app.store.as_ref()).await?;
    together(app, tenant, &pipelines, &silent).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_says_why_it_is_needed() {
        for port in Port::ALL {
            for what in [
                "create branches, tags and releases",
                "open pull requests",
                "see tickets",
                "anything",
            ] {
                assert!(why(*port, what).ends_with('.'), "{port} {what}");
            }
        }
        assert_ne!(
            why(Port::Scm, "open pull requests"),
            why(Port::Scm, "create branches")
        );
    }

    #[test]
    fn what_is_missing_or_unknown_is_not_fit() {
        for (outcome, good) in [
            (Outcome::Ok, true),
            (Outcome::Degraded, true),
            (Outcome::Missing, false),
            (Outcome::Unknown, false),
        ] {
            let mut finding = missing("a", "b", "c", "d");
            finding.outcome = outcome;
            assert_eq!(fit(&[finding]), good, "{}", outcome.word());
        }
    }
}
