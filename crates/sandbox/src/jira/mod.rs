//! Jira, Cloud (`/rest/api/3`, e-mail and API token, ADF texts) and Data Center (`/rest/api/2`, bearer token,
//! plain texts): tickets, labels and properties, a search index that may lag, transitions, comments.

mod state;
mod views;

use ring::hmac;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::ids::hex;
use crate::look::Page;
use crate::vendor::Vendor;
use crate::world::Context;

pub(crate) use state::Jira;
use state::{Clause, Comment, Issue, NAME, STATUSES};

const EMAIL: &str = "delivr@example.com";
const TOKEN: &str = "sandbox-api-token";
const BEARER: &str = "sandbox-dc-token";
const ACCOUNT: &str = "5b10ac8d82e05b22cc7d4ef5";

impl Vendor for Jira {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        let parts = call.parts();
        match (call.method.as_str(), parts.get(3..).unwrap_or_default()) {
            (_, ["myself"]) => "myself",
            (_, ["mypermissions"]) => "mypermissions",
            (_, ["search", ..]) => "search",
            ("POST", ["issue"]) => "create_issue",
            ("POST", ["issue", _, "transitions"]) => "transition",
            (_, ["issue", _, "transitions"]) => "transitions",
            ("POST", ["issue", _, "comment"]) => "comment",
            (_, ["issue", _, "comment"]) => "comments",
            (_, ["issue", "createmeta", ..]) => "createmeta",
            (_, ["issue", ..]) => "issue",
            (_, ["project", ..]) => "project",
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let parts = call.parts();
        let (version, rest) = match parts.as_slice() {
            ["rest", "api", "3", rest @ ..] => (3, rest),
            ["rest", "api", "2", rest @ ..] => (2, rest),
            _ => return Answer::html(404, "<html><body>Oops, you have found a dead link.</body></html>"),
        };
        let access = ctx.access(NAME);
        let known = match version {
            3 => call.basic() == Some((EMAIL.to_owned(), TOKEN.to_owned())),
            _ => call.bearer() == Some(BEARER),
        };
        if !known || access.revoked {
            // As documented: the login is refused in a header too.
            return Answer::text(401, "Client must be authenticated to access this resource.")
                .header("x-seraph-loginreason", "AUTHENTICATED_FAILED")
                .header("www-authenticate", "OAuth realm=\"Jira\"");
        }
        self.route(ctx, call, version, rest)
    }

    fn page(&self, call: &Call) -> Option<Page> {
        let parts = call.parts();
        let ["browse", key] = parts.as_slice() else {
            return None;
        };
        let issue = self.issues.iter().find(|issue| issue.key == *key)?;
        let status = STATUSES.get(issue.status)?;
        let page = Page::of(format!("{}: {}", issue.key, issue.summary))
            .fact("Type", &issue.kind)
            .fact("Status", status.name)
            .fact("Labels", issue.labels.join(", "));
        Some(page.fact("Comments", issue.comments.len().to_string()))
    }

    fn advance(&mut self, ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        let text = |name: &str| {
            args.get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("`{name}` is missing"))
        };
        match action {
            "index_lag" => {
                self.index_lag_ms = args.get("ms").and_then(Value::as_i64).ok_or("`ms` is missing")?;
                Ok(json!({"indexLagMs": self.index_lag_ms}))
            }
            "set_status" => {
                let status = state::status_named(text("status")?).ok_or("no such status")?;
                let wanted = text("ticket")?;
                let keys: Vec<String> = self.issues.iter().map(|issue| issue.key.clone()).collect();
                let keys: Vec<String> = keys
                    .into_iter()
                    .filter(|key| wanted == "all" || key == wanted)
                    .collect();
                for key in &keys {
                    self.change_status(ctx, key, status);
                }
                Ok(json!({"tickets": keys}))
            }
            "hide_transition" => {
                self.hidden = args.get("status").and_then(Value::as_str).map(str::to_owned);
                Ok(json!({"hidden": self.hidden}))
            }
            "delete_issue" => {
                let wanted = text("ticket")?;
                self.issues.retain(|issue| issue.key != wanted);
                Ok(json!({"deleted": wanted}))
            }
            "clone_issue" => {
                // Jira's own "Clone" copies fields and labels but no entity properties.
                let source = self.find(text("ticket")?).cloned().ok_or("no such ticket")?;
                let mut copy = source;
                copy.properties.clear();
                copy.summary = format!("CLONE - {}", copy.summary);
                let key = self.add(ctx, copy);
                Ok(json!({"key": key}))
            }
            other => Err(format!("no action of jira is called {other}")),
        }
    }

    fn credentials(&self, base: &str) -> Value {
        json!({
            "key": "jira",
            "config": {"baseUrl": base, "deployment": "cloud", "projectKey": "REL", "issueType": "Task",
                       "approvedStatuses": ["Approved", "Done"], "closedStatus": "Done"},
            "credentials": {"email": EMAIL, "apiToken": TOKEN, "webhookSecret": "sandbox-webhook-secret"},
            "dataCenter": {"token": BEARER},
        })
    }

    fn throttled(&self, retry_after: Option<u64>) -> Answer {
        let answer = failed(429, "Rate limit exceeded.").header("ratelimit-reason", "jira-burst-based");
        match retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    fn refused(&self, status: u16) -> Answer {
        failed(status, "Internal server error")
    }
}

fn failed(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"errorMessages": [message], "errors": {}}))
}

fn invalid(field: &str, message: &str) -> Answer {
    Answer::json(400, &json!({"errorMessages": [], "errors": {field: message}}))
}

fn not_found() -> Answer {
    failed(
        404,
        "Issue does not exist or you do not have permission to see it.",
    )
}

/// Checks a long text: ADF in v3, a plain string in v2.
fn long_text(version: u8, text: &Value) -> bool {
    match version {
        3 => {
            text.get("type").and_then(Value::as_str) == Some("doc")
                && text.get("version").and_then(Value::as_u64) == Some(1)
                && text.get("content").is_some_and(Value::is_array)
        }
        _ => text.is_string(),
    }
}

impl Jira {
    fn route(&mut self, ctx: &mut Context, call: &Call, version: u8, rest: &[&str]) -> Answer {
        match (call.method.as_str(), rest) {
            ("GET", ["myself"]) => Answer::json(
                200,
                &json!({"self": format!("{}/rest/api/{version}/user?accountId={ACCOUNT}", call.base),
                        "accountId": ACCOUNT, "name": "delivr", "accountType": "atlassian", "emailAddress": EMAIL,
                        "displayName": "Delivr", "active": true, "timeZone": "Etc/UTC"}),
            ),
            ("GET", ["mypermissions"]) => permissions(ctx, call),
            ("POST", ["issue"]) => self.create(ctx, call, version),
            ("POST", ["search", "jql"]) if version == 3 => self.search(ctx, call, version),
            ("POST", ["search"]) if version == 2 => self.search(ctx, call, version),
            ("GET", ["project", key, "statuses"]) => match *key {
                state::PROJECT => Answer::json(200, &views::statuses(&call.base)),
                _ => failed(404, &format!("No project could be found with key '{key}'.")),
            },
            (_, ["issue", key, below @ ..]) => {
                let Some(issue) = self.find(key).cloned() else {
                    return not_found();
                };
                self.issue_route(ctx, call, version, &issue, below)
            }
            _ => failed(404, "null for uri"),
        }
    }

    fn issue_route(
        &mut self,
        ctx: &mut Context,
        call: &Call,
        version: u8,
        issue: &Issue,
        below: &[&str],
    ) -> Answer {
        match (call.method.as_str(), below) {
            ("GET", []) => Answer::json(200, &views::issue(&call.base, issue, None)),
            ("GET", ["properties", name]) => match issue.properties.get(*name) {
                Some(value) => Answer::json(200, &json!({"key": name, "value": value})),
                None => failed(404, &format!("The property with key '{name}' was not found.")),
            },
            ("GET", ["transitions"]) => Answer::json(
                200,
                &views::transitions(&call.base, issue.status, self.hidden.as_deref()),
            ),
            ("POST", ["transitions"]) => self.transition(ctx, call, version, issue),
            ("GET", ["comment"]) => Answer::json(200, &views::comments(call, issue)),
            ("POST", ["comment"]) => {
                if ctx.access(NAME).forbidden {
                    return failed(403, "You do not have permission to comment on this issue.");
                }
                let body = call.json().unwrap_or_default();
                match self.comment(ctx, version, &issue.key, &body) {
                    Ok(comment) => Answer::json(201, &views::comment(&call.base, &issue.id, &comment, false)),
                    Err(answer) => answer,
                }
            }
            _ => Answer::empty(405),
        }
    }

    fn create(&mut self, ctx: &mut Context, call: &Call, version: u8) -> Answer {
        if ctx.access(NAME).forbidden {
            return failed(
                403,
                "You do not have permission to create issues in this project.",
            );
        }
        let body = match call.json() {
            Ok(body) => body,
            Err(error) => return failed(400, &error),
        };
        let fields = body.get("fields").cloned().unwrap_or_default();
        let text = |pointer: &str| fields.pointer(pointer).and_then(Value::as_str);
        if text("/project/key") != Some(state::PROJECT) {
            return invalid("project", "valid project is required");
        }
        let kind = match text("/issuetype/name") {
            Some(kind @ ("Task" | "Story" | "Bug")) => kind.to_owned(),
            _ => return invalid("issuetype", "Specify a valid issue type"),
        };
        let summary = text("/summary").unwrap_or_default().to_owned();
        if summary.trim().is_empty() {
            return invalid("summary", "You must specify a summary of the issue.");
        }
        if summary.chars().count() > 255 || summary.contains('\n') {
            return invalid(
                "summary",
                "Summary must be less than 255 characters and must not contain newlines.",
            );
        }
        let description = fields.get("description").cloned().unwrap_or(Value::Null);
        if !description.is_null() && !long_text(version, &description) {
            return invalid(
                "description",
                "Operation value must be an Atlassian Document (see the Atlassian Document Format)",
            );
        }
        let known = ["project", "issuetype", "summary", "description", "labels"];
        let unknown = fields
            .as_object()
            .and_then(|map| map.keys().find(|key| !known.contains(&key.as_str())));
        if let Some(field) = unknown {
            return invalid(
                field,
                "Field cannot be set. It is not on the appropriate screen, or unknown.",
            );
        }
        let labels: Vec<String> = fields
            .get("labels")
            .and_then(Value::as_array)
            .map(|labels| {
                labels
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        if let Some(label) = labels
            .iter()
            .find(|label| label.contains(' ') || label.chars().count() > 255)
        {
            return invalid(
                "labels",
                &format!("The label '{label}' contains spaces which is invalid."),
            );
        }
        let mut issue = Issue::new(&kind, &summary, description, labels);
        for property in body
            .get("properties")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = property.get("key").and_then(Value::as_str) {
                let value = property.get("value").cloned().unwrap_or_default();
                issue.properties.insert(name.to_owned(), value);
            }
        }
        let mark = issue.property_key();
        let key = self.add(ctx, issue);
        let id = self.find(&key).map(|issue| issue.id.clone()).unwrap_or_default();
        ctx.effect(
            NAME,
            "create_issue",
            &format!("{} {summary}", state::PROJECT),
            mark.as_deref(),
            json!({"key": key}),
        );
        self.notify(ctx, "jira:issue_created", &key, &Value::Null);
        let link = format!("{}/rest/api/{version}/issue/{id}", call.base);
        Answer::json(201, &json!({"id": id, "key": key, "self": link}))
    }

    fn search(&self, ctx: &Context, call: &Call, version: u8) -> Answer {
        let body = call.json().unwrap_or_default();
        let jql = body.get("jql").and_then(Value::as_str).unwrap_or_default();
        let clauses = match state::jql(jql) {
            Ok(clauses) if clauses.is_empty() => {
                return failed(
                    400,
                    "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.",
                );
            }
            Ok(clauses) => clauses,
            Err(error) => return failed(400, &error),
        };
        if let Some(other) = clauses
            .iter()
            .find(|clause| clause.field == "project" && clause.value != state::PROJECT)
        {
            return failed(
                400,
                &format!(
                    "The value '{}' does not exist for the field 'project'.",
                    other.value
                ),
            );
        }
        let seen = |issue: &&Issue| {
            issue.created + self.index_lag_ms <= ctx.now()
                && clauses.iter().all(|clause: &Clause| clause.fits(issue))
        };
        let limit = body
            .get("maxResults")
            .and_then(Value::as_u64)
            .unwrap_or(50)
            .min(100);
        // Cloud goes on by a token, Data Center by a number. The newest comes first.
        let token = body.get("nextPageToken").and_then(Value::as_str);
        let start = match version {
            3 => token.and_then(|text| text.strip_prefix("page-")?.parse().ok()),
            _ => body.get("startAt").and_then(Value::as_u64),
        };
        let start = start.unwrap_or(0);
        let whole: Vec<&Issue> = self.issues.iter().rev().filter(seen).collect();
        let many = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let found: Vec<Value> = whole
            .iter()
            .skip(many(start))
            .take(many(limit))
            .map(|issue| views::issue(&call.base, issue, Some(&body)))
            .collect();
        let next = start + found.len() as u64;
        let last = many(next) >= whole.len();
        match version {
            3 if last => Answer::json(200, &json!({"issues": found, "isLast": true})),
            3 => Answer::json(
                200,
                &json!({"issues": found, "isLast": false, "nextPageToken": format!("page-{next}")}),
            ),
            _ => Answer::json(
                200,
                &json!({"startAt": start, "maxResults": limit, "total": whole.len(), "issues": found}),
            ),
        }
    }

    fn transition(&mut self, ctx: &mut Context, call: &Call, version: u8, issue: &Issue) -> Answer {
        let body = call.json().unwrap_or_default();
        let id = body.pointer("/transition/id").and_then(Value::as_str);
        if ctx.access(NAME).forbidden {
            return failed(400, "You do not have permission to transition this issue.");
        }
        let offered = views::offered(issue.status, self.hidden.as_deref());
        let Some(status) = offered
            .into_iter()
            .find(|status| Some(views::transition_id(*status).as_str()) == id)
        else {
            return failed(
                400,
                "It seems that you have tried to perform an illegal workflow operation. The transition is not valid for the current status.",
            );
        };
        let adds = body.pointer("/update/comment").and_then(Value::as_array).cloned();
        let adds: Vec<Value> = adds
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("add").cloned())
            .collect();
        if adds
            .iter()
            .any(|entry| !long_text(version, entry.get("body").unwrap_or(&Value::Null)))
        {
            return invalid("comment", "Comment body is not valid!");
        }
        for entry in &adds {
            if let Err(answer) = self.comment(ctx, version, &issue.key, entry) {
                return answer;
            }
        }
        let name = STATUSES.get(status).map(|status| status.name).unwrap_or_default();
        ctx.effect(
            NAME,
            "transition",
            &format!("{} -> {name}", issue.key),
            None,
            Value::Null,
        );
        self.change_status(ctx, &issue.key, status);
        Answer::empty(204)
    }

    fn comment(
        &mut self,
        ctx: &mut Context,
        version: u8,
        key: &str,
        body: &Value,
    ) -> Result<Comment, Answer> {
        let text = body.get("body").cloned().unwrap_or_default();
        if !long_text(version, &text) {
            return Err(invalid("comment", "Comment body is not valid!"));
        }
        let comment = Comment {
            id: format!("{}", 20_000 + ctx.ids.next("jira comment")),
            created: ctx.now(),
            properties: body.get("properties").cloned().unwrap_or_else(|| json!([])),
            body: text,
        };
        let words = state::plain(&comment.body);
        let subject: Vec<&str> = words
            .lines()
            .filter(|line| !line.contains("delivr_key"))
            .collect();
        ctx.effect(
            NAME,
            "comment",
            &format!("{key}: {}", subject.join(" ")),
            None,
            Value::Null,
        );
        if let Some(issue) = self.issues.iter_mut().find(|issue| issue.key == key) {
            issue.comments.push(comment.clone());
        }
        Ok(comment)
    }

    fn change_status(&mut self, ctx: &mut Context, key: &str, status: usize) {
        let Some(issue) = self.issues.iter_mut().find(|issue| issue.key == key) else {
            return;
        };
        let name = |index: usize| STATUSES.get(index).map(|status| status.name).unwrap_or_default();
        let change = json!({"id": "1", "items": [{"field": "status", "fieldtype": "jira",
            "fromString": name(issue.status), "toString": name(status)}]});
        issue.status = status;
        self.notify(ctx, "jira:issue_updated", key, &change);
    }

    fn notify(&self, ctx: &mut Context, event: &str, key: &str, changelog: &Value) {
        let Some(issue) = self.find(key) else {
            return;
        };
        let base = format!("{}/{NAME}", ctx.base);
        let body = json!({"webhookEvent": event, "timestamp": ctx.now(), "changelog": changelog,
            "issue": views::issue(&base, issue, None)});
        let body = body.to_string().into_bytes();
        for (url, secret) in ctx.receivers(NAME) {
            let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &body);
            let headers = vec![
                (
                    "x-hub-signature".to_owned(),
                    format!("sha256={}", hex(signed.as_ref())),
                ),
                (
                    "x-atlassian-webhook-identifier".to_owned(),
                    ctx.ids.uuid("jira webhook"),
                ),
            ];
            ctx.send(NAME, &url, headers, body.clone());
        }
    }
}

fn permissions(ctx: &Context, call: &Call) -> Answer {
    if let Some(project) = call.query("projectKey").filter(|key| *key != state::PROJECT) {
        return failed(404, &format!("No project could be found with key '{project}'."));
    }
    let wanted = call.query("permissions").unwrap_or_default();
    let have = !ctx.access(NAME).forbidden;
    let all: serde_json::Map<String, Value> = wanted
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| {
            let have = have || name == "BROWSE_PROJECTS";
            (
                name.to_owned(),
                json!({"id": "1", "key": name, "name": name, "type": "PROJECT", "havePermission": have}),
            )
        })
        .collect();
    Answer::json(200, &json!({"permissions": all}))
}
