//! Rows derived from a release's state: tasks, cycles, builds, targets, and its places on the line of its service. A save writes those that changed.

use crate::batch::{Rule, Write};
use crate::sql::{Row, all, places, rows_of_places, values};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{BuildRow, CycleRow, LineRow, TargetRow, TaskRow};
use sea_orm::{ConnectionTrait, Value};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A kind of row that belongs to a release.
pub(crate) trait Part: PartialEq + Sized {
    /// Its table.
    const TABLE: &'static str;
    /// Its columns beside release, tenant and ordinal; the first one identifies it within its release.
    const COLUMNS: &'static [&'static str];
    /// What the first column holds, as text to compare by.
    fn name(&self) -> String;
    /// Values of the columns.
    fn values(&self) -> Vec<Value>;
    /// The row read back.
    fn read(row: &Row) -> Result<Self, StoreError>;
}

impl Part for TaskRow {
    const TABLE: &'static str = "release_tasks";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "key",
        "kind",
        "stage",
        "status",
        "external_id",
        "external_data",
    ];
    fn name(&self) -> String {
        self.id.to_string()
    }
    fn values(&self) -> Vec<Value> {
        values![
            self.id,
            self.key.as_str(),
            self.kind.as_str(),
            self.stage.as_str(),
            self.status.as_str(),
            self.external_id.clone(),
            self.external_data.clone(),
        ]
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            key: row.text("key")?,
            kind: row.text("kind")?,
            stage: row.text("stage")?,
            status: row.text("status")?,
            external_id: row.opt_text("external_id")?,
            external_data: row.json("external_data")?,
        })
    }
}

impl Part for CycleRow {
    const TABLE: &'static str = "regression_cycles";
    const COLUMNS: &'static [&'static str] = &["id", "number", "status", "tag", "sha"];
    fn name(&self) -> String {
        self.id.to_string()
    }
    fn values(&self) -> Vec<Value> {
        values![
            self.id,
            i64::from(self.number),
            self.status.as_str(),
            self.tag.clone(),
            self.sha.clone(),
        ]
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            number: row.number("number")?,
            status: row.text("status")?,
            tag: row.opt_text("tag")?,
            sha: row.opt_text("sha")?,
        })
    }
}

impl Part for BuildRow {
    const TABLE: &'static str = "builds";
    const COLUMNS: &'static [&'static str] =
        &["id", "target", "status", "build_number", "sha", "correlation"];
    fn name(&self) -> String {
        self.id.to_string()
    }
    fn values(&self) -> Vec<Value> {
        values![
            self.id,
            self.target.as_str(),
            self.status.as_str(),
            self.build_number.clone(),
            self.sha.clone(),
            self.correlation.clone(),
        ]
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            target: row.text("target")?,
            status: row.text("status")?,
            build_number: row.opt_text("build_number")?,
            sha: row.opt_text("sha")?,
            correlation: row.opt_text("correlation")?,
        })
    }
}

impl Part for TargetRow {
    const TABLE: &'static str = "platform_releases";
    const COLUMNS: &'static [&'static str] = &["target", "version", "status", "exposure"];
    fn name(&self) -> String {
        self.target.clone()
    }
    fn values(&self) -> Vec<Value> {
        values![
            self.target.as_str(),
            self.version.as_str(),
            self.status.as_str(),
            i64::from(self.exposure),
        ]
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            target: row.text("target")?,
            version: row.text("version")?,
            status: row.text("status")?,
            exposure: row.number("exposure")?,
        })
    }
}

impl Part for LineRow {
    const TABLE: &'static str = "release_line";
    const COLUMNS: &'static [&'static str] = &["mark", "service_id", "rank", "value"];
    fn name(&self) -> String {
        self.mark.clone()
    }
    fn values(&self) -> Vec<Value> {
        values![
            self.mark.as_str(),
            self.service,
            self.rank.as_str(),
            self.value.as_str(),
        ]
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            service: row.uuid("service_id")?,
            mark: row.text("mark")?,
            rank: row.text("rank")?,
            value: row.text("value")?,
        })
    }
}

/// The rows of a release, in the order they were saved in.
pub(crate) async fn read<P: Part, C: ConnectionTrait>(on: &C, release: Uuid) -> Result<Vec<P>, StoreError> {
    let text = format!(
        "select * from {} where release_id = $1 order by ordinal",
        P::TABLE
    );
    let rows = all(on, P::TABLE, &text, values![release]).await?;
    rows.iter().map(P::read).collect()
}

/// Most rows written by one statement: SQLite takes 32 766 values, PostgreSQL 65 535.
const AT_ONCE: usize = 500;

/// Whose rows are written, and the writes so far.
pub(crate) struct At<'a> {
    pub(crate) tenant: Uuid,
    pub(crate) release: Uuid,
    pub(crate) writes: &'a mut Vec<Write>,
}

/// Makes the rows of a release those wanted: writes what is new or differs, deletes what is gone. `stored` are the rows
/// there are, where the caller knows them; else they are read.
pub(crate) async fn sync<'a, P: Part, C: ConnectionTrait>(
    on: &C,
    at: At<'a>,
    stored: Option<&[P]>,
    wanted: &[P],
) -> Result<At<'a>, StoreError> {
    let read_now;
    let stored = match stored {
        Some(stored) => stored,
        None => {
            read_now = read(on, at.release).await?;
            &read_now
        }
    };
    let kept: BTreeSet<String> = wanted.iter().map(P::name).collect();
    let gone: Vec<&P> = stored.iter().filter(|old| !kept.contains(&old.name())).collect();
    at.writes
        .extend(gone.chunks(AT_ONCE).map(|some| delete(at.release, some)));
    // After a deletion the ordinals may have a gap: then every row is written with its new one.
    let same = |place: usize, new: &P| gone.is_empty() && stored.get(place) == Some(new);
    let changed: Vec<(usize, &P)> = wanted
        .iter()
        .enumerate()
        .filter(|(place, new)| !same(*place, new))
        .collect();
    for some in changed.chunks(AT_ONCE) {
        at.writes.push(write(at.tenant, at.release, some));
    }
    Ok(at)
}

/// The column that identifies a row within its release.
fn name<P: Part>() -> &'static str {
    P::COLUMNS.first().copied().unwrap_or("id")
}

const fn of<P: Part>(text: String, values: Vec<Value>) -> Write {
    Write {
        what: P::TABLE,
        table: P::TABLE,
        text,
        values,
        rule: Rule::Any,
    }
}

fn delete<P: Part>(release: Uuid, gone: &[&P]) -> Write {
    let text = format!(
        "delete from {} where release_id = $1 and {} in ({})",
        P::TABLE,
        name::<P>(),
        places(2, gone.len())
    );
    let mut values = values![release];
    values.extend(gone.iter().filter_map(|old| old.values().into_iter().next()));
    of::<P>(text, values)
}

/// Writes rows with their ordinals, in one statement.
fn write<P: Part>(tenant: Uuid, release: Uuid, rows: &[(usize, &P)]) -> Write {
    let updates: Vec<String> = P::COLUMNS
        .iter()
        .skip(1)
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let text = format!(
        "insert into {} (release_id, tenant_id, ordinal, {}) values {}
        on conflict (release_id, {}) do update set ordinal = excluded.ordinal, {}",
        P::TABLE,
        P::COLUMNS.join(", "),
        rows_of_places(0, rows.len(), P::COLUMNS.len() + 3),
        name::<P>(),
        updates.join(", ")
    );
    let mut values = Vec::new();
    for (place, row) in rows {
        values.extend(values![
            release,
            tenant,
            i64::try_from(*place).unwrap_or(i64::MAX)
        ]);
        values.extend(row.values());
    }
    of::<P>(text, values)
}
