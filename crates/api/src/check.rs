//! Checks of single values, collected so that one answer names every wrong field.

use crate::problem::{FieldError, Problem};
use delivr_domain::time::Timestamp;
use std::str::FromStr;

/// Wrong fields found so far.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<FieldError>);

impl Checks {
    /// Nothing wrong yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }
    /// A text must have `least` to `most` characters that are not only blanks.
    pub(crate) fn text(&mut self, pointer: &str, text: &str, least: usize, most: usize) -> &mut Self {
        let count = text.chars().count();
        if count < least || count > most || (least > 0 && text.trim().is_empty()) {
            self.fail(pointer, format!("must have {least} to {most} characters"));
        }
        self
    }
    /// The same, where it is given.
    pub(crate) fn text_if(
        &mut self,
        pointer: &str,
        text: Option<&str>,
        least: usize,
        most: usize,
    ) -> &mut Self {
        match text {
            Some(text) => self.text(pointer, text, least, most),
            None => self,
        }
    }
    /// Something else is wrong.
    pub(crate) fn fail(&mut self, pointer: &str, detail: impl Into<String>) -> &mut Self {
        self.0.push(FieldError::new(pointer, detail));
        self
    }
    /// A condition that must hold.
    pub(crate) fn holds(&mut self, pointer: &str, condition: bool, detail: &str) -> &mut Self {
        if !condition {
            self.fail(pointer, detail);
        }
        self
    }
    /// 400 if anything was wrong.
    pub(crate) fn done(&mut self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::malformed(std::mem::take(&mut self.0)))
        }
    }
}

/// A text that must have the syntax of `T`: 400 at the pointer otherwise.
pub(crate) fn syntax<T: FromStr<Err: std::fmt::Display>>(pointer: &str, text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::malformed_at(pointer, error.to_string()))
}

/// An id of something referred to in a body: 422 when it cannot be one.
pub(crate) fn reference<T: FromStr>(pointer: &str, text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_ignored| unknown(pointer, what))
}

/// 422: something referred to does not exist.
pub(crate) fn unknown(pointer: &str, what: &str) -> Problem {
    Problem::unsuitable("unknown_reference", pointer, format!("there is no such {what}"))
}

/// An instant cut to microseconds, as every database keeps it.
pub(crate) fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}
