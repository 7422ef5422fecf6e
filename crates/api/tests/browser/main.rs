//! The pages in a real browser: people's journeys by clicks, with scripts and without, what accessibility rules find, and
//! pictures of every page.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod driver;
mod everywhere;
mod house;
mod journeys;
mod layout;
mod organisation;
mod practice;
#[path = "../system/repository.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the pages need less of it than the whole system"
)]
mod repository;
mod screens;
mod sizes;
mod wizard;
