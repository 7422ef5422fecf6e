//! Release notes in Play's languages (vendor-apis 18.4).

use crate::PROVIDER;
use crate::track::Note;
use delivr_domain::effect::StoreVersion;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use std::collections::BTreeMap;

/// Most characters of the notes in one language.
const LONGEST: usize = 500;

/// Apple's and bare codes that Play writes differently.
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

/// The notes of a version as Play takes them; a code that is Play's own wins over one that is mapped to it.
///
/// # Errors
/// Invalid when one is too long: cutting would publish half a sentence.
pub(crate) fn of(version: &StoreVersion) -> Result<Vec<Note>, ProviderError> {
    let mut by_language: BTreeMap<&str, &str> = BTreeMap::new();
    let mapped = |code: &str| {
        OTHERWISE
            .iter()
            .find(|(from, _)| *from == code)
            .map(|(_, to)| *to)
    };
    for (code, text) in version.notes.iter().filter(|(_, text)| !text.trim().is_empty()) {
        match mapped(code) {
            Some(language) => {
                by_language.entry(language).or_insert(text);
            }
            None => {
                by_language.insert(code, text);
            }
        }
    }
    if let Some((language, _)) = by_language
        .iter()
        .find(|(_, text)| text.chars().count() > LONGEST)
    {
        return Err(ProviderError::new(
            PROVIDER,
            "submit",
            ProviderErrorKind::Invalid,
            format!(
                "The notes for {language} are longer than Google Play's {LONGEST} characters; shorten them."
            ),
        ));
    }
    let notes = by_language.into_iter();
    Ok(notes
        .map(|(language, text)| Note {
            language: language.to_owned(),
            text: text.to_owned(),
        })
        .collect())
}
