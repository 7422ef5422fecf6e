//! Typed identifiers. A UUID of one kind never fits where another is meant.
//!
//! Nothing here mints an id at random: ids of things born in a command come from `app`'s generator,
//! ids of things born inside a step are derived from what they belong to, so that a repeated step yields the same ones.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}_<uuid> or a plain UUID")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

/// UUIDv8 of the parts, separated so that ("ab", "c") and ("a", "bc") differ.
#[must_use]
pub fn derive_uuid(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix people see in front of the UUID.
            pub const PREFIX: &'static str = $prefix;
            /// Wraps a UUID that is known to be of this kind (a stored row, a generator).
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self { Self(id) }
            /// The bare UUID, as stored.
            #[must_use]
            pub const fn uuid(self) -> Uuid { self.0 }
            /// The id that follows from the parts alone, for things born inside a step.
            #[must_use]
            pub fn derived(parts: &[&[u8]]) -> Self {
                let mut all: Vec<&[u8]> = vec![$prefix.as_bytes()];
                all.extend_from_slice(parts);
                Self(derive_uuid(&all))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0.as_hyphenated()) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!($prefix, "_{}"), self.0.as_hyphenated()) }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let bare = text.strip_prefix(concat!($prefix, "_")).unwrap_or(text);
                Uuid::parse_str(bare).map(Self).map_err(|_ignored| IdError { text: text.chars().take(64).collect(), prefix: $prefix })
            }
        }
    )*};
}

typed_id! {
    /// One installation of Delivr; part of every effect key, so that two installations never share a key.
    InstallId = "ins";
    /// An organisation: the isolation boundary of every row, query and secret.
    TenantId = "ten";
    /// A deployable application that is released over and over.
    ServiceId = "svc";
    /// A configured, verified connection to one provider.
    IntegrationId = "int";
    /// One CI job bound to a platform and a purpose.
    PipelineId = "pip";
    /// A reusable template of a release.
    ProfileId = "pro";
    /// One coordinated version bump.
    ReleaseId = "rel";
    /// A planned time of a regression cycle.
    SlotId = "slt";
    /// One executed regression cycle.
    CycleId = "cyc";
    /// One artifact of one target.
    BuildId = "bld";
    /// One try to get a build through a store's review.
    SubmissionId = "sub";
    /// What happens to users after a store accepted a submission.
    RolloutId = "rol";
    /// An API token.
    TokenId = "tok";
    /// A link to a status page that needs no sign-in.
    StatusLinkId = "lnk";
    /// A saved view of releases.
    ViewId = "vie";
    /// A stored inbound delivery.
    DeliveryId = "dlv";
    /// A task as the API shows it; derived from release and task key.
    TaskId = "tsk";
}
