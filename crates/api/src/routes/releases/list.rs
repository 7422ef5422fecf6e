//! The list of releases: what narrows it, in which order it stands, and its pages.

use super::load::{last_sweep, limit};
use super::view::{Include, ReleaseView, release};
use crate::answer::{Answer, Answered};
use crate::check::{Checks, reference, syntax};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::Query;
use actix_web::get;
use chrono::{DateTime, Utc};
use delivr_app::stored::show_state;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ports::store::{After, Attention, Due, Page, ReleaseFilter, Sort};
use delivr_domain::release::{Phase, view::Status};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Releases.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseList {
    items: Vec<ReleaseView>,
    next_cursor: Option<String>,
}

/// What a list is narrowed to, and its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Narrowing {
    /// Board status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    /// Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_id: Option<String>,
    /// Words: releases that have, for each of them, a word that begins so in key, title, version, branch or tag.
    /// Upper and lower case are the same; a number alone is also the one of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) q: Option<String>,
    /// Who pilots it; `me` is whoever asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pilot: Option<String>,
    /// Any of NONE (it goes on by itself), WAITING (for a person's decision), STOPPED (something failed, or somebody
    /// stopped it), separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attention: Option<String>,
    /// `true`: only those that are not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<bool>,
    /// Of those that are on their way to users: LATE (the target date has passed) or UPCOMING (it is to come).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<String>,
    /// `key` (the order in which they were made), `serviceSlug`, `status`, `kickoffAt`, `targetDate`, `updatedAt` or
    /// `priority` (the critical first, then what has not changed for the longest time); with a hyphen before it the other
    /// way round. `-key` unless said. What has no such value stands at the end either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sort: Option<String>,
}

/// The query of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Board status.
    status: Option<String>,
    /// Phase.
    phase: Option<String>,
    /// Service.
    service_id: Option<String>,
    /// Words: releases that have, for each of them, a word that begins so in key, title, version, branch or tag.
    /// Upper and lower case are the same; a number alone is also the one of the key.
    q: Option<String>,
    /// Who pilots it; `me` is whoever asks.
    pilot: Option<String>,
    /// Any of NONE (it goes on by itself), WAITING (for a person's decision), STOPPED (something failed, or somebody
    /// stopped it), separated by commas.
    attention: Option<String>,
    /// `true`: only those that are not over.
    open: Option<bool>,
    /// Of those that are on their way to users: LATE (the target date has passed) or UPCOMING (it is to come).
    due: Option<String>,
    /// `key` (the order in which they were made), `serviceSlug`, `status`, `kickoffAt`, `targetDate`, `updatedAt` or
    /// `priority` (the critical first, then what has not changed for the longest time); with a hyphen before it the other
    /// way round. `-key` unless said. What has no such value stands at the end either way.
    sort: Option<String>,
    /// At most so many items, 1 to 200; 50 unless said.
    limit: Option<u16>,
    /// `nextCursor` of the page before, with the same filters and sort.
    cursor: Option<String>,
}

/// Words of whoever asks, in the place of an address.
const ME: &str = "me";

impl Narrowing {
    /// Checks what is said, and reads it; mistakes are found below `at`.
    pub(crate) fn filter(&self, at: &str, actor: &str, now: DateTime<Utc>) -> Result<ReleaseFilter, Problem> {
        let place = |name: &str| format!("{at}/{name}");
        Checks::new()
            .text_if(&place("q"), self.q.as_deref(), 1, 200)
            .text_if(&place("pilot"), self.pilot.as_deref(), 1, 200)
            .done()?;
        let mut attention: Vec<Attention> = Vec::new();
        for word in self.attention.iter().flat_map(|text| text.split(',')) {
            attention.push(syntax(&place("attention"), word.trim())?);
        }
        attention.sort_unstable();
        attention.dedup();
        Ok(ReleaseFilter {
            status: self
                .status
                .as_ref()
                .map(|text| syntax::<Status>(&place("status"), text).map(|it| it.word().to_owned()))
                .transpose()?,
            phase: self
                .phase
                .as_ref()
                .map(|text| syntax::<Phase>(&place("phase"), text).map(|it| it.word().to_owned()))
                .transpose()?,
            service: self
                .service_id
                .as_ref()
                .map(|text| reference(&place("serviceId"), text, "service"))
                .transpose()?,
            text: self.q.clone(),
            pilot: self.pilot.as_deref().map(|pilot| {
                let pilot = if pilot == ME { actor } else { pilot };
                pilot.to_lowercase()
            }),
            attention,
            open: self.open == Some(true),
            due: self
                .due
                .as_ref()
                .map(|text| syntax::<Due>(&place("due"), text).map(|due| (due, now)))
                .transpose()?,
            sort: self
                .sort
                .as_ref()
                .map(|text| syntax::<Sort>(&place("sort"), text))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// Releases, the newest first unless another order is asked for.
///
/// A page is continued by `nextCursor` after the value and the key of its last release, with the same filters and sort: a
/// cursor of another list is refused. A release that keeps the value it is sorted by is never left out and never comes
/// twice. One whose value changes while you page moves to its new place: it comes again if that lies ahead of you, and not
/// any more if it lies behind.
#[utoipa::path(tag = "Releases", params(ListQuery), responses((status = 200, description = "Releases", body = ReleaseList)))]
#[get("/releases")]
pub(crate) async fn list(cx: Context, asked: Query<ListQuery>) -> Answered {
    let Query(asked) = asked;
    Checks::new()
        .text_if("/cursor", asked.cursor.as_deref(), 1, 500)
        .done()?;
    let narrowing = Narrowing {
        status: asked.status,
        phase: asked.phase,
        service_id: asked.service_id,
        q: asked.q,
        pilot: asked.pilot,
        attention: asked.attention,
        open: asked.open,
        due: asked.due,
        sort: asked.sort,
    };
    let filter = narrowing.filter("", cx.who.actor(), cx.app.clock.now())?;
    let page = Page {
        limit: limit(asked.limit)?,
        cursor: asked.cursor,
    };
    if page
        .cursor
        .as_ref()
        .is_some_and(|cursor| After::read(cursor, &filter).is_none())
    {
        return Err(Problem::malformed_at(
            "/cursor",
            "is of no page of this list: a list with other filters or another sort begins with its first page",
        ));
    }
    let listed = cx.app.store.releases(cx.tenant(), &filter, &page).await?;
    let sweep = match listed.items.as_slice() {
        [] => None,
        [_, ..] => last_sweep(&cx).await?,
    };
    let mut items = Vec::with_capacity(listed.items.len());
    for row in &listed.items {
        if let Aggregate::Release(it) = show_state(row)? {
            items.push(release(&it, Include::default(), sweep, &[]));
        }
    }
    Ok(Answer::ok(&ReleaseList {
        items,
        next_cursor: listed.next,
    }))
}
