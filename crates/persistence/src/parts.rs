//! Rows derived from a release's state: tasks, cycles, builds, targets. A save writes those that changed.

use crate::sql::{Row, all, places, run, values};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{BuildRow, CycleRow, TargetRow, TaskRow};
use sea_orm::{ConnectionTrait, Value};
use std::collections::{BTreeMap, BTreeSet};
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

/// The rows of some releases, in the order they were saved in.
pub(crate) async fn read<P: Part, C: ConnectionTrait>(
    on: &C,
    releases: &[Uuid],
) -> Result<BTreeMap<Uuid, Vec<P>>, StoreError> {
    let mut found: BTreeMap<Uuid, Vec<P>> = BTreeMap::new();
    if releases.is_empty() {
        return Ok(found);
    }
    let text = format!(
        "select * from {} where release_id in ({}) order by ordinal",
        P::TABLE,
        places(1, releases.len())
    );
    let values = releases.iter().map(|id| Value::from(*id)).collect();
    for row in all(on, P::TABLE, &text, values).await? {
        found
            .entry(row.uuid("release_id")?)
            .or_default()
            .push(P::read(&row)?);
    }
    Ok(found)
}

/// Makes the stored rows of a release those wanted: writes what is new or differs, deletes what is gone.
pub(crate) async fn sync<P: Part, C: ConnectionTrait>(
    on: &C,
    tenant: Uuid,
    release: Uuid,
    wanted: &[P],
) -> Result<(), StoreError> {
    let stored: Vec<P> = read(on, &[release]).await?.remove(&release).unwrap_or_default();
    let kept: BTreeSet<String> = wanted.iter().map(P::name).collect();
    let name = P::COLUMNS.first().copied().unwrap_or("id");
    let mut gone = false;
    for old in stored.iter().filter(|old| !kept.contains(&old.name())) {
        gone = true;
        let text = format!("delete from {} where release_id = $1 and {name} = $2", P::TABLE);
        let mut values = values![release];
        values.extend(old.values().into_iter().take(1));
        run(on, P::TABLE, &text, values).await?;
    }
    let updates: Vec<String> = P::COLUMNS
        .iter()
        .skip(1)
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let text = format!(
        "insert into {} (release_id, tenant_id, ordinal, {}) values ({})
        on conflict (release_id, {name}) do update set ordinal = excluded.ordinal, {}",
        P::TABLE,
        P::COLUMNS.join(", "),
        places(1, P::COLUMNS.len() + 3),
        updates.join(", ")
    );
    for (place, new) in wanted.iter().enumerate() {
        // After a deletion the ordinals may have a gap: then every row is written with its new one.
        if !gone && stored.get(place) == Some(new) {
            continue;
        }
        let ordinal = i64::try_from(place).unwrap_or(i64::MAX);
        let mut values = values![release, tenant, ordinal];
        values.extend(new.values());
        run(on, P::TABLE, &text, values).await?;
    }
    Ok(())
}
