//! The stop switch: no new effect of the tenant is begun while it is on. What is under way finishes.

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::Checks;
use crate::context::Context;
use crate::problem::Problem;
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_domain::ports::store::{Change, Stop};
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(stop).service(read);
}

/// Whether to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StopBody {
    /// True stops, false lets go on.
    stopped: bool,
    /// Why; required to stop.
    #[serde(default)]
    reason: String,
}

/// The switch after it was set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopView {
    stopped: bool,
    reason: String,
}

/// A stop switch that is on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StandingStop {
    /// ORGANISATION, or INSTALLATION where its operator stopped everybody.
    scope: &'static str,
    /// Why, for people.
    reason: String,
    /// Who turned it on; of the installation's switch it is not told, and an older version kept no name.
    by: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// How the line stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineView {
    /// Whether anything stops it.
    stopped: bool,
    /// What does: the installation's switch first, then the organisation's.
    stops: Vec<StandingStop>,
}

fn standing(it: Stop) -> StandingStop {
    let own = it.tenant.is_some();
    StandingStop {
        scope: if own { "ORGANISATION" } else { "INSTALLATION" },
        reason: it.reason,
        // Whoever runs the installation may be nobody that the organisation knows.
        by: it.by.filter(|_| own),
        since: it.at,
    }
}

/// What stops the line now.
pub(crate) async fn stops(cx: &Context) -> Result<Vec<StandingStop>, Problem> {
    let found = cx.app.store.stops(cx.tenant()).await?;
    Ok(found.into_iter().map(standing).collect())
}

/// How the line stands: whether it is stopped, by whom, why and since when.
#[utoipa::path(tag = "Operations", responses((status = 200, description = "How it stands", body = LineView)))]
#[get("/line/stop")]
pub(crate) async fn read(cx: Context) -> Answered {
    let stops = stops(&cx).await?;
    Ok(Answer::ok(&LineView {
        stopped: !stops.is_empty(),
        stops,
    }))
}

/// Stops the line, or lets it go on. Nothing new is sent to any vendor for this tenant while it is stopped. Stopped twice,
/// it is stopped since the first time, for the newer reason.
#[utoipa::path(tag = "Operations", request_body = StopBody,
    responses((status = 200, description = "The switch as it stands now", body = StopView)))]
#[post("/line/stop")]
pub(crate) async fn stop(cx: Context, body: Body<StopBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    let least = usize::from(body.stopped);
    Checks::new().text("/reason", &body.reason, least, 500).done()?;
    cx.set_up(&Change::SetStop(cx.tenant(), body.stopped, &body.reason))
        .await?;
    tracing::warn!(tenant = %cx.who.tenant.slug, by = cx.who.actor(), stopped = body.stopped, "the stop switch was set");
    Ok(Answer::ok(&StopView {
        stopped: body.stopped,
        reason: body.reason,
    }))
}
