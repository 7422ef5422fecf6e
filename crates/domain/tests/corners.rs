//! Corners where a release, a submission or a rollout could be stuck, doubled or left alone: each was reached once.
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

use common::{World, fresh_facts, plan, run_row};
use delivr_domain::aggregate::{Aggregate, Command as AnyCommand, Input};
use delivr_domain::board::{Owner as _, Permit, StepResult, TaskEvent, TaskState, step_done};
use delivr_domain::effect::{Effect, FactKind, Reference, Topic, Watched};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, EffectId, EffectKey, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{ChatPlan, GatedStage, Purpose};
use delivr_domain::release::command::{Command, Force};
use delivr_domain::release::gate::{self, Context};
use delivr_domain::release::left::{LeftKind, left_behind};
use delivr_domain::release::state::{Phase, Stage, Verdict};
use delivr_domain::report::{
    Cause, Class, Outcome, Performed, Report, ReviewState, ReviewWord, RunProduct, RunResult, RunState,
    Sighting,
};
use delivr_domain::rollout::{self, Rollout};
use delivr_domain::submission;
use delivr_domain::time::Span;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;

/// Answers rows and lets time pass until the world is as wished, leaving some rows alone. Says whether it came so far.
fn run_until(world: &mut World, leave: impl Fn(&Effect) -> bool, wished: impl Fn(&World) -> bool) -> bool {
    for _ in 0..800 {
        world.tick();
        if wished(world) {
            return true;
        }
        let row = world
            .live
            .iter()
            .find(|(_, effect)| !leave(effect))
            .map(|(id, _)| *id);
        match (row, world.next_wake()) {
            (Some(row), _) => run_row(world, row),
            (None, Some(at)) => world.now = world.now.max(at),
            (None, None) => return false,
        }
    }
    false
}

fn of(kind: TaskKind) -> impl Fn(&Effect) -> bool {
    move |effect| effect.key().is_some_and(|key| key.task.kind == kind)
}

fn waits_for(world: &World, wanted: impl Fn(&Effect) -> bool) -> bool {
    world.live.values().any(wanted)
}

const fn is_review(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Watch {
            watched: Watched::Review { .. },
            ..
        }
    )
}

const fn is_rollout_watch(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Watch {
            watched: Watched::Rollout { .. },
            ..
        }
    )
}

fn fail(world: &mut World, kind: TaskKind, outcome: Outcome) {
    let found = world
        .live
        .iter()
        .find(|(_, effect)| matches!(effect, Effect::Perform { .. }) && of(kind)(effect));
    let (row, key): (EffectId, EffectKey) =
        found.map(|(row, effect)| (*row, *effect.key().unwrap())).unwrap();
    let cause = Cause::new("conflict", "a person must look", Class::NeedsHuman);
    let report = Report::Performed {
        key,
        performed: Performed::Failed { cause, outcome },
    };
    world.input(key.owner, Input::Report(&report), Some(row));
}

fn rollouts(world: &World) -> Vec<Rollout> {
    let all = world.aggregates.values().filter_map(|state| match state {
        Aggregate::Rollout(rollout) => Some(rollout.as_ref().clone()),
        _ => None,
    });
    all.collect()
}

fn child(world: &mut World, to: AggregateId, command: &AnyCommand) -> bool {
    world.input(to, Input::Command(command), None)
}

/// A world at the point where the Android bundle's run would be started.
fn at_bundle() -> World {
    let mut world = World::new(plan(&[ANDROID]));
    assert!(run_until(&mut world, of(TaskKind::CreateAabBuild), |world| {
        waits_for(world, of(TaskKind::CreateAabBuild)) && world.live.len() == 1
    }));
    world
}

fn another_pipeline(world: &World) -> Command {
    another(world, Purpose::AabBuild)
}

fn another(world: &World, purpose: Purpose) -> Command {
    let mut plan = world.release().plan().clone();
    let target = plan.targets.get_mut(&ANDROID).unwrap();
    let pipeline = target.pipelines.get_mut(&purpose).unwrap();
    pipeline.job = "another".to_owned();
    pipeline.integration = IntegrationId::from_uuid(uuid::Uuid::from_u128(77));
    Command::Replan { plan: Box::new(plan) }
}

#[test]
fn automation_goes_on_without_a_test_run() {
    let mut world = World::new(plan(&[ANDROID]));
    world.tick();
    fail(&mut world, TaskKind::CreateTestSuite, Outcome::NotDone);
    let task = TaskKey::once(TaskKind::CreateTestSuite).target(ANDROID);
    assert!(world.command(Command::SkipTask {
        task,
        reason: "no test management here".to_owned(),
        force: Force::No
    }));
    assert!(run_until(
        &mut world,
        |_| false,
        |world| world.release().phase() == Phase::Completed
    ));
}

#[test]
fn a_failed_decision_hides_nothing_the_store_shows() {
    let mut world = World::new(plan(&[TargetKey::IosAppStore]));
    assert!(run_until(&mut world, is_rollout_watch, |world| !rollouts(world).is_empty()));
    let id = rollouts(&world)[0].aggregate_id();
    let pause = AnyCommand::Rollout(rollout::Command::Pause {
        reason: "look".to_owned(),
    });
    assert!(child(&mut world, id, &pause));
    fail(&mut world, TaskKind::PauseRollout, Outcome::NotDone);
    assert!(run_until(
        &mut world,
        |_| false,
        |world| rollouts(world)[0].status == rollout::Status::Completed
    ));
    assert!(run_until(
        &mut world,
        |_| false,
        |world| world.release().phase() == Phase::Completed
    ));
}

#[test]
fn a_failed_decision_gives_way_to_the_next_one() {
    let mut world = World::new(plan(&[TargetKey::IosAppStore]));
    assert!(run_until(&mut world, is_rollout_watch, |world| !rollouts(world).is_empty()));
    let id = rollouts(&world)[0].aggregate_id();
    let pause = AnyCommand::Rollout(rollout::Command::Pause {
        reason: "look".to_owned(),
    });
    assert!(child(&mut world, id, &pause));
    fail(&mut world, TaskKind::PauseRollout, Outcome::NotDone);
    let complete = AnyCommand::Rollout(rollout::Command::Complete {
        reason: "all is well".to_owned(),
    });
    assert!(child(&mut world, id, &complete));
    assert!(run_until(&mut world, is_rollout_watch, |world| {
        rollouts(world)[0].status == rollout::Status::Completed
    }));
}

#[test]
fn a_trigger_does_not_outlive_what_it_was_given_for() {
    let mut settings = plan(&[ANDROID]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    assert!(run_until(
        &mut world,
        |_| false,
        |world| world.release().stage == Stage::AwaitingPreRelease
    ));
    fresh_facts(&mut world);
    assert!(world.command(Command::Pause { note: None }));
    assert!(world.command(Command::Trigger {
        stage: GatedStage::PreRelease,
        override_reason: None
    }));
    assert!(world.command(Command::StartCycle));
    assert!(world.command(Command::Resume));
    let cycle = u16::try_from(world.release().cycles.len()).unwrap();
    assert!(world.command(Command::RecordVerdict {
        cycle,
        verdict: Verdict::Failed,
        note: "bad".to_owned()
    }));
    assert!(run_until(
        &mut world,
        |_| false,
        |world| world.release().active_cycle().is_none()
    ));
    run_until(&mut world, |_| false, |_| false);
    assert_eq!(world.release().stage, Stage::AwaitingPreRelease);
}

/// A submission is to be withdrawn while it is handed in, and the hand-in.
fn withdrawn_while_handed_in() -> (World, Effect) {
    let mut world = World::new(plan(&[ANDROID]));
    assert!(run_until(&mut world, of(TaskKind::SubmitForReview), |world| {
        waits_for(world, of(TaskKind::SubmitForReview))
    }));
    let submit = world
        .live
        .values()
        .find(|effect| of(TaskKind::SubmitForReview)(effect))
        .cloned()
        .unwrap();
    let cancel = AnyCommand::Submission(submission::Command::Cancel {
        reason: "a bug".to_owned(),
    });
    assert!(child(&mut world, submit.owner(), &cancel));
    (world, submit)
}

#[test]
fn a_withdrawal_waits_until_it_is_known_what_was_submitted() {
    let (mut world, submit) = withdrawn_while_handed_in();
    assert!(
        !waits_for(&world, of(TaskKind::WithdrawSubmission)),
        "the submission may still arrive"
    );
    let permit = world.aggregates[&submit.owner()].permit(submit.key().unwrap());
    assert_eq!(
        permit,
        delivr_domain::board::Permit::LookUpOnly,
        "nothing new is sent"
    );
    // It had arrived: it is adopted, and then withdrawn.
    run_row(&mut world, submit.id());
    assert!(waits_for(&world, of(TaskKind::WithdrawSubmission)));
}

#[test]
fn a_withdrawal_that_comes_too_late_ends_with_the_version_live() {
    let (mut world, submit) = withdrawn_while_handed_in();
    let owner = submit.owner();
    // It had arrived, but nobody could say so; the store does not let go of what is live.
    fail(&mut world, TaskKind::SubmitForReview, Outcome::Unknown);
    assert!(
        !waits_for(&world, of(TaskKind::AwaitReview)),
        "the withdrawal may still succeed"
    );
    fail(&mut world, TaskKind::WithdrawSubmission, Outcome::NotDone);
    let review = world
        .live
        .values()
        .find(|effect| of(TaskKind::AwaitReview)(effect))
        .cloned()
        .expect("the store is asked how it stands");
    let state = ReviewState {
        word: ReviewWord::Live,
        store_word: "READY_FOR_SALE".to_owned(),
        explanation: None,
    };
    let seen = Report::Seen {
        key: *review.key().unwrap(),
        sighting: Sighting::Review { state },
    };
    world.input(owner, Input::Report(&seen), Some(review.id()));
    let Aggregate::Submission(it) = &world.aggregates[&owner] else {
        panic!("it is a submission");
    };
    assert_eq!(it.status, ReviewWord::Live);
    assert!(
        it.board().iter().all(|task| task.state.over()),
        "{:?}",
        it.board()
    );
}

#[test]
fn a_plan_does_not_change_under_what_only_the_old_one_finds_again() {
    let mut world = at_bundle();
    fail(&mut world, TaskKind::CreateAabBuild, Outcome::Unknown);
    let change = another_pipeline(&world);
    assert!(!world.command(change), "the old run may exist");
    let mut world = at_bundle();
    fail(&mut world, TaskKind::CreateAabBuild, Outcome::NotDone);
    let change = another_pipeline(&world);
    assert!(world.command(change), "nothing was made");
}

#[test]
fn a_wait_that_timed_out_keeps_its_plan() {
    let mut world = World::new(plan(&[ANDROID]));
    let waiting =
        |effect: &Effect| matches!(effect, Effect::Watch { .. }) && of(TaskKind::CreateAabBuild)(effect);
    assert!(run_until(&mut world, waiting, |world| world
        .release()
        .failures()
        .next()
        .is_some()));
    let change = another_pipeline(&world);
    assert!(
        !world.command(change),
        "the run that was accepted belongs to the old job"
    );
}

#[test]
fn automation_that_was_started_is_waited_for_where_it_runs() {
    let mut world = World::new(plan(&[ANDROID]));
    assert!(run_until(
        &mut world,
        of(TaskKind::TriggerAutomationRuns),
        |world| { waits_for(world, of(TaskKind::TriggerAutomationRuns)) }
    ));
    let sent = world
        .live
        .iter()
        .find(|(_, effect)| of(TaskKind::TriggerAutomationRuns)(effect));
    let row = *sent.unwrap().0;
    assert!(world.command(Command::Pause { note: None }));
    // It was under way when the release was paused; nobody waits for the run yet.
    run_row(&mut world, row);
    assert!(!waits_for(&world, of(TaskKind::AutomationRuns)));
    let change = another(&world, Purpose::Automation);
    assert!(
        !world.command(change.clone()),
        "the run is at the old pipeline's CI"
    );
    assert!(world.command(Command::Resume));
    assert!(run_until(&mut world, of(TaskKind::AutomationRuns), |world| {
        waits_for(world, of(TaskKind::AutomationRuns))
    }));
}

#[test]
fn a_rework_does_not_repeat_what_may_exist() {
    let mut world = at_bundle();
    fail(&mut world, TaskKind::CreateAabBuild, Outcome::Unknown);
    let rework = |to| Command::Rework {
        to,
        reason: "x".to_owned(),
    };
    assert!(!world.command(rework(GatedStage::PreRelease)));
    assert!(!world.command(rework(GatedStage::Regression)));
}

#[test]
fn a_suspended_submission_is_over_when_the_next_one_begins() {
    let mut world = World::new(plan(&[ANDROID]));
    assert!(run_until(&mut world, is_review, |world| waits_for(
        world, is_review
    )));
    let key = *world
        .live
        .values()
        .find(|effect| is_review(effect))
        .unwrap()
        .key()
        .unwrap();
    let state = ReviewState {
        word: ReviewWord::Suspended,
        store_word: "SUSPENDED".to_owned(),
        explanation: None,
    };
    let report = Report::Seen {
        key,
        sighting: Sighting::Review { state },
    };
    assert!(world.input(key.owner, Input::Report(&report), None));
    let ship = TaskKey::once(TaskKind::SubmitToStore).target(ANDROID);
    assert!(run_until(&mut world, is_review, |world| {
        matches!(
            world.release().task(&ship).unwrap().state,
            TaskState::Failed { .. }
        )
    }));
    assert!(world.command(Command::RetryTask {
        task: ship,
        force: Force::No
    }));
    assert!(run_until(&mut world, is_review, |world| waits_for(
        world, is_review
    )));
    assert_eq!(world.live.values().filter(|effect| is_review(effect)).count(), 1);
    assert!(run_until(
        &mut world,
        |_| false,
        |world| world.release().phase() == Phase::Completed
    ));
    assert_eq!(rollouts(&world).len(), 1, "one version has one rollout");
}

#[test]
fn nothing_in_a_store_is_closed_over() {
    let mut world = World::new(plan(&[ANDROID]));
    assert!(run_until(&mut world, is_review, |world| waits_for(
        world, is_review
    )));
    assert!(!world.command(Command::CloseRolledBack {
        reason: "x".to_owned()
    }));
    assert_eq!(world.release().stage, Stage::Distribution);
}

/// Found by the simulation: a release whose other target had to be sent back could not come to distribution again.
#[test]
fn a_target_that_is_out_is_asked_for_no_build_of_what_was_tested_later() {
    let mut settings = plan(&[ANDROID]);
    settings.auto_start.remove(&GatedStage::Distribution);
    let mut world = World::new(settings);
    let blocked = |world: &mut World| {
        fresh_facts(world);
        let mut release = world.release().clone();
        release.stage = Stage::AwaitingDistribution;
        for build in &mut release.builds {
            build.sha = Some("b".repeat(40).parse().unwrap());
        }
        let cx = Context {
            now: world.now,
            actor: "pat",
            facts: &world.facts,
        };
        let blockers = gate::blockers(&release, GatedStage::Distribution, &cx);
        blockers.iter().any(|it| it.code == "build_of_other_commit")
    };
    let phase = |phase| move |world: &World| world.release().phase() == phase;
    assert!(run_until(
        &mut world,
        |_| false,
        phase(Phase::AwaitingDistribution)
    ));
    assert!(blocked(&mut world), "it is still to be shipped");
    assert!(world.command(Command::Trigger {
        stage: GatedStage::Distribution,
        override_reason: None,
    }));
    assert!(run_until(&mut world, |_| false, phase(Phase::Completed)));
    assert!(!blocked(&mut world));
}

#[test]
fn a_gate_says_what_was_last_read_and_opens_by_what_is_read_now() {
    let mut settings = plan(&[ANDROID]);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    assert!(run_until(
        &mut world,
        |_| false,
        |it| it.release().stage == Stage::AwaitingPreRelease
    ));
    fresh_facts(&mut world);
    let said = |world: &World, minutes: i64| {
        let cx = Context {
            now: world.now + Span::minutes(minutes),
            actor: "pat",
            facts: &world.facts,
        };
        let found = gate::blockers(world.release(), GatedStage::PreRelease, &cx);
        let of_head = found
            .into_iter()
            .find(|it| matches!(it.code.as_str(), "gate_not_evaluated" | "untested_commits"));
        of_head.map(|it| format!("{} {}", it.code, it.cleared_by))
    };
    assert_eq!(said(&world, 0), None);
    // Long ago it was right: it is read again when somebody goes on. Nothing failed at a vendor.
    assert_eq!(said(&world, 3), Some("gate_not_evaluated MEMBER".to_owned()));
    // Long ago it was wrong: that is what bars the way, not its age.
    let head = world.facts.get_mut(&FactKind::BranchHead).unwrap();
    head.value = "b".repeat(40);
    assert_eq!(said(&world, 0), Some("untested_commits MEMBER".to_owned()));
    assert_eq!(said(&world, 3), Some("untested_commits MEMBER".to_owned()));
    world.facts.clear();
    assert_eq!(said(&world, 0), Some("gate_not_evaluated VENDOR".to_owned()));
}

/// Found by the simulation: of two tickets the first one was closed, and the task was said to be done.
#[test]
fn what_a_skip_finds_done_does_not_make_the_rest_of_its_task_done() {
    let mut world = World::new(plan(&[ANDROID, TargetKey::IosAppStore]));
    let completed = |world: &World| world.release().phase() == Phase::Completed;
    assert!(run_until(&mut world, |_| false, completed));
    let key = TaskKey::once(TaskKind::CloseReleaseTickets);
    let mut task = world.release().task(&key).unwrap().clone();
    assert_eq!(task.steps.len(), 2, "one for each ticket");
    task.skip_after_look_up = Some("not needed".to_owned());
    let found = |step| {
        let reference = Reference::id("T-1");
        step_done(
            world.release(),
            &task,
            step,
            StepResult::Made { reference },
            world.now,
        )
    };
    assert!(matches!(found(0).last(), Some(TaskEvent::Skipped { reason, .. }) if reason == "not needed"));
    assert!(matches!(found(1).last(), Some(TaskEvent::Completed { .. })));
}

#[test]
fn what_an_archive_leaves_at_vendors_is_listed() {
    for clean in [true, false] {
        let mut settings = plan(&[TargetKey::AndroidPlayStore]);
        settings.auto_start.remove(&GatedStage::Distribution);
        let mut world = World::new(settings);
        run_until(
            &mut world,
            |_| false,
            |it| it.release().stage == Stage::AwaitingDistribution,
        );
        assert_eq!(left_behind(world.release()), [], "it is not given up");
        assert!(world.command(Command::Archive {
            reason: "not now".to_owned(),
            close_tickets: clean,
            delete_branch: clean,
        }));
        run_until(&mut world, |_| false, |_| false);
        let left = left_behind(world.release());
        let mut kinds: Vec<LeftKind> = left.iter().map(|it| it.kind).collect();
        kinds.dedup();
        let mut expected = vec![LeftKind::Tag, LeftKind::TestRun, LeftKind::StoreBuild];
        if !clean {
            expected.extend([LeftKind::Branch, LeftKind::Ticket]);
        }
        expected.sort_unstable();
        assert_eq!(kinds, expected);
        let tags = left.iter().filter(|it| it.kind == LeftKind::Tag);
        assert_eq!(tags.count(), 3, "of two cycles and of the release: {left:?}");
    }
}

#[test]
fn a_build_that_came_without_a_file_is_told_as_one() {
    for file in [None, Some("https://ci.example/app.apk".to_owned())] {
        let mut settings = plan(&[ANDROID]);
        settings.chat = Some(ChatPlan {
            integration: IntegrationId::from_uuid(uuid::Uuid::from_u128(6)),
            topics: [Topic::Builds].into(),
        });
        let mut world = World::new(settings);
        let run =
            |it: &Effect| of(TaskKind::TriggerRegressionBuilds)(it) && matches!(it, Effect::Watch { .. });
        assert!(run_until(&mut world, run, |it| waits_for(it, run)));
        let key = *world.live.values().find(|it| run(it)).unwrap().key().unwrap();
        let state = RunState::Ended {
            result: RunResult::Succeeded,
            product: RunProduct {
                url: Some("https://ci.example/12".to_owned()),
                artifact_url: file.clone(),
                ..RunProduct::default()
            },
        };
        let sighting = Sighting::Run { state };
        world.input(key.owner, Input::Report(&Report::Seen { key, sighting }), None);
        let build = world.release().builds.last().unwrap();
        assert_eq!(build.lacks_file(), file.is_none());
        let told = world.live.values().any(|it| {
            matches!(it, Effect::Message { note, .. } if note.kind == "REGRESSION_BUILDS"
                && note.lines.iter().any(|line| line == "no file came with it"))
        });
        assert_eq!(told, file.is_none());
    }
}

/// Tried again while the release is paused, a task has not been looked up yet: sent back now, it would be made anew under
/// another key, beside what its first send may still bring about.
/// The write is given up, and nobody knows what it did.
fn fails_unanswered(world: &mut World, row: EffectId, key: EffectKey) {
    let cause = Cause::new("vendor_unavailable", "nobody listens", Class::NeedsHuman);
    let performed = Performed::Failed {
        cause,
        outcome: Outcome::Unknown,
    };
    let report = Report::Performed { key, performed };
    world.input(key.owner, Input::Report(&report), Some(row));
}

#[test]
fn a_task_of_unknown_outcome_that_is_tried_again_under_a_hold_is_not_sent_back() {
    let mut settings = plan(&[ANDROID]);
    settings.auto_start.remove(&GatedStage::Distribution);
    let mut world = World::new(settings);
    let sends = |it: &Effect| of(TaskKind::CreateAabBuild)(it) && matches!(it, Effect::Perform { .. });
    // Everything else comes to its end.
    run_until(&mut world, sends, |_| false);
    assert!(waits_for(&world, sends));
    let (row, effect) = world.live.iter().find(|(_, it)| sends(it)).unwrap();
    let (row, key) = (*row, *effect.key().unwrap());
    fails_unanswered(&mut world, row, key);
    let rework = || Command::Rework {
        to: GatedStage::PreRelease,
        reason: "the build is bad".to_owned(),
    };
    assert!(!world.command(rework()), "nobody knows what it did");
    assert!(world.command(Command::Pause { note: None }));
    assert!(world.command(Command::RetryTask {
        task: key.task,
        force: Force::No,
    }));
    assert!(!world.command(rework()), "nobody has looked yet");
    assert!(world.command(Command::Resume));
    let known = |it: &World| it.release().stage == Stage::AwaitingDistribution;
    assert!(run_until(&mut world, |_| false, known));
    assert!(world.command(rework()), "it is known now");
}

/// A ticket that may have been made, tried again while the release is paused: nothing has looked for it.
fn ticket_tried_again_under_a_pause() -> (World, EffectId, EffectKey) {
    let mut world = World::new(plan(&[ANDROID]));
    world.tick();
    let sends = of(TaskKind::CreateProjectManagementTicket);
    let (row, effect) = world.live.iter().find(|(_, it)| sends(it)).unwrap();
    let (row, key) = (*row, *effect.key().unwrap());
    fails_unanswered(&mut world, row, key);
    assert!(world.command(Command::Pause { note: None }));
    assert!(world.command(Command::RetryTask {
        task: key.task,
        force: Force::No,
    }));
    assert!(!world.live.contains_key(&row), "held");
    (world, row, key)
}

#[test]
fn what_was_tried_again_under_a_hold_is_looked_for_when_it_is_given_up() {
    let (mut world, row, _) = ticket_tried_again_under_a_pause();
    assert!(world.command(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: false,
        delete_branch: false
    }));
    world.now += Span::seconds(delivr_domain::board::UNANSWERED_SECONDS);
    world.tick();
    assert!(world.live.contains_key(&row), "it may be there");
}

#[test]
fn what_was_tried_again_under_a_hold_is_looked_for_before_it_is_skipped() {
    let (mut world, row, key) = ticket_tried_again_under_a_pause();
    assert!(world.command(Command::SkipTask {
        task: key.task,
        reason: "by hand this time".to_owned(),
        force: Force::No
    }));
    assert!(world.live.contains_key(&row), "looked for, though held");
    let owner = &world.aggregates[&key.owner];
    assert_eq!(owner.permit(&key), Permit::LookUpOnly);
    let report = Report::Performed {
        key,
        performed: Performed::Absent,
    };
    world.input(key.owner, Input::Report(&report), Some(row));
    let task = world.release().board.find(&key.task).unwrap();
    assert!(
        matches!(task.state, TaskState::Skipped { .. }),
        "{:?}",
        task.state
    );
}
