//! Practice: what an installation needs that is made for trying out, and cannot touch anything real.
//!
//! Its settings follow from its folder and its addresses, and from nothing in the environment; its clock can run behind
//! the real one, so that its past can be lived before somebody looks.

use crate::settings::{Program, Settings, SettingsError, ours};
use async_trait::async_trait;
use chrono::TimeDelta;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::time::Timestamp;
use delivr_provider_kit::SystemClock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

/// The only settings of the environment that practice follows.
const FOLLOWED: &[&str] = &["DELIVR_LOG", "DELIVR_LOG_FORMAT"];

/// Where practice is.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The folder of the database, the key and everything else.
    pub folder: PathBuf,
    /// Address of the pages and the API.
    pub listen: SocketAddr,
    /// Address of the simulated vendors, which are the only ones that are called.
    pub vendors: SocketAddr,
}

impl Ground {
    /// File of the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("delivr.db")
    }

    /// File of the master key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("master.key")
    }

    /// The settings of an installation on this ground, with what the environment says of the log; its key must be there.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn settings(&self, log: Log) -> Result<Settings, SettingsError> {
        let text = |path: &Path| path.display().to_string();
        // What the driver reads as more than a path.
        let file = text(&self.database())
            .replace('%', "%25")
            .replace('?', "%3F")
            .replace('#', "%23");
        let own = [
            ("DATABASE_URL", format!("sqlite://{file}?mode=rwc")),
            ("MASTER_KEY_FILE", text(&self.key())),
            ("LISTEN", self.listen.to_string()),
            ("PUBLIC_URL", format!("http://{}", self.listen)),
            ("ALLOWED_HOSTS", self.vendors.to_string()),
            ("CACHE_DIR", text(&self.folder.join("cache"))),
        ];
        let own = own
            .into_iter()
            .map(|(name, value)| (format!("DELIVR_{name}"), value));
        let mut settings = Settings::from_sources(Program::Api, &[], own.chain(log.0))?;
        settings.metrics_listen = None;
        settings.storage = self.folder.join("artifacts");
        Ok(settings)
    }
}

/// What the environment says of the log, which is all that practice follows.
#[derive(Debug, Clone)]
pub struct Log(Vec<(String, String)>);

impl Log {
    /// Reads the environment, and refuses whatever would lead practice elsewhere: settings files and other variables.
    ///
    /// # Errors
    /// See [`SettingsError::Practice`].
    pub fn read(files: &[PathBuf]) -> Result<Self, SettingsError> {
        practising(files, ours(std::env::vars_os())?).map(Self)
    }
}

/// The variables for the log, with quiet as the default: practice speaks with a person. Refuses every other.
fn practising(
    files: &[PathBuf],
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<(String, String)>, SettingsError> {
    if let Some(file) = files.first() {
        return Err(SettingsError::Practice {
            place: format!("the settings file {}", file.display()),
        });
    }
    let mut log = vec![("DELIVR_LOG".to_owned(), "warn".to_owned())];
    for (name, value) in variables {
        if FOLLOWED.contains(&name.as_str()) {
            log.push((name, value));
        } else {
            // A misspelt one is refused as everywhere, one of another program passes, any other is no business of practice.
            let known = Settings::knows(&name)?;
            if known {
                return Err(SettingsError::Practice {
                    place: format!("the variable {name}"),
                });
            }
        }
    }
    Ok(log)
}

/// A clock that runs so far behind the real one as it was told, and catches up in steps.
#[derive(Debug)]
pub struct CatchingUp {
    /// Microseconds.
    behind: AtomicI64,
}

impl CatchingUp {
    /// So far behind.
    #[must_use]
    pub fn behind(span: TimeDelta) -> Self {
        Self {
            behind: AtomicI64::new(span.num_microseconds().unwrap_or_default()),
        }
    }

    /// How far it is behind.
    #[must_use]
    pub fn left(&self) -> TimeDelta {
        TimeDelta::microseconds(self.behind.load(Ordering::Relaxed))
    }

    /// Lets time go by, at most until now; says how much went by.
    pub fn pass(&self, span: TimeDelta) -> TimeDelta {
        let span = span.min(self.left()).max(TimeDelta::zero());
        let micros = span.num_microseconds().unwrap_or_default();
        self.behind.fetch_sub(micros, Ordering::Relaxed);
        span
    }
}

#[async_trait]
impl Clock for CatchingUp {
    fn now(&self) -> Timestamp {
        SystemClock.now() - self.left()
    }
    fn monotonic(&self) -> Monotonic {
        SystemClock.monotonic()
    }
    async fn sleep_until(&self, until: Monotonic) {
        SystemClock.sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(given: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        practising(&[], given).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_leads_practice_elsewhere() {
        for name in [
            "DELIVR_DATABASE_URL",
            "DELIVR_ALLOWED_HOSTS",
            "DELIVR_LISTEN",
            "DELIVR_MASTER_KEY",
            "DELIVR_MASTER_KEY_FILE",
            "DELIVR_PUBLIC_URL",
            "DELIVR_OUTBOUND_PROXY",
            "DELIVR_GIT_FILE_ROOT",
            "DELIVR_STORAGE_URL",
            "DELIVR_TRUSTED_PROXIES",
            "DELIVR_TLS_CERT",
        ] {
            let error = variables(&[(name, "s3cret")]).unwrap_err();
            assert!(error.contains(name) && error.contains("practice"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(variables(&[("DELIVR_DATABSE_URL", "x")]).is_err());
        let error = practising(&[PathBuf::from("real.toml")], Vec::new()).unwrap_err();
        assert!(error.to_string().contains("real.toml"), "{error}");
        let log = variables(&[("DELIVR_LOG", "debug"), ("PATH", "/bin"), ("DELIVR_TEST_X", "1")]).unwrap();
        let last = log.iter().rfind(|(name, _)| name == "DELIVR_LOG");
        assert_eq!(last.map(|(_, value)| value.as_str()), Some("debug"));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn its_settings_follow_from_its_ground() {
        let folder = tempfile::tempdir().unwrap();
        let ground = Ground {
            folder: folder.path().join("what? 100 %"),
            listen: "127.0.0.1:8080".parse().unwrap(),
            vendors: "127.0.0.1:4711".parse().unwrap(),
        };
        std::fs::create_dir(&ground.folder).unwrap();
        std::fs::write(ground.key(), "key").unwrap();
        let settings = ground.settings(Log(Vec::new())).unwrap();
        assert_eq!(settings.allowed_hosts, "127.0.0.1:4711");
        assert_eq!(settings.metrics_listen, None);
        assert!(
            settings.storage.starts_with(&ground.folder) && settings.cache_dir.starts_with(&ground.folder)
        );
        let shown = settings.shown();
        let database = shown.iter().find(|(name, _)| *name == "database_url").unwrap();
        assert!(
            database.1.ends_with("what%3F 100 %25/delivr.db?mode=rwc"),
            "{database:?}"
        );
    }

    #[test]
    fn the_clock_catches_up_and_goes_no_further() {
        let clock = CatchingUp::behind(TimeDelta::hours(2));
        let distance = SystemClock.now() - clock.now();
        assert!(
            (distance - TimeDelta::hours(2)).abs() < TimeDelta::minutes(1),
            "{distance}"
        );
        assert_eq!(clock.pass(TimeDelta::hours(1)), TimeDelta::hours(1));
        assert_eq!(clock.pass(TimeDelta::hours(3)), TimeDelta::hours(1));
        assert_eq!(clock.left(), TimeDelta::zero());
        assert!((SystemClock.now() - clock.now()).abs() < TimeDelta::minutes(1));
    }
}
