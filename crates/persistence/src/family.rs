//! Families of releases: which release something belongs to, and what happened to all of a family.

use crate::aggregates::table;
use crate::connect::SqlStore;
use crate::history;
use crate::sql::{all, places, values};
use async_trait::async_trait;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Families, Named, StoredEvent};
use sea_orm::Value;
use std::collections::BTreeMap;

/// Most members named by one statement. SQLite joins 500 selects at most.
const AT_ONCE: usize = 100;

fn of_kind(members: &[AggregateId], kind: AggregateKind) -> Vec<AggregateId> {
    let mut found: Vec<AggregateId> = members.iter().filter(|it| it.kind == kind).copied().collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn with_tenant(tenant: TenantId, members: &[AggregateId]) -> Vec<Value> {
    let mut values: Vec<Value> = values![tenant.uuid()];
    for member in members {
        values.extend(values![member.id]);
    }
    values
}

#[async_trait]
impl Families for SqlStore {
    async fn releases_of(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
    ) -> Result<BTreeMap<AggregateId, Named>, StoreError> {
        let mut found = BTreeMap::new();
        for kind in [
            AggregateKind::Release,
            AggregateKind::Submission,
            AggregateKind::Rollout,
        ] {
            for some in of_kind(members, kind).chunks(AT_ONCE) {
                let joined = match kind {
                    AggregateKind::Release => "m.id",
                    AggregateKind::Submission | AggregateKind::Rollout => "m.parent_id",
                };
                let text = format!(
                    "select m.id as member, r.id as id, r.key as key, r.title as title
                    from {} m join releases r on r.id = {joined} and r.tenant_id = m.tenant_id
                    where m.tenant_id = $1 and m.id in ({})",
                    table(kind),
                    places(2, some.len())
                );
                for row in all(&self.inner.read, "release", &text, with_tenant(tenant, some)).await? {
                    let member = AggregateId {
                        kind,
                        id: row.uuid("member")?,
                    };
                    let release = Named {
                        id: AggregateId {
                            kind: AggregateKind::Release,
                            id: row.uuid("id")?,
                        },
                        key: row.text("key")?,
                        title: row.text("title")?,
                    };
                    found.insert(member, release);
                }
            }
        }
        Ok(found)
    }

    async fn family_feed_backwards(
        &self,
        tenant: TenantId,
        members: &[AggregateId],
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut members = members.to_vec();
        members.sort_unstable();
        members.dedup();
        let mut found = Vec::new();
        for some in members.chunks(AT_ONCE) {
            found.extend(history::backwards_of(&self.inner.read, tenant, some, before, limit).await?);
        }
        found.sort_by_key(|event| std::cmp::Reverse(event.position));
        found.truncate(usize::from(limit));
        Ok(found)
    }
}
