//! Example Vendor as a provider of the communication port.
//!
//! It must never see another provider, the application or the database, and never retry by itself: it classifies what
//! the vendor answers, the queue decides.
//!
//! No operation is written yet. Each one answers [`ProviderErrorKind::Unsupported`], which fails the task that needs it
//! with a sentence a person can read; nothing is sent anywhere.

use async_trait::async_trait;
use delivr_domain::effect::Reference;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port};
use delivr_domain::ports::vendor::{Chat, ChatMessage, Declared, Lookup, Recognition, Verification};
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
        port: Port::Communication,
        display_name: "Example Vendor",
        config_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        credentials_schema: json!({"type": "object", "properties": {}, "additionalProperties": false}),
        capabilities: json!({}),
        connect: Arc::new(|_config, _credentials| Ok(Connection::Chat(Arc::new(Client)))),
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
impl Chat for Client {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        Err(unsupported("verify"))
    }
    fn declared(&self) -> Declared {
        Declared::new(Recognition::None)
    }
    async fn find(&self, _key: &str, _message: &ChatMessage) -> Result<Lookup, ProviderError> {
        Err(unsupported("look_up_a_message"))
    }
    async fn post(&self, _key: &str, _message: &ChatMessage) -> Result<Reference, ProviderError> {
        Err(unsupported("post"))
    }
}
