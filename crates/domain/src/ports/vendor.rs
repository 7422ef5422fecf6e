//! What a vendor connection can do. Every creating write is a `find`/`create` pair under an effect key;
//! only `app`'s `run_effect` joins them, so that hold, quiet time and send deadline are checked in between.

use super::error::ProviderError;
use crate::effect::{
    CicdWrite, FactKind, Note, OperationKind, Reference, RunRef, ScmWrite, StoreVersion, StoreWrite,
    TestingWrite, Topic, TrackerWrite,
};
use crate::key::EffectKey;
use crate::names::{RefName, Sha};
use crate::report::{Exposure, ReviewState, RunState, StoreBuild, TestTotals};
use crate::time::Timestamp;
use async_trait::async_trait;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How an adapter recognises its own earlier work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// The vendor refuses a second object of the name: no look-up lag, no quiet time.
    ByName,
    /// A mark inside the object, visible to look-ups after this lag.
    ByMarker {
        /// Longest time until a look-up sees a new object.
        visible_after: Duration,
    },
    /// The vendor's state says whether it is done.
    ByState,
    /// Only a list window; an unsure look-up goes to a person.
    Window,
    /// Not at all: at most once.
    None,
}

/// What follows when a send may have arrived, and the look-up finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// It did not arrive: it is sent again.
    SendAgain,
    /// It did not arrive, or others have undone since what it did, and a second time would undo their work: a person
    /// looks. Of [`Recognition::ByState`] alone.
    AskAPerson,
}

/// What an adapter declares per operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// How earlier work is recognised.
    pub recognition: Recognition,
    /// Longest time between our giving up a send and its effect at the vendor.
    pub delivery_bound: Duration,
    /// What follows when a send may have arrived, and nothing is found.
    pub in_doubt: InDoubt,
}

impl Declared {
    /// The declaration with the default delivery bound of 10 s, of what is sent again in doubt.
    #[must_use]
    pub const fn new(recognition: Recognition) -> Self {
        Self {
            recognition,
            delivery_bound: Duration::from_secs(10),
            in_doubt: InDoubt::SendAgain,
        }
    }
    /// The same, of what a second time would do harm.
    #[must_use]
    pub const fn asking_in_doubt(self) -> Self {
        Self {
            in_doubt: InDoubt::AskAPerson,
            ..self
        }
    }
}

/// Answer of a look-up under an effect key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// All objects under the key: none is absent, two are a conflict.
    Found(Vec<Reference>),
    /// A different thing stands under the name; the sentence says which.
    Foreign(String),
    /// One that is over stands under the name: refused by a review, say. It is ours of before or an earlier one's, and the
    /// vendor does not tell which. Whoever may have sent before takes it for his own, so that nothing refused is handed in
    /// again by itself; whoever has not makes his.
    Over(Reference),
    /// It cannot be said now; ask again after the lag.
    Unsure,
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The account the credential belongs to.
    pub account: String,
    /// Each permission tried.
    pub checks: Vec<Check>,
}

impl Verification {
    /// Whether nothing required is missing.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.missing.is_none())
    }
}

/// One permission tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was tried, e.g. `create branches`.
    pub what: String,
    /// What is missing and how to grant it; none when it works.
    pub missing: Option<String>,
}

/// The pair every creating write consists of.
#[async_trait]
pub trait Writes<W>: Send + Sync {
    /// Recognition and delivery bound of an operation.
    fn declared(&self, operation: OperationKind) -> Declared;
    /// Everything that stands under the key (or name, or state) already.
    async fn find(&self, key: &EffectKey, write: &W) -> Result<Lookup, ProviderError>;
    /// Makes it. Called at most once per attempt, never retried inside.
    async fn create(&self, key: &EffectKey, write: &W) -> Result<Reference, ProviderError>;
}

/// A commit between two refs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its hash.
    pub sha: Sha,
    /// First line of its message.
    pub subject: String,
    /// Author's name.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

/// A source-control host.
#[async_trait]
pub trait Scm: Writes<ScmWrite> {
    /// Tries the credential and each permission a release needs.
    async fn verify(&self) -> Result<Verification, ProviderError>;
    /// The commit a branch or tag names now; none when it does not exist.
    async fn resolve(&self, name: &RefName) -> Result<Option<Sha>, ProviderError>;
    /// Commits reachable from `head` but not from `base`, newest first, all pages.
    async fn compare(&self, base: Option<&RefName>, head: &RefName) -> Result<Vec<Commit>, ProviderError>;
    /// Notes between two refs, Markdown.
    async fn release_notes(
        &self,
        previous: Option<&RefName>,
        current: &RefName,
    ) -> Result<String, ProviderError>;
    /// Branch names.
    async fn branches(&self) -> Result<Vec<String>, ProviderError>;
    /// Whether it keeps published releases.
    fn publishes_releases(&self) -> bool;
    /// Whether it has pull requests.
    fn has_pull_requests(&self) -> bool;
}

/// A parameter a CI job declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobParameter {
    /// Its name.
    pub name: String,
    /// The vendor's type word.
    pub kind: String,
    /// Its default, if it has one.
    pub default: Option<String>,
}

/// A CI system.
#[async_trait]
pub trait Cicd: Writes<CicdWrite> {
    /// Tries the credential.
    async fn verify(&self) -> Result<Verification, ProviderError>;
    /// Jobs that can be started.
    async fn jobs(&self) -> Result<Vec<String>, ProviderError>;
    /// Parameters a job declares.
    async fn job_parameters(&self, job: &str) -> Result<Vec<JobParameter>, ProviderError>;
    /// State of a run.
    async fn run_state(&self, run: &RunRef) -> Result<RunState, ProviderError>;
    /// Asks the vendor to stop the run; a run that is over already is no error.
    async fn cancel(&self, run: &RunRef) -> Result<(), ProviderError>;
}

/// A tracker (project management).
#[async_trait]
pub trait Tracker: Writes<TrackerWrite> {
    /// Tries the credential and the project.
    async fn verify(&self) -> Result<Verification, ProviderError>;
    /// Whether each ticket stands in an approved status, in the order asked; with the status' own word.
    async fn approvals(&self, tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError>;
}

/// A test-management system.
#[async_trait]
pub trait Testing: Writes<TestingWrite> {
    /// Tries the credential and the project.
    async fn verify(&self) -> Result<Verification, ProviderError>;
    /// Totals of a run.
    async fn totals(&self, run: &str) -> Result<TestTotals, ProviderError>;
}

/// Languages that an app has in its store, as the store writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreLanguages {
    /// Those in which it is described; empty where the store does not tell them.
    pub known: BTreeSet<String>,
    /// The one that readers of all others get; none where the store does not tell it.
    pub default: Option<String>,
}

/// A store.
#[async_trait]
pub trait Storefront: Writes<StoreWrite> {
    /// Tries the credential and the app.
    async fn verify(&self) -> Result<Verification, ProviderError>;
    /// The processed build; none while it is not there or still processed.
    async fn find_build(
        &self,
        version: &str,
        build_number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError>;
    /// State of the version's review.
    async fn review_state(&self, version: &StoreVersion) -> Result<ReviewState, ProviderError>;
    /// The version's rollout, read back.
    async fn exposure(&self, version: &StoreVersion) -> Result<Exposure, ProviderError>;
    /// Languages that the app has in the store now.
    async fn languages(&self) -> Result<StoreLanguages, ProviderError>;
    /// Languages of the texts, as they were written, that nobody would read in an app with these languages: the store,
    /// or this adapter before it, refuses a submission with them. None where the store did not tell any language.
    fn unread(&self, languages: &StoreLanguages, texts: &BTreeMap<String, String>) -> Vec<String>;
}

/// A message as it is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Topic that decides about the channel.
    pub topic: Topic,
    /// What is said.
    pub note: Note,
    /// Link to the release's page.
    pub link: Option<String>,
    /// When the message was first tried; adapters look back no further than this.
    pub since: Timestamp,
}

/// A chat system. The key is the effect id's short form, since messages have no effect key.
#[async_trait]
pub trait Chat: Send + Sync {
    /// Tries the credential and each channel.
    async fn verify(&self) -> Result<Verification, ProviderError>;
    /// Recognition and delivery bound of posting.
    fn declared(&self) -> Declared;
    /// Messages under the key already.
    async fn find(&self, key: &str, message: &ChatMessage) -> Result<Lookup, ProviderError>;
    /// Posts.
    async fn post(&self, key: &str, message: &ChatMessage) -> Result<Reference, ProviderError>;
}

/// The facts a connection can be probed for, by port.
#[must_use]
pub const fn fact_port(fact: FactKind) -> super::provider::Port {
    match fact {
        FactKind::BranchHead => super::provider::Port::Scm,
        FactKind::TicketsApproved => super::provider::Port::ProjectManagement,
    }
}
