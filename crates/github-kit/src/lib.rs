//! What every adapter of GitHub shares: settings and credentials, whose requests they are, the calls themselves, what
//! refusals mean, who a credential belongs to, and the envelope of webhooks.
//!
//! Requests go through octocrab over provider-kit's guarded client, see `transport`. An adapter brings an [`Adapter`]:
//! its key, the permissions it needs, and the refusals that only its own requests meet.

mod account;
mod auth;
mod client;
mod errors;
mod limits;
pub mod settings;
mod transport;
pub mod webhook;

pub use account::{check, is_finding};
pub use client::{Ask, Client, Listed};
pub use errors::has_fault;

use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;

/// What sets the requests of one adapter apart from another's.
#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    /// The provider's key, by which its errors and figures go.
    pub key: &'static str,
    /// The version of the API that is asked for; without one, octocrab's.
    pub version: Option<&'static str>,
    /// What the credential must be allowed, by GitHub's names: `("contents", "write")`.
    pub permissions: &'static [(&'static str, &'static str)],
    /// What it means that GitHub refuses a request which only this adapter makes: the answer, its words in lower case, and
    /// `owner/repository`. Nothing where the common table says it.
    pub refusal: fn(&Answer, &str, &str) -> Option<ProviderError>,
}

impl Adapter {
    /// An error of ours.
    #[must_use]
    pub fn fail(
        &self,
        operation: &'static str,
        kind: ProviderErrorKind,
        sentence: impl Into<String>,
    ) -> ProviderError {
        ProviderError::new(self.key, operation, kind, sentence)
    }

    /// The permissions in words: `contents: write and pull requests: write`.
    fn needs(&self) -> String {
        let all: Vec<String> = self
            .permissions
            .iter()
            .map(|(name, access)| format!("{}: {access}", name.replace('_', " ")))
            .collect();
        all.join(" and ")
    }
}
