//! Webhooks: `X-Hub-Signature-256` over the body, an id per delivery that a redelivery keeps.

use serde_json::{Value, json};

use super::git::ZERO;
use super::runs::Run;
use super::state::{GitHub, NAME, Pull, Release};
use super::views::LOGIN;
use crate::hooks::signature;
use crate::world::Context;

impl GitHub {
    fn base(ctx: &Context) -> String {
        format!("{}/{NAME}", ctx.base)
    }

    /// `workflow_run`: requested, in progress or completed.
    pub(super) fn notify_run(&mut self, ctx: &mut Context, action: &str, run: &Run) {
        if ctx.receivers(NAME).is_empty() {
            // Thousands of runs are made at once at times.
            return;
        }
        let base = Self::base(ctx);
        let views = self.views(&base);
        let workflow = self.actions.workflows.iter().find(|it| it.id == run.workflow);
        let body = json!({"action": action, "workflow_run": views.run(self, run),
                          "workflow": workflow.map(|it| views.workflow(it)), "organization": views.organization()});
        self.notify(ctx, "workflow_run", body);
    }

    /// Sends an event to every receiver.
    fn notify(&mut self, ctx: &mut Context, event: &str, mut body: Value) {
        let base = Self::base(ctx);
        let views = self.views(&base);
        if let Value::Object(body) = &mut body {
            body.insert("repository".to_owned(), views.repository(self, true));
            body.insert("sender".to_owned(), views.account(LOGIN));
        }
        let id = ctx.ids.uuid("github delivery");
        self.last_hook = Some((event.to_owned(), id.clone(), body.clone()));
        deliver(ctx, event, &id, &body);
    }

    /// Sends the last delivery once more, under its own id.
    pub(super) fn redeliver(&self, ctx: &mut Context) -> Result<Value, String> {
        let (event, id, body) = self.last_hook.clone().ok_or("nothing was delivered yet")?;
        deliver(ctx, &event, &id, &body);
        Ok(json!({"event": event, "delivery": id}))
    }

    /// `create` or `delete` of a branch or tag.
    pub(super) fn notify_ref(&mut self, ctx: &mut Context, event: &str, full: &str) {
        let kind = if full.starts_with("refs/tags/") {
            "tag"
        } else {
            "branch"
        };
        let name = full.splitn(3, '/').nth(2).unwrap_or_default();
        let body = json!({"ref": name, "ref_type": kind, "pusher_type": "user", "master_branch": "main",
                          "description": null});
        self.notify(ctx, event, body);
    }

    pub(super) fn notify_push(&mut self, ctx: &mut Context, full: &str, before: &str, after: &str) {
        let base = Self::base(ctx);
        let views = self.views(&base);
        let head = self.peel(after).and_then(|sha| self.commits.get(&sha).cloned());
        let head = head.map(|commit| {
            json!({"id": commit.sha, "tree_id": commit.tree, "message": commit.message, "distinct": true,
                   "timestamp": super::state::instant(commit.at),
                   "url": views.html(&format!("/commit/{}", commit.sha))})
        });
        let commits: Vec<&Value> = head.iter().collect();
        let body = json!({"ref": full, "before": before, "after": after, "created": before == ZERO,
                          "deleted": after == ZERO, "forced": false, "base_ref": null,
                          "compare": views.html(&format!("/compare/{before}...{after}")), "commits": commits,
                          "head_commit": head, "pusher": {"name": LOGIN, "email": "delivr-bot@example.com"}});
        self.notify(ctx, "push", body);
    }

    pub(super) fn notify_release(&mut self, ctx: &mut Context, action: &str, release: &Release) {
        let base = Self::base(ctx);
        let shown = self.views(&base).release(release);
        self.notify(ctx, "release", json!({"action": action, "release": shown}));
    }

    pub(super) fn notify_pull(&mut self, ctx: &mut Context, action: &str, pull: &Pull) {
        let base = Self::base(ctx);
        let shown = self.views(&base).pull(self, pull, true);
        let body = json!({"action": action, "number": pull.number, "pull_request": shown});
        self.notify(ctx, "pull_request", body);
    }
}

fn deliver(ctx: &mut Context, event: &str, id: &str, body: &Value) {
    let body = body.to_string().into_bytes();
    for (url, secret) in ctx.receivers(NAME) {
        let headers = vec![
            ("user-agent".to_owned(), "GitHub-Hookshot/sandbox".to_owned()),
            ("x-github-event".to_owned(), event.to_owned()),
            ("x-github-delivery".to_owned(), id.to_owned()),
            ("x-github-hook-id".to_owned(), "292430182".to_owned()),
            (
                "x-hub-signature-256".to_owned(),
                format!("sha256={}", signature(&secret, &body)),
            ),
        ];
        ctx.send(NAME, &url, headers, body.clone());
    }
}
