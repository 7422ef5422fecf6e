//! Learning that there may be work: messages that may be lost, doubled or late, so nothing depends on them but speed.

use crate::sql::one;
use sea_orm::DatabaseConnection;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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
    bell: Arc<Notify>,
    source: Source,
}

enum Source {
    /// A connection of its own whose `data_version` is compared with the last one seen.
    File {
        watch: DatabaseConnection,
        seen: AtomicI64,
    },
    /// The task that listens.
    Server(JoinHandle<()>),
}

impl Wake {
    pub(crate) fn of_file(watch: DatabaseConnection) -> Self {
        let source = Source::File {
            watch,
            seen: AtomicI64::new(-1),
        };
        Self {
            bell: Arc::new(Notify::new()),
            source,
        }
    }

    pub(crate) async fn of_server(pool: PgPool) -> Self {
        let bell = Arc::new(Notify::new());
        // The first LISTEN is awaited here, so that nothing committed after `connect` is missed; if it fails, the task
        // tries again.
        let first = listen(&pool).await.ok();
        let task = tokio::spawn(keep_listening(pool, first, Arc::clone(&bell)));
        Self {
            bell,
            source: Source::Server(task),
        }
    }

    /// Something may be due now.
    pub(crate) fn ring(&self) {
        // Everybody who waits, and, when nobody does, whoever asks next: a commit between a worker's empty claim and
        // its wait must not be slept through.
        self.bell.notify_waiters();
        self.bell.notify_one();
    }

    /// Returns when the bell rings or the span is over.
    pub(crate) async fn wait(&self, at_most: Duration) {
        let rung = self.bell.notified();
        match &self.source {
            Source::Server(_) => {
                let _elapsed = tokio::time::timeout(at_most, rung).await;
            }
            Source::File { watch, seen } => {
                tokio::select! {
                    () = rung => {}
                    () = tokio::time::sleep(at_most) => {}
                    () = changed(watch, seen) => self.bell.notify_waiters(),
                }
            }
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        match &self.source {
            Source::Server(task) => task.abort(),
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

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Rings for every notification, and once for every reconnect, since what came in between is lost.
async fn keep_listening(pool: PgPool, mut listener: Option<PgListener>, bell: Arc<Notify>) {
    loop {
        if let Some(open) = &mut listener {
            match open.try_recv().await {
                Ok(_message_or_reconnect) => {
                    bell.notify_waiters();
                    bell.notify_one();
                }
                Err(error) => {
                    tracing::warn!(%error, "listening for work failed; workers poll until it works again");
                    listener = None;
                }
            }
        } else {
            tokio::time::sleep(REST).await;
            listener = listen(&pool).await.ok();
        }
    }
}
