//! The store in memory: the same contract as the databases', under one lock, in ordered maps only, so that a
//! simulation can be repeated.
//!
//! A unit of work is a list of changes. Each is made at once on the unit's own copy of the state, and once more on the
//! true state at commit; if any of them ends otherwise there (a version, an attempt, a number), somebody else was
//! faster and the commit is a [`StoreError::Conflict`] or what the change itself says.

mod audit;
mod directory;
mod family;
mod health;
mod leases;
mod links;
mod log;
mod queue;
mod rows;
mod shipping;
mod state;
mod unit;
mod views;
mod workload;

use async_trait::async_trait;
use chrono::TimeDelta;
use delivr_domain::ids::InstallId;
use delivr_domain::key::{AggregateId, EffectId};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::kept::Kept;
use delivr_domain::ports::lease::LeaseTable;
use delivr_domain::ports::store::{Store, UnitOfWork};
use delivr_domain::time::Timestamp;
use state::State;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, mem};

/// The store in memory. Clones share its state, as processes share a database.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

/// A backup of a store in memory.
#[derive(Debug, Clone)]
pub struct Backup(Arc<State>);

struct Inner {
    state: Mutex<Arc<State>>,
    bell: Mutex<Bell>,
    leases: Mutex<LeaseTable>,
    clock: Arc<dyn Clock>,
    offset: AtomicI64,
    hangs: AtomicBool,
    install: InstallId,
}

/// The true state while it is held. Units of work share it until one of them, or this holder, changes it.
struct Held<'a>(MutexGuard<'a, Arc<State>>);

impl Deref for Held<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        Arc::make_mut(&mut self.0)
    }
}

/// Who waits for work, and whether it rang while nobody did. A ring is heard by everybody whose wait has begun.
#[derive(Default)]
struct Bell {
    kept: bool,
    rings: u64,
    ears: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
}

/// One who waits; not any more when this is dropped.
struct Ear<'a> {
    store: &'a MemoryStore,
    number: u64,
    heard: u64,
}

impl Ear<'_> {
    fn hear(&self, context: &Context<'_>) -> Poll<()> {
        let mut bell = self.store.bell();
        if bell.rings != self.heard || mem::take(&mut bell.kept) {
            return Poll::Ready(());
        }
        bell.waiting.insert(self.number, Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.store.bell().waiting.remove(&self.number);
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store whose database clock follows the clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::default(),
                bell: Mutex::new(Bell::default()),
                leases: Mutex::default(),
                clock,
                offset: AtomicI64::new(0),
                hangs: AtomicBool::new(false),
                install: InstallId::derived(&[b"memory"]),
            }),
        }
    }

    /// From now on the queue gives no answer, as when the database hangs; or again.
    pub fn hang(&self, hangs: bool) {
        self.inner.hangs.store(hangs, Ordering::Relaxed);
    }

    /// Returns unless the queue gives no answer.
    async fn answer(&self) {
        if self.inner.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// The database's clock goes forward (or, with a negative offset, back) against the process's.
    pub fn skew(&self, micros: i64) {
        self.inner.offset.fetch_add(micros, Ordering::Relaxed);
    }

    /// Replaces a stored effect by something that is none, as a newer build or a broken disk might.
    pub fn corrupt_effect(&self, effect: EffectId) {
        if let Some(slot) = self.state().effects.get_mut(&effect) {
            slot.document = serde_json::json!({"effect": "NONSENSE"});
            slot.effect = None;
        }
    }

    /// Replaces an aggregate's stored state by something that is none.
    pub fn corrupt_aggregate(&self, id: AggregateId) {
        self.restore_aggregate(id, serde_json::json!({"aggregate": "NONSENSE"}));
    }

    /// Puts an aggregate's state where another one lies, as an operator mends a row by hand.
    pub fn restore_aggregate(&self, id: AggregateId, state: impl Into<Kept<serde_json::Value>>) {
        if let Some(row) = self.state().aggregates.get_mut(&id) {
            row.state = state.into();
        }
    }

    /// Everything stored, as a backup holds it.
    #[must_use]
    pub fn backup(&self) -> Backup {
        Backup(self.state().0.clone())
    }

    /// Puts a backup in the place of everything stored. Open units of work end in a conflict.
    pub fn restore(&self, backup: &Backup) {
        self.state().0.clone_from(&backup.0);
        self.ring();
    }

    fn state(&self) -> Held<'_> {
        Held(self.inner.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn bell(&self) -> MutexGuard<'_, Bell> {
        self.inner.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self) -> Timestamp {
        let offset = TimeDelta::microseconds(self.inner.offset.load(Ordering::Relaxed));
        self.inner.clock.now() + offset
    }

    fn ring(&self) {
        let mut bell = self.bell();
        if bell.waiting.is_empty() {
            bell.kept = true;
        }
        bell.rings = bell.rings.wrapping_add(1);
        for waker in bell.waiting.values_mut().filter_map(Option::take) {
            waker.wake();
        }
    }

    fn listen(&self) -> Ear<'_> {
        let mut bell = self.bell();
        bell.ears = bell.ears.wrapping_add(1);
        let (number, heard) = (bell.ears, bell.rings);
        bell.waiting.insert(number, None);
        Ear {
            store: self,
            number,
            heard,
        }
    }
}

/// An instant plus a span, at most the end of time.
fn after(now: Timestamp, span: Duration) -> Timestamp {
    TimeDelta::from_std(span)
        .ok()
        .and_then(|span| now.checked_add_signed(span))
        .unwrap_or(Timestamp::MAX_UTC)
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork + '_>, StoreError> {
        Ok(Box::new(unit::MemoryUnit::new(self)))
    }
    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
