//! Example Vendor as a provider of the CI/CD port.
//!
//! It must never see another provider, the application or the database, and never retry by itself: it classifies what
//! the vendor answers, the queue decides.
//!
//! No operation is written yet. Each one answers [`ProviderErrorKind::Unsupported`], which fails the task that needs it
//! with a sentence a person can read; nothing is sent anywhere.

use async_trait::async_trait;
use delivr_domain::effect::{CicdWrite, OperationKind, Reference, RunRef};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port};
use delivr_domain::ports::vendor::{Cicd, Declared, JobParameter, Lookup, Recognition, Verification, Writes};
use delivr_domain::report::RunState;
use delivr_provider_kit::Deps;
use serde_json::json;
use std::sync::Arc;

/// Stable key, stored with every integration.
const KEY: &str = "example";

/// What the registry needs to know of this provider.
#[must_use]
pub fn descriptor(_deps: &Deps) -> Descriptor {
    Descriptor {
        key: KEY,
        port: Port::Cicd,
        display_name: "Example Vendor",
        config_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        credentials_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        capabilities: json!({}),
        connect: Arc::new(|_config, _credentials| Ok(Connection::Cicd(Arc::new(Client)))),
        webhook: None,
    }
}

/// A connection to the vendor.
#[derive(Debug)]
struct Client;

fn unsupported(operation: &'static str) -> ProviderError {
    let sentence = format!(
        "Example Vendor cannot {} yet; choose another integration.",
        operation.replace('_', " ")
    );
    ProviderError::new(KEY, operation, ProviderErrorKind::Unsupported, sentence)
}

#[async_trait]
impl Writes<CicdWrite> for Client {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::None)
    }
    async fn find(&self, _key: &EffectKey, _write: &CicdWrite) -> Result<Lookup, ProviderError> {
        Err(unsupported("look_up"))
    }
    async fn create(&self, _key: &EffectKey, _write: &CicdWrite) -> Result<Reference, ProviderError> {
        Err(unsupported("create"))
    }
}

#[async_trait]
impl Cicd for Client {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        Err(unsupported("verify"))
    }
    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        Err(unsupported("list_jobs"))
    }
    async fn job_parameters(&self, _job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        Err(unsupported("list_job_parameters"))
    }
    async fn run_state(&self, _run: &RunRef) -> Result<RunState, ProviderError> {
        Err(unsupported("read_a_run"))
    }
    async fn cancel(&self, _run: &RunRef) -> Result<(), ProviderError> {
        Err(unsupported("cancel_a_run"))
    }
}
