//! How it goes with integrations, in memory.

use super::MemoryStore;
use async_trait::async_trait;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::Health;
use delivr_domain::ports::store::{HealthBook, HealthOf};
use std::collections::BTreeMap;

#[async_trait]
impl HealthBook for MemoryStore {
    async fn add_health(&self, of: &[HealthOf]) -> Result<(), StoreError> {
        let mut state = self.state();
        for it in of {
            let there = state
                .integrations
                .get(&it.integration)
                .is_some_and(|known| known.tenant == it.tenant);
            if there {
                let known = state.health.remove(&it.integration).unwrap_or_default();
                state
                    .health
                    .insert(it.integration, known.merged(it.health.clone()));
            }
        }
        Ok(())
    }

    async fn health(&self, tenant: TenantId) -> Result<BTreeMap<IntegrationId, Health>, StoreError> {
        let state = self.state();
        let of = |id: &IntegrationId| state.integrations.get(id).is_some_and(|it| it.tenant == tenant);
        let found = state.health.iter().filter(|(id, _)| of(id));
        Ok(found.map(|(id, health)| (*id, health.clone())).collect())
    }
}
