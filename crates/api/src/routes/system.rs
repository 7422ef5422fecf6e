//! The process itself: alive, ready, which version, who asks.

use crate::answer::{Answer, Answered};
use crate::context::{Context, Shared};
use crate::problem::Problem;
use actix_web::http::StatusCode;
use actix_web::{get, web};
use chrono::TimeDelta;
use delivr_domain::ports::error::StoreError;
use futures_util::future;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    probes(config);
    config.service(version).service(me);
}

/// The two that are served without prefix too, where load balancers and supervisors look for them.
pub(crate) fn probes(config: &mut ServiceConfig<'_>) {
    config.service(health).service(ready);
}

/// How long the question whether requests can be served waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// A word about the process.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthView {
    /// `UP`.
    status: &'static str,
    /// Version of the program.
    version: &'static str,
}

/// Whether requests can be served.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadyView {
    /// `READY`, or `DEGRADED` while no worker has been seen, or nothing could be stored, for a minute.
    status: &'static str,
    /// When a worker was last alive.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_worker_at: Option<delivr_domain::time::Timestamp>,
    /// What is not as it should be.
    warnings: Vec<String>,
}

/// The process is alive.
#[utoipa::path(tag = "System", security(()), responses((status = 200, description = "It is", body = HealthView)))]
#[get("/health")]
pub(crate) async fn health() -> Answer {
    Answer::ok(&HealthView {
        status: "UP",
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn not_ready(why: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why)
}

/// The database is reachable, its schema current; says when no worker is alive.
#[utoipa::path(tag = "System", security(()), responses((status = 200, description = "Requests can be served", body = ReadyView)))]
#[get("/ready")]
pub(crate) async fn ready(shared: web::Data<Shared>) -> Answered {
    let store = &shared.app.store;
    let asked = future::join3(store.ready(), store.last_beat(), store.now());
    // Whoever asks has little patience, and a database that hangs would have him wait for ever.
    let answered = tokio::time::timeout(PATIENCE, asked).await;
    let (ready, last_worker_at, now) =
        answered.map_err(|_elapsed| not_ready("the database gives no answer"))?;
    ready.map_err(|error| match error {
        StoreError::Unavailable { .. } => match error.unusable() {
            Some(why) => not_ready(&why.to_string()),
            None => not_ready("the database cannot be reached"),
        },
        other @ (StoreError::Conflict
        | StoreError::Fenced
        | StoreError::Duplicate(_)
        | StoreError::Reference(_)
        | StoreError::Corrupt { .. }
        | StoreError::Newer { .. }) => Problem::from(other),
    })?;
    let (last_worker_at, now) = (last_worker_at?, now?);
    let seen = last_worker_at.is_some_and(|at| now - at <= TimeDelta::seconds(60));
    let silence = (!seen).then(|| "no worker has been seen for 60 s: releases do not advance".to_owned());
    let apart = delivr_app::clocks::apart(shared.app.clock.now(), now);
    let warnings: Vec<String> = silence.into_iter().chain(apart).chain(store.hindered()).collect();
    Ok(Answer::ok(&ReadyView {
        status: if warnings.is_empty() { "READY" } else { "DEGRADED" },
        last_worker_at,
        warnings,
    }))
}

/// Which version answers.
#[utoipa::path(tag = "System", security(()), responses((status = 200, description = "The version", body = HealthView)))]
#[get("/version")]
pub(crate) async fn version() -> Answer {
    Answer::ok(&HealthView {
        status: "UP",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeView {
    /// Name of the token.
    name: String,
    /// The person behind the token; none behind a service token, which decides nothing at gates.
    person: Option<String>,
    /// PERSON or SERVICE.
    kind: &'static str,
    /// What events call the caller: the person, or the name of the service token.
    actor: String,
    /// Id of the token.
    token_id: String,
    /// Tenant's id.
    tenant_id: String,
    /// Tenant's slug.
    tenant_slug: String,
    /// Role.
    role: String,
    /// Bundles of permissions.
    scopes: Vec<&'static str>,
}

/// Who asks, for which tenant, with which role.
#[utoipa::path(tag = "System", responses((status = 200, description = "The principal", body = MeView)))]
#[get("/me")]
pub(crate) async fn me(cx: Context) -> Answered {
    Ok(Answer::ok(&MeView {
        name: cx.who.name.clone(),
        person: cx.who.person.as_ref().map(ToString::to_string),
        kind: if cx.who.person.is_some() {
            "PERSON"
        } else {
            "SERVICE"
        },
        actor: cx.who.actor().to_owned(),
        token_id: cx.who.token.to_string(),
        tenant_id: cx.who.tenant.id.to_string(),
        tenant_slug: cx.who.tenant.slug.clone(),
        role: cx.who.role.word().to_owned(),
        scopes: cx.who.role.scopes().to_vec(),
    }))
}
