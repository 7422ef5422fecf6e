//! The names under which work and its traces at vendors are recognised: task keys, generations, effect keys.
//!
//! One key per external change: it never contains a version or an attempt, so that a retry, a second worker and a
//! restored database all find what an earlier try left at the vendor.

use crate::ids::{InstallId, derive_uuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Which machine an aggregate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AggregateKind {
    /// A release.
    Release,
    /// One submission to a store.
    Submission,
    /// One rollout in a store.
    Rollout,
}

impl AggregateKind {
    /// The word stored in rows and used in effect keys.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Release => "RELEASE",
            Self::Submission => "SUBMISSION",
            Self::Rollout => "ROLLOUT",
        }
    }
}

impl FromStr for AggregateKind {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Release, Self::Submission, Self::Rollout]
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| UnknownWord::new("aggregate kind", text))
    }
}

/// The identity of one aggregate: what one transaction may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AggregateId {
    /// Which machine.
    pub kind: AggregateKind,
    /// Which one of them.
    pub id: Uuid,
}

impl fmt::Display for AggregateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.id.as_hyphenated())
    }
}

/// A word that is none of a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}")]
pub struct UnknownWord {
    what: &'static str,
    text: String,
}

impl UnknownWord {
    /// Says what was expected and what came (cut, since it may come from outside).
    #[must_use]
    pub fn new(what: &'static str, text: &str) -> Self {
        Self {
            what,
            text: text.chars().take(64).collect(),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }
        impl $name {
            /// Every member, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The word used in rows, keys and the API.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $(Self::$variant => $word,)* } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.word()) }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::key::UnknownWord;
            fn from_str(text: &str) -> Result<Self, $crate::key::UnknownWord> {
                Self::ALL.iter().copied().find(|it| it.word() == text).ok_or_else(|| $crate::key::UnknownWord::new($what, text))
            }
        }
    };
}
pub(crate) use words;

words! {
    /// One (platform, channel) a release ships to. Only the pairs that exist can be written down.
    TargetKey ("target") {
        /// Android app in Google Play.
        AndroidPlayStore = "ANDROID_PLAY_STORE",
        /// iOS app in the App Store.
        IosAppStore = "IOS_APP_STORE",
        /// Web app shipped to an environment.
        WebEnvironment = "WEB_ENVIRONMENT",
        /// Backend service shipped to an environment.
        ServiceEnvironment = "SERVICE_ENVIRONMENT",
    }
}

words! {
    /// What a build runs on.
    Platform ("platform") {
        /// Android.
        Android = "ANDROID",
        /// iOS.
        Ios = "IOS",
        /// Web.
        Web = "WEB",
        /// Backend.
        Service = "SERVICE",
    }
}

words! {
    /// Where a target's users get it from.
    Channel ("channel") {
        /// Google Play.
        PlayStore = "PLAY_STORE",
        /// Apple's App Store.
        AppStore = "APP_STORE",
        /// An environment we deploy to.
        Environment = "ENVIRONMENT",
    }
}

impl TargetKey {
    /// The platform half of the pair.
    #[must_use]
    pub const fn platform(self) -> Platform {
        match self {
            Self::AndroidPlayStore => Platform::Android,
            Self::IosAppStore => Platform::Ios,
            Self::WebEnvironment => Platform::Web,
            Self::ServiceEnvironment => Platform::Service,
        }
    }
    /// The channel half of the pair.
    #[must_use]
    pub const fn channel(self) -> Channel {
        match self {
            Self::AndroidPlayStore => Channel::PlayStore,
            Self::IosAppStore => Channel::AppStore,
            Self::WebEnvironment | Self::ServiceEnvironment => Channel::Environment,
        }
    }
    /// The target of a pair, if such a pair exists.
    #[must_use]
    pub fn of(platform: Platform, channel: Channel) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|it| it.platform() == platform && it.channel() == channel)
    }
    /// Whether a store with review and rollout stands behind it.
    #[must_use]
    pub const fn is_store(self) -> bool {
        matches!(self.channel(), Channel::PlayStore | Channel::AppStore)
    }
}

words! {
    /// The catalogue of durable steps, in the seeds' names.
    TaskKind ("task type") {
        /// Release branch from the base's head.
        ForkBranch = "FORK_BRANCH",
        /// One release ticket per target.
        CreateProjectManagementTicket = "CREATE_PROJECT_MANAGEMENT_TICKET",
        /// One test run per target.
        CreateTestSuite = "CREATE_TEST_SUITE",
        /// Builds before the first regression cycle.
        TriggerPreRegressionBuilds = "TRIGGER_PRE_REGRESSION_BUILDS",
        /// Test run set back for the next cycle.
        ResetTestSuite = "RESET_TEST_SUITE",
        /// Pins the cycle's SHA and tags it.
        CreateRcTag = "CREATE_RC_TAG",
        /// Notes since the previous cycle.
        CreateReleaseNotes = "CREATE_RELEASE_NOTES",
        /// Builds of the cycle's SHA.
        TriggerRegressionBuilds = "TRIGGER_REGRESSION_BUILDS",
        /// Starts test automation on the cycle's build.
        TriggerAutomationRuns = "TRIGGER_AUTOMATION_RUNS",
        /// Waits for automation, reads totals, judges.
        AutomationRuns = "AUTOMATION_RUNS",
        /// Tag on the approved cycle's SHA.
        CreateReleaseTag = "CREATE_RELEASE_TAG",
        /// Notes since the last shipped version, published with the tag.
        CreateFinalReleaseNotes = "CREATE_FINAL_RELEASE_NOTES",
        /// iOS build in TestFlight.
        TriggerTestFlightBuild = "TRIGGER_TEST_FLIGHT_BUILD",
        /// Android bundle on the internal track.
        CreateAabBuild = "CREATE_AAB_BUILD",
        /// Submission and rollout in a store.
        SubmitToStore = "SUBMIT_TO_STORE",
        /// Shipping to an environment by its pipeline.
        Deploy = "DEPLOY",
        /// Pull request from the release branch to its base.
        MergeBack = "MERGE_BACK",
        /// Tickets to their closed status.
        CloseReleaseTickets = "CLOSE_RELEASE_TICKETS",
        /// Clean-up after an archive: tickets.
        CleanupCloseTickets = "CLEANUP_CLOSE_TICKETS",
        /// Clean-up after an archive: branch.
        CleanupDeleteBranch = "CLEANUP_DELETE_BRANCH",
        /// Submission: version, build and notes made ready in the store.
        PrepareSubmission = "PREPARE_SUBMISSION",
        /// Submission: handed to the store's review.
        SubmitForReview = "SUBMIT_FOR_REVIEW",
        /// Submission: waiting for the store's verdict.
        AwaitReview = "AWAIT_REVIEW",
        /// Submission: approved version released to users.
        ReleaseToUsers = "RELEASE_TO_USERS",
        /// Submission: withdrawn from review.
        WithdrawSubmission = "WITHDRAW_SUBMISSION",
        /// Rollout: exposure raised (or set) to a step.
        SetExposure = "SET_EXPOSURE",
        /// Rollout: paused.
        PauseRollout = "PAUSE_ROLLOUT",
        /// Rollout: resumed.
        ResumeRollout = "RESUME_ROLLOUT",
        /// Rollout: halted in the store.
        HaltRollout = "HALT_ROLLOUT",
        /// Rollout: the store's own progress and edits made in its console.
        WatchRollout = "WATCH_ROLLOUT",
        /// Rollout: completed to everybody.
        CompleteRollout = "COMPLETE_ROLLOUT",
    }
}

/// Which task of an aggregate: its kind and what it fans out over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// What it does.
    pub kind: TaskKind,
    /// For which target, where it fans out.
    pub target: Option<TargetKey>,
    /// In which regression cycle (1 is the first).
    pub cycle: Option<u16>,
    /// Traffic generation of a rollout's decision, or the try of a decision that may be taken again.
    pub decision: Option<u64>,
}

impl TaskKey {
    /// A task that happens once per release.
    #[must_use]
    pub const fn once(kind: TaskKind) -> Self {
        Self {
            kind,
            target: None,
            cycle: None,
            decision: None,
        }
    }
    /// The same for one target.
    #[must_use]
    pub const fn target(mut self, target: TargetKey) -> Self {
        self.target = Some(target);
        self
    }
    /// The same in one cycle.
    #[must_use]
    pub const fn cycle(mut self, cycle: u16) -> Self {
        self.cycle = Some(cycle);
        self
    }
    /// The same for one decision.
    #[must_use]
    pub const fn decision(mut self, decision: u64) -> Self {
        self.decision = Some(decision);
        self
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.kind)?;
        match self.target {
            Some(target) => write!(f, "{target}/")?,
            None => f.write_str("-/")?,
        }
        match self.cycle {
            Some(cycle) => write!(f, "{cycle}")?,
            None => f.write_str("-")?,
        }
        match self.decision {
            Some(decision) => write!(f, "/{decision}"),
            None => Ok(()),
        }
    }
}

impl FromStr for TaskKey {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let bad = || UnknownWord::new("task key", text);
        let mut parts = text.split('/');
        let kind = parts.next().ok_or_else(bad)?.parse()?;
        let target = match parts.next().ok_or_else(bad)? {
            "-" => None,
            word => Some(word.parse()?),
        };
        let cycle = match parts.next().ok_or_else(bad)? {
            "-" => None,
            number => Some(number.parse().map_err(|_ignored| bad())?),
        };
        let decision = parts
            .next()
            .map(|number| number.parse().map_err(|_ignored| bad()))
            .transpose()?;
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self {
            kind,
            target,
            cycle,
            decision,
        })
    }
}

impl Serialize for TaskKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Counts the spent predecessors of a vendor object. Rises only when the old object is of no more use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u16);

impl Generation {
    /// The generation after this one is spent.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The one name of one external change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectKey {
    /// Which installation of Delivr.
    pub install: InstallId,
    /// Whose change.
    pub owner: AggregateId,
    /// Of which task.
    pub task: TaskKey,
    /// Which generation of the object.
    pub generation: Generation,
    /// Which step of the task, 0 is the first.
    pub step: u16,
}

impl EffectKey {
    /// What vendors with short fields are given: the first 32 hex digits of the key's SHA-256.
    #[must_use]
    pub fn short(&self) -> String {
        let digest = Sha256::digest(self.to_string().as_bytes());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for EffectKey {
    /// `installation/aggregate/task/target/cycle/g{generation}/s{step}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/g{}/s{}",
            self.install,
            self.owner.id.as_hyphenated(),
            self.task,
            self.generation.0,
            self.step
        )
    }
}

/// Row id of an effect: derived from its variant and key, so that there is one row per key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(Uuid);

impl EffectId {
    /// The id of (variant, parts).
    #[must_use]
    pub fn derived(variant: &str, parts: &[&[u8]]) -> Self {
        let mut all: Vec<&[u8]> = vec![b"effect", variant.as_bytes()];
        all.extend_from_slice(parts);
        Self(derive_uuid(&all))
    }
    /// Wraps a stored id.
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }
    /// The bare UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_hyphenated())
    }
}
