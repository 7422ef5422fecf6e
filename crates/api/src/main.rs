//! The program `delivr-api`: serves the HTTP API and does an operator's work on an installation.

use std::process::ExitCode;

fn main() -> ExitCode {
    delivr_api::cli::run()
}
