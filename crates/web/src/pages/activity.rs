//! What happened in the organisation: searched, page by page, and taken away as a file.
//!
//! It is the API's feed, looked through from the newest event on. A page of a search looks so far back and no further, and
//! offers to go on; a file is written while it is read, piece by piece, so that a long history needs no memory.

use super::list::{Choice, choices};
use crate::form::Form;
use crate::frame::{Frame, page};
use crate::model::{Activity, List};
use crate::shown::told;
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use askama::Template;
use chrono::{DateTime, Days, NaiveDate, Utc};
use futures_util::stream::{self, Stream};
use serde_json::json;
use std::io;
use url::form_urlencoded::Serializer;

/// Events on a page.
const ROWS: usize = 50;
/// Events looked through for one page of a search: so a search for nothing ends.
const LOOKED_THROUGH: usize = 2_000;
/// Events that are asked for at once.
const STEP: &str = "200";

#[derive(Template)]
#[template(path = "activity.html")]
struct Page {
    frame: Frame,
    items: Vec<Activity>,
    actor: String,
    text: String,
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

/// What somebody looks for.
#[derive(Debug, Clone, Default)]
struct Search {
    actor: String,
    text: String,
    of: String,
    /// The first day, and the last one, of UTC.
    since: Option<NaiveDate>,
    until: Option<NaiveDate>,
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

fn written(day: Option<NaiveDate>) -> String {
    day.map_or_else(String::new, |day| day.to_string())
}

impl Search {
    fn read(query: &Form) -> Self {
        let text = |name: &str| query.get(name).unwrap_or_default().to_lowercase();
        let day = |name: &str| query.get(name).and_then(|day| day.parse().ok());
        Self {
            actor: text("actor"),
            text: text("q"),
            of: query.get("of").unwrap_or_default().to_owned(),
            since: day("since"),
            until: day("until"),
        }
    }
    fn is_empty(&self) -> bool {
        let days = self.since.is_none() && self.until.is_none();
        days && self.actor.is_empty() && self.text.is_empty() && self.of.is_empty()
    }
    fn fits(&self, item: &Activity) -> bool {
        let has = |wanted: &str, text: &str| wanted.is_empty() || text.to_lowercase().contains(wanted);
        let day = item.at.date_naive();
        (self.of.is_empty() || self.of == item.of)
            && self.since.is_none_or(|since| since <= day)
            && self.until.is_none_or(|until| day <= until)
            && has(&self.actor, &item.actor)
            && (has(&self.text, &item.summary) || has(&self.text, &told(&item.summary)))
    }
    /// Nothing older can fit. Events lie in the order in which they were written; their times may differ from it by as
    /// much as the clocks of processes do, which is less than a day.
    fn is_past(&self, item: &Activity) -> bool {
        let last = self.since.and_then(|since| since.checked_sub_days(Days::new(1)));
        last.is_some_and(|last| item.at < midnight(last))
    }
    fn query(&self) -> Serializer<'static, String> {
        let mut query = Serializer::new(String::new());
        let (since, until) = (written(self.since), written(self.until));
        for (name, value) in [
            ("actor", &self.actor),
            ("q", &self.text),
            ("of", &self.of),
            ("since", &since),
            ("until", &until),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query
    }
}

/// A piece of the feed, the newest events first.
async fn feed(visit: &Visit, cursor: Option<&str>) -> Result<List<Activity>, Stop> {
    let mut query = Serializer::new(String::new());
    query.append_pair("limit", STEP);
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    visit.look(format!("/activities?{}", query.finish())).await
}

/// What was found, and from where to go on.
struct Found {
    items: Vec<Activity>,
    next: Option<String>,
    cut: bool,
}

/// Looks through the feed for a page of events that fit.
async fn look(visit: &Visit, search: &Search, from: Option<&str>) -> Result<Found, Stop> {
    let mut cursor = from.map(ToOwned::to_owned);
    let mut items = Vec::new();
    let mut looked: usize = 0;
    loop {
        let found = feed(visit, cursor.as_deref()).await?;
        let last = found.next_cursor.is_none() || found.items.last().is_some_and(|it| search.is_past(it));
        looked = looked.saturating_add(found.items.len());
        for item in found.items {
            if !search.fits(&item) {
                continue;
            }
            let position = item.position;
            items.push(item);
            if items.len() == ROWS {
                return Ok(Found {
                    items,
                    next: Some(position.to_string()),
                    cut: false,
                });
            }
        }
        cursor = found.next_cursor;
        if last || looked >= LOOKED_THROUGH {
            return Ok(Found {
                items,
                cut: !last,
                next: cursor.filter(|_| !last),
            });
        }
    }
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let search = Search::read(&query);
    let found = look(&visit, &search, query.get("cursor")).await?;
    let kinds = [
        ("RELEASE", "Releases"),
        ("SUBMISSION", "Submissions"),
        ("ROLLOUT", "Rollouts"),
    ];
    let file = |kind: &str| {
        format!(
            "/activity/export?{}",
            search.query().append_pair("as", kind).finish()
        )
    };
    let template = Page {
        frame: visit.checked_frame("activity").await,
        actor: query.get("actor").unwrap_or_default().to_owned(),
        text: query.get("q").unwrap_or_default().to_owned(),
        since: written(search.since),
        until: written(search.until),
        kinds: choices(
            kinds.iter().map(|(word, label)| (*word, (*label).to_owned())),
            query.get("of"),
        ),
        next: found.next.map(|cursor| {
            format!(
                "/activity?{}",
                search.query().append_pair("cursor", &cursor).finish()
            )
        }),
        cut: found.cut,
        filtered: !search.is_empty(),
        paged: query.get("cursor").is_some(),
        files: [(file("csv"), "CSV"), (file("json"), "JSON")],
        items: found.items,
    };
    Ok(page(StatusCode::OK, &template))
}

/// A field of a table. What a spreadsheet would take for a formula, in whatever width and behind whatever space, is a
/// text because of the sign in front of it.
fn field(text: &str) -> String {
    let risky = |first: char| {
        matches!(
            first,
            '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}'
        )
    };
    let guard = if text.starts_with(['\t', '\r', '\n']) || text.trim_start().starts_with(risky) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
}

impl Kind {
    fn named(word: &str) -> Option<Self> {
        match word {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
    const fn head(self) -> &'static str {
        match self {
            Self::Csv => "at,actor,of,id,kind,summary\r\n",
            Self::Json => "[",
        }
    }
    const fn foot(self) -> &'static str {
        match self {
            Self::Csv => "",
            Self::Json => "\n]\n",
        }
    }
    /// An event; `first` is none before it.
    fn row(self, it: &Activity, first: bool) -> String {
        let at = it.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        match self {
            Self::Csv => {
                let fields = [&at, &it.actor, &it.of, &it.owner_id, &it.kind, &it.summary];
                format!("{}\r\n", fields.map(|text| field(text)).join(","))
            }
            Self::Json => {
                let object = json!({
                    "at": at, "actor": it.actor, "of": it.of, "id": it.owner_id, "kind": it.kind, "summary": it.summary,
                });
                format!("{}\n{object}", if first { "" } else { "," })
            }
        }
    }
    const fn media(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
    const fn disposition(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"activity.csv\"",
            Self::Json => "attachment; filename=\"activity.json\"",
        }
    }
}

/// A file that is being written.
struct Writer {
    visit: Visit,
    search: Search,
    kind: Kind,
    /// What was read and not written yet; none at the end.
    read: Option<List<Activity>>,
    begun: bool,
    rows: bool,
}

impl Writer {
    /// The next piece of the file; none after the last one.
    async fn piece(&mut self) -> Result<Option<Bytes>, Stop> {
        let Some(read) = self.read.take() else {
            return Ok(None);
        };
        let mut text = String::new();
        if !self.begun {
            text.push_str(self.kind.head());
            self.begun = true;
        }
        for item in read.items.iter().filter(|item| self.search.fits(item)) {
            text.push_str(&self.kind.row(item, !self.rows));
            self.rows = true;
        }
        let past = read.items.last().is_some_and(|it| self.search.is_past(it));
        match read.next_cursor.filter(|_| !past) {
            Some(cursor) => self.read = Some(feed(&self.visit, Some(&cursor)).await?),
            None => text.push_str(self.kind.foot()),
        }
        Ok(Some(Bytes::from(text)))
    }
}

/// The pieces. One that fails breaks the transfer off, so that nobody takes half a file for a whole one.
fn written_on(writer: Writer) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::try_unfold(writer, |mut writer| async move {
        match writer.piece().await {
            Ok(piece) => Ok(piece.map(|piece| (piece, writer))),
            Err(stop) => {
                tracing::warn!(%stop, "an export was broken off");
                Err(io::Error::other("the export was broken off"))
            }
        }
    })
}

/// Everything that fits, as a file.
pub(super) async fn export(visit: Visit) -> Paged {
    let query = visit.query();
    let Some(kind) = Kind::named(query.get("as").unwrap_or("csv")) else {
        return Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such kind of file")));
    };
    // Read before the answer begins: what fails here is refused as a page.
    let first = feed(&visit, None).await?;
    let writer = Writer {
        search: Search::read(&query),
        visit,
        kind,
        read: Some(first),
        begun: false,
        rows: false,
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static(kind.disposition()),
        ))
        .content_type(kind.media())
        .streaming(written_on(writer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(summary: &str) -> Activity {
        serde_json::from_value(json!({
            "position": 7, "of": "RELEASE", "ownerId": "1", "kind": "EDITED", "summary": summary,
            "actor": "ada@x.example", "at": "2026-03-04T05:06:07Z",
        }))
        .unwrap()
    }

    #[test]
    fn a_table_holds_texts_and_no_formulas() {
        let start = "\"2026-03-04T05:06:07.000000Z\",\"ada@x.example\",\"RELEASE\",\"1\",\"EDITED\",";
        for (summary, shown) in [
            (
                "=HYPERLINK(\"https://evil.example\")",
                "\"'=HYPERLINK(\"\"https://evil.example\"\")\"",
            ),
            ("two\nlines, and more", "\"two\nlines, and more\""),
            ("-1+1", "\"'-1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("  +1", "\"'  +1\""),
            ("\t=1", "\"'\t=1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("a=1", "\"a=1\""),
        ] {
            assert_eq!(Kind::Csv.row(&item(summary), true), format!("{start}{shown}\r\n"));
        }
    }

    #[test]
    fn rows_of_json_are_one_list() {
        let it = item("a \"b\"");
        let text = format!(
            "{}{}{}{}",
            Kind::Json.head(),
            Kind::Json.row(&it, true),
            Kind::Json.row(&it, false),
            Kind::Json.foot()
        );
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[1]["summary"], "a \"b\"");
        let none: serde_json::Value =
            serde_json::from_str(&format!("{}{}", Kind::Json.head(), Kind::Json.foot())).unwrap();
        assert_eq!(none, json!([]));
    }

    #[test]
    fn a_search_fits_what_is_stored_and_what_is_shown() {
        let search = |text: &str| Search {
            text: text.to_lowercase(),
            ..Search::default()
        };
        let it = item("CREATE_RC_TAG/-/1 completed");
        assert!(search("create_rc").fits(&it) && search("Release candidate").fits(&it));
        assert!(!search("failed").fits(&it));
        let other = Search {
            of: "ROLLOUT".to_owned(),
            ..Search::default()
        };
        assert!(!other.fits(&it) && Search::default().fits(&it));
    }

    #[test]
    fn days_of_a_search_are_whole_and_garbage_is_none() {
        let search = |query: &str| Search::read(&Form::read(query.as_bytes()));
        let it = item("x");
        for (query, fits) in [
            ("since=2026-03-04", true),
            ("since=2026-03-05", false),
            ("until=2026-03-04", true),
            ("until=2026-03-03", false),
            ("since=yesterday", true),
        ] {
            assert_eq!(search(query).fits(&it), fits, "{query}");
        }
        assert!(search("since=2026-03-06").is_past(&it) && !search("since=2026-03-05").is_past(&it));
        assert!(search("since=yesterday").is_empty());
        assert_eq!(
            search("since=2026-03-04&q=A").query().finish(),
            "q=a&since=2026-03-04"
        );
    }
}
