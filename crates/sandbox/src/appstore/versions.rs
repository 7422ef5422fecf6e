//! Versions and their builds.

use serde_json::{Value, json};

use super::body::{Body, Kind, linkage};
use super::errors::{Outcome, attribute, not_found, relationship, state};
use super::query::Query;
use super::state::{AppStore, EDITABLE, NAME, Version};
use super::views::Ref;
use crate::answer::Answer;
use crate::auto::Step;
use crate::call::Call;
use crate::world::Context;

pub(crate) const PLATFORMS: [&str; 4] = ["IOS", "MAC_OS", "TV_OS", "VISION_OS"];
const RELEASE_TYPES: [&str; 3] = ["MANUAL", "AFTER_APPROVAL", "SCHEDULED"];
const REVIEW_TYPES: [&str; 2] = ["APP_STORE", "NOTARIZATION"];
fn well_formed(version: &str) -> bool {
    let parts: Vec<&str> = version.split('.').collect();
    (1..=3).contains(&parts.len())
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

impl AppStore {
    pub(crate) fn create_version(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let declared = [
            ("platform", Kind::Choice(&PLATFORMS), true),
            ("versionString", Kind::Text(64), true),
            ("copyright", Kind::Text(200), false),
            ("reviewType", Kind::Choice(&REVIEW_TYPES), false),
            ("releaseType", Kind::Choice(&RELEASE_TYPES), false),
            ("earliestReleaseDate", Kind::Date, false),
            ("usesIdfa", Kind::Flag, false),
        ];
        let relations = [("app", "apps", true), ("build", "builds", false)];
        let body = Body::read(call, "appStoreVersions", None, &declared, &relations)?;
        let app = body.relation("app").to_owned();
        if self.app(&app).is_none() {
            return Err(relationship(
                "INVALID",
                "app",
                &format!("There is no resource of type 'apps' with id '{app}'"),
            ));
        }
        let (platform, string) = (
            body.text("platform").unwrap_or_default().to_owned(),
            body.text("versionString").unwrap_or_default().to_owned(),
        );
        if !well_formed(&string) {
            return Err(attribute(
                "INVALID",
                "versionString",
                "The version string is not a valid version number.",
            ));
        }
        let siblings = || {
            self.versions
                .iter()
                .filter(|one| one.app == app && one.platform == platform)
        };
        if siblings().any(|one| one.string == string) {
            return Err(attribute(
                "INVALID.DUPLICATE",
                "versionString",
                "The version number has been previously used.",
            ));
        }
        let out = ["READY_FOR_DISTRIBUTION", "REPLACED_WITH_NEW_VERSION"];
        if siblings().any(|one| !out.contains(&one.state.as_str())) {
            let detail = "You cannot create a new version of the App in the current state.";
            return Err(relationship("INVALID", "app", detail));
        }
        let before = siblings().max_by_key(|one| one.created).map(|one| one.id.clone());
        let version = Version {
            id: ctx.ids.uuid("appstore version"),
            app,
            platform,
            string,
            state: "PREPARE_FOR_SUBMISSION".to_owned(),
            release_type: body.text("releaseType").unwrap_or("AFTER_APPROVAL").to_owned(),
            earliest: body.text("earliestReleaseDate").map(str::to_owned),
            copyright: body.text("copyright").map(str::to_owned),
            build: None,
            created: ctx.now(),
            first: before.is_none(),
            step: Step::at(ctx.now()),
        };
        let id = version.id.clone();
        ctx.effect(
            NAME,
            "create_version",
            &self.subject(&version),
            None,
            json!({"id": id}),
        );
        self.versions.push(version);
        self.copy_texts(ctx, before.as_deref(), &id);
        if !body.relation("build").is_empty() {
            self.attach(ctx, &id, Some(body.relation("build")))?;
        }
        Ok(self.single(&call.base, &Query::default(), 201, &Ref("appStoreVersions", id)))
    }

    /// The version, if its contents may be changed.
    pub(crate) fn editable(&self, id: &str) -> Outcome<Version> {
        let version = self
            .version(id)
            .ok_or_else(|| not_found("appStoreVersions", id))?;
        if EDITABLE.contains(&version.state.as_str()) {
            return Ok(version.clone());
        }
        Err(state(&format!(
            "The version cannot be modified in the state {}.",
            version.state
        )))
    }

    pub(crate) fn update_version(&mut self, ctx: &mut Context, call: &Call, id: &str) -> Outcome<Answer> {
        let declared = [
            ("versionString", Kind::Text(64), false),
            ("copyright", Kind::Text(200), false),
            ("reviewType", Kind::Choice(&REVIEW_TYPES), false),
            ("releaseType", Kind::Choice(&RELEASE_TYPES), false),
            ("earliestReleaseDate", Kind::Date, false),
            ("usesIdfa", Kind::Flag, false),
            ("downloadable", Kind::Flag, false),
        ];
        let body = Body::read(
            call,
            "appStoreVersions",
            Some(id),
            &declared,
            &[("build", "builds", false)],
        )?;
        let old = self
            .version(id)
            .cloned()
            .ok_or_else(|| not_found("appStoreVersions", id))?;
        // How a version is released may still be changed until it is out.
        let late = ["releaseType", "earliestReleaseDate"];
        let only_late = body.attributes().keys().all(|name| late.contains(&name.as_str()));
        let open = [
            "WAITING_FOR_REVIEW",
            "IN_REVIEW",
            "PENDING_DEVELOPER_RELEASE",
            "PENDING_APPLE_RELEASE",
        ];
        if !(only_late && open.contains(&old.state.as_str())) {
            self.editable(id)?;
        }
        let mut new = old.clone();
        if let Some(string) = body.text("versionString") {
            let taken = |one: &Version| {
                one.id != old.id && one.app == old.app && one.platform == old.platform && one.string == string
            };
            if !well_formed(string) {
                return Err(attribute(
                    "INVALID",
                    "versionString",
                    "The version string is not a valid version number.",
                ));
            }
            if self.versions.iter().any(taken) {
                return Err(attribute(
                    "INVALID.DUPLICATE",
                    "versionString",
                    "The version number has been previously used.",
                ));
            }
            string.clone_into(&mut new.string);
        }
        if let Some(kind) = body.text("releaseType") {
            kind.clone_into(&mut new.release_type);
        }
        for (name, value) in body.attributes() {
            let text = value.as_str().map(str::to_owned);
            match name.as_str() {
                "earliestReleaseDate" => new.earliest = text,
                "copyright" => new.copyright = text,
                _ => {}
            }
        }
        let facts = |one: &Version| {
            format!(
                "{},{},{:?},{:?}",
                one.string, one.release_type, one.earliest, one.copyright
            )
        };
        if facts(&new) != facts(&old) {
            let subject = |facts: String| format!("{},{facts}", self.bundle(&old.app));
            ctx.spend(NAME, "update_version", &subject(facts(&old)));
            ctx.effect(
                NAME,
                "update_version",
                &subject(facts(&new)),
                None,
                json!({"id": id}),
            );
            if let Some(version) = self.version_mut(id) {
                *version = new;
            }
        }
        if !body.relation("build").is_empty() {
            self.attach(ctx, id, Some(body.relation("build")))?;
        }
        Ok(self.single(
            &call.base,
            &Query::default(),
            200,
            &Ref::of("appStoreVersions", id),
        ))
    }

    pub(crate) fn delete_version(&mut self, ctx: &mut Context, id: &str) -> Outcome<Answer> {
        let version = self.editable(id)?;
        if self.submission_of(id).is_some() {
            return Err(state("The version is part of a review submission."));
        }
        let subject = self.subject(&version);
        ctx.effect(NAME, "delete_version", &subject, None, json!({"id": id}));
        ctx.spend(NAME, "create_version", &subject);
        self.versions.retain(|version| version.id != id);
        self.localizations.retain(|text| text.version != id);
        self.phased.retain(|phased| phased.version != id);
        Ok(Answer::empty(204))
    }

    pub(crate) fn link_build(&mut self, ctx: &mut Context, call: &Call, id: &str) -> Outcome<Answer> {
        let build = linkage(call, "builds")?;
        self.attach(ctx, id, build.as_deref())?;
        Ok(Answer::empty(204))
    }

    fn attach(&mut self, ctx: &mut Context, id: &str, build: Option<&str>) -> Outcome<()> {
        let version = self
            .version(id)
            .cloned()
            .ok_or_else(|| not_found("appStoreVersions", id))?;
        if version.build.as_deref() == build {
            return Ok(());
        }
        let refused = || {
            relationship(
                "INVALID",
                "build",
                "The specified pre-release build could not be added.",
            )
        };
        self.editable(id).map_err(|_| refused())?;
        let found = build.and_then(|build| self.build(build));
        let fits = found.is_none_or(|build| {
            build.app == version.app
                && build.platform == version.platform
                && build.version == version.string
                && build.state == "VALID"
                && !build.expired
        });
        if !fits || (build.is_some() && found.is_none()) {
            return Err(refused());
        }
        let subject = |number: &str| format!("{},build={number}", self.subject(&version));
        if let Some(old) = version.build.as_deref().and_then(|old| self.build(old)) {
            ctx.spend(NAME, "attach_build", &subject(&old.number));
        }
        if let Some(found) = found {
            ctx.effect(
                NAME,
                "attach_build",
                &subject(&found.number),
                None,
                json!({"version": id}),
            );
        }
        if let Some(version) = self.version_mut(id) {
            version.build = build.map(str::to_owned);
        }
        Ok(())
    }

    pub(crate) fn update_build(&mut self, ctx: &mut Context, call: &Call, id: &str) -> Outcome<Answer> {
        let declared = [
            ("expired", Kind::Flag, false),
            ("usesNonExemptEncryption", Kind::Flag, false),
        ];
        let body = Body::read(call, "builds", Some(id), &declared, &[])?;
        let found = self.builds.iter_mut().find(|build| build.id == id);
        let build = found.ok_or_else(|| not_found("builds", id))?;
        if body
            .attributes()
            .get("usesNonExemptEncryption")
            .is_some_and(|value| !value.is_null())
        {
            if build.encryption.is_some() {
                let detail = "You cannot update when the value is already set.";
                return Err(attribute(
                    "INVALID.INVALID_STATE",
                    "usesNonExemptEncryption",
                    detail,
                ));
            }
            build.encryption = Some(body.flag("usesNonExemptEncryption"));
        }
        if body.flag("expired") {
            build.expired = true;
        }
        let subject = format!("{},{}", build.version, build.number);
        ctx.effect(
            NAME,
            "update_build",
            &format!("{subject},{}", Value::Object(body.attributes().clone())),
            None,
            Value::Null,
        );
        Ok(self.single(&call.base, &Query::default(), 200, &Ref::of("builds", id)))
    }
}
