//! The program `delivr-api`: serves the HTTP API and does an operator's work on an installation.
//!
//! Parts of this file that need room lie in [`cli`]; they reach the composition root through here, and nothing else
//! of this crate does.

mod cli;

use delivr_bootstrap as wiring;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
