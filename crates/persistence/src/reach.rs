//! What comes before a database is opened: a file that is its owner's alone, a server that may still be starting.

use crate::error::unavailable;
use delivr_domain::ports::error::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause between two tries to reach a server that may be starting.
const KNOCK: Duration = Duration::from_millis(500);

/// Returns when the server takes a connection. One that refuses may be starting, and is tried again for a while.
pub(crate) async fn reach(server: &PgConnectOptions, at_most: Duration) -> Result<(), StoreError> {
    let until = Instant::now() + at_most;
    let mut told = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let error = match tokio::time::timeout(left.max(KNOCK), server.connect()).await {
            Ok(Ok(connection)) => return connection.close().await.map_err(unavailable),
            Ok(Err(error)) if may_be_starting(&error) => error,
            Ok(Err(error)) => return Err(unavailable(error)),
            Err(_elapsed) => {
                return Err(unavailable(format!(
                    "the server took the connection, and then gave no answer for {} s",
                    left.as_secs()
                )));
            }
        };
        if left <= KNOCK {
            return Err(unavailable(error));
        }
        if !told {
            tracing::warn!(%error, "the database takes no connections; trying again for {} s", at_most.as_secs());
            told = true;
        }
        tokio::time::sleep(KNOCK).await;
    }
}

fn may_be_starting(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Io(error) = error {
        return error.kind() == std::io::ErrorKind::ConnectionRefused;
    }
    // "The database system is starting up".
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "57P03")
}

/// Makes the file where it is not there and may be made, so that nobody but its owner reads it. SQLite gives the files
/// beside it the same mode.
pub(crate) fn for_its_owner(url: &str, file: &Path) -> std::io::Result<()> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    if !parameters.split('&').any(|it| it == "mode=rwc") {
        return Ok(());
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_made) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
