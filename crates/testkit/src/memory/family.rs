//! Families of releases in memory.

use super::MemoryStore;
use async_trait::async_trait;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::kept::Kept;
use delivr_domain::ports::store::{Families, Named, StoredEvent};
use std::collections::BTreeMap;

#[async_trait]
impl Families for MemoryStore {
    async fn releases_of(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
    ) -> Result<BTreeMap<AggregateId, Named>, StoreError> {
        let state = self.state();
        let row = |id: &AggregateId| state.aggregates.get(id).filter(|row| row.tenant == tenant);
        let named = members.iter().filter_map(|member| {
            let id = match member.kind {
                AggregateKind::Release => member.id,
                AggregateKind::Submission | AggregateKind::Rollout => row(member)?.projection.parent?,
            };
            let release = row(&AggregateId {
                kind: AggregateKind::Release,
                id,
            })?;
            let name = Named {
                id: release.id,
                key: release.projection.key.clone(),
                title: release.projection.title.clone(),
            };
            Some((*member, name))
        });
        Ok(named.collect())
    }

    async fn family_feed_backwards(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        let before = before.unwrap_or(i64::MAX);
        let theirs =
            state.events.iter().rev().filter(|(of, event)| {
                *of == tenant && event.position < before && members.contains(&event.owner)
            });
        Ok(theirs
            .take(usize::from(limit))
            .map(|(_, event)| Kept::copy(event))
            .collect())
    }
}
