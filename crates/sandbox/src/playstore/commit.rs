//! Commits: what an edit makes of its tracks, and what the journal says of it.

use serde_json::{Value, json};

use super::errors::{Outcome, forbidden, invalid, not_found, precondition};
use super::state::{App, Committed, Edit, End, NAME, PlayStore, Release, Status};
use crate::answer::Answer;
use crate::auto::Step;
use crate::call::Call;
use crate::world::Context;

/// Said of an app whose last change was rejected.
const BY_HAND: &str = "Changes cannot be sent for review automatically. Please set the query parameter changesNotSentForReview to true. Once committed, the changes in this edit can be sent for review from the Google Play Console UI.";

impl PlayStore {
    /// Tries the edit without committing it. The call has no parameter about the review, and so refuses an app whose
    /// changes a person must send.
    pub(crate) fn validate(&mut self, ctx: &Context, package: &str, id: &str) -> Outcome<Answer> {
        let view = self.edit(ctx, package, id)?.view();
        if self.apps.get(package).is_some_and(|app| app.rejected) {
            return Err(invalid(BY_HAND));
        }
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
            (true, false) => Some(BY_HAND),
            (false, true) => Some(
                "Changes are sent for review automatically. The query parameter changesNotSentForReview must not be set.",
            ),
            _ => None,
        };
        let missing = missing_language(app, &edit);
        // A commit that fails throws its edit away, one that succeeds uses it up.
        self.edits.retain(|edit| edit.id != id);
        if let Some(message) = refusal {
            return Err(invalid(message));
        }
        if let Some(message) = missing {
            return Err(forbidden("apkRecentChangesAddedForMissingLanguage", &message));
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
}

/// What is said of new notes in a language that the app is not described in; none while it is described in none.
fn missing_language(app: &App, edit: &Edit) -> Option<String> {
    for track in &edit.touched {
        let before = app.releases(track);
        let releases = edit.tracks.get(track).into_iter().flatten();
        for release in releases.filter(|it| !before.contains(it)) {
            let mut notes = release.release_notes.iter();
            let has = |language: &String| {
                app.languages.contains(language) || app.default_language.as_ref() == Some(language)
            };
            let missing = notes.find(|it| !app.languages.is_empty() && !has(&it.language));
            if let Some(note) = missing {
                return Some(format!(
                    "Tried to set recent changes text for APK version {} for language {}. Language is not associated with \
                     the app.",
                    release.highest(),
                    note.language
                ));
            }
        }
    }
    None
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
        // One that was refused is handed in anew, even as it was.
        let stood = before.filter(|one| one.life != "NOT_APPROVED");
        if stood.is_none_or(|one| one.release != release) {
            changed = true;
            write_change(ctx, package, track, stood.map(|one| &one.release), &release, life);
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
    let detail = json!({"name": release.name, "review": life, "notes": release.release_notes});
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
