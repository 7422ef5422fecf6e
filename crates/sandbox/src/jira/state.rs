//! What the simulated Jira keeps.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::Context;

pub(crate) const NAME: &str = "jira";
pub(crate) const PROJECT: &str = "REL";

/// A status of the workflow; every status leads to every other one.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// `new`, `indeterminate` or `done`.
    pub(crate) category: &'static str,
}

pub(crate) const STATUSES: [Status; 4] = [
    Status {
        id: "10000",
        name: "To Do",
        category: "new",
    },
    Status {
        id: "3",
        name: "In Progress",
        category: "indeterminate",
    },
    Status {
        id: "10003",
        name: "Approved",
        category: "indeterminate",
    },
    Status {
        id: "10001",
        name: "Done",
        category: "done",
    },
];

pub(crate) fn status_named(name: &str) -> Option<usize> {
    STATUSES
        .iter()
        .position(|status| status.name.eq_ignore_ascii_case(name))
}

/// A comment.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) body: Value,
    pub(crate) properties: Value,
}

/// A ticket.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) description: Value,
    pub(crate) labels: Vec<String>,
    pub(crate) properties: BTreeMap<String, Value>,
    /// Position in [`STATUSES`].
    pub(crate) status: usize,
    pub(crate) created: i64,
    pub(crate) comments: Vec<Comment>,
}

impl Issue {
    pub(crate) fn new(kind: &str, summary: &str, description: Value, labels: Vec<String>) -> Self {
        Self {
            id: String::new(),
            key: String::new(),
            kind: kind.to_owned(),
            summary: summary.to_owned(),
            description,
            labels,
            properties: BTreeMap::new(),
            status: 0,
            created: 0,
            comments: Vec::new(),
        }
    }

    /// The caller's key, if it left one.
    pub(crate) fn property_key(&self) -> Option<String> {
        let value = self.properties.get("delivr_key")?;
        value.get("key").and_then(Value::as_str).map(str::to_owned)
    }
}

/// The vendor.
#[derive(Debug, Default)]
pub(crate) struct Jira {
    pub(crate) issues: Vec<Issue>,
    /// How long the search does not see a new ticket.
    pub(crate) index_lag_ms: i64,
    /// A status no transition leads to.
    pub(crate) hidden: Option<String>,
}

impl Jira {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Issue> {
        self.issues
            .iter()
            .find(|issue| issue.key == key || issue.id == key)
    }

    /// Keeps a ticket under the next key, which is returned.
    pub(crate) fn add(&mut self, ctx: &mut Context, mut issue: Issue) -> String {
        let number = ctx.ids.next("jira issue");
        issue.id = (10_000 + number).to_string();
        issue.key = format!("{PROJECT}-{number}");
        issue.created = ctx.now();
        issue.comments.clear();
        let key = issue.key.clone();
        self.issues.push(issue);
        key
    }
}

/// `field = value` of a query.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) field: String,
    pub(crate) value: String,
}

impl Clause {
    pub(crate) fn fits(&self, issue: &Issue) -> bool {
        match self.field.as_str() {
            "labels" => issue.labels.contains(&self.value),
            "key" | "issuekey" => issue.key == self.value,
            "status" => STATUSES
                .get(issue.status)
                .is_some_and(|status| status.name == self.value),
            _ => true,
        }
    }
}

/// Reads `field = value AND ...`, which is all the simulator knows of JQL.
pub(crate) fn jql(text: &str) -> Result<Vec<Clause>, String> {
    let mut clauses = Vec::new();
    for part in text.split(" AND ").map(str::trim).filter(|part| !part.is_empty()) {
        let Some((field, value)) = part.split_once('=') else {
            return Err(format!("Error in the JQL Query: '{part}' is not understood."));
        };
        let field = field.trim().to_lowercase();
        if !["project", "labels", "key", "issuekey", "status"].contains(&field.as_str()) {
            return Err(format!(
                "Field '{field}' does not exist or you do not have permission to view it."
            ));
        }
        let value = value.trim().trim_matches('"').to_owned();
        clauses.push(Clause { field, value });
    }
    Ok(clauses)
}

/// The words of an ADF document or of a plain text, a line per paragraph.
pub(crate) fn plain(text: &Value) -> String {
    if let Some(words) = text.as_str() {
        return words.to_owned();
    }
    let own = text.get("text").and_then(Value::as_str).unwrap_or_default();
    let inner = text.get("content").and_then(Value::as_array);
    let inner: String = inner.into_iter().flatten().map(plain).collect();
    let end = match text.get("type").and_then(Value::as_str) {
        Some("paragraph" | "hardBreak") => "\n",
        _ => "",
    };
    format!("{own}{inner}{end}")
}
