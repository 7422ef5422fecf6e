//! Verification of the JSON Web Tokens that the stores ask for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use serde_json::Value;

/// Algorithms in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA over P-256 with SHA-256, signature as r||s.
    Es256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
}

/// The parts of a verified token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

/// Verifies the signature with the key pair's public half and returns the parts; claims are the caller's matter.
pub(crate) fn verify(token: &str, algorithm: Algorithm, key_pem: &str) -> Result<Token, &'static str> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the token has not three parts");
    };
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| "the signature is not base64url")?;
    let signed = format!("{header}.{claims}");
    let der = der(key_pem).ok_or("the sandbox key is unreadable")?;
    let valid = match algorithm {
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new())
                .map_err(|_| "the sandbox key is unreadable")?;
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
            key.verify(signed.as_bytes(), &signature).is_ok()
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| "the sandbox key is unreadable")?;
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            key.verify(signed.as_bytes(), &signature).is_ok()
        }
    };
    if !valid {
        return Err("the signature does not verify");
    }
    let token = Token {
        header: part(header)?,
        claims: part(claims)?,
    };
    let wanted = match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::Rs256 => "RS256",
    };
    if token.header.get("alg").and_then(Value::as_str) != Some(wanted) {
        return Err("the algorithm is another one");
    }
    Ok(token)
}

fn part(text: &str) -> Result<Value, &'static str> {
    let raw = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "a part is not base64url")?;
    serde_json::from_slice(&raw).map_err(|_| "a part is not JSON")
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body.trim()).ok()
}
