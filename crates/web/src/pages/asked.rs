//! What is asked of the table of releases by an address, a form or a saved view: filters, order and columns.

use crate::form::Form;
use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

/// What an address narrows the list to: its names here, and the API's.
const FILTERS: &[(&str, &str)] = &[
    ("status", "status"),
    ("phase", "phase"),
    ("service", "serviceId"),
    ("q", "q"),
    ("pilot", "pilot"),
    ("attention", "attention"),
    ("open", "open"),
    ("due", "due"),
];

/// A column that may be shown: its name as the API has it, its head, and what it is sorted by, as it is sorted first.
pub(crate) struct Column {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) sort: Option<&'static str>,
}

const fn column(key: &'static str, label: &'static str, sort: Option<&'static str>) -> Column {
    Column { key, label, sort }
}

/// Every column, in the order of the table.
pub(crate) const COLUMNS: &[Column] = &[
    column("serviceSlug", "Service", Some("serviceSlug")),
    column("version", "Version", None),
    column("status", "Status", Some("status")),
    column("phase", "Phase", None),
    column("priority", "Priority", Some("priority")),
    column("pilot", "Pilot", None),
    column("kickoffAt", "Kickoff", Some("kickoffAt")),
    column("targetDate", "Target date", Some("targetDate")),
    column("updatedAt", "Changed", Some("-updatedAt")),
];

/// Columns that are shown where nothing else is said.
const USUAL: &[&str] = &[
    "serviceSlug",
    "version",
    "status",
    "phase",
    "pilot",
    "targetDate",
    "updatedAt",
];

/// The orders that can be chosen.
pub(crate) const SORTS: &[(&str, &str)] = &[
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
pub(crate) const NEWEST: &str = "-key";
/// The place of a view where none is wanted.
pub(crate) const NO_VIEW: &str = "all";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Filters by their names here.
    filters: Vec<(&'static str, String)>,
    pub(crate) sort: String,
    /// Columns by their names, where they are not the usual ones.
    columns: Option<Vec<&'static str>>,
    /// The view that it began with, which addresses keep.
    pub(crate) view: Option<String>,
}

/// The known ones among names of columns, each once; none when they are the usual ones.
fn known<'a>(names: impl Iterator<Item = &'a str>) -> Option<Vec<&'static str>> {
    let mut found: Vec<&'static str> = Vec::new();
    for name in names {
        let column = COLUMNS.iter().find(|column| column.key == name);
        found.extend(column.map(|it| it.key).filter(|key| !found.contains(key)));
    }
    (found != USUAL).then_some(found)
}

impl Asked {
    /// Reads an address, or what a form carries of one.
    pub(crate) fn read(query: &Form) -> Self {
        let filters = FILTERS.iter().filter_map(|(name, _)| {
            let value = query.get(name)?;
            Some((*name, value.to_owned()))
        });
        let columns = if query.ticked("cols") {
            let ticked = COLUMNS
                .iter()
                .filter(|column| query.ticked(&format!("c-{}", column.key)));
            known(ticked.map(|column| column.key))
        } else {
            let named = query.get("columns");
            named.and_then(|text| known(text.split(',')))
        };
        Self {
            filters: filters.collect(),
            sort: query.get("sort").unwrap_or(NEWEST).to_owned(),
            columns,
            view: query.get("view").map(ToOwned::to_owned),
        }
    }

    /// What a saved view shows.
    pub(crate) fn of_view(id: &str, filter: &Map<String, Value>, columns: Option<&Vec<String>>) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(true) => Some("true".to_owned()),
            Value::Null | Value::Bool(false) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let filters = FILTERS
            .iter()
            .filter_map(|(ours, theirs)| Some((*ours, text(filter.get(*theirs)?)?)));
        Self {
            filters: filters.collect(),
            sort: filter
                .get("sort")
                .and_then(text)
                .unwrap_or_else(|| NEWEST.to_owned()),
            columns: columns.and_then(|names| known(names.iter().map(String::as_str))),
            view: Some(id.to_owned()),
        }
    }

    /// Whether an address says more than which view.
    pub(crate) fn said(query: &Form) -> bool {
        let more = ["sort", "columns", "cols"];
        let names = FILTERS.iter().map(|(name, _)| *name).chain(more);
        names.into_iter().any(|name| query.ticked(name))
    }

    /// What a view that shows this is made of.
    pub(crate) fn content(&self) -> (Value, Value) {
        let mut filter = Map::new();
        for (ours, theirs) in FILTERS {
            if let Some(value) = self.get(ours) {
                let value = if *ours == "open" {
                    json!(value == "true")
                } else {
                    json!(value)
                };
                filter.insert((*theirs).to_owned(), value);
            }
        }
        if self.sort != NEWEST {
            filter.insert("sort".to_owned(), json!(self.sort));
        }
        (Value::Object(filter), json!(self.shown()))
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

    /// The columns, in their order.
    pub(crate) fn shown(&self) -> &[&'static str] {
        self.columns.as_deref().unwrap_or(USUAL)
    }

    /// The query of the API.
    pub(crate) fn query(&self, cursor: Option<&str>) -> String {
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

    /// The same as an address of the page has it.
    pub(crate) fn said_by(&self, cursor: Option<&str>) -> String {
        let mut wanted = Serializer::new(String::new());
        if let Some(view) = &self.view {
            wanted.append_pair("view", view);
        }
        for (name, value) in &self.filters {
            wanted.append_pair(name, value);
        }
        // Of a view all is said, so that none of it comes back by itself.
        if self.sort != NEWEST || self.view.is_some() {
            wanted.append_pair("sort", &self.sort);
        }
        if let Some(columns) = &self.columns {
            wanted.append_pair("columns", &columns.join(","));
        }
        if let Some(cursor) = cursor {
            wanted.append_pair("cursor", cursor);
        }
        wanted.finish()
    }

    /// The address of a page of it.
    pub(crate) fn address(&self, cursor: Option<&str>) -> String {
        match self.said_by(cursor) {
            none if none.is_empty() => "/releases".to_owned(),
            some => format!("/releases?{some}"),
        }
    }

    /// How it is sorted by something now, and the address of it sorted by that, or the other way round.
    pub(crate) fn sorted(&self, first: &str) -> (Option<&'static str>, String) {
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
        (now, turned.address(None))
    }
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
        assert_eq!(
            read("view=7&columns=phase,phase,x").address(None),
            "/releases?view=7&sort=-key&columns=phase"
        );
    }

    #[test]
    fn a_head_sorts_and_turns_round() {
        let head = |query: &str, sort: &str| read(query).sorted(sort);
        let changed = "-updatedAt";
        assert_eq!(
            head("q=x", changed),
            (None, "/releases?q=x&sort=-updatedAt".to_owned())
        );
        assert_eq!(
            head("q=x&sort=-updatedAt&cursor=1", changed),
            (Some("descending"), "/releases?q=x&sort=updatedAt".to_owned())
        );
        assert_eq!(
            head("sort=updatedAt", changed),
            (Some("ascending"), "/releases?sort=-updatedAt".to_owned())
        );
        assert_eq!(
            head("", NEWEST),
            (Some("descending"), "/releases?sort=key".to_owned())
        );
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

    #[test]
    fn a_view_shows_what_was_saved() {
        let asked =
            read("view=7&status=PLANNING&service=s&open=true&sort=-updatedAt&cols=1&c-status=on&c-pilot=on");
        assert_eq!(asked.shown(), ["status", "pilot"]);
        let (filter, columns) = asked.content();
        assert_eq!(
            filter,
            json!({"status": "PLANNING", "serviceId": "s", "open": true, "sort": "-updatedAt"})
        );
        let columns: Vec<String> = serde_json::from_value(columns).unwrap();
        let filter = filter.as_object().unwrap();
        assert_eq!(Asked::of_view("7", filter, Some(&columns)), asked);
        assert_eq!(Asked::of_view("7", &Map::new(), None), read("view=7"));
        for (query, said) in [
            ("view=7", false),
            ("view=7&sort=key", true),
            ("cols=1", true),
            ("", false),
        ] {
            assert_eq!(Asked::said(&Form::read(query.as_bytes())), said, "{query}");
        }
        assert!(
            read("cols=1").shown().is_empty(),
            "nothing ticked is nothing shown"
        );
    }
}
