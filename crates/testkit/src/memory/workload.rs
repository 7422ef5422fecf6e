//! How a tenant's live effects stand, in memory.

use super::state::{Slot, State};
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::{RowState, Troubled, Workload};
use delivr_domain::time::Timestamp;

impl State {
    /// See the port's `workload`.
    pub(super) fn workload(&self, tenant: TenantId, now: Timestamp, most: u32, told: u16) -> Workload {
        let live =
            |slot: &Slot| slot.tenant == tenant && !matches!(slot.state, RowState::Done | RowState::Dead);
        let mut found = Workload {
            now,
            due: 0,
            oldest_due_at: None,
            waiting: 0,
            claimed: 0,
            parked: 0,
            troubled: Vec::new(),
        };
        let mut troubled = Vec::new();
        for (id, slot) in self.effects.iter().filter(|(_, slot)| live(slot)) {
            let number = match slot.state {
                RowState::Ready if slot.due_at <= now => {
                    let oldest = found.oldest_due_at.map_or(slot.due_at, |it| it.min(slot.due_at));
                    found.oldest_due_at = Some(oldest);
                    &mut found.due
                }
                RowState::Ready => &mut found.waiting,
                RowState::Claimed => &mut found.claimed,
                RowState::Parked => &mut found.parked,
                RowState::Done | RowState::Dead => continue,
            };
            *number = number.saturating_add(1).min(most);
            if slot.failures > 0 || slot.trouble.is_some() {
                troubled.push((slot.due_at, *id, slot));
            }
        }
        troubled.sort_unstable_by_key(|(due, id, _)| (*due, *id));
        for (_, id, slot) in troubled.into_iter().take(usize::from(told)) {
            if let (Some(release), Ok(row)) = (self.release_key(tenant, slot.owner), slot.row(id)) {
                found.troubled.push(Troubled { release, row });
            }
        }
        found
    }

    /// Key of the release that something is, or belongs to.
    fn release_key(&self, tenant: TenantId, owner: AggregateId) -> Option<String> {
        let of_tenant = |id: AggregateId| self.aggregates.get(&id).filter(|row| row.tenant == tenant);
        let release = match owner.kind {
            AggregateKind::Release => owner,
            AggregateKind::Submission | AggregateKind::Rollout => AggregateId {
                kind: AggregateKind::Release,
                id: of_tenant(owner)?.projection.parent?,
            },
        };
        Some(of_tenant(release)?.projection.key.clone())
    }
}
