//! The doctor: everything that a release will need, tried before the first one.

use super::barred;
use crate::api::Call;
use crate::frame::{Frame, page};
use crate::session::secret;
use crate::setup::{Check, Doctor};
use crate::visit::{Paged, Visit, is_segment};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use serde_json::json;

#[derive(Template)]
#[template(path = "doctor.html")]
struct Page {
    frame: Frame,
    doctor: Doctor,
    missing: usize,
    unknown: usize,
    /// When the first of what was tried was tried: nothing here is older.
    oldest: Option<DateTime<Utc>>,
    barred: Option<String>,
    /// The name under which this form examines once, however often it is sent.
    once: String,
}

async fn shown(visit: &Visit, mut doctor: Doctor, tried: bool) -> Paged {
    let count = |word: &str| doctor.checks.iter().filter(|it| it.outcome == word).count();
    let (missing, unknown) = (count("MISSING"), count("UNKNOWN"));
    // What is to be put right stands first.
    doctor.checks.sort_by_key(urgency);
    let mut frame = visit.checked_frame("integrations").await;
    if tried {
        frame.done = crate::setup::done("examined");
    }
    let template = Page {
        frame,
        missing,
        unknown,
        oldest: doctor.checks.iter().filter_map(|it| it.tried_at).min(),
        doctor,
        barred: barred(visit, Role::Admin),
        once: format!("page-{}", secret(visit.api.app())),
    };
    Ok(page(StatusCode::OK, &template))
}

fn urgency(check: &Check) -> u8 {
    match check.outcome.as_str() {
        "MISSING" => 0,
        "UNKNOWN" => 1,
        "DEGRADED" => 2,
        _ => 3,
    }
}

/// What is known.
pub(super) async fn show(visit: Visit) -> Paged {
    let doctor: Doctor = visit.look("/doctor").await?;
    shown(&visit, doctor, false).await
}

/// Tries everything now; the answer itself is the page.
pub(super) async fn examine(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let call = Call::post("/doctor", json!({}));
    let call = match form.get("once").filter(|name| is_segment(name)) {
        Some(name) => call.named(name),
        None => call,
    };
    let reply = visit.api.call(&visit.who, call).await;
    let doctor: Doctor = reply
        .read()
        .map_err(|reply| visit.refuse_from(reply, "/doctor"))?;
    shown(&visit, doctor, true).await
}
