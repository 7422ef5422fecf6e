//! Reads of App Store Connect: lists with filters, single resources, linkages.

use serde_json::json;

use super::errors::{Outcome, no_path, not_found, parameter};
use super::query::Query;
use super::state::{AppStore, Build};
use super::versions::PLATFORMS;
use super::views::Ref;
use crate::answer::Answer;
use crate::call::Call;
use crate::world::Context;

const VERSION_STATES: [&str; 15] = [
    "ACCEPTED",
    "DEVELOPER_REJECTED",
    "IN_REVIEW",
    "INVALID_BINARY",
    "METADATA_REJECTED",
    "PENDING_APPLE_RELEASE",
    "PENDING_DEVELOPER_RELEASE",
    "PREPARE_FOR_SUBMISSION",
    "PROCESSING_FOR_DISTRIBUTION",
    "READY_FOR_DISTRIBUTION",
    "READY_FOR_REVIEW",
    "REJECTED",
    "REPLACED_WITH_NEW_VERSION",
    "WAITING_FOR_EXPORT_COMPLIANCE",
    "WAITING_FOR_REVIEW",
];
const SUBMISSION_STATES: [&str; 7] = [
    "READY_FOR_REVIEW",
    "WAITING_FOR_REVIEW",
    "IN_REVIEW",
    "UNRESOLVED_ISSUES",
    "CANCELING",
    "COMPLETING",
    "COMPLETE",
];
const BUILD_STATES: [&str; 4] = ["PROCESSING", "FAILED", "INVALID", "VALID"];
const VERSION_INCLUDES: [&str; 4] = [
    "app",
    "appStoreVersionLocalizations",
    "build",
    "appStoreVersionPhasedRelease",
];
const BUILD_INCLUDES: [&str; 4] = ["preReleaseVersion", "app", "buildBetaDetail", "appStoreVersion"];
const SUBMISSION_INCLUDES: [&str; 3] = ["app", "items", "appStoreVersionForReview"];

impl AppStore {
    /// Auto mode may count reads: every read of a kind counts for all objects of it.
    pub(crate) fn count_read(&mut self, rest: &[&str]) {
        if rest.contains(&"builds") {
            self.builds.iter_mut().for_each(|build| build.step.read());
        }
        if rest.contains(&"appStoreVersions") || rest.contains(&"reviewSubmissions") {
            self.versions.iter_mut().for_each(|version| version.step.read());
            self.submissions
                .iter_mut()
                .for_each(|submission| submission.step.read());
        }
    }

    /// Answers a read.
    pub(crate) fn read(&self, ctx: &Context, call: &Call, rest: &[&str]) -> Outcome<Answer> {
        let base = call.base.as_str();
        let platforms = PLATFORMS.as_slice();
        let one = |kind: &'static str, id: &str, includes: &[&str]| {
            let query = Query::read(call, &[], includes, &[])?;
            Ok(self.single(base, &query, 200, &Ref::of(kind, id)))
        };
        match rest {
            ["apps"] => {
                let filters = [
                    ("bundleId", [].as_slice()),
                    ("name", &[]),
                    ("sku", &[]),
                    ("id", &[]),
                ];
                let query = Query::read(call, &filters, &[], &["name", "bundleId", "sku"])?;
                let shown = self.apps.iter().filter(|app| {
                    // The vendor also finds apps whose identifier only begins with the wanted one.
                    query
                        .filter("bundleId")
                        .is_none_or(|ids| ids.iter().any(|id| app.bundle_id.starts_with(id)))
                        && query.passes("name", &app.name)
                        && query.passes("sku", &app.bundle_id)
                        && query.passes("id", &app.id)
                });
                let refs: Vec<Ref> = shown.map(|app| Ref::of("apps", &app.id)).collect();
                Ok(self.page(base, &query, &refs))
            }
            ["apps", id, ..] if self.app(id).is_none() => Err(not_found("apps", id)),
            ["apps", id] => one("apps", id, &[]),
            ["apps", id, "appStoreVersions"] => {
                let filters = [
                    ("platform", platforms),
                    ("versionString", &[]),
                    ("appVersionState", &VERSION_STATES),
                    ("appStoreState", &[]),
                    ("id", &[]),
                ];
                let query = Query::read(call, &filters, &VERSION_INCLUDES, &[])?;
                let settled = ctx.now() - self.lag_ms;
                let shown = self.versions.iter().rev().filter(|version| {
                    version.app == *id
                        && (self.lag_ms == 0 || version.created <= settled)
                        && query.passes("platform", &version.platform)
                        && query.passes("versionString", &version.string)
                        && query.passes("appVersionState", self.shown(&version.id, &version.state))
                        && query.passes("id", &version.id)
                });
                let refs: Vec<Ref> = shown
                    .map(|version| Ref::of("appStoreVersions", &version.id))
                    .collect();
                Ok(self.page(base, &query, &refs))
            }
            ["builds"] => self.list_builds(call, None),
            ["apps", id, "builds"] => self.list_builds(call, Some(id)),
            ["builds", id, ..] if self.build(id).is_none() => Err(not_found("builds", id)),
            ["builds", id] => one("builds", id, &BUILD_INCLUDES),
            ["reviewSubmissions"] => self.list_submissions(call, None),
            ["apps", id, "reviewSubmissions"] => self.list_submissions(call, Some(id)),
            ["reviewSubmissions", id, below @ ..] => {
                let found = self.submissions.iter().find(|one| one.id == *id);
                let submission = found.ok_or_else(|| not_found("reviewSubmissions", id))?;
                match below {
                    [] => one("reviewSubmissions", id, &SUBMISSION_INCLUDES),
                    ["items"] => {
                        let query = Query::read(call, &[], &["appStoreVersion"], &[])?;
                        let items = submission.items.iter();
                        let refs: Vec<Ref> = items
                            .map(|item| Ref::of("reviewSubmissionItems", &item.id))
                            .collect();
                        Ok(self.page(base, &query, &refs))
                    }
                    _ => Err(no_path(&call.path)),
                }
            }
            ["appStoreVersionLocalizations", id] => {
                let known = self.localizations.iter().any(|text| text.id == *id);
                if !known {
                    return Err(not_found("appStoreVersionLocalizations", id));
                }
                one("appStoreVersionLocalizations", id, &["appStoreVersion"])
            }
            ["appStoreVersions", id, below @ ..] => self.read_version(call, id, below),
            _ => Err(no_path(&call.path)),
        }
    }

    fn read_version(&self, call: &Call, id: &str, below: &[&str]) -> Outcome<Answer> {
        let base = call.base.as_str();
        let version = self
            .version(id)
            .ok_or_else(|| not_found("appStoreVersions", id))?;
        let build = version.build.as_deref().map(|id| Ref::of("builds", id));
        let phased = self
            .phased_of(id)
            .map(|one| Ref::of("appStoreVersionPhasedReleases", &one.id));
        let linkage = |of: Option<Ref>| {
            let data = of.map(|Ref(kind, id)| json!({"type": kind, "id": id}));
            Answer::json(
                200,
                &json!({"data": data, "links": {"self": format!("{base}{}", call.path)}}),
            )
        };
        match below {
            [] => {
                let query = Query::read(call, &[], &VERSION_INCLUDES, &[])?;
                Ok(self.single(base, &query, 200, &Ref::of("appStoreVersions", id)))
            }
            ["relationships", "build"] => Ok(linkage(build)),
            ["relationships", "appStoreVersionPhasedRelease"] => Ok(linkage(phased)),
            ["build"] => match build {
                Some(of) => Ok(self.single(base, &Query::read(call, &[], &BUILD_INCLUDES, &[])?, 200, &of)),
                None => Ok(linkage(None)),
            },
            ["appStoreVersionPhasedRelease"] => match phased {
                Some(of) => Ok(self.single(base, &Query::read(call, &[], &[], &[])?, 200, &of)),
                None => Ok(linkage(None)),
            },
            ["appStoreVersionLocalizations"] => {
                let query = Query::read(call, &[("locale", &[])], &["appStoreVersion"], &[])?;
                let texts = self.localizations.iter();
                let texts = texts.filter(|text| text.version == id && query.passes("locale", &text.locale));
                let refs: Vec<Ref> = texts
                    .map(|text| Ref::of("appStoreVersionLocalizations", &text.id))
                    .collect();
                Ok(self.page(base, &query, &refs))
            }
            _ => Err(no_path(&call.path)),
        }
    }

    fn list_builds(&self, call: &Call, app: Option<&str>) -> Outcome<Answer> {
        let filters = [
            ("app", [].as_slice()),
            ("version", &[]),
            ("preReleaseVersion.version", &[]),
            ("preReleaseVersion.platform", &PLATFORMS),
            ("processingState", &BUILD_STATES),
            ("expired", &["true", "false"]),
            ("id", &[]),
        ];
        let query = Query::read(
            call,
            &filters,
            &BUILD_INCLUDES,
            &["version", "uploadedDate", "preReleaseVersion"],
        )?;
        let shown = self.builds.iter().filter(|build| {
            app.is_none_or(|app| app == build.app)
                && query.passes("app", &build.app)
                && query.passes("version", &build.number)
                && query.passes("preReleaseVersion.version", &build.version)
                && query.passes("preReleaseVersion.platform", &build.platform)
                && query.passes("processingState", &build.state)
                && query.passes("expired", if build.expired { "true" } else { "false" })
                && query.passes("id", &build.id)
        });
        let mut shown: Vec<&Build> = shown.collect();
        match query.sort.first().map(String::as_str) {
            Some("uploadedDate") => {}
            Some("version") => shown.sort_by_key(|build| build.number.parse().unwrap_or(0_u64)),
            Some("-version") => {
                shown.sort_by_key(|build| std::cmp::Reverse(build.number.parse().unwrap_or(0_u64)));
            }
            _ => shown.reverse(),
        }
        let refs: Vec<Ref> = shown.iter().map(|build| Ref::of("builds", &build.id)).collect();
        Ok(self.page(&call.base, &query, &refs))
    }

    fn list_submissions(&self, call: &Call, app: Option<&str>) -> Outcome<Answer> {
        let filters = [
            ("app", [].as_slice()),
            ("platform", &PLATFORMS),
            ("state", &SUBMISSION_STATES),
        ];
        let query = Query::read(call, &filters, &SUBMISSION_INCLUDES, &[])?;
        if app.is_none() && query.filter("app").is_none() {
            return Err(parameter(
                "REQUIRED",
                "filter[app]",
                "The parameter 'filter[app]' is required",
            ));
        }
        let shown = self.submissions.iter().rev().filter(|one| {
            app.is_none_or(|app| app == one.app)
                && query.passes("app", &one.app)
                && query.passes("platform", &one.platform)
                && query.passes("state", self.shown(&one.id, &one.state))
        });
        let refs: Vec<Ref> = shown.map(|one| Ref::of("reviewSubmissions", &one.id)).collect();
        Ok(self.page(&call.base, &query, &refs))
    }
}
