//! Words: how a page names what the API names.

use url::Url;

/// A word of the API as people write it: `READY_STAGING` is `Ready staging`.
pub(crate) fn words(word: &str) -> String {
    let named = match word {
        "ANDROID_PLAY_STORE" => "Android, Google Play",
        "IOS_APP_STORE" => "iOS, App Store",
        "PRE_RELEASE" => "Pre-release",
        "AWAITING_PRE_RELEASE" => "Awaiting pre-release",
        "CREATE_AAB_BUILD" => "Create the Android bundle",
        "TRIGGER_TEST_FLIGHT_BUILD" => "Trigger the TestFlight build",
        "CREATE_RC_TAG" => "Create the release candidate's tag",
        "DISTRIBUTION" => "Distribution",
        _ => "",
    };
    if !named.is_empty() {
        return named.to_owned();
    }
    let mut text = String::with_capacity(word.len());
    for (at, letter) in word.chars().enumerate() {
        match letter {
            '_' => text.push(' '),
            _ if at == 0 => text.push(letter),
            _ => text.push(letter.to_ascii_lowercase()),
        }
    }
    text
}

/// Columns of the board, in the order work goes through them.
pub(crate) const OPEN: &[&str] = &[
    "PLANNING",
    "IN_DEVELOPMENT",
    "IN_REVIEW",
    "READY_STAGING",
    "IN_STAGING",
    "STAGING_VERIFIED",
    "READY_PRODUCTION",
];

/// Every status a list can be narrowed to.
pub(crate) const STATUSES: &[&str] = &[
    "PLANNING",
    "IN_DEVELOPMENT",
    "IN_REVIEW",
    "READY_STAGING",
    "IN_STAGING",
    "STAGING_VERIFIED",
    "READY_PRODUCTION",
    "DEPLOYED",
    "CANCELLED",
    "ROLLED_BACK",
];

/// Every phase a list can be narrowed to.
pub(crate) const PHASES: &[&str] = &[
    "NOT_STARTED",
    "KICKOFF",
    "AWAITING_REGRESSION",
    "REGRESSION",
    "REGRESSION_AWAITING_NEXT_CYCLE",
    "AWAITING_PRE_RELEASE",
    "PRE_RELEASE",
    "AWAITING_DISTRIBUTION",
    "DISTRIBUTION",
    "COMPLETED",
    "ROLLED_BACK",
    "ARCHIVED",
];

/// How good or bad a word is: the class of its badge.
pub(crate) fn tone(word: &str) -> &'static str {
    match word {
        "COMPLETED" | "DONE" | "PASSED" | "DEPLOYED" | "LIVE" | "APPROVED" | "AVAILABLE" | "SKIPPED" => {
            "good"
        }
        "FAILED"
        | "REJECTED"
        | "HALTED"
        | "CANCELLED"
        | "ROLLED_BACK"
        | "SUSPENDED"
        | "DEAD"
        | "TASK_FAILED"
        | "INTEGRATION_INVALID"
        | "QUARANTINE" => "bad",
        "RUNNING" | "AWAITING_CALLBACK" | "AWAITING_CHILD" | "IN_PROGRESS" | "ACTIVE" | "IN_REVIEW"
        | "SUBMITTED" | "PREPARING" | "CLAIMED" | "IN_STAGING" | "IN_DEVELOPMENT" => "busy",
        "AWAITING_MANUAL" | "PAUSED" | "ACTION_REQUIRED" | "UNKNOWN" | "AWAITING_APPROVAL" | "BLOCKED"
        | "USER_PAUSED" | "DRIFT" | "COMMIT_UNKNOWN" | "AWAITING_CYCLE" => "warn",
        _ => "plain",
    }
}

/// What was done, by the word that an address carries after a form: an address cannot put a sentence of its own on a page.
pub(crate) fn done(word: &str) -> Option<&'static str> {
    let known = match word {
        "theme" => "Your theme is set.",
        "revoked" => "The token is revoked.",
        "checked" => "The gate's facts were read again.",
        _ => crate::verb::Verb::named(word)?.done,
    };
    Some(known)
}

/// Whether a text is an address that a browser may be sent to.
pub(crate) fn web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The first letters of a commit, as people name it.
pub(crate) fn short(sha: &str) -> &str {
    sha.get(..10).unwrap_or(sha)
}

/// Basis points as a percentage.
pub(crate) fn percent(bps: u16) -> String {
    match bps % 100 {
        0 => format!("{} %", bps / 100),
        rest => format!("{}.{rest:02} %", bps / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_people_write_them() {
        assert_eq!(words("READY_STAGING"), "Ready staging");
        assert_eq!(words("PRE_RELEASE"), "Pre-release");
        assert_eq!(words(""), "");
    }

    #[test]
    fn only_web_addresses_are_followed() {
        for text in ["https://ci.example/job/1", "http://127.0.0.1:8080/x"] {
            assert!(web_address(text), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "s3://b/k",
            "/path",
            "",
            "JavaScript:x",
            " https//x",
        ] {
            assert!(!web_address(text), "{text}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(percent(10_000), "100 %");
        assert_eq!(percent(50), "0.50 %");
        assert_eq!(percent(100), "1 %");
    }

    #[test]
    fn every_verb_says_that_it_was_done_and_nothing_else_does() {
        assert_eq!(
            done("archive"),
            Some("The release is archived; its clean-up is under way.")
        );
        assert_eq!(done("<script>"), None);
    }
}
