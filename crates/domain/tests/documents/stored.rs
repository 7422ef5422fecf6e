//! The form of stored events: what an installation has written must be read by every later version.

use super::events;
use super::source;
use delivr_domain::aggregate::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const HOW_TO_GO_ON: &str = "\
Installations hold events in the stored form, for ever. Make the new code read it (an added field takes `serde(default)`), \
move the case to the file's `-1`, `-2` ... neighbour, which is still read, and let DELIVR_WRITE_EVENTS=1 write the new form here.";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events"))
}

fn read(path: &PathBuf) -> Map<String, Value> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).expect("a JSON object"),
        Err(_) => Map::new(),
    }
}

/// Compares each case with its stored form, and reads what earlier forms there are.
pub(crate) fn check(machine: &str, cases: &[events::Case]) {
    let path = folder().join(format!("{machine}.json"));
    let mut stored = read(&path);
    if std::env::var_os("DELIVR_WRITE_EVENTS").is_some() {
        // Only what is not there yet: a stored form is never overwritten.
        for (name, event) in cases {
            let value = serde_json::to_value(event).expect("serialises");
            stored.entry(*name).or_insert(value);
        }
        let text = serde_json::to_string_pretty(&stored).expect("serialises");
        std::fs::create_dir_all(folder()).expect("a folder");
        std::fs::write(&path, text + "\n").expect("written");
    }
    let names: BTreeSet<&str> = cases.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), cases.len(), "a name stands for one case");
    let mut wrong = Vec::new();
    for (name, event) in cases {
        let Some(value) = stored.get(*name) else {
            wrong.push(format!(
                "{machine}: `{name}` is not stored; DELIVR_WRITE_EVENTS=1 adds it"
            ));
            continue;
        };
        match serde_json::from_value::<Event>(value.clone()) {
            Ok(old) if old == *event => {}
            Ok(_) => wrong.push(format!(
                "{machine}: `{name}` is read as something else. {HOW_TO_GO_ON}"
            )),
            Err(error) => wrong.push(format!(
                "{machine}: `{name}` is no longer read: {error}. {HOW_TO_GO_ON}"
            )),
        }
        if serde_json::to_value(event).expect("serialises") != *value {
            wrong.push(format!(
                "{machine}: `{name}` is written in another form. {HOW_TO_GO_ON}"
            ));
        }
    }
    for name in stored.keys().filter(|name| !names.contains(name.as_str())) {
        wrong.push(format!(
            "{machine}: `{name}` is stored, and no case reads it. {HOW_TO_GO_ON}"
        ));
    }
    for number in 1.. {
        let path = folder().join(format!("{machine}-{number}.json"));
        if !path.exists() {
            break;
        }
        for (name, value) in read(&path) {
            let expected = cases.iter().find(|(it, _)| *it == name).map(|(_, event)| event);
            let old = serde_json::from_value::<Event>(value);
            if old.as_ref().ok() != expected || expected.is_none() {
                wrong.push(format!(
                    "{machine}-{number}: `{name}` is not read as it was meant: {old:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every variant of the enums inside events occurs in some stored case.
pub(crate) fn check_completeness() {
    let mut met: BTreeSet<(String, String)> = BTreeSet::new();
    for machine in ["release", "submission", "rollout"] {
        for value in read(&folder().join(format!("{machine}.json"))).values() {
            collect(value, machine, &mut met);
        }
    }
    let mut missing = Vec::new();
    for (field, text, of) in [
        ("release happened", source::RELEASE_EVENT, "Event"),
        ("submission happened", source::SUBMISSION, "Event"),
        ("rollout happened", source::ROLLOUT, "Event"),
        ("task_event", source::BOARD, "TaskEvent"),
        ("begin", source::BOARD, "Begin"),
        ("was", source::BOARD, "StepResult"),
        ("output", source::BOARD, "Output"),
        ("found", source::REPORT, "Finding"),
        ("watch", source::EFFECT, "Watched"),
        ("when", source::EFFECT, "ReleaseTiming"),
        ("hold", source::HOLD, "Hold"),
    ] {
        for member in source::members(text, of) {
            if !met.contains(&(field.to_owned(), member.tag())) {
                missing.push(format!("{field}: {}", member.tag()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no stored case has {missing:?}; add one to crates/domain/tests/documents/events.rs and store it with DELIVR_WRITE_EVENTS=1"
    );
}

/// Tags and their values, the outermost with the machine's name.
fn collect(value: &Value, machine: &str, met: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if let Value::String(word) = value {
                    let field = if field == "happened" {
                        format!("{machine} {field}")
                    } else {
                        field.clone()
                    };
                    met.insert((field, word.clone()));
                }
                collect(value, machine, met);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, machine, met)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Words of a closed set that are stored somewhere: none may be lost or renamed.
pub(crate) fn check_words(sets: &[(&str, Vec<&'static str>)]) {
    let path = folder().join("words.json");
    let mut stored = read(&path);
    if std::env::var_os("DELIVR_WRITE_EVENTS").is_some() {
        for (name, words) in sets {
            let known = stored.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
            let known = known.as_array_mut().expect("a list");
            for word in words {
                let word = Value::String((*word).to_owned());
                if !known.contains(&word) {
                    known.push(word);
                }
            }
        }
        let text = serde_json::to_string_pretty(&stored).expect("serialises");
        std::fs::write(&path, text + "\n").expect("written");
    }
    let mut wrong = Vec::new();
    for (name, words) in sets {
        let known: Vec<&str> = stored
            .get(*name)
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for word in &known {
            if !words.contains(word) {
                wrong.push(format!("{name}: `{word}` may be stored and is no longer known"));
            }
        }
        for word in words {
            if !known.contains(word) {
                wrong.push(format!("{name}: `{word}` is new; DELIVR_WRITE_EVENTS=1 adds it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// States and rows of the queue outlive an upgrade too. They are written anew with every step, so their form may grow;
/// what lies there must be read, and nothing in it may be lost.
pub(crate) fn check_still_read<T: Serialize + DeserializeOwned>(file: &str, now: &BTreeMap<String, T>) {
    let path = folder().join(format!("{file}.json"));
    let mut stored = read(&path);
    if std::env::var_os("DELIVR_WRITE_EVENTS").is_some() {
        for (name, value) in now {
            let value = serde_json::to_value(value).expect("serialises");
            stored.entry(name.clone()).or_insert(value);
        }
        let text = serde_json::to_string_pretty(&stored).expect("serialises");
        std::fs::write(&path, text + "\n").expect("written");
    }
    let mut wrong = Vec::new();
    for (name, value) in &stored {
        match serde_json::from_value::<T>(value.clone()) {
            Err(error) => wrong.push(format!("{file}: `{name}` is no longer read: {error}")),
            Ok(known) => {
                let again = serde_json::to_value(&known).expect("serialises");
                if !holds(&again, value) {
                    wrong.push(format!("{file}: part of `{name}` is lost when it is read"));
                }
            }
        }
    }
    for name in now.keys().filter(|name| !stored.contains_key(*name)) {
        wrong.push(format!(
            "{file}: `{name}` is not stored; DELIVR_WRITE_EVENTS=1 adds it"
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether everything in `part` stands in `whole` too.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, value)| whole.get(name).is_some_and(|it| holds(it, value))),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| holds(whole, part))
        }
        (whole, part) => whole == part,
    }
}
