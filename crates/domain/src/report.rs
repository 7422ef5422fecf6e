//! What comes back from the world. A report is a fact: it is never rejected, at most too late.

use crate::effect::{Operation, Reference, RunRef, StoreVersion};
use crate::ids::{InstallId, IntegrationId, ReleaseId, RolloutId, SubmissionId, TenantId};
use crate::key::{EffectKey, TargetKey, words};
use crate::names::Sha;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

words! {
    /// Who can mend a failure.
    Class ("failure class") {
        /// Mends itself with time.
        Transient = "TRANSIENT",
        /// Nobody: the request itself is refused.
        Permanent = "PERMANENT",
        /// A person, by doing what the sentence says.
        NeedsHuman = "NEEDS_HUMAN",
    }
}

words! {
    /// What is known of a failed task's object at the vendor.
    Outcome ("outcome") {
        /// It was not made.
        NotDone = "NOT_DONE",
        /// It may have been made.
        Unknown = "UNKNOWN",
        /// It was made and is of no more use.
        Spent = "SPENT",
    }
}

/// Why something failed, for the person who must act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Stable word, e.g. `credential_rejected`, `budget_exhausted`, `run_failed`.
    pub code: String,
    /// Who must do what.
    pub sentence: String,
    /// Who can mend it.
    pub class: Class,
    /// The vendor's own words, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The integration whose credential or permission is the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
}

/// The code of a cause by which the vendor cannot say whether something is there: a person has looked, or must.
pub const UNSURE: &str = "unsure";

impl Cause {
    /// A cause without vendor text.
    #[must_use]
    pub fn new(code: &str, sentence: impl Into<String>, class: Class) -> Self {
        Self {
            code: code.to_owned(),
            sentence: sentence.into(),
            class,
            vendor: None,
            integration: None,
        }
    }
}

/// Totals of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestTotals {
    /// Cases in the run.
    pub total: u32,
    /// Passed.
    pub passed: u32,
    /// Failed.
    pub failed: u32,
    /// Without a result yet.
    pub untested: u32,
}

impl TestTotals {
    /// Whether at least this percentage of all cases passed; an empty run passes nothing.
    #[must_use]
    pub fn reaches(&self, percent: u8) -> bool {
        self.total > 0 && u64::from(self.passed) * 100 >= u64::from(self.total) * u64::from(percent)
    }
}

/// A build as a store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreBuild {
    /// The store's build number or version code.
    pub build_number: String,
    /// The vendor's id of it.
    pub reference: Reference,
}

/// The answer of a Resolve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Finding {
    /// The commit of a ref.
    Head {
        /// The commit.
        sha: Sha,
    },
    /// Notes.
    Notes {
        /// Markdown.
        text: String,
    },
    /// Test totals.
    Totals {
        /// The totals.
        totals: TestTotals,
    },
    /// A store's build.
    StoreBuild {
        /// The build.
        build: StoreBuild,
    },
    /// A rollout's exposure.
    Exposure {
        /// As read back.
        exposure: Exposure,
    },
}

words! {
    /// How a CI run ended.
    RunResult ("run result") {
        /// Well.
        Succeeded = "SUCCEEDED",
        /// Badly.
        Failed = "FAILED",
        /// By somebody.
        Cancelled = "CANCELLED",
    }
}

/// What an ended run left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProduct {
    /// The vendor's number of the run.
    #[serde(default)]
    pub number: Option<String>,
    /// Where a person sees it.
    #[serde(default)]
    pub url: Option<String>,
    /// The commit it says it built.
    #[serde(default)]
    pub sha: Option<Sha>,
    /// Where its artifact lies.
    #[serde(default)]
    pub artifact_url: Option<String>,
    /// Build number or version code of the product.
    #[serde(default)]
    pub build_number: Option<String>,
    /// The run ended badly all the same (automation whose totals still count).
    #[serde(default)]
    pub failed: bool,
}

/// The state of a CI run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunState {
    /// Accepted, not started.
    Queued,
    /// Under way.
    Running,
    /// Over.
    Ended {
        /// How.
        result: RunResult,
        /// With what.
        product: RunProduct,
    },
    /// The vendor does not know it any more.
    Gone,
}

words! {
    /// A store's review as we understand it.
    ReviewWord ("review state") {
        /// Being made ready; not submitted.
        Preparing = "PREPARING",
        /// Waiting for the reviewers.
        Submitted = "SUBMITTED",
        /// Being reviewed.
        InReview = "IN_REVIEW",
        /// Accepted, not released.
        Approved = "APPROVED",
        /// Released to (some) users.
        Live = "LIVE",
        /// Refused.
        Rejected = "REJECTED",
        /// Withdrawn.
        Cancelled = "CANCELLED",
        /// Taken down by the store.
        Suspended = "SUSPENDED",
        /// A person must act in the store's console.
        ActionRequired = "ACTION_REQUIRED",
        /// A word of the store that we do not know; moves nothing.
        Unknown = "UNKNOWN",
    }
}

/// A store's review with the store's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewState {
    /// Ours.
    pub word: ReviewWord,
    /// The store's word for it.
    pub store_word: String,
    /// The store's explanation, if it gives one.
    #[serde(default)]
    pub explanation: Option<String>,
}

words! {
    /// A rollout as the store reports it.
    ExposureWord ("rollout state") {
        /// Not started.
        Inactive = "INACTIVE",
        /// Being raised.
        Active = "ACTIVE",
        /// Not raised for now.
        Paused = "PAUSED",
        /// Withheld.
        Halted = "HALTED",
        /// Everybody gets it.
        Completed = "COMPLETED",
        /// A word of the store that we do not know.
        Unknown = "UNKNOWN",
    }
}

/// A rollout read back from the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// State.
    pub word: ExposureWord,
    /// Users who get it, in basis points.
    pub bps: u16,
    /// The store's word for the state.
    pub store_word: String,
}

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Sighting {
    /// A CI run.
    Run {
        /// Its state.
        state: RunState,
    },
    /// A review.
    Review {
        /// Its state.
        state: ReviewState,
    },
    /// A rollout.
    Rollout {
        /// Its exposure.
        exposure: Exposure,
    },
}

/// How a Perform ended, as far as the machine is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Performed {
    /// It exists.
    Done {
        /// What exists.
        reference: Reference,
    },
    /// It exists, recognised by its mark after an attempt whose outcome was unknown: a send that was given up may still
    /// arrive, so it is looked for once more.
    DoneInDoubt {
        /// What exists.
        reference: Reference,
        /// Through which integration.
        integration: IntegrationId,
        /// What was written.
        operation: Box<Operation>,
        /// Look again after so many seconds.
        look_again_seconds: u32,
    },
    /// Looked for once more: these stand under its mark now.
    LookedAgain {
        /// All of them.
        found: Vec<Reference>,
    },
    /// It is given up for now.
    Failed {
        /// Why.
        cause: Cause,
        /// What is known of the object.
        outcome: Outcome,
    },
    /// A hold came first and nothing was found: not tried.
    Parked,
    /// Looked up for a skip: it does not exist and cannot appear any more.
    Absent,
}

/// How a Resolve ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolved {
    /// The answer.
    Found {
        /// The answer.
        finding: Finding,
    },
    /// It is given up for now.
    Failed {
        /// Why.
        cause: Cause,
    },
    /// A hold came first.
    Parked,
}

/// A hold of a release as its child keeps it: in words, because all a child does about it is wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBy {
    /// The hold's word, e.g. `USER_PAUSED`.
    pub hold: String,
    /// Why, and who can lift it.
    pub sentence: String,
}

/// The holds of a release that reach one of its children.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The release's event number at which it was so. What was so earlier is old news, in whatever order it arrives.
    pub as_of: u64,
    /// Which; empty when nothing holds the child.
    pub by: Vec<HeldBy>,
}

impl Held {
    /// Whether anything holds the child.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !self.by.is_empty()
    }
    /// Why the child waits, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let sentences: Vec<&str> = self.by.iter().map(|it| it.sentence.as_str()).collect();
        sentences.join("; ")
    }
    /// Whether nothing was ever heard of a hold: such a value is not stored.
    #[must_use]
    pub const fn unheard_of(&self) -> bool {
        self.as_of == 0 && self.by.is_empty()
    }
}

/// What is needed to bring a submission to life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionStart {
    /// Its id, derived from the release, the target and the try.
    pub id: SubmissionId,
    /// Whose.
    pub tenant: TenantId,
    /// Installation, for its effect keys.
    pub install: InstallId,
    /// Of which release.
    pub release: ReleaseId,
    /// For which target.
    pub target: TargetKey,
    /// 1 is the first try.
    pub attempt: u16,
    /// The store integration.
    pub integration: IntegrationId,
    /// What is submitted.
    pub version: StoreVersion,
    /// Settings frozen in the plan.
    pub settings: crate::plan::StoreSettings,
}

/// What is needed to bring a rollout to life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStart {
    /// Its id, derived from the submission.
    pub id: RolloutId,
    /// Whose.
    pub tenant: TenantId,
    /// Installation, for its effect keys.
    pub install: InstallId,
    /// Of which release.
    pub release: ReleaseId,
    /// Of which submission.
    pub submission: SubmissionId,
    /// For which target.
    pub target: TargetKey,
    /// The store integration.
    pub integration: IntegrationId,
    /// What is rolled out.
    pub version: StoreVersion,
    /// Settings frozen in the plan.
    pub settings: crate::plan::StoreSettings,
    /// Exposure the submission went live with, in basis points.
    pub exposure: u16,
    /// What held the submission when it went live holds its rollout from the first moment.
    #[serde(default, skip_serializing_if = "Held::unheard_of")]
    pub held: Held,
}

/// A child's state as its parent keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildState {
    /// The child's status word.
    pub status: String,
    /// Whether users get it, to whom (basis points).
    pub exposure: u16,
    /// Whether it has come to its final exposure.
    pub live: bool,
    /// What blocks it, for people.
    pub blocker: Option<String>,
    /// The store's own words.
    pub store_words: Option<String>,
    /// When it was so.
    pub at: Timestamp,
    /// Whether a person has asked already for what it stood waiting for, and the store has not answered yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// What the child knew then of the release's holds; where that is not the newest word, it is told again.
    #[serde(default, skip_serializing_if = "Held::unheard_of")]
    pub held: Held,
    /// What its store has beside what was decided here: a DRIFT of the release's lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
}

/// Anything that is reported to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Report {
    /// A write ended.
    Performed {
        /// Of this step.
        key: EffectKey,
        /// So.
        performed: Performed,
    },
    /// A read ended.
    Resolved {
        /// Of this step.
        key: EffectKey,
        /// So.
        resolved: Resolved,
    },
    /// A watch saw a change (or a webhook told of it and it was read).
    Seen {
        /// Of this step.
        key: EffectKey,
        /// This.
        sighting: Sighting,
    },
    /// A gate's fact has another value than before.
    FactChanged {
        /// Which fact.
        fact: crate::effect::FactKind,
        /// Its value.
        value: String,
    },
    /// A run that nobody waits for was asked to stop.
    RunCancelled {
        /// Of this step.
        key: EffectKey,
        /// Which run.
        run: RunRef,
    },
    /// A child of the release has another state.
    ChildChanged {
        /// For which target.
        target: TargetKey,
        /// The submission it belongs to.
        submission: SubmissionId,
        /// The rollout, once there is one.
        rollout: Option<RolloutId>,
        /// The state.
        state: ChildState,
    },
    /// Other holds of the release reach the child now.
    HoldsChanged {
        /// These.
        held: Held,
    },
    /// A person takes what the child's store has beside what was decided here for decided.
    DriftAccepted {
        /// What the child said of it: another one that came meanwhile is not meant.
        drift: String,
    },
    /// A submission comes to life.
    StartSubmission {
        /// With this.
        start: Box<SubmissionStart>,
    },
    /// A rollout comes to life.
    StartRollout {
        /// With this.
        start: Box<RolloutStart>,
    },
    /// The clock reached something on the agenda.
    Tick,
}
