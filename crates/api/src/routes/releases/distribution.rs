//! Distribution: where each target of a release stands in its store.

use super::load::find;
use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::rollouts::{RolloutView, rollout};
use crate::routes::submissions::{SubmissionView, submission};
use actix_web::get;
use delivr_app::stored::show_state;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::key::TargetKey;
use delivr_domain::ports::store::{Page, ReleaseFilter};
use delivr_domain::release::Release;
use delivr_domain::release::hold::{self, Hold};
use delivr_domain::release::lane::LaneStop;
use delivr_domain::report::ChildState;
use delivr_domain::rollout::EVERYBODY;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The stores' view of a release.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DistributionView {
    /// PENDING, PARTIALLY_SUBMITTED, SUBMITTED, PARTIALLY_LIVE or LIVE.
    status: &'static str,
    /// What stops it in a store.
    blockers: Vec<String>,
    targets: Vec<LaneView>,
}

/// One target with its tries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LaneView {
    target: &'static str,
    version: String,
    status: String,
    /// Users who get it, in basis points.
    exposure: u16,
    live: bool,
    /// Tries, the oldest first; the last one is in force.
    submissions: Vec<SubmissionView>,
    rollout: Option<RolloutView>,
    /// Where the store refused a step: another release of the service, whose version is under way in the same store.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_the_way: Option<InTheWayView>,
}

/// A release whose version is under way where another one wants to go.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InTheWayView {
    release_id: String,
    /// What people call it, `REL-42`.
    key: String,
    version: String,
    /// Where that version stands.
    status: String,
    /// Users who get it, in basis points.
    exposure: u16,
}

/// Newest releases of the service among which the one in the way is looked for.
const LOOKED_AT: u16 = 30;

/// What is under way in a store: in review, or with some of its users.
fn is_under_way(state: &ChildState) -> bool {
    let in_review = matches!(
        state.status.as_str(),
        "SUBMITTED" | "IN_REVIEW" | "APPROVED" | "ACTION_REQUIRED"
    );
    in_review || (state.exposure > 0 && state.exposure < EVERYBODY && state.status != "HALTED")
}

/// For each target that its store refused a step of: the newest other release of the service that is under way there.
async fn in_the_way(cx: &Context, release: &Release) -> Result<BTreeMap<TargetKey, InTheWayView>, Problem> {
    let refused: Vec<TargetKey> = hold::holds(release)
        .into_iter()
        .filter_map(|hold| match hold {
            Hold::InStore {
                target,
                stop: LaneStop::SubmissionFailed,
                ..
            } => Some(target),
            Hold::InStore { .. }
            | Hold::UserPaused { .. }
            | Hold::Blocked { .. }
            | Hold::TaskFailed { .. }
            | Hold::IntegrationInvalid { .. }
            | Hold::AwaitingApproval { .. }
            | Hold::AwaitingCycle
            | Hold::Drift { .. }
            | Hold::Quarantine { .. } => None,
        })
        .collect();
    let mut found = BTreeMap::new();
    if refused.is_empty() {
        return Ok(found);
    }
    let of_service = ReleaseFilter {
        service: Some(release.draft.service),
        ..ReleaseFilter::default()
    };
    let page = Page {
        limit: LOOKED_AT,
        cursor: None,
    };
    let listed = cx.app.store.releases(cx.tenant(), &of_service, &page).await?;
    for row in &listed.items {
        let Aggregate::Release(other) = show_state(row)? else {
            continue;
        };
        if other.draft.id == release.draft.id {
            continue;
        }
        for target in &refused {
            let store = |it: &Release| it.plan().targets.get(target).and_then(|plan| plan.store);
            let state = other.shipments.get(target).map(|it| &it.state);
            let Some(state) = state.filter(|it| is_under_way(it) && store(&other) == store(release)) else {
                continue;
            };
            found.entry(*target).or_insert_with(|| InTheWayView {
                release_id: other.draft.id.to_string(),
                key: other.key(),
                version: other.version_name(),
                status: state.status.clone(),
                exposure: state.exposure,
            });
        }
    }
    Ok(found)
}

/// Where the release stands in its stores, from its targets alone.
fn status(release: &Release) -> &'static str {
    let of = |key| release.shipments.get(key).map(|it| &it.state);
    let targets = || release.plan().targets.keys();
    // A rejected or withdrawn try is no submission in force.
    let out = |word: &str| !matches!(word, "PREPARING" | "REJECTED" | "CANCELLED");
    let live = targets()
        .filter(|key| {
            release
                .board
                .find(&delivr_domain::release::catalogue::ship_task(**key))
                .is_some_and(|it| it.state.settled())
                || of(key).is_some_and(|it| it.live)
        })
        .count();
    let submitted = targets()
        .filter(|key| of(key).is_some_and(|it| out(&it.status)))
        .count();
    let all = targets().count();
    if all > 0 && live == all {
        "LIVE"
    } else if live > 0 || targets().any(|key| of(key).is_some_and(|it| it.exposure > 0)) {
        "PARTIALLY_LIVE"
    } else if all > 0 && submitted == all {
        "SUBMITTED"
    } else if submitted > 0 {
        "PARTIALLY_SUBMITTED"
    } else {
        "PENDING"
    }
}

/// Where each target stands.
#[utoipa::path(tag = "Distribution", responses((status = 200, description = "The distribution", body = DistributionView)))]
#[get("/releases/{releaseId}/distribution")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let rows = cx
        .app
        .store
        .children(cx.tenant(), release.draft.id.uuid())
        .await?;
    let mut submissions = Vec::new();
    let mut rollouts = Vec::new();
    for row in &rows {
        match show_state(row)? {
            Aggregate::Submission(it) => submissions.push(it),
            Aggregate::Rollout(it) => rollouts.push(it),
            Aggregate::Release(_) => {}
        }
    }
    submissions.sort_by_key(|it| it.start.attempt);
    let mut in_the_way = in_the_way(&cx, &release).await?;
    let lanes = release.plan().targets.iter().map(|(key, plan)| {
        let state = release.shipments.get(key).map(|it| &it.state);
        let rollout_id = release.shipments.get(key).and_then(|it| it.rollout);
        LaneView {
            target: key.word(),
            version: plan.version.to_string(),
            status: state.map_or_else(|| "PENDING".to_owned(), |it| it.status.clone()),
            exposure: state.map_or(0, |it| it.exposure),
            live: state.is_some_and(|it| it.live),
            submissions: submissions
                .iter()
                .filter(|it| it.start.target == *key)
                .map(|it| submission(it))
                .collect(),
            rollout: rollouts
                .iter()
                .find(|it| Some(it.start.id) == rollout_id)
                .map(|it| rollout(it)),
            in_the_way: in_the_way.remove(key),
        }
    });
    let view = DistributionView {
        status: status(&release),
        blockers: release
            .shipments
            .iter()
            .filter_map(|(key, it)| it.state.blocker.as_ref().map(|why| format!("{key}: {why}")))
            .collect(),
        targets: lanes.collect(),
    };
    Ok(Answer::ok(&view).version(row.version))
}
