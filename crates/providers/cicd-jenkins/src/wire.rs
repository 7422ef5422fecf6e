//! The parts of Jenkins' JSON that we read. Fields we do not need are ignored, fields that may be missing are optional:
//! plugins add and leave out many.

use crate::KEY_PARAMETER;
use serde::Deserialize;
use serde_json::Value;

/// Name and value of a run's parameter; values of other types than text occur.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Parameter {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) value: Value,
}

/// The commit a checkout step saw.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Revision {
    #[serde(rename = "SHA1")]
    pub(crate) sha: Option<String>,
}

/// One of a run's actions; most are empty objects to us.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Action {
    #[serde(default)]
    pub(crate) parameters: Vec<Parameter>,
    #[serde(rename = "lastBuiltRevision")]
    pub(crate) revision: Option<Revision>,
}

/// The parameters within actions (Jenkins puts `null` among them at times).
pub(crate) fn parameter<'a>(actions: &'a [Option<Action>], name: &str) -> Option<&'a str> {
    actions
        .iter()
        .flatten()
        .flat_map(|action| &action.parameters)
        .find(|parameter| parameter.name == name)
        .and_then(|parameter| parameter.value.as_str())
}

/// The queue.
#[derive(Debug, Deserialize)]
pub(crate) struct Queue {
    #[serde(default)]
    pub(crate) items: Vec<Item>,
}

/// A request that waits, or that has left the queue less than five minutes ago.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) cancelled: bool,
    pub(crate) executable: Option<Executable>,
    #[serde(default)]
    pub(crate) actions: Vec<Option<Action>>,
}

impl Item {
    /// The effect key it was asked for with.
    pub(crate) fn key(&self) -> Option<&str> {
        parameter(&self.actions, KEY_PARAMETER)
    }
}

/// The run that came from an item.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Executable {
    pub(crate) number: u64,
}

/// Newest runs of a job.
#[derive(Debug, Deserialize)]
pub(crate) struct Builds {
    #[serde(default, alias = "allBuilds")]
    pub(crate) builds: Vec<Build>,
}

/// A run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Build {
    pub(crate) number: u64,
    pub(crate) url: Option<String>,
    pub(crate) queue_id: Option<u64>,
    /// When it started, in milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    #[serde(default)]
    pub(crate) building: bool,
    pub(crate) result: Option<String>,
    #[serde(default)]
    pub(crate) actions: Vec<Option<Action>>,
    #[serde(default)]
    pub(crate) artifacts: Vec<Artifact>,
}

impl Build {
    /// The effect key it was started with.
    pub(crate) fn key(&self) -> Option<&str> {
        parameter(&self.actions, KEY_PARAMETER)
    }
}

/// A file that a run left.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Artifact {
    #[serde(default)]
    pub(crate) file_name: String,
    pub(crate) relative_path: String,
}

/// A job, a folder, or the root.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) full_name: Option<String>,
    pub(crate) buildable: Option<bool>,
    pub(crate) jobs: Option<Vec<Job>>,
    #[serde(default)]
    pub(crate) property: Vec<Option<Property>>,
}

/// One of a job's properties; only the parameters matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Property {
    #[serde(default)]
    pub(crate) parameter_definitions: Vec<Definition>,
}

/// A declared parameter.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub(crate) name: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    pub(crate) default_parameter_value: Option<Parameter>,
}

/// Who we are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    pub(crate) id: String,
    pub(crate) full_name: Option<String>,
}

/// The CSRF token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Crumb {
    pub(crate) crumb: String,
    pub(crate) crumb_request_field: String,
}

/// What a job may leave as `build.json` beside its artifact.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub(crate) build_number: Option<Value>,
    pub(crate) sha: Option<String>,
}
