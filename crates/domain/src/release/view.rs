//! How a release is seen: board status and phase as pure functions of its state, and the rows it is found by.

use super::state::{Phase, Release, Stage};
use crate::ids::TaskId;
use crate::key::words;
use crate::plan::ShaOrigin;
use crate::ports::store::{BuildRow, CycleRow, Projection, TargetRow, TaskRow};
use serde_json::json;

words! {
    /// The board view of a release (seed 002).
    Status ("release status") {
        /// Being planned.
        Planning = "PLANNING",
        /// In development.
        InDevelopment = "IN_DEVELOPMENT",
        /// In review.
        InReview = "IN_REVIEW",
        /// Ready for staging.
        ReadyStaging = "READY_STAGING",
        /// In staging.
        InStaging = "IN_STAGING",
        /// Verified in staging.
        StagingVerified = "STAGING_VERIFIED",
        /// Ready for production.
        ReadyProduction = "READY_PRODUCTION",
        /// Deployed.
        Deployed = "DEPLOYED",
        /// Cancelled.
        Cancelled = "CANCELLED",
        /// Rolled back.
        RolledBack = "ROLLED_BACK",
    }
}

impl Release {
    /// The orchestration view.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.stage {
            Stage::NotStarted => Phase::NotStarted,
            Stage::Kickoff => Phase::Kickoff,
            Stage::AwaitingRegression => Phase::AwaitingRegression,
            Stage::Regression if self.active_cycle().is_some() => Phase::Regression,
            Stage::Regression => Phase::RegressionAwaitingNextCycle,
            Stage::AwaitingPreRelease => Phase::AwaitingPreRelease,
            Stage::PreRelease => Phase::PreRelease,
            Stage::AwaitingDistribution => Phase::AwaitingDistribution,
            Stage::Distribution => Phase::Distribution,
            Stage::Completed => Phase::Completed,
            Stage::RolledBack => Phase::RolledBack,
            Stage::Archived => Phase::Archived,
        }
    }

    /// The board view.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.phase() {
            Phase::NotStarted => Status::Planning,
            Phase::Kickoff => Status::InDevelopment,
            Phase::AwaitingRegression => Status::InReview,
            Phase::RegressionAwaitingNextCycle => Status::ReadyStaging,
            Phase::Regression => Status::InStaging,
            Phase::AwaitingPreRelease => Status::StagingVerified,
            Phase::PreRelease | Phase::AwaitingDistribution => Status::ReadyProduction,
            Phase::Distribution if self.every_target_live() => Status::Deployed,
            Phase::Distribution => Status::ReadyProduction,
            Phase::Completed => Status::Deployed,
            Phase::RolledBack => Status::RolledBack,
            Phase::Archived => Status::Cancelled,
        }
    }

    /// Whether every target's shipping task is done.
    #[must_use]
    pub fn every_target_live(&self) -> bool {
        let mut ships = self
            .plan()
            .targets
            .keys()
            .map(|target| super::catalogue::ship_task(*target))
            .peekable();
        ships.peek().is_some()
            && ships.all(|key| self.board.find(&key).is_some_and(|task| task.state.settled()))
    }

    /// The id of a task as the API shows it.
    #[must_use]
    pub fn task_id(&self, key: &crate::key::TaskKey) -> TaskId {
        TaskId::derived(&[self.draft.id.uuid().as_bytes(), key.to_string().as_bytes()])
    }

    /// Columns and rows derived from the state.
    #[must_use]
    pub fn projection(&self) -> Projection {
        let plan = self.plan();
        let mut integrations = vec![plan.scm.integration];
        integrations.extend(plan.tracker.as_ref().map(|it| it.integration));
        integrations.extend(plan.testing.as_ref().map(|it| it.integration));
        integrations.extend(plan.chat.as_ref().map(|it| it.integration));
        for target in plan.targets.values() {
            integrations.extend(target.store);
            integrations.extend(target.pipelines.values().map(|pipeline| pipeline.integration));
        }
        integrations.sort_unstable();
        integrations.dedup();
        Projection {
            key: self.key(),
            number: self.draft.number,
            title: self.draft.title.clone(),
            status: self.status().word().to_owned(),
            phase: self.phase().word().to_owned(),
            parent: Some(self.draft.service.uuid()),
            version: self.version_name(),
            terminal: self.terminal() || self.stage == Stage::Completed,
            created_at: Some(self.created_at),
            kickoff_at: Some(self.draft.kickoff_at),
            target_date: self.draft.target_date,
            integrations,
            tasks: self.task_rows(),
            cycles: self.cycle_rows(),
            builds: self.build_rows(),
            targets: self.target_rows(),
        }
    }

    fn task_rows(&self) -> Vec<TaskRow> {
        let row = |task: &crate::board::Task| TaskRow {
            id: self.task_id(&task.key).uuid(),
            key: task.key.to_string(),
            kind: task.key.kind.word().to_owned(),
            stage: task.lane.word().to_owned(),
            status: task.state.word().to_owned(),
            external_id: task.reference().map(|reference| reference.id.clone()),
            external_data: json!({ "steps": task.done, "state": task.state }),
        };
        self.board.iter().map(row).collect()
    }

    fn cycle_rows(&self) -> Vec<CycleRow> {
        let row = |cycle: &super::state::Cycle| CycleRow {
            id: cycle.id.uuid(),
            number: cycle.number,
            status: cycle.state.word().to_owned(),
            tag: cycle.tag.as_ref().map(ToString::to_string),
            sha: cycle.sha.as_ref().map(ToString::to_string),
        };
        self.cycles.iter().map(row).collect()
    }

    fn build_rows(&self) -> Vec<BuildRow> {
        let row = |build: &super::state::Build| BuildRow {
            id: build.id.uuid(),
            target: build.target.word().to_owned(),
            status: if build.origin == ShaOrigin::Absent {
                "COMMIT_UNKNOWN"
            } else {
                "AVAILABLE"
            }
            .to_owned(),
            build_number: build.build_number.clone(),
            sha: build.sha.as_ref().map(ToString::to_string),
            correlation: None,
        };
        self.builds.iter().map(row).collect()
    }

    fn target_rows(&self) -> Vec<TargetRow> {
        let row = |(target, plan): (&crate::key::TargetKey, &crate::plan::TargetPlan)| {
            let shipment = self.shipments.get(target);
            TargetRow {
                target: target.word().to_owned(),
                version: plan.version.to_string(),
                status: shipment.map_or_else(|| "PENDING".to_owned(), |it| it.state.status.clone()),
                exposure: shipment.map_or(0, |it| it.state.exposure),
            }
        };
        plan_targets(self).map(row).collect()
    }
}

fn plan_targets(
    release: &Release,
) -> impl Iterator<Item = (&crate::key::TargetKey, &crate::plan::TargetPlan)> {
    release.plan().targets.iter()
}
