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
            match store.deliver(ctx, package, version, code) {
                true => Ok(json!({"versionCode": code})),
                false => Err(format!("version code {code} has already been used")),
            }
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
