//! Two versions of the program on one database: an older one works on beside what a newer one has added, and nothing is
//! taken away that a living one needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Fresh, on_postgres, open, sqlite_url};
use delivr_domain::ports::store::{Directory as _, Queue as _, ShippingBook as _, Store as _, StoredEvent};
use delivr_migrations::{Migrator, MigratorTrait, WORKS_FROM};
use delivr_testkit::conformance::store::samples;
use futures_util::FutureExt as _;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait as _};
use std::collections::BTreeMap;
use std::time::Duration;

async fn sqlite() -> Fresh {
    let (url, directory) = sqlite_url();
    open(url, Some(directory)).await
}

async fn run(fresh: &Fresh, statements: &[&str]) {
    let database = Database::connect(&fresh.url).await.unwrap();
    for statement in statements {
        database.execute_unprepared(statement).await.unwrap();
    }
    database.close().await.unwrap();
}

/// What a newer version's migration does: it adds, and is on record.
const EXPANDED: &[&str] = &[
    "alter table effects add column invented_later text",
    "create table invented_later (id bigint primary key)",
    "insert into seaql_migrations (version, applied_at) values ('m29990101_000001_invented_later', 0)",
];

async fn an_older_version_works_on(fresh: Fresh) {
    run(&fresh, EXPANDED).await;
    fresh.store.ready().await.unwrap();
    fresh.store.migrate().await.unwrap();
    let tenant = samples::tenant(&fresh, "one").await;
    let mut unit = fresh.store.begin().await.unwrap();
    let effect = samples::perform(samples::release_id("app"), 0);
    unit.enqueue(tenant, &effect, Duration::ZERO, samples::DAY)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    fresh.store.beat("older").await.unwrap();
    assert!(fresh.store.last_beat().await.unwrap().is_some());

    run(
        &fresh,
        &["update settings set value = 'm29990101_000001_invented_later' where name = 'schema_works_from'"],
    )
    .await;
    let refused = fresh.store.ready().await.unwrap_err();
    assert!(
        sentence(&refused).contains("start a newer version"),
        "{}",
        sentence(&refused)
    );
    let refused = fresh.store.migrate().await.unwrap_err();
    assert!(
        sentence(&refused).contains("start a newer version"),
        "{}",
        sentence(&refused)
    );
}

fn sentence(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

#[tokio::test]
async fn sqlite_serves_an_older_version_beside_a_newer_one() {
    an_older_version_works_on(sqlite().await).await;
}

#[tokio::test]
async fn postgres_serves_an_older_version_beside_a_newer_one() {
    on_postgres(|server| async move {
        an_older_version_works_on(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

/// This version takes the place of one that could not go on with its schema.
async fn nothing_is_taken_from_a_living_worker(fresh: Fresh) {
    run(
        &fresh,
        &["update settings set value = 'm20000101_000001_long_ago' where name = 'schema_works_from'"],
    )
    .await;
    fresh.store.beat("of-this-version").await.unwrap();
    fresh.store.migrate().await.unwrap();

    for (build, named) in [("null", "unnamed"), ("'m20000101_000002_later'", "older")] {
        run(
            &fresh,
            &[
                "update settings set value = 'm20000101_000001_long_ago' where name = 'schema_works_from'",
                &format!(
                    "insert into worker_beats (worker, at, build) select '{named}', at, {build} from worker_beats
                     where worker = 'of-this-version'"
                ),
            ],
        )
        .await;
        let refused = sentence(&fresh.store.migrate().await.unwrap_err());
        assert!(refused.contains(named), "{refused}");
        run(
            &fresh,
            &[&format!("delete from worker_beats where worker = '{named}'")],
        )
        .await;
        fresh.store.migrate().await.unwrap();
    }
    assert_eq!(
        fresh.store.setting("schema_works_from").await.unwrap().as_deref(),
        Some(WORKS_FROM)
    );
    fresh.store.ready().await.unwrap();
}

#[tokio::test]
async fn sqlite_takes_nothing_from_a_living_worker() {
    nothing_is_taken_from_a_living_worker(sqlite().await).await;
}

#[tokio::test]
async fn postgres_takes_nothing_from_a_living_worker() {
    on_postgres(|server| async move {
        nothing_is_taken_from_a_living_worker(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

/// Columns by table and name: their type, and whether an insert may leave them out.
type Columns = BTreeMap<(String, String), (String, bool)>;

async fn columns(database: &DatabaseConnection) -> Columns {
    let text = "select m.name as of_table, c.name as of_column, c.type as of_type,
            (c.\"notnull\" = 0 or c.dflt_value is not null) as optional
        from sqlite_master m, pragma_table_info(m.name) c
        where m.type = 'table' and m.name not like 'sqlite_%' and m.name <> 'seaql_migrations'";
    let statement = Statement::from_string(DbBackend::Sqlite, text);
    let rows = database.query_all_raw(statement).await.unwrap();
    let read = |row: &sea_orm::QueryResult| {
        let word = |name| row.try_get::<String>("", name).unwrap();
        let optional = row.try_get::<i64>("", "optional").unwrap() == 1;
        ((word("of_table"), word("of_column")), (word("of_type"), optional))
    };
    rows.iter().map(read).collect()
}

/// What of `before` a version that only knows `before` would miss or stumble over in `after`.
fn taken_away(before: &Columns, after: &Columns) -> Vec<String> {
    let tables: Vec<&String> = before.keys().map(|(table, _)| table).collect();
    let missing = before
        .iter()
        .filter(|(column, kind)| after.get(*column).map(|it| &it.0) != Some(&kind.0))
        .map(|((table, column), _)| format!("{table}.{column} is gone or of another type"));
    let demanded = after
        .iter()
        .filter(|(column, (_, optional))| {
            !optional && tables.contains(&&column.0) && !before.contains_key(*column)
        })
        .map(|((table, column), _)| format!("{table}.{column} must be given"));
    missing.chain(demanded).collect()
}

#[tokio::test]
async fn a_migration_only_adds_unless_it_says_from_which_version_on_it_works() {
    let (url, _directory) = sqlite_url();
    let database = Database::connect(&url).await.unwrap();
    let mut before = Columns::new();
    for migration in Migrator::migrations() {
        Migrator::up(&database, Some(1)).await.unwrap();
        let after = columns(&database).await;
        let taken = taken_away(&before, &after);
        assert!(
            taken.is_empty() || WORKS_FROM >= migration.name(),
            "{} takes away what older versions need, and WORKS_FROM does not say so: {taken:?}",
            migration.name()
        );
        before = after;
    }
    assert!(before.len() > 50, "the schema was read");
    // That the comparison sees what it must see.
    let mut other = before.clone();
    let first = other.keys().next().unwrap().clone();
    other.remove(&first);
    other.insert(
        (first.0.clone(), "demanded".to_owned()),
        ("text".to_owned(), false),
    );
    assert_eq!(taken_away(&before, &other).len(), 2);
    database.close().await.unwrap();
}

/// A migration that has to wait for a table lets the others through, and takes its turn when the table is free.
async fn a_migration_does_not_hold_up_the_others(fresh: Fresh) {
    let tenant = samples::tenant(&fresh, "one").await;
    let other = async || Database::connect(&fresh.url).await.unwrap();
    // Back to before the one that changes the table, however many came after it.
    let names: Vec<String> = Migrator::migrations()
        .iter()
        .map(|it| it.name().to_owned())
        .collect();
    let changing = names
        .iter()
        .position(|it| it == "m20261122_000011_words")
        .unwrap();
    let after = u32::try_from(names.len() - changing).unwrap();
    Migrator::down(&other().await, Some(after)).await.unwrap();
    // Somebody has changed a release and goes on for a while.
    let long = other().await.begin().await.unwrap();
    long.execute_unprepared("lock table releases in row exclusive mode")
        .await
        .unwrap();
    let migrating = fresh.store.migrate();
    let working = async {
        let database = other().await;
        let waits = "select 1 from pg_locks l join pg_class c on c.oid = l.relation
            where c.relname = 'releases' and not l.granted";
        let waits = Statement::from_string(DbBackend::Postgres, waits);
        while database.query_one_raw(waits.clone()).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        // Behind the migration, which stands behind the long one.
        database
            .execute_unprepared("delete from releases where number = -1")
            .await
            .unwrap();
        assert!(fresh.store.ready().await.is_err(), "the migration still waits");
        long.commit().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(
        migrating,
        tokio::time::timeout(Duration::from_secs(60), working).map(Result::unwrap)
    );
    migrated.unwrap();
    fresh.store.ready().await.unwrap();
    assert!(fresh.store.tenant(tenant).await.unwrap().is_some());
}

#[tokio::test]
async fn postgres_goes_on_while_a_migration_waits() {
    on_postgres(|server| async move {
        a_migration_does_not_hold_up_the_others(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

/// What stood still in a store counted as going on by itself before.
async fn releases_in_distribution_are_listed_anew(fresh: Fresh) {
    let tenant = samples::tenant(&fresh, "one").await;
    for (number, phase) in [(1, "DISTRIBUTION"), (2, "REGRESSION")] {
        let mut row = samples::release(tenant, phase, number);
        phase.clone_into(&mut row.projection.phase);
        samples::insert(&fresh, &row).await;
    }
    assert!(!fresh.store.unlisted(tenant).await.unwrap());
    let all = Migrator::migrations();
    let lanes = all.iter().position(|it| it.name().ends_with("_lanes")).unwrap();
    let database = Database::connect(&fresh.url).await.unwrap();
    let back = u32::try_from(all.len() - lanes).unwrap();
    Migrator::down(&database, Some(back)).await.unwrap();
    Migrator::up(&database, None).await.unwrap();
    database.close().await.unwrap();
    assert!(fresh.store.unlisted(tenant).await.unwrap());
    assert_eq!(fresh.store.list_releases().await.unwrap(), 1, "and no other one");
}

#[tokio::test]
async fn sqlite_lists_releases_in_distribution_anew() {
    releases_in_distribution_are_listed_anew(sqlite().await).await;
}

#[tokio::test]
async fn postgres_lists_releases_in_distribution_anew() {
    on_postgres(|server| async move {
        releases_in_distribution_are_listed_anew(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}

/// What an older version noted without its time is given that of its event, and is missing until then.
async fn steps_of_before_are_dated(fresh: Fresh) {
    let tenant = samples::tenant(&fresh, "one").await;
    let mut row = samples::release(tenant, "app", 1);
    let at = |hours| samples::instant() + chrono::TimeDelta::hours(hours);
    let walk = [
        (1, "PLANNING", "NOT_STARTED"),
        (2, "IN_DEVELOPMENT", "KICKOFF"),
        (5, "DEPLOYED", "DISTRIBUTION"),
    ];
    for (version, (hours, status, phase)) in (1..).zip(walk) {
        row.version = version;
        status.clone_into(&mut row.projection.status);
        phase.clone_into(&mut row.projection.phase);
        row.projection.listing.changed_at = Some(at(hours));
        let event = StoredEvent {
            at: at(hours),
            ..samples::event(row.id, version)
        };
        let mut unit = fresh.store.begin().await.unwrap();
        let expected = version.checked_sub(1).filter(|it| *it > 0);
        unit.save(&row, expected).await.unwrap();
        unit.append(tenant, &[event]).await.unwrap();
        unit.commit().await.unwrap();
    }
    let expected = fresh.store.shipped(tenant, at(0), 9).await.unwrap();
    assert_eq!(expected.len(), 1);
    assert_eq!(expected[0].lead(), Some(chrono::TimeDelta::hours(3)));
    assert!(!fresh.store.undated(tenant).await.unwrap());

    let all = Migrator::migrations();
    let steps = all.iter().position(|it| it.name().ends_with("_steps")).unwrap();
    let database = Database::connect(&fresh.url).await.unwrap();
    let back = u32::try_from(all.len() - steps).unwrap();
    Migrator::down(&database, Some(back)).await.unwrap();
    Migrator::up(&database, None).await.unwrap();
    database.close().await.unwrap();
    assert!(fresh.store.undated(tenant).await.unwrap());
    assert_eq!(fresh.store.shipped(tenant, at(0), 9).await.unwrap(), []);
    assert_eq!(
        fresh.store.date_steps().await.unwrap(),
        6,
        "a status and a phase each"
    );
    assert_eq!(
        fresh.store.date_steps().await.unwrap(),
        0,
        "nothing is left to be dated"
    );
    assert!(!fresh.store.undated(tenant).await.unwrap());
    assert_eq!(fresh.store.shipped(tenant, at(0), 9).await.unwrap(), expected);
}

#[tokio::test]
async fn sqlite_dates_the_steps_of_before() {
    steps_of_before_are_dated(sqlite().await).await;
}

#[tokio::test]
async fn postgres_dates_the_steps_of_before() {
    on_postgres(|server| async move {
        steps_of_before_are_dated(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}
