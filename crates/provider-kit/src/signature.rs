//! Webhook signatures: one verifier and one signer for the five shapes vendors use. Comparisons take constant time,
//! and a missing header fails exactly like a wrong one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use delivr_domain::ports::provider::{Delivery, WebhookError};
use delivr_domain::time::Timestamp;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;

/// How far a signed time may lie from ours.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// How a vendor proves that a delivery is its own. Header names are in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Hex HMAC-SHA256 over the body, after an optional prefix (`sha256=`), which is compared without regard to case.
    HexBody {
        /// Header with the signature.
        header: &'static str,
        /// What precedes the hex digits.
        prefix: &'static str,
    },
    /// `v1,<base64 HMAC-SHA256>` over `id.timestamp.body` (Standard Webhooks, Svix); the secret may be `whsec_<base64>`.
    IdTimeBody {
        /// Header with the delivery's id.
        id: &'static str,
        /// Header with the time in epoch seconds.
        time: &'static str,
        /// Header with space-separated signatures.
        signature: &'static str,
    },
    /// `v0=<hex HMAC-SHA256>` over `v0:timestamp:body` (Slack).
    TimeBody {
        /// Header with the time in epoch seconds.
        time: &'static str,
        /// Header with the signature.
        signature: &'static str,
    },
    /// A JWT signed with HS256, `Bearer` or bare; its `exp` and `nbf` are kept to. The body is not covered.
    Jwt {
        /// Header with the token.
        header: &'static str,
    },
    /// The secret itself.
    Token {
        /// Header with the secret.
        header: &'static str,
    },
}

/// Checks a delivery.
///
/// # Errors
/// [`WebhookError::Unsigned`] for anything that does not prove the sender.
pub fn verify(scheme: Scheme, secret: &SecretString, delivery: &Delivery<'_>) -> Result<(), WebhookError> {
    let secret = secret.expose_secret();
    // An empty secret would let everybody in.
    if !secret.is_empty() && holds(scheme, secret, delivery).unwrap_or(false) {
        Ok(())
    } else {
        Err(WebhookError::Unsigned)
    }
}

fn holds(scheme: Scheme, secret: &str, delivery: &Delivery<'_>) -> Option<bool> {
    let header = |name: &str| delivery.headers.get(name).map(|value| value.trim());
    Some(match scheme {
        Scheme::HexBody { header: name, prefix } => {
            let given = header(name)?;
            let start = given.get(..prefix.len())?;
            let tag = unhex(given.get(prefix.len()..)?)?;
            start.eq_ignore_ascii_case(prefix) && matches(secret.as_bytes(), &[delivery.body], &tag)
        }
        Scheme::IdTimeBody { id, time, signature } => {
            let (id, time) = (header(id)?, header(time)?);
            let key = standard_key(secret)?;
            let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", delivery.body];
            let fits = header(signature)?
                .split_ascii_whitespace()
                .filter_map(|it| STANDARD.decode(it.strip_prefix("v1,")?).ok())
                .any(|tag| matches(&key, &parts, &tag));
            fits && is_recent(time, delivery.at)?
        }
        Scheme::TimeBody { time, signature } => {
            let time = header(time)?;
            let tag = unhex(header(signature)?.strip_prefix("v0=")?)?;
            let parts: [&[u8]; 4] = [b"v0:", time.as_bytes(), b":", delivery.body];
            matches(secret.as_bytes(), &parts, &tag) && is_recent(time, delivery.at)?
        }
        Scheme::Jwt { header: name } => {
            let given = header(name)?;
            let token = given.strip_prefix("Bearer ").unwrap_or(given);
            let (signed, tag) = token.rsplit_once('.')?;
            let (head, claims) = signed.split_once('.')?;
            let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
            let (head, claims) = (part(head)?, part(claims)?);
            let now = delivery.at.timestamp();
            let slack = i64::try_from(TOLERANCE.as_secs()).ok()?;
            let expired = claims.get("exp")?.as_i64()?.saturating_add(slack) < now;
            let early = claims
                .get("nbf")
                .and_then(Value::as_i64)
                .is_some_and(|from| from.saturating_sub(slack) > now);
            let algorithm = head.get("alg").and_then(Value::as_str) == Some("HS256");
            algorithm
                && matches(
                    secret.as_bytes(),
                    &[signed.as_bytes()],
                    &URL_SAFE_NO_PAD.decode(tag).ok()?,
                )
                && !expired
                && !early
        }
        Scheme::Token { header: name } => {
            // Comparing MACs of both hides where, and whether by length, they differ.
            let tag = mac(b"delivr webhook token", &[header(name)?.as_bytes()]);
            matches(b"delivr webhook token", &[secret.as_bytes()], &tag)
        }
    })
}

/// The headers a sender adds, for simulators and our own outgoing webhooks.
#[must_use]
pub fn sign(
    scheme: Scheme,
    secret: &str,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let at = at.timestamp();
    match scheme {
        Scheme::HexBody { header, prefix } => {
            vec![(
                header,
                format!("{prefix}{}", hex(&mac(secret.as_bytes(), &[body]))),
            )]
        }
        Scheme::IdTimeBody {
            id: id_header,
            time,
            signature,
        } => {
            let key = standard_key(secret).unwrap_or_default();
            let stamp = at.to_string();
            let tag = mac(&key, &[id.as_bytes(), b".", stamp.as_bytes(), b".", body]);
            vec![
                (id_header, id.to_owned()),
                (time, stamp),
                (signature, format!("v1,{}", STANDARD.encode(tag))),
            ]
        }
        Scheme::TimeBody { time, signature } => {
            let stamp = at.to_string();
            let tag = mac(secret.as_bytes(), &[b"v0:", stamp.as_bytes(), b":", body]);
            vec![(time, stamp), (signature, format!("v0={}", hex(&tag)))]
        }
        Scheme::Jwt { header } => {
            let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
            let claims = serde_json::json!({"jti": id, "iat": at, "exp": at.saturating_add(300)}).to_string();
            let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
            let tag = URL_SAFE_NO_PAD.encode(mac(secret.as_bytes(), &[signed.as_bytes()]));
            vec![(header, format!("Bearer {signed}.{tag}"))]
        }
        Scheme::Token { header } => vec![(header, secret.to_owned())],
    }
}

/// The key of a Standard Webhooks secret: the decoded part after `whsec_`, else the secret's own bytes.
fn standard_key(secret: &str) -> Option<Vec<u8>> {
    match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(secret.as_bytes().to_vec()),
    }
}

fn is_recent(time: &str, now: Timestamp) -> Option<bool> {
    let apart = now.timestamp().abs_diff(time.parse::<i64>().ok()?);
    Some(apart <= TOLERANCE.as_secs())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().to_vec()
}

fn matches(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, &parts.concat(), tag).is_ok()
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const HEX: Scheme = Scheme::HexBody {
        header: "x-hub-signature-256",
        prefix: "sha256=",
    };
    const STANDARD_WEBHOOKS: Scheme = Scheme::IdTimeBody {
        id: "svix-id",
        time: "svix-timestamp",
        signature: "svix-signature",
    };
    const SLACK: Scheme = Scheme::TimeBody {
        time: "x-slack-request-timestamp",
        signature: "x-slack-signature",
    };
    const JWT: Scheme = Scheme::Jwt {
        header: "authorization",
    };
    const TOKEN: Scheme = Scheme::Token {
        header: "x-gitlab-token",
    };

    fn check(scheme: Scheme, secret: &str, headers: &[(&str, String)], body: &[u8], at: i64) -> bool {
        let headers: BTreeMap<String, String> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let delivery = Delivery {
            headers: &headers,
            body,
            at: Timestamp::from_timestamp(at, 0).unwrap(),
        };
        verify(scheme, &secret.into(), &delivery).is_ok()
    }

    #[test]
    fn published_vector_of_hex_over_body() {
        // GitHub's documentation of webhook validation.
        let tag = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let headers = [("x-hub-signature-256", tag.to_owned())];
        assert!(check(
            HEX,
            "It's a Secret to Everybody",
            &headers,
            b"Hello, World!",
            0
        ));
        assert!(!check(
            HEX,
            "It's a Secret to Everybody",
            &headers,
            b"Hello, World?",
            0
        ));
    }

    #[test]
    fn published_vector_of_standard_webhooks() {
        let headers = [
            ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
            ("svix-timestamp", "1614265330".to_owned()),
            (
                "svix-signature",
                "v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned(),
            ),
        ];
        let (secret, body) = (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            br#"{"test": 2432232314}"#,
        );
        assert!(check(
            STANDARD_WEBHOOKS,
            secret,
            &headers,
            body,
            1_614_265_330 + 299
        ));
        assert!(!check(
            STANDARD_WEBHOOKS,
            secret,
            &headers,
            body,
            1_614_265_330 + 301
        ));
        assert!(!check(
            STANDARD_WEBHOOKS,
            secret,
            &headers,
            body,
            1_614_265_330 - 301
        ));
    }

    #[test]
    fn published_vector_of_slack() {
        let body =
            b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let headers = [
            ("x-slack-request-timestamp", "1531420618".to_owned()),
            (
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".to_owned(),
            ),
        ];
        assert!(check(
            SLACK,
            "8f742231b10e8888abcd99yyyzzz85a5",
            &headers,
            body,
            1_531_420_618
        ));
        assert!(!check(
            SLACK,
            "8f742231b10e8888abcd99yyyzzz85a6",
            &headers,
            body,
            1_531_420_618
        ));
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        let at = 1_700_000_000;
        for scheme in [HEX, STANDARD_WEBHOOKS, SLACK, JWT, TOKEN] {
            let headers = sign(
                scheme,
                "secret-1",
                "id1",
                Timestamp::from_timestamp(at, 0).unwrap(),
                b"{}",
            );
            assert!(check(scheme, "secret-1", &headers, b"{}", at), "{scheme:?}");
            assert!(!check(scheme, "secret-2", &headers, b"{}", at), "{scheme:?}");
            assert!(!check(scheme, "secret-1", &[], b"{}", at), "{scheme:?}");
            assert!(!check(scheme, "", &headers, b"{}", at), "{scheme:?}");
            for broken in ["", "v0=", "sha256=zz", "v1,", "é", "a.b.c", "sha256=é1"] {
                let wrong: Vec<_> = headers
                    .iter()
                    .map(|(name, _)| (*name, broken.to_owned()))
                    .collect();
                assert!(
                    !check(scheme, "secret-1", &wrong, b"{}", at),
                    "{scheme:?} {broken}"
                );
            }
        }
    }

    #[test]
    fn tokens_expire_and_keep_their_algorithm() {
        let headers = sign(
            JWT,
            "secret-1",
            "id1",
            Timestamp::from_timestamp(1_700_000_000, 0).unwrap(),
            b"",
        );
        assert!(!check(JWT, "secret-1", &headers, b"", 1_700_000_000 + 901));
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(r#"{"exp":9999999999}"#)
        );
        assert!(!check(
            JWT,
            "secret-1",
            &[("authorization", none)],
            b"",
            1_700_000_000
        ));
    }
}
