//! What the API and the pages ask for, one module per kind of thing.

pub mod access;
mod addresses;
pub mod callbacks;
pub mod changes;
pub mod create;
pub mod doctor;
pub mod explain;
pub mod inbound;
pub mod integrations;
pub mod keys;
pub mod limit;
pub mod pipelines;
pub mod plan;
pub mod profile;
pub mod releases;
pub mod services;
pub mod store_languages;
pub mod store_notes;
pub mod testing;
