//! How it goes with integrations, as it is kept.

use crate::ids::{IntegrationId, TenantId};
use crate::ports::error::StoreError;
use crate::ports::health::Health;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// What was gathered of one integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthOf {
    /// Whose.
    pub tenant: TenantId,
    /// Of which integration.
    pub integration: IntegrationId,
    /// What.
    pub health: Health,
}

/// How it goes with the integrations of all tenants.
#[async_trait]
pub trait HealthBook: Send + Sync {
    /// Merges what was gathered into what is kept, in one transaction. An integration that is gone, or another tenant's, is
    /// passed over.
    async fn add_health(&self, of: &[HealthOf]) -> Result<(), StoreError>;
    /// What is kept of a tenant's integrations. It is gone with its integration.
    async fn health(&self, tenant: TenantId) -> Result<BTreeMap<IntegrationId, Health>, StoreError>;
}
