//! Aggregates: the state as JSON with its version, the columns to find it by, and the rows derived from it.

use crate::batch::{self, Rule, Write};
use crate::history::{self, Change};
use crate::parts;
use crate::search;
use crate::sql::{Row, all, document, one, opt_micros, places, rows_of_places, stored as count, values};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{AggregateRow, Attention, Listing, Projection};
use delivr_domain::release::Release;
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};
use serde::Deserialize as _;
use std::collections::BTreeSet;
use uuid::Uuid;

const WHAT: &str = "aggregate";
pub(crate) const fn table(kind: AggregateKind) -> &'static str {
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

/// The columns that [`read`] reads: all but the text that is only searched.
pub(crate) const READ: &str =
    "id, tenant_id, version, wake_at, state, key, number, title, status, phase, parent_id, version_text,
    terminal, created_at, kickoff_at, target_date, integrations";

/// The same of a kind: a release has what it is listed by beside them.
pub(crate) const fn aside(kind: AggregateKind) -> &'static str {
    match kind {
        AggregateKind::Release => ", lined, worded, listed, service_slug, pilot, attention, changed_at, turn",
        AggregateKind::Submission | AggregateKind::Rollout => "",
    }
}

fn listing(row: &Row, kind: AggregateKind) -> Result<Listing, StoreError> {
    match kind {
        AggregateKind::Release => Ok(Listing {
            service: row.opt_text("service_slug")?.unwrap_or_default(),
            pilot: row.opt_text("pilot")?,
            attention: Attention::of_rank(row.opt_long("attention")?.unwrap_or_default()),
            changed_at: row.opt_time("changed_at")?,
            turn: row.opt_long("turn")?,
        }),
        AggregateKind::Submission | AggregateKind::Rollout => Ok(Listing::default()),
    }
}

pub(crate) fn read(row: &Row, kind: AggregateKind) -> Result<AggregateRow, StoreError> {
    Ok(AggregateRow {
        id: AggregateId {
            kind,
            id: row.uuid("id")?,
        },
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        version: row.number("version")?,
        wake_at: row.opt_time("wake_at")?,
        state: row.json("state")?.into(),
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
            line: Vec::new(),
            listing: listing(row, kind)?,
        }
        .into(),
    })
}

/// Reads the derived rows of a release into it; the others have none.
async fn complete<C: ConnectionTrait>(on: &C, row: &mut AggregateRow) -> Result<(), StoreError> {
    match row.id.kind {
        AggregateKind::Release => {
            let id = row.id.id;
            row.projection.tasks = parts::read(on, id).await?;
            row.projection.cycles = parts::read(on, id).await?;
            row.projection.builds = parts::read(on, id).await?;
            row.projection.targets = parts::read(on, id).await?;
            row.projection.line = parts::read(on, id).await?;
            Ok(())
        }
        AggregateKind::Submission | AggregateKind::Rollout => Ok(()),
    }
}

/// Whether derived rows are read too. Nothing but a person's look needs them: the state says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Read,
    Left,
}

/// One aggregate, of one tenant or of any.
pub(crate) async fn load<C: ConnectionTrait>(
    on: &C,
    id: AggregateId,
    tenant: Option<TenantId>,
    parts: Parts,
) -> Result<Option<AggregateRow>, StoreError> {
    let Some(row) = find(on, id, tenant, "", "").await? else {
        return Ok(None);
    };
    let (mut row, _current) = found(&row, id.kind)?;
    if parts == Parts::Read {
        complete(on, &mut row).await?;
    }
    Ok(Some(row))
}

/// The row of an aggregate; `aside` is selected beside its columns, and `lock` appended to the query.
pub(crate) async fn find<C: ConnectionTrait>(
    on: &C,
    id: AggregateId,
    tenant: Option<TenantId>,
    aside: &str,
    lock: &str,
) -> Result<Option<Row>, StoreError> {
    let mut values = values![id.id];
    let mut scope = "";
    if let Some(tenant) = tenant {
        scope = " and tenant_id = $2";
        values.push(Value::from(tenant.uuid()));
    }
    let listed = self::aside(id.kind);
    let text = format!(
        "select {READ}{listed}{aside} from {} where id = $1{scope} {lock}",
        table(id.kind)
    );
    one(on, WHAT, &text, values).await
}

/// What [`find`] found, and whether its derived rows are those of its version: a version of this program that knew fewer
/// of them may have saved it last.
pub(crate) fn found(row: &Row, kind: AggregateKind) -> Result<(AggregateRow, bool), StoreError> {
    let read = read(row, kind)?;
    let current = match kind {
        AggregateKind::Release => {
            let version = Some(count(read.version));
            row.opt_long("lined")? == version
                && row.opt_long("worded")? == version
                && row.opt_long("listed")? == version
        }
        AggregateKind::Submission | AggregateKind::Rollout => true,
    };
    Ok((read, current))
}

/// Columns of the aggregate tables that a save writes; `$1` to `$17` in this order, `created_at` comes last.
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

/// What stands in the database before a save.
pub(crate) struct Stored {
    status: String,
    phase: String,
    /// The next thing on its agenda.
    wake_at: Option<Timestamp>,
    /// Integrations that the release holds on to; none where that is not known.
    held: Option<BTreeSet<Uuid>>,
    /// The derived rows; none where they are not known.
    parts: Option<Projection>,
}

impl Stored {
    /// What follows from a row that was loaded: derived rows are a function of the state, as far as they are `current`,
    /// and whoever changes that function in a new version migrates what is stored.
    pub(crate) fn of(row: &AggregateRow, current: bool) -> Self {
        let parts = match row.id.kind {
            AggregateKind::Release if current => projection(&row.state),
            AggregateKind::Release | AggregateKind::Submission | AggregateKind::Rollout => None,
        };
        Self {
            status: row.projection.status.clone(),
            phase: row.projection.phase.clone(),
            wake_at: row.wake_at,
            // Of a state that cannot be read nothing is concluded.
            held: parts.is_some().then(|| holds(&row.projection)),
            parts,
        }
    }

    /// The next thing on its agenda.
    pub(crate) const fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// What stands there of an aggregate that was not loaded.
    async fn find<C: ConnectionTrait>(on: &C, id: AggregateId) -> Result<Option<Self>, StoreError> {
        let text = format!("select status, phase from {} where id = $1", table(id.kind));
        let Some(row) = one(on, WHAT, &text, values![id.id]).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            status: row.text("status")?,
            phase: row.text("phase")?,
            wake_at: None,
            held: None,
            parts: None,
        }))
    }
}

/// What is derived from a release's state. Its tag is passed over: serde copies a whole tagged value to find it.
pub(crate) fn projection(state: &serde_json::Value) -> Option<Projection> {
    Release::deserialize(state).ok().map(|it| it.projection())
}

/// Integrations that must not be deleted under a release: one that is over holds on to none.
fn holds(it: &Projection) -> BTreeSet<Uuid> {
    if it.terminal {
        BTreeSet::new()
    } else {
        it.integrations.iter().map(|id| id.uuid()).collect()
    }
}

/// Writes an aggregate with its columns and derived rows. See the port's `save`. `stored` is what was loaded in this
/// transaction, if it was.
pub(crate) async fn save<C: ConnectionTrait>(
    on: &C,
    row: &AggregateRow,
    expected: Option<u64>,
    stored: Option<Stored>,
) -> Result<(), StoreError> {
    let before = match (expected, stored) {
        (None, _) => None,
        (Some(_), Some(stored)) => Some(stored),
        (Some(_), None) => Stored::find(on, row.id).await?,
    };
    let mut writes = vec![write(row, expected)?];
    let it = &row.projection;
    let changes = [
        Change {
            field: "status",
            old: before.as_ref().map(|old| old.status.as_str()),
            new: &it.status,
        },
        Change {
            field: "phase",
            old: before.as_ref().map(|old| old.phase.as_str()),
            new: &it.phase,
        },
    ];
    writes.extend(history::changes(row, &changes));
    match row.id.kind {
        AggregateKind::Release => save_parts(on, row, expected, before, &mut writes).await?,
        AggregateKind::Submission | AggregateKind::Rollout => {}
    }
    batch::make(on, writes).await
}

fn write(row: &AggregateRow, expected: Option<u64>) -> Result<Write, StoreError> {
    let what = duplicate(row.id.kind);
    let name = table(row.id.kind);
    let it = &row.projection;
    let mut values = values![
        row.id.id,
        row.tenant.uuid(),
        count(row.version),
        opt_micros(row.wake_at),
        row.state.copy(),
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
    // At which version the places on the line, the words and what it is listed by were written: see the migrations.
    let (more, of_more, set_more) = match row.id.kind {
        AggregateKind::Release => {
            let all = &it.listing;
            values.extend(values![
                all.service.as_str(),
                all.pilot.clone(),
                all.attention.rank(),
                opt_micros(all.changed_at),
                all.turn,
            ]);
            (
                ", lined, worded, listed, service_slug, pilot, attention, changed_at, turn",
                ", $3, $3, $3, $19, $20, $21, $22, $23",
                ", lined = $3, worded = $3, listed = $3, service_slug = $19, pilot = $20, attention = $21,
                    changed_at = $22, turn = $23",
            )
        }
        AggregateKind::Submission | AggregateKind::Rollout => ("", "", ""),
    };
    let text = match expected {
        None => format!(
            "insert into {name} ({}, created_at{more}) values ({}{of_more}) on conflict (id) do nothing",
            COLUMNS.join(", "),
            places(1, COLUMNS.len() + 1)
        ),
        Some(expected) => {
            let sets: Vec<String> = COLUMNS
                .iter()
                .zip(1..)
                .skip(2)
                .map(|(column, place): (_, usize)| format!("{column} = ${place}"))
                .collect();
            values.push(Value::from(count(expected)));
            format!(
                "update {name} set {}, created_at = $18{set_more} where id = $1 and tenant_id = $2 and version = ${}",
                sets.join(", "),
                values.len()
            )
        }
    };
    Ok(Write {
        what,
        table: name,
        text,
        values,
        rule: Rule::Some,
    })
}

async fn save_parts<C: ConnectionTrait>(
    on: &C,
    row: &AggregateRow,
    expected: Option<u64>,
    before: Option<Stored>,
    writes: &mut Vec<Write>,
) -> Result<(), StoreError> {
    let (tenant, release) = (row.tenant.uuid(), row.id.id);
    let (held, parts) = match (expected, before) {
        // A new one has nothing yet.
        (None, _) => (Some(BTreeSet::new()), Some(Projection::default())),
        (Some(_), Some(before)) => (before.held, before.parts),
        (Some(_), None) => (None, None),
    };
    let (old, new) = (parts.as_ref(), &row.projection);
    let at = parts::At {
        tenant,
        release,
        writes,
    };
    let at = parts::sync(on, at, old.map(|it| it.tasks.as_slice()), &new.tasks).await?;
    let at = parts::sync(on, at, old.map(|it| it.cycles.as_slice()), &new.cycles).await?;
    let at = parts::sync(on, at, old.map(|it| it.builds.as_slice()), &new.builds).await?;
    let at = parts::sync(on, at, old.map(|it| it.targets.as_slice()), &new.targets).await?;
    let at = parts::sync(on, at, old.map(|it| it.line.as_slice()), &new.line).await?;
    // A new one has no words yet, not those of nothing.
    let old = old.map(|it| {
        if expected.is_some() {
            search::words(it)
        } else {
            Vec::new()
        }
    });
    let at = parts::sync(on, at, old.as_deref(), &search::words(new)).await?;
    hold(on, at, held, &holds(new)).await
}

/// Makes the release hold on to the integrations wanted, and to no others.
async fn hold<C: ConnectionTrait>(
    on: &C,
    at: parts::At<'_>,
    held: Option<BTreeSet<Uuid>>,
    wanted: &BTreeSet<Uuid>,
) -> Result<(), StoreError> {
    let parts::At {
        tenant,
        release,
        writes,
    } = at;
    let held = match held {
        Some(held) => held,
        None => {
            let text = "select integration_id from release_integrations where release_id = $1";
            let rows = all(on, "release integration", text, values![release]).await?;
            let held: Result<_, StoreError> = rows.iter().map(|row| row.uuid("integration_id")).collect();
            held?
        }
    };
    let gone: Vec<Value> = held.difference(wanted).map(|id| Value::from(*id)).collect();
    if !gone.is_empty() {
        let text = format!(
            "delete from release_integrations where release_id = $1 and integration_id in ({})",
            places(2, gone.len())
        );
        let mut values = values![release];
        values.extend(gone);
        writes.push(Write {
            what: "release integration",
            table: "release_integrations",
            text,
            values,
            rule: Rule::Any,
        });
    }
    let new: Vec<Uuid> = wanted.difference(&held).copied().collect();
    if !new.is_empty() {
        let text = format!(
            "insert into release_integrations (release_id, tenant_id, integration_id) values {}",
            rows_of_places(0, new.len(), 3)
        );
        let values = new.iter().flat_map(|id| values![release, tenant, *id]).collect();
        writes.push(Write {
            what: "integration of the release",
            table: "release_integrations",
            text,
            values,
            rule: Rule::Any,
        });
    }
    Ok(())
}

/// What the text filter looks into where a release's words are still to be written. Lower-cased here, because SQLite's `lower` knows ASCII only.
fn search_text(it: &Projection) -> String {
    format!("{}\n{}\n{}", it.key, it.title, it.version).to_lowercase()
}

/// The release of a key, found by its number.
pub(crate) async fn by_key<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    key: &str,
) -> Result<Option<AggregateId>, StoreError> {
    let digits = key.rsplit_once('-').map(|(_word, digits)| digits.parse::<i64>());
    let Some(Ok(number)) = digits else {
        return Ok(None);
    };
    let text = "select id from releases where tenant_id = $1 and number = $2 and key = $3";
    let row = one(on, WHAT, text, values![tenant.uuid(), number, key]).await?;
    row.map(|row| {
        Ok(AggregateId {
            kind: AggregateKind::Release,
            id: row.uuid("id")?,
        })
    })
    .transpose()
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
            "select {READ} from {} where tenant_id = $1 and parent_id = $2",
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
