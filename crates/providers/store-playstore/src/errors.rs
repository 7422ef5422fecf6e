//! Google's refusals: which kind of trouble each is and who must do what (vendor-apis 18.1 to 18.5).
//!
//! Status words are coarse and reasons vary, so rows compare the status, then pieces of reason and message.

use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;
use serde_json::Value;

/// One row: HTTP status (0 for any), piece of reason or message (lower case), kind, sentence.
struct Row(u16, &'static str, ProviderErrorKind, &'static str);

const ROWS: &[Row] = &[
    Row(
        0,
        "invalid_grant",
        ProviderErrorKind::Unauthenticated,
        "Google refuses the service account's key: an admin must check that it is not deleted and that this server's \
         clock is right, or make a new key in Google Cloud, IAM, Service accounts.",
    ),
    Row(
        0,
        "invalid_client",
        ProviderErrorKind::Unauthenticated,
        "Google does not know the service account; an admin must paste the key file of an existing one.",
    ),
    Row(
        0,
        "invalid_scope",
        ProviderErrorKind::Misconfigured,
        "Google does not grant the Android Publisher scope; enable the Google Play Android Developer API in the \
         service account's project.",
    ),
    Row(
        401,
        "",
        ProviderErrorKind::Unauthenticated,
        "Google does not accept the access token; an admin must check the service account's key.",
    ),
    Row(
        0,
        "ratelimitexceeded",
        ProviderErrorKind::Throttled,
        "Google Play takes no more requests for now; it is tried again later.",
    ),
    Row(
        0,
        "quotaexceeded",
        ProviderErrorKind::Throttled,
        "The quota of Google Play's API is used up for now; it is tried again later.",
    ),
    Row(
        429,
        "",
        ProviderErrorKind::Throttled,
        "Google Play takes no more requests for now; it is tried again later.",
    ),
    Row(
        0,
        "edit has been deleted",
        ProviderErrorKind::Precondition,
        "Somebody else changed the app in Google Play meanwhile; it is tried again with their change.",
    ),
    Row(
        0,
        "edit has expired",
        ProviderErrorKind::Precondition,
        "Somebody else changed the app in Google Play meanwhile; it is tried again with their change.",
    ),
    Row(
        0,
        "editnotfound",
        ProviderErrorKind::Precondition,
        "Somebody else changed the app in Google Play meanwhile; it is tried again with their change.",
    ),
    Row(
        0,
        "changes in review",
        ProviderErrorKind::Precondition,
        "Changes of the app are in Google's review, and this one would cancel it; it is tried again after the review, \
         or remove the changes in Play Console, Publishing overview.",
    ),
    Row(
        0,
        "changesinreview",
        ProviderErrorKind::Precondition,
        "Changes of the app are in Google's review, and this one would cancel it; it is tried again after the review.",
    ),
    Row(
        0,
        "cannot be sent for review automatically",
        ProviderErrorKind::Precondition,
        "Google wants the changes to be sent for review by hand in Play Console, Publishing overview.",
    ),
    Row(
        0,
        "changesnotsentforreview must not be set",
        ProviderErrorKind::Precondition,
        "Google sends the changes for review by itself again; it is tried again so.",
    ),
    Row(
        0,
        "only releases with status draft",
        ProviderErrorKind::Invalid,
        "The app was never published; publish its first release by hand in Play Console.",
    ),
    Row(
        0,
        "first release on a track cannot be staged",
        ProviderErrorKind::Invalid,
        "The first release on a track goes to everybody; set the first rollout step to 100 per cent.",
    ),
    Row(
        0,
        "does not allow any existing users to upgrade",
        ProviderErrorKind::Conflict,
        "A version code as high or higher is live already; ship a build with a higher version code.",
    ),
    Row(
        0,
        "targeting no countries",
        ProviderErrorKind::Invalid,
        "The track has no countries; choose some in Play Console, Production, Countries and regions.",
    ),
    Row(
        0,
        "fully released can not be staged",
        ProviderErrorKind::Unsupported,
        "The release went to everybody; Google Play does not take it back to a part of the users.",
    ),
    Row(
        0,
        "already been used",
        ProviderErrorKind::Conflict,
        "The version code was used before; ship a build with a higher version code.",
    ),
    Row(
        0,
        "does not exist",
        ProviderErrorKind::Precondition,
        "Google Play does not have a bundle of this version code (yet); upload it to the internal track.",
    ),
    Row(
        0,
        "cannot be lowered",
        ProviderErrorKind::Unsupported,
        "Google Play cannot lower a rollout's percentage; halt the rollout instead.",
    ),
    Row(
        0,
        "too long",
        ProviderErrorKind::Invalid,
        "The release notes are longer than Google Play takes; shorten them.",
    ),
    Row(
        0,
        "language code",
        ProviderErrorKind::Invalid,
        "Google Play does not know a language of the release notes; use its codes, such as en-US.",
    ),
    Row(
        0,
        "package not found",
        ProviderErrorKind::NotFound,
        "Google Play has no such package, or its first bundle was never uploaded by hand; correct the package name.",
    ),
    Row(
        0,
        "track not found",
        ProviderErrorKind::NotFound,
        "Google Play has no such track for this app; correct the track of the integration.",
    ),
    Row(
        0,
        "issues with your account",
        ProviderErrorKind::Forbidden,
        "Google reports issues with the developer account; the owner must resolve them in Play Console.",
    ),
    Row(
        0,
        "declaration",
        ProviderErrorKind::Invalid,
        "Google asks for a declaration about the app; fill it in under Play Console, App content.",
    ),
    Row(
        403,
        "",
        ProviderErrorKind::Forbidden,
        "The service account may not do this; an admin must invite it in Play Console, Users and permissions, with the \
         permission to release this app (a new permission can take a day).",
    ),
    Row(
        404,
        "",
        ProviderErrorKind::NotFound,
        "It does not exist in Google Play, or the service account may not see it; check package name and track.",
    ),
    Row(
        0,
        "failed_precondition",
        ProviderErrorKind::Precondition,
        "The app in Google Play is not in a state that allows this now; it is tried again in a while.",
    ),
];

/// The answer when it is one of success, else its error by our table, else by the common one.
///
/// # Errors
/// The classified refusal.
pub(crate) fn accepted(answer: Answer) -> Result<Answer, ProviderError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    // A server error is trouble on the way whatever its body says: the effect is unknown.
    if answer.status.is_server_error() {
        return Err(answer.failure());
    }
    match rule(answer.status.as_u16(), &answer.body) {
        Some((kind, sentence)) => {
            let mut error = answer.error(kind, sentence);
            if kind == ProviderErrorKind::Throttled {
                error.retry_after = answer.retry_after();
            }
            Err(error)
        }
        None => Err(answer.failure()),
    }
}

/// The row of an error; an answer that is no JSON has none.
fn rule(status: u16, body: &[u8]) -> Option<(ProviderErrorKind, &'static str)> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let text = texts(&document).to_lowercase();
    let row = ROWS
        .iter()
        .find(|Row(of, piece, ..)| (*of == 0 || *of == status) && text.contains(piece))?;
    Some((row.2, row.3))
}

/// Status, reasons and messages of an error, of the API or of the token address.
fn texts(document: &Value) -> String {
    let mut all = Vec::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match document.get("error") {
        Some(Value::Object(error)) => {
            all.push(text(error.get("status")));
            all.push(text(error.get("message")));
            for one in error
                .get("errors")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                all.push(text(one.get("reason")));
                all.push(text(one.get("message")));
            }
        }
        other => {
            all.push(text(other));
            all.push(text(document.get("error_description")));
        }
    }
    all.join(" ")
}

/// Whether the edit is gone because somebody else changed the app: start anew.
pub(crate) fn edit_is_gone(error: &ProviderError) -> bool {
    let said = error.vendor.as_deref().unwrap_or_default().to_lowercase();
    ["edit has been deleted", "edit has expired", "edit not found"]
        .iter()
        .any(|piece| said.contains(piece))
}

/// Which value `changesNotSentForReview` must have instead, if that is what the refusal is about.
pub(crate) fn other_review_flag(error: &ProviderError) -> Option<bool> {
    let said = error.vendor.as_deref().unwrap_or_default();
    if said.contains("cannot be sent for review automatically") {
        Some(true)
    } else if said.contains("changesNotSentForReview must not be set") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_documented_refusal_has_a_kind_and_says_who_must_act() {
        use ProviderErrorKind as K;
        for (status, word, reason, message, kind, says) in [
            (
                401,
                "UNAUTHENTICATED",
                "authError",
                "Request had invalid authentication",
                K::Unauthenticated,
                "admin",
            ),
            (
                403,
                "PERMISSION_DENIED",
                "forbidden",
                "The caller does not have permission",
                K::Forbidden,
                "Users and",
            ),
            (
                403,
                "PERMISSION_DENIED",
                "quotaExceeded",
                "Quota exceeded",
                K::Throttled,
                "later",
            ),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "rateLimitExceeded",
                "Quota exceeded",
                K::Throttled,
                "later",
            ),
            (
                404,
                "NOT_FOUND",
                "applicationNotFound",
                "Package not found: x.",
                K::NotFound,
                "package name",
            ),
            (
                404,
                "NOT_FOUND",
                "trackNotFound",
                "Track not found: x.",
                K::NotFound,
                "track",
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "editDeleted",
                "This Edit has been deleted.",
                K::Precondition,
                "Somebody",
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "editExpired",
                "This edit has expired please create a new Edit.",
                K::Precondition,
                "Somebody",
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "changesInReview",
                "There are changes in review.",
                K::Precondition,
                "review",
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "badRequest",
                "Changes cannot be sent for review automatically. Please set the query parameter",
                K::Precondition,
                "by hand",
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "badRequest",
                "Only releases with status draft may be created on draft app.",
                K::Invalid,
                "first release by hand",
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "badRequest",
                "The first release on a track cannot be staged.",
                K::Invalid,
                "100 per cent",
            ),
            (
                403,
                "PERMISSION_DENIED",
                "x",
                "You cannot rollout this release because it does not allow any existing users to upgrade to",
                K::Conflict,
                "higher version code",
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "x",
                "Release in track targeting no countries",
                K::Invalid,
                "countries",
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "x",
                "Fully released can not be staged.",
                K::Unsupported,
                "everybody",
            ),
            (
                403,
                "x",
                "x",
                "Version code 7 has already been used.",
                K::Conflict,
                "higher version code",
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "x",
                "Version code 7 does not exist.",
                K::Precondition,
                "upload",
            ),
            (
                403,
                "x",
                "x",
                "There are issues with your account",
                K::Forbidden,
                "owner",
            ),
            (
                400,
                "x",
                "x",
                "You must complete the advertising ID declaration",
                K::Invalid,
                "App content",
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "x",
                "Something new",
                K::Precondition,
                "in a while",
            ),
        ] {
            let body = json!({"error": {"code": status, "message": message, "status": word,
                "errors": [{"domain": "androidpublisher", "reason": reason, "message": message}]}});
            let (got, sentence) = rule(status, body.to_string().as_bytes()).unwrap();
            assert_eq!(got, kind, "{message}");
            assert!(sentence.contains(says), "{message}: {sentence}");
        }
        let token = |name: &str| {
            rule(400, json!({"error": name}).to_string().as_bytes())
                .unwrap()
                .0
        };
        assert_eq!(token("invalid_grant"), K::Unauthenticated);
        assert_eq!(token("invalid_scope"), K::Misconfigured);
        assert_eq!(rule(400, b"{\"error\":{\"message\":\"new\"}}"), None);
        assert_eq!(rule(400, b"<html>"), None);
    }
}
