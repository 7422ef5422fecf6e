//! The pure heart of Delivr: the language, the release state machine and its siblings, and the port traits.
//!
//! It must never do I/O, ask for the time, draw a random number, spawn anything or know a database, an HTTP library or a
//! vendor. Everything it decides follows from the state, the input and the context it is handed.

pub mod aggregate;
pub mod board;
mod child;
pub mod effect;
pub mod ids;
pub mod key;
pub mod names;
pub mod plan;
pub mod ports;
pub mod release;
pub mod report;
pub mod rollout;
#[cfg(delivr_sim)]
pub mod sim;
pub mod spread;
pub mod submission;
pub mod time;
pub mod version;
