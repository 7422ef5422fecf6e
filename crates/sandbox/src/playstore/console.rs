//! What other people and tools do to the same app: in the Console, or with an account of their own.

use serde_json::{Value, json};

use super::actions;
use super::errors;
use super::state::{Committed, End, NAME, PlayStore, Release, Status};
use crate::answer::Answer;
use crate::auto::Step;
use crate::world::Context;

/// Replaces a track's releases as a person does in the Console: published at once, and every open edit comes to its end.
pub(crate) fn change_track(store: &mut PlayStore, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let name = args
        .get("packageName")
        .and_then(Value::as_str)
        .unwrap_or("com.example.shop");
    let track = args.get("track").and_then(Value::as_str).unwrap_or("production");
    let releases: Vec<Release> =
        serde_json::from_value(args.get("releases").cloned().ok_or("`releases` is missing")?)
            .map_err(|why| format!("`releases`: {why}"))?;
    let now = ctx.now();
    let app = store.apps.get_mut(name).ok_or("no such package")?;
    let old = app.tracks.remove(track).unwrap_or_default();
    let committed: Vec<Committed> = releases
        .into_iter()
        .map(|release| Committed {
            life: if release.status == Status::Draft {
                "DRAFT"
            } else {
                "PUBLISHED"
            },
            release,
            step: Step::at(now),
        })
        .collect();
    // What is no longer so may be done again without being a duplicate.
    for gone in old
        .iter()
        .filter(|one| !committed.iter().any(|new| new.release == one.release))
    {
        ctx.spend(NAME, "commit", &gone.release.subject(name, track));
    }
    let count = committed.len();
    app.tracks.insert(track.to_owned(), committed);
    store.end_edits(name, None, End::Expired);
    Ok(json!({"releases": count}))
}

impl PlayStore {
    /// The refusal that waits for this operation, if one does.
    pub(crate) fn refusal(&mut self, operation: &str) -> Option<Answer> {
        let place = self.refusals.iter().position(|(of, _)| of == operation)?;
        let (_, how) = self.refusals.remove(place);
        let text = |name: &str| how.get(name).and_then(Value::as_str).unwrap_or_default();
        let code = how.get("code").and_then(Value::as_u64);
        let code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or(403);
        Some(errors::error(
            code,
            text("status"),
            text("reason"),
            text("message"),
        ))
    }

    /// Lets others do the first thing that waits for this operation.
    pub(crate) fn let_others_act(&mut self, ctx: &mut Context, operation: &str) {
        if let Some(place) = self.meanwhile.iter().position(|(of, _)| of == operation) {
            let (_, args) = self.meanwhile.remove(place);
            let action = args.get("action").and_then(Value::as_str).unwrap_or_default();
            // A test that asks for what does not exist sees that nothing has changed.
            let _done = actions::perform(self, ctx, action, &args);
        }
    }

    fn bundle(&mut self, package: Option<&str>, code: i64) -> Option<&mut super::state::Bundle> {
        let app = self.apps.get_mut(package.unwrap_or("com.example.shop"))?;
        app.bundles.iter_mut().find(|bundle| bundle.code == code)
    }

    /// Whether a bundle was in processing, which it is no longer.
    pub(crate) fn finish_processing(&mut self, package: Option<&str>, code: i64) -> bool {
        let bundle = self.bundle(package, code).filter(|it| it.processing);
        bundle.is_some_and(|it| {
            it.processing = false;
            true
        })
    }

    pub(crate) fn set_processing(&mut self, package: Option<&str>, code: i64, processing: bool) {
        if let Some(bundle) = self.bundle(package, code) {
            bundle.processing = processing;
        }
    }
}
