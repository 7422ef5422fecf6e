//! The programs of the demo: the product, the vendors' sandbox, and git.

use crate::shell::{cargo, check, root};
use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program that runs until this is dropped.
pub(crate) struct Running {
    child: Child,
    name: &'static str,
    /// Where it listens.
    pub(crate) address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of ours stays behind.
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
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}", self.name),
        }
    }
}

/// Builds the programs the demo runs.
///
/// # Errors
/// When they do not compile.
pub(crate) fn build() -> Result<()> {
    check(&mut cargo([
        "build",
        "--locked",
        "-p",
        "delivr-api",
        "-p",
        "delivr-sandbox",
    ])?)
}

/// One of our programs, with nothing of the caller's settings.
///
/// # Errors
/// When the build folder cannot be found.
pub(crate) fn program(name: &str) -> Result<Command> {
    let folder = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => root()?.join("target"),
    };
    let path = folder
        .join("debug")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
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
    Ok(command)
}

/// Runs one of our programs to its end and takes what it prints.
///
/// # Errors
/// When it fails.
pub(crate) fn printed(mut command: Command) -> Result<String> {
    let output = command
        .output()
        .context("could not start a program of the demo")?;
    if !output.status.success() {
        bail!(
            "{:?} failed: {}",
            command.get_program(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Starts one of our programs and waits until it says where it listens; its log goes into a file.
///
/// # Errors
/// When it ends before.
pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Running> {
    let file = std::fs::File::create(log).with_context(|| format!("the log {}", log.display()))?;
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(file)
        .spawn()
        .with_context(|| format!("could not start {name}"))?;
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

/// git, deaf to the settings of whoever runs the demo.
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
