//! Generated documents: written and checked by tests of the crates that know their content.
//!
//! Such a test is called `docs_are_current` (in any module). It renders the document and compares it with the file
//! under `docs/`; with `DELIVR_WRITE_DOCS=1` it writes the file instead. So `xtask` needs no dependency on the product,
//! and a stale document fails the ordinary test run too.

use crate::shell::{cargo, check, say, works};
use anyhow::Result;

/// Name, or part of the name, of every test that owns a generated document.
const OWNERS: &str = "docs_are_current";

/// What to do with the generated documents.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write them anew.
    Generate,
    /// Fail when one differs from what the code says.
    Check,
}

/// Writes or checks the generated documents.
///
/// # Errors
/// When cargo fails or, checking, a document is stale.
pub(crate) fn run(args: &Args) -> Result<()> {
    match args.action {
        Action::Generate => owners(true),
        Action::Check => owners(false),
    }
}

/// Checks the generated documents.
pub(crate) fn check_all() -> Result<()> {
    owners(false)
}

fn owners(write: bool) -> Result<()> {
    let mut command = if works(cargo(["nextest", "--version"])?) {
        // Before the first owner exists there is nothing to check, which is no failure.
        let filter = format!("test({OWNERS})");
        cargo([
            "nextest",
            "run",
            "--workspace",
            "--no-tests",
            "warn",
            "-E",
            &filter,
        ])?
    } else {
        cargo(["test", "--workspace", "--all-targets", OWNERS])?
    };
    if write {
        command.env("DELIVR_WRITE_DOCS", "1");
    } else {
        command.env_remove("DELIVR_WRITE_DOCS");
    }
    check(&mut command)?;
    say(if write {
        "generated documents are written"
    } else {
        "generated documents are current"
    });
    Ok(())
}
