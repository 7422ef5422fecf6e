//! Each rule left out in turn: the simulation must notice. A rule that a port keeps is left out by that port; one that
//! lies inside the machine is switched off in a build with `--cfg delivr_sim`, see `rules`.

use crate::run::run;
use crate::shared::Broken;
use crate::weather::Kind;

/// How many seeds a proof may take.
const SEEDS: u64 = 60;

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

macro_rules! without {
    ($($name:ident: $broken:ident leads to $leads_to:literal;)*) => {$(
        #[test]
        fn $name() {
            let what = stringify!($name).replace('_', " ");
            assert!(noticed(&what, Broken::$broken, $leads_to));
        }
    )*};
}

without! {
    look_up: BlindLookUp leads to "there are two";
    quiet_period: NoQuietTime leads to "there are two";
    send_deadline: NoSendDeadline leads to "there are two";
    one_key: KeyOfVersion leads to "there are two";
    one_row_per_key: RowPerRetry leads to "there are two";
    agenda: TimersOnce leads to "and nobody came";
    failures_apart_from_attempts: AttemptsAreFailures leads to "is given up after";
    holds_at_the_claim: HoldsUnseen leads to "is sent during a pause";
    fencing: NoFence leads to "RELEASE/";
    quiet_after_take_overs: TakeOverForgets leads to "there are two";
    counted_take_overs: TakeOverFree leads to "is sent again after";
    restore_epoch: NoRestoreEpoch leads to "there are two";
    kept_answers: NoRemember leads to "took effect twice";
    stop_switch: NoStop leads to "though its tenant is stopped";
}

/// Nothing is lost without it, but every report races every other one of its release.
#[test]
fn row_lock() {
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
