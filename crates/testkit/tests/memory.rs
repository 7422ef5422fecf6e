//! The store in memory meets the store's contract.

use async_trait::async_trait;
use delivr_domain::key::EffectId;
use delivr_domain::ports::store::Store;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::{self, StoreFixture, Subject};
use delivr_testkit::memory::MemoryStore;
use std::sync::Arc;
use std::time::Duration;

struct Memory;

struct Fresh {
    clock: Arc<FakeClock>,
    store: MemoryStore,
}

#[async_trait]
impl StoreFixture for Memory {
    async fn fresh(&self) -> Box<dyn Subject> {
        let clock = Arc::new(FakeClock::default());
        Box::new(Fresh {
            store: MemoryStore::new(clock.clone()),
            clock,
        })
    }
}

#[async_trait]
impl Subject for Fresh {
    fn store(&self) -> &dyn Store {
        &self.store
    }
    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }
    async fn corrupt_effect(&self, effect: EffectId) {
        self.store.corrupt_effect(effect);
    }
}

#[tokio::test]
async fn memory_meets_the_contract() {
    store::all(&Memory).await;
}
