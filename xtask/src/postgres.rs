//! A PostgreSQL server of our own for one test run: own data, own port, thrown away at the end.
//!
//! It uses the programs of the machine's PostgreSQL package and never touches a server that is already there.

use crate::shell::works;
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A running server; it stops and its data goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    /// Settings it was started with, for the next start.
    options: String,
}

impl Postgres {
    /// Makes a cluster and starts a server on it. Durability is not what tests prove: a crash of the machine ends the
    /// test run as well.
    ///
    /// # Errors
    /// Says what is missing; the caller names it as the reason of a skip.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with("-c fsync=off -c max_connections=300")
    }

    /// The same with these settings of the server.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn start_with(options: &str) -> Result<Self> {
        let programs = programs().context("initdb and pg_ctl are not installed")?;
        let made = Command::new("mktemp");
        let folder = text(as_owner(made).args(["-d", "-t", "delivr-pg-XXXXXX"]))?;
        let server = Self {
            programs,
            data: PathBuf::from(folder.trim()),
            port: free_port()?,
            options: options.to_owned(),
        };
        let initdb = Command::new(server.programs.join("initdb"));
        let mut initdb = as_owner(initdb);
        initdb
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&server.data);
        text(&mut initdb)?;
        server.begin()?;
        Ok(server)
    }

    fn begin(&self) -> Result<()> {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {}",
            self.port, self.options
        );
        let mut start = self.control();
        start
            .args(["-w", "-t", "60", "-o", &options, "-l"])
            .arg(self.data.join("server.log"))
            .arg("start");
        // The server inherits our pipes: nothing may wait for their end.
        start
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = start.status().context("could not start pg_ctl")?;
        if !status.success() {
            bail!("pg_ctl start ended with {status}");
        }
        Ok(())
    }

    /// Shuts the server down as a crash of it would, and starts it again: it recovers what was committed.
    ///
    /// # Errors
    /// When it does not come back.
    pub(crate) fn restart(&self) -> Result<()> {
        let mut stop = self.control();
        stop.args(["-m", "immediate", "-w", "stop"]);
        if !works(stop) {
            bail!("the database server did not stop");
        }
        self.begin()
    }

    /// Where to connect, as a user who may create databases.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn control(&self) -> Command {
        let mut command = as_owner(Command::new(self.programs.join("pg_ctl")));
        command.arg("-D").arg(&self.data);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.control();
        stop.args(["-m", "immediate", "-w", "stop"]);
        works(stop);
        let mut remove = as_owner(Command::new("rm"));
        remove.arg("-rf").arg(&self.data);
        works(remove);
    }
}

/// The folder of initdb and pg_ctl: from the path, or where Debian keeps the newest version.
fn programs() -> Option<PathBuf> {
    let complete = |folder: &Path| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).find(|folder| complete(folder)) {
        return Some(found);
    }
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| complete(folder))
        .collect();
    versions.sort();
    versions.pop()
}

/// PostgreSQL refuses to run as root; then its own user runs it.
fn as_owner(command: Command) -> Command {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !root {
        return command;
    }
    let mut owned = Command::new("runuser");
    owned
        .args(["-u", "postgres", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    // The owner may not read the folder we are in.
    owned.current_dir("/");
    owned
}

fn free_port() -> Result<u16> {
    let socket = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(socket.local_addr().context("no address")?.port())
}

/// Runs a command; its standard output, or why it failed.
fn text(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start {}", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            command.get_program().to_string_lossy(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpStream;

    #[test]
    fn a_server_of_our_own_comes_and_goes() {
        if programs().is_none() {
            if let Some(log) = std::env::var_os("DELIVR_SKIP_LOG") {
                let mut log = std::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(log)
                    .unwrap();
                log.write_all(b"SKIPPED: PostgreSQL: initdb and pg_ctl are not installed\n")
                    .unwrap();
            }
            return;
        }
        let server = Postgres::start().unwrap();
        let (port, data) = (server.port, server.data.clone());
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!data.exists());
    }
}
