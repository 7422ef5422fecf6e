//! A sandbox, a connection to it, and what a provider's own tests do to both.

use async_trait::async_trait;
use delivr_domain::ids::InstallId;
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TaskKey, TaskKind};
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::provider::{Connection, Credentials, Descriptor};
use delivr_domain::time::{Span, Timestamp};
use delivr_provider_kit::{AddressPolicy, Deps, HttpSettings, SystemClock};
use delivr_sandbox::{Running, Sandbox};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// A sandbox with one vendor in view. Its time is real, ours too unless it is said to be wrong.
#[derive(Debug)]
pub struct Bench {
    /// The sandbox.
    pub running: Running,
    /// What providers are made with; loopback addresses are allowed.
    pub deps: Deps,
    vendor: &'static str,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// Starts a sandbox.
    pub async fn start(vendor: &'static str) -> Self {
        Self::with_clock(vendor, 0).await
    }
    /// Starts a sandbox; our own clock is wrong by so many seconds.
    pub async fn with_clock(vendor: &'static str, seconds: i64) -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        running.record();
        let folder = tempfile::tempdir().unwrap();
        Self {
            running,
            deps: deps(folder.path(), seconds),
            vendor,
            _folder: folder,
        }
    }
    /// What the vendor says an integration is configured with: `{"config", "credentials"}`.
    #[must_use]
    pub fn settings(&self) -> Value {
        self.running.credentials()[self.vendor].take()
    }
    /// A connection with these settings.
    #[must_use]
    pub fn connect(&self, descriptor: &Descriptor) -> Connection {
        let settings = self.settings();
        (descriptor.connect)(&settings["config"], &secrets(&settings["credentials"])).unwrap()
    }
    /// Performs an action of `/_advance` on the vendor.
    pub fn advance(&self, mut body: Value) -> Value {
        body["vendor"] = json!(self.vendor);
        self.running.advance(&body).unwrap()
    }
    /// Queues a fault for the vendor.
    pub fn fault(&self, mut body: Value) {
        body["vendor"] = json!(self.vendor);
        self.running.fault(&body).unwrap();
    }
    /// How many effects of the operation the vendor really performed.
    #[must_use]
    pub fn effects(&self, operation: &str) -> usize {
        let journal = self.running.journal();
        let all = journal["effects"].as_array().unwrap();
        all.iter()
            .filter(|it| it["vendor"] == self.vendor && it["operation"] == operation)
            .count()
    }
    /// Fails when anything was done twice.
    pub fn assert_no_duplicates(&self) {
        assert_eq!(self.running.journal()["duplicates"], json!([]));
    }
}

fn deps(folder: &Path, seconds: i64) -> Deps {
    let policy = AddressPolicy::allowing_loopback();
    let clock = Arc::new(Wrong(seconds));
    let (root, cache) = (folder.to_path_buf(), folder.join("cache"));
    Deps::new(policy, &HttpSettings::default(), clock, Some(root), cache).unwrap()
}

/// The real clock, wrong by some seconds.
struct Wrong(i64);

#[async_trait]
impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Span::seconds(self.0)
    }
    fn monotonic(&self) -> Monotonic {
        SystemClock.monotonic()
    }
    async fn sleep_until(&self, until: Monotonic) {
        SystemClock.sleep_until(until).await;
    }
}

/// Credentials from the sandbox's JSON object.
#[must_use]
pub fn secrets(map: &Value) -> Credentials {
    Credentials::new(
        plain(map)
            .into_iter()
            .map(|(name, value)| (name, SecretString::from(value))),
    )
}

pub(crate) fn plain(map: &Value) -> Vec<(String, String)> {
    let map = map.as_object().into_iter().flatten();
    map.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), value)
    })
    .collect()
}

/// The key of a step of the release of this number.
#[must_use]
pub fn key(number: u128) -> EffectKey {
    EffectKey {
        install: InstallId::from_uuid(uuid::Uuid::from_u128(1)),
        owner: AggregateId {
            kind: AggregateKind::Release,
            id: uuid::Uuid::from_u128(number),
        },
        task: TaskKey::once(TaskKind::ForkBranch),
        generation: Generation(0),
        step: 0,
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            crate::description::hold(&self.running, self.vendor);
        }
    }
}
