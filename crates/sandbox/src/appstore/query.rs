//! Query parameters of App Store Connect and the paging they steer.

use std::collections::BTreeMap;

use super::errors::{Outcome, parameter};
use crate::call::Call;

/// Biggest page.
const MOST: usize = 200;
const USUAL: usize = 50;

/// A declared filter and its allowed words; none means any.
pub(crate) type Filter = (&'static str, &'static [&'static str]);

/// Checked query parameters.
#[derive(Debug, Default)]
pub(crate) struct Query {
    filters: BTreeMap<String, Vec<String>>,
    fields: BTreeMap<String, Vec<String>>,
    include: Vec<String>,
    /// Sort keys; a leading minus means descending.
    pub(crate) sort: Vec<String>,
    /// Page size.
    pub(crate) limit: usize,
    /// Where the page begins.
    pub(crate) offset: usize,
    self_url: String,
    page_url: String,
}

impl Query {
    /// Reads the parameters; unknown ones are refused.
    pub(crate) fn read(call: &Call, filters: &[Filter], includes: &[&str], sorts: &[&str]) -> Outcome<Self> {
        let mut query = Self {
            limit: USUAL,
            ..Self::default()
        };
        let mut kept = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &call.query {
            let words = || value.split(',').map(str::to_owned).collect::<Vec<String>>();
            let filter = name
                .strip_prefix("filter[")
                .and_then(|rest| rest.strip_suffix(']'));
            let fields = name
                .strip_prefix("fields[")
                .and_then(|rest| rest.strip_suffix(']'));
            if let Some(filter) = filter {
                let declared = filters.iter().find(|(declared, _)| *declared == filter);
                let Some((_, allowed)) = declared else {
                    return Err(illegal(name));
                };
                let words = words();
                if let Some(word) = words
                    .iter()
                    .find(|word| !allowed.is_empty() && !allowed.contains(&word.as_str()))
                {
                    return Err(parameter(
                        "INVALID",
                        name,
                        &format!("'{word}' is not a valid filter value."),
                    ));
                }
                query.filters.insert(filter.to_owned(), words);
            } else if let Some(kind) = fields {
                query.fields.insert(kind.to_owned(), words());
            } else if name == "include" {
                query.include = words();
                if let Some(word) = query
                    .include
                    .iter()
                    .find(|word| !includes.contains(&word.as_str()))
                {
                    return Err(parameter(
                        "INVALID",
                        name,
                        &format!("'{word}' is not a valid relationship name"),
                    ));
                }
            } else if name == "sort" {
                query.sort = words();
                if let Some(word) = query
                    .sort
                    .iter()
                    .find(|word| !sorts.contains(&word.trim_start_matches('-')))
                {
                    return Err(parameter(
                        "INVALID",
                        name,
                        &format!("'{word}' is not a valid sort key"),
                    ));
                }
            } else if name == "limit" {
                let limit = value
                    .parse::<usize>()
                    .ok()
                    .filter(|limit| (1..=MOST).contains(limit));
                query.limit = limit
                    .ok_or_else(|| parameter("INVALID", name, "The limit must be between 1 and 200."))?;
            } else if name == "cursor" {
                let offset = value.strip_prefix("at-").and_then(|text| text.parse().ok());
                query.offset =
                    offset.ok_or_else(|| parameter("INVALID", name, "The cursor is not a valid cursor."))?;
                continue;
            } else if !name.starts_with("limit[") && !name.starts_with("exists[") {
                return Err(illegal(name));
            }
            kept.append_pair(name, value);
        }
        let path = format!("{}{}", call.base, call.path);
        let join = |text: &str| {
            if text.is_empty() {
                path.clone()
            } else {
                format!("{path}?{text}")
            }
        };
        query.self_url = join(&call.raw_query);
        query.page_url = join(&kept.finish());
        Ok(query)
    }

    /// Words of a filter.
    pub(crate) fn filter(&self, name: &str) -> Option<&[String]> {
        self.filters.get(name).map(Vec::as_slice)
    }

    /// Whether a value passes a filter; an absent filter lets all pass.
    pub(crate) fn passes(&self, name: &str, value: &str) -> bool {
        self.filter(name)
            .is_none_or(|words| words.iter().any(|word| word == value))
    }

    /// Whether a relationship is to be included.
    pub(crate) fn includes(&self, name: &str) -> bool {
        self.include.iter().any(|word| word == name)
    }

    /// Whether a field of a type is shown.
    pub(crate) fn shows(&self, kind: &str, field: &str) -> bool {
        self.fields
            .get(kind)
            .is_none_or(|fields| fields.iter().any(|one| one == field))
    }

    /// Address of this request.
    pub(crate) fn self_url(&self) -> &str {
        &self.self_url
    }

    /// Address and cursor of the page that begins at an offset.
    pub(crate) fn page(&self, offset: usize) -> (String, String) {
        let cursor = format!("at-{offset}");
        let joint = if self.page_url.contains('?') { '&' } else { '?' };
        (format!("{}{joint}cursor={cursor}", self.page_url), cursor)
    }
}

fn illegal(name: &str) -> crate::answer::Answer {
    parameter(
        "ILLEGAL",
        name,
        &format!("The parameter '{name}' can not be used with this request"),
    )
}
