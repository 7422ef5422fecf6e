//! What Jira says in its headers of its rate limits: `X-RateLimit-Limit`, `-Remaining` and `-Reset` (ISO 8601), see "Rate
//! limiting" of Atlassian's documentation of Jira Cloud. Jira Data Center sends the first two with its token bucket. Nothing
//! tells when an API token ends.

use delivr_provider_kit::{Answer, Limits, plain_limits};

/// Of any answer.
pub(crate) fn read(answer: &Answer) -> Limits {
    let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    Limits {
        quotas: plain_limits(answer, names)
            .map(|quota| ("requests".to_owned(), quota))
            .into_iter()
            .collect(),
        expiry: None,
    }
}
