//! What a test or a demonstration does to Google Play through `/_advance`.

use serde_json::{Value, json};

use super::state::{End, NAME, PlayStore};
use crate::auto::Step;
use crate::world::Context;

pub(crate) fn perform(
    store: &mut PlayStore,
    ctx: &mut Context,
    action: &str,
    args: &Value,
) -> Result<Value, String> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    let on = args.get("on").and_then(Value::as_bool).unwrap_or(true);
    let package = text("packageName");
    if let Some(name) = package.filter(|name| !store.apps.contains_key(*name)) {
        return Err(format!("no package is called {name}"));
    }
    let now = ctx.now();
    match action {
        "approve" => Ok(json!({"approved": store.approve(ctx, package, text("track"))})),
        "reject" => {
            let mut rejected = Vec::new();
            for (name, track, one) in store.select(package, text("track"), "IN_REVIEW") {
                one.life = "NOT_APPROVED";
                one.step = Step::at(now);
                ctx.spend(NAME, "commit", &one.release.subject(&name, &track));
                rejected.push(name);
            }
            for name in &rejected {
                if let Some(app) = store.apps.get_mut(name) {
                    app.rejected = true;
                }
            }
            Ok(json!({"rejected": rejected.len()}))
        }
        "send_for_review" => {
            // A person presses the button in the Console.
            let sent = store.select(package, text("track"), "NOT_SENT_FOR_REVIEW");
            let count = sent.len();
            for (_, _, one) in sent {
                one.life = "IN_REVIEW";
                one.step = Step::at(now);
            }
            for (_, app) in store
                .apps
                .iter_mut()
                .filter(|(name, _)| package.is_none_or(|wanted| wanted == *name))
            {
                app.rejected = false;
            }
            Ok(json!({"sent": count}))
        }
        "managed_publishing" => {
            for (_, app) in store
                .apps
                .iter_mut()
                .filter(|(name, _)| package.is_none_or(|wanted| wanted == *name))
            {
                app.managed = on;
            }
            Ok(json!({"managed": on}))
        }
        "publish" => {
            let waiting = store.select(package, text("track"), "APPROVED_NOT_PUBLISHED");
            let count = waiting.len();
            waiting.into_iter().for_each(|(_, _, one)| one.life = "PUBLISHED");
            Ok(json!({"published": count}))
        }
        "add_bundle" => {
            let code = args
                .get("versionCode")
                .and_then(Value::as_i64)
                .ok_or("`versionCode` is missing")?;
            let version = text("version").unwrap_or("1.0.0");
            let processing = args.get("processing").and_then(Value::as_bool).unwrap_or(false);
            if !processing && store.finish_processing(package, code) {
                return Ok(json!({"versionCode": code}));
            }
            if !store.deliver(ctx, package, version, code) {
                return Err(format!("version code {code} has already been used"));
            }
            store.set_processing(package, code, processing);
            Ok(json!({"versionCode": code}))
        }
        "console_track" => super::console::change_track(store, ctx, args),
        "meanwhile" => {
            let operation = text("operation").ok_or("`operation` is missing")?.to_owned();
            let action = args.get("do").cloned().ok_or("`do` is missing")?;
            store.meanwhile.push((operation, action));
            Ok(json!({"waiting": store.meanwhile.len()}))
        }
        "refuse" => {
            let operation = text("operation").ok_or("`operation` is missing")?.to_owned();
            store.refusals.push((operation, args.clone()));
            Ok(json!({"waiting": store.refusals.len()}))
        }
        "add_track" => {
            let track = text("track").ok_or("`track` is missing")?.to_owned();
            let name = package.unwrap_or("com.example.shop");
            if let Some(app) = store.apps.get_mut(name) {
                app.tracks.entry(track.clone()).or_default();
            }
            Ok(json!({"track": track}))
        }
        "set_languages" => {
            let list = args.get("languages").and_then(Value::as_array);
            let languages = list
                .ok_or("`languages` is missing")?
                .iter()
                .filter_map(Value::as_str);
            let name = package.unwrap_or("com.example.shop");
            if let Some(app) = store.apps.get_mut(name) {
                app.languages = languages.map(str::to_owned).collect();
                app.default_language = text("default").map(str::to_owned);
            }
            Ok(json!({"packageName": name}))
        }
        "same_edit" => {
            store.same_edit_ms = args.get("ms").and_then(Value::as_i64).unwrap_or(-1);
            Ok(json!({"ms": store.same_edit_ms}))
        }
        "without_lifecycle" => {
            store.without_lifecycle = on;
            Ok(json!({"without": on}))
        }
        "without_newest" => {
            store.without_newest = on;
            Ok(json!({"without": on}))
        }
        "lifecycle_word" => {
            store.lifecycle_word = text("word").map(str::to_owned);
            Ok(json!({"word": store.lifecycle_word}))
        }
        "show_track" => {
            let app = store.apps.get(package.unwrap_or("com.example.shop"));
            let releases = app.map(|app| app.releases(text("track").unwrap_or("production")));
            Ok(json!({"releases": releases.unwrap_or_default()}))
        }
        "open_edits" => {
            let open = store
                .edits
                .iter()
                .filter(|edit| edit.end.is_none() && edit.expiry > now);
            Ok(json!({"open": open.count()}))
        }
        "console_change" => {
            // Any change in the Console ends the open edits.
            let name = package.unwrap_or("com.example.shop");
            store.end_edits(name, None, End::Expired);
            Ok(json!({"ended": name}))
        }
        "token_ttl" => {
            store.token_seconds = args.get("seconds").and_then(Value::as_i64).unwrap_or(3599);
            Ok(json!({"seconds": store.token_seconds}))
        }
        "expire_tokens" => {
            store.tokens.clear();
            Ok(json!({"expired": true}))
        }
        other => Err(format!("no action of playstore is called {other}")),
    }
}
