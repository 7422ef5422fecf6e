//! Taking a backup of an installation, and putting one back.

use crate::settings::{Settings, without_password};
use crate::wire::{self, Installation};
use anyhow::{Context as _, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use delivr_app::run_effect::QUIET_FLOOR;
use delivr_app::vault::Vault;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::time::Span;
use delivr_persistence::{Backup, BackupInfo, Kind, Options};
use delivr_provider_kit::SystemClock;
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The setting by which an installation knows its master key: a word that was sealed with it at the first start.
const KEY_CHECK: &str = "key_check";

/// Copies the database into a new file while it is served. Needs no master key.
///
/// # Errors
/// When the file exists or cannot be written, or the database fails.
pub async fn back_up(settings: &Settings, to: &Path) -> anyhow::Result<BackupInfo> {
    wire::install_tls();
    let store = wire::store(settings).await?;
    store.back_up(to).await.context("taking the backup")
}

/// Reads a backup from end to end, and proves that the master key opens what is sealed in it.
///
/// # Errors
/// When the file is damaged or of a newer version, or the key is not the one.
pub async fn check(settings: &Settings, from: &Path) -> anyhow::Result<Backup> {
    wire::install_tls();
    let vault = wire::vault(settings)?;
    let backup = Backup::open(from)?;
    // One that was taken before the first start has nothing sealed.
    if let Some(sealed) = backup.read_setting(KEY_CHECK).await? {
        opens(&vault, &sealed)?;
    }
    Ok(backup)
}

fn opens(vault: &Vault, sealed: &str) -> anyhow::Result<()> {
    let wrong = "the master key does not belong to this backup";
    let envelope = STANDARD.decode(sealed).map_err(|_ignored| anyhow!(wrong))?;
    let (tenant, row) = (
        TenantId::from_uuid(Uuid::nil()),
        IntegrationId::from_uuid(Uuid::nil()),
    );
    vault.open(tenant, row, &envelope).context(wrong)?;
    Ok(())
}

/// Puts a backup into the empty database of the settings, brings its schema up to date, and begins the quiet time: for so
/// long no write is sent that vendors recognise only by its mark.
///
/// # Errors
/// When the backup cannot be used (see [`check`]), or the database is not empty.
pub async fn restore(settings: &Settings, from: &Path, quiet: Duration) -> anyhow::Result<Installation> {
    let address = settings.database_url.expose_secret();
    let backup = check(settings, from).await?;
    ensure!(
        Kind::of(address) == Some(backup.info().database),
        "the backup is of {}, and the database {} is not",
        backup.info().database.name(),
        without_password(address)
    );
    let quiet = Span::from_std(quiet).context("the quiet time")?;
    let mut options = Options::new(Arc::new(SystemClock));
    options.max_connections = settings.database_connections;
    backup
        .restore(address, options, move |now| {
            vec![(QUIET_FLOOR, (now + quiet).to_rfc3339())]
        })
        .await
        .with_context(|| format!("restoring into {}", without_password(address)))?;
    let store = wire::store(settings).await?;
    store
        .migrate()
        .await
        .context("bringing the restored database's schema up to date")?;
    wire::open(settings).await
}
