//! Seeds: a fixed few in every test run, as many as asked for otherwise.

use crate::run::{Ended, run, traced};
use crate::shared::{Broken, Fault};
use crate::weather::Kind;
use std::collections::BTreeMap;
use std::panic::catch_unwind;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// One line for whoever adds up the runs of several processes.
fn line(ended: &Ended) -> String {
    let of = |fault: Fault| ended.wrong.iter().filter(|(it, _)| *it == fault).count();
    let kinds: BTreeMap<&str, u64> = ended
        .counts
        .iter()
        .map(|(kind, times)| (kind.word(), *times))
        .collect();
    serde_json::json!({
        "seed": ended.seed,
        "completed": ended.completed,
        "crashes": ended.crashes,
        "commits": ended.commits,
        "steps": ended.steps,
        "effects": ended.created,
        "duplicates": of(Fault::Duplicate),
        "lost": of(Fault::Lost),
        "illegal": of(Fault::Illegal),
        "digest": format!("{:016x}", ended.digest),
        "wrong": ended.says(),
        "met": kinds,
    })
    .to_string()
}

/// The first seeds with everything (see `Shared::everything`); together they meet every kind of trouble.
const FIXED: u64 = 8;
const EVERYTHING: u64 = 8;
/// One with less of it, in which releases come far enough to be sent back.
const CALM: u64 = 2;

/// A seed in which the simulation itself falls over has failed, and the others go on.
fn standing(seed: u64) -> Ended {
    // The weather in which rules are left out, with all of them in.
    let harsh = std::env::var_os("DELIVR_SIM_HARSH").is_some();
    let broken = if harsh { Broken::Inside } else { Broken::Nothing };
    catch_unwind(|| run(seed, broken)).unwrap_or_else(|why| {
        let said = why.downcast_ref::<String>().cloned();
        let said = said.or_else(|| why.downcast_ref::<&str>().map(ToString::to_string));
        Ended::fell(seed, format!("it fell over: {}", said.unwrap_or_default()))
    })
}

#[test]
fn no_seed_breaks_the_engine() {
    let asked = std::env::var_os("DELIVR_SIM_SEEDS").is_some();
    let default = if asked { 1 } else { EVERYTHING };
    let first = setting("DELIVR_SIM_FIRST", default);
    let step = setting("DELIVR_SIM_STEP", default);
    let mut stories = Vec::new();
    let mut completed = 0;
    let mut met: BTreeMap<Kind, u64> = BTreeMap::new();
    let numbers = 0..setting("DELIVR_SIM_SEEDS", FIXED);
    let seeds = numbers.map(|number| first + number * step);
    for seed in seeds.chain((!asked).then_some(CALM)) {
        let ended = standing(seed);
        eprintln!("SEED {}", line(&ended));
        completed += ended.completed;
        for (kind, times) in &ended.counts {
            *met.entry(*kind).or_default() += times;
        }
        if !ended.wrong.is_empty() {
            stories.push(ended.story());
        }
    }
    for kind in Kind::ALL {
        eprintln!(
            "{:>7} {}",
            met.get(kind).copied().unwrap_or_default(),
            kind.word()
        );
    }
    if let Some(first) = stories.first() {
        panic!("{} seeds, the first is {first}", stories.len());
    }
    if asked {
        return;
    }
    assert!(completed > 0, "no release came to its end");
    let never: Vec<&str> = Kind::ALL
        .iter()
        // These two are no trouble from outside, but what a rare meeting of others leads to.
        .filter(|kind| !met.contains_key(kind) && !matches!(kind, Kind::LateResult | Kind::Skipped))
        .map(|kind| kind.word())
        .collect();
    assert!(never.is_empty(), "never met: {never:?}");
}

#[test]
fn a_seed_replays_exactly() {
    let (one, other) = (traced(7), traced(7));
    let differs = one
        .lines
        .iter()
        .zip(&other.lines)
        .find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(one.digest, other.digest);
    assert_eq!(one.lines.len(), other.lines.len());
}
