//! The table of releases: filters and pages as the API has them.

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

#[derive(Template)]
#[template(path = "releases.html")]
struct Releases {
    frame: Frame,
    releases: Vec<Release>,
    statuses: Vec<Choice>,
    phases: Vec<Choice>,
    services: Vec<Choice>,
    text: String,
    filtered: bool,
    paged: bool,
    next: Option<String>,
}

/// What an address narrows the list to: its names here, and the API's.
const FILTERS: &[(&str, &str)] = &[
    ("status", "status"),
    ("phase", "phase"),
    ("service", "serviceId"),
    ("q", "q"),
];

pub(crate) fn choices<'a>(all: impl Iterator<Item = (&'a str, String)>, chosen: Option<&str>) -> Vec<Choice> {
    all.map(|(value, label)| Choice {
        value: value.to_owned(),
        label,
        chosen: chosen == Some(value),
    })
    .collect()
}

/// The query of the API for that of the page.
fn asked(query: &Form) -> String {
    let mut wanted = Serializer::new(String::new());
    wanted.append_pair("limit", "50");
    for (ours, theirs) in FILTERS {
        if let Some(value) = query.get(ours) {
            wanted.append_pair(theirs, value);
        }
    }
    if let Some(cursor) = query.get("cursor") {
        wanted.append_pair("cursor", cursor);
    }
    wanted.finish()
}

/// The address of the next page, with the same filters.
fn next(query: &Form, cursor: &str) -> String {
    let mut wanted = Serializer::new(String::new());
    for (ours, _) in FILTERS {
        if let Some(value) = query.get(ours) {
            wanted.append_pair(ours, value);
        }
    }
    wanted.append_pair("cursor", cursor);
    format!("/releases?{}", wanted.finish())
}

/// The table.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let found: List<Release> = visit.look(format!("/releases?{}", asked(&query))).await?;
    let services: List<Service> = visit.look("/services?limit=200").await?;
    let named = |all: &'static [&'static str]| all.iter().map(|word| (*word, words(word)));
    let template = Releases {
        frame: visit.checked_frame("releases").await,
        statuses: choices(named(STATUSES), query.get("status")),
        phases: choices(named(PHASES), query.get("phase")),
        services: choices(
            services.items.iter().map(|it| (it.id.as_str(), it.name.clone())),
            query.get("service"),
        ),
        text: query.get("q").unwrap_or_default().to_owned(),
        filtered: FILTERS.iter().any(|(ours, _)| query.get(ours).is_some()),
        paged: query.get("cursor").is_some(),
        next: found.next_cursor.as_deref().map(|cursor| next(&query, cursor)),
        releases: found.items,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_reach_the_api_and_the_next_page() {
        let query = Form::read(b"status=PLANNING&service=7&q=a%26b&other=x");
        assert_eq!(asked(&query), "limit=50&status=PLANNING&serviceId=7&q=a%26b");
        assert_eq!(
            next(&query, "c/1"),
            "/releases?status=PLANNING&service=7&q=a%26b&cursor=c%2F1"
        );
    }
}
