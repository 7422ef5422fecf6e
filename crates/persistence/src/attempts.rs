//! What is written down about attempts, and the log of what was told to people.

use crate::effects::EFFECT;
use crate::sql::{all, micros, one, run, values};
use crate::upkeep::read_attempt;
use delivr_domain::effect::Effect;
use delivr_domain::ids::TenantId;
use delivr_domain::key::AggregateId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::AttemptRecord;
use sea_orm::ConnectionTrait;

/// Writes one line about an attempt, and one about the message that it delivered, if it was one.
pub(crate) async fn record<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    record: &AttemptRecord,
) -> Result<(), StoreError> {
    let text = "insert into effect_attempts (tenant_id, effect_id, attempt, outcome, reference, detail, at)
        select tenant_id, id, $3, $4, $5, $6, $7 from effects where id = $1 and tenant_id = $2
        returning (select kind from effects e where e.id = effect_id) as kind";
    let values = values![
        record.effect.uuid(),
        tenant.uuid(),
        i64::from(record.attempt),
        record.outcome.as_str(),
        record.reference.clone(),
        record.detail.clone(),
        micros(record.at),
    ];
    let Some(row) = one(on, "effect attempt", text, values).await? else {
        return Err(StoreError::Reference(EFFECT));
    };
    if record.reference.is_some() && row.text("kind")? == "MESSAGE" {
        log_message(on, record).await?;
    }
    Ok(())
}

/// Keeps the log of what was told to people: one line per message that a channel accepted.
async fn log_message<C: ConnectionTrait>(on: &C, record: &AttemptRecord) -> Result<(), StoreError> {
    let text = "select effect from effects where id = $1";
    let Some(row) = one(on, EFFECT, text, values![record.effect.uuid()]).await? else {
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
    run(on, "outbox", text, values).await.map(drop)
}

/// Lines about an aggregate's effects, oldest first.
pub(crate) async fn of_owner<C: ConnectionTrait>(
    on: &C,
    owner: AggregateId,
) -> Result<Vec<AttemptRecord>, StoreError> {
    let text = "select a.* from effect_attempts a join effects e on e.id = a.effect_id
        where e.owner_kind = $1 and e.owner_id = $2 order by a.position";
    let rows = all(on, "effect attempt", text, values![owner.kind.word(), owner.id]).await?;
    rows.iter().map(read_attempt).collect()
}
