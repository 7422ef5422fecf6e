//! The counters of a tenant, from which releases have their numbers.

use crate::sql::{one, values};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use sea_orm::ConnectionTrait;

const WHAT: &str = "tenant of a counter";
const DRAW: &str = "insert into counters (tenant_id, name, value) values ($1, $2, 1)
    on conflict (tenant_id, name) do update set value = counters.value + 1 returning value";

/// The next number, within a transaction: whoever asks for another one waits until that is over.
pub(crate) async fn draw<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    counter: &str,
) -> Result<Option<i64>, StoreError> {
    number(on, DRAW, tenant, counter).await
}

/// The next number, by itself: nobody waits for the transaction it is drawn for, nor for the server's disk. (PostgreSQL.)
///
/// It needs no disk of its own. What is committed later is on the disk later: when the release that has the number is
/// there, so is the counter; and when the server loses the counter, it has lost the release as well.
pub(crate) async fn draw_alone<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    counter: &str,
) -> Result<Option<i64>, StoreError> {
    let text = format!(
        "with quickly as materialized (select set_config('synchronous_commit', 'off', true)),
        drawn as ({DRAW}) select value from drawn, quickly"
    );
    number(on, &text, tenant, counter).await
}

async fn number<C: ConnectionTrait>(
    on: &C,
    text: &str,
    tenant: TenantId,
    counter: &str,
) -> Result<Option<i64>, StoreError> {
    let row = one(on, WHAT, text, values![tenant.uuid(), counter]).await?;
    row.map(|row| row.long("value")).transpose()
}
