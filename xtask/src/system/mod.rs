//! What runs the whole system from outside: its programs, a git server, a client of its API, and a team's set-up. The
//! demo tells a story with it, chaos breaks it.

pub(crate) mod client;
pub(crate) mod programs;
pub(crate) mod repository;
pub(crate) mod team;

use anyhow::{Context, Result};
use serde_json::Value;

/// The text at a JSON pointer.
///
/// # Errors
/// When there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(ToOwned::to_owned)
        .with_context(|| format!("no text at {pointer} in {value}"))
}

/// The text of a field; empty where there is none.
pub(crate) fn word<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The list in a field; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
