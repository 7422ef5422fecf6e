//! Refusals in GitHub's shape, and bodies read strictly.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;

/// A handler's answer; the error is an answer too.
pub(super) type Outcome = Result<Answer, Answer>;

const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// A refusal with one sentence.
pub(super) fn refused(status: u16, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"message": message, "documentation_url": DOCUMENTATION, "status": status.to_string()}),
    )
}

/// What does not exist and what may not be seen look the same.
pub(super) fn not_found() -> Answer {
    refused(404, "Not Found")
}

/// A refusal that names fields.
pub(super) fn invalid(resource: &str, field: &str, code: &str, message: Option<&str>) -> Answer {
    let mut error = json!({"resource": resource, "field": field, "code": code});
    if let (Some(message), Value::Object(error)) = (message, &mut error) {
        error.insert("message".to_owned(), json!(message));
    }
    Answer::json(
        422,
        &json!({"message": "Validation Failed", "errors": [error], "documentation_url": DOCUMENTATION,
                "status": "422"}),
    )
}

/// The body as a document; unknown fields are refused here, where GitHub would only pass over them.
pub(super) fn document<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    if call.json().is_err() {
        return Err(refused(400, "Problems parsing JSON"));
    }
    call.document()
        .map_err(|why| refused(422, &format!("Invalid request.\n\n{why}")))
}

/// One page of a list, with the `Link` header.
pub(super) fn page(call: &Call, list: &[Value]) -> Answer {
    let (items, link) = cut(call, list, 30);
    let answer = Answer::json(200, &json!(items));
    match link {
        Some(link) => answer.header("link", link),
        None => answer,
    }
}

/// The items of the page that is asked for and the `Link` header's value.
pub(super) fn cut<'a, T>(call: &Call, list: &'a [T], usual: usize) -> (&'a [T], Option<String>) {
    let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(usual).clamp(1, usual.max(100));
    let at = number("page").unwrap_or(1).max(1);
    let last = list.len().div_ceil(size).max(1);
    let from = at.saturating_sub(1).saturating_mul(size).min(list.len());
    let to = from.saturating_add(size).min(list.len());
    let target = |page: usize| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in call.query.iter().filter(|(name, _)| name != "page") {
            query.append_pair(name, value);
        }
        query.append_pair("page", &page.to_string());
        format!("<{}{}?{}>", call.base, call.path, query.finish())
    };
    let link = (at < last).then(|| {
        format!(
            "{}; rel=\"next\", {}; rel=\"last\"",
            target(at.saturating_add(1)),
            target(last)
        )
    });
    (list.get(from..to).unwrap_or_default(), link)
}
