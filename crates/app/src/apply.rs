//! `apply`: the one door through which releases, submissions and rollouts change.
//!
//! One transaction loads and locks, finishes the claim, steps the pure machine, and saves state, events, rows and wake-up
//! time. A lost race is repeated with the same claim, because stepping is pure; a commit whose answer was lost is repeated
//! too and finds its row ended by its own attempt.

use crate::room::{Born, Room, Taken};
use crate::stored::{encode_event, encode_state, read_state};
use crate::usecases::access::SYSTEM;
use delivr_domain::aggregate::{Aggregate, Command, Input, Stepped};
use delivr_domain::board::{Permit, Reaction};
use delivr_domain::effect::{Effect, FactKind};
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, Claim, Claimed, Fact, Finished, RowEnd, Sought, Standing, Store,
    StoredAnswer, StoredEvent, UnitOfWork,
};
use delivr_domain::release::command::Rejection;
use delivr_domain::release::gate::Context;
use delivr_domain::release::state::Draft;
use delivr_domain::report::Report;
use delivr_domain::time::Timestamp;
use std::time::Duration;

/// A row that waits without failing ends after this long.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// A probed gate is read again after this long while an auto-start waits on it.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);
/// A lost race is repeated this often before the claim is handed back.
pub const MAX_RACES: u8 = 8;

/// Why a change did not take place.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// There is no such aggregate (of this tenant).
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The machine refuses the command.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The version the caller named is not the one that is stored.
    #[error("it was changed in the meantime: version {stored} is stored")]
    Stale {
        /// The stored version.
        stored: u64,
    },
    /// The store fails.
    #[error("storing the change")]
    Store(#[from] StoreError),
}

/// Makes the answer that a repeated request gets, in the transaction of the change itself.
pub struct Remember<'a> {
    /// The caller's idempotency key.
    pub key: &'a str,
    /// The answer, from the state after the change.
    pub answer: &'a (dyn Fn(&Aggregate) -> StoredAnswer + Send + Sync),
}

impl std::fmt::Debug for Remember<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remember")
    }
}

/// A person's wish with who and under which conditions.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// Whose aggregate it must be.
    pub tenant: TenantId,
    /// What.
    pub command: &'a Command,
    /// Who.
    pub actor: &'a str,
    /// The version the caller saw, if it named one.
    pub expected: Option<u64>,
    /// The answer to remember with the change, if the caller named an idempotency key.
    pub remember: Option<&'a Remember<'a>>,
}

/// Applies a person's command.
///
/// # Errors
/// See [`ApplyError`]; nothing is changed then.
pub async fn command(
    store: &dyn Store,
    clock: &dyn Clock,
    id: AggregateId,
    wish: &Wish<'_>,
) -> Result<Aggregate, ApplyError> {
    let mut races = 0;
    loop {
        match try_command(store, clock, id, wish).await {
            Err(ApplyError::Store(StoreError::Conflict)) if races < MAX_RACES => races += 1,
            outcome => return outcome,
        }
    }
}

async fn try_command(
    store: &dyn Store,
    clock: &dyn Clock,
    id: AggregateId,
    wish: &Wish<'_>,
) -> Result<Aggregate, ApplyError> {
    let mut unit = store.begin().await?;
    let row = unit
        .load_for_update(id)
        .await?
        .filter(|row| row.tenant == wish.tenant)
        .ok_or(ApplyError::Missing(word(id)))?;
    if let Some(expected) = wish.expected
        && expected != row.version
    {
        return Err(ApplyError::Stale { stored: row.version });
    }
    let facts = unit.facts(id).await?;
    let cx = Context {
        now: clock.now(),
        actor: wish.actor,
        facts: &facts,
    };
    let stepped = read_state(&row)?.step(Input::Command(wish.command), &cx)?;
    if stepped.events.is_empty() && wish.remember.is_none() {
        return Ok(stepped.state);
    }
    write(
        unit.as_mut(),
        row.tenant,
        Some(row.version),
        &stepped,
        wish.actor,
        cx.now,
    )
    .await?;
    if let Some(remember) = wish.remember {
        unit.put_answer(wish.tenant, remember.key, &(remember.answer)(&stepped.state))
            .await?;
    }
    unit.commit().await?;
    Ok(stepped.state)
}

const fn word(id: AggregateId) -> &'static str {
    match id.kind {
        AggregateKind::Release => "release",
        AggregateKind::Submission => "submission",
        AggregateKind::Rollout => "rollout",
    }
}

/// Creates a release; its number comes from the tenant's counter in the same transaction.
///
/// # Errors
/// See [`ApplyError`].
pub async fn create(
    store: &dyn Store,
    clock: &dyn Clock,
    draft: Draft,
    actor: &str,
    remember: Option<&Remember<'_>>,
) -> Result<Aggregate, ApplyError> {
    match create_where_free(store, clock, draft, actor, remember, &[]).await? {
        Created::Stored(state) => Ok(state),
        // Nothing was asked to be free.
        Created::Taken(_) => Err(StoreError::Conflict.into()),
    }
}

/// What became of a release that was to be created.
#[derive(Debug)]
pub enum Created {
    /// It is stored.
    Stored(Aggregate),
    /// Another release stands where this one was to stand; nothing is changed.
    Taken(Standing),
}

/// Creates a release if nothing stands on its service's line where it is to stand: asked in the transaction that creates
/// it, so that of two creations at the same time one finds the other.
///
/// # Errors
/// See [`ApplyError`].
pub async fn create_where_free(
    store: &dyn Store,
    clock: &dyn Clock,
    mut draft: Draft,
    actor: &str,
    remember: Option<&Remember<'_>>,
    places: &[Sought],
) -> Result<Created, ApplyError> {
    let mut unit = store.begin().await?;
    if !places.is_empty()
        && let Some(other) = unit
            .standing(draft.tenant, draft.service, places)
            .await?
            .into_iter()
            .next()
    {
        return Ok(Created::Taken(other));
    }
    // Last, so that who is refused uses up no number.
    draft.number = unit.next_number(draft.tenant, "release").await?;
    let tenant = draft.tenant;
    let facts = std::collections::BTreeMap::new();
    let cx = Context {
        now: clock.now(),
        actor,
        facts: &facts,
    };
    let stepped = Aggregate::create(draft, &cx);
    write(unit.as_mut(), tenant, None, &stepped, actor, cx.now).await?;
    if let Some(remember) = remember {
        unit.put_answer(tenant, remember.key, &(remember.answer)(&stepped.state))
            .await?;
    }
    unit.commit().await?;
    Ok(Created::Stored(stepped.state))
}

/// What a report came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// It changed the aggregate.
    Changed,
    /// It changed nothing; the claim, if any, is finished.
    Unchanged,
}

/// A report with the claim it ends and the fact it brings, if any.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// To whom.
    pub to: AggregateId,
    /// What.
    pub report: &'a Report,
    /// The claim that ends with it.
    pub claim: Option<(&'a Claim, RowEnd)>,
    /// A fact observed, recorded beside the aggregate.
    pub fact: Option<(FactKind, Fact)>,
    /// The tenant of the row the report comes from: names the tenant of an aggregate that is born by it.
    pub tenant: Option<TenantId>,
}

/// The line about an attempt, and whose it is.
pub type Line<'a> = (TenantId, &'a AttemptRecord);

async fn write_down(unit: &mut dyn UnitOfWork, attempt: Option<Line<'_>>) -> Result<(), StoreError> {
    match attempt {
        Some((tenant, record)) => unit.record_attempt(tenant, record).await,
        None => Ok(()),
    }
}

/// Applies a report. Never rejected; an unknown receiver only ends the claim.
///
/// # Errors
/// [`StoreError`]: `Fenced` when another attempt has taken over (nothing is changed), `Conflict` after too many races.
pub async fn report(
    store: &dyn Store,
    clock: &dyn Clock,
    delivery: &Delivery<'_>,
) -> Result<Reported, StoreError> {
    report_of(store, clock, delivery, None, None)
        .await
        .map(|(reported, _none)| reported)
}

/// Applies the report of an attempt, with the line about it in the same transaction; and claims in it, as far as there is
/// room, what the report enqueues.
///
/// # Errors
/// See [`report`].
pub async fn report_of(
    store: &dyn Store,
    clock: &dyn Clock,
    delivery: &Delivery<'_>,
    attempt: Option<Line<'_>>,
    room: Option<&dyn Room>,
) -> Result<(Reported, Vec<Claimed>), StoreError> {
    let mut races = 0;
    // The claims of the last commit that was asked for. Only one commit of an attempt can take effect: when it turns out
    // that the row was ended before, it was that one.
    let mut born = None;
    loop {
        match try_report(store, clock, delivery, attempt, room, &mut born).await {
            Ok(reported) => return Ok((reported, born.map(Born::committed).unwrap_or_default())),
            Err(StoreError::Conflict) if races < MAX_RACES => {
                born = None;
                races += 1;
            }
            #[cfg(delivr_sim)]
            Err(error) if delivr_domain::sim::off(delivr_domain::sim::Rule::RepeatUnanswered) => {
                return Err(error);
            }
            // The commit's answer may have been lost: with a claim the repetition finds out by its own attempt.
            Err(StoreError::Unavailable { source }) if races < 2 && delivery.claim.is_some() => {
                tracing::debug!(error = %source, "repeating a report whose commit answer is unknown");
                races += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn try_report<'a>(
    store: &dyn Store,
    clock: &dyn Clock,
    delivery: &Delivery<'_>,
    attempt: Option<Line<'_>>,
    room: Option<&'a dyn Room>,
    born: &mut Option<Born<'a>>,
) -> Result<Reported, StoreError> {
    // Read before the claim: no write may be sent after the lease that began here.
    let request = room.map(Room::request);
    let mut unit = store.begin().await?;
    let row = unit.load_for_update(delivery.to).await?;
    if let Some((claim, end)) = delivery.claim
        && unit.finish(claim, end).await? == Finished::Before
    {
        return Ok(Reported::Changed);
    }
    *born = None;
    write_down(unit.as_mut(), attempt).await?;
    let changed_fact = match &delivery.fact {
        Some((kind, fact)) => unit.put_fact(delivery.to, *kind, fact).await?,
        None => false,
    };
    let facts = unit.facts(delivery.to).await?;
    let wake_at = row.as_ref().and_then(|row| row.wake_at);
    // A tick comes because the database's clock has reached the wake-up: ours may still be behind. A wake-up that lies
    // ahead is another one than the tick came for (two workers saw the first): it must not be taken for reached.
    let now = match (delivery.report, wake_at) {
        (Report::Tick, Some(wake_at)) if wake_at <= unit.now().await? => clock.now().max(wake_at),
        (_, _) => clock.now(),
    };
    let cx = Context {
        now,
        actor: SYSTEM,
        facts: &facts,
    };
    let fact_report = match (&delivery.fact, changed_fact) {
        (Some((kind, fact)), true) => Some(Report::FactChanged {
            fact: *kind,
            value: fact.value.clone(),
        }),
        (_, _) => None,
    };
    let report = fact_report.as_ref().unwrap_or(delivery.report);
    let (tenant, expected, stepped) = match row {
        Some(row) => {
            let stepped = read_state(&row)?
                .step(Input::Report(report), &cx)
                .map_err(|rejection| StoreError::Corrupt {
                    what: "report",
                    why: rejection.to_string(),
                })?;
            (row.tenant, Some(row.version), stepped)
        }
        None => match (delivery.tenant, Aggregate::birth(report, &cx)) {
            (Some(tenant), Some(stepped)) => (tenant, None, stepped),
            (_, _) => {
                unit.commit().await?;
                return Ok(Reported::Unchanged);
            }
        },
    };
    let changed = !stepped.events.is_empty();
    let outstanding = stepped.state.outstanding();
    let ended = delivery.claim.map(|(claim, _)| claim.effect());
    if let Some((claim, RowEnd::Parked)) = delivery.claim
        && !outstanding.iter().any(|effect| effect.id() == claim.effect())
    {
        // Its task was cancelled meanwhile: nothing would ever wake the row again.
        unit.end(claim.effect()).await?;
    }
    // A Tick that changes nothing must not leave its wake-up behind, or it would come again at once.
    let stale_wake = wake_at.is_some() && wake_at != stepped.state.wake_at();
    if changed || stale_wake {
        write(unit.as_mut(), tenant, expected, &stepped, SYSTEM, now).await?;
    }
    // A probe is due again as long as its gate waits, whether this was its own row or the fact came from elsewhere.
    for probe in outstanding {
        let of_fact =
            matches!((&probe, &delivery.fact), (Effect::Probe { fact, .. }, Some((kind, _))) if fact == kind);
        let itself = matches!(probe, Effect::Probe { .. }) && ended == Some(probe.id());
        if of_fact || itself {
            unit.enqueue(tenant, &probe, PROBE_EVERY, GIVE_UP_AFTER).await?;
        }
    }
    *born = match (room, request) {
        (Some(room), Some(request)) => {
            let next = stepped.reactions.iter().filter_map(|reaction| match reaction {
                Reaction::Enqueue(effect) => Some(effect.clone()),
                Reaction::End(_) => None,
            });
            let taken = Taken::some(room, next);
            let ids = taken.ids();
            let claimed = if ids.is_empty() {
                Vec::new()
            } else {
                unit.claim_enqueued(&ids, &request).await?
            };
            Some(Born { taken, claimed })
        }
        (_, _) => None,
    };
    unit.commit().await?;
    Ok(if changed {
        Reported::Changed
    } else {
        Reported::Unchanged
    })
}

/// Ends a claim without telling anybody.
///
/// # Errors
/// See [`StoreError`].
pub async fn finish_only(
    store: &dyn Store,
    claim: &Claim,
    end: RowEnd,
    attempt: Option<Line<'_>>,
) -> Result<(), StoreError> {
    let mut unit = store.begin().await?;
    if unit.finish(claim, end).await? == Finished::Now {
        write_down(unit.as_mut(), attempt).await?;
        unit.commit().await?;
    }
    Ok(())
}

/// Ends the claim of a step nobody waits for; false when its owner waits for it (again), and nothing is changed then.
///
/// # Errors
/// See [`StoreError`].
pub async fn finish_stale(
    store: &dyn Store,
    claim: &Claim,
    key: &EffectKey,
    attempt: Option<Line<'_>>,
) -> Result<bool, StoreError> {
    let mut unit = store.begin().await?;
    let row = unit.load_for_update(key.owner).await?;
    let state = row.as_ref().map(read_state).transpose()?;
    if state.is_some_and(|state| state.permit(key) != Permit::Stale) {
        return Ok(false);
    }
    if unit.finish(claim, RowEnd::Dead).await? == Finished::Now {
        write_down(unit.as_mut(), attempt).await?;
        unit.commit().await?;
    }
    Ok(true)
}

async fn write(
    unit: &mut dyn UnitOfWork,
    tenant: TenantId,
    expected: Option<u64>,
    stepped: &Stepped,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let state = &stepped.state;
    let id = state.id();
    let row = AggregateRow {
        id,
        tenant,
        version: state.version(),
        wake_at: state.wake_at(),
        state: encode_state(state)?.into(),
        projection: state.projection().into(),
    };
    unit.save(&row, expected).await?;
    let first = expected.unwrap_or(0);
    let mut events = Vec::with_capacity(stepped.events.len());
    for (sequence, event) in (first.saturating_add(1)..).zip(&stepped.events) {
        events.push(StoredEvent {
            owner: id,
            sequence,
            kind: event.word().to_owned(),
            payload: encode_event(event)?,
            actor: actor.to_owned(),
            at: now,
            position: 0,
        });
    }
    unit.append(tenant, &events).await?;
    for reaction in &stepped.reactions {
        match reaction {
            Reaction::Enqueue(effect) => {
                unit.enqueue(tenant, effect, Duration::ZERO, GIVE_UP_AFTER)
                    .await?;
            }
            Reaction::End(effect) => {
                unit.end(*effect).await?;
            }
        }
    }
    Ok(())
}
