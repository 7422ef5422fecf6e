//! Releases and generated notes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Outcome, document, invalid, not_found, page, refused};
use super::state::{GitHub, NAME, Release};
use crate::answer::Answer;
use crate::call::Call;
use crate::world::Context;

/// Longest text of a release, in characters.
const LONGEST: usize = 125_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    #[serde(default)]
    tag_name: Option<String>,
    #[serde(default)]
    target_commitish: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    prerelease: Option<bool>,
    #[serde(default)]
    make_latest: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    tag_name: String,
    #[serde(default)]
    target_commitish: Option<String>,
    #[serde(default)]
    previous_tag_name: Option<String>,
}

impl GitHub {
    pub(super) fn release_route(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        method: &str,
        rest: &[&str],
    ) -> Outcome {
        let views = self.views(&call.base);
        match (method, rest) {
            ("GET", []) => {
                let list: Vec<Value> = self
                    .releases
                    .iter()
                    .rev()
                    .map(|release| views.release(release))
                    .collect();
                Ok(page(call, &list))
            }
            ("POST", []) => self.create_release(ctx, call),
            ("POST", ["generate-notes"]) => self.notes(call),
            ("GET", ["tags", tag @ ..]) => {
                let tag = tag.join("/");
                let found = self
                    .releases
                    .iter()
                    .find(|release| !release.draft && release.tag == tag);
                Ok(Answer::json(200, &views.release(found.ok_or_else(not_found)?)))
            }
            ("GET", ["latest"]) => {
                let found = self
                    .releases
                    .iter()
                    .rev()
                    .find(|release| !release.draft && !release.prerelease);
                Ok(Answer::json(200, &views.release(found.ok_or_else(not_found)?)))
            }
            ("GET", [id]) => {
                let found = self.releases.iter().find(|release| release.id.to_string() == *id);
                Ok(Answer::json(200, &views.release(found.ok_or_else(not_found)?)))
            }
            ("PATCH", [id]) => self.update_release(ctx, call, id),
            ("DELETE", [id]) => {
                let at = self
                    .releases
                    .iter()
                    .position(|release| release.id.to_string() == *id);
                let gone = self.releases.remove(at.ok_or_else(not_found)?);
                ctx.effect(NAME, "delete_release", &gone.tag, None, json!({"id": gone.id}));
                ctx.spend(NAME, "create_release", &gone.tag);
                ctx.spend(NAME, "delete_release", &gone.tag);
                Ok(Answer::empty(204))
            }
            _ => Err(not_found()),
        }
    }

    fn create_release(&mut self, ctx: &mut Context, call: &Call) -> Outcome {
        let new: Draft = document(call)?;
        let missing = || invalid("Release", "tag_name", "missing_field", None);
        let tag = new.tag_name.filter(|tag| !tag.is_empty()).ok_or_else(missing)?;
        let draft = new.draft.unwrap_or(false);
        self.check_text(new.body.as_deref(), new.make_latest.as_deref())?;
        if !draft
            && self
                .releases
                .iter()
                .any(|release| !release.draft && release.tag == tag)
        {
            return Err(invalid("Release", "tag_name", "already_exists", None));
        }
        let target = new.target_commitish.unwrap_or_else(|| "main".to_owned());
        let full = format!("refs/tags/{tag}");
        if !draft && !self.refs.contains_key(&full) {
            // Publishing makes the tag where it is missing.
            let Some(commit) = self.commit_named(&target).map(|commit| commit.sha.clone()) else {
                return Err(invalid("Release", "target_commitish", "invalid", None));
            };
            ctx.effect(NAME, "create_ref", &full, None, json!({"sha": commit}));
            self.put_ref(ctx, &full, &commit);
        }
        let now = ctx.now();
        let release = Release {
            id: ctx.ids.next("github release"),
            tag: tag.clone(),
            target,
            name: new.name,
            body: new.body,
            draft,
            prerelease: new.prerelease.unwrap_or(false),
            created: now,
            published: (!draft).then_some(now),
        };
        let shown = self.views(&call.base).release(&release);
        let mark = release.body.as_deref().and_then(mark);
        ctx.effect(
            NAME,
            "create_release",
            &tag,
            mark.as_deref(),
            json!({"id": release.id, "draft": draft}),
        );
        let url = shown
            .get("url")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        self.releases.push(release.clone());
        if !draft {
            self.notify_release(ctx, "published", &release);
        }
        Ok(Answer::json(201, &shown).header("location", url))
    }

    fn update_release(&mut self, ctx: &mut Context, call: &Call, id: &str) -> Outcome {
        let new: Draft = document(call)?;
        self.check_text(new.body.as_deref(), new.make_latest.as_deref())?;
        let now = ctx.now();
        let found = self
            .releases
            .iter_mut()
            .find(|release| release.id.to_string() == id);
        let release = found.ok_or_else(not_found)?;
        release.name = new.name.or_else(|| release.name.clone());
        release.body = new.body.or_else(|| release.body.clone());
        release.prerelease = new.prerelease.unwrap_or(release.prerelease);
        if release.draft && new.draft == Some(false) {
            release.draft = false;
            release.published = Some(now);
        }
        let release = release.clone();
        ctx.effect(
            NAME,
            "update_release",
            &format!("{} {:?}", release.tag, release.body),
            None,
            Value::Null,
        );
        Ok(Answer::json(200, &self.views(&call.base).release(&release)))
    }

    fn check_text(&self, body: Option<&str>, latest: Option<&str>) -> Result<(), Answer> {
        if body.is_some_and(|body| body.chars().count() > LONGEST) {
            let words = "body is too long (maximum is 125000 characters)";
            return Err(invalid("Release", "body", "custom", Some(words)));
        }
        if latest.is_some_and(|word| !["true", "false", "legacy"].contains(&word)) {
            return Err(invalid("Release", "make_latest", "invalid", None));
        }
        Ok(())
    }

    /// What GitHub writes: pull requests that were merged, never bare commits.
    fn notes(&self, call: &Call) -> Outcome {
        let wanted: Notes = document(call)?;
        let tagged = |tag: &str| self.refs.contains_key(&format!("refs/tags/{tag}"));
        if let Some(previous) = wanted.previous_tag_name.as_deref().filter(|tag| !tagged(tag)) {
            return Err(refused(
                422,
                &format!("Invalid previous_tag parameter: {previous}"),
            ));
        }
        let head = if tagged(&wanted.tag_name) {
            wanted.tag_name.clone()
        } else {
            wanted.target_commitish.unwrap_or_else(|| "main".to_owned())
        };
        let head = self.commit_named(&head).ok_or_else(not_found)?;
        let reach = self.reach(&head.sha);
        let last = || {
            let released = self
                .releases
                .iter()
                .rev()
                .filter(|release| !release.draft && release.tag != wanted.tag_name);
            released
                .filter(|release| {
                    self.commit_named(&release.tag)
                        .is_some_and(|one| reach.contains(&one.sha))
                })
                .map(|release| release.tag.clone())
                .next()
        };
        let previous = wanted.previous_tag_name.or_else(last);
        let old = previous
            .as_deref()
            .and_then(|tag| self.commit_named(tag))
            .map(|commit| self.reach(&commit.sha))
            .unwrap_or_default();
        let views = self.views(&call.base);
        let mut lines = Vec::new();
        for commit in self.in_order(reach.difference(&old)) {
            let subject = commit.message.lines().next().unwrap_or_default();
            let merged = self
                .pulls
                .iter()
                .find(|pull| pull.merged.as_ref().is_some_and(|(sha, _)| *sha == commit.sha));
            let squashed = subject.rsplit_once(" (#").and_then(|(title, number)| {
                Some((title.to_owned(), number.strip_suffix(')')?.parse::<u64>().ok()?))
            });
            let pull = merged.map(|pull| (pull.title.clone(), pull.number)).or(squashed);
            if let Some((title, number)) = pull {
                let link = views.html(&format!("/pull/{number}"));
                lines.push(format!("* {title} by @{} in {link}", super::views::LOGIN));
            }
        }
        let mut body = String::new();
        if !lines.is_empty() {
            body = format!("## What's Changed\n{}\n\n", lines.join("\n"));
        }
        let range = match &previous {
            Some(previous) => views.html(&format!("/compare/{previous}...{}", wanted.tag_name)),
            None => views.html(&format!("/commits/{}", wanted.tag_name)),
        };
        body.push_str(&format!("\n**Full Changelog**: {range}"));
        Ok(Answer::json(200, &json!({"name": wanted.tag_name, "body": body})))
    }
}

/// The caller's key, where it hides one in a text.
pub(super) fn mark(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("delivr_key:")?;
    let key: String = rest
        .trim_start()
        .chars()
        .take_while(|c| !c.is_whitespace() && *c != '>')
        .collect();
    Some(key.trim_end_matches("--").to_owned())
}
