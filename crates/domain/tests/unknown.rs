//! What was sent with an unknown outcome is looked for before anything takes its place; and what is built is what the
//! branch has when it is built.
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

use common::{World, plan, run_row};
use delivr_domain::aggregate::{Aggregate, Event as Any, Input};
use delivr_domain::board::{Output, Permit, StepKind, Task, TaskEvent, TaskState, UNANSWERED_SECONDS};
use delivr_domain::effect::{CicdWrite, Effect, Operation, Reference};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{EffectId, EffectKey, Generation, TargetKey, TaskKind};
use delivr_domain::plan::BuildMode;
use delivr_domain::release::command::{Command, Force};
use delivr_domain::release::event::Event;
use delivr_domain::report::{
    Cause, Class, Finding, Outcome, Performed, Report, Resolved, RunProduct, RunResult, RunState, Sighting,
    UNSURE,
};
use delivr_domain::time::Span;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const PRE: TaskKind = TaskKind::TriggerPreRegressionBuilds;
const TICKET: TaskKind = TaskKind::CreateProjectManagementTicket;
const BUILD: TaskKind = TaskKind::TriggerRegressionBuilds;

fn task_of(world: &World, kind: TaskKind) -> &Task {
    let mut found = world.release().board.iter().filter(|it| it.key.kind == kind);
    found.next().expect("a task")
}

fn rows(world: &World, kind: TaskKind) -> Vec<(EffectId, Effect)> {
    let of = |effect: &Effect| effect.key().is_some_and(|key| key.task.kind == kind);
    let live = world.live.iter().filter(|(_, effect)| of(effect));
    live.map(|(row, effect)| (*row, effect.clone())).collect()
}

fn row(world: &World, kind: TaskKind) -> (EffectId, Effect) {
    let mut all = rows(world, kind);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Answers other tasks' rows, and passes dates, until the task has a row of this word.
fn until(world: &mut World, kind: TaskKind, word: &str) {
    for _ in 0..200 {
        world.tick();
        if rows(world, kind).iter().any(|(_, effect)| effect.word() == word) {
            return;
        }
        match (world.live.keys().next().copied(), world.next_wake()) {
            (Some(row), _) => run_row(world, row),
            (None, Some(at)) if at > world.now => world.now = at,
            (None, _) => break,
        }
    }
    panic!("{kind} never came to a {word}");
}

fn at(kind: TaskKind, word: &str) -> World {
    let mut world = World::new(plan(&[ANDROID]));
    until(&mut world, kind, word);
    world
}

fn performed(world: &mut World, kind: TaskKind, performed: Performed) {
    let (row, effect) = row(world, kind);
    let key = *effect.key().unwrap();
    world.input(
        key.owner,
        Input::Report(&Report::Performed { key, performed }),
        Some(row),
    );
}

fn fail(world: &mut World, kind: TaskKind, outcome: Outcome) {
    let cause = Cause::new("conflict", "a person must look", Class::NeedsHuman);
    performed(world, kind, Performed::Failed { cause, outcome });
}

fn found(world: &mut World, kind: TaskKind, id: &str) {
    let reference = Reference::id(id);
    performed(world, kind, Performed::Done { reference });
}

fn head(world: &mut World, sha: &str) {
    let (row, effect) = row(world, PRE);
    assert_eq!(effect.word(), "RESOLVE");
    let key = *effect.key().unwrap();
    let finding = Finding::Head {
        sha: sha.repeat(40).parse().unwrap(),
    };
    let resolved = Resolved::Found { finding };
    world.input(
        key.owner,
        Input::Report(&Report::Resolved { key, resolved }),
        Some(row),
    );
}

fn run_ends(world: &mut World, kind: TaskKind, result: RunResult) {
    let (_, effect) = row(world, kind);
    let key = *effect.key().unwrap();
    let product = RunProduct::default();
    let sighting = Sighting::Run {
        state: RunState::Ended { result, product },
    };
    world.input(key.owner, Input::Report(&Report::Seen { key, sighting }), None);
}

fn retry(world: &mut World, kind: TaskKind) {
    let task = task_of(world, kind).key;
    let force = Force::No;
    assert!(world.command(Command::RetryTask { task, force }));
}

fn complete(world: &mut World, kind: TaskKind, named: Option<&str>) {
    let command = Command::CompleteTask {
        task: task_of(world, kind).key,
        reason: "done by hand".to_owned(),
        reference: named.map(Reference::id),
        force: Force::No,
    };
    assert!(world.command(command));
}

/// What the write under way would start, and whether it may.
fn write(world: &World, kind: TaskKind) -> (EffectKey, String, Permit) {
    let (_, effect) = row(world, kind);
    let Effect::Perform { key, operation, .. } = effect else {
        panic!("no write: {effect:?}");
    };
    let sha = match operation {
        Operation::Cicd(CicdWrite::TriggerRun { sha, .. }) => sha.as_str()[..1].to_owned(),
        _ => String::new(),
    };
    let permit = world.aggregates[&world.release].permit(&key);
    (key, sha, permit)
}

fn late(world: &World) -> Vec<&str> {
    let late = &world.release().board.late;
    late.iter().map(|(_, reference)| reference.id.as_str()).collect()
}

fn by_hand(world: &World, kind: TaskKind) -> bool {
    matches!(
        task_of(world, kind).state,
        TaskState::Completed {
            output: Output::ByHand { .. }
        }
    )
}

#[test]
fn a_failed_build_is_run_anew_at_the_head_that_the_branch_has_then() {
    let mut world = at(PRE, "PERFORM");
    let (first, sha, _) = write(&world, PRE);
    assert_eq!(sha, "a");
    found(&mut world, PRE, "run-1");
    run_ends(&mut world, PRE, RunResult::Failed);
    retry(&mut world, PRE);
    head(&mut world, "b");
    let (key, sha, permit) = write(&world, PRE);
    assert_eq!((sha.as_str(), permit), ("b", Permit::Write));
    assert_eq!(
        (key.generation, key.step),
        (first.generation.next(), first.step),
        "another run"
    );
    // A crash between the two leaves the one or the other row; a head that is read again then changes nothing more.
    let finding = Finding::Head {
        sha: "c".repeat(40).parse().unwrap(),
    };
    let again = Report::Resolved {
        key: EffectKey { step: 0, ..key },
        resolved: Resolved::Found { finding },
    };
    world.input(key.owner, Input::Report(&again), None);
    assert_eq!(write(&world, PRE).1, "b");
    found(&mut world, PRE, "run-2");
    run_ends(&mut world, PRE, RunResult::Succeeded);
    assert!(task_of(&world, PRE).state.settled());
    assert!(late(&world).is_empty());
}

#[test]
fn a_run_that_was_never_started_reads_the_head_anew_and_keeps_its_key() {
    let mut world = at(PRE, "PERFORM");
    let (first, _, _) = write(&world, PRE);
    fail(&mut world, PRE, Outcome::NotDone);
    retry(&mut world, PRE);
    head(&mut world, "b");
    let (key, sha, permit) = write(&world, PRE);
    assert_eq!((key, sha.as_str(), permit), (first, "b", Permit::Write));
}

#[test]
fn an_integration_that_works_again_reads_the_head_anew_too() {
    let mut world = at(PRE, "PERFORM");
    let integration = IntegrationId::from_uuid(uuid::Uuid::from_u128(2));
    let cause = Cause {
        integration: Some(integration),
        ..Cause::new("unauthorised", "a new token is needed", Class::NeedsHuman)
    };
    let outcome = Outcome::NotDone;
    performed(&mut world, PRE, Performed::Failed { cause, outcome });
    assert!(world.command(Command::IntegrationRestored { integration }));
    head(&mut world, "b");
    assert_eq!(write(&world, PRE).1, "b");
}

#[test]
fn an_unknown_run_is_looked_for_at_its_commit_before_the_head_is_read_anew() {
    let mut world = at(PRE, "PERFORM");
    let (first, _, _) = write(&world, PRE);
    fail(&mut world, PRE, Outcome::Unknown);
    retry(&mut world, PRE);
    let (key, sha, permit) = write(&world, PRE);
    assert_eq!(
        (key, sha.as_str(), permit),
        (first, "a", Permit::LookUpOnly),
        "the old commit, and nothing is sent"
    );
    performed(&mut world, PRE, Performed::Absent);
    head(&mut world, "b");
    let (key, sha, permit) = write(&world, PRE);
    assert_eq!((key, sha.as_str(), permit), (first, "b", Permit::Write));
}

#[test]
fn an_unknown_run_that_is_found_goes_on_and_no_head_is_read() {
    let mut world = at(PRE, "PERFORM");
    fail(&mut world, PRE, Outcome::Unknown);
    retry(&mut world, PRE);
    found(&mut world, PRE, "run-1");
    assert_eq!(row(&world, PRE).1.word(), "WATCH");
    run_ends(&mut world, PRE, RunResult::Succeeded);
    assert!(task_of(&world, PRE).state.settled());
}

#[test]
fn an_unknown_run_whose_look_up_fails_stays_unknown_and_is_looked_for_again() {
    let mut world = at(PRE, "PERFORM");
    fail(&mut world, PRE, Outcome::Unknown);
    for _ in 0..2 {
        retry(&mut world, PRE);
        assert_eq!(write(&world, PRE).2, Permit::LookUpOnly);
        fail(&mut world, PRE, Outcome::Unknown);
        assert!(rows(&world, PRE).is_empty());
    }
}

#[test]
fn a_pause_lets_the_look_up_through_and_keeps_the_new_try() {
    let mut world = at(PRE, "PERFORM");
    fail(&mut world, PRE, Outcome::Unknown);
    assert!(world.command(Command::Pause { note: None }));
    retry(&mut world, PRE);
    assert_eq!(write(&world, PRE).2, Permit::LookUpOnly);
    performed(&mut world, PRE, Performed::Absent);
    assert!(rows(&world, PRE).is_empty(), "nothing begins while it is paused");
    assert!(world.command(Command::Resume));
    head(&mut world, "b");
    assert_eq!(write(&world, PRE).1, "b");
}

#[test]
fn a_forced_repeat_of_an_unknown_run_reads_the_head_under_a_new_key() {
    let mut world = at(PRE, "PERFORM");
    let (first, _, _) = write(&world, PRE);
    fail(&mut world, PRE, Outcome::Unknown);
    let task = task_of(&world, PRE).key;
    let force = Force::AcceptDuplicate;
    assert!(world.command(Command::RetryTask { task, force }));
    head(&mut world, "b");
    let (key, sha, _) = write(&world, PRE);
    assert_eq!((key.generation, sha.as_str()), (first.generation.next(), "b"));
}

#[test]
fn a_build_that_began_under_an_earlier_version_reads_the_head_when_it_is_run_anew() {
    let now = at(PRE, "PERFORM");
    let release = now.release;
    // As it was stored: the run is the first step, at the commit that the branch was made at.
    let mut history = now.history[&release].clone();
    let started = history.iter().position(|(event, _)| {
        matches!(event, Any::Release(Event::Task { event: TaskEvent::Started { task, .. } }) if task.kind == PRE)
    });
    let started = started.unwrap();
    history.truncate(started + 1);
    if let Any::Release(Event::Task {
        event: TaskEvent::Started { steps, .. },
    }) = &mut history[started].0
    {
        steps.retain(|step| step.kind != StepKind::ResolveHead);
    }
    let state = Aggregate::fold(&history).unwrap();
    let mut world = now.clone();
    world.live = state.outstanding().into_iter().map(|it| (it.id(), it)).collect();
    world.aggregates.insert(release, state);
    world.history.insert(release, history);
    let (first, sha, _) = write(&world, PRE);
    assert_eq!((first.step, sha.as_str()), (0, "a"));
    found(&mut world, PRE, "run-1");
    run_ends(&mut world, PRE, RunResult::Failed);
    retry(&mut world, PRE);
    head(&mut world, "b");
    let (key, sha, _) = write(&world, PRE);
    assert_eq!((key.generation, key.step, sha.as_str()), (Generation(1), 1, "b"));
}

#[test]
fn what_is_said_to_be_done_by_hand_is_looked_for_first_and_adopted() {
    let mut world = at(TICKET, "PERFORM");
    fail(&mut world, TICKET, Outcome::Unknown);
    complete(&mut world, TICKET, None);
    assert_eq!(write(&world, TICKET).2, Permit::LookUpOnly);
    found(&mut world, TICKET, "SHOP-1");
    assert!(by_hand(&world, TICKET));
    assert_eq!(task_of(&world, TICKET).reference().unwrap().id, "SHOP-1");
    assert!(late(&world).is_empty() && rows(&world, TICKET).is_empty());
}

#[test]
fn what_is_found_beside_what_a_person_named_comes_to_the_clean_up_list() {
    for (named, left) in [("SHOP-1", vec![]), ("SHOP-2", vec!["SHOP-1"])] {
        let mut world = at(TICKET, "PERFORM");
        fail(&mut world, TICKET, Outcome::Unknown);
        complete(&mut world, TICKET, Some(named));
        found(&mut world, TICKET, "SHOP-1");
        assert!(by_hand(&world, TICKET));
        assert_eq!(task_of(&world, TICKET).reference().unwrap().id, named);
        assert_eq!(late(&world), left);
    }
}

#[test]
fn the_persons_word_stands_where_nothing_is_found_and_waits_where_nobody_could_look() {
    let mut world = at(TICKET, "PERFORM");
    fail(&mut world, TICKET, Outcome::Unknown);
    complete(&mut world, TICKET, None);
    fail(&mut world, TICKET, Outcome::Unknown);
    assert!(!task_of(&world, TICKET).state.settled(), "it is not known yet");
    complete(&mut world, TICKET, Some("SHOP-2"));
    performed(&mut world, TICKET, Performed::Absent);
    assert!(by_hand(&world, TICKET));
    assert_eq!(task_of(&world, TICKET).reference().unwrap().id, "SHOP-2");
}

#[test]
fn where_the_vendor_cannot_tell_the_persons_word_is_taken_at_once() {
    for skipped in [false, true] {
        let mut world = at(TICKET, "PERFORM");
        let cause = Cause::new(UNSURE, "look there", Class::NeedsHuman);
        let outcome = Outcome::Unknown;
        performed(&mut world, TICKET, Performed::Failed { cause, outcome });
        if skipped {
            let task = task_of(&world, TICKET).key;
            let reason = "it is there".to_owned();
            assert!(world.command(Command::SkipTask {
                task,
                reason,
                force: Force::No
            }));
        } else {
            complete(&mut world, TICKET, Some("SHOP-1"));
        }
        assert!(task_of(&world, TICKET).state.settled(), "looking would not end");
    }
}

#[test]
fn a_forced_word_counts_at_once_and_what_was_sent_is_looked_for_later() {
    for (skipped, named, left) in [
        (true, None, vec!["SHOP-1"]),
        (false, None, vec!["SHOP-1"]),
        (false, Some("SHOP-1"), vec![]),
        (false, Some("SHOP-2"), vec!["SHOP-1"]),
    ] {
        let mut world = at(TICKET, "PERFORM");
        fail(&mut world, TICKET, Outcome::Unknown);
        let task = task_of(&world, TICKET).key;
        let reason = "the vendor is down".to_owned();
        let force = Force::AcceptDuplicate;
        assert!(world.command(if skipped {
            Command::SkipTask { task, reason, force }
        } else {
            let reference = named.map(Reference::id);
            Command::CompleteTask {
                task,
                reason,
                reference,
                force,
            }
        }));
        let state = task_of(&world, TICKET).state.clone();
        assert!(state.settled() && rows(&world, TICKET).is_empty());
        looked(&mut world, TICKET, &["SHOP-1"]);
        assert_eq!(late(&world), left);
        assert_eq!(
            task_of(&world, TICKET).state,
            state,
            "what is found late changes nothing"
        );
    }
}

#[test]
fn what_was_never_sent_is_done_by_hand_at_once() {
    let mut world = at(TICKET, "PERFORM");
    fail(&mut world, TICKET, Outcome::NotDone);
    complete(&mut world, TICKET, None);
    assert!(by_hand(&world, TICKET) && rows(&world, TICKET).is_empty());
}

#[test]
fn what_waits_for_a_pause_to_end_after_a_retry_is_looked_for_before_it_is_done_by_hand() {
    let mut world = at(TICKET, "PERFORM");
    fail(&mut world, TICKET, Outcome::Unknown);
    assert!(world.command(Command::Pause { note: None }));
    retry(&mut world, TICKET);
    assert!(rows(&world, TICKET).is_empty());
    complete(&mut world, TICKET, None);
    assert_eq!(write(&world, TICKET).2, Permit::LookUpOnly);
    found(&mut world, TICKET, "SHOP-1");
    assert!(by_hand(&world, TICKET));
}

fn upload(world: &mut World, kind: TaskKind) {
    let task = task_of(world, kind).key;
    let product = RunProduct {
        build_number: Some("77".to_owned()),
        ..RunProduct::default()
    };
    assert!(world.command(Command::UploadBuild { task, product }));
    assert!(
        task_of(world, kind).state.settled(),
        "a build that is here counts"
    );
}

fn looked(world: &mut World, kind: TaskKind, ids: &[&str]) {
    world.now += Span::seconds(UNANSWERED_SECONDS);
    world.tick();
    assert_eq!(write(world, kind).2, Permit::LookAgain);
    let found = ids.iter().map(|id| Reference::id(*id)).collect();
    performed(world, kind, Performed::LookedAgain { found });
}

#[test]
fn an_uploaded_build_counts_at_once_and_the_run_that_may_be_there_is_looked_for() {
    for ids in [vec![], vec!["run-1"], vec!["run-1", "run-2"]] {
        let mut world = at(BUILD, "PERFORM");
        fail(&mut world, BUILD, Outcome::Unknown);
        upload(&mut world, BUILD);
        looked(&mut world, BUILD, &ids);
        assert_eq!(late(&world), ids, "on the clean-up list, and not the task's");
        assert!(matches!(
            task_of(&world, BUILD).state,
            TaskState::Completed {
                output: Output::Uploaded { .. }
            }
        ));
        assert_eq!(
            world
                .release()
                .builds
                .iter()
                .filter(|it| it.task.kind == BUILD)
                .count(),
            1
        );
        assert!(
            world.release().holds.is_empty(),
            "what is on the list holds nothing up"
        );
    }
}

#[test]
fn a_late_run_of_a_closed_task_brings_no_second_build() {
    let mut world = at(BUILD, "PERFORM");
    let (_, effect) = row(&world, BUILD);
    let key = *effect.key().unwrap();
    fail(&mut world, BUILD, Outcome::Unknown);
    upload(&mut world, BUILD);
    let sighting = Sighting::Run {
        state: RunState::Ended {
            result: RunResult::Succeeded,
            product: RunProduct::default(),
        },
    };
    for step in [key.step, key.step + 1] {
        let key = EffectKey { step, ..key };
        let report = Report::Seen {
            key,
            sighting: sighting.clone(),
        };
        world.input(key.owner, Input::Report(&report), None);
    }
    assert_eq!(
        world
            .release()
            .builds
            .iter()
            .filter(|it| it.task.kind == BUILD)
            .count(),
        1
    );
}

#[test]
fn nothing_is_looked_for_where_nothing_was_sent_before_an_upload() {
    let mut world = at(BUILD, "PERFORM");
    fail(&mut world, BUILD, Outcome::NotDone);
    upload(&mut world, BUILD);
    assert_eq!(world.release().board.doubts_due().count(), 0);
}

fn by_people(world: &mut World) {
    let mode = BuildMode::Manual;
    assert!(world.command(Command::ChangeBuildMode {
        target: ANDROID,
        mode
    }));
}

#[test]
fn a_person_is_asked_for_a_build_once_it_is_known_that_there_is_no_run() {
    for kind in [PRE, BUILD] {
        let mut world = at(kind, "PERFORM");
        fail(&mut world, kind, Outcome::Unknown);
        by_people(&mut world);
        retry(&mut world, kind);
        assert_eq!(write(&world, kind).2, Permit::LookUpOnly);
        performed(&mut world, kind, Performed::Absent);
        assert_eq!(task_of(&world, kind).state.word(), "AWAITING_MANUAL");
        assert!(rows(&world, kind).is_empty());
    }
}

#[test]
fn a_run_that_is_found_goes_on_though_builds_come_from_people_now() {
    for kind in [PRE, BUILD] {
        let mut world = at(kind, "PERFORM");
        fail(&mut world, kind, Outcome::Unknown);
        by_people(&mut world);
        retry(&mut world, kind);
        found(&mut world, kind, "run-1");
        assert_eq!(row(&world, kind).1.word(), "WATCH");
    }
}

#[test]
fn a_person_is_asked_at_once_where_nothing_was_sent() {
    for kind in [PRE, BUILD] {
        let mut world = at(kind, "PERFORM");
        fail(&mut world, kind, Outcome::NotDone);
        by_people(&mut world);
        retry(&mut world, kind);
        assert_eq!(task_of(&world, kind).state.word(), "AWAITING_MANUAL");
    }
}

#[test]
fn a_try_that_waits_for_a_pause_to_end_is_looked_for_when_builds_come_from_people() {
    for kind in [PRE, BUILD] {
        let mut world = at(kind, "PERFORM");
        let regression = kind == BUILD;
        fail(&mut world, kind, Outcome::Unknown);
        assert!(world.command(Command::Pause { note: None }));
        retry(&mut world, kind);
        if regression {
            assert!(rows(&world, kind).is_empty(), "it waits");
        }
        by_people(&mut world);
        assert_eq!(write(&world, kind).2, Permit::LookUpOnly);
        performed(&mut world, kind, Performed::Absent);
        assert!(rows(&world, kind).is_empty());
        assert!(world.command(Command::Resume));
        assert_eq!(task_of(&world, kind).state.word(), "AWAITING_MANUAL");
    }
}

#[test]
fn a_read_that_waits_parked_gives_way_to_a_person() {
    let mut world = at(PRE, "RESOLVE");
    let (_, effect) = row(&world, PRE);
    let key = *effect.key().unwrap();
    assert!(world.command(Command::Pause { note: None }));
    let resolved = Resolved::Parked;
    world.input(
        key.owner,
        Input::Report(&Report::Resolved { key, resolved }),
        None,
    );
    by_people(&mut world);
    assert!(world.command(Command::Resume));
    assert_eq!(task_of(&world, PRE).state.word(), "AWAITING_MANUAL");
    assert!(rows(&world, PRE).is_empty());
}
