//! Changes of the set-up: who changed what, and what it was before.

use super::export::{Row, file, instant};
use super::{ROWS, Search, written};
use crate::frame::{Frame, page};
use crate::model::List;
use crate::pages::list::{Choice, choices};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

/// What changes are about: word and name.
const SUBJECTS: &[(&str, &str)] = &[
    ("INTEGRATION", "Integrations"),
    ("PIPELINE", "Pipelines"),
    ("SERVICE", "Services"),
    ("PROFILE", "Profiles"),
    ("TOKEN", "Tokens"),
    ("LINE", "Stop switch"),
    ("ORGANISATION", "Organisation"),
    ("STATUS_LINK", "Status links"),
    ("CALENDAR_LINK", "Calendar links"),
];

/// A value, before and after.
#[derive(Debug, Clone, Deserialize)]
struct Altered {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// A change of the set-up.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    number: u64,
    at: DateTime<Utc>,
    actor: String,
    about: String,
    subject_id: String,
    name: String,
    deed: String,
    summary: String,
    changes: Vec<Altered>,
}

impl Row for Line {
    const NAMES: &'static [&'static str] = &[
        "number", "at", "actor", "about", "id", "name", "deed", "summary", "changes",
    ];
    fn fields(&self) -> Vec<String> {
        let none = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let changes: Vec<String> = self
            .changes
            .iter()
            .map(|it| format!("{}: {} -> {}", it.field, none(&it.before), none(&it.after)))
            .collect();
        vec![
            self.number.to_string(),
            instant(self.at),
            self.actor.clone(),
            self.about.clone(),
            self.subject_id.clone(),
            self.name.clone(),
            self.deed.clone(),
            self.summary.clone(),
            changes.join("\n"),
        ]
    }
    fn object(&self) -> Value {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|it| json!({"field": it.field, "before": it.before, "after": it.after}))
            .collect();
        json!({
            "number": self.number, "at": instant(self.at), "actor": self.actor, "about": self.about,
            "id": self.subject_id, "name": self.name, "deed": self.deed, "summary": self.summary,
            "changes": changes,
        })
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    items: Vec<Line>,
    actor: String,
    text: String,
    since: String,
    until: String,
    subjects: Vec<Choice>,
    next: Option<String>,
    filtered: bool,
    paged: bool,
    files: [(String, &'static str); 2],
}

/// The page.
pub(in crate::pages) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let search = Search::read(&query, "about", SUBJECTS);
    let found: List<Line> = visit
        .look(search.page("/audit", ROWS, query.get("cursor")))
        .await?;
    let template = Page {
        frame: visit.checked_frame("activity").await,
        since: written(search.since),
        until: written(search.until),
        subjects: choices(
            SUBJECTS.iter().map(|(word, label)| (*word, (*label).to_owned())),
            Some(search.of.1.as_str()),
        ),
        next: search.next("/activity/setup", found.next_cursor),
        filtered: !search.is_empty(),
        paged: query.get("cursor").is_some(),
        files: search.files("/activity/setup/export"),
        items: found.items,
        actor: search.actor,
        text: search.text,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Every change that fits, as a file.
pub(in crate::pages) async fn export(visit: Visit) -> Paged {
    let search = Search::read(&visit.query(), "about", SUBJECTS);
    file::<Line>(visit, search, "/audit", "setup-changes").await
}
