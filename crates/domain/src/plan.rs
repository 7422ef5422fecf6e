//! The plan: a release's own frozen copy of everything its profile and integrations say at creation.
//!
//! Later edits of the profile do not reach a release; nothing here is read live from anywhere.

use crate::effect::{ReleaseTiming, Topic};
use crate::ids::{IntegrationId, PipelineId, ProfileId};
use crate::key::{TargetKey, TaskKind, words};
use crate::names::{NameTemplate, RefName};
use crate::release::store_notes::Texts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

words! {
    /// What a pipeline is for.
    Purpose ("pipeline purpose") {
        /// Builds before regression.
        PreRegressionBuild = "PRE_REGRESSION_BUILD",
        /// Builds of a cycle.
        RegressionBuild = "REGRESSION_BUILD",
        /// Test automation.
        Automation = "AUTOMATION",
        /// The iOS build for TestFlight.
        TestFlightBuild = "TEST_FLIGHT_BUILD",
        /// The Android bundle.
        AabBuild = "AAB_BUILD",
        /// Shipping to an environment.
        Deploy = "DEPLOY",
        /// Anything else, triggered by people.
        Custom = "CUSTOM",
    }
}

words! {
    /// Where a build's commit is known from.
    ShaOrigin ("sha origin") {
        /// The provider said which commit it built.
        Observed = "OBSERVED",
        /// A callback or person said so.
        Declared = "DECLARED",
        /// Nobody said.
        Absent = "ABSENT",
    }
}

words! {
    /// How a build comes about.
    BuildMode ("build mode") {
        /// By a pipeline.
        Pipeline = "PIPELINE",
        /// A person uploads it.
        Manual = "MANUAL",
    }
}

words! {
    /// What happens to a slot whose time passed unused.
    MissedSlot ("missed-slot policy") {
        /// It runs as soon as it can; several overdue ones coalesce into one cycle.
        RunLate = "RUN_LATE",
        /// It is skipped, and said so.
        Skip = "SKIP",
    }
}

/// A CI job as the plan uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPipeline {
    /// The pipeline it was copied from.
    pub pipeline: PipelineId,
    /// The CI integration.
    pub integration: IntegrationId,
    /// Job or workflow.
    pub job: String,
    /// Parameter templates over `version branch tag sha platform cycle delivr_key callbackUrl`.
    pub parameters: BTreeMap<String, String>,
}

/// Source control as the plan uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScmPlan {
    /// The integration.
    pub integration: IntegrationId,
    /// Branch that the release forks from.
    pub base: RefName,
    /// Template of the release branch.
    pub branch: NameTemplate,
    /// Template of cycle tags.
    pub rc_tag: NameTemplate,
    /// Template of the release tag.
    pub release_tag: NameTemplate,
    /// Use an existing branch instead of forking one.
    pub existing_branch: Option<RefName>,
    /// Tag of the last shipped release of the service, where notes begin.
    pub previous_tag: Option<RefName>,
    /// Whether the provider can publish releases; without it the notes go into the annotated tag.
    pub publishes_releases: bool,
    /// Whether a pull request back to the base is wanted and possible.
    pub merge_back: bool,
}

/// Tickets as the plan uses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerPlan {
    /// The integration.
    pub integration: IntegrationId,
    /// Whether the gate into DISTRIBUTION asks for approved tickets.
    pub gate_on_approval: bool,
    /// Whether tickets are closed at the end.
    pub close_tickets: bool,
}

/// Test management as the plan uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestingPlan {
    /// The integration.
    pub integration: IntegrationId,
    /// Percentage of all cases that must pass, 0 to 100.
    pub pass_threshold: u8,
}

words! {
    /// Who hands a prepared version to the store.
    SubmitMode ("submit mode") {
        /// The machine, as soon as it is prepared.
        Auto = "AUTO",
        /// A person, by `submit`.
        ByPerson = "BY_PERSON",
    }
}

/// How a store target ships.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSettings {
    /// Who submits.
    pub submit: SubmitMode,
    /// When an approved version is released.
    pub timing: ReleaseTiming,
    /// Rollout steps in basis points, rising, the last one is the accepted final exposure. Play only.
    pub steps: Vec<u16>,
    /// Minutes to wait at a step before it is raised by itself; none waits for a person.
    pub step_minutes: Option<u32>,
    /// App Store: use Apple's seven-day phased release.
    pub phased: bool,
    /// Seconds between two looks at the store.
    pub poll_seconds: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            submit: SubmitMode::ByPerson,
            timing: ReleaseTiming::Manual,
            steps: vec![100, 1_000, 5_000, 10_000],
            step_minutes: None,
            phased: true,
            poll_seconds: 60,
        }
    }
}

/// One target as the plan ships it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlan {
    /// The version this target gets.
    pub version: crate::version::Version,
    /// The store integration, for store targets.
    pub store: Option<IntegrationId>,
    /// How it ships.
    pub settings: StoreSettings,
    /// Pipelines by purpose.
    pub pipelines: BTreeMap<Purpose, PlannedPipeline>,
    /// Whether builds come from pipelines or from people.
    pub builds: BuildMode,
    /// What users read in the store where nobody writes notes for the release, by language. Plans that were made before
    /// there were such texts have none.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub notes: Texts,
}

/// Waits and their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// Minutes a pipeline may take.
    pub pipeline_minutes: u32,
    /// Minutes automation may take.
    pub automation_minutes: u32,
    /// Minutes a store may take to process or review.
    pub store_minutes: u32,
    /// Seconds between two looks at a run.
    pub poll_seconds: u32,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            pipeline_minutes: 360,
            automation_minutes: 360,
            store_minutes: 10_080,
            poll_seconds: 15,
        }
    }
}

words! {
    /// Gated stages.
    GatedStage ("gated stage") {
        /// Regression.
        Regression = "REGRESSION",
        /// Pre-release.
        PreRelease = "PRE_RELEASE",
        /// Distribution.
        Distribution = "DISTRIBUTION",
    }
}

/// The frozen copy of the effective profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Profile it came from, if one.
    pub profile: Option<(ProfileId, u32)>,
    /// Source control.
    pub scm: ScmPlan,
    /// Tickets, if used.
    pub tracker: Option<TrackerPlan>,
    /// Test management, if used.
    pub testing: Option<TestingPlan>,
    /// Chat, if used.
    pub chat: Option<ChatPlan>,
    /// What ships.
    pub targets: BTreeMap<TargetKey, TargetPlan>,
    /// Whether pre-regression builds are made.
    pub pre_regression_builds: bool,
    /// Whether cycles run automation (where a pipeline for it exists).
    pub automation: bool,
    /// Stages that start by themselves when their gate is open.
    pub auto_start: BTreeSet<GatedStage>,
    /// Approvals a stage needs; absent means that the trigger is the approval.
    pub quorum: BTreeMap<GatedStage, u8>,
    /// Whether PRE_RELEASE may start without a regression cycle.
    pub allow_zero_cycles: bool,
    /// Where a build's commit may be known from.
    pub sha_origins: BTreeSet<ShaOrigin>,
    /// Waits and their ends.
    pub deadlines: Deadlines,
    /// Tasks left out, with the reason shown in the dry run (capability missing, not configured).
    pub left_out: BTreeMap<TaskKind, String>,
}

/// Chat as the plan uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPlan {
    /// The integration.
    pub integration: IntegrationId,
    /// Topics that are sent; empty sends nothing.
    pub topics: BTreeSet<Topic>,
}
