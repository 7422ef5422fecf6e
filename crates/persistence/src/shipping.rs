//! What was shipped, and when: read from the steps of releases, along an index that holds nothing but the moments of
//! shipping. Neither how many releases there are nor how long their history is makes a difference.

use crate::connect::SqlStore;
use crate::sql::{Row, all, micros, one, shifted, values};
use async_trait::async_trait;
use chrono::TimeDelta;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{ON_THE_WAY, Shipped, ShippingBook};
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;

const WHAT: &str = "step of a release";
/// Most releases that are read at once: each has some dozens of steps.
const MOST: u16 = 100;

/// As the index `state_history_items_shipped` says it, word by word: SQLite uses it for nothing else.
const SHIPPED: &str = "owner_kind = 'RELEASE' and field = 'status' and new_value = 'DEPLOYED'";
/// The same of `state_history_items_undated`.
const UNDATED: &str = "owner_kind = 'RELEASE' and at is null";
/// Steps that are given their time in one transaction.
const AT_ONCE: i64 = 500;

/// How long a release was in each stage, a column for each.
fn stays() -> String {
    let column = |at: usize, words: &[&str]| {
        format!(
            "cast(sum(case when word in ({words}) and came_at < shipped_at then
                case when left_at is null or left_at > shipped_at then shipped_at else left_at end - came_at
                else 0 end) as bigint) as stayed{at}",
            words = words
                .iter()
                .map(|word| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let columns = ON_THE_WAY.iter().enumerate().map(|(at, (_, phases))| {
        let words: Vec<&str> = phases.iter().map(|phase| phase.word()).collect();
        column(at, &words)
    });
    columns.collect::<Vec<_>>().join(", ")
}

fn read(row: &Row) -> Result<Shipped, StoreError> {
    let mut stayed = BTreeMap::new();
    for (at, (stage, _)) in ON_THE_WAY.iter().enumerate() {
        let span = row.long(&format!("stayed{at}"))?;
        if span > 0 {
            stayed.insert(*stage, TimeDelta::microseconds(span));
        }
    }
    Ok(Shipped {
        number: row.long("number")?,
        begun_at: row.opt_time("begun_at")?,
        shipped_at: row.time("shipped_at")?,
        target_date: row.opt_time("target_date")?,
        stayed,
    })
}

#[async_trait]
impl ShippingBook for SqlStore {
    async fn shipped(
        &self,
        tenant: TenantId,
        since: Timestamp,
        most: u16,
    ) -> Result<Vec<Shipped>, StoreError> {
        let most = most.min(MOST);
        // Limits are said and not given as values: a plan that is kept must know them. Each part is found once, where
        // SQLite would look for the first time of a release again with each of its steps.
        let text = format!(
            "with firsts as materialized (
                select n.owner_id, (select min(i.at) from state_history_items i
                    where i.owner_kind = 'RELEASE' and i.owner_id = n.owner_id and i.field = 'status'
                        and i.new_value = 'DEPLOYED') as shipped_at
                from (select distinct owner_id from (
                    select owner_id from state_history_items
                    where tenant_id = $1 and {SHIPPED} and at >= $2 order by at desc limit {most}) newest) n),
            steps as materialized (
                select f.owner_id, f.shipped_at, i.new_value as word, i.at as came_at,
                    lead(i.at) over (partition by i.owner_id order by i.sequence) as left_at
                from firsts f join state_history_items i
                    on i.owner_kind = 'RELEASE' and i.owner_id = f.owner_id and i.field = 'phase'
                where f.shipped_at >= $2)
            select r.number, r.target_date, s.shipped_at,
                min(case when word <> 'NOT_STARTED' and came_at < shipped_at then came_at end) as begun_at, {stays}
            from steps s join releases r on r.id = s.owner_id and r.tenant_id = $1
            group by r.number, r.target_date, s.shipped_at
            having count(*) = count(s.came_at)
            order by s.shipped_at desc, r.number desc limit {most}",
            stays = stays(),
        );
        let values = values![tenant.uuid(), micros(since)];
        let rows = all(&self.inner.read, WHAT, &text, values).await?;
        rows.iter().map(read).collect()
    }

    async fn count_shipped(
        &self,
        tenant: TenantId,
        spans: &[(Timestamp, Timestamp)],
        most: u32,
    ) -> Result<Vec<u32>, StoreError> {
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = Vec::with_capacity(spans.len() * 3);
        let mut columns = Vec::with_capacity(spans.len());
        for (at, (from, to)) in spans.iter().enumerate() {
            let text = format!(
                "(select count(*) from (select distinct owner_id from state_history_items
                    where tenant_id = $1 and {SHIPPED} and at >= $2 and at < $3 limit {most}) some_of_them) as n{at}"
            );
            columns.push(shifted(&text, values.len()));
            values.extend(values![tenant.uuid(), micros(*from), micros(*to)]);
        }
        let text = format!("select {}", columns.join(", "));
        let Some(row) = one(&self.inner.read, WHAT, &text, values).await? else {
            return Err(StoreError::Conflict);
        };
        (0..spans.len()).map(|at| row.number(&format!("n{at}"))).collect()
    }

    async fn undated(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let text =
            format!("select owner_id from state_history_items where tenant_id = $1 and {UNDATED} limit 1");
        Ok(one(&self.inner.read, WHAT, &text, values![tenant.uuid()])
            .await?
            .is_some())
    }
}

impl SqlStore {
    /// Gives the steps of releases that a version of the program without it has written the time of their events. Any
    /// number of processes may do so at once, and each may end at any time.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; what is written by then stays written.
    pub async fn date_steps(&self) -> Result<u64, StoreError> {
        // Each is saved with the event that it follows from, under that one's number. A step without event would be
        // somebody's own doing: it was taken when nothing else is known, with its release.
        let text = format!(
            "update state_history_items set at = coalesce(
                (select h.at from state_history h where h.owner_kind = state_history_items.owner_kind
                    and h.owner_id = state_history_items.owner_id and h.sequence = state_history_items.sequence),
                (select r.created_at from releases r where r.id = state_history_items.owner_id), 0)
            where {UNDATED} and (owner_id, sequence, field) in (
                select owner_id, sequence, field from state_history_items where {UNDATED} limit $1)"
        );
        let mut done: u64 = 0;
        loop {
            let unit = self.transaction().await?;
            let some = crate::sql::run(&*unit, WHAT, &text, values![AT_ONCE]).await?;
            unit.commit().await?;
            done = done.saturating_add(some);
            if some == 0 {
                return Ok(done);
            }
        }
    }
}
