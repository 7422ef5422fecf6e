//! GitHub's REST API below one repository, `acme/shop`: refs, commits, comparisons, releases, pull requests, workflows and
//! their runs, tokens of a GitHub App, rate limits, rulesets, signed webhooks. Answers have the shape of GitHub's published description.

mod actions;
mod app;
mod errors;
mod git;
mod hooks;
mod pulls;
mod releases;
mod run_actions;
mod run_moves;
mod run_views;
mod runs;
mod state;
mod views;
mod workflows;

use serde_json::{Value, json};

use self::app::Caller;
use self::errors::{Outcome, not_found, refused};
use self::state::{LIMIT, NAME, OWNER};
use self::views::{REPOSITORY_ID, Views};
use crate::answer::Answer;
use crate::call::Call;
use crate::vendor::Vendor;
use crate::world::Context;

pub(crate) use self::state::GitHub;

/// Longest recording kept.
const RECORDED: usize = 2000;

impl Vendor for GitHub {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        let parts = below(call);
        let rest = match parts.as_slice() {
            ["app", "installations", _, "access_tokens"] => return "installation_token",
            ["app", ..] => return "installation",
            ["user"] => return "user",
            ["rate_limit"] => return "rate_limit",
            ["repos", _, _, rest @ ..] | ["repositories", _, rest @ ..] => rest,
            _ => return "other",
        };
        match (call.method.as_str(), rest) {
            ("GET", []) => "repository",
            ("GET", ["git", "ref", ..]) => "get_ref",
            ("GET", ["git", "matching-refs", ..]) => "list_refs",
            ("POST", ["git", "refs"]) => "create_ref",
            ("PATCH", ["git", "refs", ..]) => "update_ref",
            ("DELETE", ["git", "refs", ..]) => "delete_ref",
            ("POST", ["git", "tags"]) => "create_tag_object",
            ("GET", ["git", "tags", _]) => "get_tag_object",
            ("GET", ["git", "commits", _] | ["commits", _]) => "get_commit",
            ("GET", ["branches"]) => "list_branches",
            ("GET", ["commits"]) => "list_commits",
            ("GET", ["compare", ..]) => "compare",
            ("POST", ["releases"]) => "create_release",
            ("POST", ["releases", "generate-notes"]) => "generate_notes",
            ("GET", ["releases", "tags", ..]) => "get_release",
            ("GET", ["releases"]) => "list_releases",
            ("PATCH", ["releases", _]) => "update_release",
            ("DELETE", ["releases", _]) => "delete_release",
            ("POST", ["pulls"]) => "create_pull",
            ("GET", ["pulls"]) => "list_pulls",
            ("GET", ["pulls", _]) => "get_pull",
            ("PATCH", ["pulls", _]) => "update_pull",
            ("PUT", ["pulls", _, "merge"]) => "merge_pull",
            ("POST", ["merges"]) => "merge",
            ("GET", ["contents", ..]) => "get_contents",
            ("GET", ["actions", "workflows"]) => "list_workflows",
            ("GET", ["actions", "workflows", _]) => "get_workflow",
            ("POST", ["actions", "workflows", _, "dispatches"]) => "dispatch",
            ("GET", ["actions", "workflows", _, "runs"] | ["actions", "runs"]) => "list_runs",
            ("GET", ["actions", "runs", _]) => "get_run",
            ("GET", ["actions", "runs", _, "jobs"]) => "list_jobs",
            ("GET", ["actions", "runs", _, "artifacts"]) => "list_artifacts",
            ("POST", ["actions", "runs", _, "cancel" | "force-cancel"]) => "cancel_run",
            ("POST", ["actions", "runs", _, "rerun"]) => "rerun",
            ("GET", ["actions", "artifacts", ..]) => "artifact",
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        self.begin(ctx);
        let answer = self.answer(ctx, call).unwrap_or_else(|refusal| refusal);
        self.keep(call, &answer);
        answer
            .header("x-github-request-id", ctx.ids.uuid("github request"))
            .header("x-github-api-version-selected", version(call))
    }

    fn advance(&mut self, ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        self.begin(ctx);
        actions::perform(self, ctx, action, args)
    }

    fn tick(&mut self, ctx: &mut Context) {
        self.begin(ctx);
        self.move_runs(ctx);
    }

    fn credentials(&self, base: &str) -> Value {
        json!({
            "key": "github",
            "config": {"baseUrl": base, "owner": OWNER, "repository": self.repo, "defaultBranch": "main"},
            "credentials": {"token": app::TOKEN, "webhookSecret": "sandbox-webhook-secret"},
            "classic": {"token": app::CLASSIC},
            "app": {"appId": app::APP_ID.to_string(), "installationId": app::INSTALLATION.to_string(),
                    "privateKeyPem": app::KEY_PEM, "webhookSecret": "sandbox-webhook-secret"},
            "actions": {
                "key": "github-actions",
                "config": {"baseUrl": base, "owner": OWNER, "repository": self.repo},
                "credentials": {"token": app::TOKEN, "webhookSecret": "sandbox-webhook-secret"},
            },
        })
    }

    fn throttled(&self, retry_after: Option<u64>) -> Answer {
        let answer = refused(
            403,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        );
        match retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    fn refused(&self, status: u16) -> Answer {
        refused(status, "Server Error")
    }
}

fn version(call: &Call) -> &str {
    call.header("x-github-api-version").unwrap_or("2022-11-28")
}

/// The path, without the `/api/v3` of an Enterprise Server.
fn below(call: &Call) -> Vec<&str> {
    let parts = call.parts();
    match parts.as_slice() {
        ["api", "v3", rest @ ..] => rest.to_vec(),
        _ => parts,
    }
}

impl GitHub {
    fn answer(&mut self, ctx: &mut Context, call: &Call) -> Outcome {
        if call.header("user-agent").is_none_or(str::is_empty) {
            let words = "Request forbidden by administrative rules. Please make sure your request has a User-Agent \
                         header.";
            return Err(Answer::text(403, words));
        }
        if !["2022-11-28", "2026-03-10"].contains(&version(call)) {
            return Err(refused(410, "The requested API version is not supported."));
        }
        let parts = below(call);
        if let ("GET", ["blob", "artifacts", _]) = (call.method.as_str(), parts.as_slice()) {
            // What a short-lived link leads to: an archive of nothing.
            let mut archive = b"PK\x05\x06".to_vec();
            archive.resize(22, 0);
            return Ok(Answer::bytes(200, "application/zip", archive));
        }
        if let ("GET", [OWNER, _, ..]) = (call.method.as_str(), parts.as_slice()) {
            let page = format!("<html><body><h1>{}</h1></body></html>", parts.join(" / "));
            return Ok(Answer::html(200, &page));
        }
        let caller = self.authenticate(ctx, call)?;
        let now = ctx.now();
        if parts.as_slice() == ["rate_limit"] {
            return Ok(Answer::json(200, &self.limits(now)));
        }
        let spent = self.spent(now);
        self.used = self.used.saturating_add(1).min(LIMIT);
        let (left, reset) = (LIMIT - self.used, self.reset());
        let outcome = if spent {
            let words = format!("API rate limit exceeded for user ID {}.", 583_231);
            Err(refused(403, &words))
        } else {
            self.route(ctx, call, caller, &parts)
        };
        let marks = |answer: Answer| {
            let answer = answer
                .header("x-ratelimit-limit", LIMIT.to_string())
                .header("x-ratelimit-remaining", left.to_string())
                .header("x-ratelimit-used", LIMIT.saturating_sub(left).to_string())
                .header("x-ratelimit-reset", reset.to_string())
                .header("x-ratelimit-resource", "core");
            match caller {
                Caller::Classic => answer.header("x-oauth-scopes", "repo, workflow"),
                Caller::FineGrained | Caller::App | Caller::Installation => answer,
            }
        };
        outcome.map(marks).map_err(marks)
    }

    fn route(&mut self, ctx: &mut Context, call: &Call, caller: Caller, parts: &[&str]) -> Outcome {
        match (call.method.as_str(), parts) {
            ("GET", ["app", "installations", id]) => self.installation(ctx, call, caller, id),
            ("POST", ["app", "installations", id, "access_tokens"]) => self.grant(ctx, call, caller, id),
            _ if caller == Caller::App => Err(refused(401, "A JSON web token could not be used here")),
            ("GET", ["user"]) => match caller {
                Caller::Installation => Err(refused(403, "Resource not accessible by integration")),
                Caller::FineGrained | Caller::Classic | Caller::App => {
                    Ok(Answer::json(200, &self.views(&call.base).user(self)))
                }
            },
            (_, ["repos", owner, repo, rest @ ..]) if owner.eq_ignore_ascii_case(OWNER) => {
                if repo.eq_ignore_ascii_case(&self.repo) {
                    return self.repository(ctx, call, caller, rest);
                }
                if self.former.iter().any(|old| old.eq_ignore_ascii_case(repo)) {
                    return Err(moved(call, rest));
                }
                Err(not_found())
            }
            (_, ["repositories", id, rest @ ..]) if *id == REPOSITORY_ID.to_string() => {
                self.repository(ctx, call, caller, rest)
            }
            _ => Err(not_found()),
        }
    }

    fn repository(&mut self, ctx: &mut Context, call: &Call, caller: Caller, rest: &[&str]) -> Outcome {
        if self.sso && caller != Caller::Installation {
            let words = "Resource protected by organization SAML enforcement. You must grant your Personal Access \
                         token access to this organization.";
            let link = format!("required; url={}/orgs/{OWNER}/sso", call.base);
            return Err(refused(403, words).header("x-github-sso", link));
        }
        let method = call.method.as_str();
        let may_write = !ctx.access(NAME).forbidden;
        if method != "GET" && !may_write {
            let words = match caller {
                Caller::Installation => "Resource not accessible by integration",
                Caller::FineGrained | Caller::Classic | Caller::App => {
                    "Resource not accessible by personal access token"
                }
            };
            let permission = if rest.first() == Some(&"actions") {
                "actions=write"
            } else {
                "contents=write"
            };
            return Err(refused(403, words).header("x-accepted-github-permissions", permission));
        }
        let views = self.views(&call.base);
        match (method, rest) {
            ("GET", []) => Ok(Answer::json(200, &views.repository(self, may_write))),
            (_, ["git", rest @ ..]) => self.git_route(ctx, call, method, rest),
            ("GET", ["branches"]) => Ok(self.branches(call)),
            ("GET", ["commits"]) => self.commits_of(call),
            ("GET", ["commits", rest @ ..]) => {
                let commit = self.commit_named(&rest.join("/"));
                let commit = commit
                    .ok_or_else(|| refused(422, &format!("No commit found for SHA: {}", rest.join("/"))))?;
                Ok(Answer::json(200, &views.commit(commit)))
            }
            ("GET", ["compare", rest @ ..]) => self.comparison(call, &rest.join("/")),
            (_, ["releases", rest @ ..]) => self.release_route(ctx, call, method, rest),
            (_, ["pulls", rest @ ..]) => self.pull_route(ctx, call, method, rest),
            ("POST", ["merges"]) => self.merge_branches(ctx, call),
            ("GET", ["contents", path @ ..]) => self.contents(call, &path.join("/")),
            (_, ["actions", rest @ ..]) => self.actions_route(ctx, call, method, rest),
            _ => Err(not_found()),
        }
    }

    /// Links of answers.
    fn views<'a>(&self, base: &'a str) -> Views<'a> {
        Views {
            base,
            repo: self.repo.clone(),
        }
    }

    fn limits(&mut self, now: i64) -> Value {
        self.spent(now);
        let left = LIMIT.saturating_sub(self.used);
        let one = json!({"limit": LIMIT, "remaining": left, "used": LIMIT - left, "reset": self.reset()});
        json!({"resources": {"core": one, "search": one, "graphql": one}, "rate": one})
    }

    /// Remembers an exchange, so that a test can hold it against the published description.
    fn keep(&mut self, call: &Call, answer: &Answer) {
        let Some(record) = self.record.as_mut().filter(|record| record.len() < RECORDED) else {
            return;
        };
        let query: serde_json::Map<String, Value> = call
            .query
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        record.push(json!({
            "method": call.method, "path": call.path, "query": query,
            "request": call.json().unwrap_or_default(), "status": answer.status,
            "answer": serde_json::from_slice::<Value>(&answer.body).unwrap_or_default(),
        }));
    }
}

/// A renamed repository: reads are sent on for good, writes with their method kept.
fn moved(call: &Call, rest: &[&str]) -> Answer {
    let rest: String = rest.iter().map(|part| format!("/{part}")).collect();
    let query = if call.raw_query.is_empty() {
        String::new()
    } else {
        format!("?{}", call.raw_query)
    };
    let target = format!("{}/repositories/{REPOSITORY_ID}{rest}{query}", call.base);
    let status = if call.method == "GET" { 301 } else { 307 };
    Answer::json(
        status,
        &json!({"message": "Moved Permanently", "url": target,
                "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects"}),
    )
    .header("location", target)
}
