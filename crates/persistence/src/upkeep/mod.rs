//! What operators need of a database beside the store port: how much waits, what was told to people, forgetting what
//! has ended, and copies for a bad day.
//!
//! Nothing here takes part in a release: a database without any of it would do the same work.

mod backlog;
mod listing;
mod messages;
mod retention;
mod strays;

pub use backlog::{Backlog, Connections, Due, Waiting};
pub(crate) use listing::unlisted;
pub use messages::MessagesOf;
pub(crate) use messages::read_attempt;
pub use retention::{Forgotten, SHORTEST};
pub use strays::Stray;
