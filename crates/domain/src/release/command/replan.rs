//! Taking up a changed profile: the difference between the frozen plan and the one that would be made now, and which of it
//! may still change.
//!
//! What has happened is not planned anew. A change that comes too late is refused by name, and nothing is changed then.

use super::{Rejection, illegal};
use crate::board::{Task, TaskState};
use crate::key::{TaskKey, TaskKind};
use crate::plan::Plan;
use crate::release::event::Event;
use crate::release::state::{Release, Stage};
use crate::report::Outcome;
use serde::Serialize;
use serde_json::Value;

/// One difference between two plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanChange {
    /// JSON pointer into the plan.
    pub pointer: String,
    /// The frozen plan's value; null where it has none.
    pub before: Value,
    /// The new plan's value; null where it has none.
    pub after: Value,
    /// Why it can no longer change, if it cannot.
    pub refused: Option<String>,
}

/// Every difference, with what can no longer change.
#[must_use]
pub fn changes(release: &Release, plan: &Plan) -> Vec<PlanChange> {
    let mut found = Vec::new();
    if let (Ok(before), Ok(after)) = (serde_json::to_value(release.plan()), serde_json::to_value(plan)) {
        compare("", &before, &after, &mut found);
    }
    for change in &mut found {
        let last = changeable_until(&change.pointer);
        if rank(release.stage) > rank(last) {
            change.refused = Some(format!(
                "this can change until {last}, and the release is {}",
                release.stage
            ));
        }
    }
    found
}

fn compare(pointer: &str, before: &Value, after: &Value, found: &mut Vec<PlanChange>) {
    if before == after {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        for (name, value) in old {
            let at = format!("{pointer}/{}", escaped(name));
            compare(&at, value, new.get(name).unwrap_or(&Value::Null), found);
        }
        for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            compare(
                &format!("{pointer}/{}", escaped(name)),
                &Value::Null,
                value,
                found,
            );
        }
        return;
    }
    found.push(PlanChange {
        pointer: pointer.to_owned(),
        before: before.clone(),
        after: after.clone(),
        refused: None,
    });
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The last stage in which a field of the plan may change.
fn changeable_until(pointer: &str) -> Stage {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    match parts.as_slice() {
        ["scm", "rc_tag", ..] | ["pre_regression_builds" | "automation" | "allow_zero_cycles", ..] => {
            Stage::AwaitingRegression
        }
        ["scm", "release_tag" | "publishes_releases" | "previous_tag", ..] => Stage::AwaitingPreRelease,
        ["targets", _, "store" | "settings" | "notes", ..] => Stage::AwaitingDistribution,
        ["scm", "merge_back", ..]
        | ["tracker", "gate_on_approval" | "close_tickets", ..]
        | ["testing", "pass_threshold", ..] => Stage::AwaitingDistribution,
        ["targets", _, "pipelines" | "builds", ..] => Stage::AwaitingDistribution,
        [
            "profile" | "chat" | "auto_start" | "quorum" | "sha_origins" | "deadlines" | "left_out",
            ..,
        ] => Stage::Distribution,
        // Repository, branch, trackers, test management, targets and their versions: names that exist at vendors.
        _ => Stage::NotStarted,
    }
}

const fn rank(stage: Stage) -> u8 {
    match stage {
        Stage::NotStarted => 0,
        Stage::Kickoff => 1,
        Stage::AwaitingRegression => 2,
        Stage::Regression => 3,
        Stage::AwaitingPreRelease => 4,
        Stage::PreRelease => 5,
        Stage::AwaitingDistribution => 6,
        Stage::Distribution => 7,
        Stage::Completed => 8,
        Stage::RolledBack | Stage::Archived => 9,
    }
}

/// Whether a task has begun something at a vendor that only its present integration and job can find again.
fn is_bound(task: &Task) -> bool {
    match &task.state {
        TaskState::Running { .. } | TaskState::AwaitingCallback { .. } => true,
        // A spent object is made anew in any case.
        TaskState::Failed { outcome, .. } => match outcome {
            Outcome::Unknown => true,
            Outcome::NotDone => !task.done.is_empty(),
            Outcome::Spent => false,
        },
        TaskState::Pending => task.parked || !task.done.is_empty() || task.started_at.is_some(),
        TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => false,
    }
}

/// Whether a task is still to wait for a run that its trigger has started: the run is at the CI system, and under the
/// number, of the plan it was started by.
fn waits_for_run(release: &Release, task: &Task) -> bool {
    let waits = match &task.state {
        TaskState::Pending => true,
        // A spent run is started anew in any case.
        TaskState::Failed { outcome, .. } => *outcome != Outcome::Spent,
        TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => false,
    };
    let trigger = TaskKey {
        kind: TaskKind::TriggerAutomationRuns,
        ..task.key
    };
    waits
        && task.key.kind == TaskKind::AutomationRuns
        && release
            .board
            .find(&trigger)
            .is_some_and(|it| matches!(it.state, TaskState::Completed { .. }))
}

pub(super) fn replan(release: &Release, plan: &Plan) -> Result<Vec<Event>, Rejection> {
    let found = changes(release, plan);
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let late: Vec<String> = found
        .iter()
        .filter_map(|change| {
            change
                .refused
                .as_ref()
                .map(|why| format!("{}: {why}", change.pointer))
        })
        .collect();
    if !late.is_empty() {
        return illegal("replan_too_late", late.join("; "));
    }
    // What is under way at a vendor was formed from the old plan and must be judged by it.
    let busy: Vec<String> = release
        .board
        .iter()
        .filter(|task| is_bound(task) || waits_for_run(release, task))
        .map(|task| task.key.to_string())
        .collect();
    if !busy.is_empty() {
        return illegal(
            "tasks_running",
            format!(
                "these are bound to the present plan by what they have begun: {}; pause the release, wait for them, \
                 try failed ones again or leave them out, then change the plan",
                busy.join(", ")
            ),
        );
    }
    Ok(vec![Event::Replanned {
        plan: Box::new(plan.clone()),
        changed: found.into_iter().map(|change| change.pointer).collect(),
    }])
}
