//! A vendor that answers at once: what is measured is Delivr, not somebody's network.
//!
//! It serves every port under the provider key [`KEY`]. Each call is counted, and told to whoever listens.

use async_trait::async_trait;
use delivr_domain::effect::{
    CicdWrite, OperationKind, Reference, RunRef, ScmWrite, StoreVersion, StoreWrite, TestingWrite,
    TrackerWrite,
};
use delivr_domain::key::{EffectKey, TargetKey};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{
    Connection, Descriptor, Port, Prompt, Registry, RegistryError, WebhookError,
};
use delivr_domain::ports::vendor::{
    Chat, ChatMessage, Cicd, Commit, Declared, JobParameter, Lookup, Recognition, Scm, StoreLanguages,
    Storefront, Testing, Tracker, Verification, Writes,
};
use delivr_domain::report::{Exposure, ReviewState, RunState, StoreBuild, TestTotals};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The provider's key.
pub(crate) const KEY: &str = "instant";
/// The one commit of its repository.
const HEAD: &str = "3f786850e387550fdab836ed7e6dc881de23001b";

/// Told of each look at a run, with the run's correlation key, before anything else is done.
pub(crate) type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// What the vendor was asked.
#[derive(Clone)]
pub(crate) struct Calls {
    /// Writes.
    pub(crate) writes: Arc<AtomicU64>,
    /// Looks at runs.
    pub(crate) looks: Arc<AtomicU64>,
    listener: Listener,
}

impl Calls {
    /// Nobody has called yet.
    pub(crate) fn new(listener: Listener) -> Self {
        Self {
            writes: Arc::default(),
            looks: Arc::default(),
            listener,
        }
    }
    /// The same with nobody who listens.
    pub(crate) fn silent() -> Self {
        Self::new(Arc::new(|_correlation| {}))
    }
}

/// One connection.
struct Instant(Calls);

fn marked() -> Declared {
    Declared::new(Recognition::ByMarker {
        visible_after: Duration::ZERO,
    })
}

macro_rules! writes {
    ($($write:ty),* $(,)?) => {$(
        #[async_trait]
        impl Writes<$write> for Instant {
            fn declared(&self, _operation: OperationKind) -> Declared {
                marked()
            }
            async fn find(&self, _key: &EffectKey, _write: &$write) -> Result<Lookup, ProviderError> {
                Ok(Lookup::Found(Vec::new()))
            }
            async fn create(&self, key: &EffectKey, _write: &$write) -> Result<Reference, ProviderError> {
                self.0.writes.fetch_add(1, Ordering::Relaxed);
                let id = key.short();
                let url = format!("https://vendor.example/{id}");
                Ok(Reference::id(id).at(url))
            }
        }
    )*};
}

writes!(ScmWrite, TrackerWrite, TestingWrite, CicdWrite, StoreWrite);

fn verified() -> Result<Verification, ProviderError> {
    Ok(Verification {
        account: KEY.to_owned(),
        checks: Vec::new(),
    })
}

fn unasked(operation: &'static str) -> ProviderError {
    ProviderError::new(
        KEY,
        operation,
        ProviderErrorKind::Unsupported,
        "nothing measured here asks for this",
    )
}

#[async_trait]
impl Scm for Instant {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn resolve(&self, _name: &RefName) -> Result<Option<Sha>, ProviderError> {
        HEAD.parse().map(Some).map_err(|_never| unasked("resolve"))
    }
    async fn compare(&self, _base: Option<&RefName>, _head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        Ok(Vec::new())
    }
    async fn release_notes(&self, _from: Option<&RefName>, _to: &RefName) -> Result<String, ProviderError> {
        Ok("what is new".to_owned())
    }
    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        Ok(vec!["main".to_owned()])
    }
    fn publishes_releases(&self) -> bool {
        true
    }
    fn has_pull_requests(&self) -> bool {
        true
    }
}

#[async_trait]
impl Cicd for Instant {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
    async fn job_parameters(&self, _job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        Ok(Vec::new())
    }
    async fn run_state(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        (self.0.listener)(&run.correlation);
        self.0.looks.fetch_add(1, Ordering::Relaxed);
        Ok(RunState::Running)
    }
    async fn cancel(&self, _run: &RunRef) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[async_trait]
impl Tracker for Instant {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn approvals(&self, tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        Ok(tickets.iter().map(|_| ("Done".to_owned(), true)).collect())
    }
}

#[async_trait]
impl Testing for Instant {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn totals(&self, _run: &str) -> Result<TestTotals, ProviderError> {
        Ok(TestTotals {
            total: 1,
            passed: 1,
            failed: 0,
            untested: 0,
        })
    }
}

#[async_trait]
impl Storefront for Instant {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn find_build(
        &self,
        _version: &str,
        _number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        Ok(None)
    }
    async fn review_state(&self, _version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        Err(unasked("review"))
    }
    async fn exposure(&self, _version: &StoreVersion) -> Result<Exposure, ProviderError> {
        Err(unasked("rollout"))
    }
    async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        Err(unasked("languages"))
    }
    fn unread(&self, _languages: &StoreLanguages, _texts: &BTreeMap<String, String>) -> Vec<String> {
        Vec::new()
    }
}

#[async_trait]
impl Chat for Instant {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    fn declared(&self) -> Declared {
        marked()
    }
    async fn find(&self, _key: &str, _message: &ChatMessage) -> Result<Lookup, ProviderError> {
        Ok(Lookup::Found(Vec::new()))
    }
    async fn post(&self, key: &str, _message: &ChatMessage) -> Result<Reference, ProviderError> {
        Ok(Reference::id(key))
    }
}

/// A delivery is `{"delivery": id, "correlations": [key]}`; nothing signs it.
fn prompt(body: &[u8]) -> Result<Prompt, WebhookError> {
    let malformed = || WebhookError::Malformed("delivery and correlations are needed".to_owned());
    let body: Value = serde_json::from_slice(body).map_err(|_ignored| malformed())?;
    let delivery = body
        .get("delivery")
        .and_then(Value::as_str)
        .ok_or_else(malformed)?;
    let named = body
        .get("correlations")
        .and_then(Value::as_array)
        .ok_or_else(malformed)?;
    Ok(Prompt {
        delivery: delivery.to_owned(),
        correlations: named
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        objects: Vec::new(),
    })
}

/// The vendor on every port.
///
/// # Errors
/// Never: each port is named once.
pub(crate) fn registry(calls: &Calls) -> Result<Registry, RegistryError> {
    let targets: Vec<&str> = TargetKey::ALL.iter().map(|target| target.word()).collect();
    Registry::new(Port::ALL.iter().map(|port| {
        let (port, calls) = (*port, calls.clone());
        Descriptor {
            key: KEY,
            port,
            display_name: "Instant",
            config_schema: json!({}),
            credentials_schema: json!({}),
            capabilities: json!({ "release": true, "pr": true, "targets": targets }),
            connect: Arc::new(move |_config, _credentials| {
                let vendor = Arc::new(Instant(calls.clone()));
                Ok(match port {
                    Port::Scm => Connection::Scm(vendor),
                    Port::Cicd => Connection::Cicd(vendor),
                    Port::ProjectManagement => Connection::Tracker(vendor),
                    Port::Communication => Connection::Chat(vendor),
                    Port::TestManagement => Connection::Testing(vendor),
                    Port::Stores => Connection::Store(vendor),
                })
            }),
            webhook: Some(Arc::new(|delivery, _credentials| prompt(delivery.body))),
        }
    }))
}
