//! The pages: what the API says, for people, and forms that do what the API can do.
//!
//! Everything is HTML that the server makes; a page without its script does all that it does with it. What stands on a
//! page comes from the API itself ([`Api::call`], a call inside the process), so that there is no second way to
//! anything: a page shows what its visitor may read, and a form is refused like the request it stands for.
//!
//! It must never decide anything about a release, or reach the store past the API: it uses the application for
//! sessions, and for words and defaults of the language that both speak.

mod api;
mod assets;
mod bidi;
mod fields;
mod form;
mod frame;
mod model;
mod pages;
mod session;
mod setup;
mod shown;
mod verb;
mod visit;
mod when;
mod zone;

pub use api::{Api, Call, Encryption, Practice, Refusal, Reply};
pub use form::host;
pub use pages::{configure, missing};
pub use shown::told;

use actix_web::HttpRequest;
use actix_web::http::header;

/// Whether somebody asks who reads pages: a browser that goes somewhere, and no program.
#[must_use]
pub fn wants_page(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT);
    accepted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"))
}
