//! A team's git server: a real repository whose receive hook keeps its own record of every ref.

use super::programs::git;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A server-side repository and a developer's clone of it.
pub(crate) struct Repository {
    served: PathBuf,
    clone: PathBuf,
    record: PathBuf,
}

/// Written by the server for every ref it accepts: old commit, new commit, name.
const HOOK: &str = "#!/bin/sh\nwhile read line; do echo \"$line\" >> \"$GIT_DIR/received\"; done\n";

impl Repository {
    /// Makes both below the folder, with a first few commits on `main`.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn make(folder: &Path, name: &str) -> Result<Self> {
        let served = folder.join("repositories").join(format!("{name}.git"));
        let clone = folder.join(format!("{name}-clone"));
        std::fs::create_dir_all(&served)?;
        git(&served, &["init", "--quiet", "--bare", "--initial-branch=main"])?;
        let hook = served.join("hooks").join("post-receive");
        std::fs::create_dir_all(served.join("hooks"))?;
        std::fs::write(&hook, HOOK)?;
        executable(&hook)?;
        let address = served.to_string_lossy().into_owned();
        git(folder, &["clone", "--quiet", &address, &clone.to_string_lossy()])?;
        let made = Self {
            record: served.join("received"),
            served,
            clone,
        };
        made.commit("main", "README.md", "The shop.\n", "Start the shop")?;
        made.commit("main", "cart.txt", "A cart.\n", "feat: Put things into a cart")?;
        made.commit("main", "pay.txt", "Pay by card.\n", "feat: Pay by card")?;
        git(&made.clone, &["tag", "v1.0.0"])?;
        git(&made.clone, &["push", "--quiet", "origin", "v1.0.0"])?;
        made.commit("main", "wishes.txt", "A wish list.\n", "feat: Keep a wish list")?;
        Ok(made)
    }

    /// The address Delivr is given.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.served.display())
    }

    /// The folder below which such addresses are allowed.
    pub(crate) fn root(&self) -> &Path {
        self.served.parent().unwrap_or(&self.served)
    }

    /// A developer's commit on a branch, pushed.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn commit(&self, branch: &str, file: &str, content: &str, message: &str) -> Result<String> {
        let there = git(
            &self.clone,
            &["ls-remote", "origin", &format!("refs/heads/{branch}")],
        )?;
        if there.is_empty() {
            git(&self.clone, &["checkout", "--quiet", "-B", branch])?;
        } else {
            git(&self.clone, &["fetch", "--quiet", "origin"])?;
            git(
                &self.clone,
                &["checkout", "--quiet", "-B", branch, &format!("origin/{branch}")],
            )?;
        }
        std::fs::write(self.clone.join(file), content)?;
        git(&self.clone, &["add", "."])?;
        git(&self.clone, &["commit", "--quiet", "-m", message])?;
        git(&self.clone, &["push", "--quiet", "origin", branch])?;
        git(&self.clone, &["rev-parse", "HEAD"])
    }

    /// The commit a ref names on the server.
    ///
    /// # Errors
    /// When there is no such ref.
    pub(crate) fn commit_of(&self, name: &str) -> Result<String> {
        git(&self.served, &["rev-parse", &format!("{name}^{{commit}}")])
    }

    /// How many changes of refs the server has accepted.
    pub(crate) fn received(&self) -> usize {
        std::fs::read_to_string(&self.record).map_or(0, |text| text.lines().count())
    }

    /// Refs that the server saw created, with how often (0: deleted since); a developer's own pushes of commits are no creations, a ref
    /// that was deleted may be made anew, and a tag that moves is made again.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn created(&self) -> Result<BTreeMap<String, u64>> {
        let text = std::fs::read_to_string(&self.record).context("the server's record")?;
        let mut created = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (old, new, name) = (words.next(), words.next(), words.next());
            let (Some(old), Some(new), Some(name)) = (old, new, name) else {
                continue;
            };
            let none = |commit: &str| commit.bytes().all(|byte| byte == b'0');
            if none(new) {
                // The deleted one is spent; what was made before it too often stays counted.
                if let Some(count) = created.get_mut(name) {
                    *count = u64::saturating_sub(*count, 1);
                }
            } else if none(old) || name.starts_with("refs/tags/") {
                *created.entry(name.to_owned()).or_insert(0) += 1;
            }
        }
        // The hook dies with a pusher that is killed after its ref was made: what is there was made once at least.
        for name in git(&self.served, &["for-each-ref", "--format=%(refname)"])?.lines() {
            let count = created.entry(name.to_owned()).or_insert(0);
            *count = u64::max(*count, 1);
        }
        Ok(created)
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(0o755),
    )?)
}

#[cfg(not(unix))]
fn executable(_path: &Path) -> Result<()> {
    Ok(())
}
