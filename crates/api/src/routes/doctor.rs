//! The doctor: what a release will need, tried before the first one.

use crate::answer::{Answer, Answered};
use crate::context::Context;
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::doctor::{self, About, Finding};
use delivr_domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(known).service(examine);
}

/// One check.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckView {
    /// What it is about: INSTALLATION, INTEGRATION, SERVICE, PIPELINE or PROFILE.
    about: &'static str,
    /// Category of the integration.
    category: Option<String>,
    /// Id of the integration, service, pipeline or profile.
    id: Option<String>,
    /// Its name.
    name: String,
    /// What was tried.
    what: String,
    /// Why a release needs it.
    why: &'static str,
    /// OK, DEGRADED, MISSING or UNKNOWN.
    outcome: &'static str,
    /// What to do about it; none when nothing is to be done.
    advice: Option<String>,
    /// When it was tried; none where it is looked up whenever somebody asks, and where it never was.
    #[schema(value_type = Option<String>, format = DateTime)]
    tried_at: Option<Timestamp>,
}

/// All checks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DoctorView {
    /// Nothing is missing, and nothing is unknown.
    ready: bool,
    checks: Vec<CheckView>,
}

fn check(it: Finding) -> CheckView {
    let (about, category, id) = match it.about {
        About::Installation => ("INSTALLATION", None, None),
        About::Integration(port, id) => ("INTEGRATION", Some(port.to_string()), Some(id.to_string())),
        About::Service(id) => ("SERVICE", None, Some(id.to_string())),
        About::Pipeline(id) => ("PIPELINE", None, Some(id.to_string())),
        About::Profile(id) => ("PROFILE", None, Some(id.to_string())),
    };
    CheckView {
        about,
        category,
        id,
        name: it.name,
        what: it.what,
        why: it.why,
        outcome: it.outcome.word(),
        advice: it.advice,
        tried_at: it.tried_at,
    }
}

fn view(findings: Vec<Finding>) -> DoctorView {
    DoctorView {
        ready: doctor::fit(&findings),
        checks: findings.into_iter().map(check).collect(),
    }
}

/// What is known of everything that a release will need, without asking anybody: what the last verifications found, and
/// what is not there at all.
#[utoipa::path(tag = "Integrations", responses((status = 200, description = "What is known", body = DoctorView)))]
#[get("/doctor")]
pub(crate) async fn known(cx: Context) -> Answered {
    let findings = doctor::known(&cx.app, cx.tenant()).await?;
    Ok(Answer::ok(&view(findings)))
}

/// Tries everything that a release will need: verifies every integration and reads every pipeline's job. Starts no run,
/// and writes nothing at any vendor.
#[utoipa::path(tag = "Integrations", responses((status = 200, description = "What was found", body = DoctorView)))]
#[post("/doctor")]
pub(crate) async fn examine(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let findings = doctor::examine(&cx.app, cx.tenant(), cx.who.actor()).await?;
    Ok(Answer::ok(&view(findings)))
}
