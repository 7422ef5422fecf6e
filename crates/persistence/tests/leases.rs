//! SQLite and PostgreSQL meet the contract of leases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Fresh, on_postgres, open, sqlite_url};
use delivr_domain::ports::lease::Leases;
use delivr_persistence::{Options, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::leases;
use delivr_testkit::conformance::store::Subject as _;
use std::sync::Arc;

async fn meets(fresh: &Fresh, others: &[&dyn Leases]) {
    leases::all(&fresh.store, others, |span| fresh.advance(span)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_meets_the_contract_of_leases() {
    let (url, directory) = sqlite_url();
    let fresh = open(url, Some(directory)).await;
    let another = fresh.store.clone();
    meets(&fresh, &[&another]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_meets_the_contract_of_leases() {
    on_postgres(|server| async move {
        let fresh = open(server.fresh().unwrap(), None).await;
        // Another process, with connections of its own; its clock is the database's too.
        let mut options = Options::new(Arc::new(FakeClock::default()));
        options.clock_offset = Arc::clone(&fresh.offset);
        let another = connect(&fresh.url, options).await.unwrap();
        meets(&fresh, &[&another]).await;
    })
    .await;
}
