//! Parts of a release: slots, cycles, builds, decisions, pipelines.

use super::artifacts::ArtifactView;
use chrono::{DateTime, Utc};
use delivr_domain::board::{Task, TaskState};
use delivr_domain::key::TargetKey;
use delivr_domain::plan::TargetPlan;
use delivr_domain::release::state::{Approval, Build, Cycle, Slot};
use delivr_domain::release::{Release, work};
use delivr_domain::report::Finding;
use serde::Serialize;
use utoipa::ToSchema;

/// A planned regression cycle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlotView {
    pub(crate) id: String,
    /// When it runs.
    at: DateTime<Utc>,
    /// BUILD or NO_BUILD.
    builds: &'static str,
    /// RUN or NO_RUN.
    automation: &'static str,
    /// What happens when its time passed unused: RUN_LATE or SKIP.
    missed: &'static str,
}

/// A slot.
pub(crate) fn slot(slot: &Slot) -> SlotView {
    SlotView {
        id: slot.id.to_string(),
        at: slot.at,
        builds: slot.builds.word(),
        automation: slot.automation.word(),
        missed: slot.missed.word(),
    }
}

/// Slots not used yet, the earliest first.
pub(crate) fn slots(release: &Release) -> Vec<SlotView> {
    let mut all: Vec<&Slot> = release.slots.values().collect();
    all.sort_by_key(|it| (it.at, it.id));
    all.into_iter().map(slot).collect()
}

/// An executed regression cycle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CycleView {
    pub(crate) id: String,
    /// 1 is the first.
    number: u16,
    /// IN_PROGRESS, DONE or ABANDONED.
    status: &'static str,
    /// PASSED, FAILED or UNKNOWN.
    verdict: &'static str,
    verdict_note: Option<String>,
    /// Commit it tests, once pinned.
    sha: Option<String>,
    /// Its tag, once made.
    tag: Option<String>,
    builds: &'static str,
    automation: &'static str,
    /// Counts of its test cases over all targets, once test management has told them.
    tests: Option<TestsView>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

/// Counts of test cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TestsView {
    total: u32,
    passed: u32,
    failed: u32,
    /// Without a result.
    untested: u32,
}

/// What test management has told of a cycle, over all targets; none when it has told nothing.
fn tests(release: &Release, number: u16) -> Option<TestsView> {
    let told = release.board.iter().filter(|task| task.key.cycle == Some(number));
    let told = told.filter_map(|task| match task.finding() {
        Some(Finding::Totals { totals }) => Some(*totals),
        Some(
            Finding::Head { .. }
            | Finding::Notes { .. }
            | Finding::StoreBuild { .. }
            | Finding::Exposure { .. },
        )
        | None => None,
    });
    told.fold(None, |sum: Option<TestsView>, it| {
        let sum = sum.unwrap_or_default();
        Some(TestsView {
            total: sum.total.saturating_add(it.total),
            passed: sum.passed.saturating_add(it.passed),
            failed: sum.failed.saturating_add(it.failed),
            untested: sum.untested.saturating_add(it.untested),
        })
    })
}

/// A cycle.
pub(crate) fn cycle(release: &Release, cycle: &Cycle) -> CycleView {
    CycleView {
        tests: tests(release, cycle.number),
        id: cycle.id.to_string(),
        number: cycle.number,
        status: cycle.state.word(),
        verdict: cycle.verdict.word(),
        verdict_note: cycle.verdict_note.clone(),
        sha: cycle.sha.as_ref().map(ToString::to_string),
        tag: cycle.tag.as_ref().map(ToString::to_string),
        builds: cycle.builds.word(),
        automation: cycle.automation.word(),
        started_at: cycle.started_at,
        ended_at: cycle.ended_at,
    }
}

/// Cycles, the oldest first.
pub(crate) fn cycles(release: &Release) -> Vec<CycleView> {
    release.cycles.iter().map(|it| cycle(release, it)).collect()
}

/// An artifact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildView {
    pub(crate) id: String,
    target: &'static str,
    platform: &'static str,
    /// The task that made it.
    task: String,
    task_id: String,
    cycle: Option<u16>,
    build_number: Option<String>,
    build_url: Option<String>,
    /// AVAILABLE, or COMMIT_UNKNOWN where nobody says which commit it is of.
    build_status: &'static str,
    artifact_url: Option<String>,
    /// Whether its run should have left a file and did not.
    lacks_file: bool,
    sha: Option<String>,
    /// How the commit is known: OBSERVED, DECLARED or ABSENT.
    sha_origin: &'static str,
    at: DateTime<Utc>,
    /// Its file, where one was handed in; told by the list of builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact: Option<ArtifactView>,
}

/// A build.
pub(crate) fn build(release: &Release, build: &Build) -> BuildView {
    BuildView {
        id: build.id.to_string(),
        target: build.target.word(),
        platform: build.target.platform().word(),
        task: build.task.to_string(),
        task_id: release.task_id(&build.task).to_string(),
        cycle: build.task.cycle,
        build_number: build.build_number.clone(),
        build_url: build.url.clone(),
        build_status: if build.sha.is_some() {
            "AVAILABLE"
        } else {
            "COMMIT_UNKNOWN"
        },
        artifact_url: build.artifact_url.clone(),
        lacks_file: build.lacks_file(),
        sha: build.sha.as_ref().map(ToString::to_string),
        sha_origin: build.origin.word(),
        at: build.at,
        artifact: None,
    }
}

/// Builds, the oldest first.
pub(crate) fn builds(release: &Release) -> Vec<BuildView> {
    release.builds.iter().map(|it| build(release, it)).collect()
}

/// A decision at a gate.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalView {
    pub(crate) stage: &'static str,
    by: String,
    /// APPROVED or REJECTED.
    decision: &'static str,
    /// The commit it was taken on; it counts for no other one.
    sha: Option<String>,
    comment: Option<String>,
    pub(crate) at: DateTime<Utc>,
}

/// A decision.
pub(crate) fn approval(approval: &Approval) -> ApprovalView {
    ApprovalView {
        stage: approval.stage.word(),
        by: approval.by.clone(),
        decision: approval.decision.word(),
        sha: approval.sha.as_ref().map(ToString::to_string),
        comment: approval.comment.clone(),
        at: approval.at,
    }
}

/// Decisions, the oldest first.
pub(crate) fn approvals(release: &Release) -> Vec<ApprovalView> {
    release.approvals.iter().map(approval).collect()
}

/// A pipeline of a release with its last run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetPipelineView {
    pipeline_id: String,
    purpose: &'static str,
    integration_id: String,
    /// Job or workflow.
    job: String,
    /// Whether it was started for this release.
    triggered: bool,
    build_number: Option<String>,
    build_url: Option<String>,
    /// PENDING, RUNNING, SUCCESS or FAILURE, of the last run.
    build_status: &'static str,
    artifact_url: Option<String>,
}

/// Pipelines of a target.
pub(crate) fn pipelines(release: &Release, target: TargetKey, plan: &TargetPlan) -> Vec<TargetPipelineView> {
    let view = |(purpose, pipeline): (
        &delivr_domain::plan::Purpose,
        &delivr_domain::plan::PlannedPipeline,
    )| {
        let task = release
            .board
            .iter()
            .filter(|it| it.key.target == Some(target) && work::purpose_of(it.key.kind) == Some(*purpose))
            .max_by_key(|it| (it.started_at, it.key));
        let product = task.and_then(Task::product);
        let reference = task.and_then(Task::reference);
        TargetPipelineView {
            pipeline_id: pipeline.pipeline.to_string(),
            purpose: purpose.word(),
            integration_id: pipeline.integration.to_string(),
            job: pipeline.job.clone(),
            triggered: reference.is_some(),
            build_number: product.and_then(|it| it.build_number.clone().or_else(|| it.number.clone())),
            build_url: product
                .and_then(|it| it.url.clone())
                .or_else(|| reference.and_then(|it| it.url.clone())),
            build_status: task.map_or("PENDING", |it| run_word(&it.state)),
            artifact_url: product.and_then(|it| it.artifact_url.clone()),
        }
    };
    plan.pipelines.iter().map(view).collect()
}

/// The seeds' word for a run, from the state of its task.
const fn run_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Running { .. } | TaskState::AwaitingCallback { .. } | TaskState::AwaitingChild { .. } => {
            "RUNNING"
        }
        TaskState::Completed { .. } => "SUCCESS",
        TaskState::Failed { .. } => "FAILURE",
        TaskState::Pending
        | TaskState::AwaitingManual { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => "PENDING",
    }
}
