//! Rows of the effects queue: writing, re-arming, ending, reading.

use crate::batch::{Rule, Write};
use crate::sql::{Row, after, all, document, one, places, run, values};
use delivr_domain::effect::Effect;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Claim, EffectRow, Finished, RowEnd, RowState};
use delivr_domain::time::Timestamp;
use sea_orm::ConnectionTrait;
use std::time::Duration;

pub(crate) const EFFECT: &str = "effect";
const EFFECTS: &str = "effects";

/// The row as the port tells it.
pub(crate) fn read(row: &Row) -> Result<EffectRow, StoreError> {
    Ok(EffectRow {
        id: EffectId::from_uuid(row.uuid("id")?),
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        effect: row.document("effect")?,
        state: row.word("state")?,
        due_at: row.time("due_at")?,
        attempt: row.number("attempt")?,
        lease_until: row.opt_time("lease_until")?,
        // A poisoned row must end, whatever it has come to.
        failures: u16::try_from(row.long("failures")?).unwrap_or(u16::MAX),
        give_up_at: row.time("give_up_at")?,
        unknown_since: row.opt_time("unknown_since")?,
        trouble: row.opt_text("trouble")?,
    })
}

fn every_seconds(effect: &Effect) -> i64 {
    match effect {
        Effect::Watch { every_seconds, .. } => i64::from(*every_seconds),
        Effect::Resolve { .. }
        | Effect::Perform { .. }
        | Effect::Probe { .. }
        | Effect::CancelRun { .. }
        | Effect::Tell { .. }
        | Effect::Message { .. } => 0,
    }
}

/// An effect to be enqueued, with its spans from the database's now.
pub(crate) struct Enqueued {
    pub(crate) tenant: TenantId,
    pub(crate) effect: Effect,
    pub(crate) wait: Duration,
    pub(crate) give_up_after: Duration,
}

/// Columns written by [`enqueue`] from values; state, attempt and failures are the same for all.
const WRITTEN: usize = 11;
/// Most rows written by one statement.
const AT_ONCE: usize = 500;

/// Inserts the effects' rows or re-arms ended or parked ones; READY or CLAIMED rows are left alone. One statement, so
/// that two of them never race between looking and writing. No effect may be named twice.
pub(crate) fn enqueue(effects: &[Enqueued], now: Timestamp) -> Result<Vec<Write>, StoreError> {
    effects.chunks(AT_ONCE).map(|some| write(some, now)).collect()
}

fn write(effects: &[Enqueued], now: Timestamp) -> Result<Write, StoreError> {
    let rows: Vec<String> = (0..effects.len())
        .map(|row| format!("({}, 'READY', 0, 0)", places(1 + row * WRITTEN, WRITTEN)))
        .collect();
    let text = format!(
        "insert into effects (id, tenant_id, owner_kind, owner_id, kind, correlation, integration_id,
            every_seconds, effect, due_at, give_up_at, state, attempt, failures)
        values {}
        on conflict (id) do update set
            integration_id = excluded.integration_id, every_seconds = excluded.every_seconds,
            effect = excluded.effect, state = 'READY', due_at = excluded.due_at, failures = 0,
            give_up_at = excluded.give_up_at, lease_until = null, worker = null, trouble = null
        where effects.state in ('DONE', 'DEAD', 'PARKED') and effects.tenant_id = excluded.tenant_id",
        rows.join(", ")
    );
    let mut values = Vec::with_capacity(effects.len() * WRITTEN);
    for one in effects {
        let owner = one.effect.owner();
        values.extend(values![
            one.effect.id().uuid(),
            one.tenant.uuid(),
            owner.kind.word(),
            owner.id,
            one.effect.word(),
            one.effect.key().map(delivr_domain::key::EffectKey::short),
            one.effect.integration().map(IntegrationId::uuid),
            every_seconds(&one.effect),
            document(EFFECT, &one.effect)?,
            after(now, one.wait),
            after(now, one.give_up_after),
        ]);
    }
    Ok(Write {
        what: "tenant of an effect",
        table: EFFECTS,
        text,
        values,
        rule: Rule::Any,
    })
}

/// Ends a READY or PARKED row without result.
pub(crate) async fn end<C: ConnectionTrait>(on: &C, effect: EffectId) -> Result<(), StoreError> {
    let text = "update effects set state = 'DEAD' where id = $1 and state in ('READY', 'PARKED')";
    run(on, EFFECT, text, values![effect.uuid()]).await.map(drop)
}

/// Ends the row of a claim, if the claim still holds it.
pub(crate) async fn finish<C: ConnectionTrait>(
    on: &C,
    claim: &Claim,
    end: RowEnd,
) -> Result<Finished, StoreError> {
    let attempt = i64::from(claim.attempt());
    let text = "update effects set state = $3, lease_until = null, worker = null
        where id = $1 and attempt = $2 and state = 'CLAIMED'";
    let values = values![claim.effect().uuid(), attempt, end.word()];
    if run(on, EFFECT, text, values).await? > 0 {
        return Ok(Finished::Now);
    }
    // Not held any more: either this very attempt ended it and its commit's answer was lost, or somebody else came.
    let text = "select state from effects where id = $1 and attempt = $2";
    let row = one(on, EFFECT, text, values![claim.effect().uuid(), attempt]).await?;
    match row.map(|row| row.word::<RowState>("state")).transpose()? {
        Some(RowState::Done | RowState::Dead | RowState::Parked) => Ok(Finished::Before),
        Some(RowState::Ready | RowState::Claimed) | None => Err(StoreError::Fenced),
    }
}

/// Rows of an aggregate, oldest due first.
pub(crate) async fn of_owner<C: ConnectionTrait>(
    on: &C,
    owner: AggregateId,
    ended: bool,
) -> Result<Vec<EffectRow>, StoreError> {
    let live = if ended {
        ""
    } else {
        " and state in ('READY', 'CLAIMED', 'PARKED')"
    };
    let text =
        format!("select * from effects where owner_kind = $1 and owner_id = $2{live} order by due_at, id");
    let rows = all(on, EFFECT, &text, values![owner.kind.word(), owner.id]).await?;
    rows.iter().map(read).collect()
}

/// READY rows that read through an integration, the next due first. A row that this build cannot read is nothing to
/// look at, and must not hide the others.
pub(crate) async fn watching<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    integration: IntegrationId,
) -> Result<Vec<EffectRow>, StoreError> {
    let text = "select * from effects where tenant_id = $1 and integration_id = $2 and state = 'READY'
        and kind in ('WATCH', 'PROBE', 'RESOLVE') order by due_at, id limit 500";
    let rows = all(on, EFFECT, text, values![tenant.uuid(), integration.uuid()]).await?;
    Ok(rows.iter().filter_map(|row| read(row).ok()).collect())
}

/// The row a correlation key belongs to: the write that started the run, else the watch on it, else any.
pub(crate) async fn by_correlation<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    correlation: &str,
) -> Result<Option<EffectRow>, StoreError> {
    let text = "select * from effects where tenant_id = $1 and correlation = $2
        order by case kind when 'PERFORM' then 0 when 'WATCH' then 1 else 2 end, id limit 1";
    let row = one(on, EFFECT, text, values![tenant.uuid(), correlation]).await?;
    row.map(|row| read(&row)).transpose()
}
