//! Whose requests they are: a personal token, or an installation of a GitHub App, whose tokens are fetched with a
//! signed assertion and kept until they near their end.
//!
//! The assertion is signed by ring. octocrab could do it as well, but with the pure-Rust RSA of RUSTSEC-2023-0071.

use crate::client::{Ask, Client};
use crate::errors::app_failure;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::time::Timestamp;
use delivr_provider_kit::{Answer, Method};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Mutex;

/// Seconds an assertion lives; GitHub takes at most 600 by its own clock, so ours may be a minute ahead.
const LIFETIME: i64 = 540;
/// Seconds `iat` lies in the past, as GitHub advises against clocks that are ahead.
const BACKDATE: i64 = 60;
/// Seconds before its end at which an installation's token is replaced.
const MARGIN: i64 = 300;

/// How requests prove who makes them.
pub(crate) enum Auth {
    /// A personal token, fine-grained or classic.
    Token(SecretString),
    /// A GitHub App in an organization.
    App(Box<App>),
}

/// An installation of a GitHub App.
pub(crate) struct App {
    key: RsaKeyPair,
    id: String,
    pub(crate) installation: String,
    /// The one repository tokens are asked for.
    repository: String,
    cached: Mutex<Option<(SecretString, i64)>>,
    /// Seconds by which GitHub's clock is ahead of ours, as far as it told.
    ahead: AtomicI64,
}

#[derive(Deserialize)]
struct Granted {
    token: SecretString,
    expires_at: Timestamp,
}

impl Auth {
    /// A token that is good for some minutes yet.
    pub(crate) async fn token(&self, client: &Client) -> Result<SecretString, ProviderError> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::App(app) => app.token(client).await,
        }
    }

    /// Forgets a token that was refused; whether another one can be had.
    pub(crate) async fn forget(&self) -> bool {
        match self {
            Self::Token(_) => false,
            Self::App(app) => app.cached.lock().await.take().is_some(),
        }
    }
}

impl App {
    /// Reads the `.pem` file GitHub gives out (PKCS#1), or the same key as PKCS#8.
    ///
    /// # Errors
    /// A sentence for the person who pasted it; it never holds any of the key.
    pub(crate) fn new(
        pem: &SecretString,
        id: String,
        installation: String,
        repository: String,
    ) -> Result<Self, String> {
        // A key pasted through a form or variable may have lost its line ends.
        let text = pem.expose_secret().replace("\\n", "\n");
        if !text.contains("PRIVATE KEY-----") {
            return Err(
                "paste the whole .pem file, from `-----BEGIN` to `PRIVATE KEY-----` at its end".to_owned(),
            );
        }
        let old = text.contains("BEGIN RSA PRIVATE KEY");
        let body: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("-----"))
            .flat_map(str::split_whitespace)
            .collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_ignored| "the key between its BEGIN and END lines is damaged".to_owned())?;
        let key = if old {
            RsaKeyPair::from_der(&der)
        } else {
            RsaKeyPair::from_pkcs8(&der)
        };
        Ok(Self {
            key: key
                .map_err(|_ignored| "this is not an RSA key as GitHub gives out for its Apps".to_owned())?,
            id,
            installation,
            repository,
            cached: Mutex::new(None),
            ahead: AtomicI64::new(0),
        })
    }

    async fn token(&self, client: &Client) -> Result<SecretString, ProviderError> {
        const OPERATION: &str = "get_token";
        // Held over the call, so that many requests at once ask for one token.
        let mut cached = self.cached.lock().await;
        let now = client.clock.now().timestamp();
        if let Some((token, until)) = cached.as_ref()
            && now < *until
        {
            return Ok(token.clone());
        }
        let path = [
            "app",
            "installations",
            self.installation.as_str(),
            "access_tokens",
        ];
        // A token changes nothing at GitHub: one that gets lost leaves nothing in doubt.
        let ask = client
            .root(OPERATION, Method::POST, &path)
            .reads()
            .json(json!({"repositories": [self.repository]}));
        let answer = self.ask(client, &ask).await?;
        if !answer.status.is_success() {
            return Err(app_failure(&client.adapter, &answer, &self.repository));
        }
        let granted: Granted = answer.decode()?;
        // By GitHub's clock alone, so that ours may be wrong.
        let from = said_at(&answer).unwrap_or(now);
        let lives = granted.expires_at.timestamp() - from;
        // A token too short-lived for the margin is used for this request alone.
        *cached = Some((granted.token.clone(), now + (lives - MARGIN).max(0)));
        Ok(granted.token)
    }

    /// Asks as the App itself. Nothing that is asked so changes anything, so it is asked once more where the refusal
    /// shows that our clock is wrong.
    pub(crate) async fn ask(&self, client: &Client, ask: &Ask) -> Result<Answer, ProviderError> {
        let now = client.clock.now().timestamp();
        let answer = client.once(ask, &self.assertion(client, now)?).await?;
        if answer.status.as_u16() == 401 && self.learn(now, &answer) {
            return client.once(ask, &self.assertion(client, now)?).await;
        }
        Ok(answer)
    }

    /// GitHub judges assertions by its own clock, and its refusal says what that shows. Whether ours was wrong by more
    /// than it was taken for.
    fn learn(&self, now: i64, answer: &Answer) -> bool {
        let said = said_at(answer).unwrap_or(now) - now;
        let ahead = if said.abs() < BACKDATE / 2 { 0 } else { said };
        self.ahead.swap(ahead, Ordering::Relaxed) != ahead
    }

    /// What the App proves itself with, for ten minutes.
    fn assertion(&self, client: &Client, now: i64) -> Result<SecretString, ProviderError> {
        let now = now + self.ahead.load(Ordering::Relaxed);
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let claims = json!({"iss": self.id, "iat": now - BACKDATE, "exp": now + LIFETIME});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .map_err(|_ignored| {
                client.adapter.fail(
                    "get_token",
                    ProviderErrorKind::Misconfigured,
                    "the App's private key cannot sign; paste the .pem file again",
                )
            })?;
        Ok(SecretString::from(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

/// When GitHub gave the answer, in epoch seconds of its own clock.
fn said_at(answer: &Answer) -> Option<i64> {
    let date = answer.header("date")?;
    Some(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_keys_are_refused_without_showing_them() {
        for text in [
            "",
            "secret-text",
            "-----BEGIN RSA PRIVATE KEY-----\nQUFBQQ==\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----",
        ] {
            let said = App::new(&SecretString::from(text), "1".into(), "2".into(), "shop".into()).err();
            let said = said.unwrap();
            assert!(!said.contains("QUFB") && !said.contains("secret-text"), "{said}");
        }
    }
}
