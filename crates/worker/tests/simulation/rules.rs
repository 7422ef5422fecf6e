//! Rules inside the machine, switched off in turn: the simulation must notice. Only in a build with `--cfg delivr_sim`.

use crate::run::run;
use crate::shared::Broken;
use crate::weather::Kind;
use delivr_domain::sim::{Rule, without};

/// How many seeds a proof may take.
const SEEDS: u64 = 60;

fn noticed(what: &str, rule: Rule, leads_to: &str) -> bool {
    for seed in 1..=SEEDS {
        let ended = without(rule, || run(seed, Broken::Inside));
        if let Some((_, said)) = ended.wrong.iter().find(|(_, said)| said.contains(leads_to)) {
            eprintln!("PROOF without {what}: seed {seed}: {said}");
            return true;
        }
    }
    false
}

macro_rules! without {
    ($($name:ident: $rule:ident leads to $leads_to:literal;)*) => {$(
        #[test]
        fn $name() {
            let what = stringify!($name).replace('_', " ");
            assert!(noticed(&what, Rule::$rule, $leads_to));
        }
    )*};
}

without! {
    generation_that_rises_when_its_object_is_spent: GenerationRises leads to "after all that time";
    generation_that_stays_otherwise: GenerationStays leads to "there are two";
    settling_until_nothing_follows: Settle leads to "something still follows";
    late_results: LateResult leads to "nobody knows of";
    news_of_children_in_order: NewsInOrder leads to "replace newer news";
}

/// Nothing is lost without it: the lease runs out, and its successor looks up. It costs a take-over each time.
#[test]
fn repeating_a_report_whose_commit_was_not_answered() {
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
