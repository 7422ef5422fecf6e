//! Open vendor connections, made from stored integrations and kept until the integration changes.

use crate::health::Gathered;
use crate::usecases::store_languages::KeptLanguages;
use crate::vault::{Vault, VaultError};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::provider::{Connection, Registry};
use delivr_domain::ports::store::{Integration, Store, VerificationStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// What this process lacks the key for is left to others for so long.
pub(crate) const ASK_OTHERS: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The integration cannot be used; the cause says who must do what.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// This process cannot open the credentials and another one may: it lacks the master key that sealed them, as happens
    /// while keys are rotated. Nothing is wrong with the integration.
    #[error(transparent)]
    NotHere(ProviderError),
    /// The store fails.
    #[error("reading the integration")]
    Store(#[from] StoreError),
}

/// The cache of open connections, and the way back.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<BTreeMap<IntegrationId, (u64, Connection)>>,
    reached_at: Option<Url>,
    health: Arc<Gathered>,
    languages: KeptLanguages,
}

impl Connections {
    /// The connection of a tenant's integration.
    ///
    /// # Errors
    /// [`ConnectError`]: gone, changed and not verified since, unknown provider, unusable configuration or credentials.
    pub async fn open(
        &self,
        store: &dyn Store,
        registry: &Registry,
        vault: &Vault,
        tenant: TenantId,
        id: IntegrationId,
    ) -> Result<Connection, ConnectError> {
        let integration = store.integration(tenant, id).await?.ok_or_else(|| {
            unusable(
                ProviderErrorKind::Misconfigured,
                "the integration no longer exists; connect it again and re-plan the release",
            )
        })?;
        // Whoever changed it may have mistyped an address: nothing is sent there before somebody tried it.
        if integration.status == VerificationStatus::Pending && integration.verified_at.is_some() {
            return Err(unusable(
                ProviderErrorKind::Misconfigured,
                "the integration was changed and is not verified yet; verify it",
            )
            .into());
        }
        if let Some((version, connection)) = self.lock().get(&id)
            && *version == integration.version
        {
            return Ok(connection.clone());
        }
        let connection = self.connect(registry, vault, &integration)?;
        self.lock().insert(id, (integration.version, connection.clone()));
        Ok(connection)
    }

    /// A new connection of an integration, whose calls are told of in [`Connections::health`].
    ///
    /// # Errors
    /// [`ConnectError::Provider`] of kind `Misconfigured`, saying what to change; [`ConnectError::NotHere`].
    pub fn connect(
        &self,
        registry: &Registry,
        vault: &Vault,
        integration: &Integration,
    ) -> Result<Connection, ConnectError> {
        let descriptor = registry
            .find(integration.port, &integration.provider)
            .ok_or_else(|| {
                unusable(
                    ProviderErrorKind::Misconfigured,
                    &format!("this build has no provider `{}`", integration.provider),
                )
            })?;
        let credentials = vault
            .credentials(integration.tenant, integration.id, &integration.sealed)
            .map_err(|error| sealed(integration.id, &error))?
            .told_to(self.health.account(integration.tenant, integration.id));
        (descriptor.connect)(&integration.config, &credentials)
            .map_err(|error| unusable(ProviderErrorKind::Misconfigured, &error.to_string()).into())
    }

    /// How it goes with the integrations that this process calls.
    #[must_use]
    pub const fn health(&self) -> &Arc<Gathered> {
        &self.health
    }

    /// What this process knows of the languages of apps in their stores.
    pub(crate) const fn languages(&self) -> &KeptLanguages {
        &self.languages
    }

    /// The address under which vendors reach this installation, if it was set.
    #[must_use]
    pub const fn reached_at(&self) -> Option<&Url> {
        self.reached_at.as_ref()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IntegrationId, (u64, Connection)>> {
        // A panic while the map is held leaves it whole: every change is one insert.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What sealed credentials that do not open mean.
fn sealed(id: IntegrationId, error: &VaultError) -> ConnectError {
    tracing::error!(integration.id = %id, %error, "sealed credentials cannot be opened");
    match error {
        VaultError::UnknownKey(_) => ConnectError::NotHere(
            unusable(ProviderErrorKind::Throttled, &error.to_string()).retry_after(ASK_OTHERS),
        ),
        VaultError::Ring(_) | VaultError::Damaged | VaultError::Refused(_) | VaultError::Sealing => {
            unusable(ProviderErrorKind::Misconfigured, &error.to_string()).into()
        }
    }
}

fn unusable(kind: ProviderErrorKind, sentence: &str) -> ProviderError {
    ProviderError::new("delivr", "connect", kind, sentence)
}

/// A shared cache of an installation that vendors reach under this address.
#[must_use]
pub fn reached_at(address: Option<Url>) -> Arc<Connections> {
    Arc::new(Connections {
        reached_at: address,
        ..Connections::default()
    })
}

/// A shared cache of an installation that vendors cannot reach.
#[must_use]
pub fn cache() -> Arc<Connections> {
    Arc::new(Connections::default())
}
