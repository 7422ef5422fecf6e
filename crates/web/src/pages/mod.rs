//! The pages, one module each, and where they are.

mod act;
mod activity;
mod amend;
mod asked;
mod board;
mod calendar;
mod changes;
mod controls;
mod cycles;
mod dashboard;
mod delivery;
mod links;
mod list;
mod made_by;
mod moves;
mod profile;
mod queues;
mod release;
mod said;
mod setup;
mod sign_in;
mod stats;
mod status;
mod store_notes;
mod task;
mod timeline;
mod users_read;
mod views;

use crate::assets;
use crate::frame::refused;
use crate::visit::{bare, no};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

/// Registers every page.
pub fn configure(config: &mut web::ServiceConfig) {
    setup::configure(config);
    amend::configure(config);
    config
        .route("/assets/{name}", web::get().to(assets::serve))
        .service(
            web::resource("/sign-in")
                .route(web::get().to(sign_in::form))
                .route(web::post().to(sign_in::enter)),
        )
        .route("/sign-in/practice", web::post().to(sign_in::practise))
        .route("/sign-out", web::post().to(sign_in::leave))
        .route("/status/{link}", web::get().to(status::show))
        .route("/", web::get().to(dashboard::show))
        .route("/live", web::post().to(activity::newest))
        .route("/board", web::get().to(board::show))
        .route("/queues", web::get().to(queues::show))
        .route("/timeline", web::get().to(calendar::show))
        .service(
            web::resource("/timeline/links")
                .route(web::get().to(links::show))
                .route(web::post().to(links::make)),
        )
        .route("/timeline/links/{link}/revoke", web::post().to(links::revoke))
        .route("/activity", web::get().to(activity::show))
        .route("/activity/export", web::get().to(activity::export))
        .route("/activity/setup", web::get().to(activity::show_audit))
        .route("/activity/setup/export", web::get().to(activity::export_audit))
        .route("/releases", web::get().to(list::show))
        .service(
            web::resource("/releases/views")
                .route(web::get().to(views::list))
                .route(web::post().to(views::save)),
        )
        .service(
            web::resource("/releases/views/{view}")
                .route(web::get().to(views::ask))
                .route(web::post().to(views::change)),
        )
        .route("/releases/views/{view}/default", web::post().to(views::begin))
        .service(
            web::resource("/releases/views/{view}/delete")
                .route(web::get().to(views::ask_delete))
                .route(web::post().to(views::delete)),
        )
        .route("/releases/{key}", web::get().to(release::show))
        .route("/releases/{key}/live", web::post().to(release::live))
        .route("/releases/{key}/changes", web::get().to(changes::show))
        .service(
            web::resource("/releases/{key}/store-notes")
                .route(web::get().to(store_notes::show))
                .route(web::post().to(store_notes::write)),
        )
        .route("/releases/{key}/move", web::get().to(moves::show))
        .route("/releases/{key}/check", web::post().to(release::check))
        .route("/releases/{key}/tasks/{task}", web::get().to(task::show))
        .service(
            web::resource("/releases/{key}/do/{verb}")
                .route(web::get().to(act::ask))
                .route(web::post().to(act::act)),
        )
        .route("/profile", web::get().to(profile::show))
        .route("/profile/theme", web::post().to(profile::choose_theme))
        .route("/profile/tokens", web::post().to(profile::make_token))
        .service(
            web::resource("/profile/tokens/{token}/revoke")
                .route(web::get().to(profile::ask_revoke))
                .route(web::post().to(profile::revoke_token)),
        );
}

/// The page that says that there is none.
#[must_use]
pub fn missing(request: &HttpRequest) -> HttpResponse {
    let reply = no(StatusCode::NOT_FOUND, "there is no such page");
    refused(&bare(request), &reply, None)
}
