//! Pages that set an organisation up: what it is connected to, what it releases, and how.

mod create;
mod create_form;
mod doctor;
mod foreseen;
mod integration;
mod integrations;
mod line;
mod links;
mod operations;
mod pipelines;
mod profile_form;
mod profile_notes;
mod profiles;
mod remove;
mod services;
mod settings;
mod start;
mod suggest;

use super::controls::Control;
use crate::fields::Sheet;
use crate::form::Form;
use crate::frame::{Frame, page};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use std::str::FromStr;

/// Registers the pages. They come before those whose address has a parameter at the same place.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/operations", web::get().to(operations::show))
        .route("/start", web::get().to(start::show))
        .route("/integrations", web::get().to(integrations::list))
        .service(
            web::resource("/integrations/{category}/new")
                .route(web::get().to(integrations::ask))
                .route(web::post().to(integrations::connect)),
        )
        .route("/integrations/{category}/{id}", web::get().to(integration::show))
        .route(
            "/integrations/{category}/{id}/verify",
            web::post().to(integration::verify),
        )
        .service(
            web::resource("/integrations/{category}/{id}/edit")
                .route(web::get().to(integration::ask_change))
                .route(web::post().to(integration::change)),
        )
        .service(
            web::resource("/integrations/{category}/{id}/secrets")
                .route(web::get().to(integration::ask_secrets))
                .route(web::post().to(integration::rotate)),
        )
        .service(
            web::resource("/integrations/{category}/{id}/remove")
                .route(web::get().to(integration::ask_remove))
                .route(web::post().to(integration::remove)),
        )
        .service(
            web::resource("/doctor")
                .route(web::get().to(doctor::show))
                .route(web::post().to(doctor::examine)),
        );
    create::configure(config);
    line::configure(config);
    links::configure(config);
    services::configure(config);
    settings::configure(config);
    profiles::configure(config);
    pipelines::configure(config);
}

/// A page that is one form.
#[derive(Template)]
#[template(path = "form.html")]
struct FormPage {
    frame: Frame,
    /// The pages above it: address and name.
    crumbs: Vec<(String, String)>,
    title: String,
    lead: &'static str,
    action: String,
    button: &'static str,
    /// Where somebody goes who changed their mind.
    back: String,
    /// Fields that nobody sees.
    hidden: Vec<(&'static str, String)>,
    sheet: Sheet,
    /// Why the visitor cannot do it.
    blocked: Option<String>,
}

impl FormPage {
    fn show(self, status: StatusCode) -> Paged {
        Ok(page(status, &self))
    }
}

/// The version that the visitor saw, as the form says. A form that is shown again keeps it: what somebody else saved
/// meanwhile is overwritten only by who opened the form anew and read it.
/// What is no version is none that there ever was. Nothing where the form does not say it, which ours always do.
fn seen<T: FromStr + Default>(form: &Form) -> Option<T> {
    form.get("version").map(|text| text.parse().unwrap_or_default())
}

/// Why somebody of the role cannot do it, and who can; none when they can.
pub(super) fn barred(visit: &Visit, needed: Role) -> Option<String> {
    (visit.who.role < needed).then(|| {
        format!(
            "This needs the role {needed}; yours is {}. An admin of your organisation can do it, or give you a token \
             that can.",
            visit.who.role
        )
    })
}

/// A link to something that the role may do, or why not.
fn control(visit: &Visit, needed: Role, title: &'static str, href: impl Into<String>) -> Control {
    Control {
        title,
        href: href.into(),
        danger: false,
        blocked: barred(visit, needed),
        place: None,
    }
}
