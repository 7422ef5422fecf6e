//! Pull requests and merges.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Outcome, document, invalid, not_found, page, refused};
use super::releases::mark;
use super::state::{GitHub, NAME, OWNER, Pull};
use super::views::LOGIN;
use crate::answer::Answer;
use crate::call::Call;
use crate::world::Context;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPull {
    title: String,
    head: String,
    base: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    maintainer_can_modify: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    #[serde(default)]
    commit_title: Option<String>,
    #[serde(default)]
    commit_message: Option<String>,
    #[serde(default)]
    sha: Option<String>,
    #[serde(default)]
    merge_method: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchMerge {
    base: String,
    head: String,
    #[serde(default)]
    commit_message: Option<String>,
}

impl GitHub {
    pub(super) fn pull_route(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        method: &str,
        rest: &[&str],
    ) -> Outcome {
        let views = self.views(&call.base);
        match (method, rest) {
            ("GET", []) => Ok(self.list_pulls(call)),
            ("POST", []) => self.create_pull(ctx, call),
            ("GET", [number]) => {
                let pull = self.pull(number).ok_or_else(not_found)?.clone();
                let answer = Answer::json(200, &views.pull(self, &pull, true));
                if let Some(pull) = self.pull(number) {
                    pull.seen = true;
                }
                Ok(answer)
            }
            ("PATCH", [number]) => {
                let change: Changed = document(call)?;
                let now = ctx.now();
                let pull = self.pull(number).ok_or_else(not_found)?;
                pull.title = change.title.unwrap_or_else(|| pull.title.clone());
                pull.body = change.body.or_else(|| pull.body.clone());
                if change.state.as_deref() == Some("closed") && pull.open {
                    pull.open = false;
                    pull.closed = Some(now);
                    let subject = format!("{} -> {}", pull.head, pull.base);
                    ctx.spend(NAME, "create_pull", &subject);
                }
                let pull = pull.clone();
                ctx.effect(
                    NAME,
                    "update_pull",
                    &format!("#{number} {:?} {:?} {}", pull.title, pull.body, pull.open),
                    None,
                    Value::Null,
                );
                Ok(Answer::json(200, &views.pull(self, &pull, true)))
            }
            ("GET", [number, "merge"]) => {
                let merged = self.pull(number).ok_or_else(not_found)?.merged.is_some();
                if merged {
                    Ok(Answer::empty(204))
                } else {
                    Err(not_found())
                }
            }
            ("PUT", [number, "merge"]) => {
                let merge: Merge = if call.body.is_empty() {
                    Merge::default()
                } else {
                    document(call)?
                };
                self.merge_pull(ctx, number, &merge)
            }
            _ => Err(not_found()),
        }
    }

    fn list_pulls(&self, call: &Call) -> Answer {
        let state = call.query("state").unwrap_or("open");
        // A head without its owner is passed over, as the real API does.
        let head = call
            .query("head")
            .and_then(|head| head.strip_prefix(&format!("{OWNER}:")));
        let fits = |pull: &&Pull| {
            (state == "all" || (state == "open") == pull.open)
                && head.is_none_or(|head| pull.head == head)
                && call.query("base").is_none_or(|base| pull.base == base)
        };
        let views = self.views(&call.base);
        let list: Vec<Value> = self
            .pulls
            .iter()
            .rev()
            .filter(fits)
            .map(|pull| views.pull(self, pull, false))
            .collect();
        page(call, &list)
    }

    fn create_pull(&mut self, ctx: &mut Context, call: &Call) -> Outcome {
        let new: NewPull = document(call)?;
        // Whether a maintainer may push matters to forks alone.
        let _of_forks = new.maintainer_can_modify;
        let head = new
            .head
            .strip_prefix(&format!("{OWNER}:"))
            .unwrap_or(&new.head)
            .to_owned();
        let sha_of = |branch: &str| self.refs.get(&format!("refs/heads/{branch}")).cloned();
        let Some(head_sha) = sha_of(&head) else {
            return Err(invalid("PullRequest", "head", "invalid", None));
        };
        let Some(base_sha) = sha_of(&new.base) else {
            return Err(invalid("PullRequest", "base", "invalid", None));
        };
        let same = |pull: &Pull| pull.open && pull.head == head && pull.base == new.base;
        if self.pulls.iter().any(same) {
            let words = format!("A pull request already exists for {OWNER}:{head}.");
            return Err(invalid("PullRequest", "head", "custom", Some(&words)));
        }
        let nothing = self
            .compare(&base_sha, &head_sha)
            .is_none_or(|all| all.ahead.is_empty());
        if nothing {
            let words = format!("No commits between {} and {head}", new.base);
            return Err(invalid("PullRequest", "head", "custom", Some(&words)));
        }
        let now = ctx.now();
        let pull = Pull {
            number: ctx.ids.next("github pull") + 7,
            title: new.title,
            body: new.body,
            head,
            head_sha,
            base: new.base,
            open: true,
            draft: new.draft,
            merged: None,
            closed: None,
            created: now,
            updated: now,
            seen: false,
        };
        let subject = format!("{} -> {}", pull.head, pull.base);
        let key = pull.body.as_deref().and_then(mark);
        ctx.effect(
            NAME,
            "create_pull",
            &subject,
            key.as_deref(),
            json!({"number": pull.number}),
        );
        self.pulls.push(pull.clone());
        let shown = self.views(&call.base).pull(self, &pull, true);
        self.notify_pull(ctx, "opened", &pull);
        let at = self.views(&call.base).api(&format!("/pulls/{}", pull.number));
        Ok(Answer::json(201, &shown).header("location", at))
    }

    fn merge_pull(&mut self, ctx: &mut Context, number: &str, merge: &Merge) -> Outcome {
        let pull = self.pull(number).ok_or_else(not_found)?.clone();
        let base = format!("refs/heads/{}", pull.base);
        if merge.sha.as_deref().is_some_and(|sha| sha != pull.head_sha) {
            return Err(refused(
                409,
                "Head branch was modified. Review and try the merge again.",
            ));
        }
        if !pull.open || pull.draft || self.conflicts.contains(&pull.number) {
            return Err(refused(405, "Pull Request is not mergeable"));
        }
        if self.reviewed.contains(&pull.base) {
            let words = "At least 1 approving review is required by reviewers with write access.";
            return Err(refused(405, words));
        }
        let Some(base_sha) = self.refs.get(&base).cloned() else {
            return Err(not_found());
        };
        let title = merge
            .commit_title
            .clone()
            .unwrap_or_else(|| format!("Merge pull request #{number} from {OWNER}/{}", pull.head));
        let message = match &merge.commit_message {
            Some(text) => format!("{title}\n\n{text}"),
            None => title,
        };
        let parents = match merge.merge_method.as_deref() {
            Some("squash" | "rebase") => vec![base_sha],
            _ => vec![base_sha, pull.head_sha.clone()],
        };
        let sha = self.commit(ctx, &parents, &message, LOGIN);
        self.merged(ctx, pull.number, &sha);
        ctx.effect(
            NAME,
            "merge_pull",
            &format!("#{number}"),
            None,
            json!({"sha": sha}),
        );
        self.put_ref(ctx, &base, &sha);
        Ok(Answer::json(
            200,
            &json!({"sha": sha, "merged": true, "message": "Pull Request successfully merged"}),
        ))
    }

    /// Notes that a pull request was merged by this commit.
    pub(super) fn merged(&mut self, ctx: &mut Context, number: u64, sha: &str) {
        let now = ctx.now();
        let Some(pull) = self.pulls.iter_mut().find(|pull| pull.number == number) else {
            return;
        };
        pull.open = false;
        pull.closed = Some(now);
        pull.updated = now;
        pull.merged = Some((sha.to_owned(), now));
        let pull = pull.clone();
        let subject = format!("{} -> {}", pull.head, pull.base);
        ctx.spend(NAME, "create_pull", &subject);
        self.notify_pull(ctx, "closed", &pull);
    }

    /// `POST /merges`: a merge without a pull request.
    pub(super) fn merge_branches(&mut self, ctx: &mut Context, call: &Call) -> Outcome {
        let wanted: BranchMerge = document(call)?;
        let full = format!("refs/heads/{}", wanted.base);
        let Some(base) = self.refs.get(&full).cloned() else {
            return Err(refused(404, "Base does not exist"));
        };
        let Some(head) = self.commit_named(&wanted.head).map(|commit| commit.sha.clone()) else {
            return Err(refused(404, "Head does not exist"));
        };
        if self.reach(&base).contains(&head) {
            return Ok(Answer::empty(204));
        }
        if self.reviewed.contains(&wanted.base) || self.protected.contains(&full) {
            return Err(refused(
                422,
                "Repository rule violations found\n\nChanges must be made through a pull request.\n\n",
            ));
        }
        let message = wanted
            .commit_message
            .unwrap_or_else(|| format!("Merge {} into {}", wanted.head, wanted.base));
        let sha = self.commit(ctx, &[base, head.clone()], &message, LOGIN);
        let subject = format!("{head} -> {}", wanted.base);
        ctx.effect(NAME, "merge", &subject, None, json!({"sha": sha}));
        self.put_ref(ctx, &full, &sha);
        let commit = self.commits.get(&sha).ok_or_else(not_found)?;
        Ok(Answer::json(201, &self.views(&call.base).commit(commit)))
    }
}
