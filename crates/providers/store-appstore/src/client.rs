//! Calls of App Store Connect: addresses, token, refusals, pages.

use crate::PROVIDER;
use crate::auth::Tokens;
use crate::errors;
use crate::model::{Many, One, Resource};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::{Answer, Call, HttpClient, Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Most pages a list is followed for: 200 objects each, far more than any look-up here can need.
const MOST_PAGES: usize = 20;

/// One account's App Store Connect.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: HttpClient,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends with a slash.
    pub(crate) base: Url,
    pub(crate) tokens: Arc<Tokens>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

impl Client {
    fn url(&self, operation: &'static str, path: &str, query: &[(&str, &str)]) -> Result<Url, ProviderError> {
        let mut url = self.base.join(path).map_err(|_ignored| {
            ProviderError::new(
                PROVIDER,
                operation,
                ProviderErrorKind::Misconfigured,
                "The base URL of the App Store integration does not make an address; correct it.",
            )
        })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn call(&self, call: Call) -> Result<Answer, ProviderError> {
        let token = self.tokens.current(self.clock.now())?;
        let answer = self.http.send(call.bearer(&token)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.tokens.forget();
            self.tokens.learn(self.clock.now(), answer.header("date"));
        }
        Ok(answer)
    }

    /// A read. A 401 can be Apple's passing trouble with a key (vendor-apis 17.1) or a wrong clock of ours, so a read
    /// asks once more with a fresh token; writes never do, every one of them begins with a read.
    async fn read(&self, operation: &'static str, url: &Url) -> Result<Answer, ProviderError> {
        let call = Call::get(PROVIDER, operation, url.clone());
        let answer = self.call(call.clone()).await?;
        let answer = if answer.status == StatusCode::UNAUTHORIZED {
            self.call(call).await?
        } else {
            answer
        };
        accepted(answer)
    }

    /// A list to its end, with all that was included.
    pub(crate) async fn all(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Many, ProviderError> {
        let mut url = self.url(operation, path, query)?;
        let mut all = Many {
            data: Vec::new(),
            included: Vec::new(),
            links: crate::model::Links::default(),
        };
        for _ in 0..MOST_PAGES {
            let answer = self.read(operation, &url).await?;
            let page: Many = answer.decode()?;
            all.data.extend(page.data);
            all.included.extend(page.included);
            let Some(next) = page.links.next else {
                return Ok(all);
            };
            let next = url.join(&next).map_err(|_ignored| {
                answer.error(
                    ProviderErrorKind::Malformed,
                    "App Store Connect names a next page that is no address.",
                )
            })?;
            // The token goes with the call, so only to where it belongs.
            if next.origin() != self.base.origin() {
                return Err(answer.error(ProviderErrorKind::Refused, "The next page lies on another host."));
            }
            url = next;
        }
        Err(ProviderError::new(
            PROVIDER,
            operation,
            ProviderErrorKind::Malformed,
            "App Store Connect's list does not end; look in App Store Connect for duplicates.",
        ))
    }

    /// A write; the resource it answers with, if it answers with one.
    pub(crate) async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Option<Resource>, ProviderError> {
        let url = self.url(operation, path, &[])?;
        let answer = accepted(
            self.call(Call::new(PROVIDER, operation, method, url).json(body))
                .await?,
        )?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        Ok(answer.decode::<One>()?.data)
    }
}

/// The answer when it is one of success, else its error by our table, else by the common one.
fn accepted(answer: Answer) -> Result<Answer, ProviderError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    // A server error is trouble on the way whatever its body says: the effect is unknown.
    if answer.status.is_server_error() {
        return Err(answer.failure());
    }
    match errors::rule(&answer.body) {
        Some(ruling) => Err(answer.error(ruling.kind, ruling.sentence)),
        None => Err(answer.failure()),
    }
}
