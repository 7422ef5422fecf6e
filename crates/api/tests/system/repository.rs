//! The team's git server: a real repository whose receive hook keeps its own record of every ref.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A served repository and a developer's clone of it.
#[derive(Debug)]
pub struct Repository {
    served: PathBuf,
    clone: PathBuf,
}

const HOOK: &str = "#!/bin/sh\nwhile read line; do echo \"$line\" >> \"$GIT_DIR/received\"; done\n";

fn git(folder: &Path, arguments: &[&str]) -> String {
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
        .expect("git is installed");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Repository {
    pub fn make(folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let served = folder.join("repositories").join("shop.git");
        std::fs::create_dir_all(&served).unwrap();
        git(&served, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        let hook = served.join("hooks").join("post-receive");
        std::fs::create_dir_all(served.join("hooks")).unwrap();
        std::fs::write(&hook, HOOK).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        git(folder, &["clone", "--quiet", &served.to_string_lossy(), "clone"]);
        let made = Self {
            served,
            clone: folder.join("clone"),
        };
        git(&made.clone, &["checkout", "--quiet", "-B", "main"]);
        made.commit_here("a.txt", "one", "feat: Start the shop");
        git(&made.clone, &["push", "--quiet", "origin", "main"]);
        made
    }
    pub fn url(&self) -> String {
        format!("file://{}", self.served.display())
    }
    pub fn root(&self) -> &Path {
        self.served.parent().unwrap()
    }
    fn commit_here(&self, file: &str, content: &str, message: &str) {
        std::fs::write(self.clone.join(file), content).unwrap();
        git(&self.clone, &["add", "."]);
        git(&self.clone, &["commit", "--quiet", "-m", message]);
    }
    /// A developer's commit on an existing branch, pushed; returns it.
    pub fn commit(&self, branch: &str, file: &str, content: &str) -> String {
        git(&self.clone, &["fetch", "--quiet", "origin"]);
        git(
            &self.clone,
            &["checkout", "--quiet", "-B", branch, &format!("origin/{branch}")],
        );
        self.commit_here(file, content, "fix: Round yen correctly");
        git(&self.clone, &["push", "--quiet", "origin", branch]);
        git(&self.clone, &["rev-parse", "HEAD"])
    }
    /// The commit a ref names on the server.
    pub fn commit_of(&self, name: &str) -> String {
        git(&self.served, &["rev-parse", &format!("{name}^{{commit}}")])
    }
    /// How often the server saw each ref created. Tags that moved count as made again.
    pub fn created(&self) -> BTreeMap<String, u64> {
        let text = std::fs::read_to_string(self.served.join("received")).unwrap();
        let mut created = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let fresh = words[0].bytes().all(|byte| byte == b'0');
            if fresh || words[2].starts_with("refs/tags/") {
                *created.entry(words[2].to_owned()).or_insert(0) += 1;
            }
        }
        created
    }
}
