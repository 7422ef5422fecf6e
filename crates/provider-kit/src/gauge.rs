//! Tells whoever keeps the account of an integration what came of each call, and what the vendor says of its limits.
//!
//! What a call came to is for its adapter to say: a vendor may refuse with 200, and 404 is an answer. So a call is told of
//! when its answer is given up, which is when the adapter has read it; an error that it made of it until then is what came
//! of the call. Which headers speak of limits is told by each vendor's own crate, see [`ReadLimits`].

use crate::classify::read_hint;
use crate::http::Answer;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::health::{Called, Expiry, Gauge, Health, LastCall, Quota};
use delivr_domain::ports::provider::Credentials;
use delivr_domain::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// What an answer says of its vendor's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// What is left, by the vendor's name for each limit. Of names that it makes up there are few.
    pub quotas: Vec<(String, Quota)>,
    /// When the credential ends; none when the answer says nothing of it.
    pub expiry: Option<Expiry>,
}

/// Reads what an answer says of its vendor's limits, where that vendor documents it.
pub type ReadLimits = fn(&Answer) -> Limits;

/// A header that is a whole number.
#[must_use]
pub fn header_number(answer: &Answer, name: &str) -> Option<u64> {
    answer.header(name)?.trim().parse().ok()
}

/// A limit in three headers: how many calls, how many are left, and when they are given anew (seconds from now, an instant
/// in epoch seconds, milliseconds or ISO 8601; none where it cannot be read). None when one of the two numbers is missing.
#[must_use]
pub fn plain_limits(answer: &Answer, [limit, remaining, reset]: [&str; 3]) -> Option<Quota> {
    let now = answer.at();
    let left = answer.header(reset).and_then(|hint| read_hint(hint, now));
    Some(Quota {
        limit: header_number(answer, limit)?,
        remaining: header_number(answer, remaining)?,
        resets_at: left
            .and_then(|left| chrono::TimeDelta::from_std(left).ok())
            .map(|left| now + left),
        told_at: now,
    })
}

/// Who is told of the calls made with some credentials.
#[derive(Clone)]
pub struct Teller {
    gauge: Arc<dyn Gauge>,
    limits: Option<ReadLimits>,
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teller")
    }
}

impl Teller {
    /// Of these credentials; none when nobody keeps their account.
    #[must_use]
    pub fn of(credentials: &Credentials) -> Option<Self> {
        credentials
            .gauge()
            .cloned()
            .map(|gauge| Self { gauge, limits: None })
    }

    pub(crate) const fn reading(mut self, limits: ReadLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Tells that the vendor answered, for what is no HTTP call.
    pub fn answered(&self, operation: &str, at: Timestamp) {
        self.gauge.told(Health::of(LastCall::answered(at, operation)));
    }

    /// Tells of an error that was made of an answer, for what is no HTTP call.
    pub fn refused(&self, operation: &str, at: Timestamp, error: &ProviderError) {
        let outcome = Called::of(error.kind);
        self.gauge
            .told(Health::of(LastCall::failed(at, operation, outcome, error)));
    }

    /// Tells of a call without a whole answer.
    pub fn failed(&self, operation: &str, at: Timestamp, error: &ProviderError) {
        let outcome = match error.kind {
            ProviderErrorKind::Unavailable => Called::Unreachable,
            kind @ (ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Precondition
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Throttled
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Unsupported
            | ProviderErrorKind::Misconfigured) => Called::of(kind),
        };
        self.gauge
            .told(Health::of(LastCall::failed(at, operation, outcome, error)));
    }

    /// What an answer says before its adapter has read it.
    pub(crate) fn judged(&self, answer: &Answer) -> Arc<Judged> {
        let (operation, at) = (answer.operation(), answer.at());
        let call = if answer.status.as_u16() < 400 {
            LastCall::answered(at, operation)
        } else {
            let error = answer.failure();
            LastCall::failed(at, operation, Called::of(error.kind), &error)
        };
        let mut health = Health::of(call);
        if let Some(read) = self.limits {
            let Limits { quotas, expiry } = read(answer);
            health.quotas = quotas.into_iter().collect();
            health.expiry = expiry;
        }
        Arc::new(Judged {
            gauge: Arc::clone(&self.gauge),
            operation,
            at,
            health: Mutex::new(health),
        })
    }
}

/// What an answer came to so far; told when nobody has the answer any more.
pub(crate) struct Judged {
    gauge: Arc<dyn Gauge>,
    operation: &'static str,
    at: Timestamp,
    health: Mutex<Health>,
}

impl std::fmt::Debug for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judged")
    }
}

impl Judged {
    /// The adapter has made this error of the answer.
    pub(crate) fn instead(&self, error: &ProviderError) {
        let call = LastCall::failed(self.at, self.operation, Called::of(error.kind), error);
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let (quotas, expiry) = (std::mem::take(&mut health.quotas), health.expiry);
        *health = Health {
            quotas,
            expiry,
            ..Health::of(call)
        };
    }
}

impl Drop for Judged {
    fn drop(&mut self) {
        let health = self.health.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.gauge.told(std::mem::take(health));
    }
}
