//! Google's refusals: which kind of trouble each is and who must do what (vendor-apis 18.1 to 18.5).
//!
//! Status words are coarse and reasons vary, so rows compare the status, then pieces of reason and message.

mod table;

use crate::PROVIDER;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_provider_kit::Answer;
use serde_json::Value;
use std::time::Duration;
use table::{DAY, IN_REVIEW, INVITE, MEANWHILE, RELEASE, ROWS, Row};

/// After how long a quota per minute is tried again where Google gives no hint.
const NEXT_MINUTE: Duration = Duration::from_secs(60);
/// The same of a quota per day.
const NEXT_HOUR: Duration = Duration::from_secs(3_600);

/// The answer when it is one of success, else its error by our table, else by the common one.
///
/// # Errors
/// The classified refusal.
pub(crate) fn accepted(answer: Answer) -> Result<Answer, ProviderError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    // A server error is trouble on the way whatever its body says: the effect is unknown.
    if answer.status.is_server_error() {
        return Err(answer.failure());
    }
    let mut error = match rule(answer.status.as_u16(), &answer.body) {
        Some((kind, sentence)) => answer.error(kind, sentence),
        None => answer.failure(),
    };
    if error.kind == ProviderErrorKind::Throttled {
        // A quota is nobody's failure: it is waited for, with a hint or without.
        let ours = if error.sentence == DAY {
            NEXT_HOUR
        } else {
            NEXT_MINUTE
        };
        error.retry_after = Some(answer.retry_after().unwrap_or(ours));
    }
    Err(error)
}

/// The row of an error; an answer that is no JSON has none.
fn rule(status: u16, body: &[u8]) -> Option<(ProviderErrorKind, &'static str)> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let text = texts(&document).to_lowercase();
    let row = ROWS
        .iter()
        .find(|Row(of, piece, ..)| (*of == 0 || *of == status) && text.contains(piece))?;
    Some((row.2, row.3))
}

/// Status, reasons and messages of an error, of the API or of the token address.
fn texts(document: &Value) -> String {
    let mut all = Vec::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match document.get("error") {
        Some(Value::Object(error)) => {
            all.push(text(error.get("status")));
            all.push(text(error.get("message")));
            let list = |name: &str| error.get(name).and_then(Value::as_array);
            for one in list("errors").into_iter().chain(list("details")).flatten() {
                all.push(text(one.get("reason")));
                all.push(text(one.get("message")));
            }
        }
        other => {
            all.push(text(other));
            all.push(text(document.get("error_description")));
        }
    }
    all.join(" ")
}

/// Whether the edit is gone because somebody else changed the app: start anew.
pub(crate) fn edit_is_gone(error: &ProviderError) -> bool {
    let said = error.vendor.as_deref().unwrap_or_default().to_lowercase();
    let told = ["edit has been deleted", "edit has expired", "edit not found"]
        .iter()
        .any(|piece| said.contains(piece));
    told || error.sentence == MEANWHILE
}

/// Whether the commit was refused because it would cancel a running review.
pub(crate) fn in_review(error: &ProviderError) -> bool {
    error.sentence == IN_REVIEW
}

/// Which value `changesNotSentForReview` must have instead, if that is what the refusal is about.
pub(crate) fn other_review_flag(error: &ProviderError) -> Option<bool> {
    let said = error.vendor.as_deref().unwrap_or_default();
    if said.contains("cannot be sent for review automatically") {
        Some(true)
    } else if said.contains("changesNotSentForReview must not be set") {
        Some(false)
    } else {
        None
    }
}

/// A refusal without a reason of its own, of a call that changes something: the account was let in, so it is the
/// permission to release that it lacks.
pub(crate) fn of_change(mut error: ProviderError) -> ProviderError {
    if error.kind == ProviderErrorKind::Forbidden && error.sentence == INVITE {
        error.sentence = RELEASE.to_owned();
    }
    error
}

/// Somebody is in the way for a moment. It is waited for, and nobody's failure.
pub(crate) fn not_now(
    operation: &'static str,
    sentence: &str,
    after: Duration,
    because: Option<ProviderError>,
) -> ProviderError {
    let mut error = ProviderError::new(PROVIDER, operation, ProviderErrorKind::Throttled, sentence)
        .certain(Certainty::NotDone)
        .retry_after(after);
    error.vendor = because.and_then(|it| it.vendor);
    error
}

#[cfg(test)]
mod tests;
