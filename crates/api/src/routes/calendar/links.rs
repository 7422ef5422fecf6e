//! Calendar links: secrets in an address, each good for the feed of its tenant and for nothing else.
//!
//! A link is kept as a token is, by its digest, and stands in the list of tokens: whoever looks there for what opens
//! something finds it. It is not a credential; see [`access::CALENDAR`].

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, micros};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{delete, get, post};
use delivr_app::usecases::access::{self, Role};
use delivr_domain::ids::TokenId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Token;
use delivr_domain::time::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalendarLinkView {
    id: String,
    name: String,
    /// Who made it; none when a service token did.
    person: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What a calendar programme subscribes to, shown once, at creation: an address where the installation knows its own,
    /// else a path of this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

fn view(link: Token, url: Option<String>) -> CalendarLinkView {
    CalendarLinkView {
        id: link.id.to_string(),
        name: link.name,
        person: link.person,
        expires_at: link.expires_at,
        revoked_at: link.revoked_at,
        created_at: link.created_at,
        url,
    }
}

/// Links.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalendarLinkList {
    items: Vec<CalendarLinkView>,
    next_cursor: Option<String>,
}

/// A link to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CalendarLinkBody {
    /// Name for people: which calendar it is for.
    name: String,
    /// Not good from here on.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// The caller's own links; an admin's are all of the tenant.
async fn seen(cx: &Context) -> Result<Vec<Token>, Problem> {
    let mut links = cx.app.store.tokens(cx.tenant()).await?;
    let person = cx.who.person.as_ref().map(ToString::to_string);
    let all = cx.who.role >= Role::Admin;
    links.retain(|it| it.role == access::CALENDAR && (all || (person.is_some() && it.person == person)));
    Ok(links)
}

/// Calendar links, newest first: one's own, and for an admin those of everybody.
#[utoipa::path(tag = "Calendar",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Links", body = CalendarLinkList)))]
#[get("/calendar/links")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let (items, next_cursor) = paging.0.page(seen(&cx).await?, |it| it.id.to_string())?;
    Ok(Answer::ok(&CalendarLinkList {
        items: items.into_iter().map(|link| view(link, None)).collect(),
        next_cursor,
    }))
}

/// Makes a link for one calendar programme; its address is shown this once. Whoever has it reads kickoffs, slots and
/// target dates until it is revoked.
#[utoipa::path(tag = "Calendar", request_body = CalendarLinkBody,
    responses((status = 201, description = "The link with its address", body = CalendarLinkView)))]
#[post("/calendar/links")]
pub(crate) async fn make(cx: Context, body: Body<CalendarLinkBody>) -> Answered {
    cx.at_least(Role::Member)?;
    if cx.who.person.is_none() && cx.who.role < Role::Admin {
        return Err(Problem::forbidden(
            "a link belongs to the person who makes it, and this token has nobody behind it; an admin's may",
        ));
    }
    let Body(body) = body;
    Checks::new().text("/name", &body.name, 1, 100).done()?;
    let expires_at = body.expires_at.map(micros);
    if expires_at.is_some_and(|at| at <= cx.now()) {
        return Err(Problem::unsuitable(
            "past_date",
            "/expiresAt",
            "the expiry lies in the past",
        ));
    }
    let id = cx.fresh().await?;
    cx.shows_a_secret();
    let made = access::issue_link(
        &cx.app,
        cx.tenant(),
        id,
        &body.name,
        cx.who.person.as_ref(),
        expires_at,
        cx.who.actor(),
    );
    let made = match made.await {
        // An earlier request with this key made it, and was interrupted before its answer was kept.
        Err(StoreError::Duplicate(_)) if cx.may_repeat() => return Err(Problem::already_shown()),
        made => made?,
    };
    let base = cx
        .public_url
        .as_ref()
        .map_or("", |url| url.as_str().trim_end_matches('/'));
    let url = format!(
        "{base}{}?link={}",
        cx.place("/calendar.ics"),
        made.secret.expose_secret()
    );
    let place = cx.place(&format!("/calendar/links/{}", made.token.id));
    Ok(Answer::created(place, &view(made.token, Some(url))))
}

/// Revokes a link at once: calendars that use it get nothing more.
#[utoipa::path(tag = "Calendar", responses((status = 204, description = "It is revoked")))]
#[delete("/calendar/links/{linkId}")]
pub(crate) async fn revoke(cx: Context) -> Answered {
    let id: TokenId = cx.id("linkId", "calendar link")?;
    let missing = || Problem::missing("calendar link");
    let link = seen(&cx).await?.into_iter().find(|link| link.id == id);
    let link = link.ok_or_else(missing)?;
    if access::revoke(&cx.app, cx.tenant(), link.id, cx.who.actor()).await? {
        Ok(Answer::none())
    } else {
        Err(missing())
    }
}
