//! The log of what was told to people: every message with its attempts, and sending one again.

use crate::connect::SqlStore;
use crate::effects;
use crate::sql::{Row, after, all, micros, one, places, run, values};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::EffectId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{AttemptRecord, EffectRow, Listed, Page};
use sea_orm::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

const WHAT: &str = "message";

/// Whose messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagesOf {
    /// Of a release and its submissions and rollouts.
    Release(Uuid),
    /// Through an integration.
    Integration(IntegrationId),
}

pub(crate) fn read_attempt(row: &Row) -> Result<AttemptRecord, StoreError> {
    Ok(AttemptRecord {
        effect: EffectId::from_uuid(row.uuid("effect_id")?),
        attempt: row.number("attempt")?,
        outcome: row.text("outcome")?,
        reference: row.opt_text("reference")?,
        detail: row.opt_text("detail")?,
        at: row.time("at")?,
        exchanges: None,
    })
}

impl SqlStore {
    /// Messages with their attempts (oldest attempt first), the one written or sent again last first. The cursor is the
    /// id of the last one of a page.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; `Corrupt` for an attempt that cannot be read. A message that
    /// this build cannot read is left out and logged.
    pub async fn messages(
        &self,
        tenant: TenantId,
        of: MessagesOf,
        page: &Page,
    ) -> Result<Listed<(EffectRow, Vec<AttemptRecord>)>, StoreError> {
        let (narrow, subject) = match of {
            MessagesOf::Release(release) => (
                "owner_id in (select $2 union all select id from submissions where parent_id = $2
                    union all select id from rollouts where parent_id = $2)",
                release,
            ),
            MessagesOf::Integration(integration) => ("integration_id = $2", integration.uuid()),
        };
        let mut values = values![tenant.uuid(), subject, i64::from(page.limit).saturating_add(1)];
        let mut past = "";
        if let Some(cursor) = &page.cursor {
            let cursor = cursor.parse::<Uuid>().unwrap_or_default();
            past = "and (give_up_at, id) < (select give_up_at, id from effects where tenant_id = $1 and id = $4)";
            values.push(Value::from(cursor));
        }
        // The release's own part of the union has no type that PostgreSQL could guess.
        let narrow = match self.inner.dialect {
            crate::connect::Dialect::Sqlite => narrow.to_owned(),
            crate::connect::Dialect::Postgres => narrow.replace("(select $2 ", "(select $2::uuid "),
        };
        let text = format!(
            "select * from effects where tenant_id = $1 and kind = 'MESSAGE' and {narrow} {past}
                order by give_up_at desc, id desc limit $3"
        );
        let found = all(&self.inner.read, WHAT, &text, values).await?;
        let more = found.len() > usize::from(page.limit);
        let mut rows = Vec::new();
        let mut next = None;
        for row in found.iter().take(page.limit.into()) {
            let id = row.uuid("id")?;
            next = Some(id.to_string()).filter(|_| more);
            match effects::read(row) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    tracing::error!(effect.id = %id, %error, "a message cannot be read and is left out");
                }
            }
        }
        let mut attempts = self.attempts_of(&rows).await?;
        let items = rows
            .into_iter()
            .map(|row| {
                let made = attempts.remove(&row.id).unwrap_or_default();
                (row, made)
            })
            .collect();
        Ok(Listed { items, next })
    }

    /// One message of a tenant with its attempts.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; `Corrupt` for a row that cannot be read.
    pub async fn message(
        &self,
        tenant: TenantId,
        id: EffectId,
    ) -> Result<Option<(EffectRow, Vec<AttemptRecord>)>, StoreError> {
        let text = "select * from effects where tenant_id = $1 and id = $2 and kind = 'MESSAGE'";
        let Some(row) = one(&self.inner.read, WHAT, text, values![tenant.uuid(), id.uuid()]).await? else {
            return Ok(None);
        };
        let row = effects::read(&row)?;
        let attempts = self.attempts_of(std::slice::from_ref(&row)).await?;
        Ok(Some((row, attempts.into_values().next().unwrap_or_default())))
    }

    async fn attempts_of(
        &self,
        rows: &[EffectRow],
    ) -> Result<BTreeMap<EffectId, Vec<AttemptRecord>>, StoreError> {
        let mut found: BTreeMap<EffectId, Vec<AttemptRecord>> = BTreeMap::new();
        if rows.is_empty() {
            return Ok(found);
        }
        let text = format!(
            "select effect_id, attempt, outcome, reference, detail, at from effect_attempts
                where effect_id in ({}) order by position",
            places(1, rows.len())
        );
        let values = rows.iter().map(|row| Value::from(row.id.uuid())).collect();
        for row in all(&self.inner.read, "effect attempt", &text, values).await? {
            let attempt = read_attempt(&row)?;
            found.entry(attempt.effect).or_default().push(attempt);
        }
        Ok(found)
    }

    /// Sends a message again that was not delivered, or of which that is not known: its row is due at once, with a fresh
    /// budget and under its own mark, and one line says who asked. False when it is not there or not given up: of two
    /// who ask at the same time one succeeds.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn send_again(
        &self,
        tenant: TenantId,
        message: EffectId,
        by: &str,
        give_up_after: Duration,
    ) -> Result<bool, StoreError> {
        let unit = self.transaction().await?;
        let now = self.time(&*unit).await?;
        let text = "update effects set state = 'READY', due_at = $3, give_up_at = $4, failures = 0,
                unknown_since = null, trouble = null, lease_until = null, worker = null
            where tenant_id = $1 and id = $2 and kind = 'MESSAGE' and state = 'DEAD' returning attempt";
        let values = values![
            tenant.uuid(),
            message.uuid(),
            micros(now),
            after(now, give_up_after),
        ];
        let Some(row) = one(&*unit, WHAT, text, values).await? else {
            return Ok(false);
        };
        let text =
            "insert into effect_attempts (tenant_id, effect_id, attempt, outcome, reference, detail, at)
            values ($1, $2, $3, 'sent_again', null, $4, $5)";
        let values = values![
            tenant.uuid(),
            message.uuid(),
            row.long("attempt")?,
            format!("asked for by {by}"),
            micros(now),
        ];
        run(&*unit, "effect attempt", text, values).await?;
        unit.commit().await?;
        self.announce().await;
        Ok(true)
    }
}
