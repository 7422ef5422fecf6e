//! What a release stands for on the line of its service: versions, names and tags that the next release is compared with.
//!
//! A line grows without end, and creating a release must not read all of it: each release says under which marks it
//! stands and at which rank, and a store finds the highest of a mark by its index.

use std::collections::BTreeMap;
use uuid::Uuid;

/// A mark under which a release stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineRow {
    /// Service of the release.
    pub service: Uuid,
    /// The mark; a release has it once.
    pub mark: String,
    /// Texts whose order is the order meant.
    pub rank: String,
    /// What is found there.
    pub value: String,
}

/// What is looked for on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The mark.
    pub mark: String,
    /// The rank; without one, whichever is highest.
    pub rank: Option<String>,
}

impl Sought {
    /// The highest of a mark.
    #[must_use]
    pub const fn highest(mark: String) -> Self {
        Self { mark, rank: None }
    }
    /// One of exactly this rank.
    #[must_use]
    pub const fn exactly(mark: String, rank: String) -> Self {
        Self {
            mark,
            rank: Some(rank),
        }
    }
}

/// What was found on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Number of the release.
    pub number: i64,
    /// Key of the release, for people.
    pub key: String,
    /// Under which mark and rank it stands, and with what.
    pub row: LineRow,
}

/// Of each mark sought, the highest of those given; of equals the newest release. What nobody stands for is left out.
#[must_use]
pub fn highest(given: impl IntoIterator<Item = Standing>, sought: &[Sought]) -> Vec<Standing> {
    let mut best: BTreeMap<usize, Standing> = BTreeMap::new();
    for one in given {
        let fits = |it: &Sought| {
            it.mark == one.row.mark && it.rank.as_ref().is_none_or(|rank| *rank == one.row.rank)
        };
        for (place, _) in sought.iter().enumerate().filter(|(_, it)| fits(it)) {
            let better = best
                .get(&place)
                .is_none_or(|old| (&old.row.rank, old.number) < (&one.row.rank, one.number));
            if better {
                best.insert(place, one.clone());
            }
        }
    }
    best.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(number: i64, mark: &str, rank: &str) -> Standing {
        Standing {
            number,
            key: format!("REL-{number}"),
            row: LineRow {
                service: Uuid::nil(),
                mark: mark.to_owned(),
                rank: rank.to_owned(),
                value: String::new(),
            },
        }
    }

    #[test]
    fn the_highest_of_each_mark_is_found_and_of_equals_the_newest() {
        let given = [
            standing(1, "a", "2"),
            standing(2, "a", "1"),
            standing(3, "b", "1"),
            standing(4, "b", "1"),
        ];
        let found = highest(
            given,
            &[
                Sought::highest("a".to_owned()),
                Sought::highest("b".to_owned()),
                Sought::exactly("a".to_owned(), "1".to_owned()),
                Sought::highest("c".to_owned()),
            ],
        );
        let numbers: Vec<i64> = found.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [1, 4, 2]);
    }
}
