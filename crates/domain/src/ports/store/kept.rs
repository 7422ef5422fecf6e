//! What came in and what was answered, as it is kept.

use crate::ids::{DeliveryId, IntegrationId, TenantId};
use crate::time::Timestamp;
use serde_json::Value;

/// An answer kept for a repeated request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Digest of method, path and body.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
    /// Forgotten then.
    pub expires_at: Timestamp,
}

/// An inbound delivery as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Whose.
    pub tenant: TenantId,
    /// Through which integration, if any.
    pub integration: Option<IntegrationId>,
    /// `callback` or the provider's key.
    pub source: String,
    /// The sender's id; unique per (integration, source).
    pub external: String,
    /// What was understood of it.
    pub payload: Value,
    /// When it came.
    pub at: Timestamp,
}
