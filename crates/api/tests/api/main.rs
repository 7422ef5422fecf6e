//! The API over real HTTP: what is configured, who may, and how it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod conventions;
mod doctor;
mod document;
mod health;
mod http;
mod inbound;
mod integrations;
mod limits;
mod services;
mod team;
mod tokens;
mod verifying;
mod views;
