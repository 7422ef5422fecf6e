//! What a test or a demonstration does to App Store Connect through `/_advance`.

use serde_json::{Value, json};

use super::state::{AppStore, Version};
use crate::world::Context;

const PROCESSED: [&str; 3] = ["VALID", "INVALID", "FAILED"];

pub(crate) fn perform(
    store: &mut AppStore,
    ctx: &mut Context,
    action: &str,
    args: &Value,
) -> Result<Value, String> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    match action {
        "add_build" => {
            let version = text("version").ok_or("`version` is missing")?;
            let number = text("build").ok_or("`build` is missing")?;
            let id = store.upload(ctx, text("bundleId"), version, number);
            let id = id.ok_or("the app is unknown or the build was uploaded before")?;
            if let Some(state) = text("state").filter(|state| *state != "PROCESSING") {
                known_result(state)?;
                store.process(ctx, &id, state);
            }
            Ok(json!({"id": id}))
        }
        "process_build" => {
            let result = text("result").unwrap_or("VALID");
            known_result(result)?;
            let wanted = |name: &str, value: &str| text(name).is_none_or(|wanted| wanted == value);
            let waiting = store.builds.iter().filter(|build| {
                build.state == "PROCESSING"
                    && wanted("version", &build.version)
                    && wanted("build", &build.number)
            });
            let ids: Vec<String> = waiting.map(|build| build.id.clone()).collect();
            for id in &ids {
                store.process(ctx, id, result);
            }
            Ok(json!({"processed": ids}))
        }
        "start_review" => {
            let id = version(store, args, &["WAITING_FOR_REVIEW"])?;
            store.begin_review(ctx, &id);
            shown(store, &id)
        }
        "approve" => {
            let id = version(store, args, &["WAITING_FOR_REVIEW", "IN_REVIEW"])?;
            store.approve(ctx, &id);
            shown(store, &id)
        }
        "reject" => {
            let id = version(store, args, &["WAITING_FOR_REVIEW", "IN_REVIEW"])?;
            let state = text("state").unwrap_or("REJECTED");
            if !["REJECTED", "METADATA_REJECTED", "INVALID_BINARY"].contains(&state) {
                return Err(format!("{state} is not a state of rejection"));
            }
            store.reject(ctx, &id, state);
            shown(store, &id)
        }
        "day" => {
            let id = version(store, args, &["READY_FOR_DISTRIBUTION"])?;
            for _ in 0..args.get("days").and_then(Value::as_u64).unwrap_or(1) {
                store.day(ctx, &id);
            }
            let phased = store.phased_of(&id).ok_or("the version has no phased release")?;
            Ok(json!({"phasedReleaseState": phased.state, "currentDayNumber": phased.day}))
        }
        "lag" => {
            store.lag_ms = args.get("ms").and_then(Value::as_i64).unwrap_or(0);
            Ok(json!({"lagMs": store.lag_ms}))
        }
        "freeze_states" => {
            let on = args.get("on").and_then(Value::as_bool).unwrap_or(true);
            Ok(json!({"frozen": store.freeze(on)}))
        }
        "agreements" => {
            store.agreements_missing = args.get("missing").and_then(Value::as_bool).unwrap_or(true);
            Ok(json!({"missing": store.agreements_missing}))
        }
        "rate" => {
            let remaining = args.get("remaining").and_then(Value::as_u64).unwrap_or(3500);
            store.remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
            Ok(json!({"remaining": store.remaining}))
        }
        other => Err(format!("no action of appstore is called {other}")),
    }
}

fn known_result(state: &str) -> Result<(), String> {
    if PROCESSED.contains(&state) {
        Ok(())
    } else {
        Err(format!("{state} does not end processing"))
    }
}

/// The version meant by `bundleId` and `version`, or the newest in one of the states.
fn version(store: &AppStore, args: &Value, states: &[&str]) -> Result<String, String> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    let fits = |one: &&Version| {
        text("version").is_none_or(|string| string == one.string)
            && text("bundleId").is_none_or(|bundle| bundle == store.bundle(&one.app))
            && states.contains(&one.state.as_str())
    };
    let found = store.versions.iter().rev().find(fits);
    found
        .map(|one| one.id.clone())
        .ok_or_else(|| format!("no such version is in {}", states.join(" or ")))
}

fn shown(store: &AppStore, id: &str) -> Result<Value, String> {
    let version = store.version(id).ok_or("the version is gone")?;
    Ok(json!({"version": version.string, "state": version.state}))
}
