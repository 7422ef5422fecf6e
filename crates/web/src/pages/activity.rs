//! What happened in the organisation: searched, page by page, and taken away as a file.
//!
//! It is the API's feed, which looks through so many events for a page of a search and no more, and offers to go on; a file
//! is written while it is read, piece by piece, so that a long history needs no memory. Changes of the set-up are the
//! API's audit, shown and taken away in the same way.

mod audit;
mod export;

pub(super) use audit::{export as export_audit, show as show_audit};
pub(super) use export::export;

use super::list::{Choice, choices};
use crate::form::Form;
use crate::frame::{Frame, page};
use crate::model::{Activity, List};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded::Serializer;

/// The newest thing that happened, as far as its place is concerned.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Newest {
    position: i64,
}

/// How far what happened has come, for the script of a page that shows many releases: it asks often, and asks for the
/// page itself only when there is something new on it.
pub(super) async fn newest(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let found: List<Newest> = visit.look("/activities?limit=1").await?;
    let position = found.items.first().map_or(0, |it| it.position);
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({"at": position, "stopped": visit.stopped()})))
}

/// Events on a page.
const ROWS: usize = 50;
/// Characters of a text that is looked for, at most: what the API takes.
const LONGEST: usize = 200;

#[derive(Template)]
#[template(path = "activity.html")]
struct Page {
    frame: Frame,
    items: Vec<Activity>,
    actor: String,
    text: String,
    release: String,
    since: String,
    until: String,
    kinds: Vec<Choice>,
    next: Option<String>,
    /// The search went so far without coming to the beginning.
    cut: bool,
    filtered: bool,
    paged: bool,
    files: [(String, &'static str); 2],
}

/// What somebody looks for, as the API takes it. What an address has that is none of it is left out.
#[derive(Debug, Clone, Default)]
struct Search {
    actor: String,
    text: String,
    /// The key of a release, where the list knows releases.
    release: String,
    /// What it is about, under its name in the API.
    of: (&'static str, String),
    /// The first day, and the last one, of UTC.
    since: Option<NaiveDate>,
    until: Option<NaiveDate>,
}

fn written(day: Option<NaiveDate>) -> String {
    day.map_or_else(String::new, |day| day.to_string())
}

impl Search {
    fn read(query: &Form, of: &'static str, known: &[(&str, &str)]) -> Self {
        let text = |name: &str| {
            let text = query.get(name).unwrap_or_default();
            text.chars().take(LONGEST).collect::<String>()
        };
        let day = |name: &str| query.get(name).and_then(|day| day.parse().ok());
        let word = query.get(of).unwrap_or_default();
        let word = known.iter().find(|(known, _)| *known == word);
        Self {
            actor: text("actor"),
            text: text("q"),
            release: String::new(),
            of: (of, word.map_or_else(String::new, |(word, _)| (*word).to_owned())),
            since: day("since"),
            until: day("until"),
        }
    }
    /// What somebody looks for in what happened to releases.
    fn of_releases(query: &Form) -> Self {
        let release = query.get("release").unwrap_or_default().trim();
        // Keys are written in capitals; who types one need not.
        let key = release.to_uppercase();
        Self {
            release: if key.starts_with("REL-") {
                key
            } else {
                release.to_owned()
            }
            .chars()
            .take(LONGEST)
            .collect(),
            ..Self::read(query, "of", KINDS)
        }
    }
    fn is_empty(&self) -> bool {
        let days = self.since.is_none() && self.until.is_none();
        let texts = [&self.actor, &self.text, &self.release, &self.of.1];
        days && texts.iter().all(|text| text.is_empty())
    }
    fn query(&self) -> Serializer<'static, String> {
        let mut query = Serializer::new(String::new());
        let (since, until) = (written(self.since), written(self.until));
        for (name, value) in [
            ("actor", &self.actor),
            ("q", &self.text),
            ("release", &self.release),
            (self.of.0, &self.of.1),
            ("since", &since),
            ("until", &until),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query
    }
    /// A page of a list of the API.
    fn page(&self, path: &str, limit: usize, cursor: Option<&str>) -> String {
        let mut query = self.query();
        query.append_pair("limit", &limit.to_string());
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        format!("{path}?{}", query.finish())
    }
    /// Where the next page is.
    fn next(&self, path: &str, cursor: Option<String>) -> Option<String> {
        cursor.map(|cursor| format!("{path}?{}", self.query().append_pair("cursor", &cursor).finish()))
    }
    fn files(&self, path: &str) -> [(String, &'static str); 2] {
        let file = |kind: &str| format!("{path}?{}", self.query().append_pair("as", kind).finish());
        [(file("csv"), "CSV"), (file("json"), "JSON")]
    }
}

const KINDS: &[(&str, &str)] = &[
    ("RELEASE", "Releases"),
    ("SUBMISSION", "Submissions"),
    ("ROLLOUT", "Rollouts"),
];

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let search = Search::of_releases(&query);
    let found = visit.look::<List<Activity>>(search.page("/activities", ROWS, query.get("cursor")));
    let (frame, found) = visit.with_frame("activity", found).await?;
    let template = Page {
        frame,
        since: written(search.since),
        until: written(search.until),
        kinds: choices(
            KINDS.iter().map(|(word, label)| (*word, (*label).to_owned())),
            Some(search.of.1.as_str()),
        ),
        cut: found.items.len() < ROWS && found.next_cursor.is_some(),
        next: search.next("/activity", found.next_cursor),
        filtered: !search.is_empty(),
        paged: query.get("cursor").is_some(),
        files: search.files("/activity/export"),
        items: found.items,
        actor: search.actor,
        text: search.text,
        release: search.release,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_told_to_the_api_without_what_it_would_refuse() {
        let search = |query: &str| Search::of_releases(&Form::read(query.as_bytes()));
        assert_eq!(
            search("since=2026-03-04&q=A&of=ROLLOUT").page("/activities", 50, Some("7")),
            "/activities?q=A&of=ROLLOUT&since=2026-03-04&limit=50&cursor=7"
        );
        assert!(search("since=yesterday&of=NONSENSE&other=x&release=+").is_empty());
        assert_eq!(
            search("release=+rel-42&q=tag").page("/activities", 50, None),
            "/activities?q=tag&release=REL-42&limit=50"
        );
        let long = format!("actor={}", "x".repeat(300));
        assert_eq!(search(&long).actor.len(), LONGEST);
        let [(csv, _), (json, _)] = search("actor=a%26b").files("/activity/export");
        assert_eq!(csv, "/activity/export?actor=a%26b&as=csv");
        assert_eq!(json, "/activity/export?actor=a%26b&as=json");
        assert_eq!(
            search("").next("/activity", Some("7".to_owned())).unwrap(),
            "/activity?cursor=7"
        );
    }
}
