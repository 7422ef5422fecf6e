//! Every exchange with the API held against its description: the tests of everything else test it with that.

use jsonschema::Validator;
use reqwest::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(delivr_api::document()).unwrap());

/// A schema takes longer to compile than an answer to check, and most are needed again.
static COMPILED: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// What a request was, as far as the description speaks of it.
#[derive(Debug)]
pub struct Asked {
    method: String,
    path: String,
    query: Vec<String>,
    body: Option<Value>,
    loose: bool,
}

impl Asked {
    /// What a request says, for a check of it and of its answer.
    pub fn of(request: &Request) -> Self {
        let bytes = request.body().and_then(reqwest::Body::as_bytes);
        let pairs = request.url().query_pairs();
        Self {
            method: request.method().as_str().to_lowercase(),
            path: request.url().path().to_owned(),
            query: pairs.map(|(name, _value)| name.into_owned()).collect(),
            body: bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()),
            loose: false,
        }
    }

    /// The same, where a request is wrong on purpose and answered as if it were not: only its answer is checked.
    pub fn loosely(request: &Request) -> Self {
        Self {
            loose: true,
            ..Self::of(request)
        }
    }

    /// What is wrong with the answer, or with the request that was answered so, by the description.
    pub fn complaints(&self, status: u16, kind: &str, body: &Value) -> Vec<String> {
        let Some(template) = template(&self.path) else {
            return Vec::new();
        };
        let place = format!("/paths/{}/{}", escaped(&template), self.method);
        let Some(operation) = DOCUMENT.pointer(&place) else {
            return Vec::new();
        };
        let mut wrong = self.answered(&place, operation, (status, kind), body);
        if status < 300 && !self.loose {
            wrong.extend(self.taken(&place, operation));
        }
        wrong
    }

    fn answered(
        &self,
        place: &str,
        operation: &Value,
        (status, kind): (u16, &str),
        body: &Value,
    ) -> Vec<String> {
        let kind = kind.split(';').next().unwrap_or_default();
        // The caller has it already; there is nothing to be said about it.
        if status == 304 && kind.is_empty() {
            return Vec::new();
        }
        let named = status.to_string();
        let said = match operation["responses"].get(&named) {
            Some(_) => named,
            None if status >= 400 => "default".to_owned(),
            None => return vec![format!("{status} is no answer that is described")],
        };
        let mut at = format!("{place}/responses/{said}");
        if let Some(elsewhere) = operation["responses"][&said]["$ref"].as_str() {
            at = elsewhere.trim_start_matches('#').to_owned();
        }
        let content = DOCUMENT.pointer(&format!("{at}/content"));
        let kinds = content.and_then(Value::as_object);
        match (kind, kinds) {
            // A status without content.
            ("", None) => Vec::new(),
            (_, Some(kinds)) if kinds.contains_key(kind) && [JSON, PROBLEM].contains(&kind) => {
                check(&format!("{at}/content/{}/schema", escaped(kind)), body)
            }
            (_, Some(kinds)) if kinds.contains_key(kind) => Vec::new(),
            // A file is of whatever kind it was handed in as.
            (kind, Some(kinds)) if !kind.is_empty() && kinds.contains_key("*/*") => Vec::new(),
            (_, Some(_) | None) => vec![format!("{status} with `{kind}` is no answer that is described")],
        }
    }

    fn taken(&self, place: &str, operation: &Value) -> Vec<String> {
        let parameters = operation["parameters"].as_array();
        let known = |name: &String| {
            let mut all = parameters.into_iter().flatten();
            all.any(|it| it["in"] == "query" && it["name"] == name.as_str())
        };
        let unknown = self.query.iter().filter(|name| !known(name));
        let mut wrong: Vec<String> = unknown
            .map(|name| format!("`{name}` is in no description of the query"))
            .collect();
        let described = operation["requestBody"]["content"].get(JSON).is_some();
        match &self.body {
            Some(body) if described => {
                let schema = format!("{place}/requestBody/content/{}/schema", escaped(JSON));
                wrong.extend(
                    check(&schema, body)
                        .into_iter()
                        .map(|it| format!("request: {it}")),
                );
            }
            // What no deletion needs is not read.
            Some(body)
                if operation["requestBody"].is_null() && *body != json!({}) && self.method != "delete" =>
            {
                wrong.push("a body was taken that is not described".to_owned());
            }
            Some(_) => {}
            None if described && operation["requestBody"]["required"] == true => {
                wrong.push("the body was left out, and is described as required".to_owned());
            }
            None => {}
        }
        wrong
    }
}

/// What is wrong with a value by the schema at a pointer of the description.
pub fn check(schema: &str, value: &Value) -> Vec<String> {
    let validator = {
        let mut compiled = COMPILED.lock().unwrap();
        let found = compiled.entry(schema.to_owned());
        found.or_insert_with(|| Arc::new(compile(schema))).clone()
    };
    let wrong = validator.iter_errors(value);
    wrong
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect()
}

fn compile(schema: &str) -> Validator {
    let found = DOCUMENT.pointer(schema);
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": DOCUMENT["components"],
        "allOf": [found.unwrap_or_else(|| panic!("{schema} leads nowhere"))],
    });
    let options = jsonschema::options().should_validate_formats(true).build(&root);
    options.unwrap_or_else(|error| panic!("{schema}: {error}"))
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The path in the description that a request's path is of, by whichever name; the one with the most words of its own.
fn template(path: &str) -> Option<String> {
    let bare = path
        .strip_prefix("/api/v1")
        .or_else(|| path.strip_prefix("/api"))?;
    let bare = ["/release-management/tenants/", "/tenants/"]
        .iter()
        .find_map(|prefix| {
            let rest = bare.strip_prefix(prefix)?;
            rest.find('/').map(|end| &rest[end..])
        })
        .unwrap_or(bare);
    let mut found: Vec<(usize, &String)> = Vec::new();
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        let aliases = item["x-aliases"].as_array();
        let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
        for name in aliases.chain([template.as_str()]) {
            if fits(name, bare) {
                found.push((name.matches('{').count(), template));
            }
        }
    }
    found.sort();
    found.first().map(|(_, template)| (*template).clone())
}

fn fits(template: &str, path: &str) -> bool {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted
            .iter()
            .zip(given)
            .all(|(want, got)| *want == got || (want.starts_with('{') && !got.is_empty()))
}
