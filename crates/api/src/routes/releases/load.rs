//! What the routes of a release share: finding it, moving it by a command, reading the query.

use super::view::{Include, ReleaseView, as_release, release};
use crate::answer::{Answer, Answered, json};
use crate::context::Context;
use crate::explain;
use crate::problem::Problem;
use crate::query::{DEFAULT_LIMIT, MOST};
use chrono::{DateTime, Utc};
use delivr_app::apply::{self, Wish};
use delivr_app::usecases::releases;
use delivr_domain::aggregate::{Aggregate, Command};
use delivr_domain::key::AggregateId;
use delivr_domain::ports::store::{AggregateRow, StoredAnswer};
use delivr_domain::release::{Command as ReleaseCommand, Release};
use serde::Serialize;

/// The release the path names, by UUID, `rel_` id or key.
pub(crate) async fn find(cx: &Context) -> Result<(AggregateRow, Box<Release>), Problem> {
    let missing = || Problem::missing("release");
    let id = releases::named(&cx.app, cx.tenant(), cx.segment("releaseId"))
        .await?
        .ok_or_else(missing)?;
    releases::find(&cx.app, cx.tenant(), id)
        .await?
        .ok_or_else(missing)
}

/// The id of the release the path names. Whether there is one is found out by whoever uses it.
pub(crate) async fn id(cx: &Context) -> Result<AggregateId, Problem> {
    releases::named(&cx.app, cx.tenant(), cx.segment("releaseId"))
        .await?
        .ok_or_else(|| Problem::missing("release"))
}

/// When a worker was last alive.
pub(crate) async fn last_sweep(cx: &Context) -> Result<Option<DateTime<Utc>>, Problem> {
    Ok(cx.app.store.last_beat().await?)
}

/// The release after a change, as every action answers it.
pub(crate) fn after(state: &Aggregate, last_sweep_at: Option<DateTime<Utc>>) -> Option<ReleaseView> {
    as_release(state).map(|it| release(it, Include::DETAIL, last_sweep_at, &[]))
}

/// Applies a command to the release and answers with it.
pub(crate) async fn act(cx: &Context, command: ReleaseCommand) -> Answered {
    let sweep = last_sweep(cx).await?;
    act_on(
        cx,
        id(cx).await?,
        &Command::Release(command),
        Success::Ok,
        &|state| after(state, sweep),
    )
    .await
}

/// An answer to be kept for repetitions, still without its body. Holds nothing of the request, so that the transaction
/// may run on any thread.
#[derive(Debug)]
pub(crate) struct Kept(StoredAnswer);

impl Kept {
    /// The same with its body.
    pub(crate) fn with<T: Serialize>(&self, view: &T) -> StoredAnswer {
        StoredAnswer {
            body: json(view),
            ..self.0.clone()
        }
    }
}

/// The answer of this request with the status, to be kept.
pub(crate) fn kept(cx: &Context, status: u16) -> Kept {
    Kept(cx.stored_answer(status, &()))
}

/// How a change is answered.
#[derive(Debug, Clone)]
pub(crate) enum Success {
    /// 200.
    Ok,
    /// 202: what was asked for has begun.
    Accepted,
    /// 201 with the place of what was made.
    Created(String),
    /// 204, without a body.
    Nothing,
}

/// Applies a command to an aggregate; the answer is remembered with the change where the caller named a key.
pub(crate) async fn act_on<T: Serialize>(
    cx: &Context,
    id: AggregateId,
    command: &Command,
    success: Success,
    view: &(dyn Fn(&Aggregate) -> T + Send + Sync),
) -> Answered {
    let status = match success {
        Success::Ok => 200,
        Success::Accepted => 202,
        Success::Created(_) => 201,
        Success::Nothing => 204,
    };
    let kept = kept(cx, status);
    let answer = |state: &Aggregate| kept.with(&view(state));
    let remember = cx.remember(&answer);
    let wish = Wish {
        tenant: cx.tenant(),
        command,
        actor: cx.who.actor(),
        expected: cx.expected(),
        remember: remember.as_ref(),
    };
    if cx.explain {
        return explain::answer(cx, id, &wish).await;
    }
    let state = apply::command(cx.app.store.as_ref(), cx.app.clock.as_ref(), id, &wish)
        .await
        .map_err(|error| cx.too_late(error))?;
    cx.stored_with_the_change();
    Ok(match success {
        Success::Ok => Answer::ok(&view(&state)).version(state.version()),
        Success::Accepted => Answer::accepted(&view(&state)).version(state.version()),
        Success::Created(place) => Answer::created(place, &view(&state)).version(state.version()),
        Success::Nothing => Answer::none(),
    })
}

/// How many items a page has.
pub(crate) fn limit(asked: Option<u16>) -> Result<u16, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::malformed_at("/limit", "must be 1 to 200")),
    }
}
