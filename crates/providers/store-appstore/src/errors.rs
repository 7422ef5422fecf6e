//! Apple's refusals: which kind of trouble each is and who must do what (vendor-apis 17.1, 17.2, 17.6 to 17.10).
//!
//! Nearly every business refusal is a 409, so the status alone says little. Rows are tried in order; code prefixes
//! and pieces of the detail are compared, since Apple extends codes at their end and rewords around a stable core.

use delivr_domain::ports::error::ProviderErrorKind;
use serde::Deserialize;
use serde_json::Value;

/// Where people act on App Store Connect.
pub(crate) const CONSOLE: &str = "https://appstoreconnect.apple.com";

/// One row: code prefix, piece of the detail (lower case, empty for any), kind, sentence.
struct Row(&'static str, &'static str, ProviderErrorKind, &'static str);

const ROWS: &[Row] = &[
    Row(
        "FORBIDDEN.REQUIRED_AGREEMENTS",
        "",
        ProviderErrorKind::Forbidden,
        "The account holder must accept the current agreements in App Store Connect, Business, before anything can be \
         submitted.",
    ),
    Row(
        "NOT_AUTHORIZED",
        "",
        ProviderErrorKind::Unauthenticated,
        "App Store Connect refuses the API key; an admin must check key id, issuer id and private key, or make a new \
         key under Users and Access, Integrations.",
    ),
    Row(
        "FORBIDDEN",
        "",
        ProviderErrorKind::Forbidden,
        "The API key may not do this; an admin must give the key the App Manager role for this app under Users and \
         Access, Integrations.",
    ),
    Row(
        "RATE_LIMIT",
        "",
        ProviderErrorKind::Throttled,
        "App Store Connect takes no more requests of this API key for now; it is tried again later.",
    ),
    Row(
        "",
        "cannot create a new version of the app in the current state",
        ProviderErrorKind::Precondition,
        "Apple allows one unreleased version at a time: finish, release or delete the other one in App Store Connect.",
    ),
    Row(
        "",
        "version number has been previously used",
        ProviderErrorKind::Conflict,
        "This version number was used before for this app; choose a higher version.",
    ),
    Row(
        "",
        "pre-release build could not be added",
        ProviderErrorKind::Precondition,
        "The build cannot be attached: it must be processed, not expired, and carry the same version as the App Store \
         version, which must still be editable.",
    ),
    Row(
        "",
        "'whatsnew' cannot be edited",
        ProviderErrorKind::Invalid,
        "Apple takes no release notes for the first version of an app; remove the notes of this submission.",
    ),
    Row(
        "",
        "too long",
        ProviderErrorKind::Invalid,
        "A text is longer than App Store Connect takes; shorten it.",
    ),
    Row(
        "",
        "not ready to be submitted yet",
        ProviderErrorKind::Precondition,
        "Apple is still preparing the version; it is submitted again in a while.",
    ),
    Row(
        "",
        "attachment uploads still in progress",
        ProviderErrorKind::Precondition,
        "Apple is still taking in screenshots or other files of the version; it is submitted again in a while.",
    ),
    Row(
        "",
        "already added to another reviewsubmission",
        ProviderErrorKind::Conflict,
        "The version belongs to another review submission; submit or remove that one in App Store Connect, App Review.",
    ),
    Row(
        "STATE_ERROR.ITEM_PART_OF_ANOTHER_SUBMISSION",
        "",
        ProviderErrorKind::Conflict,
        "The version belongs to another review submission; submit or remove that one in App Store Connect, App Review.",
    ),
    Row(
        "",
        "final state",
        ProviderErrorKind::Conflict,
        "The phased release is over and cannot be changed any more.",
    ),
    Row(
        "",
        "cannot be reviewed",
        ProviderErrorKind::Invalid,
        "The version is not complete; fill in what App Store Connect lists and submit again.",
    ),
    Row(
        "ENTITY_ERROR.ATTRIBUTE.REQUIRED",
        "",
        ProviderErrorKind::Invalid,
        "The version is not complete; fill in what App Store Connect lists and submit again.",
    ),
    Row(
        "STATE_ERROR.ENTITY_STATE_INVALID",
        "",
        ProviderErrorKind::Invalid,
        "The version is not complete or not in a state for this; do what App Store Connect lists.",
    ),
    Row(
        "STATE_ERROR",
        "",
        ProviderErrorKind::Precondition,
        "The version is not in a state that allows this now; it is tried again in a while.",
    ),
    Row(
        "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE",
        "",
        ProviderErrorKind::Precondition,
        "The version is not in a state that allows this now; it is tried again in a while.",
    ),
    Row(
        "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
        "",
        ProviderErrorKind::Conflict,
        "App Store Connect has an object of this name already; look at the version in App Store Connect.",
    ),
    Row(
        "ENTITY_",
        "",
        ProviderErrorKind::Invalid,
        "App Store Connect refuses the values of this version; correct what it names.",
    ),
    Row(
        "PARAMETER_ERROR",
        "",
        ProviderErrorKind::Invalid,
        "App Store Connect does not understand the request; check bundle id and version of the release.",
    ),
    Row(
        "NOT_FOUND",
        "",
        ProviderErrorKind::NotFound,
        "It does not exist in App Store Connect, or this API key may not see it; check the bundle id and the key's \
         access to the app.",
    ),
];

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    errors: Vec<One>,
}

#[derive(Debug, Deserialize)]
struct One {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    meta: Value,
}

/// A refusal understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ruling {
    /// Kind of trouble.
    pub(crate) kind: ProviderErrorKind,
    /// Who must do what.
    pub(crate) sentence: String,
}

/// Reads an error document; none when it is not one, or no row knows it.
pub(crate) fn rule(body: &[u8]) -> Option<Ruling> {
    let document: Document = serde_json::from_slice(body).ok()?;
    let missing: Vec<String> = document.errors.iter().flat_map(associated).take(10).collect();
    let row = document.errors.iter().find_map(|one| {
        let detail = one.detail.to_lowercase();
        ROWS.iter()
            .find(|Row(code, piece, ..)| one.code.starts_with(code) && detail.contains(piece))
    })?;
    let sentence = if missing.is_empty() {
        row.3.to_owned()
    } else {
        format!("{} Missing: {}", row.3, missing.join(" "))
    };
    Some(Ruling {
        kind: row.2,
        sentence,
    })
}

/// What a refused submission lists as missing: every entry, since a person should not find them one by one.
fn associated(one: &One) -> Vec<String> {
    let Some(Value::Object(map)) = one.meta.get("associatedErrors") else {
        return Vec::new();
    };
    map.values()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|it| it.get("detail").and_then(Value::as_str))
        .map(|text| text.chars().take(200).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ruled(code: &str, detail: &str) -> Option<(ProviderErrorKind, String)> {
        let body =
            json!({"errors": [{"id": "x", "status": "409", "code": code, "title": "t", "detail": detail}]});
        rule(body.to_string().as_bytes()).map(|it| (it.kind, it.sentence))
    }

    #[test]
    fn each_documented_refusal_has_a_kind_and_says_who_must_act() {
        use ProviderErrorKind as K;
        for (code, detail, kind, says) in [
            (
                "NOT_AUTHORIZED",
                "Provide a properly configured token",
                K::Unauthenticated,
                "admin",
            ),
            (
                "FORBIDDEN_ERROR",
                "The API key in use does not allow this request",
                K::Forbidden,
                "App Manager",
            ),
            (
                "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED",
                "",
                K::Forbidden,
                "account holder",
            ),
            ("RATE_LIMIT_EXCEEDED", "", K::Throttled, "later"),
            ("NOT_FOUND", "There is no resource", K::NotFound, "bundle id"),
            (
                "ENTITY_ERROR.RELATIONSHIP.INVALID",
                "You cannot create a new version of the App in the current state.",
                K::Precondition,
                "one unreleased version",
            ),
            (
                "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
                "The version number has been previously used.",
                K::Conflict,
                "higher version",
            ),
            (
                "ENTITY_ERROR.RELATIONSHIP.INVALID",
                "The specified pre-release build could not be added.",
                K::Precondition,
                "processed",
            ),
            (
                "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE",
                "Attribute 'whatsNew' cannot be edited at this time",
                K::Invalid,
                "first version",
            ),
            (
                "ENTITY_ERROR.ATTRIBUTE.INVALID.TOO_LONG",
                "'whatsNew' is too long",
                K::Invalid,
                "shorten",
            ),
            (
                "STATE_ERROR",
                "Version is not ready to be submitted yet",
                K::Precondition,
                "in a while",
            ),
            (
                "STATE_ERROR",
                "Attachment uploads still in progress",
                K::Precondition,
                "screenshots",
            ),
            (
                "ENTITY_ERROR.RELATIONSHIP.INVALID",
                "appStoreVersions with id '1' was already added to another reviewSubmission.",
                K::Conflict,
                "another review submission",
            ),
            (
                "STATE_ERROR.ITEM_PART_OF_ANOTHER_SUBMISSION",
                "",
                K::Conflict,
                "another review submission",
            ),
            (
                "ENTITY_ERROR.ATTRIBUTE.INVALID",
                "You cannot change the state of a phased release that is in a final state",
                K::Conflict,
                "over",
            ),
            ("STATE_ERROR.ENTITY_STATE_INVALID", "", K::Invalid, "not complete"),
            (
                "ENTITY_ERROR.ATTRIBUTE.REQUIRED",
                "You must provide 'advertising'",
                K::Invalid,
                "fill in",
            ),
            (
                "STATE_ERROR",
                "The version cannot be released in the state IN_REVIEW.",
                K::Precondition,
                "state",
            ),
            ("ENTITY_UNPROCESSABLE", "", K::Invalid, "correct"),
            ("PARAMETER_ERROR.INVALID", "", K::Invalid, "bundle id"),
        ] {
            let (got, sentence) = ruled(code, detail).unwrap();
            assert_eq!(got, kind, "{code} {detail}");
            assert!(sentence.contains(says), "{code} {detail}: {sentence}");
        }
        assert_eq!(ruled("BRAND_NEW_CODE", "something"), None);
        assert_eq!(rule(b"<html>"), None);
    }

    #[test]
    fn all_missing_fields_are_listed() {
        let body = json!({"errors": [{"status": "409", "code": "STATE_ERROR.ENTITY_STATE_INVALID",
            "title": "appStoreVersions is not in valid state.",
            "detail": "This resource cannot be reviewed, please check associated errors to see why.",
            "meta": {"associatedErrors": {"/v1/appStoreVersions/1": [
                {"detail": "You must choose a build."}, {"detail": "You must provide a value for 'whatsNew'"}]}}}]});
        let ruling = rule(body.to_string().as_bytes()).unwrap();
        assert_eq!(ruling.kind, ProviderErrorKind::Invalid);
        assert!(ruling.sentence.contains("choose a build") && ruling.sentence.contains("whatsNew"));
    }
}
