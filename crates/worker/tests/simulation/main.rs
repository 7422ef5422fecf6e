//! The whole engine under a seeded scheduler: workers that crash and stall, a store and vendors that lose answers, people
//! who interfere. After every commit the engine's properties hold, and nothing exists twice at a vendor.
//!
//! `DELIVR_SIM_SEEDS=500 DELIVR_SIM_FIRST=1000` runs more seeds; a failure names its seed, and `DELIVR_SIM_LOUD=1`
//! writes the whole trace while it runs.
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
mod defects;
mod directory;
mod finish;
mod people;
mod plan;
mod proofs;
mod run;
mod shared;
mod store;
mod stores;
mod time;
mod vendor;
mod world;

use run::run;
use shared::Broken;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn no_seed_breaks_the_engine() {
    let first = setting("DELIVR_SIM_FIRST", 1);
    let mut wrong = Vec::new();
    let mut completed = 0;
    for seed in first..first + setting("DELIVR_SIM_SEEDS", 5) {
        let ended = run(seed, Broken::Nothing);
        eprintln!(
            "seed {seed}: {} completed, {} steps, {} commits, {} creations, {} crashes {}",
            ended.completed,
            ended.steps,
            ended.commits,
            ended.created,
            ended.crashes,
            ended.wrong.join("; ")
        );
        completed += ended.completed;
        if !ended.wrong.is_empty() {
            wrong.push(ended.story());
        }
    }
    assert!(
        wrong.is_empty(),
        "{} seeds, the first is {}",
        wrong.len(),
        wrong[0]
    );
    assert!(completed > 0, "no release came to its end");
}

#[test]
fn a_seed_replays_exactly() {
    let (one, other) = (run(7, Broken::Nothing), run(7, Broken::Nothing));
    let differs = one
        .lines
        .iter()
        .zip(&other.lines)
        .find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(one.digest, other.digest);
}

/// The first of some seeds in which the broken part shows.
fn found(broken: Broken, seeds: std::ops::Range<u64>) -> Vec<String> {
    seeds
        .map(|seed| (seed, run(seed, broken).wrong))
        .find(|(_, wrong)| !wrong.is_empty())
        .map(|(seed, wrong)| {
            eprintln!("seed {seed}: {}", wrong.join("; "));
            wrong
        })
        .unwrap_or_default()
}

#[test]
fn look_ups_that_find_nothing_are_noticed() {
    assert!(!found(Broken::BlindLookUp, 1..20).is_empty());
}

#[test]
fn a_store_that_does_not_fence_is_noticed() {
    assert!(!found(Broken::NoFence, 8..28).is_empty());
}

#[test]
fn claims_without_a_send_deadline_are_noticed() {
    assert!(!found(Broken::NoSendDeadline, 1..40).is_empty());
}

#[test]
fn vendors_that_promise_too_much_are_noticed() {
    assert!(!found(Broken::NoQuietTime, 1..20).is_empty());
}
