//! What users of a store read about a version, or will read, and where each text comes from.

use crate::shown::{brief, words};
use delivr_domain::release::store_notes::{Language, Source};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A text that users read, as the API tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reading {
    pub(crate) language: String,
    pub(crate) source: String,
    pub(crate) text: String,
}

impl Reading {
    pub(crate) fn is_changelog(&self) -> bool {
        self.source == Source::Changelog.word()
    }
}

/// The notes of one store target, as far as is told at once.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Spoken {
    pub(crate) target: String,
    pub(crate) profile: Option<String>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) warning: Option<String>,
}

/// Those of every store target.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AllSpoken {
    pub(crate) items: Vec<Spoken>,
}

/// A text with whom it is for and where it comes from, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadRow {
    /// Whom it is for; empty where it is for everybody.
    pub(crate) whom: String,
    /// Language of the text, where it is known.
    pub(crate) language: Option<String>,
    /// Where it comes from; empty where that is not known.
    pub(crate) from: String,
    pub(crate) text: String,
}

impl ReadRow {
    /// Whether it can stand within a sentence.
    pub(crate) fn is_short(&self) -> bool {
        !self.text.contains('\n') && self.text.chars().count() <= 140
    }
}

/// What users of a store read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) target: String,
    pub(crate) name: String,
    /// In one word.
    pub(crate) brief: String,
    pub(crate) rows: Vec<ReadRow>,
    /// Why somebody should write notes.
    pub(crate) warning: Option<String>,
}

/// Where a text comes from, in words.
pub(crate) fn from(source: &str, profile: Option<&str>) -> String {
    match (source.parse(), profile) {
        (Ok(Source::Written), _) => "written for this release".to_owned(),
        (Ok(Source::Profile), Some(profile)) => format!("default of profile {profile}"),
        (Ok(Source::Profile), None) => "default of the release's settings".to_owned(),
        (Ok(Source::Changelog), _) => "the changelog, since nobody wrote notes".to_owned(),
        (Err(_), _) => words(source),
    }
}

/// Texts by language for people: that for everybody without a text of their own comes last.
fn rows(texts: impl Iterator<Item = (String, String, String)>) -> Vec<ReadRow> {
    let (everybody, mut own): (Vec<_>, Vec<_>) =
        texts.partition(|(language, ..)| language == Language::DEFAULT);
    let alone = own.is_empty();
    own.extend(everybody);
    let row = |(language, from, text): (String, String, String)| {
        let known = language != Language::DEFAULT;
        ReadRow {
            whom: match (known, alone) {
                (true, _) => format!("in {language}"),
                (false, true) => String::new(),
                (false, false) => "in every other language".to_owned(),
            },
            language: known.then_some(language),
            from,
            text,
        }
    };
    own.into_iter().map(row).collect()
}

/// What users read, by what the API tells.
pub(crate) fn read(it: &Spoken) -> Read {
    let profile = it.profile.as_deref();
    let texts = it.readings.iter().map(|one| {
        let from = from(&one.source, profile);
        (one.language.clone(), from, one.text.clone())
    });
    Read {
        name: words(&it.target),
        brief: brief(&it.target),
        rows: rows(texts),
        warning: it.warning.clone(),
        target: it.target.clone(),
    }
}

/// Texts that something sends, with where they come from as far as `known` has the very same.
pub(crate) fn sent(texts: &BTreeMap<String, String>, known: Option<&Spoken>) -> Vec<ReadRow> {
    let source = |language: &str, text: &str| {
        let same = |it: &&Reading| it.language == language && it.text == text;
        let it = known?;
        let found = it.readings.iter().find(same)?;
        Some(from(&found.source, it.profile.as_deref()))
    };
    rows(texts.iter().map(|(language, text)| {
        let from = source(language, text).unwrap_or_default();
        (language.clone(), from, text.clone())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_text_says_whom_it_is_for_and_where_it_comes_from() {
        let told = json!({
            "target": "IOS_APP_STORE", "profile": "Weekly", "warning": null,
            "readings": [
                {"language": "de-DE", "source": "WRITTEN", "text": "Geschenke."},
                {"language": "default", "source": "PROFILE", "text": "Bug fixes."},
                {"language": "ja", "source": "PROFILE", "text": "修正"},
            ],
        });
        let spoken: Spoken = serde_json::from_value(told).unwrap();
        let said = read(&spoken);
        let lines: Vec<String> = said
            .rows
            .iter()
            .map(|it| format!("{} ({}): {}", it.whom, it.from, it.text))
            .collect();
        assert_eq!(
            lines,
            [
                "in de-DE (written for this release): Geschenke.",
                "in ja (default of profile Weekly): 修正",
                "in every other language (default of profile Weekly): Bug fixes.",
            ]
        );
        let texts = BTreeMap::from([("default".to_owned(), "Bug fixes.".to_owned())]);
        let rows = sent(&texts, Some(&spoken));
        assert_eq!(
            (rows[0].whom.as_str(), rows[0].from.as_str()),
            ("", "default of profile Weekly")
        );
        // Another text than is told now comes from where nobody knows.
        let texts = BTreeMap::from([("default".to_owned(), "Old.".to_owned())]);
        assert_eq!(sent(&texts, Some(&spoken))[0].from, "");
        assert_eq!(sent(&texts, None)[0].from, "");
    }
}
