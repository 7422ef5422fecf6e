//! Review and exposure in our words: the lifecycle of a release where the API tells it, else its status on the track.

use crate::track::Release;
use delivr_domain::report::{Exposure, ExposureWord, ReviewState, ReviewWord};

/// Our word for a version code that the track does not hold.
pub(crate) const NOT_ON_TRACK: &str = "NOT_ON_TRACK";

/// The review of a version code that the track does not hold.
pub(crate) fn not_on_track() -> ReviewState {
    ReviewState {
        word: ReviewWord::Unknown,
        store_word: NOT_ON_TRACK.to_owned(),
        explanation: Some("Google Play does not list the version code on the track.".to_owned()),
    }
}

/// The review of a release that is on the track while the list of reviews does not hold it: the track shows what is in
/// review as if it were out, so that it says nothing.
pub(crate) fn not_listed() -> ReviewState {
    ReviewState {
        word: ReviewWord::Unknown,
        store_word: "NOT_LISTED".to_owned(),
        explanation: Some(
            "Google Play does not say (yet) where the review of the release stands.".to_owned(),
        ),
    }
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

/// The lifecycle of a release that reaches nobody: it was not let through yet.
pub(crate) fn withheld(life: &str) -> Option<Exposure> {
    let state = review(life);
    let reaches = match state.word {
        ReviewWord::Preparing
        | ReviewWord::Submitted
        | ReviewWord::ActionRequired
        | ReviewWord::InReview
        | ReviewWord::Approved
        | ReviewWord::Rejected => false,
        ReviewWord::Live | ReviewWord::Cancelled | ReviewWord::Suspended | ReviewWord::Unknown => true,
    };
    (!reaches).then_some(Exposure {
        word: ExposureWord::Inactive,
        bps: 0,
        store_word: state.store_word,
    })
}

/// The exposure of a release that the review has let through.
pub(crate) fn exposure(release: &Release) -> Exposure {
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

/// The exposure of a version code that is not on the track: nobody gets it from there, whoever took it off. What is
/// there in its place is told, so that a person sees what happened.
pub(crate) fn replaced(releases: &[Release]) -> Exposure {
    let newest = releases
        .iter()
        .filter(|it| it.status != "draft")
        .max_by_key(|it| it.highest());
    let instead = newest.map_or_else(String::new, |it| {
        format!(" (there: {} {})", it.highest(), it.status)
    });
    Exposure {
        word: ExposureWord::Inactive,
        bps: 0,
        store_word: format!("{NOT_ON_TRACK}{instead}"),
    }
}
