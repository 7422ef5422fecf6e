//! Instants. The domain never asks for the time: it is told.

/// A UTC instant with microsecond precision (the clock port cuts it, so that every database keeps it whole).
pub type Timestamp = chrono::DateTime<chrono::Utc>;
/// A signed span of time.
pub type Span = chrono::TimeDelta;

/// When something happened, as seen by those who put its news in order: never at or before what happened before it,
/// whatever the clocks of the two processes say.
#[must_use]
pub fn in_order(before: Timestamp, at: Timestamp) -> Timestamp {
    before
        .checked_add_signed(Span::microseconds(1))
        .map_or(at, |next| at.max(next))
}
