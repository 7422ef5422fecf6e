//! Statements that must be answered within a bound.
//!
//! A server that is gone says so, or its port does. One that hangs (its host stalls, its disk does not answer, packets
//! are dropped on the way) says nothing at all, and who asked it would wait for ever. So whoever asks gives up after a
//! while; what became of the statement is then as unknown as after a lost connection. SQLite is a file of this host, whose
//! writer others may have for long: who waits for that is bounded where it waits, and here is no bound.

use crate::error::is_full;
use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When something last happened, if ever.
#[derive(Debug, Default)]
struct Last(Mutex<Option<Instant>>);

impl Last {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn within(&self, span: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() <= span)
    }
}

/// Trouble that one statement met and others will meet too.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// A connection was found to be lost: those that nobody has used since may be lost too.
    lost: Last,
    /// There was no room for what was to be written.
    full: Last,
}

impl Trouble {
    pub(crate) fn lost(&self) {
        self.lost.note();
    }

    /// Whether a connection that was not used for so long may be lost with the others.
    pub(crate) fn may_have_taken(&self, idle_for: Duration) -> bool {
        self.lost.within(idle_for)
    }

    /// Whether there was no room at some time in the span.
    pub(crate) fn was_full(&self, span: Duration) -> bool {
        self.full.within(span)
    }
}

/// How long an answer is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// None waits for ever.
    at_most: Option<Duration>,
    trouble: Arc<Trouble>,
}

impl Bound {
    pub(crate) const fn new(at_most: Option<Duration>, trouble: Arc<Trouble>) -> Self {
        Self { at_most, trouble }
    }

    /// What the database answers, or that it did not.
    pub(crate) async fn of<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let done = self.in_time(work).await;
        if done.as_ref().is_err_and(is_full) {
            self.trouble.full.note();
        }
        done
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let Some(at_most) = self.at_most else {
            return work.await;
        };
        match tokio::time::timeout(at_most, work).await {
            Ok(done) => done,
            Err(_elapsed) => {
                self.trouble.lost();
                let silence = format!("the database gave no answer for {} s", at_most.as_secs_f32());
                Err(DbErr::Conn(RuntimeErr::Internal(silence)))
            }
        }
    }
}

/// A pool or a transaction with the bound of its statements.
#[derive(Debug, Clone)]
pub(crate) struct Bounded<C> {
    /// What is asked. Used by itself it has no bound.
    pub(crate) on: C,
    pub(crate) bound: Bound,
}

impl Bounded<DatabaseTransaction> {
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let Self { on, bound } = self;
        bound.of(on.commit()).await
    }
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.on.get_database_backend()
    }
    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.bound.of(self.on.execute_raw(statement)).await
    }
    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.bound.of(self.on.execute_unprepared(text)).await
    }
    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.bound.of(self.on.query_one_raw(statement)).await
    }
    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.bound.of(self.on.query_all_raw(statement)).await
    }
}
