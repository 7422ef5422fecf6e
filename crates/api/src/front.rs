//! What happens to every request: its id, replays under an idempotency key, problems as documents, the log line.

use crate::answer::tag;
use crate::context::{Caller, HeadAlone, NamedTenant, Repeat, Shared, caller, forgotten_at};
use crate::explain;
use crate::line_of_log::{self, Answered};
use crate::places::{self, BASE, Place};
use crate::problem::Problem;
use crate::receive::{Received, receive};
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, web};
use delivr_app::usecases::access;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::StoredAnswer;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The middleware.
pub(crate) async fn front<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let _in_flight = InFlight::new();
    let shared = request.app_data::<web::Data<Shared>>().cloned();
    let id = shared
        .as_ref()
        .map_or_else(String::new, |shared| shared.app.entropy.uuid().to_string());
    let method = request.method().clone();
    let callers = line_of_log::callers_id(request.headers());
    let mut response = answer(
        request,
        next,
        shared.as_deref().map(std::convert::AsRef::as_ref),
        &id,
    )
    .await?;
    if let Ok(value) = header::HeaderValue::from_str(&id) {
        response
            .headers_mut()
            .insert(header::HeaderName::from_static("x-request-id"), value);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    if let Some(callers) = &callers {
        response
            .headers_mut()
            .insert(line_of_log::CALLERS, callers.clone());
    }
    let pattern = response.request().match_pattern();
    let elapsed = started.elapsed();
    Answered {
        id: &id,
        callers: callers.as_ref(),
        method: &method,
        route: pattern.as_deref(),
        response: &response,
        elapsed,
    }
    .log();
    let route = pattern.unwrap_or_else(|| "unknown".to_owned());
    let status = response.status().as_u16();
    let labels = [
        ("method", labelled(&method).to_owned()),
        ("route", route),
        ("status", status.to_string()),
    ];
    metrics::counter!("delivr_http_requests_total", &labels).increment(1);
    metrics::histogram!("delivr_http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    Ok(response)
}

/// Counts a request while it is answered, however that ends.
struct InFlight;

impl InFlight {
    fn new() -> Self {
        metrics::gauge!("delivr_http_requests_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("delivr_http_requests_in_flight").decrement(1.0);
    }
}

/// The method as a label of metrics. Every label is kept for as long as the process lives, so that a caller must not be
/// able to make up new ones.
fn labelled(method: &Method) -> &'static str {
    const KNOWN: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let known = KNOWN.iter().find(|known| **known == method.as_str());
    known.copied().unwrap_or("OTHER")
}

async fn answer<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
    shared: Option<&Shared>,
    id: &str,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(problem) = rename(&mut request) {
        return Ok(request.into_response(problem.response(Some(id))));
    }
    if let Some(shared) = shared
        && let Err(problem) = receive(&mut request, shared.app.clock.as_ref()).await
    {
        return Ok(request.into_response(problem.response(Some(id))));
    }
    // After the body: a sender that is refused while it still sends would not read why.
    if let Some(guard) = shared.and_then(|shared| shared.guard.as_deref())
        && let Err(problem) = guard.admit(&request).await
    {
        return Ok(request.into_response(problem.response(Some(id))));
    }
    let flight = match shared {
        Some(shared) => named_key(&request).map(|key| shared.flight(&key)),
        None => None,
    };
    // Two requests with one key, sent at the same time: the second waits for the first one's answer.
    let _turn = match &flight {
        Some(flight) => Some(flight.lock().await),
        None => None,
    };
    let repeated = match shared {
        Some(shared) => repetition(&request, shared).await,
        None => Ok(Repetition::Unnamed),
    };
    let repeat = match repeated {
        Ok(Repetition::Unnamed) => None,
        Ok(Repetition::First(tenant, repeat)) => {
            request.extensions_mut().insert(repeat.clone());
            Some((tenant, repeat))
        }
        Ok(Repetition::Answered(stored)) => {
            let epoch = shared.and_then(Shared::epoch);
            let answer = replay(stored, request.path(), id, epoch);
            return Ok(request.into_response(answer));
        }
        Err(problem) => return Ok(request.into_response(problem.response(Some(id)))),
    };
    let response = next.call(request).await?.map_into_boxed_body();
    let response = documented(response, id);
    match (repeat, shared) {
        (Some((tenant, repeat)), Some(shared)) => remembered(response, shared, tenant, &repeat, id).await,
        (_, _) => Ok(response),
    }
}

/// Problems get the request's id; refusals of the framework itself become problems.
fn documented(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let refuses = status.is_client_error() || status.is_server_error();
    if !refuses || is_page(&response) {
        return response;
    }
    let ours = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>().cloned());
    let problem = match ours {
        Some(problem) => problem,
        None if status == StatusCode::NOT_FOUND => Problem::missing("route"),
        None => {
            let detail = status.canonical_reason().unwrap_or("the request was refused");
            Problem::new(status, "request_refused", detail)
        }
    };
    if let Some(explanation) = explain::refused(response.request(), &problem, id) {
        let answer = HttpResponse::Ok()
            .content_type("application/json")
            .body(explanation);
        return response.into_response(answer);
    }
    let document = problem.response(Some(id));
    response.into_response(document)
}

/// Whether a refusal is a page, for people.
fn is_page(response: &ServiceResponse<BoxBody>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

enum Repetition {
    /// No key is named, or it does not count here.
    Unnamed,
    /// The key is new.
    First(TenantId, Repeat),
    /// The key has an answer.
    Answered(StoredAnswer),
}

/// Routes the request to its canonical path and remembers the tenant that its own path names.
fn rename(request: &mut ServiceRequest) -> Result<(), Problem> {
    // A call from the pages says who asks; nothing that comes over the network can.
    if request.extensions().get::<Caller>().is_none() {
        request.extensions_mut().insert(Caller::default());
    }
    let uri = request.uri();
    // Neither a name nor a filter can hold it, and PostgreSQL refuses it in every text.
    if uri
        .path_and_query()
        .is_some_and(|whole| whole.as_str().contains("%00"))
    {
        return Err(Problem::malformed_at(
            "",
            "no text may contain the character U+0000",
        ));
    }
    // What answers to GET answers to HEAD: the server itself leaves the body away.
    if request.method() == Method::HEAD {
        request.extensions_mut().insert(HeadAlone);
        request.head_mut().method = Method::GET;
    }
    let uri = request.uri();
    let Some(Place { path, tenant }) = places::place(uri.path()) else {
        return Ok(());
    };
    if let Some(tenant) = tenant {
        request.extensions_mut().insert(NamedTenant(tenant));
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let renamed = PathAndQuery::try_from(format!("{BASE}{path}{query}"))
        .map_err(|_ignored| Problem::missing("route"))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(renamed);
    let uri = Uri::from_parts(parts).map_err(|_ignored| Problem::missing("route"))?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

/// The idempotency key, where it counts.
fn named_key(request: &ServiceRequest) -> Option<header::HeaderValue> {
    let counts = request.method() == Method::POST
        && !places::signed(request.path())
        && !explain::named(request.query_string());
    if counts {
        request.headers().get("idempotency-key").cloned()
    } else {
        None
    }
}

async fn repetition(request: &ServiceRequest, shared: &Shared) -> Result<Repetition, Problem> {
    let Some(named) = named_key(request) else {
        return Ok(Repetition::Unnamed);
    };
    let named = named
        .to_str()
        .ok()
        .filter(|key| (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| {
            Problem::malformed_at("", "Idempotency-Key must have 1 to 200 visible ASCII characters")
        })?;
    let who = caller(request.request()).await?;
    let Received(body) = request
        .extensions()
        .get::<Received>()
        .cloned()
        .unwrap_or_default();
    let mut whole = format!("POST {}?{}\n", request.path(), request.query_string()).into_bytes();
    whole.extend_from_slice(&body);
    let repeat = Repeat {
        key: format!("{}/{named}", who.token),
        request: access::digest_of(&whole),
        stored: Arc::default(),
        secret: Arc::default(),
    };
    match shared.app.store.answer(who.tenant.id, &repeat.key).await? {
        Some(stored) if stored.request == repeat.request => Ok(Repetition::Answered(stored)),
        Some(_) => Err(reused()),
        None => Ok(Repetition::First(who.tenant.id, repeat)),
    }
}

fn reused() -> Problem {
    Problem::conflict(
        "idempotency_key_reused",
        "this Idempotency-Key was used with another request; take a new one",
    )
}

fn replay(stored: StoredAnswer, path: &str, id: &str, epoch: Option<&str>) -> HttpResponse {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let mut builder = HttpResponse::build(status);
    builder.insert_header(("Idempotent-Replayed", "true"));
    if !status.is_client_error() {
        if let Some(place) = made_at(path, status, &stored.body) {
            builder.insert_header((header::LOCATION, place));
        }
        if let Some(version) = version_of(&stored.body) {
            builder.insert_header((header::ETAG, tag(version, epoch)));
        }
        return builder.content_type("application/json").body(stored.body);
    }
    // A kept refusal is about the request that meets it now.
    let body = match serde_json::from_str(&stored.body) {
        Ok(serde_json::Value::Object(mut document)) => {
            document.insert("instance".to_owned(), id.into());
            serde_json::Value::Object(document).to_string()
        }
        Ok(_) | Err(_) => stored.body,
    };
    builder.content_type("application/problem+json").body(body)
}

/// Where the thing is that the first request made: below its collection, by its id.
fn made_at(path: &str, status: StatusCode, body: &str) -> Option<String> {
    if status != StatusCode::CREATED {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(format!("{path}/{}", body.get("id")?.as_str()?))
}

/// The version of the thing that an answer shows, by the name it has there.
fn version_of(body: &str) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let number = |name: &str| body.get(name)?.as_u64();
    number("revision").or_else(|| number("version"))
}

/// Keeps the answer of a change that has no transaction of its own with it.
async fn remembered(
    response: ServiceResponse<BoxBody>,
    shared: &Shared,
    tenant: TenantId,
    repeat: &Repeat,
    id: &str,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !response.status().is_success() || repeat.stored.load(Ordering::Relaxed) {
        // A simultaneous request with the same key may have been faster: then its answer is the answer.
        return lost_race(response, shared, tenant, repeat, id).await;
    }
    let (request, response) = response.into_parts();
    let status = response.status().as_u16();
    let (head, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(actix_web::Error::from)?;
    let (status, kept) = if repeat.secret.load(Ordering::Relaxed) {
        let shown = Problem::already_shown();
        let text = serde_json::to_string(&shown.document(Some(id))).unwrap_or_default();
        (shown.status().as_u16(), text)
    } else {
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let answer = StoredAnswer {
        request: repeat.request.clone(),
        status,
        body: kept,
        expires_at: forgotten_at(&shared.app),
    };
    match shared.app.store.insert_answer(tenant, &repeat.key, &answer).await {
        Ok(()) | Err(StoreError::Duplicate(_)) => {}
        // The change is made: failing now would make the caller repeat it.
        Err(error) => tracing::warn!(%error, "an answer could not be kept for repetitions"),
    }
    Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(body))))
}

async fn lost_race(
    response: ServiceResponse<BoxBody>,
    shared: &Shared,
    tenant: TenantId,
    repeat: &Repeat,
    id: &str,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if response.status() != StatusCode::CONFLICT {
        return Ok(response);
    }
    match shared.app.store.answer(tenant, &repeat.key).await {
        Ok(Some(stored)) if stored.request == repeat.request => {
            let answer = replay(stored, response.request().path(), id, shared.epoch());
            Ok(response.into_response(answer))
        }
        Ok(Some(_)) => Ok(response.into_response(reused().response(Some(id)))),
        Ok(None) | Err(_) => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_make_up_no_labels() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
            assert_eq!(labelled(&Method::from_bytes(method.as_bytes()).unwrap()), method);
        }
        for method in ["TRACE", "CONNECT", "get", "X1", "X2"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(labelled(&method), "OTHER");
        }
    }
}
