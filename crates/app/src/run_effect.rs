//! Running one claimed effect: look up, wait out the quiet time, check the send deadline, create; then apply the report.
//!
//! The only place where a look-up and a creating call meet. It holds no transaction while a vendor is asked. Fencing
//! protects our rows; what protects the vendor is the look-up, the send deadline and the quiet time together.

mod call;
mod fill;
mod perform;
mod read;

pub use read::read_fact;

use crate::App;
use crate::apply::{self, Delivery};
use crate::connections::{ASK_OTHERS, ConnectError};
use crate::room::Room;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, EffectKey};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::exchange::{self, Ear};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::{AttemptRecord, Claim, Claimed, Fact, PutBack, RowEnd, Store};
use delivr_domain::report::{Cause, Class, Outcome, Report};
use std::sync::Arc;
use std::time::Duration;

/// Failures a row may have before its task fails.
pub const BUDGET: u16 = 5;
/// Name of the setting that holds the instant before which no marker-recognised write is sent after a restore.
pub const QUIET_FLOOR: &str = "quiet_floor";

/// How an attempt ended, for the worker's limits and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// The effect came to its end (or changed something).
    Done,
    /// It was given back for later.
    PutBack,
    /// Another attempt has taken over.
    Fenced,
    /// The vendor could not be reached or is broken.
    VendorTrouble,
    /// The store failed; the lease will run out.
    StoreTrouble,
}

/// What to do with a claimed row.
enum Verdict {
    /// Tell the aggregate and end the row.
    Report(AggregateId, Box<Report>, RowEnd, Option<(FactKind, Fact)>),
    /// End the row, tell nobody.
    End(RowEnd),
    /// End the row unless its owner waits for it again.
    Stale(EffectKey),
    /// Give it back.
    Back(PutBack),
    /// It was a watch: nothing to end.
    Leave,
}

struct Ended {
    verdict: Verdict,
    word: &'static str,
    reference: Option<String>,
    detail: Option<String>,
    vendor_trouble: bool,
}

impl Ended {
    const fn new(verdict: Verdict, word: &'static str) -> Self {
        Self {
            verdict,
            word,
            reference: None,
            detail: None,
            vendor_trouble: false,
        }
    }
}

/// Limits of a vendor call.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Total time-out of one call.
    pub call_timeout: Duration,
}

/// Runs one claimed effect to its report.
pub async fn run(app: &App, claimed: Claimed, limits: CallLimits) -> Ran {
    run_with_room(app, claimed, limits, None).await.0
}

/// The same; what its report enqueues is claimed with it as far as there is room, and is the caller's to run.
pub async fn run_with_room(
    app: &App,
    claimed: Claimed,
    limits: CallLimits,
    room: Option<&dyn Room>,
) -> (Ran, Vec<Claimed>) {
    let ear = Arc::new(Ear::default());
    let working = run_inner(app, &claimed, limits, &ear);
    let ended = exchange::during(app.registry.listener(), &ear, working).await;
    let trouble = ended.vendor_trouble;
    let mut line = line(app, &claimed, &ended, &ear);
    // What goes back may be taken up again before anything else is written.
    if matches!(ended.verdict, Verdict::Back(_))
        && let Some(line) = line.take()
    {
        record(app, &claimed, &line).await;
    }
    let closed = close(app, &claimed, ended.verdict, line.as_ref(), room).await;
    let written = closed.as_ref().is_ok_and(|closed| closed.written);
    if let Some(line) = line.filter(|_| !written) {
        record(app, &claimed, &line).await;
    }
    match closed {
        Ok(Closed { ran, born, .. }) => (if trouble { Ran::VendorTrouble } else { ran }, born),
        Err(error) => (not_closed(app, &claimed, error).await, Vec::new()),
    }
}

async fn not_closed(app: &App, claimed: &Claimed, error: StoreError) -> Ran {
    if matches!(error, StoreError::Fenced) {
        tracing::info!(effect.id = %claimed.row.id, effect.attempt = claimed.row.attempt, "another attempt has taken over");
        Ran::Fenced
    } else if matches!(error, StoreError::Newer { .. }) {
        leave_to_newer(app, claimed, &error).await
    } else {
        tracing::warn!(effect.id = %claimed.row.id, error = %error, "the report could not be stored; its lease will run out");
        Ran::StoreTrouble
    }
}

/// How long a row rests whose owner a newer version has written: long enough for a worker of that version to take it.
const FOR_NEWER: Duration = Duration::from_secs(5);

/// Gives a row back whose owner a newer version wrote while this one worked on it. What was sent cannot be told to the
/// owner by us: whoever takes the row looks first and finds it.
async fn leave_to_newer(app: &App, claimed: &Claimed, why: &StoreError) -> Ran {
    let Some(claim) = &claimed.claim else {
        return Ran::PutBack;
    };
    let how = PutBack {
        after: FOR_NEWER,
        failures: 0,
        unknown: matches!(claimed.row.effect, Effect::Perform { .. }),
        trouble: Some(why.to_string()),
    };
    match app.store.put_back(claim, &how).await {
        Ok(()) => Ran::PutBack,
        Err(StoreError::Fenced) => Ran::Fenced,
        Err(error) => {
            tracing::warn!(effect.id = %claimed.row.id, %error, "a row could not be given back; its lease will run out");
            Ran::StoreTrouble
        }
    }
}

/// What the attempt came to.
struct Closed {
    ran: Ran,
    /// Whether the line about it was written with that.
    written: bool,
    /// What was claimed with it.
    born: Vec<Claimed>,
}

impl Closed {
    const fn new(ran: Ran, written: bool) -> Self {
        Self {
            ran,
            written,
            born: Vec::new(),
        }
    }
}

async fn close(
    app: &App,
    claimed: &Claimed,
    verdict: Verdict,
    line: Option<&AttemptRecord>,
    room: Option<&dyn Room>,
) -> Result<Closed, StoreError> {
    let store = app.store.as_ref();
    let attempt = line.map(|line| (claimed.row.tenant, line));
    match verdict {
        Verdict::Leave => Ok(Closed::new(Ran::Done, false)),
        Verdict::Back(how) => {
            if let Some(claim) = &claimed.claim {
                store.put_back(claim, &how).await?;
            }
            Ok(Closed::new(Ran::PutBack, false))
        }
        Verdict::End(end) => match &claimed.claim {
            Some(claim) => {
                apply::finish_only(store, claim, end, attempt).await?;
                Ok(Closed::new(Ran::Done, true))
            }
            None => Ok(Closed::new(Ran::Done, false)),
        },
        Verdict::Stale(key) => match &claimed.claim {
            Some(claim) => stale(store, claim, &key, attempt).await,
            None => Ok(Closed::new(Ran::Done, false)),
        },
        Verdict::Report(to, report, end, fact) => {
            let claim = claimed.claim.as_ref().map(|claim| (claim, end));
            let delivery = Delivery {
                to,
                report: &report,
                claim,
                fact,
                tenant: Some(claimed.row.tenant),
            };
            let (_reported, born) =
                apply::report_of(store, app.clock.as_ref(), &delivery, attempt, room).await?;
            Ok(Closed {
                ran: Ran::Done,
                written: true,
                born,
            })
        }
    }
}

/// Ends a row nobody waits for. Its owner is asked under lock: what has been armed again since must stay.
async fn stale(
    store: &dyn Store,
    claim: &Claim,
    key: &EffectKey,
    attempt: Option<apply::Line<'_>>,
) -> Result<Closed, StoreError> {
    if apply::finish_stale(store, claim, key, attempt).await? {
        return Ok(Closed::new(Ran::Done, true));
    }
    let how = PutBack {
        after: Duration::ZERO,
        failures: 0,
        unknown: false,
        trouble: None,
    };
    store.put_back(claim, &how).await?;
    Ok(Closed::new(Ran::PutBack, false))
}

/// The line about an attempt. A watch that saw nothing new is none.
fn line(app: &App, claimed: &Claimed, ended: &Ended, ear: &Ear) -> Option<AttemptRecord> {
    if matches!(ended.verdict, Verdict::Leave) && ended.detail.is_none() {
        return None;
    }
    Some(AttemptRecord {
        effect: claimed.row.id,
        attempt: claimed.row.attempt,
        outcome: ended.word.to_owned(),
        reference: ended.reference.clone(),
        detail: ended.detail.clone(),
        at: app.clock.now(),
        exchanges: ear.heard(),
    })
}

/// Writes down an attempt whose end is in no transaction: it was put back, or another one has taken over. Best effort:
/// correctness rests on the successor's look-up, not on this.
async fn record(app: &App, claimed: &Claimed, line: &AttemptRecord) {
    if let Err(error) = app.store.record_attempt(claimed.row.tenant, line).await {
        tracing::debug!(error = %error, "an attempt could not be recorded");
    }
}

async fn run_inner(app: &App, claimed: &Claimed, limits: CallLimits, ear: &Ear) -> Ended {
    match &claimed.row.effect {
        Effect::Perform {
            key,
            integration,
            operation,
        } => perform::perform(app, claimed, limits, (key, *integration, operation), ear).await,
        Effect::Resolve {
            key,
            integration,
            reading,
        } => read::resolve(app, claimed, limits, key, *integration, reading).await,
        Effect::Watch {
            key,
            integration,
            watched,
            ..
        } => read::watch(app, claimed, limits, key, *integration, watched).await,
        Effect::Probe {
            owner,
            integration,
            fact,
            subject,
        } => read::probe(app, claimed, limits, *owner, *integration, *fact, subject).await,
        Effect::CancelRun {
            key,
            integration,
            run,
        } => read::cancel_run(app, claimed, limits, key, *integration, run).await,
        Effect::Tell { to, report, .. } => {
            Ended::new(Verdict::Report(*to, report.clone(), RowEnd::Done, None), "told")
        }
        Effect::Message {
            integration,
            topic,
            note,
            ..
        } => perform::message(app, claimed, limits, *integration, *topic, note).await,
    }
}

/// The state the effect belongs to, read without lock.
async fn state_of(app: &App, owner: AggregateId) -> Result<Option<Aggregate>, StoreError> {
    match app.store.peek(owner).await? {
        Some(row) => crate::stored::read_state(&row).map(Some),
        None => Ok(None),
    }
}

async fn connection(
    app: &App,
    claimed: &Claimed,
    integration: IntegrationId,
) -> Result<Connection, ConnectError> {
    let (store, tenant) = (app.store.as_ref(), claimed.row.tenant);
    let opened = app
        .connections
        .open(store, &app.registry, &app.vault, tenant, integration)
        .await;
    match opened {
        // Nobody had the key for as long as the row waits: a person is told.
        Err(ConnectError::NotHere(error)) if claimed.now >= claimed.row.give_up_at => {
            Err(ConnectError::Provider(error))
        }
        opened => opened,
    }
}

/// A row that this process lacks the master key for goes back unspent, for a process that has it.
fn left_to_others(sentence: &str) -> Ended {
    let how = PutBack {
        after: ASK_OTHERS,
        failures: 0,
        unknown: false,
        trouble: Some(sentence.to_owned()),
    };
    Ended {
        detail: Some(sentence.to_owned()),
        ..Ended::new(Verdict::Back(how), "left_to_others")
    }
}

/// The cause of a failure, with the integration where its credential or configuration is what must be mended.
fn cause_of(error: &ProviderError, integration: IntegrationId) -> Cause {
    let mut cause = error.cause();
    let credential = matches!(
        error.kind,
        ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::Misconfigured
            | ProviderErrorKind::Refused
    );
    if credential {
        cause.integration = Some(integration);
    }
    cause
}

/// What happens to a row after a failed call.
enum Next {
    Fail(Cause, Outcome),
    Back(PutBack),
}

/// Retry by class: full jitter, the vendor's hint, the budget, and the end of waiting.
fn after_failure(
    app: &App,
    claimed: &Claimed,
    error: &ProviderError,
    integration: IntegrationId,
    unknown: bool,
) -> Next {
    let row = &claimed.row;
    let outcome = if unknown || row.unknown_since.is_some() {
        Outcome::Unknown
    } else {
        Outcome::NotDone
    };
    let cause = cause_of(error, integration);
    let hinted = error.kind == ProviderErrorKind::Throttled && error.retry_after.is_some();
    let failures = u16::from(!hinted);
    let waited_enough = claimed.now >= row.give_up_at;
    if unknown && (waited_enough || row.failures.saturating_add(failures) >= BUDGET) {
        // The end of this send must stand on the row, or a person's retry would not wait out its quiet time: the row
        // goes back with its budget spent, and its next claim fails it without a call.
        return Next::Back(PutBack {
            after: Duration::ZERO,
            failures: BUDGET,
            unknown,
            trouble: Some(error.to_string()),
        });
    }
    if waited_enough {
        let sentence = format!("waiting came to its end: {}", cause.sentence);
        return Next::Fail(
            Cause {
                sentence,
                class: Class::NeedsHuman,
                ..cause
            },
            outcome,
        );
    }
    if !unknown && error.class() != Class::Transient {
        return Next::Fail(cause, outcome);
    }
    if row.failures.saturating_add(failures) >= BUDGET {
        let sentence = format!("{} (given up after {BUDGET} failed tries)", cause.sentence);
        return Next::Fail(
            Cause {
                sentence,
                class: Class::NeedsHuman,
                ..cause
            },
            outcome,
        );
    }
    let after = error.retry_after.unwrap_or_else(|| backoff(app, row.failures));
    Next::Back(PutBack {
        after,
        failures,
        unknown,
        trouble: Some(error.to_string()),
    })
}

/// Exponential from one second to five minutes, with full jitter.
fn backoff(app: &App, failures: u16) -> Duration {
    let ceiling =
        Duration::from_secs(300).min(Duration::from_secs(1).saturating_mul(1u32 << failures.min(9)));
    Duration::from_millis(250).saturating_add(ceiling.mul_f64(app.entropy.fraction().clamp(0.0, 1.0)))
}

fn is_vendor_trouble(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ProviderErrorKind::Unavailable | ProviderErrorKind::Malformed
    )
}

/// A row that cannot be run because our own store failed goes back at once and costs nothing. What is stored and cannot
/// be read will not be readable in two seconds: it waits longer, and uses up its budget.
fn store_trouble(error: &StoreError) -> Ended {
    let (after, failures) = match error {
        StoreError::Corrupt { .. } => (Duration::from_secs(60), 1),
        StoreError::Newer { .. } => (FOR_NEWER, 0),
        StoreError::Unavailable { .. }
        | StoreError::Conflict
        | StoreError::Fenced
        | StoreError::Duplicate(_)
        | StoreError::Reference(_) => (Duration::from_secs(2), 0),
    };
    let how = PutBack {
        after,
        failures,
        unknown: false,
        trouble: Some(error.to_string()),
    };
    Ended {
        detail: Some(error.to_string()),
        ..Ended::new(Verdict::Back(how), "store_unavailable")
    }
}
