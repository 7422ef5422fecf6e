//! Saved views of the table of releases: saving one, renaming, sharing and deleting it, and beginning with it.

use super::asked::{Asked, COLUMNS};
use crate::api::Call;
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::List;
use crate::shown::words;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A view.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) shared: bool,
    pub(crate) mine: bool,
    pub(crate) is_default: bool,
    pub(crate) made_by: String,
    filter: Map<String, Value>,
    columns: Option<Vec<String>>,
    pub(crate) version: u64,
    pub(crate) updated_at: DateTime<Utc>,
    /// Whether the visitor may change it.
    #[serde(skip)]
    pub(crate) may_change: bool,
}

impl View {
    /// What it shows.
    pub(crate) fn asked(&self) -> Asked {
        Asked::of_view(&self.id, &self.filter, self.columns.as_ref())
    }

    /// What it is narrowed to, in words.
    pub(crate) fn said(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (name, value) in &self.filter {
            let text = value.as_str().unwrap_or_default();
            parts.push(match name.as_str() {
                "status" | "phase" => words(text),
                "q" => format!("“{text}”"),
                "pilot" if text == "me" => "piloted by whoever looks".to_owned(),
                "pilot" => format!("piloted by {text}"),
                "open" => "not over".to_owned(),
                "serviceId" => "of one service".to_owned(),
                "attention" => match text {
                    "NONE" => "nobody is needed".to_owned(),
                    "WAITING" => "waits for a decision".to_owned(),
                    "STOPPED" => "stopped".to_owned(),
                    _ => "somebody is needed".to_owned(),
                },
                _ => continue,
            });
        }
        if parts.is_empty() {
            "All releases".to_owned()
        } else {
            parts.join(", ")
        }
    }

    /// Its columns, in words.
    pub(crate) fn heads(&self) -> String {
        let asked = self.asked();
        let labels: Vec<&str> = asked
            .shown()
            .iter()
            .filter_map(|key| COLUMNS.iter().find(|column| column.key == *key))
            .map(|column| column.label)
            .collect();
        labels.join(", ")
    }

    /// Its order, in words.
    pub(crate) fn order(&self) -> &'static str {
        let asked = self.asked();
        let found = super::asked::SORTS.iter().find(|(word, _)| *word == asked.sort);
        found.map_or("Newest first", |(_, label)| *label)
    }
}

/// Where views are managed.
const PLACE: &str = "/releases/views";

#[derive(Template)]
#[template(path = "views.html")]
struct Views {
    frame: Frame,
    views: Vec<View>,
}

#[derive(Template)]
#[template(path = "view.html")]
struct One {
    frame: Frame,
    it: View,
    may_share: bool,
}

#[derive(Template)]
#[template(path = "view_delete.html")]
struct Delete {
    frame: Frame,
    it: View,
}

fn with_rights(visit: &Visit, view: View) -> View {
    View {
        may_change: view.mine || visit.who.role >= Role::Admin,
        ..view
    }
}

/// The views that the visitor sees.
pub(super) async fn all(visit: &Visit) -> Result<Vec<View>, Stop> {
    let mut found = Vec::new();
    let mut path = "/views?limit=200".to_owned();
    loop {
        let list: List<View> = visit.ask(Call::get(path)).await?;
        found.extend(list.items.into_iter().map(|view| with_rights(visit, view)));
        match list.next_cursor {
            Some(next) => path = format!("/views?limit=200&cursor={next}"),
            None => return Ok(found),
        }
    }
}

async fn one(visit: &Visit) -> Result<View, Stop> {
    let id = visit.segment("view")?;
    let view: View = visit.ask(Call::get(format!("/views/{id}"))).await?;
    Ok(with_rights(visit, view))
}

/// All of them.
pub(super) async fn list(visit: Visit) -> Paged {
    let template = Views {
        views: all(&visit).await?,
        frame: visit.frame("releases"),
    };
    Ok(page(StatusCode::OK, &template))
}

/// The list that a form carries.
fn carried(form: &Form) -> Asked {
    Asked::read(&Form::read(form.get("list").unwrap_or_default().as_bytes()))
}

fn seen(form: &Form) -> Option<u64> {
    form.get("version").and_then(|text| text.parse().ok())
}

/// Saves the list that is looked at, and goes back to it.
pub(super) async fn save(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let (filter, columns) = carried(&form).content();
    let wanted = json!({
        "name": form.get("name").unwrap_or_default(),
        "shared": form.ticked("shared"),
        "filter": filter,
        "columns": columns,
    });
    let mut call = Call::post("/views", wanted);
    if let Some(once) = form.get("once") {
        call = call.named(once);
    }
    let reply = visit.api.call(&visit.who, call).await;
    let made: View = reply
        .read()
        .map_err(|reply| visit.refuse_from(reply, &carried(&form).address(None)))?;
    if form.ticked("default") {
        let call = Call::bare(Method::PUT, format!("/views/{}/default", made.id));
        let reply = visit.api.call(&visit.who, call).await;
        if !reply.status.is_success() {
            return Err(visit.refuse_from(reply, PLACE));
        }
    }
    Ok(go(&format!("/releases?view={}&done=view-saved", made.id)))
}

/// One of them, to be changed.
pub(super) async fn ask(visit: Visit) -> Paged {
    let template = One {
        it: one(&visit).await?,
        frame: visit.frame("releases"),
        may_share: visit.who.role >= Role::Member,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Renames and shares a view; or lets it show the list that is looked at.
pub(super) async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let id = visit.segment("view")?.to_owned();
    let wanted = if form.ticked("list") {
        let (filter, columns) = carried(&form).content();
        json!({"filter": filter, "columns": columns})
    } else {
        let mut wanted = json!({"name": form.get("name").unwrap_or_default()});
        if form.ticked("sharing")
            && let Some(fields) = wanted.as_object_mut()
        {
            fields.insert("shared".to_owned(), json!(form.ticked("shared")));
        }
        wanted
    };
    let call = Call::with(Method::PATCH, format!("/views/{id}"), wanted).of_version(seen(&form));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go(&format!("/releases?view={id}&done=view-changed")))
    } else {
        Err(visit.refuse_from(reply, &format!("{PLACE}/{id}")))
    }
}

/// Begins with a view, or with all releases again.
pub(super) async fn begin(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let id = visit.segment("view")?;
    let (method, done) = if form.ticked("begin") {
        (Method::PUT, "view-default")
    } else {
        (Method::DELETE, "view-no-default")
    };
    let call = Call::bare(method, format!("/views/{id}/default"));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go(&format!("{PLACE}?done={done}")))
    } else {
        Err(visit.refuse_from(reply, PLACE))
    }
}

/// Asks whether a view is to go.
pub(super) async fn ask_delete(visit: Visit) -> Paged {
    let template = Delete {
        it: one(&visit).await?,
        frame: visit.frame("releases"),
    };
    Ok(page(StatusCode::OK, &template))
}

/// Deletes it.
pub(super) async fn delete(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let id = visit.segment("view")?;
    let call = Call::bare(Method::DELETE, format!("/views/{id}")).of_version(seen(&form));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go(&format!("{PLACE}?done=view-deleted")))
    } else {
        Err(visit.refuse_from(reply, PLACE))
    }
}
