//! The machine as a whole: a release runs to its end, and no order of inputs breaks the engine's properties.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, reason = "shared by test binaries")]
mod common;

use common::{World, answer, fresh_facts, plan, run_row, slot, start};
use delivr_domain::aggregate::Input;
use delivr_domain::board::TaskState;
use delivr_domain::effect::{Effect, FactKind, Reference};
use delivr_domain::key::{EffectId, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{BuildMode, GatedStage};
use delivr_domain::ports::store::Fact;
use delivr_domain::release::command::{Command, Force};
use delivr_domain::release::hold::{Hold, Scope, holds};
use delivr_domain::release::state::{Decision, Phase, Verdict};
use delivr_domain::release::store_notes::longest;
use delivr_domain::report::{
    Cause, Class, Outcome, Performed, Report, RunProduct, RunResult, RunState, Sighting,
};
use delivr_domain::time::Span;
use proptest::prelude::*;

const BOTH: [TargetKey; 2] = [TargetKey::AndroidPlayStore, TargetKey::IosAppStore];

/// Runs everything that is live or due until nothing moves any more.
fn run_to_rest(world: &mut World) {
    for _ in 0..500 {
        world.tick();
        if let Some(row) = world.live.keys().next().copied() {
            run_row(world, row);
            continue;
        }
        match world.next_wake() {
            Some(at) if at > world.now => world.now = at,
            Some(_) => {}
            None => return,
        }
    }
    let cx = delivr_domain::release::gate::Context {
        now: world.now,
        actor: "pat",
        facts: &world.facts,
    };
    let closed = |stage: &GatedStage| delivr_domain::release::gate::blockers(world.release(), *stage, &cx);
    panic!(
        "no rest after 500 rounds in {}: {:?}",
        world.release().phase(),
        GatedStage::ALL.iter().map(closed).collect::<Vec<_>>()
    );
}

#[test]
fn a_release_with_both_stores_runs_from_kickoff_to_completed() {
    let mut world = World::new(plan(&BOTH));
    world.tick();
    run_to_rest(&mut world);
    let release = world.release();
    assert_eq!(release.phase(), Phase::Completed, "{:?}", holds(release));
    assert_eq!(release.cycles.len(), 2, "two slots an hour apart make two cycles");
    assert!(
        release
            .cycles
            .iter()
            .all(|cycle| cycle.verdict == Verdict::Passed)
    );
    assert_eq!(release.tag.as_ref().unwrap().as_str(), "v1.4.0");
    assert!(
        world.made.values().all(|times| *times == 1),
        "every write ran once"
    );
}

#[test]
fn two_overdue_slots_coalesce_into_one_cycle() {
    let mut world = World::new(plan(&[TargetKey::AndroidPlayStore]));
    world.now = start() + Span::hours(5);
    run_to_rest(&mut world);
    assert_eq!(world.release().cycles.len(), 1);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn a_slot_added_after_regression_reopens_it() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::AwaitingPreRelease);
    let at = world.now + Span::minutes(10);
    assert!(world.command(Command::AddSlot { slot: slot(300, at) }));
    assert_eq!(world.release().phase(), Phase::RegressionAwaitingNextCycle);
    run_to_rest(&mut world);
    assert_eq!(world.release().cycles.len(), 3);
    assert_eq!(world.release().phase(), Phase::AwaitingPreRelease);
}

#[test]
fn an_untested_commit_closes_the_gate_until_it_is_overridden() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    let now = world.now;
    world.facts.insert(
        FactKind::BranchHead,
        Fact {
            value: "b".repeat(40),
            observed_at: now,
        },
    );
    assert!(!world.command(Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: None
    }));
    assert_eq!(world.release().phase(), Phase::AwaitingPreRelease);
    assert!(world.command(Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: Some("known".to_owned())
    }));
    assert_eq!(world.release().phase(), Phase::PreRelease);
}

#[test]
fn an_old_fact_is_no_fact() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    fresh_facts(&mut world);
    world.now += Span::seconds(121);
    assert!(!world.command(Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: None
    }));
    fresh_facts(&mut world);
    assert!(world.command(Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: None
    }));
}

#[test]
fn a_quorum_counts_each_person_once_and_a_rejection_takes_it_back() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    settings.quorum.insert(GatedStage::PreRelease, 1);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    fresh_facts(&mut world);
    let trigger = || Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: None,
    };
    assert!(!world.command(trigger()));
    let decide = |decision, comment: Option<&str>| Command::Decide {
        stage: GatedStage::PreRelease,
        decision,
        comment: comment.map(ToOwned::to_owned),
    };
    assert!(world.command(decide(Decision::Approved, None)));
    for unsaid in [None, Some(" ")] {
        let refused = !world.command(decide(Decision::Rejected, unsaid));
        assert!(refused, "a rejection says why: {unsaid:?}");
    }
    assert!(world.command(decide(Decision::Rejected, Some("a crash at the start"))));
    assert!(!world.command(trigger()));
    assert!(world.command(decide(Decision::Approved, None)));
    assert!(world.command(trigger()));
    assert_eq!(world.release().phase(), Phase::PreRelease);
}

fn fail(world: &mut World, kind: TaskKind, outcome: Outcome) {
    let row = world
        .live
        .iter()
        .find(|(_, effect)| effect.key().is_some_and(|key| key.task.kind == kind))
        .map(|(id, _)| *id)
        .unwrap();
    let key = *world.live[&row].key().unwrap();
    let cause = Cause::new("conflict", "a person must look", Class::NeedsHuman);
    world.input(
        key.owner,
        Input::Report(&Report::Performed {
            key,
            performed: Performed::Failed { cause, outcome },
        }),
        Some(row),
    );
}

#[test]
fn a_pause_during_a_failure_and_a_retry_lift_only_their_own_hold() {
    let mut world = World::new(plan(&[TargetKey::AndroidPlayStore]));
    fail(&mut world, TaskKind::CreateTestSuite, Outcome::NotDone);
    assert!(world.command(Command::Pause { note: None }));
    let words = |world: &World| holds(world.release()).iter().map(Hold::word).collect::<Vec<_>>();
    assert_eq!(words(&world), vec!["USER_PAUSED", "TASK_FAILED"]);
    assert!(world.command(Command::Resume));
    assert_eq!(words(&world), vec!["TASK_FAILED"]);
    let task = TaskKey::once(TaskKind::CreateTestSuite).target(TargetKey::AndroidPlayStore);
    assert!(world.command(Command::RetryTask {
        task,
        force: Force::No
    }));
    assert!(words(&world).is_empty());
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn a_retry_keeps_the_key_unless_the_object_is_spent() {
    let mut world = World::new(plan(&[TargetKey::AndroidPlayStore]));
    let task = TaskKey::once(TaskKind::CreateTestSuite).target(TargetKey::AndroidPlayStore);
    let before: Vec<EffectId> = world.live.keys().copied().collect();
    fail(&mut world, TaskKind::CreateTestSuite, Outcome::Unknown);
    world.command(Command::RetryTask {
        task,
        force: Force::No,
    });
    assert_eq!(
        before,
        world.live.keys().copied().collect::<Vec<_>>(),
        "same key, same row"
    );
    fail(&mut world, TaskKind::CreateTestSuite, Outcome::Spent);
    world.command(Command::RetryTask {
        task,
        force: Force::No,
    });
    assert_ne!(
        before,
        world.live.keys().copied().collect::<Vec<_>>(),
        "a spent object gets a new key"
    );
}

#[test]
fn a_failed_build_leaves_the_other_platform_alone_and_runs_anew_under_a_new_key() {
    let mut settings = plan(&BOTH);
    settings.pre_regression_builds = false;
    let mut world = World::new(settings);
    world.now = start() + Span::hours(1);
    let build = TaskKey::once(TaskKind::TriggerRegressionBuilds)
        .target(TargetKey::IosAppStore)
        .cycle(1);
    while !matches!(
        world.release().task(&build).map(|task| &task.state),
        Some(TaskState::AwaitingCallback { .. })
    ) {
        world.tick();
        let row = world.live.keys().next().copied().unwrap();
        let ios_run = matches!(world.live[&row].key(), Some(key) if key.task == build && matches!(world.live[&row], Effect::Watch { .. }));
        assert!(!ios_run);
        run_row(&mut world, row);
    }
    let (row, key) = world
        .live
        .iter()
        .find_map(|(row, effect)| {
            effect
                .key()
                .filter(|key| key.task == build)
                .map(|key| (*row, *key))
        })
        .unwrap();
    let state = RunState::Ended {
        result: RunResult::Failed,
        product: RunProduct::default(),
    };
    world.input(
        world.release,
        Input::Report(&Report::Seen {
            key,
            sighting: Sighting::Run { state },
        }),
        None,
    );
    assert!(!world.live.contains_key(&row), "the wait is over");
    run_to_rest(&mut world);
    let android = TaskKey::once(TaskKind::TriggerRegressionBuilds)
        .target(TargetKey::AndroidPlayStore)
        .cycle(1);
    assert!(world.release().task(&android).unwrap().state.settled());
    assert_eq!(world.release().phase(), Phase::Regression);
    world.command(Command::RetryTask {
        task: build,
        force: Force::No,
    });
    assert_eq!(world.release().task(&build).unwrap().generation.0, 1);
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn an_abandoned_cycle_is_not_what_the_gate_reads() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    assert!(world.command(Command::StartCycle));
    assert_eq!(world.release().cycles.len(), 3);
    assert!(world.command(Command::AbandonCycle {
        cycle: 3,
        reason: "wrong commit".to_owned()
    }));
    assert_eq!(world.release().judged_cycle().unwrap().number, 2);
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::AwaitingPreRelease);
}

#[test]
fn an_archive_cancels_runs_and_cleans_up_as_asked() {
    let mut world = World::new(plan(&[TargetKey::AndroidPlayStore]));
    let waiting = |world: &World| {
        world
            .release()
            .board
            .iter()
            .any(|task| task.accepted_run().is_some())
    };
    while !waiting(&world) {
        world.tick();
        let row = world.live.keys().next().copied().unwrap();
        run_row(&mut world, row);
    }
    assert!(world.command(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: true,
        delete_branch: true
    }));
    assert!(
        world
            .live
            .values()
            .any(|effect| matches!(effect, Effect::CancelRun { .. }))
    );
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Archived);
    let cleaned = world
        .release()
        .board
        .find(&TaskKey::once(TaskKind::CleanupDeleteBranch))
        .unwrap();
    assert!(cleaned.state.settled());
    assert!(!world.command(Command::Resume), "an archived release is closed");
}

/// One thing that happens when all goes well: a row is answered, or time passes.
fn step_ahead(world: &mut World) {
    world.tick();
    if let Some(row) = world.live.keys().next().copied() {
        run_row(world, row);
    } else if let Some(at) = world.next_wake() {
        world.now = world.now.max(at);
    }
}

/// A world whose release waits to enter DISTRIBUTION.
fn before_distribution() -> World {
    let mut settings = plan(&BOTH);
    settings.auto_start.remove(&GatedStage::Distribution);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::AwaitingDistribution);
    world
}

fn rework(to: GatedStage) -> Command {
    Command::Rework {
        to,
        reason: "the build crashes".to_owned(),
    }
}

#[test]
fn a_release_without_a_regression_cycle_ships_the_branchs_head() {
    for publishes_releases in [true, false] {
        let mut settings = plan(&BOTH);
        settings.allow_zero_cycles = true;
        settings.scm.publishes_releases = publishes_releases;
        let mut world = World::without_slots(settings);
        run_to_rest(&mut world);
        let release = world.release();
        assert_eq!(release.phase(), Phase::Completed, "{:?}", holds(release));
        assert!(release.cycles.is_empty());
        assert_eq!(release.tag.as_ref().unwrap().as_str(), "v1.4.0");
        assert_eq!(release.shipped_sha().unwrap().as_str(), "a".repeat(40));
    }
}

#[test]
fn a_rework_from_regression_tests_and_tags_a_new_commit_and_needs_its_own_approval() {
    let mut world = before_distribution();
    assert!(world.command(rework(GatedStage::Regression)));
    assert_eq!(world.release().phase(), Phase::Regression);
    assert_eq!(world.release().cycles.len(), 3);
    assert_eq!(
        world.release().tag,
        None,
        "no tag is meant until the new one is made"
    );
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::AwaitingDistribution);
    assert_eq!(
        world.release().tag.as_ref().unwrap().as_str(),
        "v1.4.0+1",
        "tags never move"
    );
    fresh_facts(&mut world);
    assert!(world.command(Command::Trigger {
        stage: GatedStage::Distribution,
        override_reason: None
    }));
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
}

#[test]
fn a_rework_from_pre_release_builds_anew_and_keeps_the_tag() {
    let mut world = before_distribution();
    let builds = world.release().builds.len();
    assert!(world.command(rework(GatedStage::PreRelease)));
    assert_eq!(world.release().phase(), Phase::PreRelease);
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::AwaitingDistribution);
    assert_eq!(world.release().tag.as_ref().unwrap().as_str(), "v1.4.0");
    assert_eq!(world.release().builds.len(), builds + 2);
    let tag = TaskKey::once(TaskKind::CreateReleaseTag);
    assert_eq!(world.release().task(&tag).unwrap().generation.0, 0);
}

#[test]
fn nothing_goes_back_while_it_is_under_way_or_before_there_is_anything_to_repeat() {
    let mut world = World::new(plan(&BOTH));
    assert!(
        !world.command(rework(GatedStage::PreRelease)),
        "nothing has been built yet"
    );
    let building = |world: &World| {
        let kind = TaskKind::CreateAabBuild;
        world
            .release()
            .board
            .iter()
            .any(|task| task.key.kind == kind && task.accepted_run().is_some())
    };
    for _ in 0..500 {
        if building(&world) {
            break;
        }
        step_ahead(&mut world);
    }
    assert!(building(&world));
    assert!(
        !world.command(rework(GatedStage::Regression)),
        "a run is under way"
    );
}

#[test]
fn an_approval_given_before_a_rework_counts_no_more() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    settings.auto_start.remove(&GatedStage::Distribution);
    settings.quorum.insert(GatedStage::Distribution, 1);
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    assert!(world.command(Command::Decide {
        stage: GatedStage::Distribution,
        decision: Decision::Approved,
        comment: None
    }));
    assert!(world.command(rework(GatedStage::PreRelease)));
    run_to_rest(&mut world);
    fresh_facts(&mut world);
    assert!(!world.command(Command::Trigger {
        stage: GatedStage::Distribution,
        override_reason: None
    }));
}

#[test]
fn a_plan_is_taken_up_anew_as_far_as_it_has_not_happened() {
    let mut world = before_distribution();
    let mut changed = world.release().plan().clone();
    changed.auto_start.insert(GatedStage::Distribution);
    changed.deadlines.poll_seconds = 99;
    let take_up = |plan: &delivr_domain::plan::Plan| Command::Replan {
        plan: Box::new(plan.clone()),
    };
    let mut late = changed.clone();
    late.scm.branch = "other/{version}".parse().unwrap();
    let found = delivr_domain::release::command::changes(world.release(), &late);
    let refused: Vec<&str> = found
        .iter()
        .filter(|change| change.refused.is_some())
        .map(|change| change.pointer.as_str())
        .collect();
    assert_eq!(refused, ["/scm/branch"]);
    assert!(!world.command(take_up(&late)), "the branch exists already");
    assert!(world.command(take_up(&changed)));
    assert_eq!(world.release().plan().deadlines.poll_seconds, 99);
    run_to_rest(&mut world);
    assert_eq!(
        world.release().phase(),
        Phase::Completed,
        "the stage starts by itself now"
    );
}

#[test]
fn what_is_in_a_store_is_not_archived_and_what_is_out_is_closed_with_a_word() {
    let mut settings = plan(&[TargetKey::AndroidPlayStore]);
    for target in settings.targets.values_mut() {
        target.settings.submit = delivr_domain::plan::SubmitMode::ByPerson;
    }
    let mut world = World::new(settings);
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Distribution);
    let archive = || Command::Archive {
        reason: "x".to_owned(),
        close_tickets: false,
        delete_branch: false,
    };
    assert!(
        !world.command(archive()),
        "a submission nobody watches over would go on"
    );

    let mut world = World::new(plan(&[TargetKey::AndroidPlayStore]));
    run_to_rest(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);
    assert!(!world.command(archive()), "its users have it");
    assert!(world.command(Command::CloseRolledBack {
        reason: "1.4.1 replaced it".to_owned()
    }));
    assert_eq!(world.release().phase(), Phase::RolledBack);
}

#[derive(Debug, Clone)]
enum Move {
    Row(usize),
    Doubled(usize),
    Fail(usize, u8),
    Park(usize),
    BadRun(usize),
    Clock(u32),
    Tick,
    Pause,
    Resume,
    Block,
    Unblock,
    Retry(usize, bool),
    Skip(usize),
    Cycle,
    Abandon,
    Slot(u8, u16),
    Trigger(u8),
    Facts,
    Archive,
    Upload(usize),
    ByHand(usize, bool),
    Mode(bool, bool),
    Rework(bool),
    Replan(u8),
    Notes(bool, u8),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        12 => any::<usize>().prop_map(Move::Row),
        2 => any::<usize>().prop_map(Move::Doubled),
        2 => (any::<usize>(), 0u8..3).prop_map(|(row, outcome)| Move::Fail(row, outcome)),
        2 => any::<usize>().prop_map(Move::Park),
        2 => any::<usize>().prop_map(Move::BadRun),
        3 => (0u32..7_200).prop_map(Move::Clock),
        3 => Just(Move::Tick),
        1 => Just(Move::Pause),
        2 => Just(Move::Resume),
        1 => Just(Move::Block),
        2 => Just(Move::Unblock),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(task, force)| Move::Retry(task, force)),
        1 => any::<usize>().prop_map(Move::Skip),
        1 => Just(Move::Cycle),
        1 => Just(Move::Abandon),
        1 => (any::<u8>(), any::<u16>()).prop_map(|(id, minutes)| Move::Slot(id, minutes)),
        2 => (0u8..3).prop_map(Move::Trigger),
        3 => Just(Move::Facts),
        1 => any::<usize>().prop_map(Move::Upload),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(task, named)| Move::ByHand(task, named)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(ios, manual)| Move::Mode(ios, manual)),
        1 => Just(Move::Archive),
        3 => any::<bool>().prop_map(Move::Rework),
        2 => any::<u8>().prop_map(Move::Replan),
        2 => (any::<bool>(), 0u8..3).prop_map(|(ios, text)| Move::Notes(ios, text)),
    ]
}

/// A row that can be claimed: a parked one waits for settle.
fn pick(world: &World, index: usize) -> Option<EffectId> {
    let parked = |key: &delivr_domain::key::EffectKey| {
        world.aggregates[&key.owner]
            .owner()
            .board()
            .find(&key.task)
            .is_some_and(|task| task.parked)
    };
    let rows: Vec<EffectId> = world
        .live
        .iter()
        .filter(|(_, effect)| !effect.key().is_some_and(parked))
        .map(|(row, _)| *row)
        .collect();
    (!rows.is_empty()).then(|| rows[index % rows.len()])
}

fn task_at(world: &World, index: usize) -> Option<TaskKey> {
    let board = &world.release().board;
    let count = board.iter().count();
    (count > 0).then(|| board.iter().nth(index % count).unwrap().key)
}

fn play(world: &mut World, step: &Move, archived: &mut bool) {
    match step {
        Move::Row(index) => {
            if let Some(row) = pick(world, *index) {
                run_row(world, row);
            }
        }
        Move::Doubled(index) => {
            // The same answer twice, the second one long after the row has ended.
            if let Some((to, report)) = pick(world, *index)
                .and_then(|row| answer(&world.live[&row].clone()).map(|it| (row, it)))
                .map(|(row, it)| {
                    run_row(world, row);
                    it
                })
            {
                world.input(to, Input::Report(&report), None);
            }
        }
        Move::Fail(index, outcome) => {
            let Some(row) = pick(world, *index) else { return };
            if let Effect::Perform { key, .. } = world.live[&row].clone() {
                let outcome = [Outcome::NotDone, Outcome::Unknown, Outcome::Spent][usize::from(*outcome)];
                let cause = Cause::new("conflict", "a person must look", Class::NeedsHuman);
                let report = Report::Performed {
                    key,
                    performed: Performed::Failed { cause, outcome },
                };
                world.input(key.owner, Input::Report(&report), Some(row));
            }
        }
        Move::Park(index) => {
            // A worker parks only what a hold reaches, and its row stays.
            let Some(row) = pick(world, *index) else { return };
            if let Effect::Perform { key, .. } = world.live[&row].clone()
                && world.aggregates[&key.owner].permit(&key) == delivr_domain::board::Permit::LookUpOnly
            {
                let absent = world.aggregates[&key.owner]
                    .owner()
                    .board()
                    .find(&key.task)
                    .unwrap()
                    .looks_first();
                let performed = if absent {
                    Performed::Absent
                } else {
                    Performed::Parked
                };
                let ends = absent.then_some(row);
                world.input(
                    key.owner,
                    Input::Report(&Report::Performed { key, performed }),
                    ends,
                );
            }
        }
        Move::BadRun(index) => {
            let Some(row) = pick(world, *index) else { return };
            if let Effect::Watch { key, .. } = world.live[&row].clone() {
                let state = RunState::Ended {
                    result: RunResult::Cancelled,
                    product: RunProduct::default(),
                };
                world.input(
                    key.owner,
                    Input::Report(&Report::Seen {
                        key,
                        sighting: Sighting::Run { state },
                    }),
                    None,
                );
            }
        }
        Move::Clock(seconds) => {
            world.now += Span::seconds(i64::from(*seconds));
            world.tick();
        }
        Move::Tick => world.tick(),
        Move::Pause => {
            let _ = world.command(Command::Pause { note: None });
        }
        Move::Resume => {
            let _ = world.command(Command::Resume);
        }
        Move::Block => {
            let _ = world.command(Command::Block {
                reason: "x".to_owned(),
                scope: Scope::Production,
            });
        }
        Move::Unblock => {
            let _ = world.command(Command::Unblock);
        }
        Move::Retry(index, force) => {
            let force = if *force { Force::AcceptDuplicate } else { Force::No };
            if let Some(task) = task_at(world, *index) {
                world.command(Command::RetryTask { task, force });
            }
        }
        Move::Skip(index) => {
            if let Some(task) = task_at(world, *index) {
                world.command(Command::SkipTask {
                    task,
                    reason: "not needed".to_owned(),
                    force: Force::No,
                });
            }
        }
        Move::ByHand(index, named) => {
            if let Some(task) = task_at(world, *index) {
                world.command(Command::CompleteTask {
                    task,
                    reason: "done by hand".to_owned(),
                    reference: named.then(|| Reference::id("by-hand")),
                    force: Force::No,
                });
            }
        }
        Move::Mode(ios, manual) => {
            let target = BOTH[usize::from(*ios)];
            let mode = if *manual {
                BuildMode::Manual
            } else {
                BuildMode::Pipeline
            };
            world.command(Command::ChangeBuildMode { target, mode });
        }
        Move::Cycle => {
            let _ = world.command(Command::StartCycle);
        }
        Move::Abandon => {
            if let Some(cycle) = world.release().active_cycle().map(|cycle| cycle.number) {
                world.command(Command::AbandonCycle {
                    cycle,
                    reason: "no".to_owned(),
                });
            }
        }
        Move::Slot(id, minutes) => {
            let at = world.now + Span::minutes(i64::from(*minutes));
            world.command(Command::AddSlot {
                slot: slot(1_000 + u128::from(*id), at),
            });
        }
        Move::Trigger(stage) => {
            let stage = GatedStage::ALL[usize::from(*stage)];
            world.command(Command::Trigger {
                stage,
                override_reason: Some("test".to_owned()),
            });
        }
        Move::Facts => fresh_facts(world),
        Move::Archive => {
            *archived |= world.command(Command::Archive {
                reason: "x".to_owned(),
                close_tickets: true,
                delete_branch: true,
            });
        }
        Move::Rework(far) => {
            let to = if *far {
                GatedStage::Regression
            } else {
                GatedStage::PreRelease
            };
            world.command(Command::Rework {
                to,
                reason: "bad build".to_owned(),
            });
        }
        Move::Replan(what) => {
            let mut plan = world.release().plan().clone();
            for (bit, stage) in GatedStage::ALL.iter().enumerate() {
                if what & (1 << bit) != 0 {
                    plan.auto_start.remove(stage);
                } else {
                    plan.auto_start.insert(*stage);
                }
            }
            plan.deadlines.poll_seconds = u32::from(*what) + 1;
            world.command(Command::Replan { plan: Box::new(plan) });
        }
        Move::Notes(ios, text) => {
            let target = BOTH[usize::from(*ios)];
            let longest = longest(target.channel()).unwrap();
            let text = match text {
                0 => None,
                1 => Some("Faster".to_owned()),
                _ => Some("x".repeat(longest + 1)),
            };
            let too_long = text.as_ref().is_some_and(|text| text.len() > longest);
            let texts = [("de-DE".parse().unwrap(), text)].into();
            let taken = world.command(Command::ChangeStoreNotes { target, texts });
            assert!(!(taken && too_long), "no store takes it");
        }
        Move::Upload(index) => {
            if let Some(task) = task_at(world, *index) {
                let product = RunProduct {
                    build_number: Some("9".to_owned()),
                    sha: "a".repeat(40).parse().ok(),
                    ..RunProduct::default()
                };
                world.command(Command::UploadBuild { task, product });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: settling ends, the fold of the events is the state, and the rows are exactly
    /// what the state has outstanding (checked by `World` after every input).
    #[test]
    fn no_order_of_inputs_breaks_the_properties(steps in proptest::collection::vec(moves(), 1..90), android_only in any::<bool>(), ahead in prop_oneof![3 => Just(0usize), 1 => 40usize..160]) {
        let targets: &[TargetKey] = if android_only { &BOTH[..1] } else { &BOTH };
        let mut world = World::new(plan(targets));
        let mut archived = false;
        // Later stages are far away for a random walk: some walks begin near them.
        for _ in 0..ahead {
            step_ahead(&mut world);
        }
        for step in &steps {
            play(&mut world, step, &mut archived);
        }
        world.check();
        if archived {
            prop_assert!(world.release().terminal());
        }
    }
}
