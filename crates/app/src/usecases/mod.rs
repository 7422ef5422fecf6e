//! What the API and the pages ask for, one module per kind of thing.

pub mod access;
pub mod integrations;
pub mod keys;
pub mod limit;
pub mod profile;
pub mod services;
