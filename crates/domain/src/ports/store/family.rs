//! Families: a release with its submissions and rollouts, whose events people read as one history.

use super::StoredEvent;
use crate::ids::TenantId;
use crate::key::AggregateId;
use crate::ports::error::StoreError;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// The release that something belongs to, as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The release.
    pub id: AggregateId,
    /// Its key (`REL-42`).
    pub key: String,
    /// Its title.
    pub title: String,
}

/// What is asked about families.
#[async_trait]
pub trait Families: Send + Sync {
    /// The release of each of these releases, submissions and rollouts; what the tenant does not have is left out.
    async fn releases_of(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
    ) -> Result<BTreeMap<AggregateId, Named>, StoreError>;
    /// Newest events of these members first, before a position.
    async fn family_feed_backwards(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError>;
}
