//! Changing a release on its way: what is said of it, its dates, slots and plan, how a cycle went, builds that people
//! make. Each form stays with what is filled in when it is refused, and can show what it would do first.

mod build;
mod edit;
mod file;
mod plan;
mod slots;
mod targets;
mod verdict;

pub(super) use build::{takes_build, waits};

use super::controls::{Control, Hand};
use crate::api::Call;
use crate::fields::{Choice, Field, Sheet};
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{Explanation, Problem, Release, Slot};
use crate::visit::{Paged, Stop, Visit, no};
use crate::zone;
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use std::collections::BTreeMap;

/// Registers the pages.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/releases/{key}/edit")
                .route(web::get().to(edit::ask))
                .route(web::post().to(edit::change)),
        )
        .service(
            web::resource("/releases/{key}/cycles/{cycle}/verdict")
                .route(web::get().to(verdict::ask))
                .route(web::post().to(verdict::record)),
        )
        .service(
            web::resource("/releases/{key}/slots")
                .route(web::get().to(slots::list))
                .route(web::post().to(slots::add)),
        )
        .service(
            web::resource("/releases/{key}/slots/{slot}")
                .route(web::get().to(slots::ask))
                .route(web::post().to(slots::change)),
        )
        .service(
            web::resource("/releases/{key}/plan")
                .route(web::get().to(plan::ask))
                .route(web::post().to(plan::take_up)),
        )
        .service(
            web::resource("/releases/{key}/targets")
                .route(web::get().to(targets::ask))
                .route(web::post().to(targets::change)),
        )
        .service(
            web::resource("/releases/{key}/builds/new")
                .route(web::get().to(build::ask))
                .route(web::post().to(build::hand_in)),
        )
        .service(
            web::resource("/releases/{key}/builds/{build}/file")
                .route(web::get().to(file::ask))
                .route(web::post().to(file::send)),
        );
}

/// A page with one form about a release.
#[derive(Template)]
#[template(path = "amend.html")]
struct Page {
    frame: Frame,
    key: String,
    /// What the release is called.
    name: String,
    title: String,
    lead: String,
    /// Where the form goes.
    action: String,
    button: &'static str,
    /// The zone whose clocks the times are read by; none where there are no times.
    zone: Option<&'static str>,
    /// Fields that nobody sees.
    hidden: Vec<(&'static str, String)>,
    sheet: Sheet,
    /// Slots that are planned, where the page is about them.
    slots: Vec<Slot>,
    /// Whether the slots are listed.
    lists_slots: bool,
    preview: Option<Explanation>,
    /// Why the visitor cannot do it.
    blocked: Option<String>,
}

impl Page {
    fn of(visit: &Visit, release: &Release, title: impl Into<String>, part: &str, sheet: Sheet) -> Self {
        Self {
            frame: visit.frame("releases"),
            key: release.key.clone(),
            name: release.title.clone(),
            title: title.into(),
            lead: String::new(),
            action: format!("/releases/{}/{part}", release.key),
            button: "Save",
            zone: None,
            hidden: Vec::new(),
            sheet,
            slots: Vec::new(),
            lists_slots: false,
            preview: None,
            blocked: barred(visit, release),
        }
    }

    fn zones(&self) -> Vec<Choice> {
        let offered = zone::OFFERED.iter();
        offered
            .map(|name| Choice::new(*name, name.replace('_', " ")))
            .collect()
    }

    fn show(self, status: StatusCode) -> Paged {
        Ok(page(status, &self))
    }

    /// Sends the request, or shows what it would do; the form stays when it is refused.
    async fn send(mut self, visit: &Visit, form: &Form, call: Call, led: &str) -> Paged {
        let looks = form.get("do") == Some("look");
        let call = if looks { call.explained() } else { call };
        let reply = visit.api.call(&visit.who, call).await;
        if !reply.status.is_success() {
            return self.refused(visit, &Problem::of(&reply), reply.status);
        }
        if !looks {
            return Ok(go(led));
        }
        let said: Explanation = reply.read().map_err(|reply| visit.refuse(reply))?;
        if let Some(problem) = &said.problem {
            self.sheet.refuse(&Problem::from_value(problem.clone()));
        }
        self.preview = Some(said).filter(|it| it.allowed);
        self.show(StatusCode::OK)
    }

    fn refused(mut self, visit: &Visit, problem: &Problem, status: StatusCode) -> Paged {
        if status == StatusCode::UNAUTHORIZED {
            return Err(visit.refuse(no(status, &problem.detail)));
        }
        self.sheet.refuse(problem);
        self.show(status)
    }
}

/// The release of the address, with the parts.
async fn subject(visit: &Visit, parts: &str) -> Result<Release, Stop> {
    let key = visit.segment("key")?;
    visit.look(format!("/releases/{key}?include={parts}")).await
}

/// The same for a form that was sent: who may not is refused before anything is read of it.
async fn to_change(visit: &Visit, parts: &str) -> Result<Release, Stop> {
    let release = subject(visit, parts).await?;
    match super::setup::barred(visit, Role::Member) {
        Some(why) => Err(visit.refuse(no(StatusCode::FORBIDDEN, &why))),
        None => Ok(release),
    }
}

/// Why the visitor cannot change the release; none when they can.
fn barred(visit: &Visit, release: &Release) -> Option<String> {
    if matches!(release.phase.as_str(), "ARCHIVED" | "ROLLED_BACK") {
        return Some("This release is closed; nothing of it changes any more.".to_owned());
    }
    super::setup::barred(visit, Role::Member)
}

/// A link to a page of the release, beside the buttons that do something.
pub(super) fn link(hand: &Hand<'_>, title: &'static str, part: impl std::fmt::Display) -> Control {
    Control {
        title,
        href: format!("/releases/{}/{part}", hand.key),
        danger: false,
        blocked: (hand.role < Role::Member).then(|| {
            format!(
                "This needs the role {}; yours is {}. An admin of your organisation can do it, or give you a token \
                 that can.",
                Role::Member,
                hand.role
            )
        }),
        place: None,
    }
}

/// The zone that an address or a form names, if we offer it.
fn zone_of(form: &Form) -> &'static str {
    let named = form.get("zone").unwrap_or("UTC");
    let known = zone::OFFERED.iter().find(|it| **it == named);
    known.copied().unwrap_or("UTC")
}

/// An instant as a field for a day and hour shows it.
fn moment(at: Option<DateTime<Utc>>, zone: &str) -> String {
    at.and_then(|at| zone::shown(at, zone)).unwrap_or_default()
}

/// An instant of the form, as the API takes it; what is none is told at its field.
fn instant(sheet: &mut Sheet, pointer: &str, text: &str, zone: &str) -> Option<String> {
    match zone::instant(text, zone) {
        Ok(at) => Some(at.to_rfc3339()),
        Err(wrong) => {
            sheet.blame(pointer, &wrong.sentence(text, zone));
            None
        }
    }
}

/// What stands in the fields, by their places.
fn values(sheet: &Sheet) -> BTreeMap<String, String> {
    let fields = sheet.sections.iter().flat_map(|it| &it.fields);
    fields
        .map(|field| {
            // As a browser sends it back.
            let text = field.value.replace("\r\n", "\n").trim().to_owned();
            (field.pointer.clone(), text)
        })
        .collect()
}

/// The fields of a sheet.
fn fields(sheet: &mut Sheet) -> impl Iterator<Item = &mut Field> {
    sheet.sections.iter_mut().flat_map(|it| &mut it.fields)
}

/// What the form showed when it was opened, by the places of its fields. What is no such text showed nothing.
fn shown(form: &Form) -> BTreeMap<String, String> {
    let text = form.get("shown").unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

/// The same as a field that nobody sees.
fn remembered(values: &BTreeMap<String, String>) -> (&'static str, String) {
    ("shown", serde_json::to_string(values).unwrap_or_default())
}

/// Finds what the visitor has changed. A field that somebody else has changed since the form was opened is told, with
/// what stands there now: what nobody has read is not overwritten. A release moves by itself all the time, so that its
/// version as a whole says nothing about its fields.
fn changed(sheet: &mut Sheet, form: &Form, now: &BTreeMap<String, String>) -> Vec<String> {
    let shown = shown(form);
    let mine = values(sheet);
    let mut found = Vec::new();
    for (pointer, value) in mine {
        let empty = String::new();
        let (before, present) = (
            shown.get(&pointer).unwrap_or(&empty),
            now.get(&pointer).unwrap_or(&empty),
        );
        if value == *before || value == *present {
            continue;
        }
        if before != present {
            let said = if present.is_empty() { "nothing" } else { present };
            sheet.blame(
                &pointer,
                &format!("somebody has changed this meanwhile; it is now: {said}. Send the form again to replace it"),
            );
        }
        found.push(pointer);
    }
    found
}
