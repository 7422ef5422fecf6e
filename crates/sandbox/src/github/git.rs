//! Refs, tag objects, commits, branches, comparisons.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Outcome, cut, document, not_found, page, refused};
use super::state::{Commit, GitHub, NAME, TagObject, instant};
use crate::answer::Answer;
use crate::call::Call;
use crate::world::Context;

/// What an unchanged end of a push is called.
pub(super) const ZERO: &str = "0000000000000000000000000000000000000000";
/// Commits of a comparison without paging.
const COMPARED: usize = 250;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRef {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MovedRef {
    sha: String,
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTag {
    tag: String,
    message: String,
    object: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tagger: Option<Tagger>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tagger {
    name: String,
    email: String,
    #[serde(default)]
    date: Option<String>,
}

fn rules(verb: &str) -> Answer {
    let words =
        format!("Repository rule violations found\n\nCannot {verb} ref due to the repository's rules.\n\n");
    refused(422, &words)
}

impl GitHub {
    pub(super) fn git_route(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        method: &str,
        rest: &[&str],
    ) -> Outcome {
        let views = self.views(&call.base);
        match (method, rest) {
            ("GET", ["ref", name @ ..]) => {
                let full = format!("refs/{}", name.join("/"));
                let object = self.refs.get(&full).ok_or_else(not_found)?;
                Ok(Answer::json(200, &views.reference(self, &full, object)))
            }
            ("GET", ["matching-refs", name @ ..]) => {
                let start = format!("refs/{}", name.join("/"));
                let found = self.refs.iter().filter(|(full, _)| full.starts_with(&start));
                let found: Vec<Value> = found
                    .map(|(full, object)| views.reference(self, full, object))
                    .collect();
                Ok(Answer::json(200, &json!(found)))
            }
            ("POST", ["refs"]) => {
                let new: NewRef = document(call)?;
                self.create_ref(ctx, &new.name, &new.sha)?;
                let shown = views.reference(self, &new.name, &new.sha);
                let at = views.api(&format!("/git/{}", new.name));
                Ok(Answer::json(201, &shown).header("location", at))
            }
            ("PATCH", ["refs", name @ ..]) => {
                let full = format!("refs/{}", name.join("/"));
                let wanted: MovedRef = document(call)?;
                self.move_ref(ctx, &full, &wanted.sha, wanted.force)?;
                Ok(Answer::json(200, &views.reference(self, &full, &wanted.sha)))
            }
            ("DELETE", ["refs", name @ ..]) => {
                let full = format!("refs/{}", name.join("/"));
                self.delete_ref(ctx, &full)?;
                Ok(Answer::empty(204))
            }
            ("POST", ["tags"]) => self.create_tag(ctx, call),
            ("GET", ["tags", sha]) => {
                let tag = self.tags.get(*sha).ok_or_else(not_found)?;
                Ok(Answer::json(200, &views.tag(tag)))
            }
            ("GET", ["commits", sha]) => {
                let commit = self.commits.get(*sha).ok_or_else(not_found)?;
                Ok(Answer::json(200, &views.git_commit(commit)))
            }
            _ => Err(not_found()),
        }
    }

    fn create_ref(&mut self, ctx: &mut Context, full: &str, object: &str) -> Result<(), Answer> {
        if !full.starts_with("refs/") || full.split('/').filter(|part| !part.is_empty()).count() < 3 {
            return Err(refused(422, "Reference name must start with 'refs/'"));
        }
        if self.refs.contains_key(full) {
            return Err(refused(422, "Reference already exists"));
        }
        if self.peel(object).is_none() {
            return Err(refused(422, "Object does not exist"));
        }
        if full.starts_with("refs/heads/") && !self.commits.contains_key(object) {
            return Err(refused(422, "Object is not a commit"));
        }
        // As files and folders: a name cannot be a part of another one.
        let in_the_way =
            |other: &String| other.starts_with(&format!("{full}/")) || full.starts_with(&format!("{other}/"));
        if self.refs.keys().any(in_the_way) {
            return Err(refused(422, "Reference update failed"));
        }
        if self.protected.contains(full) {
            return Err(rules("create"));
        }
        ctx.effect(NAME, "create_ref", full, None, json!({"sha": object}));
        self.put_ref(ctx, full, object);
        Ok(())
    }

    /// Makes or moves a ref, tells the other vendors and the receivers of webhooks.
    pub(super) fn put_ref(&mut self, ctx: &mut Context, full: &str, object: &str) {
        let before = self.refs.insert(full.to_owned(), object.to_owned());
        self.follow(full, object, ctx.now());
        self.share(ctx);
        if before.is_none() {
            self.notify_ref(ctx, "create", full);
        }
        self.notify_push(ctx, full, before.as_deref().unwrap_or(ZERO), object);
    }

    fn move_ref(&mut self, ctx: &mut Context, full: &str, sha: &str, force: bool) -> Result<(), Answer> {
        let Some(before) = self.refs.get(full).cloned() else {
            return Err(refused(422, "Reference does not exist"));
        };
        if self.peel(sha).is_none() {
            return Err(refused(422, "Object does not exist"));
        }
        if self.protected.contains(full) {
            return Err(rules("update"));
        }
        if !force && !self.reach(sha).contains(&before) {
            return Err(refused(422, "Update is not a fast forward"));
        }
        if before != sha {
            let subject = format!("{full} {sha}");
            ctx.effect(NAME, "update_ref", &subject, None, json!({"before": before}));
            self.put_ref(ctx, full, sha);
        }
        Ok(())
    }

    pub(super) fn delete_ref(&mut self, ctx: &mut Context, full: &str) -> Result<(), Answer> {
        let Some(before) = self.refs.get(full).cloned() else {
            return Err(refused(422, "Reference does not exist"));
        };
        if full == "refs/heads/main" {
            return Err(refused(422, "Cannot delete the default branch"));
        }
        if self.protected.contains(full) {
            return Err(rules("delete"));
        }
        self.refs.remove(full);
        ctx.effect(NAME, "delete_ref", full, None, json!({"before": before}));
        // Either may be done anew from here on: the object of the name is gone.
        ctx.spend(NAME, "create_ref", full);
        ctx.spend(NAME, "delete_ref", full);
        let now = ctx.now();
        let branch = full.strip_prefix("refs/heads/");
        for pull in self.pulls.iter_mut().filter(|pull| pull.open) {
            if Some(pull.head.as_str()) == branch || Some(pull.base.as_str()) == branch {
                pull.open = false;
                pull.closed = Some(now);
            }
        }
        self.share(ctx);
        self.notify_ref(ctx, "delete", full);
        self.notify_push(ctx, full, &before, ZERO);
        Ok(())
    }

    fn create_tag(&mut self, ctx: &mut Context, call: &Call) -> Outcome {
        let new: NewTag = document(call)?;
        if new.kind != "commit" || !self.commits.contains_key(&new.object) {
            return Err(refused(422, "Object does not exist"));
        }
        let now = instant(ctx.now());
        let tagger = match new.tagger {
            Some(tagger) => {
                json!({"name": tagger.name, "email": tagger.email, "date": tagger.date.unwrap_or(now)})
            }
            None => json!({"name": "delivr-bot", "email": "delivr-bot@example.com", "date": now}),
        };
        // As in git, equal content is one object.
        let content = format!("tag {} {} {} {tagger}", new.tag, new.object, new.message);
        let sha = ctx.ids.hash(&content, 40);
        let tag = TagObject {
            sha: sha.clone(),
            tag: new.tag,
            message: new.message,
            object: new.object,
            tagger,
        };
        let views = self.views(&call.base);
        let shown = views.tag(&tag);
        if !self.tags.contains_key(&sha) {
            let subject = format!("{} {} {sha}", tag.tag, tag.object);
            ctx.effect(NAME, "create_tag_object", &subject, None, Value::Null);
            self.tags.insert(sha.clone(), tag);
        }
        let at = views.api(&format!("/git/tags/{sha}"));
        Ok(Answer::json(201, &shown).header("location", at))
    }

    pub(super) fn branches(&self, call: &Call) -> Answer {
        let views = self.views(&call.base);
        let list: Vec<Value> = self
            .refs
            .iter()
            .filter_map(|(full, sha)| Some((full.strip_prefix("refs/heads/")?, sha)))
            .map(|(name, sha)| {
                let held = self.protected.contains(&format!("refs/heads/{name}"));
                json!({"name": name, "protected": held,
                       "commit": {"sha": sha, "url": views.api(&format!("/commits/{sha}"))}})
            })
            .collect();
        page(call, &list)
    }

    pub(super) fn commits_of(&self, call: &Call) -> Outcome {
        let start = call.query("sha").unwrap_or("main");
        let Some(head) = self.commit_named(start) else {
            return Err(not_found());
        };
        let views = self.views(&call.base);
        let mut list = self.in_order(&self.reach(&head.sha));
        list.reverse();
        let list: Vec<Value> = list.iter().map(|commit| views.commit(commit)).collect();
        Ok(page(call, &list))
    }

    pub(super) fn comparison(&self, call: &Call, basehead: &str) -> Outcome {
        let (base, head) = basehead.split_once("...").ok_or_else(not_found)?;
        let compared = self.compare(base, head).ok_or_else(not_found)?;
        let views = self.views(&call.base);
        let show = |commit: &Commit| views.commit(commit);
        let paged = call.query("per_page").is_some() || call.query("page").is_some();
        let (some, link) = if paged {
            cut(call, &compared.ahead, 30)
        } else {
            let from = compared.ahead.len().saturating_sub(COMPARED);
            (compared.ahead.get(from..).unwrap_or_default(), None)
        };
        let status = match (compared.ahead.len(), compared.behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        };
        let html = views.html(&format!("/compare/{basehead}"));
        let mut body = json!({
            "url": views.api(&format!("/compare/{basehead}")), "html_url": html, "permalink_url": html,
            "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
            "base_commit": show(&compared.base), "merge_base_commit": show(&compared.merge_base), "status": status,
            "ahead_by": compared.ahead.len(), "behind_by": compared.behind, "total_commits": compared.ahead.len(),
            "commits": some.iter().map(show).collect::<Vec<Value>>()});
        // Files come with the first page alone.
        if call.query("page").is_none_or(|page| page == "1")
            && let Value::Object(body) = &mut body
        {
            body.insert("files".to_owned(), json!([]));
        }
        let answer = Answer::json(200, &body);
        Ok(match link {
            Some(link) => answer.header("link", link),
            None => answer,
        })
    }
}
