//! Vendor writes and messages: the protected path.

use super::call::guarded;
use super::fill::{self, FillError};
use super::{
    BUDGET, CallLimits, Ended, Next, QUIET_FLOOR, Verdict, after_failure, connection, is_vendor_trouble,
    left_to_others, state_of, store_trouble,
};
use crate::App;
use crate::connections::ConnectError;
use crate::usecases::callbacks::CallbackError;
use crate::vault::VaultError;
use delivr_domain::board::Permit;
use delivr_domain::effect::{Note, Operation, Reference, Topic};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::exchange::Ear;
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::{Claimed, PutBack, RowEnd};
use delivr_domain::ports::vendor::{ChatMessage, Declared, InDoubt, Lookup, Recognition};
use delivr_domain::report::{Cause, Class, Outcome, Performed, Report, UNSURE};
use delivr_domain::time::{Span, Timestamp};
use std::time::Duration;

fn report(key: &EffectKey, performed: Performed, end: RowEnd, word: &'static str) -> Ended {
    let report = Box::new(Report::Performed { key: *key, performed });
    Ended::new(Verdict::Report(key.owner, report, end, None), word)
}

/// What is written and how its work is recognised.
#[derive(Clone, Copy)]
struct Write<'a> {
    key: &'a EffectKey,
    integration: IntegrationId,
    operation: &'a Operation,
    declared: Declared,
    ear: &'a Ear,
}

/// It exists. Where an earlier send of unknown outcome may still arrive, it is looked for once more.
fn done(claimed: &Claimed, write: Write<'_>, reference: Reference, word: &'static str) -> Ended {
    let id = reference.id.clone();
    let performed = match (claimed.row.unknown_since, look_again(write.declared)) {
        (Some(_), Some(after)) => Performed::DoneInDoubt {
            reference,
            integration: write.integration,
            operation: Box::new(write.operation.clone()),
            look_again_seconds: after,
        },
        (_, _) => Performed::Done { reference },
    };
    Ended {
        reference: Some(id),
        ..report(write.key, performed, RowEnd::Done, word)
    }
}

/// After how many seconds a mark is looked for once more: ten times as long as the vendor says that it takes.
fn look_again(declared: Declared) -> Option<u32> {
    match declared.recognition {
        Recognition::ByMarker { visible_after } => {
            let bound = declared.delivery_bound.saturating_add(visible_after);
            Some(u32::try_from(bound.as_secs().saturating_mul(10)).unwrap_or(u32::MAX))
        }
        Recognition::ByName | Recognition::ByState | Recognition::Window | Recognition::None => None,
    }
}

/// Looks for a finished write once more. Nothing is created, and nobody waits for it.
async fn once_more(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    write: Write<'_>,
    connection: &Connection,
) -> Ended {
    let looked = |found| {
        report(
            write.key,
            Performed::LookedAgain { found },
            RowEnd::Done,
            "looked again",
        )
    };
    match guarded(app, limits, find(connection, write.key, write.operation)).await {
        Ok(Lookup::Found(found)) => looked(found),
        Ok(Lookup::Over(found)) => looked(vec![found]),
        // Another thing under the name is no second one of ours.
        Ok(Lookup::Foreign(_)) => looked(Vec::new()),
        Ok(Lookup::Unsure) => unsure(claimed, write.key, write.declared),
        Err(error) => close_failure(app, claimed, write.key, &error, write.integration, false),
    }
}

fn failed(key: &EffectKey, cause: Cause, outcome: Outcome) -> Ended {
    let detail = Some(cause.sentence.clone());
    Ended {
        detail,
        ..report(key, Performed::Failed { cause, outcome }, RowEnd::Dead, "failed")
    }
}

fn conflict(key: &EffectKey, sentence: String, outcome: Outcome) -> Ended {
    failed(key, Cause::new("conflict", sentence, Class::NeedsHuman), outcome)
}

/// Nothing is created before this instant of the database's clock.
pub(super) fn quiet_until(
    unknown_since: Option<Timestamp>,
    declared: Declared,
    floor: Option<Timestamp>,
) -> Option<Timestamp> {
    let lag = match declared.recognition {
        // A name or a state cannot be doubled, however late the earlier send arrives.
        Recognition::ByName => return None,
        Recognition::ByMarker { visible_after } => visible_after,
        Recognition::ByState | Recognition::Window | Recognition::None => Duration::ZERO,
    };
    let span = declared.delivery_bound.saturating_add(lag);
    let after_send = unknown_since.map(|since| since + Span::from_std(span).unwrap_or(Span::MAX));
    match (declared.recognition, floor) {
        (Recognition::ByMarker { .. }, Some(floor)) => Some(after_send.map_or(floor, |at| at.max(floor))),
        (_, _) => after_send,
    }
}

pub(super) async fn perform(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    (key, integration, operation): (&EffectKey, IntegrationId, &Operation),
    ear: &Ear,
) -> Ended {
    let row = &claimed.row;
    let again = match permit_of(app, key).await {
        Ok(Permit::Stale) => return Ended::new(Verdict::Stale(*key), "stale"),
        Ok(Permit::Write | Permit::LookUpOnly) => false,
        Ok(Permit::LookAgain) => true,
        Err(error) => return store_trouble(&error),
    };
    if row.failures >= BUDGET {
        // A take-over or an unanswered send spent the budget: no call is made, and what the lost attempts did is not
        // known.
        let last = row
            .trouble
            .as_ref()
            .map_or_else(String::new, |trouble| format!("; last trouble: {trouble}"));
        let sentence = format!(
            "no attempt came back with an answer ({BUDGET} tries{last}); look at the vendor, then try again"
        );
        return failed(
            key,
            Cause::new("budget_exhausted", sentence, Class::NeedsHuman),
            Outcome::Unknown,
        );
    }
    let connection = match connection(app, claimed, integration).await {
        Ok(connection) => connection,
        Err(ConnectError::Provider(error)) => {
            return close_failure(app, claimed, key, &error, integration, false);
        }
        Err(ConnectError::NotHere(error)) => return left_to_others(&error.to_string()),
        Err(ConnectError::Store(error)) => return store_trouble(&error),
    };
    let declared = declared(&connection, operation);
    let write = Write {
        key,
        integration,
        operation,
        declared,
        ear,
    };
    if again {
        return once_more(app, claimed, limits, write, &connection).await;
    }
    let floor = match floor(app).await {
        Ok(floor) => floor,
        Err(error) => return store_trouble(&error),
    };
    match guarded(app, limits, find(&connection, key, operation)).await {
        Err(error) => close_failure(app, claimed, key, &error, integration, false),
        Ok(Lookup::Foreign(sentence)) => conflict(key, sentence, Outcome::NotDone),
        Ok(Lookup::Unsure) => unsure(claimed, key, declared),
        Ok(Lookup::Over(reference)) if row.unknown_since.is_some() => {
            done(claimed, write, reference, "adopted")
        }
        Ok(Lookup::Over(_)) => nothing(app, claimed, limits, write, &connection, floor).await,
        Ok(Lookup::Found(found)) => match (found.len(), found.into_iter().next()) {
            (0, _) | (_, None) => nothing(app, claimed, limits, write, &connection, floor).await,
            (1, Some(reference)) => done(claimed, write, reference, "adopted"),
            (count, Some(reference)) => {
                let sentence = format!(
                    "{count} objects stand under this step's mark, the first is {}; remove the surplus ones, then try again",
                    reference.id
                );
                conflict(key, sentence, Outcome::Unknown)
            }
        },
    }
}

/// Nothing of it is there. Made, where that may be done now.
async fn nothing(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    write: Write<'_>,
    connection: &Connection,
    floor: Option<Timestamp>,
) -> Ended {
    let quiet = quiet_until(claimed.row.unknown_since, write.declared, floor);
    // Asked again: connecting and looking up took their time, and a person may have said stop meanwhile.
    let permit = match permit_of(app, write.key).await {
        Ok(Permit::Stale | Permit::LookAgain) => {
            return Ended::new(Verdict::Stale(*write.key), "stale");
        }
        Ok(permit @ (Permit::Write | Permit::LookUpOnly)) => permit,
        Err(error) => return store_trouble(&error),
    };
    absent(app, claimed, limits, write, connection, permit, quiet).await
}

/// The instant before which nothing is sent that is recognised by its mark only, after a restore.
async fn floor(app: &App) -> Result<Option<Timestamp>, StoreError> {
    let text = app.store.setting(QUIET_FLOOR).await?;
    Ok(text.and_then(|text| text.parse::<Timestamp>().ok()))
}

async fn permit_of(app: &App, key: &EffectKey) -> Result<Permit, StoreError> {
    Ok(match state_of(app, key.owner).await? {
        Some(state) => state.permit(key),
        None => Permit::Stale,
    })
}

fn unsure(claimed: &Claimed, key: &EffectKey, declared: Declared) -> Ended {
    let lag = match declared.recognition {
        Recognition::ByMarker { visible_after } => visible_after,
        Recognition::ByName | Recognition::ByState => Duration::ZERO,
        Recognition::Window | Recognition::None => {
            let sentence = "whether this was done before cannot be told from the vendor's list; look there, then complete, skip or force it";
            return failed(
                key,
                Cause::new(UNSURE, sentence, Class::NeedsHuman),
                Outcome::Unknown,
            );
        }
    };
    if claimed.now >= claimed.row.give_up_at {
        let sentence =
            "the vendor's look-up has given no certain answer for a day; look there, then try again";
        return failed(
            key,
            Cause::new(UNSURE, sentence, Class::NeedsHuman),
            Outcome::Unknown,
        );
    }
    back(lag.max(Duration::from_secs(2)), "look-up unsure")
}

fn back(after: Duration, trouble: &str) -> Ended {
    let how = PutBack {
        after,
        failures: 0,
        unknown: false,
        trouble: Some(trouble.to_owned()),
    };
    Ended::new(Verdict::Back(how), "waiting")
}

async fn absent(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    write: Write<'_>,
    connection: &Connection,
    permit: Permit,
    quiet: Option<Timestamp>,
) -> Ended {
    let Write {
        key,
        integration,
        operation,
        ear,
        ..
    } = write;
    if let Some(quiet) = quiet
        && claimed.now < quiet
    {
        return back(
            (quiet - claimed.now).to_std().unwrap_or_default(),
            "waiting out the quiet time of an earlier send",
        );
    }
    if permit == Permit::LookUpOnly {
        let waiting =
            matches!(state_of(app, key.owner).await, Ok(Some(state)) if waits_for_look_up(&state, key));
        return if waiting {
            report(key, Performed::Absent, RowEnd::Dead, "absent")
        } else {
            report(key, Performed::Parked, RowEnd::Parked, "parked")
        };
    }
    if write.declared.in_doubt == InDoubt::AskAPerson && claimed.row.unknown_since.is_some() {
        let sentence = "an earlier send may have arrived, and others may have worked on it since; a second one would undo \
                        their work: look at the vendor, then complete, skip or force it";
        return failed(
            key,
            Cause::new(UNSURE, sentence, Class::NeedsHuman),
            Outcome::Unknown,
        );
    }
    let Some(claim) = &claimed.claim else {
        return Ended::new(Verdict::End(RowEnd::Dead), "unclaimed");
    };
    let filled = match fill::filled(app, claimed.row.tenant, key, operation).await {
        Ok(filled) => filled,
        Err(error) => return unfilled(claimed, key, error),
    };
    if let Some(secret) = filled.secret() {
        ear.hide(secret);
    }
    if app.clock.monotonic() >= claim.send_before() {
        return back(Duration::ZERO, "too late to send under this lease");
    }
    let sent = filled.operation().unwrap_or(operation);
    let created = guarded(app, limits, create(connection, key, sent)).await;
    match created.map_err(|error| filled.hide(error)) {
        Ok(reference) => done(claimed, write, reference, "created"),
        Err(error) if error.kind == ProviderErrorKind::Conflict => {
            after_conflict(app, claimed, limits, write, connection, &error).await
        }
        Err(error) => {
            let unknown = error.certainty == delivr_domain::ports::error::Certainty::Unknown;
            close_failure(app, claimed, key, &error, integration, unknown)
        }
    }
}

/// Nothing was sent this time; an earlier send may still have arrived.
fn unfilled(claimed: &Claimed, key: &EffectKey, error: FillError) -> Ended {
    let (code, sentence) = match error {
        FillError::NoAddress(sentence) => ("public_url_missing", sentence),
        FillError::Secret(CallbackError::Store(error)) => return store_trouble(&error),
        FillError::Secret(CallbackError::Vault(error @ VaultError::UnknownKey(_)))
            if claimed.now < claimed.row.give_up_at =>
        {
            return left_to_others(&error.to_string());
        }
        FillError::Secret(error @ (CallbackError::Vault(_) | CallbackError::Correlation)) => (
            "callback_secret",
            format!("{error} cannot be read; check the installation's master key, then try again"),
        ),
    };
    let outcome = match claimed.row.unknown_since {
        Some(_) => Outcome::Unknown,
        None => Outcome::NotDone,
    };
    failed(key, Cause::new(code, sentence, Class::NeedsHuman), outcome)
}

/// "Exists already" is success only when what exists is ours.
async fn after_conflict(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    write: Write<'_>,
    connection: &Connection,
    error: &ProviderError,
) -> Ended {
    let Write {
        key,
        integration,
        operation,
        ..
    } = write;
    match guarded(app, limits, find(connection, key, operation)).await {
        Ok(Lookup::Found(found)) if found.len() == 1 => match found.into_iter().next() {
            Some(reference) => done(claimed, write, reference, "adopted"),
            None => close_failure(app, claimed, key, error, integration, false),
        },
        Ok(Lookup::Foreign(sentence)) => conflict(key, sentence, Outcome::NotDone),
        Ok(Lookup::Found(_) | Lookup::Over(_) | Lookup::Unsure) | Err(_) => {
            // A conflict that came after the write leaves something that the look-up may only not show yet.
            let unknown = error.certainty == delivr_domain::ports::error::Certainty::Unknown;
            close_failure(app, claimed, key, error, integration, unknown)
        }
    }
}

fn waits_for_look_up(state: &delivr_domain::aggregate::Aggregate, key: &EffectKey) -> bool {
    state
        .owner()
        .board()
        .find(&key.task)
        .is_some_and(delivr_domain::board::Task::looks_first)
}

fn close_failure(
    app: &App,
    claimed: &Claimed,
    key: &EffectKey,
    error: &ProviderError,
    integration: IntegrationId,
    unknown: bool,
) -> Ended {
    let vendor_trouble = is_vendor_trouble(error);
    let ended = match after_failure(app, claimed, error, integration, unknown) {
        Next::Fail(cause, outcome) => failed(key, cause, outcome),
        Next::Back(how) => Ended {
            detail: Some(error.to_string()),
            ..Ended::new(Verdict::Back(how), if unknown { "unknown" } else { "not_done" })
        },
    };
    Ended {
        vendor_trouble,
        ..ended
    }
}

fn mismatch() -> ProviderError {
    ProviderError::new(
        "delivr",
        "call",
        ProviderErrorKind::Misconfigured,
        "the integration is of another category than this step needs",
    )
}

fn declared(connection: &Connection, operation: &Operation) -> Declared {
    let kind = operation.kind();
    match connection {
        Connection::Scm(it) => it.declared(kind),
        Connection::Cicd(it) => it.declared(kind),
        Connection::Tracker(it) => it.declared(kind),
        Connection::Testing(it) => it.declared(kind),
        Connection::Store(it) => it.declared(kind),
        Connection::Chat(it) => it.declared(),
    }
}

async fn find(
    connection: &Connection,
    key: &EffectKey,
    operation: &Operation,
) -> Result<Lookup, ProviderError> {
    match (connection, operation) {
        (Connection::Scm(it), Operation::Scm(write)) => it.find(key, write).await,
        (Connection::Cicd(it), Operation::Cicd(write)) => it.find(key, write).await,
        (Connection::Tracker(it), Operation::Tracker(write)) => it.find(key, write).await,
        (Connection::Testing(it), Operation::Testing(write)) => it.find(key, write).await,
        (Connection::Store(it), Operation::Store(write)) => it.find(key, write).await,
        (
            _,
            Operation::Scm(_)
            | Operation::Cicd(_)
            | Operation::Tracker(_)
            | Operation::Testing(_)
            | Operation::Store(_),
        ) => Err(mismatch()),
    }
}

async fn create(
    connection: &Connection,
    key: &EffectKey,
    operation: &Operation,
) -> Result<Reference, ProviderError> {
    match (connection, operation) {
        (Connection::Scm(it), Operation::Scm(write)) => it.create(key, write).await,
        (Connection::Cicd(it), Operation::Cicd(write)) => it.create(key, write).await,
        (Connection::Tracker(it), Operation::Tracker(write)) => it.create(key, write).await,
        (Connection::Testing(it), Operation::Testing(write)) => it.create(key, write).await,
        (Connection::Store(it), Operation::Store(write)) => it.create(key, write).await,
        (
            _,
            Operation::Scm(_)
            | Operation::Cicd(_)
            | Operation::Tracker(_)
            | Operation::Testing(_)
            | Operation::Store(_),
        ) => Err(mismatch()),
    }
}

/// Posts a message: looked up like a write, but never anybody's failure. It is given up quietly and shown in the log.
pub(super) async fn message(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    integration: IntegrationId,
    topic: Topic,
    note: &Note,
) -> Ended {
    let row = &claimed.row;
    let chat = match connection(app, claimed, integration).await {
        Ok(Connection::Chat(chat)) => chat,
        Ok(_) => return given_up(mismatch().to_string()),
        Err(ConnectError::Provider(error)) => return given_up(error.to_string()),
        Err(ConnectError::NotHere(error)) => return left_to_others(&error.to_string()),
        Err(ConnectError::Store(error)) => return store_trouble(&error),
    };
    // The row gives up a day after it was written: that is when it was first tried, as near as matters.
    let since = row.give_up_at - Span::from_std(crate::apply::GIVE_UP_AFTER).unwrap_or(Span::zero());
    let message = ChatMessage {
        topic,
        note: note.clone(),
        link: None,
        since,
    };
    let key = row.id.uuid().simple().to_string();
    let declared = chat.declared();
    let unrecognisable = declared.recognition == Recognition::None;
    if row.failures >= BUDGET || (unrecognisable && row.unknown_since.is_some()) {
        return given_up("delivery unknown".to_owned());
    }
    let floor = match floor(app).await {
        Ok(floor) => floor,
        Err(error) => return store_trouble(&error),
    };
    if !unrecognisable {
        match guarded(app, limits, chat.find(&key, &message)).await {
            Ok(Lookup::Found(found)) if !found.is_empty() => {
                return posted(found.into_iter().next(), "adopted");
            }
            Ok(Lookup::Found(_) | Lookup::Over(_)) => {}
            // Nothing was ever sent: what the history does not say is of no account. A worker that was down, or a vendor,
            // for longer than the history is good for loses no message so.
            Ok(Lookup::Unsure) if row.unknown_since.is_none() => {
                if claimed.now >= row.give_up_at {
                    return given_up("it could not be sent for a day".to_owned());
                }
            }
            Ok(Lookup::Unsure) => return message_unsure(claimed.now, since, row.give_up_at),
            Ok(Lookup::Foreign(sentence)) => return given_up(sentence),
            Err(error) => return message_failure(app, claimed, &error, integration, false),
        }
    }
    if let Some(quiet) = quiet_until(row.unknown_since, declared, floor)
        && claimed.now < quiet
    {
        return back(
            (quiet - claimed.now).to_std().unwrap_or_default(),
            "waiting out the quiet time of an earlier send",
        );
    }
    let Some(claim) = &claimed.claim else {
        return Ended::new(Verdict::End(RowEnd::Dead), "unclaimed");
    };
    if app.clock.monotonic() >= claim.send_before() {
        return back(Duration::ZERO, "too late to send under this lease");
    }
    match guarded(app, limits, chat.post(&key, &message)).await {
        Ok(reference) => posted(Some(reference), "posted"),
        Err(error) => {
            let unknown = error.certainty == delivr_domain::ports::error::Certainty::Unknown;
            message_failure(app, claimed, &error, integration, unknown)
        }
    }
}

fn posted(reference: Option<Reference>, word: &'static str) -> Ended {
    Ended {
        reference: reference.map(|it| it.id),
        ..Ended::new(Verdict::End(RowEnd::Done), word)
    }
}

fn given_up(detail: String) -> Ended {
    Ended {
        detail: Some(detail),
        ..Ended::new(Verdict::End(RowEnd::Dead), "not_delivered")
    }
}

/// A look-up that cannot tell is asked again, less often the longer it lasts, and not for ever: a message that is told a
/// day late helps nobody, and one told twice is worse than one not told.
fn message_unsure(now: Timestamp, since: Timestamp, give_up_at: Timestamp) -> Ended {
    if now >= give_up_at {
        return given_up("delivery unknown: the look-up gave no certain answer for a day".to_owned());
    }
    let waited = (now - since).to_std().unwrap_or_default();
    let after = (waited / 4).clamp(Duration::from_secs(3), Duration::from_secs(300));
    back(after, "look-up unsure")
}

fn message_failure(
    app: &App,
    claimed: &Claimed,
    error: &ProviderError,
    integration: IntegrationId,
    unknown: bool,
) -> Ended {
    let vendor_trouble = is_vendor_trouble(error);
    let ended = match after_failure(app, claimed, error, integration, unknown) {
        Next::Fail(cause, _) => given_up(cause.sentence),
        Next::Back(how) => Ended {
            detail: Some(error.to_string()),
            ..Ended::new(Verdict::Back(how), "not_done")
        },
    };
    Ended {
        vendor_trouble,
        ..ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_name_needs_no_quiet_time_a_mark_does() {
        let by_name = Declared::new(Recognition::ByName);
        let by_mark = Declared::new(Recognition::ByMarker {
            visible_after: Duration::from_secs(30),
        });
        assert_eq!(quiet_until(Some(at(100)), by_name, None), None);
        assert_eq!(quiet_until(Some(at(100)), by_mark, None), Some(at(140)));
        assert_eq!(quiet_until(None, by_mark, None), None);
    }

    #[test]
    fn an_unsure_look_up_for_a_message_is_asked_seldom_and_not_for_ever() {
        let day = 24 * 60 * 60;
        let (mut now, mut asked) = (0, 0);
        while let Verdict::Back(how) = message_unsure(at(now), at(0), at(day)).verdict {
            assert_eq!(how.failures, 0, "it is nobody's failure");
            now += i64::try_from(how.after.as_secs()).unwrap();
            asked += 1;
        }
        assert!((day..day + 300).contains(&now), "{now}");
        assert!(asked < 400, "{asked}");
        let ended = message_unsure(at(day), at(0), at(day));
        assert!(
            matches!(ended.verdict, Verdict::End(RowEnd::Dead)),
            "a person sees it in the log of messages"
        );
    }

    #[test]
    fn after_a_restore_no_marked_write_is_sent_before_the_floor() {
        let by_mark = Declared::new(Recognition::ByMarker {
            visible_after: Duration::ZERO,
        });
        assert_eq!(quiet_until(None, by_mark, Some(at(500))), Some(at(500)));
        assert_eq!(quiet_until(Some(at(900)), by_mark, Some(at(500))), Some(at(910)));
        assert_eq!(
            quiet_until(None, Declared::new(Recognition::ByState), Some(at(500))),
            None
        );
    }
}
