//! What a proof is: a rule is left out, and some seed shows it by what it must lead to.

use crate::run::{Ended, run};
use crate::shared::Broken;

/// How many seeds a proof may take, from the one on that noticed when it was written.
const SEEDS: u64 = 60;

/// Whether one of some seeds shows that the rule is missing from what `left_out` runs.
pub fn noticed(what: &str, from: u64, leads_to: &str, left_out: impl Fn(u64) -> Ended) -> bool {
    for seed in from..from + SEEDS {
        let ended = left_out(seed);
        let noticed = ended.wrong.iter().find(|(_, said)| said.contains(leads_to));
        // It must be the rule that was missing: with all of them nothing is wrong in that seed.
        if let Some((_, said)) = noticed
            && run(seed, Broken::Inside).wrong.is_empty()
        {
            eprintln!("PROOF without {what}: seed {seed}: {said}");
            return true;
        }
    }
    false
}
