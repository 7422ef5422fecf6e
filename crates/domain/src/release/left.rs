//! What a release that was given up has left at vendors. Runs are stopped, and tickets and the branch go when that was
//! asked for; the rest stays where it is, and whoever tidies up needs a list of it.

use super::state::{Release, Stage};
use crate::board::Task;
use crate::effect::Reference;
use crate::key::{TargetKey, TaskKey, TaskKind, words};

words! {
    /// A kind of thing that stays at a vendor.
    LeftKind ("kind of what is left") {
        /// The release branch.
        Branch = "BRANCH",
        /// A tag.
        Tag = "TAG",
        /// A ticket that was not closed.
        Ticket = "TICKET",
        /// A test run.
        TestRun = "TEST_RUN",
        /// A build that a store has.
        StoreBuild = "STORE_BUILD",
        /// A version that a store has and that reached nobody by this release.
        StoreVersion = "STORE_VERSION",
    }
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What kind of thing.
    pub kind: LeftKind,
    /// The vendor's own name of it.
    pub id: String,
    /// Where a person can look at it.
    pub url: Option<String>,
    /// Whose, where it belongs to one target.
    pub target: Option<TargetKey>,
}

/// What is left, in the order it was planned in. Nothing of a release that goes on, or that everybody has.
#[must_use]
pub fn left_behind(release: &Release) -> Vec<Left> {
    if !matches!(release.stage, Stage::Archived | Stage::RolledBack) {
        return Vec::new();
    }
    let cleaned = |kind: TaskKind| {
        let task = release.board.find(&TaskKey::once(kind));
        task.is_some_and(|task| task.state.word() == "COMPLETED")
    };
    let mut all: Vec<Left> = release
        .board
        .iter()
        .filter_map(|task| {
            let kind = kind_of(task.key.kind)?;
            let gone = match kind {
                LeftKind::Branch => {
                    release.plan().scm.existing_branch.is_some() || cleaned(TaskKind::CleanupDeleteBranch)
                }
                LeftKind::Ticket => {
                    cleaned(TaskKind::CleanupCloseTickets) || cleaned(TaskKind::CloseReleaseTickets)
                }
                LeftKind::Tag | LeftKind::TestRun | LeftKind::StoreBuild | LeftKind::StoreVersion => false,
            };
            (!gone).then(|| of_task(kind, task)).flatten()
        })
        .collect();
    all.extend(release.builds.iter().filter_map(|build| {
        let in_a_store = matches!(
            build.task.kind,
            TaskKind::TriggerTestFlightBuild | TaskKind::CreateAabBuild
        );
        Some(Left {
            kind: LeftKind::StoreBuild,
            id: build.build_number.clone().filter(|_number| in_a_store)?,
            url: build.url.clone(),
            target: Some(build.target),
        })
    }));
    all.extend(release.shipments.iter().filter_map(|(target, shipment)| {
        let plan = release.plan().targets.get(target)?;
        // What a store never took in hand is nowhere; what users have is no left-over.
        (shipment.state.store_words.is_some() && shipment.state.exposure == 0).then(|| Left {
            kind: LeftKind::StoreVersion,
            id: format!("{} ({})", plan.version, shipment.state.status),
            url: None,
            target: Some(*target),
        })
    }));
    all.sort_by_key(|left| left.kind);
    all
}

const fn kind_of(task: TaskKind) -> Option<LeftKind> {
    match task {
        TaskKind::ForkBranch => Some(LeftKind::Branch),
        TaskKind::CreateRcTag | TaskKind::CreateReleaseTag => Some(LeftKind::Tag),
        TaskKind::CreateProjectManagementTicket => Some(LeftKind::Ticket),
        TaskKind::CreateTestSuite => Some(LeftKind::TestRun),
        TaskKind::TriggerPreRegressionBuilds
        | TaskKind::ResetTestSuite
        | TaskKind::CreateReleaseNotes
        | TaskKind::TriggerRegressionBuilds
        | TaskKind::TriggerAutomationRuns
        | TaskKind::AutomationRuns
        | TaskKind::TriggerTestFlightBuild
        | TaskKind::CreateAabBuild
        | TaskKind::CreateFinalReleaseNotes
        | TaskKind::SubmitToStore
        | TaskKind::Deploy
        | TaskKind::MergeBack
        | TaskKind::CloseReleaseTickets
        | TaskKind::CleanupCloseTickets
        | TaskKind::CleanupDeleteBranch
        | TaskKind::PrepareSubmission
        | TaskKind::SubmitForReview
        | TaskKind::AwaitReview
        | TaskKind::ReleaseToUsers
        | TaskKind::WithdrawSubmission
        | TaskKind::SetExposure
        | TaskKind::PauseRollout
        | TaskKind::ResumeRollout
        | TaskKind::HaltRollout
        | TaskKind::WatchRollout
        | TaskKind::CompleteRollout => None,
    }
}

fn of_task(kind: LeftKind, task: &Task) -> Option<Left> {
    let Reference { id, url, .. } = task.reference()?;
    Some(Left {
        kind,
        id: id.clone(),
        url: url.clone(),
        target: task.key.target,
    })
}
