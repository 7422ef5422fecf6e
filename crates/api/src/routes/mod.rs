//! Routes, one module per resource.
//!
//! A module has `pub(crate) fn routes(config: &mut ServiceConfig<'_>)`, which registers its handlers under their bare
//! paths (`#[get("/services/{serviceId}")]`), and one line in [`all`]. That is the whole of it: the handlers answer
//! under `/api/v1`, `/api`, `/api/v1/tenants/{tenantId}` and `/api/v1/release-management/tenants/{tenantId}`, because
//! every other name is rewritten to the canonical one before routing (see [`crate::places`], which also holds the
//! table of alias collections); the description is collected from the same registration, and completed with path
//! parameters, `Idempotency-Key`, `If-Match` and the problem response (see [`crate::document`]).
//!
//! Handlers take [`crate::context::Context`] first, and bodies as [`crate::body::Body`] or [`crate::body::Maybe`].
//! Literal segments win over parameters by being registered first.

pub(crate) mod activities;
pub(crate) mod audit;
pub(crate) mod calendar;
pub(crate) mod dashboard;
pub(crate) mod doctor;
pub(crate) mod inbound;
pub(crate) mod integrations;
pub(crate) mod line;
pub(crate) mod messages;
pub(crate) mod operations;
pub(crate) mod pipelines;
pub(crate) mod profiles;
pub(crate) mod releases;
pub(crate) mod rollouts;
pub(crate) mod services;
pub(crate) mod status;
pub(crate) mod submissions;
pub(crate) mod system;
pub(crate) mod team;
pub(crate) mod test_runs;
pub(crate) mod tokens;
pub(crate) mod views;

use utoipa_actix_web::service_config::ServiceConfig;

/// Every route, without prefix.
pub(crate) fn all(config: &mut ServiceConfig<'_>) {
    system::routes(config);
    tokens::routes(config);
    team::routes(config);
    releases::routes(config);
    submissions::routes(config);
    rollouts::routes(config);
    activities::routes(config);
    dashboard::routes(config);
    audit::routes(config);
    calendar::routes(config);
    status::routes(config);
    views::routes(config);
    services::routes(config);
    profiles::routes(config);
    pipelines::routes(config);
    test_runs::routes(config);
    integrations::routes(config);
    line::routes(config);
    doctor::routes(config);
    operations::routes(config);
    messages::routes(config);
    inbound::routes(config);
}
