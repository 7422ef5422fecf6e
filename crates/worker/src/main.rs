//! `delivr-worker`: a worker as a process of its own, next to the API or on another machine.
//!
//! Reads the same settings as the API. It must never change the schema, and never serve people: its only listener is
//! the one for metrics and health, off unless set.

use anyhow::Context as _;
use clap::Parser;
use delivr_bootstrap::{Program, Settings, shutdown, telemetry, upkeep, wire};
use delivr_worker::{Worker, WorkerSettings};
use futures_util::future::{Either, join, select};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use tokio::sync::oneshot;

/// Does the work of releases: claims due effects, calls vendors, keeps agendas.
#[derive(Debug, Parser)]
#[command(name = "delivr-worker", version)]
struct Arguments {
    /// Settings file (TOML); may be given several times, later ones win.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Name shown to operators; the default tells host processes apart.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // The sentences alone: an operator's mistake needs no backtrace.
        Err(error) => {
            eprintln!("delivr-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(Program::Worker, &arguments.config)?;
    telemetry::logs(&settings)?;
    if let Some(listen) = settings.metrics_listen {
        telemetry::serve_metrics(telemetry::metrics()?, listen)?;
    }
    let mut stop = pin!(shutdown::asked());
    let joining = pin!(wire::join(&settings));
    let wire::Installation { app, store } = match select(joining, &mut stop).await {
        Either::Left((installation, _)) => installation?,
        Either::Right((asked, _)) => return asked.context("listening for signals"),
    };
    let name = arguments.name.unwrap_or_else(own_name);
    tracing::info!(worker = %name, "working");
    let worker = Worker::new(
        app.clone(),
        WorkerSettings {
            name,
            concurrency: settings.worker_concurrency,
            lease: settings.lease,
            ..WorkerSettings::default()
        },
    );
    let stopped = async {
        if let Err(error) = stop.await {
            tracing::error!(%error, "signals cannot be listened for; stopping");
        }
        tracing::info!("finishing what is under way");
    };
    let (ended, over) = oneshot::channel();
    let working = async {
        worker.run(stopped).await;
        // Nobody listens when the upkeep has ended before.
        let _unheard = ended.send(());
    };
    let upkeep = upkeep::run(&app, &store, settings.retention, async {
        let _either = over.await;
    });
    join(working, upkeep).await;
    Ok(())
}

/// Host and process: two workers never share it, and a restarted one leaves no trail of names.
fn own_name() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|host| host.trim().chars().take(64).collect::<String>())
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| "host".to_owned());
    format!("{host}-{}", std::process::id())
}
