//! Taking over what users read about the version before: all its texts in one form, and nothing is saved until it is sent.

use super::{Notes, Refused};
use crate::form::Form;
use delivr_domain::release::store_notes::Language;
use std::collections::BTreeMap;

/// A text of the version before, in the form that takes it over.
pub(super) struct Taken {
    /// Its place on the page, for labels.
    pub(super) id: String,
    pub(super) language: String,
    pub(super) text: String,
    /// What is written for this version already, and would be replaced.
    pub(super) instead_of: Option<String>,
}

impl Taken {
    pub(super) fn is_default(&self) -> bool {
        self.language == Language::DEFAULT
    }
    pub(super) fn count(&self) -> usize {
        self.text.chars().count()
    }
    /// The field of its text.
    pub(super) fn field(&self) -> String {
        text_of(&self.language)
    }
}

/// The form that takes texts of the version before.
pub(super) struct Taking {
    pub(super) version: String,
    pub(super) texts: Vec<Taken>,
    /// Why they were refused.
    pub(super) wrong: Option<String>,
}

impl Taking {
    /// The languages, as the form sends them.
    pub(super) fn languages(&self) -> String {
        let all: Vec<&str> = self.texts.iter().map(|it| it.language.as_str()).collect();
        all.join(" ")
    }
}

/// The field of a text that is taken from the version before.
fn text_of(language: &str) -> String {
    format!("text-{language}")
}

/// Texts that a form takes from the version before; what was emptied there is not taken.
pub(super) fn taken(form: &Form, languages: &str) -> BTreeMap<String, String> {
    let texts = languages.split_whitespace().filter_map(|language| {
        let text = form.get(&text_of(language))?;
        Some((language.to_owned(), text.to_owned()))
    });
    texts.collect()
}

/// The form that takes texts of the version before, where somebody asks for it.
pub(super) fn taking(notes: &Notes, open: bool, asked: bool, refused: Option<&Refused>) -> Option<Taking> {
    let previous = notes.previous.as_ref().filter(|_| open)?;
    let sent = refused.filter(|it| it.target == notes.target);
    let sent = sent.and_then(|it| Some((it.taken.as_ref()?, &it.why)));
    if !asked && sent.is_none() {
        return None;
    }
    let texts = sent.map_or(&previous.notes, |(texts, _)| texts).iter().zip(0..);
    let texts = texts.map(|((language, text), at): (_, usize)| Taken {
        id: format!("{}-taken-{at}", notes.target),
        instead_of: notes.notes.get(language).filter(|it| *it != text).cloned(),
        language: language.clone(),
        text: text.clone(),
    });
    Some(Taking {
        version: previous.version.clone(),
        texts: texts.collect(),
        wrong: sent.map(|(_, why)| why.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn notes() -> Notes {
        serde_json::from_value(json!({
            "target": "ANDROID_PLAY_STORE", "longest": 500, "closed": null, "notes": {"de-DE": "Neu."},
            "profile": null, "readings": [], "warning": null, "languages": null,
            "previous": {"version": "1.2.0", "notes": {"default": "Gifts.", "de-DE": "Geschenke.", "ja": "贈り物"}},
        }))
        .unwrap()
    }

    #[test]
    fn the_form_has_every_text_of_the_version_before_and_says_what_each_replaces() {
        assert!(taking(&notes(), true, false, None).is_none(), "nobody asked");
        assert!(
            taking(&notes(), false, true, None).is_none(),
            "they no longer change"
        );
        let form = taking(&notes(), true, true, None).unwrap();
        assert_eq!(
            (form.version.as_str(), form.languages().as_str()),
            ("1.2.0", "de-DE default ja")
        );
        let texts: Vec<(&str, Option<&str>)> = form
            .texts
            .iter()
            .map(|it| (it.text.as_str(), it.instead_of.as_deref()))
            .collect();
        assert_eq!(
            texts,
            [("Geschenke.", Some("Neu.")), ("Gifts.", None), ("贈り物", None)]
        );
        let mut first = notes();
        first.previous = None;
        assert!(taking(&first, true, true, None).is_none());
    }

    #[test]
    fn what_is_emptied_is_not_taken_and_what_is_refused_stays() {
        let sent = "target=ANDROID_PLAY_STORE&taken=de-DE+default+ja&text-de-DE=Mehr+Geschenke.&text-default=&text-ja=x";
        let form = Form::read(sent.as_bytes());
        let texts = taken(&form, form.get("taken").unwrap());
        let expected = [("de-DE", "Mehr Geschenke."), ("ja", "x")];
        assert!(texts.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected));
        let refused = Refused::of("ANDROID_PLAY_STORE", &form, "too long".to_owned());
        let again = taking(&notes(), true, false, Some(&refused)).unwrap();
        assert_eq!(again.wrong.as_deref(), Some("too long"));
        assert_eq!(again.texts[0].text, "Mehr Geschenke.");
        let elsewhere = Refused::of("IOS_APP_STORE", &form, "too long".to_owned());
        assert!(taking(&notes(), true, false, Some(&elsewhere)).is_none());
    }
}
