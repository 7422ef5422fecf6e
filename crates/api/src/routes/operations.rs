//! How the tenant's work stands: what waits, what is late, what is in trouble, and whether anybody works.

use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::line::{self, StandingStop};
use actix_web::get;
use chrono::TimeDelta;
use delivr_app::usecases::explain;
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::store::{AggregateRow, EffectRow, Page, ReleaseFilter, RowState};
use delivr_domain::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Releases that are looked at, the newest of those that are not over.
const MOST: u16 = 100;
/// Effects in trouble that are told one by one.
const TOLD: usize = 50;
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
    /// Key of its release.
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
    /// Effects that may be begun now.
    due: usize,
    /// Since when the oldest of them may be.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_due_at: Option<Timestamp>,
    /// Effects whose time is to come.
    waiting: usize,
    /// Effects that a worker has in hand.
    claimed: usize,
    /// Effects that a hold keeps back.
    parked: usize,
    /// Effects in trouble, the longest due first; at most 50.
    troubled: Vec<TroubledView>,
    /// Releases that were looked at, with their submissions and rollouts.
    releases: usize,
    /// There are more releases under way than were looked at.
    more: bool,
    /// Stop switches that are on; while there is one, nothing new is sent.
    stops: Vec<StandingStop>,
}

/// Releases that are not over, the newest first.
async fn under_way(cx: &Context) -> Result<(Vec<AggregateRow>, bool), Problem> {
    let open = ReleaseFilter {
        open: true,
        ..ReleaseFilter::default()
    };
    let page = Page {
        limit: MOST,
        cursor: None,
    };
    let listed = cx.app.store.releases(cx.tenant(), &open, &page).await?;
    Ok((listed.items, listed.next.is_some()))
}

fn troubled(release: &str, row: &EffectRow) -> TroubledView {
    TroubledView {
        release: release.to_owned(),
        does: explain::sentence(&row.effect),
        state: row.state.to_string(),
        failures: row.failures,
        trouble: row.trouble.clone(),
        due_at: row.due_at,
        give_up_at: row.give_up_at,
        integration_id: row.effect.integration().map(|id: IntegrationId| id.to_string()),
    }
}

/// How the tenant's work stands now: effects that are due, late, held or in trouble, and whether anybody works. Looks at
/// the hundred newest releases that are not over.
#[utoipa::path(tag = "Operations", responses((status = 200, description = "How it stands", body = OperationsView)))]
#[get("/operations")]
pub(crate) async fn read(cx: Context) -> Answered {
    let store = &cx.app.store;
    let (releases, more) = under_way(&cx).await?;
    let now = store.now().await?;
    let last_worker_at = store.last_beat().await?;
    let mut rows: Vec<(String, EffectRow)> = Vec::new();
    for release in &releases {
        let key = &release.projection.key;
        let children = store.children(cx.tenant(), release.id.id).await?;
        let owners = std::iter::once(release.id).chain(children.iter().map(|it| it.id));
        for owner in owners {
            let live = store.rows(owner, false).await?;
            rows.extend(live.into_iter().map(|row| (key.clone(), row)));
        }
    }
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut oldest = None;
    for (_, row) in &rows {
        let place = match row.state {
            RowState::Ready if row.due_at <= now => {
                oldest = Some(oldest.map_or(row.due_at, |it: Timestamp| it.min(row.due_at)));
                "due"
            }
            RowState::Ready => "waiting",
            RowState::Claimed => "claimed",
            RowState::Parked => "parked",
            RowState::Done | RowState::Dead => continue,
        };
        *counts.entry(place).or_default() += 1;
    }
    let count = |word: &str| counts.get(word).copied().unwrap_or_default();
    rows.retain(|(_, row)| row.failures > 0 || row.trouble.is_some());
    rows.sort_by_key(|(_, row)| row.due_at);
    let view = OperationsView {
        worker_alive: last_worker_at.is_some_and(|at| now - at <= WORKER_SEEN),
        last_worker_at,
        due: count("due"),
        oldest_due_at: oldest,
        waiting: count("waiting"),
        claimed: count("claimed"),
        parked: count("parked"),
        troubled: rows
            .iter()
            .take(TOLD)
            .map(|(key, row)| troubled(key, row))
            .collect(),
        releases: releases.len(),
        more,
        stops: line::stops(&cx).await?,
    };
    Ok(Answer::ok(&view))
}
