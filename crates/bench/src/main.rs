//! `delivr-bench`: what Delivr costs and how fast it is, measured. Started by `cargo xtask bench`, which builds the
//! programs and brings a PostgreSQL server.
//!
//! It measures the product and changes nothing about it: no switch, no shorter path and no setting exists for it. It is
//! for developers alone and part of no installation.

mod api;
mod bulk;
mod ceiling;
mod database;
mod figure;
mod http;
mod idle;
mod machine;
mod node;
mod pages;
mod raw;
mod reaction;
mod throughput;
mod vendor;
mod world;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use database::Kind;
use figure::say;
use node::Role;
use std::path::PathBuf;

#[derive(Debug, Parser)]
#[command(name = "delivr-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure.
    Run(Bench),
    /// Be a process of an installation whose vendor answers at once; ends with its standard input.
    Node {
        /// What it does.
        #[arg(long)]
        role: Role,
        /// The database.
        #[arg(long)]
        url: String,
    },
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Tasks per second, and the raw rate.
    Throughput,
    /// From a webhook to the look it prompts.
    Reaction,
    /// From `POST /releases` to the end of KICKOFF.
    Kickoff,
    /// A worker that has nothing to do.
    Idle,
    /// Latencies and memory of the API.
    Api,
    /// Times and sizes of the pages.
    Pages,
}

/// What and where to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Only this.
    #[arg(long)]
    only: Option<Name>,
    /// So many times the usual number of releases and requests.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) scale: u32,
    /// Releases stored for the figures that depend on it; also measured with a tenth and a hundredth of it.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10_000..=10_000_000))]
    pub(crate) stored: u32,
    /// Only on this database.
    #[arg(long)]
    pub(crate) database: Option<Kind>,
    /// A PostgreSQL server whose user may create databases; without one only SQLite is measured.
    #[arg(long)]
    server: Option<String>,
    /// The folder the product's programs were built into.
    #[arg(long)]
    pub(crate) programs: PathBuf,
}

impl Bench {
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Node { role, url } => node::be(role, &url).await,
        Command::Run(bench) => run(bench).await,
    }
}

async fn run(mut bench: Bench) -> Result<()> {
    if bench.server.is_none() && bench.database.is_none() {
        say("no PostgreSQL server: only SQLite is measured");
        bench.database = Some(Kind::Sqlite);
    }
    say(&format!("machine: {}", machine::description()));
    for name in Name::value_variants() {
        if bench.only.is_some_and(|only| only != *name) {
            continue;
        }
        if let Some(noise) = machine::noise().await {
            say(&format!("warning: {noise}"));
        }
        match name {
            Name::Throughput => throughput::measure(&bench).await?,
            Name::Reaction => reaction::webhooks(&bench).await?,
            Name::Kickoff => reaction::kickoff(&bench).await?,
            Name::Idle => idle::measure(&bench).await?,
            Name::Api => api::measure(&bench).await?,
            Name::Pages => pages::measure(&bench).await?,
        }
    }
    Ok(())
}
