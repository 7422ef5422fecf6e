//! Backups on the command line.

use super::say;
use crate::wiring::{Settings, backup, wire};
use delivr_app::usecases::access::RESTORE_QUIET;
use std::path::Path;
use std::time::Duration;

/// How long nothing is sent after a restore that vendors know by its mark alone, in seconds, if nothing else is said.
pub(super) fn usual_quiet() -> u32 {
    u32::try_from(RESTORE_QUIET.num_seconds()).unwrap_or_default()
}

/// Copies the database into a file.
pub(super) async fn take(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let info = backup::back_up(settings, file).await?;
    say(&format!(
        "{} holds the installation {} as of {}; keep the master key elsewhere",
        file.display(),
        info.install,
        info.taken_at.to_rfc3339()
    ));
    Ok(())
}

/// Reads a backup without restoring it.
pub(super) async fn check(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let backup = backup::check(settings, file).await?;
    let info = backup.info();
    say(&format!(
        "{} is whole: {} of the installation {} as of {}, taken by version {}; this master key opens it",
        file.display(),
        info.database.name(),
        info.install,
        info.taken_at.to_rfc3339(),
        info.program
    ));
    Ok(())
}

/// Puts a backup into an empty database.
pub(super) async fn restore(settings: &Settings, file: &Path, quiet_seconds: u32) -> anyhow::Result<()> {
    let quiet = Duration::from_secs(quiet_seconds.into());
    backup::restore(settings, file, quiet).await?;
    say(&format!(
        "restored; for {quiet_seconds} s nothing is sent that vendors know by its mark alone. Tokens that were revoked \
         since the backup are valid again: revoke them anew"
    ));
    Ok(())
}

/// Prints what stands at vendors under our mark without an intent of ours.
pub(super) async fn strays(settings: &Settings, days: u32) -> anyhow::Result<()> {
    wire::install_tls();
    let store = wire::store(settings).await?;
    let within = Duration::from_secs(86_400).saturating_mul(days);
    for stray in store.strays(within).await? {
        let through = stray.integration.map_or_else(String::new, |id| id.to_string());
        say(&format!(
            "{}\t{}\t{through}\t{}\t{}",
            stray.tenant,
            stray.source,
            stray.correlation,
            stray.at.to_rfc3339()
        ));
    }
    Ok(())
}
