//! The whole system: real processes, a real database, real git and real HTTP to simulated vendors. What is promised of
//! a release is checked where it shows: in the API's answers, in the vendors' journal, in git's own record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod behaviours;
mod completes;
mod github;
mod http;
mod killed;
mod manager;
mod repository;
mod restored;
mod stage;
