//! Release requests and phased releases.

use serde_json::json;

use super::body::{Body, Kind};
use super::errors::{Outcome, attribute, not_found, relationship, state};
use super::query::Query;
use super::state::{AppStore, NAME, Phased};
use super::views::Ref;
use crate::answer::Answer;
use crate::auto::Step;
use crate::call::Call;
use crate::world::Context;

const PHASES: [&str; 4] = ["INACTIVE", "ACTIVE", "PAUSED", "COMPLETE"];

impl AppStore {
    pub(crate) fn release(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let relations = [("appStoreVersion", "appStoreVersions", true)];
        let body = Body::read(call, "appStoreVersionReleaseRequests", None, &[], &relations)?;
        let id = body.relation("appStoreVersion");
        let version = self
            .version(id)
            .cloned()
            .ok_or_else(|| not_found("appStoreVersions", id))?;
        if version.state != "PENDING_DEVELOPER_RELEASE" {
            return Err(state(&format!(
                "The version cannot be released in the state {}.",
                version.state
            )));
        }
        ctx.effect(
            NAME,
            "release",
            &self.subject(&version),
            None,
            json!({"version": id}),
        );
        self.move_version(ctx, id, "PROCESSING_FOR_DISTRIBUTION");
        let request = ctx.ids.uuid("appstore release request");
        let link = format!("{}/v1/appStoreVersionReleaseRequests/{request}", call.base);
        let data = json!({"type": "appStoreVersionReleaseRequests", "id": request, "links": {"self": link}});
        Ok(Answer::json(201, &json!({"data": data, "links": {"self": link}})))
    }

    pub(crate) fn create_phased(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let declared = [("phasedReleaseState", Kind::Choice(&PHASES), false)];
        let relations = [("appStoreVersion", "appStoreVersions", true)];
        let body = Body::read(call, "appStoreVersionPhasedReleases", None, &declared, &relations)?;
        let id = body.relation("appStoreVersion");
        let version = self
            .version(id)
            .cloned()
            .ok_or_else(|| not_found("appStoreVersions", id))?;
        if self.phased_of(id).is_some() {
            let detail = "A phased release already exists for this version.";
            return Err(relationship("INVALID", "appStoreVersion", detail));
        }
        let out = [
            "PROCESSING_FOR_DISTRIBUTION",
            "READY_FOR_DISTRIBUTION",
            "REPLACED_WITH_NEW_VERSION",
        ];
        if out.contains(&version.state.as_str()) {
            return Err(state(
                "A phased release cannot be created after the version was released.",
            ));
        }
        let phased = Phased {
            id: ctx.ids.uuid("appstore phased release"),
            version: version.id.clone(),
            state: "INACTIVE".to_owned(),
            started: None,
            day: 0,
            paused_days: 0,
            step: Step::at(ctx.now()),
        };
        let of = Ref::of("appStoreVersionPhasedReleases", &phased.id);
        ctx.effect(
            NAME,
            "create_phased",
            &self.subject(&version),
            None,
            json!({"id": phased.id}),
        );
        self.phased.push(phased);
        Ok(self.single(&call.base, &Query::default(), 201, &of))
    }

    pub(crate) fn update_phased(&mut self, ctx: &mut Context, call: &Call, id: &str) -> Outcome<Answer> {
        let declared = [("phasedReleaseState", Kind::Choice(&PHASES), false)];
        let found = self.phased.iter().find(|phased| phased.id == id).cloned();
        let mut phased = found.ok_or_else(|| not_found("appStoreVersionPhasedReleases", id))?;
        let body = Body::read(call, "appStoreVersionPhasedReleases", Some(id), &declared, &[])?;
        let wanted = body.text("phasedReleaseState").unwrap_or_default().to_owned();
        let refused = |detail: &str| attribute("INVALID.INVALID_STATE", "phasedReleaseState", detail);
        match (phased.state.as_str(), wanted.as_str()) {
            (now, wanted) if now == wanted => {
                return Err(refused("The phased release already has this value"));
            }
            ("COMPLETE", _) => {
                return Err(refused(
                    "You cannot change the state of a phased release that is in a final state",
                ));
            }
            ("ACTIVE", "PAUSED" | "COMPLETE") | ("PAUSED", "ACTIVE" | "COMPLETE") => {}
            _ => {
                return Err(refused(
                    "The phased release cannot change to this state at this time",
                ));
            }
        }
        let subject = self
            .version(&phased.version)
            .map(|version| self.subject(version))
            .unwrap_or_default();
        ctx.spend(NAME, "set_phased", &format!("{subject},{}", phased.state));
        ctx.effect(
            NAME,
            "set_phased",
            &format!("{subject},{wanted}"),
            None,
            json!({"day": phased.day}),
        );
        phased.state = wanted;
        phased.step = Step::at(ctx.now());
        if let Some(place) = self.phased.iter_mut().find(|one| one.id == id) {
            *place = phased;
        }
        Ok(self.single(
            &call.base,
            &Query::default(),
            200,
            &Ref::of("appStoreVersionPhasedReleases", id),
        ))
    }

    pub(crate) fn delete_phased(&mut self, ctx: &mut Context, id: &str) -> Outcome<Answer> {
        let found = self.phased.iter().find(|phased| phased.id == id);
        let phased = found.ok_or_else(|| not_found("appStoreVersionPhasedReleases", id))?;
        if phased.state != "INACTIVE" {
            return Err(state("A phased release that began cannot be deleted."));
        }
        let subject = self
            .version(&phased.version)
            .map(|version| self.subject(version))
            .unwrap_or_default();
        ctx.effect(NAME, "delete_phased", &subject, None, json!({"id": id}));
        ctx.spend(NAME, "create_phased", &subject);
        self.phased.retain(|phased| phased.id != id);
        Ok(Answer::empty(204))
    }
}
