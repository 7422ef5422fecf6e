//! Edits: opening, changing tracks, uploading, committing.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Outcome, forbidden, invalid, not_found, precondition};
use super::rules::check_releases;
use super::state::{App, Bundle, Committed, EDIT_MS, Edit, End, NAME, PlayStore, Release, Status};
use crate::answer::Answer;
use crate::auto::Step;
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
        self.edits.push(edit);
        Ok(Answer::json(200, &view))
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
        bundles.extend(self.app(package)?.bundles.iter().cloned());
        bundles.sort_by_key(|bundle| bundle.code);
        let views: Vec<Value> = bundles.iter().map(Bundle::view).collect();
        Ok(Answer::json(
            200,
            &json!({"kind": "androidpublisher#bundlesListResponse", "bundles": views}),
        ))
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

    pub(crate) fn commit(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        package: &str,
        id: &str,
    ) -> Outcome<Answer> {
        let flag = |name: &str| match call.query(name) {
            None => Ok(false),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(invalid(&format!("Invalid value at '{name}' (TYPE_BOOL)"))),
        };
        let unsent = flag("changesNotSentForReview")?;
        let careful = match call.query("changesInReviewBehavior") {
            Some("ERROR_IF_IN_REVIEW") => true,
            None
            | Some("CANCEL_IN_REVIEW_AND_SUBMIT")
            | Some("CHANGES_IN_REVIEW_BEHAVIOR_TYPE_UNSPECIFIED") => false,
            Some(_) => return Err(invalid("Invalid value at 'changes_in_review_behavior'")),
        };
        let edit = self.edit(ctx, package, id)?.clone();
        let in_review = !self.select(Some(package), None, "IN_REVIEW").is_empty();
        if in_review && careful {
            return Err(precondition(
                "changesInReview",
                "There are changes in review. Committing this edit would cancel the review.",
            ));
        }
        let Some(app) = self.apps.get_mut(package) else {
            return Err(not_found("applicationNotFound", package));
        };
        let refusal = match (app.rejected, unsent) {
            (true, false) => Some(
                "Changes cannot be sent for review automatically. Please set the query parameter changesNotSentForReview to true. Once committed, the changes in this edit can be sent for review from the Google Play Console UI.",
            ),
            (false, true) => Some(
                "Changes are sent for review automatically. The query parameter changesNotSentForReview must not be set.",
            ),
            _ => None,
        };
        // A commit that fails throws its edit away, one that succeeds uses it up.
        self.edits.retain(|edit| edit.id != id);
        if let Some(message) = refusal {
            return Err(invalid(message));
        }
        if in_review {
            ctx.effect(NAME, "cancel_review", package, None, Value::Null);
        }
        for bundle in &edit.bundles {
            ctx.effect(
                NAME,
                "upload",
                &format!("{package},{}", bundle.code),
                None,
                bundle.view(),
            );
            app.bundles.push(bundle.clone());
        }
        for track in &edit.touched {
            let releases = edit.tracks.get(track).map(Vec::as_slice).unwrap_or_default();
            commit_track(ctx, app, package, track, releases, unsent);
        }
        self.end_edits(package, None, End::Expired);
        Ok(Answer::json(200, &edit.view()))
    }

    /// Releases of a track with the state of their review; needs no edit.
    pub(crate) fn lifecycle(&mut self, package: &str, track: &str) -> Outcome<Answer> {
        self.app(package)?;
        let track_releases = self
            .apps
            .get_mut(package)
            .and_then(|app| app.tracks.get_mut(track));
        let releases = track_releases.ok_or_else(|| no_track(track))?;
        let views: Vec<Value> = releases
            .iter_mut()
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
                json!({"releaseName": one.release.name, "track": track, "activeArtifacts": artifacts,
                       "releaseLifecycleState": format!("RELEASE_LIFECYCLE_STATE_{}", one.life)})
            })
            .collect();
        Ok(Answer::json(200, &json!({"releases": views})))
    }
}

fn no_track(track: &str) -> Answer {
    not_found("trackNotFound", &format!("Track not found: {track}."))
}

/// Makes a track's new releases the committed ones and writes what changed.
fn commit_track(
    ctx: &mut Context,
    app: &mut App,
    package: &str,
    track: &str,
    releases: &[Release],
    unsent: bool,
) {
    let old = app.tracks.remove(track).unwrap_or_default();
    let now = ctx.now();
    let mut changed = false;
    let mut committed = Vec::new();
    for release in releases {
        let mut release = release.clone();
        let before = old
            .iter()
            .find(|one| one.release.version_codes == release.version_codes);
        if release.name.is_none() {
            let known = before.and_then(|one| one.release.name.clone());
            release.name = known.or_else(|| Some(release.version_codes.join(", ")));
        }
        let life = match (before.map(|one| one.life), release.status) {
            (_, Status::Draft) => "DRAFT",
            (Some(life @ ("PUBLISHED" | "APPROVED_NOT_PUBLISHED")), _) => life,
            _ if track == "internal" => "PUBLISHED",
            _ if unsent => "NOT_SENT_FOR_REVIEW",
            _ => "IN_REVIEW",
        };
        if before.is_none_or(|one| one.release != release) {
            changed = true;
            write_change(
                ctx,
                package,
                track,
                before.map(|one| &one.release),
                &release,
                life,
            );
        }
        committed.push(Committed {
            release,
            life,
            step: Step::at(now),
        });
    }
    for gone in old.iter().filter(|one| {
        !committed
            .iter()
            .any(|new| new.release.version_codes == one.release.version_codes)
    }) {
        changed = true;
        ctx.spend(NAME, "commit", &gone.release.subject(package, track));
    }
    if let Some(newest) = committed
        .iter()
        .map(|one| &one.release)
        .max_by_key(|one| one.highest())
        .filter(|_| !changed)
    {
        // Committing what was there already is the same step once more.
        ctx.effect(
            NAME,
            "commit",
            &newest.subject(package, track),
            None,
            json!({"unchanged": true}),
        );
    }
    app.tracks.insert(track.to_owned(), committed);
}

/// Writes one changed release: a rollout step, or only other texts on the same step.
fn write_change(
    ctx: &mut Context,
    package: &str,
    track: &str,
    before: Option<&Release>,
    release: &Release,
    life: &str,
) {
    let subject = release.subject(package, track);
    let detail = json!({"name": release.name, "review": life});
    match before {
        Some(before) if before.subject(package, track) == subject => {
            let content = |release: &Release| ctx.ids.hash(&json!(release).to_string(), 12);
            let (old, new) = (content(before), content(release));
            ctx.spend(NAME, "update_texts", &format!("{subject},{old}"));
            ctx.effect(NAME, "update_texts", &format!("{subject},{new}"), None, detail);
        }
        before => {
            if let Some(before) = before {
                // The state before is left: coming back to it later is a new step.
                ctx.spend(NAME, "commit", &before.subject(package, track));
            }
            ctx.effect(NAME, "commit", &subject, None, detail);
        }
    }
}
