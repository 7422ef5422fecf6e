//! Putting the application together: store, vault, providers.

use crate::entropy::SystemEntropy;
use crate::settings::{Migrate, Settings, without_password};
use anyhow::{Context as _, anyhow, ensure};
use delivr_app::usecases::keys;
use delivr_app::vault::Vault;
use delivr_app::{App, connections};
use delivr_domain::ports::clock::Clock;
use delivr_persistence::Options;
use delivr_provider_kit::{AddressPolicy, Deps, HttpSettings, SystemClock};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use std::time::Duration;

pub use delivr_persistence::{MessagesOf, SqlStore};

/// The one TLS provider. Must come before any client is made; repeating it changes nothing.
pub fn install_tls() {
    // The error says that a provider is there already: ours, since no other is compiled in.
    let _already = rustls::crypto::ring::default_provider().install_default();
}

/// Opens the database without touching its schema.
///
/// # Errors
/// When it cannot be reached; the sentence names the address without its password.
pub async fn store(settings: &Settings) -> anyhow::Result<SqlStore> {
    store_on(settings, Options::new(Arc::new(SystemClock))).await
}

/// How long a request waits for a connection to a server.
const CONNECTION_WITHIN: Duration = Duration::from_secs(5);

async fn store_on(settings: &Settings, mut options: Options) -> anyhow::Result<SqlStore> {
    options.max_connections = settings.database_connections;
    let address = settings.database_url.expose_secret();
    if !address.starts_with("sqlite:") {
        // Whoever waits for a server's connection waits for others' statements, or for a server that is gone. SQLite's
        // one writer is waited for longer: it may be busy for a while.
        options.acquire_timeout = CONNECTION_WITHIN;
    }
    delivr_persistence::connect(address, options)
        .await
        .with_context(|| format!("opening the database {}", without_password(address)))
}

/// The key ring.
///
/// # Errors
/// When it is missing or not usable; never shows it.
pub fn vault(settings: &Settings) -> anyhow::Result<Vault> {
    let key = settings.master_key.as_ref().ok_or_else(|| {
        anyhow!(
            "the master key is missing: set DELIVR_MASTER_KEY or DELIVR_MASTER_KEY_FILE; \
             `delivr-api keys generate` makes one. Keep it: credentials sealed with it open with nothing else"
        )
    })?;
    if let Some(file) = &settings.open_key_file {
        tracing::warn!(
            file = %file.display(),
            "everybody on this host may read the master key; make the file its owner's alone (chmod 600)"
        );
    }
    Ok(Vault::new(key)?)
}

/// What providers need of the installation.
///
/// # Errors
/// When the allowed hosts or the certificates are not usable.
pub fn deps(settings: &Settings) -> anyhow::Result<Deps> {
    let policy = AddressPolicy::new(&settings.allowed_hosts).context("the setting `allowed_hosts`")?;
    deps_on(settings, policy, Arc::new(SystemClock))
}

fn deps_on(settings: &Settings, policy: AddressPolicy, clock: Arc<dyn Clock>) -> anyhow::Result<Deps> {
    let ca_bundle = match &settings.ca_bundle {
        Some(path) => {
            Some(std::fs::read(path).with_context(|| format!("the certificates in {}", path.display()))?)
        }
        None => None,
    };
    let http = HttpSettings {
        ca_bundle,
        proxy: settings.outbound_proxy.clone(),
        ..HttpSettings::default()
    };
    Deps::new(
        policy,
        &http,
        clock,
        settings.git_file_root.clone(),
        settings.cache_dir.clone(),
    )
    .context("preparing the HTTP client")
}

/// The certificate of the HTTP API; none when it is served without TLS. The files are read at the start alone: a renewed
/// certificate needs a restart.
///
/// # Errors
/// When they cannot be read, or do not belong together. Never shows the key.
pub fn tls(settings: &Settings) -> anyhow::Result<Option<rustls::ServerConfig>> {
    let Some(files) = &settings.tls else {
        return Ok(None);
    };
    let (certificates, key) = (files.certificates.display(), files.key.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect)
        .map_err(|error| anyhow!("the certificates in {certificates}: {error}"))?;
    ensure!(!chain.is_empty(), "{certificates} holds no certificate");
    let private = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| anyhow!("the private key in {key}: {error}"))?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("the certificate in {certificates} with the key in {key}"))?;
    Ok(Some(config))
}

/// The application on an open store.
///
/// # Errors
/// When the key ring, the allowed hosts or the certificates are not usable.
pub fn app(settings: &Settings, store: SqlStore, vault: Vault) -> anyhow::Result<App> {
    app_on(settings, deps(settings)?, store, vault)
}

fn app_on(settings: &Settings, deps: Deps, store: SqlStore, vault: Vault) -> anyhow::Result<App> {
    // Every process of the installation sees the same leases.
    let deps = deps.with_leases(Arc::new(store.clone()));
    let registry = delivr_providers_all::registry(&deps)?;
    Ok(App {
        store: Arc::new(store),
        clock: deps.clock.clone(),
        entropy: Arc::new(SystemEntropy::new()),
        registry: Arc::new(registry),
        vault: Arc::new(vault),
        connections: connections::reached_at(settings.public_url.clone()),
    })
}

/// The application and the database under it, for what operators need beside the application.
#[derive(Debug)]
pub struct Installation {
    /// The application.
    pub app: App,
    /// Its database.
    pub store: SqlStore,
}

/// The application, ready to serve: TLS provider installed, schema current (unless migrating is off), key proved.
///
/// # Errors
/// With a sentence that says what to change.
pub async fn start(settings: &Settings) -> anyhow::Result<App> {
    open(settings).await.map(|installation| installation.app)
}

/// The same with the database under it.
///
/// # Errors
/// With a sentence that says what to change.
pub async fn open(settings: &Settings) -> anyhow::Result<Installation> {
    install_tls();
    let vault = vault(settings)?;
    let store = store(settings).await?;
    let app = app(settings, store.clone(), vault)?;
    // Whoever has the wrong key, or the wrong database, must not have changed it before that is noticed.
    if !store.is_new().await.context("reading the database's schema")? {
        keys::verify(&app).await?;
    }
    match settings.migrate {
        Migrate::Auto => store
            .migrate()
            .await
            .context("bringing the database's schema up to date")?,
        Migrate::Off => {}
    }
    match app.store.ready().await {
        Ok(()) => keys::check(&app).await?,
        Err(error) => {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "the database is not ready");
        }
    }
    Ok(Installation { app, store })
}

/// The installation of practice: on a clock of its own, and no vendor is called but those that `allowed_hosts` names.
///
/// # Errors
/// With a sentence that says what to change.
pub async fn practise(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Installation> {
    install_tls();
    let vault = vault(settings)?;
    let policy = AddressPolicy::nothing_but(&settings.allowed_hosts).context("the vendors' address")?;
    let deps = deps_on(settings, policy, clock.clone())?;
    let options = Options {
        durable: false,
        ..Options::new(clock)
    };
    let store = store_on(settings, options).await?;
    store.migrate().await.context("making the database's schema")?;
    let app = app_on(settings, deps, store.clone(), vault)?;
    keys::check(&app).await?;
    Ok(Installation { app, store })
}

/// How long a worker waits before it looks again whether the schema is there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The application of a worker: never touches the schema, waits for whoever brings it up to date.
///
/// # Errors
/// With a sentence that says what to change; not for a schema that is missing, which is waited for.
pub async fn join(settings: &Settings) -> anyhow::Result<Installation> {
    install_tls();
    let vault = vault(settings)?;
    let store = store(settings).await?;
    let app = app(settings, store.clone(), vault)?;
    let mut told = false;
    while let Err(error) = app.store.ready().await {
        if !told {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(
                error,
                "waiting for the database and its schema; `delivr-api` brings it up to date"
            );
            told = true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    keys::check(&app).await?;
    Ok(Installation { app, store })
}
