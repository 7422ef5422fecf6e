//! Edits: opening, changing tracks, uploading.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Outcome, forbidden, invalid, not_found, precondition};
use super::rules::check_releases;
use super::state::{App, Bundle, EDIT_MS, Edit, End, PlayStore, Release};
use crate::answer::Answer;
use crate::call::Call;
use crate::world::Context;

/// Body of a track update.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrackBody {
    #[serde(default)]
    track: Option<String>,
    #[serde(default)]
    releases: Option<Vec<Release>>,
}

fn track_view(track: &str, releases: &[Release]) -> Value {
    let mut view = json!({"track": track});
    if let Some(map) = view.as_object_mut().filter(|_| !releases.is_empty()) {
        map.insert("releases".to_owned(), json!(releases));
    }
    view
}

impl PlayStore {
    fn app(&self, package: &str) -> Outcome<&App> {
        let message = format!("Package not found: {package}.");
        self.apps
            .get(package)
            .ok_or_else(|| not_found("applicationNotFound", &message))
    }

    pub(crate) fn insert_edit(&mut self, ctx: &mut Context, call: &Call, package: &str) -> Outcome<Answer> {
        if !call.body.is_empty() {
            let body = call
                .json()
                .map_err(|message| invalid(&format!("Invalid JSON payload received. {message}")))?;
            let known = |name: &String| ["id", "expiryTimeSeconds"].contains(&name.as_str());
            if !body.as_object().is_some_and(|map| map.keys().all(known)) {
                return Err(invalid(
                    "Invalid JSON payload received. Unknown name: Cannot find field.",
                ));
            }
        }
        if let Some(view) = self.same_again(ctx, package) {
            return Ok(Answer::json(200, &view));
        }
        let app = self.app(package)?;
        let tracks = app
            .tracks
            .keys()
            .map(|track| (track.clone(), app.releases(track)))
            .collect();
        let edit = Edit {
            id: ctx
                .ids
                .hash(&format!("edit {}", ctx.ids.clone().next("playstore edit")), 20),
            package: package.to_owned(),
            expiry: ctx.now() + EDIT_MS,
            tracks,
            touched: Default::default(),
            bundles: Vec::new(),
            end: None,
        };
        ctx.ids.next("playstore edit");
        // The account has one open edit per app: this one ends the one before.
        self.end_edits(package, None, End::Deleted);
        let view = edit.view();
        self.latest_edit = Some((edit.id.clone(), ctx.now()));
        self.edits.push(edit);
        Ok(Answer::json(200, &view))
    }

    /// Two inserts close to each other may be answered with the same edit, even when it has come to its end.
    fn same_again(&mut self, ctx: &Context, package: &str) -> Option<Value> {
        let (id, at) = self.latest_edit.clone()?;
        if ctx.now() - at > self.same_edit_ms {
            return None;
        }
        if let Some(edit) = self.edits.iter().find(|edit| edit.id == id) {
            return (edit.package == package).then(|| edit.view());
        }
        let dead = Edit {
            id,
            package: package.to_owned(),
            expiry: at + EDIT_MS,
            tracks: Default::default(),
            touched: Default::default(),
            bundles: Vec::new(),
            end: Some(End::Deleted),
        };
        let view = dead.view();
        self.edits.push(dead);
        Some(view)
    }

    /// An edit that can still be used.
    pub(crate) fn edit(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<&mut Edit> {
        self.app(package)?;
        let now = ctx.now();
        let found = self
            .edits
            .iter_mut()
            .find(|edit| edit.package == package && edit.id == id);
        let edit = found.ok_or_else(|| not_found("editNotFound", &format!("Edit not found: {id}.")))?;
        match edit.end {
            Some(End::Deleted) => Err(precondition("editDeleted", "This Edit has been deleted.")),
            Some(End::Expired) => Err(precondition(
                "editExpired",
                "This edit has expired please create a new Edit.",
            )),
            None if edit.expiry <= now => Err(precondition(
                "editExpired",
                "This edit has expired please create a new Edit.",
            )),
            None => Ok(edit),
        }
    }

    pub(crate) fn delete_edit(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<Answer> {
        self.edit(ctx, package, id)?;
        self.edits.retain(|edit| edit.id != id);
        Ok(Answer::empty(204))
    }

    pub(crate) fn list_tracks(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<Answer> {
        let edit = self.edit(ctx, package, id)?;
        let tracks: Vec<Value> = edit
            .tracks
            .iter()
            .map(|(track, releases)| track_view(track, releases))
            .collect();
        Ok(Answer::json(
            200,
            &json!({"kind": "androidpublisher#tracksListResponse", "tracks": tracks}),
        ))
    }

    pub(crate) fn get_track(
        &mut self,
        ctx: &Context,
        package: &str,
        id: &str,
        track: &str,
    ) -> Outcome<Answer> {
        let edit = self.edit(ctx, package, id)?;
        let releases = edit.tracks.get(track).ok_or_else(|| no_track(track))?;
        Ok(Answer::json(200, &track_view(track, releases)))
    }

    pub(crate) fn put_track(
        &mut self,
        ctx: &Context,
        call: &Call,
        package: &str,
        id: &str,
        track: &str,
    ) -> Outcome<Answer> {
        let body: TrackBody = call
            .document()
            .map_err(|message| invalid(&format!("Invalid JSON payload received. {message}")))?;
        if body.track.as_deref().is_some_and(|given| given != track) {
            return Err(invalid(
                "The track in the body does not match the track in the path.",
            ));
        }
        let edit = self.edit(ctx, package, id)?.clone();
        let old = edit.tracks.get(track).ok_or_else(|| no_track(track))?.clone();
        let new = match (body.releases, call.method.as_str()) {
            (Some(releases), _) => releases,
            (None, "PATCH") => old,
            (None, _) => Vec::new(),
        };
        let app = self.app(package)?;
        check_releases(app, &edit, track, &new)?;
        let view = track_view(track, &new);
        let edit = self.edit(ctx, package, id)?;
        edit.tracks.insert(track.to_owned(), new);
        edit.touched.insert(track.to_owned());
        Ok(Answer::json(200, &view))
    }

    pub(crate) fn list_bundles(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<Answer> {
        let mut bundles = self.edit(ctx, package, id)?.bundles.clone();
        let processed = self.app(package)?.bundles.iter().filter(|it| !it.processing);
        bundles.extend(processed.cloned());
        bundles.sort_by_key(|bundle| bundle.code);
        let views: Vec<Value> = bundles.iter().map(Bundle::view).collect();
        Ok(Answer::json(
            200,
            &json!({"kind": "androidpublisher#bundlesListResponse", "bundles": views}),
        ))
    }

    /// What the app says about itself in every language.
    pub(crate) fn details(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<Answer> {
        self.edit(ctx, package, id)?;
        let mut view = json!({"contactEmail": "shop@example.com"});
        if let (Some(map), Some(language)) = (view.as_object_mut(), &self.app(package)?.default_language) {
            map.insert("defaultLanguage".to_owned(), json!(language));
        }
        Ok(Answer::json(200, &view))
    }

    /// How the app is described, by language.
    pub(crate) fn listings(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<Answer> {
        self.edit(ctx, package, id)?;
        let languages = self.app(package)?.languages.iter();
        let views: Vec<Value> = languages
            .map(|language| {
                json!({"language": language, "title": "Example Shop", "shortDescription": "A shop.",
                       "fullDescription": "A shop."})
            })
            .collect();
        let mut list = json!({"kind": "androidpublisher#listingsListResponse"});
        // An empty list is left out, as Google's answers do.
        if let Some(map) = list.as_object_mut().filter(|_| !views.is_empty()) {
            map.insert("listings".to_owned(), Value::Array(views));
        }
        Ok(Answer::json(200, &list))
    }

    /// Takes a bundle: a JSON body may name its `versionCode`, any other body gets the next one.
    pub(crate) fn upload(&mut self, ctx: &Context, call: &Call, package: &str, id: &str) -> Outcome<Answer> {
        if !["media", "resumable"].contains(&call.query("uploadType").unwrap_or("media")) {
            return Err(invalid("Unknown upload type."));
        }
        let known: Vec<i64> = {
            let edit = self.edit(ctx, package, id)?.bundles.clone();
            edit.iter()
                .chain(&self.app(package)?.bundles)
                .map(|bundle| bundle.code)
                .collect()
        };
        let named = call
            .json()
            .ok()
            .and_then(|body| body.get("versionCode").and_then(Value::as_i64));
        let code = named.unwrap_or_else(|| known.iter().max().copied().unwrap_or(0) + 1);
        if known.contains(&code) {
            return Err(forbidden(
                "apkUpgradeVersionConflict",
                &format!(
                    "APK specifies a version code that has already been used. Version code {code} has already been used."
                ),
            ));
        }
        let bundle = Bundle::of(code, &call.body);
        let view = bundle.view();
        self.edit(ctx, package, id)?.bundles.push(bundle);
        Ok(Answer::json(200, &view))
    }

    /// Releases of a track with the state of their review; needs no edit.
    pub(crate) fn lifecycle(&mut self, package: &str, track: &str) -> Outcome<Answer> {
        self.app(package)?;
        if self.without_lifecycle {
            return Err(not_found("notFound", "Requested entity was not found."));
        }
        let (without_newest, word) = (self.without_newest, self.lifecycle_word.clone());
        let track_releases = self
            .apps
            .get_mut(package)
            .and_then(|app| app.tracks.get_mut(track));
        let releases = track_releases.ok_or_else(|| no_track(track))?;
        let newest = releases.iter().map(|one| one.release.highest()).max();
        let views: Vec<Value> = releases
            .iter_mut()
            .filter(|one| !(without_newest && Some(one.release.highest()) == newest))
            .take(20)
            .map(|one| {
                one.step.read();
                let artifacts: Vec<Value> = one
                    .release
                    .version_codes
                    .iter()
                    .filter_map(|code| code.parse::<i64>().ok())
                    .map(|code| json!({"versionCode": code}))
                    .collect();
                // Without a name of its own a release is called after its bundles.
                let codes = || one.release.version_codes.join(", ");
                let name = one.release.name.clone().unwrap_or_else(codes);
                json!({"releaseName": name, "track": track, "activeArtifacts": artifacts,
                       "releaseLifecycleState":
                           format!("RELEASE_LIFECYCLE_STATE_{}", word.as_deref().unwrap_or(one.life))})
            })
            .collect();
        Ok(Answer::json(200, &json!({"releases": views})))
    }
}

fn no_track(track: &str) -> Answer {
    not_found("trackNotFound", &format!("Track not found: {track}."))
}
