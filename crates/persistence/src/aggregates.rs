//! Aggregates: the state as JSON with its version, the columns to find it by, and the rows derived from it.

use crate::history;
use crate::parts;
use crate::sql::{Row, all, document, one, opt_micros, places, run, stored, values};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AggregateRow, BuildRow, CycleRow, Listed, Page, Projection, ReleaseFilter, TargetRow, TaskRow,
};
use sea_orm::{ConnectionTrait, Value};
use std::collections::BTreeSet;
use uuid::Uuid;

const WHAT: &str = "aggregate";
/// Most releases of one page, so that a page stays one statement of reasonable size.
const MOST: u16 = 200;

const fn table(kind: AggregateKind) -> &'static str {
    match kind {
        AggregateKind::Release => "releases",
        AggregateKind::Submission => "submissions",
        AggregateKind::Rollout => "rollouts",
    }
}

/// What a unique violation of the table means: only releases have numbers.
const fn duplicate(kind: AggregateKind) -> &'static str {
    match kind {
        AggregateKind::Release => "release number, or service of the release,",
        AggregateKind::Submission => "release of the submission",
        AggregateKind::Rollout => "release of the rollout",
    }
}

fn read(row: &Row, kind: AggregateKind) -> Result<AggregateRow, StoreError> {
    Ok(AggregateRow {
        id: AggregateId {
            kind,
            id: row.uuid("id")?,
        },
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        version: row.number("version")?,
        wake_at: row.opt_time("wake_at")?,
        state: row.json("state")?,
        projection: Projection {
            key: row.text("key")?,
            number: row.long("number")?,
            title: row.text("title")?,
            status: row.text("status")?,
            phase: row.text("phase")?,
            parent: row.opt_uuid("parent_id")?,
            version: row.text("version_text")?,
            terminal: row.flag("terminal")?,
            created_at: row.opt_time("created_at")?,
            kickoff_at: row.opt_time("kickoff_at")?,
            target_date: row.opt_time("target_date")?,
            integrations: row.document("integrations")?,
            tasks: Vec::new(),
            cycles: Vec::new(),
            builds: Vec::new(),
            targets: Vec::new(),
        },
    })
}

/// Reads the derived rows of releases into them; the others have none.
async fn complete<C: ConnectionTrait>(on: &C, rows: &mut [AggregateRow]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = rows
        .iter()
        .filter(|row| row.id.kind == AggregateKind::Release)
        .map(|row| row.id.id)
        .collect();
    let mut tasks = parts::read::<TaskRow, C>(on, &ids).await?;
    let mut cycles = parts::read::<CycleRow, C>(on, &ids).await?;
    let mut builds = parts::read::<BuildRow, C>(on, &ids).await?;
    let mut targets = parts::read::<TargetRow, C>(on, &ids).await?;
    for row in rows
        .iter_mut()
        .filter(|row| row.id.kind == AggregateKind::Release)
    {
        row.projection.tasks = tasks.remove(&row.id.id).unwrap_or_default();
        row.projection.cycles = cycles.remove(&row.id.id).unwrap_or_default();
        row.projection.builds = builds.remove(&row.id.id).unwrap_or_default();
        row.projection.targets = targets.remove(&row.id.id).unwrap_or_default();
    }
    Ok(())
}

/// One aggregate, of one tenant or of any; `lock` is appended to the query.
pub(crate) async fn load<C: ConnectionTrait>(
    on: &C,
    id: AggregateId,
    tenant: Option<TenantId>,
    lock: &str,
) -> Result<Option<AggregateRow>, StoreError> {
    let mut values = values![id.id];
    let mut scope = "";
    if let Some(tenant) = tenant {
        scope = " and tenant_id = $2";
        values.push(Value::from(tenant.uuid()));
    }
    let text = format!("select * from {} where id = $1{scope} {lock}", table(id.kind));
    let Some(row) = one(on, WHAT, &text, values).await? else {
        return Ok(None);
    };
    let mut rows = [read(&row, id.kind)?];
    complete(on, &mut rows).await?;
    let [row] = rows;
    Ok(Some(row))
}

/// Columns of the aggregate tables that a save writes; `$1` to `$17` in this order.
const COLUMNS: [&str; 17] = [
    "id",
    "tenant_id",
    "version",
    "wake_at",
    "state",
    "key",
    "number",
    "title",
    "status",
    "phase",
    "parent_id",
    "version_text",
    "terminal",
    "kickoff_at",
    "target_date",
    "integrations",
    "search",
];

/// Writes an aggregate with its columns and derived rows. See the port's `save`.
pub(crate) async fn save<C: ConnectionTrait>(
    on: &C,
    row: &AggregateRow,
    expected: Option<u64>,
) -> Result<(), StoreError> {
    let what = duplicate(row.id.kind);
    let name = table(row.id.kind);
    let it = &row.projection;
    let mut values = values![
        row.id.id,
        row.tenant.uuid(),
        stored(row.version),
        opt_micros(row.wake_at),
        row.state.clone(),
        it.key.as_str(),
        it.number,
        it.title.as_str(),
        it.status.as_str(),
        it.phase.as_str(),
        it.parent,
        it.version.as_str(),
        it.terminal,
        opt_micros(it.kickoff_at),
        opt_micros(it.target_date),
        document(WHAT, &it.integrations)?,
        search_text(it),
        opt_micros(it.created_at),
    ];
    let mut before = None;
    let written = match expected {
        None => {
            let text = format!(
                "insert into {name} ({}, created_at) values ({}) on conflict (id) do nothing",
                COLUMNS.join(", "),
                places(1, COLUMNS.len() + 1)
            );
            run(on, what, &text, values).await?
        }
        Some(expected) => {
            let text = format!("select status, phase from {name} where id = $1");
            before = one(on, WHAT, &text, values![row.id.id]).await?;
            let sets: Vec<String> = COLUMNS
                .iter()
                .zip(1..)
                .skip(2)
                .map(|(column, place): (_, usize)| format!("{column} = ${place}"))
                .collect();
            let text = format!(
                "update {name} set {}, created_at = $18 where id = $1 and tenant_id = $2 and version = $19",
                sets.join(", ")
            );
            values.push(Value::from(stored(expected)));
            run(on, what, &text, values).await?
        }
    };
    if written == 0 {
        return Err(StoreError::Conflict);
    }
    let (status, phase) = match &before {
        Some(old) => (Some(old.text("status")?), Some(old.text("phase")?)),
        None => (None, None),
    };
    history::change(on, row, "status", status, &it.status).await?;
    history::change(on, row, "phase", phase, &it.phase).await?;
    match row.id.kind {
        AggregateKind::Release => save_parts(on, row).await,
        AggregateKind::Submission | AggregateKind::Rollout => Ok(()),
    }
}

async fn save_parts<C: ConnectionTrait>(on: &C, row: &AggregateRow) -> Result<(), StoreError> {
    let (tenant, release) = (row.tenant.uuid(), row.id.id);
    parts::sync(on, tenant, release, &row.projection.tasks).await?;
    parts::sync(on, tenant, release, &row.projection.cycles).await?;
    parts::sync(on, tenant, release, &row.projection.builds).await?;
    parts::sync(on, tenant, release, &row.projection.targets).await?;
    // A release that is over holds on to no integration.
    let wanted: BTreeSet<Uuid> = if row.projection.terminal {
        BTreeSet::new()
    } else {
        row.projection.integrations.iter().map(|id| id.uuid()).collect()
    };
    let text = "select integration_id from release_integrations where release_id = $1";
    let held: Result<BTreeSet<Uuid>, StoreError> = all(on, "release integration", text, values![release])
        .await?
        .iter()
        .map(|row| row.uuid("integration_id"))
        .collect();
    let held = held?;
    for id in held.difference(&wanted) {
        let text = "delete from release_integrations where release_id = $1 and integration_id = $2";
        run(on, "release integration", text, values![release, *id]).await?;
    }
    for id in wanted.difference(&held) {
        let text =
            "insert into release_integrations (release_id, tenant_id, integration_id) values ($1, $2, $3)";
        run(
            on,
            "integration of the release",
            text,
            values![release, tenant, *id],
        )
        .await?;
    }
    Ok(())
}

/// What the text filter looks into. Lower-cased here, because SQLite's `lower` knows ASCII only.
fn search_text(it: &Projection) -> String {
    format!("{}\n{}\n{}", it.key, it.title, it.version).to_lowercase()
}

/// A `like` pattern for a text that may contain its special characters.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// Releases of a tenant, newest first; the cursor is the last number of the page before.
pub(crate) async fn list<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filter: &ReleaseFilter,
    page: &Page,
) -> Result<Listed<AggregateRow>, StoreError> {
    let mut text = String::from("select * from releases where tenant_id = $1");
    let mut values = values![tenant.uuid()];
    let mut narrow = |condition: &str, value: Value| {
        values.push(value);
        text.push_str(&condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(status) = &filter.status {
        narrow(" and status = ?", Value::from(status.as_str()));
    }
    if let Some(phase) = &filter.phase {
        narrow(" and phase = ?", Value::from(phase.as_str()));
    }
    if let Some(service) = filter.service {
        narrow(" and parent_id = ?", Value::from(service.uuid()));
    }
    if let Some(wanted) = &filter.text {
        narrow(" and search like ? escape '\\'", Value::from(pattern(wanted)));
    }
    if let Some(cursor) = &page.cursor {
        // A text that no page gave out names nothing, and nothing comes after it.
        let Ok(before) = cursor.parse::<i64>() else {
            return Ok(Listed {
                items: Vec::new(),
                next: None,
            });
        };
        narrow(" and number < ?", Value::from(before));
    }
    let limit = page.limit.clamp(1, MOST);
    narrow(" order by number desc limit ?", Value::from(i64::from(limit) + 1));
    let rows = all(on, WHAT, &text, values).await?;
    let more = rows.len() > usize::from(limit);
    let items: Result<Vec<AggregateRow>, StoreError> = rows
        .iter()
        .take(usize::from(limit))
        .map(|row| read(row, AggregateKind::Release))
        .collect();
    let mut items = items?;
    complete(on, &mut items).await?;
    let next = items
        .last()
        .filter(|_last| more)
        .map(|last| last.projection.number.to_string());
    Ok(Listed { items, next })
}

/// Submissions and rollouts of a release, oldest first.
pub(crate) async fn children<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    release: Uuid,
) -> Result<Vec<AggregateRow>, StoreError> {
    let mut found = Vec::new();
    for kind in [AggregateKind::Submission, AggregateKind::Rollout] {
        let text = format!(
            "select * from {} where tenant_id = $1 and parent_id = $2",
            table(kind)
        );
        for row in all(on, WHAT, &text, values![tenant.uuid(), release]).await? {
            found.push(read(&row, kind)?);
        }
    }
    found.sort_by_key(|row| (row.projection.created_at, row.id));
    Ok(found)
}

/// Keys of live releases that use the integration.
pub(crate) async fn using<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    integration: IntegrationId,
) -> Result<Vec<String>, StoreError> {
    let text = "select r.key from releases r join release_integrations u on u.release_id = r.id
        where r.tenant_id = $1 and u.integration_id = $2 order by r.number";
    let rows = all(on, WHAT, text, values![tenant.uuid(), integration.uuid()]).await?;
    rows.iter().map(|row| row.text("key")).collect()
}

/// Inserts a row for an aggregate of the owner's tenant: the statement's `{table}` is the owner's.
pub(crate) fn of_owner(text: &str, owner: AggregateId) -> String {
    text.replace("{table}", table(owner.kind))
}
