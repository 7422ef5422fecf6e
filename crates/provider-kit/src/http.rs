//! The one HTTP client of all adapters: guarded addresses, one total timeout, bounded answers, no retries and no
//! redirects to other hosts. What is known about the effect of a failed call is part of every error.

use crate::address::{AddressPolicy, GuardedResolver, Refusal, refusal_in};
use crate::classify::{classify, is_html, retry_after, vendor_words};
use crate::exchange::Noting;
use crate::gauge::{Judged, ReadLimits, Teller};
use crate::redact::Redactor;
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::Credentials;
use delivr_domain::time::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;
use url::Url;

/// Longest time a call may take: a third of the 60 s lease.
pub const LONGEST_CALL: Duration = Duration::from_secs(20);
/// How many redirects on the same host a read follows.
const MOST_REDIRECTS: usize = 3;

/// How calls are made.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Total time of a call, answer included; at most [`LONGEST_CALL`].
    pub timeout: Duration,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Largest answer in bytes, after decompression.
    pub max_answer: usize,
    /// What we call ourselves.
    pub user_agent: String,
    /// Further trusted certificates (PEM), for vendors behind a private authority.
    pub ca_bundle: Option<Vec<u8>>,
    /// The way out: an HTTP proxy, with its password if it has one. Hosts that the operator named are called without it.
    pub proxy: Option<SecretString>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_answer: 8 * 1024 * 1024,
            user_agent: concat!("delivr/", env!("CARGO_PKG_VERSION")).to_owned(),
            ca_bundle: None,
            proxy: None,
        }
    }
}

/// Whether a call changes anything at the vendor: decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Changes nothing; safe to repeat.
    Read,
    /// May change something; an answer that does not arrive leaves the effect unknown.
    Write,
}

/// What is sent.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(serde_json::Value),
    /// A form, percent-encoded.
    Form(Vec<(String, String)>),
    /// Bytes of this content type.
    Bytes(String, Bytes),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Json(_) => "Json",
            Self::Form(_) => "Form",
            Self::Bytes(..) => "Bytes",
        })
    }
}

/// One call of a vendor.
#[derive(Debug, Clone)]
pub struct Call {
    provider: &'static str,
    operation: &'static str,
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    secret_headers: Vec<(HeaderName, SecretString)>,
    body: Body,
    intent: Intent,
    timeout: Option<Duration>,
    max_answer: Option<usize>,
    redactor: Redactor,
}

impl Call {
    /// A call; every method but GET and HEAD counts as a write until [`Call::reads`] says otherwise.
    #[must_use]
    pub fn new(provider: &'static str, operation: &'static str, method: Method, url: Url) -> Self {
        let intent = if method == Method::GET || method == Method::HEAD {
            Intent::Read
        } else {
            Intent::Write
        };
        Self {
            provider,
            operation,
            method,
            url,
            headers: Vec::new(),
            secret_headers: Vec::new(),
            body: Body::Empty,
            intent,
            timeout: None,
            max_answer: None,
            redactor: Redactor::default(),
        }
    }
    /// A GET.
    #[must_use]
    pub fn get(provider: &'static str, operation: &'static str, url: Url) -> Self {
        Self::new(provider, operation, Method::GET, url)
    }
    /// A POST.
    #[must_use]
    pub fn post(provider: &'static str, operation: &'static str, url: Url) -> Self {
        Self::new(provider, operation, Method::POST, url)
    }
    /// The same, changing nothing at the vendor (a search by POST, a token exchange).
    #[must_use]
    pub const fn reads(mut self) -> Self {
        self.intent = Intent::Read;
        self
    }
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
    /// With a header that nothing shows.
    #[must_use]
    pub fn secret_header(mut self, name: HeaderName, value: SecretString) -> Self {
        self.redactor.add(value.clone());
        self.secret_headers.push((name, value));
        self
    }
    /// With `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &SecretString) -> Self {
        let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
        self.redact(token).secret_header(AUTHORIZATION, value)
    }
    /// With `Authorization: Basic`.
    #[must_use]
    pub fn basic(self, user: &str, password: &SecretString) -> Self {
        let pair = format!("{user}:{}", password.expose_secret());
        let pair = SecretString::from(base64::engine::general_purpose::STANDARD.encode(pair));
        let value = SecretString::from(format!("Basic {}", pair.expose_secret()));
        self.redact(password)
            .redact(&pair)
            .secret_header(AUTHORIZATION, value)
    }
    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Body::Json(body);
        self
    }
    /// With a form.
    #[must_use]
    pub fn form(mut self, fields: Vec<(String, String)>) -> Self {
        self.body = Body::Form(fields);
        self
    }
    /// With any body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
    /// A secret that the call carries elsewhere (form, query) or that the vendor might repeat.
    #[must_use]
    pub fn redact(mut self, secret: &SecretString) -> Self {
        self.redactor.add(secret.clone());
        self
    }
    /// With another total time than the client's; cut to [`LONGEST_CALL`].
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
    /// With another largest answer than the client's, in bytes.
    #[must_use]
    pub const fn max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = Some(bytes);
        self
    }

    fn fail(
        &self,
        kind: ProviderErrorKind,
        certainty: Certainty,
        sentence: impl Into<String>,
    ) -> ProviderError {
        ProviderError::new(self.provider, self.operation, kind, sentence).certain(certainty)
    }

    /// What a failure after the request left us says about the effect.
    const fn doubt(&self) -> Certainty {
        match self.intent {
            Intent::Read => Certainty::NotDone,
            Intent::Write => Certainty::Unknown,
        }
    }

    fn refused(&self, refusal: &Refusal, certainty: Certainty) -> ProviderError {
        self.fail(ProviderErrorKind::Refused, certainty, refusal.to_string())
    }

    pub(crate) const fn provider(&self) -> &'static str {
        self.provider
    }
    pub(crate) const fn operation(&self) -> &'static str {
        self.operation
    }
    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }
    pub(crate) const fn what(&self) -> &Body {
        &self.body
    }
    pub(crate) const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or("the vendor")
    }
}

/// A vendor's whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
    /// Where it came from (after redirects on the same host).
    pub url: Url,
    provider: &'static str,
    operation: &'static str,
    intent: Intent,
    redactor: Redactor,
    at: Timestamp,
    /// What the adapter makes of it, for whoever keeps the integration's account.
    judged: Option<Arc<Judged>>,
}

impl Answer {
    /// The answer when its status is 2xx.
    ///
    /// # Errors
    /// The classified error otherwise, see [`Answer::failure`].
    pub fn success(self) -> Result<Self, ProviderError> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.failure())
        }
    }

    /// The JSON of a 2xx answer.
    ///
    /// # Errors
    /// As [`Answer::success`]; Malformed when it is a web page, no JSON or of another shape.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, ProviderError> {
        self.success()?.decode()
    }

    /// The body as JSON whatever the status says.
    ///
    /// # Errors
    /// Malformed when it is a web page, no JSON or of another shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        if is_html(&self.headers, &self.body) {
            let sentence = "the vendor answered with a web page instead of data; check the base URL and any login \
                            page or proxy in front of it";
            return Err(self.error(ProviderErrorKind::Malformed, sentence));
        }
        serde_json::from_slice(&self.body).map_err(|why| {
            // serde's message may quote a value; place and category say enough.
            let sentence = format!(
                "the vendor's answer is not what it documents ({:?} error at line {}, column {})",
                why.classify(),
                why.line(),
                why.column()
            );
            self.error(ProviderErrorKind::Malformed, sentence)
        })
    }

    /// The error a status stands for by the common table.
    #[must_use]
    pub fn failure(&self) -> ProviderError {
        let kind = classify(self.status, &self.headers);
        self.error(kind, sentence(kind, self.status))
    }

    /// An error of another kind or wording than the common table's, with the vendor's words and hint. Trouble on the
    /// vendor's side leaves the effect of a write unknown, everything else is surely not done.
    #[must_use]
    pub fn error(&self, kind: ProviderErrorKind, sentence: impl Into<String>) -> ProviderError {
        let unsure = match kind {
            ProviderErrorKind::Unavailable | ProviderErrorKind::Malformed => true,
            // Only a refusal by status is sure; a 2xx or 5xx that an adapter dislikes may stand for an effect.
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Precondition
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Throttled
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Unsupported
            | ProviderErrorKind::Misconfigured => self.status.is_server_error(),
        };
        let certainty = if unsure && self.intent == Intent::Write {
            Certainty::Unknown
        } else {
            Certainty::NotDone
        };
        let mut error = ProviderError::new(self.provider, self.operation, kind, sentence).certain(certainty);
        error.vendor = self.words();
        if matches!(
            kind,
            ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable
        ) {
            error.retry_after = retry_after(&self.headers, self.at);
        }
        if let Some(judged) = &self.judged {
            judged.instead(&error);
        }
        error
    }

    /// When it had come, by our clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// What the adapter wanted, in its own word.
    pub(crate) const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The vendor's own words, redacted and cut.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        vendor_words(&self.headers, &self.body, &self.redactor)
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The vendor's hint when to come back, if it gives one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers, self.at)
    }
}

fn sentence(kind: ProviderErrorKind, status: StatusCode) -> String {
    let what = match kind {
        ProviderErrorKind::Unauthenticated => "the credential is not accepted; renew it in the integration",
        ProviderErrorKind::Forbidden => "the credential lacks a permission for this; grant it at the vendor",
        ProviderErrorKind::NotFound => "it does not exist at the vendor or is not visible to this credential",
        ProviderErrorKind::Conflict => "the vendor reports a conflict with what exists there",
        ProviderErrorKind::Precondition => "the vendor's object is not in a state that allows this",
        ProviderErrorKind::Invalid => "the vendor refuses the request",
        ProviderErrorKind::Throttled => "the vendor asks for fewer requests; it is tried again later",
        ProviderErrorKind::Unavailable => "the vendor is not available; it is tried again later",
        ProviderErrorKind::Malformed => "the vendor answered in a way that it does not document",
        ProviderErrorKind::Refused => "the address is not allowed",
        ProviderErrorKind::Unsupported => "the vendor cannot do this",
        ProviderErrorKind::Misconfigured => "the integration's configuration is wrong",
    };
    format!("{what} (HTTP {})", status.as_u16())
}

/// Counts a call. The labels are words of the adapters and of this crate, never of a vendor.
fn measure(
    provider: &'static str,
    operation: &'static str,
    answer: &Result<Answer, ProviderError>,
    took: Duration,
) {
    let outcome = match answer {
        Ok(answer) => match answer.status.as_u16() {
            429 => "throttled",
            400..=499 => "refused",
            500..=599 => "vendor_error",
            _ => "answered",
        },
        Err(error) => error.code(),
    };
    metrics::counter!("delivr_provider_requests_total",
        "provider" => provider, "operation" => operation, "outcome" => outcome)
    .increment(1);
    metrics::histogram!("delivr_provider_request_duration_seconds",
        "provider" => provider, "operation" => operation, "outcome" => outcome)
    .record(took.as_secs_f64());
}

/// The client. Cloning shares its connections.
#[derive(Clone)]
pub struct HttpClient {
    guarded: reqwest::Client,
    named: reqwest::Client,
    policy: Arc<AddressPolicy>,
    proxied: bool,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    max_answer: usize,
    teller: Option<Teller>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient")
            .field("policy", &self.policy)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that keeps to the policy. Installs ring as the process's TLS provider where none is yet.
    ///
    /// # Errors
    /// When the TLS roots or the extra certificates cannot be loaded.
    pub fn new(
        policy: Arc<AddressPolicy>,
        settings: &HttpSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        // An error only says that a provider is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let proxy_host = settings.proxy.as_ref().and_then(|proxy| {
            let url = Url::parse(proxy.expose_secret()).ok()?;
            url.host_str().map(str::to_owned)
        });
        let build = |named: bool| {
            let mut builder = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .user_agent(settings.user_agent.as_str())
                .connect_timeout(settings.connect_timeout)
                .pool_idle_timeout(Duration::from_secs(30))
                .dns_resolver(Arc::new(GuardedResolver {
                    policy: policy.clone(),
                    named,
                    proxy: proxy_host.clone(),
                }));
            // What the operator named lies inside, where the proxy does not lead.
            if let Some(proxy) = settings.proxy.as_ref().filter(|_| !named) {
                builder = builder.proxy(reqwest::Proxy::all(proxy.expose_secret())?);
            }
            if let Some(pem) = &settings.ca_bundle {
                builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?);
            }
            builder.build()
        };
        Ok(Self {
            guarded: build(false)?,
            named: build(true)?,
            policy,
            proxied: settings.proxy.is_some(),
            clock,
            timeout: settings.timeout.min(LONGEST_CALL),
            max_answer: settings.max_answer,
            teller: None,
        })
    }

    /// The same client for the calls made with these credentials: whoever keeps their integration's account is told what
    /// came of each, as the adapter judges it.
    #[must_use]
    pub fn of(&self, credentials: &Credentials) -> Self {
        Self {
            teller: Teller::of(credentials),
            ..self.clone()
        }
    }

    /// The same, which also tells what the vendor says of its limits in each answer.
    #[must_use]
    pub fn reading(mut self, limits: ReadLimits) -> Self {
        self.teller = self.teller.map(|teller| teller.reading(limits));
        self
    }

    /// Makes the call once and reads the whole answer, whatever its status; a read follows redirects on its own host.
    ///
    /// # Errors
    /// Refused for an address that is not allowed or a redirect to another host, Unavailable when there is no (whole)
    /// answer, Malformed when it is too large, Misconfigured when a header cannot be sent.
    pub async fn send(&self, call: Call) -> Result<Answer, ProviderError> {
        let span = tracing::info_span!(
            "provider.call",
            otel.name = %format!("provider.{}.{}", call.provider, call.operation),
            provider = call.provider,
            operation = call.operation,
            host = call.host(),
            status = tracing::field::Empty,
        );
        let limit = call.timeout.unwrap_or(self.timeout).min(LONGEST_CALL);
        let began = self.clock.monotonic();
        let within = async {
            let answer = match tokio::time::timeout(limit, self.follow(&call)).await {
                Ok(answer) => answer,
                Err(_elapsed) => Err(call.fail(
                    ProviderErrorKind::Unavailable,
                    call.doubt(),
                    format!("{} did not answer within {} s", call.host(), limit.as_secs()),
                )),
            };
            match &answer {
                Ok(answer) => {
                    tracing::Span::current().record("status", answer.status.as_u16());
                    tracing::debug!("answered");
                }
                Err(error) => tracing::debug!(kind = error.code(), "failed"),
            }
            let took = self.clock.monotonic().0.saturating_sub(began.0);
            measure(call.provider, call.operation, &answer, took);
            match &self.teller {
                Some(teller) => self.told(teller, &call, answer),
                None => answer,
            }
        };
        within.instrument(span).await
    }

    /// An answer is told of when it has been read: by then the adapter has said what it makes of it.
    fn told(
        &self,
        teller: &Teller,
        call: &Call,
        answer: Result<Answer, ProviderError>,
    ) -> Result<Answer, ProviderError> {
        match answer {
            Ok(mut answer) => {
                answer.judged = Some(teller.judged(&answer));
                Ok(answer)
            }
            Err(error) => {
                teller.failed(call.operation, self.clock.now(), &error);
                Err(error)
            }
        }
    }

    async fn follow(&self, call: &Call) -> Result<Answer, ProviderError> {
        let mut url = call.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.once(call, &url).await?;
            let Some(location) = answer
                .header(LOCATION.as_str())
                .filter(|_| answer.status.is_redirection())
            else {
                return Ok(answer);
            };
            let Ok(next) = url.join(location) else {
                return Ok(answer);
            };
            if next.origin() != url.origin() {
                // Not only the credential stays here: a sign-in page elsewhere is no answer either.
                let host = next.host_str().unwrap_or("no host").to_owned();
                return Err(call.refused(&Refusal::Redirect(host), call.doubt()));
            }
            let followed = call.intent == Intent::Read && matches!(call.method, Method::GET | Method::HEAD);
            if !followed {
                return Ok(answer);
            }
            url = next;
        }
        Err(call.fail(
            ProviderErrorKind::Malformed,
            call.doubt(),
            format!("{} redirects in a circle", call.host()),
        ))
    }

    async fn once(&self, call: &Call, url: &Url) -> Result<Answer, ProviderError> {
        let noting = Noting::begin(call, url, &self.clock);
        let outcome = self.exchange(call, url).await;
        noting.ended(&outcome);
        outcome
    }

    async fn exchange(&self, call: &Call, url: &Url) -> Result<Answer, ProviderError> {
        self.policy
            .check_url(url)
            .map_err(|refusal| call.refused(&refusal, Certainty::NotDone))?;
        let host = url.host_str().unwrap_or_default();
        let named = self
            .policy
            .names(host, url.port_or_known_default().unwrap_or(443));
        if self.proxied && !named {
            // The proxy resolves the name for itself. What is known here to lead inside is not asked of it; a name that
            // only the proxy can resolve is its own to judge.
            let port = url.port_or_known_default().unwrap_or(443);
            if let Err(error) = self.policy.resolve(host, port).await
                && let Some(refusal) = refusal_in(&error)
            {
                return Err(call.refused(refusal, Certainty::NotDone));
            }
        }
        let client = if named { &self.named } else { &self.guarded };
        let mut request = client
            .request(call.method.clone(), url.clone())
            .headers(headers(call)?);
        request = match &call.body {
            Body::Empty => request,
            Body::Json(json) => request.json(json),
            Body::Form(fields) => request.form(fields),
            Body::Bytes(kind, bytes) => request.header(CONTENT_TYPE, kind.as_str()).body(bytes.clone()),
        };
        let mut response = request.send().await.map_err(|error| trouble(call, error))?;
        let most = call.max_answer.unwrap_or(self.max_answer);
        let too_large = || {
            call.fail(
                ProviderErrorKind::Malformed,
                call.doubt(),
                format!("{} sent an answer larger than {most} bytes", call.host()),
            )
        };
        if response
            .content_length()
            .is_some_and(|length| length > most as u64)
        {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| trouble(call, error))? {
            if body.len().saturating_add(chunk.len()) > most {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: body.freeze(),
            url: url.clone(),
            provider: call.provider,
            operation: call.operation,
            intent: call.intent,
            redactor: call.redactor.clone(),
            at: self.clock.now(),
            judged: None,
        })
    }
}

fn headers(call: &Call) -> Result<HeaderMap, ProviderError> {
    let mut map = HeaderMap::new();
    let secrets = call
        .secret_headers
        .iter()
        .map(|(name, value)| (name, value.expose_secret(), true));
    let plain = call
        .headers
        .iter()
        .map(|(name, value)| (name, value.as_str(), false));
    for (name, value, secret) in plain.chain(secrets) {
        let mut value = HeaderValue::from_str(value).map_err(|_ignored| {
            let sentence = format!("the value for the header {name} holds characters that cannot be sent");
            call.fail(ProviderErrorKind::Misconfigured, Certainty::NotDone, sentence)
        })?;
        value.set_sensitive(secret);
        map.insert(name.clone(), value);
    }
    Ok(map)
}

/// What a failure of the transport means. Only a connection that was never opened is surely without effect.
fn trouble(call: &Call, error: reqwest::Error) -> ProviderError {
    let error = error.without_url();
    if let Some(refusal) = refusal_in(&error) {
        return call.refused(refusal, Certainty::NotDone);
    }
    if error.is_builder() {
        let sentence = "the request cannot be made from the integration's configuration";
        return call.fail(ProviderErrorKind::Misconfigured, Certainty::NotDone, sentence);
    }
    let (certainty, what) = if error.is_connect() {
        (Certainty::NotDone, "cannot be reached")
    } else if error.is_timeout() {
        (call.doubt(), "did not answer in time")
    } else {
        (
            call.doubt(),
            "broke off the connection before the answer was complete",
        )
    };
    let mut failed = call.fail(
        ProviderErrorKind::Unavailable,
        certainty,
        format!("{} {what}", call.host()),
    );
    failed.source = Some(Box::new(error));
    failed
}
