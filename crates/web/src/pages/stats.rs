//! Numbers of releases as the API counts them: right, or said to be more.

use serde::Deserialize;
use std::fmt;

/// So many; or more than so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Count {
    pub(crate) count: usize,
    more: bool,
}

impl Count {
    /// Whether there are more than some.
    pub(crate) const fn exceeds(&self, shown: usize) -> bool {
        self.more || self.count > shown
    }
    /// Both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            more: self.more || other.more,
        }
    }
    /// Whether there is none.
    pub(crate) const fn none(&self) -> bool {
        self.count == 0 && !self.more
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, if self.more { "+" } else { "" })
    }
}

/// How many are of a stage.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StageCount {
    pub(crate) stage: String,
    #[serde(flatten)]
    pub(crate) count: Count,
}

/// How many releases stand where.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    pub(crate) open: Count,
    pub(crate) waiting: Count,
    pub(crate) stopped: Count,
    pub(crate) mine: Count,
    pub(crate) ready_for_staging: Count,
    pub(crate) ready_for_production: Count,
    pub(crate) waiting_in_stores: Count,
    pub(crate) stages: Vec<StageCount>,
    pub(crate) settling: bool,
}

impl Stats {
    /// How many are of a stage.
    pub(crate) fn of(&self, stage: &str) -> Count {
        let found = self.stages.iter().find(|it| it.stage == stage);
        found.map_or(
            Count {
                count: 0,
                more: false,
            },
            |it| it.count,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_says_so() {
        let (some, many) = (
            Count {
                count: 7,
                more: false,
            },
            Count {
                count: 1_000,
                more: true,
            },
        );
        assert_eq!(
            (some.to_string(), many.to_string()),
            ("7".to_owned(), "1000+".to_owned())
        );
        assert!(some.exceeds(6) && !some.exceeds(7) && many.exceeds(1_000));
    }
}
