//! What tests of every crate share: a clock they turn by hand, a store in memory, the contract every store must meet,
//! and a PostgreSQL server of their own.
//!
//! It must never be a dependency of anything that is shipped, and never decide anything that the domain decides.

pub mod clock;
pub mod conformance;
pub mod memory;
pub mod postgres;
