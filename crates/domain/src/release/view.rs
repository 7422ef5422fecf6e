//! How a release is seen: board status and phase as pure functions of its state, and the rows it is found by.

use super::hold::{self, Hold};
use super::state::{Phase, Release, Stage};
use crate::ids::TaskId;
use crate::key::{TargetKey, words};
use crate::names::RefName;
use crate::plan::ShaOrigin;
use crate::ports::store::listing::turn;
use crate::ports::store::{Attention, BuildRow, CycleRow, LineRow, Listing, Projection, TargetRow, TaskRow};
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

impl Status {
    /// Whether a release of this status may be over; no other one is.
    #[must_use]
    pub const fn over(self) -> bool {
        match self {
            Self::Deployed | Self::Cancelled | Self::RolledBack => true,
            Self::Planning
            | Self::InDevelopment
            | Self::InReview
            | Self::ReadyStaging
            | Self::InStaging
            | Self::StagingVerified
            | Self::ReadyProduction => false,
        }
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
            terminal: self.is_over(),
            created_at: Some(self.created_at),
            kickoff_at: Some(self.draft.kickoff_at),
            target_date: self.draft.target_date,
            integrations,
            tasks: self.task_rows(),
            cycles: self.cycle_rows(),
            builds: self.build_rows(),
            targets: self.target_rows(),
            line: self.line_rows(),
            listing: Listing {
                service: self.draft.service_slug.clone(),
                pilot: self.draft.pilot.as_deref().map(str::to_lowercase),
                attention: self.attention(),
                changed_at: Some(self.updated_at),
                turn: Some(turn(&self.draft.priority, self.updated_at)),
            },
        }
    }

    /// Whether somebody is needed for it to go on.
    #[must_use]
    pub fn attention(&self) -> Attention {
        let of = |hold: &Hold| match hold {
            Hold::AwaitingApproval { .. } | Hold::AwaitingCycle => Attention::Waiting,
            Hold::InStore { stop, .. } if stop.is_wait() => Attention::Waiting,
            Hold::UserPaused { .. }
            | Hold::Blocked { .. }
            | Hold::TaskFailed { .. }
            | Hold::IntegrationInvalid { .. }
            | Hold::Drift { .. }
            | Hold::InStore { .. }
            | Hold::Quarantine { .. } => Attention::Stopped,
        };
        let holds = hold::holds(self);
        holds.iter().map(of).max().unwrap_or(Attention::Nobody)
    }

    /// Whether nothing is to come any more. Clean-up that an integration has stopped is still to come: the release is
    /// found by that integration, and hears of its verification.
    fn is_over(&self) -> bool {
        let ended = self.terminal() || self.stage == Stage::Completed;
        ended && !self.failures().any(|(_, cause)| cause.integration.is_some())
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

    /// What the next release of the service is compared with.
    fn line_rows(&self) -> Vec<LineRow> {
        let row = |mark: String, rank: String, value: String| LineRow {
            service: self.draft.service.uuid(),
            mark,
            rank,
            value,
        };
        let mut rows = Vec::new();
        let live = self.every_target_live();
        if self.stage != Stage::Archived {
            for (target, plan) in plan_targets(self) {
                let (rank, version) = (plan.version.rank(), plan.version.to_string());
                rows.push(row(version_mark(*target), rank.clone(), version.clone()));
                if live {
                    rows.push(row(shipped_mark(*target), rank, version));
                }
            }
        }
        if !self.terminal() {
            if let Some(tag) = self.release_tag_name() {
                rows.push(row(tag_mark(&tag), String::new(), tag.to_string()));
            }
            // A shipped release has left its branch to whoever goes on with it.
            if let Some(branch) = self.branch_name().filter(|_| self.stage != Stage::Completed) {
                rows.push(row(branch_mark(&branch), String::new(), branch.to_string()));
            }
        }
        if let Some(tag) = self.tag.as_ref().filter(|_| live) {
            let rank = format!(
                "{:020}.{:020}",
                self.updated_at.timestamp_micros().max(0),
                self.draft.number.max(0)
            );
            rows.push(row(LAST_MARK.to_owned(), rank, tag.to_string()));
        }
        rows
    }
}

/// Mark of a release that ships a version to the target and was not archived; ranked by the version.
#[must_use]
pub fn version_mark(target: TargetKey) -> String {
    format!("VERSION/{target}")
}

/// The same of one whose every target is live.
#[must_use]
pub fn shipped_mark(target: TargetKey) -> String {
    format!("SHIPPED/{target}")
}

/// Mark of a release that works on the branch.
#[must_use]
pub fn branch_mark(branch: &RefName) -> String {
    format!("BRANCH/{branch}")
}

/// Mark of a release that has made, or will make, the release tag.
#[must_use]
pub fn tag_mark(tag: &RefName) -> String {
    format!("TAG/{tag}")
}

/// Mark of a release that went live with a tag; ranked by when it changed last.
pub const LAST_MARK: &str = "LAST";

fn plan_targets(
    release: &Release,
) -> impl Iterator<Item = (&crate::key::TargetKey, &crate::plan::TargetPlan)> {
    release.plan().targets.iter()
}
