//! What a person changes in a store's console: it holds the lane of its target until it is decided anew, put back, or
//! taken for decided.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, dead_code, reason = "shared by test binaries")]
mod common;

use common::shop::{Shop, go_on, halt, pause, raise, reason};
use delivr_domain::aggregate::Input;
use delivr_domain::effect::Effect;
use delivr_domain::key::{AggregateId, AggregateKind, TargetKey, TaskKind};
use delivr_domain::plan::GatedStage;
use delivr_domain::release::command::Command;
use delivr_domain::release::event::Event;
use delivr_domain::release::hold::Hold;
use delivr_domain::release::state::Phase;
use delivr_domain::report::{Cause, Class, ExposureWord, Outcome, Performed, Report};
use delivr_domain::rollout::Status;
use delivr_domain::time::Span;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const IOS: TargetKey = TargetKey::IosAppStore;

/// Somebody changes the rollout in the store's console, and we look.
fn console(shop: &mut Shop, rollout: AggregateId, word: ExposureWord, bps: u16) {
    shop.exposure.insert(rollout, (word, bps));
    look(shop, rollout);
}

fn look(shop: &mut Shop, rollout: AggregateId) {
    let watch = shop.row(|effect| {
        matches!(effect, Effect::Watch { .. }) && effect.key().is_some_and(|key| key.owner == rollout)
    });
    shop.serve(watch.expect("a rollout is watched"));
    shop.deliver();
}

fn drifts(shop: &Shop) -> Vec<(Option<TargetKey>, String)> {
    let drift = |hold: &Hold| match hold {
        Hold::Drift { target, sentence } => Some((*target, sentence.clone())),
        _ => None,
    };
    shop.world.release().holds.iter().filter_map(drift).collect()
}

fn clear(shop: &mut Shop) -> bool {
    let reason = reason();
    shop.world.command(Command::ClearDrift { reason })
}

fn ends(shop: &mut Shop) -> bool {
    shop.until(true, |it| it.world.release().phase() == Phase::Completed)
}

/// A rollout in steps of an hour that somebody has halted in the console.
fn halted_in_the_console() -> (Shop, AggregateId, u16) {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], Some(60));
    let bps = shop.stands(rollout).bps;
    console(&mut shop, rollout, ExposureWord::Halted, bps);
    (shop, rollout, bps)
}

#[test]
fn a_change_in_the_console_holds_the_lane_and_stops_timed_steps() {
    let (mut shop, rollout, bps) = halted_in_the_console();
    let said = drifts(&shop);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, Some(ANDROID));
    assert!(said[0].1.contains("which nobody decided here"), "{}", said[0].1);
    assert!(said[0].1.contains("clear the drift"), "{}", said[0].1);
    // Looking again finds the same, and says it once.
    look(&mut shop, rollout);
    assert_eq!(drifts(&shop), said);
    let placed = shop.world.history[&shop.world.release]
        .iter()
        .filter(|(event, _)| {
            matches!(
                event,
                delivr_domain::aggregate::Event::Release(Event::HoldPlaced {
                    hold: Hold::Drift { .. }
                })
            )
        });
    assert_eq!(placed.count(), 1);
    // Raised in the console instead: nothing is raised here by time.
    console(&mut shop, rollout, ExposureWord::Active, bps + 300);
    assert_eq!(drifts(&shop).len(), 1, "one at a time");
    shop.world.now += Span::hours(30);
    assert!(!shop.until(true, |it| it.rollout(rollout).traffic_generation > 0));
}

#[test]
fn the_next_decision_on_the_rollout_lifts_it() {
    let (mut shop, rollout, _) = halted_in_the_console();
    assert_eq!(
        shop.ask(rollout, &go_on()),
        Ok(()),
        "its own drift bars no decision"
    );
    assert!(shop.until(false, |it| it.rollout(rollout).drift.is_none()));
    shop.deliver();
    assert_eq!(drifts(&shop), []);
    assert!(!clear(&mut shop), "there is nothing left to clear");
    assert!(ends(&mut shop));
}

#[test]
fn putting_the_store_back_lifts_it() {
    let (mut shop, rollout, bps) = halted_in_the_console();
    console(&mut shop, rollout, ExposureWord::Active, bps);
    assert_eq!(shop.rollout(rollout).drift, None);
    assert_eq!(shop.rollout(rollout).status, Status::Active);
    assert_eq!(drifts(&shop), []);
    assert!(ends(&mut shop));
}

#[test]
fn a_pause_of_ours_outlasts_what_came_and_went_in_the_console() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], Some(60));
    let bps = shop.stands(rollout).bps;
    assert_eq!(shop.ask(rollout, &pause()), Ok(()));
    console(&mut shop, rollout, ExposureWord::Halted, bps);
    console(&mut shop, rollout, ExposureWord::Active, bps);
    assert_eq!(shop.rollout(rollout).status, Status::Paused);
    assert_eq!(drifts(&shop), []);
}

#[test]
fn clearing_it_takes_what_the_store_has_for_decided() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], Some(60));
    let bps = shop.stands(rollout).bps + 300;
    console(&mut shop, rollout, ExposureWord::Active, bps);
    assert!(clear(&mut shop));
    assert_eq!(drifts(&shop), []);
    // Other news of the rollout, on their way before the word reaches it, do not place it again.
    assert_eq!(shop.ask(rollout, &pause()), Ok(()));
    let news = shop.row(|effect| matches!(effect, Effect::Tell { from, .. } if *from == rollout));
    shop.serve(news.expect("the pause is told"));
    assert!(shop.rollout(rollout).drift.is_some());
    assert_eq!(drifts(&shop), []);
    shop.deliver();
    assert_eq!(shop.rollout(rollout).drift, None);
    assert_eq!(shop.rollout(rollout).exposure, bps);
    look(&mut shop, rollout);
    assert_eq!(drifts(&shop), [], "what was accepted is no drift");
    assert_eq!(shop.ask(rollout, &go_on()), Ok(()));
    assert!(ends(&mut shop), "steps go on from there");
}

#[test]
fn clearing_one_drift_accepts_no_other_that_came_meanwhile() {
    let (mut shop, rollout, bps) = halted_in_the_console();
    assert!(clear(&mut shop));
    shop.exposure.insert(rollout, (ExposureWord::Active, bps + 300));
    let watch = shop.row(|effect| matches!(effect, Effect::Watch { .. })).unwrap();
    shop.serve(watch);
    shop.deliver();
    assert!(shop.rollout(rollout).drift.is_some());
    assert_eq!(drifts(&shop).len(), 1);
}

#[test]
fn it_reaches_no_other_target() {
    let (mut shop, _) = Shop::rolling(&[ANDROID, IOS], Some(60));
    let android = |it: &Shop| {
        let mut ids = it.world.aggregates.keys();
        ids.find(|id| id.kind == AggregateKind::Rollout && it.rollout(**id).start.target == ANDROID)
            .copied()
    };
    assert!(shop.until(true, |it| {
        android(it).is_some_and(|id| it.rollout(id).store_word.is_some())
    }));
    let rollout = android(&shop).unwrap();
    let bps = shop.stands(rollout).bps;
    console(&mut shop, rollout, ExposureWord::Halted, bps);
    for state in shop.world.aggregates.values() {
        let held = match state {
            delivr_domain::aggregate::Aggregate::Release(_) => continue,
            delivr_domain::aggregate::Aggregate::Submission(it) => &it.held,
            delivr_domain::aggregate::Aggregate::Rollout(it) => &it.held,
        };
        assert!(!held.holds(), "{}: {held:?}", state.id());
    }
}

#[test]
fn what_a_decision_of_ours_that_was_given_up_came_to_is_no_drift() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    assert_eq!(shop.ask(rollout, &halt()), Ok(()));
    let (row, key) = shop.task_row(TaskKind::HaltRollout).expect("a halt");
    let cause = Cause::new("budget_exhausted", "nobody answered", Class::NeedsHuman);
    let performed = Performed::Failed {
        cause,
        outcome: Outcome::Unknown,
    };
    let report = Report::Performed { key, performed };
    shop.world.input(rollout, Input::Report(&report), Some(row));
    let bps = shop.stands(rollout).bps;
    console(&mut shop, rollout, ExposureWord::Halted, bps);
    assert_eq!(shop.rollout(rollout).status, Status::Halted);
    assert_eq!(drifts(&shop), []);
}

#[test]
fn a_release_that_is_sent_back_leaves_its_halted_rollout_where_it_is() {
    let (mut shop, rollout, _) = halted_in_the_console();
    assert_eq!(drifts(&shop).len(), 1);
    assert!(shop.world.command(Command::Rework {
        to: GatedStage::PreRelease,
        reason: "it crashes".to_owned(),
    }));
    assert_eq!(drifts(&shop), [], "what is left behind holds nothing up");
    shop.deliver();
    let refused = shop.ask(rollout, &go_on()).unwrap_err();
    assert!(refused.contains("was sent back"), "{refused}");
    assert!(shop.ask(rollout, &raise(None)).is_err());
}
