//! What a link to a status page shows. Everything is named here one by one: what is not, is not shown.

use super::public::public;
use super::{PREFIX, digest};
use crate::answer::json;
use crate::context::Shared;
use crate::problem::Problem;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, web};
use delivr_app::stored::show_state;
use delivr_app::usecases::releases;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::{ServiceId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::{Page, ReleaseFilter, StatusOf};
use delivr_domain::release::hold::{self, Hold};
use delivr_domain::release::lane::LaneStop;
use delivr_domain::release::{Phase, Release};
use delivr_domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Releases of a service that are shown, the newest.
const MOST: u16 = 10;

/// How something stands, for people without a way in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusView {
    organisation: String,
    /// The service whose releases these are; none where the link is about one release.
    service: Option<String>,
    /// When it stood so.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// Until when the link shows something.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The newest first.
    releases: Vec<ReleaseStatus>,
}

/// How a release stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseStatus {
    /// What people call it, `REL-42`.
    key: String,
    title: String,
    version: String,
    /// NOT_STARTED, KICKOFF, REGRESSION, PRE_RELEASE, DISTRIBUTION, COMPLETED, ROLLED_BACK or ARCHIVED.
    stage: &'static str,
    /// What it waits for, if it does not go on by itself: PEOPLE, TROUBLE or PAUSED.
    waits: Option<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    kickoff_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    target_date: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    targets: Vec<TargetStatus>,
}

/// How a target of a release stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetStatus {
    target: &'static str,
    version: String,
    /// PENDING until it is submitted, then the submission's or rollout's word.
    status: String,
    /// Users who get it, in basis points.
    exposure: u16,
    /// Whether it has come to its final exposure.
    live: bool,
}

const fn stage(phase: Phase) -> &'static str {
    match phase {
        Phase::NotStarted => "NOT_STARTED",
        Phase::Kickoff => "KICKOFF",
        Phase::AwaitingRegression | Phase::Regression | Phase::RegressionAwaitingNextCycle => "REGRESSION",
        Phase::AwaitingPreRelease | Phase::PreRelease => "PRE_RELEASE",
        Phase::AwaitingDistribution | Phase::Distribution => "DISTRIBUTION",
        Phase::Completed => "COMPLETED",
        Phase::RolledBack => "ROLLED_BACK",
        Phase::Archived => "ARCHIVED",
    }
}

/// What a release waits for. Trouble is told first, then what somebody decided; why and by whom is nobody's outside.
fn waits(release: &Release) -> Option<&'static str> {
    let held = hold::holds(release);
    let word = |hold: &Hold| match hold {
        // Users get it step by step: outside nobody waits for the next one.
        Hold::InStore {
            stop: LaneStop::AwaitingAdvance,
            ..
        } => None,
        Hold::InStore {
            stop: LaneStop::RolloutHalted | LaneStop::RolloutPaused,
            ..
        } => Some((1, "PAUSED")),
        Hold::InStore {
            stop: LaneStop::AwaitingSubmit | LaneStop::AwaitingUsers,
            ..
        } => Some((2, "PEOPLE")),
        Hold::InStore {
            stop: LaneStop::SubmissionFailed | LaneStop::RolloutFailed | LaneStop::ActionRequired,
            ..
        }
        | Hold::TaskFailed { .. }
        | Hold::IntegrationInvalid { .. }
        | Hold::Drift { .. }
        | Hold::Quarantine { .. } => Some((0, "TROUBLE")),
        Hold::UserPaused { .. } | Hold::Blocked { .. } => Some((1, "PAUSED")),
        Hold::AwaitingApproval { .. } | Hold::AwaitingCycle => Some((2, "PEOPLE")),
    };
    held.iter().filter_map(word).min().map(|(_, word)| word)
}

fn status(release: &Release) -> ReleaseStatus {
    let targets = release.plan().targets.iter().map(|(key, plan)| {
        let state = release.shipments.get(key).map(|it| &it.state);
        TargetStatus {
            target: key.word(),
            version: plan.version.to_string(),
            status: state.map_or_else(|| "PENDING".to_owned(), |it| it.status.clone()),
            exposure: state.map_or(0, |it| it.exposure),
            live: state.is_some_and(|it| it.live),
        }
    });
    ReleaseStatus {
        key: release.key(),
        title: public(&release.draft.title),
        version: release.version_name(),
        stage: stage(release.phase()),
        waits: waits(release),
        kickoff_at: release.draft.kickoff_at,
        target_date: release.draft.target_date,
        updated_at: release.updated_at,
        targets: targets.collect(),
    }
}

fn missing() -> Problem {
    Problem::missing("status page")
}

async fn of_service(
    shared: &Shared,
    tenant: TenantId,
    id: ServiceId,
) -> Result<(String, Vec<ReleaseStatus>), Problem> {
    let store = &shared.app.store;
    let service = store.service(tenant, id).await?.ok_or_else(missing)?;
    let filter = ReleaseFilter {
        service: Some(id),
        ..ReleaseFilter::default()
    };
    let page = Page {
        limit: MOST,
        cursor: None,
    };
    let mut found = Vec::new();
    for row in store.releases(tenant, &filter, &page).await?.items {
        match show_state(&row)? {
            // What was given up concerns nobody outside.
            Aggregate::Release(release) if release.phase() != Phase::Archived => found.push(status(&release)),
            Aggregate::Release(_) | Aggregate::Submission(_) | Aggregate::Rollout(_) => {}
        }
    }
    Ok((public(&service.name), found))
}

async fn shown(shared: &Shared, word: &str) -> Result<StatusView, Problem> {
    // Whatever is wrong with a link, the answer is the same: nothing is told about links that were.
    if !word.starts_with(PREFIX) {
        return Err(missing());
    }
    let app = &shared.app;
    let link = app
        .store
        .status_link(&digest(word))
        .await?
        .filter(|it| it.revoked_at.is_none() && it.expires_at > app.clock.now())
        .ok_or_else(missing)?;
    let tenant = app.store.tenant(link.tenant).await?.ok_or_else(missing)?;
    let (service, releases) = match link.about {
        StatusOf::Release(id) => {
            let id = AggregateId {
                kind: AggregateKind::Release,
                id: id.uuid(),
            };
            let found = releases::find(app, link.tenant, id).await?;
            let (_row, release) = found.ok_or_else(missing)?;
            (None, vec![status(&release)])
        }
        StatusOf::Service(id) => {
            let (name, releases) = of_service(shared, link.tenant, id).await?;
            (Some(name), releases)
        }
    };
    Ok(StatusView {
        organisation: public(&tenant.name),
        service,
        as_of: app.clock.now(),
        expires_at: link.expires_at,
        releases,
    })
}

/// How a release, or a service's releases, stand, for whoever has the link: without people, addresses and words of
/// vendors. A link that was never made, is revoked or has expired is the same to whoever asks: 404.
#[utoipa::path(tag = "Status pages", security(()),
    params(("link" = String, Path, description = "The last part of the address that was shown when the link was made")),
    responses((status = 200, description = "How it stands", body = StatusView)))]
#[get("/status/{link}")]
pub(crate) async fn read(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let word = request.match_info().get("link").unwrap_or_default();
    let view = shown(&shared, word).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("x-robots-tag", "noindex, nofollow"))
        .content_type("application/json")
        .body(json(&view)))
}
