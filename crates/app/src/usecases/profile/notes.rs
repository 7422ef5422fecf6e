//! Default notes for the stores: what users read where nobody writes a text for a release.

use super::{Fault, Settings, fault};
use delivr_domain::key::TargetKey;
use delivr_domain::release::store_notes::{Language, Texts, planned, refused};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Most languages with a text; the stores know fewer.
const MOST_TEXTS: usize = 100;

/// Texts by language, each language named once however it is written.
pub(super) fn once<'de, D: Deserializer<'de>>(from: D) -> Result<Texts, D::Error> {
    struct Once;
    impl<'de> Visitor<'de> for Once {
        type Value = Texts;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("texts by language (`de-DE`) or `default`")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
            let mut texts = Texts::new();
            while let Some(language) = map.next_key::<Language>()? {
                let text = map.next_value::<Nullable>()?.0.unwrap_or_default();
                if texts.contains_key(&language) {
                    return Err(A::Error::custom(format!("names {language} more than once")));
                }
                texts.insert(language, text);
            }
            texts.retain(|_, text| !text.trim().is_empty());
            Ok(texts)
        }
    }
    from.deserialize_map(Once)
}

/// A text; null takes one of the profile away where settings lie over it.
#[derive(Deserialize)]
struct Nullable(Option<String>);

impl Settings {
    /// Default notes that a store would refuse, each with its language, its length and the limit; empty when none is.
    #[must_use]
    pub fn refused_notes(&self) -> Vec<Fault> {
        let stores = || TargetKey::ALL.iter().copied().filter(|it| it.is_store());
        let own = |target: TargetKey| self.stores.get(&target).map(|it| &it.notes);
        let mut found = Vec::new();
        for (language, text) in &self.store_notes {
            let read = stores().filter(|it| own(*it).is_none_or(|texts| !texts.contains_key(language)));
            for sentence in read.flat_map(|target| refused(target, language, text)) {
                let fault = fault(format!("/storeNotes/{language}"), sentence);
                if !found.contains(&fault) {
                    found.push(fault);
                }
            }
        }
        for target in stores() {
            for (language, text) in own(target).into_iter().flatten() {
                for sentence in refused(target, language, text) {
                    found.push(fault(format!("/stores/{target}/notes/{language}"), sentence));
                }
            }
        }
        let all = stores().filter_map(own).chain([&self.store_notes]);
        if all.into_iter().any(|texts| texts.len() > MOST_TEXTS) {
            let detail = format!("default notes are in at most {MOST_TEXTS} languages");
            found.push(fault("/storeNotes", detail));
        }
        found
    }

    /// The default notes of a store as a plan keeps them: its own, and of other languages those for every store.
    #[must_use]
    pub fn notes(&self, target: TargetKey) -> Texts {
        if !target.is_store() {
            return Texts::new();
        }
        let mut texts = self.store_notes.clone();
        if let Some(own) = self.stores.get(&target) {
            texts.extend(own.notes.clone());
        }
        planned(&texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(document: Value) -> Settings {
        serde_json::from_value(document).unwrap()
    }

    fn refusals(document: Value) -> Vec<(String, String)> {
        let all = read(document).refused_notes().into_iter();
        all.map(|it| (it.pointer, it.detail)).collect()
    }

    #[test]
    fn a_text_for_every_store_fits_every_store_that_reads_it() {
        let long = "x".repeat(501);
        let found = refusals(json!({"storeNotes": {"de-de": long, "default": "Bug fixes."}}));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "/storeNotes/de-DE");
        assert!(
            found[0].1.contains("for de-DE have 501 characters") && found[0].1.contains("takes 500"),
            "{found:?}"
        );
        let own = json!({"storeNotes": {"de-DE": long}, "stores": {"ANDROID_PLAY_STORE": {"notes": {"de-DE": "Kurz."}}}});
        assert_eq!(refusals(own), []);
        let own = json!({"stores": {"IOS_APP_STORE": {"notes": {"ja": "x".repeat(4_001)}}}});
        assert_eq!(refusals(own)[0].0, "/stores/IOS_APP_STORE/notes/ja");
        assert_eq!(refusals(json!({"storeNotes": {"default": "a\u{1b}b"}})).len(), 1);
        let many: Value = (0..101).map(|it| (format!("de-a{it}"), json!("x"))).collect();
        assert_eq!(refusals(json!({"storeNotes": many}))[0].0, "/storeNotes");
    }

    #[test]
    fn a_store_s_own_text_stands_in_the_place_of_that_for_every_store() {
        let settings = read(json!({
            "storeNotes": {"default": "Bug fixes.", "de-DE": "Fehler behoben."},
            "stores": {"IOS_APP_STORE": {"notes": {"default": "We have fixed bugs."}}},
        }));
        let said = |target| serde_json::to_value(settings.notes(target)).unwrap();
        assert_eq!(
            said(TargetKey::AndroidPlayStore),
            json!({"default": "Bug fixes.", "de-DE": "Fehler behoben."})
        );
        assert_eq!(
            said(TargetKey::IosAppStore),
            json!({"default": "We have fixed bugs.", "de-DE": "Fehler behoben."})
        );
        assert_eq!(said(TargetKey::WebEnvironment), json!({}));
    }

    #[test]
    fn languages_are_tags_named_once_and_empty_texts_are_none() {
        let refused = [
            json!({"german": "x"}),
            json!({"de-DE": "x", "de_de": "y"}),
            json!({"de-DE": 7}),
            json!("x"),
        ];
        for texts in refused {
            let document = json!({"storeNotes": texts});
            assert!(serde_json::from_value::<Settings>(document).is_err(), "{texts}");
        }
        let settings = read(json!({"storeNotes": {"de-DE": null, "default": " "}}));
        assert_eq!(settings, Settings::default());
    }
}
