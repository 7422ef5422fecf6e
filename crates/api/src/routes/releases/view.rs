//! A release as the API shows it: everything follows from its state, so that the answer of a change can be kept in the
//! transaction of the change.

use super::parts::{
    ApprovalView, BuildView, CycleView, SlotView, TargetPipelineView, approvals, builds, cycles, pipelines,
    slots,
};
use super::tasks::{TaskView, tasks};
use crate::problem::BlockerView;
use chrono::{DateTime, Utc};
use delivr_domain::aggregate::Aggregate;
use delivr_domain::board::Owner as _;
use delivr_domain::key::TargetKey;
use delivr_domain::plan::{GatedStage, TargetPlan};
use delivr_domain::release::gate::Blocker;
use delivr_domain::release::hold::{self, Hold};
use delivr_domain::release::lane::LaneStop;
use delivr_domain::release::left;
use delivr_domain::release::{Release, settle};
use serde::Serialize;
use utoipa::ToSchema;

/// What a reader wants beside the release itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Include {
    pub(crate) tasks: Wanted,
    pub(crate) cycles: Wanted,
    pub(crate) builds: Wanted,
    pub(crate) slots: Wanted,
    pub(crate) approvals: Wanted,
    pub(crate) blockers: Wanted,
}

/// Whether a part is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is not.
    #[default]
    No,
    /// It is.
    Yes,
}

impl Wanted {
    pub(crate) fn then<T>(self, part: impl FnOnce() -> T) -> Option<T> {
        match self {
            Self::Yes => Some(part()),
            Self::No => None,
        }
    }
}

impl Include {
    /// The parts that belong to a full read.
    pub(crate) const DETAIL: Self = Self {
        tasks: Wanted::No,
        cycles: Wanted::Yes,
        builds: Wanted::Yes,
        slots: Wanted::Yes,
        approvals: Wanted::No,
        blockers: Wanted::No,
    };
}

/// A release.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseView {
    id: String,
    /// What people call it, `REL-42`.
    key: String,
    /// Version that ships: that of all targets, or the highest.
    version: String,
    /// Guards against lost updates; the ETag begins with it.
    revision: u64,
    /// Board view.
    status: &'static str,
    /// Orchestration view.
    phase: &'static str,
    /// When it came to its stage: to its phase, where REGRESSION and REGRESSION_AWAITING_NEXT_CYCLE are one. Unknown of
    /// releases that have not moved since this is noted.
    stage_since: Option<DateTime<Utc>>,
    /// MAJOR, MINOR or HOTFIX.
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    description: Option<String>,
    priority: String,
    /// Who pilots it.
    pilot: Option<String>,
    service_id: String,
    service_slug: String,
    profile_id: Option<String>,
    profile_revision: Option<u32>,
    scm_integration_id: String,
    ticket_id: Option<String>,
    communication_id: Option<String>,
    test_management_id: Option<String>,
    base_branch: String,
    /// Name of the release branch, whether it exists already or not.
    branch_release: Option<String>,
    /// Commit the branch was made from, once it exists.
    base_sha: Option<String>,
    /// Release tag, once it is made.
    tag: Option<String>,
    /// Release notes, once they are written.
    notes: Option<String>,
    kickoff_at: DateTime<Utc>,
    kickoff_reminder_at: Option<DateTime<Utc>>,
    target_date: Option<DateTime<Utc>>,
    targets: Vec<TargetView>,
    /// Why it does not advance; a release without holds goes on by itself.
    holds: Vec<HoldView>,
    /// What a release that was given up has left at vendors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_behind: Vec<LeftView>,
    orchestration: OrchestrationView,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<Vec<TaskView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<Vec<CycleView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    builds: Option<Vec<BuildView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<Vec<SlotView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<Vec<ApprovalView>>,
    /// What keeps the next gate closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    blockers: Option<Vec<BlockerView>>,
}

/// Something that a release which was given up has left at a vendor.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeftView {
    /// BRANCH, TAG, TICKET, TEST_RUN, STORE_BUILD or STORE_VERSION.
    kind: &'static str,
    /// What the vendor calls it.
    id: String,
    /// Where a person can look at it.
    url: Option<String>,
    /// The target it belongs to, if it is one's.
    target: Option<&'static str>,
}

/// How the machine stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrchestrationView {
    /// When a worker was last alive.
    last_sweep_at: Option<DateTime<Utc>>,
    /// When something follows by itself, beside reminders of what waits for people.
    next_wake_at: Option<DateTime<Utc>>,
    /// Tasks under way at vendors, with people or in stores.
    under_way: usize,
}

/// One target.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetView {
    target: &'static str,
    platform: &'static str,
    channel: &'static str,
    version: String,
    /// PENDING until it is submitted, then the submission's or rollout's word.
    status: String,
    /// Users who get it, in basis points.
    exposure: u16,
    /// Whether it has come to its final exposure.
    live: bool,
    /// PIPELINE or MANUAL.
    builds: &'static str,
    store_integration_id: Option<String>,
    submission_id: Option<String>,
    rollout_id: Option<String>,
    /// What stops it in the store.
    blocker: Option<String>,
    /// The store's own words.
    store_words: Option<String>,
    pipelines: Vec<TargetPipelineView>,
}

/// A reason why a release does not advance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldView {
    /// Kind of hold.
    hold: &'static str,
    /// What is wrong, for people.
    detail: String,
    /// How it is lifted.
    lifted_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// The target whose store it stands still in.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
    /// The submission that it lies with.
    #[serde(skip_serializing_if = "Option::is_none")]
    submission_id: Option<String>,
    /// The rollout that it lies with, once the version reaches users.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout_id: Option<String>,
}

/// The release of an aggregate that is one.
pub(crate) const fn as_release(state: &Aggregate) -> Option<&Release> {
    match state {
        Aggregate::Release(release) => Some(release),
        Aggregate::Submission(_) | Aggregate::Rollout(_) => None,
    }
}

/// A release with the parts that are wanted.
pub(crate) fn release(
    release: &Release,
    include: Include,
    last_sweep_at: Option<DateTime<Utc>>,
    blockers: &[Blocker],
) -> ReleaseView {
    let draft = &release.draft;
    let plan = release.plan();
    let text = |it: &dyn std::fmt::Display| it.to_string();
    let under_way = release
        .board()
        .iter()
        .filter(|task| !matches!(task.state.word(), "PENDING" | "FAILED") && !task.state.over())
        .count();
    ReleaseView {
        id: draft.id.to_string(),
        key: release.key(),
        version: release.version_name(),
        revision: release.version,
        status: release.status().word(),
        phase: release.phase().word(),
        stage_since: release.stage_since,
        kind: draft.bump.word(),
        title: draft.title.clone(),
        description: draft.description.clone(),
        priority: draft.priority.clone(),
        pilot: draft.pilot.clone(),
        service_id: draft.service.to_string(),
        service_slug: draft.service_slug.clone(),
        profile_id: plan.profile.map(|(id, _)| id.to_string()),
        profile_revision: plan.profile.map(|(_, revision)| revision),
        scm_integration_id: plan.scm.integration.to_string(),
        ticket_id: plan.tracker.as_ref().map(|it| it.integration.to_string()),
        communication_id: plan.chat.as_ref().map(|it| it.integration.to_string()),
        test_management_id: plan.testing.as_ref().map(|it| it.integration.to_string()),
        base_branch: plan.scm.base.to_string(),
        branch_release: release
            .branch
            .clone()
            .or_else(|| release.branch_name())
            .map(|name| text(&name)),
        base_sha: release.base_sha.as_ref().map(|sha| text(sha)),
        tag: release.tag.as_ref().map(|tag| text(tag)),
        notes: release.notes.clone(),
        kickoff_at: draft.kickoff_at,
        kickoff_reminder_at: draft.kickoff_reminder_at,
        target_date: draft.target_date,
        targets: plan
            .targets
            .iter()
            .map(|(key, plan)| target(release, *key, plan))
            .collect(),
        holds: holds(release),
        left_behind: left::left_behind(release)
            .into_iter()
            .map(|left| LeftView {
                kind: left.kind.word(),
                id: left.id,
                url: left.url,
                target: left.target.map(TargetKey::word),
            })
            .collect(),
        orchestration: OrchestrationView {
            last_sweep_at,
            next_wake_at: settle::dates(release).into_iter().min(),
            under_way,
        },
        created_at: release.created_at,
        updated_at: release.updated_at,
        tasks: include.tasks.then(|| tasks(release)),
        cycles: include.cycles.then(|| cycles(release)),
        builds: include.builds.then(|| builds(release)),
        slots: include.slots.then(|| slots(release)),
        approvals: include.approvals.then(|| approvals(release)),
        blockers: include
            .blockers
            .then(|| blockers.iter().cloned().map(BlockerView::from).collect()),
    }
}

fn target(release: &Release, key: TargetKey, plan: &TargetPlan) -> TargetView {
    let shipment = release.shipments.get(&key);
    let state = shipment.map(|it| &it.state);
    TargetView {
        target: key.word(),
        platform: key.platform().word(),
        channel: key.channel().word(),
        version: plan.version.to_string(),
        status: state.map_or_else(|| "PENDING".to_owned(), |it| it.status.clone()),
        exposure: state.map_or(0, |it| it.exposure),
        live: state.is_some_and(|it| it.live),
        builds: plan.builds.word(),
        store_integration_id: plan.store.map(|id| id.to_string()),
        submission_id: shipment.map(|it| it.submission.to_string()),
        rollout_id: shipment.and_then(|it| it.rollout).map(|id| id.to_string()),
        blocker: state.and_then(|it| it.blocker.clone()),
        store_words: state.and_then(|it| it.store_words.clone()),
        pipelines: pipelines(release, key, plan),
    }
}

/// Why a release does not advance.
pub(crate) fn holds(release: &Release) -> Vec<HoldView> {
    let all = hold::holds(release);
    all.iter().map(|it| held(release, it)).collect()
}

fn held(release: &Release, hold: &Hold) -> HoldView {
    let (detail, lifted_by) = sentences(release, hold);
    let mut view = HoldView {
        hold: hold.word(),
        detail,
        lifted_by,
        task: None,
        task_id: None,
        integration_id: None,
        stage: None,
        scope: None,
        by: None,
        target: None,
        submission_id: None,
        rollout_id: None,
    };
    match hold {
        Hold::UserPaused { by, .. } => view.by = Some(by.clone()),
        Hold::Blocked { by, scope, .. } => {
            view.by = Some(by.clone());
            view.scope = Some(scope.word());
        }
        Hold::TaskFailed { task } => {
            view.task = Some(task.to_string());
            view.task_id = Some(release.task_id(task).to_string());
        }
        Hold::IntegrationInvalid { integration } => view.integration_id = Some(integration.to_string()),
        Hold::AwaitingApproval { stage } => view.stage = Some(stage.word()),
        Hold::InStore { target, .. } => {
            let shipment = release.shipments.get(target);
            view.target = Some(target.word());
            view.submission_id = shipment.map(|it| it.submission.to_string());
            view.rollout_id = shipment.and_then(|it| it.rollout).map(|id| id.to_string());
        }
        Hold::AwaitingCycle | Hold::Drift { .. } | Hold::Quarantine { .. } => {}
    }
    view
}

fn sentences(release: &Release, hold: &Hold) -> (String, String) {
    let cause = |which: &dyn Fn(&delivr_domain::board::Task, &delivr_domain::report::Cause) -> bool| {
        release
            .failures()
            .find(|(task, cause)| which(task, cause))
            .map_or_else(String::new, |(task, cause)| {
                format!("{}: {}", task.key, cause.sentence)
            })
    };
    match hold {
        Hold::UserPaused { by, note } => {
            let why = note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
            (format!("paused by {by}{why}"), "resume".to_owned())
        }
        Hold::Blocked { by, reason, .. } => (format!("blocked by {by}: {reason}"), "unblock".to_owned()),
        Hold::TaskFailed { task } => (
            cause(&|it, _| it.key == *task),
            "retry, skip or complete the task".to_owned(),
        ),
        Hold::IntegrationInvalid { integration } => (
            cause(&|_, it| it.integration == Some(*integration)),
            "mend the integration and verify it".to_owned(),
        ),
        Hold::AwaitingApproval { stage } => (
            format!("{stage} waits for a person"),
            format!(
                "approvals where the plan asks for them, then {}",
                trigger_of(*stage)
            ),
        ),
        Hold::AwaitingCycle => (
            hold.sentence(),
            "a regression cycle, or a slot for one".to_owned(),
        ),
        Hold::Drift { sentence, .. } => (sentence.clone(), "clear-drift, saying what was done".to_owned()),
        Hold::InStore { stop, .. } => (hold.sentence(), moved_by(*stop).to_owned()),
        Hold::Quarantine { reason } => (format!("quarantined: {reason}"), "an operator".to_owned()),
    }
}

/// What moves a target again that stands still in its store.
const fn moved_by(stop: LaneStop) -> &'static str {
    match stop {
        LaneStop::SubmissionFailed => {
            "retry of the submission, once what the store objects to is gone; or cancel"
        }
        LaneStop::RolloutFailed => "retry of the rollout, or another decision on it",
        LaneStop::ActionRequired => "an action in the store's console, which is noticed by itself",
        LaneStop::RolloutHalted => "resume of the rollout, or close-rolled-back",
        LaneStop::RolloutPaused => "resume of the rollout",
        LaneStop::AwaitingSubmit => "submit of the submission",
        LaneStop::AwaitingUsers => "release of the submission",
        LaneStop::AwaitingAdvance => "advance or complete of the rollout",
    }
}

/// The last part of the path that lets a stage start.
pub(crate) const fn trigger_of(stage: GatedStage) -> &'static str {
    match stage {
        GatedStage::Regression => "trigger-regression-testing",
        GatedStage::PreRelease => "trigger-pre-release",
        GatedStage::Distribution => "trigger-distribution",
    }
}
