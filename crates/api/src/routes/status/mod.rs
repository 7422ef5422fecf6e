//! Status pages: what people without a way in may see of a release or a service, by a link that can be revoked.
//!
//! A link holds a random word of 256 bits; the store keeps its digest alone, so that nobody who reads the database can
//! follow it. It is found by that digest, and compared with nothing whose time could tell something.

mod public;
mod shown;

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, micros, reference, unknown};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{delete, get, post};
use chrono::TimeDelta;
use delivr_app::usecases::access::{Role, digest_of, hex};
use delivr_app::usecases::releases;
use delivr_domain::ids::{ReleaseId, ServiceId, StatusLinkId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Change, StatusLink, StatusOf};
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// What the word of every link begins with, so that scanners find leaked ones.
const PREFIX: &str = "dls_";
/// How long a link shows something unless it is said.
const LASTS: TimeDelta = TimeDelta::days(30);
/// How long at most.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(create)
        .service(revoke)
        .service(shown::read);
}

/// The digest by which the word of a link is found.
fn digest(word: &str) -> String {
    digest_of(word.as_bytes())
}

/// A link without its word.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkView {
    id: String,
    /// For whom it is.
    name: String,
    /// The release it shows, if it shows one.
    release_id: Option<String>,
    /// The service whose releases it shows, if it shows one's.
    service_id: Option<String>,
    /// Who made it.
    made_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// It shows nothing from here on.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// The page it leads to: below the public address of this installation, or a path of it where none is set. Shown
    /// once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Links.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkList {
    items: Vec<LinkView>,
    next_cursor: Option<String>,
}

/// A link to be made, to a release or to a service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// For whom it is; people of the organisation alone read it.
    name: String,
    /// The release, by id or key.
    release_id: Option<String>,
    /// The service.
    service_id: Option<String>,
    /// It shows nothing from here on; 30 days from now unless said, at most 366.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

fn view(link: &StatusLink, url: Option<String>) -> LinkView {
    let (release, service) = match link.about {
        StatusOf::Release(id) => (Some(id.to_string()), None),
        StatusOf::Service(id) => (None, Some(id.to_string())),
    };
    LinkView {
        id: link.id.to_string(),
        name: link.name.clone(),
        release_id: release,
        service_id: service,
        made_by: link.made_by.clone(),
        created_at: link.created_at,
        expires_at: link.expires_at,
        revoked_at: link.revoked_at,
        url,
    }
}

/// Links to status pages, the newest first.
#[utoipa::path(tag = "Status pages",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Links", body = LinkList)))]
#[get("/status-links")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    cx.at_least(Role::Member)?;
    let found = cx.app.store.status_links(cx.tenant()).await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    Ok(Answer::ok(&LinkList {
        items: items.iter().map(|it| view(it, None)).collect(),
        next_cursor,
    }))
}

async fn about(cx: &Context, body: &LinkBody) -> Result<StatusOf, Problem> {
    match (&body.release_id, &body.service_id) {
        (Some(named), None) => {
            let missing = || unknown("/releaseId", "release");
            let id = releases::named(&cx.app, cx.tenant(), named)
                .await?
                .ok_or_else(missing)?;
            let found = releases::find(&cx.app, cx.tenant(), id).await?;
            let (row, _release) = found.ok_or_else(missing)?;
            Ok(StatusOf::Release(ReleaseId::from_uuid(row.id.id)))
        }
        (None, Some(named)) => {
            let id: ServiceId = reference("/serviceId", named, "service")?;
            let found = cx.app.store.service(cx.tenant(), id).await?;
            found
                .map(|it| StatusOf::Service(it.id))
                .ok_or_else(|| unknown("/serviceId", "service"))
        }
        (Some(_), Some(_)) | (None, None) => Err(Problem::malformed_at(
            "/releaseId",
            "name either a release or a service",
        )),
    }
}

/// Makes a link to a status page: whoever has it sees how the release, or the service's releases, stand, without signing
/// in. The page names no people, no addresses and no words of vendors. The link is shown this once.
#[utoipa::path(tag = "Status pages", request_body = LinkBody,
    responses((status = 201, description = "The link with its address", body = LinkView)))]
#[post("/status-links")]
pub(crate) async fn create(cx: Context, body: Body<LinkBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    Checks::new().text("/name", &body.name, 1, 100).done()?;
    let about = about(&cx, &body).await?;
    let now = cx.now();
    let expires_at = body.expires_at.map_or(now + LASTS, micros);
    if expires_at <= now {
        return Err(Problem::unsuitable(
            "past_date",
            "/expiresAt",
            "the expiry lies in the past",
        ));
    }
    if expires_at - now > LONGEST {
        return Err(Problem::unsuitable(
            "too_long",
            "/expiresAt",
            "a link lasts 366 days at most; make another one then",
        ));
    }
    let mut bytes = [0; 32];
    cx.app.entropy.fill(&mut bytes);
    let word = format!("{PREFIX}{}", hex(&bytes));
    let link = StatusLink {
        id: StatusLinkId::from_uuid(cx.fresh().await?),
        tenant: cx.tenant(),
        digest: digest(&word),
        name: body.name,
        about,
        made_by: cx.who.actor().to_owned(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    cx.shows_a_secret();
    match cx.set_up_new(&Change::InsertStatusLink(&link)).await {
        // An earlier request with this key made it, and was interrupted before its answer was kept.
        Err(StoreError::Duplicate(_)) if cx.may_repeat() => return Err(Problem::already_shown()),
        inserted => inserted?,
    }
    let root = cx.public_url.as_ref().map_or("", |url| url.as_str());
    let url = format!("{}/status/{word}", root.trim_end_matches('/'));
    let place = cx.place(&format!("/status-links/{}", link.id));
    Ok(Answer::created(place, &view(&link, Some(url))))
}

/// Revokes a link at once. Revoked twice, it is revoked since the first time.
#[utoipa::path(tag = "Status pages", responses((status = 204, description = "It shows nothing any more")))]
#[delete("/status-links/{linkId}")]
pub(crate) async fn revoke(cx: Context) -> Answered {
    cx.at_least(Role::Member)?;
    let id: StatusLinkId = cx.id("linkId", "link to a status page")?;
    if cx
        .set_up(&Change::RevokeStatusLink(cx.tenant(), id, cx.now()))
        .await?
    {
        Ok(Answer::none())
    } else {
        Err(Problem::missing("link to a status page"))
    }
}
