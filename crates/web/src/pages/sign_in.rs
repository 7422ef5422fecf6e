//! Signing in with an API token, or in practice without one, and out again.

use crate::api::{Api, Encryption, Refusal};
use crate::form::{FIELD, Form, comes_from_elsewhere, local, same};
use crate::frame::{Frame, go, page, refused};
use crate::model::Problem;
use crate::session::{self, Session};
use crate::visit::{Visit, api, bare, cookie, no, session_cookie};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use delivr_app::usecases::access::{self, Principal};
use std::rc::Rc;

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

/// A form that the sign-in page itself made, over a way on which nobody listens.
struct Sent {
    api: Rc<dyn Api>,
    encryption: Encryption,
    form: Form,
}

/// Why what was sent is not looked at any further.
struct Distrusted {
    status: StatusCode,
    next: String,
    problem: &'static str,
}

impl Distrusted {
    /// The page once more.
    fn again(self, request: &HttpRequest) -> HttpResponse {
        shown(request, self.status, &self.next, Some(self.problem.to_owned()))
    }
}

/// Reads what the sign-in page sends.
fn sent(request: &HttpRequest, body: &[u8]) -> Result<Sent, Distrusted> {
    let form = Form::read(body);
    let again = |status, problem| {
        let next = local(form.get("next")).to_owned();
        Err(Distrusted {
            status,
            next,
            problem,
        })
    };
    let Some(api) = api(request) else {
        return again(StatusCode::INTERNAL_SERVER_ERROR, "not wired");
    };
    let encryption = api.encryption(request);
    let ours = request
        .cookie(form_cookie(encryption))
        .zip(form.get(FIELD))
        .is_some_and(|(cookie, sent)| same(sent, cookie.value()));
    if comes_from_elsewhere(request) || !ours {
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
    Ok(Sent {
        api,
        encryption,
        form,
    })
}

/// Begins a session, and leads on.
fn begin(request: &HttpRequest, sent: &Sent, who: &Principal) -> HttpResponse {
    let Sent {
        api,
        encryption,
        form,
    } = sent;
    let next = local(form.get("next"));
    let Some(sealed) = Session::begin(api.app(), who).seal(api.app(), api.epoch()) else {
        let problem = "The session could not be sealed; the log says why.".to_owned();
        return shown(request, StatusCode::SERVICE_UNAVAILABLE, next, Some(problem));
    };
    let mut response = go(next);
    let mut session = cookie(session_cookie(*encryption), sealed);
    session.set_max_age(actix_web::cookie::time::Duration::seconds(
        session::LASTS.num_seconds(),
    ));
    let _always = response.add_cookie(&session);
    let _always = response.add_removal_cookie(&cookie(form_cookie(*encryption), String::new()));
    response
}

/// Takes the token, and begins a session.
pub(super) async fn enter(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let sent = match sent(&request, &body) {
        Ok(sent) => sent,
        Err(distrusted) => return distrusted.again(&request),
    };
    let again = |status, problem: &str| {
        let next = local(sent.form.get("next"));
        shown(&request, status, next, Some(problem.to_owned()))
    };
    let Some(token) = sent.form.get("token") else {
        return again(StatusCode::BAD_REQUEST, "Paste an API token.");
    };
    match sent.api.sign_in(&request, token).await {
        Ok(Some(who)) => begin(&request, &sent, &who),
        Ok(None) => again(
            StatusCode::FORBIDDEN,
            "This token is not valid: it may be mistyped, expired or revoked.",
        ),
        Err(Refusal(reply)) => again(reply.status, &Problem::of(&reply).detail),
    }
}

/// Opens the practice organisation: a session like any other, without a token. In every other mode there is no such place.
pub(super) async fn practise(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let Some(practice) = api(&request).and_then(|api| api.practice()) else {
        return super::missing(&request);
    };
    let sent = match sent(&request, &body) {
        Ok(sent) => sent,
        Err(distrusted) => return distrusted.again(&request),
    };
    let again = |status, problem: &str| {
        let next = local(sent.form.get("next"));
        shown(&request, status, next, Some(problem.to_owned()))
    };
    // A name that merely leads to this machine is another site's: its pages could press the button for somebody.
    if sent.encryption != Encryption::ThisMachine {
        return again(
            StatusCode::FORBIDDEN,
            "Practice is opened on the machine it runs on, by the address it printed.",
        );
    }
    match access::by_token(sent.api.app(), practice.tenant, practice.token).await {
        Ok(Some(who)) => begin(&request, &sent, &who),
        Ok(None) => again(
            StatusCode::FORBIDDEN,
            "The way in was revoked on the profile page. Start practice again, and it begins anew.",
        ),
        Err(error) => {
            tracing::warn!(%error, "practice cannot be opened: the store fails");
            again(
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer; try again in a moment.",
            )
        }
    }
}

/// Ends the session.
pub(super) async fn leave(visit: Visit, body: web::Bytes) -> Result<HttpResponse, crate::visit::Stop> {
    visit.form(&body)?;
    let mut response = go("/sign-in");
    let name = session_cookie(visit.api.encryption(&visit.request));
    let _always = response.add_removal_cookie(&cookie(name, String::new()));
    Ok(response)
}
