//! Many stored releases, quickly: one of each service is made by the product, and its rows are copied under new ids.

use crate::database::{Database, Kind};
use crate::world::{SERVICES, Shape, World};
use anyhow::{Context as _, Result, ensure};
use delivr_app::stored::read_state;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ports::store::{Page, ReleaseFilter};

/// Tables whose rows belong to a release, the column that names it, those copied as they are, and the one that holds a
/// document with the release in it.
pub(crate) const BESIDE: [(&str, &str, &str, Option<&str>); 4] = [
    (
        "platform_releases",
        "release_id",
        "tenant_id, target, ordinal, status, exposure",
        Some("version"),
    ),
    (
        "release_integrations",
        "release_id",
        "tenant_id, integration_id",
        None,
    ),
    (
        "state_history",
        "owner_id",
        "tenant_id, owner_kind, sequence, kind, actor, at",
        Some("payload"),
    ),
    (
        "state_history_items",
        "owner_id",
        "tenant_id, owner_kind, sequence, field, old_value, new_value, at",
        None,
    ),
];

/// Stores so many releases that wait for a date in a year. The database must be furnished and hold none.
///
/// # Errors
/// When the database refuses, or a copy is not what the product would have written.
pub(crate) async fn fill(database: &Database, world: &World, count: u32) -> Result<()> {
    let shape = Shape::waiting();
    let made = count.min(SERVICES);
    for number in 1..=made {
        world.create(number, &shape).await?;
    }
    if count > made {
        copy(database, count).await?;
        check(world, count).await?;
    }
    database.analyze().await
}

async fn copy(database: &Database, count: u32) -> Result<()> {
    // Which release is copied to which number, under which id; a copy belongs to the service of its original.
    let map = match database.kind {
        Kind::Postgres => format!(
            "create table bench_map as select n, (n - 1) % {SERVICES} + 1 as original, gen_random_uuid() as id
            from generate_series({SERVICES} + 1, {count}) n"
        ),
        Kind::Sqlite => format!(
            "create table bench_map as with recursive numbers (n) as
                (select {SERVICES} + 1 union all select n + 1 from numbers where n < {count})
            select n, (n - 1) % {SERVICES} + 1 as original, randomblob(16) as id from numbers"
        ),
    };
    database.run(&map).await?;
    let text = |document: &str| replaced(database.kind, document);
    let releases = format!(
        "insert into releases (id, tenant_id, version, wake_at, state, key, number, title, status, phase, parent_id,
            version_text, terminal, created_at, kickoff_at, target_date, integrations, search, lined, worded,
            listed, service_slug, pilot, attention, changed_at, turn)
        select m.id, r.tenant_id, r.version, r.wake_at, {state}, 'REL-' || m.n, m.n, {title}, r.status, r.phase,
            r.parent_id, {version}, r.terminal, r.created_at, r.kickoff_at, r.target_date, r.integrations, {search}, r.lined,
            r.worded, r.listed, r.service_slug, r.pilot, r.attention, r.changed_at, r.turn
        from bench_map m join releases r on r.number = m.original",
        state = document(database.kind, "r.state"),
        title = text("r.title"),
        version = text("r.version_text"),
        search = text("replace(r.search, 'rel-' || r.number, 'rel-' || m.n)"),
    );
    database.run(&releases).await?;
    for (table, owner, same, changed) in BESIDE {
        let (names, values) = match changed {
            Some(column @ "payload") => (
                format!(", {column}"),
                format!(", {}", document(database.kind, &format!("x.{column}"))),
            ),
            Some(column) => (
                format!(", {column}"),
                format!(", {}", text(&format!("x.{column}"))),
            ),
            None => (String::new(), String::new()),
        };
        let plain = same
            .split(", ")
            .map(|column| format!("x.{column}"))
            .collect::<Vec<_>>()
            .join(", ");
        let copied = format!(
            "insert into {table} ({owner}, {same}{names}) select m.id, {plain}{values}
            from bench_map m join releases r on r.number = m.original join {table} x on x.{owner} = r.id"
        );
        database.run(&copied).await?;
    }
    let ranked = |number: &str| match database.kind {
        Kind::Postgres => format!("'.' || lpad({number}::text, 10, '0') || '.'"),
        Kind::Sqlite => format!("'.' || printf('%010d', {number}) || '.'"),
    };
    let line = format!(
        "insert into release_line (release_id, tenant_id, ordinal, service_id, mark, rank, value)
        select m.id, x.tenant_id, x.ordinal, x.service_id, {mark}, replace(x.rank, {old}, {new}), {value}
        from bench_map m join releases r on r.number = m.original join release_line x on x.release_id = r.id",
        mark = text("x.mark"),
        old = ranked("r.number"),
        new = ranked("m.n"),
        value = text("x.value"),
    );
    database.run(&line).await?;
    let words = format!(
        "insert into release_words (release_id, tenant_id, ordinal, number, word)
        select m.id, x.tenant_id, x.ordinal, m.n,
            case when x.word = 'rel-' || r.number then 'rel-' || m.n else {word} end
        from bench_map m join releases r on r.number = m.original join release_words x on x.release_id = r.id",
        word = text("x.word"),
    );
    database.run(&words).await?;
    database
        .run(&format!("update counters set value = {count}"))
        .await?;
    database.run("drop table bench_map").await?;
    Ok(())
}

/// A text of the original with the copy's version in place of its own.
fn replaced(_kind: Kind, text: &str) -> String {
    format!("replace({text}, '1.' || r.number || '.0', '1.' || m.n || '.0')")
}

/// A document of the original with the copy's id, number and version.
fn document(kind: Kind, column: &str) -> String {
    let (text, space, old, new, back) = match kind {
        Kind::Postgres => (
            format!("{column}::text"),
            " ",
            "r.id::text".to_owned(),
            "m.id::text".to_owned(),
            "::jsonb",
        ),
        Kind::Sqlite => (column.to_owned(), "", hyphenated("r.id"), hyphenated("m.id"), ""),
    };
    let ids = format!("replace({text}, {old}, {new})");
    let numbers = format!(
        "replace({ids}, '\"number\":{space}' || r.number || ',', '\"number\":{space}' || m.n || ',')"
    );
    format!("{}{back}", replaced(kind, &numbers))
}

/// An id as text on SQLite, which keeps its bytes.
fn hyphenated(column: &str) -> String {
    let part = |from: u8, length: u8| format!("substr(lower(hex({column})), {from}, {length})");
    [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ")
}

/// What was copied last must read like what the product writes.
async fn check(world: &World, count: u32) -> Result<()> {
    let page = Page {
        limit: 1,
        cursor: None,
    };
    let listed = world
        .app
        .store
        .releases(world.tenant, &ReleaseFilter::default(), &page)
        .await?;
    let row = listed.items.first().context("a copy")?;
    let state = read_state(row)?;
    let whole = world
        .app
        .store
        .read(world.tenant, row.id)
        .await?
        .context("a copy")?;
    ensure!(
        whole.projection == state.projection(),
        "a copy's rows are not what its state says: {:?}",
        whole.projection
    );
    let Aggregate::Release(release) = state else {
        anyhow::bail!("a copy is no release");
    };
    let version = format!("1.{count}.0");
    ensure!(release.aggregate_id() == row.id, "a copy has its original's id");
    ensure!(
        release.draft.number == i64::from(count),
        "a copy has its original's number"
    );
    ensure!(
        release.version_name() == version,
        "a copy has its original's version"
    );
    ensure!(
        row.projection.version == version,
        "a copy is found by its original's version"
    );
    Ok(())
}
