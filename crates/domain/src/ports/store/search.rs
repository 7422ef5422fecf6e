//! What a text finds a release by: the words of its key, title, version, branch and tag. A word is found by its beginning.
//!
//! Words and not texts anywhere: the beginning of a word has its place in an order, so that a store finds it by an index,
//! however much is stored.

use super::Projection;
use std::collections::BTreeSet;

/// Longest word that is kept; of a longer one, its beginning.
const LONGEST: usize = 100;

/// Marks of a release's line whose values are names that people know it by.
const NAMES: [&str; 2] = ["BRANCH/", "TAG/"];

/// The words that a release is found by, in lower case.
#[must_use]
pub fn words(it: &Projection) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    found.extend(asked(&it.key));
    let named = |mark: &str| NAMES.iter().any(|name| mark.starts_with(name));
    let names = it.line.iter().filter(|row| named(&row.mark));
    let texts = [it.title.as_str(), it.version.as_str()];
    for text in texts.into_iter().chain(names.map(|row| row.value.as_str())) {
        for word in asked(text) {
            // What it is made of, too: `release/1.4.0` is found as `1.4.0`, and `spring-sale` as `sale`.
            let pieces = word.split(|letter: char| !letter.is_alphanumeric() && !".-+".contains(letter));
            let letters = word.split(|letter: char| !letter.is_alphanumeric());
            let letters = letters.filter(|piece| piece.starts_with(char::is_alphabetic));
            found.extend(pieces.chain(letters).filter_map(trimmed));
            found.insert(word);
        }
    }
    found
}

/// The words of a text that somebody looks for: a release is found that has, for each of them, a word that begins so. A
/// text without any finds nothing.
#[must_use]
pub fn asked(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split_whitespace()
        .filter_map(trimmed)
        .collect()
}

/// Whether a release with these words is found.
#[must_use]
pub fn finds(asked: &BTreeSet<String>, words: &BTreeSet<String>) -> bool {
    let begins = |one: &String| {
        words
            .range(one.clone()..)
            .next()
            .is_some_and(|word| word.starts_with(one.as_str()))
    };
    !asked.is_empty() && asked.iter().all(begins)
}

/// Without what stands around it; none if nothing else is there.
fn trimmed(piece: &str) -> Option<String> {
    let bare = piece.trim_matches(|letter: char| !letter.is_alphanumeric());
    (!bare.is_empty()).then(|| bare.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::store::LineRow;

    fn release() -> Projection {
        Projection {
            key: "REL-42".to_owned(),
            title: "Spring-Sale (Überraschung)".to_owned(),
            version: "1.40.2".to_owned(),
            line: vec![LineRow {
                service: uuid::Uuid::nil(),
                mark: "BRANCH/release/1.40.2".to_owned(),
                rank: String::new(),
                value: "release/1.40.2".to_owned(),
            }],
            ..Projection::default()
        }
    }

    #[test]
    fn a_release_is_found_by_the_beginning_of_each_word() {
        let words = words(&release());
        for text in [
            "rel-42",
            "REL-4",
            "1.40",
            "1.40.2",
            "spring",
            "Spring-sale",
            "sale",
            "über",
            "release/1.4",
            "  sale  1.40.2 ",
            "(sale)",
        ] {
            assert!(finds(&asked(text), &words), "{text} in {words:?}");
        }
        for text in ["40.2", "ale", "spring 1.5", "rel-421", "", "  ", "%"] {
            assert!(!finds(&asked(text), &words), "{text}");
        }
    }

    #[test]
    fn a_word_without_end_is_kept_as_its_beginning() {
        let long = "ü".repeat(300);
        let of = Projection {
            title: long.clone(),
            ..Projection::default()
        };
        assert!(finds(&asked(&long), &words(&of)));
        assert!(words(&of).iter().all(|word| word.chars().count() <= LONGEST));
    }
}
