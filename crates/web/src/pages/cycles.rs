//! Regression cycles as rows: how they went, how many tests passed, how long they took.

use crate::model::{Cycle, Tests};
use crate::when::span;
use chrono::{DateTime, Utc};

/// A cycle.
#[derive(Debug, Clone)]
pub(crate) struct CycleRow {
    pub(crate) cycle: Cycle,
    /// What is said of it: its verdict, or that it runs.
    pub(crate) word: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) tests: Option<TestsRow>,
    /// How long it took, or has taken so far.
    pub(crate) took: String,
}

/// Counts of test cases as a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestsRow {
    /// Passed, of all, in percent.
    pub(crate) passed: u32,
    /// Passed or failed, of all, in percent.
    pub(crate) run: u32,
    pub(crate) share: String,
    pub(crate) counts: String,
    /// The bar in words.
    pub(crate) said: String,
}

/// Part of a whole, in percent; a part that is there is never nothing.
fn share(part: u32, whole: u32) -> u32 {
    let exact = u64::from(part) * 100;
    let rounded = exact.checked_div(u64::from(whole)).unwrap_or_default();
    let shown = if part > 0 { rounded.max(1) } else { 0 };
    u32::try_from(shown.min(100)).unwrap_or(100)
}

fn tests_row(tests: &Tests) -> TestsRow {
    let run = tests.passed.saturating_add(tests.failed);
    let mut counts = format!("{} of {}", tests.passed, tests.total);
    if tests.failed > 0 {
        counts.push_str(&format!(", {} failed", tests.failed));
    }
    if tests.untested > 0 {
        counts.push_str(&format!(", {} open", tests.untested));
    }
    let passed = share(tests.passed, tests.total);
    TestsRow {
        passed,
        run: share(run, tests.total),
        share: format!("{passed} %"),
        said: format!(
            "{} of {} test cases passed, {} failed",
            tests.passed, tests.total, tests.failed
        ),
        counts,
    }
}

/// What a cycle comes to, and how good or bad that is.
pub(crate) fn outcome(cycle: &Cycle) -> (&'static str, &'static str) {
    match (cycle.status.as_str(), cycle.verdict.as_str()) {
        ("ABANDONED", _) => ("ABANDONED", "plain"),
        (_, "PASSED") => ("PASSED", "good"),
        (_, "FAILED") => ("FAILED", "bad"),
        ("IN_PROGRESS", _) => ("IN_PROGRESS", "busy"),
        (_, _) => ("NO_VERDICT", "warn"),
    }
}

/// The cycles, the newest first.
pub(crate) fn cycle_rows(cycles: &[Cycle], now: DateTime<Utc>) -> Vec<CycleRow> {
    let rows = cycles.iter().rev().map(|cycle| {
        let (word, tone) = outcome(cycle);
        CycleRow {
            word,
            tone,
            tests: cycle.tests.as_ref().map(tests_row),
            took: span(cycle.ended_at.unwrap_or(now) - cycle.started_at),
            cycle: cycle.clone(),
        }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_there_is_seen() {
        assert_eq!(
            (share(0, 10), share(1, 1_000), share(999, 1_000), share(5, 5)),
            (0, 1, 99, 100)
        );
        assert_eq!(share(1, 0), 1);
    }

    #[test]
    fn counts_are_said_in_words_too() {
        let row = tests_row(&Tests {
            total: 40,
            passed: 36,
            failed: 3,
            untested: 1,
        });
        assert_eq!((row.passed, row.run, row.share.as_str()), (90, 97, "90 %"));
        assert_eq!(row.counts, "36 of 40, 3 failed, 1 open");
        assert_eq!(row.said, "36 of 40 test cases passed, 3 failed");
    }
}
