//! The notes of a version ("what's new"), one text for each of its languages (vendor-apis 17.7).
//!
//! Apple takes nothing back of several writes when one of them fails: each is made only where the text is not there yet,
//! and what no text may come of is refused before the first of them.

use crate::model::document;
use crate::reads::{App, Version};
use crate::states::Standing;
use crate::writes::{State, before, error};
use delivr_domain::effect::{Reference, StoreVersion};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::StoreLanguages;
use delivr_domain::release::store_notes::Language;
use delivr_provider_kit::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Most characters of the notes in one locale.
const LONGEST_NOTES: usize = 4000;

/// Google's codes that Apple writes differently.
const OTHERWISE: &[(&str, &str)] = &[
    ("es-419", "es-MX"),
    ("iw-IL", "he"),
    ("no-NO", "no"),
    ("zh-CN", "zh-Hans"),
    ("zh-HK", "zh-Hant"),
    ("zh-TW", "zh-Hant"),
];

/// A locale whose text is not as wanted.
struct Open {
    locale: String,
    /// The localization of the version, if it has one.
    id: Option<String>,
    text: String,
}

/// What each locale gets, and what nobody would read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Share<'a> {
    texts: BTreeMap<&'a str, &'a str>,
    /// Locales that get no text, while others do.
    without: Vec<&'a str>,
    /// Languages of texts that no locale gets, as they were written.
    unread: Vec<&'a str>,
}

/// Shares the notes among locales: each gets its own text, else one of the same language, else the default text.
fn share<'a>(notes: &'a BTreeMap<String, String>, locales: &[&'a str]) -> Share<'a> {
    let written: Vec<(&str, &str, &str)> = notes
        .iter()
        .filter(|(language, text)| *language != Language::DEFAULT && !text.trim().is_empty())
        .map(|(language, text)| (apples(language), language.as_str(), text.as_str()))
        .collect();
    let default = notes
        .get(Language::DEFAULT)
        // Submissions that began before there was a default text have it here.
        .or_else(|| notes.get("en-US"))
        .map(String::as_str)
        .filter(|text| !text.trim().is_empty());
    let mut share = Share::default();
    let mut read = BTreeSet::new();
    for locale in locales {
        // Chinese in another script is another language to its readers.
        let near = |it: &&(&str, &str, &str)| primary(it.0) == primary(locale) && primary(locale) != "zh";
        let own = written.iter().find(|it| it.0 == *locale);
        match own.or_else(|| written.iter().find(near)) {
            Some((_, language, text)) => {
                read.insert(*language);
                share.texts.insert(locale, text);
            }
            None => match default {
                Some(text) => {
                    share.texts.insert(locale, text);
                }
                None if written.is_empty() => {}
                None => share.without.push(locale),
            },
        }
    }
    let old_default = |language: &str| language == "en-US" && !notes.contains_key(Language::DEFAULT);
    share.unread = written
        .iter()
        .map(|(_, language, _)| *language)
        .filter(|language| !read.contains(language) && !old_default(language))
        .collect();
    share
}

fn apples(language: &str) -> &str {
    let known = OTHERWISE.iter().find(|(from, _)| *from == language);
    known.map_or(language, |(_, to)| to)
}

fn primary(locale: &str) -> &str {
    locale.split('-').next().unwrap_or_default()
}

/// Refuses what cannot be shared as it was written: a text that no locale gets, a locale without one, a text too long.
fn sound(operation: &'static str, version: &str, share: &Share<'_>) -> Result<(), ProviderError> {
    let invalid = |sentence: String| Err(error(operation, ProviderErrorKind::Invalid, sentence));
    if !share.unread.is_empty() {
        return invalid(format!(
            "Version {version} has no language for the notes in {}. Add it to the app in App Store Connect, with its description \
             and keywords, or name it among the locales of the integration to have it added, or take these notes out.",
            share.unread.join(", ")
        ));
    }
    if !share.without.is_empty() {
        return invalid(format!(
            "There are no notes for {} and no default text; write one of them.",
            share.without.join(", ")
        ));
    }
    let long = |(locale, text): (&&str, &&str)| {
        let count = text.chars().count();
        (count > LONGEST_NOTES).then(|| format!("the notes for {locale} have {count}"))
    };
    let long: Vec<String> = share.texts.iter().filter_map(long).collect();
    if long.is_empty() {
        return Ok(());
    }
    invalid(format!(
        "The App Store takes notes of at most {LONGEST_NOTES} characters: {}; shorten them.",
        long.join(", ")
    ))
}

impl App {
    /// Locales that get texts of these notes, of a version that has those already.
    fn meant<'a>(&'a self, there: &[&'a str], notes: &BTreeMap<String, String>) -> Vec<&'a str> {
        if self.locales.is_empty() {
            return there.to_vec();
        }
        let mut locales: Vec<&str> = self.locales.iter().map(String::as_str).collect();
        // A text that a person wrote for a locale of the version goes there, whether or not the set-up names it.
        let written = |locale: &str| notes.keys().any(|language| apples(language) == locale);
        let further = there.iter().copied();
        let further: Vec<&str> = further
            .filter(|it| !locales.contains(it) && written(it))
            .collect();
        locales.extend(further);
        locales
    }

    /// Languages that the next version has, of itself or by the set-up.
    pub(crate) async fn known_languages(&self) -> Result<StoreLanguages, ProviderError> {
        let (default, there) = self.locales("read_languages").await?;
        let mut known: BTreeSet<String> = there.into_iter().collect();
        if !known.is_empty() {
            known.extend(self.locales.iter().cloned());
        }
        Ok(StoreLanguages { known, default })
    }

    /// Languages of texts that no locale gets.
    pub(crate) fn unread_texts(
        &self,
        languages: &StoreLanguages,
        notes: &BTreeMap<String, String>,
    ) -> Vec<String> {
        if languages.known.is_empty() {
            return Vec::new();
        }
        let there: Vec<&str> = languages.known.iter().map(String::as_str).collect();
        let share = share(notes, &self.meant(&there, notes));
        share.unread.into_iter().map(str::to_owned).collect()
    }

    /// Refuses notes that the version to be made could not take, so that it is not made in vain. It begins with the
    /// locales of the version before it; of an app's first version nobody knows them yet.
    pub(crate) async fn foresee(&self, wanted: &StoreVersion) -> Result<(), ProviderError> {
        if wanted.notes.values().all(|text| text.trim().is_empty()) {
            return Ok(());
        }
        let (_, there) = self.locales("create_version").await?;
        if there.is_empty() {
            return Ok(());
        }
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        let share = share(&wanted.notes, &self.meant(&there, &wanted.notes));
        sound("create_version", &wanted.version, &share)
    }

    /// Locales whose notes are not as wanted. Nothing was written when this refuses.
    async fn notes_open(&self, found: &Version, wanted: &StoreVersion) -> Result<Vec<Open>, ProviderError> {
        let there = self.texts("find_notes", &found.id).await?;
        let locales: Vec<&str> = there.iter().map(|(locale, ..)| locale.as_str()).collect();
        let share = share(&wanted.notes, &self.meant(&locales, &wanted.notes));
        sound("set_notes", &found.string, &share)?;
        let mut open = Vec::new();
        for (locale, text) in share.texts {
            let known = there.iter().find(|(other, ..)| other == locale);
            if known.is_some_and(|(_, now, _)| now.trim() == text.trim()) {
                continue;
            }
            open.push(Open {
                locale: locale.to_owned(),
                id: known.map(|(.., id)| id.clone()),
                text: text.to_owned(),
            });
        }
        Ok(open)
    }

    pub(crate) async fn notes_state(&self, wanted: &StoreVersion) -> Result<State, ProviderError> {
        let found = self.expect_version("find_notes", &wanted.version).await?;
        if self.notes_open(&found, wanted).await?.is_empty() {
            return Ok(State::Done(found.reference()));
        }
        if found.standing() == Standing::Editable {
            return Ok(State::Open);
        }
        Ok(State::Foreign(format!(
            "Version {} has other release notes and is in state {}, in which Apple takes no new ones; withdraw it first.",
            found.string, found.word
        )))
    }

    pub(crate) async fn set_notes(&self, wanted: &StoreVersion) -> Result<Reference, ProviderError> {
        const KIND: &str = "appStoreVersionLocalizations";
        let found = self
            .expect_version("set_notes", &wanted.version)
            .await
            .map_err(before)?;
        let open = self.notes_open(&found, wanted).await.map_err(before)?;
        for Open { locale, id, text } in open {
            let (method, path, body) = match id {
                Some(id) => {
                    let body = document(KIND, Some(&id), json!({"whatsNew": text}), &[]);
                    (Method::PATCH, format!("v1/{KIND}/{id}"), body)
                }
                None => {
                    let of = [("appStoreVersion", "appStoreVersions", found.id.as_str())];
                    let body = document(KIND, None, json!({"locale": locale, "whatsNew": text}), &of);
                    (Method::POST, format!("v1/{KIND}"), body)
                }
            };
            self.client.write("set_notes", method, &path, body).await?;
        }
        Ok(found.reference())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = texts
            .iter()
            .map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
        owned.collect()
    }

    #[test]
    fn a_locale_gets_its_own_text_else_its_language_s_else_the_default() {
        let written = notes(&[("default", "D"), ("de-DE", "G"), ("zh-CN", "H"), ("iw-IL", "I")]);
        let locales = ["de-DE", "en-US", "fr-FR", "he", "zh-Hans", "zh-Hant"];
        let shared = share(&written, &locales);
        let expected = [
            ("de-DE", "G"),
            ("en-US", "D"),
            ("fr-FR", "D"),
            ("he", "I"),
            ("zh-Hans", "H"),
            ("zh-Hant", "D"),
        ];
        assert_eq!(shared.texts, expected.into());
        assert_eq!((shared.without, shared.unread), (vec![], vec![]));
        // Of its language, before the default.
        let near = notes(&[("default", "D"), ("en-GB", "E")]);
        assert_eq!(share(&near, &["en-US"]).texts, [("en-US", "E")].into());
    }

    #[test]
    fn nothing_is_dropped_without_a_word() {
        let written = notes(&[("de-AT", "A"), ("de-DE", "G"), ("fr-FR", "F")]);
        let shared = share(&written, &["de-DE", "it"]);
        assert_eq!(shared.unread, ["de-AT", "fr-FR"]);
        assert_eq!(shared.without, ["it"]);
        // One code of Apple's under two of Google's names.
        let twice = notes(&[("zh-HK", "A"), ("zh-TW", "B")]);
        assert_eq!(share(&twice, &["zh-Hant"]).unread, ["zh-TW"]);
    }

    #[test]
    fn the_one_text_of_earlier_submissions_goes_everywhere() {
        let old = notes(&[("en-US", "E")]);
        let shared = share(&old, &["de-DE", "fr-FR"]);
        assert_eq!(shared.texts, [("de-DE", "E"), ("fr-FR", "E")].into());
        assert_eq!((shared.without, shared.unread), (vec![], vec![]));
        assert_eq!(share(&notes(&[]), &["de-DE"]), Share::default());
    }
}
