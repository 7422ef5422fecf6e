//! Each write to a git server is done once, whatever happens on the way; counted by the server's own receive hook.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Operation, ScmWrite};
use delivr_domain::names::Sha;
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Deps;
use delivr_provider_proof::side::Done;
use delivr_provider_proof::{Enrolment, Foreign, Scene, Side, Trouble, Work, Write, async_trait, contract};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Writes down what was pushed. Then, when it is told to, it ends its own server or keeps it from answering.
const HOOK: &str = "#!/bin/sh\ncat >> journal\n\
    if [ -e lose ]; then rm lose; kill -KILL $PPID; fi\n\
    if [ -e hang ]; then rm hang; exec tail -f /dev/null; fi\n";

struct Server {
    folder: PathBuf,
}

impl Server {
    fn new(folder: &Path) -> Self {
        let server = Self {
            folder: folder.to_owned(),
        };
        server.git(folder, &["init", "--quiet", "--bare", "server.git"]);
        let hooks = folder.join("server.git/hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        let hook = hooks.join("post-receive");
        std::fs::write(&hook, HOOK).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        server.git(folder, &["clone", "--quiet", "server.git", "dev"]);
        server
    }
    fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let settings = [
            "user.name=T",
            "user.email=t@example.com",
            "init.defaultBranch=main",
        ];
        let output = Command::new("git")
            .current_dir(folder)
            .args(settings.iter().flat_map(|it| ["-c", it]))
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
    /// A commit on top of what the developer has, pushed to these refs.
    fn commit(&self, refs: &[&str]) -> Sha {
        let dev = self.folder.join("dev");
        self.git(&dev, &["commit", "--quiet", "--allow-empty", "-m", "feat: More"]);
        for name in refs {
            self.git(&dev, &["push", "--quiet", "origin", &format!("HEAD:{name}")]);
        }
        self.git(&dev, &["rev-parse", "HEAD"]).parse().unwrap()
    }
}

#[async_trait]
impl Side for Server {
    fn settings(&self) -> (Value, Value) {
        let url = format!("file://{}", self.folder.join("server.git").display());
        (json!({"url": url}), json!({}))
    }
    fn trouble(&self, call: Option<&str>, trouble: Trouble) -> Result<(), &'static str> {
        if call.is_none() {
            return Err("only pushes can be made to fail");
        }
        let order = match trouble {
            Trouble::AnswerLost => "lose",
            Trouble::Silence => "hang",
            Trouble::ErrorAfter => return Err("git has no such answer: as a"),
            Trouble::Throttle => return Err("git has no such answer"),
            Trouble::Page | Trouble::Flood | Trouble::Trickle | Trouble::Elsewhere(_) => {
                return Err("git's own protocol");
            }
        };
        std::fs::write(self.folder.join("server.git").join(order), "").unwrap();
        Ok(())
    }
    fn done(&self) -> Done {
        let journal = std::fs::read_to_string(self.folder.join("server.git/journal")).unwrap_or_default();
        let mut done = Done::default();
        let mut seen = Vec::new();
        for line in journal.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [old, new, name] = words[..] else { continue };
            let nothing = |sha: &str| sha.bytes().all(|it| it == b'0');
            let operation = match (nothing(old), nothing(new), name.starts_with("refs/tags/")) {
                (true, _, true) => "create_tag",
                (true, _, false) => "create_branch",
                (_, true, _) => "delete_ref",
                (false, false, _) => "move_ref",
            };
            *done.effects.entry(operation.to_owned()).or_default() += 1;
            let subject = (operation, name.to_owned());
            if operation != "move_ref" && seen.contains(&subject) {
                done.surplus.push(format!("{operation} {name}"));
            }
            seen.push(subject);
        }
        done
    }
    fn pass(&self, _span: Duration) {}
}

struct Git;

#[async_trait]
impl Enrolment for Git {
    type Side = Server;
    const NAME: &'static str = "scm-git";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_scm_git::descriptor(deps)
    }
    async fn side(&self, folder: &Path) -> Server {
        Server::new(folder)
    }
    fn writes(&self) -> Vec<Write> {
        vec![
            Write::new("create branch", "create_branch", Foreign::Made),
            Write::new("create tag", "create_tag", Foreign::Made),
            Write::new(
                "delete branch",
                "delete_ref",
                Foreign::None("what is gone is nobody's"),
            ),
        ]
    }
    async fn prepare(&self, write: &str, scene: &Scene<Server>) -> Work {
        scene.side.commit(&["refs/heads/main", "refs/heads/old"]);
        let sha = scene.side.commit(&["refs/heads/main"]);
        Work::Write(Operation::Scm(match write {
            "create branch" => ScmWrite::CreateBranch {
                name: "release/1".parse().unwrap(),
                sha,
            },
            "create tag" => ScmWrite::CreateTag {
                name: "v1".parse().unwrap(),
                sha,
                message: "Version 1\n\n- notes".to_owned(),
            },
            _ => ScmWrite::DeleteBranch {
                name: "old".parse().unwrap(),
            },
        }))
    }
    /// Somebody used the name for an earlier commit.
    async fn foreign(&self, write: &str, scene: &Scene<Server>) {
        let name = if write == "create tag" {
            "refs/tags/v1"
        } else {
            "refs/heads/release/1"
        };
        let (dev, refspec) = (scene.side.folder.join("dev"), format!("HEAD~1:{name}"));
        scene.side.git(&dev, &["push", "--quiet", "origin", &refspec]);
    }
}

delivr_provider_proof::prove!(Git);

#[tokio::test]
async fn contract_with_a_real_server() {
    let Some([url, branch]) = contract::given("GIT", ["URL", "BRANCH"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut config = json!({"url": url, "defaultBranch": branch});
    let mut secret = json!({});
    for (name, variable) in [
        ("username", "USERNAME"),
        ("password", "PASSWORD"),
        ("sshKey", "SSH_KEY"),
    ] {
        if let Some(value) = contract::also("GIT", variable) {
            secret[name] = json!(value);
        }
    }
    if let Some(keys) = contract::also("GIT", "HOST_KEYS") {
        config["hostKeys"] = json!(keys);
    }
    let Connection::Scm(git) = contract::connect(delivr_scm_git::descriptor, folder.path(), &config, &secret)
    else {
        panic!("not source control");
    };
    assert!(git.verify().await.unwrap().passed());
    let head = git.resolve(&branch.parse().unwrap()).await.unwrap().unwrap();
    let none = ScmWrite::CreateTag {
        name: "delivr-contract-no-such-tag".parse().unwrap(),
        sha: head,
        message: "none".to_owned(),
    };
    let found = git.find(&delivr_provider_proof::key(1), &none).await.unwrap();
    assert_eq!(found, Lookup::Found(Vec::new()));
    contract::ran("GIT");
}
