//! JSON:API documents as App Store Connect sends them (vendor-apis 17.2).

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A document with one resource, or none.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct One {
    /// The resource; a relationship without the other side is null.
    #[serde(default)]
    pub(crate) data: Option<Resource>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Many {
    pub(crate) data: Vec<Resource>,
    /// Resources the relationships of `data` lead to.
    #[serde(default)]
    pub(crate) included: Vec<Resource>,
    #[serde(default)]
    pub(crate) links: Links,
}

/// Where the next page is.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Links {
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// One resource.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resource {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    relationships: BTreeMap<String, Relationship>,
}

#[derive(Debug, Clone, Deserialize)]
struct Relationship {
    #[serde(default)]
    data: Value,
}

impl Resource {
    /// A text attribute; empty when it is absent or null.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.attributes
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
    /// A whole number, if it is one.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.attributes.get(name).and_then(Value::as_i64)
    }
    /// Whether a boolean attribute is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.attributes
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }
    /// Id on the other side of a to-one relationship, where the answer holds it.
    pub(crate) fn related(&self, name: &str) -> Option<&str> {
        self.relationships.get(name)?.data.get("id")?.as_str()
    }
}

/// The body of a request about one resource.
pub(crate) fn document(
    kind: &str,
    id: Option<&str>,
    attributes: Value,
    relations: &[(&str, &str, &str)],
) -> Value {
    let mut data = Map::new();
    data.insert("type".to_owned(), json!(kind));
    if let Some(id) = id {
        data.insert("id".to_owned(), json!(id));
    }
    if !attributes.is_null() {
        data.insert("attributes".to_owned(), attributes);
    }
    if !relations.is_empty() {
        let relations: Map<String, Value> = relations
            .iter()
            .map(|(name, kind, id)| ((*name).to_owned(), json!({"data": {"type": kind, "id": id}})))
            .collect();
        data.insert("relationships".to_owned(), Value::Object(relations));
    }
    json!({"data": data})
}
