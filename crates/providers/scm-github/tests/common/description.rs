//! Recorded exchanges held against GitHub's published OpenAPI description: path, query, request body (closed, so that
//! a misspelt field fails) and answer.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) struct Description {
    document: Value,
    validators: BTreeMap<String, jsonschema::Validator>,
}

/// The folder of the vendors' published descriptions, when it is there.
fn specs() -> Option<PathBuf> {
    let given = std::env::var_os("DELIVR_SPECS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/specs");
    given.or(Some(beside)).filter(|path| path.is_dir())
}

impl Description {
    pub(crate) fn load() -> Option<Self> {
        let text = std::fs::read(specs()?.join("github.json")).ok()?;
        let mut document: Value = serde_json::from_slice(&text).unwrap();
        admit_null(&mut document);
        Some(Self {
            document,
            validators: BTreeMap::new(),
        })
    }

    /// Checks one exchange as the sandbox recorded it.
    pub(crate) fn check(&mut self, exchange: &Value) {
        let text = |name: &str| exchange[name].as_str().unwrap().to_owned();
        let (method, path) = (text("method").to_lowercase(), text("path"));
        let template = self
            .template(&method, &path)
            .unwrap_or_else(|| panic!("{method} {path} is not described"));
        let operation = self.document["paths"][&template][&method].clone();
        let shown = format!("{method} {template}");
        let known: Vec<String> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| self.resolved(parameter))
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        for asked in exchange["query"].as_object().unwrap().keys() {
            assert!(
                known.contains(asked),
                "{shown}: no parameter {asked} in {known:?}"
            );
        }
        let described = &operation["requestBody"]["content"]["application/json"]["schema"];
        match (&exchange["request"], described) {
            (Value::Null, _) => {}
            (sent, Value::Null) => panic!("{shown} takes no body: {sent}"),
            (sent, schema) => {
                let mut schema = self.resolved(schema);
                let open = ["allOf", "oneOf", "anyOf"]
                    .iter()
                    .any(|word| schema.get(word).is_some());
                if !open {
                    schema["additionalProperties"] = json!(false);
                }
                self.valid(&format!("{shown} request"), &schema, sent);
            }
        }
        let status = exchange["status"].to_string();
        let response = self.resolved(&operation["responses"][&status]);
        let schema = match &response["content"]["application/json"]["schema"] {
            // Refusals that every route knows are not repeated in the description.
            Value::Null if status.starts_with('4') => json!({"$ref": "#/components/schemas/basic-error"}),
            Value::Null => {
                assert!(!response.is_null(), "{shown} never answers {status}");
                return;
            }
            schema => schema.clone(),
        };
        self.valid(&format!("{shown} {status}"), &schema, &exchange["answer"]);
    }

    fn resolved(&self, value: &Value) -> Value {
        let pointer = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        match pointer {
            Some(pointer) => self.document.pointer(pointer).unwrap().clone(),
            None => value.clone(),
        }
    }

    /// The described path that fits; the one with most literal parts where several do.
    fn template(&self, method: &str, path: &str) -> Option<String> {
        let paths = self.document["paths"].as_object().unwrap();
        let fitting = paths
            .iter()
            .filter(|(template, routes)| routes.get(method).is_some() && fits(template, path));
        let literal = |template: &str| template.split('/').filter(|part| !part.starts_with('{')).count();
        fitting
            .map(|(template, _)| template.clone())
            .max_by_key(|template| literal(template))
    }

    fn valid(&mut self, what: &str, schema: &Value, body: &Value) {
        let components = &self.document["components"];
        let validator = self.validators.entry(what.to_owned()).or_insert_with(|| {
            let whole = json!({"allOf": [schema], "components": components});
            jsonschema::validator_for(&whole).unwrap()
        });
        let errors: Vec<String> = validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path))
            .collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{body:#}");
    }
}

/// A parameter is one part, or the whole rest where a ref stands last.
fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/').peekable(), path.split('/'));
    while let Some(part) = wanted.next() {
        let Some(one) = given.next() else {
            return false;
        };
        let last = wanted.peek().is_none();
        if ["{ref}", "{tag}", "{basehead}"].contains(&part) && last {
            return true;
        }
        if part != one && !part.starts_with('{') {
            return false;
        }
    }
    given.next().is_none()
}

/// OpenAPI 3.0 says `nullable`, JSON Schema wants the type in a list.
fn admit_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("nullable") == Some(&Value::Bool(true)) {
                if let Some(kind) = map.get("type").cloned() {
                    map.insert("type".into(), json!([kind, "null"]));
                }
                if let Some(Value::Array(allowed)) = map.get_mut("enum") {
                    allowed.push(Value::Null);
                }
            }
            map.values_mut().for_each(admit_null);
        }
        Value::Array(list) => list.iter_mut().for_each(admit_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
