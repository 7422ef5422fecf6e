//! Events, what they changed, and facts.

use crate::aggregates::of_owner;
use crate::batch::{Rule, Write};
use crate::connect::Dialect;
use crate::sql::{Row, all, micros, one, opt_micros, rows_of_places, run, stored, values};
use delivr_domain::effect::FactKind;
use delivr_domain::ids::TenantId;
use delivr_domain::key::AggregateId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{AggregateRow, Fact, StoredEvent};
use sea_orm::ConnectionTrait;
use std::collections::BTreeMap;

const WHAT: &str = "event";
/// Keys of the advisory locks that announce positions: this number, times 2^48, plus the position.
const ANNOUNCED: i64 = 0x6465;
/// Bits of an announced position.
const BITS: u32 = 48;
/// The next position to be given out.
const NEXT: &str = "select last_value + is_called::int as next from state_history_position_seq";

fn read(row: &Row) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        owner: AggregateId {
            kind: row.word("owner_kind")?,
            id: row.uuid("owner_id")?,
        },
        sequence: row.number("sequence")?,
        kind: row.text("kind")?,
        payload: row.json("payload")?,
        actor: row.text("actor")?,
        at: row.time("at")?,
        position: row.long("position")?,
    })
}

/// Most events written by one statement: SQLite takes 32 766 values.
const AT_ONCE: usize = 500;

/// Says that events may be written in this transaction. On PostgreSQL a sequence gives out positions when rows are
/// written, but readers see them when they are committed: a reader could see position 8, remember it, and miss 7 which
/// commits later. So each transaction announces, by a shared lock that it holds until it is over, from which position on it
/// will write, before it is given any; and readers go no further than [`settled`]. Nobody waits for anybody.
pub(crate) async fn announce<C: ConnectionTrait>(on: &C, dialect: Dialect) -> Result<(), StoreError> {
    match dialect {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => run(on, WHAT, &format!("select {}", announcement()), Vec::new())
            .await
            .map(drop),
    }
}

/// What announces in a query that has something else to ask too; on PostgreSQL.
pub(crate) fn announcement() -> String {
    format!(
        "pg_advisory_xact_lock_shared({} + ({NEXT}))::text as announced",
        ANNOUNCED << BITS
    )
}

/// The writing of events, which the transaction has announced.
pub(crate) fn append(events: &[(TenantId, StoredEvent)]) -> Vec<Write> {
    let write = |some: &[(TenantId, StoredEvent)]| {
        let text = format!(
            "insert into state_history (tenant_id, owner_kind, owner_id, sequence, kind, payload, actor, at)
            values {}",
            rows_of_places(0, some.len(), 8)
        );
        let mut values = Vec::with_capacity(some.len() * 8);
        for (tenant, event) in some {
            values.extend(values![
                tenant.uuid(),
                event.owner.kind.word(),
                event.owner.id,
                stored(event.sequence),
                event.kind.as_str(),
                event.payload.clone(),
                event.actor.as_str(),
                micros(event.at),
            ]);
        }
        Write {
            what: WHAT,
            table: "state_history",
            text,
            values,
            // Somebody else appended one of these numbers: the aggregate is not the one that was loaded.
            rule: Rule::First,
        }
    };
    events.chunks(AT_ONCE).map(write).collect()
}

/// A column that people see, before and after a save.
pub(crate) struct Change<'a> {
    pub(crate) field: &'static str,
    pub(crate) old: Option<&'a str>,
    pub(crate) new: &'a str,
}

/// What a save changed in the columns people see, under the number of the last event folded into it.
pub(crate) fn changes(row: &AggregateRow, changes: &[Change<'_>]) -> Option<Write> {
    let made: Vec<&Change<'_>> = changes.iter().filter(|it| it.old != Some(it.new)).collect();
    if made.is_empty() {
        return None;
    }
    let text = format!(
        "insert into state_history_items
            (tenant_id, owner_kind, owner_id, sequence, field, old_value, new_value, at)
        values {}
        on conflict (owner_kind, owner_id, sequence, field) do update set new_value = excluded.new_value",
        rows_of_places(0, made.len(), 8)
    );
    // That of the event: a release changes with its last one.
    let at = opt_micros(row.projection.listing.changed_at);
    let mut values = Vec::new();
    for change in made {
        values.extend(values![
            row.tenant.uuid(),
            row.id.kind.word(),
            row.id.id,
            stored(row.version),
            change.field,
            change.old,
            change.new,
            at,
        ]);
    }
    Some(Write {
        what: "history item",
        table: "state_history_items",
        text,
        values,
        rule: Rule::Any,
    })
}

/// Events of an aggregate after a number, oldest first.
pub(crate) async fn of_aggregate<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    owner: AggregateId,
    after: u64,
    limit: u16,
) -> Result<Vec<StoredEvent>, StoreError> {
    let text = "select * from state_history where tenant_id = $1 and owner_kind = $2 and owner_id = $3
        and sequence > $4 order by sequence limit $5";
    let values = values![
        tenant.uuid(),
        owner.kind.word(),
        owner.id,
        stored(after),
        i64::from(limit)
    ];
    all(on, WHAT, text, values).await?.iter().map(read).collect()
}

/// The position before which every event there will ever be is visible to whoever looks from now on.
///
/// What lies before the sequence's next value was given out to transactions that had announced themselves before. The
/// sequence is read first: one that announces itself later is given positions from there on. One that is no longer
/// announced is over, and visible if it was committed, since locks are released after that.
async fn settled<C: ConnectionTrait>(on: &C, dialect: Dialect) -> Result<i64, StoreError> {
    match dialect {
        // One writer at a time: positions are given out in the order of the commits.
        Dialect::Sqlite => Ok(i64::MAX),
        Dialect::Postgres => {
            // The second look names the first one's row, so that it cannot be taken before it.
            let text = format!(
                "select least(next, (select min((classid::bigint << 32 | objid::bigint) - $1) from pg_locks
                    where locktype = 'advisory' and objsubid = 1 and classid::bigint >> 16 = $2 and next is not null
                    and database = (select oid from pg_database where datname = current_database()))) as settled
                from ({NEXT}) sequence"
            );
            let row = one(on, WHAT, &text, values![ANNOUNCED << BITS, ANNOUNCED]).await?;
            row.map_or(Ok(i64::MAX), |row| row.long("settled"))
        }
    }
}

/// After which position a reader begins who wants what comes from now on.
pub(crate) async fn newest<C: ConnectionTrait>(
    on: &C,
    dialect: Dialect,
    tenant: TenantId,
) -> Result<i64, StoreError> {
    let settled = settled(on, dialect).await?;
    let text = "select max(position) as newest from state_history where tenant_id = $1";
    let newest = match one(on, WHAT, text, values![tenant.uuid()]).await? {
        Some(row) => row.opt_long("newest")?,
        None => None,
    };
    Ok(newest.unwrap_or(0).min(settled.saturating_sub(1)))
}

/// Events of a tenant after a position, oldest first; none that another one could still come before.
pub(crate) async fn forwards<C: ConnectionTrait>(
    on: &C,
    dialect: Dialect,
    tenant: TenantId,
    after: i64,
    limit: u16,
) -> Result<Vec<StoredEvent>, StoreError> {
    if dialect == Dialect::Postgres {
        // Most looks of a live stream find nothing, and that costs one query.
        let text = "select position from state_history where tenant_id = $1 and position > $2 limit 1";
        if one(on, WHAT, text, values![tenant.uuid(), after])
            .await?
            .is_none()
        {
            return Ok(Vec::new());
        }
    }
    let settled = settled(on, dialect).await?;
    let text = "select * from state_history where tenant_id = $1 and position > $2 and position < $4
        order by position limit $3";
    let values = values![tenant.uuid(), after, i64::from(limit), settled];
    all(on, WHAT, text, values).await?.iter().map(read).collect()
}

/// Events of a tenant before a position, newest first.
pub(crate) async fn backwards<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    before: Option<i64>,
    limit: u16,
) -> Result<Vec<StoredEvent>, StoreError> {
    let text =
        "select * from state_history where tenant_id = $1 and position < $2 order by position desc limit $3";
    let values = values![tenant.uuid(), before.unwrap_or(i64::MAX), i64::from(limit)];
    all(on, WHAT, text, values).await?.iter().map(read).collect()
}

/// Events of some aggregates before a position, newest first. Each one's are looked for by itself, from its last number
/// down: however many events the tenant has, no others are passed over.
pub(crate) async fn backwards_of<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    owners: &[AggregateId],
    before: Option<i64>,
    limit: u16,
) -> Result<Vec<StoredEvent>, StoreError> {
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let of_one = |number: usize| {
        format!(
            "select * from (select * from state_history where tenant_id = $1 and position < $2 and owner_kind = ${}
            and owner_id = ${} order by sequence desc limit $3) of_{number}",
            4 + 2 * number,
            5 + 2 * number
        )
    };
    let each: Vec<String> = (0..owners.len()).map(of_one).collect();
    let text = format!("{} order by position desc limit $3", each.join(" union all "));
    let mut values = values![tenant.uuid(), before.unwrap_or(i64::MAX), i64::from(limit)];
    for owner in owners {
        values.extend(values![owner.kind.word(), owner.id]);
    }
    all(on, WHAT, &text, values).await?.iter().map(read).collect()
}

/// Facts of an aggregate.
pub(crate) async fn facts<C: ConnectionTrait>(
    on: &C,
    owner: AggregateId,
) -> Result<BTreeMap<FactKind, Fact>, StoreError> {
    let text = "select kind, value, observed_at from facts where owner_kind = $1 and owner_id = $2";
    all(on, "fact", text, values![owner.kind.word(), owner.id])
        .await?
        .iter()
        .map(|row| {
            let fact = Fact {
                value: row.text("value")?,
                observed_at: row.time("observed_at")?,
            };
            Ok((row.word("kind")?, fact))
        })
        .collect()
}

/// Records a fact; whether its value is another one than before. What was observed earlier than the one kept is dropped.
pub(crate) async fn put_fact<C: ConnectionTrait>(
    on: &C,
    owner: AggregateId,
    kind: FactKind,
    fact: &Fact,
) -> Result<bool, StoreError> {
    let text = "select value from facts where owner_kind = $1 and owner_id = $2 and kind = $3";
    let before = one(
        on,
        "fact",
        text,
        values![owner.kind.word(), owner.id, kind.word()],
    )
    .await?;
    let before = before.map(|row| row.text("value")).transpose()?;
    let text = of_owner(
        "insert into facts (tenant_id, owner_kind, owner_id, kind, value, observed_at)
        select tenant_id, $1, $2, $3, $4, $5 from {table} where id = $2
        on conflict (owner_kind, owner_id, kind) do update set
            value = excluded.value, observed_at = excluded.observed_at
            where facts.observed_at <= excluded.observed_at",
        owner,
    );
    let values = values![
        owner.kind.word(),
        owner.id,
        kind.word(),
        fact.value.as_str(),
        micros(fact.observed_at),
    ];
    if run(on, "fact", &text, values).await? == 0 {
        // Either a newer one is kept (perhaps since the look above), or there is nothing that it could belong to.
        let text = of_owner("select id from {table} where id = $1", owner);
        return match one(on, "fact", &text, values![owner.id]).await? {
            Some(_owner) => Ok(false),
            None => Err(StoreError::Reference("owner of a fact")),
        };
    }
    Ok(before.as_deref() != Some(fact.value.as_str()))
}
