//! Request bodies in JSON:API form, checked as a closed schema.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::errors::{Outcome, attribute, error, relationship};
use crate::answer::Answer;
use crate::call::Call;

/// Type of an attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Text of at most so many characters.
    Text(usize),
    /// A boolean.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An ISO 8601 instant.
    Date,
}

/// A declared attribute: name, type, whether it is required.
pub(crate) type Attribute = (&'static str, Kind, bool);

/// A declared relationship: name, type of the other side, whether it is required.
pub(crate) type Relation = (&'static str, &'static str, bool);

/// A checked body.
#[derive(Debug, Default)]
pub(crate) struct Body {
    attributes: Map<String, Value>,
    relations: BTreeMap<String, String>,
}

impl Body {
    /// Reads and checks the body of a create (`id` absent) or update.
    pub(crate) fn read(
        call: &Call,
        kind: &str,
        id: Option<&str>,
        attributes: &[Attribute],
        relations: &[Relation],
    ) -> Outcome<Self> {
        let data = data(call)?;
        let Value::Object(data) = data else {
            return Err(unprocessable("/data must be an object"));
        };
        for name in data.keys() {
            if !["type", "id", "attributes", "relationships"].contains(&name.as_str()) {
                return Err(unprocessable(&format!("The member '{name}' is unknown.")));
            }
        }
        same_type(data.get("type"), kind)?;
        match (id, data.get("id").and_then(Value::as_str)) {
            (None, None) => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(_), _) => {
                return Err(error(
                    409,
                    "ENTITY_ERROR.ID.INVALID",
                    "The id does not match the path",
                    "The id in the body must be the id of the path.",
                    Some(json!({"pointer": "/data/id"})),
                    None,
                ));
            }
            (None, Some(_)) => return Err(unprocessable("A create request has no id.")),
        }
        let mut body = Self::default();
        body.take_attributes(data.get("attributes"), attributes)?;
        body.take_relations(data.get("relationships"), relations)?;
        Ok(body)
    }

    fn take_attributes(&mut self, given: Option<&Value>, declared: &[Attribute]) -> Outcome<()> {
        let empty = Map::new();
        let given = match given {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(_) => return Err(unprocessable("/data/attributes must be an object")),
        };
        for (name, value) in given {
            let Some((_, kind, required)) = declared.iter().find(|(declared, ..)| declared == name) else {
                let detail = format!("The attribute '{name}' is not an allowed attribute of this resource.");
                return Err(attribute("UNKNOWN", name, &detail));
            };
            if value.is_null() && !required {
                self.attributes.insert(name.clone(), Value::Null);
                continue;
            }
            check(name, *kind, value)?;
            self.attributes.insert(name.clone(), value.clone());
        }
        match declared
            .iter()
            .find(|(name, _, required)| *required && !given.contains_key(*name))
        {
            None => Ok(()),
            Some((name, ..)) => {
                let detail = format!("You must provide a value for the attribute '{name}' with this request");
                Err(attribute("REQUIRED", name, &detail))
            }
        }
    }

    fn take_relations(&mut self, given: Option<&Value>, declared: &[Relation]) -> Outcome<()> {
        let empty = Map::new();
        let given = match given {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(_) => return Err(unprocessable("/data/relationships must be an object")),
        };
        for (name, value) in given {
            let Some((_, kind, _)) = declared.iter().find(|(declared, ..)| declared == name) else {
                let detail =
                    format!("The relationship '{name}' is not an allowed relationship of this resource.");
                return Err(relationship("UNKNOWN", name, &detail));
            };
            let data = value.get("data").unwrap_or(&Value::Null);
            let id = data.get("id").and_then(Value::as_str);
            match (data.get("type").and_then(Value::as_str) == Some(kind), id) {
                (true, Some(id)) => self.relations.insert(name.clone(), id.to_owned()),
                _ => {
                    let detail = format!("The relationship '{name}' needs data of type '{kind}' with an id.");
                    return Err(relationship("INVALID", name, &detail));
                }
            };
        }
        match declared
            .iter()
            .find(|(name, _, required)| *required && !given.contains_key(*name))
        {
            None => Ok(()),
            Some((name, ..)) => {
                let detail =
                    format!("You must provide a value for the relationship '{name}' with this request");
                Err(relationship("REQUIRED", name, &detail))
            }
        }
    }

    /// Attributes that were given.
    pub(crate) fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Text of an attribute; absent and null are the same.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }

    /// Whether a boolean attribute is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.attributes
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// Id on the other side of a relationship; empty when it was not given.
    pub(crate) fn relation(&self, name: &str) -> &str {
        self.relations.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// The id in a linkage document; `None` when the linkage is to be removed.
pub(crate) fn linkage(call: &Call, kind: &str) -> Outcome<Option<String>> {
    let data = data(call)?;
    if data.is_null() {
        return Ok(None);
    }
    same_type(data.get("type"), kind)?;
    let id = data.get("id").and_then(Value::as_str);
    id.map(|id| Some(id.to_owned()))
        .ok_or_else(|| unprocessable("/data/id is missing"))
}

fn data(call: &Call) -> Outcome<Value> {
    let document = call.json().map_err(|message| unprocessable(&message))?;
    let Value::Object(mut map) = document else {
        return Err(unprocessable("The body must be an object"));
    };
    let data = map
        .remove("data")
        .ok_or_else(|| unprocessable("The member 'data' is missing"))?;
    match map.keys().next() {
        None => Ok(data),
        Some(other) => Err(unprocessable(&format!("The member '{other}' is unknown."))),
    }
}

fn same_type(given: Option<&Value>, kind: &str) -> Outcome<()> {
    if given.and_then(Value::as_str) == Some(kind) {
        return Ok(());
    }
    let source = Some(json!({"pointer": "/data/type"}));
    Err(error(
        409,
        "ENTITY_ERROR.TYPE.INVALID",
        "The type is not the one of this path",
        &format!("The type must be '{kind}'."),
        source,
        None,
    ))
}

fn check(name: &str, kind: Kind, value: &Value) -> Outcome<()> {
    let wrong = |wanted: &str| {
        Err(attribute(
            "TYPE",
            name,
            &format!("The attribute '{name}' must be {wanted}."),
        ))
    };
    match (kind, value) {
        (Kind::Text(limit), Value::String(text)) if text.chars().count() > limit => {
            let detail =
                format!("The attribute '{name}' is too long: at most {limit} characters are allowed.");
            Err(attribute("INVALID.TOO_LONG", name, &detail))
        }
        (Kind::Text(_), Value::String(_)) | (Kind::Flag, Value::Bool(_)) => Ok(()),
        (Kind::Choice(words), Value::String(text)) if words.contains(&text.as_str()) => Ok(()),
        (Kind::Date, Value::String(text)) if DateTime::parse_from_rfc3339(text).is_ok() => Ok(()),
        (Kind::Text(_), _) => wrong("a string"),
        (Kind::Flag, _) => wrong("a boolean"),
        (Kind::Choice(words), _) => wrong(&format!("one of {}", words.join(", "))),
        (Kind::Date, _) => wrong("an ISO 8601 date"),
    }
}

fn unprocessable(detail: &str) -> Answer {
    error(
        422,
        "ENTITY_UNPROCESSABLE",
        "The request entity is not a valid request document object",
        detail,
        None,
        None,
    )
}
