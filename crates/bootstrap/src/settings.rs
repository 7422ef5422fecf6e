//! Settings of both programs: defaults, then TOML files in the order given, then environment variables.
//!
//! One table names every setting. What it does not name is refused by name, wherever it stands, so that a typing
//! error is noticed at the start and not in the night it would have mattered.

use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs as _};
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
    /// The key ring that seals credentials.
    pub master_key: Option<SecretString>,
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

/// What every variable of the family begins with.
const PREFIX: &str = "DELIVR_";

/// The variables of the family as texts. Those of others may hold whatever they like.
fn ours(
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
        database_url: reader
            .text("database_url")
            .unwrap_or("sqlite://delivr.db?mode=rwc")
            .to_owned()
            .into(),
        database_connections: reader.number("database_connections", 10, 2, 1_000)?,
        listen: reader
            .address("listen")?
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
        metrics_listen: reader.address("metrics_listen")?.or(metrics_default),
        master_key: master_key(&reader)?,
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
    })
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

/// Whether the setting's value must not be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    KNOWN.iter().any(|known| known.name == name && known.secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = files
            .iter()
            .zip(1..)
            .map(|(text, number)| {
                let path = folder.path().join(format!("{number}.toml"));
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_sources(Program::Api, &paths, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn later_sources_win() {
        let settings = load(
            &[
                "listen = '127.0.0.1:1'\nlog = 'a'\nlog_format = 'json'",
                "log = 'b'",
            ],
            &[("DELIVR_LISTEN", "127.0.0.1:3"), ("PATH", "/bin")],
        )
        .unwrap();
        assert_eq!(settings.listen.port(), 3);
        assert_eq!(settings.log, "b");
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(settings.worker_concurrency, 16);
        assert_eq!(settings.metrics_listen.unwrap().port(), 9091);
    }

    #[test]
    fn the_worker_serves_no_metrics_unless_told() {
        let none: [(String, String); 0] = [];
        let settings = Settings::from_sources(Program::Worker, &[], none).unwrap();
        assert!(settings.metrics_listen.is_none());
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        let error = load(&["lissten = 'x'"], &[]).unwrap_err();
        assert!(error.contains("`lissten`") && error.contains("1.toml"), "{error}");
        let error = load(&[], &[("DELIVR_LISSTEN", "x")]).unwrap_err();
        assert!(error.contains("DELIVR_LISSTEN"), "{error}");
        assert!(load(&[], &[("DELIVR_SANDBOX_SEED", "1")]).is_ok());
    }

    #[test]
    fn bad_values_name_their_place() {
        for (name, value) in [
            ("DELIVR_LISTEN", "nowhere"),
            ("DELIVR_WORKER", "maybe"),
            ("DELIVR_MIGRATE", "yes"),
            ("DELIVR_WORKER_CONCURRENCY", "0"),
            ("DELIVR_LEASE_SECONDS", "1e3"),
            ("DELIVR_PUBLIC_URL", "ftp://x"),
            ("DELIVR_LOG_FORMAT", "xml"),
            ("DELIVR_MASTER_KEY_FILE", "/nonexistent/key"),
        ] {
            let error = load(&[], &[(name, value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        assert!(load(&["listen = {a = 1}"], &[]).is_err());
    }

    #[test]
    fn no_secret_is_shown() {
        let settings = load(
            &[],
            &[
                ("DELIVR_MASTER_KEY", "s3cret-key"),
                ("DELIVR_DATABASE_URL", "postgres://u:s3cret-pw@h/db"),
            ],
        )
        .unwrap();
        let all = format!("{settings:?} {:?}", settings.shown());
        assert!(!all.contains("s3cret"), "{all}");
        let both = load(
            &[],
            &[("DELIVR_MASTER_KEY", "s3cret"), ("DELIVR_MASTER_KEY_FILE", "x")],
        )
        .unwrap_err();
        assert!(!both.contains("s3cret"), "{both}");
        let broken = load(&["master_key = s3cret"], &[]).unwrap_err();
        assert!(!broken.contains("s3cret"), "{broken}");
    }

    #[test]
    fn passwords_among_the_parameters_are_hidden_too() {
        for address in [
            "postgres://h/db?user=u&password=s3cret",
            "postgres://h/db?sslpassword=s3cret&sslmode=require",
            "postgres://u@h/db?PassWord=s3cret",
            "postgres://u:s3cret@h/db?pass%77ord=s3cret",
        ] {
            let shown = without_password(address);
            assert!(
                !shown.contains("s3cret") && shown.contains("***") && shown.contains("h/db"),
                "{shown}"
            );
        }
        let plain = "sqlite://delivr.db?mode=rwc";
        assert_eq!(without_password(plain), plain);
    }

    #[cfg(unix)]
    #[test]
    fn variables_that_are_no_text_are_refused_only_where_they_are_ours() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = || OsString::from_vec(vec![b's', b'3', 0xff]);
        let read = ours([
            (OsString::from("OTHER"), odd()),
            (odd(), OsString::from("x")),
            (OsString::from("DELIVR_LOG"), OsString::from("info")),
        ])
        .unwrap();
        assert_eq!(read, [("DELIVR_LOG".to_owned(), "info".to_owned())]);
        let error = ours([(OsString::from("DELIVR_MASTER_KEY"), odd())])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("DELIVR_MASTER_KEY") && !error.contains("s3"),
            "{error}"
        );
        let name = OsString::from_vec(b"DELIVR_\xff".to_vec());
        assert!(ours([(name, OsString::from("x"))]).is_err());
    }

    #[test]
    fn the_key_may_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "abc\n").unwrap();
        let settings = load(&[&format!("master_key_file = '{}'", path.display())], &[]).unwrap();
        assert_eq!(settings.master_key.unwrap().expose_secret(), "abc");
    }
}
