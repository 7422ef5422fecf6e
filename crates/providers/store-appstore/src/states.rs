//! Apple's words for versions, submissions and phased releases, and what they mean for us (vendor-apis 17.9, 17.10).

use delivr_domain::report::{Exposure, ExposureWord, ReviewState, ReviewWord};

/// What may be done with a version in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its contents may be changed and it may be submitted.
    Editable,
    /// In the hands of the reviewers.
    InReview,
    /// Approved, waits for our release.
    AwaitsUs,
    /// Approved, Apple releases it (on its date, or after processing).
    AwaitsApple,
    /// Out.
    Live,
    /// Once live or taken down; of no more use.
    Past,
    /// A word we do not know.
    Unknown,
}

/// The standing of a version by its state word, new or old.
pub(crate) fn standing(word: &str) -> Standing {
    match word {
        "PREPARE_FOR_SUBMISSION"
        | "READY_FOR_REVIEW"
        | "DEVELOPER_REJECTED"
        | "REJECTED"
        | "METADATA_REJECTED"
        | "INVALID_BINARY" => Standing::Editable,
        "WAITING_FOR_REVIEW" | "WAITING_FOR_EXPORT_COMPLIANCE" | "IN_REVIEW" => Standing::InReview,
        "PENDING_DEVELOPER_RELEASE" => Standing::AwaitsUs,
        "ACCEPTED" | "PENDING_APPLE_RELEASE" | "PENDING_CONTRACT" => Standing::AwaitsApple,
        "PROCESSING_FOR_DISTRIBUTION"
        | "PROCESSING_FOR_APP_STORE"
        | "READY_FOR_DISTRIBUTION"
        | "READY_FOR_SALE"
        | "PREORDER_READY_FOR_SALE" => Standing::Live,
        "REPLACED_WITH_NEW_VERSION" | "REMOVED_FROM_SALE" | "DEVELOPER_REMOVED_FROM_SALE" => Standing::Past,
        _ => Standing::Unknown,
    }
}

/// Whether users can have the version already: processing for distribution is over.
pub(crate) fn is_out(word: &str) -> bool {
    matches!(
        word,
        "READY_FOR_DISTRIBUTION" | "READY_FOR_SALE" | "REPLACED_WITH_NEW_VERSION"
    )
}

/// The review as we understand it; a word we do not know moves nothing.
pub(crate) fn review(word: &str) -> ReviewState {
    let (ours, explanation) = match word {
        "PREPARE_FOR_SUBMISSION" | "READY_FOR_REVIEW" => (ReviewWord::Preparing, None),
        "WAITING_FOR_REVIEW" => (ReviewWord::Submitted, None),
        "WAITING_FOR_EXPORT_COMPLIANCE" => (
            ReviewWord::Submitted,
            Some("Apple waits for the export compliance documents of the build."),
        ),
        "IN_REVIEW" => (ReviewWord::InReview, None),
        "ACCEPTED" | "PROCESSING_FOR_DISTRIBUTION" | "PROCESSING_FOR_APP_STORE" => {
            (ReviewWord::Approved, Some("Approved; Apple is processing it."))
        }
        "PENDING_APPLE_RELEASE" => (
            ReviewWord::Approved,
            Some("Approved; Apple releases it on its date."),
        ),
        "PENDING_DEVELOPER_RELEASE" => (ReviewWord::Approved, None),
        "READY_FOR_DISTRIBUTION" | "READY_FOR_SALE" | "PREORDER_READY_FOR_SALE" => (ReviewWord::Live, None),
        "REPLACED_WITH_NEW_VERSION" => (
            ReviewWord::Live,
            Some("It was live; a newer version has replaced it."),
        ),
        "REJECTED" => (
            ReviewWord::Rejected,
            Some("Apple's reasons are in App Store Connect, App Review, on the submission."),
        ),
        "METADATA_REJECTED" => (
            ReviewWord::Rejected,
            Some(
                "Apple refused texts or screenshots, not the build; the reasons are in App Store Connect, App Review.",
            ),
        ),
        "INVALID_BINARY" => (
            ReviewWord::Rejected,
            Some("Apple could not use the build; the reasons were mailed to the account."),
        ),
        "DEVELOPER_REJECTED" => (ReviewWord::Cancelled, None),
        "REMOVED_FROM_SALE" => (ReviewWord::Suspended, Some("Apple removed the app from sale.")),
        "DEVELOPER_REMOVED_FROM_SALE" => (
            ReviewWord::ActionRequired,
            Some("The app was removed from sale in App Store Connect."),
        ),
        "PENDING_CONTRACT" => (
            ReviewWord::ActionRequired,
            Some("The account holder must accept the current agreement in App Store Connect, Business."),
        ),
        _ => (ReviewWord::Unknown, None),
    };
    ReviewState {
        word: ours,
        store_word: word.to_owned(),
        explanation: explanation.map(str::to_owned),
    }
}

/// Users who get a version by themselves on a day of the phased release, in basis points. Apple's steps are fixed:
/// 1, 2, 5, 10, 20, 50, 100 per cent (vendor-apis 17.10).
fn day_bps(day: i64) -> u16 {
    match day {
        ..=0 => 0,
        1 => 100,
        2 => 200,
        3 => 500,
        4 => 1_000,
        5 => 2_000,
        6 => 5_000,
        7.. => 10_000,
    }
}

/// The exposure by the version's state and its phased release (state word and day), if it has one.
pub(crate) fn exposure(version_word: &str, phased: Option<(&str, i64)>) -> Exposure {
    let (word, bps, store_word) = match phased {
        None if is_out(version_word) => (ExposureWord::Completed, 10_000, version_word),
        None => (ExposureWord::Inactive, 0, version_word),
        Some((said @ "INACTIVE", _)) => (ExposureWord::Inactive, 0, said),
        Some((said @ "ACTIVE", day)) => (ExposureWord::Active, day_bps(day), said),
        Some((said @ "PAUSED", day)) => (ExposureWord::Paused, day_bps(day), said),
        Some((said @ "COMPLETE", _)) => (ExposureWord::Completed, 10_000, said),
        Some((said, day)) => (ExposureWord::Unknown, day_bps(day), said),
    };
    Exposure {
        word,
        bps,
        store_word: store_word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_description_is_mapped_and_others_move_nothing() {
        for (word, ours) in [
            ("ACCEPTED", ReviewWord::Approved),
            ("DEVELOPER_REJECTED", ReviewWord::Cancelled),
            ("IN_REVIEW", ReviewWord::InReview),
            ("INVALID_BINARY", ReviewWord::Rejected),
            ("METADATA_REJECTED", ReviewWord::Rejected),
            ("PENDING_APPLE_RELEASE", ReviewWord::Approved),
            ("PENDING_CONTRACT", ReviewWord::ActionRequired),
            ("PENDING_DEVELOPER_RELEASE", ReviewWord::Approved),
            ("PREPARE_FOR_SUBMISSION", ReviewWord::Preparing),
            ("PROCESSING_FOR_APP_STORE", ReviewWord::Approved),
            ("PROCESSING_FOR_DISTRIBUTION", ReviewWord::Approved),
            ("READY_FOR_DISTRIBUTION", ReviewWord::Live),
            ("READY_FOR_REVIEW", ReviewWord::Preparing),
            ("READY_FOR_SALE", ReviewWord::Live),
            ("REJECTED", ReviewWord::Rejected),
            ("REMOVED_FROM_SALE", ReviewWord::Suspended),
            ("DEVELOPER_REMOVED_FROM_SALE", ReviewWord::ActionRequired),
            ("REPLACED_WITH_NEW_VERSION", ReviewWord::Live),
            ("WAITING_FOR_EXPORT_COMPLIANCE", ReviewWord::Submitted),
            ("WAITING_FOR_REVIEW", ReviewWord::Submitted),
        ] {
            assert_eq!(review(word).word, ours, "{word}");
            assert_ne!(standing(word), Standing::Unknown, "{word}");
        }
        let unknown = review("HELD_BY_MOON_PHASE");
        assert_eq!(
            (unknown.word, unknown.store_word.as_str()),
            (ReviewWord::Unknown, "HELD_BY_MOON_PHASE")
        );
        assert_eq!(standing("HELD_BY_MOON_PHASE"), Standing::Unknown);
    }

    #[test]
    fn days_of_a_phased_release_are_apples_percentages() {
        let days: Vec<u16> = (0..=8)
            .map(|day| exposure("READY_FOR_DISTRIBUTION", Some(("ACTIVE", day))).bps)
            .collect();
        assert_eq!(days, [0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 10_000]);
        assert_eq!(
            exposure("READY_FOR_DISTRIBUTION", Some(("PAUSED", 3))).word,
            ExposureWord::Paused
        );
        assert_eq!(exposure("READY_FOR_DISTRIBUTION", None).bps, 10_000);
        assert_eq!(
            exposure("PENDING_DEVELOPER_RELEASE", Some(("INACTIVE", 0))).word,
            ExposureWord::Inactive
        );
        assert_eq!(exposure("IN_REVIEW", None).bps, 0);
        assert_eq!(
            exposure("READY_FOR_DISTRIBUTION", Some(("HALTED", 2))).word,
            ExposureWord::Unknown
        );
    }
}
