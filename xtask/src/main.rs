//! The project's own command line: `cargo xtask demo`, `chaos`, `simulate`, `test`, `screens`, `bench`, `ci`,
//! `docs`, `new-provider`.
//!
//! It drives cargo and the product's binaries from outside. It must never be needed to run the product, and it must
//! never reach into the product's crates: what it knows, it knows through `cargo`, files and the public HTTP API.

mod bench;
mod chaos;
mod ci;
mod demo;
mod docs;
mod new_provider;
mod postgres;
mod screens;
mod shell;
mod simulate;
mod system;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Tests, checks and scaffolding of this repository"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take one release from kickoff into both stores on this machine, and stay up to be looked at.
    Demo(demo::Args),
    /// Break the whole system in every way it must withstand, and count what was done twice, lost or illegal.
    Chaos(chaos::Args),
    /// Run the engine's simulation over many seeds, or prove it by leaving the engine's rules out.
    Simulate(simulate::Args),
    /// Run every test this machine can run; name what was skipped and why.
    Test,
    /// Take pictures of every page, in both themes and two widths, into `docs/screens`.
    Screens,
    /// Measure throughput, reaction, waiting, latencies and memory; a benchmark, not a test.
    Bench(bench::Args),
    /// Run the whole pipeline: format, lints, docs, licences, generated files, demo, tests.
    Ci,
    /// Write or check the documents that are generated from the code.
    Docs(docs::Args),
    /// Add a provider crate whose operations all answer "unsupported" until they are written.
    NewProvider(new_provider::Args),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Test => test::run(),
        Command::Screens => screens::run(),
        Command::Bench(args) => bench::run(&args),
        Command::Ci => ci::run(),
        Command::Docs(args) => docs::run(&args),
        Command::NewProvider(args) => new_provider::run(&args),
    }
}
