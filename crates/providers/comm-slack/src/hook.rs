//! Posting through an incoming webhook: one channel, nothing can be read back.

use crate::{KEY, blocks};
use async_trait::async_trait;
use delivr_domain::effect::Reference;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Chat, ChatMessage, Check, Declared, Lookup, Recognition, Verification};
use delivr_provider_kit::{Answer, Call, HttpClient};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

pub(crate) struct Hook {
    http: HttpClient,
    url: Url,
    /// The address again, so that it can be blanked out of what Slack says.
    secret: SecretString,
}

impl Hook {
    pub(crate) const fn new(http: HttpClient, url: Url, secret: SecretString) -> Self {
        Self { http, url, secret }
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::post(KEY, operation, self.url.clone()).redact(&self.secret)
    }
}

/// An incoming webhook answers with HTTP codes and one word of text.
fn failure(answer: &Answer) -> ProviderError {
    match answer.status.as_u16() {
        403 | 404 | 410 => answer.error(
            ProviderErrorKind::Unauthenticated,
            "the incoming webhook is switched off or its channel is gone; make a new one",
        ),
        _ => answer.failure(),
    }
}

#[async_trait]
impl Chat for Hook {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        // An empty message is refused with `no_text` where the webhook works, and posts nothing.
        let answer = self
            .http
            .send(self.call("verify").reads().json(json!({})))
            .await?;
        let works = answer.status.as_u16() == 400;
        if !works {
            return Err(failure(&answer));
        }
        Ok(Verification {
            account: "incoming webhook".to_owned(),
            checks: vec![Check {
                what: "post messages (at most once; a lost answer stays unknown)".to_owned(),
                missing: None,
            }],
        })
    }

    fn declared(&self) -> Declared {
        Declared::new(Recognition::None)
    }

    async fn find(&self, _key: &str, _message: &ChatMessage) -> Result<Lookup, ProviderError> {
        Ok(Lookup::Unsure)
    }

    async fn post(&self, key: &str, message: &ChatMessage) -> Result<Reference, ProviderError> {
        let (text, blocks) = blocks::render(message);
        let call = self
            .call("post_message")
            .json(json!({"text": text, "blocks": blocks}));
        let answer = self.http.send(call).await?;
        if !answer.status.is_success() {
            return Err(failure(&answer));
        }
        if answer.body.trim_ascii() != b"ok" {
            return Err(answer.error(ProviderErrorKind::Malformed, "the webhook did not answer `ok`"));
        }
        Ok(Reference::id(format!("webhook/{key}")))
    }
}
