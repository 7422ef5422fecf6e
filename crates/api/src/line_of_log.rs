//! The line that a request leaves in the log: enough to find it by what its sender has in hand, and nothing secret, so no
//! address as it was asked for, no query and no body.

use crate::context::Caller;
use actix_web::HttpMessage as _;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;
use tracing::Level;

/// The id that the caller gave the request, in answers; ours has the header that it came with.
pub(crate) const CALLERS: HeaderName = HeaderName::from_static("x-client-request-id");
/// Characters of a caller's id, at most.
const LONGEST: usize = 128;

/// The caller's own id of the request, if it has one that can stand in a log.
pub(crate) fn callers_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let given = headers.get("x-request-id")?;
    let text = given.to_str().ok()?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte));
    ((1..=LONGEST).contains(&text.len()) && plain).then(|| given.clone())
}

/// How loud the line is. What strangers can cause as often as they like is not heard at the usual level.
fn loudness(status: u16, known_route: bool) -> Level {
    match status {
        401 | 429 => Level::DEBUG,
        404 | 405 if !known_route => Level::DEBUG,
        400..=499 => Level::INFO,
        // A vendor, or the database: they come back.
        502..=504 => Level::WARN,
        500.. => Level::ERROR,
        _ => Level::DEBUG,
    }
}

/// A request that was answered.
pub(crate) struct Answered<'a, B> {
    /// Our id of it, the `instance` of its problem.
    pub(crate) id: &'a str,
    /// The caller's.
    pub(crate) callers: Option<&'a HeaderValue>,
    pub(crate) method: &'a Method,
    /// The pattern its path fits, if it fits any.
    pub(crate) route: Option<&'a str>,
    pub(crate) response: &'a ServiceResponse<B>,
    pub(crate) elapsed: Duration,
}

impl<B> Answered<'_, B> {
    /// Writes the line.
    pub(crate) fn log(&self) {
        let status = self.response.status().as_u16();
        let extensions = self.response.request().extensions();
        let tenant = extensions.get::<Caller>().and_then(Caller::tenant);
        let tenant = tenant.map(tracing::field::display);
        let callers = self.callers.and_then(|value| value.to_str().ok());
        let route = self.route.unwrap_or("unknown");
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request.id = %self.id, request.callers_id = callers, method = %self.method, route, status,
                    tenant, elapsed_ms = self.elapsed.as_millis(), "request"
                )
            };
        }
        match loudness(status, self.route.is_some()) {
            Level::ERROR => line!(error),
            Level::WARN => line!(warn),
            Level::INFO => line!(info),
            _ => line!(debug),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_cause_at_will_is_quiet() {
        for (status, known, level) in [
            (200, true, Level::DEBUG),
            (304, true, Level::DEBUG),
            (400, true, Level::INFO),
            (401, true, Level::DEBUG),
            (404, true, Level::INFO),
            (404, false, Level::DEBUG),
            (409, true, Level::INFO),
            (429, true, Level::DEBUG),
            (500, true, Level::ERROR),
            (502, true, Level::WARN),
            (503, true, Level::WARN),
            (507, true, Level::ERROR),
        ] {
            assert_eq!(loudness(status, known), level, "{status}");
        }
    }

    #[test]
    fn a_callers_id_is_short_and_plain() {
        let given = |text: &[u8]| {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("x-request-id");
            headers.insert(name, HeaderValue::from_bytes(text).unwrap());
            callers_id(&headers).is_some()
        };
        let long = "x".repeat(LONGEST);
        for good in [
            "7",
            "build-7/step.2",
            "Root=1-67891233-abcdef012345678912345678",
            &long,
        ] {
            assert!(given(good.as_bytes()), "{good}");
        }
        let longer = format!("{long}x");
        for bad in ["", "a b", "a\tb", "<b>", "a,b", "\u{e9}", &longer] {
            assert!(!given(bad.as_bytes()), "{bad}");
        }
    }
}
