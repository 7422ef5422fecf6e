//! What `/_advance` does to workflows and runs: runners, people in the browser, and people who edit workflow files.

use serde_json::{Value, json};

use super::runs::file_of;
use super::state::GitHub;
use super::workflows::{Definition, Input, KEY, Kind, Workflow};
use crate::world::Context;

const CONCLUSIONS: [&str; 9] = [
    "success",
    "failure",
    "cancelled",
    "skipped",
    "timed_out",
    "action_required",
    "neutral",
    "stale",
    "startup_failure",
];

/// Performs an action; none when it is no action of workflows.
pub(super) fn perform(
    hub: &mut GitHub,
    ctx: &mut Context,
    action: &str,
    args: &Value,
) -> Option<Result<Value, String>> {
    let given = |name: &str| args.get(name).and_then(Value::as_str);
    let on = args.get("on").and_then(Value::as_bool).unwrap_or(true);
    Some(match action {
        "start_runs" => {
            let begun = hub.begin_runs(ctx, Some(given("workflow").unwrap_or("all")));
            Ok(json!({"started": begun}))
        }
        "hold_runs" => {
            hub.actions.hold = on;
            Ok(json!({"hold": on}))
        }
        "run_lag" => {
            hub.actions.lag_ms = args.get("ms").and_then(Value::as_i64).unwrap_or(0);
            Ok(json!({"ms": hub.actions.lag_ms}))
        }
        "run_count_ahead" => {
            let by = args.get("by").and_then(Value::as_u64).unwrap_or(0);
            hub.actions.ahead = usize::try_from(by).unwrap_or(0);
            Ok(json!({"by": by}))
        }
        "run_details" => {
            hub.actions.details = on;
            Ok(json!({"details": on}))
        }
        "finish_run" => finish(hub, ctx, args),
        "set_run" => set_run(hub, args),
        "rerun_run" => rerun(hub, ctx, args),
        "delete_run" => {
            let before = hub.actions.runs.len();
            let id = args.get("run").and_then(Value::as_u64);
            hub.actions.runs.retain(|run| Some(run.id) != id);
            Ok(json!({"deleted": before - hub.actions.runs.len()}))
        }
        "expire_artifacts" => {
            let all = hub.actions.runs.iter_mut().flat_map(|run| &mut run.artifacts);
            all.for_each(|it| it.expired = true);
            Ok(json!({"expired": true}))
        }
        "person_runs" => person_runs(hub, ctx, args),
        "move_before_dispatch" => match (given("ref"), given("sha")) {
            (Some(full), Some(sha)) => hub
                .commit_named(sha)
                .map(|commit| commit.sha.clone())
                .ok_or_else(|| "no such commit".to_owned())
                .map(|sha| {
                    hub.actions.moving.insert(full.to_owned(), sha.clone());
                    json!({"ref": full, "sha": sha})
                }),
            (_, _) => Err("`ref` and `sha` are missing".to_owned()),
        },
        "add_workflow" => add_workflow(hub, ctx, args),
        "set_workflow_state" => workflow(hub, args).map(|workflow| {
            workflow.state = given("state").unwrap_or("active").to_owned();
            json!({"state": workflow.state})
        }),
        _ => return None,
    })
}

fn workflow<'a>(hub: &'a mut GitHub, args: &Value) -> Result<&'a mut Workflow, String> {
    let name = args.get("workflow").and_then(Value::as_str);
    let name = file_of(name.ok_or("`workflow` is missing")?).to_owned();
    let mut all = hub.actions.workflows.iter_mut();
    all.find(|it| it.file == name)
        .ok_or_else(|| format!("no workflow is called {name}"))
}

/// Runs that the arguments name: `run`, or those of a workflow, or all.
fn named(hub: &GitHub, args: &Value) -> Vec<u64> {
    let (id, file) = (
        args.get("run").and_then(Value::as_u64),
        args.get("workflow").and_then(Value::as_str),
    );
    let wanted = hub.actions.runs.iter().filter(|run| {
        id.is_none_or(|id| id == run.id) && file.is_none_or(|file| file == "all" || file == run.file)
    });
    wanted.map(|run| run.id).collect()
}

fn finish(hub: &mut GitHub, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let conclusion = args
        .get("conclusion")
        .and_then(Value::as_str)
        .unwrap_or("success");
    if !CONCLUSIONS.contains(&conclusion) {
        return Err(format!("no conclusion is called {conclusion}"));
    }
    let ids = named(hub, args);
    let finished: Vec<u64> = ids
        .into_iter()
        .filter(|id| hub.finish(ctx, *id, conclusion))
        .collect();
    Ok(json!({"finished": finished, "conclusion": conclusion}))
}

/// A state that no runner brings about, e.g. `waiting` for an approval.
fn set_run(hub: &mut GitHub, args: &Value) -> Result<Value, String> {
    let status = args
        .get("status")
        .and_then(Value::as_str)
        .ok_or("`status` is missing")?;
    let ids = named(hub, args);
    for run in hub.actions.runs.iter_mut().filter(|run| ids.contains(&run.id)) {
        run.status = status.to_owned();
        run.conclusion = args.get("conclusion").and_then(Value::as_str).map(str::to_owned);
    }
    Ok(json!({"runs": ids, "status": status}))
}

/// A person presses "Re-run".
fn rerun(hub: &mut GitHub, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let ids = named(hub, args);
    let again: Vec<Value> = ids
        .into_iter()
        .filter_map(|id| Some(json!({"run": id, "attempt": hub.rerun(ctx, id)?})))
        .collect();
    Ok(json!({"runs": again}))
}

/// People press "Run workflow": `count` runs, each with other inputs, none with a key of ours, and all runs that there
/// are by then `age_ms` old.
fn person_runs(hub: &mut GitHub, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let file = workflow(hub, args)?.file.clone();
    let ref_name = args
        .get("ref")
        .and_then(Value::as_str)
        .unwrap_or("main")
        .to_owned();
    let sha = hub
        .commit_named(&ref_name)
        .map(|commit| commit.sha.clone())
        .ok_or("no such ref")?;
    let at = hub.actions.workflows.iter().position(|it| it.file == file);
    let count = args.get("count").and_then(Value::as_u64).unwrap_or(1).min(2000);
    let age = args.get("age_ms").and_then(Value::as_i64).unwrap_or_default();
    for run in &mut hub.actions.runs {
        run.created -= age;
    }
    let mut made = Vec::new();
    for number in 0..count {
        let inputs = vec![("version".to_owned(), format!("0.0.{number}"))];
        let id = hub.start_run(ctx, at.unwrap_or_default(), &ref_name, &sha, inputs, None);
        if let Some(run) = hub.actions.runs.iter_mut().find(|run| run.id == id) {
            "octocat".clone_into(&mut run.actor);
        }
        made.push(id);
    }
    Ok(json!({"runs": made}))
}

/// A workflow file is added, or changed; with `ref` only at the commit that it names now.
fn add_workflow(hub: &mut GitHub, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    let file = file_of(text("workflow").ok_or("`workflow` is missing")?).to_owned();
    let kind = match text("kind").unwrap_or("plain") {
        "plain" => Kind::Plain,
        "testflight" => Kind::TestFlight,
        "bundle" => Kind::Bundle,
        "tests" => Kind::Tests,
        other => return Err(format!("no kind of workflow is called {other}")),
    };
    let missing = args.get("missing").and_then(Value::as_bool).unwrap_or(false);
    let definition = (!missing).then(|| definition(args));
    let sha = text("ref").map(|name| hub.commit_named(name).map(|commit| commit.sha.clone()));
    let at = match sha {
        Some(None) => return Err("no such ref".to_owned()),
        Some(Some(sha)) => Some(sha),
        None => None,
    };
    let position = hub.actions.workflows.iter().position(|it| it.file == file);
    if position.is_none() {
        let id = 100 + ctx.ids.next("github workflow");
        let name = text("name").unwrap_or(&file).to_owned();
        hub.actions.workflows.push(Workflow {
            id,
            name,
            file: file.clone(),
            state: "active".to_owned(),
            kind,
            definition: self::definition(args),
            at: std::collections::BTreeMap::new(),
            next: 1,
        });
    }
    let workflow = workflow(hub, &json!({"workflow": file}))?;
    match (at, definition) {
        (Some(sha), other) => {
            workflow.at.insert(sha, other);
        }
        (None, Some(other)) => workflow.definition = other,
        (None, None) => workflow.state = "deleted".to_owned(),
    }
    Ok(json!({"workflow": file}))
}

/// `inputs`: names, or objects with `name`, `type`, `required`, `default`, `options`.
fn definition(args: &Value) -> Definition {
    let inputs = args.get("inputs").and_then(Value::as_array).cloned();
    let one = |it: &Value| {
        let text = |name: &str| it.get(name).and_then(Value::as_str).map(str::to_owned);
        let options = it
            .get("options")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        Input {
            kind: text("type").unwrap_or_else(|| "string".to_owned()),
            required: it.get("required").and_then(Value::as_bool).unwrap_or(false),
            default: text("default"),
            options: options
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            ..Input::text(
                it.as_str()
                    .or_else(|| it.get("name")?.as_str())
                    .unwrap_or_default(),
            )
        }
    };
    Definition {
        dispatch: args.get("dispatch").and_then(Value::as_bool).unwrap_or(true),
        inputs: inputs.map_or_else(|| vec![Input::text(KEY)], |list| list.iter().map(one).collect()),
        run_name: match args.get("runName") {
            None => Some(format!("${{{{ inputs.{KEY} }}}}")),
            Some(name) => name.as_str().map(str::to_owned),
        },
        text: args.get("text").and_then(Value::as_str).map(str::to_owned),
    }
}
