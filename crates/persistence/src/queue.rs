//! The queue: claims by the database's clock, fences by attempt.

use crate::connect::{Dialect, SqlStore};
use crate::effects::{self, EFFECT};
use crate::error::unavailable;
use crate::sql::{after, all, micros, one, places, run, span, values};
use crate::upkeep::read_attempt;
use crate::wake::CHANNEL;
use async_trait::async_trait;
use delivr_domain::effect::Effect;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, PutBack, Queue, RowState,
};
use delivr_domain::time::Timestamp;
use sea_orm::{DatabaseTransaction, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use uuid::Uuid;

/// Scope of the installation's stop.
pub(crate) const EVERYBODY: &str = "*";
/// How long a row that this build cannot read is left to others (a newer build may be able to).
const UNREADABLE: Duration = Duration::from_secs(60);

/// Not the stronger `for update`: a line being written about an attempt refers to the row, and must not hide it.
const LOCK: &str = "for no key update skip locked";

/// Due rows by tenant, oldest first.
type Candidates = BTreeMap<Uuid, VecDeque<Uuid>>;

#[async_trait]
impl Queue for SqlStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        if request.limit == 0 {
            return Ok(Vec::new());
        }
        let unit = self.transaction().await?;
        let now = self.time(&unit).await?;
        let candidates = match self.inner.dialect {
            Dialect::Sqlite => candidates_by_tenant(&unit, request, now).await?,
            Dialect::Postgres => candidates_locked(&unit, request, now).await?,
        };
        let last = self.inner.served.lock().ok().and_then(|served| *served);
        let (chosen, last) = in_turn(candidates, last, usize::from(request.limit));
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let (claimed, unreadable) = take(&unit, request, now, &chosen).await?;
        for (id, error) in &unreadable {
            leave_to_others(&unit, *id, now, error).await?;
        }
        unit.commit().await.map_err(unavailable)?;
        if let Ok(mut served) = self.inner.served.lock() {
            *served = last;
        }
        for (id, error) in unreadable {
            tracing::error!(effect.id = %id, %error, "an effect's row cannot be read by this build");
        }
        Ok(claimed)
    }

    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError> {
        let now = self.time(&self.inner.write).await?;
        let text = "update effects set state = 'READY', lease_until = null, worker = null, due_at = $3,
                failures = failures + $4, unknown_since = coalesce($5, unknown_since), trouble = coalesce($6, trouble)
            where id = $1 and attempt = $2 and state = 'CLAIMED'";
        let values = values![
            claim.effect().uuid(),
            i64::from(claim.attempt()),
            after(now, how.after),
            i64::from(how.failures),
            how.unknown.then(|| micros(now)),
            how.trouble.clone(),
        ];
        fenced(run(&self.inner.write, EFFECT, text, values).await?)?;
        self.inner.wake.ring();
        Ok(())
    }

    async fn hasten(&self, effect: EffectId) -> Result<(), StoreError> {
        let now = self.time(&self.inner.write).await?;
        let text = "update effects set due_at = $2 where id = $1 and state = 'READY' and due_at > $2";
        if run(
            &self.inner.write,
            EFFECT,
            text,
            values![effect.uuid(), micros(now)],
        )
        .await?
            > 0
        {
            self.announce().await;
        }
        Ok(())
    }

    async fn watching(
        &self,
        tenant: TenantId,
        integration: IntegrationId,
    ) -> Result<Vec<EffectRow>, StoreError> {
        effects::watching(&self.inner.read, tenant, integration).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<(), StoreError> {
        let now = self.time(&self.inner.write).await?;
        let text = "update effects set lease_until = $3 where id = $1 and attempt = $2 and state = 'CLAIMED'";
        let values = values![
            claim.effect().uuid(),
            i64::from(claim.attempt()),
            after(now, lease)
        ];
        fenced(run(&self.inner.write, EFFECT, text, values).await?)
    }

    async fn record_attempt(&self, tenant: TenantId, record: &AttemptRecord) -> Result<(), StoreError> {
        let unit = self.transaction().await?;
        let text =
            "insert into effect_attempts (tenant_id, effect_id, attempt, outcome, reference, detail, at)
            select tenant_id, id, $3, $4, $5, $6, $7 from effects where id = $1 and tenant_id = $2";
        let values = values![
            record.effect.uuid(),
            tenant.uuid(),
            i64::from(record.attempt),
            record.outcome.as_str(),
            record.reference.clone(),
            record.detail.clone(),
            micros(record.at),
        ];
        if run(&unit, "effect attempt", text, values).await? == 0 {
            return Err(StoreError::Reference(EFFECT));
        }
        if record.reference.is_some() {
            log_message(&unit, record).await?;
        }
        unit.commit().await.map_err(unavailable)
    }

    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError> {
        let now = self.time(&self.inner.read).await?;
        let text = "select kind, id, wake_at from (
                select 'RELEASE' as kind, id, wake_at from releases where wake_at <= $1
                union all select 'SUBMISSION' as kind, id, wake_at from submissions where wake_at <= $1
                union all select 'ROLLOUT' as kind, id, wake_at from rollouts where wake_at <= $1) due
            order by wake_at, id limit $2";
        let values = values![micros(now), i64::from(limit)];
        all(&self.inner.read, "agenda", text, values)
            .await?
            .iter()
            .map(|row| {
                let kind: AggregateKind = row.word("kind")?;
                Ok((
                    AggregateId {
                        kind,
                        id: row.uuid("id")?,
                    },
                    row.time("wake_at")?,
                ))
            })
            .collect()
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let stopped = stops(&self.inner.read).await?;
        // Correlated minima are one index look-up per tenant; grouping would read every waiting row.
        let text = "select t.id,
                (select min(due_at) from effects e where e.tenant_id = t.id and e.state = 'READY') as due,
                (select min(lease_until) from effects e where e.tenant_id = t.id and e.state = 'CLAIMED') as lease
            from tenants t";
        let mut next: Option<Timestamp> = None;
        for row in all(&self.inner.read, "due time", text, Vec::new()).await? {
            if !stopped.contains(EVERYBODY) && !stopped.contains(&row.uuid("id")?.to_string()) {
                next = [next, row.opt_time("due")?, row.opt_time("lease")?]
                    .into_iter()
                    .flatten()
                    .min();
            }
        }
        let text = "select min(wake_at) as wake from (select min(wake_at) as wake_at from releases
            union all select min(wake_at) from submissions union all select min(wake_at) from rollouts) due";
        let wake = match one(&self.inner.read, "agenda", text, Vec::new()).await? {
            Some(row) => row.opt_time("wake")?,
            None => None,
        };
        Ok([next, wake].into_iter().flatten().min())
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.time(&self.inner.read).await
    }

    async fn rows(&self, owner: AggregateId, ended: bool) -> Result<Vec<EffectRow>, StoreError> {
        effects::of_owner(&self.inner.read, owner, ended).await
    }

    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError> {
        let text = "select a.* from effect_attempts a join effects e on e.id = a.effect_id
            where e.owner_kind = $1 and e.owner_id = $2 order by a.position";
        all(
            &self.inner.read,
            "effect attempt",
            text,
            values![owner.kind.word(), owner.id],
        )
        .await?
        .iter()
        .map(read_attempt)
        .collect()
    }

    async fn set_stop(
        &self,
        tenant: Option<TenantId>,
        stopped: bool,
        reason: &str,
    ) -> Result<(), StoreError> {
        let scope = tenant.map_or_else(|| EVERYBODY.to_owned(), |tenant| tenant.uuid().to_string());
        if stopped {
            let now = self.time(&self.inner.write).await?;
            let text = "insert into stops (scope, reason, at) values ($1, $2, $3)
                on conflict (scope) do update set reason = excluded.reason, at = excluded.at";
            run(
                &self.inner.write,
                "stop",
                text,
                values![scope, reason, micros(now)],
            )
            .await?;
        } else {
            run(
                &self.inner.write,
                "stop",
                "delete from stops where scope = $1",
                values![scope],
            )
            .await?;
            self.announce().await;
        }
        Ok(())
    }

    async fn wait_for_work(&self, at_most: Duration) {
        self.inner.wake.wait(at_most).await;
    }

    async fn beat(&self, worker: &str) -> Result<(), StoreError> {
        let now = self.time(&self.inner.write).await?;
        let text = "insert into worker_beats (worker, at, build) values ($1, $2, $3)
            on conflict (worker) do update set at = excluded.at, build = excluded.build";
        let values = values![worker, micros(now), crate::schema::newest()];
        run(&self.inner.write, "heartbeat", text, values).await.map(drop)
    }

    async fn last_beat(&self) -> Result<Option<Timestamp>, StoreError> {
        let text = "select max(at) as at from worker_beats";
        match one(&self.inner.read, "heartbeat", text, Vec::new()).await? {
            Some(row) => row.opt_time("at"),
            None => Ok(None),
        }
    }
}

impl SqlStore {
    /// Wakes the workers of this process and, on PostgreSQL, of all others. Lost messages only cost time, so a failure
    /// here is none of the caller's.
    pub(crate) async fn announce(&self) {
        match self.inner.dialect {
            Dialect::Sqlite => {}
            Dialect::Postgres => {
                let text = "select pg_notify($1, '')";
                let _lost = run(&self.inner.write, "wake-up", text, values![CHANNEL]).await;
            }
        }
        self.inner.wake.ring();
    }
}

/// Zero rows: the claim is no longer ours.
fn fenced(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        Err(StoreError::Fenced)
    } else {
        Ok(())
    }
}

pub(crate) async fn stops<C: sea_orm::ConnectionTrait>(on: &C) -> Result<BTreeSet<String>, StoreError> {
    let rows = all(on, "stop", "select scope from stops", Vec::new()).await?;
    rows.iter().map(|row| row.text("scope")).collect()
}

/// The two searches for due rows of one tenant, each along its own index, and their values: `$1` now, `$2` the end
/// of leases that may be taken over, `$3` the limit, then the integrations to skip.
fn due_rows(
    request: &ClaimRequest,
    now: Timestamp,
    tenant: &str,
    lock: &str,
) -> (String, String, Vec<Value>) {
    let mut values = values![
        micros(now),
        micros(now).saturating_sub(span(request.margin)),
        i64::from(request.limit),
    ];
    let mut skip = String::new();
    if !request.skip_integrations.is_empty() {
        let list = places(values.len() + 1, request.skip_integrations.len());
        skip = format!("and (integration_id is null or integration_id not in ({list}))");
        values.extend(request.skip_integrations.iter().map(|id| Value::from(id.uuid())));
    }
    let ready = format!(
        "select id, due_at as since from effects where tenant_id = {tenant} and state = 'READY'
            and due_at <= $1 {skip} order by due_at, id limit $3 {lock}"
    );
    let expired = format!(
        "select id, lease_until as since from effects where tenant_id = {tenant} and state = 'CLAIMED'
            and lease_until < $2 {skip} order by lease_until, id limit $3 {lock}"
    );
    (ready, expired, values)
}

/// Due rows on PostgreSQL, locked; rows that another claim holds locked are passed over.
async fn candidates_locked(
    unit: &DatabaseTransaction,
    request: &ClaimRequest,
    now: Timestamp,
) -> Result<Candidates, StoreError> {
    let (ready, expired, values) = due_rows(request, now, "t.id", LOCK);
    let text = format!(
        "select t.id as tenant, due.id, due.since from tenants t cross join lateral (
            select * from ({ready}) ready union all select * from ({expired}) expired) due
        where not exists (select 1 from stops s where s.scope = '*' or s.scope = t.id::text)
        order by due.since, due.id"
    );
    let mut found = Candidates::new();
    for row in all(unit, EFFECT, &text, values).await? {
        found
            .entry(row.uuid("tenant")?)
            .or_default()
            .push_back(row.uuid("id")?);
    }
    Ok(found)
}

/// Due rows on SQLite, where the writer is alone and a query costs no round trip.
async fn candidates_by_tenant(
    unit: &DatabaseTransaction,
    request: &ClaimRequest,
    now: Timestamp,
) -> Result<Candidates, StoreError> {
    let stopped = stops(unit).await?;
    let mut found = Candidates::new();
    if stopped.contains(EVERYBODY) {
        return Ok(found);
    }
    let place = 4 + request.skip_integrations.len();
    let (ready, expired, values) = due_rows(request, now, &format!("${place}"), "");
    let text = format!(
        "select id, since from (select * from ({ready}) union all select * from ({expired})) due order by since, id"
    );
    for tenant in all(unit, "tenant", "select id from tenants", Vec::new()).await? {
        let tenant = tenant.uuid("id")?;
        if stopped.contains(&tenant.to_string()) {
            continue;
        }
        let mut values = values.clone();
        values.push(Value::from(tenant));
        let rows = all(unit, EFFECT, &text, values).await?;
        let ids: Result<VecDeque<Uuid>, StoreError> = rows.iter().map(|row| row.uuid("id")).collect();
        let ids = ids?;
        if !ids.is_empty() {
            found.insert(tenant, ids);
        }
    }
    Ok(found)
}

/// One row of each tenant in turn, beginning after the tenant that was served last, until the limit: a tenant with a
/// thousand due rows costs another one at most one turn. Also the tenant served last now.
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

/// Rows that cannot be read, with the reason.
type Unreadable = Vec<(EffectId, StoreError)>;

/// Writes the claims of the chosen rows, in their order.
async fn take(
    unit: &DatabaseTransaction,
    request: &ClaimRequest,
    now: Timestamp,
    chosen: &[Uuid],
) -> Result<(Vec<Claimed>, Unreadable), StoreError> {
    let mut values = values![micros(now), after(now, request.lease), request.worker.as_str()];
    let list = places(values.len() + 1, chosen.len());
    values.extend(chosen.iter().map(|id| Value::from(*id)));
    // A lease that was taken over counts as a failure, and the send that it covered may still be under way until its end.
    let text = format!(
        "update effects set
            failures = case when state = 'CLAIMED' then failures + 1 else failures end,
            unknown_since = case when state = 'CLAIMED' then lease_until else unknown_since end,
            attempt = case when kind = 'WATCH' then attempt else attempt + 1 end,
            due_at = case when kind = 'WATCH' then $1 + every_seconds * 1000000 else due_at end,
            lease_until = case when kind = 'WATCH' then null else $2 end,
            worker = case when kind = 'WATCH' then null else $3 end,
            state = case when kind = 'WATCH' then 'READY' else 'CLAIMED' end
        where id in ({list}) returning *"
    );
    let send_before = request
        .started
        .plus(request.lease.saturating_sub(request.call_timeout));
    let mut taken = BTreeMap::new();
    let mut unreadable = Vec::new();
    for row in all(unit, EFFECT, &text, values).await? {
        let id = EffectId::from_uuid(row.uuid("id")?);
        match effects::read(&row) {
            Ok(row) => {
                let claim = (row.state == RowState::Claimed)
                    .then(|| Claim::issued_by_store(id, row.attempt, send_before));
                taken.insert(id.uuid(), Claimed { claim, row, now });
            }
            Err(error) => unreadable.push((id, error)),
        }
    }
    Ok((
        chosen.iter().filter_map(|id| taken.remove(id)).collect(),
        unreadable,
    ))
}

/// A row that this build cannot read must not keep the rows beside it from being claimed.
async fn leave_to_others(
    unit: &DatabaseTransaction,
    id: EffectId,
    now: Timestamp,
    error: &StoreError,
) -> Result<(), StoreError> {
    let text =
        "update effects set state = 'READY', lease_until = null, worker = null, due_at = $2, trouble = $3
        where id = $1";
    let values = values![id.uuid(), after(now, UNREADABLE), error.to_string()];
    run(unit, EFFECT, text, values).await.map(drop)
}

/// Keeps the log of what was told to people: one line per message that a channel accepted.
async fn log_message(unit: &DatabaseTransaction, record: &AttemptRecord) -> Result<(), StoreError> {
    let text = "select effect from effects where id = $1 and kind = 'MESSAGE'";
    let Some(row) = one(unit, EFFECT, text, values![record.effect.uuid()]).await? else {
        return Ok(());
    };
    let channel = match row.document("effect")? {
        Effect::Message { topic, .. } => topic.word(),
        Effect::Resolve { .. }
        | Effect::Perform { .. }
        | Effect::Watch { .. }
        | Effect::Probe { .. }
        | Effect::CancelRun { .. }
        | Effect::Tell { .. } => return Ok(()),
    };
    let text = "insert into outbox (tenant_id, effect_id, channel, reference, at)
        select tenant_id, id, $2, $3, $4 from effects where id = $1";
    let values = values![
        record.effect.uuid(),
        channel,
        record.reference.clone(),
        micros(record.at)
    ];
    run(unit, "outbox", text, values).await.map(drop)
}
