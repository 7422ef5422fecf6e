//! Leases by name: at most one holder at a time, for things at a vendor that only one of us may touch at a time.
//!
//! A lease ends by the database's clock, so that a holder that died is outlived; each taking raises its fence, so that a
//! holder that only slept finds out. Like a claim's fence it protects no vendor by itself: what the holder noted (the
//! vendor's name of what it has open) lets its successor end that first.

use super::clock::Clock;
use super::error::StoreError;
use crate::time::{Span, Timestamp};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A lease that was taken. Whether it is still held only the store knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: String,
    fence: u64,
    left: Option<String>,
}

impl Lease {
    /// For store adapters: what the taking has just written, and the note that stood there before.
    #[must_use]
    pub const fn issued_by_store(name: String, fence: u64, left: Option<String>) -> Self {
        Self { name, fence, left }
    }
    /// What it is a lease of.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Grows with every taking of the name.
    #[must_use]
    pub const fn fence(&self) -> u64 {
        self.fence
    }
    /// What the holder before noted and left behind: it died, or was overtaken. None after one that gave it back.
    #[must_use]
    pub fn left(&self) -> Option<&str> {
        self.left.as_deref()
    }
}

/// How a lease is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// Only when nobody holds it.
    WhenFree,
    /// From whoever holds it: that holder is fenced. For what cannot wait.
    AtOnce,
}

/// Leases by name, by the database's clock.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease for so long; none while somebody else holds it.
    async fn take(&self, name: &str, how: Taking, span: Duration) -> Result<Option<Lease>, StoreError>;
    /// Holds it for so long from now on, with this note; [`StoreError::Fenced`] when somebody else has taken it since.
    async fn keep(&self, lease: &Lease, span: Duration, note: Option<&str>) -> Result<(), StoreError>;
    /// Ends it, note and all. Nothing happens when somebody else has taken it since.
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError>;
}

#[derive(Debug)]
struct Held {
    fence: u64,
    until: Timestamp,
    note: Option<String>,
}

/// The rules of leases, on a map; for stores in memory.
#[derive(Debug, Default)]
pub struct LeaseTable(BTreeMap<String, Held>);

impl LeaseTable {
    /// See [`Leases::take`].
    pub fn take(&mut self, now: Timestamp, name: &str, how: Taking, span: Duration) -> Option<Lease> {
        let before = self.0.get(name);
        let free = before.is_none_or(|it| it.until <= now);
        if !free && how == Taking::WhenFree {
            return None;
        }
        let fence = before.map_or(1, |it| it.fence.saturating_add(1));
        let left = before.and_then(|it| it.note.clone());
        let held = Held {
            fence,
            until: ends(now, span),
            note: left.clone(),
        };
        self.0.insert(name.to_owned(), held);
        Some(Lease::issued_by_store(name.to_owned(), fence, left))
    }

    /// See [`Leases::keep`].
    ///
    /// # Errors
    /// Fenced when somebody else has taken it since.
    pub fn keep(
        &mut self,
        now: Timestamp,
        lease: &Lease,
        span: Duration,
        note: Option<&str>,
    ) -> Result<(), StoreError> {
        let held = self.held_by(lease).ok_or(StoreError::Fenced)?;
        held.until = ends(now, span);
        held.note = note.map(str::to_owned);
        Ok(())
    }

    /// See [`Leases::give_back`].
    pub fn give_back(&mut self, now: Timestamp, lease: &Lease) {
        if let Some(held) = self.held_by(lease) {
            held.until = now;
            held.note = None;
        }
    }

    fn held_by(&mut self, lease: &Lease) -> Option<&mut Held> {
        let held = self.0.get_mut(lease.name());
        held.filter(|held| held.fence == lease.fence())
    }
}

fn ends(now: Timestamp, span: Duration) -> Timestamp {
    let span = Span::from_std(span).unwrap_or(Span::MAX);
    now.checked_add_signed(span).unwrap_or(Timestamp::MAX_UTC)
}

/// Leases among the tasks of one process: for tests, and for whoever has no store.
pub struct LocalLeases {
    table: Mutex<LeaseTable>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for LocalLeases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalLeases").field(&self.table).finish()
    }
}

impl LocalLeases {
    /// None is held.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            table: Mutex::default(),
            clock,
        }
    }

    fn table(&self) -> MutexGuard<'_, LeaseTable> {
        // A panic while the map is held leaves it whole: every change is one assignment.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Leases for LocalLeases {
    async fn take(&self, name: &str, how: Taking, span: Duration) -> Result<Option<Lease>, StoreError> {
        Ok(self.table().take(self.clock.now(), name, how, span))
    }
    async fn keep(&self, lease: &Lease, span: Duration, note: Option<&str>) -> Result<(), StoreError> {
        self.table().keep(self.clock.now(), lease, span, note)
    }
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        self.table().give_back(self.clock.now(), lease);
        Ok(())
    }
}
