//! What was shipped, and when, in memory.

use super::MemoryStore;
use super::state::State;
use async_trait::async_trait;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::kept::Kept;
use delivr_domain::ports::store::{AggregateRow, Shipped, ShippingBook, Step};
use delivr_domain::release::view::Status;
use delivr_domain::time::Timestamp;
use std::collections::BTreeSet;

type Steps = Vec<(Step, Timestamp)>;

impl State {
    /// Notes what a release comes to with its next state.
    pub(super) fn note_steps(&mut self, row: &AggregateRow) {
        let it = &row.projection;
        let Some(at) = it
            .listing
            .changed_at
            .filter(|_| row.id.kind == AggregateKind::Release)
        else {
            return;
        };
        let old = self.aggregates.get(&row.id).map(|old| &old.projection);
        let mut steps: Steps = self
            .steps
            .get(&row.id)
            .map_or_else(Vec::new, |steps| (**steps).clone());
        if old.is_none_or(|old| old.status != it.status) {
            steps.push((Step::Status(it.status.clone()), at));
        }
        if old.is_none_or(|old| old.phase != it.phase) {
            steps.push((Step::Phase(it.phase.clone()), at));
        }
        self.steps.insert(row.id, Kept::from(steps));
    }

    fn steps_of(&self, tenant: TenantId) -> impl Iterator<Item = (&AggregateId, &AggregateRow, &Steps)> {
        self.steps.iter().filter_map(move |(id, steps)| {
            let row = self.aggregates.get(id).filter(|row| row.tenant == tenant)?;
            Some((id, &**row, &**steps))
        })
    }
}

#[async_trait]
impl ShippingBook for MemoryStore {
    async fn shipped(
        &self,
        tenant: TenantId,
        since: Timestamp,
        most: u16,
    ) -> Result<Vec<Shipped>, StoreError> {
        let state = self.state();
        let mut found: Vec<Shipped> = state
            .steps_of(tenant)
            .filter_map(|(_, row, steps)| {
                Shipped::of(row.projection.number, row.projection.target_date, steps)
            })
            .filter(|it| it.shipped_at >= since)
            .collect();
        found.sort_by_key(|it| std::cmp::Reverse((it.shipped_at, it.number)));
        found.truncate(usize::from(most.min(100)));
        Ok(found)
    }

    async fn count_shipped(
        &self,
        tenant: TenantId,
        spans: &[(Timestamp, Timestamp)],
        most: u32,
    ) -> Result<Vec<u32>, StoreError> {
        let state = self.state();
        let deployed = Step::Status(Status::Deployed.word().to_owned());
        let count = |(from, to): &(Timestamp, Timestamp)| {
            let in_span = |(_, _, steps): &(&AggregateId, &AggregateRow, &Steps)| {
                steps
                    .iter()
                    .any(|(step, at)| *step == deployed && at >= from && at < to)
            };
            let shipped: BTreeSet<&AggregateId> = state
                .steps_of(tenant)
                .filter(in_span)
                .map(|(id, ..)| id)
                .collect();
            u32::try_from(shipped.len()).unwrap_or(u32::MAX).min(most)
        };
        Ok(spans.iter().map(count).collect())
    }
}
