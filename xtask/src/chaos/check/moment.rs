//! What must hold at every moment of a run, not only at its end.

use super::stored::{column, document, state_word, tasks};
use crate::chaos::database::{Columns, Reader};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// What must hold at every moment: each task that runs has exactly the one row that carries it on.
///
/// # Errors
/// When the database does not answer, as while it is down.
pub(crate) fn at_this_moment(reader: &mut Reader) -> Result<Vec<String>> {
    // One statement, so that both sides are of the same moment.
    let rows = reader.rows(
        "select 'STATE', {hex:id}, 'RELEASE', key, {text:state} from releases \
         union all select 'STATE', {hex:id}, 'SUBMISSION', key, {text:state} from submissions \
         union all select 'STATE', {hex:id}, 'ROLLOUT', key, {text:state} from rollouts \
         union all select kind, {hex:owner_id}, owner_kind, state, {text:effect} from effects \
         where state in ('READY', 'CLAIMED', 'PARKED') and kind in ('PERFORM', 'RESOLVE', 'WATCH')",
    )?;
    Ok(without_their_rows(&rows))
}

/// Tasks under way that are not carried on by exactly one row.
fn without_their_rows(rows: &[Columns]) -> Vec<String> {
    let mut carried: BTreeMap<(String, String, bool), u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| column(row, 0) != "STATE") {
        let task = document(row, 4);
        let task = task
            .pointer("/key/task")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let watch = column(row, 0) == "WATCH";
        let parked = column(row, 3) == "PARKED";
        if !parked {
            *carried
                .entry((column(row, 1), task.to_owned(), watch))
                .or_insert(0) += 1;
        }
    }
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| column(row, 0) == "STATE") {
        let state = document(row, 4);
        for (key, task) in tasks(&state) {
            let watch = match state_word(task) {
                "RUNNING" => false,
                "AWAITING_CALLBACK" => true,
                _ => continue,
            };
            let count = carried
                .get(&(column(row, 1), key.to_owned(), watch))
                .copied()
                .unwrap_or(0);
            if count != 1 {
                wrong.push(format!(
                    "{} {}: task {key} is {} with {count} rows",
                    column(row, 2),
                    column(row, 3),
                    state_word(task)
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_task_without_its_row_is_seen() {
        let state = json!({ "board": { "tasks": {
            "FORK_BRANCH/-/-": { "state": { "state": "RUNNING", "step": 0 } },
            "AUTOMATION_RUNS/IOS_APP_STORE/1": { "state": { "state": "AWAITING_CALLBACK" } },
            "MERGE_BACK/-/-": { "state": { "state": "PENDING" } },
        } } })
        .to_string();
        let row = |kind: &str, state: &str, task: &str| -> Columns {
            let effect = json!({ "key": { "task": task } }).to_string();
            [kind, "a1", "RELEASE", state, &effect].map(str::to_owned).into()
        };
        let release: Columns = ["STATE", "a1", "RELEASE", "REL-1", &state]
            .map(str::to_owned)
            .into();
        let run = row("PERFORM", "CLAIMED", "FORK_BRANCH/-/-");
        let wait = row("WATCH", "READY", "AUTOMATION_RUNS/IOS_APP_STORE/1");
        let all = [release.clone(), run.clone(), wait.clone()];
        assert_eq!(without_their_rows(&all), Vec::<String>::new());
        assert_eq!(
            without_their_rows(&[release.clone(), wait.clone()]),
            ["RELEASE REL-1: task FORK_BRANCH/-/- is RUNNING with 0 rows"]
        );
        // Parked is not carried on; and one row too many is as wrong as none.
        let parked = row("PERFORM", "PARKED", "FORK_BRANCH/-/-");
        assert_eq!(
            without_their_rows(&[release.clone(), parked, wait.clone()]).len(),
            1
        );
        assert_eq!(without_their_rows(&[release, run.clone(), run, wait]).len(), 1);
    }
}
