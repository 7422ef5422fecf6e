//! Files of what happened, for a spreadsheet or a program.

use super::Search;
use crate::model::{Activity, List};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream::{self, Stream};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io;

/// What is asked for at once.
const STEP: usize = 200;

/// What a row of a file is made of.
pub(super) trait Row: DeserializeOwned {
    /// The names of its fields, in their order.
    const NAMES: &'static [&'static str];
    /// Its fields, in their order.
    fn fields(&self) -> Vec<String>;
    /// The same as an object.
    fn object(&self) -> Value;
}

/// An instant as it is written into files.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Row for Activity {
    const NAMES: &'static [&'static str] = &["at", "actor", "of", "id", "kind", "summary", "release"];
    fn fields(&self) -> Vec<String> {
        let texts = [&self.actor, &self.of, &self.owner_id, &self.kind, &self.summary];
        [instant(self.at)]
            .into_iter()
            .chain(texts.into_iter().cloned())
            .chain([self
                .release
                .as_ref()
                .map_or_else(String::new, |it| it.key.clone())])
            .collect()
    }
    fn object(&self) -> Value {
        json!({
            "at": instant(self.at), "actor": self.actor, "of": self.of, "id": self.owner_id, "kind": self.kind,
            "summary": self.summary, "release": self.release.as_ref().map(|it| &it.key),
        })
    }
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
    fn head(self, names: &[&str]) -> String {
        match self {
            Self::Csv => format!("{}\r\n", names.join(",")),
            Self::Json => "[".to_owned(),
        }
    }
    const fn foot(self) -> &'static str {
        match self {
            Self::Csv => "",
            Self::Json => "\n]\n",
        }
    }
    /// A row; whether it is the first one.
    fn row(self, it: &impl Row, first: bool) -> String {
        match self {
            Self::Csv => {
                let fields = it.fields();
                let fields: Vec<String> = fields.iter().map(|text| field(text)).collect();
                format!("{}\r\n", fields.join(","))
            }
            Self::Json => format!("{}\n{}", if first { "" } else { "," }, it.object()),
        }
    }
    const fn media(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
    const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// A file that is being written.
struct Writer<T> {
    visit: Visit,
    search: Search,
    /// The list of the API.
    list: &'static str,
    kind: Kind,
    /// What was read and not written yet; none at the end.
    read: Option<List<T>>,
    begun: bool,
    rows: bool,
}

impl<T: Row> Writer<T> {
    /// The next piece of the file; none after the last one.
    async fn piece(&mut self) -> Result<Option<Bytes>, Stop> {
        let Some(read) = self.read.take() else {
            return Ok(None);
        };
        let mut text = String::new();
        if !self.begun {
            text.push_str(&self.kind.head(T::NAMES));
            self.begun = true;
        }
        for item in &read.items {
            text.push_str(&self.kind.row(item, !self.rows));
            self.rows = true;
        }
        match read.next_cursor {
            Some(cursor) => {
                let next = self.search.page(self.list, STEP, Some(&cursor));
                self.read = Some(self.visit.look(next).await?);
            }
            None => text.push_str(self.kind.foot()),
        }
        Ok(Some(Bytes::from(text)))
    }
}

/// The pieces. One that fails breaks the transfer off, so that nobody takes half a file for a whole one.
fn written_on<T: Row>(writer: Writer<T>) -> impl Stream<Item = Result<Bytes, io::Error>> {
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

/// Everything of a list of the API that fits, as a file of the name.
pub(super) async fn file<T: Row + 'static>(
    visit: Visit,
    search: Search,
    list: &'static str,
    name: &str,
) -> Paged {
    let query = visit.query();
    let Some(kind) = Kind::named(query.get("as").unwrap_or("csv")) else {
        return Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such kind of file")));
    };
    // Read before the answer begins: what fails here is refused as a page.
    let first: List<T> = visit.look(search.page(list, STEP, None)).await?;
    let writer = Writer {
        search,
        visit,
        list,
        kind,
        read: Some(first),
        begun: false,
        rows: false,
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{}\"", kind.word()),
        ))
        .content_type(kind.media())
        .streaming(written_on(writer)))
}

/// Every event that fits, as a file.
pub(in crate::pages) async fn export(visit: Visit) -> Paged {
    let search = Search::of_releases(&visit.query());
    file::<Activity>(visit, search, "/activities", "activity").await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(summary: &str) -> Activity {
        serde_json::from_value(json!({
            "position": 7, "of": "RELEASE", "ownerId": "1", "kind": "EDITED", "summary": summary,
            "release": { "id": "1", "key": "REL-7", "title": "Seven" }, "actor": "ada@x.example", "at": "2026-03-04T05:06:07Z",
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
            assert_eq!(
                Kind::Csv.row(&item(summary), true),
                format!("{start}{shown},\"REL-7\"\r\n")
            );
        }
        assert_eq!(
            Kind::Csv.head(Activity::NAMES),
            "at,actor,of,id,kind,summary,release\r\n"
        );
    }

    #[test]
    fn rows_of_json_are_one_list() {
        let it = item("a \"b\"");
        let text = format!(
            "{}{}{}{}",
            Kind::Json.head(Activity::NAMES),
            Kind::Json.row(&it, true),
            Kind::Json.row(&it, false),
            Kind::Json.foot()
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[1]["summary"], "a \"b\"");
        assert_eq!(read[1]["release"], "REL-7");
        let none: Value = serde_json::from_str(&format!(
            "{}{}",
            Kind::Json.head(Activity::NAMES),
            Kind::Json.foot()
        ))
        .unwrap();
        assert_eq!(none, json!([]));
    }
}
