//! Exchanges held against a description of the vendor's API in OpenAPI: path, query, request body (closed, so that a
//! misspelt field fails), status, content type and answer.
//!
//! Three things are read that OpenAPI does not know: a parameter `{name*}` in a path stands for one or more segments,
//! a status `4XX` stands for all that are not named, and `x-closed: false` beside a request's schema leaves it open
//! (build parameters have names of the customer's choice).

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A description, ready to check exchanges.
#[derive(Debug)]
pub struct Description {
    document: Value,
    validators: BTreeMap<String, jsonschema::Validator>,
}

impl Description {
    /// From an OpenAPI document.
    #[must_use]
    pub fn new(document: Value) -> Self {
        Self {
            document,
            validators: BTreeMap::new(),
        }
    }

    /// Checks one exchange as the sandbox kept it.
    ///
    /// # Errors
    /// What is not as described.
    pub fn check(&mut self, exchange: &Value) -> Result<(), String> {
        let text = |name: &str| exchange[name].as_str().unwrap_or_default().to_owned();
        let (method, path) = (text("method").to_lowercase(), text("path"));
        let template = self
            .template(&method, &path)
            .ok_or_else(|| format!("{method} {path} is not described"))?;
        let operation = self.document["paths"][&template][&method].clone();
        let shown = format!("{method} {template}");
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let known = |name: &str| {
            parameters
                .iter()
                .any(|it| it["in"] == "query" && it["name"] == name)
        };
        for asked in exchange["query"].as_object().into_iter().flatten() {
            if !known(asked.0) {
                return Err(format!("{shown}: no parameter {}", asked.0));
            }
        }
        for wanted in parameters
            .iter()
            .filter(|it| it["in"] == "query" && it["required"] == true)
        {
            if exchange["query"]
                .get(wanted["name"].as_str().unwrap_or_default())
                .is_none()
            {
                return Err(format!("{shown}: parameter {} is missing", wanted["name"]));
            }
        }
        self.request(&shown, &operation, exchange)?;
        self.answer(&shown, &operation, exchange)
    }

    fn request(&mut self, shown: &str, operation: &Value, exchange: &Value) -> Result<(), String> {
        let (kind, body) = (&exchange["requestType"], &exchange["request"]);
        let described = &operation["requestBody"]["content"];
        match (body, described) {
            (Value::Null, Value::Null) => Ok(()),
            (Value::Null, _) if operation["requestBody"]["required"] != true => Ok(()),
            (sent, Value::Null) => Err(format!("{shown} takes no body: {sent}")),
            (sent, kinds) => {
                let Some(schema) = kinds.get(kind.as_str().unwrap_or_default()) else {
                    return Err(format!("{shown} takes no body of {kind}"));
                };
                let open = schema["x-closed"] == false;
                let mut schema = self.resolved(&schema["schema"]);
                if !open && schema.get("additionalProperties").is_none() {
                    schema["additionalProperties"] = json!(false);
                }
                self.valid(&format!("{shown} request"), &schema, sent)
            }
        }
    }

    fn answer(&mut self, shown: &str, operation: &Value, exchange: &Value) -> Result<(), String> {
        let status = exchange["status"].to_string();
        let family = format!("{}XX", status.get(..1).unwrap_or_default());
        let responses = &operation["responses"];
        let response = responses.get(&status).or_else(|| responses.get(&family)).cloned();
        let response = response.ok_or_else(|| format!("{shown} never answers {status}"))?;
        let response = self.resolved(&response);
        let kind = exchange["answerType"].as_str().unwrap_or_default();
        match response.get("content") {
            None if kind.is_empty() => Ok(()),
            None => Err(format!("{shown} {status} has no body, and {kind} was answered")),
            Some(kinds) => {
                let described = kinds
                    .get(kind)
                    .ok_or_else(|| format!("{shown} {status} is no `{kind}`"))?;
                let schema = self.resolved(&described["schema"]);
                self.valid(&format!("{shown} {status} {kind}"), &schema, &exchange["answer"])
            }
        }
    }

    fn resolved(&self, value: &Value) -> Value {
        let pointer = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        match pointer.and_then(|pointer| self.document.pointer(pointer)) {
            Some(found) => found.clone(),
            None => value.clone(),
        }
    }

    /// The described path that fits; the one with most literal parts where several do.
    fn template(&self, method: &str, path: &str) -> Option<String> {
        let paths = self.document["paths"].as_object()?;
        let given: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let literal = |template: &str| template.split('/').filter(|part| !part.starts_with('{')).count();
        paths
            .iter()
            .filter(|(_, routes)| routes.get(method).is_some())
            .map(|(template, _)| template)
            .filter(|template| {
                let wanted: Vec<&str> = template.split('/').filter(|part| !part.is_empty()).collect();
                fits(&wanted, &given)
            })
            .max_by_key(|template| literal(template))
            .cloned()
    }

    fn valid(&mut self, what: &str, schema: &Value, body: &Value) -> Result<(), String> {
        let components = &self.document["components"];
        let validator = self.validators.entry(what.to_owned()).or_insert_with(|| {
            let whole = json!({"allOf": [schema], "components": components});
            jsonschema::validator_for(&whole).unwrap()
        });
        let errors: Vec<String> = validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path))
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        Err(format!("{what}: {}\n{body:#}", errors.join("\n")))
    }
}

fn fits(wanted: &[&str], given: &[&str]) -> bool {
    match (wanted.split_first(), given.split_first()) {
        (None, None) => true,
        (Some((part, rest)), Some((one, left))) => {
            let many = part.ends_with("*}");
            let this = part.starts_with('{') || part == one;
            this && (fits(rest, left) || (many && fits(wanted, left)))
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Holds what the sandbox kept of a vendor against its hand-written description, where it has one, and counts it.
///
/// # Panics
/// When an exchange is not as described: adapter and simulator do not speak the vendor's language.
pub fn hold(running: &delivr_sandbox::Running, vendor: &str) {
    let Some(text) = delivr_sandbox::description(vendor) else {
        return;
    };
    let mut description = Description::new(serde_json::from_str(text).unwrap());
    let exchanges = running.exchanges(vendor);
    for exchange in &exchanges {
        if let Err(why) = description.check(exchange) {
            panic!("{vendor}: {why}\n{exchange:#}");
        }
    }
    if exchanges.is_empty() {
        return;
    }
    crate::contract::log(&format!(
        "CHECKED: {} exchanges, {vendor} as written down in crates/sandbox/schemas/{vendor}.json",
        exchanges.len()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(path: &str, query: &Value, request: &Value, answer: &Value) -> Value {
        let kind = if request.is_null() { "" } else { "application/json" };
        json!({"method": "POST", "path": path, "query": query, "requestType": kind, "request": request,
               "status": 200, "answerType": "application/json", "answer": answer})
    }

    #[test]
    fn what_is_not_described_is_named() {
        let body = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/body"}}});
        let mut it = Description::new(json!({
            "paths": {"/x/{job*}/run": {"post": {
                "parameters": [{"in": "query", "name": "tree"}],
                "requestBody": {"content": content}, "responses": {"200": {"content": content}},
            }}},
            "components": {"schemas": {"body": body}},
        }));
        let (none, good) = (json!({}), json!({"a": "b"}));
        let mut check = |path: &str, query: &Value, request: &Value, answer: &Value| {
            it.check(&exchange(path, query, request, answer))
                .err()
                .unwrap_or_default()
        };
        assert_eq!(check("/x/a/run", &json!({"tree": "1"}), &good, &good), "");
        assert_eq!(
            check("/x/a/b/c/run", &none, &good, &json!({"a": "b", "more": 1})),
            ""
        );
        assert!(check("/x/run", &none, &good, &good).contains("not described"));
        assert!(check("/x/a/run", &json!({"tee": "1"}), &good, &good).contains("no parameter tee"));
        assert!(check("/x/a/run", &none, &json!({"a": "b", "c": 1}), &good).contains("'c'"));
        assert!(check("/x/a/run", &none, &good, &none).contains("required"));
    }
}
