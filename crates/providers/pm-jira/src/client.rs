//! Calls of Jira's REST API under one credential.

use crate::{Deployment, KEY};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::{Answer, Call, HttpClient, Method};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

/// How a call proves who makes it.
pub(crate) enum Auth {
    /// Cloud: e-mail and API token.
    Basic(SecretString, SecretString),
    /// Data Center: personal access token.
    Bearer(SecretString),
}

/// The API of one site.
pub(crate) struct Client {
    http: HttpClient,
    base: Url,
    pub(crate) deployment: Deployment,
    auth: Auth,
}

impl Client {
    pub(crate) const fn new(http: HttpClient, base: Url, deployment: Deployment, auth: Auth) -> Self {
        Self {
            http,
            base,
            deployment,
            auth,
        }
    }

    /// The address of a resource; segments are encoded.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let version = match self.deployment {
            Deployment::Cloud => "3",
            Deployment::DataCenter => "2",
        };
        let mut url = self.base.clone();
        // A base URL of http(s) always has a path to append to.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["rest", "api", version])
                .extend(segments);
        }
        url
    }

    /// Where a person sees a ticket.
    pub(crate) fn browse(&self, ticket: &str) -> String {
        format!("{}browse/{ticket}", self.base)
    }

    pub(crate) fn call(&self, operation: &'static str, method: Method, segments: &[&str]) -> Call {
        let call = Call::new(KEY, operation, method, self.url(segments));
        self.sign(call)
    }

    /// A read with query parameters.
    pub(crate) fn query(&self, operation: &'static str, segments: &[&str], pairs: &[(&str, &str)]) -> Call {
        let mut url = self.url(segments);
        url.query_pairs_mut().extend_pairs(pairs);
        self.sign(Call::get(KEY, operation, url))
    }

    fn sign(&self, call: Call) -> Call {
        match &self.auth {
            Auth::Basic(email, token) => call.basic(email.expose_secret(), token),
            Auth::Bearer(token) => call.bearer(token),
        }
    }

    /// Sends a call; anything but 2xx is an error of Jira's table.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, ProviderError> {
        let answer = self.http.send(call).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(failure(&answer))
    }

    pub(crate) async fn json(&self, call: Call) -> Result<Value, ProviderError> {
        self.send(call).await?.json()
    }
}

/// Jira's deviations from the common table.
fn failure(answer: &Answer) -> ProviderError {
    // A wrong login is told in a header even where the status says something else.
    let refused = answer.header("x-seraph-loginreason").is_some_and(|reason| {
        reason.contains("AUTHENTICATED_FAILED") || reason.contains("AUTHENTICATION_DENIED")
    });
    let words = answer.words().unwrap_or_default().to_lowercase();
    match answer.status.as_u16() {
        401 | 403 if refused => answer.error(
            ProviderErrorKind::Unauthenticated,
            "Jira does not accept the credential; renew the token in the integration",
        ),
        // Workflow conditions and missing rights are both told as 400.
        400 if words.contains("permission") => answer.error(
            ProviderErrorKind::Forbidden,
            "the Jira account lacks a project permission for this; grant it in the project's permission scheme",
        ),
        400 | 422 => answer.error(
            ProviderErrorKind::Invalid,
            "Jira refuses the request; check the issue type, its required fields and the workflow",
        ),
        // Two changes of one ticket at a time: the later one may be tried again.
        409 => answer.error(
            ProviderErrorKind::Precondition,
            "the ticket was being changed by somebody else; it is tried again",
        ),
        413 => answer.error(
            ProviderErrorKind::Invalid,
            "the ticket has reached Jira's limit of comments or attachments",
        ),
        _ => answer.failure(),
    }
}
