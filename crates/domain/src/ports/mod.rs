//! The ports: what the application needs from the outside, as object-safe traits.
//!
//! Port kinds are closed, providers are open: a provider is a crate that exports a [`provider::Descriptor`].

pub mod clock;
pub mod error;
pub mod exchange;
pub mod health;
pub mod kept;
pub mod lease;
pub mod provider;
pub mod store;
pub mod vendor;
