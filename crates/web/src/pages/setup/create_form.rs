//! The form of a new release, and the body of the request that it becomes.

use super::suggest::Versions;
use super::{integrations, pipelines, profiles, suggest};
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::form::Form;
use crate::setup::{Pipeline, Service};
use crate::shown::words;
use crate::visit::{Stop, Visit};
use crate::zone;
use delivr_domain::key::TargetKey;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What there is to choose from.
pub(super) struct Offer {
    profiles: Vec<Choice>,
    scm: Vec<Choice>,
    chat: Vec<Choice>,
    tickets: Vec<Choice>,
    testing: Vec<Choice>,
    pipelines: Vec<Pipeline>,
    /// Targets that the service can have.
    targets: Vec<TargetKey>,
    /// Those that it most likely ships to.
    likely: Vec<TargetKey>,
    versions: Versions,
}

impl Offer {
    /// Everything that fits a service.
    pub(super) async fn of(visit: &Visit, service: &Service) -> Result<Self, Stop> {
        let mut offered = vec![Choice::new("", "The only one of the service, or every default")];
        let profiles = profiles::all(visit).await?;
        let targets = suggest::targets(service);
        for it in &profiles {
            if it.service_id.as_deref().is_none_or(|id| id == service.id) {
                offered.push(Choice::new(
                    it.id.clone(),
                    format!("{} (version {})", it.name, it.revision),
                ));
            }
        }
        let mut pipelines = pipelines::all(visit).await?;
        pipelines.retain(|it| match (&it.scm_integration_id, &service.scm_integration_id) {
            (Some(its), Some(ours)) => its == ours,
            (Some(_), None) | (None, Some(_) | None) => true,
        });
        let likely = suggest::likely(visit, service, &targets, &profiles, &pipelines).await?;
        let versions = suggest::versions(visit, service, &likely).await;
        Ok(Self {
            targets,
            likely,
            versions,
            profiles: offered,
            scm: integrations::choices(visit, "scm", "The service's").await?,
            chat: integrations::choices(visit, "communication", "None").await?,
            tickets: integrations::choices(visit, "project-management", "None").await?,
            testing: integrations::choices(visit, "test-management", "None").await?,
            pipelines,
        })
    }
}

/// One of a category, or none; the only one there is stands there.
fn optional(pointer: &str, label: &str, choices: &[Choice]) -> Field {
    let field = Field::choice(pointer, label, choices.to_vec());
    match choices {
        [_, only] => field.with(only.value.clone()),
        _ => field,
    }
}

fn at(target: TargetKey, part: &str) -> String {
    format!("/ship/{target}/{part}")
}

/// The form.
pub(super) fn sheet(offer: &Offer, service: &Service) -> Sheet {
    let kinds = [
        ("MINOR", "Minor"),
        ("MAJOR", "Major"),
        ("HOTFIX", "Hotfix of what is shipped"),
    ];
    let kinds = kinds.map(|(word, label)| match offer.versions.said(word) {
        Some(next) => Choice::new(word, format!("{label}: {next}")),
        None => Choice::new(word, label),
    });
    let kinds = kinds.to_vec();
    let priorities = ["MEDIUM", "LOW", "HIGH", "CRITICAL"].map(|word| Choice::new(word, words(word)));
    let what = vec![
        Field::choice("/type", "Kind", kinds),
        Field::line("/version", "Version")
            .about(offer.versions.about())
            .with(offer.versions.filled_in()),
        Field::choice("/profileId", "Profile", offer.profiles.clone()),
        Field::line("/title", "Title").about(format!("Left empty: {} and the version.", service.name)),
        Field::new("/description", "Description", Kind::Long),
        Field::choice("/priority", "Priority", priorities.to_vec()),
        Field::line("/pilot", "Pilot").about("Who brings it home, by e-mail address."),
    ];
    let mut ships = Vec::new();
    for target in &offer.targets {
        let label = words(target.word());
        let on = if offer.likely.contains(target) { "true" } else { "" };
        ships.push(Field::flag(at(*target, "on"), label.clone()).with(on));
        ships.push(
            Field::line(at(*target, "version"), format!("{label}: a version of its own"))
                .about("Left empty: the one above."),
        );
        let builds = vec![
            Choice::new("", "As the profile says"),
            Choice::new("PIPELINE", "A pipeline makes them"),
            Choice::new("MANUAL", "People upload them"),
        ];
        ships.push(Field::choice(
            at(*target, "builds"),
            format!("{label}: builds"),
            builds,
        ));
    }
    let zones = zone::OFFERED
        .iter()
        .map(|name| Choice::new(*name, name.replace('_', " ")));
    let mut when = vec![
        Field::choice("/zone", "Times below are those of", zones.collect())
            .about("As clocks there show them on that day, summer time included."),
        Field::new("/kickoffAt", "Kickoff", Kind::Moment).about("Left empty: now."),
        Field::new("/kickoffReminderAt", "Reminder of it", Kind::Moment),
        Field::new("/targetDate", "Target date", Kind::Moment),
    ];
    let cycles = ["Regression cycle", "A second cycle", "A third cycle"];
    for (at, label) in cycles.into_iter().enumerate() {
        let field = Field::new(format!("/slots/{at}/at"), label, Kind::Moment);
        when.push(if at == 0 {
            field.about("Between kickoff and that day. More can be planned on the release's page.")
        } else {
            field
        });
    }
    let boxes = offer.pipelines.iter().map(|it| {
        let label = format!(
            "{} ({}, {})",
            it.name,
            words(&it.platform),
            words(&it.purpose).to_lowercase()
        );
        Choice::new(it.id.clone(), label)
    });
    // One for each platform and purpose: a release has no use for a second one.
    let mut served = BTreeSet::new();
    let ticked: Vec<&str> = offer
        .pipelines
        .iter()
        .filter(|it| served.insert((it.platform.as_str(), it.purpose.as_str())))
        .map(|it| it.id.as_str())
        .collect();
    let with = vec![
        Field::choice("/scmIntegrationId", "Repository", offer.scm.clone()),
        Field::line("/baseBranch", "Base branch")
            .about("Left empty: as the profile says, else the repository's default."),
        Field::line("/existingBranch", "Branch to use instead of forking one"),
        Field::new("/pipelines", "Pipelines", Kind::Boxes(boxes.collect()))
            .about("Those of platforms that this release does not ship to are left out.")
            .with(ticked.join("\n")),
        optional("/communicationId", "Chat", &offer.chat),
        optional("/ticketId", "Tickets", &offer.tickets),
        optional("/testManagementId", "Test management", &offer.testing),
    ];
    let mut sections = vec![
        Section::new("What", what),
        Section::new("Where it ships", ships),
        Section::new("When", when),
        Section::new("With what", with),
    ];
    for section in &mut sections {
        // Without anything to choose there is nothing to show.
        section
            .fields
            .retain(|it| it.shape() != "boxes" || !it.choices().is_empty());
    }
    let mut sheet = Sheet::new(sections);
    sheet.suggests = !offer.versions.filled_in().is_empty();
    sheet
}

/// Targets and cycles in the order of the request: the way back from its pointers to the fields.
pub(super) struct Targets(Vec<TargetKey>, Vec<usize>);

impl Targets {
    /// The field that a place of the request came from.
    pub(super) fn at_field(&self, pointer: &str) -> String {
        if let Some(rest) = pointer.strip_prefix("/slots/") {
            let index: Option<usize> = rest.split('/').next().and_then(|it| it.parse().ok());
            let field = index.and_then(|it| self.1.get(it));
            return field.map_or_else(|| pointer.to_owned(), |it| format!("/slots/{it}/at"));
        }
        let Some(rest) = pointer.strip_prefix("/targets") else {
            return pointer.to_owned();
        };
        let mut parts = rest.trim_start_matches('/').splitn(2, '/');
        let index: Option<usize> = parts.next().and_then(|it| it.parse().ok());
        let target = index.and_then(|it| self.0.get(it)).or(self.0.first());
        let part = parts
            .next()
            .filter(|it| ["version", "builds"].contains(it))
            .unwrap_or("on");
        target.map_or_else(|| pointer.to_owned(), |it| at(*it, part))
    }
}

/// An instant of the form with its zone, as the API takes it.
fn instant(text: &str, name: &str) -> Result<String, String> {
    zone::instant(text, name)
        .map(|it| it.to_rfc3339())
        .map_err(|wrong| wrong.sentence(text, name))
}

/// The body of the request; none when something is to be put right first.
pub(super) fn body_of(
    sheet: &mut Sheet,
    form: &Form,
    service: &Service,
    offer: &Offer,
) -> Option<(Value, Targets)> {
    let taken = sheet.take(form);
    let zone = form.get("/zone").unwrap_or("UTC").to_owned();
    let mut body = taken.unwrap_or_else(|| json!({}));
    let mut wrong: Vec<(&str, String)> = Vec::new();
    let mut late: Vec<(usize, String)> = Vec::new();
    // Left as we have filled it in, it is the next of the line, by the kind that is chosen; the first one is named.
    let version = form.get("/version");
    sheet.suggests = version.is_some() && version == form.get("suggested");
    let members = body.as_object_mut()?;
    members.remove("zone");
    members.insert("serviceId".to_owned(), json!(service.id));
    for name in ["kickoffAt", "kickoffReminderAt", "targetDate"] {
        if let Some(text) = members.get(name).and_then(Value::as_str) {
            match instant(text, &zone) {
                Ok(at) => {
                    members.insert(name.to_owned(), at.into());
                }
                Err(why) => wrong.push((name, why)),
            }
        }
    }
    let mut places = Vec::new();
    if let Some(Value::Object(given)) = members.remove("slots") {
        let mut slots = Vec::new();
        for (name, slot) in given {
            let place = name.parse().unwrap_or_default();
            let Some(text) = slot.get("at").and_then(Value::as_str) else {
                continue;
            };
            match instant(text, &zone) {
                Ok(at) => {
                    slots.push(json!({"at": at}));
                    places.push(place);
                }
                Err(why) => late.push((place, why)),
            }
        }
        members.insert("slots".to_owned(), slots.into());
    }
    let ship = members.remove("ship").unwrap_or_default();
    let chosen: Vec<TargetKey> = offer
        .targets
        .iter()
        .copied()
        .filter(|it| form.ticked(&at(*it, "on")))
        .collect();
    // What has no line of its own yet is not suggested for: it takes the version that stands there.
    let continued = chosen.iter().all(|it| offer.likely.contains(it));
    if sheet.suggests && continued && !offer.versions.first() {
        members.remove("version");
    }
    if chosen.is_empty() {
        wrong.push(("ship", "choose at least one target".to_owned()));
    }
    let target = |it: &TargetKey| {
        let mut one = Map::from_iter([("target".to_owned(), json!(it.word()))]);
        for name in ["version", "builds"] {
            if let Some(value) = ship.get(it.word()).and_then(|given| given.get(name)) {
                one.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(one)
    };
    members.insert("targets".to_owned(), chosen.iter().map(target).collect());
    if let Some(Value::Array(named)) = members.get_mut("pipelines") {
        let fits = |id: &Value| {
            let found = offer.pipelines.iter().find(|it| id.as_str() == Some(&it.id));
            found.is_some_and(|it| {
                chosen
                    .iter()
                    .any(|target| target.platform().word() == it.platform)
            })
        };
        named.retain(fits);
    }
    for (name, detail) in wrong {
        let first = offer.targets.first().map(|it| at(*it, "on")).unwrap_or_default();
        let pointer = if name == "ship" { first } else { format!("/{name}") };
        sheet.blame(&pointer, &detail);
    }
    for (place, detail) in late {
        sheet.blame(&format!("/slots/{place}/at"), &detail);
    }
    sheet
        .mistakes
        .is_empty()
        .then_some((body, Targets(chosen, places)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_a_target_stands_at_its_field() {
        let targets = Targets(vec![TargetKey::IosAppStore], vec![0, 2]);
        assert_eq!(targets.at_field("/slots/1/at"), "/slots/2/at");
        assert_eq!(
            targets.at_field("/targets/0/version"),
            "/ship/IOS_APP_STORE/version"
        );
        assert_eq!(
            targets.at_field("/targets/0/storeIntegrationId"),
            "/ship/IOS_APP_STORE/on"
        );
        assert_eq!(targets.at_field("/version"), "/version");
    }
}
