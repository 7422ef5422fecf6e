//! What every provider must prove, written once: each write is done once through the engine's own path, however
//! answers get lost, processes die and workers race; and no answer of a broken vendor harms.
//!
//! A provider enrols in `tests/proof.rs` by implementing [`Enrolment`] and calling [`prove!`](crate::prove): how its
//! vendor is simulated, how its descriptor is made, which writes it has and what must stand before each of them.
//! The cases are [`cases::Case`]; they run `app::run_effect` over the store in memory with a clock that is turned by
//! hand. What they count is what the vendor says it did, by natural subject, never what the adapter believes.
//!
//! Used by tests alone; nothing here is linked into a binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "a library of tests: what cannot be is a failed test"
)]

pub mod bench;
pub mod cases;
pub mod contract;
pub mod description;
pub mod engine;
pub mod enrol;
pub mod hostile;
pub mod receiver;
pub mod side;
pub mod spy;
pub mod table;

pub use async_trait::async_trait;
pub use bench::{Bench, key, secrets};
pub use enrol::{Enrolment, Foreign, Scene, Work, Write};
pub use side::{SandboxSide, Side, Trouble};
