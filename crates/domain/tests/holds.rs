//! A release's holds reach its submissions and rollouts: nothing that moves forward is started or sent while one does,
//! everything that makes things safer goes on, and lifting the hold lets things go on as they were.
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
use common::shop::{Shop, complete, go_on, halt, pause, raise, reason};
use delivr_domain::aggregate::{Aggregate, Command as AnyCommand, Event, Input};
use delivr_domain::board::{Permit, TaskEvent, TaskState};
use delivr_domain::effect::{Effect, Watched};
use delivr_domain::key::{AggregateId, AggregateKind, EffectId, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::SubmitMode;
use delivr_domain::release::children::holds_of;
use delivr_domain::release::command::{Command, Force};
use delivr_domain::release::hold::{Hold, Scope};
use delivr_domain::release::state::Phase;
use delivr_domain::report::{Cause, Class, ExposureWord, Outcome, Performed, Report, ReviewWord};
use delivr_domain::rollout::{self, EVERYBODY, Status};
use delivr_domain::submission::{self, Submission};
use delivr_domain::time::Span;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const IOS: TargetKey = TargetKey::IosAppStore;

#[test]
fn a_paused_release_raises_nothing_by_time_and_goes_on_when_it_is_resumed() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], Some(60));
    shop.pause_release();
    shop.deliver();
    let held = &shop.rollout(rollout).held;
    assert_eq!(held.by[0].hold, "USER_PAUSED");
    assert!(
        held.sentence().contains("pat paused the release (a bug)"),
        "{held:?}"
    );
    let before = shop.stands(rollout).bps;
    shop.world.now += Span::hours(30);
    assert!(!shop.until(true, |it| it.stands(rollout).bps != before));
    assert_eq!(shop.rollout(rollout).traffic_generation, 0, "nothing was decided");
    shop.resume_release();
    assert!(shop.until(true, |it| it.world.release().phase() == Phase::Completed));
}

#[test]
fn people_move_nothing_forward_while_the_release_is_held_and_may_stop_it_further() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    shop.pause_release();
    shop.deliver();
    for command in [raise(None), raise(Some(5_000)), complete(), go_on()] {
        let refused = shop.ask(rollout, &command).unwrap_err();
        assert!(refused.starts_with("release_held: "), "{refused}");
        assert!(refused.contains("a bug"), "the hold's own words: {refused}");
    }
    shop.ask(rollout, &pause()).unwrap();
    assert_eq!(shop.rollout(rollout).status, Status::Paused);
    shop.resume_release();
    shop.deliver();
    assert_eq!(
        shop.rollout(rollout).status,
        Status::Paused,
        "what a person paused here stays paused"
    );
    shop.pause_release();
    shop.deliver();
    shop.ask(rollout, &halt()).unwrap();
    assert!(shop.until(false, |it| it.stands(rollout).word == ExposureWord::Halted));
    assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Halted));
}

#[test]
fn the_app_stores_rollout_is_paused_in_the_store_while_the_release_is_held() {
    let (mut shop, rollout) = Shop::rolling(&[IOS], None);
    shop.pause_release();
    shop.deliver();
    assert!(shop.ask(rollout, &complete()).is_err());
    shop.ask(rollout, &pause()).unwrap();
    assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Paused));
    assert_eq!(shop.stands(rollout).word, ExposureWord::Paused);
    assert!(shop.ask(rollout, &go_on()).is_err());
    shop.resume_release();
    shop.deliver();
    shop.ask(rollout, &go_on()).unwrap();
    assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Active));
}

#[test]
fn a_decision_that_was_not_sent_is_parked_and_goes_on_afterwards() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    shop.ask(rollout, &raise(None)).unwrap();
    let (row, key) = shop.task_row(TaskKind::SetExposure).unwrap();
    shop.pause_release();
    shop.deliver();
    assert_eq!(shop.permit(&key), Permit::LookUpOnly);
    shop.park(row);
    let task = shop.rollout(rollout).board.find(&key.task).unwrap();
    assert!(task.parked && task.state == TaskState::Pending);
    assert!(
        shop.world.live.contains_key(&row),
        "its row waits under the same key"
    );
    assert!(!shop.until(true, |it| it.stands(rollout).bps > 100));
    shop.resume_release();
    assert!(shop.until(false, |it| it.rollout(rollout).exposure == 1_000));
}

#[test]
fn a_pause_overtakes_the_decision_that_a_hold_keeps_back() {
    for (stop, status) in [(pause(), Status::Paused), (halt(), Status::Halted)] {
        let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
        shop.ask(rollout, &raise(None)).unwrap();
        let (row, _) = shop.task_row(TaskKind::SetExposure).unwrap();
        shop.pause_release();
        shop.deliver();
        shop.park(row);
        shop.ask(rollout, &stop).unwrap();
        assert!(shop.until(false, |it| it.rollout(rollout).status == status));
        shop.resume_release();
        assert!(!shop.until(true, |it| it.stands(rollout).bps > 100), "{status}");
    }
}

#[test]
fn what_was_sent_before_the_hold_is_read_back() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    shop.ask(rollout, &raise(None)).unwrap();
    let (row, _) = shop.task_row(TaskKind::SetExposure).unwrap();
    shop.serve(row);
    shop.pause_release();
    shop.deliver();
    assert!(shop.until(false, |it| it.rollout(rollout).exposure == 1_000));
}

#[test]
fn a_held_submission_is_not_handed_in_and_may_be_withdrawn() {
    let submitting = |it: &Shop| it.task_row(TaskKind::SubmitForReview).is_some();
    let mut shop = Shop::new(&[ANDROID], None, SubmitMode::ByPerson);
    let is_prepared = |it: &Submission| {
        let task = it.board.find(&TaskKey::once(TaskKind::PrepareSubmission));
        task.is_some_and(|task| task.state.settled())
    };
    let prepared = |it: &Shop| {
        let submission = it.find(AggregateKind::Submission);
        submission.is_some_and(|id| is_prepared(it.submission(id)))
    };
    assert!(shop.until(true, prepared));
    shop.deliver();
    let submission = shop.find(AggregateKind::Submission).unwrap();
    shop.pause_release();
    shop.deliver();
    for command in [
        submission::Command::Submit,
        submission::Command::Release { reason: None },
    ] {
        let refused = shop
            .ask(submission, &AnyCommand::Submission(command))
            .unwrap_err();
        assert!(refused.starts_with("release_held: "), "{refused}");
    }
    shop.resume_release();
    shop.deliver();
    let submit = AnyCommand::Submission(submission::Command::Submit);
    shop.ask(submission, &submit).unwrap();
    assert!(submitting(&shop));
    let (row, key) = shop.task_row(TaskKind::SubmitForReview).unwrap();
    shop.pause_release();
    shop.deliver();
    assert_eq!(shop.permit(&key), Permit::LookUpOnly);
    // It had arrived: it is adopted, followed and, if a person says so, withdrawn.
    run_row(&mut shop.world, row);
    assert!(matches!(
        shop.submission(submission)
            .board
            .find(&TaskKey::once(TaskKind::AwaitReview))
            .unwrap()
            .state,
        TaskState::AwaitingCallback { .. }
    ));
    let cancel = AnyCommand::Submission(submission::Command::Cancel {
        reason: "a bug".to_owned(),
    });
    shop.ask(submission, &cancel).unwrap();
    let (_, withdrawal) = shop.task_row(TaskKind::WithdrawSubmission).unwrap();
    assert_eq!(shop.permit(&withdrawal), Permit::Write);
}

/// A hand-in of unknown outcome under a hold, perhaps tried again, and then the withdrawal.
fn withdrawn_after_an_unknown_hand_in(tried_again: bool) -> (Shop, AggregateId, EffectId) {
    let mut shop = Shop::new(&[ANDROID], None, SubmitMode::Auto);
    let submitting = |it: &Shop| it.task_row(TaskKind::SubmitForReview).is_some();
    assert!(shop.until(true, submitting));
    let (row, key) = shop.task_row(TaskKind::SubmitForReview).unwrap();
    let report = Report::Performed {
        key,
        performed: Performed::Failed {
            cause: Cause::new("timeout", "no answer came", Class::NeedsHuman),
            outcome: Outcome::Unknown,
        },
    };
    shop.world.input(key.owner, Input::Report(&report), Some(row));
    shop.pause_release();
    shop.deliver();
    if tried_again {
        let retry = submission::Command::Retry { task: key.task };
        shop.ask(key.owner, &AnyCommand::Submission(retry)).unwrap();
        assert!(!submitting(&shop), "nothing is sent under the hold");
    }
    let cancel = AnyCommand::Submission(submission::Command::Cancel {
        reason: "a bug".to_owned(),
    });
    shop.ask(key.owner, &cancel).unwrap();
    let (row, key) = shop
        .task_row(TaskKind::SubmitForReview)
        .expect("what may have arrived is looked for");
    assert_eq!(shop.permit(&key), Permit::LookUpOnly);
    assert!(
        shop.task_row(TaskKind::WithdrawSubmission).is_none(),
        "withdrawing before it arrives would leave it standing"
    );
    (shop, key.owner, row)
}

#[test]
fn a_hand_in_that_may_have_arrived_is_looked_for_before_it_is_withdrawn() {
    for tried_again in [true, false] {
        // It had arrived: it is adopted, and then withdrawn.
        let (mut shop, submission, row) = withdrawn_after_an_unknown_hand_in(tried_again);
        run_row(&mut shop.world, row);
        let (_, withdrawal) = shop.task_row(TaskKind::WithdrawSubmission).unwrap();
        assert_eq!(shop.permit(&withdrawal), Permit::Write);
        // It had not: there is nothing to send any more, and the withdrawal makes sure.
        let (mut shop, _, row) = withdrawn_after_an_unknown_hand_in(tried_again);
        shop.park(row);
        assert!(shop.task_row(TaskKind::WithdrawSubmission).is_some());
        assert!(shop.until(false, |it| it.submission(submission).status
            == ReviewWord::Cancelled));
        assert!(
            shop.submission(submission)
                .board
                .iter()
                .all(|task| task.state.over())
        );
    }
}

#[test]
fn the_rollout_of_a_closed_release_goes_no_further() {
    let closings = [
        Command::CloseRolledBack { reason: reason() },
        Command::Archive {
            reason: reason(),
            close_tickets: false,
            delete_branch: false,
        },
    ];
    for closing in closings {
        let (mut shop, rollout) = Shop::rolling(&[ANDROID], Some(60));
        shop.ask(rollout, &halt()).unwrap();
        assert!(shop.until(false, |it| it.rollout(rollout).status == Status::Halted));
        shop.deliver();
        assert!(shop.world.command(closing));
        shop.deliver();
        let refused = shop.ask(rollout, &go_on()).unwrap_err();
        assert!(refused.starts_with("release_held: "), "{refused}");
        assert!(refused.contains("is closed"), "{refused}");
        assert!(!shop.until(true, |it| it.stands(rollout).word != ExposureWord::Halted));
    }
}

#[test]
fn a_hold_that_is_told_before_the_child_is_born_reaches_it_all_the_same() {
    let mut shop = Shop::new(&[ANDROID], None, SubmitMode::Auto);
    let born = |effect: &Effect| matches!(effect, Effect::Tell { report, .. } if matches!(report.as_ref(), Report::StartSubmission { .. }));
    assert!(shop.until(true, |it| it.row(born).is_some()));
    shop.pause_release();
    let told = |effect: &Effect| matches!(effect, Effect::Tell { report, .. } if matches!(report.as_ref(), Report::HoldsChanged { .. }));
    let lost = shop
        .row(told)
        .expect("the child is told though nobody knows whether it is born");
    run_row(&mut shop.world, lost);
    assert!(shop.find(AggregateKind::Submission).is_none());
    let birth = shop.row(born).unwrap();
    run_row(&mut shop.world, birth);
    let submission = shop.find(AggregateKind::Submission).unwrap();
    assert!(!shop.submission(submission).held.holds());
    shop.deliver();
    assert!(
        shop.submission(submission).held.holds(),
        "its first news show that it does not know"
    );
    assert!(!shop.until(true, |it| it.task_row(TaskKind::SubmitForReview).is_some()));
    shop.resume_release();
    assert!(
        shop.until(true, |it| it.world.release().phase() == Phase::Distribution
            && it.find(AggregateKind::Rollout).is_some())
    );
}

#[test]
fn a_child_that_missed_the_newest_word_does_not_believe_an_older_one() {
    let mut shop = Shop::new(&[ANDROID], None, SubmitMode::Auto);
    let tells = |shop: &Shop, wanted: fn(&Report) -> bool| {
        let rows = shop
            .world
            .live
            .iter()
            .filter(|(_, effect)| matches!(effect, Effect::Tell { report, .. } if wanted(report)));
        rows.map(|(row, _)| *row).collect::<Vec<_>>()
    };
    let births = |report: &Report| matches!(report, Report::StartSubmission { .. });
    let frees = |report: &Report| matches!(report, Report::HoldsChanged { held } if !held.holds());
    assert!(shop.until(true, |it| !tells(it, births).is_empty()));
    shop.pause_release();
    shop.resume_release();
    let lost = tells(&shop, frees)[0];
    run_row(&mut shop.world, lost);
    let birth = tells(&shop, births)[0];
    run_row(&mut shop.world, birth);
    shop.deliver();
    let submission = shop.find(AggregateKind::Submission).unwrap();
    assert!(
        !shop.submission(submission).held.holds(),
        "the release is not paused any more"
    );
}

#[test]
fn the_rollout_of_a_held_submission_is_held_from_its_first_moment() {
    let mut shop = Shop::new(&[ANDROID], Some(1), SubmitMode::Auto);
    let reviewed = |effect: &Effect| {
        matches!(
            effect,
            Effect::Watch {
                watched: Watched::Review { .. },
                ..
            }
        )
    };
    assert!(shop.until(true, |it| it.row(reviewed).is_some()));
    shop.deliver();
    shop.pause_release();
    shop.deliver();
    let watch = shop.row(reviewed).unwrap();
    run_row(&mut shop.world, watch);
    let birth = shop
        .row(|effect| matches!(effect, Effect::Tell { to, .. } if to.kind == AggregateKind::Rollout))
        .unwrap();
    run_row(&mut shop.world, birth);
    let rollout = shop.find(AggregateKind::Rollout).unwrap();
    assert!(shop.rollout(rollout).held.holds());
    // Lifted before the release has heard of the rollout: the submission is told, and that it is not the one is seen.
    shop.resume_release();
    shop.deliver();
    assert!(!shop.rollout(rollout).held.holds());
    assert!(shop.until(true, |it| it.world.release().phase() == Phase::Completed));
}

#[test]
fn late_and_doubled_words_about_holds_do_no_harm() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], Some(60));
    let mut said = Vec::new();
    for _ in 0..2 {
        shop.pause_release();
        shop.resume_release();
    }
    while let Some(row) = shop.row(|effect| matches!(effect, Effect::Tell { .. })) {
        if let Some(Effect::Tell { report, .. }) = shop.world.live.remove(&row) {
            said.push(*report);
        }
    }
    let as_of = |report: &Report| match report {
        Report::HoldsChanged { held } => held.as_of,
        _ => 0,
    };
    said.sort_by_key(|report| std::cmp::Reverse(as_of(report)));
    assert_eq!(said.len(), 4);
    for report in said.iter().chain(&said) {
        shop.world.input(rollout, Input::Report(report), None);
        assert!(!shop.rollout(rollout).held.holds(), "the newest word counts");
    }
}

#[test]
fn only_a_hold_that_reaches_the_lane_reaches_the_child() {
    let (mut shop, rollout) = Shop::rolling(&[ANDROID], None);
    let block = |scope| Command::Block {
        reason: "x".to_owned(),
        scope,
    };
    for (scope, reaches) in [
        (Scope::Staging, false),
        (Scope::Production, true),
        (Scope::Everything, true),
    ] {
        assert!(shop.world.command(block(scope)));
        shop.deliver();
        assert_eq!(shop.rollout(rollout).held.holds(), reaches, "{scope}");
        assert!(shop.world.command(Command::Unblock));
        shop.deliver();
        assert!(!shop.rollout(rollout).held.holds());
    }
}

const FORWARD: [TaskKind; 6] = [
    TaskKind::PrepareSubmission,
    TaskKind::SubmitForReview,
    TaskKind::ReleaseToUsers,
    TaskKind::SetExposure,
    TaskKind::ResumeRollout,
    TaskKind::CompleteRollout,
];

fn holds_child(state: &Aggregate) -> bool {
    match state {
        Aggregate::Submission(it) => it.held.holds(),
        Aggregate::Rollout(it) => it.held.holds(),
        Aggregate::Release(_) => false,
    }
}

fn task_event(event: &Event) -> Option<&TaskEvent> {
    match event {
        Event::Submission(submission::Event::Task { event })
        | Event::Rollout(rollout::Event::Task { event }) => Some(event),
        _ => None,
    }
}

/// Nothing in any child's history began to move forward under a hold.
fn nothing_moved_under_a_hold(shop: &Shop) {
    for (id, history) in &shop.world.history {
        let mut state = Aggregate::fold(&history[..1]).unwrap();
        for (event, at) in &history[1..] {
            if let Some(TaskEvent::Started { task, .. }) = task_event(event) {
                let known = state.owner().board().find(task);
                let reads_back =
                    id.kind == AggregateKind::Rollout && known.is_some_and(|it| it.next_step > 0);
                // A hand-in that is to be withdrawn is looked for, and sent no more.
                let withdrawal = TaskKey::once(TaskKind::WithdrawSubmission);
                let looked_for = task.kind == TaskKind::SubmitForReview
                    && state.owner().board().find(&withdrawal).is_some();
                let forward = FORWARD.contains(&task.kind) && !reads_back && !looked_for;
                assert!(
                    !(forward && holds_child(&state)),
                    "{id} started {task} under a hold"
                );
            }
            if let Event::Rollout(rollout::Event::Decided { kind, .. }) = event {
                let forward = FORWARD.contains(kind);
                assert!(
                    !(forward && holds_child(&state)),
                    "{id} decided {kind} under a hold"
                );
            }
            state = state.evolve(event, *at);
        }
    }
}

/// Nothing that moves forward may be sent under a hold.
fn nothing_may_be_sent_under_a_hold(shop: &Shop) {
    for effect in shop.world.live.values() {
        if let Effect::Perform { key, .. } = effect
            && FORWARD.contains(&key.task.kind)
            && holds_child(&shop.world.aggregates[&key.owner])
        {
            assert_ne!(shop.permit(key), Permit::Write, "{key} may be sent under a hold");
        }
    }
}

/// Once every Tell has arrived, each child at work knows exactly the holds that reach its lane.
fn children_know_their_holds(shop: &Shop) {
    let release = shop.world.release();
    for task in release.board.iter() {
        let TaskState::AwaitingChild { child } = task.state else {
            continue;
        };
        let shipment = task.key.target.and_then(|target| release.shipments.get(&target));
        let rollout = shipment
            .filter(|it| it.submission.uuid() == child.id)
            .and_then(|it| it.rollout)
            .map(|id| {
                shop.rollout(AggregateId {
                    kind: AggregateKind::Rollout,
                    id: id.uuid(),
                })
            });
        let (known, over) = match rollout {
            Some(rollout) => (&rollout.held, rollout.terminal()),
            None => {
                let submission = shop.submission(child);
                (&submission.held, submission.terminal())
            }
        };
        if !over {
            assert_eq!(known.by, holds_of(release, task), "{}", task.key);
        }
    }
}

/// Once every Tell has arrived, a lane is held by a drift exactly while its rollout has one.
fn drifts_hold_their_lanes(shop: &Shop) {
    let release = shop.world.release();
    for (target, shipment) in &release.shipments {
        let Some(id) = shipment.rollout else { continue };
        let rollout = shop.rollout(AggregateId {
            kind: AggregateKind::Rollout,
            id: id.uuid(),
        });
        assert_eq!(shipment.state.drift, rollout.drift, "{target}");
        let held = release
            .holds
            .iter()
            .any(|hold| matches!(hold, Hold::Drift { target: of, .. } if *of == Some(*target)));
        assert_eq!(held, rollout.drift.is_some(), "{target}: {:?}", rollout.drift);
    }
}

#[derive(Debug, Clone)]
enum Move {
    Row(usize),
    Doubled(usize),
    Fail(usize, u8),
    Clock(u32),
    Pause,
    Resume,
    Block(bool),
    Unblock,
    Child(usize, u8),
    /// Somebody changes a rollout in the store's console.
    Console(usize, u8),
    ClearDrift,
    Deliver,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        14 => any::<usize>().prop_map(Move::Row),
        3 => any::<usize>().prop_map(Move::Doubled),
        2 => (any::<usize>(), 0u8..2).prop_map(|(row, outcome)| Move::Fail(row, outcome)),
        4 => (0u32..7_200).prop_map(Move::Clock),
        3 => Just(Move::Pause),
        3 => Just(Move::Resume),
        2 => any::<bool>().prop_map(Move::Block),
        2 => Just(Move::Unblock),
        6 => (any::<usize>(), 0u8..9).prop_map(|(child, command)| Move::Child(child, command)),
        3 => (any::<usize>(), 0u8..4).prop_map(|(rollout, what)| Move::Console(rollout, what)),
        1 => Just(Move::ClearDrift),
        2 => Just(Move::Deliver),
    ]
}

fn play(shop: &mut Shop, step: &Move) {
    let nth = |shop: &Shop, index: usize| {
        let rows: Vec<EffectId> = shop.world.live.keys().copied().collect();
        (!rows.is_empty()).then(|| rows[index % rows.len()])
    };
    match step {
        Move::Row(index) => {
            if let Some(row) = nth(shop, *index) {
                shop.serve(row);
            }
        }
        Move::Doubled(index) => {
            let row = nth(shop, *index);
            if let Some(Effect::Tell { to, report, .. }) = row.map(|row| shop.world.live[&row].clone()) {
                shop.world.input(to, Input::Report(&report), None);
            }
        }
        Move::Fail(index, outcome) => {
            let Some(row) = nth(shop, *index) else { return };
            if let Effect::Perform { key, .. } = shop.world.live[&row].clone()
                && key.owner.kind != AggregateKind::Release
                && shop.permit(&key) != Permit::Stale
            {
                let outcome = [Outcome::NotDone, Outcome::Unknown][usize::from(*outcome)];
                let cause = Cause::new("refused", "a person must look", Class::NeedsHuman);
                let performed = Performed::Failed { cause, outcome };
                let report = Report::Performed { key, performed };
                shop.world.input(key.owner, Input::Report(&report), Some(row));
            }
        }
        Move::Clock(seconds) => {
            shop.world.now += Span::seconds(i64::from(*seconds));
            shop.world.tick();
        }
        Move::Pause => {
            let _paused = shop.world.command(Command::Pause { note: None });
        }
        Move::Resume => {
            let _resumed = shop.world.command(Command::Resume);
        }
        Move::Block(staging) => {
            let scope = if *staging {
                Scope::Staging
            } else {
                Scope::Production
            };
            let reason = reason();
            shop.world.command(Command::Block { reason, scope });
        }
        Move::Unblock => {
            let _unblocked = shop.world.command(Command::Unblock);
        }
        Move::Child(index, command) => {
            let children: Vec<AggregateId> = shop
                .world
                .aggregates
                .keys()
                .filter(|id| id.kind != AggregateKind::Release)
                .copied()
                .collect();
            if children.is_empty() {
                return;
            }
            let id = children[index % children.len()];
            let command = match (&shop.world.aggregates[&id], command) {
                (Aggregate::Submission(_), 0..3) => AnyCommand::Submission(submission::Command::Submit),
                (Aggregate::Submission(_), 3..5) => {
                    AnyCommand::Submission(submission::Command::Release { reason: None })
                }
                (Aggregate::Submission(_), 5) => AnyCommand::Submission(submission::Command::Cancel {
                    reason: "a bug".to_owned(),
                }),
                (Aggregate::Rollout(_), 0..3) => raise(None),
                (Aggregate::Rollout(_), 3) => pause(),
                (Aggregate::Rollout(_), 4) => go_on(),
                (Aggregate::Rollout(_), 5) => halt(),
                (Aggregate::Rollout(_), 6) => complete(),
                (state, _) => match retry(state) {
                    Some(command) => command,
                    None => return,
                },
            };
            let _refused = shop.ask(id, &command);
        }
        Move::Console(index, what) => {
            let rollouts: Vec<AggregateId> = shop
                .world
                .aggregates
                .keys()
                .filter(|id| id.kind == AggregateKind::Rollout)
                .copied()
                .collect();
            if rollouts.is_empty() {
                return;
            }
            let id = rollouts[index % rollouts.len()];
            let now = shop.stands(id);
            let then = match what {
                0 => (ExposureWord::Halted, now.bps),
                1 => (ExposureWord::Active, now.bps),
                2 => (ExposureWord::Active, now.bps.saturating_add(700).min(9_000)),
                _ => (ExposureWord::Completed, EVERYBODY),
            };
            if now.word != ExposureWord::Completed {
                shop.exposure.insert(id, then);
            }
        }
        Move::ClearDrift => {
            let reason = reason();
            let _cleared = shop.world.command(Command::ClearDrift { reason });
        }
        Move::Deliver => {
            shop.deliver();
            children_know_their_holds(shop);
            drifts_hold_their_lanes(shop);
        }
    }
    nothing_may_be_sent_under_a_hold(shop);
}

fn retry(state: &Aggregate) -> Option<AnyCommand> {
    let failed = state
        .owner()
        .board()
        .iter()
        .find(|task| task.failure().is_some())?
        .key;
    Some(match state {
        Aggregate::Submission(_) => AnyCommand::Submission(submission::Command::Retry { task: failed }),
        Aggregate::Rollout(_) => AnyCommand::Rollout(rollout::Command::Retry { task: failed }),
        Aggregate::Release(_) => return None,
    })
}

/// What a helpful person does next; whether there was anything.
fn help(shop: &mut Shop) -> bool {
    let children: Vec<Aggregate> = shop.world.aggregates.values().cloned().collect();
    for child in children {
        let tries = match &child {
            Aggregate::Release(_) => continue,
            Aggregate::Submission(_) => vec![
                AnyCommand::Submission(submission::Command::Submit),
                AnyCommand::Submission(submission::Command::Release { reason: None }),
            ],
            Aggregate::Rollout(_) => vec![go_on(), raise(None), complete()],
        };
        for command in tries.into_iter().chain(retry(&child)) {
            let version = child.version();
            let asked = shop.ask(child.id(), &command);
            if asked.is_ok() && shop.world.aggregates[&child.id()].version() > version {
                return true;
            }
        }
    }
    let reason = reason();
    if shop.world.command(Command::ClearDrift { reason }) {
        return true;
    }
    let failed = shop.world.release().failures().next().map(|(task, _)| task.key);
    failed.is_some_and(|task| {
        shop.world.command(Command::RetryTask {
            task,
            force: Force::No,
        })
    })
}

/// A shop where children are at work, or about to be: they come late in a release, and most of a random walk from its
/// beginning would never see one. Each kind is walked to once.
fn begun_shop(both: bool, by_person: bool, timed: bool, begun: usize) -> Shop {
    static KNOWN: Mutex<BTreeMap<(bool, bool, bool, usize), Shop>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let shop = known.entry((both, by_person, timed, begun)).or_insert_with(|| {
        let targets: &[TargetKey] = if both { &[ANDROID, IOS] } else { &[ANDROID] };
        let submit = if by_person {
            SubmitMode::ByPerson
        } else {
            SubmitMode::Auto
        };
        let mut shop = Shop::new(targets, timed.then_some(60), submit);
        let wished = |it: &Shop| match begun {
            0 => it.world.release().phase() == Phase::Distribution,
            1 => it.find(AggregateKind::Submission).is_some(),
            _ => {
                let last = if by_person {
                    AggregateKind::Submission
                } else {
                    AggregateKind::Rollout
                };
                it.find(last).is_some()
            }
        };
        assert!(shop.until(true, wished));
        shop
    });
    shop.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order, a held child moves nothing forward; when every hold is lifted and people do
    /// their part, the release comes to its end.
    #[test]
    fn no_history_moves_a_held_child_forward_and_lifting_everything_lets_it_end(
        steps in proptest::collection::vec(moves(), 1..80),
        both in any::<bool>(),
        by_person in any::<bool>(),
        timed in any::<bool>(),
        begun in 0usize..3,
    ) {
        let mut shop = begun_shop(both, by_person, timed, begun);
        for step in &steps {
            play(&mut shop, step);
        }
        nothing_moved_under_a_hold(&shop);
        let _ = shop.world.command(Command::Resume);
        let _ = shop.world.command(Command::Unblock);
        shop.deliver();
        children_know_their_holds(&shop);
        drifts_hold_their_lanes(&shop);
        for _ in 0..200 {
            if shop.until(timed, |it| it.world.release().phase() == Phase::Completed) || !help(&mut shop) {
                break;
            }
        }
        prop_assert_eq!(shop.world.release().phase(), Phase::Completed);
    }
}
