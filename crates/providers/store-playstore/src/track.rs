//! Releases of a track, and what each write makes of them. Pure: what is sent follows from what was read.

use delivr_domain::effect::{Reference, RolloutChange};
use delivr_domain::report::{Exposure, ExposureWord, ReviewState, ReviewWord};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fractions closer than this are one; Play's is a double (vendor-apis 21.4).
const TOLERANCE: f64 = 1e-6;
/// Everybody, in basis points.
pub(crate) const ALL: u16 = 10_000;

/// Text in a language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// A release. Fields we do not steer are kept as they came, since a PUT replaces the whole list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Release {
    #[serde(default)]
    pub(crate) version_codes: Vec<String>,
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_fraction: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) release_notes: Vec<Note>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl Release {
    fn has(&self, code: i64) -> bool {
        self.codes().any(|it| it == code)
    }
    fn codes(&self) -> impl Iterator<Item = i64> {
        self.version_codes.iter().filter_map(|it| it.parse().ok())
    }
    /// Highest version code.
    pub(crate) fn highest(&self) -> i64 {
        self.codes().max().unwrap_or(0)
    }
    /// Its name, for people.
    pub(crate) fn name(&self) -> &str {
        self.rest.get("name").and_then(Value::as_str).unwrap_or_default()
    }
    fn bps(&self) -> u16 {
        match (self.status.as_str(), self.user_fraction) {
            ("completed", _) | ("halted", None) => ALL,
            ("inProgress" | "halted", Some(fraction)) => bps_of(fraction),
            _ => 0,
        }
    }
    /// What tells it to others.
    pub(crate) fn reference(&self, code: i64, package: &str, track: &str) -> Reference {
        Reference::id(code.to_string())
            .with("package", package)
            .with("track", track)
            .with("status", &self.status)
            .with("exposureBps", self.bps().to_string())
    }
}

/// A fraction of users in basis points.
fn bps_of(fraction: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=10000, which a u16 holds"
    )]
    let bps = (fraction.clamp(0.0, 1.0) * f64::from(ALL)).round() as u16;
    bps
}

/// Basis points as Play's fraction.
fn fraction_of(bps: u16) -> f64 {
    f64::from(bps) / f64::from(ALL)
}

/// What the track says about a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// It is so.
    Done,
    /// It is not so; this list of releases makes it so.
    Open(Vec<Release>),
    /// Something stands in the way that is not ours to change.
    Foreign(String),
}

/// The release of a version code.
pub(crate) fn of(releases: &[Release], code: i64) -> Option<&Release> {
    releases.iter().find(|it| it.has(code))
}

/// Submitting a version code to a share of the users.
pub(crate) fn submit(releases: &[Release], code: i64, bps: u16, notes: &[Note]) -> State {
    let ours = of(releases, code);
    if ours.is_some_and(|it| matches!(it.status.as_str(), "completed" | "inProgress" | "halted")) {
        return State::Done;
    }
    let others = || releases.iter().filter(|it| !it.has(code));
    if let Some(higher) = others().find(|it| it.status != "draft" && it.highest() > code) {
        return State::Foreign(format!(
            "Version code {} is on the track already ({}); ship a build with a higher version code than that.",
            higher.highest(),
            higher.status
        ));
    }
    if let Some(running) = others().find(|it| it.status == "inProgress") {
        return State::Foreign(format!(
            "The rollout of version code {} is under way at {:.2} per cent; complete or halt it first.",
            running.highest(),
            f64::from(running.bps()) / 100.0
        ));
    }
    let full = bps >= ALL;
    // A draft of ours that a person prepared keeps its name and countries.
    let mut new = ours.cloned().unwrap_or_else(|| Release {
        version_codes: vec![code.to_string()],
        status: String::new(),
        user_fraction: None,
        release_notes: Vec::new(),
        rest: Map::new(),
    });
    new.status = if full { "completed" } else { "inProgress" }.to_owned();
    new.user_fraction = (!full).then(|| fraction_of(bps));
    if !notes.is_empty() {
        new.release_notes = notes.to_vec();
    }
    let mut list = vec![new];
    // A halted release is superseded by ours, a completed one only by a full release of ours.
    let stays = |it: &&Release| match it.status.as_str() {
        "halted" => false,
        "completed" => !full,
        _ => true,
    };
    list.extend(others().filter(stays).cloned());
    State::Open(list)
}

/// Changing the rollout of a version code.
pub(crate) fn change(releases: &[Release], code: i64, change: RolloutChange) -> State {
    let Some(ours) = of(releases, code) else {
        return State::Foreign(format!(
            "Version code {code} is not on the track (any more); somebody replaced or removed it in Play Console."
        ));
    };
    let with = |status: &str, fraction: Option<f64>| {
        let changed = Release {
            status: status.to_owned(),
            user_fraction: fraction,
            ..ours.clone()
        };
        // What goes to everybody supersedes the completed release before it.
        let stays = |it: &&Release| status != "completed" || it.has(code) || it.status != "completed";
        let list = releases.iter().filter(stays);
        State::Open(
            list.map(|it| if it.has(code) { changed.clone() } else { it.clone() })
                .collect(),
        )
    };
    let halted = || {
        State::Foreign(format!(
            "The rollout of version code {code} is halted in Google Play; resume it first."
        ))
    };
    let wanted = match change {
        RolloutChange::SetExposure { bps } if bps >= ALL => RolloutChange::Complete,
        RolloutChange::SetExposure { .. }
        | RolloutChange::Pause
        | RolloutChange::Resume
        | RolloutChange::Halt
        | RolloutChange::Complete => change,
    };
    match (wanted, ours.status.as_str()) {
        (RolloutChange::SetExposure { bps }, "inProgress") => {
            let (now, wanted) = (ours.user_fraction.unwrap_or(0.0), fraction_of(bps));
            if (now - wanted).abs() <= TOLERANCE {
                State::Done
            } else if now < wanted {
                with("inProgress", Some(wanted))
            } else {
                lower(code, ours.bps())
            }
        }
        (RolloutChange::SetExposure { .. }, "completed") => lower(code, ALL),
        (RolloutChange::SetExposure { .. } | RolloutChange::Complete, "halted") => halted(),
        (RolloutChange::Halt, "halted")
        | (RolloutChange::Resume, "inProgress" | "completed")
        | (RolloutChange::Complete, "completed") => State::Done,
        (RolloutChange::Halt, "inProgress" | "completed") => with("halted", ours.user_fraction),
        // A full release that was halted has no fraction to go back to.
        (RolloutChange::Resume, "halted") => match ours.user_fraction {
            Some(fraction) => with("inProgress", Some(fraction)),
            None => with("completed", None),
        },
        (RolloutChange::Complete, "inProgress") => with("completed", None),
        (_, status) => State::Foreign(format!(
            "The release of version code {code} is in state {status} in Google Play, from which this is not possible."
        )),
    }
}

fn lower(code: i64, bps: u16) -> State {
    State::Foreign(format!(
        "Version code {code} goes to {:.2} per cent of the users already, and Google Play cannot lower that; halt the \
         rollout instead.",
        f64::from(bps) / 100.0
    ))
}

/// The review as we understand it: by the lifecycle word, which only the newest API has, else by the status.
pub(crate) fn review(word: &str) -> ReviewState {
    let bare = word.strip_prefix("RELEASE_LIFECYCLE_STATE_").unwrap_or(word);
    let (ours, explanation) = match bare {
        "DRAFT" | "draft" => (ReviewWord::Preparing, None),
        "NOT_SENT_FOR_REVIEW" => (
            ReviewWord::ActionRequired,
            Some("A person must send the changes for review in Play Console, Publishing overview."),
        ),
        "IN_REVIEW" => (ReviewWord::InReview, None),
        "APPROVED_NOT_PUBLISHED" => (
            ReviewWord::Approved,
            Some(
                "Managed publishing is on: a person must publish the changes in Play Console, Publishing overview.",
            ),
        ),
        "NOT_APPROVED" => (
            ReviewWord::Rejected,
            Some("Google's reasons are in Play Console, Policy status, and in its mail."),
        ),
        "PUBLISHED" | "inProgress" | "halted" | "completed" => (ReviewWord::Live, None),
        _ => (ReviewWord::Unknown, None),
    };
    ReviewState {
        word: ours,
        store_word: bare.to_owned(),
        explanation: explanation.map(str::to_owned),
    }
}

/// The exposure of a release; what the review has not let through reaches nobody.
pub(crate) fn exposure(release: &Release, life: Option<&str>) -> Exposure {
    let held = life.filter(|word| {
        matches!(
            review(word).word,
            ReviewWord::Preparing
                | ReviewWord::ActionRequired
                | ReviewWord::InReview
                | ReviewWord::Approved
                | ReviewWord::Rejected
        )
    });
    if let Some(word) = held {
        return Exposure {
            word: ExposureWord::Inactive,
            bps: 0,
            store_word: review(word).store_word,
        };
    }
    let word = match release.status.as_str() {
        "draft" => ExposureWord::Inactive,
        "inProgress" => ExposureWord::Active,
        "halted" => ExposureWord::Halted,
        "completed" => ExposureWord::Completed,
        _ => ExposureWord::Unknown,
    };
    Exposure {
        word,
        bps: release.bps(),
        store_word: release.status.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn releases(list: Value) -> Vec<Release> {
        serde_json::from_value(list).unwrap()
    }

    fn open(state: State) -> Value {
        match state {
            State::Open(list) => serde_json::to_value(list).unwrap(),
            other @ (State::Done | State::Foreign(_)) => panic!("{other:?}"),
        }
    }

    fn foreign(state: &State) -> bool {
        matches!(state, State::Foreign(_))
    }

    #[test]
    fn a_staged_submission_keeps_what_must_stay() {
        let before = releases(json!([
            {"versionCodes": ["100"], "status": "completed", "name": "1.0", "inAppUpdatePriority": 3},
            {"versionCodes": ["99"], "status": "halted", "userFraction": 0.1},
            {"versionCodes": ["120"], "status": "draft"}]));
        let list = open(submit(
            &before,
            101,
            500,
            &[Note {
                language: "en-US".into(),
                text: "New".into(),
            }],
        ));
        assert_eq!(
            list,
            json!([
                {"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.05,
                 "releaseNotes": [{"language": "en-US", "text": "New"}]},
                {"versionCodes": ["100"], "status": "completed", "name": "1.0", "inAppUpdatePriority": 3},
                {"versionCodes": ["120"], "status": "draft"}])
        );
        let full = open(submit(&before[..1], 101, 10_000, &[]));
        assert_eq!(full, json!([{"versionCodes": ["101"], "status": "completed"}]));
    }

    #[test]
    fn a_draft_of_ours_is_sent_and_others_are_foreign() {
        let draft = releases(json!([{"versionCodes": ["101"], "status": "draft", "name": "Mine"}]));
        let list = open(submit(&draft, 101, 100, &[]));
        assert_eq!(
            list,
            json!([{"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.01, "name": "Mine"}])
        );
        for other in [
            json!([{"versionCodes": ["102"], "status": "completed"}]),
            json!([{"versionCodes": ["90"], "status": "inProgress", "userFraction": 0.2}]),
        ] {
            assert!(foreign(&submit(&releases(other), 101, 100, &[])));
        }
        for status in ["inProgress", "halted", "completed"] {
            let there = releases(json!([{"versionCodes": ["101"], "status": status}]));
            assert_eq!(submit(&there, 101, 100, &[]), State::Done);
        }
    }

    #[test]
    fn a_rollout_moves_only_where_play_lets_it() {
        use RolloutChange as C;
        let at = |status: &str, fraction: Option<f64>| {
            let mut ours = json!({"versionCodes": ["101"], "status": status});
            if let Some(fraction) = fraction {
                ours["userFraction"] = json!(fraction);
            }
            releases(json!([ours, {"versionCodes": ["100"], "status": "completed"}]))
        };
        let running = at("inProgress", Some(0.1));
        assert_eq!(change(&running, 101, C::SetExposure { bps: 1_000 }), State::Done);
        assert_eq!(
            change(
                &at("inProgress", Some(0.100_000_000_1)),
                101,
                C::SetExposure { bps: 1_000 }
            ),
            State::Done
        );
        assert_eq!(
            open(change(&running, 101, C::SetExposure { bps: 2_500 }))[0]["userFraction"],
            json!(0.25)
        );
        assert!(foreign(&change(&running, 101, C::SetExposure { bps: 500 })));
        assert_eq!(
            open(change(&running, 101, C::SetExposure { bps: 10_000 })),
            json!([{"versionCodes": ["101"], "status": "completed"}])
        );
        let halted = open(change(&running, 101, C::Halt));
        assert_eq!(
            (&halted[0]["status"], &halted[0]["userFraction"]),
            (&json!("halted"), &json!(0.1))
        );
        assert_eq!(halted[1]["status"], "completed");
        let stopped = at("halted", Some(0.1));
        assert_eq!(change(&stopped, 101, C::Halt), State::Done);
        assert_eq!(open(change(&stopped, 101, C::Resume))[0]["status"], "inProgress");
        assert_eq!(
            open(change(&at("halted", None), 101, C::Resume))[0]["status"],
            "completed"
        );
        assert!(foreign(&change(&stopped, 101, C::Complete)));
        assert!(foreign(&change(&stopped, 101, C::SetExposure { bps: 5_000 })));
        let done = at("completed", None);
        assert_eq!(change(&done, 101, C::Complete), State::Done);
        assert_eq!(change(&done, 101, C::Resume), State::Done);
        assert!(foreign(&change(&done, 101, C::SetExposure { bps: 5_000 })));
        assert_eq!(open(change(&done, 101, C::Halt))[0]["status"], "halted");
        assert!(foreign(&change(&done, 77, C::Halt)) && foreign(&change(&at("draft", None), 101, C::Halt)));
    }

    #[test]
    fn lifecycle_and_status_words_are_mapped_and_others_move_nothing() {
        for (word, ours) in [
            ("RELEASE_LIFECYCLE_STATE_DRAFT", ReviewWord::Preparing),
            (
                "RELEASE_LIFECYCLE_STATE_NOT_SENT_FOR_REVIEW",
                ReviewWord::ActionRequired,
            ),
            ("RELEASE_LIFECYCLE_STATE_IN_REVIEW", ReviewWord::InReview),
            (
                "RELEASE_LIFECYCLE_STATE_APPROVED_NOT_PUBLISHED",
                ReviewWord::Approved,
            ),
            ("RELEASE_LIFECYCLE_STATE_NOT_APPROVED", ReviewWord::Rejected),
            ("RELEASE_LIFECYCLE_STATE_PUBLISHED", ReviewWord::Live),
            ("RELEASE_LIFECYCLE_STATE_UNSPECIFIED", ReviewWord::Unknown),
            ("draft", ReviewWord::Preparing),
            ("inProgress", ReviewWord::Live),
            ("halted", ReviewWord::Live),
            ("completed", ReviewWord::Live),
            ("brandNew", ReviewWord::Unknown),
        ] {
            assert_eq!(review(word).word, ours, "{word}");
        }
        let running =
            releases(json!([{"versionCodes": ["1"], "status": "inProgress", "userFraction": 0.05}]));
        assert_eq!(
            exposure(&running[0], Some("RELEASE_LIFECYCLE_STATE_IN_REVIEW")).bps,
            0
        );
        assert_eq!(
            exposure(&running[0], Some("RELEASE_LIFECYCLE_STATE_PUBLISHED")).bps,
            500
        );
        assert_eq!(exposure(&running[0], None).word, ExposureWord::Active);
    }
}
