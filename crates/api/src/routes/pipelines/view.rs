//! Pipelines as the API shows them.

use delivr_domain::ports::store::Pipeline;
use delivr_domain::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineView {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) integration_id: String,
    pub(super) scm_integration_id: Option<String>,
    pub(super) store_integration_id: Option<String>,
    /// The same, by the name of seed 004.
    pub(super) target_integration_id: Option<String>,
    pub(super) platform: String,
    pub(super) purpose: String,
    pub(super) job: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) version: u64,
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Timestamp,
}

/// Pipelines.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineList {
    pub(super) items: Vec<PipelineView>,
    pub(super) next_cursor: Option<String>,
}

/// A parameter that the job declares.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterView {
    pub(super) name: String,
    /// The vendor's word for its type.
    pub(super) kind: String,
    pub(super) default: Option<String>,
    /// What the pipeline gives it.
    pub(super) value: Option<String>,
}

/// Parameters that the job declares.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterList {
    pub(super) items: Vec<ParameterView>,
    pub(super) next_cursor: Option<String>,
}

/// The pipeline as shown.
pub(super) fn view(it: &Pipeline) -> PipelineView {
    let store = it.store.map(|id| id.to_string());
    PipelineView {
        id: it.id.to_string(),
        name: it.name.clone(),
        integration_id: it.integration.to_string(),
        scm_integration_id: it.scm.map(|id| id.to_string()),
        store_integration_id: store.clone(),
        target_integration_id: store,
        platform: it.platform.clone(),
        purpose: it.purpose.clone(),
        job: it.job.clone(),
        parameters: it.parameters.clone(),
        version: it.version,
        created_at: it.created_at,
    }
}

/// What a test of a pipeline found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestView {
    /// Whether a release could start the job.
    pub(super) usable: bool,
    /// What is to be put right, for people.
    pub(super) problems: Vec<String>,
    /// Parameters that the job declares, with what the pipeline gives them.
    pub(super) parameters: Vec<ParameterView>,
}
