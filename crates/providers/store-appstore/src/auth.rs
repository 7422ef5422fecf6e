//! The bearer token of App Store Connect: an ES256 JSON Web Token, made here and kept until it nears its end.

use crate::PROVIDER;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::time::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Seconds a token lives. Apple refuses more than 20 minutes for tokens that may write (vendor-apis 17.1).
const LIFETIME: i64 = 15 * 60;
/// Seconds `iat` lies in the past: a future `iat` is refused with 401, so our clock may run this much ahead.
const BACKDATE: i64 = 60;
/// Seconds before its end at which a token is replaced.
const MARGIN: i64 = 2 * 60;

/// Makes and keeps tokens of one API key.
pub(crate) struct Tokens {
    key: EcdsaKeyPair,
    random: SystemRandom,
    key_id: String,
    /// Issuer of a team key; none for an individual key, which says `sub: user` instead.
    issuer: Option<String>,
    cached: Mutex<Option<(SecretString, i64)>>,
    /// Seconds by which Apple's clock is ahead of ours, as far as it told.
    ahead: AtomicI64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens(key {})", self.key_id)
    }
}

impl Tokens {
    /// Reads the `.p8` file's content: PKCS#8 of a P-256 key in PEM.
    ///
    /// # Errors
    /// A sentence for the person who pasted it; it never holds any of the key.
    pub(crate) fn new(pem: &SecretString, key_id: &str, issuer: Option<&str>) -> Result<Self, String> {
        let text = pem.expose_secret();
        if !text.contains("BEGIN PRIVATE KEY") {
            return Err(
                "paste the whole content of the AuthKey_….p8 file, from `-----BEGIN PRIVATE KEY-----` \
                        to `-----END PRIVATE KEY-----`"
                    .to_owned(),
            );
        }
        // A key pasted through a form or variable may have lost its line ends.
        let body: String = text
            .replace("\\n", "\n")
            .replace("-----BEGIN PRIVATE KEY-----", "")
            .replace("-----END PRIVATE KEY-----", "")
            .split_whitespace()
            .collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_ignored| "the key between its BEGIN and END lines is damaged".to_owned())?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).map_err(
            |_ignored| "this is not a P-256 key in PKCS#8 form as App Store Connect hands out".to_owned(),
        )?;
        Ok(Self {
            key,
            random,
            key_id: key_id.to_owned(),
            issuer: issuer.map(str::to_owned),
            cached: Mutex::new(None),
            ahead: AtomicI64::new(0),
        })
    }

    /// A token that is valid for at least two more minutes.
    ///
    /// # Errors
    /// Only when the system gives no random numbers.
    pub(crate) fn current(&self, now: Timestamp) -> Result<SecretString, ProviderError> {
        let now = now.timestamp() + self.ahead.load(Ordering::Relaxed);
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = cached.as_ref()
            && now < until - MARGIN
            // A clock that was set back makes the kept token's `iat` a future one.
            && now >= until - LIFETIME
        {
            return Ok(token.clone());
        }
        let token = self.sign(now)?;
        *cached = Some((token.clone(), now + LIFETIME));
        Ok(token)
    }

    /// Learns from a refusal what time it is at Apple, which judges tokens by its own clock. Differences that a token's
    /// margins bear are none.
    pub(crate) fn learn(&self, now: Timestamp, date: Option<&str>) {
        let said = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        let ahead = said.map_or(0, |said| said.timestamp() - now.timestamp());
        let ahead = if ahead.abs() < BACKDATE / 2 { 0 } else { ahead };
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// Forgets the kept token: the vendor refused it.
    pub(crate) fn forget(&self) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn sign(&self, now: i64) -> Result<SecretString, ProviderError> {
        let header = json!({"alg": "ES256", "kid": self.key_id, "typ": "JWT"});
        let mut claims = json!({"iat": now - BACKDATE, "exp": now + LIFETIME, "aud": "appstoreconnect-v1"});
        if let Some(claims) = claims.as_object_mut() {
            match &self.issuer {
                Some(issuer) => claims.insert("iss".to_owned(), json!(issuer)),
                None => claims.insert("sub".to_owned(), json!("user")),
            };
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        // The fixed form is r||s, which JWS wants; the ASN.1 form would be refused.
        let signature = self
            .key
            .sign(&self.random, signed.as_bytes())
            .map_err(|_ignored| {
                ProviderError::new(
                    PROVIDER,
                    "sign_token",
                    ProviderErrorKind::Misconfigured,
                    "The App Store Connect key cannot sign; paste the key of the .p8 file again.",
                )
            })?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(SecretString::from(format!("{signed}.{signature}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, UnparsedPublicKey};

    fn pem() -> SecretString {
        let raw =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let text = STANDARD.encode(raw.as_ref());
        SecretString::from(format!(
            "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
        ))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    fn claims(token: &SecretString) -> serde_json::Value {
        let part = token.expose_secret().split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_signed_dated_back_and_kept() {
        let tokens = Tokens::new(&pem(), "KEY1", Some("issuer")).unwrap();
        let token = tokens.current(at(0)).unwrap();
        let (signed, signature) = token.expose_secret().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert_eq!(signature.len(), 64);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, tokens.key.public_key().as_ref());
        key.verify(signed.as_bytes(), &signature).unwrap();
        let said = claims(&token);
        assert_eq!(said["iat"], 1_795_000_000 - 60);
        assert!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap() < 20 * 60);
        assert_eq!(said["iss"], "issuer");
        assert_eq!(
            tokens.current(at(600)).unwrap().expose_secret(),
            token.expose_secret()
        );
        assert_ne!(
            tokens.current(at(800)).unwrap().expose_secret(),
            token.expose_secret()
        );
    }

    #[test]
    fn a_clock_set_back_or_a_refusal_makes_a_new_token() {
        let tokens = Tokens::new(&pem(), "KEY1", None).unwrap();
        tokens.current(at(0)).unwrap();
        let back = tokens.current(at(-300)).unwrap();
        assert_eq!(claims(&back)["iat"], 1_795_000_000 - 360);
        assert_eq!(claims(&back)["sub"], "user");
        tokens.forget();
        let again = tokens.current(at(-299)).unwrap();
        assert_ne!(again.expose_secret(), back.expose_secret());
    }

    #[test]
    fn damaged_keys_are_refused_without_showing_them() {
        for text in [
            "",
            "secret-text",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ] {
            let said = Tokens::new(&SecretString::from(text), "K", None).unwrap_err();
            assert!(!said.contains("AAAA") && !said.contains("secret-text"));
        }
        assert_eq!(
            format!("{:?}", Tokens::new(&pem(), "KEY1", None).unwrap()),
            "Tokens(key KEY1)"
        );
    }
}
