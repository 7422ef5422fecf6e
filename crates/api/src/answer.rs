//! Answers: JSON with the version as ETag and the canonical place as Location.

use crate::context::Shared;
use crate::problem::Problem;
use crate::tags::{self, Named, NotTags};
use actix_web::body::BoxBody;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use delivr_app::usecases::access::digest_of;
use serde::Serialize;

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Option<String>,
    version: Option<u64>,
    location: Option<String>,
}

/// What a handler comes to.
pub(crate) type Answered = Result<Answer, Problem>;

/// The JSON text of a value; our views always have one.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Answer {
    const fn new(status: StatusCode, body: Option<String>) -> Self {
        Self {
            status,
            body,
            version: None,
            location: None,
        }
    }
    /// 200 with a value.
    pub(crate) fn ok<T: Serialize>(value: &T) -> Self {
        Self::new(StatusCode::OK, Some(json(value)))
    }
    /// 201 with a value and its canonical place.
    pub(crate) fn created<T: Serialize>(location: String, value: &T) -> Self {
        Self {
            location: Some(location),
            ..Self::new(StatusCode::CREATED, Some(json(value)))
        }
    }
    /// 202 with a value.
    pub(crate) fn accepted<T: Serialize>(value: &T) -> Self {
        Self::new(StatusCode::ACCEPTED, Some(json(value)))
    }
    /// 204.
    pub(crate) const fn none() -> Self {
        Self::new(StatusCode::NO_CONTENT, None)
    }
    /// With the version as ETag.
    pub(crate) const fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

/// The ETag of a version as it is read, which also says how it looked: what is shown of a thing may change while the
/// thing stays as it is.
fn read_tag(version: u64, epoch: Option<&str>, body: &str) -> String {
    let mut look = digest_of(body.as_bytes());
    look.truncate(16);
    let bare = tag(version, epoch);
    format!("{}.{look}\"", bare.trim_end_matches('"'))
}

/// Whether the caller has this already, by `If-None-Match`. A header that is none asks for nothing.
fn is_known(request: &HttpRequest, tag: &str) -> bool {
    match tags::named(request.headers(), &header::IF_NONE_MATCH) {
        Ok(Some(Named::Any)) => true,
        Ok(Some(Named::These(tags))) => tags.iter().any(|it| it.opaque == tag.trim_matches('"')),
        Ok(None) | Err(NotTags) => false,
    }
}

/// The ETag of a version: names the epoch too once a database was restored.
pub(crate) fn tag(version: u64, epoch: Option<&str>) -> String {
    match epoch {
        Some(epoch) => format!("\"{version}-{epoch}\""),
        None => format!("\"{version}\""),
    }
}

impl Responder for Answer {
    type Body = BoxBody;
    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status);
        if let Some(version) = self.version {
            let shared = request.app_data::<web::Data<Shared>>();
            let epoch = shared.and_then(|shared| shared.epoch());
            let tag = match &self.body {
                Some(body) if request.method() == Method::GET => read_tag(version, epoch, body),
                Some(_) | None => tag(version, epoch),
            };
            if request.method() == Method::GET && is_known(request, &tag) {
                return HttpResponse::NotModified()
                    .insert_header((header::ETAG, tag))
                    .finish();
            }
            builder.insert_header((header::ETAG, tag));
        }
        if let Some(location) = self.location {
            builder.insert_header((header::LOCATION, location));
        }
        match self.body {
            Some(body) => builder.content_type("application/json").body(body),
            None => builder.finish(),
        }
    }
}
