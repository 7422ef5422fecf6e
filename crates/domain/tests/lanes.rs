//! What stands still in a store, or waits there for a person, is seen at its release; and a release is closed where the
//! store can do no more.
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

use common::run_row;
use common::shop::{Shop, go_on, halt, pause, raise, reason};
use delivr_domain::aggregate::{Aggregate, Command as AnyCommand, Input};
use delivr_domain::effect::{Effect, ReleaseTiming, Watched};
use delivr_domain::key::{AggregateId, AggregateKind, TargetKey, TaskKind};
use delivr_domain::plan::SubmitMode;
use delivr_domain::ports::store::Attention;
use delivr_domain::release::command::Command;
use delivr_domain::release::hold::{Hold, holds};
use delivr_domain::release::lane::LaneStop;
use delivr_domain::release::state::Phase;
use delivr_domain::report::{
    Cause, Class, ExposureWord, Outcome, Performed, Report, ReviewState, ReviewWord, Sighting,
};
use delivr_domain::rollout::{EVERYBODY, PHASED, Status};
use delivr_domain::submission;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const IOS: TargetKey = TargetKey::IosAppStore;

/// What stands still, with what is said about it, and whether somebody is needed.
fn stops(shop: &Shop) -> (Vec<(TargetKey, LaneStop, String)>, Attention) {
    let release = shop.world.release();
    let stops = holds(release).into_iter().filter_map(|hold| match hold {
        Hold::InStore {
            target,
            stop,
            sentence,
        } => Some((target, stop, sentence)),
        _ => None,
    });
    (stops.collect(), release.projection().listing.attention)
}

/// The only one.
fn stop(shop: &Shop) -> (LaneStop, String, Attention) {
    let (mut stops, attention) = stops(shop);
    let (_, stop, sentence) = stops.pop().expect("something stands still");
    assert_eq!(stops, []);
    (stop, sentence, attention)
}

fn going(shop: &Shop) {
    assert_eq!(stops(shop), (Vec::new(), Attention::Nobody));
}

fn fail(shop: &mut Shop, kind: TaskKind, sentence: &str) -> (AggregateId, delivr_domain::key::TaskKey) {
    let (row, key) = shop.task_row(kind).unwrap();
    let performed = Performed::Failed {
        cause: Cause::new("refused", sentence, Class::NeedsHuman),
        outcome: Outcome::NotDone,
    };
    let report = Report::Performed { key, performed };
    assert!(shop.world.input(key.owner, Input::Report(&report), Some(row)));
    shop.deliver();
    (key.owner, key.task)
}

#[test]
fn a_refused_submission_stops_its_release_in_the_store_s_own_words_until_it_is_tried_again() {
    let mut shop = Shop::new(&[ANDROID], None, SubmitMode::Auto);
    assert!(shop.until(true, |it| it.task_row(TaskKind::SubmitForReview).is_some()));
    going(&shop);
    let why = "the rollout of version code 102 is under way: complete or halt it first";
    let (submission, task) = fail(&mut shop, TaskKind::SubmitForReview, why);
    assert_eq!(
        stop(&shop),
        (LaneStop::SubmissionFailed, why.to_owned(), Attention::Stopped)
    );
    let retry = AnyCommand::Submission(submission::Command::Retry { task });
    shop.ask(submission, &retry).unwrap();
    shop.deliver();
    going(&shop);
}

#[test]
fn a_version_waits_for_the_person_who_hands_it_in_and_no_longer_once_they_did() {
    let mut shop = Shop::new(&[ANDROID], Some(60), SubmitMode::ByPerson);
    assert!(shop.until(true, |it| it.find(AggregateKind::Submission).is_some()));
    shop.deliver();
    let (waits, said, attention) = stop(&shop);
    assert_eq!((waits, attention), (LaneStop::AwaitingSubmit, Attention::Waiting));
    assert!(said.contains("submit it"), "{said}");
    let submission = shop.find(AggregateKind::Submission).unwrap();
    let submit = AnyCommand::Submission(submission::Command::Submit);
    shop.ask(submission, &submit).unwrap();
    shop.deliver();
    going(&shop);
}

#[test]
fn an_approved_version_waits_for_the_person_who_releases_it_to_users() {
    let mut shop = Shop::new(&[IOS], None, SubmitMode::Auto);
    let reviewed = |it: &Effect| {
        matches!(
            it,
            Effect::Watch {
                watched: Watched::Review { .. },
                ..
            }
        )
    };
    // Served one by one: the sample store would release it at once.
    for _ in 0..2_000 {
        shop.world.tick();
        if shop.row(reviewed).is_some() {
            break;
        }
        if !shop.advance() {
            shop.world.now = shop.world.next_wake().unwrap().max(shop.world.now);
        }
    }
    let timing = &shop.world.release().plan().targets[&IOS].settings.timing;
    assert_eq!(*timing, ReleaseTiming::Manual);
    let row = shop.row(reviewed).unwrap();
    let key = *shop.world.live[&row].key().unwrap();
    let state = ReviewState {
        word: ReviewWord::Approved,
        store_word: "PENDING_DEVELOPER_RELEASE".to_owned(),
        explanation: None,
    };
    let sighting = Sighting::Review { state };
    let report = Report::Seen { key, sighting };
    shop.world.input(key.owner, Input::Report(&report), None);
    shop.deliver();
    let (waits, said, attention) = stop(&shop);
    assert_eq!((waits, attention), (LaneStop::AwaitingUsers, Attention::Waiting));
    assert!(said.contains("release it to its users"), "{said}");
    let release = AnyCommand::Submission(submission::Command::Release { reason: None });
    shop.ask(key.owner, &release).unwrap();
    shop.deliver();
    going(&shop);
}

#[test]
fn a_rollout_without_times_waits_for_the_next_step_and_a_paused_or_halted_one_stops_its_release() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    let (waits, said, attention) = stop(&shop);
    assert_eq!(
        (waits, attention),
        (LaneStop::AwaitingAdvance, Attention::Waiting)
    );
    let next = shop.rollout(rollout).steps()[1] / 100;
    assert!(said.ends_with(&format!("raise it to {next} %")), "{said}");
    // Decided, and on its way to the store.
    shop.ask(rollout, &raise(None)).unwrap();
    shop.deliver();
    going(&shop);
    fail(&mut shop, TaskKind::SetExposure, "not in this country");
    assert_eq!(
        stop(&shop),
        (
            LaneStop::RolloutFailed,
            "not in this country".to_owned(),
            Attention::Stopped
        )
    );
    shop.ask(rollout, &pause()).unwrap();
    shop.deliver();
    let (paused, _, attention) = stop(&shop);
    assert_eq!((paused, attention), (LaneStop::RolloutPaused, Attention::Stopped));
    shop.ask(rollout, &go_on()).unwrap();
    shop.ask(rollout, &halt()).unwrap();
    assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Halted));
    shop.deliver();
    let (halted, _, attention) = stop(&shop);
    assert_eq!((halted, attention), (LaneStop::RolloutHalted, Attention::Stopped));
}

#[test]
fn a_rollout_with_times_goes_on_by_itself() {
    let (shop, _) = Shop::rolling(&[ANDROID], Some(60));
    going(&shop);
}

/// Both rollouts, Android's and iOS's.
fn both() -> (Shop, AggregateId, AggregateId) {
    let mut shop = Shop::new(&[ANDROID, IOS], None, SubmitMode::Auto);
    let of = |it: &Shop, target: TargetKey| {
        it.world.aggregates.values().find_map(|state| match state {
            Aggregate::Rollout(it) if it.start.target == target && it.store_word.is_some() => {
                Some(state.id())
            }
            _ => None,
        })
    };
    assert!(shop.until(true, |it| of(it, ANDROID).is_some() && of(it, IOS).is_some()));
    shop.deliver();
    let (android, ios) = (of(&shop, ANDROID).unwrap(), of(&shop, IOS).unwrap());
    (shop, android, ios)
}

fn see(shop: &mut Shop, rollout: AggregateId, word: ExposureWord, bps: u16) {
    shop.exposure.insert(rollout, (word, bps));
    let watch = shop.row(|effect| {
        matches!(effect, Effect::Watch { .. }) && effect.key().is_some_and(|key| key.owner == rollout)
    });
    shop.serve(watch.expect("a rollout is watched"));
    shop.deliver();
}

fn closed(shop: &mut Shop) -> Result<(), String> {
    let of = shop.world.release;
    let command = AnyCommand::Release(Command::CloseRolledBack { reason: reason() });
    shop.ask(of, &command)
}

fn halted(shop: &mut Shop, rollout: AggregateId) {
    shop.ask(rollout, &halt()).unwrap();
    assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Halted));
    shop.deliver();
}

#[test]
fn what_everybody_has_in_the_app_store_bars_no_closing() {
    let (mut shop, android, ios) = both();
    see(&mut shop, ios, ExposureWord::Completed, EVERYBODY);
    let refused = closed(&mut shop).unwrap_err();
    assert!(
        refused.contains("ANDROID_PLAY_STORE: halt its rollout first"),
        "{refused}"
    );
    halted(&mut shop, android);
    closed(&mut shop).unwrap();
    assert_eq!(shop.world.release().phase(), Phase::RolledBack);
}

#[test]
fn a_phased_release_is_paused_before_the_closing_and_stays_so() {
    let (mut shop, android, ios) = both();
    halted(&mut shop, android);
    let refused = closed(&mut shop).unwrap_err();
    assert!(
        refused.contains("pause its phased release first") && refused.contains("App Store Connect"),
        "{refused}"
    );
    shop.ask(ios, &pause()).unwrap();
    assert!(shop.until(false, |it| it.rollout(ios).status == Status::Paused));
    shop.deliver();
    closed(&mut shop).unwrap();
    shop.deliver();
    assert_eq!(shop.world.release().phase(), Phase::RolledBack);
    let refused = shop.ask(ios, &go_on()).unwrap_err();
    assert!(refused.contains("is closed"), "{refused}");
}

#[test]
fn apple_s_steps_are_those_of_its_seven_days() {
    let (shop, android, ios) = both();
    assert_eq!(shop.rollout(ios).steps(), PHASED);
    assert_eq!(
        shop.rollout(android).steps(),
        shop.rollout(android).start.settings.steps
    );
}

#[test]
fn a_release_that_is_over_stands_still_nowhere() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    halted(&mut shop, rollout);
    closed(&mut shop).unwrap();
    assert_eq!(stops(&shop), (Vec::new(), Attention::Nobody));
    let left: Vec<_> = shop.world.live.keys().copied().collect();
    for row in left {
        if shop.world.live.contains_key(&row) {
            run_row(&mut shop.world, row);
        }
    }
    going(&shop);
}
