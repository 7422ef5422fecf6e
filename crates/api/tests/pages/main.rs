//! The pages over real HTTP, as a browser without scripts goes through them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../releases/world.rs"]
#[allow(dead_code, reason = "the pages need less of it than the releases")]
mod world;

mod acting;
mod amending;
mod browser;
mod changes;
mod dashboard;
mod headers;
mod hostile;
mod integrations;
mod listing;
mod looking;
mod planning;
mod practice;
mod rolling;
mod routes;
mod sessions;
mod settings;
mod sizes;
mod status;
mod store_notes;
mod suggesting;
mod walk;
mod words;
