//! Removing something that is set up: what goes, what keeps it, and the form.

use super::{barred, seen};
use crate::api::Call;
use crate::frame::{Frame, go, page};
use crate::setup::User;
use crate::visit::{Paged, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;

/// What is to be removed.
pub(super) struct Removal {
    /// What it is, in a word.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Its path in the API.
    pub(super) path: String,
    /// Its page.
    pub(super) page: String,
    /// The page of all of its kind.
    pub(super) list: &'static str,
    pub(super) nav: &'static str,
    pub(super) version: u64,
    /// What goes with it, and what does not.
    pub(super) effect: &'static str,
    /// What keeps it from being removed.
    pub(super) used_by: Vec<User>,
    pub(super) needed: Role,
}

#[derive(Template)]
#[template(path = "remove.html")]
struct Page {
    frame: Frame,
    it: Removal,
    blocked: Option<String>,
}

/// The page that asks.
pub(super) fn asked(visit: &Visit, it: Removal) -> Paged {
    let template = Page {
        frame: visit.frame(it.nav),
        blocked: barred(visit, it.needed),
        it,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Removes it, if it still is what the visitor saw.
pub(super) async fn done(visit: &Visit, body: &web::Bytes, it: Removal) -> Paged {
    let form = visit.form(body)?;
    let call = Call::bare(Method::DELETE, it.path.clone()).of_version(seen(&form));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go(&format!("{}?done=removed", it.list)))
    } else {
        Err(visit.refuse_from(reply, &it.page))
    }
}
