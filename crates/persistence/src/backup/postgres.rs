//! PostgreSQL: every row of every table as the server writes it in JSON, and back through the server's own reading.
//!
//! The server's programs are not needed, and need not be of its version; types are the server's own matter on both ways.

use super::file::Writing;
use super::{Backup, BackupError, BackupInfo, GAP, Kind, Mark, afterwards, known};
use crate::connect::{Options, SqlStore, connect};
use crate::error::{meaning, unavailable};
use crate::sql::{all, one, run, values};
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use delivr_migrations::{Migrator, MigratorTrait as _};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, IsolationLevel, TransactionOptions,
    TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};

/// Rows read and written at once.
const ROWS: i64 = 500;
/// The migrations' own table: it is made anew by them.
const MIGRATIONS: &str = "seaql_migrations";

/// A line of the data: rows of one table.
#[derive(Serialize, Deserialize)]
struct Rows {
    table: String,
    rows: Vec<Box<RawValue>>,
}

/// Tables, each after those it refers to.
async fn tables<C: ConnectionTrait>(on: &C) -> Result<Vec<String>, StoreError> {
    let text = "select table_name::text as name from information_schema.tables
        where table_schema = current_schema() and table_type = 'BASE TABLE' order by table_name";
    let names: Result<BTreeSet<String>, StoreError> = all(on, "table", text, Vec::new())
        .await?
        .iter()
        .map(|row| row.text("name"))
        .collect();
    let text = "select c.relname::text as child, p.relname::text as parent from pg_constraint k
        join pg_class c on c.oid = k.conrelid join pg_class p on p.oid = k.confrelid
        join pg_namespace n on n.oid = c.relnamespace
        where k.contype = 'f' and n.nspname = current_schema() and c.oid <> p.oid";
    let edges: Result<Vec<(String, String)>, StoreError> = all(on, "table", text, Vec::new())
        .await?
        .iter()
        .map(|row| Ok((row.text("child")?, row.text("parent")?)))
        .collect();
    let (mut left, edges) = (names?, edges?);
    left.remove(MIGRATIONS);
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let ready: Vec<String> = left
            .iter()
            .filter(|name| {
                !edges
                    .iter()
                    .any(|(child, parent)| child == *name && left.contains(parent))
            })
            .cloned()
            .collect();
        if ready.is_empty() {
            return Err(unavailable("tables refer to each other in a circle"));
        }
        for name in ready {
            left.remove(&name);
            ordered.push(name);
        }
    }
    Ok(ordered)
}

/// A name as PostgreSQL takes any.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) async fn dump(
    store: &SqlStore,
    taken_at: Timestamp,
    writing: &mut Writing,
) -> Result<BackupInfo, BackupError> {
    // One snapshot for everything, however long it takes; nobody waits for it.
    let unit = store
        .inner
        .read
        .on
        .begin_with_options(TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            sqlite_transaction_mode: None,
        })
        .await
        .map_err(|error| meaning(error, "snapshot"))?;
    store.take_time(&unit).await?;
    let text = format!("select version from {MIGRATIONS} order by version");
    let rows = all(&unit, "migration", &text, Vec::new()).await?;
    let migrations: Result<Vec<String>, StoreError> = rows.iter().map(|row| row.text("version")).collect();
    let text = "select value from settings where name = 'install_id'";
    let install = one(&unit, "setting", text, Vec::new()).await?;
    let info = BackupInfo {
        database: Kind::Postgres,
        migrations: migrations?,
        install: install
            .map(|row| row.text("value"))
            .transpose()?
            .unwrap_or_default(),
        taken_at,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    writing.header(&info)?;
    for table in tables(&unit).await? {
        dump_table(&unit, &table, writing).await?;
    }
    unit.rollback().await.map_err(unavailable)?;
    Ok(info)
}

async fn dump_table(
    unit: &DatabaseTransaction,
    table: &str,
    writing: &mut Writing,
) -> Result<(), BackupError> {
    let declare = format!(
        "declare copied no scroll cursor for select row_to_json(t)::text as row from {} t",
        quoted(table)
    );
    unit.execute_unprepared(&declare)
        .await
        .map_err(|error| meaning(error, "table"))?;
    loop {
        let found = all(unit, "row", &format!("fetch {ROWS} from copied"), Vec::new()).await?;
        if found.is_empty() {
            break;
        }
        let rows: Result<Vec<Box<RawValue>>, StoreError> = found
            .iter()
            .map(|row| RawValue::from_string(row.text("row")?).map_err(|error| row.corrupt("row", error)))
            .collect();
        let line = Rows {
            table: table.to_owned(),
            rows: rows?,
        };
        let mut line = serde_json::to_vec(&line).map_err(unavailable)?;
        line.push(b'\n');
        writing.write(&line)?;
    }
    unit.execute_unprepared("close copied")
        .await
        .map_err(|error| meaning(error, "table"))?;
    Ok(())
}

/// The data, line by line.
fn lines(backup: &Backup) -> Result<impl Iterator<Item = Result<Rows, BackupError>> + use<'_>, BackupError> {
    let data = BufReader::new(backup.reading.data()?);
    Ok(data
        .split(b'\n')
        .filter(|line| !matches!(line, Ok(line) if line.is_empty()))
        .map(|line| {
            let line = line.map_err(super::io(&backup.reading.path))?;
            serde_json::from_slice(&line)
                .map_err(|_ignored| backup.reading.unusable("a row of it cannot be read"))
        }))
}

pub(super) fn read_setting(backup: &Backup, name: &str) -> Result<Option<String>, BackupError> {
    #[derive(Deserialize)]
    struct Setting {
        name: String,
        value: String,
    }
    let mut found = None;
    for rows in lines(backup)? {
        let rows = rows?;
        if rows.table != "settings" {
            continue;
        }
        for row in rows.rows {
            let setting: Setting = serde_json::from_str(row.get())
                .map_err(|_ignored| backup.reading.unusable("a setting of it cannot be read"))?;
            if setting.name == name {
                found = Some(setting.value);
            }
        }
    }
    Ok(found)
}

pub(super) async fn restore(
    backup: &Backup,
    url: &str,
    options: Options,
    marks: impl FnOnce(Timestamp) -> Vec<Mark> + Send,
) -> Result<(), BackupError> {
    let store = connect(url, options).await?;
    let unit = store.transaction_alone().await?;
    let text = "select count(*) as many from information_schema.tables where table_schema = current_schema()";
    let there = one(&unit, "table", text, Vec::new()).await?;
    if there.map(|row| row.long("many")).transpose()? != Some(0) {
        return Err(BackupError::Target(
            "it has tables already; restore into a new database".to_owned(),
        ));
    }
    let steps = backup.info.migrations.len().min(known().len());
    Migrator::up(&unit, u32::try_from(steps).ok())
        .await
        .map_err(unavailable)?;
    let made = tables(&unit).await?;
    for rows in lines(backup)? {
        let Rows { table, rows } = rows?;
        if !made.contains(&table) {
            return Err(backup
                .reading
                .unusable(format!("it has a table `{table}` that its schema does not have")));
        }
        let name = quoted(&table);
        let text =
            format!("insert into {name} select * from json_populate_recordset(null::{name}, $1::text::json)");
        let rows = serde_json::to_string(&rows).map_err(unavailable)?;
        run(&unit, "restored row", &text, values![rows]).await?;
    }
    let now = store.time(&unit).await?;
    afterwards(&unit, now, marks(now)).await?;
    positions(&unit, &made).await?;
    unit.commit().await.map_err(unavailable)?;
    Ok(())
}

/// Lets every counter of positions go on well after the highest one that was ever given.
async fn positions(unit: &DatabaseTransaction, tables: &[String]) -> Result<(), StoreError> {
    let text =
        "select table_name::text as name, column_name::text as position from information_schema.columns
        where table_schema = current_schema() and column_default like 'nextval(%'";
    for row in all(unit, "position", text, Vec::new()).await? {
        let (table, column) = (row.text("name")?, row.text("position")?);
        if !tables.contains(&table) {
            continue;
        }
        let text = format!(
            "select setval(pg_get_serial_sequence($1, $2), (select coalesce(max({}), 0) + {GAP} from {}))::bigint as at",
            quoted(&column),
            quoted(&table)
        );
        one(unit, "position", &text, values![quoted(&table), column]).await?;
    }
    Ok(())
}
