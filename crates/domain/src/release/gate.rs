//! Gates between stages: what must be true before the next stage starts, and what fails it, as named blockers.

use super::state::{CycleState, Decision, Release, Stage, Verdict};
use super::work;
use crate::board::{Lane, Task, TaskState};
use crate::effect::FactKind;
use crate::key::TargetKey;
use crate::names::Sha;
use crate::plan::{GatedStage, ShaOrigin};
use crate::ports::store::Fact;
use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A fact older than this is unknown, and unknown blocks.
pub const FACT_LIFETIME_SECONDS: i64 = 120;

/// What stops a stage from starting, and who can clear it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    /// Stable word.
    pub code: String,
    /// Who must do what.
    pub detail: String,
    /// Who can clear it: `MEMBER`, `ADMIN`, `TIME` or `VENDOR`.
    pub cleared_by: String,
}

impl Blocker {
    fn new(code: &str, detail: impl Into<String>, cleared_by: &str) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
            cleared_by: cleared_by.to_owned(),
        }
    }
}

/// What a gate is judged by beside the release: facts and the time.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The instant of the decision.
    pub now: Timestamp,
    /// Who acts: a principal's name, or `system`.
    pub actor: &'a str,
    /// Facts as last observed.
    pub facts: &'a BTreeMap<FactKind, Fact>,
}

impl Context<'_> {
    /// A fact, if it is known and fresh.
    #[must_use]
    pub fn fresh(&self, kind: FactKind) -> Option<&str> {
        let fact = self.facts.get(&kind)?;
        // From the future counts as old: one of the clocks is wrong.
        ((self.now - fact.observed_at).abs() <= Span::seconds(FACT_LIFETIME_SECONDS))
            .then_some(fact.value.as_str())
    }

    /// A fact as it was last read, however long ago: to say what was so, never to open a gate.
    fn last(&self, kind: FactKind) -> Option<&str> {
        self.facts.get(&kind).map(|fact| fact.value.as_str())
    }
}

/// The commit a decision at a gate is about.
#[must_use]
pub fn sha_at_gate(release: &Release) -> Option<Sha> {
    release
        .judged_cycle()
        .and_then(|cycle| cycle.sha.clone())
        .or_else(|| release.base_sha.clone())
}

/// How many approvals the stage still needs, counted per person and only for the commit at the gate.
#[must_use]
pub fn missing_approvals(release: &Release, stage: GatedStage) -> u8 {
    let quorum = release.plan().quorum.get(&stage).copied().unwrap_or(0);
    let sha = sha_at_gate(release);
    let mut latest: BTreeMap<&str, Decision> = BTreeMap::new();
    for approval in release
        .approvals
        .iter()
        .skip(release.rework.approvals_from)
        .filter(|it| it.stage == stage && it.sha == sha)
    {
        latest.insert(&approval.by, approval.decision);
    }
    let given = latest
        .values()
        .filter(|decision| **decision == Decision::Approved)
        .count();
    quorum.saturating_sub(u8::try_from(given).unwrap_or(u8::MAX))
}

/// Facts the gate into a stage needs.
#[must_use]
pub fn facts_needed(release: &Release, stage: GatedStage) -> Vec<FactKind> {
    match stage {
        GatedStage::Regression => Vec::new(),
        GatedStage::PreRelease if release.judged_cycle().is_some() => vec![FactKind::BranchHead],
        GatedStage::PreRelease => Vec::new(),
        GatedStage::Distribution => {
            let asks = release
                .plan()
                .tracker
                .as_ref()
                .is_some_and(|tracker| tracker.gate_on_approval);
            if asks && !super::catalogue::tickets(release).is_empty() {
                vec![FactKind::TicketsApproved]
            } else {
                Vec::new()
            }
        }
    }
}

/// Everything that keeps the stage from starting.
#[must_use]
pub fn blockers(release: &Release, stage: GatedStage, cx: &Context<'_>) -> Vec<Blocker> {
    let mut found = Vec::new();
    let missing = missing_approvals(release, stage);
    if missing > 0 {
        found.push(Blocker::new(
            "approval_missing",
            match missing {
                1 => format!("one more approval is needed to enter {stage}"),
                _ => format!("{missing} more approvals are needed to enter {stage}"),
            },
            "MEMBER",
        ));
    }
    match stage {
        GatedStage::Regression => {}
        GatedStage::PreRelease => pre_release(release, cx, &mut found),
        GatedStage::Distribution => distribution(release, cx, &mut found),
    }
    found
}

fn pre_release(release: &Release, cx: &Context<'_>, found: &mut Vec<Blocker>) {
    let Some(cycle) = release.judged_cycle() else {
        if !release.plan().allow_zero_cycles {
            found.push(Blocker::new(
                "no_cycle",
                "no regression cycle has been completed; start one",
                "MEMBER",
            ));
        }
        return;
    };
    if cycle.state != CycleState::Done {
        found.push(Blocker::new(
            "cycle_active",
            format!("regression cycle {} is still running", cycle.number),
            "TIME",
        ));
    }
    let judged = release.plan().testing.is_some() || release.plan().automation;
    match cycle.verdict {
        Verdict::Passed => {}
        Verdict::Failed => found.push(Blocker::new(
            "verdict_failed",
            format!(
                "regression cycle {} failed; run another one, or record a verdict with a reason",
                cycle.number
            ),
            "MEMBER",
        )),
        Verdict::Unknown if judged => found.push(Blocker::new(
            "verdict_unknown",
            format!(
                "nobody has said whether regression cycle {} passed; record its verdict",
                cycle.number
            ),
            "MEMBER",
        )),
        Verdict::Unknown => {}
    }
    match (cx.fresh(FactKind::BranchHead), cycle.sha.as_ref()) {
        (Some(head), Some(sha)) if head == sha.as_str() => {}
        (Some(head), Some(sha)) => found.push(Blocker::new(
            "untested_commits",
            format!(
                "the release branch is at {}, but cycle {} tested {}; run another cycle",
                head.get(..10).unwrap_or(head),
                cycle.number,
                sha.brief()
            ),
            "MEMBER",
        )),
        // A branch that was ahead of the test does not come back by itself, however long ago it was seen.
        (None, Some(sha))
            if cx
                .last(FactKind::BranchHead)
                .is_some_and(|head| head != sha.as_str()) =>
        {
            found.push(Blocker::new(
                "untested_commits",
                format!(
                    "the release branch was not at {}, which cycle {} tested, when it was last read; run another cycle, \
                     or set the branch right",
                    sha.brief(),
                    cycle.number
                ),
                "MEMBER",
            ));
        }
        (None, _) | (_, None) => {
            found.push(not_evaluated(
                cx,
                FactKind::BranchHead,
                "the release branch's head",
            ));
        }
    }
}

fn not_evaluated(cx: &Context<'_>, kind: FactKind, what: &str) -> Blocker {
    match cx.last(kind) {
        Some(_) => Blocker::new(
            "gate_not_evaluated",
            format!("{what} was last read more than two minutes ago; it is read again when somebody goes on"),
            "MEMBER",
        ),
        None => Blocker::new(
            "gate_not_evaluated",
            format!("{what} could not be read yet; try again"),
            "VENDOR",
        ),
    }
}

fn distribution(release: &Release, cx: &Context<'_>, found: &mut Vec<Blocker>) {
    if facts_needed(release, GatedStage::Distribution).contains(&FactKind::TicketsApproved) {
        match cx.fresh(FactKind::TicketsApproved) {
            Some("approved") => {}
            Some(waiting) => found.push(Blocker::new(
                "tickets_not_approved",
                format!("not approved yet: {waiting}"),
                "MEMBER",
            )),
            None => found.push(not_evaluated(cx, FactKind::TicketsApproved, "the tickets' state")),
        }
    }
    let pinned = release.shipped_sha();
    // What is out already stays as it is when the rest is sent back: nobody builds it anew.
    let targets = release.plan().targets.keys();
    for target in targets.filter(|target| target.is_store() && !release.is_out(**target)) {
        let Some(build) = release.store_build(*target) else {
            found.push(Blocker::new(
                "build_missing",
                format!("there is no store build for {target} yet"),
                "MEMBER",
            ));
            continue;
        };
        if build.build_number.is_none() {
            found.push(Blocker::new(
                "build_not_named",
                format!("the build for {target} has no number; name the one it has in the store"),
                "MEMBER",
            ));
        }
        if !release.plan().sha_origins.contains(&build.origin) {
            let detail = format!(
                "the build for {target} does not say which commit it was built from ({})",
                build.origin
            );
            found.push(Blocker::new("build_commit_unknown", detail, "ADMIN"));
        }
        if build.origin != ShaOrigin::Absent && pinned.is_some() && build.sha.as_ref() != pinned {
            found.push(Blocker::new(
                "build_of_other_commit",
                format!("the build for {target} was not made from the tested commit"),
                "MEMBER",
            ));
        }
    }
}

/// Store targets whose build nobody can name: there is none, or it has no number.
pub fn unnamed_builds(release: &Release) -> impl Iterator<Item = TargetKey> {
    let targets = release.plan().targets.keys().copied();
    targets.filter(|target| {
        target.is_store() && !release.is_out(*target) && store_build_number(release, *target).is_none()
    })
}

/// The number the store knows the target's build by.
#[must_use]
pub fn store_build_number(release: &Release, target: TargetKey) -> Option<String> {
    release
        .store_build(target)
        .and_then(|build| build.build_number.clone())
        .filter(|number| !number.is_empty())
}

/// Whether a task's build may be uploaded by a person now. A store build that was left out or done by hand may still be
/// named until its target is shipped: the gate asks for it.
#[must_use]
pub fn accepts_upload(release: &Release, task: &Task) -> bool {
    if !work::makes_build(task.key.kind) || release.terminal() {
        return false;
    }
    match task.state {
        TaskState::AwaitingManual { .. } | TaskState::Failed { .. } | TaskState::Pending => true,
        TaskState::Skipped { .. } | TaskState::Completed { .. } => task.key.target.is_some_and(|target| {
            task.lane == Lane::PreRelease
                && matches!(release.stage, Stage::PreRelease | Stage::AwaitingDistribution)
                && store_build_number(release, target).is_none()
        }),
        TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Cancelled => false,
    }
}
