//! What App Store Connect says of its rate limit: `X-Rate-Limit: user-hour-lim:3500;user-hour-rem:500;`, see "Identifying
//! Rate Limits" of Apple's documentation. It is a rolling hour, so that no instant is named at which it begins anew; and an
//! API key has no end.

use delivr_domain::ports::health::Quota;
use delivr_provider_kit::{Answer, Limits};

/// Of any answer.
pub(crate) fn read(answer: &Answer) -> Limits {
    let quota = answer
        .header("x-rate-limit")
        .and_then(hour)
        .map(|(limit, remaining)| Quota {
            limit,
            remaining,
            resets_at: None,
            told_at: answer.at(),
        });
    Limits {
        quotas: quota
            .map(|quota| ("hour".to_owned(), quota))
            .into_iter()
            .collect(),
        expiry: None,
    }
}

/// How many an hour, and how many of them are left.
fn hour(text: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let parts = text.split(';').filter_map(|part| part.split_once(':'));
        let mut found = parts.filter(|(known, _)| known.trim() == name);
        found.next().and_then(|(_, number)| number.trim().parse().ok())
    };
    Some((number("user-hour-lim")?, number("user-hour-rem")?))
}

#[cfg(test)]
mod tests {
    use super::hour;

    #[test]
    fn the_hour_is_read_as_apple_documents_it() {
        assert_eq!(hour("user-hour-lim:3500;user-hour-rem:500;"), Some((3500, 500)));
        assert_eq!(hour(" user-hour-rem: 0; user-hour-lim: 10"), Some((10, 0)));
        for text in [
            "",
            "user-hour-lim:3500;",
            "user-hour-lim:many;user-hour-rem:500;",
            "3500",
        ] {
            assert_eq!(hour(text), None, "{text}");
        }
    }
}
