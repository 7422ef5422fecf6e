//! The board: releases on their way, in columns by status.

use crate::form::Form;
use crate::frame::{Frame, page};
use crate::model::{List, Release, Service};
use crate::pages::list::{Choice, choices};
use crate::shown::OPEN;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use std::collections::BTreeMap;
use url::form_urlencoded::Serializer;

/// Cards of a column; the rest is one click away in the table.
pub(super) const CARDS: usize = 20;

/// A column.
pub(crate) struct Column {
    pub(crate) status: &'static str,
    pub(crate) releases: Vec<Release>,
    /// There are more than are shown.
    pub(crate) more: bool,
}

#[derive(Template)]
#[template(path = "board.html")]
struct Board {
    frame: Frame,
    columns: Vec<Column>,
    empty: bool,
    filtered: bool,
    /// What narrows it, for the list behind a column.
    more: String,
    text: String,
    grouped: bool,
    services: Vec<Choice>,
}

/// What the cards are narrowed to.
#[derive(Debug, Clone, Default)]
pub(super) struct Narrowed {
    /// A query of the API, beginning with `&`; or nothing.
    query: String,
    /// The same, for the page of the list.
    list: String,
}

impl Narrowed {
    fn read(query: &Form) -> Self {
        let mut narrowed = Self::default();
        for (ours, theirs) in [("service", "serviceId"), ("q", "q")] {
            if let Some(value) = query.get(ours).filter(|value| !value.trim().is_empty()) {
                let add = |to: &mut String, name: &str| {
                    let pair = Serializer::new(String::new())
                        .append_pair(name, value.trim())
                        .finish();
                    to.push('&');
                    to.push_str(&pair);
                };
                add(&mut narrowed.query, theirs);
                add(&mut narrowed.list, ours);
            }
        }
        narrowed
    }
}

/// Releases of a status.
async fn column(
    visit: &Visit,
    status: &'static str,
    most: usize,
    narrowed: &Narrowed,
) -> Result<Column, Stop> {
    let query = &narrowed.query;
    let found: List<Release> = visit
        .look(format!("/releases?status={status}&limit={most}{query}"))
        .await?;
    Ok(Column {
        status,
        releases: found.items,
        more: found.next_cursor.is_some(),
    })
}

/// Releases on their way, a column for each status, of so many at most.
pub(super) async fn under_way(visit: &Visit, most: usize, narrowed: &Narrowed) -> Result<Vec<Column>, Stop> {
    let mut columns = Vec::with_capacity(OPEN.len().saturating_add(1));
    for status in OPEN {
        columns.push(column(visit, status, most, narrowed).await?);
    }
    Ok(columns)
}

impl Column {
    /// Its cards under the service they belong to.
    fn by_service(&self) -> BTreeMap<&str, Vec<&Release>> {
        let mut groups = BTreeMap::<&str, Vec<&Release>>::new();
        for release in &self.releases {
            groups
                .entry(release.service_slug.as_str())
                .or_default()
                .push(release);
        }
        groups
    }
    /// Its cards under their headings; without one where they are not grouped.
    pub(crate) fn groups(&self, grouped: bool) -> Vec<(&str, Vec<&Release>)> {
        if grouped {
            self.by_service().into_iter().collect()
        } else {
            vec![("", self.releases.iter().collect())]
        }
    }
}

/// The board.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let narrowed = Narrowed::read(&query);
    let mut columns = under_way(&visit, CARDS, &narrowed).await?;
    columns.push(column(&visit, "DEPLOYED", 10, &narrowed).await?);
    let services: List<Service> = visit.look("/services?limit=200").await?;
    let template = Board {
        frame: visit.checked_frame("board").await,
        empty: columns.iter().all(|it| it.releases.is_empty()),
        filtered: !narrowed.query.is_empty(),
        more: narrowed.list,
        text: query.get("q").unwrap_or_default().to_owned(),
        grouped: query.get("group") == Some("service"),
        services: choices(
            services.items.iter().map(|it| (it.id.as_str(), it.name.clone())),
            query.get("service"),
        ),
        columns,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_narrows_the_board_reaches_the_api_and_nothing_else_does() {
        let narrowed = Narrowed::read(&Form::read(b"service=7&q=+a%26b+&group=service&status=X"));
        assert_eq!(narrowed.query, "&serviceId=7&q=a%26b");
        assert_eq!(narrowed.list, "&service=7&q=a%26b");
        assert_eq!(Narrowed::read(&Form::read(b"q=+&service=")).query, "");
    }
}
