//! Default store notes in the form of a profile: a text for everybody, one for each language that has its own, and a place
//! for one more.

use crate::fields::{Field, Kind, Section, Sheet};
use crate::form::Form;
use crate::model::Problem;
use delivr_domain::key::TargetKey;
use delivr_domain::release::store_notes::Language;
use serde_json::Value;

/// Title of the section of texts for every store.
pub(super) const TITLE: &str = "What users read in the stores";

/// Where the form has the language and the text of a further one; no request has them there.
const FURTHER: &str = "/further";
const FURTHER_LANGUAGE: &str = "/further/language";
const FURTHER_TEXT: &str = "/further/text";

fn text(pointer: String, label: String) -> Field {
    Field::new(pointer, label, Kind::Long)
}

/// Languages with a text at the pointer, but for everybody's.
fn languages<'a>(body: &'a Value, pointer: &str) -> impl Iterator<Item = &'a String> {
    let texts = body.pointer(pointer).and_then(Value::as_object);
    let names = texts.into_iter().flat_map(serde_json::Map::keys);
    names.filter(|it| *it != Language::DEFAULT)
}

/// The section of the texts for every store. `body` has the settings as a request has them.
pub(super) fn everywhere(body: &Value) -> Section {
    let at = "/settings/storeNotes";
    let mut fields = vec![
        text(format!("{at}/{}", Language::DEFAULT), "Text for everybody".to_owned()).about(
            "For every language without its own. Left empty, and with no other text: users would read the changelog.",
        ),
    ];
    fields.extend(languages(body, at).map(|it| {
        text(format!("{at}/{it}"), format!("Text in {it}"))
            .about("Left empty, the language has none of its own.")
    }));
    Section::new(TITLE, fields).about(
        "Where nobody writes notes of a release, these go out with its version. One text for every store has at most 500 \
         characters, since Google Play takes no more.",
    )
}

/// The places of a text in a further language, for a form.
pub(super) fn further() -> [Field; 2] {
    [
        Field::line(FURTHER_LANGUAGE, "Another language")
            .about("As the stores write it; left empty, no text is added.")
            .like("de-DE"),
        text(FURTHER_TEXT.to_owned(), "Text in that language".to_owned())
            .about("Left empty, no text is added."),
    ]
}

/// Texts of one store alone.
pub(super) fn own(target: TargetKey, body: &Value) -> Vec<Field> {
    let at = format!("/settings/stores/{target}/notes");
    let everybody = text(
        format!("{at}/{}", Language::DEFAULT),
        "Text for everybody, of this store alone".to_owned(),
    )
    .about("Left empty: that for every store.");
    let mut fields = vec![everybody];
    fields.extend(languages(body, &at).map(|it| {
        text(format!("{at}/{it}"), format!("Text in {it}, of this store alone"))
            .about("Left empty: that for every store.")
    }));
    fields
}

/// Takes the further text into the body of the request. Its language stands there; none where there is no such text, or
/// where something is to be put right first, which the sheet then says.
pub(super) fn take_further(sheet: &mut Sheet, form: &Form, wanted: &mut Value) -> Option<String> {
    if let Some(members) = wanted.as_object_mut() {
        members.remove(FURTHER.trim_start_matches('/'));
    }
    let (language, text) = match (form.get(FURTHER_LANGUAGE), form.get(FURTHER_TEXT)) {
        (None, None) => return None,
        (Some(_), None) => {
            sheet.blame(FURTHER_TEXT, "must be filled in, since a language is named");
            return None;
        }
        (None, Some(_)) => {
            sheet.blame(FURTHER_LANGUAGE, "must be filled in, since a text is written");
            return None;
        }
        (Some(language), Some(text)) => (language, text),
    };
    let language = match language.parse::<Language>() {
        Ok(language) => language.to_string(),
        Err(error) => {
            sheet.blame(FURTHER_LANGUAGE, &error.to_string());
            return None;
        }
    };
    let settings = wanted.pointer_mut("/settings").and_then(Value::as_object_mut)?;
    let texts = settings
        .entry("storeNotes")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    let texts = texts.as_object_mut()?;
    if texts.contains_key(&language) {
        let detail = format!("{language} has a text above already; change it there");
        sheet.blame(FURTHER_LANGUAGE, &detail);
        return None;
    }
    texts.insert(language.clone(), text.into());
    Some(language)
}

/// The refusal with what is wrong with the further text at its place in the form.
pub(super) fn placed(mut problem: Problem, further: Option<&String>) -> Problem {
    if let Some(language) = further {
        let there = format!("/settings/storeNotes/{language}");
        for error in problem.errors.iter_mut().filter(|it| it.pointer == there) {
            FURTHER_TEXT.clone_into(&mut error.pointer);
        }
    }
    problem
}
