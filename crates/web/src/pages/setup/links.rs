//! Links to status pages: who was given one, making another, taking it back.

use super::{barred, services};
use crate::api::Call;
use crate::fields::{Choice, Field, Section, Sheet};
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem, Release};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use delivr_app::usecases::access::Role;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/settings/links")
                .route(web::get().to(list))
                .route(web::post().to(make)),
        )
        .service(
            web::resource("/settings/links/{link}/revoke")
                .route(web::get().to(ask_revoke))
                .route(web::post().to(revoke)),
        );
}

/// A link.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    id: String,
    name: String,
    release_id: Option<String>,
    service_id: Option<String>,
    made_by: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
    /// Its address, while it is new.
    url: Option<String>,
}

/// A link with what it is about: address and name.
struct Row {
    it: Link,
    about: Option<(String, String)>,
    /// It still shows something.
    open: bool,
}

#[derive(Template)]
#[template(path = "status_links.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    made: Option<Link>,
    sheet: Sheet,
    blocked: Option<String>,
}

#[derive(Template)]
#[template(path = "link_revoke.html")]
struct Revoke {
    frame: Frame,
    it: Link,
}

const LASTS: &[(&str, &str)] = &[
    ("30", "30 days"),
    ("7", "a week"),
    ("90", "90 days"),
    ("365", "a year"),
];

async fn releases(visit: &Visit) -> Result<Vec<Release>, Stop> {
    let found: List<Release> = visit.look("/releases?limit=50").await?;
    Ok(found.items)
}

async fn sheet(visit: &Visit) -> Result<Sheet, Stop> {
    let mut about = Vec::new();
    for it in releases(visit).await? {
        if it.phase != "ARCHIVED" {
            about.push(Choice::new(
                &it.key,
                format!("{} {} {}", it.key, it.title, it.version),
            ));
        }
    }
    for it in services::all(visit).await? {
        about.push(Choice::new(it.id, format!("All releases of {}", it.name)));
    }
    let wanted = visit.query();
    let wanted = wanted.get("of").unwrap_or_default();
    let mut field = Field::choice("/about", "It shows", about);
    if field.choices().iter().any(|it| it.value == wanted) {
        field = field.with(wanted);
    }
    let days = LASTS.iter().map(|(days, label)| Choice::new(*days, *label));
    let fields = vec![
        field.must(),
        Field::line("/name", "For whom")
            .must()
            .about("Only people of your organisation read this.")
            .like("Marketing"),
        Field::choice("/days", "For how long", days.collect()).must(),
    ];
    Ok(Sheet::new(vec![Section::new("A new link", fields)]))
}

async fn all(visit: &Visit) -> Result<Vec<Link>, Stop> {
    let found: List<Link> = visit.ask(Call::get("/status-links?limit=200")).await?;
    Ok(found.items)
}

/// What a link is about, as far as it is still there.
async fn about(visit: &Visit, it: &Link) -> Option<(String, String)> {
    if let Some(id) = &it.release_id {
        let release: Release = visit.look(format!("/releases/{id}?include=")).await.ok()?;
        let name = format!("{} {}", release.key, release.title);
        return Some((format!("/releases/{}", release.key), name));
    }
    let id = it.service_id.as_ref()?;
    let service: crate::setup::Service = visit.look(format!("/services/{id}")).await.ok()?;
    Some((format!("/services/{id}"), service.name))
}

async fn shown(visit: &Visit, status: StatusCode, made: Option<Link>, sheet: Sheet) -> Paged {
    let blocked = barred(visit, Role::Member);
    let now = visit.api.app().clock.now();
    let mut rows = Vec::new();
    let links = match blocked {
        Some(_) => Vec::new(),
        None => all(visit).await?,
    };
    for it in links {
        rows.push(Row {
            about: about(visit, &it).await,
            open: it.revoked_at.is_none() && it.expires_at > now,
            it,
        });
    }
    let template = Page {
        frame: visit.frame("settings"),
        rows,
        made,
        sheet,
        blocked,
    };
    Ok(page(status, &template))
}

async fn list(visit: Visit) -> Paged {
    let sheet = sheet(&visit).await?;
    shown(&visit, StatusCode::OK, None, sheet).await
}

/// The body of the request that the form stands for.
fn body_of(visit: &Visit, taken: &Value) -> Value {
    let text = |name: &str| taken.get(name).and_then(Value::as_str).unwrap_or_default();
    let about = text("about");
    let kind = if about.starts_with("REL-") {
        "releaseId"
    } else {
        "serviceId"
    };
    let days: i64 = text("days").parse().unwrap_or(1);
    let until = visit.api.app().clock.now() + TimeDelta::days(days);
    json!({"name": text("name"), kind: about, "expiresAt": until.to_rfc3339()})
}

/// Makes a link, and shows it this once: the answer itself is the page, so that no address of ours ever has it.
async fn make(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut sheet = sheet(&visit).await?;
    let Some(taken) = sheet.take(&form) else {
        return shown(&visit, StatusCode::BAD_REQUEST, None, sheet).await;
    };
    let call = Call::post("/status-links", body_of(&visit, &taken));
    match visit.api.call(&visit.who, call).await.read::<Link>() {
        Ok(made) => {
            let empty = self::sheet(&visit).await?;
            shown(&visit, StatusCode::CREATED, Some(made), empty).await
        }
        Err(reply) => {
            sheet.refuse(&Problem::of(&reply));
            shown(&visit, reply.status, None, sheet).await
        }
    }
}

async fn ask_revoke(visit: Visit) -> Paged {
    let id = visit.segment("link")?;
    let found = all(&visit).await?.into_iter().find(|it| it.id == id);
    let it = found.ok_or_else(|| visit.refuse(no(StatusCode::NOT_FOUND, "there is no such link")))?;
    let template = Revoke {
        frame: visit.frame("settings"),
        it,
    };
    Ok(page(StatusCode::OK, &template))
}

async fn revoke(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let id = visit.segment("link")?;
    let call = Call::bare(Method::DELETE, format!("/status-links/{id}"));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go("/settings/links?done=unlinked"))
    } else {
        Err(visit.refuse_from(reply, "/settings/links"))
    }
}
