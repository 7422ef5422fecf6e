//! Statistics: how many releases stand where, and how many wait for whom. What was shipped is `delivery`'s.

mod delivery;

use crate::answer::{Answer, Answered};
use crate::context::Context;
use actix_web::get;
use delivr_domain::ports::store::{Attention, ReleaseFilter};
use delivr_domain::release::Phase;
use delivr_domain::release::view::Status;
use futures_util::future;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Counted up to so many and no further: whoever has more than that does not look at the number.
const MOST: u32 = 1_000;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(stats).service(delivery::delivery);
}

/// So many; or more than so many.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct CountView {
    /// Releases, 1000 at most.
    count: u32,
    /// There are more than that.
    more: bool,
}

/// How many are of a stage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageCountView {
    /// PLANNED, KICKOFF, REGRESSION, PRE_RELEASE or DISTRIBUTION.
    stage: &'static str,
    #[serde(flatten)]
    count: CountView,
}

/// Where releases stand. Every number is right, or says that there are more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatsView {
    /// From being planned to being shipped.
    open: CountView,
    /// Of all that are not over, those that wait for a person's decision.
    waiting: CountView,
    /// Of all that are not over, those where something failed, or that somebody stopped.
    stopped: CountView,
    /// Those that the caller pilots, of all that are not over.
    mine: CountView,
    /// A regression cycle can start.
    ready_for_staging: CountView,
    /// Tested: the next step is a decision.
    ready_for_production: CountView,
    /// In distribution: a version waits in its store for a person, to be handed in, released to users or raised.
    waiting_in_stores: CountView,
    /// The open ones by stage, in its order.
    stages: Vec<StageCountView>,
    /// Some releases were saved last by a version of the program that does not know whom they wait for; they are being
    /// taken up, and are missing in `waiting`, `stopped` and `mine` until then.
    settling: bool,
}

/// A status, or a phase of it.
type Part = (Status, Option<Phase>);

/// The stages of the open ones, with what belongs to each.
const STAGES: &[(&str, &[Part])] = &[
    ("PLANNED", &[(Status::Planning, None)]),
    ("KICKOFF", &[(Status::InDevelopment, None)]),
    (
        "REGRESSION",
        &[
            (Status::InReview, None),
            (Status::ReadyStaging, None),
            (Status::InStaging, None),
        ],
    ),
    (
        "PRE_RELEASE",
        &[
            (Status::StagingVerified, None),
            (Status::ReadyProduction, Some(Phase::PreRelease)),
        ],
    ),
    (
        "DISTRIBUTION",
        &[
            (Status::ReadyProduction, Some(Phase::AwaitingDistribution)),
            (Status::ReadyProduction, Some(Phase::Distribution)),
        ],
    ),
];

fn capped(found: u32) -> CountView {
    CountView {
        count: found.min(MOST),
        more: found > MOST,
    }
}

/// Several together.
fn sum(all: &[CountView]) -> CountView {
    let whole = all.iter().fold(0_u32, |sum, it| sum.saturating_add(it.count));
    let capped = capped(whole);
    CountView {
        more: capped.more || all.iter().any(|it| it.more),
        ..capped
    }
}

fn of(status: Status, phase: Option<Phase>) -> ReleaseFilter {
    ReleaseFilter {
        status: Some(status.word().to_owned()),
        phase: phase.map(|phase| phase.word().to_owned()),
        ..ReleaseFilter::default()
    }
}

fn needing(attention: Attention) -> ReleaseFilter {
    ReleaseFilter {
        attention: vec![attention],
        open: true,
        ..ReleaseFilter::default()
    }
}

/// The same, of what nothing stops.
fn going(filter: ReleaseFilter) -> ReleaseFilter {
    ReleaseFilter {
        attention: vec![Attention::Nobody, Attention::Waiting],
        open: true,
        ..filter
    }
}

/// How many releases stand where.
#[utoipa::path(tag = "Releases", responses((status = 200, description = "The numbers", body = StatsView)))]
#[get("/dashboard/stats")]
pub(crate) async fn stats(cx: Context) -> Answered {
    let mine = ReleaseFilter {
        pilot: Some(cx.who.actor().to_lowercase()),
        open: true,
        ..ReleaseFilter::default()
    };
    let parts = STAGES.iter().flat_map(|(_, parts)| parts.iter());
    let mut lists: Vec<ReleaseFilter> = parts.map(|(status, phase)| of(*status, *phase)).collect();
    lists.extend([
        needing(Attention::Waiting),
        needing(Attention::Stopped),
        mine,
        going(of(Status::ReadyStaging, None)),
        going(of(Status::StagingVerified, None)),
        going(of(Status::ReadyProduction, Some(Phase::AwaitingDistribution))),
        ReleaseFilter {
            phase: Some(Phase::Distribution.word().to_owned()),
            ..needing(Attention::Waiting)
        },
    ]);
    let store = &cx.app.store;
    let (counts, settling) = future::try_join(
        store.count_releases(cx.tenant(), &lists, MOST.saturating_add(1)),
        store.unlisted(cx.tenant()),
    )
    .await?;
    // As many as were asked for, in their order.
    let mut counts = counts.into_iter().map(capped);
    let mut next = |several: usize| sum(&counts.by_ref().take(several).collect::<Vec<_>>());
    let stages: Vec<StageCountView> = STAGES
        .iter()
        .map(|(stage, parts)| StageCountView {
            stage,
            count: next(parts.len()),
        })
        .collect();
    let open: Vec<CountView> = stages.iter().map(|stage| stage.count).collect();
    Ok(Answer::ok(&StatsView {
        open: sum(&open),
        waiting: next(1),
        stopped: next(1),
        mine: next(1),
        ready_for_staging: next(1),
        ready_for_production: next(2),
        waiting_in_stores: next(1),
        stages,
        settling,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_right_or_says_that_there_are_more() {
        let one = |count, more| CountView { count, more };
        let of = |all: &[CountView]| {
            let sum = sum(all);
            (sum.count, sum.more)
        };
        assert_eq!(of(&[one(2, false), one(3, false)]), (5, false));
        assert_eq!(of(&[one(600, false), one(400, false)]), (1_000, false));
        assert_eq!(of(&[one(600, false), one(401, false)]), (1_000, true));
        assert_eq!(of(&[one(1_000, true), one(0, false)]), (1_000, true));
        assert_eq!(of(&[]), (0, false));
    }
}
