//! The stop switch: no new effect of the tenant is begun while it is on. What is under way finishes.

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::Checks;
use crate::context::Context;
use actix_web::post;
use delivr_app::usecases::access::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(stop);
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

/// The switch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopView {
    stopped: bool,
    reason: String,
}

/// Stops the line, or lets it go on. Nothing new is sent to any vendor for this tenant while it is stopped; setting it
/// twice is the same as once.
#[utoipa::path(tag = "Operations", request_body = StopBody,
    responses((status = 200, description = "The switch as it stands now", body = StopView)))]
#[post("/line/stop")]
pub(crate) async fn stop(cx: Context, body: Body<StopBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    let least = usize::from(body.stopped);
    Checks::new().text("/reason", &body.reason, least, 500).done()?;
    let tenant = Some(cx.tenant());
    cx.app.store.set_stop(tenant, body.stopped, &body.reason).await?;
    tracing::warn!(tenant = %cx.who.tenant.slug, by = cx.who.actor(), stopped = body.stopped, "the stop switch was set");
    Ok(Answer::ok(&StopView {
        stopped: body.stopped,
        reason: body.reason,
    }))
}
