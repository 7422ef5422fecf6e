//! The programs of a whole system: the product, the vendors' sandbox, and git.

use crate::shell::{cargo, check, root};
use anyhow::{Context, Result, bail};
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A program that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: &'static str,
    /// Where it listens; empty where nobody waited for that.
    pub(crate) address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // kill -9. It may have ended by itself; either way nothing of ours stays behind.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Running {
    /// Fails when the program has ended.
    ///
    /// # Errors
    /// With its status.
    pub(crate) fn alive(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}", self.name),
        }
    }

    /// How it ended, if it did by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends it a signal by name, `STOP` or `CONT`.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        // The shell's own `kill` is there on every Unix.
        let status = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", name, &self.child.id().to_string()])
            .status()
            .context("could not start a shell")?;
        if !status.success() {
            bail!("{} could not be sent {name}", self.name);
        }
        Ok(())
    }
}

/// Builds programs of ours.
///
/// # Errors
/// When they do not compile.
pub(crate) fn build(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["build", "--locked"];
    for package in packages {
        arguments.extend(["-p", package]);
    }
    check(&mut cargo(arguments)?)
}

/// Where cargo leaves one of our programs.
///
/// # Errors
/// When the build folder cannot be found.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => root()?.join("target"),
    };
    Ok(folder
        .join("debug")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// A program of ours, with nothing of the caller's settings.
pub(crate) fn bare(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DELIVR_") {
            command.env_remove(variable);
        }
    }
    command
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    command
}

/// One of our programs as it was built last.
///
/// # Errors
/// When the build folder cannot be found.
pub(crate) fn program(name: &str) -> Result<Command> {
    Ok(bare(&built(name)?))
}

/// Runs one of our programs to its end and takes what it prints.
///
/// # Errors
/// When it fails.
pub(crate) fn printed(mut command: Command) -> Result<String> {
    let output = command.output().context("could not start a program")?;
    if !output.status.success() {
        bail!(
            "{:?} failed: {}",
            command.get_program(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn spawned(name: &'static str, command: &mut Command, log: &Path) -> Result<Child> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("the log {}", log.display()))?;
    command
        .stderr(file)
        .spawn()
        .with_context(|| format!("could not start {name}"))
}

/// Starts one of our programs and does not wait for anything; its log is appended to a file.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn launch(name: &'static str, mut command: Command, log: &Path) -> Result<Running> {
    let child = spawned(name, command.stdout(Stdio::null()), log)?;
    Ok(Running {
        child,
        name,
        address: String::new(),
    })
}

/// Starts one of our programs and waits until it says where it listens; its log is appended to a file.
///
/// # Errors
/// When it ends before.
pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Running> {
    let mut child = spawned(name, command.stdout(Stdio::piped()), log)?;
    let stdout = child.stdout.take().context("a piped output is there")?;
    let mut lines = BufReader::new(stdout).lines();
    let address = loop {
        let Some(line) = lines.next() else {
            let status = child.wait()?;
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!("{name} ended with {status} before it listened:\n{said}");
        };
        if let Some(address) = line?.strip_prefix("listening on ") {
            break address.trim_end_matches('/').to_owned();
        }
    };
    // Whatever it prints later is read, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(Running { child, name, address })
}

/// git, deaf to the settings of whoever runs it.
///
/// # Errors
/// When a command fails.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("could not start git")?;
    if !output.status.success() {
        bail!(
            "git {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
