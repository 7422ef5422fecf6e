//! Error documents of App Store Connect.

use serde_json::{Value, json};

use crate::answer::Answer;

/// A value, or the refusal to answer with.
pub(crate) type Outcome<T> = Result<T, Answer>;

/// One error with everything it may carry.
pub(crate) fn error(
    status: u16,
    code: &str,
    title: &str,
    detail: &str,
    source: Option<Value>,
    meta: Option<Value>,
) -> Answer {
    let mut one = json!({
        "id": format!("error-{status}-{}", code.to_lowercase()),
        "status": status.to_string(),
        "code": code,
        "title": title,
        "detail": detail,
    });
    if let Some(map) = one.as_object_mut() {
        if let Some(source) = source {
            map.insert("source".to_owned(), source);
        }
        if let Some(meta) = meta {
            map.insert("meta".to_owned(), meta);
        }
    }
    Answer::json(status, &json!({"errors": [one]}))
}

/// 409 about an attribute; `what` is the last part of the code.
pub(crate) fn attribute(what: &str, name: &str, detail: &str) -> Answer {
    let title = "The provided entity includes an attribute with an invalid value";
    let source = json!({"pointer": format!("/data/attributes/{name}")});
    error(
        409,
        &format!("ENTITY_ERROR.ATTRIBUTE.{what}"),
        title,
        detail,
        Some(source),
        None,
    )
}

/// 409 about a relationship.
pub(crate) fn relationship(what: &str, name: &str, detail: &str) -> Answer {
    let title = "The provided entity includes a relationship with an invalid value";
    let source = json!({"pointer": format!("/data/relationships/{name}")});
    error(
        409,
        &format!("ENTITY_ERROR.RELATIONSHIP.{what}"),
        title,
        detail,
        Some(source),
        None,
    )
}

/// 409 because of the state the object is in.
pub(crate) fn state(detail: &str) -> Answer {
    error(
        409,
        "STATE_ERROR",
        "The request cannot be fulfilled because of the state of another resource.",
        detail,
        None,
        None,
    )
}

/// 409 that lists what is missing on another resource.
pub(crate) fn not_reviewable(path: &str, missing: &[(String, String)]) -> Answer {
    let list = missing.iter().map(|(name, detail)| {
        json!({"id": format!("missing-{name}"), "status": "409", "code": "ENTITY_ERROR.ATTRIBUTE.REQUIRED",
               "title": "The provided entity is missing a required attribute", "detail": detail})
    });
    let meta = json!({"associatedErrors": {path: list.collect::<Vec<_>>()}});
    error(
        409,
        "STATE_ERROR.ENTITY_STATE_INVALID",
        "appStoreVersions is not in valid state.",
        "This resource cannot be reviewed, please check associated errors to see why.",
        None,
        Some(meta),
    )
}

/// 400 about a query parameter.
pub(crate) fn parameter(what: &str, name: &str, detail: &str) -> Answer {
    let source = json!({"parameter": name});
    error(
        400,
        &format!("PARAMETER_ERROR.{what}"),
        "A parameter has an invalid value",
        detail,
        Some(source),
        None,
    )
}

/// 404.
pub(crate) fn not_found(kind: &str, id: &str) -> Answer {
    let detail = format!("There is no resource of type '{kind}' with id '{id}'");
    error(
        404,
        "NOT_FOUND",
        "The specified resource does not exist",
        &detail,
        None,
        None,
    )
}

/// 404 for a path that no resource has.
pub(crate) fn no_path(path: &str) -> Answer {
    let detail = format!("The path provided does not match a defined resource type: {path}");
    error(
        404,
        "PATH_ERROR",
        "The URL path is not valid",
        &detail,
        None,
        None,
    )
}

/// 401.
pub(crate) fn unauthorized() -> Answer {
    error(
        401,
        "NOT_AUTHORIZED",
        "Authentication credentials are missing or invalid.",
        "Provide a properly configured and signed bearer token, and make sure that it has not expired.",
        None,
        None,
    )
}

/// 403.
pub(crate) fn forbidden(code: &str, detail: &str) -> Answer {
    error(
        403,
        code,
        "This request is forbidden for security reasons",
        detail,
        None,
        None,
    )
}

/// 429; Apple sends no Retry-After.
pub(crate) fn throttled() -> Answer {
    error(
        429,
        "RATE_LIMIT_EXCEEDED",
        "The request rate limit has been reached.",
        "We've received too many requests for this API. Please wait and try again or slow down your request rate.",
        None,
        None,
    )
}
