//! Problems: every refusal as `application/problem+json` (RFC 9457), and the one table from errors to them.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use delivr_app::apply::ApplyError;
use delivr_app::connections::ConnectError;
use delivr_app::usecases::callbacks::CallbackError;
use delivr_app::usecases::inbound::InboundError;
use delivr_app::usecases::integrations::{IntegrationError, VerifyError};
use delivr_app::vault::VaultError;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError, Unusable};
use delivr_domain::ports::provider::WebhookError;
use delivr_domain::release::command::Rejection;
use delivr_domain::release::gate::Blocker;
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// One wrong place of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer to the place; empty for the whole body.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) detail: String,
}

impl FieldError {
    /// At the pointer, this.
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// What keeps a stage from starting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockerView {
    /// Stable word.
    pub(crate) code: String,
    /// Who must do what.
    pub(crate) detail: String,
    /// Who can clear it: `MEMBER`, `ADMIN`, `TIME` or `VENDOR`.
    pub(crate) cleared_by: String,
}

impl From<Blocker> for BlockerView {
    fn from(blocker: Blocker) -> Self {
        Self {
            code: blocker.code,
            detail: blocker.detail,
            cleared_by: blocker.cleared_by,
        }
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Box<str>,
    detail: String,
    errors: Vec<FieldError>,
    blockers: Vec<BlockerView>,
    retry_after: Option<u64>,
    /// Seldom there, and every result has room for a problem.
    more: Option<Box<More>>,
}

/// What few refusals say.
#[derive(Debug, Clone)]
struct More {
    /// What the path answers to, where the method was the mistake.
    allow: Vec<String>,
    /// Id of what is there already.
    existing: Option<String>,
}

/// The document a problem is sent as.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProblemDocument {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: String,
    /// Name of the status.
    title: String,
    /// HTTP status.
    status: u16,
    /// What went wrong and what can be done.
    detail: String,
    /// Stable, machine-readable word.
    code: String,
    /// The same sentence as `detail`.
    error: String,
    /// Id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Wrong places of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What keeps a gate closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blockers: Vec<BlockerView>,
    /// Id of what is there already and stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<String>,
}

impl Problem {
    /// A problem.
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            blockers: Vec::new(),
            retry_after: None,
            more: None,
        }
    }
    /// 405: the path answers to these methods.
    pub(crate) fn of_method(code: &str, detail: impl Into<String>, allow: Vec<String>) -> Self {
        Self {
            more: Some(Box::new(More {
                allow,
                existing: None,
            })),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, code, detail)
        }
    }
    /// Whether something else has what must be had once.
    pub(crate) fn is_duplicate(&self) -> bool {
        &*self.code == "duplicate"
    }
    /// The same with the place of what is taken, and the id of what has it.
    pub(crate) fn taken_at(mut self, pointer: &str, existing: Option<String>) -> Self {
        self.errors = vec![FieldError::new(pointer, self.detail.clone())];
        self.more = Some(Box::new(More {
            allow: Vec::new(),
            existing,
        }));
        self
    }
    /// 400: shape or syntax of the request.
    pub(crate) fn malformed(errors: Vec<FieldError>) -> Self {
        let detail = match errors.first() {
            Some(first) if first.pointer.is_empty() => first.detail.clone(),
            Some(first) => format!("{}: {}", first.pointer, first.detail),
            None => "the request is malformed".to_owned(),
        };
        Self {
            errors,
            ..Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail)
        }
    }
    /// 400 at one place.
    pub(crate) fn malformed_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::malformed(vec![FieldError::new(pointer, detail)])
    }
    /// 422: well-formed, but unknown or unsuitable.
    pub(crate) fn unsuitable(code: &str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            errors: vec![FieldError::new(pointer, detail.clone())],
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
    }
    /// 404: no such thing of this tenant.
    pub(crate) fn missing(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }
    /// 409: the state does not allow it.
    pub(crate) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }
    /// 409: the answer to the first request showed a secret, which is shown once.
    pub(crate) fn already_shown() -> Self {
        Self::conflict(
            "secret_already_shown",
            "this request was answered before, and its secret is shown only once; revoke it and make another",
        )
    }
    /// 412: the version named in If-Match is not the stored one.
    pub(crate) fn stale(stored: u64) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "stale_version",
            format!("it was changed in the meantime: version {stored} is stored; read it again"),
        )
    }
    /// 412: the version named in If-Match was replaced by another request at the same time.
    pub(crate) fn outdated() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "stale_version",
            "it was changed by somebody else at the same time; read it again",
        )
    }
    /// 403: there is no person behind the token.
    pub(crate) fn nobody() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "service_token_cannot_decide",
            "a decision is a person's, and this is a service token; use one with a person behind it \
             (`delivr-api token create --person ADDRESS`)",
        )
    }
    /// 403: the role does not allow it.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "role_too_low", detail)
    }
    /// 401: no valid credential.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "send a valid API token as `Authorization: Bearer TOKEN` or as `X-API-Key: TOKEN`",
        )
    }
    /// 429: too many of something; `wait` until the next one is answered.
    pub(crate) fn too_many(what: &str, wait: std::time::Duration) -> Self {
        // Whole seconds, upwards: who comes back then must not be too early.
        let seconds = wait
            .as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0))
            .max(1);
        Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                format!("there were too many {what}; try again in {seconds} s"),
            )
        }
    }
    /// 429: all live streams of a token are open.
    pub(crate) fn too_many_streams(most: usize) -> Self {
        Self {
            retry_after: Some(30),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                format!("this token has {most} live streams open already; close one"),
            )
        }
    }
    /// 504: a vendor does not answer while somebody waits.
    pub(crate) fn vendor_slow() -> Self {
        Self {
            retry_after: Some(30),
            ..Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "vendor_slow",
                "the vendor did not answer in time; try again later",
            )
        }
    }
    /// The same with places or reasons listed.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }
    /// The status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }
    /// The document.
    pub(crate) fn document(&self, instance: Option<&str>) -> ProblemDocument {
        ProblemDocument {
            kind: format!("urn:delivr:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_string(),
            error: self.detail.clone(),
            instance: instance.map(ToOwned::to_owned),
            errors: self.errors.clone(),
            blockers: self.blockers.clone(),
            existing: self.more.as_ref().and_then(|more| more.existing.clone()),
        }
    }
    /// The response.
    pub(crate) fn response(&self, instance: Option<&str>) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status);
        builder.content_type("application/problem+json");
        if let Some(seconds) = self.retry_after {
            builder.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let allow = self.more.as_ref().map(|more| &more.allow);
        if let Some(allow) = allow.filter(|allow| !allow.is_empty()) {
            builder.insert_header((header::ALLOW, allow.join(", ")));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            builder.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        let body = serde_json::to_string(&self.document(instance)).unwrap_or_default();
        builder.body(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }
    fn error_response(&self) -> HttpResponse {
        self.response(None)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict | StoreError::Fenced => Self::conflict(
                "changed_meanwhile",
                "it was changed by somebody else at the same time; read it again and repeat",
            ),
            StoreError::Duplicate(what) => Self::conflict("duplicate", format!("{what} exists already")),
            StoreError::Reference(what) => Self::conflict(
                "referenced",
                format!("{what} is used elsewhere, or does not exist any more"),
            ),
            StoreError::Corrupt { what, why } => {
                tracing::error!(what, why, "a stored value cannot be read");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "stored_value_unreadable",
                    format!(
                        "a stored value ({what}) cannot be read; an operator finds the details in the log"
                    ),
                )
            }
            StoreError::Newer { .. } => Self {
                retry_after: Some(5),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "written_by_newer_version",
                    "a newer version has changed it, and this process is of an older one: ask again until one of the newer version answers",
                )
            },
            StoreError::Unavailable { source } => {
                tracing::warn!(error = %source, "the database is unavailable");
                let sentence = match source.downcast_ref() {
                    Some(Unusable::Full(_)) => {
                        "the disk of the database is full: nothing can be stored until an operator makes room"
                    }
                    Some(Unusable::Schema(_)) | None => {
                        "the database is unavailable; try again in a few seconds"
                    }
                };
                Self {
                    retry_after: Some(5),
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", sentence)
                }
            }
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let sentence = rejection.to_string();
        match rejection {
            Rejection::Illegal { code, .. } => Self::conflict(code, sentence),
            Rejection::GateClosed { blockers, .. } => Self {
                blockers: blockers.into_iter().map(BlockerView::from).collect(),
                ..Self::conflict("gate_closed", sentence)
            },
            Rejection::Unsuitable { pointer, .. } => Self::unsuitable("unsuitable_value", pointer, sentence),
            Rejection::Missing(what) => Self::missing(what),
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Missing(what) => Self::missing(what),
            ApplyError::Rejected(rejection) => rejection.into(),
            ApplyError::Stale { stored } => Self::stale(stored),
            ApplyError::Store(error) => error.into(),
        }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        let status = match error.kind {
            ProviderErrorKind::Throttled => StatusCode::SERVICE_UNAVAILABLE,
            ProviderErrorKind::Misconfigured | ProviderErrorKind::Unsupported => StatusCode::CONFLICT,
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Precondition
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Unavailable
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Refused => StatusCode::BAD_GATEWAY,
        };
        Self {
            retry_after: error.retry_after.map(|after| after.as_secs().max(1)),
            ..Self::new(
                status,
                error.code(),
                format!("{} ({}): {}", error.provider, error.operation, error.sentence),
            )
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Provider(error) | ConnectError::NotHere(error) => error.into(),
            ConnectError::Store(error) => error.into(),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "stored credentials cannot be used");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "credentials_unreadable",
            "the stored credentials cannot be opened; an operator finds the reason in the log",
        )
    }
}

impl From<IntegrationError> for Problem {
    fn from(error: IntegrationError) -> Self {
        let sentence = error.to_string();
        match error {
            IntegrationError::Provider { .. } => Self::unsuitable("unknown_provider", "/provider", sentence),
            IntegrationError::Config(wrong) => Self::malformed_at(wrong.pointer, wrong.detail),
            IntegrationError::Vault(error) => error.into(),
            IntegrationError::Store(error) => error.into(),
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Missing => Self::missing("integration"),
            VerifyError::Vendor(error) => error.into(),
            VerifyError::Apply(error) => error.into(),
            VerifyError::Store(error) => error.into(),
        }
    }
}

impl From<CallbackError> for Problem {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::Vault(error) => error.into(),
            CallbackError::Store(error) => error.into(),
            CallbackError::Correlation => Self::missing("run"),
        }
    }
}

impl From<InboundError> for Problem {
    fn from(error: InboundError) -> Self {
        let sentence = error.to_string();
        match error {
            InboundError::Silent => Self::missing("webhook of this provider"),
            InboundError::Webhook(WebhookError::Unsigned) => {
                Self::new(StatusCode::UNAUTHORIZED, "unsigned_delivery", sentence)
            }
            InboundError::Webhook(WebhookError::Malformed(_)) => Self::malformed_at("", sentence),
            InboundError::Vault(error) => error.into(),
            InboundError::Store(error) => error.into(),
        }
    }
}
