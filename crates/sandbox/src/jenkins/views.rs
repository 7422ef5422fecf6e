//! The JSON a Jenkins shows.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::state::{Build, Item, Job, KEY, artifact_path, job_path};

/// Builds that `builds` shows; `allBuilds` shows all.
const NEWEST: usize = 100;

fn parameters_action(parameters: &[(String, String)]) -> Value {
    let list = parameters.iter().map(
        |(name, value)| json!({"_class": "hudson.model.StringParameterValue", "name": name, "value": value}),
    );
    json!({"_class": "hudson.model.ParametersAction", "parameters": list.collect::<Vec<_>>()})
}

fn url(base: &str, job: &str) -> String {
    format!("{base}{}", job_path(job))
}

/// A queue item.
pub(crate) fn item(base: &str, item: &Item) -> Value {
    let class = match (item.left.is_some(), item.number.is_some()) {
        (true, _) => "hudson.model.Queue$LeftItem",
        (false, _) => "hudson.model.Queue$BuildableItem",
    };
    let params = item
        .parameters
        .iter()
        .map(|(name, value)| format!("\n{name}={value}"))
        .collect::<String>();
    let mut view = json!({
        "_class": class,
        "actions": [parameters_action(&item.parameters)],
        "blocked": false,
        "buildable": item.left.is_none(),
        "id": item.id,
        "inQueueSince": item.since,
        "params": params,
        "stuck": false,
        "task": {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
            "name": item.job,
            "url": url(base, &item.job),
        },
        "url": format!("queue/item/{}/", item.id),
        "why": if item.left.is_some() { Value::Null } else { json!("Waiting for next available executor") },
    });
    if let (Some(left), Some(map)) = (item.left, view.as_object_mut()) {
        map.insert("cancelled".to_owned(), json!(item.cancelled));
        map.insert("timestamp".to_owned(), json!(left));
        let executable = item.number.map(|number| {
            json!({
                "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
                "number": number,
                "url": format!("{}{number}/", url(base, &item.job)),
            })
        });
        map.insert("executable".to_owned(), executable.unwrap_or(Value::Null));
    }
    view
}

/// A build.
pub(crate) fn build(base: &str, job: &Job, build: &Build) -> Value {
    let name = job.name.rsplit('/').next().unwrap_or_default();
    let branch = build
        .branch
        .trim_start_matches("refs/heads/")
        .trim_start_matches("refs/");
    let artifacts = match build.result.as_deref() {
        Some("SUCCESS" | "UNSTABLE") => {
            json!([artifact(&artifact_path(job, build)), artifact("out/build.json"),])
        }
        _ => json!([]),
    };
    json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "actions": [
            parameters_action(&build.parameters),
            {
                "_class": "hudson.plugins.git.util.BuildData",
                "lastBuiltRevision": {"SHA1": build.sha, "branch": [{"SHA1": build.sha, "name": branch}]},
                "remoteUrls": ["https://git.example.com/example/shop.git"],
            },
        ],
        "artifacts": artifacts,
        "building": build.building,
        "inProgress": build.building,
        "description": format!("{} ({})", build.version(), build.build_number()),
        "displayName": format!("#{}", build.number),
        "duration": build.duration,
        "estimatedDuration": 60000,
        "fullDisplayName": format!("{name} #{}", build.number),
        "id": build.number.to_string(),
        "keepLog": false,
        "number": build.number,
        "queueId": build.queue_id,
        "result": build.result,
        "timestamp": build.started,
        "url": format!("{}{}/", url(base, &job.name), build.number),
        "changeSets": [{
            "_class": "hudson.plugins.git.GitChangeSetList",
            "items": [{"commitId": build.sha, "msg": "Simulated change", "author": {"fullName": "Sandbox"}}],
            "kind": "git",
        }],
    })
}

fn artifact(path: &str) -> Value {
    let name = path.rsplit('/').next().unwrap_or_default();
    json!({"displayPath": name, "fileName": name, "relativePath": path})
}

/// The description that a job leaves beside its artifact.
pub(crate) fn build_facts(job: &Job, build: &Build) -> Value {
    json!({
        "job": job.name,
        "version": build.version(),
        "buildNumber": build.build_number(),
        "sha": build.sha,
        "key": build.parameter(KEY),
    })
}

/// Which of all builds are asked for, where they are: `allBuilds[...]{from,to}`, or all of them.
pub(crate) fn range_of_all(tree: &str) -> Option<Range<usize>> {
    let after = tree.split_once("allBuilds")?.1;
    let range = after.rsplit_once('{').and_then(|(_, range)| {
        let (from, to) = range.strip_suffix('}')?.split_once(',')?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    Some(range.unwrap_or(0..usize::MAX))
}

/// A job with its builds, newest first.
pub(crate) fn job(base: &str, job: &Job, queued: Option<&Item>, all: Option<Range<usize>>) -> Value {
    let definitions = job.parameters.iter().map(|parameter| {
        let choice = !parameter.choices.is_empty();
        let kind = if choice { "ChoiceParameterDefinition" } else { "StringParameterDefinition" };
        let mut view = json!({
            "_class": format!("hudson.model.{kind}"),
            "defaultParameterValue": {"_class": "hudson.model.StringParameterValue", "name": parameter.name, "value": parameter.default},
            "description": "",
            "name": parameter.name,
            "type": kind,
        });
        if let (true, Some(map)) = (choice, view.as_object_mut()) {
            map.insert("choices".to_owned(), json!(parameter.choices));
        }
        view
    });
    let definitions: Vec<Value> = definitions.collect();
    let property = if definitions.is_empty() {
        json!([])
    } else {
        json!([{"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": definitions}])
    };
    let reference = |one: &Build| {
        json!({"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": one.number,
               "url": format!("{}{}/", url(base, &job.name), one.number)})
    };
    let full = |one: &Build| build(base, job, one);
    let mut view = Map::new();
    let last = job.builds.last().map(reference);
    let fields = [
        ("_class", json!("org.jenkinsci.plugins.workflow.job.WorkflowJob")),
        ("name", json!(job.name.rsplit('/').next())),
        ("fullName", json!(job.name)),
        ("displayName", json!(job.name.rsplit('/').next())),
        ("url", json!(url(base, &job.name))),
        ("buildable", json!(job.buildable)),
        ("color", json!(color(job))),
        ("inQueue", json!(queued.is_some())),
        (
            "queueItem",
            queued.map(|one| item(base, one)).unwrap_or(Value::Null),
        ),
        ("nextBuildNumber", json!(job.next)),
        ("property", property),
        ("lastBuild", json!(last)),
        (
            "builds",
            json!(job.builds.iter().rev().take(NEWEST).map(full).collect::<Vec<_>>()),
        ),
    ];
    for (name, value) in fields {
        view.insert(name.to_owned(), value);
    }
    if let Some(range) = all {
        let some = job.builds.iter().rev().skip(range.start).take(range.len());
        view.insert("allBuilds".to_owned(), json!(some.map(full).collect::<Vec<_>>()));
    }
    Value::Object(view)
}

fn color(job: &Job) -> &'static str {
    match (
        job.buildable,
        job.builds.last().and_then(|build| build.result.as_deref()),
    ) {
        (false, _) => "disabled",
        (true, Some("SUCCESS")) => "blue",
        (true, Some("UNSTABLE")) => "yellow",
        (true, Some("ABORTED")) => "aborted",
        (true, Some(_)) => "red",
        (true, None) => "notbuilt",
    }
}

/// Jobs and folders directly below a folder (`""` is the root).
pub(crate) fn jobs(base: &str, all: &[&Job], folder: &str) -> Value {
    let mut views: Vec<Value> = Vec::new();
    let mut folders: Vec<&str> = Vec::new();
    for job in all {
        let below = if folder.is_empty() {
            Some(job.name.as_str())
        } else {
            job.name
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
        };
        match below.map(|below| {
            below
                .split_once('/')
                .map_or((below, false), |(first, _)| (first, true))
        }) {
            Some((name, false)) => views.push(json!({
                "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
                "name": name, "fullName": job.name, "url": url(base, &job.name), "color": color(job),
                "buildable": job.buildable,
            })),
            Some((name, true)) if !folders.contains(&name) => {
                folders.push(name);
                let full = if folder.is_empty() {
                    name.to_owned()
                } else {
                    format!("{folder}/{name}")
                };
                views.push(json!({
                    "_class": "com.cloudbees.hudson.plugins.folder.Folder",
                    "name": name, "fullName": full, "url": url(base, &full),
                    "jobs": jobs(base, all, &full),
                }));
            }
            Some((_, true)) | None => {}
        }
    }
    Value::Array(views)
}
