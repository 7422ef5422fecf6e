//! The board: releases on their way, in columns by status.

use super::delivery::{Ages, Delivery};
use crate::form::Form;
use crate::frame::{Frame, page};
use crate::model::{List, Release, Service};
use crate::pages::list::{Choice, choices};
use crate::shown::{OPEN, person};
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
    grouping: Grouping,
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
    /// Its cards under their headings, in order of these; without one where status is all they are grouped by.
    fn groups(&self, grouping: &Grouping) -> Vec<(String, Vec<&Release>)> {
        let mut groups = BTreeMap::<(bool, String), Vec<&Release>>::new();
        for release in &self.releases {
            groups.entry(grouping.group(release)).or_default().push(release);
        }
        let heading = |key: String| match grouping {
            Grouping::Pilot if key.is_empty() => "No pilot".to_owned(),
            Grouping::Pilot => person(&key),
            Grouping::Status | Grouping::Service => key,
        };
        groups
            .into_iter()
            .map(|((_, key), releases)| (heading(key), releases))
            .collect()
    }
}

/// What cards are grouped by within their columns. The columns are the statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grouping {
    /// By nothing else.
    Status,
    Service,
    Pilot,
}

impl Grouping {
    /// What an address asks for; what it does not know is the board as it is.
    fn read(word: Option<&str>) -> Self {
        match word {
            Some("service") => Self::Service,
            Some("pilot") => Self::Pilot,
            Some(_) | None => Self::Status,
        }
    }
    fn is(self, word: &str) -> bool {
        self == Self::read(Some(word))
    }
    /// The group of a release, in the order groups stand in: what nobody pilots comes last.
    fn group(self, release: &Release) -> (bool, String) {
        match (self, release.pilot.as_deref()) {
            (Self::Status, _) => (false, String::new()),
            (Self::Service, _) => (false, release.service_slug.clone()),
            // Addresses are the same in whatever case.
            (Self::Pilot, Some(pilot)) => (false, pilot.to_lowercase()),
            (Self::Pilot, None) => (true, String::new()),
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
        grouping: Grouping::read(query.get("group")),
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
    fn cards_stand_under_their_pilot_and_those_of_nobody_come_last() {
        let at = "2026-03-04T05:06:07Z";
        let release = |key: &str, pilot: Option<&str>| {
            let json = serde_json::json!({
                "key": key, "version": "1.2.0", "status": "PLANNING", "phase": "NOT_STARTED", "type": "MINOR",
                "title": "x", "priority": "LOW", "pilot": pilot, "serviceSlug": "shop", "baseBranch": "main",
                "kickoffAt": at, "createdAt": at, "updatedAt": at, "holds": [], "targets": [],
                "orchestration": {"underWay": 0},
            });
            serde_json::from_value(json).unwrap()
        };
        let column = Column {
            status: "PLANNING",
            releases: vec![
                release("REL-1", None),
                release("REL-2", Some("Zoe@x.example")),
                release("REL-3", Some("ada.l@x.example")),
                release("REL-4", Some("zoe@X.example")),
            ],
            more: false,
        };
        let groups = |by: &str| -> Vec<(String, Vec<String>)> {
            let found = column.groups(&Grouping::read(Some(by)));
            let keys = |of: Vec<&Release>| of.into_iter().map(|it| it.key.clone()).collect();
            found.into_iter().map(|(name, of)| (name, keys(of))).collect()
        };
        let named = |name: &str, keys: &[&str]| {
            (
                name.to_owned(),
                keys.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            groups("pilot"),
            [
                named("Ada L", &["REL-3"]),
                named("Zoe", &["REL-2", "REL-4"]),
                named("No pilot", &["REL-1"])
            ]
        );
        let all = ["REL-1", "REL-2", "REL-3", "REL-4"];
        assert_eq!(groups("service"), [named("shop", &all)]);
        for other in ["status", "train", ""] {
            assert_eq!(groups(other), [named("", &all)], "{other}");
        }
    }

    #[test]
    fn what_narrows_the_board_reaches_the_api_and_nothing_else_does() {
        let narrowed = Narrowed::read(&Form::read(b"service=7&q=+a%26b+&group=service&status=X"));
        assert_eq!(narrowed.query, "&serviceId=7&q=a%26b");
        assert_eq!(narrowed.list, "&service=7&q=a%26b");
        assert_eq!(Narrowed::read(&Form::read(b"q=+&service=")).query, "");
    }
}
