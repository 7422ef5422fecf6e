//! Settings of both programs: defaults, then TOML files in the order given, then environment variables.
//!
//! One table names every setting. What it does not name is refused by name, wherever it stands, so that a typing
//! error is noticed at the start and not in the night it would have mattered.

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Which program reads the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The API, which embeds a worker unless told otherwise.
    Api,
    /// The worker alone.
    Worker,
}

/// Whether the API does work itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerMode {
    /// A worker runs inside the API's process.
    Embedded,
    /// Workers run elsewhere.
    None,
}

/// Whether `serve` brings the schema up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// It does.
    Auto,
    /// An operator does, with `delivr-api migrate`.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Everything an installation sets. Its Debug shows no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the data lies. Secret, because it may contain a password.
    pub database_url: SecretString,
    /// Connections to the database, at most.
    pub database_connections: u32,
    /// Address of the HTTP API.
    pub listen: SocketAddr,
    /// Address of the metrics; none serves none.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether that address was set: nobody relies on metrics at one that was not.
    pub metrics_wanted: bool,
    /// The key ring that seals credentials.
    pub master_key: Option<SecretString>,
    /// The file of the key ring, where everybody on this host may read it.
    pub open_key_file: Option<PathBuf>,
    /// Whether the API does work itself.
    pub worker: WorkerMode,
    /// Effects a worker runs at the same time, at most.
    pub worker_concurrency: u16,
    /// For how long a worker may hold an effect without a sign of life.
    pub lease: Duration,
    /// Private addresses that integrations may use, separated by commas.
    pub allowed_hosts: String,
    /// How people and vendors reach the API; ends without a slash.
    pub public_url: Option<Url>,
    /// Log filter.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Whether `serve` brings the schema up to date.
    pub migrate: Migrate,
    /// Folder below which `file` repositories are allowed.
    pub git_file_root: Option<PathBuf>,
    /// Where providers keep what they can fetch again.
    pub cache_dir: PathBuf,
    /// Further trusted certificates (PEM file), for vendors behind a private authority.
    pub ca_bundle: Option<PathBuf>,
    /// The way out to vendors: an HTTP proxy. Secret, because it may contain a password.
    pub outbound_proxy: Option<SecretString>,
    /// Certificate chain (PEM file) of the HTTP API, with its key; none serves without TLS.
    pub tls: Option<TlsFiles>,
    /// Proxies whose word about the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a minute of one token, of one address, of one sender of webhooks, and failed authentications of one
    /// address; 0 is no limit.
    pub rate_limits: RateLimits,
    /// After how many days the traces of what has ended are forgotten; none keeps them.
    pub retention: Option<Duration>,
    /// Folder in which artifacts are kept that people hand in.
    pub storage: PathBuf,
    /// Size of an artifact in bytes, at most.
    pub upload_limit: u64,
}

/// The files of a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first (PEM).
    pub certificates: PathBuf,
    /// The private key (PEM).
    pub key: PathBuf,
}

/// Limits a minute; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests with one token.
    pub per_token: u32,
    /// Requests from one address.
    pub per_address: u32,
    /// Webhooks and callbacks from one address.
    pub inbound: u32,
    /// Failed authentications from one address.
    pub failures: u32,
}

/// One setting that exists.
struct Known {
    name: &'static str,
    /// Whether its value must not be shown.
    secret: bool,
}

const fn plain(name: &'static str) -> Known {
    Known { name, secret: false }
}

const fn secret(name: &'static str) -> Known {
    Known { name, secret: true }
}

/// Every setting: the TOML key, and in upper case behind `DELIVR_` the variable.
const KNOWN: &[Known] = &[
    secret("database_url"),
    plain("database_connections"),
    plain("listen"),
    plain("metrics_listen"),
    secret("master_key"),
    plain("master_key_file"),
    plain("worker"),
    plain("worker_concurrency"),
    plain("lease_seconds"),
    plain("allowed_hosts"),
    plain("public_url"),
    plain("log"),
    plain("log_format"),
    plain("migrate"),
    plain("git_file_root"),
    plain("cache_dir"),
    plain("ca_bundle"),
    secret("outbound_proxy"),
    plain("tls_cert"),
    plain("tls_key"),
    plain("trusted_proxies"),
    plain("rate_limit_per_token"),
    plain("rate_limit_per_address"),
    plain("rate_limit_inbound"),
    plain("rate_limit_failures"),
    plain("retention_days"),
    plain("storage_url"),
    plain("upload_limit_mib"),
];

/// Variables of other programs of the family, which may stand in the same environment.
const FOREIGN: &[&str] = &["DELIVR_SANDBOX_", "DELIVR_TEST_"];

/// Why the settings cannot be used. Names the setting and where it stands, never a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("the settings file {path} cannot be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("the settings file {path} is not TOML: {detail}")]
    Toml {
        /// Which.
        path: String,
        /// What is wrong, without the line itself.
        detail: String,
    },
    /// Practice is told what it has of its own.
    #[error(
        "{place}: practice has a database, a key and vendors of its own and takes no setting but log and log_format, so \
         that nothing real can be touched; leave it out"
    )]
    Practice {
        /// Where it stands.
        place: String,
    },
    /// There is no such setting.
    #[error("{place} is not a setting; known are: {}", known_names())]
    Unknown {
        /// Its name and where it stands.
        place: String,
    },
    /// A value is not usable.
    #[error("{place}: {detail}")]
    Value {
        /// Its name and where it stands.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
}

fn known_names() -> String {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    names.join(", ")
}

const DAY: Duration = Duration::from_secs(86_400);

/// What every variable of the family begins with.
const PREFIX: &str = "DELIVR_";

/// The variables of the family as texts. Those of others may hold whatever they like.
pub(crate) fn ours(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, SettingsError> {
    variables
        .into_iter()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        .map(|(name, value)| {
            let place = format!("the variable {}", name.to_string_lossy());
            let Ok(name) = name.into_string() else {
                return Err(SettingsError::Unknown { place });
            };
            match value.into_string() {
                Ok(value) => Ok((name, value)),
                // The value itself is not repeated: it may be a secret.
                Err(_) => Err(SettingsError::Value {
                    place,
                    detail: "is not UTF-8".to_owned(),
                }),
            }
        })
        .collect()
}

struct Given {
    value: String,
    place: String,
}

type Values = BTreeMap<&'static str, Given>;

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn load(program: Program, files: &[PathBuf]) -> Result<Self, SettingsError> {
        Self::from_sources(program, files, ours(std::env::vars_os())?)
    }

    /// Reads the settings from files and the given variables.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn from_sources(
        program: Program,
        files: &[PathBuf],
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut values = Values::new();
        for file in files {
            read_file(file, &mut values)?;
        }
        for (name, value) in variables {
            read_variable(&name, value, &mut values)?;
        }
        build(program, &values)
    }

    /// Whether a variable is a setting.
    ///
    /// # Errors
    /// When it looks like one and is none.
    pub(crate) fn knows(variable: &str) -> Result<bool, SettingsError> {
        let mut values = Values::new();
        read_variable(variable, String::new(), &mut values)?;
        Ok(!values.is_empty())
    }

    /// Each setting with its value as far as it may be shown, for `config check`.
    #[must_use]
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map_or_else(unset, |it| it.display().to_string());
        vec![
            (
                "database_url",
                without_password(self.database_url.expose_secret()),
            ),
            ("database_connections", self.database_connections.to_string()),
            ("listen", self.listen.to_string()),
            (
                "metrics_listen",
                self.metrics_listen.map_or_else(unset, |it| it.to_string()),
            ),
            (
                "master_key",
                if self.master_key.is_some() {
                    "set".to_owned()
                } else {
                    unset()
                },
            ),
            ("worker", format!("{:?}", self.worker).to_lowercase()),
            ("worker_concurrency", self.worker_concurrency.to_string()),
            ("lease_seconds", self.lease.as_secs().to_string()),
            ("allowed_hosts", self.allowed_hosts.clone()),
            (
                "public_url",
                self.public_url.as_ref().map_or_else(unset, ToString::to_string),
            ),
            ("log", self.log.clone()),
            ("log_format", format!("{:?}", self.log_format).to_lowercase()),
            ("migrate", format!("{:?}", self.migrate).to_lowercase()),
            ("git_file_root", path(&self.git_file_root)),
            ("cache_dir", self.cache_dir.display().to_string()),
            ("ca_bundle", path(&self.ca_bundle)),
            (
                "outbound_proxy",
                self.outbound_proxy
                    .as_ref()
                    .map_or_else(unset, |it| without_password(it.expose_secret())),
            ),
            (
                "tls_cert",
                path(&self.tls.as_ref().map(|it| it.certificates.clone())),
            ),
            ("tls_key", path(&self.tls.as_ref().map(|it| it.key.clone()))),
            (
                "trusted_proxies",
                self.trusted_proxies
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            ("rate_limit_per_token", self.rate_limits.per_token.to_string()),
            ("rate_limit_per_address", self.rate_limits.per_address.to_string()),
            ("rate_limit_inbound", self.rate_limits.inbound.to_string()),
            ("rate_limit_failures", self.rate_limits.failures.to_string()),
            (
                "retention_days",
                (self.retention.map_or(0, |it| it.as_secs()) / DAY.as_secs()).to_string(),
            ),
            ("storage_url", format!("file://{}", self.storage.display())),
            ("upload_limit_mib", (self.upload_limit / MIB).to_string()),
        ]
    }
}

fn unset() -> String {
    "(not set)".to_owned()
}

/// The address of a database without its password, wherever drivers take one: before the host or as a parameter.
#[must_use]
pub fn without_password(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return "(set)".to_owned();
    };
    let mut hidden = false;
    if url.password().is_some() {
        if url.set_password(Some("***")).is_err() {
            return "(set)".to_owned();
        }
        hidden = true;
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if pairs.iter().any(|(name, _)| is_password(name)) {
        let shown = pairs
            .iter()
            .map(|(name, value)| (name, if is_password(name) { "***" } else { value }));
        url.query_pairs_mut().clear().extend_pairs(shown);
        hidden = true;
    }
    if hidden {
        url.to_string()
    } else {
        address.to_owned()
    }
}

/// Whether a parameter of this name holds a password, like `password` and `sslpassword` of PostgreSQL.
fn is_password(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token"]
        .iter()
        .any(|part| name.contains(part))
}

fn read_file(path: &Path, values: &mut Values) -> Result<(), SettingsError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::File {
        path: shown.clone(),
        source,
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| SettingsError::Toml {
            path: shown.clone(),
            // The error's Display shows the line, and with it perhaps a key.
            detail: error.message().to_owned(),
        })?;
    for (name, value) in table {
        let place = format!("`{name}` in {shown}");
        let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
            return Err(SettingsError::Unknown { place });
        };
        let value = flat(&value).ok_or_else(|| SettingsError::Value {
            place: place.clone(),
            detail: "must be a text, a number, a boolean or a list of texts".to_owned(),
        })?;
        values.insert(known.name, Given { value, place });
    }
    Ok(())
}

fn flat(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn read_variable(name: &str, value: String, values: &mut Values) -> Result<(), SettingsError> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return Ok(());
    };
    if FOREIGN.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(());
    }
    let place = format!("the variable {name}");
    let key = rest.to_ascii_lowercase();
    let Some(known) = KNOWN
        .iter()
        .find(|known| known.name == key && rest == rest.to_ascii_uppercase())
    else {
        return Err(SettingsError::Unknown { place });
    };
    values.insert(known.name, Given { value, place });
    Ok(())
}

struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|given| given.value.as_str())
            .filter(|text| !text.is_empty())
    }

    fn bad(&self, name: &str, detail: impl Into<String>) -> SettingsError {
        SettingsError::Value {
            place: self
                .0
                .get(name)
                .map_or_else(|| format!("`{name}`"), |given| given.place.clone()),
            detail: detail.into(),
        }
    }

    fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], default: T) -> Result<T, SettingsError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, it)| *it)
            .ok_or_else(|| {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.bad(name, format!("must be one of {}", known.join(", ")))
            })
    }

    fn number(&self, name: &str, default: u32, least: u32, most: u32) -> Result<u32, SettingsError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.bad(name, format!("must be a whole number from {least} to {most}")))
    }

    fn address(&self, name: &str) -> Result<Option<SocketAddr>, SettingsError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let detail = "must be an address like 127.0.0.1:8080";
        let mut found = text
            .to_socket_addrs()
            .map_err(|_ignored| self.bad(name, detail))?;
        found.next().map(Some).ok_or_else(|| self.bad(name, detail))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }
}

fn build(program: Program, values: &Values) -> Result<Settings, SettingsError> {
    let reader = Reader(values);
    let metrics_default = match program {
        Program::Api => Some(SocketAddr::from(([127, 0, 0, 1], 9091))),
        Program::Worker => None,
    };
    let lease = reader.number("lease_seconds", 60, 3, 3_600)?;
    Ok(Settings {
        database_url: database_url(&reader)?,
        database_connections: reader.number("database_connections", 10, 2, 1_000)?,
        listen: reader
            .address("listen")?
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
        metrics_listen: reader.address("metrics_listen")?.or(metrics_default),
        metrics_wanted: reader.text("metrics_listen").is_some(),
        master_key: master_key(&reader)?,
        open_key_file: reader.path("master_key_file").filter(|path| is_open(path)),
        worker: reader.word(
            "worker",
            &[("embedded", WorkerMode::Embedded), ("none", WorkerMode::None)],
            WorkerMode::Embedded,
        )?,
        worker_concurrency: u16::try_from(reader.number("worker_concurrency", 16, 1, 1_000)?).unwrap_or(16),
        lease: Duration::from_secs(lease.into()),
        allowed_hosts: reader.text("allowed_hosts").unwrap_or_default().to_owned(),
        public_url: public_url(&reader)?,
        log: reader.text("log").unwrap_or("info").to_owned(),
        log_format: reader.word(
            "log_format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
            LogFormat::Text,
        )?,
        migrate: reader.word(
            "migrate",
            &[("auto", Migrate::Auto), ("off", Migrate::Off)],
            Migrate::Auto,
        )?,
        git_file_root: reader.path("git_file_root"),
        cache_dir: reader
            .path("cache_dir")
            .unwrap_or_else(|| std::env::temp_dir().join("delivr-cache")),
        ca_bundle: reader.path("ca_bundle"),
        outbound_proxy: outbound_proxy(&reader)?,
        tls: tls(&reader)?,
        trusted_proxies: trusted_proxies(&reader)?,
        rate_limits: RateLimits {
            per_token: reader.number("rate_limit_per_token", 1_800, 0, MOST)?,
            per_address: reader.number("rate_limit_per_address", 3_600, 0, MOST)?,
            inbound: reader.number("rate_limit_inbound", 12_000, 0, MOST)?,
            failures: reader.number("rate_limit_failures", 60, 0, MOST)?,
        },
        retention: match reader.number("retention_days", 90, 0, 36_500)? {
            0 => None,
            days => Some(DAY.saturating_mul(days)),
        },
        storage: storage(&reader)?,
        upload_limit: MIB.saturating_mul(reader.number("upload_limit_mib", 4_096, 1, 1_048_576)?.into()),
    })
}

fn database_url(reader: &Reader<'_>) -> Result<SecretString, SettingsError> {
    let text = reader
        .text("database_url")
        .unwrap_or("sqlite://delivr.db?mode=rwc");
    let fits = match text.split_once(':').map(|(scheme, _rest)| scheme) {
        Some("sqlite") => true,
        Some("postgres" | "postgresql") => Url::parse(text).is_ok(),
        Some(_) | None => false,
    };
    if fits {
        Ok(text.to_owned().into())
    } else {
        Err(reader.bad(
            "database_url",
            "must be an address like sqlite://delivr.db?mode=rwc or postgres://user:password@host/database",
        ))
    }
}

const MIB: u64 = 1024 * 1024;

/// A folder beside the database, unless another one is named. Object stores are not understood yet, and said to be.
fn storage(reader: &Reader<'_>) -> Result<PathBuf, SettingsError> {
    const NAME: &str = "delivr-artifacts";
    if let Some(text) = reader.text("storage_url") {
        let path = Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == "file")
            .and_then(|url| url.to_file_path().ok());
        return path.ok_or_else(|| {
            reader.bad(
                "storage_url",
                "must be a folder like file:///var/lib/delivr/artifacts; other kinds of storage are not built yet",
            )
        });
    }
    let database = reader.text("database_url").unwrap_or_default();
    let file = database.strip_prefix("sqlite:").map(|rest| {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        rest.split('?').next().unwrap_or(rest)
    });
    let beside = file.and_then(|file| Path::new(file).parent());
    Ok(beside.unwrap_or(Path::new("")).join(NAME))
}

/// Highest limit a minute.
const MOST: u32 = 10_000_000;

fn outbound_proxy(reader: &Reader<'_>) -> Result<Option<SecretString>, SettingsError> {
    let Some(text) = reader.text("outbound_proxy") else {
        return Ok(None);
    };
    let fits = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/");
    if fits {
        Ok(Some(text.to_owned().into()))
    } else {
        Err(reader.bad(
            "outbound_proxy",
            "must be an HTTP proxy like http://proxy.example.com:3128",
        ))
    }
}

fn tls(reader: &Reader<'_>) -> Result<Option<TlsFiles>, SettingsError> {
    match (reader.path("tls_cert"), reader.path("tls_key")) {
        (None, None) => Ok(None),
        (Some(certificates), Some(key)) => Ok(Some(TlsFiles { certificates, key })),
        (Some(_), None) => Err(reader.bad("tls_cert", "stands without tls_key; both or neither are needed")),
        (None, Some(_)) => Err(reader.bad("tls_key", "stands without tls_cert; both or neither are needed")),
    }
}

fn trusted_proxies(reader: &Reader<'_>) -> Result<Vec<IpNet>, SettingsError> {
    let entries = reader.text("trusted_proxies").unwrap_or_default().split(',');
    entries
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let network = entry.parse().ok();
            network
                .or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from))
                .ok_or_else(|| {
                    reader.bad(
                        "trusted_proxies",
                        format!("`{entry}` is neither an address nor a network like 10.0.0.0/8"),
                    )
                })
        })
        .collect()
}

fn public_url(reader: &Reader<'_>) -> Result<Option<Url>, SettingsError> {
    let Some(text) = reader.text("public_url") else {
        return Ok(None);
    };
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Some)
        .ok_or_else(|| reader.bad("public_url", "must be an address like https://delivr.example.com"))
}

fn master_key(reader: &Reader<'_>) -> Result<Option<SecretString>, SettingsError> {
    match (reader.text("master_key"), reader.path("master_key_file")) {
        (Some(_), Some(_)) => Err(reader.bad(
            "master_key_file",
            "stands beside master_key; give the key one way only",
        )),
        (Some(key), None) => Ok(Some(key.to_owned().into())),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                reader.bad(
                    "master_key_file",
                    format!("{} cannot be read: {error}", path.display()),
                )
            })?;
            Ok(Some(text.split_whitespace().collect::<String>().into()))
        }
        (None, None) => Ok(None),
    }
}

/// Whether everybody on this host may read the file.
#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o004 != 0)
}

/// Whether everybody on this host may read the file: not known here.
#[cfg(not(unix))]
const fn is_open(_path: &Path) -> bool {
    false
}

/// Whether the setting's value must not be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    KNOWN.iter().any(|known| known.name == name && known.secret)
}

#[cfg(test)]
mod tests;
