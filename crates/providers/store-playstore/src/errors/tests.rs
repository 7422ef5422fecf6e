//! Each documented refusal and who must act.

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
            K::Conflict,
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
