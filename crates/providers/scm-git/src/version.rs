//! Which `git` is run, and whether it is new enough for addresses of the web.

use crate::program::{Git, base};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// The oldest git that a web address is given to. `http.curloptResolve`, which pins the connection to the address that
/// was checked, is known since 2.37; an older git ignores it and asks the name server again, which may answer with an
/// address inside our network this time. 2.38 is what this crate asks for everywhere.
const NEEDED: (u32, u32) = (2, 38);
/// What the operator must do about an older one.
const TOO_OLD: &str = "git 2.38 or newer is needed for http(s) repositories";

/// The program, one for all repositories of a process.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    /// Set once the program has said that it is new enough.
    recent: OnceCell<()>,
}

impl Default for Program {
    fn default() -> Self {
        Self::at("git")
    }
}

impl Program {
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            recent: OnceCell::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Git<'_> {
    /// Proves once that git keeps to the address it is given.
    pub(crate) async fn recent(&self) -> Result<(), ProviderError> {
        let ask = || async {
            let mut command = base(self.program, None);
            command.arg("--version");
            let output = self.run(command, None).await;
            let output = output.map_err(|error| error.certain(Certainty::NotDone))?;
            if output.ok() && is_recent(&output.stdout) {
                return Ok(());
            }
            Err(self
                .fail(ProviderErrorKind::Misconfigured, TOO_OLD)
                .certain(Certainty::NotDone))
        };
        // Only a yes is kept: a newer git may be installed while we run.
        self.program.recent.get_or_try_init(ask).await.copied()
    }
}

/// Whether what `git --version` says is a version that pins connections; what cannot be read is none.
fn is_recent(said: &str) -> bool {
    let read = || {
        let mut numbers = said.trim().strip_prefix("git version ")?.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    read().is_some_and(|version: (u32, u32)| version >= NEEDED)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use crate::address::{Access, Remote};
    #[cfg(unix)]
    use delivr_provider_kit::AddressPolicy;

    #[test]
    fn versions_are_read_strictly() {
        for said in [
            "git version 2.38.0\n",
            "git version 2.39.5 (Apple Git-154)",
            "git version 2.45.1.windows.1",
            "git version 2.100.0",
            "git version 3.0.0",
        ] {
            assert!(is_recent(said), "{said}");
        }
        for said in [
            "git version 2.37.7",
            "git version 2.9.5",
            "git version 1.99.0",
            "git version 2",
            "git version two.fifty",
            "2.47.3",
            "",
        ] {
            assert!(!is_recent(said), "{said}");
        }
    }

    #[cfg(unix)]
    /// A program that writes down how it is called and says that it is the version.
    fn fake(folder: &Path, version: &str) -> Program {
        let path = folder.join("git");
        let text = format!("#!/bin/sh\necho \"$*\" >> \"$0.calls\"\necho 'git version {version}'\n");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Program::at(path)
    }

    #[cfg(unix)]
    /// How often it was asked for its version, and how often for anything else.
    fn calls(folder: &Path) -> (usize, usize) {
        let text = std::fs::read_to_string(folder.join("git.calls")).unwrap_or_default();
        let versions = text.lines().filter(|line| line.ends_with("--version")).count();
        (versions, text.lines().count() - versions)
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_git_that_ignores_the_checked_address_gets_no_web_address() {
        let policy = AddressPolicy::allowing_loopback();
        let web = Remote::Web("https://localhost:1/a.git".parse().unwrap());
        for (version, calls_made) in [
            ("2.36.6", (2, 0)),
            ("2.37.1", (2, 0)),
            ("?", (2, 0)),
            ("2.38.0", (1, 2)),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let program = fake(folder.path(), version);
            let git = Git {
                program: &program,
                policy: &policy,
                remote: &web,
                access: &Access::Open,
                operation: "test",
                told: None,
            };
            for _ in 0..2 {
                let outcome = git.remote(None, &["ls-remote"]).await;
                if calls_made.1 > 0 {
                    assert!(outcome.unwrap().ok());
                } else {
                    let error = outcome.unwrap_err();
                    assert_eq!(
                        (error.kind, error.certainty, error.sentence.as_str()),
                        (ProviderErrorKind::Misconfigured, Certainty::NotDone, TOO_OLD)
                    );
                }
            }
            assert_eq!(calls(folder.path()), calls_made, "{version}");
        }
    }
}
