//! Contracts that every implementation of a port must meet, whatever it stands on.

pub mod leases;
pub mod store;
