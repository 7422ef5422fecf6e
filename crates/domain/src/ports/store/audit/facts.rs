//! What is stored of a thing, in words and without secrets, and what is another one than before.

use super::Subject;
use crate::ids::TenantId;
use crate::ports::store::{Integration, Pipeline, Profile, Service, StatusLink, StatusOf, Token};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Characters kept of a value.
const VALUE: usize = 300;
/// Values of one line, at most.
const MOST: usize = 60;
/// The role of a token that is a link to the calendar.
const CALENDAR: &str = "CALENDAR";
const REVOKED: &str = "revoked";

/// A value that is another one than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Altered {
    /// Which.
    pub field: String,
    /// What it was; none when there was none.
    pub before: Option<String>,
    /// What it is; none when there is none.
    pub after: Option<String>,
}

impl Altered {
    /// A value, before and after.
    #[must_use]
    pub fn new(field: &str, before: Option<&str>, after: Option<&str>) -> Self {
        Self {
            field: kept(field),
            before: before.map(kept),
            after: after.map(kept),
        }
    }
}

/// A text as it is kept: what no database refuses, and no more of it than fits.
pub(super) fn kept(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(VALUE)
        .map(|c| if c == '\0' { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(VALUE).is_some() {
        short.push('…');
    }
    short
}

/// What is stored of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub(super) subject: Subject,
    pub(super) id: String,
    pub(super) name: String,
    fields: BTreeMap<String, String>,
}

impl Facts {
    fn new(subject: Subject, id: &dyn Display, name: &str) -> Self {
        let mut it = Self {
            subject,
            id: id.to_string(),
            name: name.to_owned(),
            fields: BTreeMap::new(),
        };
        it.put("name", &name);
        it
    }

    fn put(&mut self, field: &str, value: &dyn Display) {
        self.fields.insert(field.to_owned(), value.to_string());
    }

    fn put_if(&mut self, field: &str, value: Option<&dyn Display>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }

    /// A document, each of its values under the path to it. What is null is not there.
    fn put_all(&mut self, path: &str, document: &Value) {
        match document {
            Value::Null => {}
            Value::Object(members) => {
                for (name, value) in members {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.put_all(&path, value);
                }
            }
            Value::String(text) => self.put(path, text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => self.put(path, document),
        }
    }

    /// Of an integration: that a credential is set, and never what it is.
    #[must_use]
    pub fn of_integration(it: &Integration) -> Self {
        let mut facts = Self::new(Subject::Integration, &it.id, &it.name);
        facts.put("category", &it.port);
        facts.put("provider", &it.provider);
        facts.put_all("settings", &it.config);
        for (name, hint) in &it.hints {
            let shown = if hint.is_empty() {
                "set".to_owned()
            } else {
                format!("set, ends with {hint}")
            };
            facts.put(&credential(name), &shown);
        }
        facts
    }

    /// Says that a credential was given anew, whether or not what may be shown of it is another one.
    pub(super) fn given_anew(&mut self, name: &str) {
        if let Some(shown) = self.fields.get_mut(&credential(name)) {
            *shown = shown.replacen("set", "replaced", 1);
        }
    }

    /// Of a pipeline.
    #[must_use]
    pub fn of_pipeline(it: &Pipeline) -> Self {
        let mut facts = Self::new(Subject::Pipeline, &it.id, &it.name);
        facts.put("CI integration", &it.integration);
        facts.put_if(
            "source-control integration",
            it.scm.as_ref().map(|it| it as &dyn Display),
        );
        facts.put_if(
            "store integration",
            it.store.as_ref().map(|it| it as &dyn Display),
        );
        facts.put("platform", &it.platform);
        facts.put("purpose", &it.purpose);
        facts.put("job", &it.job);
        for (name, value) in &it.parameters {
            facts.put(&format!("parameter {name}"), value);
        }
        facts
    }

    /// Of a service.
    #[must_use]
    pub fn of_service(it: &Service) -> Self {
        let mut facts = Self::new(Subject::Service, &it.id, &it.name);
        facts.put("slug", &it.slug);
        facts.put_all("", &it.detail);
        // Whatever the document calls so, the service's name is its own.
        facts.put("name", &it.name);
        facts
    }

    /// Of a revision of a profile.
    #[must_use]
    pub fn of_profile(it: &Profile) -> Self {
        let mut facts = Self::new(Subject::Profile, &it.id, &it.name);
        facts.put("revision", &it.revision);
        facts.put_if("service", it.service.as_ref().map(|it| it as &dyn Display));
        facts.put_all("settings", &it.settings);
        facts
    }

    /// Of a token, or of a link to the calendar, which is kept as one.
    #[must_use]
    pub fn of_token(it: &Token) -> Self {
        let link = it.role == CALENDAR;
        let subject = if link {
            Subject::CalendarLink
        } else {
            Subject::Token
        };
        let mut facts = Self::new(subject, &it.id, &it.name);
        if !link {
            facts.put("role", &it.role);
        }
        facts.put_if("person", it.person.as_ref().map(|it| it as &dyn Display));
        facts.put_if(
            "ends",
            it.expires_at
                .map(|at| at.to_rfc3339())
                .as_ref()
                .map(|it| it as &dyn Display),
        );
        facts.put_if(
            REVOKED,
            it.revoked_at
                .map(|at| at.to_rfc3339())
                .as_ref()
                .map(|it| it as &dyn Display),
        );
        facts
    }

    /// Of a link to a status page.
    #[must_use]
    pub fn of_link(it: &StatusLink) -> Self {
        let mut facts = Self::new(Subject::StatusLink, &it.id, &it.name);
        match it.about {
            StatusOf::Release(id) => facts.put("release", &id),
            StatusOf::Service(id) => facts.put("service", &id),
        }
        facts.put("ends", &it.expires_at.to_rfc3339());
        facts.put_if(
            REVOKED,
            it.revoked_at
                .map(|at| at.to_rfc3339())
                .as_ref()
                .map(|it| it as &dyn Display),
        );
        facts
    }

    /// Of an organisation.
    #[must_use]
    pub fn of_tenant(id: TenantId, slug: &str, name: &str) -> Self {
        let mut facts = Self::new(Subject::Organisation, &id, name);
        facts.put("slug", &slug);
        facts
    }

    /// Of the stop switch of an organisation: why it is on, or that it is off.
    #[must_use]
    pub fn of_stop(id: TenantId, reason: Option<&str>) -> Self {
        let mut facts = Self::new(Subject::Line, &id, "the line");
        facts.put_if("stopped because", reason.as_ref().map(|it| it as &dyn Display));
        facts
    }

    /// The same, revoked. What was revoked before stays so since then.
    pub(super) fn revoked(mut self, at: Timestamp) -> Self {
        self.fields
            .entry(REVOKED.to_owned())
            .or_insert_with(|| at.to_rfc3339());
        self
    }
}

fn credential(name: &str) -> String {
    format!("credential {name}")
}

/// What is another one than before, by the names of the values.
pub(super) fn compare(before: Option<&Facts>, after: Option<&Facts>) -> Vec<Altered> {
    let none = BTreeMap::new();
    let fields = |of: Option<&Facts>| of.map_or_else(|| none.clone(), |it| it.fields.clone());
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut changes: Vec<Altered> = names
        .into_iter()
        .map(|name| (name, before.get(name), after.get(name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| {
            Altered::new(name, before.map(String::as_str), after.map(String::as_str))
        })
        .collect();
    if let Some(more) = changes.len().checked_sub(MOST).filter(|more| *more > 0) {
        changes.truncate(MOST);
        changes.push(Altered::new("and more", None, Some(&format!("{more} values"))));
    }
    changes
}
