//! The delivery log as the API asks for it: what was told to people, and whether it arrived.

use async_trait::async_trait;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::EffectId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{AttemptRecord, EffectRow, Listed, Page};
use uuid::Uuid;

/// Whose messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagesOf {
    /// Of a release and its submissions and rollouts.
    Release(Uuid),
    /// Through an integration.
    Integration(IntegrationId),
}

/// A message with its attempts, the oldest first.
pub type Message = (EffectRow, Vec<AttemptRecord>);

/// The log of messages.
#[async_trait]
pub trait DeliveryLog: Send + Sync {
    /// Messages of a tenant, the one written or sent again last first.
    ///
    /// # Errors
    /// When the store fails.
    async fn messages(
        &self,
        tenant: TenantId,
        of: MessagesOf,
        page: &Page,
    ) -> Result<Listed<Message>, StoreError>;

    /// One message of a tenant.
    ///
    /// # Errors
    /// When the store fails.
    async fn message(&self, tenant: TenantId, id: EffectId) -> Result<Option<Message>, StoreError>;

    /// Sends a message again that was given up; false when it is not given up (any more).
    ///
    /// # Errors
    /// When the store fails.
    async fn send_again(&self, tenant: TenantId, id: EffectId, by: &str) -> Result<bool, StoreError>;
}
