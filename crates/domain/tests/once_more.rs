//! What is done and may still come to stand twice is looked for once more; and what nobody can go on from says so.
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

use common::{World, draft, fresh_facts, plan, run_row, slot, start};
use delivr_domain::aggregate::Input;
use delivr_domain::board::{Permit, TaskState};
use delivr_domain::effect::{Effect, Reference};
use delivr_domain::key::{EffectId, EffectKey, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::GatedStage;
use delivr_domain::release::command::{Command, Force};
use delivr_domain::release::event::{Clearable, Edit, Event};
use delivr_domain::release::hold::{Hold, holds};
use delivr_domain::release::state::{Draft, Phase};
use delivr_domain::report::{Cause, Class, Outcome, Performed, Report, RunProduct};
use delivr_domain::time::Span;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const LATER: u32 = 400;

fn write_of(world: &World, kind: TaskKind) -> (EffectId, EffectKey) {
    let found = world.live.iter().find(|(_, effect)| {
        matches!(effect, Effect::Perform { .. }) && effect.key().is_some_and(|key| key.task.kind == kind)
    });
    let (row, effect) = found.expect("a write");
    (*row, *effect.key().unwrap())
}

/// The write is found under its mark after an attempt whose outcome was unknown.
fn done_in_doubt(world: &mut World, kind: TaskKind) -> (EffectId, EffectKey) {
    let (row, key) = write_of(world, kind);
    let Effect::Perform {
        integration,
        operation,
        ..
    } = world.live[&row].clone()
    else {
        panic!("a write");
    };
    let performed = Performed::DoneInDoubt {
        reference: Reference::id("T-1"),
        integration,
        operation: Box::new(operation),
        look_again_seconds: LATER,
    };
    let report = Report::Performed { key, performed };
    world.input(key.owner, Input::Report(&report), Some(row));
    (row, key)
}

fn looked(world: &mut World, (row, key): (EffectId, EffectKey), found: &[&str]) {
    let found = found.iter().map(|id| Reference::id(*id)).collect();
    let performed = Performed::LookedAgain { found };
    let report = Report::Performed { key, performed };
    world.input(key.owner, Input::Report(&report), Some(row));
}

fn pass(world: &mut World, seconds: u32) {
    world.now += Span::seconds(i64::from(seconds));
    world.tick();
}

fn drifts(world: &World) -> Vec<String> {
    let drift = |hold: Hold| match hold {
        Hold::Drift { sentence, .. } => Some(sentence),
        _ => None,
    };
    holds(world.release()).into_iter().filter_map(drift).collect()
}

/// Answers everything until nothing moves; an open doubt is left to the test.
fn rest(world: &mut World) {
    for _ in 0..500 {
        world.tick();
        let doubted = |world: &World, effect: &Effect| {
            effect
                .key()
                .is_some_and(|key| world.aggregates[&key.owner].permit(key) == Permit::LookAgain)
        };
        let row = world
            .live
            .iter()
            .find(|(_, effect)| !doubted(world, effect))
            .map(|(row, _)| *row);
        match (row, world.next_wake()) {
            (Some(row), _) => run_row(world, row),
            (None, Some(at)) if at > world.now => world.now = at,
            (None, _) => return,
        }
    }
}

const TICKET: TaskKind = TaskKind::CreateProjectManagementTicket;

#[test]
fn what_was_done_in_doubt_is_looked_for_once_long_after_and_one_is_well() {
    let mut world = World::new(plan(&[ANDROID]));
    world.tick();
    let doubt = done_in_doubt(&mut world, TICKET);
    assert!(
        world.release().board.find(&doubt.1.task).unwrap().state.settled(),
        "it is done"
    );
    assert!(!world.live.contains_key(&doubt.0));
    pass(&mut world, LATER - 1);
    assert!(!world.live.contains_key(&doubt.0), "not before its time");
    assert!(world.aggregates[&world.release].wake_at().unwrap() <= world.now + Span::seconds(1));
    pass(&mut world, 1);
    assert!(world.live.contains_key(&doubt.0), "the write's own row looks");
    assert_eq!(
        world.aggregates[&world.release].permit(&doubt.1),
        Permit::LookAgain
    );
    // While it is looked for everything else goes on, and the task's own end takes nothing from it.
    rest(&mut world);
    assert_eq!(
        world.release().phase(),
        Phase::Completed,
        "one that is found holds nothing up"
    );
    assert!(world.live.contains_key(&doubt.0));
    looked(&mut world, doubt, &["T-1"]);
    assert!(drifts(&world).is_empty());
    rest(&mut world);
    assert!(world.live.is_empty(), "once is enough: {:?}", world.live);
}

#[test]
fn two_objects_are_a_drift_of_the_lane_until_a_person_clears_it_with_a_reason() {
    let mut world = World::new(plan(&[ANDROID, TargetKey::IosAppStore]));
    world.tick();
    let doubt = done_in_doubt(&mut world, TICKET);
    let lane = doubt.1.task.target;
    pass(&mut world, LATER);
    looked(&mut world, doubt, &["T-1", "T-9"]);
    let said = drifts(&world);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("T-1") && said[0].contains("T-9"), "{}", said[0]);
    assert!(
        said[0].contains("remove or close"),
        "who must do what: {}",
        said[0]
    );
    rest(&mut world);
    let release = world.release();
    let waits = |task: &&delivr_domain::board::Task| task.state == TaskState::Pending;
    assert!(
        release
            .board
            .iter()
            .filter(waits)
            .all(|task| task.key.target.is_none() || task.key.target == lane),
        "only this lane, and what belongs to every lane, waits"
    );
    assert_ne!(release.phase(), Phase::Completed);
    assert!(!world.command(Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: None
    }));
    assert!(world.command(Command::ClearDrift {
        reason: "closed T-9".to_owned()
    }));
    assert!(drifts(&world).is_empty());
    assert!(!world.command(Command::ClearDrift {
        reason: "again".to_owned()
    }));
    let history = &world.history[&world.release];
    assert!(history.iter().any(|(event, _)| matches!(
        event,
        delivr_domain::aggregate::Event::Release(Event::DriftCleared { reason, .. }) if reason == "closed T-9"
    )));
    rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn a_vendor_that_cannot_be_asked_once_more_holds_nothing_up() {
    let mut world = World::new(plan(&[ANDROID]));
    world.tick();
    let (row, key) = done_in_doubt(&mut world, TICKET);
    pass(&mut world, LATER);
    let cause = Cause::new("unavailable", "down for a day", Class::NeedsHuman);
    let outcome = Outcome::Unknown;
    let performed = Performed::Failed { cause, outcome };
    let report = Report::Performed { key, performed };
    world.input(key.owner, Input::Report(&report), Some(row));
    assert!(holds(world.release()).is_empty());
    rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn what_stands_twice_after_an_archive_is_on_the_clean_up_list() {
    let mut world = World::new(plan(&[ANDROID]));
    world.tick();
    let doubt = done_in_doubt(&mut world, TICKET);
    assert!(world.command(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: false,
        delete_branch: false
    }));
    pass(&mut world, LATER);
    assert!(world.live.contains_key(&doubt.0));
    looked(&mut world, doubt, &["T-1", "T-9"]);
    let late: Vec<&str> = world
        .release()
        .board
        .late
        .iter()
        .map(|(_, it)| it.id.as_str())
        .collect();
    assert_eq!(late, ["T-9"]);
}

#[test]
fn regression_without_a_cycle_to_come_says_what_a_person_must_do() {
    let mut world = World::without_slots(plan(&[ANDROID]));
    rest(&mut world);
    assert_eq!(world.release().phase(), Phase::RegressionAwaitingNextCycle);
    let waits = holds(world.release());
    assert_eq!(waits, [Hold::AwaitingCycle]);
    assert!(waits[0].sentence().contains("plan a slot"));
    assert!(world.command(Command::StartCycle));
    assert!(holds(world.release()).is_empty());
    assert!(world.command(Command::AbandonCycle {
        cycle: 1,
        reason: "wrong commit".to_owned()
    }));
    assert_eq!(
        holds(world.release()),
        [Hold::AwaitingCycle],
        "an abandoned cycle does not count"
    );
    let at = world.now + Span::hours(2);
    assert!(world.command(Command::AddSlot { slot: slot(300, at) }));
    assert!(
        holds(world.release()).is_empty(),
        "a planned cycle starts by itself"
    );
    rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn no_reason_stands_for_the_number_of_the_build_that_is_submitted() {
    let mut settings = plan(&[ANDROID]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    settings.auto_start.remove(&GatedStage::Distribution);
    let mut world = World::new(settings);
    rest(&mut world);
    fresh_facts(&mut world);
    let pass_gate = |stage, reason: Option<&str>| Command::Trigger {
        stage,
        override_reason: reason.map(str::to_owned),
    };
    assert!(world.command(Command::ChangeBuildMode {
        target: ANDROID,
        mode: delivr_domain::plan::BuildMode::Manual
    }));
    assert!(world.command(pass_gate(GatedStage::PreRelease, None)));
    rest(&mut world);
    let build = TaskKey::once(TaskKind::CreateAabBuild).target(ANDROID);
    assert!(world.command(Command::SkipTask {
        task: build,
        reason: "it is there already".to_owned(),
        force: Force::No
    }));
    assert_eq!(world.release().phase(), Phase::AwaitingDistribution);
    assert!(
        !world.command(pass_gate(GatedStage::Distribution, Some("ship it"))),
        "any build is nobody's decision"
    );
    let named = RunProduct {
        build_number: Some("77".to_owned()),
        ..RunProduct::default()
    };
    assert!(world.command(Command::UploadBuild {
        task: build,
        product: named
    }));
    assert!(world.command(pass_gate(GatedStage::Distribution, Some("ship it"))));
    let start = world.live.values().find_map(|effect| match effect {
        Effect::Tell { report, .. } => match report.as_ref() {
            Report::StartSubmission { start } => Some(start.version.build_number.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(start.as_deref(), Some("77"));
}

fn reminders(world: &World, fired: bool) -> Vec<String> {
    let history = &world.history[&world.release];
    let said = history.iter().filter_map(|(event, _)| match event {
        delivr_domain::aggregate::Event::Release(Event::ReminderFired { reminder }) if fired => {
            Some(reminder)
        }
        delivr_domain::aggregate::Event::Release(Event::ReminderSkipped { reminder }) if !fired => {
            Some(reminder)
        }
        _ => None,
    });
    said.cloned().collect()
}

#[test]
fn a_reminder_that_passed_by_does_not_swallow_the_next_one() {
    let mut world = World::of(Draft {
        kickoff_at: start() + Span::hours(10),
        kickoff_reminder_at: Some(start() + Span::hours(1)),
        slots: Vec::new(),
        ..draft(plan(&[ANDROID]))
    });
    pass(&mut world, 3_600);
    assert_eq!(reminders(&world, true).len(), 1);
    let remind_at = |hours: i64| Command::Edit {
        edit: Edit {
            kickoff_reminder_at: Some(start() + Span::hours(hours)),
            ..Edit::default()
        },
    };
    // Into the past: recorded as passed by, not fired.
    assert!(world.command(remind_at(0)));
    assert_eq!(reminders(&world, false).len(), 1);
    assert_eq!(reminders(&world, true).len(), 1);
    // And to a moment to come: people asked to be reminded then.
    assert!(world.command(remind_at(5)));
    pass(&mut world, 4 * 3_600);
    assert_eq!(reminders(&world, true).len(), 2);
}

#[test]
fn a_reminder_that_was_taken_away_reminds_nobody() {
    let mut world = World::of(Draft {
        kickoff_at: start() + Span::hours(10),
        kickoff_reminder_at: Some(start() + Span::hours(5)),
        target_date: Some(start() + Span::hours(90)),
        pilot: Some("robin".to_owned()),
        slots: Vec::new(),
        ..draft(plan(&[ANDROID]))
    });
    let clear = |what: &[Clearable]| Command::Edit {
        edit: Edit {
            cleared: what.iter().copied().collect(),
            ..Edit::default()
        },
    };
    assert!(world.command(clear(&[
        Clearable::KickoffReminder,
        Clearable::Pilot,
        Clearable::TargetDate
    ])));
    let cleared = world.release().draft.clone();
    assert_eq!(
        (cleared.kickoff_reminder_at, cleared.pilot, cleared.target_date),
        (None, None, None)
    );
    pass(&mut world, 6 * 3_600);
    assert_eq!(reminders(&world, true), Vec::<String>::new());
    assert_eq!(reminders(&world, false), Vec::<String>::new());
    // What is not there is no event, and what is over does not change.
    let before = world.release().version;
    assert!(world.command(clear(&[Clearable::Pilot])));
    assert_eq!(world.release().version, before);
    let mut begun = World::of(Draft {
        kickoff_reminder_at: Some(start() - Span::hours(1)),
        ..draft(plan(&[ANDROID]))
    });
    pass(&mut begun, 60);
    assert!(!begun.command(clear(&[Clearable::KickoffReminder])));
}

#[test]
fn a_slot_at_short_notice_reminds_nobody_and_says_so() {
    let mut world = World::of(Draft {
        kickoff_at: start(),
        slots: vec![slot(200, start() + Span::hours(9))],
        ..draft(plan(&[ANDROID]))
    });
    pass(&mut world, 3_600);
    let soon = world.now + Span::minutes(30);
    assert!(world.command(Command::ChangeSlot {
        slot: slot(200, soon)
    }));
    assert!(world.command(Command::AddSlot {
        slot: slot(201, soon)
    }));
    assert_eq!(reminders(&world, true), Vec::<String>::new());
    let skipped = reminders(&world, false);
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(
        skipped.iter().all(|it| it.contains(&soon.to_rfc3339())),
        "the date it was for: {skipped:?}"
    );
}

#[test]
fn what_a_given_up_task_may_have_sent_is_looked_for_and_comes_to_the_clean_up_list() {
    let mut world = World::new(plan(&[ANDROID]));
    world.tick();
    let sent = write_of(&world, TICKET);
    assert!(world.command(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: false,
        delete_branch: false
    }));
    assert!(!world.live.contains_key(&sent.0), "its row ends with its task");
    pass(
        &mut world,
        u32::try_from(delivr_domain::board::UNANSWERED_SECONDS).unwrap(),
    );
    assert!(world.live.contains_key(&sent.0));
    looked(&mut world, sent, &["T-7"]);
    let late: Vec<&str> = world
        .release()
        .board
        .late
        .iter()
        .map(|(_, it)| it.id.as_str())
        .collect();
    assert_eq!(late, ["T-7"]);
    assert!(
        holds(world.release())
            .iter()
            .all(|hold| !matches!(hold, Hold::Drift { .. }))
    );
    assert_eq!(world.aggregates[&world.release].wake_at(), None);
}
