//! What a test or a demonstration does to Jenkins through `/_advance`.

use serde_json::{Value, json};

use super::state::{Build, Jenkins, Kind, parameter};
use crate::auto::Step;
use crate::world::Context;

const RESULTS: [&str; 5] = ["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"];

pub(crate) fn perform(
    jenkins: &mut Jenkins,
    ctx: &mut Context,
    action: &str,
    args: &Value,
) -> Result<Value, String> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    match action {
        "start" => Ok(json!({"started": jenkins.start(ctx, Some(text("job").unwrap_or("all")))})),
        "hold_queue" => {
            jenkins.hold = args.get("on").and_then(Value::as_bool).unwrap_or(true);
            Ok(json!({"hold": jenkins.hold}))
        }
        "finish" => finish(jenkins, ctx, args),
        "add_job" => {
            let name = text("job").ok_or("`job` is missing")?;
            let kind = match text("kind").unwrap_or("plain") {
                "plain" => Kind::Plain,
                "testflight" => Kind::TestFlight,
                "bundle" => Kind::Bundle,
                "tests" => Kind::Tests,
                other => return Err(format!("no kind of job is called {other}")),
            };
            let list = |field: &str| -> Option<Vec<&str>> {
                Some(
                    args.get(field)?
                        .as_array()?
                        .iter()
                        .filter_map(Value::as_str)
                        .collect(),
                )
            };
            let names = list("parameters").unwrap_or_else(|| vec!["VERSION", "BRANCH", "DELIVR_KEY"]);
            let job = jenkins.add_job(name, kind, &names);
            job.kind = kind;
            job.parameters = names.iter().map(|name| parameter(name)).collect();
            if let Some(names) = list("identifiedBy") {
                job.identified_by = names.into_iter().map(str::to_owned).collect();
            }
            if let Some(choices) = args.get("choices").and_then(Value::as_object) {
                for declared in &mut job.parameters {
                    let given = choices.get(&declared.name).and_then(Value::as_array);
                    let given = given.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned));
                    declared.choices = given.map(Iterator::collect).unwrap_or_default();
                    declared.default = declared.choices.first().cloned().unwrap_or_default();
                }
            }
            Ok(json!({"job": name}))
        }
        "set_buildable" => {
            let name = text("job").ok_or("`job` is missing")?;
            let job = jenkins
                .jobs
                .get_mut(name)
                .ok_or_else(|| format!("no job is called {name}"))?;
            job.buildable = args.get("on").and_then(Value::as_bool).unwrap_or(true);
            Ok(json!({"buildable": job.buildable}))
        }
        "others_run" => {
            let count = args.get("count").and_then(Value::as_u64).unwrap_or(1);
            let before = args.get("daysAgo").and_then(Value::as_i64).unwrap_or(0) * 86_400_000;
            let now = ctx.now();
            let name = text("job").ok_or("`job` is missing")?;
            let job = jenkins.jobs.get_mut(name).ok_or("no such job")?;
            for _ in 0..count {
                job.builds.push(Build {
                    number: job.next,
                    queue_id: 1_000_000 + job.next,
                    parameters: Vec::new(),
                    subject: String::new(),
                    result: Some("SUCCESS".to_owned()),
                    building: false,
                    started: now - before,
                    duration: 1,
                    sha: String::new(),
                    branch: "main".to_owned(),
                    step: Step::default(),
                });
                job.next += 1;
            }
            Ok(json!({"builds": job.builds.len()}))
        }
        "forget_queue" => {
            // As after a restart, or five minutes: items that left are no longer known.
            jenkins.queue.retain(|item| item.left.is_none());
            Ok(json!({"forgotten": true}))
        }
        other => Err(format!("no action of jenkins is called {other}")),
    }
}

fn finish(jenkins: &mut Jenkins, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let result = args.get("result").and_then(Value::as_str).unwrap_or("SUCCESS");
    if !RESULTS.contains(&result) {
        return Err(format!("no result is called {result}"));
    }
    let number = match args.get("number") {
        None => None,
        Some(Value::String(all)) if all == "all" => None,
        Some(value) => Some(value.as_u64().ok_or("`number` is a number or \"all\"")?),
    };
    let names: Vec<String> = match args.get("job").and_then(Value::as_str) {
        None | Some("all") => jenkins.jobs.keys().cloned().collect(),
        Some(name) if jenkins.jobs.contains_key(name) => vec![name.to_owned()],
        Some(other) => return Err(format!("no job is called {other}")),
    };
    let mut finished = Vec::new();
    for name in names {
        jenkins.start(ctx, Some(&name));
        for number in jenkins.running(&name, number) {
            if jenkins.finish(ctx, &name, number, result) {
                finished.push(json!({"job": name, "number": number, "result": result}));
            }
        }
    }
    Ok(json!({"finished": finished}))
}
