//! The board: releases on their way, in columns by status.

use super::delivery::{Ages, Delivery};
use crate::form::Form;
use crate::frame::{Frame, page};
use crate::model::{List, Release, Service};
use crate::pages::list::{Choice, choices};
use crate::shown::OPEN;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use futures_util::future;
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
    ages: Ages,
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

/// Releases in columns by status, of so many at most.
async fn columns(
    visit: &Visit,
    of: &[(&'static str, usize)],
    narrowed: &Narrowed,
) -> Result<Vec<Column>, Stop> {
    let query = &narrowed.query;
    let paths = of
        .iter()
        .map(|(status, most)| format!("/releases?status={status}&limit={most}{query}"));
    let found: Vec<List<Release>> = visit.look_each(paths).await?;
    let columns = of.iter().zip(found).map(|((status, _), found)| Column {
        status,
        releases: found.items,
        more: found.next_cursor.is_some(),
    });
    Ok(columns.collect())
}

/// Releases on their way, a column for each status, of so many at most.
pub(super) async fn under_way(visit: &Visit, most: usize, narrowed: &Narrowed) -> Result<Vec<Column>, Stop> {
    let of: Vec<_> = OPEN.iter().map(|status| (*status, most)).collect();
    columns(visit, &of, narrowed).await
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
    let mut of: Vec<_> = OPEN.iter().map(|status| (*status, CARDS)).collect();
    of.push(("DEPLOYED", 10));
    let shown = future::try_join3(
        columns(&visit, &of, &narrowed),
        visit.look::<List<Service>>("/services?limit=200"),
        visit.look::<Delivery>("/dashboard/delivery"),
    );
    let (frame, (columns, services, delivery)) = visit.with_frame("board", shown).await?;
    let template = Board {
        ages: Ages::of(&delivery, frame.now),
        frame,
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
