//! Example Vendor as a provider of the source control port.
//!
//! It must never see another provider, the application or the database, and never retry by itself: it classifies what
//! the vendor answers, the queue decides.
//!
//! No operation is written yet. Each one answers [`ProviderErrorKind::Unsupported`], which fails the task that needs it
//! with a sentence a person can read; nothing is sent anywhere.

use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, ScmWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port};
use delivr_domain::ports::vendor::{Commit, Declared, Lookup, Recognition, Scm, Verification, Writes};
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
        port: Port::Scm,
        display_name: "Example Vendor",
        config_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        credentials_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        capabilities: json!({}),
        connect: Arc::new(|_config, _credentials| Ok(Connection::Scm(Arc::new(Client)))),
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
impl Writes<ScmWrite> for Client {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::None)
    }
    async fn find(&self, _key: &EffectKey, _write: &ScmWrite) -> Result<Lookup, ProviderError> {
        Err(unsupported("look_up"))
    }
    async fn create(&self, _key: &EffectKey, _write: &ScmWrite) -> Result<Reference, ProviderError> {
        Err(unsupported("create"))
    }
}

#[async_trait]
impl Scm for Client {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        Err(unsupported("verify"))
    }
    async fn resolve(&self, _name: &RefName) -> Result<Option<Sha>, ProviderError> {
        Err(unsupported("resolve_a_ref"))
    }
    async fn compare(&self, _base: Option<&RefName>, _head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        Err(unsupported("compare_refs"))
    }
    async fn release_notes(
        &self,
        _previous: Option<&RefName>,
        _current: &RefName,
    ) -> Result<String, ProviderError> {
        Err(unsupported("write_release_notes"))
    }
    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        Err(unsupported("list_branches"))
    }
    fn publishes_releases(&self) -> bool {
        false
    }
    fn has_pull_requests(&self) -> bool {
        false
    }
}
