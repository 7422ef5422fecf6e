//! The stop switch: nothing new is sent to any vendor for the organisation while it is on.

use super::{FormPage, barred};
use crate::api::Call;
use crate::fields::{Field, Kind, Section, Sheet};
use crate::frame::go;
use crate::model::Problem;
use crate::pages::controls::Control;
use crate::setup::Stopped;
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use actix_web::web;
use delivr_app::usecases::access::Role;
use serde_json::json;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/operations/stop")
                .route(web::get().to(ask_stop))
                .route(web::post().to(stop)),
        )
        .service(
            web::resource("/operations/go")
                .route(web::get().to(ask_go))
                .route(web::post().to(go_on)),
        );
}

/// What the visitor can do about the switch as it stands: stop the line, or let it go on.
pub(super) fn control(visit: &Visit, stops: &[Stopped]) -> Control {
    if stops.iter().any(Stopped::ours) {
        super::control(visit, Role::Admin, "Let the line go on", "/operations/go")
    } else {
        let mut stop = super::control(visit, Role::Admin, "Stop the line", "/operations/stop");
        stop.danger = true;
        stop
    }
}

/// Which way the switch is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Stop,
    Go,
}

fn sheet(way: Way) -> Sheet {
    let reason = Field::new("/reason", "Reason", Kind::Long);
    let fields = match way {
        Way::Stop => vec![reason.must().about("Your team reads it.")],
        Way::Go => Vec::new(),
    };
    Sheet::new(match way {
        Way::Stop => vec![Section::new("Why", fields)],
        Way::Go => Vec::new(),
    })
}

fn shown(visit: &Visit, way: Way, status: StatusCode, sheet: Sheet) -> Paged {
    let (title, lead, action, button) = match way {
        Way::Stop => (
            "Stop the line",
            "From now on nothing new is sent to any vendor for your organisation: no branch, no run, no ticket, no \
             message, no step of a rollout. What is under way finishes and is recorded. Stores go on with what they have. \
             It stays so until an admin lets the line go on.",
            "/operations/stop",
            "Stop the line",
        ),
        Way::Go => (
            "Let the line go on",
            "What waited is sent from now on, in its order. Where nothing was stopped, nothing changes.",
            "/operations/go",
            "Let it go on",
        ),
    };
    let form = FormPage {
        frame: visit.frame("operations"),
        crumbs: vec![("/operations".to_owned(), "Operations".to_owned())],
        title: title.to_owned(),
        lead,
        action: action.to_owned(),
        button,
        back: "/operations".to_owned(),
        hidden: Vec::new(),
        sheet,
        blocked: barred(visit, Role::Admin),
    };
    form.show(status)
}

async fn ask_stop(visit: Visit) -> Paged {
    shown(&visit, Way::Stop, StatusCode::OK, sheet(Way::Stop))
}

async fn ask_go(visit: Visit) -> Paged {
    shown(&visit, Way::Go, StatusCode::OK, sheet(Way::Go))
}

async fn set(visit: Visit, body: web::Bytes, way: Way) -> Paged {
    let form = visit.form(&body)?;
    let mut sheet = sheet(way);
    let Some(mut wanted) = sheet.take(&form) else {
        return shown(&visit, way, StatusCode::BAD_REQUEST, sheet);
    };
    if let Some(members) = wanted.as_object_mut() {
        members.insert("stopped".to_owned(), json!(way == Way::Stop));
    }
    let reply = visit.api.call(&visit.who, Call::post("/line/stop", wanted)).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return shown(&visit, way, reply.status, sheet);
    }
    Ok(go(match way {
        Way::Stop => "/operations?done=stopped",
        Way::Go => "/operations?done=going",
    }))
}

async fn stop(visit: Visit, body: web::Bytes) -> Paged {
    set(visit, body, Way::Stop).await
}

async fn go_on(visit: Visit, body: web::Bytes) -> Paged {
    set(visit, body, Way::Go).await
}
