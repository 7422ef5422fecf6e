//! Resources as App Store Connect shows them, with relationships, includes and pages.

use serde_json::{Map, Value, json};

use super::query::Query;
use super::state::{AppStore, Version, date};
use crate::answer::Answer;

/// Type and id of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ref(pub(crate) &'static str, pub(crate) String);

impl Ref {
    pub(crate) fn of(kind: &'static str, id: &str) -> Self {
        Self(kind, id.to_owned())
    }
}

/// The other side of a relationship.
enum Related {
    One(Option<Ref>),
    Many(Vec<Ref>),
}

type Shape = (Value, Vec<(&'static str, Related)>);

fn one(kind: &'static str, id: &str) -> Related {
    Related::One(Some(Ref::of(kind, id)))
}

/// The older name of a version's state.
fn older(state: &str) -> &str {
    match state {
        "READY_FOR_DISTRIBUTION" => "READY_FOR_SALE",
        "PROCESSING_FOR_DISTRIBUTION" => "PROCESSING_FOR_APP_STORE",
        other => other,
    }
}

impl AppStore {
    fn shape(&self, of: &Ref) -> Option<Shape> {
        let Ref(kind, id) = of;
        Some(match *kind {
            "apps" => {
                let app = self.app(id)?;
                let attributes = json!({"name": app.name, "bundleId": app.bundle_id, "sku": app.bundle_id,
                    "primaryLocale": "en-US", "isOrEverWasMadeForKids": false});
                (attributes, Vec::new())
            }
            "builds" => self.build_shape(id)?,
            "preReleaseVersions" => {
                let build = self
                    .builds
                    .iter()
                    .find(|build| pre_release_id(&build.app, &build.version) == *id)?;
                let attributes = json!({"version": build.version, "platform": build.platform});
                (attributes, vec![("app", one("apps", &build.app))])
            }
            "buildBetaDetails" => {
                let build = self.build(id)?;
                let (inner, outer) = match build.state.as_str() {
                    "VALID" if build.encryption.is_none() => {
                        ("MISSING_EXPORT_COMPLIANCE", "MISSING_EXPORT_COMPLIANCE")
                    }
                    "VALID" => ("IN_BETA_TESTING", "READY_FOR_BETA_SUBMISSION"),
                    "PROCESSING" => ("PROCESSING", "PROCESSING"),
                    _ => ("PROCESSING_EXCEPTION", "PROCESSING_EXCEPTION"),
                };
                let attributes = json!({"autoNotifyEnabled": false, "internalBuildState": inner, "externalBuildState": outer});
                (attributes, vec![("build", one("builds", id))])
            }
            "appStoreVersions" => self.version_shape(self.version(id)?),
            "appStoreVersionLocalizations" => {
                let text = self.localizations.iter().find(|text| text.id == *id)?;
                let names = [
                    "description",
                    "keywords",
                    "marketingUrl",
                    "promotionalText",
                    "supportUrl",
                    "whatsNew",
                ];
                let mut attributes = json!({"locale": text.locale});
                for name in names {
                    if let Some(map) = attributes.as_object_mut() {
                        map.insert(name.to_owned(), json!(text.fields.get(name)));
                    }
                }
                (
                    attributes,
                    vec![("appStoreVersion", one("appStoreVersions", &text.version))],
                )
            }
            "appStoreVersionPhasedReleases" => {
                let phased = self.phased.iter().find(|phased| phased.id == *id)?;
                let attributes = json!({"phasedReleaseState": phased.state, "startDate": phased.started.and_then(date),
                    "totalPauseDuration": phased.paused_days, "currentDayNumber": phased.day});
                (attributes, Vec::new())
            }
            "reviewSubmissions" => {
                let submission = self.submissions.iter().find(|submission| submission.id == *id)?;
                let attributes = json!({"platform": submission.platform, "state": self.shown(id, &submission.state),
                    "submittedDate": submission.submitted.and_then(date)});
                let items = submission
                    .items
                    .iter()
                    .map(|item| Ref::of("reviewSubmissionItems", &item.id));
                let version = submission
                    .items
                    .first()
                    .map(|item| Ref::of("appStoreVersions", &item.version));
                let relations = vec![
                    ("app", one("apps", &submission.app)),
                    ("items", Related::Many(items.collect())),
                    ("appStoreVersionForReview", Related::One(version)),
                ];
                (attributes, relations)
            }
            "reviewSubmissionItems" => {
                let item = self
                    .submissions
                    .iter()
                    .flat_map(|one| &one.items)
                    .find(|item| item.id == *id)?;
                (
                    json!({"state": item.state}),
                    vec![("appStoreVersion", one("appStoreVersions", &item.version))],
                )
            }
            _ => return None,
        })
    }

    fn build_shape(&self, id: &str) -> Option<Shape> {
        let build = self.build(id)?;
        let version = self
            .versions
            .iter()
            .find(|version| version.build.as_deref() == Some(id));
        let attributes = json!({
            "version": build.number,
            "uploadedDate": date(build.uploaded),
            "expirationDate": date(build.uploaded + 90 * 86_400_000),
            "expired": build.expired,
            "minOsVersion": "16.0",
            "processingState": build.state,
            "buildAudienceType": "APP_STORE_ELIGIBLE",
            "usesNonExemptEncryption": build.encryption,
        });
        let relations = vec![
            (
                "preReleaseVersion",
                one("preReleaseVersions", &pre_release_id(&build.app, &build.version)),
            ),
            ("app", one("apps", &build.app)),
            ("buildBetaDetail", one("buildBetaDetails", id)),
            (
                "appStoreVersion",
                Related::One(version.map(|version| Ref::of("appStoreVersions", &version.id))),
            ),
        ];
        Some((attributes, relations))
    }

    fn version_shape(&self, version: &Version) -> Shape {
        let state = self.shown(&version.id, &version.state);
        let attributes = json!({
            "platform": version.platform,
            "versionString": version.string,
            "appStoreState": older(state),
            "appVersionState": state,
            "copyright": version.copyright,
            "reviewType": "APP_STORE",
            "releaseType": version.release_type,
            "earliestReleaseDate": version.earliest,
            "usesIdfa": null,
            "downloadable": state == "READY_FOR_DISTRIBUTION",
            "createdDate": date(version.created),
        });
        let texts = self
            .localizations
            .iter()
            .filter(|text| text.version == version.id);
        let texts = texts
            .map(|text| Ref::of("appStoreVersionLocalizations", &text.id))
            .collect();
        let phased = self
            .phased_of(&version.id)
            .map(|one| Ref::of("appStoreVersionPhasedReleases", &one.id));
        let relations = vec![
            ("app", one("apps", &version.app)),
            ("appStoreVersionLocalizations", Related::Many(texts)),
            (
                "build",
                Related::One(version.build.as_deref().map(|id| Ref::of("builds", id))),
            ),
            ("appStoreVersionPhasedRelease", Related::One(phased)),
        ];
        (attributes, relations)
    }

    fn resource(
        &self,
        base: &str,
        query: &Query,
        of: &Ref,
        wanted: &mut Vec<Ref>,
        top: bool,
    ) -> Option<Value> {
        let Ref(kind, id) = of;
        let (attributes, relations) = self.shape(of)?;
        let link = format!("{base}/v1/{kind}/{id}");
        let shown = |name: &str| query.shows(kind, name);
        let attributes: Map<String, Value> = attributes
            .as_object()
            // The description knows no null in answers: what is unset is left out.
            .map(|map| {
                map.clone()
                    .into_iter()
                    .filter(|(name, value)| shown(name) && !value.is_null())
                    .collect()
            })
            .unwrap_or_default();
        let mut relationships = Map::new();
        for (name, related) in relations.into_iter().filter(|(name, _)| shown(name)) {
            let mut relation = json!({"links": {"self": format!("{link}/relationships/{name}"),
                "related": format!("{link}/{name}")}});
            // Apple gives the linkage itself only for relationships that were asked for.
            if top && query.includes(name) {
                let reference = |of: &Ref| json!({"type": of.0, "id": of.1});
                let (data, more) = match related {
                    Related::One(other) => (
                        other.as_ref().map(reference).unwrap_or(Value::Null),
                        other.into_iter().collect(),
                    ),
                    Related::Many(list) => (Value::Array(list.iter().map(reference).collect()), list),
                };
                if let Some(map) = relation.as_object_mut().filter(|_| !data.is_null()) {
                    map.insert("data".to_owned(), data);
                }
                wanted.extend::<Vec<Ref>>(more);
            }
            relationships.insert(name.to_owned(), relation);
        }
        let mut view = json!({"type": kind, "id": id, "links": {"self": link}});
        if let Some(map) = view.as_object_mut() {
            if !attributes.is_empty() {
                map.insert("attributes".to_owned(), Value::Object(attributes));
            }
            if !relationships.is_empty() {
                map.insert("relationships".to_owned(), Value::Object(relationships));
            }
        }
        Some(view)
    }

    fn included(&self, base: &str, query: &Query, wanted: Vec<Ref>) -> Vec<Value> {
        let mut seen: Vec<Ref> = Vec::new();
        let mut views = Vec::new();
        for of in wanted {
            if !seen.contains(&of) {
                views.extend(self.resource(base, query, &of, &mut Vec::new(), false));
                seen.push(of);
            }
        }
        views
    }

    /// A document with one resource.
    pub(crate) fn single(&self, base: &str, query: &Query, status: u16, of: &Ref) -> Answer {
        let mut wanted = Vec::new();
        let data = self.resource(base, query, of, &mut wanted, true);
        let own = if query.self_url().is_empty() {
            format!("{base}/v1/{}/{}", of.0, of.1)
        } else {
            query.self_url().to_owned()
        };
        let mut document = json!({"data": data, "links": {"self": own}});
        let included = self.included(base, query, wanted);
        if let Some(map) = document.as_object_mut().filter(|_| !included.is_empty()) {
            map.insert("included".to_owned(), Value::Array(included));
        }
        Answer::json(status, &document)
    }

    /// A page of a list.
    pub(crate) fn page(&self, base: &str, query: &Query, refs: &[Ref]) -> Answer {
        let mut wanted = Vec::new();
        let shown = refs.iter().skip(query.offset).take(query.limit);
        let data: Vec<Value> = shown
            .filter_map(|of| self.resource(base, query, of, &mut wanted, true))
            .collect();
        let mut links = json!({"self": query.self_url()});
        let mut paging = json!({"total": refs.len(), "limit": query.limit});
        let end = query.offset + query.limit;
        if end < refs.len() {
            let (next, cursor) = query.page(end);
            if let (Some(links), Some(paging)) = (links.as_object_mut(), paging.as_object_mut()) {
                links.insert("next".to_owned(), json!(next));
                paging.insert("nextCursor".to_owned(), json!(cursor));
            }
        }
        let mut document = json!({"data": data, "links": links, "meta": {"paging": paging}});
        let included = self.included(base, query, wanted);
        if let Some(map) = document.as_object_mut().filter(|_| !included.is_empty()) {
            map.insert("included".to_owned(), Value::Array(included));
        }
        Answer::json(200, &document)
    }
}

/// Id of the version string that groups builds.
pub(crate) fn pre_release_id(app: &str, version: &str) -> String {
    format!("{app}-{}", version.replace('.', "-"))
}
