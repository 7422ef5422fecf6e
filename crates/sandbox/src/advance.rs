//! Actions that every vendor understands: auto mode, revoking of credentials, moving the clock.

use serde_json::{Value, json};

use crate::auto::Auto;
use crate::world::{Access, World};

/// Performs the body of `POST /_advance`.
pub(crate) fn perform(world: &mut World, body: &Value) -> Result<Value, String> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let vendor = text("vendor").ok_or("`vendor` is missing")?;
    let action = text("action").ok_or("`action` is missing")?;
    let names: Vec<&str> = match vendor {
        "*" => world.names(),
        one if world.names().contains(&one) => vec![one],
        other => return Err(format!("no vendor is called {other}")),
    };
    match action {
        "auto" => {
            let on = body.get("on").and_then(Value::as_bool).unwrap_or(true);
            for name in names {
                if on {
                    world.ctx.auto.insert(name.to_owned(), Auto::of(body));
                } else {
                    world.ctx.auto.remove(name);
                }
            }
            Ok(json!({"auto": on}))
        }
        "revoke_credentials" | "restore_credentials" | "remove_permission" | "restore_permission" => {
            for name in names {
                let access: &mut Access = world.ctx.access.entry(name.to_owned()).or_default();
                match action {
                    "revoke_credentials" => access.revoked = true,
                    "remove_permission" => access.forbidden = true,
                    "restore_permission" => access.forbidden = false,
                    _ => *access = Access::default(),
                }
            }
            Ok(json!({"done": action}))
        }
        "time" => {
            let seconds = body
                .get("seconds")
                .and_then(Value::as_i64)
                .ok_or("`seconds` is missing")?;
            world.ctx.offset_ms += seconds.saturating_mul(1000);
            world.tick();
            Ok(json!({"now": world.ctx.timestamp()}))
        }
        _ if vendor == "*" => Err(format!("no action for all vendors is called {action}")),
        other => world.advance(vendor, other, body),
    }
}
