//! The adapter against real repositories: one ref per key whatever happens, counted by the server's own hook.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use delivr_domain::effect::ScmWrite;
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials};
use delivr_domain::ports::vendor::{Lookup, Scm};
use delivr_provider_kit::Deps;
use delivr_scm_git::descriptor;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server repository with a journal of every ref change it made, and a clone of a developer.
struct Bench {
    folder: tempfile::TempDir,
    scm: Arc<dyn Scm>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init", "--quiet", "--bare", "server.git"]);
        let hook = root.join("server.git/hooks/post-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, "#!/bin/sh\ncat >> journal\n").unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        git(root, &["clone", "--quiet", "server.git", "dev"]);
        let bench = Self {
            scm: connect(root, &address(root, "server.git")).unwrap(),
            folder,
        };
        bench.commit("feat: First");
        bench
    }
    fn dev(&self) -> PathBuf {
        self.folder.path().join("dev")
    }
    fn server(&self) -> PathBuf {
        self.folder.path().join("server.git")
    }
    /// A commit on main, pushed.
    fn commit(&self, message: &str) -> Sha {
        git(
            &self.dev(),
            &["commit", "--quiet", "--allow-empty", "-m", message],
        );
        git(
            &self.dev(),
            &["push", "--quiet", "origin", "HEAD:refs/heads/main"],
        );
        self.sha("main")
    }
    fn sha(&self, name: &str) -> Sha {
        git(&self.server(), &["rev-parse", &format!("{name}^{{commit}}")])
            .parse()
            .unwrap()
    }
    /// How often the server changed the ref.
    fn changes(&self, name: &str) -> usize {
        let journal = std::fs::read_to_string(self.server().join("journal")).unwrap_or_default();
        journal
            .lines()
            .filter(|line| line.ends_with(&format!(" {name}")))
            .count()
    }
}

fn address(root: &Path, name: &str) -> String {
    format!("file://{}", root.join(name).display())
}

fn connect(root: &Path, url: &str) -> Result<Arc<dyn Scm>, ConfigError> {
    let deps = Deps::for_tests(root.to_owned()).unwrap();
    let config = json!({"url": url, "browseUrlTemplate": "https://git.example.com/tree/{ref}"});
    match (descriptor(&deps).connect)(&config, &Credentials::default())? {
        Connection::Scm(it) => Ok(it),
        other => panic!("{other:?}"),
    }
}

fn key() -> EffectKey {
    let id = uuid::Uuid::from_u128(7);
    serde_json::from_value(json!({
        "install": id, "owner": {"kind": "RELEASE", "id": id}, "task": "FORK_BRANCH/-/-", "generation": 0, "step": 0,
    }))
    .unwrap()
}

fn name(text: &str) -> RefName {
    text.parse().unwrap()
}

fn branch(text: &str, sha: &Sha) -> ScmWrite {
    ScmWrite::CreateBranch {
        name: name(text),
        sha: sha.clone(),
    }
}

fn tag(text: &str, sha: &Sha) -> ScmWrite {
    ScmWrite::CreateTag {
        name: name(text),
        sha: sha.clone(),
        message: "Version 1\n\n- notes".to_owned(),
    }
}

async fn found(scm: &Arc<dyn Scm>, write: &ScmWrite) -> usize {
    match scm.find(&key(), write).await.unwrap() {
        Lookup::Found(list) => list.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_branch_is_made_once_and_stays_ours_when_people_add_to_it() {
    let bench = Bench::new();
    let sha = bench.sha("main");
    let write = branch("release/1.0.0", &sha);
    assert_eq!(found(&bench.scm, &write).await, 0);
    let made = bench.scm.create(&key(), &write).await.unwrap();
    assert_eq!(
        made.url.as_deref(),
        Some("https://git.example.com/tree/release/1.0.0")
    );
    // The answer was lost and the attempt repeated.
    assert_eq!(bench.scm.create(&key(), &write).await.unwrap(), made);
    assert_eq!(found(&bench.scm, &write).await, 1);
    assert_eq!(bench.changes("refs/heads/release/1.0.0"), 1);
    bench.commit("fix: On main");
    git(
        &bench.dev(),
        &["push", "--quiet", "origin", "HEAD:refs/heads/release/1.0.0"],
    );
    assert_eq!(found(&bench.scm, &write).await, 1, "a descendant is ours");
    assert!(bench.scm.create(&key(), &write).await.is_ok());
    assert_eq!(
        bench.changes("refs/heads/release/1.0.0"),
        2,
        "one of ours, one of the developer's"
    );
}

#[tokio::test]
async fn refs_of_others_are_foreign_and_never_moved() {
    let bench = Bench::new();
    let first = bench.sha("main");
    let second = bench.commit("feat: Second");
    git(
        &bench.dev(),
        &[
            "push",
            "--quiet",
            "origin",
            &format!("{first}:refs/heads/release/1"),
        ],
    );
    git(
        &bench.dev(),
        &["push", "--quiet", "origin", &format!("{first}:refs/tags/v1")],
    );
    for write in [branch("release/1", &second), tag("v1", &second)] {
        assert!(
            matches!(bench.scm.find(&key(), &write).await.unwrap(), Lookup::Foreign(_)),
            "{write:?}"
        );
        let error = bench.scm.create(&key(), &write).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Conflict, Certainty::NotDone),
            "{error}"
        );
    }
    assert_eq!(bench.sha("refs/heads/release/1"), first);
    assert_eq!(bench.sha("refs/tags/v1"), first);
    // A tag on an ancestor or descendant is foreign too.
    assert!(matches!(
        bench.scm.find(&key(), &tag("v1", &second)).await.unwrap(),
        Lookup::Foreign(_)
    ));
    assert_eq!(
        found(&bench.scm, &tag("v1", &first)).await,
        1,
        "a plain tag of the commit is accepted"
    );
}

#[tokio::test]
async fn a_tag_has_the_same_bytes_on_every_attempt() {
    let bench = Bench::new();
    let sha = bench.sha("main");
    let write = tag("v1.0.0-rc.1", &sha);
    bench.scm.create(&key(), &write).await.unwrap();
    let object = git(&bench.server(), &["rev-parse", "refs/tags/v1.0.0-rc.1"]);
    assert_eq!(git(&bench.server(), &["cat-file", "-t", &object]), "tag");
    bench.scm.create(&key(), &write).await.unwrap();
    // Another process with an empty cache, after the tag was lost with a restored server.
    git(&bench.server(), &["update-ref", "-d", "refs/tags/v1.0.0-rc.1"]);
    std::fs::remove_dir_all(bench.folder.path().join("cache")).unwrap();
    let other = connect(bench.folder.path(), &address(bench.folder.path(), "server.git")).unwrap();
    other.create(&key(), &write).await.unwrap();
    assert_eq!(
        git(&bench.server(), &["rev-parse", "refs/tags/v1.0.0-rc.1"]),
        object
    );
    assert_eq!(found(&bench.scm, &write).await, 1);
    assert!(git(&bench.server(), &["cat-file", "-p", &object]).contains(&key().short()));
}

#[tokio::test]
async fn two_workers_make_one_ref() {
    let bench = Bench::new();
    let sha = bench.sha("main");
    for round in 0..3 {
        let (head, label) = (format!("release/{round}"), format!("v{round}"));
        let root = bench.folder.path();
        let one = connect(root, &address(root, "server.git")).unwrap();
        let two = connect(root, &address(root, "server.git")).unwrap();
        for (write, full) in [
            (branch(&head, &sha), format!("refs/heads/{head}")),
            (tag(&label, &sha), format!("refs/tags/{label}")),
        ] {
            let key = key();
            let (first, second) = tokio::join!(one.create(&key, &write), two.create(&key, &write));
            for outcome in [&first, &second] {
                // The loser may be told to come back, never that it is done otherwise.
                if let Err(error) = outcome {
                    assert_eq!(
                        error.kind,
                        ProviderErrorKind::Unavailable,
                        "{error} {:?}",
                        error.vendor
                    );
                }
            }
            assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
            assert_eq!(bench.changes(&full), 1, "{full}");
        }
    }
}

#[tokio::test]
async fn a_branch_is_deleted_and_stays_deleted() {
    let bench = Bench::new();
    let sha = bench.sha("main");
    bench.scm.create(&key(), &branch("old", &sha)).await.unwrap();
    let write = ScmWrite::DeleteBranch { name: name("old") };
    assert_eq!(found(&bench.scm, &write).await, 0);
    bench.scm.create(&key(), &write).await.unwrap();
    bench.scm.create(&key(), &write).await.unwrap();
    assert_eq!(found(&bench.scm, &write).await, 1);
    assert_eq!(bench.changes("refs/heads/old"), 2);
}

#[tokio::test]
async fn commits_and_notes_between_refs() {
    let bench = Bench::new();
    let first = bench.sha("main");
    bench.scm.create(&key(), &tag("v1", &first)).await.unwrap();
    bench.commit("feat(cart): Gift cards");
    bench.commit("fix: Crash\n\nlong text");
    let commits = bench.scm.compare(Some(&name("v1")), &name("main")).await.unwrap();
    let subjects: Vec<_> = commits.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, ["fix: Crash", "feat(cart): Gift cards"]);
    assert_eq!(commits[0].sha, bench.sha("main"));
    assert_eq!(bench.scm.compare(None, &name("main")).await.unwrap().len(), 3);
    let notes = bench
        .scm
        .release_notes(Some(&name("v1")), &name("main"))
        .await
        .unwrap();
    assert!(
        notes.starts_with("## Features\n\n- cart: Gift cards ("),
        "{notes}"
    );
    assert_eq!(bench.scm.resolve(&name("v1")).await.unwrap(), Some(first));
    assert_eq!(bench.scm.resolve(&name("nothing")).await.unwrap(), None);
    assert_eq!(bench.scm.branches().await.unwrap(), ["main"]);
    let error = bench
        .scm
        .compare(Some(&name("nothing")), &name("main"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    assert!(bench.scm.verify().await.unwrap().passed());
    assert!(!bench.scm.publishes_releases() && !bench.scm.has_pull_requests());
}

#[tokio::test]
async fn names_are_names_whatever_they_look_like() {
    let bench = Bench::new();
    let sha = bench.sha("main");
    for text in [
        "a;touch${IFS}x",
        "$(id)",
        "x'y\"z",
        "é/ü",
        "refs/heads/main",
        "HEAD",
        "a--upload-pack=x",
        "v1|v2",
        "+x",
        "#1",
    ] {
        for write in [branch(text, &sha), tag(text, &sha)] {
            bench
                .scm
                .create(&key(), &write)
                .await
                .unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.vendor));
            assert_eq!(found(&bench.scm, &write).await, 1, "{text}");
        }
    }
    assert_eq!(bench.sha("refs/heads/main"), sha);
    assert!("--delete".parse::<RefName>().is_err());
    let pull = ScmWrite::OpenPullRequest {
        head: name("a"),
        base: name("b"),
        title: String::new(),
        body: String::new(),
    };
    assert_eq!(
        bench.scm.create(&key(), &pull).await.unwrap_err().kind,
        ProviderErrorKind::Unsupported
    );
}

#[tokio::test]
async fn what_cannot_be_named_or_is_declined_is_said() {
    let bench = Bench::new();
    let unknown: Sha = "b".repeat(40).parse().unwrap();
    let error = bench
        .scm
        .create(&key(), &branch("release/2", &unknown))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::NotFound, Certainty::NotDone)
    );
    let hook = bench.server().join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho frozen >&2\nexit 1\n").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = bench
        .scm
        .create(&key(), &branch("release/2", &bench.sha("main")))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Forbidden, Certainty::NotDone),
        "{error:?}"
    );
    assert!(error.vendor.unwrap().contains("frozen"));
    assert_eq!(bench.changes("refs/heads/release/2"), 0);
}

/// A release's commit is pinned at kickoff; a force push afterwards does not take it away.
#[tokio::test]
async fn a_commit_that_left_every_branch_can_still_be_named() {
    let bench = Bench::new();
    git(&bench.server(), &["config", "uploadpack.allowFilter", "true"]);
    let first = bench.sha("main");
    std::fs::write(bench.dev().join("file"), "content").unwrap();
    git(&bench.dev(), &["add", "file"]);
    let pinned = bench.commit("feat: Pinned");
    assert_eq!(bench.scm.compare(None, &name("main")).await.unwrap().len(), 2);
    git(
        &bench.dev(),
        &[
            "push",
            "--quiet",
            "--force",
            "origin",
            &format!("{first}:refs/heads/main"),
        ],
    );
    for write in [branch("release/4", &pinned), tag("v4", &pinned)] {
        bench.scm.create(&key(), &write).await.unwrap();
        assert_eq!(found(&bench.scm, &write).await, 1, "{write:?}");
    }
    assert_eq!(git(&bench.server(), &["show", "v4:file"]), "content");
}

/// Whoever can write to the mirror could plant commits; whoever can read it has the repository.
#[cfg(unix)]
#[tokio::test]
async fn the_cache_is_for_our_account_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let write = branch("release/3", &bench.sha("main"));
    bench.scm.create(&key(), &write).await.unwrap();
    let cache = bench.folder.path().join("cache");
    let mode = |folder: &Path| std::fs::metadata(folder).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&cache.join("git"))), (0o700, 0o700));
    for folder in [cache.clone(), cache.join("git")] {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = bench.scm.compare(None, &name("main")).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Misconfigured, Certainty::NotDone),
            "{error}"
        );
        assert!(error.sentence.contains("DELIVR_CACHE_DIR"), "{error}");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(bench.scm.compare(None, &name("main")).await.unwrap().len(), 1);
}

#[test]
fn folders_outside_the_root_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    git(outside.path(), &["init", "--quiet", "--bare", "x.git"]);
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("in")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("x.git"), root.path().join("link.git")).unwrap();
    let refused = |url: &str| connect(root.path(), url).err().map(|error| error.pointer);
    let at = || Some("/config/url".to_owned());
    assert_eq!(refused(&address(outside.path(), "x.git")), at());
    assert_eq!(refused(&address(root.path(), "link.git")), at());
    assert_eq!(
        refused(&format!("file://{}/in/../../{}", root.path().display(), "x")),
        at()
    );
    assert_eq!(refused(&format!("file://{}", root.path().display())), at());
    assert_eq!(refused(&address(root.path(), "in")), None);
}

#[test]
fn credentials_fit_the_address() {
    let root = tempfile::tempdir().unwrap();
    let deps = Deps::for_tests(root.path().to_owned()).unwrap();
    let pointer = |config: Value, names: &[&str]| {
        let credentials = Credentials::new(names.iter().map(|it| ((*it).to_owned(), "secret".into())));
        (descriptor(&deps).connect)(&config, &credentials)
            .err()
            .map(|error| error.pointer)
    };
    let web = json!({"url": "https://git.example.com/a.git"});
    assert_eq!(pointer(web.clone(), &["username", "password"]), None);
    assert_eq!(
        pointer(web.clone(), &["username"]).as_deref(),
        Some("/credentials/password")
    );
    assert_eq!(pointer(web, &["sshKey"]).as_deref(), Some("/credentials/sshKey"));
    let mut ssh = json!({"url": "git@git.example.com:a.git"});
    assert_eq!(
        pointer(ssh.clone(), &["sshKey"]).as_deref(),
        Some("/config/hostKeys")
    );
    ssh["hostKeys"] = json!("git.example.com ssh-ed25519 AAAA");
    assert_eq!(pointer(ssh, &["sshKey"]), None);
    assert_eq!(
        pointer(json!({"url": "https://10.0.0.1/a.git"}), &[]).as_deref(),
        Some("/config/url")
    );
    let branch = json!({"url": "https://git.example.com/a.git", "defaultBranch": "-x"});
    assert_eq!(pointer(branch, &[]).as_deref(), Some("/config/defaultBranch"));
}
