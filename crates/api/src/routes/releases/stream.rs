//! The live stream of a release: its events, and those of its submissions and rollouts, as they are committed.
//!
//! Positions only rise as readers see them, so a reader that comes back with the last one it saw misses nothing and gets
//! nothing twice. The store is asked again and again; a message that could be lost is no part of it.

use super::load::find;
use super::ticket::query;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::activities::activity;
use crate::seats::Seat;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, get};
use bytes::Bytes;
use delivr_app::usecases::access;
use delivr_domain::ids::{TenantId, TokenId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::StoredEvent;
use futures_util::future::select;
use futures_util::stream::Stream;
use serde_json::json;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

/// Pause between two looks at the store.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks without news after which a comment keeps the connection alive.
const QUIET_LOOKS: u32 = 30;
/// How long a credential counts as valid without being checked again, however much there is to tell. With the pause
/// between two looks, who lost it hears nothing more after less than 15 s.
const TRUSTED_FOR: Duration = Duration::from_secs(10);
/// Events read at once.
const BATCH: u16 = 200;

/// Events of the release from now on, or after `Last-Event-ID`. Each has its position as id, its kind as event and an
/// activity as data. Ends when the server stops or the credential does; clients connect again by themselves.
///
/// An id that no event has had yet is of another history, as after a restore: then the stream begins with the event
/// `RESET`, whose data are `lastEventId` and the `position` that it goes on after, and the release must be read again.
#[utoipa::path(
    tag = "Activities",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The last event seen: the stream goes on after it."),
        ("lastEventId" = Option<String>, Query, description = "The same, for browsers, which set that header only when they come back by themselves."),
        ("ticket" = Option<String>, Query, description = "Instead of a credential: a ticket of this release, good once."),
    ),
    responses((status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String))
)]
#[get("/releases/{releaseId}/events")]
pub(crate) async fn events(cx: Context, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if cx.head_alone() {
        let detail = "the stream has no end and answers to GET alone";
        return Err(Problem::of_method(
            "request_refused",
            detail,
            vec!["GET".to_owned()],
        ));
    }
    let (row, _release) = find(&cx).await?;
    let from = match last_seen(&request)? {
        Some(position) => resumed(&cx, position).await?,
        None => Beginning::after(newest(&cx).await?),
    };
    let seat = cx.seat()?;
    let stream = live((cx, seat), row.id, from);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies that collect answers would hold events back.
        .insert_header((
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ))
        .streaming(stream))
}

fn last_seen(request: &HttpRequest) -> Result<Option<i64>, Problem> {
    let header = request.headers().get("last-event-id");
    let text = match header {
        Some(value) => Some(value.to_str().unwrap_or_default()),
        None => query(request, "lastEventId"),
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let position = text.trim().parse().ok();
    position
        .filter(|position| *position >= 0)
        .map(Some)
        .ok_or_else(|| Problem::malformed_at("", "Last-Event-ID must be the id of an event of this stream"))
}

async fn newest(cx: &Context) -> Result<i64, Problem> {
    Ok(cx.app.store.feed_end(cx.tenant()).await?)
}

/// Where a stream begins.
struct Beginning {
    /// Events after this position are told.
    after: i64,
    /// The id that the client came with, where it is of no event of this history.
    unknown: Option<i64>,
}

impl Beginning {
    const fn after(after: i64) -> Self {
        Self { after, unknown: None }
    }
    /// What is told first. An id without data: a client that loses the connection now comes back to this very place.
    fn greeting(&self) -> String {
        let Self { after, unknown } = self;
        let reset = unknown.map_or_else(String::new, |unknown| {
            let data = json!({"lastEventId": unknown, "position": after});
            format!("id: {after}\nevent: RESET\ndata: {data}\n\n")
        });
        format!("retry: 2000\nid: {after}\n\n{reset}")
    }
}

/// Goes on where the client stopped, if it can have been there: waiting for a position that is far ahead would hide all
/// that comes before it.
async fn resumed(cx: &Context, position: i64) -> Result<Beginning, Problem> {
    let end = newest(cx).await?;
    if position <= end {
        return Ok(Beginning::after(position));
    }
    // The lists show an event a moment before the stream does.
    let newest = cx.app.store.feed_backwards(cx.tenant(), None, 1).await?;
    if newest.first().is_some_and(|event| position <= event.position) {
        return Ok(Beginning::after(position));
    }
    Ok(Beginning {
        after: end,
        unknown: Some(position),
    })
}

/// Whose events belong to the stream.
struct Family {
    tenant: TenantId,
    release: AggregateId,
    members: BTreeSet<AggregateId>,
    strangers: BTreeSet<AggregateId>,
}

impl Family {
    async fn has(&mut self, cx: &Context, owner: AggregateId) -> Result<bool, StoreError> {
        if self.members.contains(&owner) {
            return Ok(true);
        }
        // A release is nobody's child, and who was a stranger stays one.
        if owner.kind == AggregateKind::Release || self.strangers.contains(&owner) {
            return Ok(false);
        }
        let children = cx.app.store.children(self.tenant, self.release.id).await?;
        self.members.extend(children.iter().map(|row| row.id));
        if self.members.contains(&owner) {
            return Ok(true);
        }
        self.strangers.insert(owner);
        Ok(false)
    }
}

/// Who listens.
struct Listener {
    token: TokenId,
    checked: Monotonic,
}

impl Listener {
    /// Whether the credential that opened the stream still counts.
    async fn may_listen(&mut self, cx: &Context) -> bool {
        let now = cx.app.clock.monotonic();
        if now < self.checked.plus(TRUSTED_FOR) {
            return true;
        }
        self.checked = now;
        matches!(
            access::valid_token(&cx.app, cx.tenant(), self.token).await,
            Ok(Some(_))
        )
    }
}

fn live(
    (cx, seat): (Context, Seat),
    release: AggregateId,
    from: Beginning,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    async_stream::stream! {
        let mut closing = cx.closing();
        let mut family = Family {
            tenant: cx.tenant(),
            release,
            members: BTreeSet::from([release]),
            strangers: BTreeSet::new(),
        };
        let mut listener = Listener {
            token: cx.who.token,
            checked: cx.app.clock.monotonic(),
        };
        // Held for as long as somebody listens.
        let _seat = seat;
        let mut quiet = 0;
        let mut after = from.after;
        yield Ok(Bytes::from(from.greeting()));
        while !*closing.borrow_and_update() && listener.may_listen(&cx).await {
            let found = match cx.app.store.feed(cx.tenant(), after, BATCH).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "a live stream ends: its events cannot be read");
                    break;
                }
            };
            let more = found.len() == usize::from(BATCH);
            for stored in found {
                // A slow reader may take long for what was read at once.
                if !listener.may_listen(&cx).await {
                    return;
                }
                after = stored.position;
                match family.has(&cx, stored.owner).await {
                    Ok(true) => match message(&stored) {
                        Some(text) => {
                            quiet = 0;
                            yield Ok(Bytes::from(text));
                        }
                        None => return,
                    },
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a live stream ends: its children cannot be read");
                        return;
                    }
                }
            }
            if more {
                continue;
            }
            quiet += 1;
            if quiet >= QUIET_LOOKS {
                quiet = 0;
                yield Ok(Bytes::from_static(b": still here\n\n"));
            }
            let until = cx.app.clock.monotonic().plus(LOOK_EVERY);
            select(pin!(cx.app.clock.sleep_until(until)), pin!(closing.changed())).await;
        }
    }
}

/// One event as the protocol writes it; none when it cannot be read, which ends the stream.
fn message(stored: &StoredEvent) -> Option<String> {
    let view = activity(stored).ok()?;
    let data = serde_json::to_string(&view).ok()?;
    Some(format!(
        "id: {}\nevent: {}\ndata: {data}\n\n",
        view.position, view.kind
    ))
}
