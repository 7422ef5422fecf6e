//! Learning that there may be work: messages that may be lost, doubled or late, so nothing depends on them but speed.

use crate::sql::one;
use sea_orm::DatabaseConnection;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The channel of LISTEN and NOTIFY.
pub(crate) const CHANNEL: &str = "delivr_work";
/// How often SQLite is asked whether another process committed something.
const POLL: Duration = Duration::from_millis(100);
/// How long a broken LISTEN connection rests before it is opened anew.
const REST: Duration = Duration::from_secs(1);

/// Wakes the workers of this process.
pub(crate) struct Wake {
    bell: Arc<Bell>,
    source: Source,
}

/// Rings for everybody who waits; when nobody does, for whoever waits next: a commit between a worker's empty claim and
/// its wait must not be slept through. Who has been woken is not woken again by the same ring, since each wake-up costs a
/// look at the database.
#[derive(Debug, Default)]
struct Bell {
    notify: Notify,
    waiting: AtomicUsize,
    /// Whether the server tells this process of its own commits too.
    told: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            self.notify.notify_one();
        } else {
            // Reaches everybody whose wait has begun, also before it was looked at for the first time.
            self.notify.notify_waiters();
        }
    }

    async fn rung(&self) {
        // Listens before it is counted: a ring in between is kept for it.
        let rung = self.notify.notified();
        let _waiter = Waiter::new(&self.waiting);
        rung.await;
    }
}

/// One who waits; not any more when this is dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

enum Source {
    /// A connection of its own whose `data_version` is compared with the last one seen.
    File {
        watch: DatabaseConnection,
        seen: AtomicI64,
    },
    /// The task that listens, and the one that tells what was committed here when it is asked to.
    Server {
        listener: JoinHandle<()>,
        teller: JoinHandle<()>,
        asked: Arc<Notify>,
    },
}

impl Wake {
    pub(crate) fn of_file(watch: DatabaseConnection) -> Self {
        let source = Source::File {
            watch,
            seen: AtomicI64::new(-1),
        };
        Self {
            bell: Arc::default(),
            source,
        }
    }

    /// A server that gives no answer for the span is taken for gone.
    pub(crate) async fn of_server(pool: PgPool, answer_within: Duration) -> Self {
        let bell: Arc<Bell> = Arc::default();
        // The first LISTEN is awaited here, so that nothing committed after `connect` is missed; if it fails, the task
        // tries again.
        let first = listen(&pool, answer_within).await.ok();
        let asked: Arc<Notify> = Arc::default();
        let teller = keep_telling(pool.clone(), answer_within, Arc::clone(&asked), Arc::clone(&bell));
        let listener = keep_listening(pool, answer_within, first, Arc::clone(&bell));
        Self {
            bell,
            source: Source::Server {
                listener: tokio::spawn(listener),
                teller: tokio::spawn(teller),
                asked,
            },
        }
    }

    /// Something may be due now.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Something was committed here that others, and workers of this process, may have work with.
    ///
    /// The server is told after the commit, once for all commits since it was told last. With the commit it could not get
    /// lost, but PostgreSQL lets transactions that notify commit one after the other, each with its own flush.
    pub(crate) fn committed(&self) {
        match &self.source {
            Source::File { .. } => self.bell.ring(),
            Source::Server { asked, .. } => {
                asked.notify_one();
                // While the server tells us too, that is enough.
                if !self.bell.told.load(Ordering::SeqCst) {
                    self.bell.ring();
                }
            }
        }
    }

    /// Returns when the bell rings or the span is over.
    pub(crate) async fn wait(&self, at_most: Duration) {
        let rung = self.bell.rung();
        match &self.source {
            Source::Server { .. } => {
                let _elapsed = tokio::time::timeout(at_most, rung).await;
            }
            Source::File { watch, seen } => {
                tokio::select! {
                    () = rung => {}
                    () = tokio::time::sleep(at_most) => {}
                    () = changed(watch, seen) => self.bell.notify.notify_waiters(),
                }
            }
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        match &self.source {
            Source::Server { listener, teller, .. } => {
                listener.abort();
                teller.abort();
            }
            Source::File { .. } => {}
        }
    }
}

/// Returns when another connection has committed since it was last looked.
async fn changed(watch: &DatabaseConnection, seen: &AtomicI64) {
    loop {
        let row = one(watch, "data_version", "pragma data_version", Vec::new()).await;
        if let Ok(Some(row)) = row
            && let Ok(version) = row.long("data_version")
        {
            let before = seen.swap(version, Ordering::Relaxed);
            if before != -1 && before != version {
                return;
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn listen(pool: &PgPool, within: Duration) -> Result<PgListener, sqlx::Error> {
    let listening = async {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let listening = tokio::time::timeout(within, listening).await;
    listening.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Tells the server's listeners whenever it is asked to.
async fn keep_telling(pool: PgPool, within: Duration, asked: Arc<Notify>, bell: Arc<Bell>) {
    loop {
        asked.notified().await;
        let telling = sqlx::query("select pg_notify($1, '')")
            .bind(CHANNEL)
            .execute(&pool);
        let told = tokio::time::timeout(within, telling).await;
        if !matches!(told, Ok(Ok(_))) {
            // Those of other processes look by themselves before long.
            bell.ring();
        }
    }
}

/// Rings for every notification, and once for every reconnect, since what came in between is lost.
async fn keep_listening(pool: PgPool, within: Duration, mut listener: Option<PgListener>, bell: Arc<Bell>) {
    loop {
        bell.told.store(listener.is_some(), Ordering::SeqCst);
        if let Some(open) = &mut listener {
            match open.try_recv().await {
                Ok(_message_or_reconnect) => bell.ring(),
                Err(error) => {
                    tracing::warn!(%error, "listening for work failed; workers poll until it works again");
                    listener = None;
                }
            }
        } else {
            tokio::time::sleep(REST).await;
            listener = listen(&pool, within).await.ok();
            // What came in between is lost.
            bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_ring_that_nobody_hears_is_kept_and_one_that_is_heard_is_not() {
        let bell = Bell::default();
        bell.ring();
        bell.rung().await;
        let mut waiting = std::pin::pin!(bell.rung());
        assert!((&mut waiting).now_or_never().is_none());
        bell.ring();
        waiting.await;
        let mut again = std::pin::pin!(bell.rung());
        assert!((&mut again).now_or_never().is_none());
    }
}
