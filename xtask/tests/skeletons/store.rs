//! Example Vendor as a provider of the store port.
//!
//! It must never see another provider, the application or the database, and never retry by itself: it classifies what
//! the vendor answers, the queue decides.
//!
//! No operation is written yet. Each one answers [`ProviderErrorKind::Unsupported`], which fails the task that needs it
//! with a sentence a person can read; nothing is sent anywhere.

use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, StoreVersion, StoreWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port};
use delivr_domain::ports::vendor::{
    Declared, Lookup, Recognition, StoreLanguages, Storefront, Verification, Writes,
};
use delivr_domain::report::{Exposure, ReviewState, StoreBuild};
use delivr_provider_kit::Deps;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stable key, stored with every integration.
const KEY: &str = "example";

/// What the registry needs to know of this provider.
#[must_use]
pub fn descriptor(_deps: &Deps) -> Descriptor {
    Descriptor {
        key: KEY,
        port: Port::Stores,
        display_name: "Example Vendor",
        config_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        credentials_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        capabilities: json!({}),
        connect: Arc::new(|_config, _credentials| Ok(Connection::Store(Arc::new(Client)))),
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
impl Writes<StoreWrite> for Client {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::None)
    }
    async fn find(&self, _key: &EffectKey, _write: &StoreWrite) -> Result<Lookup, ProviderError> {
        Err(unsupported("look_up"))
    }
    async fn create(&self, _key: &EffectKey, _write: &StoreWrite) -> Result<Reference, ProviderError> {
        Err(unsupported("create"))
    }
}

#[async_trait]
impl Storefront for Client {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        Err(unsupported("verify"))
    }
    async fn find_build(
        &self,
        _version: &str,
        _build_number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        Err(unsupported("find_a_build"))
    }
    async fn review_state(&self, _version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        Err(unsupported("read_a_review"))
    }
    async fn exposure(&self, _version: &StoreVersion) -> Result<Exposure, ProviderError> {
        Err(unsupported("read_a_rollout"))
    }
    async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        Err(unsupported("read_its_languages"))
    }
    fn unread(&self, _languages: &StoreLanguages, _texts: &BTreeMap<String, String>) -> Vec<String> {
        Vec::new()
    }
}
