//! What GitHub says in its headers of its rate limits and of the end of a token.
//!
//! Rate limits: "Rate limits for the REST API" of GitHub's documentation; `x-ratelimit-resource` names the limit, and
//! `x-ratelimit-reset` is in epoch seconds. The end of a personal access token: GitHub's changelog of 2021-07-26,
//! "Expiration options for personal access tokens", header `GitHub-Authentication-Token-Expiration`, written as
//! `2021-10-07 19:07:53 UTC` or with an offset; a token without an end has none.

use chrono::{DateTime, NaiveDateTime};
use delivr_domain::ports::health::Expiry;
use delivr_domain::time::Timestamp;
use delivr_provider_kit::{Answer, Limits, plain_limits};

const EXPIRATION: &str = "github-authentication-token-expiration";
/// Longest name of a limit that is taken for one.
const NAME: usize = 40;

/// Of a request with a GitHub App's tokens, which are renewed by themselves.
pub(crate) fn of_app(answer: &Answer) -> Limits {
    let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    let resource = answer.header("x-ratelimit-resource").unwrap_or("core");
    let known = resource.len() <= NAME && resource.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    Limits {
        quotas: plain_limits(answer, names)
            .filter(|_quota| known)
            .map(|quota| (resource.to_owned(), quota))
            .into_iter()
            .collect(),
        expiry: None,
    }
}

/// Of a request with a token that somebody made.
pub(crate) fn of_token(answer: &Answer) -> Limits {
    let at = answer.header(EXPIRATION).and_then(end);
    // A refused token is told nothing about; one that is accepted without an end has none.
    let told = at.is_some() || answer.status.is_success();
    let unreadable = at.is_none() && answer.header(EXPIRATION).is_some();
    Limits {
        expiry: (told && !unreadable).then(|| Expiry {
            at,
            told_at: answer.at(),
        }),
        ..of_app(answer)
    }
}

fn end(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let zoned = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z").map(|at| at.to_utc());
    let in_utc = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S UTC").map(|at| at.and_utc());
    zoned.or_else(|_why| in_utc()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_in_both_ways_of_writing_it() {
        let at = Timestamp::from_timestamp(1_633_633_673, 0).unwrap();
        for text in [
            "2021-10-07 19:07:53 UTC",
            "2021-10-07 19:07:53 +0000",
            "2021-10-07 14:07:53 -0500",
        ] {
            assert_eq!(end(text), Some(at), "{text}");
        }
        for text in ["", "soon", "2021-13-07 19:07:53 UTC"] {
            assert_eq!(end(text), None, "{text}");
        }
    }
}
