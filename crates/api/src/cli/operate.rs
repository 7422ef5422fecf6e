//! An operator's work on an installation.

use super::say;
use crate::wiring::entropy::SystemEntropy;
use crate::wiring::{Settings, wire};
use anyhow::{Context as _, bail, ensure};
use delivr_app::App;
use delivr_app::usecases::access::{self, NewToken, Person, Role};
use delivr_app::usecases::keys;
use delivr_domain::ids::TokenId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Tenant;
use secrecy::ExposeSecret as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Prints a new master key.
pub(super) fn generate_key() -> anyhow::Result<()> {
    say(keys::generate(&SystemEntropy::new()).expose_secret());
    Ok(())
}

/// Writes a new master key into a file that is not there yet and that nobody else reads.
pub(super) fn write_key(file: &Path) -> anyhow::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let key = keys::generate(&SystemEntropy::new());
    options
        .open(file)
        .and_then(|mut file| writeln!(file, "{}", key.expose_secret()))
        .with_context(|| format!("writing the master key to {}", file.display()))
}

/// Brings the schema up to date.
pub(super) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    wire::install_tls();
    let store = wire::store(settings).await?;
    store
        .migrate()
        .await
        .context("bringing the database's schema up to date")?;
    say("the database's schema is current");
    Ok(())
}

/// Prints every tenant.
pub(super) async fn list_tenants(settings: &Settings) -> anyhow::Result<()> {
    let app = wire::start(settings).await?;
    for tenant in app.store.tenants().await? {
        say(&format!("{}\t{}\t{}", tenant.id, tenant.slug, tenant.name));
    }
    Ok(())
}

/// Gives a tenant another slug.
pub(super) async fn rename_tenant(settings: &Settings, slug: &str, new: &str) -> anyhow::Result<()> {
    ensure!(
        access::is_slug(new),
        "`--to` must be a slug: 1 to 63 lower-case letters, digits or hyphens, with no hyphen at its ends"
    );
    let app = wire::start(settings).await?;
    let renamed = match access::rename_tenant(&app, slug, new).await {
        Err(StoreError::Duplicate(_)) => bail!("there is a tenant `{new}` already"),
        renamed => renamed?,
    };
    ensure!(
        renamed,
        "there is no tenant `{slug}`; `delivr-api tenant list` prints those there are"
    );
    say(&format!("`{slug}` is `{new}` now"));
    Ok(())
}

/// Makes a token and prints it.
pub(super) async fn create_token(
    settings: &Settings,
    tenant: &str,
    role: Role,
    name: &str,
    person: Option<&Person>,
) -> anyhow::Result<()> {
    ensure!(
        access::is_slug(tenant),
        "`--tenant` must be a slug: 1 to 63 lower-case letters, digits or hyphens, with no hyphen at its ends"
    );
    let length = name.chars().count();
    ensure!(
        (1..=100).contains(&length) && !name.contains('\0'),
        "`--name` must have 1 to 100 characters"
    );
    if let Some(why) = access::reserved(name) {
        bail!("`--name` must not be `{name}`: {why}");
    }
    let app = wire::start(settings).await?;
    let tenant = access::ensure_tenant(&app, tenant).await?;
    let id = app.entropy.uuid();
    let new = NewToken {
        name,
        person,
        role,
        expires_at: None,
    };
    let issued = access::issue(&app, tenant.id, id, &new).await?;
    say(issued.secret.expose_secret());
    Ok(())
}

async fn tenant(app: &App, slug: &str) -> anyhow::Result<Tenant> {
    app.store.tenant_by_slug(slug).await?.with_context(|| {
        format!("there is no tenant `{slug}`; `delivr-api tenant list` prints those there are")
    })
}

/// Prints every token of a tenant.
pub(super) async fn list_tokens(settings: &Settings, slug: &str) -> anyhow::Result<()> {
    let app = wire::start(settings).await?;
    let tenant = tenant(&app, slug).await?;
    for token in app.store.tokens(tenant.id).await? {
        let expired = token.expires_at.is_some_and(|at| at <= app.clock.now());
        let state = match (token.revoked_at, expired) {
            (Some(_), _) => "revoked",
            (None, true) => "expired",
            (None, false) => "valid",
        };
        let holder = token.person.as_deref().unwrap_or("service");
        say(&format!(
            "{}\t{}\t{state}\t{}\t{holder}",
            token.id, token.role, token.name
        ));
    }
    Ok(())
}

/// Revokes a token.
pub(super) async fn revoke_token(settings: &Settings, slug: &str, id: TokenId) -> anyhow::Result<()> {
    let app = wire::start(settings).await?;
    let tenant = tenant(&app, slug).await?;
    let revoked = access::revoke(&app, tenant.id, id, access::OPERATOR).await?;
    ensure!(revoked, "the tenant has no token {id}");
    say(&format!("{id} is revoked"));
    Ok(())
}

/// Seals everything with the ring's first key.
pub(super) async fn rotate_keys(settings: &Settings) -> anyhow::Result<()> {
    let app = wire::start(settings).await?;
    let done = keys::rotate(&app).await?;
    say(&format!(
        "{} sealed anew with master key `{}`, {} were current",
        done.resealed,
        app.vault.sealing_key(),
        done.current
    ));
    Ok(())
}

/// Begins the quiet time after a restore.
pub(super) async fn restore_epoch(settings: &Settings) -> anyhow::Result<()> {
    let app = wire::start(settings).await?;
    let until = access::restore_epoch(&app).await?;
    say(&format!("writes wait until {}", until.to_rfc3339()));
    Ok(())
}

/// Prints the settings and tries what can be tried without a database.
pub(super) fn check_config(settings: &Settings) -> anyhow::Result<()> {
    wire::install_tls();
    for (name, value) in settings.shown() {
        say(&format!("{name} = {value}"));
    }
    let vault = wire::vault(settings)?;
    let _deps = wire::deps(settings)?;
    let _tls = wire::tls(settings)?;
    say(&format!(
        "usable; new credentials are sealed with master key `{}`",
        vault.sealing_key()
    ));
    Ok(())
}
