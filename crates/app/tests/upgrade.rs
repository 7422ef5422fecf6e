//! Two versions of the program on one store: the older one leaves alone what the newer one has written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, dead_code, reason = "a bench for several tests")]
mod bench;

use bench::{Bench, LIMITS, now, plan, tenant};
use delivr_app::apply::{self, ApplyError, Delivery, Wish};
use delivr_app::connections;
use delivr_app::run_effect::{self, Ran};
use delivr_app::stored::{STATE_FORMAT, read_event, read_state, show_state};
use delivr_domain::aggregate::{Aggregate, Command as Any};
use delivr_domain::key::TaskKind;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Directory as _, Store as _};
use delivr_domain::release::command::Command;
use delivr_domain::report::Report;
use serde_json::json;
use std::future::Future as _;
use std::task::{Context, Poll, Waker};

const TICKET: TaskKind = TaskKind::CreateProjectManagementTicket;

/// What a newer version does to a release: it writes its own format, with a member nobody here has heard of.
fn touched_by_a_newer_version(bench: &Bench) {
    rewrite(bench, |state| {
        state["format"] = json!(STATE_FORMAT + 1);
        state["invented_later"] = json!({"weight": 7});
    });
}

fn rewrite(bench: &Bench, change: impl FnOnce(&mut serde_json::Value)) {
    let mut unit = now(bench.store.begin()).unwrap();
    let mut row = now(unit.load_for_update(bench.release)).unwrap().unwrap();
    let expected = Some(row.version);
    change(&mut row.state);
    now(unit.save(&row, expected)).unwrap();
    now(unit.commit()).unwrap();
}

fn without_chat_and_builds() -> Bench {
    let mut plan = plan();
    plan.pre_regression_builds = false;
    Bench::new(plan, connections::cache())
}

#[test]
fn an_older_version_neither_steps_nor_calls_for_what_a_newer_one_wrote() {
    let bench = without_chat_and_builds();
    bench.tick();
    touched_by_a_newer_version(&bench);
    let before = now(bench.store.peek(bench.release)).unwrap().unwrap();
    let claimed = bench.claim();
    assert!(!claimed.is_empty(), "there is work to leave alone");
    for one in claimed {
        assert_eq!(bench.run(one), Ran::PutBack);
    }
    assert!(
        bench.vendor.0.lock().unwrap().asked.is_empty(),
        "no vendor is asked"
    );
    assert!(
        bench.rows().iter().all(|row| row.failures == 0),
        "its budget is the newer one's"
    );
    let wish = Wish {
        tenant: tenant(),
        command: &Any::Release(Command::Pause { note: None }),
        actor: "pat",
        expected: None,
        remember: None,
    };
    let refused = now(apply::command(
        &bench.store,
        bench.clock.as_ref(),
        bench.release,
        &wish,
    ));
    assert!(
        matches!(refused, Err(ApplyError::Store(StoreError::Newer { .. }))),
        "{refused:?}"
    );
    let tick = Delivery {
        to: bench.release,
        report: &Report::Tick,
        claim: None,
        fact: None,
        tenant: None,
    };
    let ticked = now(apply::report(&bench.store, bench.clock.as_ref(), &tick));
    assert!(matches!(ticked, Err(StoreError::Newer { .. })), "{ticked:?}");
    let after = now(bench.store.peek(bench.release)).unwrap().unwrap();
    assert_eq!(after, before, "what it does not know is still there");
    assert!(
        matches!(show_state(&after), Ok(Aggregate::Release(_))),
        "it is shown all the same"
    );
}

#[test]
fn what_was_sent_while_a_newer_version_took_over_is_adopted_by_it_and_not_made_again() {
    let bench = without_chat_and_builds();
    bench.tick();
    let mut claimed = bench.claim();
    let ticket = claimed
        .iter()
        .position(|one| one.row.effect.key().is_some_and(|key| key.task.kind == TICKET))
        .unwrap();
    let one = claimed.remove(ticket);
    bench.vendor.0.lock().unwrap().slow = true;
    let mut running = Box::pin(run_effect::run(&bench.app, one, LIMITS));
    let mut context = Context::from_waker(Waker::noop());
    for call in ["looking", "creating"] {
        assert!(running.as_mut().poll(&mut context).is_pending(), "{call}");
    }
    touched_by_a_newer_version(&bench);
    let ran = loop {
        if let Poll::Ready(ran) = running.as_mut().poll(&mut context) {
            break ran;
        }
    };
    assert_eq!(ran, Ran::PutBack);
    bench.vendor.0.lock().unwrap().slow = false;
    assert_eq!(bench.vendor.0.lock().unwrap().asked.len(), 1);
    let row = bench.write_of(TICKET);
    assert!(row.unknown_since.is_some(), "whoever takes it must look first");
    assert_eq!(row.failures, 0);
    // A worker of the newer version goes on: to it the format is its own.
    rewrite(&bench, |state| state["format"] = json!(STATE_FORMAT));
    for other in claimed {
        bench.run(other);
    }
    bench.later(60);
    bench.work();
    let task = bench.task(TICKET);
    assert!(bench.state().board.find(&task).unwrap().state.settled());
    assert_eq!(
        bench.vendor.0.lock().unwrap().asked.len(),
        1,
        "found, not made again"
    );
}

#[test]
fn every_state_and_event_says_its_format() {
    let bench = without_chat_and_builds();
    bench.work();
    let row = now(bench.store.peek(bench.release)).unwrap().unwrap();
    assert_eq!(row.state["format"], json!(STATE_FORMAT));
    let events = now(bench.store.events(tenant(), bench.release, 0, 100)).unwrap();
    assert!(events.iter().all(|event| event.payload["format"] == json!(5)));
    let mut newer = events[0].clone();
    newer.payload = json!({"format": 6, "event": {"of": "RELEASE", "data": {"happened": "INVENTED_LATER"}}});
    assert!(matches!(
        read_event(&newer),
        Err(StoreError::Newer {
            what: "event",
            format: 6
        })
    ));
    newer.payload["format"] = json!(5);
    assert!(matches!(read_event(&newer), Err(StoreError::Corrupt { .. })));
    let mut garbled = row;
    garbled.state["format"] = json!(STATE_FORMAT + 1);
    garbled.state["board"] = json!(0);
    assert!(matches!(show_state(&garbled), Err(StoreError::Newer { .. })));
    garbled.state["format"] = json!(STATE_FORMAT);
    assert!(matches!(read_state(&garbled), Err(StoreError::Corrupt { .. })));
}
