//! The queue: rows by the database's clock, fences by attempt.

use crate::attempts;
use crate::claim::{self, EVERYBODY};
use crate::connect::{Dialect, SqlStore};
use crate::effects::{self, EFFECT};
use crate::sql::{after, all, micros, one, run, span, values};
use crate::wake::CHANNEL;
use crate::workload;
use async_trait::async_trait;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AttemptRecord, Claim, ClaimRequest, Claimed, EffectRow, Heard, PutBack, Queue, Stop, StopBy, Workload,
};
use delivr_domain::time::Timestamp;
use sea_orm::ConnectionTrait;
use std::time::Duration;

/// A row never goes back for longer: what was meant as "never" must be an instant that can be counted on from.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

#[async_trait]
impl Queue for SqlStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        claim::claim(self, request).await
    }

    async fn put_back(&self, claim: &Claim, how: &PutBack) -> Result<(), StoreError> {
        let mut values = values![
            claim.effect().uuid(),
            i64::from(claim.attempt()),
            span(how.after.min(LONGEST)),
            i64::from(how.failures),
            how.trouble.clone(),
        ];
        let now = self.now(&mut values);
        let unknown = if how.unknown {
            now.as_str()
        } else {
            "unknown_since"
        };
        let text = format!(
            "update effects set state = 'READY', lease_until = null, worker = null, due_at = {now} + $3,
                failures = failures + $4, unknown_since = {unknown}, trouble = coalesce($5, trouble)
            where id = $1 and attempt = $2 and state = 'CLAIMED'"
        );
        fenced(run(&self.inner.write, EFFECT, &text, values).await?)?;
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
        attempts::record(&*unit, tenant, record).await?;
        unit.commit().await
    }

    async fn due_aggregates(&self, limit: u16) -> Result<Vec<(AggregateId, Timestamp)>, StoreError> {
        let mut values = values![i64::from(limit)];
        let now = self.now(&mut values);
        // Limited in each branch: of a hundred thousand that are due at once, only the first are read.
        let branch = |word: &str, table: &str| {
            format!(
                "select * from (select '{word}' as kind, id, wake_at from {table} where wake_at <= {now}
                order by wake_at, id limit $1) {table}"
            )
        };
        let text = format!(
            "select kind, id, wake_at from ({} union all {} union all {}) due order by wake_at, id limit $1",
            branch("RELEASE", "releases"),
            branch("SUBMISSION", "submissions"),
            branch("ROLLOUT", "rollouts")
        );
        all(&self.inner.read, "agenda", &text, values)
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
        // A tenant's id as a stop names it.
        let scope = match self.inner.dialect {
            Dialect::Sqlite => "replace(s.scope, '-', '') = lower(hex(t.id))",
            Dialect::Postgres => "s.scope = t.id::text",
        };
        // Correlated minima are one index look-up per tenant; grouping would read every waiting row.
        let text = format!(
            "select min(due) as due from (
                select (select min(due_at) from effects e where e.tenant_id = t.id and e.state = 'READY') as due
                    from tenants t where not exists (select 1 from stops s where s.scope = '{EVERYBODY}' or {scope})
                union all
                select (select min(lease_until) from effects e where e.tenant_id = t.id and e.state = 'CLAIMED')
                    from tenants t where not exists (select 1 from stops s where s.scope = '{EVERYBODY}' or {scope})
                union all select min(wake_at) from releases
                union all select min(wake_at) from submissions
                union all select min(wake_at) from rollouts) it"
        );
        match one(&self.inner.read, "due time", &text, Vec::new()).await? {
            Some(row) => row.opt_time("due"),
            None => Ok(None),
        }
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.time(&self.inner.read).await
    }

    async fn rows(&self, owner: AggregateId, ended: bool) -> Result<Vec<EffectRow>, StoreError> {
        effects::of_owner(&self.inner.read, owner, ended).await
    }

    async fn workload(&self, tenant: TenantId, most: u32, told: u16) -> Result<Workload, StoreError> {
        workload::read(self, tenant, most, told).await
    }

    async fn attempts(&self, owner: AggregateId) -> Result<Vec<AttemptRecord>, StoreError> {
        attempts::of_owner(&self.inner.read, owner).await
    }

    async fn exchanges(
        &self,
        tenant: TenantId,
        effects: &[EffectId],
        limit: u16,
    ) -> Result<Vec<Heard>, StoreError> {
        attempts::exchanges(&self.inner.read, tenant, effects, limit).await
    }

    async fn set_stop(&self, tenant: Option<TenantId>, stop: Option<StopBy<'_>>) -> Result<(), StoreError> {
        put_stop(self, &self.inner.write, tenant, stop).await?;
        if stop.is_none() {
            self.announce().await;
        }
        Ok(())
    }

    async fn stops(&self, tenant: TenantId) -> Result<Vec<Stop>, StoreError> {
        let text = "select * from stops where scope in ($1, $2)";
        let values = values![EVERYBODY, tenant.uuid().to_string()];
        let mut found = Vec::new();
        for row in all(&self.inner.read, "stop", text, values).await? {
            let everybody = row.text("scope")? == EVERYBODY;
            found.push(Stop {
                tenant: (!everybody).then_some(tenant),
                reason: row.text("reason")?,
                by: row.opt_text("stopped_by")?,
                at: row.time("at")?,
            });
        }
        found.sort_by_key(|it| it.tenant);
        Ok(found)
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

/// What a switch is for, as it is stored.
fn scope_of(tenant: Option<TenantId>) -> String {
    tenant.map_or_else(|| EVERYBODY.to_owned(), |tenant| tenant.uuid().to_string())
}

/// Turns a switch on or off. Workers are to be told of one that is off.
pub(crate) async fn put_stop<C: ConnectionTrait>(
    store: &SqlStore,
    on: &C,
    tenant: Option<TenantId>,
    stop: Option<StopBy<'_>>,
) -> Result<(), StoreError> {
    let scope = scope_of(tenant);
    let Some(StopBy { reason, actor }) = stop else {
        let text = "delete from stops where scope = $1";
        return run(on, "stop", text, values![scope]).await.map(drop);
    };
    let now = store.time(on).await?;
    let text = "insert into stops (scope, reason, at, stopped_by) values ($1, $2, $3, $4)
        on conflict (scope) do update set reason = excluded.reason, stopped_by = excluded.stopped_by";
    let values = values![scope, reason, micros(now), actor];
    run(on, "stop", text, values).await.map(drop)
}

/// Why a tenant's own switch is on; none when it is off.
pub(crate) async fn stopped_for<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
) -> Result<Option<String>, StoreError> {
    let text = "select reason from stops where scope = $1";
    let row = one(on, "stop", text, values![scope_of(Some(tenant))]).await?;
    row.map(|row| row.text("reason")).transpose()
}

/// Zero rows: the claim is no longer ours.
fn fenced(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        Err(StoreError::Fenced)
    } else {
        Ok(())
    }
}
