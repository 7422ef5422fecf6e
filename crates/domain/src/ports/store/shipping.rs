//! What was shipped, and what it came through until then: read from what happened, never from what stands now. A release
//! that is archived or rolled back later stays one that was shipped.

use crate::ids::TenantId;
use crate::ports::error::StoreError;
use crate::release::view::Status;
use crate::release::{Phase, Stage};
use crate::time::Timestamp;
use async_trait::async_trait;
use chrono::TimeDelta;
use std::collections::BTreeMap;

/// The stages between being planned and being shipped, in their order, each with the phases that belong to it.
pub const ON_THE_WAY: [(Stage, &[Phase]); 7] = [
    (Stage::Kickoff, &[Phase::Kickoff]),
    (Stage::AwaitingRegression, &[Phase::AwaitingRegression]),
    (
        Stage::Regression,
        &[Phase::Regression, Phase::RegressionAwaitingNextCycle],
    ),
    (Stage::AwaitingPreRelease, &[Phase::AwaitingPreRelease]),
    (Stage::PreRelease, &[Phase::PreRelease]),
    (Stage::AwaitingDistribution, &[Phase::AwaitingDistribution]),
    (Stage::Distribution, &[Phase::Distribution]),
];

/// A release that was shipped: at some moment every one of its targets was live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// The number of its key.
    pub number: i64,
    /// When its kickoff began; none where it was shipped without one.
    pub begun_at: Option<Timestamp>,
    /// When every target was live for the first time.
    pub shipped_at: Timestamp,
    /// When it should be out.
    pub target_date: Option<Timestamp>,
    /// How long it was in each stage until it was shipped, however often it came there.
    pub stayed: BTreeMap<Stage, TimeDelta>,
}

/// A release comes to another status or phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To this status word.
    Status(String),
    /// To this phase word.
    Phase(String),
}

/// What was shipped, and when.
#[async_trait]
pub trait ShippingBook: Send + Sync {
    /// Releases of the tenant that were shipped for the first time at or after an instant, the newest first. The newest so
    /// many shippings are looked at, at most 100: with one that was shipped twice lately, there may be one less.
    async fn shipped(
        &self,
        tenant: TenantId,
        since: Timestamp,
        most: u16,
    ) -> Result<Vec<Shipped>, StoreError>;
    /// How many releases of the tenant were shipped in each span, from its first instant on and before its second one,
    /// counted up to `most`. One that was shipped twice in a span counts once there.
    async fn count_shipped(
        &self,
        tenant: TenantId,
        spans: &[(Timestamp, Timestamp)],
        most: u32,
    ) -> Result<Vec<u32>, StoreError>;
    /// Whether a version of the program that knows nothing of this has written of some of the tenant's releases what the
    /// upkeep has still to take up: until then they may be missing here.
    async fn undated(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let _every_step_has_its_time_where_rows_are_kept_as_they_are = tenant;
        Ok(false)
    }
}

impl Shipped {
    /// What the steps of a release come to, in their order; none when it was never shipped. For stores that keep steps as
    /// they are.
    #[must_use]
    pub fn of(number: i64, target_date: Option<Timestamp>, steps: &[(Step, Timestamp)]) -> Option<Self> {
        let shipped = |step: &Step| *step == Step::Status(Status::Deployed.word().to_owned());
        let shipped_at = steps.iter().find(|(step, _)| shipped(step)).map(|(_, at)| *at)?;
        let phases: Vec<(&str, Timestamp)> = steps
            .iter()
            .filter_map(|(step, at)| match step {
                Step::Phase(word) => Some((word.as_str(), *at)),
                Step::Status(_) => None,
            })
            .collect();
        let begun = phases
            .iter()
            .find(|(word, at)| *word != Phase::NotStarted.word() && *at < shipped_at);
        let left = phases
            .iter()
            .skip(1)
            .map(|(_, at)| *at)
            .chain(std::iter::once(shipped_at));
        let mut stayed: BTreeMap<Stage, TimeDelta> = BTreeMap::new();
        for ((word, came_at), left_at) in phases.iter().zip(left) {
            let of = ON_THE_WAY
                .iter()
                .find(|(_, phases)| phases.iter().any(|phase| phase.word() == *word));
            let until = left_at.min(shipped_at);
            if let Some((stage, _)) = of
                && *came_at < until
            {
                *stayed.entry(*stage).or_default() += until - *came_at;
            }
        }
        Some(Self {
            number,
            begun_at: begun.map(|(_, at)| *at),
            shipped_at,
            target_date,
            stayed,
        })
    }

    /// How long it took from kickoff to shipped.
    #[must_use]
    pub fn lead(&self) -> Option<TimeDelta> {
        self.begun_at.map(|begun| self.shipped_at - begun)
    }

    /// Whether it was out by its target date; none where it had none.
    #[must_use]
    pub fn on_time(&self) -> Option<bool> {
        self.target_date.map(|target| self.shipped_at <= target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn at(hours: i64) -> Timestamp {
        DateTime::from_timestamp(hours * 3_600, 0).unwrap()
    }

    fn steps(all: &[(&str, i64)]) -> Vec<(Step, Timestamp)> {
        let step = |word: &str| match word.parse::<Status>() {
            Ok(_) => Step::Status(word.to_owned()),
            Err(_) => Step::Phase(word.to_owned()),
        };
        all.iter().map(|(word, hours)| (step(word), at(*hours))).collect()
    }

    #[test]
    fn a_release_that_was_sent_back_was_in_a_stage_as_long_as_all_its_visits_there() {
        let steps = steps(&[
            ("NOT_STARTED", 0),
            ("KICKOFF", 10),
            ("AWAITING_REGRESSION", 11),
            ("REGRESSION", 13),
            ("REGRESSION_AWAITING_NEXT_CYCLE", 15),
            ("PRE_RELEASE", 16),
            ("REGRESSION", 20),
            ("PRE_RELEASE", 21),
            ("DISTRIBUTION", 22),
            ("DEPLOYED", 30),
            ("COMPLETED", 40),
            ("ARCHIVED", 50),
        ]);
        let shipped = Shipped::of(7, Some(at(30)), &steps).unwrap();
        let hours = |stage| shipped.stayed.get(&stage).map(TimeDelta::num_hours);
        assert_eq!(shipped.lead().unwrap().num_hours(), 20);
        assert_eq!(
            [
                hours(Stage::Kickoff),
                hours(Stage::AwaitingRegression),
                hours(Stage::Regression),
                hours(Stage::PreRelease),
                hours(Stage::Distribution),
                hours(Stage::AwaitingPreRelease),
                hours(Stage::Completed),
            ],
            [Some(1), Some(2), Some(4), Some(5), Some(8), None, None]
        );
        assert_eq!(shipped.on_time(), Some(true), "in the very moment is in time");
        assert_eq!(
            Shipped::of(7, Some(at(29)), &steps).unwrap().on_time(),
            Some(false)
        );
    }

    #[test]
    fn what_never_was_live_everywhere_was_not_shipped() {
        let steps = steps(&[("KICKOFF", 1), ("DISTRIBUTION", 2), ("CANCELLED", 3)]);
        assert_eq!(Shipped::of(1, None, &steps), None);
        assert_eq!(Shipped::of(1, None, &[]), None);
    }

    #[test]
    fn the_first_time_counts() {
        let steps = steps(&[("KICKOFF", 1), ("DEPLOYED", 5), ("KICKOFF", 6), ("DEPLOYED", 9)]);
        let shipped = Shipped::of(1, None, &steps).unwrap();
        assert_eq!((shipped.shipped_at, shipped.on_time()), (at(5), None));
        assert_eq!(shipped.lead(), Some(TimeDelta::hours(4)));
    }
}
