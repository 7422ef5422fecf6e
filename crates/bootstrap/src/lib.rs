//! The composition root of both programs: settings, telemetry, wiring, shutdown.
//!
//! The one place that names a database, a clock, a source of randomness and the list of providers at once. Only the
//! programs' `main` may name this crate. It must never decide anything about a release.

pub mod backup;
pub mod entropy;
pub mod practice;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod upkeep;
pub mod wire;

pub use settings::{Program, Settings};
