//! What a report enqueues is claimed with it where the worker has room, and left to others where it has none.
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

use bench::{Bench, now, plan, tenant};
use delivr_app::connections;
use delivr_app::room::Room;
use delivr_app::run_effect::{self, CallLimits, Ran};
use delivr_domain::effect::Effect;
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::store::{ClaimRequest, Claimed, Queue as _, Rooms, RowState};
use delivr_testkit::conformance::store::samples::stop_by;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LIMITS: CallLimits = CallLimits {
    call_timeout: Duration::from_secs(20),
};

/// So many free slots.
struct Slots(AtomicUsize);

impl Slots {
    fn free(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Room for Slots {
    fn take(&self, _effect: &Effect) -> bool {
        let less = |free: usize| free.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
    fn give_back(&self, _effect: &Effect) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn request(&self) -> ClaimRequest {
        ClaimRequest {
            worker: "bench".to_owned(),
            limit: u16::MAX,
            lease: Duration::from_secs(60),
            margin: Duration::from_secs(2),
            call_timeout: LIMITS.call_timeout,
            started: Monotonic(Duration::ZERO),
            rooms: Rooms::default(),
        }
    }
}

fn run(bench: &Bench, claimed: Claimed, room: &Slots) -> Vec<Claimed> {
    let (ran, born) = now(run_effect::run_with_room(&bench.app, claimed, LIMITS, Some(room)));
    assert_eq!(ran, Ran::Done);
    born
}

/// The claim of the step that the branch follows.
fn head_of_the_base(bench: &Bench) -> Claimed {
    let claimed = bench.claim().into_iter();
    let mut reads = claimed.filter(|it| matches!(it.row.effect, Effect::Resolve { .. }));
    reads.next().unwrap()
}

fn due(bench: &Bench) -> usize {
    let now = bench.claim();
    now.iter().filter(|it| it.claim.is_some()).count()
}

#[test]
fn a_chain_runs_through_its_own_claims() {
    let bench = Bench::new(plan(), connections::cache());
    let room = Slots(AtomicUsize::new(9));
    let mut under_way: VecDeque<Claimed> = bench.claim().into();
    let mut born = 0;
    while let Some(one) = under_way.pop_front() {
        // A wait is looked at once, and nothing follows from that here.
        let looks = one.claim.is_none();
        let next = run(&bench, one, &room);
        assert!(!looks || next.is_empty());
        room.0.fetch_add(usize::from(!next.is_empty()), Ordering::Relaxed);
        assert!(
            next.iter()
                .all(|it| it.row.attempt == u32::from(it.claim.is_some()))
        );
        born += next.len();
        under_way.extend(next);
        assert_eq!(due(&bench), 0, "nothing is left to others");
    }
    assert!(
        born >= 2,
        "the branch after its head, and the wait for the run: {born}"
    );
    assert!(bench.rows().iter().all(|row| row.state != RowState::Claimed));
}

#[test]
fn without_room_the_next_step_is_left_to_others() {
    let bench = Bench::new(plan(), connections::cache());
    let room = Slots(AtomicUsize::new(0));
    let one = head_of_the_base(&bench);
    assert!(run(&bench, one, &room).is_empty());
    assert!(due(&bench) > 0);
}

#[test]
fn of_a_stopped_tenant_nothing_is_claimed_and_the_room_is_free_again() {
    let bench = Bench::new(plan(), connections::cache());
    let room = Slots(AtomicUsize::new(9));
    let one = head_of_the_base(&bench);
    now(bench.store.set_stop(Some(tenant()), Some(stop_by("maintenance")))).unwrap();
    assert!(run(&bench, one, &room).is_empty());
    assert_eq!(room.free(), 9);
    now(bench.store.set_stop(Some(tenant()), None)).unwrap();
    assert!(due(&bench) > 0);
}
