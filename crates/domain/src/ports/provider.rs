//! Providers: what a provider crate exports, and the registry of those compiled in.

use super::error::ProviderError;
use super::exchange::Listener;
use super::health::Gauge;
use super::vendor::{Chat, Cicd, Scm, Storefront, Testing, Tracker};
use crate::key::words;
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

words! {
    /// A category of integrations; the word is the API's.
    Port ("integration category") {
        /// Source control.
        Scm = "scm",
        /// CI/CD.
        Cicd = "ci-cd",
        /// Tickets.
        ProjectManagement = "project-management",
        /// Chat.
        Communication = "communication",
        /// Test management.
        TestManagement = "test-management",
        /// App stores.
        Stores = "stores",
    }
}

/// An open connection to a vendor.
#[derive(Clone)]
pub enum Connection {
    /// Source control.
    Scm(Arc<dyn Scm>),
    /// CI/CD.
    Cicd(Arc<dyn Cicd>),
    /// Tickets.
    Tracker(Arc<dyn Tracker>),
    /// Chat.
    Chat(Arc<dyn Chat>),
    /// Test management.
    Testing(Arc<dyn Testing>),
    /// Stores.
    Store(Arc<dyn Storefront>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.port())
    }
}

impl Connection {
    /// Which port it serves.
    #[must_use]
    pub const fn port(&self) -> Port {
        match self {
            Self::Scm(_) => Port::Scm,
            Self::Cicd(_) => Port::Cicd,
            Self::Tracker(_) => Port::ProjectManagement,
            Self::Chat(_) => Port::Communication,
            Self::Testing(_) => Port::TestManagement,
            Self::Store(_) => Port::Stores,
        }
    }
    /// Tries the credential and each permission.
    ///
    /// # Errors
    /// When the vendor cannot be asked or refuses the credential.
    pub async fn verify(&self) -> Result<super::vendor::Verification, ProviderError> {
        match self {
            Self::Scm(it) => it.verify().await,
            Self::Cicd(it) => it.verify().await,
            Self::Tracker(it) => it.verify().await,
            Self::Chat(it) => it.verify().await,
            Self::Testing(it) => it.verify().await,
            Self::Store(it) => it.verify().await,
        }
    }
}

/// Credentials of one integration, by name, and who keeps the account of the calls made with them. Nothing shows their
/// values.
#[derive(Clone, Default)]
pub struct Credentials {
    secrets: BTreeMap<String, SecretString>,
    gauge: Option<Arc<dyn Gauge>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.secrets.keys()).finish()
    }
}

impl Credentials {
    /// From name and secret pairs.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self {
            secrets: secrets.into_iter().collect(),
            gauge: None,
        }
    }
    /// The same, whose calls are told to whoever keeps the integration's account. Without, nobody is told.
    #[must_use]
    pub fn told_to(self, gauge: Arc<dyn Gauge>) -> Self {
        Self {
            gauge: Some(gauge),
            ..self
        }
    }
    /// Who is told of the calls made with them.
    #[must_use]
    pub const fn gauge(&self) -> Option<&Arc<dyn Gauge>> {
        self.gauge.as_ref()
    }
    /// The secret of the name, if set.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&SecretString> {
        self.secrets.get(name)
    }
    /// Names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }
}

/// Why a configuration does not make a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct ConfigError {
    /// JSON pointer into `{config, credentials}`, e.g. `/config/baseUrl`.
    pub pointer: String,
    /// What is wrong, for people.
    pub detail: String,
}

/// Why a webhook is not believed or not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Signature missing or wrong, or too old. The two are not told apart.
    #[error("the delivery's signature is missing or wrong")]
    Unsigned,
    /// Signed, but not what the vendor documents.
    #[error("the delivery cannot be understood: {0}")]
    Malformed(String),
}

/// What a verified webhook prompts us to look at. Never the state itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The vendor's id of the delivery, for deduplication.
    pub delivery: String,
    /// Correlation keys (`delivr_key`) it names, if any.
    pub correlations: Vec<String>,
    /// Vendor objects it names, if any.
    pub objects: Vec<String>,
}

/// An inbound delivery, raw.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// Headers, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    /// The exact bytes.
    pub body: &'a [u8],
    /// When it came.
    pub at: crate::time::Timestamp,
}

/// Makes a connection from configuration and credentials.
pub type Connect = Arc<dyn Fn(&Value, &Credentials) -> Result<Connection, ConfigError> + Send + Sync>;
/// Verifies and reads a delivery.
pub type ReadWebhook = Arc<dyn Fn(&Delivery<'_>, &Credentials) -> Result<Prompt, WebhookError> + Send + Sync>;

/// All that a provider crate exports.
#[derive(Clone)]
pub struct Descriptor {
    /// Stable key, stored with integrations, e.g. `jenkins`.
    pub key: &'static str,
    /// The port it serves.
    pub port: Port,
    /// Name for people.
    pub display_name: &'static str,
    /// JSON Schema (object, closed) of the configuration.
    pub config_schema: Value,
    /// JSON Schema (object, closed) of the credentials.
    pub credentials_schema: Value,
    /// What it can do, as data for the wizard.
    pub capabilities: Value,
    /// Factory.
    pub connect: Connect,
    /// Webhook reader, where the vendor sends any.
    pub webhook: Option<ReadWebhook>,
}

impl std::fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Descriptor({} for {})", self.key, self.port)
    }
}

/// Why a registry cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provider `{0}` is registered twice for one port")]
pub struct RegistryError(String);

/// The providers compiled in, and how what they exchange with their vendors is listened to.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<(Port, String), Descriptor>,
    listener: Option<Arc<dyn Listener>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("providers", &self.providers)
            .field("listens", &self.listener.is_some())
            .finish()
    }
}

impl Registry {
    /// From an explicit list.
    ///
    /// # Errors
    /// When a key is listed twice for one port.
    pub fn new(list: impl IntoIterator<Item = Descriptor>) -> Result<Self, RegistryError> {
        let mut map = BTreeMap::new();
        for descriptor in list {
            let key = (descriptor.port, descriptor.key.to_owned());
            if map.insert(key, descriptor.clone()).is_some() {
                return Err(RegistryError(descriptor.key.to_owned()));
            }
        }
        Ok(Self {
            providers: map,
            listener: None,
        })
    }
    /// The same, whose providers' calls can be listened to. Without, nothing is heard.
    #[must_use]
    pub fn heard_by(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listener = Some(listener);
        self
    }
    /// Through which its providers' calls are listened to.
    #[must_use]
    pub fn listener(&self) -> Option<&dyn Listener> {
        self.listener.as_deref()
    }
    /// The provider of the key for the port.
    #[must_use]
    pub fn find(&self, port: Port, key: &str) -> Option<&Descriptor> {
        self.providers.get(&(port, key.to_owned()))
    }
    /// All providers of a port.
    pub fn of(&self, port: Port) -> impl Iterator<Item = &Descriptor> {
        self.providers
            .iter()
            .filter(move |((of, _), _)| *of == port)
            .map(|(_, descriptor)| descriptor)
    }
}
