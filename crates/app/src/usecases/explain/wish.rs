//! What a command would come to: the same step that `apply` takes, on what is stored now, with nothing written.

use crate::App;
use crate::apply::{ApplyError, Wish};
use crate::stored::read_state;
use delivr_domain::aggregate::{Input, Stepped};
use delivr_domain::effect::Effect;
use delivr_domain::key::{AggregateId, AggregateKind, EffectId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::release::gate::Context;

const fn word(id: AggregateId) -> &'static str {
    match id.kind {
        AggregateKind::Release => "release",
        AggregateKind::Submission => "submission",
        AggregateKind::Rollout => "rollout",
    }
}

/// The step that the command would take now.
///
/// # Errors
/// Exactly those with which the command would be refused, see [`ApplyError`].
pub async fn command(app: &App, id: AggregateId, wish: &Wish<'_>) -> Result<Stepped, ApplyError> {
    let row = app
        .store
        .look(wish.tenant, id)
        .await?
        .ok_or(ApplyError::Missing(word(id)))?;
    if let Some(expected) = wish.expected
        && expected != row.version
    {
        return Err(ApplyError::Stale { stored: row.version });
    }
    let facts = app.store.read_facts(id).await?;
    let cx = Context {
        now: app.clock.now(),
        actor: wish.actor,
        facts: &facts,
    };
    Ok(read_state(&row)?.step(Input::Command(wish.command), &cx)?)
}

/// Effects of the rows that would end without having been done.
///
/// # Errors
/// When the store fails.
pub async fn ended(app: &App, id: AggregateId, rows: &[EffectId]) -> Result<Vec<Effect>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let live = app.store.rows(id, false).await?;
    Ok(live
        .into_iter()
        .filter(|row| rows.contains(&row.id))
        .map(|row| row.effect)
        .collect())
}
