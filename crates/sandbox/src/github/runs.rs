//! Runs of workflows: dispatches of both API versions, and lists with their lag.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Outcome, cut, document, not_found, refused};
use super::state::{GitHub, NAME};
use super::version;
use super::workflows::{FOLDER, KEY, Workflow, first};
use crate::answer::Answer;
use crate::auto::Step;
use crate::call::Call;
use crate::world::Context;

/// Most results of a list that is filtered.
const SEARCHED: usize = 1000;

/// A file that a run left.
#[derive(Debug, Clone)]
pub(super) struct Artifact {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) expired: bool,
    pub(super) created: i64,
}

/// A run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) file: String,
    pub(super) workflow: u64,
    pub(super) number: u64,
    pub(super) attempt: u64,
    pub(super) title: String,
    pub(super) actor: String,
    /// Short name of the branch or tag.
    pub(super) ref_name: String,
    pub(super) sha: String,
    pub(super) inputs: Vec<(String, String)>,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) created: i64,
    pub(super) started: i64,
    pub(super) updated: i64,
    pub(super) subject: String,
    pub(super) step: Step,
    pub(super) artifacts: Vec<Artifact>,
}

impl Run {
    pub(super) fn input(&self, name: &str) -> Option<&str> {
        let found = self.inputs.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn version(&self) -> String {
        self.input("version").unwrap_or("0.0.0").to_owned()
    }

    pub(super) fn build_number(&self) -> String {
        self.input("build_number")
            .map_or_else(|| self.number.to_string(), str::to_owned)
    }
}

/// Everything of GitHub Actions.
#[derive(Debug)]
pub(super) struct Actions {
    pub(super) workflows: Vec<Workflow>,
    pub(super) runs: Vec<Run>,
    /// Nothing starts by itself while set, as when no runner is free.
    pub(super) hold: bool,
    /// How long lists do not show a new run.
    pub(super) lag_ms: i64,
    /// By how many the count of a list is ahead of what it shows.
    pub(super) ahead: usize,
    /// Whether a dispatch says which run it made, where it is asked to.
    pub(super) details: bool,
    /// A commit that somebody moves a ref to before the next dispatch is looked at: full ref and commit.
    pub(super) moving: BTreeMap<String, String>,
}

impl Actions {
    pub(super) fn new() -> Self {
        Self {
            workflows: first(),
            runs: Vec::new(),
            hold: false,
            lag_ms: 0,
            ahead: 0,
            details: true,
            moving: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dispatch {
    #[serde(rename = "ref")]
    name: String,
    #[serde(default)]
    inputs: serde_json::Map<String, Value>,
    #[serde(default)]
    return_run_details: Option<bool>,
}

impl GitHub {
    pub(super) fn actions_route(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        method: &str,
        rest: &[&str],
    ) -> Outcome {
        match (method, rest) {
            ("GET", ["workflows"]) => {
                let views = self.views(&call.base);
                let all: Vec<Value> = self
                    .actions
                    .workflows
                    .iter()
                    .map(|it| views.workflow(it))
                    .collect();
                Ok(counted(call, "workflows", &all))
            }
            ("GET", ["workflows", id]) => {
                let found = self.workflow(id)?;
                Ok(Answer::json(200, &self.views(&call.base).workflow(found)))
            }
            ("POST", ["workflows", id, "dispatches"]) => self.dispatch(ctx, call, id),
            ("GET", ["workflows", id, "runs"]) => {
                let workflow = self.workflow(id)?.id;
                Ok(self.listed(ctx, call, Some(workflow)))
            }
            ("GET", ["runs"]) => Ok(self.listed(ctx, call, None)),
            ("GET", ["runs", id]) => {
                let run = self.run(id)?;
                Ok(Answer::json(200, &self.views(&call.base).run(self, run)))
            }
            ("GET", ["runs", id, "jobs"]) => {
                let run = self.run(id)?;
                Ok(counted(call, "jobs", &[self.views(&call.base).job(run)]))
            }
            ("GET", ["runs", id, "artifacts"]) => {
                let (views, run) = (self.views(&call.base), self.run(id)?);
                let wanted = |name: &str| call.query("name").is_none_or(|wanted| wanted == name);
                let all: Vec<Value> = run
                    .artifacts
                    .iter()
                    .rev()
                    .filter(|it| wanted(&it.name))
                    .map(|it| views.artifact(run, it))
                    .collect();
                Ok(counted(call, "artifacts", &all))
            }
            ("POST", ["runs", id, "cancel" | "force-cancel"]) => {
                let id = self.run(id)?.id;
                if !self.finish(ctx, id, "cancelled") {
                    return Err(refused(409, "Cannot cancel a workflow run that is completed."));
                }
                ctx.effect(NAME, "cancel_run", &id.to_string(), None, Value::Null);
                Ok(Answer::json(202, &json!({})))
            }
            ("POST", ["runs", id, "rerun"]) => {
                let id = self.run(id)?.id;
                let attempt = self
                    .rerun(ctx, id)
                    .ok_or_else(|| refused(403, "This workflow is already running"))?;
                ctx.effect(NAME, "rerun", &format!("{id}#{attempt}"), None, Value::Null);
                Ok(Answer::json(201, &json!({})))
            }
            ("GET", ["artifacts", id, "zip"]) => {
                let all = self.actions.runs.iter().flat_map(|run| &run.artifacts);
                let artifact = all.into_iter().find(|it| it.id.to_string() == *id);
                if artifact.ok_or_else(not_found)?.expired {
                    return Err(refused(410, "Artifact has expired"));
                }
                Ok(Answer::empty(302).header("location", format!("{}/blob/artifacts/{id}", call.base)))
            }
            _ => Err(not_found()),
        }
    }

    /// By number or by file name.
    fn workflow(&self, name: &str) -> Result<&Workflow, Answer> {
        let mut all = self.actions.workflows.iter();
        all.find(|it| it.id.to_string() == name || it.file == name)
            .ok_or_else(not_found)
    }

    fn run(&self, id: &str) -> Result<&Run, Answer> {
        let mut all = self.actions.runs.iter();
        all.find(|run| run.id.to_string() == id).ok_or_else(not_found)
    }

    fn listed(&self, ctx: &Context, call: &Call, workflow: Option<u64>) -> Answer {
        let now = ctx.now();
        let asked = |name: &str, is: &str| call.query(name).is_none_or(|wanted| wanted == is);
        let filters = ["actor", "branch", "event", "status", "created", "head_sha"];
        let filtered = filters.iter().any(|name| call.query(name).is_some());
        let mut all: Vec<&Run> = self
            .actions
            .runs
            .iter()
            .rev()
            .filter(|run| workflow.is_none_or(|id| id == run.workflow))
            .filter(|run| now - run.created >= self.actions.lag_ms)
            .filter(|run| {
                asked("event", "workflow_dispatch")
                    && asked("branch", &run.ref_name)
                    && asked("head_sha", &run.sha)
                    && asked("actor", &run.actor)
                    && call
                        .query("created")
                        .is_none_or(|range| within(range, run.created))
                    && call
                        .query("status")
                        .is_none_or(|word| word == run.status || Some(word) == run.conclusion.as_deref())
            })
            .collect();
        let total = all.len() + self.actions.ahead;
        if filtered {
            all.truncate(SEARCHED);
        }
        let views = self.views(&call.base);
        paged(call, "workflow_runs", &all, total, |run| views.run(self, run))
    }

    fn dispatch(&mut self, ctx: &mut Context, call: &Call, name: &str) -> Outcome {
        let index = self
            .actions
            .workflows
            .iter()
            .position(|it| it.id.to_string() == name || it.file == name)
            .ok_or_else(not_found)?;
        let newer = version(call) == "2026-03-10";
        let asked: Dispatch = document(call)?;
        if newer && asked.return_run_details.is_some() {
            let words = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
            return Err(refused(422, words));
        }
        let short = asked
            .name
            .trim_start_matches("refs/heads/")
            .trim_start_matches("refs/tags/");
        let full = [format!("refs/heads/{short}"), format!("refs/tags/{short}")]
            .into_iter()
            .find(|full| self.refs.contains_key(full) && (asked.name == short || *full == asked.name))
            .ok_or_else(|| refused(422, &format!("No ref found for: {}", asked.name)))?;
        if let Some(sha) = self.actions.moving.remove(&full) {
            self.put_ref(ctx, &full, &sha);
        }
        let sha = self.refs.get(&full).and_then(|object| self.peel(object));
        let sha = sha.ok_or_else(not_found)?;
        let Some(workflow) = self.actions.workflows.get(index) else {
            return Err(not_found());
        };
        let definition = workflow.definition_at(&sha).filter(|it| it.dispatch);
        let Some(definition) = definition.cloned() else {
            return Err(refused(422, "Workflow does not have 'workflow_dispatch' trigger"));
        };
        if workflow.state != "active" {
            let words = "Cannot trigger a 'workflow_dispatch' on a disabled workflow";
            return Err(refused(422, words));
        }
        let inputs = definition.inputs(&asked.inputs)?;
        let key = asked.inputs.get(KEY).and_then(Value::as_str).map(str::to_owned);
        let id = self.start_run(ctx, index, short, &sha, inputs, key.as_deref());
        let views = self.views(&call.base);
        if newer || (asked.return_run_details == Some(true) && self.actions.details) {
            return Ok(Answer::json(
                200,
                &json!({"workflow_run_id": id, "run_url": views.api(&format!("/actions/runs/{id}")),
                        "html_url": views.html(&format!("/actions/runs/{id}"))}),
            ));
        }
        Ok(Answer::empty(204))
    }

    /// A new run; a person's one without a key.
    pub(super) fn start_run(
        &mut self,
        ctx: &mut Context,
        index: usize,
        ref_name: &str,
        sha: &str,
        inputs: Vec<(String, String)>,
        key: Option<&str>,
    ) -> u64 {
        let Some(workflow) = self.actions.workflows.get_mut(index) else {
            return 0;
        };
        let number = workflow.next;
        workflow.next += 1;
        let title = workflow
            .definition_at(sha)
            .map(|it| it.title(&workflow.name, &inputs, ref_name, number))
            .unwrap_or_default();
        let subject = inputs
            .iter()
            .filter(|(name, value)| name != KEY && !value.is_empty())
            .fold(
                format!("{}@{ref_name}", workflow.file),
                |subject, (name, value)| format!("{subject},{name}={value}"),
            );
        let now = ctx.now();
        let run = Run {
            id: 17_000_000_000 + ctx.ids.next("github run"),
            file: workflow.file.clone(),
            workflow: workflow.id,
            number,
            attempt: 1,
            title,
            actor: super::views::LOGIN.to_owned(),
            ref_name: ref_name.to_owned(),
            sha: sha.to_owned(),
            inputs,
            status: "queued".to_owned(),
            conclusion: None,
            created: now,
            started: now,
            updated: now,
            subject,
            step: Step::at(now),
            artifacts: Vec::new(),
        };
        let id = run.id;
        let detail = json!({"workflow": run.file, "run": id, "sha": sha});
        ctx.effect(NAME, "dispatch", &run.subject, key, detail);
        self.actions.runs.push(run.clone());
        self.notify_run(ctx, "requested", &run);
        id
    }
}

/// A page of a list in its envelope.
fn counted(call: &Call, name: &str, all: &[Value]) -> Answer {
    paged(call, name, all, all.len(), Value::clone)
}

fn paged<T>(call: &Call, name: &str, all: &[T], total: usize, show: impl Fn(&T) -> Value) -> Answer {
    let (some, link) = cut(call, all, 30);
    let some: Vec<Value> = some.iter().map(show).collect();
    let mut body = json!({"total_count": total});
    if let Value::Object(body) = &mut body {
        body.insert(name.to_owned(), json!(some));
    }
    let answer = Answer::json(200, &body);
    match link {
        Some(link) => answer.header("link", link),
        None => answer,
    }
}

/// Whether an instant lies in a range of GitHub's search: `>=`, `>`, `<=`, `<` and an instant, or two with `..`.
fn within(range: &str, at: i64) -> bool {
    let read = |text: &str| {
        let whole = if text.len() == 10 {
            format!("{text}T00:00:00Z")
        } else {
            text.to_owned()
        };
        DateTime::parse_from_rfc3339(&whole)
            .ok()
            .map(|at| at.timestamp_millis())
    };
    // Lists count in whole seconds.
    let at = at.div_euclid(1000) * 1000;
    if let Some((from, to)) = range.split_once("..") {
        return read(from).is_some_and(|from| at >= from) && read(to).is_some_and(|to| at <= to);
    }
    let (sign, text) = range.split_at(range.len() - range.trim_start_matches(['<', '>', '=']).len());
    read(text).is_some_and(|bound| match sign {
        ">=" => at >= bound,
        ">" => at > bound,
        "<=" => at <= bound,
        "<" => at < bound,
        _ => at == bound,
    })
}

/// The file name in a path of a workflow.
pub(super) fn file_of(name: &str) -> &str {
    name.strip_prefix(FOLDER).unwrap_or(name)
}
