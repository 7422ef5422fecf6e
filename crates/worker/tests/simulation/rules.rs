//! Rules inside the machine, switched off in turn: the simulation must notice. Only in a build with `--cfg delivr_sim`.

use crate::notice;
use crate::run::run;
use crate::shared::Broken;
use crate::weather::Kind;
use delivr_domain::sim::{Rule, without};

fn noticed(what: &str, rule: Rule, from: u64, leads_to: &str) -> bool {
    notice::noticed(what, from, leads_to, |seed| {
        without(rule, || run(seed, Broken::Inside))
    })
}

#[test]
fn objects_that_are_spent_and_keep_their_generation_are_noticed() {
    assert!(noticed(
        "generation raised",
        Rule::GenerationRises,
        1,
        "after all that time"
    ));
}

#[test]
fn generations_that_rise_without_need_are_noticed() {
    assert!(noticed(
        "generation kept",
        Rule::GenerationStays,
        1,
        "there are two"
    ));
}

#[test]
fn consequences_that_are_asked_for_once_are_noticed() {
    assert!(noticed(
        "settling until nothing follows",
        Rule::Settle,
        1,
        "something still follows"
    ));
}

#[test]
fn late_results_that_are_dropped_are_noticed() {
    assert!(noticed("late results", Rule::LateResult, 17, "nobody knows of"));
}

#[test]
fn old_news_that_replace_newer_news_are_noticed() {
    assert!(noticed(
        "news in order",
        Rule::NewsInOrder,
        36,
        "replace newer news"
    ));
}

/// Nothing is lost without it: the lease runs out, and its successor looks up. It costs a take-over each time.
#[test]
fn reports_that_are_not_repeated_leave_their_leases_to_run_out() {
    let found = |rule: Option<Rule>| -> u64 {
        let ended = (1..=3).map(|seed| match rule {
            Some(rule) => without(rule, || run(seed, Broken::Inside)),
            None => run(seed, Broken::Inside),
        });
        ended
            .map(|it| it.counts.get(&Kind::EndedBefore).copied().unwrap_or_default())
            .sum()
    };
    let (with, without) = (found(None), found(Some(Rule::RepeatUnanswered)));
    eprintln!(
        "PROOF without repeating a report whose commit was not answered: {without} reports found in seeds 1 to 3 that they \
         were stored, {with} with"
    );
    assert_eq!(without, 0);
    assert!(with > 0);
}
