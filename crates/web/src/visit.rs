//! A visit: who is signed in, how they like their pages, and what they sent.

use crate::api::{Api, Call, Encryption, Refusal, Reply};
use crate::form::{Form, comes_from_elsewhere, masked};
use crate::frame::{Frame, Theme, Visitor, go, refused};
use crate::session::Session;
use crate::setup::{Line, Stopped};
use crate::shown::done;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::{self, Principal, Role};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use url::form_urlencoded;

/// What a page comes to.
pub(crate) type Paged = Result<HttpResponse, Stop>;

/// A page that is not shown, and what is shown in its stead.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody must sign in first, and then come back.
    SignIn {
        /// Where to, afterwards.
        next: String,
        /// The cookie that is good for nothing.
        forget: Option<&'static str>,
    },
    /// A refusal.
    Refused {
        frame: Box<Frame>,
        reply: Reply,
        back: Option<String>,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn { .. } => f.write_str("nobody is signed in"),
            Self::Refused { reply, .. } => write!(f, "refused with {}", reply.status),
        }
    }
}

impl ResponseError for Stop {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::Refused { reply, .. } => reply.status,
        }
    }
    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn { next, forget } => {
                let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
                let mut response = go(&format!("/sign-in?next={next}"));
                if let Some(name) = forget {
                    // A name and attributes of our own: always a header.
                    let _always = response.add_removal_cookie(&cookie(name, String::new()));
                }
                response
            }
            Self::Refused { frame, reply, back } => refused(frame, reply, back.as_deref()),
        }
    }
}

/// Name of the session's cookie: with the prefix a browser takes it from nobody else and over TLS alone.
pub(crate) const fn session_cookie(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::Encrypted => "__Host-delivr",
        Encryption::ThisMachine | Encryption::Open => "delivr",
    }
}

/// A cookie of ours.
pub(crate) fn cookie(name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(name.starts_with("__Host-"))
        .finish()
}

/// Questions of one kind that a page asks at the same time, at most.
const AT_ONCE: usize = 4;

/// The cookie of the theme.
pub(crate) const THEME: &str = "delivr-theme";

/// The server behind a request.
pub(crate) fn api(request: &HttpRequest) -> Option<Rc<dyn Api>> {
    request.app_data::<Rc<dyn Api>>().cloned()
}

/// The theme somebody chose.
pub(crate) fn theme(request: &HttpRequest) -> Theme {
    request
        .cookie(THEME)
        .map_or(Theme::System, |cookie| Theme::read(cookie.value()))
}

/// The frame of a page for a request that nobody is known of.
pub(crate) fn bare(request: &HttpRequest) -> Frame {
    // Without a server behind it there is no clock; then the page is a refusal, and shows no time.
    let server = api(request);
    let now = server
        .as_ref()
        .map_or_else(chrono::DateTime::default, |api| api.app().clock.now());
    let mut frame = Frame::bare(theme(request), now);
    frame.practice = server.is_some_and(|api| api.practice().is_some());
    frame
}

/// A refusal of the pages themselves.
pub(crate) fn no(status: StatusCode, detail: &str) -> Reply {
    Reply::of(status, &json!({"detail": detail}))
}

/// Somebody who is signed in looks at a page.
pub(crate) struct Visit {
    pub(crate) api: Rc<dyn Api>,
    pub(crate) who: Principal,
    pub(crate) session: Session,
    /// What stops the line, which every page says.
    stops: Vec<Stopped>,
    pub(crate) request: HttpRequest,
}

impl FromRequest for Visit {
    type Error = Stop;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Stop>>>>;
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { visit(request).await })
    }
}

async fn visit(request: HttpRequest) -> Result<Visit, Stop> {
    let refusal = |request: &HttpRequest, reply: Reply| Stop::Refused {
        frame: Box::new(bare(request)),
        reply,
        back: None,
    };
    let Some(api) = api(&request) else {
        let reply = no(StatusCode::INTERNAL_SERVER_ERROR, "not wired");
        return Err(refusal(&request, reply));
    };
    let name = session_cookie(api.encryption(&request));
    let next = match request.method().is_safe() {
        true => request.uri().path_and_query().map_or("/", |it| it.as_str()),
        // What was sent is gone; the page it was sent from may not be.
        false => "/",
    };
    let sign_in = |forget| Stop::SignIn {
        next: next.to_owned(),
        forget,
    };
    let Some(cookie) = request.cookie(name) else {
        return Err(sign_in(None));
    };
    let Some(session) = Session::open(api.app(), api.epoch(), cookie.value()) else {
        return Err(sign_in(Some(name)));
    };
    let found = access::by_token(api.app(), session.tenant, session.token).await;
    let who = match found {
        Ok(Some(who)) => who,
        Ok(None) => return Err(sign_in(Some(name))),
        Err(error) => {
            tracing::warn!(%error, "nobody can be signed in: the store fails");
            let reply = no(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer; try again in a moment",
            );
            return Err(refusal(&request, reply));
        }
    };
    if let Err(Refusal(reply)) = api.admit(&who) {
        return Err(refusal(&request, reply));
    }
    // Where that cannot be read, the page itself says what is broken.
    let line = api.call(&who, Call::get("/line/stop")).await;
    let stops = line.read::<Line>().map_or_else(|_| Vec::new(), |line| line.stops);
    Ok(Visit {
        api,
        who,
        session,
        stops,
        request,
    })
}

impl Visit {
    /// The frame of a page, below an entry of the navigation.
    pub(crate) fn frame(&self, nav: &'static str) -> Frame {
        let mut frame = Frame::bare(theme(&self.request), self.api.app().clock.now());
        frame.nav = nav;
        frame.practice = self.api.practice().is_some();
        frame.stops.clone_from(&self.stops);
        frame.done = self.query().get("done").and_then(done);
        frame.who = Some(Visitor {
            actor: self.who.actor().to_owned(),
            role: self.who.role.word(),
            organisation: self.who.tenant.name.clone(),
            csrf: self.secret(),
        });
        frame
    }

    /// Since when the line is stopped, by whichever switch; none while it runs.
    pub(crate) fn stopped(&self) -> Option<DateTime<Utc>> {
        self.stops.iter().map(|it| it.since).max()
    }

    /// The session's secret as this page alone shows it.
    fn secret(&self) -> String {
        let mut mask = [0; 64];
        self.api.app().entropy.fill(&mut mask);
        masked(&self.session.csrf, &mask)
    }

    /// The frame with what the whole installation suffers from.
    pub(crate) async fn checked_frame(&self, nav: &'static str) -> Frame {
        let mut frame = self.frame(nav);
        let reply = self.api.call(&self.who, Call::get("/ready")).await;
        let ready = reply.document();
        let warnings = ready.get("warnings").and_then(|it| it.as_array());
        for warning in warnings.into_iter().flatten() {
            frame.warnings.extend(warning.as_str().map(ToOwned::to_owned));
        }
        frame
    }

    /// The same while a page asks for what it shows: neither waits for the other. A refusal of the page counts first.
    pub(crate) async fn with_frame<T>(
        &self,
        nav: &'static str,
        page: impl Future<Output = Result<T, Stop>>,
    ) -> Result<(Frame, T), Stop> {
        let (frame, page) = future::join(self.checked_frame(nav), page).await;
        Ok((frame, page?))
    }

    /// The query of the address.
    pub(crate) fn query(&self) -> Form {
        Form::read(self.request.query_string().as_bytes())
    }

    /// A segment of the path. The API decides whether there is such a thing; what could be another path is none.
    pub(crate) fn segment(&self, name: &str) -> Result<&str, Stop> {
        let text = self.request.match_info().get(name).unwrap_or_default();
        if is_segment(text) {
            Ok(text)
        } else {
            Err(self.refuse(no(StatusCode::NOT_FOUND, "there is no such page")))
        }
    }

    /// A refusal, in the frame of somebody who is signed in.
    pub(crate) fn refuse(&self, reply: Reply) -> Stop {
        if reply.status == StatusCode::UNAUTHORIZED {
            return Stop::SignIn {
                next: "/".to_owned(),
                forget: None,
            };
        }
        Stop::Refused {
            frame: Box::new(self.frame("")),
            reply,
            back: None,
        }
    }

    /// The same with the page to go back to.
    pub(crate) fn refuse_from(&self, reply: Reply, from: &str) -> Stop {
        match self.refuse(reply) {
            Stop::Refused { frame, reply, .. } => Stop::Refused {
                frame,
                reply,
                back: Some(from.to_owned()),
            },
            stop @ Stop::SignIn { .. } => stop,
        }
    }

    /// Asks the API.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Stop> {
        let reply = self.api.call(&self.who, call).await;
        reply.read().map_err(|reply| self.refuse(reply))
    }

    /// Reads, as somebody who may do nothing else: looking at a page makes no work for any vendor, whoever looks.
    pub(crate) async fn look<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, Stop> {
        let reader = Principal {
            role: Role::Viewer,
            ..self.who.clone()
        };
        let reply = self.api.call(&reader, Call::get(path)).await;
        reply.read().map_err(|reply| self.refuse(reply))
    }

    /// Reads several documents of one kind at once, in the order of their paths. Not all of them at the same time: others
    /// want connections to the database too.
    pub(crate) async fn look_each<T: DeserializeOwned>(
        &self,
        paths: impl IntoIterator<Item = String>,
    ) -> Result<Vec<T>, Stop> {
        let asked = paths.into_iter().map(|path| self.look(path));
        stream::iter(asked).buffered(AT_ONCE).try_collect().await
    }

    /// What a form of ours sends. One that another page made the browser send is refused before it is looked at.
    pub(crate) fn form(&self, body: &web::Bytes) -> Result<Form, Stop> {
        let form = Form::read(body);
        if comes_from_elsewhere(&self.request) || !form.carries(&self.session.csrf) {
            return Err(self.refuse(no(
                StatusCode::FORBIDDEN,
                "this form does not come from a page of this session; open the page again and send it from there",
            )));
        }
        Ok(form)
    }
}

/// Whether a text is one segment of a path, and needs no encoding in it.
pub(crate) fn is_segment(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
