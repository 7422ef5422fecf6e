//! The table of releases: filters, order and pages as the API has them.

use crate::form::Form;
use crate::frame::{Frame, page};
use crate::model::{List, Release, Service};
use crate::shown::{PHASES, STATUSES, words};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use url::form_urlencoded::Serializer;

/// An entry of a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) chosen: bool,
}

pub(crate) fn choices<'a>(all: impl Iterator<Item = (&'a str, String)>, chosen: Option<&str>) -> Vec<Choice> {
    all.map(|(value, label)| Choice {
        value: value.to_owned(),
        label,
        chosen: chosen == Some(value),
    })
    .collect()
}

fn fixed(all: &[(&'static str, &'static str)], chosen: Option<&str>) -> Vec<Choice> {
    choices(
        all.iter().map(|(value, label)| (*value, (*label).to_owned())),
        chosen,
    )
}

#[derive(Template)]
#[template(path = "releases.html")]
struct Releases {
    frame: Frame,
    releases: Vec<Release>,
    statuses: Vec<Choice>,
    phases: Vec<Choice>,
    services: Vec<Choice>,
    needs: Vec<Choice>,
    sorts: Vec<Choice>,
    asked: Asked,
    /// The column of the release itself.
    first: Head,
    heads: Vec<Head>,
    paged: bool,
    /// The first page of this very list.
    again: String,
    next: Option<String>,
}

/// A head of a column.
struct Head {
    key: &'static str,
    label: &'static str,
    /// Where it is sorted by this, or the other way round.
    sort: Option<String>,
    /// How it is sorted by this now.
    now: Option<&'static str>,
}

/// What an address narrows the list to: its names here, and the API's.
const FILTERS: &[(&str, &str)] = &[
    ("status", "status"),
    ("phase", "phase"),
    ("service", "serviceId"),
    ("q", "q"),
    ("pilot", "pilot"),
    ("attention", "attention"),
    ("open", "open"),
];

/// A column that may be shown: its name, its head, and what it is sorted by, as it is sorted first.
struct Column {
    key: &'static str,
    label: &'static str,
    sort: Option<&'static str>,
}

const fn column(key: &'static str, label: &'static str, sort: Option<&'static str>) -> Column {
    Column { key, label, sort }
}

const COLUMNS: &[Column] = &[
    column("service", "Service", Some("serviceSlug")),
    column("version", "Version", None),
    column("status", "Status", Some("status")),
    column("phase", "Phase", None),
    column("priority", "Priority", Some("priority")),
    column("pilot", "Pilot", None),
    column("kickoff", "Kickoff", Some("kickoffAt")),
    column("target", "Target date", Some("targetDate")),
    column("changed", "Changed", Some("-updatedAt")),
];

/// Columns that are shown where nothing else is said.
const USUAL: &[&str] = &[
    "service", "version", "status", "phase", "pilot", "target", "changed",
];

const NEEDS: &[(&str, &str)] = &[
    ("STOPPED", "It is stopped"),
    ("WAITING", "It waits for a decision"),
    ("WAITING,STOPPED", "Either"),
    ("NONE", "Nobody is needed"),
];

const SORTS: &[(&str, &str)] = &[
    ("-key", "Newest first"),
    ("key", "Oldest first"),
    ("-updatedAt", "Changed last"),
    ("updatedAt", "Unchanged for longest"),
    ("targetDate", "Target date, soonest first"),
    ("-targetDate", "Target date, latest first"),
    ("kickoffAt", "Kickoff, earliest first"),
    ("-kickoffAt", "Kickoff, latest first"),
    ("serviceSlug", "Service, A to Z"),
    ("-serviceSlug", "Service, Z to A"),
    ("status", "Status, planning first"),
    ("-status", "Status, deployed first"),
    ("priority", "Priority, critical first"),
    ("-priority", "Priority, low first"),
];

/// The order that nobody needs to ask for.
const NEWEST: &str = "-key";

/// What is asked for by an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Filters by their names here.
    filters: Vec<(&'static str, String)>,
    sort: String,
}

impl Asked {
    /// Reads an address.
    fn read(query: &Form) -> Self {
        let filters = FILTERS.iter().filter_map(|(name, _)| {
            let value = query.get(name)?;
            Some((*name, value.to_owned()))
        });
        Self {
            filters: filters.collect(),
            sort: query.get("sort").unwrap_or(NEWEST).to_owned(),
        }
    }

    /// What it is narrowed to by a filter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.filters.iter().find(|(its, _)| *its == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The same, or nothing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether it is narrowed at all.
    pub(crate) fn filtered(&self) -> bool {
        !self.filters.is_empty()
    }

    /// The query of the API.
    fn query(&self, cursor: Option<&str>) -> String {
        let mut wanted = Serializer::new(String::new());
        wanted.append_pair("limit", "50");
        for (ours, theirs) in FILTERS {
            if let Some(value) = self.get(ours) {
                wanted.append_pair(theirs, value);
            }
        }
        if self.sort != NEWEST {
            wanted.append_pair("sort", &self.sort);
        }
        if let Some(cursor) = cursor {
            wanted.append_pair("cursor", cursor);
        }
        wanted.finish()
    }

    /// The address of a page of it.
    fn address(&self, cursor: Option<&str>) -> String {
        let mut wanted = Serializer::new(String::new());
        for (name, value) in &self.filters {
            wanted.append_pair(name, value);
        }
        if self.sort != NEWEST {
            wanted.append_pair("sort", &self.sort);
        }
        if let Some(cursor) = cursor {
            wanted.append_pair("cursor", cursor);
        }
        match wanted.finish() {
            none if none.is_empty() => "/releases".to_owned(),
            some => format!("/releases?{some}"),
        }
    }

    /// The head of a column that is sorted by something: it leads to the list sorted so, or the other way round.
    fn head(&self, key: &'static str, label: &'static str, sort: Option<&str>) -> Head {
        let Some(first) = sort else {
            return Head {
                key,
                label,
                sort: None,
                now: None,
            };
        };
        let bare = first.trim_start_matches('-');
        let now = match self.sort.strip_prefix('-') {
            Some(by) if by == bare => Some("descending"),
            None if self.sort == bare => Some("ascending"),
            Some(_) | None => None,
        };
        let other = match now {
            Some("descending") => bare.to_owned(),
            Some(_) => format!("-{bare}"),
            None => first.to_owned(),
        };
        let turned = Self {
            sort: other,
            ..self.clone()
        };
        Head {
            key,
            label,
            sort: Some(turned.address(None)),
            now,
        }
    }
}

/// The table.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let asked = Asked::read(&query);
    let cursor = query.get("cursor");
    let found: List<Release> = visit.look(format!("/releases?{}", asked.query(cursor))).await?;
    let services: List<Service> = visit.look("/services?limit=200").await?;
    let named = |all: &'static [&'static str]| all.iter().map(|word| (*word, words(word)));
    let shown = USUAL
        .iter()
        .filter_map(|key| COLUMNS.iter().find(|column| column.key == *key));
    let template = Releases {
        frame: visit.checked_frame("releases").await,
        statuses: choices(named(STATUSES), asked.get("status")),
        phases: choices(named(PHASES), asked.get("phase")),
        services: choices(
            services.items.iter().map(|it| (it.id.as_str(), it.name.clone())),
            asked.get("service"),
        ),
        needs: fixed(NEEDS, asked.get("attention")),
        sorts: fixed(SORTS, Some(&asked.sort)),
        first: asked.head("release", "Release", Some(NEWEST)),
        heads: shown
            .map(|column| asked.head(column.key, column.label, column.sort))
            .collect(),
        paged: cursor.is_some(),
        again: asked.address(None),
        next: found
            .next_cursor
            .as_deref()
            .map(|cursor| asked.address(Some(cursor))),
        releases: found.items,
        asked,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Asked {
        Asked::read(&Form::read(query.as_bytes()))
    }

    #[test]
    fn filters_and_order_reach_the_api_and_the_next_page() {
        let asked = read("status=PLANNING&service=7&q=a%26b&open=true&other=x&sort=targetDate");
        assert_eq!(
            asked.query(None),
            "limit=50&status=PLANNING&serviceId=7&q=a%26b&open=true&sort=targetDate"
        );
        assert_eq!(
            asked.address(Some("c/1")),
            "/releases?status=PLANNING&service=7&q=a%26b&open=true&sort=targetDate&cursor=c%2F1"
        );
        assert_eq!(read("sort=-key&cursor=x").address(None), "/releases");
    }

    #[test]
    fn a_head_sorts_and_turns_round() {
        let head = |query: &str, sort: Option<&'static str>| {
            let head = read(query).head("", "", sort);
            (head.sort.unwrap_or_default(), head.now)
        };
        let changed = Some("-updatedAt");
        assert_eq!(
            head("q=x", changed),
            ("/releases?q=x&sort=-updatedAt".to_owned(), None)
        );
        assert_eq!(
            head("q=x&sort=-updatedAt&cursor=1", changed),
            ("/releases?q=x&sort=updatedAt".to_owned(), Some("descending"))
        );
        assert_eq!(
            head("sort=updatedAt", changed),
            ("/releases?sort=-updatedAt".to_owned(), Some("ascending"))
        );
        assert_eq!(
            head("", Some(NEWEST)),
            ("/releases?sort=key".to_owned(), Some("descending"))
        );
        assert_eq!(head("", None), (String::new(), None));
    }

    #[test]
    fn every_order_that_can_be_chosen_is_the_api_s() {
        use delivr_domain::ports::store::{Sort, SortBy};
        let known: Vec<Sort> = SORTS.iter().map(|(word, _)| word.parse().unwrap()).collect();
        assert_eq!(known.len(), SortBy::ALL.len() * 2);
        for column in COLUMNS {
            assert!(column.sort.is_none_or(|sort| sort.parse::<Sort>().is_ok()));
        }
        assert!(
            USUAL
                .iter()
                .all(|key| COLUMNS.iter().any(|column| column.key == *key))
        );
    }
}
