//! The use cases: the only caller of the ports.
//!
//! [`apply`] is the only writer of releases and their kin; [`run_effect`] is the only place where a look-up and a
//! creating call are joined. The half that calls vendors holds no transaction, the half that writes holds no vendor.
//! It must never know a database, an HTTP library, a clock or a source of randomness except through a port.

pub mod apply;
pub mod clocks;
pub mod connections;
pub mod health;
pub mod inbox;
pub mod room;
pub mod run_effect;
pub mod stored;
pub mod usecases;

pub mod vault;

use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::provider::Registry;
use delivr_domain::ports::store::Store;
use std::sync::Arc;

/// Randomness as the application needs it.
pub trait Entropy: Send + Sync {
    /// A new UUIDv7.
    fn uuid(&self) -> uuid::Uuid;
    /// A fraction in `0.0..1.0`, for jitter.
    fn fraction(&self) -> f64;
    /// Unpredictable bytes, for secrets.
    fn fill(&self, bytes: &mut [u8]);
}

/// Everything the use cases are made of.
#[derive(Clone)]
pub struct App {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Providers compiled in.
    pub registry: Arc<Registry>,
    /// Where credentials are sealed and opened.
    pub vault: Arc<vault::Vault>,
    /// Open vendor connections.
    pub connections: Arc<connections::Connections>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}
