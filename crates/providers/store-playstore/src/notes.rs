//! Release notes in Play's languages (vendor-apis 18.4).

use crate::PROVIDER;
use crate::track::Note;
use delivr_domain::effect::StoreVersion;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::release::store_notes::Language;
use std::collections::BTreeMap;

/// Most characters of the notes in one language.
const LONGEST: usize = 500;

/// Apple's and bare codes that Play writes differently, and where the default text goes.
const OTHERWISE: &[(&str, &str)] = &[
    ("default", "en-US"),
    ("en", "en-US"),
    ("de", "de-DE"),
    ("fr", "fr-FR"),
    ("es", "es-ES"),
    ("ar-SA", "ar"),
    ("cs", "cs-CZ"),
    ("da", "da-DK"),
    ("el", "el-GR"),
    ("es-MX", "es-419"),
    ("fi", "fi-FI"),
    ("he", "iw-IL"),
    ("hi", "hi-IN"),
    ("hu", "hu-HU"),
    ("it", "it-IT"),
    ("ja", "ja-JP"),
    ("ko", "ko-KR"),
    ("no", "no-NO"),
    ("pl", "pl-PL"),
    ("ru", "ru-RU"),
    ("sv", "sv-SE"),
    ("tr", "tr-TR"),
    ("zh-Hans", "zh-CN"),
    ("zh-Hant", "zh-TW"),
];

/// The notes of a version as Play takes them. The default text is for readers of English, which Play shows to everybody
/// whose language has none, unless there is one for them.
///
/// # Errors
/// Invalid when one is too long, since cutting would publish half a sentence, or when two are for one language of Play's.
pub(crate) fn of(version: &StoreVersion) -> Result<Vec<Note>, ProviderError> {
    let mut by_language: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let written = |(_, text): &(&String, &String)| !text.trim().is_empty();
    for (code, text) in version.notes.iter().filter(written) {
        let known = OTHERWISE.iter().find(|(from, _)| from == code);
        let language = known.map_or(code.as_str(), |(_, to)| to);
        match by_language.get(language) {
            Some((other, _)) if *other != Language::DEFAULT => {
                return Err(invalid(format!(
                    "The notes for {other} and for {code} are both for {language} in Google Play; take one of them out."
                )));
            }
            Some(_) | None => {
                by_language.insert(language, (code, text));
            }
        }
    }
    let long = |(language, (_, text)): (&&str, &(&str, &str))| {
        let count = text.chars().count();
        (count > LONGEST).then(|| format!("the notes for {language} have {count}"))
    };
    let long: Vec<String> = by_language.iter().filter_map(long).collect();
    if !long.is_empty() {
        return Err(invalid(format!(
            "Google Play takes notes of at most {LONGEST} characters: {}; shorten them.",
            long.join(", ")
        )));
    }
    let notes = by_language.into_iter();
    Ok(notes
        .map(|(language, (_, text))| Note {
            language: language.to_owned(),
            text: text.to_owned(),
        })
        .collect())
}

fn invalid(sentence: String) -> ProviderError {
    ProviderError::new(PROVIDER, "submit", ProviderErrorKind::Invalid, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(texts: &[(&str, &str)]) -> Result<Vec<(String, String)>, ProviderError> {
        let owned = texts
            .iter()
            .map(|(code, text)| ((*code).to_owned(), (*text).to_owned()));
        let version = StoreVersion {
            version: "1.1.0".to_owned(),
            build_number: "7".to_owned(),
            notes: owned.collect(),
        };
        let pairs = of(&version)?.into_iter().map(|note| (note.language, note.text));
        Ok(pairs.collect())
    }

    fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = texts
            .iter()
            .map(|(code, text)| ((*code).to_owned(), (*text).to_owned()));
        owned.collect()
    }

    #[test]
    fn each_language_has_its_text_and_english_the_default_one() {
        let found = sent(&[("default", "D"), ("de-DE", "G"), ("he", "I"), ("zh-Hans", "H")]).unwrap();
        assert_eq!(
            found,
            pairs(&[("de-DE", "G"), ("en-US", "D"), ("iw-IL", "I"), ("zh-CN", "H")])
        );
        let found = sent(&[("default", "D"), ("en-US", "E"), ("fr-FR", " ")]).unwrap();
        assert_eq!(found, pairs(&[("en-US", "E")]));
    }

    #[test]
    fn a_refusal_names_the_language_and_its_length() {
        let error = sent(&[("de-DE", &"x".repeat(501)), ("ja", &"あ".repeat(500))]).unwrap_err();
        assert!(
            error.sentence.contains("at most 500") && error.sentence.contains("de-DE have 501"),
            "{error}"
        );
        assert!(!error.sentence.contains("ja-JP"), "{error}");
        let error = sent(&[("de", "1"), ("de-DE", "2")]).unwrap_err();
        assert!(error.sentence.contains("for de and for de-DE"), "{error}");
    }
}
