//! Tickets: how a browser without a cookie opens the live stream of a release. A page cannot give the stream a header,
//! and a token in an address would end up in logs; a ticket is good once, for a minute, for one stream.
//!
//! The address holds a random word; the store keeps its digest with the token and the release it stands for. That it was
//! used is a row which can be inserted once, so that one of two processes wins.

use super::load::find;
use crate::answer::{Answer, Answered};
use crate::check::micros;
use crate::context::Context;
use crate::places;
use crate::problem::Problem;
use actix_web::http::Method;
use actix_web::{HttpRequest, post};
use chrono::TimeDelta;
use delivr_app::App;
use delivr_app::usecases::access::{self, Principal, digest_of, hex};
use delivr_app::usecases::releases;
use delivr_domain::ids::{TenantId, TokenId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::StoredAnswer;
use delivr_domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long a ticket is good.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(60);
/// What every ticket begins with, so that scanners find leaked ones.
const PREFIX: &str = "dlt_";

/// A ticket, shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketView {
    /// For `?ticket=` of the stream. Good once.
    ticket: String,
    /// Not valid from here on.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The stream with the ticket, as a path of this server.
    url: String,
}

/// A ticket for the live stream of the release: good once, for 60 seconds, with the rights of the token that asks.
#[utoipa::path(tag = "Activities", responses((status = 201, description = "The ticket", body = TicketView)))]
#[post("/releases/{releaseId}/events/ticket")]
pub(crate) async fn issue(cx: Context) -> Answered {
    let (row, _release) = find(&cx).await?;
    let mut bytes = [0; 32];
    cx.app.entropy.fill(&mut bytes);
    let tenant = cx.tenant();
    let ticket = format!("{PREFIX}{}_{}", tenant.uuid().simple(), hex(&bytes));
    let expires_at = micros(cx.app.store.now().await?) + GOOD_FOR;
    let kept = StoredAnswer {
        request: row.id.id.to_string(),
        status: 201,
        body: cx.who.token.to_string(),
        expires_at,
    };
    cx.shows_a_secret();
    cx.app
        .store
        .insert_answer(tenant, &issued(&ticket), &kept)
        .await?;
    let stream = cx.place(&format!("/releases/{}/events", row.id.id));
    let view = TicketView {
        url: format!("{stream}?ticket={ticket}"),
        ticket,
        expires_at,
    };
    Ok(Answer::created(stream, &view))
}

/// Keys beside those of callers, which begin with the id of a token.
fn issued(ticket: &str) -> String {
    format!("ticket/{}", digest_of(ticket.as_bytes()))
}

fn used(ticket: &str) -> String {
    format!("ticket-used/{}", digest_of(ticket.as_bytes()))
}

/// A value of the query; tickets and positions need no decoding.
pub(super) fn query<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request
        .query_string()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The ticket a request for a live stream brings, and the release it is for as the path names it.
pub(crate) fn brought(request: &HttpRequest) -> Option<(&str, String)> {
    if request.method() != Method::GET {
        return None;
    }
    let place = places::place(request.path())?;
    let release = place.path.strip_prefix("/releases/")?.strip_suffix("/events")?;
    Some((query(request, "ticket")?, release.to_owned()))
}

/// Who asks by a ticket, which is spent by this.
///
/// # Errors
/// 401 for a ticket that is none, of another release, used, or too old; the four are not told apart.
pub(crate) async fn redeem(app: &App, ticket: &str, release: &str) -> Result<Principal, Problem> {
    let tenant = ticket
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .and_then(|(tenant, _)| Uuid::try_parse(tenant).ok())
        .map(TenantId::from_uuid);
    let Some(tenant) = tenant else {
        return Err(spent());
    };
    let Some(kept) = app.store.answer(tenant, &issued(ticket)).await? else {
        return Err(spent());
    };
    let named = releases::named(app, tenant, release).await?;
    if named.is_none_or(|id| id.id.to_string() != kept.request) {
        return Err(spent());
    }
    let token: TokenId = kept.body.parse().map_err(|_ignored| spent())?;
    let mark = StoredAnswer {
        body: String::new(),
        ..kept
    };
    match app.store.insert_answer(tenant, &used(ticket), &mark).await {
        Ok(()) => {}
        Err(StoreError::Duplicate(_) | StoreError::Conflict) => return Err(spent()),
        Err(error) => return Err(error.into()),
    }
    access::by_token(app, tenant, token).await?.ok_or_else(spent)
}

fn spent() -> Problem {
    Problem::unauthenticated()
}
