//! What deliveries of other systems lead to: waits that fit are due at once, nothing else moves, and each is worked off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_app::inbox::{Prompted, work_off};
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::{DeliveryId, IntegrationId, TenantId};
use delivr_domain::key::EffectId;
use delivr_domain::ports::store::{Directory as _, Queue as _, Store as _, StoredDelivery, Tenant};
use delivr_domain::time::Timestamp;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::samples::{id, instant, key, perform, release_id, tracker, watch};
use delivr_testkit::memory::MemoryStore;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const LATER: Duration = Duration::from_secs(600);

/// The store's futures are ready at once: nothing here waits for anything.
fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap()
}

struct Fixture {
    store: MemoryStore,
    tenant: TenantId,
    came: std::cell::Cell<u8>,
}

impl Fixture {
    fn new() -> Self {
        let store = MemoryStore::new(Arc::new(FakeClock::at(instant())));
        let tenant = TenantId::from_uuid(id("one"));
        let row = Tenant {
            id: tenant,
            slug: "one".to_owned(),
            name: "One".to_owned(),
        };
        now(store.insert_tenant(&row)).unwrap();
        Self {
            store,
            tenant,
            came: std::cell::Cell::new(0),
        }
    }
    fn enqueue(&self, effects: &[Effect]) {
        let mut unit = now(self.store.begin()).unwrap();
        for effect in effects {
            now(unit.enqueue(self.tenant, effect, LATER, LATER * 10)).unwrap();
        }
        now(unit.commit()).unwrap();
    }
    fn deliver(&self, integration: Option<IntegrationId>, payload: Value) {
        self.came.set(self.came.get() + 1);
        let name = format!("delivery {}", self.came.get());
        let delivery = StoredDelivery {
            id: DeliveryId::from_uuid(id(&name)),
            tenant: self.tenant,
            integration,
            source: "jenkins".to_owned(),
            external: name,
            payload,
            at: instant(),
        };
        assert!(now(self.store.insert_delivery(&delivery)).unwrap());
        assert_eq!(now(work_off(&self.store)).unwrap(), 1);
        assert_eq!(
            now(work_off(&self.store)).unwrap(),
            0,
            "each delivery is worked off once"
        );
    }
    fn due(&self, effect: EffectId) -> Timestamp {
        let rows = now(self.store.rows(release_id("app"), false)).unwrap();
        rows.iter().find(|row| row.id == effect).unwrap().due_at
    }
    fn prompted(&self, effect: &Effect) -> bool {
        self.due(effect.id()) <= instant()
    }
}

fn probe() -> Effect {
    Effect::Probe {
        owner: release_id("app"),
        integration: tracker(),
        fact: FactKind::TicketsApproved,
        subject: vec!["SHOP-1".to_owned(), "SHOP-2".to_owned()],
    }
}

#[test]
fn a_run_named_by_its_key_is_looked_at_and_no_other() {
    let it = Fixture::new();
    let (named, other, write) = (
        watch(release_id("app"), 1, 600),
        watch(release_id("app"), 2, 600),
        perform(release_id("app"), 3),
    );
    it.enqueue(&[named.clone(), other.clone(), write.clone()]);
    let correlations = vec![key(release_id("app"), 1).short()];
    it.deliver(
        Some(tracker()),
        json!(Prompted {
            correlations,
            objects: Vec::new()
        }),
    );
    assert!(it.prompted(&named));
    assert!(!it.prompted(&other));
    assert!(!it.prompted(&write), "a delivery never makes us write");
}

#[test]
fn a_callback_without_integration_finds_the_run_by_its_key() {
    let it = Fixture::new();
    let named = watch(release_id("app"), 1, 600);
    it.enqueue(std::slice::from_ref(&named));
    it.deliver(
        None,
        json!({ "correlations": [key(release_id("app"), 1).short()] }),
    );
    assert!(it.prompted(&named));
}

#[test]
fn a_ticket_prompts_the_gate_that_asks_for_it() {
    let it = Fixture::new();
    it.enqueue(&[probe()]);
    it.deliver(Some(tracker()), json!({ "objects": ["SHOP-9"] }));
    assert!(!it.prompted(&probe()));
    it.deliver(Some(tracker()), json!({ "objects": ["SHOP-2"] }));
    assert!(it.prompted(&probe()));
}

#[test]
fn a_delivery_that_names_nothing_prompts_its_integration_alone() {
    let it = Fixture::new();
    it.enqueue(&[probe()]);
    it.deliver(Some(IntegrationId::from_uuid(id("another"))), json!({}));
    assert!(!it.prompted(&probe()));
    it.deliver(Some(tracker()), json!({}));
    assert!(it.prompted(&probe()));
}

#[test]
fn what_cannot_be_understood_is_marked_and_blocks_nobody() {
    let it = Fixture::new();
    it.enqueue(&[probe()]);
    it.deliver(Some(tracker()), json!({ "correlations": 7 }));
    it.deliver(Some(tracker()), json!({ "objects": ["SHOP-1"] }));
    assert!(it.prompted(&probe()));
}
