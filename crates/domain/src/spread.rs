//! How long things usually take.

use chrono::TimeDelta;

/// Fewer than this tell nothing about what is usual.
pub const FEWEST: usize = 3;

/// What is usual among some spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// From so many.
    pub of: usize,
    /// Half of them took no longer.
    pub median: TimeDelta,
    /// Nine of ten took no longer.
    pub ninetieth: TimeDelta,
}

impl Spread {
    /// What is usual among the spans; none of fewer than [`FEWEST`].
    #[must_use]
    pub fn of(mut spans: Vec<TimeDelta>) -> Option<Self> {
        spans.sort_unstable();
        let of = spans.len();
        if of < FEWEST {
            return None;
        }
        let at = |index: usize| spans.get(index).copied();
        let (lower, upper) = (at((of - 1) / 2)?, at(of / 2)?);
        // The nearest one of which nine tenths took no longer.
        let ninetieth = at((of * 9).div_ceil(10).saturating_sub(1))?;
        Some(Self {
            of,
            median: lower + (upper - lower) / 2,
            ninetieth,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(hours: &[i64]) -> Option<(i64, i64)> {
        let spans = hours.iter().map(|hours| TimeDelta::hours(*hours)).collect();
        let found = Spread::of(spans)?;
        assert_eq!(found.of, hours.len());
        Some((found.median.num_minutes(), found.ninetieth.num_hours()))
    }

    #[test]
    fn what_is_usual_is_told_of_enough() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5, 6]), None, "two tell nothing");
        assert_eq!(spread(&[9, 1, 4]), Some((240, 9)));
        assert_eq!(
            spread(&[4, 1, 2, 3]),
            Some((150, 4)),
            "between the two in the middle"
        );
        assert_eq!(spread(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 100]), Some((330, 9)));
    }
}
