//! The whole engine under a seeded scheduler: workers that crash and stall, a store and vendors that lose answers, people
//! who interfere. After every commit the engine's properties hold, and nothing exists twice at a vendor.
//!
//! `cargo xtask simulate` runs many seeds (see `docs/testing.md`); a failure names its seed, which replays exactly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_debug_implementations,
    reason = "tests"
)]

mod check;
mod client;
mod clocks;
mod defects;
mod directory;
mod finish;
mod gateway;
mod notice;
mod people;
mod plan;
mod process;
mod proofs;
#[cfg(delivr_sim)]
mod rules;
mod run;
mod seeds;
mod shared;
mod store;
mod stores;
mod time;
mod unit;
mod vendor;
mod weather;
mod without;
mod world;
