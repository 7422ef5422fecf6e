//! octocrab's transport: its requests go through provider-kit's client, so that the address guard, the one total
//! time-out, the bounded answer and the knowledge about the effect of a failed call hold for them too.
//!
//! Nothing of octocrab's own client is left in between: no retries, no redirects, no other TLS.

use crate::Adapter;
use bytes::Bytes;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_provider_kit::{Answer, Body, Call, HttpClient, Intent};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use octocrab::OctoBody;
use secrecy::SecretString;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;
use url::Url;

const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");

/// What a request carries for the transport, beside what octocrab put into it.
#[derive(Debug, Clone)]
pub(crate) struct Meant {
    /// Whose request it is among the adapters.
    pub(crate) adapter: Adapter,
    /// Name of the operation, for errors and traces.
    pub(crate) operation: &'static str,
    /// Whether it may change anything.
    pub(crate) intent: Intent,
    /// Whose request it is; never passes through octocrab's own headers.
    pub(crate) token: SecretString,
}

/// The service octocrab calls.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    http: HttpClient,
}

impl Guarded {
    pub(crate) const fn new(http: HttpClient) -> Self {
        Self { http }
    }

    /// octocrab over this service. Needs a running tokio: octocrab queues its requests in a task.
    pub(crate) fn octocrab(&self) -> octocrab::Octocrab {
        let built: Result<_, Infallible> = octocrab::OctocrabBuilder::new_empty()
            .with_service(self.clone())
            .with_auth(octocrab::AuthState::None)
            .build();
        match built {
            Ok(crab) => crab,
            Err(never) => match never {},
        }
    }
}

impl Service<Request<OctoBody>> for Guarded {
    type Response = Response<Full<Bytes>>;
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let http = self.http.clone();
        Box::pin(async move {
            let call = call_of(request).await?;
            let answer = http.send(call).await?;
            let mut response = Response::new(Full::new(answer.body.clone()));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers.clone();
            // The whole answer too: it knows what its status means for the effect, and which secrets to keep back.
            response.extensions_mut().insert(answer);
            Ok(response)
        })
    }
}

fn unfit(provider: &'static str, operation: &'static str, sentence: &str) -> ProviderError {
    ProviderError::new(provider, operation, ProviderErrorKind::Misconfigured, sentence)
}

/// octocrab's request as one of provider-kit's calls.
async fn call_of(request: Request<OctoBody>) -> Result<Call, ProviderError> {
    let (mut parts, body) = request.into_parts();
    let Some(meant) = parts.extensions.get::<Meant>().cloned() else {
        return Err(unfit(
            "github",
            "request",
            "a request without a purpose is not sent; please report this",
        ));
    };
    let url = Url::parse(&parts.uri.to_string()).map_err(|_why| {
        unfit(
            meant.adapter.key,
            meant.operation,
            "the base URL does not make an address",
        )
    })?;
    let body = body
        .collect()
        .await
        .map_err(|_why| {
            unfit(
                meant.adapter.key,
                meant.operation,
                "the request has no readable body; please report this",
            )
        })?
        .to_bytes();
    let mut call = Call::new(meant.adapter.key, meant.operation, parts.method, url).bearer(&meant.token);
    if meant.intent == Intent::Read {
        call = call.reads();
    }
    if let Some(version) = meant.adapter.version {
        // Instead of the one that octocrab asks for.
        parts.headers.insert(VERSION, HeaderValue::from_static(version));
    }
    for (name, value) in &parts.headers {
        // Length and type come with the body.
        if *name == CONTENT_LENGTH || *name == CONTENT_TYPE {
            continue;
        }
        if let Ok(value) = value.to_str() {
            call = call.header(name.clone(), value);
        }
    }
    if !body.is_empty() {
        call = call.body(Body::Bytes("application/json".to_owned(), body));
    }
    Ok(call)
}

/// The answer behind octocrab's response.
pub(crate) fn answer_of<B>(
    adapter: &Adapter,
    operation: &'static str,
    response: &Response<B>,
) -> Result<Answer, ProviderError> {
    response.extensions().get::<Answer>().cloned().ok_or_else(|| {
        unfit(
            adapter.key,
            operation,
            "an answer came without its origin; please report this",
        )
        .certain(Certainty::Unknown)
    })
}

/// The error behind octocrab's: the transport's own, where it came from there.
pub(crate) fn error_of(adapter: &Adapter, operation: &'static str, error: octocrab::Error) -> ProviderError {
    if let octocrab::Error::Service { source, .. } = error {
        return match source.downcast::<ProviderError>() {
            Ok(own) => *own,
            Err(_other) => adapter.fail(
                operation,
                ProviderErrorKind::Unavailable,
                "the request was not taken on; it is tried again",
            ),
        };
    }
    // Before the transport octocrab only puts the request together.
    unfit(
        adapter.key,
        operation,
        "the request cannot be made from the integration's configuration",
    )
}
