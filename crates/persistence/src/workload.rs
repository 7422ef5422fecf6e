//! How the live effects of a tenant stand: two statements, each along indexes that hold live rows alone, so that neither
//! what has ended nor how many releases there are makes a difference.

use crate::connect::{Dialect, SqlStore};
use crate::effects::{self, EFFECT};
use crate::error::unavailable;
use crate::sql::{Row, all, one, values};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Troubled, Workload};

/// As the index `effects_troubled` says it, word by word: SQLite uses it for nothing else.
const TROUBLED: &str = "state in ('READY', 'CLAIMED', 'PARKED') and (failures > 0 or trouble is not null)";

/// See the port's `workload`.
pub(crate) async fn read(
    store: &SqlStore,
    tenant: TenantId,
    most: u32,
    told: u16,
) -> Result<Workload, StoreError> {
    let row = counts(store, tenant, most).await?;
    Ok(Workload {
        now: row.time("now")?,
        due: row.number("due")?,
        oldest_due_at: row.opt_time("oldest")?,
        waiting: row.number("waiting")?,
        claimed: row.number("claimed")?,
        parked: row.number("parked")?,
        troubled: troubled(store, tenant, told).await?,
    })
}

/// One statement, so that no effect is counted twice while it goes from one state to the next.
async fn counts(store: &SqlStore, tenant: TenantId, most: u32) -> Result<Row, StoreError> {
    let mut values = values![tenant.uuid()];
    let now = store.now(&mut values);
    // Read once: by two clocks a row could be due and still wait.
    let now = match store.inner.dialect {
        Dialect::Sqlite => format!("cast({now} as integer)"),
        Dialect::Postgres => now,
    };
    // SQLite would go through what is due of everybody.
    let ready = match store.inner.dialect {
        Dialect::Sqlite => "effects indexed by effects_ready",
        Dialect::Postgres => "effects",
    };
    // The bound is said and not given as a value: a plan that is kept must know it.
    let count = |rows: &str, condition: &str| {
        format!(
            "(select count(*) from (select 1 from {rows} where tenant_id = $1 and {condition} limit {most}) it)"
        )
    };
    let text = format!(
        "with clock as materialized (select {now} as now)
        select now, {due} as due, {waiting} as waiting, {claimed} as claimed, {parked} as parked,
            (select min(due_at) from {ready} where tenant_id = $1 and state = 'READY'
                and due_at <= (select now from clock)) as oldest
        from clock",
        due = count(ready, "state = 'READY' and due_at <= (select now from clock)"),
        waiting = count(ready, "state = 'READY' and due_at > (select now from clock)"),
        claimed = count("effects", "state = 'CLAIMED'"),
        parked = count("effects", "state = 'PARKED'"),
    );
    let row = one(&store.inner.read, EFFECT, &text, values).await?;
    row.ok_or_else(|| unavailable("the database counted nothing"))
}

/// The first of those in trouble, with the keys of their releases.
async fn troubled(store: &SqlStore, tenant: TenantId, told: u16) -> Result<Vec<Troubled>, StoreError> {
    let of = |kind: &str, release: &str| {
        format!("when '{kind}' then (select r.key from {release} and r.tenant_id = e.tenant_id)")
    };
    let text = format!(
        "select e.*, case e.owner_kind {own} {submission} {rollout} end as release_key
        from (select * from effects where tenant_id = $1 and {TROUBLED} order by due_at, id limit $2) e
        order by e.due_at, e.id",
        own = of("RELEASE", "releases r where r.id = e.owner_id"),
        submission = of(
            "SUBMISSION",
            "submissions s join releases r on r.id = s.parent_id where s.id = e.owner_id"
        ),
        rollout = of(
            "ROLLOUT",
            "rollouts o join releases r on r.id = o.parent_id where o.id = e.owner_id"
        ),
    );
    let rows = all(
        &store.inner.read,
        EFFECT,
        &text,
        values![tenant.uuid(), i64::from(told)],
    )
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        // One that this build cannot read must not hide the others; the claim logs it.
        if let (Some(release), Ok(row)) = (row.opt_text("release_key")?, effects::read(row)) {
            found.push(Troubled { release, row });
        }
    }
    Ok(found)
}
