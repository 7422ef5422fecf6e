//! From a vendor's answer to an error class. Adapters override single rows of this table where their vendor differs.

use crate::redact::Redactor;
use delivr_domain::ports::error::ProviderErrorKind;
use delivr_domain::time::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Longest hint that is believed.
const LONGEST_HINT: Duration = Duration::from_secs(24 * 3600);

/// The common meaning of a status that is no success.
#[must_use]
pub fn classify(status: StatusCode, headers: &HeaderMap) -> ProviderErrorKind {
    match status.as_u16() {
        401 => ProviderErrorKind::Unauthenticated,
        // GitHub (and what imitates it) throttles with 403; the marks tell it from a missing permission.
        403 if is_rate_marked(headers) => ProviderErrorKind::Throttled,
        402 | 403 | 451 => ProviderErrorKind::Forbidden,
        404 | 410 => ProviderErrorKind::NotFound,
        409 => ProviderErrorKind::Conflict,
        412 | 423 | 428 => ProviderErrorKind::Precondition,
        429 => ProviderErrorKind::Throttled,
        408 | 425 | 500..=599 => ProviderErrorKind::Unavailable,
        400..=499 => ProviderErrorKind::Invalid,
        _ => ProviderErrorKind::Malformed,
    }
}

fn is_rate_marked(headers: &HeaderMap) -> bool {
    let none_left = ["x-ratelimit-remaining", "ratelimit-remaining"]
        .iter()
        .any(|name| text(headers, name).is_some_and(|left| left.trim() == "0"));
    none_left || headers.contains_key(RETRY_AFTER)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// When the vendor wants us back: `Retry-After` (seconds or HTTP date), else the reset of its rate limit (seconds
/// from now, epoch seconds or milliseconds, ISO 8601). Instants are read against the answer's own `Date` where there
/// is one, so that skewed clocks do no harm.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let now = text(headers, DATE.as_str())
        .and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok())
        .map_or(now, |date| date.to_utc());
    if let Some(hint) = text(headers, RETRY_AFTER.as_str()).and_then(|hint| read_hint(hint, now)) {
        return Some(hint);
    }
    ["x-ratelimit-reset", "ratelimit-reset"]
        .iter()
        .find_map(|name| text(headers, name).and_then(|hint| read_hint(hint, now)))
}

pub(crate) fn read_hint(hint: &str, now: Timestamp) -> Option<Duration> {
    let hint = hint.trim();
    let until = |at: Timestamp| (at - now).to_std().unwrap_or(Duration::ZERO);
    let span = if let Ok(number) = hint.parse::<f64>() {
        if !number.is_finite() || number < 0.0 {
            return None;
        }
        // Beyond a few years as a span it can only be an instant; beyond the year 5000 as seconds it is milliseconds.
        if number < 1e8 {
            Duration::from_secs_f64(number)
        } else {
            let seconds = if number > 1e11 { number / 1000.0 } else { number };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked against the range of dates just below"
            )]
            let seconds = seconds.ceil() as i64;
            until(Timestamp::from_timestamp(seconds, 0)?)
        }
    } else if let Ok(at) = chrono::DateTime::parse_from_rfc2822(hint) {
        until(at.to_utc())
    } else {
        // Jira writes its zone without a colon and leaves out seconds at times.
        let at = chrono::DateTime::parse_from_rfc3339(hint)
            .or_else(|_| chrono::DateTime::parse_from_str(hint, "%Y-%m-%dT%H:%M:%S%.f%z"))
            .or_else(|_| chrono::DateTime::parse_from_str(&hint.replace('Z', "+0000"), "%Y-%m-%dT%H:%M%z"))
            .ok()?;
        until(at.to_utc())
    };
    Some(span.min(LONGEST_HINT))
}

/// Whether the answer is a web page, by its type or its first character.
#[must_use]
pub fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let typed =
        text(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    typed || body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

/// The vendor's own words: the messages of a JSON error, a page's title, or the text; redacted and cut.
#[must_use]
pub fn vendor_words(headers: &HeaderMap, body: &[u8], redactor: &Redactor) -> Option<String> {
    let all = String::from_utf8_lossy(body);
    let words = if is_html(headers, body) {
        let lower = all.to_ascii_lowercase();
        let title = lower.find("<title").and_then(|at| {
            let from = at + lower.get(at..)?.find('>')? + 1;
            let to = from + lower.get(from..)?.find("</title")?;
            all.get(from..to)
        });
        format!("web page: {}", title.unwrap_or("without a title").trim())
    } else if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
        let mut found = Vec::new();
        collect(&json, 0, &mut found);
        if found.is_empty() {
            all.into_owned()
        } else {
            found.join("; ")
        }
    } else {
        all.into_owned()
    };
    let words = redactor.clean(&words);
    (!words.is_empty()).then_some(words)
}

/// The keys under which the vendors we know put text for people.
const SAYING: [&str; 12] = [
    "message",
    "error",
    "errors",
    "errorMessages",
    "error_description",
    "detail",
    "details",
    "title",
    "code",
    "reason",
    "status",
    "warnings",
];

fn collect(json: &serde_json::Value, depth: usize, into: &mut Vec<String>) {
    if depth > 5 || into.len() > 20 {
        return;
    }
    if let Some(map) = json.as_object() {
        let saying = map
            .iter()
            .filter(|(key, _)| depth > 0 || SAYING.contains(&key.as_str()));
        for (_, value) in saying {
            collect(value, depth + 1, into);
        }
    } else if let Some(list) = json.as_array() {
        list.iter().for_each(|it| collect(it, depth + 1, into));
    } else if let Some(text) = json.as_str().filter(|_| depth > 0) {
        into.push(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn statuses_map_to_classes() {
        let plain = HeaderMap::new();
        for (status, kind) in [
            (401, ProviderErrorKind::Unauthenticated),
            (403, ProviderErrorKind::Forbidden),
            (404, ProviderErrorKind::NotFound),
            (409, ProviderErrorKind::Conflict),
            (412, ProviderErrorKind::Precondition),
            (422, ProviderErrorKind::Invalid),
            (429, ProviderErrorKind::Throttled),
            (408, ProviderErrorKind::Unavailable),
            (425, ProviderErrorKind::Unavailable),
            (555, ProviderErrorKind::Unavailable),
            (302, ProviderErrorKind::Malformed),
        ] {
            assert_eq!(
                classify(StatusCode::from_u16(status).unwrap(), &plain),
                kind,
                "{status}"
            );
        }
        let marked = headers(&[("X-RateLimit-Remaining", "0")]);
        assert_eq!(
            classify(StatusCode::FORBIDDEN, &marked),
            ProviderErrorKind::Throttled
        );
        let left = headers(&[("X-RateLimit-Remaining", "7")]);
        assert_eq!(
            classify(StatusCode::FORBIDDEN, &left),
            ProviderErrorKind::Forbidden
        );
    }

    #[test]
    fn hints_are_read_in_every_form() {
        let secs = |pairs: &[(&str, &str)]| retry_after(&headers(pairs), now()).map(|it| it.as_secs());
        assert_eq!(secs(&[("Retry-After", "17")]), Some(17));
        assert_eq!(
            secs(&[("Retry-After", "Sat, 21 Nov 2026 08:01:00 GMT")]),
            Some(60)
        );
        assert_eq!(secs(&[("x-ratelimit-reset", "1795248030")]), Some(30));
        assert_eq!(secs(&[("x-ratelimit-reset", "1795248030000")]), Some(30));
        assert_eq!(secs(&[("RateLimit-Reset", "42")]), Some(42));
        assert_eq!(
            secs(&[("X-RateLimit-Reset", "2026-11-21T08:00:20.000+0000")]),
            Some(20)
        );
        assert_eq!(secs(&[("X-RateLimit-Reset", "2026-11-21T08:05Z")]), Some(300));
        assert_eq!(secs(&[("Retry-After", "Sat, 21 Nov 2026 07:00:00 GMT")]), Some(0));
        assert_eq!(secs(&[("Retry-After", "soon")]), None);
        assert_eq!(secs(&[("Retry-After", "-5")]), None);
        assert_eq!(secs(&[("Retry-After", "9999999")]), Some(86400));
        // The vendor's clock is 10 minutes ahead of ours.
        let skewed = [
            ("Date", "Sat, 21 Nov 2026 08:10:00 GMT"),
            ("x-ratelimit-reset", "1795248630"),
        ];
        assert_eq!(secs(&skewed), Some(30));
    }

    #[test]
    fn vendor_words_are_found_in_json_and_pages() {
        let redactor = Redactor::new(["topsecret".into()]);
        let json = br#"{"errorMessages":["No topsecret"],"errors":{"summary":"is required"},"id":"7"}"#;
        assert_eq!(
            vendor_words(&HeaderMap::new(), json, &redactor).unwrap(),
            "No [redacted]; is required"
        );
        let page = b"<!doctype html><html><head><TITLE>Sign in</TITLE></head>";
        assert_eq!(
            vendor_words(&HeaderMap::new(), page, &redactor).unwrap(),
            "web page: Sign in"
        );
        assert_eq!(vendor_words(&HeaderMap::new(), b" \n", &redactor), None);
        assert_eq!(
            vendor_words(&HeaderMap::new(), b"plain", &redactor).unwrap(),
            "plain"
        );
    }
}
