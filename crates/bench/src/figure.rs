//! A figure: what was measured, what the goal is, and whether it is met.

use crate::database::Kind;
use serde_json::{Value, json};
use std::io::Write as _;

/// A value with what it is compared to.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// The group it stands in.
    group: &'static str,
    /// On which database.
    database: Kind,
    /// Under which circumstances.
    case: String,
    /// What is counted.
    what: String,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
}

/// What a value should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Figure {
    /// A value without a goal.
    pub(crate) fn new(
        group: &'static str,
        database: Kind,
        case: impl Into<String>,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            group,
            database,
            case: case.into(),
            what: what.into(),
            value,
            unit,
            goal: None,
        }
    }
    /// The same with a goal.
    pub(crate) const fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    fn met(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        })
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Some(Goal::AtMost(most)) => format!("≤ {}", shown(most)),
            Some(Goal::AtLeast(least)) => format!("≥ {}", shown(least)),
            None => String::new(),
        }
    }

    /// Prints it: a line for people, and one for programs.
    pub(crate) fn tell(&self) {
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        say(&format!(
            "{:<10} {:<10} {:<44} {:<34} {:>10} {:<12} {:<10} {met}",
            self.group,
            self.database.to_string(),
            self.case,
            self.what,
            shown(self.value),
            self.unit,
            self.goal_text(),
        ));
        say(&self.document().to_string());
    }

    fn document(&self) -> Value {
        json!({
            "group": self.group, "database": self.database.to_string(), "case": self.case, "what": self.what,
            "value": shown(self.value), "unit": self.unit, "goal": self.goal_text(), "met": self.met(),
        })
    }
}

/// Three significant digits are what such a value means.
fn shown(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || size == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// The value below which the share of all values lies. Zero when there are none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of at most some hundred thousand values"
    )]
    let place = ((sorted.len().saturating_sub(1)) as f64 * share).ceil() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// One over the other; zero when there is nothing to divide by.
pub(crate) fn ratio(one: f64, other: f64) -> f64 {
    if other == 0.0 { 0.0 } else { one / other }
}

/// A count as a number to calculate with.
pub(crate) fn float(count: i64) -> f64 {
    // Counts of statements and bytes; none comes near 2^53.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let value = count as f64;
    value
}

/// Prints a line. Whoever closed the pipe does not want it.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{line}");
    let _closed = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(shown(quantile(&values, 0.5)), "51.0");
        assert_eq!(shown(quantile(&values, 0.99)), "100");
        assert_eq!(shown(quantile(&[], 0.5)), "0");
    }

    #[test]
    fn a_goal_is_met_at_its_border() {
        let figure = |value| Figure::new("x", Kind::Sqlite, "", "", value, "ms");
        assert_eq!(figure(5.0).goal(Goal::AtMost(5.0)).met(), Some(true));
        assert_eq!(figure(5.1).goal(Goal::AtMost(5.0)).met(), Some(false));
        assert_eq!(figure(5.0).goal(Goal::AtLeast(5.1)).met(), Some(false));
        assert_eq!(figure(5.0).met(), None);
    }
}
