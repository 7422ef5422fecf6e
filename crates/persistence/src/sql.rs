//! Running a statement and reading a row, with the port's errors. A stored value that cannot be read is
//! [`StoreError::Corrupt`], never a panic.

use crate::error::meaning;
use chrono::DateTime;
use delivr_domain::ports::error::StoreError;
use delivr_domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable, Value};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;
use uuid::Uuid;

/// The values of a statement's `$1`, `$2`, ...
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(::sea_orm::Value::from($value)),*] };
}
pub(crate) use values;

pub(crate) fn statement<C: ConnectionTrait>(on: &C, text: &str, values: Vec<Value>) -> Statement {
    let values = values.into_iter().map(without_nul);
    Statement::from_sql_and_values(on.get_database_backend(), text, values)
}

/// PostgreSQL keeps no NUL in text or `jsonb`. One in a vendor's words must not make a report that can never be stored,
/// so each becomes the replacement character, in both databases.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the database library's own values: only the two that hold text are meant"
)]
fn without_nul(value: Value) -> Value {
    match value {
        Value::String(Some(text)) if text.contains('\0') => Value::from(text.replace('\0', NUL)),
        Value::Json(Some(document)) => Value::from(json_without_nul(*document)),
        other => other,
    }
}

/// Stands for a NUL.
const NUL: &str = "\u{fffd}";

fn json_without_nul(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::String(text) if text.contains('\0') => Json::String(text.replace('\0', NUL)),
        Json::Array(items) => items.into_iter().map(json_without_nul).collect(),
        Json::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name.replace('\0', NUL), json_without_nul(member)))
            .collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value,
    }
}

/// Runs a statement; the answer is the number of rows it touched.
pub(crate) async fn run<C: ConnectionTrait>(
    on: &C,
    what: &'static str,
    text: &str,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    let statement = statement(on, text, values);
    let done = on
        .execute_raw(statement)
        .await
        .map_err(|error| meaning(error, what))?;
    Ok(done.rows_affected())
}

/// All rows of a query.
pub(crate) async fn all<C: ConnectionTrait>(
    on: &C,
    what: &'static str,
    text: &str,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let statement = statement(on, text, values);
    let rows = on
        .query_all_raw(statement)
        .await
        .map_err(|error| meaning(error, what))?;
    Ok(rows.into_iter().map(|row| Row { row, what }).collect())
}

/// The first row of a query.
pub(crate) async fn one<C: ConnectionTrait>(
    on: &C,
    what: &'static str,
    text: &str,
    values: Vec<Value>,
) -> Result<Option<Row>, StoreError> {
    let statement = statement(on, text, values);
    let row = on
        .query_one_raw(statement)
        .await
        .map_err(|error| meaning(error, what))?;
    Ok(row.map(|row| Row { row, what }))
}

/// A row and the name of what it is, for errors.
pub(crate) struct Row {
    row: QueryResult,
    what: &'static str,
}

impl Row {
    /// Says that a stored value cannot be read.
    pub(crate) fn corrupt(&self, column: &str, why: impl Display) -> StoreError {
        StoreError::Corrupt {
            what: self.what,
            why: format!("{column}: {why}"),
        }
    }
    fn get<T: TryGetable>(&self, column: &str) -> Result<T, StoreError> {
        self.row
            .try_get("", column)
            .map_err(|error| self.corrupt(column, error))
    }
    pub(crate) fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        self.get(column)
    }
    pub(crate) fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        self.get(column)
    }
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column)
    }
    pub(crate) fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }
    pub(crate) fn long(&self, column: &str) -> Result<i64, StoreError> {
        self.get(column)
    }
    pub(crate) fn opt_long(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }
    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        self.get(column)
    }
    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }
    pub(crate) fn json(&self, column: &str) -> Result<serde_json::Value, StoreError> {
        self.get(column)
    }
    pub(crate) fn opt_json(&self, column: &str) -> Result<Option<serde_json::Value>, StoreError> {
        self.get(column)
    }
    /// A number in a narrower type.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        let long = self.long(column)?;
        T::try_from(long).map_err(|_out_of_range| self.corrupt(column, format!("{long} is out of range")))
    }
    /// A word of a closed set.
    pub(crate) fn word<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?
            .parse()
            .map_err(|error| self.corrupt(column, error))
    }
    /// A JSON document of a known shape.
    pub(crate) fn document<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_value(self.json(column)?).map_err(|error| self.corrupt(column, error))
    }
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        let long = self.long(column)?;
        instant(long).ok_or_else(|| self.corrupt(column, format!("{long} is no instant")))
    }
    pub(crate) fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        self.opt_long(column)?
            .map(|long| instant(long).ok_or_else(|| self.corrupt(column, format!("{long} is no instant"))))
            .transpose()
    }
}

/// Microseconds since 1970 UTC, as stored.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros()
}

/// The same of an instant that may be missing.
pub(crate) fn opt_micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(micros)
}

/// A span in microseconds; one too long to count is the longest.
pub(crate) fn span(of: Duration) -> i64 {
    i64::try_from(of.as_micros()).unwrap_or(i64::MAX)
}

/// The latest instant given to the database: well inside what can be read back (year 9999).
const LATEST: i64 = 253_402_300_799_000_000;

/// An instant in microseconds plus a span, at most the year 9999.
pub(crate) fn after(now: Timestamp, wait: Duration) -> i64 {
    micros(now).saturating_add(span(wait)).min(LATEST)
}

fn instant(micros: i64) -> Option<Timestamp> {
    DateTime::from_timestamp_micros(micros)
}

/// A count as stored; none of ours comes near the limit.
pub(crate) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A document as JSON. Our documents are maps with text keys and plain data; what cannot be written is our fault and
/// is told like a value that cannot be read.
pub(crate) fn document<T: serde::Serialize>(
    what: &'static str,
    of: &T,
) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(of).map_err(|error| StoreError::Corrupt {
        what,
        why: error.to_string(),
    })
}

/// `$from, $from+1, ...` for a list of values.
pub(crate) fn places(from: usize, count: usize) -> String {
    let all: Vec<String> = (from..from + count).map(|place| format!("${place}")).collect();
    all.join(", ")
}

/// A text whose values come after so many others: its `$1` is `$(before + 1)`. No text of ours has a `$` of another meaning.
pub(crate) fn shifted(text: &str, before: usize) -> String {
    let mut parts = text.split('$');
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|it: char| !it.is_ascii_digit()).unwrap_or(part.len());
        let (place, rest) = part.split_at(end);
        let place: usize = place.parse().unwrap_or_default();
        shifted.push_str(&format!("${}{rest}", place.saturating_add(before)));
    }
    shifted
}

/// `($1, $2), ($3, $4), ...`: places for so many rows of so many values, beginning after the values before them.
pub(crate) fn rows_of_places(before: usize, rows: usize, values: usize) -> String {
    let all: Vec<String> = (0..rows)
        .map(|row| format!("({})", places(before + 1 + row * values, values)))
        .collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_through() {
        assert_eq!(rows_of_places(1, 2, 2), "($2, $3), ($4, $5)");
        assert_eq!(rows_of_places(0, 1, 3), "($1, $2, $3)");
    }

    #[test]
    fn values_that_come_after_others_keep_their_places() {
        assert_eq!(
            shifted("a = $1 and b in ($2, $13) or $1", 9),
            "a = $10 and b in ($11, $22) or $10"
        );
        assert_eq!(shifted("no value", 9), "no value");
        assert_eq!(shifted("$1", 0), "$1");
    }
}
