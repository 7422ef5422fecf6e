//! What a new release most likely is: its targets, and the next versions of their lines.

use crate::api::Call;
use crate::model::{List, Problem, Release};
use crate::setup::{Integration, Pipeline, Profile, Service};
use crate::shown::brief;
use crate::visit::{Stop, Visit};
use delivr_app::usecases::access::Role;
use delivr_domain::key::TargetKey;
use serde::Deserialize;
use serde_json::{Value, json};

/// The version of a service that has none yet.
const FIRST: &str = "1.0.0";

/// Targets that a service can have, by its kind.
pub(super) fn targets(service: &Service) -> Vec<TargetKey> {
    let fits = |it: &TargetKey| match service.kind.as_deref() {
        Some("MOBILE") => it.is_store(),
        Some("WEB") => *it == TargetKey::WebEnvironment,
        Some("BACKEND") => *it == TargetKey::ServiceEnvironment,
        _ => true,
    };
    TargetKey::ALL.iter().copied().filter(fits).collect()
}

/// What a provider of stores ships to.
#[derive(Debug, Deserialize)]
struct Ships {
    provider: String,
    #[serde(default)]
    capabilities: Value,
}

impl Ships {
    fn to(&self, target: TargetKey) -> bool {
        let all = self.capabilities.get("targets").and_then(Value::as_array);
        all.into_iter()
            .flatten()
            .any(|it| it.as_str() == Some(target.word()))
    }
}

/// Targets that can be shipped to with what is connected: a store that somebody is signed in to, an environment that a
/// pipeline deploys to or that the kind of the service names.
async fn reachable(
    visit: &Visit,
    service: &Service,
    targets: &[TargetKey],
    pipelines: &[Pipeline],
) -> Result<Vec<TargetKey>, Stop> {
    let stores: List<Integration> = visit.look("/integrations/stores?limit=200").await?;
    let providers: List<Ships> = visit.look("/integrations/stores/providers").await?;
    let connected = |target: TargetKey| {
        let mut shops = providers.items.iter().filter(|it| it.to(target));
        shops.any(|shop| stores.items.iter().any(|it| it.provider == shop.provider))
    };
    let deployed = |target: TargetKey| {
        let platform = target.platform();
        pipelines.iter().any(|it| it.platform == platform.word())
            || matches!(service.kind.as_deref(), Some("WEB" | "BACKEND"))
    };
    let reached = |it: &TargetKey| {
        if it.is_store() {
            connected(*it)
        } else {
            deployed(*it)
        }
    };
    Ok(targets.iter().copied().filter(reached).collect())
}

/// Targets that the only profile of the service speaks of; none where it speaks of none.
fn of_profile(service: &Service, profiles: &[Profile], targets: &[TargetKey]) -> Vec<TargetKey> {
    let mut own = profiles
        .iter()
        .filter(|it| it.service_id.as_deref() == Some(service.id.as_str()));
    let (Some(only), None) = (own.next(), own.next()) else {
        return Vec::new();
    };
    let named = |it: &&TargetKey| {
        ["stores", "builds"].iter().any(|part| {
            only.settings
                .get(part)
                .is_some_and(|of| of.get(it.word()).is_some())
        })
    };
    targets.iter().filter(named).copied().collect()
}

/// Targets that a new release most likely ships to: those of the last one; else those that its profile speaks of and
/// that can be shipped to; else all that can be.
pub(super) async fn likely(
    visit: &Visit,
    service: &Service,
    targets: &[TargetKey],
    profiles: &[Profile],
    pipelines: &[Pipeline],
) -> Result<Vec<TargetKey>, Stop> {
    let last: List<Release> = visit
        .look(format!("/releases?serviceId={}&limit=1", service.id))
        .await?;
    let shipped = |it: &&TargetKey| {
        let mut all = last.items.iter().flat_map(|release| &release.targets);
        all.any(|had| had.target == it.word())
    };
    let had: Vec<TargetKey> = targets.iter().filter(shipped).copied().collect();
    if !had.is_empty() {
        return Ok(had);
    }
    let reached = reachable(visit, service, targets, pipelines).await?;
    let named = of_profile(service, profiles, targets);
    let both: Vec<TargetKey> = reached.iter().filter(|it| named.contains(it)).copied().collect();
    Ok(match (both.is_empty(), reached.is_empty()) {
        (false, _) => both,
        (true, false) => reached,
        (true, true) if !named.is_empty() => named,
        // Of a service that can have one alone, that one.
        (true, true) => targets.iter().copied().filter(|_| targets.len() == 1).collect(),
    })
}

/// The next versions of a service, by the kind of release.
#[derive(Debug, Default)]
pub(super) struct Versions {
    next: Vec<(&'static str, Vec<(String, String)>)>,
    first: bool,
}

#[derive(Debug, Deserialize)]
struct Planned {
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    target: String,
    version: String,
}

impl Versions {
    fn of(&self, kind: &str) -> Option<&Vec<(String, String)>> {
        let found = self.next.iter().find(|(word, _)| *word == kind);
        found.map(|(_, all)| all)
    }

    /// The one version of every target; none where they differ, or are not known.
    fn same(&self, kind: &str) -> Option<&str> {
        let all = self.of(kind)?;
        let (_, first) = all.first()?;
        all.iter().all(|(_, it)| it == first).then_some(first.as_str())
    }

    /// The versions of a kind, for people.
    pub(super) fn said(&self, kind: &str) -> Option<String> {
        if let Some(one) = self.same(kind) {
            return Some(one.to_owned());
        }
        let all = self.of(kind)?.iter();
        let all: Vec<String> = all
            .map(|(target, it)| format!("{} {it}", brief(target)))
            .collect();
        Some(all.join(", "))
    }

    /// Whether there is no version to continue from.
    pub(super) const fn first(&self) -> bool {
        self.first
    }

    /// What stands in the field: the next minor, where it is one for all targets.
    pub(super) fn filled_in(&self) -> String {
        if self.first {
            return FIRST.to_owned();
        }
        self.same("MINOR").unwrap_or_default().to_owned()
    }

    /// What is said about the field.
    pub(super) fn about(&self) -> String {
        match (self.first, self.same("MINOR"), self.said("MINOR")) {
            (true, _, _) => "The service has no version yet: this is its first.".to_owned(),
            (false, Some(_), _) => {
                "The next of the line; left as it is, or left empty, it follows the kind.".to_owned()
            }
            (false, None, Some(next)) => format!("Left empty: the next of each line, {next} for a minor."),
            (false, None, None) => {
                "Left empty: the next of the line. The first one must be named.".to_owned()
            }
        }
    }
}

/// Asks the API which versions it would take. Whoever may not ask is suggested none.
pub(super) async fn versions(visit: &Visit, service: &Service, likely: &[TargetKey]) -> Versions {
    let mut found = Versions::default();
    if visit.who.role < Role::Member || likely.is_empty() {
        return found;
    }
    let targets: Vec<Value> = likely.iter().map(|it| json!({"target": it.word()})).collect();
    for kind in ["MINOR", "MAJOR", "HOTFIX"] {
        let body = json!({"serviceId": service.id, "type": kind, "targets": targets});
        let reply = visit
            .api
            .call(&visit.who, Call::post("/releases/plan", body))
            .await;
        let refused = !reply.status.is_success();
        if refused && kind == "MINOR" {
            found.first = Problem::of(&reply).code == "version_missing";
        }
        if let Ok(planned) = reply.read::<Planned>() {
            let all = planned.targets.into_iter().map(|it| (it.target, it.version));
            found.next.push((kind, all.collect()));
        }
    }
    found
}
