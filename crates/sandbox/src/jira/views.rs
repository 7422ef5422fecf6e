//! The documents Jira answers with.

use chrono::DateTime;
use serde_json::{Value, json};

use super::state::{Comment, Issue, PROJECT, STATUSES};
use crate::call::Call;

fn time(millis: i64) -> String {
    let instant = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    instant.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

fn status(base: &str, index: usize) -> Value {
    let Some(status) = STATUSES.get(index) else {
        return Value::Null;
    };
    let (id, colour) = match status.category {
        "new" => (2, "blue-gray"),
        "done" => (3, "green"),
        _ => (4, "yellow"),
    };
    json!({"self": format!("{base}/rest/api/3/status/{}", status.id), "id": status.id, "name": status.name,
           "description": "", "iconUrl": format!("{base}/images/icons/statuses/generic.png"),
           "statusCategory": {"self": format!("{base}/rest/api/3/statuscategory/{id}"), "id": id,
                              "key": status.category, "colorName": colour, "name": status.category}})
}

/// A ticket; with the body of a search only the asked fields and properties.
pub(crate) fn issue(base: &str, issue: &Issue, search: Option<&Value>) -> Value {
    let all = json!({
        "summary": issue.summary, "description": issue.description, "labels": issue.labels,
        "status": status(base, issue.status), "created": time(issue.created),
        "issuetype": {"name": issue.kind, "id": "10002", "subtask": false},
        "project": {"key": PROJECT, "id": "10000", "name": "Releases"},
    });
    let mut document = json!({"id": issue.id, "key": issue.key,
        "self": format!("{base}/rest/api/3/issue/{}", issue.id), "fields": all});
    if let Some(body) = search {
        let names = |field: &str| -> Vec<String> {
            body.get(field)
                .and_then(Value::as_array)
                .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default()
        };
        let wanted = names("fields");
        if let Some(fields) = document.get_mut("fields").and_then(Value::as_object_mut) {
            fields.retain(|name, _| wanted.iter().any(|field| field == name));
        }
        let wanted = names("properties");
        let kept: serde_json::Map<String, Value> = issue
            .properties
            .iter()
            .filter(|(name, _)| wanted.contains(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if body.get("properties").is_some()
            && let Some(document) = document.as_object_mut()
        {
            document.insert("properties".to_owned(), Value::Object(kept));
        }
    }
    document
}

/// Statuses a ticket can go to from here.
pub(crate) fn offered(from: usize, hidden: Option<&str>) -> Vec<usize> {
    STATUSES
        .iter()
        .enumerate()
        .filter(|(index, status)| *index != from && hidden != Some(status.name))
        .map(|(index, _)| index)
        .collect()
}

pub(crate) fn transition_id(to: usize) -> String {
    (11 + 10 * to).to_string()
}

pub(crate) fn transitions(base: &str, from: usize, hidden: Option<&str>) -> Value {
    let list: Vec<Value> = offered(from, hidden)
        .into_iter()
        .map(|to| {
            let name = STATUSES.get(to).map(|status| status.name).unwrap_or_default();
            json!({"id": transition_id(to), "name": name, "to": status(base, to), "hasScreen": true,
                   "isGlobal": true, "isInitial": false, "isAvailable": true, "isConditional": false, "fields": {}})
        })
        .collect();
    json!({"expand": "transitions", "transitions": list})
}

pub(crate) fn statuses(base: &str) -> Value {
    let all: Vec<Value> = (0..STATUSES.len()).map(|index| status(base, index)).collect();
    json!([{"self": format!("{base}/rest/api/3/issuetype/10002"), "id": "10002", "name": "Task", "subtask": false,
            "statuses": all}])
}

pub(crate) fn comment(base: &str, issue: &str, comment: &Comment, properties: bool) -> Value {
    let mut document = json!({"self": format!("{base}/rest/api/3/issue/{issue}/comment/{}", comment.id),
        "id": comment.id, "body": comment.body, "created": time(comment.created), "updated": time(comment.created)});
    if properties && let Some(document) = document.as_object_mut() {
        document.insert("properties".to_owned(), comment.properties.clone());
    }
    document
}

/// A page of comments, oldest first.
pub(crate) fn comments(call: &Call, issue: &Issue) -> Value {
    let number = |name: &str, default: usize| -> usize {
        call.query(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (start, limit) = (number("startAt", 0), number("maxResults", 50).min(5000));
    let properties = call
        .query("expand")
        .is_some_and(|expand| expand.contains("properties"));
    let page: Vec<Value> = issue
        .comments
        .iter()
        .skip(start)
        .take(limit)
        .map(|it| comment(&call.base, &issue.id, it, properties))
        .collect();
    json!({"startAt": start, "maxResults": limit, "total": issue.comments.len(), "comments": page})
}
