//! A sandbox with a repository whose tag is ready to be built, a connection, and GitHub's published description.
#![allow(dead_code, reason = "each test binary uses its own part")]

use delivr_cicd_github_actions::descriptor;
use delivr_domain::effect::{CicdWrite, Reference, RunRef};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::vendor::{Cicd, Lookup};
use delivr_provider_proof::description::Description;
use delivr_provider_proof::{contract, secrets};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const JOB: &str = "ios-release.yml";
pub(crate) const TAG: &str = "v1.4.0-rc.1";

pub(crate) fn key(number: u128) -> EffectKey {
    delivr_provider_proof::key(number)
}

/// A write of this job on the tag, which must name the commit.
pub(crate) fn write_of(job: &str, sha: &str) -> CicdWrite {
    CicdWrite::TriggerRun {
        job: job.to_owned(),
        git_ref: TAG.parse().unwrap(),
        sha: sha.parse().unwrap(),
        parameters: BTreeMap::from([("version".to_owned(), "1.4.0".to_owned())]),
    }
}

/// The same with these parameters.
pub(crate) fn write_with(job: &str, sha: &str, given: &[(&str, &str)]) -> CicdWrite {
    let CicdWrite::TriggerRun {
        job, git_ref, sha, ..
    } = write_of(job, sha);
    let pairs = given.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    CicdWrite::TriggerRun {
        job,
        git_ref,
        sha,
        parameters: pairs.collect(),
    }
}

pub(crate) fn run_of(reference: &Reference, job: &str, key: &EffectKey) -> RunRef {
    RunRef {
        job: job.to_owned(),
        id: reference.id.clone(),
        correlation: key.short(),
        url: reference.url.clone(),
    }
}

pub(crate) fn found(lookup: Lookup) -> Vec<Reference> {
    match lookup {
        Lookup::Found(list) => list,
        other => panic!("{other:?}"),
    }
}

pub(crate) struct Bench {
    pub(crate) shared: delivr_provider_proof::Bench,
    pub(crate) actions: Arc<dyn Cicd>,
    /// The tagged commit.
    pub(crate) sha: String,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(&json!({})).await
    }

    /// With settings laid over those that the sandbox names.
    pub(crate) async fn with(settings: &Value) -> Self {
        let shared = delivr_provider_proof::Bench::start("github").await;
        let sha = tagged(&shared);
        let actions = connect(&shared, settings);
        Self { shared, actions, sha }
    }

    /// One more connection.
    pub(crate) fn connect(&self, settings: &Value) -> Arc<dyn Cicd> {
        connect(&self.shared, settings)
    }

    /// One more connection, by the App.
    pub(crate) fn connect_as_app(&self) -> Arc<dyn Cicd> {
        let settings = self.shared.settings();
        cicd(&self.shared, &settings["actions"]["config"], &settings["app"])
    }

    pub(crate) fn advance(&self, action: &str, mut args: Value) -> Value {
        args["action"] = json!(action);
        self.shared.advance(args)
    }

    pub(crate) fn fault(&self, operation: &str, fault: &str, mut args: Value) {
        args["operation"] = json!(operation);
        args["fault"] = json!(fault);
        self.shared.fault(args);
    }

    pub(crate) fn write(&self) -> CicdWrite {
        write_of(JOB, &self.sha)
    }

    pub(crate) async fn started(&self, number: u128) -> RunRef {
        let made = self.actions.create(&key(number), &self.write()).await.unwrap();
        run_of(&made, JOB, &key(number))
    }

    pub(crate) fn dispatches(&self) -> usize {
        self.shared.effects("dispatch")
    }

    /// Holds every exchange so far against what GitHub publishes.
    pub(crate) fn hold(&self) {
        let exchanges = self.shared.running.exchanges("github");
        assert!(!exchanges.is_empty());
        let Some(mut description) = published() else {
            contract::log("SKIPPED: github.json is absent (DELIVR_SPECS names the folder)");
            return;
        };
        for exchange in &exchanges {
            if let Err(why) = description.check(exchange) {
                panic!("{why}\n{exchange:#}");
            }
        }
        contract::log(&format!(
            "CHECKED: {} exchanges, cicd-github-actions against the published github.json",
            exchanges.len()
        ));
    }
}

/// The commit of the tag, which is made here.
pub(crate) fn tagged(shared: &delivr_provider_proof::Bench) -> String {
    let full = format!("refs/tags/{TAG}");
    let made = shared.advance(json!({"action": "set_ref", "ref": full, "sha": "main"}));
    made["sha"].as_str().unwrap().to_owned()
}

fn connect(shared: &delivr_provider_proof::Bench, settings: &Value) -> Arc<dyn Cicd> {
    let mut offered = shared.settings()["actions"].take();
    for (name, value) in settings.as_object().unwrap() {
        if name == "token" {
            offered["credentials"]["token"] = value.clone();
        } else {
            offered["config"][name] = value.clone();
        }
    }
    cicd(shared, &offered["config"], &offered["credentials"])
}

fn cicd(shared: &delivr_provider_proof::Bench, config: &Value, credentials: &Value) -> Arc<dyn Cicd> {
    let connect = descriptor(&shared.deps).connect;
    match connect(config, &secrets(credentials)).unwrap() {
        Connection::Cicd(it) => it,
        other => panic!("{other:?}"),
    }
}

/// GitHub's description, made fit for the checker: references of parameters resolved, refusals that every route knows
/// written down, and the one route that the trimmed description lacks added by hand.
fn published() -> Option<Description> {
    let given = std::env::var_os("DELIVR_SPECS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/specs");
    let folder = given.or(Some(beside)).filter(|path| path.is_dir())?;
    let text = std::fs::read(folder.join("github.json")).ok()?;
    let mut document: Value = serde_json::from_slice(&text).unwrap();
    admit_null(&mut document);
    let whole = document.clone();
    let resolved = |it: &Value| match it["$ref"].as_str() {
        Some(place) => whole.pointer(place.trim_start_matches('#')).unwrap().clone(),
        None => it.clone(),
    };
    let paths = document["paths"].as_object_mut().unwrap();
    if let Some(commits) = paths.remove("/repos/{owner}/{repo}/commits/{ref}") {
        paths.insert("/repos/{owner}/{repo}/commits/{ref*}".to_owned(), commits);
    }
    let words = |names: &[&str]| -> Value {
        let of_type = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"type": "string"})));
        json!({"type": "object", "properties": of_type.collect::<serde_json::Map<_, _>>(), "required": names})
    };
    let file = words(&["type", "encoding", "name", "path", "content", "sha", "url"]);
    paths.insert(
        "/repos/{owner}/{repo}/contents/{path*}".to_owned(),
        json!({"get": {"parameters": [{"in": "query", "name": "ref"}],
                       "responses": {"200": {"content": {"application/json": {"schema": file}}}}}}),
    );
    for operation in paths
        .values_mut()
        .flat_map(|path| path.as_object_mut().unwrap().values_mut())
    {
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.iter_mut().for_each(|it| *it = resolved(it));
        }
        if operation.get("responses").is_some() {
            let refusal = json!({"$ref": "#/components/schemas/basic-error"});
            operation["responses"]["4XX"] = json!({"content": {"application/json": {"schema": refusal}}});
        }
    }
    Some(Description::new(document))
}

/// OpenAPI 3.0 says `nullable`, JSON Schema wants the type in a list.
fn admit_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("nullable") == Some(&Value::Bool(true)) {
                if let Some(kind) = map.get("type").cloned() {
                    map.insert("type".into(), json!([kind, "null"]));
                }
                if let Some(Value::Array(allowed)) = map.get_mut("enum") {
                    allowed.push(Value::Null);
                }
            }
            map.values_mut().for_each(admit_null);
        }
        Value::Array(list) => list.iter_mut().for_each(admit_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
