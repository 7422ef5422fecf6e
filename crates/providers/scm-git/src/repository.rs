//! One remote repository and our bare mirror of it. The mirror is a cache: it may be deleted at any time.

use crate::address::{Access, Remote};
use crate::cache::{self, Trouble};
use crate::copying::Copying;
use crate::program::{Account, Git, Output};
use crate::version::Program;
use delivr_domain::names::Sha;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_provider_kit::{AddressPolicy, signature};
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
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
    /// One fetch at a time into the mirror, which may outlast the call that began it; pushes and look-ups need no turn.
    fetching: Mutex<Option<Copying>>,
    pace: Pace,
    told: Option<Account>,
}

/// How long a fetch is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// By one call, for its turn and then for the fetch: together far less than a call's total time, since a push may
    /// follow.
    pub(crate) patience: Duration,
    /// Until the caller looks again.
    pub(crate) again: Duration,
    /// Without any progress; then it is ended.
    pub(crate) stall: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(6),
            again: Duration::from_secs(10),
            stall: Duration::from_secs(60),
        }
    }
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
            fetching: Mutex::new(None),
            pace: Pace::default(),
            told: None,
        }
    }

    pub(crate) fn git(&self, operation: &'static str) -> Git<'_> {
        Git {
            program: &self.program,
            policy: &self.policy,
            remote: &self.remote,
            access: &self.access,
            operation,
            told: self.told.as_ref(),
        }
    }

    /// The same, whose talk with the server is told of.
    pub(crate) fn told_to(self, told: Option<Account>) -> Self {
        Self { told, ..self }
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

    /// Makes sure that the mirror has these commits as far as the server has them: where one is missing (or none is
    /// named), all branches and tags are fetched. Forced, so that moved refs follow. Whole
    /// (no `--filter`): a release's commit that a force push takes off every branch must still be there to be pushed,
    /// and a push needs its trees and files.
    ///
    /// A large repository takes longer than a call may. What is not finished goes on by itself; the caller is told when
    /// to come back, and finds it further or done. A fetch that was begun before a commit was known of may have read the
    /// refs too early; then there is one more.
    pub(crate) async fn fetch(&self, operation: &'static str, needed: &[&Sha]) -> Result<(), ProviderError> {
        let git = self.git(operation);
        let before = |error: ProviderError| error.certain(Certainty::NotDone);
        // Nobody asked for fewer requests, but it is the same to the caller: no failure, come back then.
        let later = |sentence: String| {
            let error = git.fail(ProviderErrorKind::Throttled, sentence);
            Err(before(error.retry_after(self.pace.again)))
        };
        let Ok(mut turn) = tokio::time::timeout(self.pace.patience, self.fetching.lock()).await else {
            return later(
                "others wait for the repository's copy; it is looked at again in a moment".to_owned(),
            );
        };
        // Before anything in it is believed: the folder must be ours.
        self.prepare(&git).await.map_err(before)?;
        if !needed.is_empty() && self.all(operation, needed).await? {
            return Ok(());
        }
        loop {
            let copying = match turn.as_mut() {
                Some(copying) => copying,
                None => {
                    let begun = self.begin(&git, needed).await.map_err(before)?;
                    turn.insert(begun)
                }
            };
            match copying.wait(self.pace.patience).await {
                Ok(Some(output)) => {
                    // Begun when these commits were known of: it says for good whether they are there.
                    let certain = copying.was_for(needed);
                    *turn = None;
                    if !output.ok() {
                        return Err(before(git.explain(&output)));
                    }
                    if certain || self.all(operation, needed).await? {
                        return Ok(());
                    }
                }
                Ok(None) if copying.still_for() < self.pace.stall => {
                    return later(format!(
                        "the repository is still being copied ({} MB so far); it is looked at again in a moment",
                        copying.size() / 1_000_000
                    ));
                }
                Ok(None) => {
                    *turn = None;
                    let sentence = format!(
                        "copying the repository made no progress for {} s; it is begun anew",
                        self.pace.stall.as_secs()
                    );
                    return Err(before(git.fail(ProviderErrorKind::Unavailable, sentence)));
                }
                Err(error) => {
                    *turn = None;
                    let mut failed = git.fail(ProviderErrorKind::Unavailable, "git broke off");
                    failed.source = Some(Box::new(error));
                    return Err(before(failed));
                }
            }
        }
    }

    async fn all(&self, operation: &'static str, needed: &[&Sha]) -> Result<bool, ProviderError> {
        for sha in needed {
            if !self.has(operation, sha).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn begin(&self, git: &Git<'_>, needed: &[&Sha]) -> Result<Copying, ProviderError> {
        let address = self.remote.argument();
        let arguments = [
            "fetch",
            "--progress",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
            &address,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        ];
        Ok(git.begin(&self.mirror, &arguments).await?.needing(needed))
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::Command;

    /// A server that keeps silent until it is released, and a connection with little patience.
    struct Bench {
        repository: Repository,
        sha: Sha,
        folder: tempfile::TempDir,
    }

    fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .current_dir(folder)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    impl Bench {
        fn silent(stall: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap();
            run(&root, "git", &["init", "--quiet", "--bare", "server.git"]);
            let server = root.join("server.git");
            let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"];
            let tree = run(&server, "git", &["mktree", "-z"]);
            let sha = run(
                &server,
                "git",
                &[&identity[..], &["commit-tree", "-m", "x", tree.as_str()][..]].concat(),
            );
            run(&server, "git", &["update-ref", "refs/heads/main", &sha]);
            // Whoever reads the refs waits until somebody writes.
            run(&server, "mkfifo", &["packed-refs"]);
            let policy = Arc::new(AddressPolicy::allowing_loopback());
            let url = format!("file://{}", server.display());
            let remote = Remote::parse(&policy, Some(&root), &url).unwrap();
            let program = Arc::new(Program::default());
            let mut repository =
                Repository::new((program, policy), remote, Access::Open, &root.join("cache"));
            repository.pace = Pace {
                patience: Duration::from_millis(100),
                again: Duration::from_secs(10),
                stall,
            };
            Self {
                repository,
                sha: sha.parse().unwrap(),
                folder,
            }
        }
        fn server(&self) -> PathBuf {
            self.folder.path().join("server.git/packed-refs")
        }
        /// The server answers from now on.
        fn release(&self) {
            // Open for both, so that this waits for nobody; whoever reads sees its end when it is closed.
            let gate = File::options()
                .read(true)
                .write(true)
                .open(self.server())
                .unwrap();
            std::fs::remove_file(self.server()).unwrap();
            drop(gate);
        }
        async fn process(&self) -> Option<u32> {
            self.repository
                .fetching
                .lock()
                .await
                .as_ref()
                .and_then(Copying::id)
        }
    }

    #[tokio::test]
    async fn a_fetch_outlasts_its_calls_and_costs_no_failure() {
        let bench = Bench::silent(Duration::from_secs(60));
        let error = bench.repository.fetch("test", &[&bench.sha]).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Throttled, "{error}");
        assert_eq!(error.certainty, Certainty::NotDone);
        assert_eq!(error.retry_after, Some(Duration::from_secs(10)));
        let begun = bench.process().await;
        assert!(begun.is_some());
        bench.repository.fetch("test", &[&bench.sha]).await.unwrap_err();
        assert_eq!(bench.process().await, begun, "it goes on, and is not begun anew");
        bench.release();
        for _ in 0..200 {
            match bench.repository.fetch("test", &[&bench.sha]).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind, ProviderErrorKind::Throttled, "{error}"),
            }
        }
        assert!(bench.repository.has("test", &bench.sha).await.unwrap());
        assert_eq!(bench.process().await, None);
    }

    #[tokio::test]
    async fn a_fetch_that_stands_still_is_ended() {
        let bench = Bench::silent(Duration::from_millis(300));
        for _ in 0..100 {
            let error = bench.repository.fetch("test", &[&bench.sha]).await.unwrap_err();
            if error.kind == ProviderErrorKind::Unavailable {
                assert!(error.sentence.contains("no progress"), "{error}");
                assert_eq!(bench.process().await, None);
                return;
            }
        }
        panic!("it is still waited for");
    }
}
