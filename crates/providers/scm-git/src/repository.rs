//! One remote repository and our bare mirror of it. The mirror is a cache: it may be deleted at any time.

use crate::address::{Access, Remote};
use crate::cache::{self, Trouble};
use crate::program::{Git, Output};
use crate::version::Program;
use delivr_domain::names::Sha;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_provider_kit::{AddressPolicy, signature};
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// How a push of one ref ended.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// It is as asked now (made, or it was so already).
    Done,
    /// The lease did not hold: somebody made or moved the ref.
    Stale,
}

/// A remote repository.
#[derive(Debug)]
pub(crate) struct Repository {
    program: Arc<Program>,
    policy: Arc<AddressPolicy>,
    remote: Remote,
    access: Access,
    cache: PathBuf,
    mirror: PathBuf,
    /// One fetch at a time into the mirror; pushes and look-ups need no turn.
    fetching: Mutex<()>,
}

impl Repository {
    pub(crate) fn new(
        (program, policy): (Arc<Program>, Arc<AddressPolicy>),
        remote: Remote,
        access: Access,
        cache: &Path,
    ) -> Self {
        // Different credentials must not see each other's objects through the cache.
        let mut identity = remote.argument();
        identity.push('\0');
        identity.push_str(&access.fingerprint());
        let hash = signature::hex(digest(&SHA256, identity.as_bytes()).as_ref());
        let name = hash.get(..32).unwrap_or(&hash);
        Self {
            program,
            policy,
            remote,
            access,
            cache: cache.to_owned(),
            mirror: cache.join("git").join(format!("{name}.git")),
            fetching: Mutex::new(()),
        }
    }

    pub(crate) fn git(&self, operation: &'static str) -> Git<'_> {
        Git {
            program: &self.program,
            policy: &self.policy,
            remote: &self.remote,
            access: &self.access,
            operation,
        }
    }

    pub(crate) fn name(&self) -> String {
        self.remote.argument()
    }

    /// Refs and what they name, as the server says now. An annotated tag has a second line, ending with `^{}`.
    pub(crate) async fn refs(
        &self,
        operation: &'static str,
        patterns: &[&str],
    ) -> Result<BTreeMap<String, Sha>, ProviderError> {
        let git = self.git(operation);
        let address = self.remote.argument();
        let mut arguments = vec!["ls-remote", "--quiet", "--", &address];
        arguments.extend_from_slice(patterns);
        let output = git.remote(None, &arguments).await?;
        if !output.ok() {
            // Nothing was asked to change.
            return Err(git.explain(&output).certain(Certainty::NotDone));
        }
        let mut refs = BTreeMap::new();
        for line in output.stdout.lines() {
            if let Some((sha, name)) = line.split_once('\t')
                && let Ok(sha) = sha.parse()
            {
                refs.insert(name.to_owned(), sha);
            }
        }
        Ok(refs)
    }

    /// Fetches all branches and tags into the mirror and says where it is. Forced, so that moved refs follow. Whole
    /// (no `--filter`): a release's commit that a force push takes off every branch must still be there to be pushed,
    /// and a push needs its trees and files.
    pub(crate) async fn fetch(&self, operation: &'static str) -> Result<&Path, ProviderError> {
        let _turn = self.fetching.lock().await;
        let git = self.git(operation);
        let before = |error: ProviderError| error.certain(Certainty::NotDone);
        self.prepare(&git).await.map_err(before)?;
        let address = self.remote.argument();
        let output = git
            .remote(
                Some(&self.mirror),
                &[
                    "fetch",
                    "--quiet",
                    "--prune",
                    "--no-tags",
                    "--no-write-fetch-head",
                    "--no-auto-maintenance",
                    "--",
                    &address,
                    "+refs/heads/*:refs/heads/*",
                    "+refs/tags/*:refs/tags/*",
                ],
            )
            .await
            .map_err(before)?;
        if output.ok() {
            Ok(&self.mirror)
        } else {
            Err(before(git.explain(&output)))
        }
    }

    /// Makes the mirror where it is missing, and tidies it. Repeating it does no harm, also by two processes at once.
    async fn prepare(&self, git: &Git<'_>) -> Result<(), ProviderError> {
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            let mut failed = git.fail(
                ProviderErrorKind::Unavailable,
                "the cache folder for git cannot be written",
            );
            failed.source = Some(error);
            failed
        };
        let (cache, mirror) = (self.cache.clone(), self.mirror.clone());
        let prepared = tokio::task::spawn_blocking(move || cache::prepare(&cache, &mirror)).await;
        match prepared.map_err(|error| broken(error.into()))? {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Trouble::Io(error)) => return Err(broken(error.into())),
            Err(Trouble::NotOurs) => {
                return Err(git.fail(
                    ProviderErrorKind::Misconfigured,
                    "another account owns the cache folder for git or can write to it; the operator must set \
                     DELIVR_CACHE_DIR to a folder that only Delivr's account can write to",
                ));
            }
        }
        let path = self.mirror.display().to_string();
        let made = git
            .local(
                None,
                &["init", "--quiet", "--bare", "--template=", "--", &path],
                None,
            )
            .await?;
        if made.ok() {
            Ok(())
        } else {
            Err(git.explain(&made))
        }
    }

    /// A command on the mirror.
    pub(crate) async fn local(
        &self,
        operation: &'static str,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Result<Output, ProviderError> {
        let output = self
            .git(operation)
            .local(Some(&self.mirror), arguments, input)
            .await;
        output.map_err(|error| error.certain(Certainty::NotDone))
    }

    /// Whether the mirror holds the commit.
    pub(crate) async fn has(&self, operation: &'static str, sha: &Sha) -> Result<bool, ProviderError> {
        let name = format!("{sha}^{{commit}}");
        Ok(self
            .local(operation, &["cat-file", "-e", &name], None)
            .await?
            .ok())
    }

    /// Whether `ancestor` is reachable from `head`; both must be in the mirror.
    pub(crate) async fn reaches(
        &self,
        operation: &'static str,
        ancestor: &Sha,
        head: &Sha,
    ) -> Result<bool, ProviderError> {
        let arguments = ["merge-base", "--is-ancestor", ancestor.as_str(), head.as_str()];
        let output = self.local(operation, &arguments, None).await?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.git(operation).explain(&output).certain(Certainty::NotDone)),
        }
    }

    /// Pushes one ref: to this object (none deletes it), provided that it still is what `lease` says (empty: does not
    /// exist).
    pub(crate) async fn push(
        &self,
        operation: &'static str,
        name: &str,
        object: Option<&str>,
        lease: &str,
    ) -> Result<Pushed, ProviderError> {
        let git = self.git(operation);
        let address = self.remote.argument();
        let lease = format!("--force-with-lease={name}:{lease}");
        let refspec = format!("{}:{name}", object.unwrap_or_default());
        let arguments = [
            "push",
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            &lease,
            "--",
            &address,
            &refspec,
        ];
        let output = git.remote(Some(&self.mirror), &arguments).await?;
        // One line per ref: flag, tab, from:to, tab, summary.
        let line = output.stdout.lines().find(|line| {
            let mut words = line.split('\t').skip(1);
            words
                .next()
                .is_some_and(|pair| pair.ends_with(&format!(":{name}")))
        });
        match line.and_then(|line| line.chars().next()) {
            Some('*' | '=' | '-' | ' ' | '+') if output.ok() => Ok(Pushed::Done),
            Some('!') if line.is_some_and(is_stale) => Ok(Pushed::Stale),
            Some('!') => {
                let words = Output {
                    code: output.code,
                    stdout: String::new(),
                    stderr: format!(
                        "{} {}",
                        line.unwrap_or_default().replace('\t', " "),
                        output.stderr
                    ),
                };
                Err(git.explain(&words))
            }
            _ => Err(git.explain(&output)),
        }
    }
}

/// The lease did not hold here, or the server saw another value when it came to the ref (two pushes at once).
fn is_stale(line: &str) -> bool {
    [
        "stale info",
        "already exists",
        "failed to update ref",
        "cannot lock ref",
        "incorrect old value",
        "fetch first",
    ]
    .iter()
    .any(|text| line.contains(text))
}

impl Access {
    fn fingerprint(&self) -> String {
        use secrecy::ExposeSecret as _;
        match self {
            Self::Open => String::new(),
            Self::Password(user, password) => {
                format!("{}\0{}", user.expose_secret(), password.expose_secret())
            }
            Self::Key(key, _) => key.expose_secret().to_owned(),
        }
    }
}
