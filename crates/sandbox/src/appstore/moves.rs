//! How builds, versions and phased releases move, and who is told.

use chrono::DateTime;
use serde_json::{Value, json};

use super::state::{AppStore, Build, NAME, Submission, Version, date};
use crate::auto::Step;
use crate::hooks::signature;
use crate::world::Context;

/// How long short-lived states last when nobody looks.
const PASSING_MS: i64 = 250;

impl AppStore {
    /// Moves a version to another state and tells receivers.
    pub(crate) fn move_version(&mut self, ctx: &mut Context, id: &str, state: &str) {
        let now = ctx.now();
        let Some(version) = self.version_mut(id).filter(|version| version.state != state) else {
            return;
        };
        let old = std::mem::replace(&mut version.state, state.to_owned());
        version.step = Step::at(now);
        let attributes = json!({"oldValue": old, "newValue": state, "timestamp": date(now)});
        announce(
            ctx,
            "appStoreVersionAppVersionStateUpdated",
            &attributes,
            "appStoreVersions",
            id,
        );
        if state == "READY_FOR_DISTRIBUTION" {
            self.go_live(ctx, id);
        }
    }

    /// A version is out: the one before is replaced, the phased release begins.
    fn go_live(&mut self, ctx: &mut Context, id: &str) {
        let now = ctx.now();
        let Some(version) = self.version(id).cloned() else {
            return;
        };
        let before = |old: &&Version| {
            old.id != version.id
                && (old.app.as_str(), old.platform.as_str())
                    == (version.app.as_str(), version.platform.as_str())
                && old.state == "READY_FOR_DISTRIBUTION"
        };
        let before: Vec<String> = self
            .versions
            .iter()
            .filter(before)
            .map(|old| old.id.clone())
            .collect();
        for old in before {
            for phased in self.phased.iter_mut().filter(|phased| phased.version == old) {
                phased.state = "COMPLETE".to_owned();
            }
            self.move_version(ctx, &old, "REPLACED_WITH_NEW_VERSION");
        }
        for phased in self
            .phased
            .iter_mut()
            .filter(|phased| phased.version == id && phased.state == "INACTIVE")
        {
            phased.state = "ACTIVE".to_owned();
            phased.started = Some(now);
            phased.day = 1;
            phased.step = Step::at(now);
        }
    }

    /// Ends the processing of a build.
    pub(crate) fn process(&mut self, ctx: &mut Context, id: &str, state: &str) {
        let now = ctx.now();
        let Some(build) = self.builds.iter_mut().find(|build| build.id == id) else {
            return;
        };
        build.state = state.to_owned();
        build.step = Step::at(now);
        let new = if state == "VALID" { "COMPLETE" } else { "FAILED" };
        let attributes = json!({"oldState": "PROCESSING", "newState": new, "timestamp": date(now)});
        announce(ctx, "buildUploadStateUpdated", &attributes, "builds", id);
    }

    /// Takes a build in, unless its number was used for that version before.
    pub(crate) fn upload(
        &mut self,
        ctx: &mut Context,
        bundle_id: Option<&str>,
        version: &str,
        number: &str,
    ) -> Option<String> {
        let app = match bundle_id {
            Some(bundle_id) => self
                .apps
                .iter()
                .find(|app| app.bundle_id == bundle_id)?
                .id
                .clone(),
            None => self.apps.first()?.id.clone(),
        };
        let same = |build: &Build| build.app == app && build.version == version && build.number == number;
        if self.builds.iter().any(same) {
            return None;
        }
        let (id, now) = (ctx.ids.uuid("appstore build"), ctx.now());
        self.builds.push(Build {
            id: id.clone(),
            app,
            platform: "IOS".into(),
            version: version.to_owned(),
            number: number.to_owned(),
            state: "PROCESSING".into(),
            uploaded: now,
            expired: false,
            encryption: None,
            step: Step::at(now),
        });
        Some(id)
    }

    /// One day of the phased release of a version passes.
    pub(crate) fn day(&mut self, ctx: &Context, version: &str) {
        let now = ctx.now();
        for phased in self.phased.iter_mut().filter(|phased| phased.version == version) {
            phased.step = Step::at(now);
            match phased.state.as_str() {
                "ACTIVE" if phased.day >= 7 => phased.state = "COMPLETE".to_owned(),
                "ACTIVE" => phased.day += 1,
                "PAUSED" => {
                    phased.paused_days += 1;
                    if phased.paused_days >= 30 {
                        phased.state = "ACTIVE".to_owned();
                    }
                }
                _ => {}
            }
        }
    }

    /// Lets passing states end, and in auto mode processing, reviews and days.
    pub(crate) fn advance_by_itself(&mut self, ctx: &mut Context) {
        let now = ctx.now();
        let over = |step: Step| now - step.since >= PASSING_MS || step.reads >= 2;
        let due: Vec<String> = self
            .builds
            .iter()
            .filter(|build| build.state == "PROCESSING" && ctx.due(NAME, build.step))
            .map(|build| build.id.clone())
            .collect();
        for id in due {
            self.process(ctx, &id, "VALID");
        }
        for version in self.versions.clone() {
            let scheduled = version
                .earliest
                .as_deref()
                .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            match version.state.as_str() {
                "PROCESSING_FOR_DISTRIBUTION" if over(version.step) => {
                    self.move_version(ctx, &version.id, "READY_FOR_DISTRIBUTION");
                }
                "PENDING_APPLE_RELEASE" if scheduled.is_none_or(|at| at.timestamp_millis() <= now) => {
                    self.move_version(ctx, &version.id, "PROCESSING_FOR_DISTRIBUTION");
                }
                "WAITING_FOR_REVIEW" if ctx.due(NAME, version.step) => self.begin_review(ctx, &version.id),
                "IN_REVIEW" if ctx.due(NAME, version.step) => self.approve(ctx, &version.id),
                _ => {}
            }
        }
        let cancelled = |one: &&Submission| one.state == "CANCELING" && over(one.step);
        let cancelled: Vec<String> = self
            .submissions
            .iter()
            .filter(cancelled)
            .map(|one| one.id.clone())
            .collect();
        for id in cancelled {
            self.finish_cancel(ctx, &id);
        }
        let days: Vec<String> = self
            .phased
            .iter()
            .filter(|phased| phased.state == "ACTIVE" && ctx.day_due(NAME, phased.step))
            .map(|phased| phased.version.clone())
            .collect();
        for version in days {
            self.day(ctx, &version);
        }
    }
}

/// Posts an event to the receivers, signed as Apple signs.
fn announce(ctx: &mut Context, kind: &str, attributes: &Value, of: &str, id: &str) {
    let receivers = ctx.receivers(NAME);
    if receivers.is_empty() {
        return;
    }
    let link = format!("{}/{NAME}/v1/{of}/{id}", ctx.base);
    let body = json!({"data": {
        "type": kind,
        "id": ctx.ids.uuid("appstore event"),
        "version": 1,
        "attributes": attributes,
        "relationships": {"instance": {"data": {"type": of, "id": id}, "links": {"self": link}}},
    }});
    let body = body.to_string().into_bytes();
    for (url, secret) in receivers {
        let header = (
            "x-apple-signature".to_owned(),
            format!("hmacsha256={}", signature(&secret, &body)),
        );
        ctx.send(NAME, &url, vec![header], body.clone());
    }
}
