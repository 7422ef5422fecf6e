//! What is written down about attempts, and the log of what was told to people.

use crate::effects::EFFECT;
use crate::sql::{all, micros, one, places, run, values};
use crate::upkeep::read_attempt;
use delivr_domain::effect::Effect;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{AttemptRecord, Heard};
use sea_orm::{ConnectionTrait, Value};

/// Writes one line about an attempt, and one about the message that it delivered, if it was one.
pub(crate) async fn record<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    record: &AttemptRecord,
) -> Result<(), StoreError> {
    let text = "insert into effect_attempts (tenant_id, effect_id, attempt, outcome, reference, detail, at,
            exchanges)
        select tenant_id, id, $3, $4, $5, $6, $7, $8 from effects where id = $1 and tenant_id = $2
        returning (select kind from effects e where e.id = effect_id) as kind";
    // What cannot be written as JSON is left out: it is there to be looked at, and nothing depends on it.
    let exchanged = record
        .exchanges
        .as_ref()
        .and_then(|it| serde_json::to_string(it).ok());
    let values = values![
        record.effect.uuid(),
        tenant.uuid(),
        i64::from(record.attempt),
        record.outcome.as_str(),
        record.reference.clone(),
        record.detail.clone(),
        micros(record.at),
        exchanged,
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
    // Named one by one: what was exchanged is many times as large as all the rest, and is not asked for here.
    let text = "select a.effect_id, a.attempt, a.outcome, a.reference, a.detail, a.at from effect_attempts a join effects e on e.id = a.effect_id
        where e.owner_kind = $1 and e.owner_id = $2 order by a.position";
    let rows = all(on, "effect attempt", text, values![owner.kind.word(), owner.id]).await?;
    rows.iter().map(read_attempt).collect()
}

/// What was exchanged in the newest attempts at these effects of a tenant, the newest first.
pub(crate) async fn exchanges<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    effects: &[EffectId],
    limit: u16,
) -> Result<Vec<Heard>, StoreError> {
    if effects.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "select effect_id, attempt, at, exchanges from effect_attempts
            where tenant_id = $1 and effect_id in ({}) and exchanges is not null order by position desc limit $2",
        places(3, effects.len())
    );
    let mut values = values![tenant.uuid(), i64::from(limit)];
    values.extend(effects.iter().map(|id| Value::from(id.uuid())));
    let mut found = Vec::new();
    for row in all(on, "effect attempt", &text, values).await? {
        let effect = EffectId::from_uuid(row.uuid("effect_id")?);
        // What another version wrote and this one cannot read is not worth a page that does not come.
        match serde_json::from_str(&row.text("exchanges")?) {
            Ok(exchanges) => found.push(Heard {
                effect,
                attempt: row.number("attempt")?,
                at: row.time("at")?,
                exchanges,
            }),
            Err(error) => {
                tracing::warn!(effect.id = %effect, %error, "what was exchanged in an attempt cannot be read and is left out");
            }
        }
    }
    Ok(found)
}
