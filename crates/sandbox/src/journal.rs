//! The journal of effects: every state change a vendor really performed, and which were duplicates.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

/// One state change at a vendor.
#[derive(Debug, Clone, Serialize)]
pub struct Effect {
    /// Position in the journal, from 1.
    pub seq: u64,
    /// Vendor prefix.
    pub vendor: String,
    /// Operation, for example `trigger`.
    pub operation: String,
    /// Natural subject: what a person would call the same thing.
    pub subject: String,
    /// Correlation key the caller sent, where the vendor has a place for one.
    pub key: Option<String>,
    /// RFC 3339 time.
    pub at: String,
    /// Anything worth knowing.
    pub detail: Value,
    /// Occurrences of a subject whose object was spent do not count against later ones.
    #[serde(skip)]
    generation: u32,
}

type Subject = (String, String, String);

/// Everything the vendors did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    effects: Vec<Effect>,
    generations: BTreeMap<Subject, u32>,
    pub(crate) requests: u64,
}

impl Journal {
    /// Adds an effect.
    pub(crate) fn record(
        &mut self,
        at: String,
        vendor: &str,
        operation: &str,
        subject: &str,
        key: Option<String>,
        detail: Value,
    ) {
        let name = (vendor.to_owned(), operation.to_owned(), subject.to_owned());
        let generation = self.generations.get(&name).copied().unwrap_or(0);
        self.effects.push(Effect {
            seq: self.effects.len() as u64 + 1,
            vendor: name.0,
            operation: name.1,
            subject: name.2,
            key,
            at,
            detail,
            generation,
        });
    }

    /// Ends a subject's generation: its object failed, was cancelled or rejected, so doing it again is right.
    pub(crate) fn spend(&mut self, vendor: &str, operation: &str, subject: &str) {
        *self
            .generations
            .entry((vendor.to_owned(), operation.to_owned(), subject.to_owned()))
            .or_insert(0) += 1;
    }

    /// The journal as the control route shows it.
    pub(crate) fn show(&self, vendor: Option<&str>, operation: Option<&str>) -> Value {
        let effects: Vec<&Effect> = self
            .effects
            .iter()
            .filter(|effect| vendor.is_none_or(|name| name == effect.vendor))
            .filter(|effect| operation.is_none_or(|name| name == effect.operation))
            .collect();
        let mut counts: BTreeMap<(&str, &str, &str, u32), u64> = BTreeMap::new();
        for effect in &effects {
            let name = (
                effect.vendor.as_str(),
                effect.operation.as_str(),
                effect.subject.as_str(),
                effect.generation,
            );
            *counts.entry(name).or_insert(0) += 1;
        }
        let mut surplus: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for ((vendor, operation, subject, _), count) in counts {
            if count > 1 {
                *surplus.entry((vendor, operation, subject)).or_insert(0) += count - 1;
            }
        }
        let duplicates: Vec<Value> = surplus
            .into_iter()
            .map(|((vendor, operation, subject), count)| {
                json!({"vendor": vendor, "operation": operation, "subject": subject, "count": count})
            })
            .collect();
        json!({"effects": effects, "duplicates": duplicates, "requests": self.requests})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(journal: &mut Journal, subject: &str) {
        journal.record("now".into(), "jira", "create", subject, None, Value::Null);
    }

    #[test]
    fn a_planted_duplicate_counts_one_and_a_spent_subject_starts_anew() {
        let mut journal = Journal::default();
        add(&mut journal, "a");
        add(&mut journal, "b");
        assert_eq!(journal.show(None, None)["duplicates"], json!([]));
        journal.spend("jira", "create", "a");
        add(&mut journal, "a");
        assert_eq!(journal.show(None, None)["duplicates"], json!([]));
        add(&mut journal, "a");
        let shown = journal.show(Some("jira"), Some("create"));
        assert_eq!(shown["duplicates"][0]["count"], 1);
        assert_eq!(shown["duplicates"][0]["subject"], "a");
        assert_eq!(journal.show(Some("slack"), None)["effects"], json!([]));
    }
}
