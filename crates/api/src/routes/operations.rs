//! How the tenant's work stands: what waits, what is late, what is in trouble, and whether anybody works.

use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::line::{self, StandingStop};
use actix_web::get;
use chrono::TimeDelta;
use delivr_app::usecases::explain;
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::store::{ReleaseFilter, Troubled};
use delivr_domain::time::Timestamp;
use futures_util::future::{self, TryFutureExt as _};
use serde::Serialize;
use std::slice;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Each number is counted so far: counting costs the same however much there is.
const MOST: u32 = 10_000;
/// Effects in trouble that are told one by one.
const TOLD: u16 = 50;
/// A worker that was not seen for so long does not work.
const WORKER_SEEN: TimeDelta = TimeDelta::seconds(60);

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(read);
}

/// An effect that did not come to its end at once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TroubledView {
    /// Key of its release; of what is shipped, that of the release that ships it.
    release: String,
    /// What it does, with its exact names.
    does: String,
    /// READY, CLAIMED or PARKED.
    state: String,
    /// Attempts that failed since it was due first.
    failures: u16,
    /// The last trouble.
    trouble: Option<String>,
    /// When it is tried next.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// When it is given up.
    #[schema(value_type = String, format = DateTime)]
    give_up_at: Timestamp,
    integration_id: Option<String>,
}

/// How the tenant's work stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationsView {
    /// Whether a worker was seen within the last minute. Workers are the installation's, not the tenant's.
    worker_alive: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_worker_at: Option<Timestamp>,
    /// Effects that may be begun now. This number and the next three are of all releases, with what they ship, and are
    /// counted up to 10 000.
    due: u32,
    /// Since when the oldest of them may be.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_due_at: Option<Timestamp>,
    /// Effects whose time is to come.
    waiting: u32,
    /// Effects that a worker has in hand.
    claimed: u32,
    /// Effects that a hold keeps back.
    parked: u32,
    /// Effects in trouble, the longest due first; at most 50.
    troubled: Vec<TroubledView>,
    /// Releases that are not over, counted up to 10 000.
    releases: u32,
    /// Some number is higher than it was counted.
    more: bool,
    /// Stop switches that are on; while there is one, nothing new is sent.
    stops: Vec<StandingStop>,
}

fn troubled(Troubled { release, row }: &Troubled) -> TroubledView {
    TroubledView {
        release: release.clone(),
        does: explain::sentence(&row.effect),
        state: row.state.to_string(),
        failures: row.failures,
        trouble: row.trouble.clone(),
        due_at: row.due_at,
        give_up_at: row.give_up_at,
        integration_id: row.effect.integration().map(|id: IntegrationId| id.to_string()),
    }
}

/// How the tenant's work stands now: effects that are due, late, held or in trouble, of all its releases and of what they
/// ship, and whether anybody works.
#[utoipa::path(tag = "Operations", responses((status = 200, description = "How it stands", body = OperationsView)))]
#[get("/operations")]
pub(crate) async fn read(cx: Context) -> Answered {
    let store = &cx.app.store;
    let open = ReleaseFilter {
        open: true,
        ..ReleaseFilter::default()
    };
    // One above the bound tells whether there are more.
    let most = MOST.saturating_add(1);
    let (work, counts, last_worker_at, stops) = future::try_join4(
        store.workload(cx.tenant(), most, TOLD).map_err(Problem::from),
        store
            .count_releases(cx.tenant(), slice::from_ref(&open), most)
            .map_err(Problem::from),
        store.last_beat().map_err(Problem::from),
        line::stops(&cx),
    )
    .await?;
    let releases = counts.iter().sum();
    let all = [work.due, work.waiting, work.claimed, work.parked, releases];
    Ok(Answer::ok(&OperationsView {
        worker_alive: last_worker_at.is_some_and(|at| work.now - at <= WORKER_SEEN),
        last_worker_at,
        due: work.due.min(MOST),
        oldest_due_at: work.oldest_due_at,
        waiting: work.waiting.min(MOST),
        claimed: work.claimed.min(MOST),
        parked: work.parked.min(MOST),
        troubled: work.troubled.iter().map(troubled).collect(),
        releases: releases.min(MOST),
        more: all.iter().any(|number| *number > MOST),
        stops,
    }))
}
