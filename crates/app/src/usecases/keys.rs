//! The master key over the life of an installation: proved at every start, changed while the system works.

use super::callbacks::{self, CallbackError};
use crate::App;
use crate::vault::{Vault, VaultError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Integration;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Setting that holds a sealed word: a key ring that cannot open it is not this installation's.
const CHECK: &str = "key_check";
const WORD: &str = "delivr";

/// Why the key ring cannot be used, or not be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The ring is not the one this database was sealed with.
    #[error("the master key does not belong to this database: {0}")]
    Wrong(VaultError),
    /// Sealing failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store fails.
    #[error("reading or storing sealed values")]
    Store(#[from] StoreError),
    /// Some integrations cannot be read by this version, and are still sealed as they were.
    #[error(
        "{0} integration(s) cannot be read by this version and were not sealed anew: keep the old master key"
    )]
    Unreadable(usize),
    /// One integration changes so often that it could not be re-sealed.
    #[error("the integration {0} kept changing; run `rotate-keys` again")]
    Busy(IntegrationId),
}

/// A new master key, as it is written into the setting.
#[must_use]
pub fn generate(entropy: &dyn crate::Entropy) -> SecretString {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    STANDARD.encode(bytes).into()
}

fn nobody() -> (TenantId, IntegrationId) {
    (
        TenantId::from_uuid(Uuid::nil()),
        IntegrationId::from_uuid(Uuid::nil()),
    )
}

/// Proves that the ring opens what this installation sealed; the first start seals the proof.
///
/// # Errors
/// [`KeyError::Wrong`] with what to do, or the store's trouble.
pub async fn check(app: &App) -> Result<(), KeyError> {
    if verify(app).await? {
        return Ok(());
    }
    // An installation that sealed before there was a proof shows by its integrations whether the key is right.
    for integration in app.store.all_integrations().await? {
        open(&app.vault, &integration).map_err(KeyError::Wrong)?;
    }
    put_check(app).await
}

/// Whether there is a proof, which the ring opens. Writes nothing and looks at settings alone, which are the same in every
/// version of the schema: so it can come before anything is changed.
///
/// # Errors
/// As [`check`].
pub async fn verify(app: &App) -> Result<bool, KeyError> {
    let Some(stored) = app.store.setting(CHECK).await? else {
        return Ok(false);
    };
    let envelope = STANDARD
        .decode(stored)
        .map_err(|_ignored| KeyError::Wrong(VaultError::Damaged))?;
    let (tenant, row) = nobody();
    let opened = app.vault.open(tenant, row, &envelope).map_err(KeyError::Wrong)?;
    let right = opened.get(CHECK).is_some_and(|word| word.expose_secret() == WORD);
    if right {
        Ok(true)
    } else {
        Err(KeyError::Wrong(VaultError::Damaged))
    }
}

async fn put_check(app: &App) -> Result<(), KeyError> {
    let (tenant, row) = nobody();
    let proof = BTreeMap::from([(CHECK.to_owned(), SecretString::from(WORD))]);
    let envelope = app.vault.seal(app.entropy.as_ref(), tenant, row, &proof)?;
    app.store.put_setting(CHECK, &STANDARD.encode(envelope)).await?;
    Ok(())
}

fn open(vault: &Vault, integration: &Integration) -> Result<BTreeMap<String, SecretString>, VaultError> {
    vault.open(integration.tenant, integration.id, &integration.sealed)
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Integrations sealed anew.
    pub resealed: usize,
    /// Integrations that were sealed with the first key already.
    pub current: usize,
}

/// How often a row that changes meanwhile is tried again.
const RACES: u8 = 8;

/// Seals everything with the ring's first key, while the system works: each row is changed only if nobody else has.
///
/// # Errors
/// See [`KeyError`]; what was sealed anew stays so, and the run can be repeated.
pub async fn rotate(app: &App) -> Result<Rotated, KeyError> {
    let mut done = Rotated::default();
    for listed in app.store.all_integrations().await? {
        if reseal(app, listed).await? {
            done.resealed += 1;
        } else {
            done.current += 1;
        }
    }
    callbacks::reseal(app).await.map_err(|error| match error {
        CallbackError::Vault(error) => KeyError::Vault(error),
        CallbackError::Store(error) => KeyError::Store(error),
        CallbackError::Correlation => KeyError::Vault(VaultError::Damaged),
    })?;
    put_check(app).await?;
    match app.store.unreadable_integrations().await?.len() {
        0 => Ok(done),
        left => Err(KeyError::Unreadable(left)),
    }
}

async fn reseal(app: &App, listed: Integration) -> Result<bool, KeyError> {
    let (tenant, id) = (listed.tenant, listed.id);
    let mut row = Some(listed);
    for _ in 0..RACES {
        // Deleted meanwhile: nothing is left to seal.
        let Some(mut integration) = row else {
            return Ok(false);
        };
        if Vault::key_of(&integration.sealed)? == app.vault.sealing_key() {
            return Ok(false);
        }
        let secrets = open(&app.vault, &integration)?;
        integration.sealed = app.vault.seal(app.entropy.as_ref(), tenant, id, &secrets)?;
        integration.version = integration.version.saturating_add(1);
        match app.store.update_integration(&integration).await {
            Ok(()) => return Ok(true),
            Err(StoreError::Conflict) => row = app.store.integration(tenant, id).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(KeyError::Busy(id))
}
