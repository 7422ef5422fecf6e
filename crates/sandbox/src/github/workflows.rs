//! Workflow files of the simulated GitHub: what they declare, their text at each commit, the names their runs get.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::errors::{Outcome, not_found, refused};
use super::state::GitHub;
use crate::answer::Answer;
use crate::call::Call;

/// The input that carries the caller's correlation key; never part of a natural subject.
pub(super) const KEY: &str = "delivr_key";
/// Where workflow files lie.
pub(super) const FOLDER: &str = ".github/workflows/";

/// What a workflow's success means to the rest of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// An iOS build goes to App Store Connect.
    TestFlight,
    /// An Android bundle goes to Play's internal track.
    Bundle,
    /// Automated tests ran.
    Tests,
}

/// A declared input.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) default: Option<String>,
    pub(super) options: Vec<String>,
}

impl Input {
    pub(super) fn text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: "string".to_owned(),
            required: false,
            default: None,
            options: Vec::new(),
        }
    }
}

/// A workflow file's content, as far as it matters here.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// Whether it has the `workflow_dispatch` trigger.
    pub(super) dispatch: bool,
    pub(super) inputs: Vec<Input>,
    pub(super) run_name: Option<String>,
    /// The file's text, where it is not the one that follows from the rest.
    pub(super) text: Option<String>,
}

/// A workflow.
#[derive(Debug, Clone)]
pub(super) struct Workflow {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) file: String,
    pub(super) state: String,
    pub(super) kind: Kind,
    pub(super) definition: Definition,
    /// Commits at which the file is another one, or missing.
    pub(super) at: BTreeMap<String, Option<Definition>>,
    /// Number of the next run.
    pub(super) next: u64,
}

impl Workflow {
    pub(super) fn path(&self) -> String {
        format!("{FOLDER}{}", self.file)
    }

    /// The file at a commit.
    pub(super) fn definition_at(&self, sha: &str) -> Option<&Definition> {
        match self.at.get(sha) {
            Some(other) => other.as_ref(),
            None => Some(&self.definition),
        }
    }
}

fn workflow(id: u64, file: &str, name: &str, kind: Kind, next: u64, inputs: &[&str]) -> Workflow {
    let definition = Definition {
        dispatch: true,
        inputs: inputs.iter().map(|name| Input::text(name)).collect(),
        run_name: Some(format!(
            "{name} ${{{{ inputs.version }}}} ${{{{ inputs.{KEY} }}}}"
        )),
        text: None,
    };
    Workflow {
        id,
        name: name.to_owned(),
        file: file.to_owned(),
        state: "active".to_owned(),
        kind,
        definition,
        at: BTreeMap::new(),
        next,
    }
}

/// Workflows that exist from the start.
pub(super) fn first() -> Vec<Workflow> {
    let all = [
        "version",
        "branch",
        "tag",
        "sha",
        "platform",
        "cycle",
        "build_number",
        KEY,
    ];
    let mut bare = workflow(7, "no-key.yml", "Without a key", Kind::Plain, 1, &["version"]);
    bare.definition.run_name = None;
    let mut checks = workflow(8, "checks.yml", "Checks", Kind::Plain, 1, &[]);
    checks.definition.dispatch = false;
    checks.definition.run_name = None;
    vec![
        workflow(1, "ios-release.yml", "iOS release", Kind::TestFlight, 41, &all),
        workflow(
            2,
            "android-release.yml",
            "Android release",
            Kind::Bundle,
            101,
            &all,
        ),
        workflow(3, "ios-regression.yml", "iOS regression", Kind::Plain, 11, &all),
        workflow(
            4,
            "android-regression.yml",
            "Android regression",
            Kind::Plain,
            11,
            &all,
        ),
        workflow(5, "automation.yml", "Automation", Kind::Tests, 1, &all),
        workflow(6, "nightly.yaml", "Nightly", Kind::Plain, 1, &[KEY]),
        bare,
        checks,
    ]
}

impl Definition {
    /// The file's text.
    pub(super) fn text(&self, name: &str) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut text = format!("# Runs of {name}\nname: {name}\n");
        let mut add = |line: std::fmt::Arguments<'_>| {
            // Writing into a String cannot fail.
            let _ = text.write_fmt(line);
        };
        if let Some(run_name) = &self.run_name {
            add(format_args!("run-name: \"{run_name}\"\n"));
        }
        add(format_args!("on:\n  push:\n    branches: [main]\n"));
        if self.dispatch {
            add(format_args!("  workflow_dispatch:\n"));
            if !self.inputs.is_empty() {
                add(format_args!("    inputs:\n"));
            }
            for input in &self.inputs {
                add(format_args!(
                    "      {}:\n        type: {}\n        required: {}\n",
                    input.name, input.kind, input.required
                ));
                if let Some(default) = &input.default {
                    add(format_args!("        default: '{default}'\n"));
                }
                if !input.options.is_empty() {
                    add(format_args!("        options: [{}]\n", input.options.join(", ")));
                }
            }
        }
        add(format_args!(
            "jobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make all\n"
        ));
        text
    }

    /// What a run is called. Of the expressions GitHub knows, those that name an input, the ref, the number or the
    /// workflow are worked out; any other one is empty.
    pub(super) fn title(
        &self,
        name: &str,
        given: &[(String, String)],
        ref_name: &str,
        number: u64,
    ) -> String {
        let Some(template) = &self.run_name else {
            return name.to_owned();
        };
        let value = |expression: &str| {
            let expression = expression.trim();
            let input = expression
                .strip_prefix("inputs.")
                .or_else(|| expression.strip_prefix("github.event.inputs."));
            match (input, expression) {
                (Some(input), _) => given
                    .iter()
                    .find(|(name, _)| name == input)
                    .map(|(_, value)| value.clone())
                    .unwrap_or_default(),
                (None, "github.ref_name") => ref_name.to_owned(),
                (None, "github.run_number") => number.to_string(),
                (None, "github.workflow") => name.to_owned(),
                (None, _) => String::new(),
            }
        };
        let mut title = String::new();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once("${{") {
            title.push_str(before);
            let (expression, tail) = after.split_once("}}").unwrap_or((after, ""));
            title.push_str(&value(expression));
            rest = tail;
        }
        title.push_str(rest);
        title
    }

    /// What a dispatch gives to the run: the inputs with their defaults, or GitHub's refusal.
    pub(super) fn inputs(
        &self,
        given: &serde_json::Map<String, Value>,
    ) -> Result<Vec<(String, String)>, Answer> {
        if given.len() > 25 {
            return Err(refused(
                422,
                "Invalid request.\n\nYou may only define up to 25 `inputs` for a `workflow_dispatch` event",
            ));
        }
        let unknown: Vec<&str> = given
            .keys()
            .map(String::as_str)
            .filter(|name| self.inputs.iter().all(|input| input.name != *name))
            .collect();
        if !unknown.is_empty() {
            return Err(refused(422, &format!("Unexpected inputs provided: {unknown:?}")));
        }
        let mut all = Vec::new();
        for input in &self.inputs {
            let value = match given.get(&input.name) {
                None => input.default.clone(),
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Bool(flag)) => Some(flag.to_string()),
                Some(Value::Number(number)) => Some(number.to_string()),
                Some(Value::Null | Value::Array(_) | Value::Object(_)) => {
                    let words = format!(
                        "Invalid request.\n\nFor 'inputs/{}', an object is not a string.",
                        input.name
                    );
                    return Err(refused(422, &words));
                }
            };
            if input.required && value.as_deref().unwrap_or_default().is_empty() {
                return Err(refused(
                    422,
                    &format!("Required input '{}' not provided", input.name),
                ));
            }
            let value = value.unwrap_or_default();
            let allowed = input.options.is_empty() || value.is_empty() || input.options.contains(&value);
            if !allowed {
                let words = format!(
                    "Provided value '{value}' for input '{}' not in the list of allowed values",
                    input.name
                );
                return Err(refused(422, &words));
            }
            all.push((input.name.clone(), value));
        }
        if all.iter().map(|(_, value)| value.chars().count()).sum::<usize>() > 65_535 {
            return Err(refused(422, "inputs are too large."));
        }
        Ok(all)
    }
}

impl GitHub {
    /// A file of the repository; only workflow files exist.
    pub(super) fn contents(&self, call: &Call, path: &str) -> Outcome {
        let named = call.query("ref").unwrap_or("main");
        let commit = self
            .commit_named(named)
            .ok_or_else(|| refused(404, &format!("No commit found for the ref {named}")))?;
        let found = self.actions.workflows.iter().find(|it| it.path() == path);
        let workflow = found.ok_or_else(not_found)?;
        let text = workflow
            .definition_at(&commit.sha)
            .ok_or_else(not_found)?
            .text(&workflow.name);
        // GitHub breaks the encoded text into lines.
        let mut content = String::new();
        for (at, letter) in STANDARD.encode(&text).chars().enumerate() {
            if at > 0 && at % 60 == 0 {
                content.push('\n');
            }
            content.push(letter);
        }
        content.push('\n');
        let views = self.views(&call.base);
        let url = views.api(&format!("/contents/{path}?ref={named}"));
        let html = views.html(&format!("/blob/{named}/{path}"));
        let sha = format!("{:040x}", text.len());
        let blob = views.api(&format!("/git/blobs/{sha}"));
        Ok(Answer::json(
            200,
            &json!({"type": "file", "encoding": "base64", "size": text.len(), "name": workflow.file, "path": path,
                    "content": content, "sha": sha, "url": url, "git_url": blob, "html_url": html,
                    "download_url": views.html(&format!("/raw/{named}/{path}")),
                    "_links": {"self": url, "git": blob, "html": html}}),
        ))
    }
}
