//! Which tasks a stage or cycle consists of, as a graph with per-target fan-out.

use super::state::{AutomationWanted, BuildsWanted, Release};
use crate::board::{Lane, PlannedTask};
use crate::key::{TargetKey, TaskKey, TaskKind};
use crate::plan::{Plan, Purpose};
use std::collections::BTreeSet;

fn planned(plan: &Plan, lane: Lane, key: TaskKey, after: impl IntoIterator<Item = TaskKey>) -> PlannedTask {
    PlannedTask {
        key,
        lane,
        after: after.into_iter().collect(),
        skipped: plan.left_out.get(&key.kind).cloned(),
    }
}

/// Tasks of KICKOFF.
#[must_use]
pub fn kickoff(release: &Release) -> Vec<PlannedTask> {
    let plan = release.plan();
    let fork = TaskKey::once(TaskKind::ForkBranch);
    let mut tasks = vec![planned(plan, Lane::Kickoff, fork, [])];
    for target in plan.targets.keys().copied() {
        if plan.tracker.is_some() {
            tasks.push(planned(
                plan,
                Lane::Kickoff,
                TaskKey::once(TaskKind::CreateProjectManagementTicket).target(target),
                [],
            ));
        }
        if plan.testing.is_some() {
            tasks.push(planned(
                plan,
                Lane::Kickoff,
                TaskKey::once(TaskKind::CreateTestSuite).target(target),
                [],
            ));
        }
        if plan.pre_regression_builds {
            tasks.push(planned(
                plan,
                Lane::Kickoff,
                TaskKey::once(TaskKind::TriggerPreRegressionBuilds).target(target),
                [fork],
            ));
        }
    }
    tasks
}

/// Tasks of a regression cycle.
#[must_use]
pub fn cycle(
    release: &Release,
    number: u16,
    builds: BuildsWanted,
    automation: AutomationWanted,
) -> Vec<PlannedTask> {
    let plan = release.plan();
    let tag = TaskKey::once(TaskKind::CreateRcTag).cycle(number);
    let mut tasks = vec![
        planned(plan, Lane::Regression, tag, []),
        planned(
            plan,
            Lane::Regression,
            TaskKey::once(TaskKind::CreateReleaseNotes).cycle(number),
            [tag],
        ),
    ];
    for target in plan.targets.keys().copied() {
        // The tag too: an uploaded build may be there before it, and automation runs on the tag.
        let mut before_automation = BTreeSet::from([tag]);
        if plan.testing.is_some() && number > 1 {
            let reset = TaskKey::once(TaskKind::ResetTestSuite)
                .target(target)
                .cycle(number);
            tasks.push(planned(plan, Lane::Regression, reset, []));
            before_automation.insert(reset);
        }
        if builds == BuildsWanted::Build {
            let build = TaskKey::once(TaskKind::TriggerRegressionBuilds)
                .target(target)
                .cycle(number);
            tasks.push(planned(plan, Lane::Regression, build, [tag]));
            before_automation.insert(build);
        }
        if runs_automation(plan, target) && automation == AutomationWanted::Run {
            let trigger = TaskKey::once(TaskKind::TriggerAutomationRuns)
                .target(target)
                .cycle(number);
            tasks.push(planned(plan, Lane::Regression, trigger, before_automation));
            let runs = TaskKey::once(TaskKind::AutomationRuns)
                .target(target)
                .cycle(number);
            tasks.push(planned(plan, Lane::Regression, runs, [trigger]));
        }
    }
    tasks
}

/// Whether the target's cycles run automation.
#[must_use]
pub fn runs_automation(plan: &Plan, target: TargetKey) -> bool {
    plan.automation
        && plan
            .targets
            .get(&target)
            .is_some_and(|it| it.pipelines.contains_key(&Purpose::Automation))
}

/// Tasks of PRE_RELEASE.
#[must_use]
pub fn pre_release(release: &Release) -> Vec<PlannedTask> {
    let plan = release.plan();
    let tag = TaskKey::once(TaskKind::CreateReleaseTag);
    let mut tasks = vec![
        planned(plan, Lane::PreRelease, tag, []),
        planned(
            plan,
            Lane::PreRelease,
            TaskKey::once(TaskKind::CreateFinalReleaseNotes),
            [tag],
        ),
    ];
    for target in plan.targets.keys().copied() {
        let kind = match target {
            TargetKey::IosAppStore => TaskKind::TriggerTestFlightBuild,
            TargetKey::AndroidPlayStore => TaskKind::CreateAabBuild,
            TargetKey::WebEnvironment | TargetKey::ServiceEnvironment => continue,
        };
        tasks.push(planned(
            plan,
            Lane::PreRelease,
            TaskKey::once(kind).target(target),
            [tag],
        ));
    }
    tasks
}

/// Tasks of DISTRIBUTION.
#[must_use]
pub fn distribution(release: &Release) -> Vec<PlannedTask> {
    let plan = release.plan();
    let ships: Vec<TaskKey> = plan.targets.keys().map(|target| ship_task(*target)).collect();
    let mut tasks: Vec<PlannedTask> = ships
        .iter()
        .map(|key| planned(plan, Lane::Distribution, *key, []))
        .collect();
    if plan.scm.merge_back {
        tasks.push(planned(
            plan,
            Lane::Distribution,
            TaskKey::once(TaskKind::MergeBack),
            ships.clone(),
        ));
    }
    if plan.tracker.as_ref().is_some_and(|tracker| tracker.close_tickets) {
        tasks.push(planned(
            plan,
            Lane::Distribution,
            TaskKey::once(TaskKind::CloseReleaseTickets),
            ships,
        ));
    }
    tasks
}

/// The task that ships a target.
#[must_use]
pub const fn ship_task(target: TargetKey) -> TaskKey {
    let kind = if target.is_store() {
        TaskKind::SubmitToStore
    } else {
        TaskKind::Deploy
    };
    TaskKey::once(kind).target(target)
}

/// Clean-up asked for with an archive.
#[must_use]
pub fn clean_up(release: &Release, close_tickets: bool, delete_branch: bool) -> Vec<PlannedTask> {
    let plan = release.plan();
    let mut tasks = Vec::new();
    if close_tickets && plan.tracker.is_some() && !tickets(release).is_empty() {
        tasks.push(planned(
            plan,
            Lane::CleanUp,
            TaskKey::once(TaskKind::CleanupCloseTickets),
            [],
        ));
    }
    if delete_branch && release.branch.is_some() && plan.scm.existing_branch.is_none() {
        tasks.push(planned(
            plan,
            Lane::CleanUp,
            TaskKey::once(TaskKind::CleanupDeleteBranch),
            [],
        ));
    }
    tasks
}

/// Vendor ids of the release's tickets.
#[must_use]
pub fn tickets(release: &Release) -> Vec<String> {
    release
        .board
        .iter()
        .filter(|task| task.key.kind == TaskKind::CreateProjectManagementTicket)
        .filter_map(|task| task.reference().map(|reference| reference.id.clone()))
        .collect()
}
