//! Error documents of Google's APIs.

use serde_json::json;

use crate::answer::Answer;

/// A value, or the refusal to answer with.
pub(crate) type Outcome<T> = Result<T, Answer>;

/// An error in Google's form.
pub(crate) fn error(code: u16, status: &str, reason: &str, message: &str) -> Answer {
    let body = json!({"error": {
        "code": code,
        "message": message,
        "status": status,
        "errors": [{"domain": if reason == "authError" { "global" } else { "androidpublisher" },
                    "reason": reason, "message": message}],
    }});
    Answer::json(code, &body)
}

/// 400 about the request itself.
pub(crate) fn invalid(message: &str) -> Answer {
    error(400, "INVALID_ARGUMENT", "badRequest", message)
}

/// 400 about the state of things.
pub(crate) fn precondition(reason: &str, message: &str) -> Answer {
    error(400, "FAILED_PRECONDITION", reason, message)
}

/// 403.
pub(crate) fn forbidden(reason: &str, message: &str) -> Answer {
    error(403, "PERMISSION_DENIED", reason, message)
}

/// 404.
pub(crate) fn not_found(reason: &str, message: &str) -> Answer {
    error(404, "NOT_FOUND", reason, message)
}

/// 401.
pub(crate) fn unauthenticated() -> Answer {
    error(
        401,
        "UNAUTHENTICATED",
        "authError",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
    )
    .header("www-authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"")
}

/// 429.
pub(crate) fn throttled() -> Answer {
    error(
        429,
        "RESOURCE_EXHAUSTED",
        "rateLimitExceeded",
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'.",
    )
}

/// An error of the token endpoint.
pub(crate) fn token(status: u16, name: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": name, "error_description": description}))
}
