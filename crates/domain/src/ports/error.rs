//! Errors of the ports. Adapters classify; the queue decides about retries.

use crate::report::{Cause, Class, Outcome};
use std::time::Duration;

/// What kind of trouble a vendor (or the way to it) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderErrorKind {
    /// The credential is refused.
    Unauthenticated,
    /// The credential lacks a permission.
    Forbidden,
    /// The object does not exist, or this credential may not see it.
    NotFound,
    /// A different thing stands under our name.
    Conflict,
    /// The vendor's object is in a state that does not allow it (yet).
    Precondition,
    /// The request itself is refused.
    Invalid,
    /// Too many requests.
    Throttled,
    /// The vendor is down, slow or broken; nothing was sent, or it does not matter.
    Unavailable,
    /// The answer is not what the vendor documents (HTML, too large, wrong shape).
    Malformed,
    /// The address is not allowed (private network, redirect to another host).
    Refused,
    /// The provider cannot do this at all.
    Unsupported,
    /// The configuration of the integration is wrong.
    Misconfigured,
}

/// What is known about the effect of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The vendor surely did not do it.
    NotDone,
    /// It may have done it.
    Unknown,
}

/// A failed vendor call.
#[derive(Debug, thiserror::Error)]
#[error("{provider} {operation}: {sentence}")]
pub struct ProviderError {
    /// Provider key, e.g. `jenkins`.
    pub provider: &'static str,
    /// What was tried, e.g. `trigger_run`.
    pub operation: &'static str,
    /// What kind of trouble it is.
    pub kind: ProviderErrorKind,
    /// What is known about the effect.
    pub certainty: Certainty,
    /// Who must do what, for people.
    pub sentence: String,
    /// The vendor's own words, redacted and cut.
    pub vendor: Option<String>,
    /// The vendor's hint when to come back.
    pub retry_after: Option<Duration>,
    /// The cause, if it is another error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error without vendor text; certainty follows the kind: only trouble on the way is unknown.
    #[must_use]
    pub fn new(
        provider: &'static str,
        operation: &'static str,
        kind: ProviderErrorKind,
        sentence: impl Into<String>,
    ) -> Self {
        let certainty = match kind {
            ProviderErrorKind::Unavailable | ProviderErrorKind::Malformed => Certainty::Unknown,
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Precondition
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Throttled
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Unsupported
            | ProviderErrorKind::Misconfigured => Certainty::NotDone,
        };
        Self {
            provider,
            operation,
            kind,
            certainty,
            sentence: sentence.into(),
            vendor: None,
            retry_after: None,
            source: None,
        }
    }
    /// The same with another certainty.
    #[must_use]
    pub const fn certain(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }
    /// The same with the vendor's words (already redacted).
    #[must_use]
    pub fn vendor(mut self, words: impl Into<String>) -> Self {
        self.vendor = Some(words.into());
        self
    }
    /// The same with the vendor's hint.
    #[must_use]
    pub const fn retry_after(mut self, hint: Duration) -> Self {
        self.retry_after = Some(hint);
        self
    }
    /// Who can mend it.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.kind {
            ProviderErrorKind::Throttled
            | ProviderErrorKind::Unavailable
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Precondition => Class::Transient,
            ProviderErrorKind::Invalid | ProviderErrorKind::Unsupported => Class::Permanent,
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Misconfigured => Class::NeedsHuman,
        }
    }
    /// Stable word for the kind.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind {
            ProviderErrorKind::Unauthenticated => "credential_rejected",
            ProviderErrorKind::Forbidden => "permission_missing",
            ProviderErrorKind::NotFound => "not_found_or_not_visible",
            ProviderErrorKind::Conflict => "conflict",
            ProviderErrorKind::Precondition => "vendor_state",
            ProviderErrorKind::Invalid => "vendor_refused",
            ProviderErrorKind::Throttled => "throttled",
            ProviderErrorKind::Unavailable => "vendor_unavailable",
            ProviderErrorKind::Malformed => "vendor_answer_malformed",
            ProviderErrorKind::Refused => "address_refused",
            ProviderErrorKind::Unsupported => "unsupported",
            ProviderErrorKind::Misconfigured => "misconfigured",
        }
    }
    /// The cause a task fails with.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Cause {
            code: self.code().to_owned(),
            sentence: self.sentence.clone(),
            class: self.class(),
            vendor: self.vendor.clone(),
            integration: None,
        }
    }
    /// The outcome a task fails with.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self.certainty {
            Certainty::NotDone => Outcome::NotDone,
            Certainty::Unknown => Outcome::Unknown,
        }
    }
}

/// Why a database that answers is of no use: the source of a [`StoreError::Unavailable`] that somebody must mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its schema is not one that this build works on; the sentence says what to do.
    #[error("{0}")]
    Schema(String),
    /// There is no room for what is to be written.
    #[error("the disk of the database is full: {0}")]
    Full(String),
}

/// A failed call of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed it first.
    #[error("the record was changed by somebody else")]
    Conflict,
    /// The claim is no longer ours.
    #[error("the claim on this effect was taken over by another attempt")]
    Fenced,
    /// A unique value exists already.
    #[error("{0} exists already")]
    Duplicate(&'static str),
    /// A referenced row does not exist, or is still referenced.
    #[error("{0} is referenced elsewhere or does not exist")]
    Reference(&'static str),
    /// A stored value cannot be read back.
    #[error("stored {what} cannot be read: {why}")]
    Corrupt {
        /// Table or column.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A stored value was written by a newer version of the program. It is whole, but not ours to read or change: what
    /// this version does not know would be lost by writing it back.
    #[error(
        "stored {what} was written by a newer version (format {format}); processes of that version work on it"
    )]
    Newer {
        /// Table or column.
        what: &'static str,
        /// The format it is in.
        format: u64,
    },
    /// The database cannot be reached or refuses; whether a commit took effect is unknown.
    #[error("the database is unavailable")]
    Unavailable {
        /// The driver's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// What somebody must mend, where the database answers and is of no use.
    #[must_use]
    pub fn unusable(&self) -> Option<&Unusable> {
        match self {
            Self::Unavailable { source } => source.downcast_ref(),
            Self::Conflict
            | Self::Fenced
            | Self::Duplicate(_)
            | Self::Reference(_)
            | Self::Corrupt { .. }
            | Self::Newer { .. } => None,
        }
    }
}
