//! Command line of the vendor sandbox.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::Result;
use clap::Parser;
use delivr_sandbox::Sandbox;

/// Serves the simulated vendors until interrupted.
#[derive(Debug, Parser)]
#[command(name = "delivr-sandbox", version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, env = "DELIVR_SANDBOX_LISTEN", default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
    /// Seed from which ids, commit hashes and file contents are derived.
    #[arg(long, env = "DELIVR_SANDBOX_SEED", default_value_t = 1)]
    seed: u64,
    /// Let every build, test, processing step and review succeed by itself after this many milliseconds.
    #[arg(long, env = "DELIVR_SANDBOX_AUTO_AFTER_MS")]
    auto_after_ms: Option<i64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let running = Sandbox::start(arguments.listen, arguments.seed).await?;
    if let Some(after) = arguments.auto_after_ms {
        running.auto(after);
    }
    tracing::info!(
        url = running.url(),
        seed = arguments.seed,
        "the vendor sandbox listens"
    );
    // For programs that start this one with port 0; a closed pipe is their choice.
    let _closed = writeln!(std::io::stdout(), "listening on {}", running.url());
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
