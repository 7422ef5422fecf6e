//! An app in the simulated Google Play, and whoever else works on it.
#![allow(dead_code, reason = "every test binary uses another part")]

use async_trait::async_trait;
use delivr_domain::effect::{Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::lease::{Leases, LocalLeases};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::vendor::{Lookup, Storefront};
use delivr_domain::time::{Span, Timestamp};
use delivr_provider_kit::{Deps, SystemClock};
use delivr_provider_proof::{Bench, key, secrets};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A clock that runs, and that a test turns forward.
#[derive(Debug, Default)]
pub(crate) struct Turned(Mutex<Duration>);

impl Turned {
    pub(crate) fn advance(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }
}

#[async_trait]
impl Clock for Turned {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Span::from_std(*self.0.lock().unwrap()).unwrap()
    }
    fn monotonic(&self) -> Monotonic {
        SystemClock.monotonic().plus(*self.0.lock().unwrap())
    }
    async fn sleep_until(&self, _until: Monotonic) {
        panic!("a provider does not sleep: it lets the engine wait");
    }
}

/// A simulated Google Play and our processes that work with it.
pub(crate) struct Play {
    pub(crate) bench: Bench,
    pub(crate) clock: Arc<Turned>,
    /// Shared by all our processes.
    pub(crate) leases: Arc<dyn Leases>,
}

impl Play {
    /// With version code 101 uploaded to the internal track.
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(Turned::default());
        let play = Self {
            bench: Bench::start("playstore").await,
            leases: Arc::new(LocalLeases::new(clock.clone())),
            clock,
        };
        play.upload(101, "1.1.0");
        play
    }

    /// With version code 101 published to five per cent.
    pub(crate) async fn staged() -> Self {
        let play = Self::start().await;
        perform(&play.process(), &submit(101, 500)).await.unwrap();
        play.advance(json!({"action": "approve"}));
        play
    }

    pub(crate) fn upload(&self, code: i64, version: &str) {
        self.advance(json!({"action": "add_bundle", "versionCode": code, "version": version}));
    }

    pub(crate) fn advance(&self, body: Value) -> Value {
        self.bench.advance(body)
    }

    /// A person's change in the Console, now.
    pub(crate) fn console(&self, releases: &Value) {
        self.advance(json!({"action": "console_track", "releases": releases}));
    }

    /// A person's change in the Console, just before our next call of the operation.
    pub(crate) fn meanwhile(&self, operation: &str, releases: &Value) {
        let change = json!({"action": "console_track", "releases": releases});
        self.advance(json!({"action": "meanwhile", "operation": operation, "do": change}));
    }

    /// What is on a track.
    pub(crate) fn track(&self, track: &str) -> Value {
        self.advance(json!({"action": "show_track", "track": track}))["releases"].take()
    }

    /// No edit of anybody is left.
    pub(crate) fn assert_no_open_edit(&self) {
        assert_eq!(self.advance(json!({"action": "open_edits"})), json!({"open": 0}));
    }

    /// A process of ours.
    pub(crate) fn process(&self) -> Arc<dyn Storefront> {
        self.process_with(&json!({}))
    }

    /// A process of ours with these settings on top.
    pub(crate) fn process_with(&self, settings: &Value) -> Arc<dyn Storefront> {
        self.process_over(self.leases.clone(), settings)
    }

    pub(crate) fn process_over(&self, leases: Arc<dyn Leases>, settings: &Value) -> Arc<dyn Storefront> {
        let deps = Deps {
            clock: self.clock.clone(),
            ..self.bench.deps.clone()
        };
        self.connect(&deps.with_leases(leases), settings)
    }

    fn connect(&self, deps: &Deps, settings: &Value) -> Arc<dyn Storefront> {
        let own = self.bench.settings();
        let mut config = own["config"].clone();
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        let connect = delivr_store_playstore::descriptor(deps).connect;
        match connect(&config, &secrets(&own["credentials"])).unwrap() {
            Connection::Store(store) => store,
            other => panic!("{other:?}"),
        }
    }
}

/// As the engine does: look, make if it is not there.
pub(crate) async fn perform(
    store: &Arc<dyn Storefront>,
    write: &StoreWrite,
) -> Result<Reference, ProviderError> {
    match store.find(&key(7), write).await? {
        Lookup::Found(found) if found.is_empty() => store.create(&key(7), write).await,
        // What was refused is nobody's earlier work as long as no send of ours is in doubt.
        Lookup::Over(_) => store.create(&key(7), write).await,
        Lookup::Found(found) => Ok(found[0].clone()),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn version(code: i64) -> StoreVersion {
    StoreVersion {
        version: "1.1.0".into(),
        build_number: code.to_string(),
        notes: [("en-US".to_owned(), "Faster.".to_owned())].into(),
    }
}

pub(crate) fn submit(code: i64, exposure: u16) -> StoreWrite {
    StoreWrite::Submit {
        version: version(code),
        exposure,
        timing: ReleaseTiming::AfterApproval,
    }
}

pub(crate) fn change(code: i64, change: RolloutChange) -> StoreWrite {
    StoreWrite::ChangeRollout {
        version: version(code),
        change,
    }
}
