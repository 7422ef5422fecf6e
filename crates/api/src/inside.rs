//! The API as the pages reach it: the same routes, called inside the process by somebody who is signed in already.
//!
//! So a page cannot do what the API refuses, and says what the API says: there is no second way to anything.

use crate::LIMIT;
use crate::answer::tag;
use crate::context::{Caller, Shared};
use crate::front::front;
use crate::problem::Problem;
use crate::server::{api, nowhere};
use actix_http::Request;
use actix_service::IntoServiceFactory as _;
use actix_web::body::{BoxBody, to_bytes_limited};
use actix_web::dev::{AppConfig, Payload, Service as _, ServiceFactory as _, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{StatusCode, Uri};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpMessage as _, HttpRequest, web};
use async_trait::async_trait;
use delivr_app::usecases::access::{self, Principal};
use delivr_web::{Call, Content, Encryption, Practice, Refusal, Reply};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde_json::{Value, json};
use std::rc::Rc;
use tokio::sync::OnceCell;

/// An answer of the API to a page is read to so many bytes; lists are paged far below it.
const LONGEST: usize = 16 * 1024 * 1024;

type Answer = LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, actix_web::Error>>;
type Routes = Rc<dyn Fn(Request) -> Answer>;

/// The API inside one thread of the server.
pub struct Inside {
    shared: web::Data<Shared>,
    routes: OnceCell<Routes>,
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inside")
    }
}

impl Inside {
    /// The API of this server. Used on the thread that made it.
    #[must_use]
    pub fn new(shared: &web::Data<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            routes: OnceCell::new(),
        }
    }

    /// The routes, put together when the first page asks.
    async fn routes(&self) -> Result<Routes, Reply> {
        let made = self.routes.get_or_try_init(|| async {
            // Visitors are counted once, where they come in.
            let shared = self.shared.unguarded();
            let app = App::new()
                .app_data(web::Data::new(shared))
                .app_data(web::PayloadConfig::new(LIMIT))
                .wrap(from_fn(front))
                .configure(api)
                .default_service(web::to(nowhere));
            let service = app.into_factory().new_service(AppConfig::default()).await?;
            let routes: Routes = Rc::new(move |request| service.call(request).boxed_local());
            Ok::<_, ()>(routes)
        });
        made.await
            .cloned()
            .map_err(|()| failed("the routes could not be put together"))
    }

    /// What the routes answer; a request that cannot be made leads nowhere.
    async fn answer(&self, request: Option<Request>) -> Reply {
        let routes = match self.routes().await {
            Ok(routes) => routes,
            Err(reply) => return reply,
        };
        let Some(request) = request else {
            let nowhere = json!({"code": "not_found", "detail": "there is no such place"});
            return Reply::of(StatusCode::NOT_FOUND, &nowhere);
        };
        let response = match routes(request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(%error, "a page was not answered by the API");
                return failed("the API did not answer");
            }
        };
        let status = response.status();
        match to_bytes_limited(response.into_body(), LONGEST).await {
            Ok(Ok(body)) => Reply::new(status, body),
            Ok(Err(_)) | Err(_) => failed("the API's answer could not be read"),
        }
    }
}

fn failed(detail: &str) -> Reply {
    let document = json!({"code": "internal", "detail": detail});
    Reply::of(StatusCode::INTERNAL_SERVER_ERROR, &document)
}

/// The call as a request over HTTP would be, of somebody or of nobody known.
fn request(who: Option<&Principal>, call: &Call, epoch: Option<&str>) -> Option<Request> {
    let body = call.body.as_ref().map(Value::to_string);
    let length = body.as_ref().map_or(0, String::len);
    let mut request = match body {
        Some(text) => Request::with_payload(Payload::from(web::Bytes::from(text))),
        None => Request::with_payload(Payload::None),
    };
    let head = request.head_mut();
    head.method = call.method.clone();
    head.uri = format!("/api/v1{}", call.path).parse::<Uri>().ok()?;
    let headers = request.headers_mut();
    if call.body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(version) = call.version {
        headers.insert(
            header::IF_MATCH,
            HeaderValue::from_str(&tag(version, epoch)).ok()?,
        );
    }
    if let Some(name) = &call.once {
        let header = header::HeaderName::from_static("idempotency-key");
        headers.insert(header, HeaderValue::from_str(name).ok()?);
    }
    if let Some(who) = who {
        request.extensions_mut().insert(Caller::known(who.clone()));
    }
    Some(request)
}

fn refusal(problem: &Problem) -> Refusal {
    let document = serde_json::to_value(problem.document(None)).unwrap_or_default();
    Refusal(Reply::of(problem.status(), &document))
}

#[async_trait(?Send)]
impl delivr_web::Api for Inside {
    fn app(&self) -> &delivr_app::App {
        &self.shared.app
    }

    fn epoch(&self) -> Option<&str> {
        self.shared.epoch()
    }

    async fn call(&self, who: &Principal, call: Call) -> Reply {
        match self.shared.learn_epoch().await {
            Ok(epoch) => self.answer(request(Some(who), &call, epoch)).await,
            Err(problem) => refusal(&problem).0,
        }
    }

    async fn send(&self, who: &Principal, call: Call, media_type: &str, body: Content) -> Reply {
        let epoch = match self.shared.learn_epoch().await {
            Ok(epoch) => epoch,
            Err(problem) => return refusal(&problem).0,
        };
        let streamed = request(Some(who), &call, epoch).map(|bare| {
            let (mut request, _none) = bare.replace_payload(Payload::Stream { payload: body });
            let kind = HeaderValue::from_str(media_type);
            let unknown = HeaderValue::from_static("application/octet-stream");
            let headers = request.headers_mut();
            headers.insert(header::CONTENT_TYPE, kind.unwrap_or(unknown));
            request
        });
        self.answer(streamed).await
    }

    async fn open(&self, path: &str) -> Reply {
        self.answer(request(None, &Call::get(path), None)).await
    }

    async fn sign_in(&self, request: &HttpRequest, token: &str) -> Result<Option<Principal>, Refusal> {
        match &self.shared.guard {
            Some(guard) => guard
                .sign_in(&self.shared.app, request, token)
                .await
                .map_err(|problem| refusal(&problem)),
            None => access::authenticate(&self.shared.app, token)
                .await
                .map_err(|error| refusal(&error.into())),
        }
    }

    fn admit(&self, who: &Principal) -> Result<(), Refusal> {
        match &self.shared.guard {
            Some(guard) => guard.visit(who).map_err(|problem| refusal(&problem)),
            None => Ok(()),
        }
    }

    fn practice(&self) -> Option<Practice> {
        self.shared.practice
    }

    fn encryption(&self, request: &HttpRequest) -> Encryption {
        // What the browser asked for; a header of a proxy could be anybody's.
        let host = delivr_web::host(request);
        let ours = self
            .shared
            .public_url
            .as_ref()
            .filter(|url| url.scheme() == "https")
            .is_some_and(|url| url.authority() == host);
        let said = || {
            let believed = request.peer_addr().is_some_and(|peer| {
                let guard = self.shared.guard.as_deref();
                guard.is_some_and(|guard| guard.trusts(peer.ip()))
            });
            let word = request.headers().get("x-forwarded-proto");
            believed && word.is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"https"))
        };
        if request.app_config().secure() || ours || said() {
            Encryption::Encrypted
        } else if is_loopback(&host) {
            Encryption::ThisMachine
        } else {
            Encryption::Open
        }
    }
}

/// Whether the browser says that it speaks with its own machine, where nobody listens in between.
fn is_loopback(host: &str) -> bool {
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_this_machine() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "[::1]:80",
            "127.9.9.9",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example:1",
            "192.0.2.1",
            "[2001:db8::1]:1",
            "",
            "127.0.0.1.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
