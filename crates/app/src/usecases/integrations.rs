//! Integrations: kept with sealed credentials, tried against the vendor, replaced without a gap.

use super::addresses;
use super::limit::within;
use super::services::SCM_OF_SERVICE;
use crate::App;
use crate::apply::{self, ApplyError, Wish};
use crate::connections::ConnectError;
use crate::vault::VaultError;
use delivr_domain::aggregate::Command;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::AggregateId;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::health::Health;
use delivr_domain::ports::provider::{ConfigError, Credentials, Descriptor, Port};
use delivr_domain::ports::store::{By, Change as SetUpChange, Integration, VerificationStatus};
use delivr_domain::release::command::Command as ReleaseCommand;
use delivr_domain::time::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a verification may take.
pub const VERIFY_LIMIT: Duration = Duration::from_secs(30);

/// Why an integration is not kept.
#[derive(Debug, thiserror::Error)]
pub enum IntegrationError {
    /// There is no such provider for the category.
    #[error("there is no provider `{provider}` for {port}; known are: {known}")]
    Provider {
        /// What was asked for.
        provider: String,
        /// For which category.
        port: Port,
        /// What there is.
        known: String,
    },
    /// Configuration or credentials are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Sealed credentials cannot be opened or made.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store fails.
    #[error("storing the integration")]
    Store(#[from] StoreError),
}

/// An integration to be made.
#[derive(Debug)]
pub struct NewIntegration {
    /// Category.
    pub port: Port,
    /// Provider key.
    pub provider: String,
    /// Name for people.
    pub name: String,
    /// Public configuration.
    pub config: Value,
    /// Credentials.
    pub credentials: BTreeMap<String, SecretString>,
}

/// The provider of a category.
///
/// # Errors
/// [`IntegrationError::Provider`] with those there are.
pub fn provider<'a>(app: &'a App, port: Port, key: &str) -> Result<&'a Descriptor, IntegrationError> {
    app.registry.find(port, key).ok_or_else(|| {
        let known: Vec<&str> = app.registry.of(port).map(|it| it.key).collect();
        IntegrationError::Provider {
            provider: key.chars().take(64).collect(),
            port,
            known: known.join(", "),
        }
    })
}

fn try_forms(
    descriptor: &Descriptor,
    config: &Value,
    credentials: &BTreeMap<String, SecretString>,
) -> Result<(), ConfigError> {
    let credentials = Credentials::new(credentials.clone());
    (descriptor.connect)(config, &credentials).map(|_connection| ())
}

/// What may be shown of a secret: its last four characters, if it is long enough for that to tell nothing.
fn hints(credentials: &BTreeMap<String, SecretString>) -> BTreeMap<String, String> {
    let hint = |secret: &SecretString| {
        let text = secret.expose_secret();
        let count = text.chars().count();
        let simple = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.~+/=".contains(c));
        if count >= 20 && simple {
            text.chars().skip(count - 4).collect()
        } else {
            String::new()
        }
    };
    credentials
        .iter()
        .map(|(name, secret)| (name.clone(), hint(secret)))
        .collect()
}

/// An integration with everything checked and sealed under a fresh id, not kept yet. It is not used by releases before
/// it was verified.
///
/// # Errors
/// See [`IntegrationError`].
pub fn prepare(
    app: &App,
    tenant: TenantId,
    id: IntegrationId,
    new: NewIntegration,
) -> Result<Integration, IntegrationError> {
    let descriptor = provider(app, new.port, &new.provider)?;
    try_forms(descriptor, &new.config, &new.credentials)?;
    let now = app.clock.now();
    Ok(Integration {
        id,
        tenant,
        port: new.port,
        provider: new.provider,
        name: new.name,
        config: new.config,
        sealed: app
            .vault
            .seal(app.entropy.as_ref(), tenant, id, &new.credentials)?,
        hints: hints(&new.credentials),
        status: VerificationStatus::Pending,
        status_detail: None,
        verified_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    })
}

/// Refuses an address that was changed without its secrets: they are sent there, and who may change an address need not
/// know them.
fn same_addresses(
    stored: &Integration,
    config: &Value,
    secrets: &BTreeMap<String, SecretString>,
    given: &BTreeMap<String, Option<SecretString>>,
) -> Result<(), ConfigError> {
    if addresses::of(&stored.config) == addresses::of(config) {
        return Ok(());
    }
    let missing: Vec<&str> = secrets
        .keys()
        .filter(|name| !given.contains_key(*name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ConfigError {
        pointer: "/credentials".to_owned(),
        detail: format!(
            "an address is changed, to which the credentials are sent: give each of them again ({})",
            missing.join(", ")
        ),
    })
}

/// What is to be changed; what is none stays.
#[derive(Debug, Default)]
pub struct Change {
    /// Name for people.
    pub name: Option<String>,
    /// The whole new configuration.
    pub config: Option<Value>,
    /// Credentials to set, or to remove; others stay.
    pub credentials: BTreeMap<String, Option<SecretString>>,
}

/// Changes an integration that was read at its version. A new configuration or credential must be verified anew, and a
/// new address needs every credential again.
///
/// # Errors
/// See [`IntegrationError`]; `Conflict` when somebody else changed it meanwhile.
pub async fn change(
    app: &App,
    mut stored: Integration,
    change: Change,
    actor: &str,
) -> Result<Integration, IntegrationError> {
    let descriptor = provider(app, stored.port, &stored.provider)?;
    let touched = change.config.is_some() || !change.credentials.is_empty();
    let given: Vec<String> = change.credentials.keys().cloned().collect();
    if let Some(name) = change.name {
        stored.name = name;
    }
    if touched {
        let mut secrets = app.vault.open(stored.tenant, stored.id, &stored.sealed)?;
        let moved = change.config.as_ref().map_or(Ok(()), |config| {
            same_addresses(&stored, config, &secrets, &change.credentials)
        });
        for (name, secret) in change.credentials {
            match secret {
                Some(secret) => secrets.insert(name, secret),
                None => secrets.remove(&name),
            };
        }
        if let Some(config) = change.config {
            stored.config = config;
        }
        try_forms(descriptor, &stored.config, &secrets)?;
        // Only of a configuration that is one: what it lacks is told first, at its own place.
        moved?;
        stored.sealed = app
            .vault
            .seal(app.entropy.as_ref(), stored.tenant, stored.id, &secrets)?;
        stored.hints = hints(&secrets);
        stored.status = VerificationStatus::Pending;
        stored.status_detail = None;
    }
    stored.version += 1;
    stored.updated_at = app.clock.now();
    let by = By {
        actor,
        at: stored.updated_at,
    };
    let change = SetUpChange::UpdateIntegration(&stored, &given);
    app.store.set_up(&change, by).await?;
    Ok(stored)
}

/// When the credential of an integration ends, as its vendor says; none when it does not say. What it said before the
/// integration was last changed may be of another credential.
#[must_use]
pub fn ends_at(it: &Integration, health: &Health) -> Option<Timestamp> {
    let expiry = health.expiry.filter(|said| said.told_at >= it.updated_at)?;
    expiry.at
}

/// What kind of thing uses an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserKind {
    /// A release that is not over.
    Release,
    /// A pipeline.
    Pipeline,
    /// A service whose repository it is.
    Service,
}

impl UserKind {
    /// The word of the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Release => "RELEASE",
            Self::Pipeline => "PIPELINE",
            Self::Service => "SERVICE",
        }
    }
}

/// Something that uses an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What it is.
    pub kind: UserKind,
    /// By which it is read: a release's key, any other one's id.
    pub id: String,
    /// What people call it.
    pub name: String,
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            UserKind::Release => "release",
            UserKind::Pipeline => "pipeline",
            UserKind::Service => "service",
        };
        write!(f, "the {kind} {}", self.name)
    }
}

/// What uses an integration, in words for people: live releases, pipelines, services.
///
/// # Errors
/// When the store fails.
pub async fn users(app: &App, tenant: TenantId, id: IntegrationId) -> Result<Vec<User>, StoreError> {
    let mut users = Vec::new();
    for key in app.store.releases_using(tenant, id).await? {
        users.push(User {
            kind: UserKind::Release,
            id: key.clone(),
            name: key,
        });
    }
    for pipeline in app.store.pipelines(tenant).await? {
        if pipeline.integration == id || pipeline.scm == Some(id) || pipeline.store == Some(id) {
            users.push(User {
                kind: UserKind::Pipeline,
                id: pipeline.id.to_string(),
                name: pipeline.name,
            });
        }
    }
    for service in app.store.services(tenant).await? {
        let scm = service.detail.get(SCM_OF_SERVICE).and_then(Value::as_str);
        if scm.and_then(|text| text.parse().ok()) == Some(id) {
            users.push(User {
                kind: UserKind::Service,
                id: service.id.to_string(),
                name: service.slug,
            });
        }
    }
    Ok(users)
}

/// Why a verification came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no such integration.
    #[error("there is no such integration")]
    Missing,
    /// The vendor could not be asked; what was known stays.
    #[error(transparent)]
    Vendor(ProviderError),
    /// Following up failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The store fails.
    #[error("storing the verification")]
    Store(#[from] StoreError),
}

/// Tries an integration against its vendor and keeps what came of it. When it works, tasks that failed with it go on.
///
/// # Errors
/// See [`VerifyError`]. A refusal by the vendor is no error: the integration is INVALID then.
pub async fn verify(
    app: &App,
    tenant: TenantId,
    id: IntegrationId,
    actor: &str,
) -> Result<Integration, VerifyError> {
    let stored = app
        .store
        .integration(tenant, id)
        .await?
        .ok_or(VerifyError::Missing)?;
    let (status, detail) = attempt(app, &stored).await?;
    let mut row = stored.clone();
    for _ in 0..apply::MAX_RACES {
        row.status = status;
        row.status_detail = Some(detail.clone());
        row.verified_at = Some(app.clock.now());
        row.version += 1;
        match app.store.update_integration(&row).await {
            Ok(()) => {
                if status == VerificationStatus::Valid {
                    restore(app, tenant, id, actor).await?;
                }
                return Ok(row);
            }
            Err(StoreError::Conflict) => {
                row = app
                    .store
                    .integration(tenant, id)
                    .await?
                    .ok_or(VerifyError::Missing)?;
                // What was tried is not what is stored now: nothing is known about that.
                if row.config != stored.config || row.sealed != stored.sealed {
                    return Err(StoreError::Conflict.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict.into())
}

async fn attempt(app: &App, stored: &Integration) -> Result<(VerificationStatus, Value), VerifyError> {
    let outcome = match app.connections.connect(&app.registry, &app.vault, stored) {
        Ok(connection) => within(app.clock.as_ref(), VERIFY_LIMIT, connection.verify())
            .await
            .unwrap_or_else(|| {
                Err(ProviderError::new(
                    "delivr",
                    "verify",
                    ProviderErrorKind::Unavailable,
                    "the vendor did not answer within 30 s; try again later",
                ))
            }),
        // That this process lacks a master key says nothing about the integration: it is not kept.
        Err(ConnectError::Provider(error) | ConnectError::NotHere(error)) => Err(error),
        Err(ConnectError::Store(error)) => return Err(error.into()),
    };
    match outcome {
        Ok(said) => {
            let status = if said.passed() {
                VerificationStatus::Valid
            } else {
                VerificationStatus::Invalid
            };
            Ok((status, json!({ "account": said.account, "checks": said.checks })))
        }
        Err(error) => match error.kind {
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Unsupported
            | ProviderErrorKind::Misconfigured => Ok((
                VerificationStatus::Invalid,
                json!({ "code": error.code(), "detail": error.sentence, "vendor": error.vendor }),
            )),
            ProviderErrorKind::Throttled
            | ProviderErrorKind::Unavailable
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Precondition => Err(VerifyError::Vendor(error)),
        },
    }
}

/// Tells live releases that an integration works again.
async fn restore(app: &App, tenant: TenantId, id: IntegrationId, actor: &str) -> Result<(), VerifyError> {
    let restored = Command::Release(ReleaseCommand::IntegrationRestored { integration: id });
    for key in app.store.releases_using(tenant, id).await? {
        let Some(release) = by_key(app, tenant, &key).await? else {
            continue;
        };
        let wish = Wish {
            tenant,
            command: &restored,
            actor,
            expected: None,
            remember: None,
        };
        match apply::command(app.store.as_ref(), app.clock.as_ref(), release, &wish).await {
            Ok(_) => {}
            // It ended meanwhile; the others must hear of it all the same.
            Err(error @ (ApplyError::Missing(_) | ApplyError::Rejected(_) | ApplyError::Stale { .. })) => {
                tracing::info!(release = key, %error, "a release has no use for the restored integration");
            }
            Err(error @ ApplyError::Store(_)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The release people call by the key.
///
/// # Errors
/// When the store fails.
pub async fn by_key(app: &App, tenant: TenantId, key: &str) -> Result<Option<AggregateId>, StoreError> {
    app.store.release_by_key(tenant, key).await
}
