//! The activity feed: every event of the tenant's releases and of what they ship, as people read it.
//!
//! It is the history itself, not a list kept beside it, so that nothing can happen without being in it.

mod said;
pub(crate) mod sought;

pub(crate) use said::summary;

use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{MOST, Query};
use crate::routes::releases::load::{find, limit};
use actix_web::get;
use chrono::{DateTime, Days, Utc};
use delivr_app::stored::read_event;
use delivr_app::usecases::releases;
use delivr_domain::key::{AggregateId, AggregateKind, UnknownWord};
use delivr_domain::ports::store::{Named, StoredEvent};
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
    /// The release it is, or belongs to. The stream of a release leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<NamedView>,
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

/// A release by its name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct NamedView {
    id: String,
    key: String,
    title: String,
}

impl From<&Named> for NamedView {
    fn from(it: &Named) -> Self {
        Self {
            id: it.id.id.to_string(),
            key: it.key.clone(),
            title: it.title.clone(),
        }
    }
}

/// An event as people read it.
pub(crate) fn activity(stored: &StoredEvent) -> Result<ActivityView, Problem> {
    let event = read_event(stored)?;
    Ok(ActivityView {
        position: stored.position,
        of: stored.owner.kind.word(),
        owner_id: stored.owner.id.to_string(),
        release: None,
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

/// Events looked through for one page of a search: so a search for nothing ends.
const LOOKED_THROUGH: usize = 2_000;

/// Which events of the organisation.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// At most so many items, 1 to 200; 50 unless said.
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// Of one release with its submissions and rollouts: its key or its id.
    release: Option<String>,
    /// Of what: RELEASE, SUBMISSION or ROLLOUT.
    of: Option<String>,
    /// The event's kind, e.g. `EDITED`.
    kind: Option<String>,
    /// In the name of whoever caused it, in whatever case.
    actor: Option<String>,
    /// In the summary, in whatever case, as it stands here or as the pages word it.
    q: Option<String>,
    /// Not before: a day of UTC, or an instant.
    since: Option<String>,
    /// Not after: a day of UTC, which belongs to it, or an instant, which does not.
    until: Option<String>,
}

/// What events are narrowed to.
struct Search {
    of: Option<AggregateKind>,
    kind: Option<String>,
    actor: Option<String>,
    text: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Search {
    fn read(asked: SearchQuery) -> Result<Self, Problem> {
        let of = sought::text("/of", asked.of)?;
        let of = of.as_deref().map(str::parse).transpose();
        let (since, until) = sought::span(asked.since.as_deref(), asked.until.as_deref())?;
        let lower = |text: Option<String>| text.map(|text| text.to_lowercase());
        Ok(Self {
            of: of.map_err(|why: UnknownWord| Problem::malformed_at("/of", why.to_string()))?,
            kind: sought::text("/kind", asked.kind)?,
            actor: lower(sought::text("/actor", asked.actor)?),
            text: lower(sought::text("/q", asked.q)?),
            since,
            until,
        })
    }
    /// What can be told without reading the event itself.
    fn may_fit(&self, stored: &StoredEvent) -> bool {
        let has = |wanted: &Option<String>, text: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| text.to_lowercase().contains(wanted.as_str()))
        };
        self.of.is_none_or(|of| of == stored.owner.kind)
            && self.kind.as_ref().is_none_or(|kind| *kind == stored.kind)
            && self.since.is_none_or(|since| since <= stored.at)
            && self.until.is_none_or(|until| stored.at < until)
            && has(&self.actor, &stored.actor)
    }
    fn fits(&self, it: &ActivityView) -> bool {
        self.text.as_ref().is_none_or(|wanted| {
            let has = |text: &str| text.to_lowercase().contains(wanted.as_str());
            has(&it.summary) || has(&delivr_web::told(&it.summary))
        })
    }
    /// Nothing older can fit. Events lie in the order in which they were written; their times may differ from it by as
    /// much as the clocks of processes do, which is less than a day.
    fn is_past(&self, stored: &StoredEvent) -> bool {
        let last = self.since.and_then(|since| since.checked_sub_days(Days::new(1)));
        last.is_some_and(|last| stored.at < last)
    }
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

/// What happened in the tenant, the newest first. A search looks through 2 000 events at most: its page may hold fewer items
/// than asked for, or none, while `nextCursor` leads on.
#[utoipa::path(tag = "Activities", params(SearchQuery), responses((status = 200, description = "Activities", body = ActivityList)))]
#[get("/activities")]
pub(crate) async fn all(cx: Context, asked: Query<SearchQuery>) -> Answered {
    let Query(asked) = asked;
    let limit = limit(asked.limit)?;
    let mut before: Option<i64> = cursor(asked.cursor.as_deref())?;
    let members = match asked.release.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => Some(family(&cx, name).await?),
        None => None,
    };
    let search = Search::read(asked)?;
    let mut items = Vec::new();
    let mut looked: usize = 0;
    // A page's worth first, which is all of it where every event fits; further steps are as long as they may be.
    let mut step = limit;
    loop {
        let store = &cx.app.store;
        let events = match &members {
            Some(members) => {
                store
                    .family_feed_backwards(cx.tenant(), members, before, step)
                    .await?
            }
            None => store.feed_backwards(cx.tenant(), before, step).await?,
        };
        let whole = events.len() == usize::from(step);
        for stored in &events {
            before = Some(stored.position);
            if search.may_fit(stored) {
                let item = activity(stored)?;
                if search.fits(&item) {
                    items.push((stored.owner, item));
                }
            }
            if items.len() == usize::from(limit) {
                let more = whole || events.last().is_some_and(|last| last.position < stored.position);
                return page(&cx, items, before.filter(|_| more)).await;
            }
        }
        looked = looked.saturating_add(events.len());
        let past = events.last().is_some_and(|last| search.is_past(last));
        if past || !whole {
            return page(&cx, items, None).await;
        }
        let left = LOOKED_THROUGH.saturating_sub(looked);
        if left == 0 {
            return page(&cx, items, before).await;
        }
        step = u16::try_from(left).unwrap_or(MOST).min(MOST);
    }
}

/// A release with its submissions and rollouts; nobody where there is no such release.
async fn family(cx: &Context, name: &str) -> Result<Vec<AggregateId>, Problem> {
    let Some(release) = releases::named(&cx.app, cx.tenant(), name).await? else {
        return Ok(Vec::new());
    };
    let children = cx.app.store.children(cx.tenant(), release.id).await?;
    Ok(std::iter::once(release)
        .chain(children.into_iter().map(|row| row.id))
        .collect())
}

/// Events with the names of their releases.
async fn page(cx: &Context, items: Vec<(AggregateId, ActivityView)>, next: Option<i64>) -> Answered {
    let owners: Vec<AggregateId> = items.iter().map(|(owner, _)| *owner).collect();
    let names = cx.app.store.releases_of(cx.tenant(), &owners).await?;
    let named = items.into_iter().map(|(owner, item)| ActivityView {
        release: names.get(&owner).map(NamedView::from),
        ..item
    });
    Ok(Answer::ok(&ActivityList {
        items: named.collect(),
        next_cursor: next.map(|position| position.to_string()),
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
    let next = (first > 1).then(|| i64::try_from(first).unwrap_or(i64::MAX));
    let items = events.iter().map(|stored| Ok((stored.owner, activity(stored)?)));
    page(&cx, items.collect::<Result<_, Problem>>()?, next).await
}
