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
        "NEEDS_HUMAN" => "A person is needed",
        "STORE_ACTION_REQUIRED" => "The store asks for an action",
        "AWAITING_SUBMIT" => "Waits to be submitted",
        "AWAITING_RELEASE_TO_USERS" => "Waits to be released to users",
        "AWAITING_ADVANCE" => "Waits to be raised",
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

/// What is known of the object of a failed attempt, as a sentence.
pub(crate) fn known(outcome: &str) -> String {
    match outcome {
        "NOT_DONE" => "Nothing was made.".to_owned(),
        "UNKNOWN" => {
            "It may have been made: it is looked for before it is sent again, left out or said to be done."
                .to_owned()
        }
        "SPENT" => "It was made, and is of no more use.".to_owned(),
        other => format!("{}.", words(other)),
    }
}

/// A target in one word.
pub(crate) fn brief(target: &str) -> String {
    match target {
        "ANDROID_PLAY_STORE" => "Android".to_owned(),
        "IOS_APP_STORE" => "iOS".to_owned(),
        "WEB_ENVIRONMENT" => "Web".to_owned(),
        "SERVICE_ENVIRONMENT" => "Backend".to_owned(),
        other => words(other),
    }
}

/// Whether a text is a word of the API: capitals, digits and underscores.
fn is_word(text: &str) -> bool {
    text.len() > 3
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && text.starts_with(|letter: char| letter.is_ascii_uppercase())
        && text.ends_with(|letter: char| letter.is_ascii_uppercase())
}

/// One word of a sentence of the API as people write it: a task's key, a state, an instant.
fn told_word(word: &str) -> Option<String> {
    if let Some((kind, rest)) = word.split_once('/')
        && let Some((target, cycle)) = rest.split_once('/')
        // A decision on a rollout has its number behind it.
        && let cycle = cycle
            .split_once('/')
            .filter(|(_, decision)| decision.parse::<u64>().is_ok())
            .map_or(cycle, |(cycle, _)| cycle)
        && is_word(kind)
        && (target == "-" || is_word(target))
        && (cycle == "-" || cycle.parse::<u16>().is_ok())
    {
        let mut text = words(kind);
        if target != "-" {
            text.push_str(&format!(" for {}", brief(target)));
        }
        if cycle != "-" {
            text.push_str(&format!(", cycle {cycle}"));
        }
        return Some(text);
    }
    if word.contains('_') && is_word(word) {
        return Some(match word {
            "ANDROID_PLAY_STORE" | "IOS_APP_STORE" | "WEB_ENVIRONMENT" | "SERVICE_ENVIRONMENT" => brief(word),
            _ => words(word),
        });
    }
    let named =
        PHASES.contains(&word) || STATUSES.contains(&word) || matches!(word, "PRODUCTION" | "STAGING");
    if named {
        return Some(words(word));
    }
    if word.len() >= 20
        && let Ok(at) = chrono::DateTime::parse_from_rfc3339(word)
    {
        return Some(at.to_utc().format("%-d %b %Y, %H:%M UTC").to_string());
    }
    let mail = word
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    (mail && !word.contains(['/', ':'])).then(|| person(word))
}

/// A sentence of the API as people write it. What somebody wrote stays as it is but for such words.
#[must_use]
pub fn told(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    for part in sentence.split_inclusive(char::is_whitespace) {
        let bare = part.trim_end();
        let end = bare.trim_end_matches([',', ';', ':', '.', ')']);
        let opening = end.trim_start_matches(['(', '`']);
        match told_word(opening) {
            Some(word) => {
                text.push_str(
                    end.get(..end.len().saturating_sub(opening.len()))
                        .unwrap_or_default(),
                );
                text.push_str(&word);
                text.push_str(part.get(end.len()..).unwrap_or_default());
            }
            None => text.push_str(part),
        }
    }
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !text.starts_with("iOS") => format!("{}{}", first.to_uppercase(), letters.as_str()),
        Some(_) | None => text,
    }
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
        | "SUBMISSION_FAILED"
        | "ROLLOUT_FAILED"
        | "ROLLOUT_HALTED"
        | "INTEGRATION_INVALID"
        | "QUARANTINE" => "bad",
        "RUNNING" | "AWAITING_CALLBACK" | "AWAITING_CHILD" | "IN_PROGRESS" | "ACTIVE" | "IN_REVIEW"
        | "SUBMITTED" | "PREPARING" | "CLAIMED" | "IN_STAGING" | "IN_DEVELOPMENT" => "busy",
        "AWAITING_MANUAL"
        | "PAUSED"
        | "ACTION_REQUIRED"
        | "UNKNOWN"
        | "AWAITING_APPROVAL"
        | "BLOCKED"
        | "USER_PAUSED"
        | "DRIFT"
        | "STORE_ACTION_REQUIRED"
        | "ROLLOUT_PAUSED"
        | "AWAITING_SUBMIT"
        | "AWAITING_RELEASE_TO_USERS"
        | "AWAITING_ADVANCE"
        | "COMMIT_UNKNOWN"
        | "AWAITING_CYCLE" => "warn",
        _ => "plain",
    }
}

/// What was done, by the word that an address carries after a form: an address cannot put a sentence of its own on a page.
pub(crate) fn done(word: &str) -> Option<&'static str> {
    let known = match word {
        "theme" => "Your theme is set.",
        "revoked" => "The token is revoked.",
        "unlinked" => "The link is revoked.",
        "noted" => "The text is kept; the next submission takes it along.",
        "view-saved" => "The view is saved.",
        "view-changed" => "The view is changed.",
        "view-deleted" => "The view is deleted.",
        "view-default" => "You begin with this view from now on.",
        "view-no-default" => "You begin with all releases again.",
        "checked" => "The gate's facts were read again.",
        "edited" => "The release is changed.",
        "verdict" => "The verdict is recorded.",
        "slot-planned" => "The regression cycle is planned.",
        "slot-changed" => "The planned cycle is changed.",
        "replanned" => "The release has its new plan.",
        "builds-changed" => "Where builds come from is changed.",
        "handed-in" => "The build is handed in.",
        "file-kept" => "The build's file is kept.",
        _ => return crate::setup::done(word).or_else(|| Some(crate::verb::Verb::named(word)?.done)),
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

/// The name of somebody: of an address, what stands in front of its sign; anything else is a name already.
pub(crate) fn person(who: &str) -> String {
    let Some((name, _)) = who.split_once('@') else {
        return if who == "system" { "Delivr" } else { who }.to_owned();
    };
    let name = name.split('+').next().unwrap_or(name);
    let parts = name.split(['.', '_', '-']).filter(|part| !part.is_empty());
    let parts: Vec<String> = parts
        .map(|part| {
            let mut letters = part.chars();
            let first = letters.next().map(|letter| letter.to_uppercase().to_string());
            format!("{}{}", first.unwrap_or_default(), letters.as_str())
        })
        .collect();
    parts.join(" ")
}

/// The first letters of a name, two at most.
pub(crate) fn initials(who: &str) -> String {
    let name = person(who);
    let mut parts = name.split_whitespace().filter_map(|part| part.chars().next());
    let first = parts.next();
    first
        .into_iter()
        .chain(parts.next_back())
        .flat_map(char::to_uppercase)
        .collect()
}

/// One of six colours, the same for a name everywhere.
pub(crate) fn face(who: &str) -> &'static str {
    let sum = who.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    match sum % 6 {
        0 => "one",
        1 => "two",
        2 => "three",
        3 => "four",
        4 => "five",
        _ => "six",
    }
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
    fn sentences_are_written_as_people_write_them() {
        for (said, shown) in [
            (
                "TRIGGER_REGRESSION_BUILDS/ANDROID_PLAY_STORE/1 failed: the run 7 ended as FAILED; look at https://ci/7/",
                "Trigger regression builds for Android, cycle 1 failed: the run 7 ended as FAILED; look at https://ci/7/",
            ),
            (
                "HALT_ROLLOUT/-/-/3 failed: not now",
                "Halt rollout failed: not now",
            ),
            (
                "IOS_APP_STORE is live, for 20 % of users",
                "iOS is live, for 20 % of users",
            ),
            (
                "CREATE_RELEASE_NOTES/-/1: step 2 done",
                "Create release notes, cycle 1: step 2 done",
            ),
            ("came to PRE_RELEASE", "Came to Pre-release"),
            (
                "created, kickoff 2026-11-09T06:48:54.039953+00:00",
                "Created, kickoff 9 Nov 2026, 06:48 UTC",
            ),
            (
                "held: paused by ada.l@x.example: lunch",
                "Held: paused by Ada L: lunch",
            ),
            ("`nowhere` does not exist", "`nowhere` does not exist"),
            (
                "see http://a@b.example/ and A/B/C",
                "See http://a@b.example/ and A/B/C",
            ),
            ("", ""),
        ] {
            assert_eq!(told(said), shown);
        }
    }

    #[test]
    fn a_person_has_a_name_and_no_address() {
        for (who, name, letters) in [
            ("ada.lindqvist@acme.example", "Ada Lindqvist", "AL"),
            ("bo@acme.example", "Bo", "B"),
            ("jean-luc.de_la_tour+qa@x.example", "Jean Luc De La Tour", "JT"),
            ("release bot", "release bot", "RB"),
            ("system", "Delivr", "D"),
            ("", "", ""),
        ] {
            assert_eq!(
                (person(who).as_str(), initials(who).as_str()),
                (name, letters),
                "{who}"
            );
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
