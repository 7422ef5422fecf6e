//! The worker's slots, shared between its loop, which fills them by claims, and what is under way, which may fill them with
//! what its own report enqueues.

use crate::WorkerSettings;
use crate::limits::Limits;
use delivr_app::room::Room;
use delivr_app::run_effect::Ran;
use delivr_domain::effect::Effect;
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::store::{ClaimRequest, Claimed, Rooms};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Slots {
    limits: Limits,
    /// Under way, or about to be: claimed or being claimed.
    taken: usize,
    /// Nothing may be added by what is under way: others wait for room, or the worker is stopping.
    shut: bool,
    /// A claim is under way: what its integrations have room for is its own.
    claiming: bool,
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
                claiming: false,
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

    /// What each integration admits now: a claim's own until what it brings is [`admitted`](Self::admitted).
    pub(crate) fn rooms(&self, now: Monotonic) -> Rooms {
        let mut slots = self.slots();
        slots.claiming = true;
        slots.limits.rooms(now)
    }

    /// What may run, counted as under way, and what a claim brought beyond its integration's limit: the circuit may have
    /// opened meanwhile.
    pub(crate) fn admitted(&self, claimed: Vec<Claimed>, now: Monotonic) -> (Vec<Claimed>, Vec<Claimed>) {
        let slots = &mut *self.slots();
        slots.claiming = false;
        let limits = &mut slots.limits;
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
    /// What the effect called.
    integration: Option<IntegrationId>,
    handed_on: AtomicBool,
    /// Whether what was added has the effect's place among the calls through its integration.
    went_on: AtomicBool,
}

impl<'a> Seat<'a> {
    pub(crate) const fn new(
        board: &'a Board,
        clock: &'a dyn Clock,
        settings: &'a WorkerSettings,
        integration: Option<IntegrationId>,
    ) -> Self {
        Self {
            board,
            clock,
            settings,
            integration,
            handed_on: AtomicBool::new(false),
            went_on: AtomicBool::new(false),
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
        // The call has ended, and is counted until its report is stored: its place is free for the next one.
        let goes_on =
            integration.is_some() && integration == self.integration && !self.went_on.load(Ordering::Relaxed);
        let admits = if goes_on {
            slots.limits.goes_on(integration)
        } else {
            let claims = integration.is_some() && slots.claiming;
            !claims && slots.limits.admits(integration, self.clock.monotonic())
        };
        if slots.shut || !admits {
            return false;
        }
        if self.handed_on() {
            if slots.taken >= self.board.all {
                return false;
            }
            slots.taken += 1;
        }
        self.handed_on.store(true, Ordering::Relaxed);
        if goes_on {
            self.went_on.store(true, Ordering::Relaxed);
        }
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
            .request(u16::MAX, self.clock.monotonic(), Rooms::default())
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
        let seat = Seat::new(&board, &clock, &settings, None);
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
        let seat = Seat::new(&board, &clock, &settings, None);
        assert!(seat.take(&effect(1)));
        seat.give_back(&effect(1));
        board.ended(None, Ran::Done, seat.handed_on(), clock.monotonic());
        assert_eq!(board.take_free(), 1);
    }

    #[test]
    fn nothing_is_added_while_others_wait_or_beyond_an_integrations_limit() {
        let (settings, clock) = (settings(), FakeClock::default());
        let board = Board::new(&settings);
        let seat = Seat::new(&board, &clock, &settings, None);
        board.shut(true);
        assert!(!seat.take(&effect(1)));
        board.shut(false);
        assert!(seat.take(&effect(1)) && seat.take(&effect(1)));
        assert!(!seat.take(&effect(1)), "two at a time");
        assert!(seat.take(&effect(2)));
    }

    #[test]
    fn what_a_claim_may_bring_is_not_taken_by_others_meanwhile() {
        let (settings, clock) = (settings(), FakeClock::default());
        let board = Board::new(&settings);
        let _one_of_three_is_under_way = board.take_free();
        board.give_back(2);
        let seat = Seat::new(&board, &clock, &settings, effect(1).integration());
        assert_eq!(board.take_free(), 2);
        assert_eq!(board.rooms(clock.monotonic()).left(effect(2).integration()), 2);
        assert!(!seat.take(&effect(2)), "the claim may bring as many");
        assert!(seat.take(&effect(1)), "in the place of the call that has ended");
        board.admitted(Vec::new(), clock.monotonic());
        board.give_back(2);
        assert!(seat.take(&effect(2)));
    }

    #[test]
    fn a_call_is_followed_by_one_through_the_same_integration_at_its_limit() {
        let (settings, clock) = (settings(), FakeClock::default());
        let board = Board::new(&settings);
        let through = effect(1).integration();
        board.slots().limits.started(through);
        board.slots().limits.started(through);
        board.slots().taken = 2;
        let seat = Seat::new(&board, &clock, &settings, through);
        assert!(seat.take(&effect(1)));
        assert!(!seat.take(&effect(1)), "one place was its own");
        board.ended(through, Ran::Done, seat.handed_on(), clock.monotonic());
        assert_eq!(board.rooms(clock.monotonic()).left(through), 0);
    }
}
