//! What a provider is given when it is registered.

use crate::address::AddressPolicy;
use crate::http::{HttpClient, HttpSettings};
use async_trait::async_trait;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::lease::{Leases, LocalLeases};
use delivr_domain::time::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime};

/// What providers need of the installation.
#[derive(Clone)]
pub struct Deps {
    /// Which addresses may be called.
    pub policy: Arc<AddressPolicy>,
    /// The client that keeps to the policy.
    pub http: HttpClient,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who of all our processes may touch a thing at a vendor now.
    pub leases: Arc<dyn Leases>,
    /// Below this folder `file` URLs of git repositories are allowed (`DELIVR_GIT_FILE_ROOT`); none allows none.
    pub git_file_root: Option<PathBuf>,
    /// Where providers keep what they can fetch again (git mirrors).
    pub cache_dir: PathBuf,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps")
            .field("policy", &self.policy)
            .field("git_file_root", &self.git_file_root)
            .field("cache_dir", &self.cache_dir)
            .finish_non_exhaustive()
    }
}

impl Deps {
    /// From the parts an installation sets; the client is made here, so that it keeps to the policy.
    ///
    /// # Errors
    /// When the TLS roots or the extra certificates cannot be loaded.
    pub fn new(
        policy: AddressPolicy,
        settings: &HttpSettings,
        clock: Arc<dyn Clock>,
        git_file_root: Option<PathBuf>,
        cache_dir: PathBuf,
    ) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        Ok(Self {
            http: HttpClient::new(policy.clone(), settings, clock.clone())?,
            policy,
            leases: Arc::new(LocalLeases::new(clock.clone())),
            clock,
            git_file_root,
            cache_dir,
        })
    }

    /// The same with leases that hold over all processes of the installation. Without, they hold within this one.
    #[must_use]
    pub fn with_leases(mut self, leases: Arc<dyn Leases>) -> Self {
        self.leases = leases;
        self
    }

    /// For tests: this machine's addresses are allowed, time is real, git files and caches lie below the folder.
    ///
    /// # Errors
    /// When the TLS roots cannot be loaded.
    pub fn for_tests(folder: PathBuf) -> Result<Self, reqwest::Error> {
        let cache_dir = folder.join("cache");
        Self::new(
            AddressPolicy::allowing_loopback(),
            &HttpSettings::default(),
            Arc::new(SystemClock),
            Some(folder),
            cache_dir,
        )
    }
}

/// The process's real clock, cut to microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::from(SystemTime::now());
        Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(STARTED.elapsed())
    }
    async fn sleep_until(&self, until: Monotonic) {
        tokio::time::sleep_until(tokio::time::Instant::from_std(*STARTED + until.0)).await;
    }
}
