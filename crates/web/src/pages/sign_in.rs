//! Signing in with an API token, and out again.

use crate::api::{Encryption, Refusal};
use crate::form::{FIELD, Form, comes_from_elsewhere, local, same};
use crate::frame::{Frame, go, page, refused};
use crate::model::Problem;
use crate::session::{self, Session};
use crate::visit::{Visit, api, bare, cookie, no, session_cookie};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    frame: &'a Frame,
    /// The secret that the form and a cookie both carry: nobody is signed in by a page of somebody else.
    secret: &'a str,
    next: &'a str,
    problem: Option<String>,
    open: bool,
}

/// The cookie that goes with the form.
const fn form_cookie(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::Encrypted => "__Host-delivr-form",
        Encryption::ThisMachine | Encryption::Open => "delivr-form",
    }
}

fn shown(request: &HttpRequest, status: StatusCode, next: &str, problem: Option<String>) -> HttpResponse {
    let frame = bare(request);
    let Some(api) = api(request) else {
        return refused(&frame, &no(StatusCode::INTERNAL_SERVER_ERROR, "not wired"), None);
    };
    let encryption = api.encryption(request);
    let secret = session::secret(api.app());
    let template = SignIn {
        frame: &frame,
        secret: &secret,
        next,
        problem,
        open: encryption == Encryption::Open,
    };
    let mut response = page(status, &template);
    // Names and values are letters and digits: they always make a header.
    let _always = response.add_cookie(&cookie(form_cookie(encryption), secret.clone()));
    response
}

/// The form.
pub(super) async fn form(request: HttpRequest) -> HttpResponse {
    let query = Form::read(request.query_string().as_bytes());
    shown(&request, StatusCode::OK, local(query.get("next")), None)
}

/// Takes the token, and begins a session.
pub(super) async fn enter(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let form = Form::read(&body);
    let next = local(form.get("next"));
    let again = |status, problem: &str| shown(&request, status, next, Some(problem.to_owned()));
    let Some(api) = api(&request) else {
        return again(StatusCode::INTERNAL_SERVER_ERROR, "not wired");
    };
    let encryption = api.encryption(&request);
    let ours = request
        .cookie(form_cookie(encryption))
        .zip(form.get(FIELD))
        .is_some_and(|(cookie, sent)| same(sent, cookie.value()));
    if comes_from_elsewhere(&request) || !ours {
        return again(
            StatusCode::FORBIDDEN,
            "This form was not sent from the sign-in page, or cookies are off. Try again from here.",
        );
    }
    if encryption == Encryption::Open {
        return again(
            StatusCode::FORBIDDEN,
            "Nobody signs in over a connection that others can read.",
        );
    }
    let Some(token) = form.get("token") else {
        return again(StatusCode::BAD_REQUEST, "Paste an API token.");
    };
    let who = match api.sign_in(&request, token).await {
        Ok(Some(who)) => who,
        Ok(None) => {
            return again(
                StatusCode::FORBIDDEN,
                "This token is not valid: it may be mistyped, expired or revoked.",
            );
        }
        Err(Refusal(reply)) => return again(reply.status, &Problem::of(&reply).detail),
    };
    let Some(sealed) = Session::begin(api.app(), &who).seal(api.app(), api.epoch()) else {
        return again(
            StatusCode::SERVICE_UNAVAILABLE,
            "The session could not be sealed; the log says why.",
        );
    };
    let mut response = go(next);
    let mut session = cookie(session_cookie(encryption), sealed);
    session.set_max_age(actix_web::cookie::time::Duration::seconds(
        session::LASTS.num_seconds(),
    ));
    let _always = response.add_cookie(&session);
    let _always = response.add_removal_cookie(&cookie(form_cookie(encryption), String::new()));
    response
}

/// Ends the session.
pub(super) async fn leave(visit: Visit, body: web::Bytes) -> Result<HttpResponse, crate::visit::Stop> {
    visit.form(&body)?;
    let mut response = go("/sign-in");
    let name = session_cookie(visit.api.encryption(&visit.request));
    let _always = response.add_removal_cookie(&cookie(name, String::new()));
    Ok(response)
}
