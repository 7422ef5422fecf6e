//! Instants. The domain never asks for the time: it is told.

/// A UTC instant with microsecond precision (the clock port cuts it, so that every database keeps it whole).
pub type Timestamp = chrono::DateTime<chrono::Utc>;
/// A signed span of time.
pub type Span = chrono::TimeDelta;
