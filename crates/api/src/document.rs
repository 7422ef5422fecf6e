//! The description of the API: collected from the handlers, then completed with what holds for every operation.

use crate::explain::{self, Explanation};
use crate::places::{ALIASES, BASE};
use crate::problem::ProblemDocument;
use crate::routes;
use crate::words;
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa_actix_web::AppExt as _;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Delivr",
        description = "Release orchestration: plans, runs and records releases across source control, CI, tickets, tests and stores.",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(ProblemDocument, Explanation))
)]
struct Base;

static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

/// The OpenAPI 3.1 document, as served.
pub fn text() -> &'static str {
    &TEXT
}

/// The methods a canonical path answers to; none when there is no such path.
pub(crate) fn methods(path: &str) -> Option<Vec<String>> {
    let paths = DOCUMENT.get("paths")?.as_object()?;
    let (_, item) = paths.iter().find(|(template, _)| fits(template, path))?;
    let known = item
        .as_object()?
        .keys()
        .filter(|name| METHODS.contains(&name.as_str()));
    let mut methods: Vec<String> = known.map(|name| name.to_ascii_uppercase()).collect();
    // What answers to GET answers to HEAD, except the stream without an end.
    if methods.iter().any(|name| name == "GET") && !path.ends_with("/events") {
        methods.push("HEAD".to_owned());
    }
    Some(methods)
}

/// Whether a canonical path is described, and answers nobody without a credential.
pub(crate) fn needs_credential(method: &Method, path: &str) -> bool {
    let bare = path.strip_prefix(BASE).unwrap_or(path);
    let paths = DOCUMENT.get("paths").and_then(Value::as_object);
    let mut items = paths
        .into_iter()
        .flatten()
        .filter(|(template, _)| fits(template, bare));
    let Some((_, item)) = items.next() else {
        return false;
    };
    let operation = item.get(method.as_str().to_ascii_lowercase());
    operation.is_some_and(|it| it.get("security").is_none_or(|open| *open != json!([{}])))
}

const METHODS: &[&str] = &["get", "put", "post", "delete", "patch"];

fn fits(template: &str, path: &str) -> bool {
    let mut given = path.split('/');
    let mut wanted = template.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(want), Some(got)) if want == got || (want.starts_with('{') && !got.is_empty()) => {}
            (_, _) => return false,
        }
    }
}

fn build() -> Value {
    let (_app, collected) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(Base::openapi())
        .configure(routes::all)
        .split_for_parts();
    let mut document = serde_json::to_value(collected).unwrap_or_default();
    if let Some(root) = document.as_object_mut() {
        complete(root);
    }
    document
}

fn complete(root: &mut Map<String, Value>) {
    root.insert(
        "servers".to_owned(),
        json!([
            {"url": BASE, "description": "Canonical."},
            {"url": "/api", "description": "The same without version."},
            server("/tenants/{tenantId}"),
            server("/release-management/tenants/{tenantId}"),
        ]),
    );
    root.insert("security".to_owned(), json!([{"token": []}, {"apiKey": []}]));
    if let Some(components) = root
        .entry("components")
        .or_insert_with(|| json!({}))
        .as_object_mut()
    {
        components.insert(
            "securitySchemes".to_owned(),
            json!({
                "token": {"type": "http", "scheme": "bearer", "description": "An API token of the tenant."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same token."},
            }),
        );
        components.insert("responses".to_owned(), json!({"Problem": problem()}));
        if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
            // A test sees to it that nothing is missing.
            let _missing = words::close(schemas);
        }
    }
    let Some(paths) = root.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    for (path, item) in paths.iter_mut() {
        let Some(item) = item.as_object_mut() else {
            continue;
        };
        for method in METHODS {
            if let Some(operation) = item.get_mut(*method).and_then(Value::as_object_mut) {
                describe(path, method, operation);
            }
        }
    }
    name_aliases(paths);
}

fn server(path: &str) -> Value {
    json!({
        "url": format!("{BASE}{path}"),
        "description": "The same with the tenant named in the path, by id or slug.",
        "variables": {"tenantId": {"default": "default"}},
    })
}

fn problem() -> Value {
    json!({
        "description": "A refusal (RFC 9457); `code` is stable, `errors` point to wrong places of the request.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    })
}

/// What holds for every operation, and what its path says already.
fn describe(path: &str, method: &str, operation: &mut Map<String, Value>) {
    operation.insert("operationId".to_owned(), json!(operation_id(path, method)));
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = name.trim_end_matches('}');
            let known = parameters
                .iter()
                .any(|it| it.get("name").and_then(Value::as_str) == Some(name));
            if !known {
                let schema = match name {
                    "category" => json!({"type": "string", "enum": words::categories()}),
                    _ => json!({"type": "string"}),
                };
                parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
            }
        }
        let open = operation_is_open(path);
        if method == "post" && !open {
            parameters.push(header(
                "Idempotency-Key",
                "A repetition with the same key and request gets the first answer again, for 24 hours.",
            ));
        }
        if explain::explains(method, path) {
            parameters.push(json!({
                "name": "explain", "in": "query", "required": false,
                "description": "Changes nothing: says what it would do, or what stops it.",
                "schema": {"type": "boolean"}, "allowEmptyValue": true,
            }));
        }
        if matches!(method, "put" | "patch" | "delete") {
            parameters.push(header(
                "If-Match",
                "The ETag of an earlier answer: refused with 412 when it was changed since, or the database was restored.",
            ));
        }
    }
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        if explain::explains(method, path) {
            add_explanation(responses);
        }
        responses
            .entry("default")
            .or_insert_with(|| json!({"$ref": "#/components/responses/Problem"}));
    }
}

/// With `explain` the answer is an explanation, where the operation itself answers with another status too.
fn add_explanation(responses: &mut Map<String, Value>) {
    let explanation = json!({"$ref": "#/components/schemas/Explanation"});
    let said = "application/json";
    let schema = responses
        .get_mut("200")
        .and_then(|it| it.get_mut("content"))
        .and_then(|it| it.get_mut(said))
        .and_then(|it| it.get_mut("schema"));
    match schema {
        Some(schema) => *schema = json!({"anyOf": [schema.take(), explanation]}),
        None => {
            responses.insert(
                "200".to_owned(),
                json!({
                    "description": "With `explain`: what it would do, or what stops it",
                    "content": {said: {"schema": explanation}},
                }),
            );
        }
    }
}

/// Whether the sender proves itself by a signature instead of a token.
fn operation_is_open(path: &str) -> bool {
    path.starts_with("/webhooks/") || path.starts_with("/callbacks/")
}

fn header(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": false, "description": description,
        "schema": {"type": "string"},
    })
}

fn operation_id(path: &str, method: &str) -> String {
    let mut id = method.to_owned();
    let words = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            id.push(first.to_ascii_uppercase());
            id.push_str(letters.as_str());
        }
    }
    id
}

/// Writes down under which other names operations are served.
fn name_aliases(paths: &mut Map<String, Value>) {
    for (path, item) in paths.iter_mut() {
        let names: Vec<String> = ALIASES
            .iter()
            .filter_map(|(alias, canonical)| alias_of(path, alias, canonical))
            .collect();
        if let Some(item) = item.as_object_mut()
            && !names.is_empty()
        {
            item.insert("x-aliases".to_owned(), json!(names));
        }
    }
}

fn alias_of(path: &str, alias: &str, canonical: &str) -> Option<String> {
    let generic = "/integrations/{category}";
    let rest = path.strip_prefix(canonical).or_else(|| {
        let category = canonical.starts_with("/integrations/");
        path.strip_prefix(generic).filter(|_rest| category)
    })?;
    (rest.is_empty() || rest.starts_with('/')).then(|| format!("{alias}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_fit_paths_of_the_same_length() {
        assert!(fits("/services/{id}", "/services/1"));
        assert!(!fits("/services/{id}", "/services/"));
        assert!(!fits("/services/{id}", "/services/1/2"));
        assert!(!fits("/services", "/tokens"));
    }

    #[test]
    fn operation_ids_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    assert!(
                        seen.insert(operation["operationId"].to_string()),
                        "{method} {path}"
                    );
                }
            }
        }
        assert!(!seen.is_empty());
    }
}
