//! How the simulated GitHub shows workflows, runs, their jobs and what they left behind.

use serde_json::{Value, json};

use super::runs::{Artifact, Run};
use super::state::{GitHub, OWNER, instant};
use super::views::{REPOSITORY_ID, Views};
use super::workflows::{FOLDER, Workflow};

impl Views<'_> {
    pub(super) fn workflow(&self, workflow: &Workflow) -> Value {
        let at = "2026-01-05T09:00:00Z";
        json!({"id": workflow.id, "node_id": format!("W_kwDO{}", workflow.id), "name": workflow.name,
               "path": workflow.path(), "state": workflow.state, "created_at": at, "updated_at": at,
               "url": self.api(&format!("/actions/workflows/{}", workflow.id)),
               "html_url": self.html(&format!("/blob/main/{}", workflow.path())),
               "badge_url": self.html(&format!("/workflows/{}/badge.svg", workflow.id))})
    }

    pub(super) fn run(&self, hub: &GitHub, run: &Run) -> Value {
        let url = self.api(&format!("/actions/runs/{}", run.id));
        let suite = 30_000_000_000_u64 + run.id;
        let commit = hub.commits.get(&run.sha).map(|commit| {
            let person = json!({"name": commit.author, "email": "mona.lisa@example.com"});
            json!({"id": commit.sha, "tree_id": commit.tree, "message": commit.message,
                   "timestamp": instant(commit.at), "author": person, "committer": person})
        });
        let before = (run.attempt > 1).then(|| format!("{url}/attempts/{}", run.attempt - 1));
        let mut shown = json!({
            "id": run.id, "node_id": format!("WFR_kwLO{}", run.id), "name": run.title, "display_title": run.title,
            "head_branch": run.ref_name, "head_sha": run.sha, "path": format!("{FOLDER}{}", run.file),
            "run_number": run.number, "run_attempt": run.attempt, "event": "workflow_dispatch",
            "status": run.status, "conclusion": run.conclusion, "workflow_id": run.workflow,
            "check_suite_id": suite, "check_suite_node_id": format!("CS_kwDO{suite}"), "url": url,
            "html_url": self.html(&format!("/actions/runs/{}", run.id)), "pull_requests": [],
            "created_at": instant(run.created), "updated_at": instant(run.updated),
            "run_started_at": instant(run.started), "actor": self.account(&run.actor),
            "triggering_actor": self.account(&run.actor), "referenced_workflows": []});
        let links = json!({
            "jobs_url": format!("{url}/jobs"), "logs_url": format!("{url}/logs"),
            "check_suite_url": self.api(&format!("/check-suites/{suite}")),
            "artifacts_url": format!("{url}/artifacts"), "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"), "previous_attempt_url": before,
            "workflow_url": self.api(&format!("/actions/workflows/{}", run.workflow)), "head_commit": commit,
            "repository": self.repository(hub, true), "head_repository": self.repository(hub, true)});
        if let (Value::Object(shown), Value::Object(links)) = (&mut shown, links) {
            shown.extend(links);
        }
        shown
    }

    pub(super) fn job(&self, run: &Run) -> Value {
        let id = run.id + 20_000_000_000;
        let ended = run.conclusion.is_some();
        json!({"id": id, "run_id": run.id, "run_url": self.api(&format!("/actions/runs/{}", run.id)),
               "run_attempt": run.attempt, "node_id": format!("CR_kwDO{id}"), "head_sha": run.sha,
               "url": self.api(&format!("/actions/jobs/{id}")),
               "html_url": self.html(&format!("/actions/runs/{}/job/{id}", run.id)),
               "status": run.status, "conclusion": run.conclusion, "created_at": instant(run.created),
               "started_at": instant(run.started), "completed_at": ended.then(|| instant(run.updated)),
               "name": "build", "steps": [], "check_run_url": self.api(&format!("/check-runs/{id}")),
               "labels": ["ubuntu-latest"], "runner_id": 1, "runner_name": "runner 1", "runner_group_id": 2,
               "runner_group_name": "GitHub Actions", "workflow_name": run.file, "head_branch": run.ref_name})
    }

    pub(super) fn artifact(&self, run: &Run, artifact: &Artifact) -> Value {
        let url = self.api(&format!("/actions/artifacts/{}", artifact.id));
        let at = instant(artifact.created);
        json!({"id": artifact.id, "node_id": format!("A_kwDO{}", artifact.id), "name": artifact.name,
               "size_in_bytes": 22, "url": url, "archive_download_url": format!("{url}/zip"),
               "expired": artifact.expired, "created_at": at, "updated_at": at,
               "expires_at": instant(artifact.created + 90 * 86_400_000),
               "digest": format!("sha256:{:064x}", artifact.id),
               "workflow_run": {"id": run.id, "repository_id": REPOSITORY_ID, "head_repository_id": REPOSITORY_ID,
                                "head_branch": run.ref_name, "head_sha": run.sha}})
    }

    /// What GitHub tells of an organization in events.
    pub(super) fn organization(&self) -> Value {
        json!({"login": OWNER, "id": 9919, "url": format!("{}/orgs/{OWNER}", self.base)})
    }
}
