//! Callbacks: addresses that a run may call without an account. The token in the address names tenant and run and is
//! signed by the installation, so that nobody reports for a run that was not given the address.

use crate::App;
use crate::vault::VaultError;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use url::Url;
use uuid::Uuid;

/// Stands in a pipeline's parameters for the run's correlation key.
pub const KEY_WORD: &str = "{delivr_key}";
/// Stands in a pipeline's parameters for the address the run may call when it has news.
pub const URL_WORD: &str = "{callbackUrl}";

/// Setting that holds the sealed secret.
const SETTING: &str = "callback_secret";
/// What a token is signed for, so that the secret may serve other purposes too.
const PURPOSE: &[u8] = b"delivr build callback v1";

/// Why there is no token, or none can be read.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// The installation's secret cannot be opened or sealed.
    #[error("the secret of callbacks")]
    Vault(#[from] VaultError),
    /// The store fails.
    #[error("reading or storing the secret of callbacks")]
    Store(#[from] StoreError),
    /// The correlation key is not one.
    #[error("a correlation key has 32 hexadecimal digits")]
    Correlation,
}

/// Which run a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose.
    pub tenant: TenantId,
    /// The run's correlation key (`delivr_key`).
    pub correlation: String,
}

/// The token of a run, for the path `/callbacks/builds/{token}`.
///
/// # Errors
/// See [`CallbackError`].
pub async fn token(app: &App, tenant: TenantId, correlation: &str) -> Result<String, CallbackError> {
    let mut named = tenant.uuid().as_bytes().to_vec();
    named.extend(unhex(correlation).ok_or(CallbackError::Correlation)?);
    let signature = hmac::sign(&key(app).await?, &named);
    Ok(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(&named),
        URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// The address of a token below the one that vendors reach this installation at. It contains the secret.
#[must_use]
pub fn url(reached_at: &Url, token: &str) -> String {
    let base = reached_at.as_str().trim_end_matches('/');
    format!("{base}/api/v1/callbacks/builds/{token}")
}

/// What a person must do where a job wants the address and there is none.
#[must_use]
pub fn no_address(job: &str) -> String {
    format!(
        "the parameters of `{job}` name {URL_WORD}, and this installation does not know under which address vendors reach \
         it: set DELIVR_PUBLIC_URL and restart, or take {URL_WORD} out of the pipeline and re-plan the release"
    )
}

/// Whom a token was made for; none when it was not made here.
///
/// # Errors
/// When the secret cannot be read.
pub async fn verify(app: &App, token: &str) -> Result<Option<Caller>, CallbackError> {
    let parts = token.split_once('.').and_then(|(named, signature)| {
        Some((
            URL_SAFE_NO_PAD.decode(named).ok()?,
            URL_SAFE_NO_PAD.decode(signature).ok()?,
        ))
    });
    let Some((named, signature)) = parts else {
        return Ok(None);
    };
    // Compares in constant time.
    if hmac::verify(&key(app).await?, &named, &signature).is_err() {
        return Ok(None);
    }
    let caller = named
        .split_first_chunk::<16>()
        .map(|(tenant, correlation)| Caller {
            tenant: TenantId::from_uuid(Uuid::from_bytes(*tenant)),
            correlation: super::access::hex(correlation),
        });
    Ok(caller)
}

/// The sealed secret belongs to no tenant and no integration.
fn nobody() -> (TenantId, IntegrationId) {
    (
        TenantId::from_uuid(Uuid::nil()),
        IntegrationId::from_uuid(Uuid::nil()),
    )
}

async fn key(app: &App) -> Result<hmac::Key, CallbackError> {
    let secret = match secret(app).await? {
        Some(secret) => secret,
        None => {
            let mut bytes = [0; 32];
            app.entropy.fill(&mut bytes);
            keep(app, &STANDARD.encode(bytes).into()).await?;
            // Somebody else may have kept another one at the same time: what is stored counts for everybody.
            secret(app).await?.ok_or(VaultError::Damaged)?
        }
    };
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let derived = hmac::sign(&root, PURPOSE);
    Ok(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
}

async fn secret(app: &App) -> Result<Option<SecretString>, CallbackError> {
    let Some(stored) = app.store.setting(SETTING).await? else {
        return Ok(None);
    };
    let envelope = STANDARD.decode(stored).map_err(|_ignored| VaultError::Damaged)?;
    let (tenant, row) = nobody();
    let mut opened = app.vault.open(tenant, row, &envelope)?;
    let secret = opened.remove(SETTING).ok_or(VaultError::Damaged)?;
    Ok(Some(secret))
}

async fn keep(app: &App, secret: &SecretString) -> Result<(), CallbackError> {
    let (tenant, row) = nobody();
    let named = BTreeMap::from([(SETTING.to_owned(), secret.clone())]);
    let envelope = app.vault.seal(app.entropy.as_ref(), tenant, row, &named)?;
    app.store.put_setting(SETTING, &STANDARD.encode(envelope)).await?;
    Ok(())
}

/// Makes the secret if there is none yet. A process that serves does this before it listens.
///
/// # Errors
/// See [`CallbackError`].
pub async fn prepare(app: &App) -> Result<(), CallbackError> {
    key(app).await.map(drop)
}

/// Seals the secret with the ring's first key.
///
/// # Errors
/// See [`CallbackError`].
pub async fn reseal(app: &App) -> Result<(), CallbackError> {
    match secret(app).await? {
        Some(secret) => keep(app, &secret).await,
        None => Ok(()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at.saturating_add(2))?, 16).ok())
        .collect()
}
