//! The activity feed: every event of the tenant's releases and of what they ship, as people read it.
//!
//! It is the history itself, not a list kept beside it, so that nothing can happen without being in it.

mod said;

pub(crate) use said::summary;

use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::releases::load::{find, limit};
use actix_web::get;
use chrono::{DateTime, Utc};
use delivr_app::stored::read_event;
use delivr_domain::ports::store::StoredEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(all).service(of_release);
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityView {
    /// Its place in the order of the whole installation; the live stream's event id.
    pub(crate) position: i64,
    /// RELEASE, SUBMISSION or ROLLOUT.
    of: &'static str,
    /// Id of that.
    owner_id: String,
    /// 1 is the owner's first event.
    sequence: u64,
    pub(crate) kind: String,
    /// What happened, in one line.
    summary: String,
    /// Who caused it: a principal's name, or `system`.
    actor: String,
    at: DateTime<Utc>,
    /// The event itself.
    #[schema(value_type = Object)]
    data: Value,
}

/// An event as people read it.
pub(crate) fn activity(stored: &StoredEvent) -> Result<ActivityView, Problem> {
    let event = read_event(stored)?;
    Ok(ActivityView {
        position: stored.position,
        of: stored.owner.kind.word(),
        owner_id: stored.owner.id.to_string(),
        sequence: stored.sequence,
        kind: stored.kind.clone(),
        summary: said::summary(&event),
        actor: stored.actor.clone(),
        at: stored.at,
        data: stored.payload.get("event").cloned().unwrap_or(Value::Null),
    })
}

/// Activities.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityList {
    items: Vec<ActivityView>,
    next_cursor: Option<String>,
}

/// A page of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// At most so many items, 1 to 200; 50 unless said.
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

fn cursor<T: std::str::FromStr>(asked: Option<&str>) -> Result<Option<T>, Problem> {
    asked
        .map(|text| {
            text.parse().map_err(|_ignored| {
                Problem::malformed_at("/cursor", "is not the nextCursor of an earlier page")
            })
        })
        .transpose()
}

/// What happened in the tenant, the newest first.
#[utoipa::path(tag = "Activities", params(FeedQuery), responses((status = 200, description = "Activities", body = ActivityList)))]
#[get("/activities")]
pub(crate) async fn all(cx: Context, asked: Query<FeedQuery>) -> Answered {
    let Query(asked) = asked;
    let limit = limit(asked.limit)?;
    let before: Option<i64> = cursor(asked.cursor.as_deref())?;
    let events = cx.app.store.feed_backwards(cx.tenant(), before, limit).await?;
    let full = events.len() == usize::from(limit);
    let next = events
        .last()
        .filter(|_last| full)
        .map(|it| it.position.to_string());
    list(&events, next)
}

fn list(events: &[StoredEvent], next_cursor: Option<String>) -> Answered {
    Ok(Answer::ok(&ActivityList {
        items: events.iter().map(activity).collect::<Result<_, _>>()?,
        next_cursor,
    }))
}

/// What happened to a release, the newest first.
#[utoipa::path(tag = "Activities", params(FeedQuery), responses((status = 200, description = "Activities", body = ActivityList)))]
#[get("/releases/{releaseId}/activities")]
pub(crate) async fn of_release(cx: Context, asked: Query<FeedQuery>) -> Answered {
    let Query(asked) = asked;
    let limit = limit(asked.limit)?;
    let before: Option<u64> = cursor(asked.cursor.as_deref())?;
    let (row, _release) = find(&cx).await?;
    // Sequences have no gap: the page before one is counted off.
    let end = before
        .unwrap_or_else(|| row.version.saturating_add(1))
        .min(row.version.saturating_add(1));
    let first = end.saturating_sub(u64::from(limit)).max(1);
    let wanted = u16::try_from(end.saturating_sub(first)).unwrap_or(limit);
    let mut events = if wanted == 0 {
        Vec::new()
    } else {
        cx.app
            .store
            .events(cx.tenant(), row.id, first.saturating_sub(1), wanted)
            .await?
    };
    events.reverse();
    let next = (first > 1).then(|| first.to_string());
    list(&events, next)
}
