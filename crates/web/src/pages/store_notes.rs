//! What the stores tell users about a release: one form for each text, so that two people who write in two languages do
//! not write over each other; and one for all texts of the version before, where somebody takes those.

mod taking;

use super::users_read::{self, ReadRow, Reading, Spoken};
use crate::api::Call;
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{Problem, Release};
use crate::shown::words;
use crate::visit::{Paged, Stop, Visit, is_segment, no};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_domain::release::store_notes::Language;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use taking::{Taking, taken, taking};

/// The languages that the app has in a store, as the API tells them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Languages {
    known: Vec<String>,
    default: Option<String>,
    asked_at: Option<DateTime<Utc>>,
    failure: Option<String>,
    unread: Vec<String>,
}

impl Languages {
    /// Those without a text of their own.
    fn open(&self, notes: &BTreeMap<String, String>) -> Vec<String> {
        let open = self.known.iter().filter(|it| !notes.contains_key(*it));
        open.cloned().collect()
    }
    /// All of them as text, the default one named.
    fn listed(&self) -> String {
        let is_default = |it: &String| Some(it) == self.default.as_ref();
        let named = |it: &String| {
            if is_default(it) {
                format!("{it} (its default)")
            } else {
                it.clone()
            }
        };
        let all: Vec<String> = self.known.iter().map(named).collect();
        all.join(", ")
    }
}

/// The notes of one store target, as the API tells them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notes {
    target: String,
    longest: usize,
    closed: Option<String>,
    notes: BTreeMap<String, String>,
    profile: Option<String>,
    readings: Vec<Reading>,
    warning: Option<String>,
    previous: Option<Previous>,
    languages: Option<Languages>,
}

/// What users read about the version before.
#[derive(Debug, Clone, Deserialize)]
struct Previous {
    version: String,
    notes: BTreeMap<String, String>,
}

impl Notes {
    fn spoken(&self) -> Spoken {
        Spoken {
            target: self.target.clone(),
            profile: self.profile.clone(),
            readings: self.readings.clone(),
            warning: self.warning.clone(),
        }
    }
}

/// Those of every store target.
#[derive(Debug, Clone, Deserialize)]
struct Items {
    items: Vec<Notes>,
}

/// One text and its form.
struct Row {
    /// Its place on the page, for labels.
    id: String,
    /// The language; empty for a text whose language is yet to be named.
    language: String,
    title: String,
    text: String,
    /// Somebody wrote it already.
    written: bool,
    /// The app does not have its language in the store.
    unread: bool,
    /// Why it was refused.
    wrong: Option<String>,
}

impl Row {
    fn is_new(&self) -> bool {
        self.title.is_empty()
    }
    fn is_default(&self) -> bool {
        self.language == Language::DEFAULT && !self.is_new()
    }
    fn count(&self) -> usize {
        self.text.chars().count()
    }
}

/// One store with its texts.
struct Store {
    target: String,
    name: String,
    longest: usize,
    closed: Option<String>,
    /// What users read, or will read.
    reads: Vec<ReadRow>,
    warning: Option<String>,
    /// Languages of the profile's texts that the app does not have there.
    unread_defaults: String,
    /// The version before, whose texts can be taken.
    previous: Option<String>,
    /// They are being taken.
    taking: Option<Taking>,
    /// They may be changed, and by this visitor.
    open: bool,
    /// Languages of the app, as far as the store could be asked.
    languages: Option<Languages>,
    /// Those of them that may be chosen for a further text.
    choices: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "store_notes.html")]
struct Page {
    frame: Frame,
    release: Release,
    stores: Vec<Store>,
    member: bool,
}

/// What was sent and refused.
struct Refused {
    target: String,
    language: String,
    text: String,
    /// It came from the form for a further language.
    new: bool,
    /// Texts that came from the form that takes those of the version before.
    taken: Option<BTreeMap<String, String>>,
    why: String,
}

impl Refused {
    fn of(target: &str, form: &Form, why: String) -> Self {
        Self {
            target: target.to_owned(),
            language: form.get("language").unwrap_or_default().to_owned(),
            text: form.get("text").unwrap_or_default().to_owned(),
            new: form.ticked("new"),
            taken: form.get("taken").map(|languages| taken(form, languages)),
            why,
        }
    }
}

fn rows(notes: &Notes, open: bool, refused: Option<&Refused>) -> Vec<Row> {
    let refused = refused.filter(|it| it.target == notes.target && it.taken.is_none());
    let unread = notes.languages.iter().flat_map(|it| &it.unread);
    let unread: Vec<&String> = unread.collect();
    let row = |language: &str, title: String, at: usize| {
        let mine = refused.filter(|it| it.language == language && !it.new);
        let written = notes.notes.get(language);
        Row {
            id: format!("{}-{at}", notes.target),
            language: language.to_owned(),
            title,
            text: match mine {
                Some(it) => it.text.clone(),
                None => written.cloned().unwrap_or_default(),
            },
            written: written.is_some(),
            unread: unread.iter().any(|it| *it == language),
            wrong: mine.map(|it| it.why.clone()),
        }
    };
    let mut rows = vec![row(Language::DEFAULT, "Default text".to_owned(), 0)];
    let others = notes.notes.keys().filter(|it| *it != Language::DEFAULT);
    rows.extend(others.zip(1..).map(|(it, at)| row(it, it.clone(), at)));
    if open {
        let mine = refused.filter(|it| it.new);
        rows.push(Row {
            id: format!("{}-new", notes.target),
            language: mine.map(|it| it.language.clone()).unwrap_or_default(),
            title: String::new(),
            text: mine.map(|it| it.text.clone()).unwrap_or_default(),
            written: false,
            unread: false,
            wrong: mine.map(|it| it.why.clone()),
        });
    }
    rows
}

async fn read(visit: &Visit, refused: Option<&Refused>) -> Result<Page, Stop> {
    let key = visit.segment("key")?;
    let query = visit.query();
    let asked = query.get("take");
    let release: Release = visit.look(format!("/releases/{key}?include=")).await?;
    let found: Items = visit.look(format!("/releases/{key}/store-notes")).await?;
    let member = visit.who.role >= Role::Member;
    let stores = found.items.into_iter().map(|it| {
        let open = member && it.closed.is_none();
        let unread = it.languages.iter().flat_map(|languages| &languages.unread);
        let unread: Vec<&str> = unread
            .filter(|language| !it.notes.contains_key(*language))
            .map(String::as_str)
            .collect();
        let unread_defaults = unread.join(", ");
        Store {
            name: words(&it.target),
            taking: taking(&it, open, asked == Some(it.target.as_str()), refused),
            reads: users_read::read(&it.spoken()).rows,
            rows: rows(&it, open, refused),
            choices: it
                .languages
                .as_ref()
                .map(|languages| languages.open(&it.notes))
                .unwrap_or_default(),
            languages: it.languages,
            target: it.target,
            longest: it.longest,
            closed: it.closed,
            warning: it.warning,
            unread_defaults,
            previous: it.previous.map(|it| it.version).filter(|_| open),
            open,
        }
    });
    Ok(Page {
        frame: visit.frame("releases"),
        release,
        stores: stores.collect(),
        member,
    })
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    Ok(page(StatusCode::OK, &read(&visit, None).await?))
}

/// What a form asks for: the text set, or taken away; or all those of the version before.
fn wanted(form: &Form) -> Value {
    if let Some(languages) = form.get("taken") {
        return json!({"notes": taken(form, languages)});
    }
    let language = form.get("language").unwrap_or_default();
    let text = form.get("text").filter(|_| !form.ticked("remove"));
    json!({"notes": {language: text}})
}

/// Why a further text is none: there is nothing in it, or its language has a text already, which would be lost.
async fn not_new(
    visit: &Visit,
    notes: &str,
    target: &str,
    form: &Form,
) -> Result<Option<(StatusCode, String)>, Stop> {
    if !form.ticked("new") {
        return Ok(None);
    }
    if form.get("text").unwrap_or_default().trim().is_empty() {
        let why = "Write a text: without one there is nothing to add.";
        return Ok(Some((StatusCode::BAD_REQUEST, why.to_owned())));
    }
    // What is no language is refused where it is written.
    let Ok(language) = form.get("language").unwrap_or_default().parse::<Language>() else {
        return Ok(None);
    };
    let found: Items = visit.look(notes).await?;
    let mut known = found.items.iter().filter(|it| it.target == target);
    Ok(known.any(|it| it.notes.contains_key(language.as_str())).then(|| {
        let name = match language.as_str() {
            Language::DEFAULT => "The default text",
            named => named,
        };
        let why = format!("{name} is written already. Change it in its own form above; nothing was changed.");
        (StatusCode::CONFLICT, why)
    }))
}

/// Writes one text. One that is refused stays in its form, with what is wrong with it.
pub(super) async fn write(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let key = visit.segment("key")?;
    let target = form.get("target").unwrap_or_default();
    if !is_segment(target) {
        return Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such target")));
    }
    let back = format!("/releases/{key}/store-notes");
    if let Some((status, why)) = not_new(&visit, &back, target, &form).await? {
        let refused = Refused::of(target, &form, why);
        return Ok(page(status, &read(&visit, Some(&refused)).await?));
    }
    let call = Call::with(Method::PATCH, format!("{back}/{target}"), wanted(&form));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        return Ok(go(&format!("{back}?done=noted#{target}")));
    }
    let to_mend = matches!(
        reply.status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
    );
    if !to_mend {
        return Err(visit.refuse_from(reply, &back));
    }
    let problem = Problem::of(&reply);
    let details: Vec<String> = problem.errors.iter().map(|it| it.detail.clone()).collect();
    let why = if details.is_empty() {
        problem.detail
    } else {
        details.join("; ")
    };
    let refused = Refused::of(target, &form, why);
    Ok(page(reply.status, &read(&visit, Some(&refused)).await?))
}
