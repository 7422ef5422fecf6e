//! The calendar: when releases begin, are tested and are due. As JSON over a span of time, and as a feed that a calendar
//! programme subscribes to by a secret link.
//!
//! Releases of every open status are looked at, and the newest of those that are over, each up to a number: the answer says
//! when there are more.

mod feed;
mod ical;
mod links;

use crate::answer::{Answer, Answered};
use crate::check::{Checks, micros};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::releases::{HoldView, holds};
use actix_web::get;
use chrono::{DateTime, TimeDelta, Utc};
use delivr_app::App;
use delivr_app::stored::show_state;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::store::listing::Place;
use delivr_domain::ports::store::{After, AggregateRow, Listed, Page, ReleaseFilter, Sort, SortBy};
use delivr_domain::release::Release;
use delivr_domain::release::state::Slot;
use delivr_domain::release::view::Status;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

/// Releases of one status that are looked at.
const EACH: u16 = 50;
/// So many of them are asked for at the same time: others want connections too.
const AT_ONCE: usize = 4;
/// The span that is shown unless another one is asked for begins so long ago.
const BACK: TimeDelta = TimeDelta::weeks(2);
/// And is so long.
const SPAN: TimeDelta = TimeDelta::weeks(8);
/// The longest span that is answered.
const LONGEST: TimeDelta = TimeDelta::days(400);

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(read)
        .service(feed::feed)
        .service(links::list)
        .service(links::make)
        .service(links::revoke);
}

/// Releases over a span of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalendarView {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Those that are under way at some time of the span, by kickoff.
    items: Vec<CalendarEntryView>,
    /// Some status has more releases than were looked at; the list of releases has all.
    more: bool,
}

/// A release in time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalendarEntryView {
    id: String,
    /// What people call it, `REL-42`.
    key: String,
    version: String,
    title: String,
    service_slug: String,
    /// Board view.
    status: &'static str,
    /// Who pilots it.
    pilot: Option<String>,
    kickoff_at: DateTime<Utc>,
    target_date: Option<DateTime<Utc>>,
    /// When the last thing happened to it, of a release that is over.
    ended_at: Option<DateTime<Utc>>,
    /// Regression slots not used yet, the earliest first.
    slots: Vec<CalendarSlotView>,
    /// Why it does not advance.
    holds: Vec<HoldView>,
}

/// A planned regression cycle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalendarSlotView {
    id: String,
    at: DateTime<Utc>,
}

/// The span that is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SpanQuery {
    /// Its beginning; two weeks ago unless said.
    from: Option<DateTime<Utc>>,
    /// Its end; eight weeks after its beginning unless said, 400 days at most.
    to: Option<DateTime<Utc>>,
}

/// Releases under way at some time of a span, with what is planned for them.
#[utoipa::path(tag = "Calendar", params(SpanQuery), responses((status = 200, description = "The span", body = CalendarView)))]
#[get("/calendar")]
pub(crate) async fn read(cx: Context, asked: Query<SpanQuery>) -> Answered {
    let Query(asked) = asked;
    let now = cx.now();
    let from = micros(asked.from.unwrap_or_else(|| now - BACK));
    let to = asked.to.or_else(|| from.checked_add_signed(SPAN));
    let to = micros(to.ok_or_else(|| Problem::malformed_at("/from", "is too far away"))?);
    Checks::new()
        .holds("/to", from < to, "must lie after `from`")
        .holds(
            "/to",
            to - from <= LONGEST,
            "must lie at most 400 days after `from`",
        )
        .done()?;
    let found = gathered(&cx.app, cx.tenant(), Some((from, to))).await?;
    let mut items: Vec<&Release> = found
        .releases
        .iter()
        .filter(|release| release.draft.kickoff_at <= to && until(release, now) >= from)
        .collect();
    items.sort_by_key(|release| (release.draft.kickoff_at, release.draft.number));
    Ok(Answer::ok(&CalendarView {
        from,
        to,
        items: items.into_iter().map(entry).collect(),
        more: found.more,
    }))
}

/// Releases of a tenant that a calendar may show.
struct Gathered {
    releases: Vec<Release>,
    /// Some status has more.
    more: bool,
}

/// Where a list of a status begins that is to have what belongs to a span: of what is over, what ended last after its
/// beginning; of what is not, what starts before its end, the latest first.
fn towards(status: Status, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> (Sort, After) {
    let over = matches!(status, Status::Deployed | Status::RolledBack | Status::Cancelled);
    let (by, at, number) = if over {
        (SortBy::Changed, from, i64::MIN)
    } else {
        (SortBy::Kickoff, to, i64::MAX)
    };
    let sort = Sort {
        by,
        descending: !over,
    };
    let after = After {
        place: Some(Place::Number(at.timestamp_micros())),
        number,
    };
    (sort, after)
}

/// Those of a span, or the newest.
async fn gathered(
    app: &App,
    tenant: TenantId,
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
) -> Result<Gathered, Problem> {
    // What was called off has no place in anybody's calendar.
    let statuses = Status::ALL.iter().filter(|status| **status != Status::Cancelled);
    let lists = statuses.map(|status| async move {
        let mut filter = ReleaseFilter {
            status: Some(status.word().to_owned()),
            ..ReleaseFilter::default()
        };
        let mut page = Page {
            limit: EACH,
            cursor: None,
        };
        if let Some(span) = span {
            let (sort, after) = towards(*status, span);
            filter.sort = sort;
            page.cursor = Some(after.cursor(&filter));
        }
        app.store.releases(tenant, &filter, &page).await
    });
    let lists: Vec<Listed<AggregateRow>> = stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
    let mut found = Gathered {
        releases: Vec::new(),
        more: false,
    };
    for listed in lists {
        found.more |= listed.next.is_some();
        for row in &listed.items {
            if let Aggregate::Release(release) = show_state(row)? {
                found.releases.push(*release);
            }
        }
    }
    Ok(found)
}

/// Whether nothing more is planned for a release.
fn is_over(release: &Release) -> bool {
    matches!(
        release.status(),
        Status::Deployed | Status::RolledBack | Status::Cancelled
    )
}

/// Up to when a release is under way, as far as anybody knows.
fn until(release: &Release, now: DateTime<Utc>) -> DateTime<Utc> {
    let planned = release.slots.values().map(|slot| slot.at);
    if is_over(release) {
        return release.updated_at;
    }
    planned
        .chain(release.draft.target_date)
        .fold(now.max(release.draft.kickoff_at), DateTime::max)
}

/// Slots, the earliest first.
fn slots(release: &Release) -> Vec<&Slot> {
    let mut slots: Vec<&Slot> = release.slots.values().collect();
    slots.sort_by_key(|slot| (slot.at, slot.id));
    slots
}

fn entry(release: &Release) -> CalendarEntryView {
    let slot = |slot: &Slot| CalendarSlotView {
        id: slot.id.to_string(),
        at: slot.at,
    };
    CalendarEntryView {
        id: release.draft.id.to_string(),
        key: release.key(),
        version: release.version_name(),
        title: release.draft.title.clone(),
        service_slug: release.draft.service_slug.clone(),
        status: release.status().word(),
        pilot: release.draft.pilot.clone(),
        kickoff_at: release.draft.kickoff_at,
        target_date: release.draft.target_date,
        ended_at: is_over(release).then_some(release.updated_at),
        slots: slots(release).into_iter().map(slot).collect(),
        holds: holds(release),
    }
}
