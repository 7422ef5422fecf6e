//! Processes: the product's own programs, and a node of ours that is the product with the vendor that answers at once.
//!
//! A node serves the API, works, or both, like the product's programs do; only its providers are other ones. It tells
//! each look at a run on its standard output, with the time of the system's clock, which all processes share.

use crate::figure::say;
use crate::vendor::Calls;
use crate::world::{CONNECTIONS, MASTER_KEY, app};
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use delivr_api::Shared;
use delivr_worker::{Worker, WorkerSettings};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Serves.
    Api,
    /// Works.
    Worker,
    /// Both, in one process.
    Both,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Both => "both",
        }
    }
}

/// What a node says when it is ready; the address follows where it serves.
const READY: &str = "listening on ";
/// What it says of a look: the correlation key and the time follow.
const LOOK: &str = "look ";
/// Longest time a program may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The system's clock in microseconds.
pub(crate) fn micros() -> u128 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros()
}

/// Is a node, until its standard input ends.
///
/// # Errors
/// When it cannot serve.
pub(crate) async fn be(role: Role, url: &str) -> Result<()> {
    let calls = Calls::new(Arc::new(|correlation: &str| {
        let at = micros();
        say(&format!("{LOOK}{correlation} {at}"));
    }));
    let app = app(url, CONNECTIONS, &calls).await?;
    if role != Role::Api {
        let worker = Worker::new(app.clone(), WorkerSettings::default());
        tokio::spawn(async move { worker.run(std::future::pending()).await });
    }
    if role == Role::Worker {
        say(READY);
    } else {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        tokio::spawn(delivr_api::serve(Shared::new(app, None), listener)?);
        say(&format!("{READY}http://{address}"));
    }
    let read = || std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    tokio::task::spawn_blocking(read).await??;
    Ok(())
}

/// A running program; it ends when this is dropped.
pub(crate) struct Program {
    child: Child,
    /// Where it listens; empty where it does not.
    pub(crate) address: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts a node.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) async fn node(role: Role, url: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["node", "--role", role.word(), "--url", url]);
        Self::start(command, true).await
    }

    /// Starts one of the product's programs from the folder they were built into.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) async fn product(folder: &Path, name: &str, url: &str, more: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(folder.join(name));
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("DELIVR_") {
                command.env_remove(variable);
            }
        }
        command
            .env("DELIVR_DATABASE_URL", url)
            .env("DELIVR_MASTER_KEY", MASTER_KEY)
            .env("DELIVR_LOG", "error")
            .envs(more.iter().copied());
        if name == "delivr-api" {
            command
                .env("DELIVR_LISTEN", "127.0.0.1:0")
                .env("DELIVR_METRICS_LISTEN", "127.0.0.1:0")
                // What is measured asks more often than a person may.
                .env("DELIVR_RATE_LIMIT_PER_TOKEN", "0")
                .env("DELIVR_RATE_LIMIT_PER_ADDRESS", "0");
        }
        Self::start(command, name == "delivr-api").await
    }

    async fn start(mut command: Command, says: bool) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let output = child.stdout.take().context("a piped output")?;
        let mut lines = BufReader::new(output).lines();
        let mut address = String::new();
        if says {
            let first = async {
                while let Some(line) = lines.next_line().await? {
                    if let Some(found) = line.strip_prefix(READY) {
                        return Ok(found.to_owned());
                    }
                }
                bail!("{command:?} ended before it was ready")
            };
            address = tokio::time::timeout(PATIENCE, first).await??;
        }
        Ok(Self {
            child,
            address,
            lines,
        })
    }

    /// Its process.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn process(&self) -> Result<u32> {
        self.child.id().context("the program has ended")
    }

    /// The next look it tells of: correlation key and time.
    ///
    /// # Errors
    /// When it ends, or says nothing for too long.
    pub(crate) async fn look(&mut self) -> Result<(String, u128)> {
        let next = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some((correlation, at)) = line.strip_prefix(LOOK).and_then(|it| it.split_once(' ')) {
                    return Ok((correlation.to_owned(), at.parse()?));
                }
            }
            bail!("the worker has ended")
        };
        tokio::time::timeout(PATIENCE, next).await?
    }
}
