//! Each rule left out in turn: the simulation must notice. A rule that a port keeps is left out by that port.

use crate::run::run;
use crate::shared::Broken;
use crate::weather::Kind;

/// How many seeds a proof may take.
const SEEDS: u64 = 20;

/// The first of some seeds in which what is left out shows, by what it must lead to.
fn noticed(what: &str, broken: Broken, leads_to: &str) -> bool {
    for seed in 1..=SEEDS {
        let ended = run(seed, broken);
        if let Some((_, said)) = ended.wrong.iter().find(|(_, said)| said.contains(leads_to)) {
            eprintln!("PROOF without {what}: seed {seed}: {said}");
            return true;
        }
    }
    false
}

#[test]
fn look_ups_that_find_nothing_are_noticed() {
    assert!(noticed("look-up", Broken::BlindLookUp, "there are two"));
}

#[test]
fn vendors_that_promise_too_much_are_noticed() {
    assert!(noticed("quiet period", Broken::NoQuietTime, "there are two"));
}

#[test]
fn claims_without_a_send_deadline_are_noticed() {
    assert!(noticed("send deadline", Broken::NoSendDeadline, "there are two"));
}

#[test]
fn keys_that_change_with_every_version_are_noticed() {
    assert!(noticed("one key", Broken::KeyOfVersion, "there are two"));
}

#[test]
fn attempts_that_count_as_failures_are_noticed() {
    assert!(noticed(
        "failures apart from attempts",
        Broken::AttemptsAreFailures,
        "is given up after"
    ));
}

#[test]
fn a_store_that_does_not_fence_is_noticed() {
    assert!(noticed("fencing", Broken::NoFence, "RELEASE/"));
}

#[test]
fn answers_that_are_not_kept_are_noticed() {
    assert!(noticed("kept answers", Broken::NoRemember, "took effect twice"));
}

#[test]
fn a_stop_that_nobody_heeds_is_noticed() {
    assert!(noticed(
        "stop switch",
        Broken::NoStop,
        "though its tenant is stopped"
    ));
}

/// Nothing is lost without it, but every report races every other one of its release.
#[test]
fn reports_without_a_row_lock_race() {
    let raced = |broken: Broken| -> u64 {
        let ended = (1..=3).map(|seed| run(seed, broken));
        let ended = ended.filter(|it| broken == Broken::NoRowLock || it.row_lock);
        ended
            .map(|it| it.counts.get(&Kind::Raced).copied().unwrap_or_default())
            .sum()
    };
    let (with, without) = (raced(Broken::Nothing), raced(Broken::NoRowLock));
    eprintln!("PROOF without row lock: {without} lost races in seeds 1 to 3, {with} with");
    assert_eq!(with, 0);
    assert!(without > 0);
}
