//! What each write makes of a track's releases.

use super::*;
use crate::review::{exposure, review};
use delivr_domain::report::{ExposureWord, ReviewWord};
use serde_json::json;

fn releases(list: Value) -> Vec<Release> {
    serde_json::from_value(list).unwrap()
}

fn open(state: State) -> Value {
    match state {
        State::Open(list) => serde_json::to_value(list).unwrap(),
        other @ (State::Done | State::Refused(_) | State::Foreign(_)) => panic!("{other:?}"),
    }
}

fn submit(releases: &[Release], code: i64, bps: u16, notes: &[Note]) -> State {
    let settings = Map::new();
    let wanted = Wanted {
        code,
        bps,
        notes,
        settings: &settings,
        refused: &[],
    };
    super::submit(releases, &wanted)
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
fn what_the_review_refused_is_handed_in_anew_or_superseded() {
    let settings = Map::new();
    let notes = [Note {
        language: "en-US".into(),
        text: "Mended".into(),
    }];
    let wanted = |code, bps| Wanted {
        code,
        bps,
        notes: &notes,
        settings: &settings,
        refused: &[101],
    };
    let before = releases(json!([
        {"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.05, "name": "1.1",
         "releaseNotes": [{"language": "en-US", "text": "Bad words"}]},
        {"versionCodes": ["100"], "status": "completed"}]));
    let State::Refused(again) = super::submit(&before, &wanted(101, 500)) else {
        panic!("the same build is handed in again");
    };
    assert_eq!(
        serde_json::to_value(again).unwrap(),
        json!([
            {"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.05, "name": "1.1",
             "releaseNotes": [{"language": "en-US", "text": "Mended"}]},
            {"versionCodes": ["100"], "status": "completed"}])
    );
    let new = json!({"versionCodes": ["102"], "status": "inProgress", "userFraction": 0.05,
                     "releaseNotes": [{"language": "en-US", "text": "Mended"}]});
    let list = open(super::submit(&before, &wanted(102, 500)));
    assert_eq!(
        list,
        json!([new, {"versionCodes": ["100"], "status": "completed"}])
    );
    let to_all = releases(json!([{"versionCodes": ["101"], "status": "completed"}]));
    assert_eq!(open(super::submit(&to_all, &wanted(102, 500))), json!([new]));
    assert!(
        foreign(&super::submit(&before, &wanted(99, 500))),
        "a version code below one that was handed in is a person's mistake"
    );
    // A draft was not reviewed: whatever the list says of its code is of before.
    let draft = releases(json!([{"versionCodes": ["101"], "status": "draft"}]));
    assert_eq!(
        open(super::submit(&draft, &wanted(102, 500))),
        json!([new, {"versionCodes": ["101"], "status": "draft"}])
    );
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
    let running = releases(json!([{"versionCodes": ["1"], "status": "inProgress", "userFraction": 0.05}]));
    let withheld = crate::review::withheld("RELEASE_LIFECYCLE_STATE_IN_REVIEW").unwrap();
    assert_eq!((withheld.word, withheld.bps), (ExposureWord::Inactive, 0));
    assert_eq!(crate::review::withheld("RELEASE_LIFECYCLE_STATE_PUBLISHED"), None);
    assert_eq!(
        (exposure(&running[0]).word, exposure(&running[0]).bps),
        (ExposureWord::Active, 500)
    );
    let gone = crate::review::replaced(&running);
    assert_eq!(
        (gone.word, gone.bps, gone.store_word.as_str()),
        (ExposureWord::Inactive, 0, "NOT_ON_TRACK (there: 1 inProgress)")
    );
}

#[test]
fn settings_reach_new_releases_and_no_draft_that_says_otherwise() {
    let settings = json!({"inAppUpdatePriority": 4, "countryTargeting": {"countries": ["DE", "FR"]}});
    let wanted = Wanted {
        code: 101,
        bps: 500,
        notes: &[],
        settings: settings.as_object().unwrap(),
        refused: &[],
    };
    let fresh = open(super::submit(&[], &wanted));
    assert_eq!(
        fresh,
        json!([{"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.05, "inAppUpdatePriority": 4,
            "countryTargeting": {"countries": ["DE", "FR"]}}])
    );
    let draft = releases(json!([{"versionCodes": ["101"], "status": "draft", "inAppUpdatePriority": 5}]));
    let sent = open(super::submit(&draft, &wanted));
    assert_eq!(sent[0]["inAppUpdatePriority"], 5);
}

#[test]
fn nothing_is_raised_beside_somebody_elses_release() {
    use RolloutChange as C;
    let beside = |other: Value| {
        releases(
            json!([{"versionCodes": ["101"], "status": "halted", "userFraction": 0.1}, other,
            {"versionCodes": ["100"], "status": "completed"}]),
        )
    };
    for other in [
        json!({"versionCodes": ["102"], "status": "inProgress", "userFraction": 0.3}),
        json!({"versionCodes": ["102"], "status": "completed"}),
    ] {
        let there = beside(other);
        assert!(foreign(&change(&there, 101, C::Resume)));
        assert_eq!(
            change(&there, 101, C::Halt),
            State::Done,
            "withholding is always possible"
        );
    }
    let draft = beside(json!({"versionCodes": ["102"], "status": "draft"}));
    let resumed = open(change(&draft, 101, C::Resume));
    assert_eq!(resumed[0]["status"], "inProgress");
    assert_eq!(
        resumed[1],
        json!({"versionCodes": ["102"], "status": "draft"}),
        "a draft of somebody stays"
    );
    let raised = releases(
        json!([{"versionCodes": ["101"], "status": "inProgress", "userFraction": 0.1},
        {"versionCodes": ["102"], "status": "completed"}]),
    );
    assert!(foreign(&change(&raised, 101, C::SetExposure { bps: 2_000 })));
    assert!(foreign(&change(&raised, 101, C::Complete)));
}
