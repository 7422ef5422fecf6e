//! Running `git`: a cleaned environment, one allowed protocol, no hooks, no prompts, a total time, bounded output, and
//! secrets only in environment variables or files that nobody else can read.

use crate::KEY;
use crate::address::{ALIAS, Access, Remote};
use crate::copying::Copying;
use crate::version::Program;
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_provider_kit::address::refusal_in;
use delivr_provider_kit::{AddressPolicy, Redactor, Teller};
use secrecy::{ExposeSecret, SecretString};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Longest time of one command that talks to the server; a third of the 60 s lease. A fetch is bounded by its progress
/// instead, see [`Copying`].
const NETWORK: Duration = Duration::from_secs(20);
/// Most output that is read.
const MOST_OUTPUT: u64 = 32 * 1024 * 1024;
/// Reads the two variables; git asks it instead of a person, and stores nothing.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$DELIVR_GIT_USER\" \"$DELIVR_GIT_PASSWORD\"; }; f";

/// What a command said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn ok(&self) -> bool {
        self.code == Some(0)
    }
}

/// How git is run for one repository.
#[derive(Debug)]
pub(crate) struct Git<'a> {
    pub(crate) program: &'a Program,
    pub(crate) policy: &'a AddressPolicy,
    pub(crate) remote: &'a Remote,
    pub(crate) access: &'a Access,
    pub(crate) operation: &'static str,
    /// Who is told how it goes with the server, and by which time.
    pub(crate) told: Option<&'a Account>,
}

/// Who keeps the account of an integration, and the time by which it is kept.
pub(crate) struct Account {
    pub(crate) teller: Teller,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account")
    }
}

impl Git<'_> {
    pub(crate) fn fail(&self, kind: ProviderErrorKind, sentence: impl Into<String>) -> ProviderError {
        ProviderError::new(KEY, self.operation, kind, sentence)
    }

    /// A command that stays on this machine.
    pub(crate) async fn local(
        &self,
        folder: Option<&Path>,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Result<Output, ProviderError> {
        let mut command = base(self.program, folder);
        command.args(["-c", "protocol.allow=never"]).args(arguments);
        self.run(command, input).await
    }

    /// A command that talks to the server.
    pub(crate) async fn remote(
        &self,
        folder: Option<&Path>,
        arguments: &[&str],
    ) -> Result<Output, ProviderError> {
        // What it needs in files is held until it has ended, and removed then.
        let (mut command, _files) = self.calling(folder).await?;
        command.args(arguments);
        let ran = self.run(command, None).await;
        if let Some(Account { teller, clock }) = self.told {
            match &ran {
                // Without a word it has nothing to complain of: it has not found what it was asked for.
                Ok(output) if output.ok() || output.stderr.trim().is_empty() => {
                    teller.answered(self.operation, clock.now());
                }
                Ok(output) => teller.refused(self.operation, clock.now(), &self.explain(output)),
                Err(error) => teller.failed(self.operation, clock.now(), error),
            }
        }
        ran
    }

    /// A command that talks to the server and goes on when its caller has to leave: the fetch of a large repository
    /// takes longer than any call may.
    pub(crate) async fn begin(&self, folder: &Path, arguments: &[&str]) -> Result<Copying, ProviderError> {
        let (mut command, files) = self.calling(Some(folder)).await?;
        command.args(arguments);
        Copying::start(command, files, folder)
            .map_err(|error| self.broken("git cannot be started; it must be installed beside Delivr", error))
    }

    /// A command for the server, and the files it reads. The address is checked and pinned for this one command.
    async fn calling(&self, folder: Option<&Path>) -> Result<(Command, Option<TempDir>), ProviderError> {
        if !self.remote.is_inside() {
            return Err(self.fail(
                ProviderErrorKind::Refused,
                "the folder no longer lies below DELIVR_GIT_FILE_ROOT",
            ));
        }
        let mut command = base(self.program, folder);
        let protocol = self.remote.protocol();
        let allow = format!("protocol.{protocol}.allow=always");
        command.args(["-c", "protocol.allow=never", "-c", &allow]);
        let mut files: Option<TempDir> = None;
        match self.remote {
            Remote::Web(url) => {
                self.recent().await?;
                let host = url.host_str().unwrap_or_default();
                let port = url.port_or_known_default().unwrap_or(443);
                let address = self.checked(host, port).await?;
                if url.domain().is_some() {
                    let shown = if address.contains(':') {
                        format!("[{address}]")
                    } else {
                        address
                    };
                    command.args(["-c", &format!("http.curloptResolve={host}:{port}:{shown}")]);
                }
                command.args([
                    "-c",
                    "http.followRedirects=false",
                    "-c",
                    "http.proxy=",
                    "-c",
                    "credential.helper=",
                ]);
                // A dead connection is noticed before the total time is over.
                command.args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=15"]);
                if let Access::Password(user, password) = self.access {
                    command.args(["-c", &format!("credential.helper={HELPER}")]);
                    command.env("DELIVR_GIT_USER", user.expose_secret());
                    command.env("DELIVR_GIT_PASSWORD", password.expose_secret());
                }
            }
            Remote::Ssh { host, port, .. } => {
                let address = self.checked(host, *port).await?;
                if let Access::Key(key, known) = self.access {
                    let folder = self.key_files(key, known)?;
                    command.env("GIT_SSH_COMMAND", ssh_command(folder.path(), &address));
                    command.env("GIT_SSH_VARIANT", "ssh");
                    files = Some(folder);
                }
            }
            // The owner of a repository on this machine may be another account; the operator allowed its root. Only a
            // file says so to the receiving side: settings of the command line stay on this one.
            Remote::Folder { path, .. } => {
                let folder = self.owner_file(path)?;
                command.env("GIT_CONFIG_GLOBAL", folder.path().join("config"));
                files = Some(folder);
            }
        }
        Ok((command, files))
    }

    async fn checked(&self, host: &str, port: u16) -> Result<String, ProviderError> {
        match self.policy.resolve(host, port).await {
            Ok(found) => found.first().map(|it| it.ip().to_string()).ok_or_else(|| {
                self.fail(ProviderErrorKind::Unavailable, "the server's name has no address")
                    .certain(Certainty::NotDone)
            }),
            Err(error) => Err(match refusal_in(&error) {
                Some(refusal) => self.fail(ProviderErrorKind::Refused, refusal.to_string()),
                None => self
                    .fail(
                        ProviderErrorKind::Unavailable,
                        format!("{host} cannot be resolved"),
                    )
                    .certain(Certainty::NotDone),
            }),
        }
    }

    fn key_files(&self, key: &SecretString, known: &str) -> Result<TempDir, ProviderError> {
        let write = || -> std::io::Result<TempDir> {
            // Folders made this way are for our account alone.
            let folder = tempfile::Builder::new().prefix("delivr-git-").tempdir()?;
            let mut file = private_file(&folder.path().join("key"))?;
            file.write_all(key.expose_secret().trim_end().as_bytes())?;
            // ssh refuses a key without its last line's end.
            file.write_all(b"\n")?;
            private_file(&folder.path().join("known_hosts"))?.write_all(known.as_bytes())?;
            Ok(folder)
        };
        write().map_err(|error| self.broken("the ssh key cannot be handed to git", error))
    }

    fn owner_file(&self, path: &Path) -> Result<TempDir, ProviderError> {
        let write = || -> std::io::Result<TempDir> {
            let folder = tempfile::Builder::new().prefix("delivr-git-").tempdir()?;
            let path = path
                .display()
                .to_string()
                .replace('\\', "\\\\")
                .replace('"', "\\\"");
            let text = format!("[safe]\n\tdirectory = \"{path}\"\n\tdirectory = \"{path}/.git\"\n");
            private_file(&folder.path().join("config"))?.write_all(text.as_bytes())?;
            Ok(folder)
        };
        write().map_err(|error| self.broken("git's settings cannot be written", error))
    }

    fn broken(&self, sentence: &str, error: std::io::Error) -> ProviderError {
        let mut failed = self
            .fail(ProviderErrorKind::Unavailable, sentence)
            .certain(Certainty::NotDone);
        failed.source = Some(Box::new(error));
        failed
    }

    pub(crate) async fn run(
        &self,
        mut command: Command,
        input: Option<&str>,
    ) -> Result<Output, ProviderError> {
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // git starts helpers (ssh, remote-https): its own group lets all of them be ended together.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| {
            self.broken("git cannot be started; it must be installed beside Delivr", error)
        })?;
        let group = Group(child.id());
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let work = async {
            let feed = async {
                if let (Some(mut stdin), Some(input)) = (stdin, input) {
                    use tokio::io::AsyncWriteExt as _;
                    stdin.write_all(input.as_bytes()).await?;
                }
                Ok::<_, std::io::Error>(())
            };
            let (fed, stdout, stderr) = tokio::join!(feed, take(out), take(err));
            fed?;
            Ok::<_, std::io::Error>((child.wait().await?, stdout?, stderr?))
        };
        let ended = tokio::time::timeout(NETWORK, work).await;
        let (status, stdout, stderr) = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => {
                drop(group);
                let mut failed = self.fail(ProviderErrorKind::Unavailable, "git broke off");
                failed.source = Some(Box::new(error));
                return Err(failed);
            }
            Err(_elapsed) => {
                drop(group);
                let sentence = format!("the repository did not answer within {} s", NETWORK.as_secs());
                return Err(self.fail(ProviderErrorKind::Unavailable, sentence));
            }
        };
        group.ended();
        tracing::debug!(operation = self.operation, code = status.code(), "git ended");
        Ok(Output {
            code: status.code(),
            stdout,
            stderr,
        })
    }

    /// The error that git's words stand for; of a write it is unknown unless the words are sure.
    pub(crate) fn explain(&self, output: &Output) -> ProviderError {
        let words = output.stderr.to_ascii_lowercase();
        let says = |list: &[&str]| list.iter().any(|text| words.contains(text));
        let (kind, certainty, sentence) = if says(&[
            "authentication failed",
            "could not read username",
            "could not read password",
            "permission denied (",
            "invalid credentials",
            "error: 401",
        ]) {
            (
                ProviderErrorKind::Unauthenticated,
                Certainty::NotDone,
                "the server does not accept the credential; set a valid one in the integration",
            )
        } else if says(&["host key verification failed", "no matching host key"]) {
            (
                ProviderErrorKind::Refused,
                Certainty::NotDone,
                "the server's ssh host key is none of the configured ones; compare and correct them",
            )
        } else if says(&[
            "pre-receive hook declined",
            "protected branch",
            "gh006",
            "not allowed to",
            "error: 403",
            "insufficient permission",
            "write access",
            "read only",
            "access denied",
            "permission denied",
        ]) {
            (
                ProviderErrorKind::Forbidden,
                Certainty::NotDone,
                "the server refuses this change; grant push rights or relax its hook or branch protection",
            )
        } else if says(&[
            "not found",
            "does not appear to be a git repository",
            "does not exist",
        ]) {
            (
                ProviderErrorKind::NotFound,
                Certainty::NotDone,
                "the repository does not exist or is not visible to this credential",
            )
        } else if says(&[
            "could not resolve host",
            "connection refused",
            "failed to connect",
            "could not connect",
        ]) {
            (
                ProviderErrorKind::Unavailable,
                Certainty::NotDone,
                "the server cannot be reached; it is tried again later",
            )
        } else if says(&["unable to update url base from redirection", "redirect"]) {
            (
                ProviderErrorKind::Refused,
                Certainty::NotDone,
                "the server redirects to another address, which is never followed; correct the URL",
            )
        } else if says(&["error: 429", "too many requests"]) {
            (
                ProviderErrorKind::Throttled,
                Certainty::NotDone,
                "the server asks for fewer requests; it is tried again later",
            )
        } else {
            (
                ProviderErrorKind::Unavailable,
                Certainty::Unknown,
                "git failed; it is tried again later",
            )
        };
        let error = self.fail(kind, sentence).certain(certainty);
        let said = self.redactor().clean(&output.stderr);
        if said.is_empty() {
            error
        } else {
            error.vendor(said)
        }
    }

    fn redactor(&self) -> Redactor {
        match self.access {
            Access::Open => Redactor::default(),
            Access::Password(user, password) => Redactor::new([user.clone(), password.clone()]),
            Access::Key(key, _) => Redactor::new([key.clone()]),
        }
    }
}

/// The program with nothing of our surroundings that could change what it does.
pub(crate) fn base(program: &Program, folder: Option<&Path>) -> Command {
    let mut command = Command::new(program.path());
    command.env_clear();
    for name in ["PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SystemRoot"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs([
        ("LC_ALL", "C"),
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", ""),
        ("SSH_ASKPASS", ""),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
    ]);
    if let Some(folder) = folder {
        command.arg("--git-dir").arg(folder);
    }
    command.args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "gc.auto=0",
        "-c",
        "core.fsmonitor=false",
    ]);
    command.args([
        "-c",
        "core.askPass=",
        "-c",
        "submodule.recurse=false",
        "-c",
        "push.gpgSign=false",
    ]);
    command
}

fn ssh_command(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    // The address is ours (checked), the folder's name too: neither holds anything a shell would read.
    format!(
        "ssh -F /dev/null -i '{folder}/key' -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
         -o StrictHostKeyChecking=yes -o UserKnownHostsFile='{folder}/known_hosts' -o GlobalKnownHostsFile=/dev/null \
         -o HostKeyAlias={ALIAS} -o HostName={address} -o CheckHostIP=no -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=2 -o ProxyCommand=none \
         -o ForwardAgent=no -o PermitLocalCommand=no"
    )
}

fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn take(from: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(MOST_OUTPUT).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 >= MOST_OUTPUT {
        return Err(std::io::Error::other("the output is too large"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Ends a command's whole group when its time is over or its caller gives up.
#[derive(Debug)]
pub(crate) struct Group(pub(crate) Option<u32>);

impl Group {
    /// The command has ended by itself.
    pub(crate) fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // The standard library cannot signal a group, and unsafe code is not allowed here.
            let _best_effort = std::process::Command::new("kill")
                .args(["-KILL", "--", &format!("-{id}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
    }
}
