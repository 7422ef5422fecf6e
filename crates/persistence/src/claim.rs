//! Claiming: due rows by the database's clock, fair between tenants, at most as many as there are free slots.
//!
//! Of each tenant in turn one row, beginning after the tenant that was served last, until the limit: a tenant with a
//! thousand due rows costs another one at most one turn. Of an integration no more rows are taken than it has room for, so
//! that nothing is claimed only to be handed back; they are taken from the oldest rows of the tenant, as many as the limit,
//! so that a claim costs the same however much is due. On PostgreSQL one statement finds, locks, chooses and writes,
//! so that a claim is one round trip and one commit; on SQLite, where the writer is alone and a query costs no round
//! trip, it is several in one transaction.

use crate::connect::{Dialect, SqlStore};
use crate::effects::{self, EFFECT};
use crate::sql::{Row, after, all, micros, places, run, span, values};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::EffectId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Claim, ClaimRequest, Claimed, Rooms, RowState};
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;
use uuid::Uuid;

/// Scope of the installation's stop.
pub(crate) const EVERYBODY: &str = "*";
/// How long a row that this build cannot read is left to others (a newer build may be able to).
const UNREADABLE: Duration = Duration::from_secs(60);

/// Not the stronger `for update`: a line being written about an attempt refers to the row, and must not hide it.
const LOCK: &str = "for no key update skip locked";

/// Claims what is due. See the port's `claim`.
pub(crate) async fn claim(store: &SqlStore, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
    if request.limit == 0 {
        return Ok(Vec::new());
    }
    let last = store.inner.served.lock().ok().and_then(|served| *served);
    let (taken, last) = match store.inner.dialect {
        Dialect::Sqlite => in_transaction(store, request, last).await?,
        Dialect::Postgres => in_one_statement(store, request, last).await?,
    };
    if let Ok(mut served) = store.inner.served.lock() {
        *served = last;
    }
    for (id, error) in taken.unreadable {
        tracing::error!(effect.id = %id, %error, "an effect's row cannot be read by this build");
    }
    Ok(taken.claimed)
}

/// Rows that were claimed, in their order, and those that cannot be read, with the reason.
#[derive(Default)]
struct Taken {
    claimed: Vec<Claimed>,
    unreadable: Vec<(EffectId, StoreError)>,
}

impl Taken {
    /// Adds a row as it stands after its claim.
    fn add(&mut self, row: &Row, request: &ClaimRequest, now: Timestamp) -> Result<(), StoreError> {
        let id = EffectId::from_uuid(row.uuid("id")?);
        let send_before = request
            .started
            .plus(request.lease.saturating_sub(request.call_timeout));
        match effects::read(row) {
            Ok(row) => {
                let claim = (row.state == RowState::Claimed)
                    .then(|| Claim::issued_by_store(id, row.attempt, send_before));
                self.claimed.push(Claimed { claim, row, now });
            }
            Err(error) => self.unreadable.push((id, error)),
        }
        Ok(())
    }
}

/// What the rows become. A lease that was taken over counts as a failure, and the send that it covered may still be
/// under way until its end. The three are expressions for now, the end of the lease, and the worker.
fn claimed_sets(now: &str, lease_until: &str, worker: &str) -> String {
    format!(
        "failures = case when state = 'CLAIMED' then failures + 1 else failures end,
        unknown_since = case when state = 'CLAIMED' then lease_until else unknown_since end,
        attempt = case when kind = 'WATCH' then attempt else attempt + 1 end,
        due_at = case when kind = 'WATCH' then {now} + every_seconds * 1000000 else due_at end,
        lease_until = case when kind = 'WATCH' then null else {lease_until} end,
        worker = case when kind = 'WATCH' then null else {worker} end,
        state = case when kind = 'WATCH' then 'READY' else 'CLAIMED' end"
    )
}

/// Integrations are named in statements in groups of so many, so that there are few different statements: each is prepared
/// once by each connection.
const GROUP: usize = 8;

/// Places for the ids, filled up to the next full group with one that nothing has.
fn grouped(values: &mut Vec<Value>, ids: impl Iterator<Item = IntegrationId>) -> String {
    let from = values.len();
    values.extend(ids.map(|id| Value::from(id.uuid())));
    while !(values.len() - from).is_multiple_of(GROUP) {
        values.push(Value::from(Uuid::nil()));
    }
    places(from + 1, values.len() - from)
}

/// How many rows the integration of a row has room for, as an expression.
fn room(request: &ClaimRequest, values: &mut Vec<Value>) -> String {
    values.push(Value::from(i64::from(request.rooms.each)));
    let each = values.len();
    let mut named = String::new();
    let some = request.rooms.of.iter().filter(|(_, left)| **left > 0);
    let mut some: Vec<(Uuid, u16)> = some.map(|(id, left)| (id.uuid(), *left)).collect();
    while !some.len().is_multiple_of(GROUP) {
        some.push((Uuid::nil(), 0));
    }
    for (id, left) in some {
        values.extend(values![id, i64::from(left)]);
        named.push_str(&format!(" when ${} then ${}", values.len() - 1, values.len()));
    }
    if named.is_empty() {
        format!("${each}")
    } else {
        format!("case integration_id{named} else ${each} end")
    }
}

/// The two searches for due rows of one tenant, each along its own index. All but `values`, to which the integrations to
/// skip are added, are expressions.
fn due_rows(
    dialect: Dialect,
    rooms: &Rooms,
    values: &mut Vec<Value>,
    tenant: &str,
    now: &str,
    margin: &str,
    limit: &str,
) -> String {
    let mut skip = String::new();
    let list = grouped(values, rooms.full());
    if !list.is_empty() {
        skip = format!("and (integration_id is null or integration_id not in ({list}))");
    }
    // SQLite would go through what is due of everybody, once for each tenant.
    let (ready, claimed, lock) = match dialect {
        Dialect::Sqlite => (
            "effects indexed by effects_ready",
            "effects indexed by effects_claimed",
            "",
        ),
        Dialect::Postgres => ("effects", "effects", LOCK),
    };
    format!(
        "select * from (select id, integration_id, due_at as since from {ready} where tenant_id = {tenant} and state = 'READY'
            and due_at <= {now} {skip} order by due_at, id limit {limit} {lock}) ready
        union all
        select * from (select id, integration_id, lease_until as since from {claimed} where tenant_id = {tenant} and state = 'CLAIMED'
            and lease_until < {now} - {margin} {skip} order by lease_until, id limit {limit} {lock}) expired"
    )
}

/// On PostgreSQL. Rows that another claim holds locked are passed over.
async fn in_one_statement(
    store: &SqlStore,
    request: &ClaimRequest,
    last: Option<Uuid>,
) -> Result<(Taken, Option<Uuid>), StoreError> {
    let mut values = values![
        store.inner.offset.load(Ordering::Relaxed),
        span(request.margin),
        i64::from(request.limit),
        span(request.lease),
        request.worker.as_str(),
        last.unwrap_or(Uuid::nil()),
    ];
    let now = "(select now from clock)";
    let due = due_rows(
        Dialect::Postgres,
        &request.rooms,
        &mut values,
        "t.id",
        now,
        "$2",
        "$3",
    );
    let room = room(request, &mut values);
    let sets = claimed_sets(now, &format!("{now} + $4"), "$5");
    let text = format!(
        "with clock as materialized
            (select (extract(epoch from clock_timestamp()) * 1000000)::bigint + $1 as now),
        found as materialized (
            select t.id as tenant, it.id, it.integration_id, it.since,
                row_number() over (partition by t.id, it.integration_id order by it.since, it.id) as nth
            from tenants t cross join lateral ({due}) it
            where not exists (select 1 from stops s where s.scope = '{EVERYBODY}' or s.scope = t.id::text)),
        due as materialized (
            select tenant, id, row_number() over (partition by tenant order by since, id) as turn
            from found where integration_id is null or nth <= {room}),
        chosen as materialized (
            select id, tenant, row_number() over (order by turn, tenant <= $6, tenant) as place
            from due order by place limit $3)
        update effects set {sets} from chosen where effects.id = chosen.id
        returning effects.*, chosen.place, chosen.tenant as served, {now} as claimed_at"
    );
    let mut rows = all(&store.inner.write, EFFECT, &text, values).await?;
    let mut order = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        order.push((row.long("place")?, row));
    }
    order.sort_by_key(|(place, _row)| *place);
    let mut taken = Taken::default();
    let mut served = last;
    for (_place, row) in &order {
        served = Some(row.uuid("served")?);
        taken.add(row, request, row.time("claimed_at")?)?;
    }
    for (id, error) in &taken.unreadable {
        let now = store.time(&store.inner.write).await?;
        leave_to_others(&store.inner.write, *id, now, error).await?;
    }
    Ok((taken, served))
}

/// On SQLite.
async fn in_transaction(
    store: &SqlStore,
    request: &ClaimRequest,
    last: Option<Uuid>,
) -> Result<(Taken, Option<Uuid>), StoreError> {
    let unit = store.transaction().await?;
    let now = store.time(&*unit).await?;
    let candidates = candidates(&*unit, request, now).await?;
    let (chosen, served) = in_turn(candidates, last, usize::from(request.limit));
    let mut taken = Taken::default();
    if chosen.is_empty() {
        return Ok((taken, last));
    }
    let mut values = values![micros(now), after(now, request.lease), request.worker.as_str()];
    let list = places(values.len() + 1, chosen.len());
    values.extend(chosen.iter().map(|id| Value::from(*id)));
    let sets = claimed_sets("$1", "$2", "$3");
    let text = format!("update effects set {sets} where id in ({list}) returning *");
    let mut rows = BTreeMap::new();
    for row in all(&*unit, EFFECT, &text, values).await? {
        rows.insert(row.uuid("id")?, row);
    }
    for row in chosen.iter().filter_map(|id| rows.get(id)) {
        taken.add(row, request, now)?;
    }
    for (id, error) in &taken.unreadable {
        leave_to_others(&*unit, *id, now, error).await?;
    }
    unit.commit().await?;
    Ok((taken, served))
}

/// Claims rows that were enqueued in this transaction. See the port's `claim_enqueued`.
pub(crate) async fn enqueued<C: ConnectionTrait>(
    on: &C,
    dialect: Dialect,
    effects: &[EffectId],
    request: &ClaimRequest,
    now: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    if effects.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values![micros(now), after(now, request.lease), request.worker.as_str()];
    let list = places(values.len() + 1, effects.len());
    values.extend(effects.iter().map(|id| Value::from(id.uuid())));
    // A tenant's id as a stop names it.
    let scope = match dialect {
        Dialect::Sqlite => "replace(s.scope, '-', '') = lower(hex(effects.tenant_id))",
        Dialect::Postgres => "s.scope = effects.tenant_id::text",
    };
    let text = format!(
        "update effects set {} where id in ({list}) and state = 'READY' and due_at <= $1
            and not exists (select 1 from stops s where s.scope = '{EVERYBODY}' or {scope}) returning *",
        claimed_sets("$1", "$2", "$3")
    );
    let mut taken = Taken::default();
    for row in all(on, EFFECT, &text, values).await? {
        taken.add(&row, request, now)?;
    }
    for (id, error) in &taken.unreadable {
        leave_to_others(on, *id, now, error).await?;
    }
    Ok(taken.claimed)
}

/// Due rows by tenant, oldest first.
type Candidates = BTreeMap<Uuid, VecDeque<Uuid>>;

async fn candidates<C: ConnectionTrait>(
    unit: &C,
    request: &ClaimRequest,
    now: Timestamp,
) -> Result<Candidates, StoreError> {
    let stopped = stops(unit).await?;
    let mut found = Candidates::new();
    if stopped.contains(EVERYBODY) {
        return Ok(found);
    }
    for tenant in all(unit, "tenant", "select id from tenants", Vec::new()).await? {
        let tenant = tenant.uuid("id")?;
        if stopped.contains(&tenant.to_string()) {
            continue;
        }
        let mut values = values![
            micros(now),
            span(request.margin),
            i64::from(request.limit),
            tenant,
        ];
        let due = due_rows(
            Dialect::Sqlite,
            &request.rooms,
            &mut values,
            "$4",
            "$1",
            "$2",
            "$3",
        );
        let text = format!("select id, integration_id, since from ({due}) due order by since, id");
        // An integration is one tenant's.
        let mut rooms = request.rooms.clone();
        let mut ids = VecDeque::new();
        for row in all(unit, EFFECT, &text, values).await? {
            if rooms.take(row.opt_uuid("integration_id")?.map(IntegrationId::from_uuid)) {
                ids.push_back(row.uuid("id")?);
            }
        }
        if !ids.is_empty() {
            found.insert(tenant, ids);
        }
    }
    Ok(found)
}

/// One row of each tenant in turn, beginning after the tenant that was served last. Also the tenant served last now.
fn in_turn(mut candidates: Candidates, last: Option<Uuid>, limit: usize) -> (Vec<Uuid>, Option<Uuid>) {
    let mut order: VecDeque<Uuid> = candidates.keys().copied().filter(|id| Some(*id) > last).collect();
    order.extend(candidates.keys().copied().filter(|id| Some(*id) <= last));
    let mut chosen = Vec::new();
    let mut served = last;
    while chosen.len() < limit
        && let Some(tenant) = order.pop_front()
    {
        if let Some(id) = candidates.get_mut(&tenant).and_then(VecDeque::pop_front) {
            chosen.push(id);
            served = Some(tenant);
            order.push_back(tenant);
        }
    }
    (chosen, served)
}

/// Scopes that are stopped: tenants' ids as text, or [`EVERYBODY`].
pub(crate) async fn stops<C: ConnectionTrait>(on: &C) -> Result<BTreeSet<String>, StoreError> {
    let rows = all(on, "stop", "select scope from stops", Vec::new()).await?;
    rows.iter().map(|row| row.text("scope")).collect()
}

/// A row that this build cannot read must not keep the rows beside it from being claimed.
async fn leave_to_others<C: ConnectionTrait>(
    on: &C,
    id: EffectId,
    now: Timestamp,
    error: &StoreError,
) -> Result<(), StoreError> {
    let text =
        "update effects set state = 'READY', lease_until = null, worker = null, due_at = $2, trouble = $3
        where id = $1";
    let values = values![id.uuid(), after(now, UNREADABLE), error.to_string()];
    run(on, EFFECT, text, values).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_migrations::{Migrator, MigratorTrait as _};

    #[tokio::test]
    async fn what_is_due_of_other_tenants_is_not_gone_through_on_sqlite() {
        let database = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        Migrator::up(&database, None).await.unwrap();
        let mut values = values![0_i64, 0_i64, 5_i64, Uuid::nil()];
        let due = due_rows(
            Dialect::Sqlite,
            &Rooms::default(),
            &mut values,
            "$4",
            "$1",
            "$2",
            "$3",
        );
        let text = format!("explain query plan {due}");
        let plan = all(&database, "plan", &text, values).await.unwrap();
        let mut along: Vec<String> = plan.iter().map(|step| step.text("detail").unwrap()).collect();
        along.retain(|step| step.contains("effects"));
        assert_eq!(
            along,
            [
                "SEARCH effects USING INDEX effects_ready (tenant_id=? AND due_at<?)",
                "SEARCH effects USING INDEX effects_claimed (tenant_id=? AND lease_until<?)"
            ]
        );
    }
}
