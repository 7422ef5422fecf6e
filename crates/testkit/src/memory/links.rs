//! Links to status pages in memory.

use super::MemoryStore;
use async_trait::async_trait;
use delivr_domain::ids::{StatusLinkId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{StatusLink, StatusLinks};
use delivr_domain::time::Timestamp;
use std::cmp::Reverse;

#[async_trait]
impl StatusLinks for MemoryStore {
    async fn insert_status_link(&self, link: &StatusLink) -> Result<(), StoreError> {
        let mut state = self.state();
        let same = |old: &StatusLink| old.id == link.id || old.digest == link.digest;
        if state.links.values().any(same) {
            return Err(StoreError::Duplicate("status link"));
        }
        state.known(link.tenant, "status link")?;
        state.links.insert(link.id, link.clone());
        Ok(())
    }

    async fn status_link(&self, digest: &str) -> Result<Option<StatusLink>, StoreError> {
        let state = self.state();
        Ok(state.links.values().find(|it| it.digest == digest).cloned())
    }

    async fn status_links(&self, tenant: TenantId) -> Result<Vec<StatusLink>, StoreError> {
        let state = self.state();
        let mut found: Vec<StatusLink> = state
            .links
            .values()
            .filter(|it| it.tenant == tenant)
            .cloned()
            .collect();
        found.sort_by_key(|it| (Reverse(it.created_at), it.id));
        Ok(found)
    }

    async fn revoke_status_link(
        &self,
        tenant: TenantId,
        id: StatusLinkId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(link) = state.links.get_mut(&id).filter(|it| it.tenant == tenant) else {
            return Ok(false);
        };
        link.revoked_at.get_or_insert(at);
        Ok(true)
    }
}
