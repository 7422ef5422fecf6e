//! What the simulated GitHub keeps: the repository's objects and refs, releases, pull requests, tokens.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::runs::Actions;
use crate::world::Context;

pub(crate) const NAME: &str = "github";
pub(crate) const OWNER: &str = "acme";
/// Requests of one hour.
pub(super) const LIMIT: u64 = 5000;

/// A commit.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) parents: Vec<String>,
    pub(super) tree: String,
    pub(super) message: String,
    pub(super) author: String,
    pub(super) at: i64,
    /// Order of creation; children come after their parents.
    pub(super) seq: u64,
}

/// An annotated tag.
#[derive(Debug, Clone)]
pub(super) struct TagObject {
    pub(super) sha: String,
    pub(super) tag: String,
    pub(super) message: String,
    pub(super) object: String,
    pub(super) tagger: Value,
}

/// A release.
#[derive(Debug, Clone)]
pub(super) struct Release {
    pub(super) id: u64,
    pub(super) tag: String,
    pub(super) target: String,
    pub(super) name: Option<String>,
    pub(super) body: Option<String>,
    pub(super) draft: bool,
    pub(super) prerelease: bool,
    pub(super) created: i64,
    pub(super) published: Option<i64>,
}

/// A pull request of a branch of the repository itself.
#[derive(Debug, Clone)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) head: String,
    pub(super) head_sha: String,
    pub(super) base: String,
    pub(super) open: bool,
    pub(super) draft: bool,
    pub(super) merged: Option<(String, i64)>,
    pub(super) closed: Option<i64>,
    pub(super) created: i64,
    pub(super) updated: i64,
    /// Whether somebody read it already: only then the mergeability is known.
    pub(super) seen: bool,
}

/// An installation token that was handed out.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) until: i64,
}

/// The account, its one repository and everything in it.
#[derive(Debug)]
pub(crate) struct GitHub {
    pub(super) repo: String,
    /// Names the repository had before.
    pub(super) former: Vec<String>,
    pub(super) commits: BTreeMap<String, Commit>,
    pub(super) tags: BTreeMap<String, TagObject>,
    /// Full ref name to the object it names.
    pub(super) refs: BTreeMap<String, String>,
    pub(super) releases: Vec<Release>,
    pub(super) pulls: Vec<Pull>,
    /// Workflows and their runs.
    pub(super) actions: Actions,
    pub(super) tokens: Vec<Token>,
    /// Refs that a ruleset keeps from being made, moved or deleted.
    pub(super) protected: BTreeSet<String>,
    /// Base branches that want an approving review.
    pub(super) reviewed: BTreeSet<String>,
    /// Pull requests whose merge conflicts.
    pub(super) conflicts: BTreeSet<u64>,
    pub(super) sso: bool,
    pub(super) suspended: bool,
    pub(super) token_seconds: i64,
    pub(super) used: u64,
    pub(super) window: i64,
    /// The last webhook: event, delivery id, body.
    pub(super) last_hook: Option<(String, String, Value)>,
    /// Calls and answers, while they are recorded.
    pub(super) record: Option<Vec<Value>>,
    started: bool,
}

/// How two commits stand to each other.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Commits of the head alone, oldest first.
    pub(super) ahead: Vec<Commit>,
    pub(super) behind: usize,
    pub(super) base: Commit,
    pub(super) merge_base: Commit,
}

impl GitHub {
    pub(crate) fn new() -> Self {
        Self {
            repo: "shop".to_owned(),
            former: Vec::new(),
            commits: BTreeMap::new(),
            tags: BTreeMap::new(),
            refs: BTreeMap::new(),
            releases: Vec::new(),
            pulls: Vec::new(),
            actions: Actions::new(),
            tokens: Vec::new(),
            protected: BTreeSet::new(),
            reviewed: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            sso: false,
            suspended: false,
            token_seconds: 3600,
            used: 0,
            window: 0,
            last_hook: None,
            record: None,
            started: false,
        }
    }

    /// Three commits on `main`, the second one tagged and released as `v1.0.0`: needs the seed, so not in `new`.
    pub(super) fn begin(&mut self, ctx: &mut Context) {
        if self.started {
            return;
        }
        self.started = true;
        self.window = ctx.now();
        let first = self.commit(ctx, &[], "Initial commit", "Mona Lisa");
        let second = self.commit(ctx, &[first], "feat(cart): Add a cart", "Mona Lisa");
        let third = self.commit(
            ctx,
            std::slice::from_ref(&second),
            "fix(cart): Count gifts once (#7)",
            "Hubert",
        );
        self.refs.insert("refs/heads/main".to_owned(), third);
        self.refs.insert("refs/tags/v1.0.0".to_owned(), second.clone());
        self.releases.push(Release {
            id: ctx.ids.next("github release"),
            tag: "v1.0.0".to_owned(),
            target: second,
            name: Some("1.0.0".to_owned()),
            body: Some("First release.".to_owned()),
            draft: false,
            prerelease: false,
            created: ctx.now(),
            published: Some(ctx.now()),
        });
        self.share(ctx);
    }

    /// Adds a commit object.
    pub(super) fn commit(
        &mut self,
        ctx: &mut Context,
        parents: &[String],
        message: &str,
        author: &str,
    ) -> String {
        let seq = ctx.ids.next("github commit");
        let text = format!("commit {} {message} {author} {seq}", parents.join(" "));
        let sha = ctx.ids.hash(&text, 40);
        let commit = Commit {
            sha: sha.clone(),
            parents: parents.to_vec(),
            tree: ctx.ids.hash(&format!("tree {seq}"), 40),
            message: message.to_owned(),
            author: author.to_owned(),
            at: ctx.now(),
            seq,
        };
        self.commits.insert(sha.clone(), commit);
        sha
    }

    /// Tells the other vendors which commit each ref names now.
    pub(super) fn share(&self, ctx: &mut Context) {
        ctx.refs = self
            .refs
            .iter()
            .filter_map(|(name, object)| Some((name.clone(), self.peel(object)?)))
            .collect();
    }

    /// The commit behind an object.
    pub(super) fn peel(&self, object: &str) -> Option<String> {
        match self.tags.get(object) {
            Some(tag) => self.peel(&tag.object),
            None => self.commits.contains_key(object).then(|| object.to_owned()),
        }
    }

    /// The commit a person's word names: full ref, branch, tag, hash or its beginning.
    pub(super) fn commit_named(&self, text: &str) -> Option<&Commit> {
        let full = [
            text.to_owned(),
            format!("refs/{text}"),
            format!("refs/heads/{text}"),
            format!("refs/tags/{text}"),
        ];
        let object = full.iter().find_map(|name| self.refs.get(name));
        if let Some(object) = object {
            return self.commits.get(&self.peel(object)?);
        }
        let hex = text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let wanted = text.to_ascii_lowercase();
        self.commits
            .values()
            .find(|commit| hex && commit.sha.starts_with(&wanted))
    }

    /// Everything reachable from a commit, itself included.
    pub(super) fn reach(&self, sha: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![sha.to_owned()];
        while let Some(next) = waiting.pop() {
            if seen.insert(next.clone())
                && let Some(commit) = self.commits.get(&next)
            {
                waiting.extend(commit.parents.iter().cloned());
            }
        }
        seen
    }

    /// Commits of a set, oldest first.
    pub(super) fn in_order<'a>(&self, set: impl IntoIterator<Item = &'a String>) -> Vec<Commit> {
        let mut list: Vec<Commit> = set
            .into_iter()
            .filter_map(|sha| self.commits.get(sha).cloned())
            .collect();
        list.sort_by_key(|commit| commit.seq);
        list
    }

    pub(super) fn compare(&self, base: &str, head: &str) -> Option<Comparison> {
        let (base, head) = (self.commit_named(base)?, self.commit_named(head)?);
        let (of_base, of_head) = (self.reach(&base.sha), self.reach(&head.sha));
        let merge_base = self.in_order(of_base.intersection(&of_head)).pop()?;
        Some(Comparison {
            ahead: self.in_order(of_head.difference(&of_base)),
            behind: of_base.difference(&of_head).count(),
            base: base.clone(),
            merge_base,
        })
    }

    pub(super) fn pull(&mut self, number: &str) -> Option<&mut Pull> {
        let number: u64 = number.parse().ok()?;
        self.pulls.iter_mut().find(|pull| pull.number == number)
    }

    /// Open pull requests follow their branch.
    pub(super) fn follow(&mut self, full: &str, sha: &str, now: i64) {
        let Some(branch) = full.strip_prefix("refs/heads/") else {
            return;
        };
        for pull in self
            .pulls
            .iter_mut()
            .filter(|pull| pull.open && pull.head == branch)
        {
            pull.head_sha = sha.to_owned();
            pull.updated = now;
            pull.seen = false;
        }
    }
}

/// An instant as GitHub writes it: whole seconds.
pub(super) fn instant(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
