//! Calendar links: addresses that calendar programmes subscribe to, made, listed and revoked.

use crate::api::{Call, Encryption};
use crate::form::{Form, host};
use crate::frame::{Frame, go, page};
use crate::model::List;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A link.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) person: Option<String>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) url: Option<String>,
}

#[derive(Template)]
#[template(path = "links.html")]
struct Links {
    frame: Frame,
    links: Vec<Link>,
    /// The link that was just made, with its address.
    made: Option<Link>,
    /// The visitor may make some.
    may: bool,
    /// Everybody's are seen.
    all: bool,
    more: bool,
}

/// The address that was made, whole: an installation that does not know its own is reached as the visitor reaches it.
fn whole(visit: &Visit, url: String) -> String {
    if !url.starts_with('/') {
        return url;
    }
    let scheme = match visit.api.encryption(&visit.request) {
        Encryption::Encrypted => "https",
        Encryption::ThisMachine | Encryption::Open => "http",
    };
    format!("{scheme}://{}{url}", host(&visit.request))
}

async fn links(visit: &Visit, made: Option<Link>) -> Result<Links, Stop> {
    let mut found: List<Link> = visit.ask(Call::get("/calendar/links?limit=200")).await?;
    found.items.retain(|link| link.revoked_at.is_none());
    Ok(Links {
        frame: visit.frame("timeline"),
        links: found.items,
        made,
        may: visit.who.role >= Role::Member,
        all: visit.who.role >= Role::Admin,
        more: found.next_cursor.is_some(),
    })
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    Ok(page(StatusCode::OK, &links(&visit, None).await?))
}

fn wanted(form: &Form) -> Value {
    let mut body = Map::new();
    body.insert("name".to_owned(), form.get("name").unwrap_or_default().into());
    // A day without an hour: until its end.
    if let Some(day) = form.get("expires") {
        body.insert("expiresAt".to_owned(), format!("{day}T23:59:59Z").into());
    }
    Value::Object(body)
}

/// Makes a link, and shows its address this once: the answer itself is the page, so that no address of ours ever has it.
pub(super) async fn make(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let call = Call::post("/calendar/links", wanted(&form));
    let reply = visit.api.call(&visit.who, call).await;
    let mut made: Link = reply
        .read()
        .map_err(|reply| visit.refuse_from(reply, "/timeline/links"))?;
    made.url = made.url.map(|url| whole(&visit, url));
    Ok(page(StatusCode::CREATED, &links(&visit, Some(made)).await?))
}

/// Revokes a link.
pub(super) async fn revoke(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let id = visit.segment("link")?;
    let call = Call::bare(Method::DELETE, format!("/calendar/links/{id}"));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go("/timeline/links?done=unlinked"))
    } else {
        Err(visit.refuse_from(reply, "/timeline/links"))
    }
}
