//! What the outside may rely on: the document of the state machine, and the form events are stored in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests; they read and write the files they compare"
)]

#[allow(unreachable_pub, dead_code, reason = "shared by test binaries")]
mod common;

#[path = "documents/children.rs"]
mod children;
#[path = "documents/lab.rs"]
mod lab;
#[path = "documents/page.rs"]
mod page;
#[path = "documents/scenarios.rs"]
mod scenarios;
#[path = "documents/source.rs"]
mod source;
#[path = "documents/tables.rs"]
mod tables;

use std::path::Path;

/// See `docs/testing.md`, "Generated documents".
#[test]
fn docs_are_current() {
    let mut seen = lab::Seen::default();
    scenarios::releases(&mut seen);
    children::all(&mut seen);
    let text = page::write(&seen);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machine.md");
    if std::env::var_os("DELIVR_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(
        stored == text,
        "docs/state-machine.md is not what the code says; run `cargo xtask docs generate`. First difference: {differs:?}"
    );
}
