//! A connection that can be stopped between two steps of one attempt, and broken on purpose.
//!
//! The engine's path is the real one; only where the worker process itself stalls or dies, the proof must hold it at
//! an exact point. A gate does that: the attempt waits at it until it is opened, or is dropped there.

use async_trait::async_trait;
use delivr_domain::effect::{
    CicdWrite, OperationKind, Reference, RunRef, ScmWrite, StoreVersion, StoreWrite, TestingWrite,
    TrackerWrite,
};
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::{
    Chat, ChatMessage, Cicd, Commit, Declared, JobParameter, Lookup, Scm, StoreLanguages, Storefront,
    Testing, Tracker, Verification, Writes,
};
use delivr_domain::report::{Exposure, ReviewState, RunState, StoreBuild, TestTotals};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A point of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The vendor has answered the look-up.
    Found,
    /// Hold, quiet time and deadline are checked; nothing is sent yet.
    Sending,
    /// The vendor has answered the creating call.
    Sent,
}

/// Where one attempt is held.
#[derive(Debug)]
pub struct Gate {
    at: At,
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// Returns when the attempt stands at the gate.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }
    /// Lets it go on.
    pub fn open(&self) {
        self.opened.notify_one();
    }
}

/// What is done to the connections of a proof.
#[derive(Debug, Default)]
pub struct Spy {
    gates: Mutex<Vec<Arc<Gate>>>,
    broken: Option<Broken>,
}

/// An adapter with a planted mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Its look-up finds nothing, ever.
    Blind,
}

impl Spy {
    /// One whose adapter has a planted mistake.
    #[must_use]
    pub fn broken(mistake: Broken) -> Self {
        Self {
            broken: Some(mistake),
            ..Self::default()
        }
    }
    /// Holds the next attempt that comes to the point.
    pub fn gate(&self, at: At) -> Arc<Gate> {
        let gate = Arc::new(Gate {
            at,
            reached: Notify::new(),
            opened: Notify::new(),
        });
        self.gates.lock().unwrap().push(gate.clone());
        gate
    }
    async fn pass(&self, at: At) {
        let gate = {
            let mut gates = self.gates.lock().unwrap();
            let place = gates.iter().position(|gate| gate.at == at);
            place.map(|place| gates.remove(place))
        };
        if let Some(gate) = gate {
            gate.reached.notify_one();
            gate.opened.notified().await;
        }
    }
    async fn found(&self, answer: Result<Lookup, ProviderError>) -> Result<Lookup, ProviderError> {
        self.pass(At::Found).await;
        match self.broken {
            Some(Broken::Blind) => answer.map(|_| Lookup::Found(Vec::new())),
            None => answer,
        }
    }
    /// The same provider, watched.
    #[must_use]
    pub fn on(self: &Arc<Self>, descriptor: Descriptor) -> Descriptor {
        let (spy, connect) = (self.clone(), descriptor.connect);
        Descriptor {
            connect: Arc::new(move |config, credentials| {
                connect(config, credentials).map(|connection| spy.watch(connection))
            }),
            ..descriptor
        }
    }
    fn watch(self: &Arc<Self>, connection: Connection) -> Connection {
        let spy = self.clone();
        match connection {
            Connection::Scm(inner) => Connection::Scm(Arc::new(Watched { inner, spy })),
            Connection::Cicd(inner) => Connection::Cicd(Arc::new(Watched { inner, spy })),
            Connection::Tracker(inner) => Connection::Tracker(Arc::new(Watched { inner, spy })),
            Connection::Testing(inner) => Connection::Testing(Arc::new(Watched { inner, spy })),
            Connection::Store(inner) => Connection::Store(Arc::new(Watched { inner, spy })),
            Connection::Chat(inner) => Connection::Chat(Arc::new(Watched { inner, spy })),
        }
    }
}

struct Watched<T: ?Sized> {
    inner: Arc<T>,
    spy: Arc<Spy>,
}

macro_rules! watched_writes {
    ($($port:ident: $write:ty),* $(,)?) => {$(
        #[async_trait]
        impl Writes<$write> for Watched<dyn $port> {
            fn declared(&self, operation: OperationKind) -> Declared {
                self.inner.declared(operation)
            }
            async fn find(&self, key: &EffectKey, write: &$write) -> Result<Lookup, ProviderError> {
                let answer = self.inner.find(key, write).await;
                self.spy.found(answer).await
            }
            async fn create(&self, key: &EffectKey, write: &$write) -> Result<Reference, ProviderError> {
                self.spy.pass(At::Sending).await;
                let answer = self.inner.create(key, write).await;
                self.spy.pass(At::Sent).await;
                answer
            }
        }
    )*};
}

watched_writes! {
    Scm: ScmWrite,
    Cicd: CicdWrite,
    Tracker: TrackerWrite,
    Testing: TestingWrite,
    Storefront: StoreWrite,
}

#[async_trait]
impl Scm for Watched<dyn Scm> {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.inner.verify().await
    }
    async fn resolve(&self, name: &RefName) -> Result<Option<Sha>, ProviderError> {
        self.inner.resolve(name).await
    }
    async fn compare(&self, base: Option<&RefName>, head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        self.inner.compare(base, head).await
    }
    async fn release_notes(
        &self,
        previous: Option<&RefName>,
        current: &RefName,
    ) -> Result<String, ProviderError> {
        self.inner.release_notes(previous, current).await
    }
    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        self.inner.branches().await
    }
    fn publishes_releases(&self) -> bool {
        self.inner.publishes_releases()
    }
    fn has_pull_requests(&self) -> bool {
        self.inner.has_pull_requests()
    }
}

#[async_trait]
impl Cicd for Watched<dyn Cicd> {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.inner.verify().await
    }
    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        self.inner.jobs().await
    }
    async fn job_parameters(&self, job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        self.inner.job_parameters(job).await
    }
    async fn run_state(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        self.inner.run_state(run).await
    }
    async fn cancel(&self, run: &RunRef) -> Result<(), ProviderError> {
        self.inner.cancel(run).await
    }
}

#[async_trait]
impl Tracker for Watched<dyn Tracker> {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.inner.verify().await
    }
    async fn approvals(&self, tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        self.inner.approvals(tickets).await
    }
}

#[async_trait]
impl Testing for Watched<dyn Testing> {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.inner.verify().await
    }
    async fn totals(&self, run: &str) -> Result<TestTotals, ProviderError> {
        self.inner.totals(run).await
    }
}

#[async_trait]
impl Storefront for Watched<dyn Storefront> {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.inner.verify().await
    }
    async fn find_build(
        &self,
        version: &str,
        build_number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        self.inner.find_build(version, build_number).await
    }
    async fn review_state(&self, version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        self.inner.review_state(version).await
    }
    async fn exposure(&self, version: &StoreVersion) -> Result<Exposure, ProviderError> {
        self.inner.exposure(version).await
    }
    async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        self.inner.languages().await
    }
    fn unread(&self, languages: &StoreLanguages, texts: &BTreeMap<String, String>) -> Vec<String> {
        self.inner.unread(languages, texts)
    }
}

#[async_trait]
impl Chat for Watched<dyn Chat> {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.inner.verify().await
    }
    fn declared(&self) -> Declared {
        self.inner.declared()
    }
    async fn find(&self, key: &str, message: &ChatMessage) -> Result<Lookup, ProviderError> {
        let answer = self.inner.find(key, message).await;
        self.spy.found(answer).await
    }
    async fn post(&self, key: &str, message: &ChatMessage) -> Result<Reference, ProviderError> {
        self.spy.pass(At::Sending).await;
        let answer = self.inner.post(key, message).await;
        self.spy.pass(At::Sent).await;
        answer
    }
}
