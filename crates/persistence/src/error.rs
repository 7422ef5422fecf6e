//! From the driver's errors to the port's.

use delivr_domain::ports::error::{StoreError, Unusable};
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// What the driver's error means for the caller; `what` names the thing for people.
pub(crate) fn meaning(error: DbErr, what: &'static str) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => return StoreError::Duplicate(what),
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => return StoreError::Reference(what),
        Some(_) | None => {}
    }
    if lost_a_race(&error) {
        return StoreError::Conflict;
    }
    refusal(error)
}

/// A refusal, with its reason where somebody must mend it.
pub(crate) fn refusal<E>(error: E) -> StoreError
where
    E: std::borrow::Borrow<DbErr> + Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if is_full(error.borrow()) {
        return unavailable(Unusable::Full(error.borrow().to_string()));
    }
    unavailable(error)
}

/// Anything that leaves it open whether the statement took effect.
pub(crate) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable { source: error.into() }
}

/// Whether it was the database that refused, and not the way to it that failed.
pub(crate) fn answered(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable { source } => source
            .downcast_ref::<DbErr>()
            .and_then(cause)
            .is_some_and(|cause| cause.as_database_error().is_some()),
        StoreError::Conflict
        | StoreError::Fenced
        | StoreError::Duplicate(_)
        | StoreError::Reference(_)
        | StoreError::Corrupt { .. }
        | StoreError::Newer { .. } => true,
    }
}

/// The table whose rule a statement has broken, where PostgreSQL names one.
pub(crate) fn table(error: &DbErr) -> Option<String> {
    let cause = cause(error)?;
    cause.as_database_error()?.table().map(str::to_owned)
}

fn cause(error: &DbErr) -> Option<&sqlx::Error> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    Some(cause)
}

/// PostgreSQL's serialization failure (40001) and deadlock (40P01): the transaction is rolled back and may be repeated.
fn lost_a_race(error: &DbErr) -> bool {
    is_one_of(error, &["40001", "40P01"])
}

/// There is no room on the disk: PostgreSQL's disk_full, and SQLite's SQLITE_FULL.
pub(crate) fn is_full(error: &DbErr) -> bool {
    is_one_of(error, &["53100", "13"])
}

/// A lock that others hold was waited for as long as was allowed (55P03), or for ever (40P01); nothing is changed.
pub(crate) fn kept_waiting(error: &DbErr) -> bool {
    is_one_of(error, &["55P03", "40P01"])
}

fn is_one_of(error: &DbErr, codes: &[&str]) -> bool {
    cause(error)
        .and_then(sqlx::Error::as_database_error)
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| codes.contains(&code.as_ref()))
}
