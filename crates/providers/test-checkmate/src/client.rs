//! Calls of Checkmate's API. Its 401 and 403 are swapped, and every answer lies in an envelope.

use crate::KEY;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::{Answer, Call, HttpClient, Method};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

pub(crate) struct Client {
    http: HttpClient,
    base: Url,
    token: SecretString,
}

impl Client {
    pub(crate) const fn new(http: HttpClient, base: Url, token: SecretString) -> Self {
        Self { http, base, token }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        // A base URL of http(s) always has a path to append to.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["api", "v1"])
                .extend(path.split('/'));
        }
        url
    }

    /// Where a person sees a run.
    pub(crate) fn browse(&self, project: i64, run: &str) -> String {
        format!("{}project/{project}/run/{run}", self.base)
    }

    /// Reads; the answer is the envelope's `data`.
    pub(crate) async fn read(
        &self,
        operation: &'static str,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Value, ProviderError> {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(pairs);
        let call = Call::get(KEY, operation, url).bearer(&self.token);
        open(&self.http.send(call).await?)
    }

    /// Writes; the answer is the envelope's `data`.
    pub(crate) async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, ProviderError> {
        let call = Call::new(KEY, operation, method, self.url(path))
            .bearer(&self.token)
            .json(body);
        open(&self.http.send(call).await?)
    }
}

/// Takes `data` out of the envelope.
fn open(answer: &Answer) -> Result<Value, ProviderError> {
    if !answer.status.is_success() {
        return Err(failure(answer));
    }
    let mut envelope: Value = answer.decode()?;
    // Some refusals come with 200 and an error in the envelope.
    if envelope.get("error").is_some_and(Value::is_string) {
        return Err(answer.error(
            ProviderErrorKind::Precondition,
            "Checkmate refuses this in the present state",
        ));
    }
    match envelope.get_mut("data") {
        Some(data) => Ok(data.take()),
        None => Err(answer.error(
            ProviderErrorKind::Malformed,
            "Checkmate's answer lacks its envelope; check the base URL",
        )),
    }
}

/// Checkmate's deviations from the common table, told by the text and not by the code.
fn failure(answer: &Answer) -> ProviderError {
    let words = answer.words().unwrap_or_default();
    let says = |text: &str| words.contains(text);
    if says("Authentication Error") {
        return answer.error(
            ProviderErrorKind::Unauthenticated,
            "Checkmate does not accept the token; generate a new one",
        );
    }
    if says("not authorized") {
        return answer.error(
            ProviderErrorKind::Forbidden,
            "the token's user may only read; give it the role user in Checkmate",
        );
    }
    match answer.status.as_u16() {
        423 => answer.error(
            ProviderErrorKind::Misconfigured,
            "the run is locked in Checkmate; unlock it, or let a new run be created",
        ),
        // Creation is one transaction: these two are told after it was rolled back.
        500 if says("No tests found") => sure(
            answer,
            "no test fits the sections, labels and squads of the integration",
        ),
        500 if says("does not exist") => sure(
            answer,
            "the project of the integration does not exist in Checkmate",
        ),
        _ => answer.failure(),
    }
}

fn sure(answer: &Answer, sentence: &str) -> ProviderError {
    answer
        .error(ProviderErrorKind::Misconfigured, sentence)
        .certain(delivr_domain::ports::error::Certainty::NotDone)
}
