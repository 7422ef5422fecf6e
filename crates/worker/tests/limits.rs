//! What keeps one integration, or one damaged aggregate, from taking more than its share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, dead_code, reason = "a bench for several tests")]
#[path = "../../app/tests/bench/mod.rs"]
mod bench;

use bench::{Bench, now, plan, tenant};
use delivr_app::{apply, connections};
use delivr_domain::ids::ReleaseId;
use delivr_domain::key::{TargetKey, TaskKind};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::store::{Directory as _, Queue as _};
use delivr_domain::release::state::Draft;
use delivr_domain::time::Span;
use delivr_worker::{Worker, WorkerSettings};
use futures_util::FutureExt as _;
use std::task::Poll;
use std::time::Duration;
use uuid::Uuid;

/// A release with a ticket for each kind of target, all through one tracker.
fn four_tickets() -> Bench {
    let mut plan = plan();
    plan.pre_regression_builds = false;
    let target = plan.targets.values().next().unwrap().clone();
    plan.targets = TargetKey::ALL.iter().map(|key| (*key, target.clone())).collect();
    Bench::new(plan, connections::cache())
}

fn open_tickets(bench: &Bench) -> usize {
    let release = bench.state();
    let open = release
        .board
        .iter()
        .filter(|task| task.key.kind == TaskKind::CreateProjectManagementTicket && !task.state.settled());
    open.count()
}

#[test]
fn one_claim_brings_no_more_calls_through_an_integration_than_its_limit() {
    for limit in [1, 2] {
        let bench = four_tickets();
        bench.vendor.0.lock().unwrap().slow = true;
        let settings = WorkerSettings {
            per_integration: limit,
            ..WorkerSettings::default()
        };
        let worker = Worker::new(bench.app.clone(), settings);
        let done = std::cell::Cell::new(false);
        let stop = std::future::poll_fn(|_| {
            if done.get() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let mut running = Box::pin(worker.run(stop));
        let ended = (0..2_000).any(|_| {
            bench.clock.advance(Duration::from_millis(100));
            done.set(open_tickets(&bench) == 0);
            (&mut running).now_or_never().is_some()
        });
        assert!(ended, "the surplus is worked off too");
        assert_eq!(open_tickets(&bench), 0);
        let shelf = bench.vendor.0.lock().unwrap();
        assert_eq!(shelf.made.len(), 4, "each once");
        // The branch's head is read through another integration of the same vendor, which counts none of its reads here.
        assert_eq!(shelf.inside.1, u32::from(limit));
    }
}

#[test]
fn a_damaged_aggregate_rests_a_minute_and_keeps_nobody_from_their_time() {
    let bench = four_tickets();
    let later = |number: u128, at: i64| Draft {
        id: ReleaseId::from_uuid(Uuid::from_u128(number)),
        kickoff_at: bench::begin() + Span::seconds(at),
        ..bench::draft(plan())
    };
    let make = |draft| {
        now(apply::create(
            &bench.store,
            bench.clock.as_ref(),
            draft,
            "pilot",
            None,
        ))
        .unwrap()
        .id()
    };
    let damaged = make(later(900, 10));
    let sound = make(later(901, 20));
    let whole = now(bench.store.read(tenant(), damaged)).unwrap().unwrap().state;
    bench.store.corrupt_aggregate(damaged);
    let worker = Worker::new(bench.app.clone(), WorkerSettings::default());
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(now(worker.tick()).unwrap(), 1, "the sound one has its time");
    let phase = |id| {
        now(bench.store.read(tenant(), id))
            .unwrap()
            .unwrap()
            .projection
            .phase
            .clone()
    };
    assert_eq!(phase(sound), "KICKOFF");
    // It is mended at once, and left alone until its minute is over all the same.
    bench.store.restore_aggregate(damaged, whole);
    bench.clock.advance(Duration::from_secs(59));
    assert_eq!(now(worker.tick()).unwrap(), 0);
    assert_eq!(phase(damaged), "NOT_STARTED");
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(now(worker.tick()).unwrap(), 1);
    assert_eq!(phase(damaged), "KICKOFF");
}

fn last_beat(bench: &Bench) -> delivr_domain::time::Timestamp {
    now(bench.store.last_beat()).unwrap().expect("a sign of life")
}

#[test]
fn a_worker_gives_signs_of_life_from_its_start_on_and_well_within_the_minute() {
    let bench = four_tickets();
    let worker = Worker::new(bench.app.clone(), WorkerSettings::default());
    let mut running = Box::pin(worker.run(std::future::pending()));
    assert!((&mut running).now_or_never().is_none());
    assert_eq!(last_beat(&bench), bench.clock.now(), "before anything else");
    for second in 0..300 {
        bench.clock.advance(Duration::from_secs(1));
        assert!((&mut running).now_or_never().is_none());
        let silent = bench.clock.now() - last_beat(&bench);
        assert!(silent < Span::seconds(30), "{silent} of silence after {second} s");
    }
}

#[test]
fn a_worker_ends_in_time_while_the_database_gives_no_answer() {
    let bench = four_tickets();
    let worker = Worker::new(bench.app.clone(), WorkerSettings::default());
    let (asked, heard) = (std::cell::Cell::new(false), std::cell::Cell::new(false));
    let stop = std::future::poll_fn(|_| {
        if asked.get() {
            heard.set(true);
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    bench.store.hang(true);
    let mut running = Box::pin(worker.run(stop));
    assert!((&mut running).now_or_never().is_none());
    asked.set(true);
    assert!((&mut running).now_or_never().is_none(), "it may still answer");
    assert!(heard.get(), "the wish to end is heard at once");
    bench.clock.advance(Duration::from_secs(24));
    assert!((&mut running).now_or_never().is_none());
    bench.clock.advance(Duration::from_secs(1));
    assert!((&mut running).now_or_never().is_some(), "the drain time is over");
}
