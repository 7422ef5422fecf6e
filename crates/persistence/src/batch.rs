//! Writes that belong together: on PostgreSQL one statement, and so one round trip, for all of them.
//!
//! As parts of one statement they do not see each other. So two writes of one batch must not touch the same row; that one
//! row refers to another of them is no matter, since references are looked at when the statement is over.

use crate::error::{meaning, table, unavailable};
use crate::sql::{run, statement};
use delivr_domain::ports::error::StoreError;
use sea_orm::{ConnectionTrait, DbBackend, Value};

/// Most values of a combined statement; PostgreSQL takes 65 535.
const MOST: usize = 30_000;

/// What is to be made of how a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing.
    Any,
    /// That no row was written means that somebody else was first.
    Some,
    /// That a row is there already means that somebody else was first.
    First,
}

/// One write.
pub(crate) struct Write {
    /// What it writes, for people.
    pub(crate) what: &'static str,
    /// The table it writes to, by which an error is known to be its own.
    pub(crate) table: &'static str,
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
    pub(crate) rule: Rule,
}

/// Makes the writes.
///
/// # Errors
/// As each of them by itself.
pub(crate) async fn make<C: ConnectionTrait>(on: &C, writes: Vec<Write>) -> Result<(), StoreError> {
    let values: usize = writes.iter().map(|it| it.values.len()).sum();
    if on.get_database_backend() == DbBackend::Postgres && writes.len() > 1 && values <= MOST {
        return at_once(on, writes).await;
    }
    for write in writes {
        let done = run(on, write.what, &write.text, write.values).await;
        judge(write.rule, done)?;
    }
    Ok(())
}

fn judge(rule: Rule, done: Result<u64, StoreError>) -> Result<(), StoreError> {
    match (rule, done) {
        (Rule::Some, Ok(0)) | (Rule::First, Err(StoreError::Duplicate(_))) => Err(StoreError::Conflict),
        (Rule::Any | Rule::Some | Rule::First, done) => done.map(drop),
    }
}

async fn at_once<C: ConnectionTrait>(on: &C, writes: Vec<Write>) -> Result<(), StoreError> {
    let mut parts = Vec::with_capacity(writes.len());
    let mut counts = Vec::new();
    let mut values = Vec::new();
    let mut kinds = Vec::with_capacity(writes.len());
    for (place, write) in writes.into_iter().enumerate() {
        let text = shifted(&write.text, values.len());
        if write.rule == Rule::Some {
            parts.push(format!("w{place} as ({text} returning 1)"));
            counts.push(format!("select count(*) as written from w{place}"));
        } else {
            parts.push(format!("w{place} as ({text})"));
        }
        values.extend(write.values);
        kinds.push((write.table, write.what, write.rule));
    }
    let last = if counts.is_empty() {
        "select 1::bigint as written".to_owned()
    } else {
        counts.join(" union all ")
    };
    let text = format!("with {} {last}", parts.join(", "));
    let done = on.query_all_raw(statement(on, &text, values)).await;
    let rows = done.map_err(|error| {
        let of = |name: &str| kinds.iter().rev().find(|(its, _, _)| *its == name);
        let (what, rule) = table(&error)
            .and_then(|name| of(&name))
            .or(kinds.first())
            .map_or(("row", Rule::Any), |(_, what, rule)| (*what, *rule));
        match judge(rule, Err(meaning(error, what))) {
            Err(error) => error,
            Ok(()) => StoreError::Conflict,
        }
    })?;
    for row in rows {
        let written: i64 = row.try_get("", "written").map_err(unavailable)?;
        if written == 0 {
            return Err(StoreError::Conflict);
        }
    }
    Ok(())
}

/// The text with its places counted from after so many others.
fn shifted(text: &str, by: usize) -> String {
    let mut pieces = text.split('$');
    let mut shifted = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len()
            - piece
                .trim_start_matches(|letter: char| letter.is_ascii_digit())
                .len();
        let (number, rest) = piece.split_at(digits);
        match number.parse::<usize>() {
            Ok(place) => shifted.push_str(&format!("${}{rest}", place + by)),
            Err(_no_place) => {
                shifted.push('$');
                shifted.push_str(piece);
            }
        }
    }
    shifted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_on() {
        assert_eq!(shifted("a = $1 and b = $12", 3), "a = $4 and b = $15");
        assert_eq!(shifted("select 1", 3), "select 1");
        assert_eq!(shifted("a = $1", 0), "a = $1");
    }
}
