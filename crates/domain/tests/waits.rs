//! A wait for a person is announced once, and told again each working day until it ends or has been given up.
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

use common::shop::{Shop, complete, halt, raise};
use common::{World, draft, plan, run_row, start};
use delivr_domain::aggregate::{Aggregate, Input};
use delivr_domain::board::TaskState;
use delivr_domain::effect::{Effect, ReleaseTiming, Topic, Watched};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{EffectKey, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{BuildMode, ChatPlan, GatedStage, Plan, SubmitMode};
use delivr_domain::release::Command;
use delivr_domain::release::remind;
use delivr_domain::release::state::Stage;
use delivr_domain::report::{
    Cause, Class, Outcome, Performed, Report, ReviewState, ReviewWord, RunProduct, Sighting,
};
use delivr_domain::rollout::Status;
use delivr_domain::submission::Submission;
use delivr_domain::time::{Span, Timestamp};

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;

/// With a channel for everything.
fn loud(mut plan: Plan) -> Plan {
    plan.chat = Some(ChatPlan {
        integration: IntegrationId::from_uuid(uuid::Uuid::from_u128(6)),
        topics: [Topic::Releases, Topic::Builds, Topic::Regression, Topic::Critical].into(),
    });
    plan
}

/// What people were told again: when, where, and the lines.
type Told = Vec<(Timestamp, Topic, Vec<String>)>;

/// Answers all rows but those left alone, and lets time pass until then or until nothing is to come.
fn pass(world: &mut World, leave: impl Fn(&Effect) -> bool, until: Timestamp) -> Told {
    let mut told = Vec::new();
    for _ in 0..3_000 {
        world.tick();
        let row = world.live.iter().find(|(_, effect)| !leave(effect));
        match (row.map(|(id, effect)| (*id, effect.clone())), world.next_wake()) {
            (Some((row, effect)), _) => {
                if let Effect::Message { topic, note, .. } = &effect
                    && note.kind == "WAIT_REMINDER"
                {
                    told.push((world.now, *topic, note.lines.clone()));
                }
                run_row(world, row);
            }
            (None, Some(at)) if at <= until => world.now = world.now.max(at),
            (None, _) => {
                world.now = until;
                return told;
            }
        }
    }
    panic!("it never comes to rest");
}

const fn nothing(_effect: &Effect) -> bool {
    false
}

fn times(told: &Told, on: Topic) -> Vec<Timestamp> {
    let of_topic = told.iter().filter(|(_, topic, _)| *topic == on);
    of_topic.map(|(at, _, _)| *at).collect()
}

/// A release whose bundle is to come from a person, who has been asked for it: on a Friday.
fn asked() -> (World, TaskKey, Timestamp) {
    let mut settings = loud(plan(&[ANDROID]));
    settings.targets.get_mut(&ANDROID).unwrap().builds = BuildMode::Manual;
    settings.pre_regression_builds = false;
    let mut wanted = draft(settings);
    wanted.slots.clear();
    wanted.plan.allow_zero_cycles = true;
    let mut world = World::of(wanted);
    let task = TaskKey::once(TaskKind::CreateAabBuild).target(ANDROID);
    let waits = |it: &World| matches!(it.release().task(&task), Some(task) if matches!(task.state, TaskState::AwaitingManual { .. }));
    for _ in 0..200 {
        world.tick();
        if waits(&world) {
            break;
        }
        match (world.live.keys().next().copied(), world.next_wake()) {
            (Some(row), _) => run_row(&mut world, row),
            (None, Some(at)) => world.now = world.now.max(at),
            (None, None) => break,
        }
    }
    assert!(waits(&world));
    let since = world.release().task(&task).unwrap().started_at.unwrap();
    (world, task, since)
}

#[test]
fn a_wait_for_a_person_is_told_again_each_working_day_until_it_is_given_up() {
    let (mut world, task, since) = asked();
    assert_eq!(since.format("%a").to_string(), "Fri");
    let told = pass(&mut world, nothing, since + Span::days(60));
    let on = |days: i64| since + Span::days(days);
    // Saturdays and Sundays are nobody's.
    let working: Vec<Timestamp> = (1..=28)
        .filter(|day| day % 7 != 1 && day % 7 != 2)
        .map(on)
        .collect();
    assert_eq!(times(&told, Topic::Releases), working);
    let critical: Vec<Timestamp> = working.iter().copied().filter(|at| *at >= on(3)).collect();
    assert_eq!(
        times(&told, Topic::Critical),
        critical,
        "from the third day on it is critical"
    );
    let (_, _, lines) = &told[0];
    assert!(
        lines.len() == 1 && lines[0].contains(&task.to_string()),
        "{lines:?}"
    );
    assert!(
        lines[0].contains(&since.format("since %Y-%m-%d %H:%M UTC").to_string()),
        "{lines:?}"
    );
    let kept = world
        .release()
        .reminders
        .iter()
        .filter(|key| remind::of_waits(key));
    assert_eq!(kept.count(), 1, "only the last one is kept");
    assert_eq!(world.next_wake(), None, "given up, it wakes nobody");
}

#[test]
fn a_wait_that_ends_is_not_told_again() {
    let (mut world, task, since) = asked();
    let told = pass(&mut world, nothing, since + Span::days(4));
    assert_eq!(times(&told, Topic::Releases).len(), 2, "on Monday and on Tuesday");
    let product = RunProduct {
        sha: "a".repeat(40).parse().ok(),
        artifact_url: Some("https://files.example/app-release-99.aab".to_owned()),
        build_number: Some("4711".to_owned()),
        ..RunProduct::default()
    };
    assert!(world.command(Command::UploadBuild { task, product }));
    assert_eq!(pass(&mut world, nothing, since + Span::days(60)), Told::new());
    assert_eq!(world.release().stage, Stage::Completed);
}

#[test]
fn after_an_outage_the_days_that_were_missed_are_told_in_one() {
    let (mut world, _task, since) = asked();
    world.now = since + Span::days(6) + Span::hours(5);
    let told = pass(&mut world, nothing, since + Span::days(8));
    let at = since + Span::days(6) + Span::hours(5);
    assert_eq!(times(&told, Topic::Releases), [at, at + Span::days(1)]);
}

#[test]
fn who_pauses_a_release_is_not_reminded_of_it() {
    let (mut world, _task, since) = asked();
    assert!(world.command(Command::Pause { note: None }));
    assert_eq!(pass(&mut world, nothing, since + Span::days(5)), Told::new());
    assert!(world.command(Command::Resume));
    let told = pass(&mut world, nothing, since + Span::days(5) + Span::hours(1));
    assert_eq!(
        times(&told, Topic::Releases),
        [since + Span::days(5)],
        "it has waited all the same"
    );
}

#[test]
fn a_gate_and_a_regression_without_a_cycle_are_waits() {
    for zero in [true, false] {
        let mut settings = loud(plan(&[ANDROID]));
        settings.auto_start.remove(&GatedStage::PreRelease);
        let mut wanted = draft(settings);
        wanted.slots.clear();
        wanted.plan.allow_zero_cycles = zero;
        let mut world = World::of(wanted);
        let told = pass(&mut world, nothing, start() + Span::days(4));
        let stage = if zero {
            Stage::AwaitingPreRelease
        } else {
            Stage::Regression
        };
        assert_eq!(world.release().stage, stage);
        let since = world.release().stage_since.unwrap();
        assert_eq!(
            times(&told, Topic::Releases),
            [since + Span::days(3), since + Span::days(4)]
        );
    }
}

#[test]
fn a_task_that_failed_is_a_wait() {
    let mut world = World::of(draft(loud(plan(&[ANDROID]))));
    let of_fork = |it: &Effect| it.key().is_some_and(|key| key.task.kind == TaskKind::ForkBranch);
    // Its first step reads the commit; what fails is the second.
    let read = world.live.iter().find(|(_, it)| of_fork(it)).map(|(id, _)| *id);
    run_row(&mut world, read.unwrap());
    let (row, effect) = world.live.iter().find(|(_, it)| of_fork(it)).unwrap();
    let (row, key) = (*row, *effect.key().unwrap());
    let cause = Cause::new("refused", "the branch is protected", Class::NeedsHuman);
    let performed = Performed::Failed {
        cause,
        outcome: Outcome::NotDone,
    };
    let report = Report::Performed { key, performed };
    world.input(key.owner, Input::Report(&report), Some(row));
    let told = pass(&mut world, nothing, start() + Span::days(3) + Span::hours(1));
    assert_eq!(times(&told, Topic::Releases).len(), 1, "{told:?}");
    assert!(
        told[0]
            .2
            .iter()
            .any(|line| line.contains("the branch is protected")),
        "{told:?}"
    );
}

/// The look at a version's review, which a store takes its time for.
const fn review(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Watch {
            watched: Watched::Review { .. },
            ..
        }
    )
}

#[test]
fn an_end_of_before_the_hand_in_does_not_end_the_new_submission() {
    let handed_in = || {
        let mut world = World::of(draft(loud(plan(&[ANDROID]))));
        while !world.live.values().any(review) {
            let until = world.now + Span::minutes(1);
            pass(&mut world, review, until);
        }
        let watch = world.live.values().find(|it| review(it)).unwrap();
        let key = *watch.key().unwrap();
        (world, key)
    };
    fn submission(world: &World) -> &Submission {
        let mut all = world.aggregates.values();
        all.find_map(|it| match it {
            Aggregate::Submission(it) => Some(it.as_ref()),
            Aggregate::Release(_) | Aggregate::Rollout(_) => None,
        })
        .unwrap()
    }
    let look = |world: &mut World, key: EffectKey, word: ReviewWord| {
        let state = ReviewState {
            word,
            store_word: word.word().to_owned(),
            explanation: None,
        };
        let sighting = Sighting::Review { state };
        world.input(key.owner, Input::Report(&Report::Seen { key, sighting }), None);
        submission(world).status
    };
    let (rejected, submitted) = (ReviewWord::Rejected, ReviewWord::Submitted);
    for end in [rejected, ReviewWord::Cancelled] {
        let (mut world, key) = handed_in();
        let task = submission(&world).board.find(&key.task).unwrap();
        let begun = task.started_at.unwrap();
        world.now = begun + Span::seconds(119);
        assert_eq!(look(&mut world, key, end), submitted, "the store's read lags");
        assert!(world.live.values().any(review), "it is looked at again");
        world.now = begun + Span::seconds(120);
        assert_eq!(look(&mut world, key, end), end, "no read lags as long as that");
        // Once the store has shown the new hand-in, its end is this one's, however soon it comes.
        let (mut world, key) = handed_in();
        assert_eq!(look(&mut world, key, end), submitted);
        assert_eq!(look(&mut world, key, submitted), submitted);
        assert_eq!(look(&mut world, key, end), end);
    }
}

#[test]
fn a_store_lane_that_waits_for_a_person_is_a_wait_from_when_it_says_so() {
    let (rejected, approved) = (ReviewWord::Rejected, ReviewWord::Approved);
    for (submit, timing, seen, says) in [
        (
            SubmitMode::ByPerson,
            ReleaseTiming::AfterApproval,
            None,
            "submit it",
        ),
        (
            SubmitMode::Auto,
            ReleaseTiming::Manual,
            Some(approved),
            "release it to its users",
        ),
        (
            SubmitMode::Auto,
            ReleaseTiming::Manual,
            Some(rejected),
            "the store rejected the version",
        ),
    ] {
        let mut settings = loud(plan(&[ANDROID]));
        let of_store = &mut settings.targets.get_mut(&ANDROID).unwrap().settings;
        (of_store.submit, of_store.timing) = (submit, timing);
        let mut world = World::of(draft(settings));
        assert_eq!(pass(&mut world, review, start() + Span::hours(6)), Told::new());
        if let Some(word) = seen {
            let watch = world.live.values().find(|it| review(it)).unwrap();
            let key = *watch.key().unwrap();
            let state = ReviewState {
                word,
                store_word: word.word().to_owned(),
                explanation: None,
            };
            let sighting = Sighting::Review { state };
            world.now += Span::minutes(2);
            world.input(key.owner, Input::Report(&Report::Seen { key, sighting }), None);
        }
        let told = pass(&mut world, review, start() + Span::days(5));
        let since = world.release().lanes_since[&ANDROID];
        let first = times(&told, Topic::Releases)[0];
        assert_eq!(
            first,
            since + Span::days(3),
            "on Monday, since it was said on a Friday"
        );
        let (_, _, lines) = &told[0];
        assert!(
            lines[0].contains(&ANDROID.to_string()) && lines[0].contains(says),
            "{told:?}"
        );
    }
}

/// What the release waits for, as told.
fn waits_of(shop: &Shop) -> Vec<String> {
    let waits = remind::waits(shop.world.release());
    waits.into_iter().map(|it| it.sentence).collect()
}

#[test]
fn a_rollout_that_a_person_raises_is_a_wait_while_it_rests_at_a_step() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    let said = |shop: &Shop| shop.world.release().lanes_since[&ANDROID];
    let waits = waits_of(&shop);
    assert!(
        waits.len() == 1 && waits[0].contains("rests at 1 per cent of the users: raise it"),
        "{waits:?}"
    );
    // It is told each working day from when it came there.
    let first = said(&shop);
    let reminded = |shop: &Shop| {
        let fired = &shop.world.release().reminders;
        fired.iter().filter_map(|key| remind::of_waits_at(key)).max()
    };
    assert!(shop.until(true, |it| reminded(it).is_some()));
    let at = reminded(&shop).unwrap();
    assert!(
        at >= first + Span::days(1) && at <= first + Span::days(3),
        "{first} {at}"
    );
    // Raised, it waits anew, at the next step.
    shop.ask(rollout, &raise(None)).unwrap();
    assert!(shop.until(false, |it| it.rollout(rollout).exposure == 1_000));
    shop.deliver();
    assert!(said(&shop) > first);
    assert!(waits_of(&shop)[0].contains("rests at 10 per cent"));
    // Halted, it waits for what a halt waits for.
    shop.ask(rollout, &halt()).unwrap();
    assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Halted));
    shop.deliver();
    let waits = waits_of(&shop);
    assert!(
        waits.len() == 1 && waits[0].contains("the rollout is halted"),
        "{waits:?}"
    );
}

#[test]
fn a_rollout_at_its_end_or_raised_by_time_or_by_apple_waits_for_nobody() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    shop.ask(rollout, &complete()).unwrap();
    shop.until(false, |it| it.rollout(rollout).terminal());
    shop.deliver();
    assert_eq!(waits_of(&shop), Vec::<String>::new());
    let (shop, _rollout) = Shop::rolling(&[ANDROID], Some(60 * 24 * 7));
    assert_eq!(waits_of(&shop), Vec::<String>::new());
    let (shop, _rollout) = Shop::rolling(&[TargetKey::IosAppStore], None);
    assert_eq!(waits_of(&shop), Vec::<String>::new());
}
