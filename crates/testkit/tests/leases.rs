//! The stores in memory meet the contract of leases.

use delivr_domain::ports::lease::LocalLeases;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::leases;
use delivr_testkit::memory::MemoryStore;
use std::sync::Arc;

#[tokio::test]
async fn memory_meets_the_contract_of_leases() {
    let clock = Arc::new(FakeClock::default());
    let store = MemoryStore::new(clock);
    let another = store.clone();
    let advance = |span: std::time::Duration| {
        store.skew(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    };
    leases::all(&store, &[&another], advance).await;
}

#[tokio::test]
async fn one_process_meets_the_contract_of_leases() {
    let clock = Arc::new(FakeClock::default());
    let local = LocalLeases::new(clock.clone());
    leases::all(&local, &[], |span| clock.advance(span)).await;
}
