//! A new release: the form, the dry run of all of it, and then the release.

use super::create_form::{Offer, body_of, sheet};
use super::{barred, services};
use crate::api::Call;
use crate::fields::Sheet;
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{Problem, Release};
use crate::session::secret;
use crate::setup::Service;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use serde::Deserialize;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/releases/new")
            .route(web::get().to(ask))
            .route(web::post().to(send)),
    );
}

/// What a release would be and do.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Foreseen {
    title: String,
    version: String,
    targets: Vec<ForeseenTarget>,
    branch: String,
    rc_tag: String,
    release_tag: String,
    kickoff_at: DateTime<Utc>,
    target_date: Option<DateTime<Utc>>,
    ends_in: String,
    steps: Vec<Step>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Clone, Deserialize)]
struct ForeseenTarget {
    target: String,
    version: String,
    builds: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    does: String,
    by: String,
    target: Option<String>,
    provider: Option<String>,
    not_before: DateTime<Utc>,
}

#[derive(Debug, Clone, Deserialize)]
struct LeftOut {
    #[serde(rename = "type")]
    kind: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "new_release.html")]
struct Page {
    frame: Frame,
    services: Vec<Service>,
    chosen: Option<Service>,
    sheet: Sheet,
    plan: Option<Foreseen>,
    /// The name under which this form makes one release, however often it is sent.
    once: String,
    blocked: Option<String>,
}

async fn shown(
    visit: &Visit,
    status: StatusCode,
    chosen: Option<Service>,
    sheet: Sheet,
    plan: Option<Foreseen>,
    once: Option<String>,
) -> Paged {
    let template = Page {
        frame: visit.frame("releases"),
        services: services::all(visit).await?,
        chosen,
        sheet,
        plan,
        once: once.unwrap_or_else(|| format!("page-{}", secret(visit.api.app()))),
        blocked: barred(visit, Role::Member),
    };
    Ok(page(status, &template))
}

/// The service that is named, or the only one there is.
async fn chosen(visit: &Visit, form: &Form) -> Result<Option<Service>, Stop> {
    match form.get("service") {
        Some(id) if crate::visit::is_segment(id) => visit.look(format!("/services/{id}")).await.map(Some),
        Some(_) => Ok(None),
        None => {
            let mut all = services::all(visit).await?;
            all.retain(Service::active);
            Ok(all.pop().filter(|_| all.is_empty()))
        }
    }
}

/// Which service; then the form.
async fn ask(visit: Visit) -> Paged {
    let service = chosen(&visit, &visit.query()).await?;
    let sheet = match &service {
        Some(service) => {
            let offer = Offer::of(&visit, service).await?;
            sheet(&offer, service)
        }
        None => Sheet::default(),
    };
    shown(&visit, StatusCode::OK, service, sheet, None, None).await
}

/// Shows the plan, or makes the release.
async fn send(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let Some(service) = chosen(&visit, &form).await? else {
        return shown(
            &visit,
            StatusCode::BAD_REQUEST,
            None,
            Sheet::default(),
            None,
            None,
        )
        .await;
    };
    let offer = Offer::of(&visit, &service).await?;
    let mut sheet = sheet(&offer, &service);
    let Some((wanted, targets)) = body_of(&mut sheet, &form, &service, &offer) else {
        return shown(&visit, StatusCode::BAD_REQUEST, Some(service), sheet, None, None).await;
    };
    let makes = form.get("do") == Some("create");
    let call = if makes {
        let call = Call::post("/releases", wanted);
        match form.get("once") {
            Some(name) => call.named(&form.done_once(name)),
            None => call,
        }
    } else {
        Call::post("/releases/plan", wanted)
    };
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        let mut problem = Problem::of(&reply);
        for error in &mut problem.errors {
            error.pointer = targets.at_field(&error.pointer);
        }
        sheet.refuse(&problem);
        // What went wrong on our side may have made it all the same: under its name it is found, not made again.
        let once = form.get("once").filter(|_| reply.status.is_server_error());
        return shown(
            &visit,
            reply.status,
            Some(service),
            sheet,
            None,
            once.map(str::to_owned),
        )
        .await;
    }
    if makes {
        let made: Release = reply.read().map_err(|reply| visit.refuse(reply))?;
        return Ok(go(&format!("/releases/{}?done=planned", made.key)));
    }
    let plan: Foreseen = reply.read().map_err(|reply| visit.refuse(reply))?;
    shown(&visit, StatusCode::OK, Some(service), sheet, Some(plan), None).await
}
