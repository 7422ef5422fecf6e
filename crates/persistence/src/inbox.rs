//! What came in: deliveries of other systems, and answers kept for repeated requests.

use crate::batch::{self, Rule, Write};
use crate::connect::SqlStore;
use crate::sql::{all, micros, one, run, values};
use delivr_domain::ids::{DeliveryId, IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{StoredAnswer, StoredDelivery};
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend};
use std::collections::BTreeMap;

const KEY: &str = "idempotency key";
const DELIVERY: &str = "delivery";

/// The answer kept under a key, unless it has expired.
pub(crate) async fn answer(
    store: &SqlStore,
    tenant: TenantId,
    key: &str,
) -> Result<Option<StoredAnswer>, StoreError> {
    let mut values = values![tenant.uuid(), key];
    let now = store.now(&mut values);
    let text =
        format!("select * from idempotency_keys where tenant_id = $1 and key = $2 and expires_at > {now}");
    let Some(row) = one(&store.inner.read, KEY, &text, values).await? else {
        return Ok(None);
    };
    Ok(Some(StoredAnswer {
        request: row.text("request")?,
        status: row.number("status")?,
        body: row.text("body")?,
        expires_at: row.time("expires_at")?,
    }))
}

/// Expired answers that are forgotten in passing, at most.
const IN_PASSING: i64 = 20;

/// Keeps an answer, and forgets some that have expired in passing. What somebody else is about to forget, or to replace, is
/// left to them: nobody waits for rows that nobody needs.
pub(crate) async fn put_answer<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    key: &str,
    answer: &StoredAnswer,
    now: Timestamp,
) -> Result<(), StoreError> {
    let lock = if on.get_database_backend() == DbBackend::Postgres {
        " for update skip locked"
    } else {
        ""
    };
    let forget = Write {
        what: KEY,
        table: "idempotency_keys",
        text: format!(
            "delete from idempotency_keys where (tenant_id, key) in (
                select tenant_id, key from idempotency_keys
                where expires_at <= $1 and not (tenant_id = $2 and key = $3) order by expires_at limit $4{lock})"
        ),
        values: values![micros(now), tenant.uuid(), key, IN_PASSING],
        rule: Rule::Any,
    };
    let keep = Write {
        what: KEY,
        table: "idempotency_keys",
        text: "insert into idempotency_keys (tenant_id, key, request, status, body, expires_at)
            values ($1, $2, $3, $4, $5, $6)
            on conflict (tenant_id, key) do update set request = excluded.request, status = excluded.status,
                body = excluded.body, expires_at = excluded.expires_at
                where idempotency_keys.expires_at <= $7"
            .to_owned(),
        values: values![
            tenant.uuid(),
            key,
            answer.request.as_str(),
            i64::from(answer.status),
            answer.body.as_str(),
            micros(answer.expires_at),
            micros(now),
        ],
        rule: Rule::Some,
    };
    match batch::make(on, vec![forget, keep]).await {
        // It is there, and has not expired.
        Err(StoreError::Conflict) => Err(StoreError::Duplicate(KEY)),
        done => done,
    }
}

/// Stores a delivery; false when it came before.
pub(crate) async fn insert<C: ConnectionTrait>(
    on: &C,
    delivery: &StoredDelivery,
) -> Result<bool, StoreError> {
    let text = "insert into inbox (id, tenant_id, integration_id, source, external, payload, at, processed)
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing";
    let values = values![
        delivery.id.uuid(),
        delivery.tenant.uuid(),
        delivery.integration.map(IntegrationId::uuid),
        delivery.source.as_str(),
        delivery.external.as_str(),
        delivery.payload.clone(),
        micros(delivery.at),
        false,
    ];
    Ok(run(on, DELIVERY, text, values).await? > 0)
}

/// When something last came in through each integration of the tenant.
pub(crate) async fn last_of_integrations<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
) -> Result<BTreeMap<IntegrationId, Timestamp>, StoreError> {
    // One step into the index for each integration, however many deliveries are kept.
    let text = "select id, (select max(at) from inbox where inbox.integration_id = integrations.id) as last
        from integrations where tenant_id = $1";
    let mut found = BTreeMap::new();
    for row in all(on, DELIVERY, text, values![tenant.uuid()]).await? {
        if let Some(at) = row.opt_time("last")? {
            found.insert(IntegrationId::from_uuid(row.uuid("id")?), at);
        }
    }
    Ok(found)
}

/// Marks a delivery processed.
pub(crate) async fn finish<C: ConnectionTrait>(on: &C, id: DeliveryId) -> Result<(), StoreError> {
    let text = "update inbox set processed = $2 where id = $1";
    run(on, DELIVERY, text, values![id.uuid(), true]).await.map(drop)
}

/// Deliveries not processed yet, oldest first.
pub(crate) async fn open<C: ConnectionTrait>(on: &C, limit: u16) -> Result<Vec<StoredDelivery>, StoreError> {
    let text = "select * from inbox where not processed order by position limit $1";
    all(on, DELIVERY, text, values![i64::from(limit)])
        .await?
        .iter()
        .map(|row| {
            Ok(StoredDelivery {
                id: DeliveryId::from_uuid(row.uuid("id")?),
                tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
                integration: row.opt_uuid("integration_id")?.map(IntegrationId::from_uuid),
                source: row.text("source")?,
                external: row.text("external")?,
                payload: row.json("payload")?,
                at: row.time("at")?,
            })
        })
        .collect()
}
