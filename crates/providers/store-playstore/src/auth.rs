//! Access tokens of Google: a signed assertion of the service account is exchanged for a token (vendor-apis 18.1).

use crate::{PROVIDER, errors};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::time::Timestamp;
use delivr_provider_kit::{Answer, Call, HttpClient};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Mutex;
use url::Url;

/// What the token may be used for.
const SCOPE: &str = "https://www.googleapis.com/auth/androidpublisher";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Seconds an assertion lives; Google takes at most an hour.
const LIFETIME: i64 = 3600;
/// Seconds `iat` lies in the past, for a clock of ours that is ahead. Google forgives little more than a minute.
const BACKDATE: i64 = 30;
/// Seconds before its end at which a token is replaced.
const MARGIN: i64 = 300;

/// A service account's key file, as Google hands it out; further fields are of no use here.
#[derive(Deserialize)]
pub(crate) struct Account {
    client_email: String,
    private_key: SecretString,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    pub(crate) token_uri: Option<String>,
}

/// Gets and keeps tokens of one service account.
pub(crate) struct Tokens {
    key: RsaKeyPair,
    key_id: Option<String>,
    /// Who the account is.
    pub(crate) email: String,
    uri: Url,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    cached: Mutex<Option<(SecretString, i64)>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.email)
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default)]
    expires_in: i64,
}

impl Account {
    /// Reads the key file's content.
    ///
    /// # Errors
    /// A sentence for the person who pasted it; it never holds any of the key.
    pub(crate) fn read(json: &SecretString) -> Result<Self, String> {
        serde_json::from_str(json.expose_secret()).map_err(|_ignored| {
            "paste the whole JSON key file of the service account, with client_email and private_key"
                .to_owned()
        })
    }
}

impl Tokens {
    /// Ready to get tokens at this address.
    ///
    /// # Errors
    /// A sentence when the key in the file is none.
    pub(crate) fn new(
        account: Account,
        uri: Url,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let bad = || "private_key in the key file is not an RSA key in PKCS#8 form".to_owned();
        let body: String = account
            .private_key
            .expose_secret()
            .replace("-----BEGIN PRIVATE KEY-----", "")
            .replace("-----END PRIVATE KEY-----", "")
            .split_whitespace()
            .collect();
        let der = STANDARD.decode(body).map_err(|_ignored| bad())?;
        let key = RsaKeyPair::from_pkcs8(&der).map_err(|_ignored| bad())?;
        Ok(Self {
            key,
            key_id: account.private_key_id,
            email: account.client_email,
            uri,
            http,
            clock,
            cached: Mutex::new(None),
        })
    }

    /// A token that is valid for some minutes yet.
    pub(crate) async fn current(&self) -> Result<SecretString, ProviderError> {
        // Held over the exchange, so that many calls at once ask for one token.
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some((token, until)) = cached.as_ref()
            && now.timestamp() < *until
        {
            return Ok(token.clone());
        }
        let granted = self.exchange(now).await?;
        // A token too short-lived for the margin is used for this call alone.
        let until = now.timestamp() + (granted.expires_in - MARGIN).max(0);
        *cached = Some((granted.access_token.clone(), until));
        Ok(granted.access_token)
    }

    /// Forgets the kept token: the vendor refused it.
    pub(crate) async fn forget(&self) {
        *self.cached.lock().await = None;
    }

    /// Google judges the assertion by its own clock. Where ours is wrong, its refusal says what time it is, and one more
    /// exchange goes by that.
    async fn exchange(&self, now: Timestamp) -> Result<Granted, ProviderError> {
        let answer = self.ask(now.timestamp()).await?;
        if answer.status.is_client_error()
            && let Some(said) = said_at(&answer)
            && (said - now.timestamp()).abs() > BACKDATE / 2
        {
            return errors::accepted(self.ask(said).await?)?.decode();
        }
        errors::accepted(answer)?.decode()
    }

    async fn ask(&self, now: i64) -> Result<Answer, ProviderError> {
        let assertion = self.assertion(now)?;
        let form = vec![
            ("grant_type".to_owned(), GRANT.to_owned()),
            ("assertion".to_owned(), assertion.expose_secret().to_owned()),
        ];
        // A token changes nothing at the vendor, so an exchange that is lost leaves nothing in doubt.
        let call = Call::post(PROVIDER, "get_token", self.uri.clone())
            .form(form)
            .redact(&assertion)
            .reads();
        self.http.send(call).await
    }

    fn assertion(&self, now: i64) -> Result<SecretString, ProviderError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let issued = now - BACKDATE;
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.uri.as_str(), "iat": issued, "exp": issued + LIFETIME,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .map_err(|_ignored| {
                ProviderError::new(
                    PROVIDER,
                    "get_token",
                    ProviderErrorKind::Misconfigured,
                    "The service account's key cannot sign; paste the key file again.",
                )
            })?;
        Ok(SecretString::from(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

/// When Google gave the answer, in epoch seconds of its own clock.
fn said_at(answer: &Answer) -> Option<i64> {
    let date = answer.header("date")?;
    Some(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp())
}
