//! SQLite's one writer, shared by several units of work at once.
//!
//! A commit of its own costs a unit the time until the disk has it, and everybody else waits for that. Here a unit is a
//! savepoint inside a transaction that may be others' as well: when it is released, those who already wait for the writer
//! come first, and one commit is for all of them. Nobody is told of a commit before the disk has it, so that to each
//! caller it is a transaction like any other:
//!
//! * a unit that fails, or that is dropped, is rolled back to its savepoint and takes nobody with it;
//! * a commit that fails is a failure of every unit in it;
//! * who gives up waiting for the answer does not take the commit away from the others: it is a task of its own.
//!
//! A group ends with those who waited when its first unit was released, so that it cannot grow for ever.

use crate::bounded::Bounded;
use crate::error::{meaning, refusal, unavailable};
use delivr_domain::ports::error::StoreError;
use sea_orm::{DatabaseTransaction, DbErr, TransactionTrait as _};
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

/// Most units that one commit is for.
const MOST: usize = 64;

/// The writer's transaction, while there is one. Whoever holds the lock has the writer.
type Writer = Arc<Mutex<Option<Open>>>;

/// The one who hands out the writer.
#[derive(Debug)]
pub(crate) struct Group {
    writer: Writer,
    /// How many wait for it.
    waiting: Arc<AtomicUsize>,
    /// How long one waits.
    patience: Duration,
}

/// A transaction on the writer's connection.
#[derive(Debug)]
struct Open {
    whole: Bounded<DatabaseTransaction>,
    /// Those whose units are released and who wait for the commit.
    released: Vec<oneshot::Sender<Result<(), Arc<DbErr>>>>,
}

impl Open {
    /// Commits, and tells all.
    async fn commit(self) {
        let told = self.whole.commit().await.map_err(Arc::new);
        for one in self.released {
            // Who is no longer there does not want to know.
            let _gone = one.send(told.clone());
        }
    }
}

/// Counts one who waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Group {
    /// Nobody has the writer; who wants it waits no longer than this.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            writer: Arc::default(),
            waiting: Arc::default(),
            patience,
        }
    }

    /// Begins a unit: in the transaction that is under way, or in a new one.
    ///
    /// # Errors
    /// `Unavailable` when the writer was not free in time, or the database refuses.
    pub(crate) async fn begin(
        &self,
        new: impl Future<Output = Result<Bounded<DatabaseTransaction>, DbErr>>,
    ) -> Result<Transaction, StoreError> {
        let mut seat = self.seat().await?;
        let open = match seat.open.take() {
            Some(open) => open,
            None => Open {
                whole: new.await.map_err(refused)?,
                released: Vec::new(),
            },
        };
        let Bounded { on, bound } = &seat.open.insert(open).whole;
        let part = bound.of(on.begin()).await.map_err(refused)?;
        let bound = bound.clone();
        Ok(Transaction {
            part: Bounded { on: part, bound },
            seat: Some(seat),
        })
    }

    async fn seat(&self) -> Result<Seat, StoreError> {
        let _waits = Waits::new(&self.waiting);
        let writer = Arc::clone(&self.writer).lock_owned();
        let open = tokio::time::timeout(self.patience, writer)
            .await
            .map_err(|_elapsed| unavailable("the database's writer was not free in time"))?;
        Ok(Seat {
            open,
            writer: Arc::clone(&self.writer),
            waiting: Arc::clone(&self.waiting),
        })
    }
}

fn refused(error: DbErr) -> StoreError {
    meaning(error, "transaction")
}

/// The writer is somebody's: until this is dropped nobody else has it.
#[derive(Debug)]
struct Seat {
    open: OwnedMutexGuard<Option<Open>>,
    writer: Writer,
    waiting: Arc<AtomicUsize>,
}

impl Seat {
    /// Leaves what the unit has written to the commit, and waits for that.
    async fn commit(mut self) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        if let Some(open) = self.open.as_mut() {
            open.released.push(tell);
            let many = open.released.len();
            if many >= MOST || self.waiting.load(Ordering::Relaxed) == 0 {
                if let Some(open) = self.open.take() {
                    tokio::spawn(open.commit());
                }
            } else if many == 1 {
                // Behind those who wait now, and before those who come later.
                let writer = Arc::clone(&self.writer);
                tokio::spawn(async move {
                    let open = writer.lock().await.take();
                    if let Some(open) = open {
                        open.commit().await;
                    }
                });
            }
        }
        drop(self);
        match told.await {
            Ok(told) => told.map_err(refusal),
            Err(_nobody) => Err(unavailable("the process ends before the commit")),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Nobody waits for the commit of a transaction in which nothing was released: it ends here, and the connection is
        // given back. Where others wait, their commit is on its way.
        if self.open.as_ref().is_some_and(|open| open.released.is_empty()) {
            self.open.take();
        }
    }
}

/// A transaction that may write. Dropping it rolls back.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Dropped before the seat: it is rolled back before somebody else has the writer.
    part: Bounded<DatabaseTransaction>,
    /// In a group; none when it is one by itself.
    seat: Option<Seat>,
}

impl Transaction {
    /// One by itself.
    pub(crate) const fn alone(whole: Bounded<DatabaseTransaction>) -> Self {
        Self {
            part: whole,
            seat: None,
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// `Conflict` when somebody else was faster; `Unavailable` when the database refuses or did not say.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Self { part, seat } = self;
        part.commit().await.map_err(refused)?;
        match seat {
            Some(seat) => seat.commit().await,
            None => Ok(()),
        }
    }
}

impl Deref for Transaction {
    type Target = Bounded<DatabaseTransaction>;

    fn deref(&self) -> &Bounded<DatabaseTransaction> {
        &self.part
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
