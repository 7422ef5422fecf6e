//! Submitting, withdrawing, and what the phased release allows (vendor-apis 17.8, 17.10).

use crate::model::document;
use crate::reads::{App, Submission, Version};
use crate::states::{self, Standing};
use crate::writes::{State, before, error};
use crate::{PLATFORM, PROVIDER};
use delivr_domain::effect::{Reference, RolloutChange, StoreVersion};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::Method;
use serde_json::{Value, json};

const SUBMISSIONS: &str = "reviewSubmissions";

/// Apple's word for a change of the phased release.
///
/// # Errors
/// Unsupported, with what the App Store offers instead.
pub(crate) fn possible(change: RolloutChange) -> Result<&'static str, ProviderError> {
    let sentence = match change {
        RolloutChange::Pause => return Ok("PAUSED"),
        RolloutChange::Resume => return Ok("ACTIVE"),
        RolloutChange::Complete => return Ok("COMPLETE"),
        RolloutChange::SetExposure { .. } => {
            "The App Store raises a phased release by itself in seven fixed days (1, 2, 5, 10, 20, 50, 100 per cent); \
             a percentage cannot be set, but the release can be paused, resumed or completed."
        }
        RolloutChange::Halt => {
            "The App Store cannot halt a released version: pause the phased release, and ship a newer version. \
             Removing the app from sale is a separate act in App Store Connect."
        }
    };
    Err(ProviderError::new(
        PROVIDER,
        "change_rollout",
        ProviderErrorKind::Unsupported,
        sentence,
    ))
}

/// Whether the phased release is as wanted.
pub(crate) fn rollout(found: &Version, change: RolloutChange) -> State {
    let done = || State::Done(found.reference());
    let Some((_, word, _)) = &found.phased else {
        return match change {
            RolloutChange::Complete | RolloutChange::Resume if states::is_out(&found.word) => done(),
            RolloutChange::Complete
            | RolloutChange::Resume
            | RolloutChange::Pause
            | RolloutChange::Halt
            | RolloutChange::SetExposure { .. } => State::Foreign(format!(
                "Version {} (state {}) has no phased release in App Store Connect, so there is nothing to steer.",
                found.string, found.word
            )),
        };
    };
    match (change, word.as_str()) {
        (RolloutChange::Pause, "PAUSED")
        | (RolloutChange::Resume, "ACTIVE" | "COMPLETE")
        | (RolloutChange::Complete, "COMPLETE") => done(),
        (RolloutChange::Pause, "COMPLETE") => State::Foreign(format!(
            "The phased release of version {} is complete, everybody gets it; it cannot be paused any more.",
            found.string
        )),
        (_, "INACTIVE") => State::NotYet(format!(
            "The phased release of version {} has not begun; it begins when the version is released.",
            found.string
        )),
        (_, _) => State::Open,
    }
}

impl App {
    pub(crate) async fn submit_state(&self, wanted: &StoreVersion) -> Result<State, ProviderError> {
        let found = self.expect_version("find_submission", &wanted.version).await?;
        if !found.ships(&wanted.build_number) {
            return Ok(State::Foreign(format!(
                "Version {} carries build {} in App Store Connect, not {}; attach the right build first.",
                found.string,
                found.shipped(),
                wanted.build_number
            )));
        }
        match found.standing() {
            Standing::InReview
            | Standing::AwaitsUs
            | Standing::AwaitsApple
            | Standing::Live
            | Standing::Past => {
                return Ok(State::Done(found.reference()));
            }
            Standing::Editable | Standing::Unknown => {}
        }
        let open = self.submissions("find_submission").await?;
        if let Some(ours) = open.iter().find(|it| it.holds(&found.id)) {
            let state = ours_state(ours, &found);
            let over = refused(&found.word) || ours.state == "UNRESOLVED_ISSUES";
            if over && matches!(state, State::Open) {
                return Ok(State::Over(found.reference().with("submission", &ours.id)));
            }
            return Ok(state);
        }
        for other in &open {
            if let Some(sentence) = in_the_way(other) {
                return Ok(State::Foreign(sentence));
            }
        }
        if refused(&found.word) {
            return Ok(State::Over(found.reference()));
        }
        Ok(State::Open)
    }

    /// Three calls, each made only when its state is not there yet.
    pub(crate) async fn submit(&self, wanted: &StoreVersion) -> Result<Reference, ProviderError> {
        let found = self
            .expect_version("submit", &wanted.version)
            .await
            .map_err(before)?;
        let open = self.submissions("submit").await.map_err(before)?;
        let holding = open.iter().find(|it| it.holds(&found.id)).map(|it| it.id.clone());
        let submission = match holding {
            Some(id) => id,
            None => {
                // An empty one is what an earlier try left between the first and the second call.
                let empty = open
                    .iter()
                    .find(|it| it.state == "READY_FOR_REVIEW" && it.items.is_empty());
                let id = match empty {
                    Some(empty) => empty.id.clone(),
                    None => self.create_submission().await?,
                };
                let relations = [
                    ("reviewSubmission", SUBMISSIONS, id.as_str()),
                    ("appStoreVersion", "appStoreVersions", found.id.as_str()),
                ];
                let body = document("reviewSubmissionItems", None, Value::Null, &relations);
                self.client
                    .write("add_item", Method::POST, "v1/reviewSubmissionItems", body)
                    .await?;
                id
            }
        };
        let body = document(SUBMISSIONS, Some(&submission), json!({"submitted": true}), &[]);
        let path = format!("v1/{SUBMISSIONS}/{submission}");
        self.client.write("submit", Method::PATCH, &path, body).await?;
        Ok(found.reference().with("submission", submission))
    }

    async fn create_submission(&self) -> Result<String, ProviderError> {
        let app = self.app_id().await.map_err(before)?;
        let body = document(
            SUBMISSIONS,
            None,
            json!({"platform": PLATFORM}),
            &[("app", "apps", app)],
        );
        let made = self
            .client
            .write("create_submission", Method::POST, "v1/reviewSubmissions", body)
            .await?;
        made.map(|it| it.id).ok_or_else(|| {
            error(
                "create_submission",
                ProviderErrorKind::Malformed,
                "App Store Connect made a review submission without saying which; it is looked up again.",
            )
        })
    }

    pub(crate) async fn withdraw_state(&self, wanted: &StoreVersion) -> Result<State, ProviderError> {
        let Some(found) = self.version("find_withdrawal", &wanted.version).await? else {
            return Ok(State::Done(
                Reference::id(&wanted.version).with("state", "NOT_LISTED"),
            ));
        };
        match found.standing() {
            Standing::Editable | Standing::InReview | Standing::Unknown => {}
            Standing::AwaitsUs | Standing::AwaitsApple | Standing::Live | Standing::Past => {
                return Ok(State::Foreign(format!(
                    "Version {} has passed the review ({}); it can no longer be withdrawn from it.",
                    found.string, found.word
                )));
            }
        }
        let open = self.submissions("find_withdrawal").await?;
        Ok(match open.iter().find(|it| it.holds(&found.id)) {
            Some(it) if it.state == "CANCELING" => State::Done(found.reference().with("submission", &it.id)),
            // A draft or a refused submission is not in review, but may have been handed in by us a moment ago, which the
            // list does not show yet. Cancelling it is right in both cases, and Apple knows better than its list.
            Some(it)
                if matches!(
                    it.state.as_str(),
                    "READY_FOR_REVIEW" | "UNRESOLVED_ISSUES" | "WAITING_FOR_REVIEW" | "IN_REVIEW"
                ) =>
            {
                State::Open
            }
            Some(_) => State::Done(found.reference()),
            // The two reads are not one: the withdrawal may have come to its end between them.
            None if found.standing() == Standing::InReview => {
                match self.version("find_withdrawal", &wanted.version).await? {
                    Some(now) if now.standing() == Standing::InReview => State::NotYet(format!(
                        "Version {} is in state {}, but App Store Connect lists no submission of it (yet).",
                        now.string, now.word
                    )),
                    Some(now) => State::Done(now.reference()),
                    None => State::Done(found.reference()),
                }
            }
            None => State::Done(found.reference()),
        })
    }

    pub(crate) async fn withdraw(&self, wanted: &StoreVersion) -> Result<Reference, ProviderError> {
        let found = self
            .expect_version("withdraw", &wanted.version)
            .await
            .map_err(before)?;
        let open = self.submissions("withdraw").await.map_err(before)?;
        let Some(submission) = open.iter().find(|it| it.holds(&found.id)) else {
            return Err(error(
                "withdraw",
                ProviderErrorKind::Precondition,
                format!(
                    "App Store Connect lists no open submission of version {} (any more).",
                    found.string
                ),
            ));
        };
        // Cancelling a submission withdraws everything in it, also what is not ours.
        if submission.items.len() > 1 {
            return Err(error(
                "withdraw",
                ProviderErrorKind::Conflict,
                format!(
                    "The submission of version {} holds other items too; withdraw the version by hand in App Store \
                     Connect, App Review.",
                    found.string
                ),
            ));
        }
        let body = document(SUBMISSIONS, Some(&submission.id), json!({"canceled": true}), &[]);
        let path = format!("v1/{SUBMISSIONS}/{}", submission.id);
        self.client.write("withdraw", Method::PATCH, &path, body).await?;
        Ok(found.reference().with("submission", &submission.id))
    }
}

/// What the submission that holds our version says.
fn ours_state(ours: &Submission, found: &Version) -> State {
    match ours.state.as_str() {
        "WAITING_FOR_REVIEW" | "IN_REVIEW" => State::Done(found.reference().with("submission", &ours.id)),
        "CANCELING" => State::NotYet(format!(
            "Apple is still withdrawing the earlier submission of version {}; it is submitted again after that.",
            found.string
        )),
        _ if ours.items.len() > 1 => State::Foreign(format!(
            "The open review submission of version {} holds other items too; submit it by hand in App Store Connect, \
             App Review.",
            found.string
        )),
        _ => State::Open,
    }
}

/// Whether App Review has refused a version, which can be handed in again then.
fn refused(word: &str) -> bool {
    matches!(word, "REJECTED" | "METADATA_REJECTED")
}

/// Why a submission without our version keeps ours from being submitted, if it does.
fn in_the_way(other: &Submission) -> Option<String> {
    let has_version = other.items.iter().any(Option::is_some);
    match other.state.as_str() {
        "READY_FOR_REVIEW" if !other.items.is_empty() => Some(
            "A review submission with other items is being prepared in App Store Connect, App Review; submit or empty \
             it there first."
                .to_owned(),
        ),
        "WAITING_FOR_REVIEW" | "IN_REVIEW" | "UNRESOLVED_ISSUES" if has_version => Some(
            "Another version of the app is with Apple's review; wait for its end or withdraw it in App Store Connect, \
             App Review."
                .to_owned(),
        ),
        // Submissions without a version (events, product pages) do not block ours.
        _ => None,
    }
}
