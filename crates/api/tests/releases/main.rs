//! Releases over real HTTP: how they are made, refused, moved, judged and followed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod actions;
mod builds;
mod calendar;
mod create;
mod defects;
mod delivery;
mod exchanges;
mod explain;
mod feed;
mod flow;
mod listing;
mod messages;
mod operations;
mod people;
mod plan;
mod refusals;
mod roles;
mod shipping;
mod store_languages;
mod store_notes;
mod stores;
mod tickets;
mod world;
