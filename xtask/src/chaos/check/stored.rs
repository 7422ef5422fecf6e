//! What the database holds of a run: releases, effects, and the words of their states.

use crate::chaos::database::{Columns, Reader};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// A release as the database holds it.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) tenant: String,
    pub(super) version: String,
    pub(super) phase: String,
    pub(super) revision: u64,
    pub(super) wakes: bool,
    pub(super) state: Value,
}

/// An effect's row.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) owner_kind: String,
    pub(super) kind: String,
    correlation: String,
    pub(super) state: String,
    pub(super) effect: Value,
}

impl Row {
    pub(super) fn live(&self) -> bool {
        matches!(self.state.as_str(), "READY" | "CLAIMED" | "PARKED")
    }
    pub(super) fn task(&self) -> &str {
        self.effect
            .pointer("/key/task")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
    /// Everything a vendor may be shown as its key.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = vec![self.id.clone(), self.correlation.clone()];
        let at = |pointer: &str| self.effect.pointer(pointer);
        if let (Some(install), Some(owner), Some(task), Some(generation), Some(step)) = (
            at("/key/install").and_then(Value::as_str),
            at("/key/owner/id").and_then(Value::as_str),
            at("/key/task").and_then(Value::as_str),
            at("/key/generation"),
            at("/key/step"),
        ) {
            keys.push(format!("{install}/{owner}/{task}/g{generation}/s{step}"));
        }
        keys
    }
}

pub(super) fn column(row: &Columns, at: usize) -> String {
    row.get(at).cloned().unwrap_or_default()
}

pub(super) fn number(row: &Columns, at: usize) -> u64 {
    row.get(at).and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub(super) fn document(row: &Columns, at: usize) -> Value {
    row.get(at)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

pub(super) fn releases(reader: &mut Reader) -> Result<Vec<Stored>> {
    let rows = reader.rows(
        "select {hex:r.id}, t.slug, r.version_text, r.phase, {text:r.version}, {text:r.wake_at}, {text:r.state} \
         from releases r join tenants t on t.id = r.tenant_id order by r.number",
    )?;
    let read = |row: &Columns| Stored {
        id: column(row, 0),
        tenant: column(row, 1),
        version: column(row, 2),
        phase: column(row, 3),
        revision: number(row, 4),
        wakes: !column(row, 5).is_empty(),
        state: document(row, 6),
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) fn effects(reader: &mut Reader) -> Result<Vec<Row>> {
    let rows = reader.rows(
        "select {hex:id}, {hex:owner_id}, owner_kind, kind, correlation, state, {text:effect} from effects",
    )?;
    let read = |row: &Columns| Row {
        id: column(row, 0),
        owner: column(row, 1),
        owner_kind: column(row, 2),
        kind: column(row, 3),
        correlation: column(row, 4),
        state: column(row, 5),
        effect: document(row, 6),
    };
    Ok(rows.iter().map(read).collect())
}

/// Which release a submission or rollout belongs to.
pub(super) fn parents(reader: &mut Reader) -> Result<BTreeMap<String, String>> {
    let rows = reader.rows(
        "select {hex:id}, {hex:parent_id} from submissions union all select {hex:id}, {hex:parent_id} from rollouts",
    )?;
    Ok(rows.iter().map(|row| (column(row, 0), column(row, 1))).collect())
}

pub(super) fn plain(id: &str) -> String {
    id.replace('-', "")
}

pub(super) fn tasks(state: &Value) -> Vec<(&str, &Value)> {
    state
        .pointer("/board/tasks")
        .and_then(Value::as_object)
        .map(|tasks| tasks.iter().map(|(key, task)| (key.as_str(), task)).collect())
        .unwrap_or_default()
}

/// Whether something that was written is looked for once more, because an answer to it was lost: that outlives the end.
pub(super) fn looks_again(state: &Value) -> bool {
    state
        .pointer("/board/doubts")
        .and_then(Value::as_array)
        .is_some_and(|doubts| !doubts.is_empty())
}

pub(super) fn state_word(task: &Value) -> &str {
    task.pointer("/state/state")
        .and_then(Value::as_str)
        .unwrap_or_default()
}
