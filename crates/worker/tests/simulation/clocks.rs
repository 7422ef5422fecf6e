//! Clocks that somebody sets, or that a machine's start sets wrong.
//!
//! The database's clock goes forwards by less than a lease's margin, and only once per lease, as long as anything is
//! under way: that is what the margin is for. It goes further only while nothing is. Backwards it goes as it likes.
//! Altogether it never runs ahead by so much that a wait is over before it has begun: what is waited for is dated by the
//! process, and looked at again by the database. The doctor says of clocks that are that far apart.

use crate::check::at_once;
use crate::shared::Shared;
use crate::time::{Hands, seconds};
use crate::vendor::{CALL_TIMEOUT, DELIVERY_BOUND, MARGIN};
use crate::weather::Kind;
use crate::world::TICKETS_LAG;
use delivr_app::run_effect::QUIET_FLOOR;
use delivr_domain::key::AggregateId;
use delivr_domain::ports::store::{Directory as _, Queue as _, RowState};
use delivr_domain::time::{Span, Timestamp};
use delivr_testkit::memory::MemoryStore;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The clocks of a run.
pub struct Clocks {
    pub hands: Vec<Arc<Hands>>,
    /// How far each clock is off by itself, in milliseconds.
    off: Vec<i64>,
    database_moved: Duration,
    /// How far the database's clock is ahead, in milliseconds.
    database_ahead: i64,
}

/// The furthest the database's clock runs ahead: with a process's clock that is set back, less than the shortest wait.
const FURTHEST_MILLIS: i64 = 840_000;

impl Clocks {
    pub fn new(shared: &Shared, processes: usize) -> Self {
        let throw = || i64::try_from(shared.dice(|dice| dice.between(0, 4_000))).unwrap() - 2_000;
        let off: Vec<i64> = (0..processes).map(|_| throw()).collect();
        let hands = off.iter().map(|off| {
            let hands = Hands::default();
            hands.wall_millis.store(*off, Ordering::Relaxed);
            Arc::new(hands)
        });
        Self {
            hands: hands.collect(),
            off,
            database_moved: Duration::ZERO,
            database_ahead: 0,
        }
    }

    /// A process's wall clock is set wrong, or right again.
    pub fn set_wall(&self, shared: &Shared, number: usize) {
        let (back, span) = shared.dice(|dice| (dice.chance(500), dice.between(3_000, 900_000)));
        let span = i64::try_from(span).unwrap();
        let hands = &self.hands[number].wall_millis;
        let right = hands.load(Ordering::Relaxed) == self.off[number];
        let by = match (right, back) {
            (false, _) => 0,
            (true, true) => -span,
            (true, false) => span,
        };
        let before = hands.swap(self.off[number] + by, Ordering::Relaxed);
        shared.ahead.fetch_max(by, Ordering::Relaxed);
        let forth = self.off[number] + by > before;
        shared.met(if forth { Kind::WallForth } else { Kind::WallBack });
        shared.note(format!("the clock of process {number} is off by {by} ms"));
    }

    /// A process's monotonic clock runs ahead.
    pub fn push_monotonic(&self, shared: &Shared, number: usize) {
        let span = shared.dice(|dice| dice.between(100, 40_000));
        self.hands[number]
            .monotonic_millis
            .fetch_add(span, Ordering::Relaxed);
        shared.met(Kind::MonotonicForth);
        shared.note(format!(
            "the monotonic clock of process {number} jumps by {span} ms"
        ));
    }

    pub fn set_right(&self) {
        for (hands, off) in self.hands.iter().zip(&self.off) {
            hands.wall_millis.store(*off, Ordering::Relaxed);
        }
    }

    /// The database's clock is set.
    pub fn set_database(&mut self, shared: &Shared, store: &MemoryStore, releases: &[AggregateId]) {
        let (back, little, much) = shared.dice(|dice| {
            (
                dice.chance(400),
                dice.between(100, u64::try_from(MARGIN.as_millis()).unwrap() - 500),
                dice.between(1_000, 600_000),
            )
        });
        let now = shared.now();
        if back {
            shared.met(Kind::DatabaseBack);
            shared.note(format!("the database's clock goes back by {much} ms"));
            let behind = i64::try_from(much).unwrap();
            self.database_ahead -= behind;
            store.skew(-behind * 1_000);
            return;
        }
        if now < self.database_moved + CALL_TIMEOUT * 6 {
            return;
        }
        let still = shared.transactions.load(Ordering::Relaxed) == 0;
        let by = if still && idle(store, releases) {
            much
        } else {
            little
        };
        let ahead = i64::try_from(by).unwrap();
        if self.database_ahead + ahead > FURTHEST_MILLIS {
            return;
        }
        self.database_moved = now;
        self.database_ahead += ahead;
        shared.met(Kind::DatabaseForth);
        shared.note(format!("the database's clock goes forwards by {by} ms"));
        shared.ahead.fetch_add(ahead, Ordering::Relaxed);
        store.skew(ahead * 1_000);
    }
}

/// Whether no claim is held or being made, no outcome has been unknown for as long as anything may take, and nothing can be on its way
/// that a restored database has forgotten.
fn idle(store: &MemoryStore, releases: &[AggregateId]) -> bool {
    let now = at_once(store.now()).unwrap();
    let floor = at_once(store.setting(QUIET_FLOOR)).unwrap();
    if floor.is_some_and(|floor| now <= floor.parse::<Timestamp>().unwrap()) {
        return false;
    }
    let bound =
        Span::from_std(CALL_TIMEOUT * 3 + DELIVERY_BOUND + seconds(TICKETS_LAG) + MARGIN * 2).unwrap();
    let mut owners = releases.to_vec();
    for release in releases {
        if let Some(row) = at_once(store.peek(*release)).unwrap() {
            let children = at_once(store.children(row.tenant, release.id)).unwrap();
            owners.extend(children.into_iter().map(|row| row.id));
        }
    }
    owners.iter().all(|owner| {
        let rows = at_once(store.rows(*owner, true)).unwrap();
        rows.iter().all(|row| {
            row.state != RowState::Claimed && row.unknown_since.is_none_or(|since| since + bound < now)
        })
    })
}
