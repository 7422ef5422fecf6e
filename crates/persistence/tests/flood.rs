//! A hundred thousand rows that are due at once, of one tenant: workers take them piece by piece, none twice, and another
//! tenant does not wait behind them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Fresh, on_postgres, open, sqlite_url};
use delivr_domain::ports::store::{ClaimRequest, Claimed, RowEnd, Store};
use delivr_persistence::{Options, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::{Subject as _, samples};
use sea_orm::{ConnectionTrait, Database, DbBackend};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How many rows are due at once.
const FLOOD: u64 = 100_000;
/// What a worker has room for.
const SLOTS: u16 = 64;

/// Copies of the one row that is there, each under an id of its own.
async fn multiply(fresh: &Fresh) {
    let database = Database::connect(&fresh.url).await.unwrap();
    let (id, numbers) = if database.get_database_backend() == DbBackend::Postgres {
        ("gen_random_uuid()", format!("generate_series(1, {FLOOD})"))
    } else {
        let numbers = format!(
            "(with recursive counted(n) as (select 1 union all select n + 1 from counted where n < {FLOOD})
              select n from counted)"
        );
        ("randomblob(16)", numbers)
    };
    let columns = "tenant_id, owner_kind, owner_id, kind, integration_id, every_seconds, effect, state, due_at, attempt,
        failures, give_up_at";
    let text =
        format!("insert into effects (id, {columns}) select {id}, {columns} from effects, {numbers} as many");
    database.execute_unprepared(&text).await.unwrap();
    database.close().await.unwrap();
}

async fn claim(store: &dyn Store, worker: &str) -> Vec<Claimed> {
    let request = ClaimRequest {
        worker: worker.to_owned(),
        ..samples::request(SLOTS)
    };
    store.claim(&request).await.unwrap()
}

async fn a_flood_is_taken_piece_by_piece(fresh: Fresh) {
    let flooded = samples::tenant(&fresh, "flooded").await;
    let other = samples::tenant(&fresh, "other").await;
    samples::enqueue(
        &fresh,
        flooded,
        &[samples::perform(samples::release_id("app"), 0)],
    )
    .await;
    multiply(&fresh).await;
    fresh.advance(Duration::from_secs(1));
    let few: Vec<_> = (0..3)
        .map(|step| samples::perform(samples::release_id("tool"), step))
        .collect();
    samples::enqueue(&fresh, other, &few).await;
    let mut options = Options::new(Arc::new(FakeClock::default()));
    options.clock_offset = Arc::clone(&fresh.offset);
    let beside = connect(&fresh.url, options).await.unwrap();

    let mut taken = BTreeSet::new();
    let mut served = 0;
    for round in 0..20 {
        let (here, there) = tokio::join!(claim(&fresh.store, "here"), claim(&beside, "there"));
        for (store, claimed) in [(&fresh.store, here), (&beside, there)] {
            assert_eq!(
                claimed.len(),
                usize::from(SLOTS),
                "round {round}: as many as there is room for"
            );
            for one in claimed {
                assert!(taken.insert(one.row.id), "{} was given twice", one.row.id);
                served += usize::from(one.row.tenant == other);
                let mut unit = store.begin().await.unwrap();
                unit.finish(&one.claim.unwrap(), RowEnd::Done).await.unwrap();
                unit.commit().await.unwrap();
            }
        }
        assert_eq!(served, 3, "the other tenant was served in the first round");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_gives_a_flood_piece_by_piece() {
    let (url, directory) = sqlite_url();
    a_flood_is_taken_piece_by_piece(open(url, Some(directory)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_gives_a_flood_piece_by_piece() {
    on_postgres(|server| async move {
        a_flood_is_taken_piece_by_piece(open(server.fresh().unwrap(), None).await).await;
    })
    .await;
}
