//! The worker's slots, shared between its loop, which fills them by claims, and what is under way, which may fill them with
//! what its own report enqueues.

use crate::WorkerSettings;
use crate::limits::Limits;
use delivr_app::room::Room;
use delivr_app::run_effect::Ran;
use delivr_domain::effect::Effect;
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::store::{ClaimRequest, Claimed};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Slots {
    limits: Limits,
    /// Under way, or about to be: claimed or being claimed.
    taken: usize,
    /// Nothing may be added by what is under way: others wait for room, or the worker is stopping.
    shut: bool,
}

/// Slots and limits of a worker.
#[derive(Debug)]
pub(crate) struct Board {
    slots: Mutex<Slots>,
    all: usize,
}

impl Board {
    pub(crate) fn new(settings: &WorkerSettings) -> Self {
        Self {
            slots: Mutex::new(Slots {
                limits: Limits::new(settings.per_integration),
                taken: 0,
                shut: false,
            }),
            all: usize::from(settings.concurrency),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes every free slot for a claim; how many those are.
    pub(crate) fn take_free(&self) -> usize {
        let mut slots = self.slots();
        let free = self.all.saturating_sub(slots.taken);
        slots.taken += free;
        free
    }

    /// Gives back slots that a claim has not filled.
    pub(crate) fn give_back(&self, count: usize) {
        let mut slots = self.slots();
        slots.taken = slots.taken.saturating_sub(count);
    }

    /// Whether every slot is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.slots().taken >= self.all
    }

    /// Whether what is under way may add to itself.
    pub(crate) fn shut(&self, shut: bool) {
        self.slots().shut = shut;
    }

    /// Integrations that get no call now.
    pub(crate) fn closed(&self, now: Monotonic) -> Vec<IntegrationId> {
        self.slots().limits.closed(now)
    }

    /// What may run, counted as under way, and what one claim brought beyond its integration's limit.
    pub(crate) fn admitted(&self, claimed: Vec<Claimed>, now: Monotonic) -> (Vec<Claimed>, Vec<Claimed>) {
        let limits = &mut self.slots().limits;
        claimed.into_iter().partition(|one| {
            let integration = one.row.effect.integration();
            let admits = limits.admits(integration, now);
            if admits {
                limits.started(integration);
            }
            admits
        })
    }

    /// Something under way has ended; its slot is free unless something that it added has it.
    pub(crate) fn ended(
        &self,
        integration: Option<IntegrationId>,
        ran: Ran,
        handed_on: bool,
        now: Monotonic,
    ) {
        let mut slots = self.slots();
        slots.limits.ended(integration, ran, now);
        if !handed_on {
            slots.taken = slots.taken.saturating_sub(1);
        }
    }
}

/// The slot of one effect under way, as its report sees it: the first thing it adds takes its place.
pub(crate) struct Seat<'a> {
    board: &'a Board,
    clock: &'a dyn Clock,
    settings: &'a WorkerSettings,
    handed_on: AtomicBool,
}

impl<'a> Seat<'a> {
    pub(crate) const fn new(board: &'a Board, clock: &'a dyn Clock, settings: &'a WorkerSettings) -> Self {
        Self {
            board,
            clock,
            settings,
            handed_on: AtomicBool::new(false),
        }
    }

    /// Whether something that was added has this slot.
    pub(crate) fn handed_on(&self) -> bool {
        self.handed_on.load(Ordering::Relaxed)
    }
}

impl Room for Seat<'_> {
    fn take(&self, effect: &Effect) -> bool {
        let mut slots = self.board.slots();
        let integration = effect.integration();
        if slots.shut || !slots.limits.admits(integration, self.clock.monotonic()) {
            return false;
        }
        if self.handed_on() {
            if slots.taken >= self.board.all {
                return false;
            }
            slots.taken += 1;
        }
        self.handed_on.store(true, Ordering::Relaxed);
        slots.limits.started(integration);
        true
    }

    fn give_back(&self, effect: &Effect) {
        let mut slots = self.board.slots();
        // Nobody called the vendor: neither trouble nor success.
        slots
            .limits
            .ended(effect.integration(), Ran::PutBack, self.clock.monotonic());
        slots.taken = slots.taken.saturating_sub(1);
    }

    fn request(&self) -> ClaimRequest {
        self.settings
            .request(u16::MAX, self.clock.monotonic(), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::effect::{Effect, FactKind};
    use delivr_domain::key::{AggregateId, AggregateKind};
    use delivr_testkit::clock::FakeClock;
    use uuid::Uuid;

    fn effect(integration: u8) -> Effect {
        Effect::Probe {
            owner: AggregateId {
                kind: AggregateKind::Release,
                id: Uuid::nil(),
            },
            integration: IntegrationId::derived(&[&[integration]]),
            fact: FactKind::BranchHead,
            subject: Vec::new(),
        }
    }

    fn settings() -> WorkerSettings {
        WorkerSettings {
            concurrency: 3,
            per_integration: 2,
            ..WorkerSettings::default()
        }
    }

    #[test]
    fn what_ends_hands_its_slot_on_and_takes_free_ones_beside() {
        let (settings, clock) = (settings(), FakeClock::default());
        let board = Board::new(&settings);
        assert_eq!(board.take_free(), 3);
        board.give_back(1);
        let seat = Seat::new(&board, &clock, &settings);
        assert!(seat.take(&effect(1)), "its own");
        assert!(seat.take(&effect(2)), "the free one");
        assert!(!seat.take(&effect(3)), "there is no other");
        assert!(board.is_full());
        board.ended(None, Ran::Done, seat.handed_on(), clock.monotonic());
        assert!(board.is_full());
        seat.give_back(&effect(2));
        assert_eq!(board.take_free(), 1);
    }

    #[test]
    fn a_slot_that_is_given_back_is_free_once() {
        let (settings, clock) = (settings(), FakeClock::default());
        let board = Board::new(&settings);
        board.take_free();
        let seat = Seat::new(&board, &clock, &settings);
        assert!(seat.take(&effect(1)));
        seat.give_back(&effect(1));
        board.ended(None, Ran::Done, seat.handed_on(), clock.monotonic());
        assert_eq!(board.take_free(), 1);
    }

    #[test]
    fn nothing_is_added_while_others_wait_or_beyond_an_integrations_limit() {
        let (settings, clock) = (settings(), FakeClock::default());
        let board = Board::new(&settings);
        let seat = Seat::new(&board, &clock, &settings);
        board.shut(true);
        assert!(!seat.take(&effect(1)));
        board.shut(false);
        assert!(seat.take(&effect(1)) && seat.take(&effect(1)));
        assert!(!seat.take(&effect(1)), "two at a time");
        assert!(seat.take(&effect(2)));
    }
}
