//! The table of releases: filters, order, columns and pages as the API has them, and views that were saved of it.

use super::asked::{Asked, COLUMNS, NEWEST, NO_VIEW, SORTS};
use super::views::{self, View};
use crate::frame::{Frame, page};
use crate::model::{List, Release, Service};
use crate::shown::{PHASES, STATUSES, words};
use crate::visit::{Paged, Visit, no};
use actix_web::http::StatusCode;
use askama::Template;
use delivr_app::usecases::access::Role;
use futures_util::future;

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
    dues: Vec<Choice>,
    sorts: Vec<Choice>,
    columns: Vec<Choice>,
    asked: Asked,
    /// The column of the release itself.
    first: Head,
    heads: Vec<Head>,
    paged: bool,
    /// The first page of this very list.
    again: String,
    next: Option<String>,
    views: Vec<View>,
    /// The view that this list began with.
    view: Option<View>,
    /// The list shows something else than its view.
    changed: bool,
    /// The list as a form carries it.
    said: String,
    may_share: bool,
    /// All releases, without any view.
    all: &'static str,
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

const NEEDS: &[(&str, &str)] = &[
    ("STOPPED", "It is stopped"),
    ("WAITING", "It waits for a decision"),
    ("WAITING,STOPPED", "Either"),
    ("NONE", "Nobody is needed"),
];

const DUES: &[(&str, &str)] = &[("LATE", "Has passed"), ("UPCOMING", "Is to come")];

fn head(asked: &Asked, key: &'static str, label: &'static str, sort: Option<&str>) -> Head {
    let sorted = sort.map(|first| asked.sorted(first));
    Head {
        key,
        label,
        now: sorted.as_ref().and_then(|(now, _)| *now),
        sort: sorted.map(|(_, address)| address),
    }
}

/// The table.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let views = views::all(&visit).await?;
    let mut asked = Asked::read(&query);
    let said = Asked::said(&query);
    let begins = views.iter().find(|view| view.is_default);
    let view = match asked.view.as_deref() {
        Some(NO_VIEW) => None,
        Some(id) => {
            let found = views.iter().find(|view| view.id == id);
            let gone = || visit.refuse(no(StatusCode::NOT_FOUND, "there is no such view"));
            Some(found.ok_or_else(gone)?)
        }
        None if said || query.ticked("cursor") => None,
        None => begins,
    };
    if let Some(view) = view.filter(|_view| !said) {
        asked = view.asked();
    }
    let changed = view.is_some_and(|view| view.asked() != asked);
    let cursor = query.get("cursor");
    let shown = future::try_join(
        visit.look::<List<Release>>(format!("/releases?{}", asked.query(cursor))),
        visit.look::<List<Service>>("/services?limit=200"),
    );
    let (frame, (found, services)) = visit.with_frame("releases", shown).await?;
    let named = |all: &'static [&'static str]| all.iter().map(|word| (*word, words(word)));
    let shown = asked
        .shown()
        .iter()
        .filter_map(|key| COLUMNS.iter().find(|column| column.key == *key));
    let template = Releases {
        frame,
        statuses: choices(named(STATUSES), asked.get("status")),
        phases: choices(named(PHASES), asked.get("phase")),
        services: choices(
            services.items.iter().map(|it| (it.id.as_str(), it.name.clone())),
            asked.get("service"),
        ),
        needs: fixed(NEEDS, asked.get("attention")),
        dues: fixed(DUES, asked.get("due")),
        sorts: fixed(SORTS, Some(&asked.sort)),
        columns: COLUMNS
            .iter()
            .map(|column| Choice {
                value: column.key.to_owned(),
                label: column.label.to_owned(),
                chosen: asked.shown().contains(&column.key),
            })
            .collect(),
        first: head(&asked, "release", "Release", Some(NEWEST)),
        heads: shown
            .map(|column| head(&asked, column.key, column.label, column.sort))
            .collect(),
        paged: cursor.is_some(),
        again: asked.address(None),
        next: found
            .next_cursor
            .as_deref()
            .map(|cursor| asked.address(Some(cursor))),
        releases: found.items,
        view: view.cloned(),
        changed,
        said: asked.said_by(None),
        may_share: visit.who.role >= Role::Member,
        all: if begins.is_some() {
            "/releases?view=all"
        } else {
            "/releases"
        },
        views,
        asked,
    };
    Ok(page(StatusCode::OK, &template))
}
