//! The pipeline: everything a change must pass, in the order in which trouble is cheapest to find.
//!
//! A failing step does not stop the later ones, so that one run shows all there is to mend. Tests come last: their
//! closing line is what a reader of the log looks for.

use crate::shell::{cargo, check, say, works};
use crate::{demo, docs, test};
use anyhow::{Result, bail};

/// Runs all steps.
///
/// # Errors
/// Names every step that failed.
pub(crate) fn run() -> Result<()> {
    let mut failed = Vec::new();
    let mut step = |name: &'static str, result: Result<()>| {
        if let Err(error) = result {
            say(format!("FAILED: {name}: {error:#}"));
            failed.push(name);
        }
    };
    step("format", check(&mut cargo(["fmt", "--all", "--check"])?));
    // Alone, so that a feature which another member switches on cannot hide a missing one.
    step(
        "domain alone",
        check(&mut cargo(["check", "--locked", "-p", "delivr-domain"])?),
    );
    let clippy = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    step("clippy", check(&mut cargo(clippy)?));
    let mut rustdoc = cargo(["doc", "--locked", "--workspace", "--no-deps"])?;
    step("rustdoc", check(rustdoc.env("RUSTDOCFLAGS", "-D warnings")));
    let mut notes = Vec::new();
    step("deny", deny(&mut notes));
    step("generated documents", docs::check_all());
    step("demo", demo::headless());
    if !failed.is_empty() {
        say(format!("failed before the tests: {}", failed.join(", ")));
    }
    let tested = test::run_with(notes);
    if let Err(error) = tested {
        say(format!("FAILED: tests: {error:#}"));
        failed.push("tests");
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Licences, bans and sources; advisories only where their database can be fetched.
fn deny(notes: &mut Vec<String>) -> Result<()> {
    if !works(cargo(["deny", "--version"])?) {
        notes.push("cargo-deny: not installed, so licences and bans were not checked".to_owned());
        return Ok(());
    }
    check(&mut cargo([
        "deny",
        "--workspace",
        "check",
        "bans",
        "licenses",
        "sources",
    ])?)?;
    if !works(cargo(["deny", "fetch", "db"])?) {
        notes.push("advisories: their database cannot be fetched from this machine".to_owned());
        return Ok(());
    }
    check(&mut cargo(["deny", "--workspace", "check", "advisories"])?)
}
