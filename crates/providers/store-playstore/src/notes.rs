//! Release notes in Play's languages (vendor-apis 18.4), shared among those that the app is described in.
//!
//! Google's description of the API does not say which languages notes may have. Users of it report that a commit with notes
//! in a language outside the app's store listing is refused ("Language is not associated with the app"), and that Google
//! wants notes in each language of the listing once one has some. So each of them gets a text, and a text that none would
//! show is refused by name before anything is put into an edit.

use crate::PROVIDER;
use crate::track::Note;
use delivr_domain::effect::StoreVersion;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::StoreLanguages;
use delivr_domain::release::store_notes::Language;
use std::collections::{BTreeMap, BTreeSet};

/// Most characters of the notes in one language.
const LONGEST: usize = 500;

/// Where the default text goes while Google tells no language of the app.
const NO_DEFAULT: &str = "en-US";

/// Apple's and bare codes that Play writes differently.
const OTHERWISE: &[(&str, &str)] = &[
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

fn plays(code: &str) -> &str {
    let known = OTHERWISE.iter().find(|(from, _)| *from == code);
    known.map_or(code, |(_, to)| to)
}

fn primary(language: &str) -> &str {
    language.split('-').next().unwrap_or_default()
}

/// The texts there are: Play's code of each language, how it was written, and its text; and the default text.
struct Written<'a> {
    texts: Vec<(&'a str, &'a str, &'a str)>,
    default: Option<&'a str>,
}

fn written<'a>(texts: &'a BTreeMap<String, String>, languages: &StoreLanguages) -> Written<'a> {
    let there = |(_, text): &(&String, &String)| !text.trim().is_empty();
    let (default, texts): (Vec<_>, Vec<_>) = texts
        .iter()
        .filter(there)
        .map(|(code, text)| (plays(code), code.as_str(), text.as_str()))
        .partition(|(_, code, _)| *code == Language::DEFAULT);
    let default = default.first().map(|(.., text)| *text);
    Written {
        // Submissions that began before there was a default text have it under this code.
        default: default.or_else(|| {
            let old = texts.iter().find(|(_, code, _)| is_old_default(code, languages));
            old.map(|(.., text)| *text)
        }),
        texts,
    }
}

/// Whether a text under this code was the one for everybody, where there is no default text beside it.
fn is_old_default(code: &str, languages: &StoreLanguages) -> bool {
    code == NO_DEFAULT && !languages.known.is_empty() && !languages.known.contains(code)
}

/// What each language gets: its own text, else one of the same language, else the default one; and the codes, as they
/// were written, of texts that none gets.
fn share<'a>(
    notes: &'a BTreeMap<String, String>,
    languages: &'a StoreLanguages,
) -> (BTreeMap<&'a str, &'a str>, Vec<&'a str>) {
    let written = written(notes, languages);
    let mut shared = BTreeMap::new();
    if languages.known.is_empty() {
        let default = languages.default.as_deref().unwrap_or(NO_DEFAULT);
        shared.extend(written.default.map(|text| (default, text)));
        shared.extend(written.texts.iter().map(|(language, _, text)| (*language, *text)));
        return (shared, Vec::new());
    }
    let mut read = BTreeSet::new();
    for language in &languages.known {
        // Chinese in another script is another language to its readers.
        let near = |it: &&(&str, &str, &str)| primary(it.0) == primary(language) && primary(language) != "zh";
        let own = written.texts.iter().find(|it| it.0 == language);
        match own.or_else(|| written.texts.iter().find(near)) {
            Some((_, code, text)) => {
                read.insert(*code);
                shared.insert(language.as_str(), *text);
            }
            None => shared.extend(written.default.map(|text| (language.as_str(), text))),
        }
    }
    let ungiven = |code: &&str| {
        let old = is_old_default(code, languages) && !notes.contains_key(Language::DEFAULT);
        !read.contains(code) && !old
    };
    let codes = written.texts.iter().map(|(_, code, _)| *code);
    (shared, codes.filter(ungiven).collect())
}

/// Codes of texts, as they were written, that nobody would read in an app with these languages.
pub(crate) fn unread(notes: &BTreeMap<String, String>, languages: &StoreLanguages) -> Vec<String> {
    let (_, unread) = share(notes, languages);
    unread.into_iter().map(str::to_owned).collect()
}

/// Whether the version has notes at all.
pub(crate) fn any(version: &StoreVersion) -> bool {
    version.notes.values().any(|text| !text.trim().is_empty())
}

/// Refuses what Play does not take whatever languages the app has.
///
/// # Errors
/// Invalid when a text is too long, since cutting would publish half a sentence, or when two are for one language of
/// Play's.
pub(crate) fn check(version: &StoreVersion) -> Result<(), ProviderError> {
    let nowhere = StoreLanguages::default();
    let written = written(&version.notes, &nowhere);
    let mut by_language: BTreeMap<&str, &str> = BTreeMap::new();
    for (language, code, _) in &written.texts {
        if let Some(other) = by_language.insert(language, code) {
            return Err(invalid(format!(
                "The notes for {other} and for {code} are both for {language} in Google Play; take one of them out."
            )));
        }
    }
    let texts = written.texts.iter().map(|(language, _, text)| (*language, *text));
    let all = texts.chain(written.default.map(|text| (Language::DEFAULT, text)));
    let long: Vec<String> = all
        .filter_map(|(language, text)| {
            let count = text.chars().count();
            (count > LONGEST).then(|| format!("the notes for {language} have {count}"))
        })
        .collect();
    if long.is_empty() {
        return Ok(());
    }
    Err(invalid(format!(
        "Google Play takes notes of at most {LONGEST} characters: {}; shorten them.",
        long.join(", ")
    )))
}

/// The notes of a version as an app with these languages takes them.
///
/// # Errors
/// See [`check`]; Invalid as well when a text is for a language that the app does not have.
pub(crate) fn of(version: &StoreVersion, languages: &StoreLanguages) -> Result<Vec<Note>, ProviderError> {
    check(version)?;
    let (shared, unread) = share(&version.notes, languages);
    if !unread.is_empty() {
        let known: Vec<&str> = languages.known.iter().map(String::as_str).collect();
        return Err(invalid(format!(
            "The app has no store listing in Google Play for the notes in {} (it has {}). Add the language in Play Console, \
             Main store listing, or take these notes out.",
            unread.join(", "),
            known.join(", ")
        )));
    }
    let notes = shared.into_iter().map(|(language, text)| Note {
        language: language.to_owned(),
        text: text.to_owned(),
    });
    Ok(notes.collect())
}

fn invalid(sentence: String) -> ProviderError {
    ProviderError::new(PROVIDER, "submit", ProviderErrorKind::Invalid, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = texts
            .iter()
            .map(|(code, text)| ((*code).to_owned(), (*text).to_owned()));
        owned.collect()
    }

    fn app(default: &str, known: &[&str]) -> StoreLanguages {
        StoreLanguages {
            known: known.iter().map(|it| (*it).to_owned()).collect(),
            default: (!default.is_empty()).then(|| default.to_owned()),
        }
    }

    fn sent(notes: &[(&str, &str)], app: &StoreLanguages) -> Result<BTreeMap<String, String>, ProviderError> {
        let version = StoreVersion {
            version: "1.1.0".to_owned(),
            build_number: "7".to_owned(),
            notes: texts(notes),
        };
        let pairs = of(&version, app)?
            .into_iter()
            .map(|note| (note.language, note.text));
        Ok(pairs.collect())
    }

    #[test]
    fn each_language_of_the_app_has_its_text_and_the_others_the_default_one() {
        let app = app("de-DE", &["de-DE", "en-GB", "fr-FR", "iw-IL", "zh-CN", "zh-TW"]);
        let notes = [("default", "D"), ("en-US", "E"), ("he", "I"), ("zh-Hans", "H")];
        let expected = [
            ("de-DE", "D"),
            // Of its language, before the default.
            ("en-GB", "E"),
            ("fr-FR", "D"),
            ("iw-IL", "I"),
            ("zh-CN", "H"),
            ("zh-TW", "D"),
        ];
        assert_eq!(sent(&notes, &app).unwrap(), texts(&expected));
        // An empty text is none.
        assert_eq!(
            sent(&[("fr-FR", " "), ("de", "G")], &app).unwrap(),
            texts(&[("de-DE", "G")])
        );
    }

    #[test]
    fn while_google_tells_no_language_the_default_text_goes_to_the_default_one() {
        let notes = [("default", "D"), ("fr-FR", "F")];
        let to = |language| texts(&[(language, "D"), ("fr-FR", "F")]);
        assert_eq!(sent(&notes, &app("", &[])).unwrap(), to("en-US"));
        assert_eq!(sent(&notes, &app("it-IT", &[])).unwrap(), to("it-IT"));
        let own = sent(&[("default", "D"), ("en-US", "E")], &app("", &[])).unwrap();
        assert_eq!(own, texts(&[("en-US", "E")]));
        assert_eq!(unread(&texts(&notes), &app("", &[])), Vec::<String>::new());
    }

    #[test]
    fn a_text_that_nobody_would_read_is_refused_by_name() {
        let app = app("de-DE", &["de-DE", "en-US"]);
        let notes = [("default", "D"), ("ja", "J"), ("de-AT", "A"), ("de-DE", "G")];
        assert_eq!(unread(&texts(&notes), &app), ["de-AT", "ja"]);
        let error = sent(&notes, &app).unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Invalid);
        assert!(
            error
                .sentence
                .contains("for the notes in de-AT, ja (it has de-DE, en-US)"),
            "{error}"
        );
    }

    #[test]
    fn the_one_text_of_earlier_submissions_goes_everywhere() {
        let app = app("de-DE", &["de-DE", "fr-FR"]);
        let everywhere = texts(&[("de-DE", "E"), ("fr-FR", "E")]);
        assert_eq!(sent(&[("en-US", "E")], &app).unwrap(), everywhere);
        // Beside a default text it is one for its language, which this app does not have.
        let error = sent(&[("default", "D"), ("en-US", "E")], &app).unwrap_err();
        assert!(error.sentence.contains("the notes in en-US"), "{error}");
    }

    #[test]
    fn a_refusal_names_the_language_and_its_length() {
        let app = app("en-US", &["en-US", "de-DE", "ja-JP"]);
        let long = "x".repeat(501);
        let error = sent(&[("de-DE", &long), ("ja", &"あ".repeat(500))], &app).unwrap_err();
        assert!(
            error.sentence.contains("at most 500") && error.sentence.contains("de-DE have 501"),
            "{error}"
        );
        assert!(!error.sentence.contains("ja-JP"), "{error}");
        let error = sent(&[("default", &long)], &app).unwrap_err();
        assert!(error.sentence.contains("for default have 501"), "{error}");
        let error = sent(&[("de", "1"), ("de-DE", "2")], &app).unwrap_err();
        assert!(error.sentence.contains("for de and for de-DE"), "{error}");
    }
}
