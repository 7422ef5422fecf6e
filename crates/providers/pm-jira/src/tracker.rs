//! The tracker's operations.

use crate::client::Client;
use crate::{Config, Deployment, KEY, text};
use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, TicketDraft, TrackerWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Check, Declared, Lookup, Recognition, Tracker, Verification, Writes};
use delivr_provider_kit::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What precedes the short key in the label.
pub(crate) const LABEL: &str = "delivr_key-";
/// Name of the entity property with the whole key.
const PROPERTY: &str = "delivr_key";
/// Tickets asked for at a time.
const PAGE: u64 = 50;
/// Most pages of one look-up.
const MOST_PAGES: usize = 20;
/// How long Jira's search may not show a new ticket.
const INDEX_LAG: Duration = Duration::from_secs(30);

pub(crate) struct Jira {
    pub(crate) client: Client,
    pub(crate) config: Config,
}

fn words<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// A 2xx answer without what it must hold.
fn shapeless(operation: &'static str, what: &str) -> ProviderError {
    ProviderError::new(
        KEY,
        operation,
        ProviderErrorKind::Malformed,
        format!("Jira's answer lacks {what}"),
    )
}

/// Where the search goes on: Cloud gives a token, Data Center counts.
enum Page {
    First,
    Token(String),
    From(u64),
}

impl Page {
    /// What follows an answer of so many tickets; none when it was the last.
    fn after(self, answer: &Value, count: usize) -> Option<Self> {
        if let Some(token) = answer.get("nextPageToken").and_then(Value::as_str) {
            return Some(Self::Token(token.to_owned()));
        }
        let total = answer.get("total").and_then(Value::as_u64)?;
        let start = match self {
            Self::From(start) => start,
            Self::First | Self::Token(_) => 0,
        };
        let next = start + count as u64;
        (count > 0 && next < total).then_some(Self::From(next))
    }
}

fn sorted(ours: Vec<Reference>, others: &[String]) -> Lookup {
    if ours.is_empty() && !others.is_empty() {
        let named: Vec<&str> = others.iter().take(5).map(String::as_str).collect();
        return Lookup::Foreign(format!(
            "{} carries this release's label but was not made by Delivr (a copy?); remove the label from it",
            named.join(", ")
        ));
    }
    Lookup::Found(ours)
}

#[async_trait]
impl Writes<TrackerWrite> for Jira {
    fn declared(&self, operation: OperationKind) -> Declared {
        if operation == OperationKind::CreateTicket {
            Declared::new(Recognition::ByMarker {
                visible_after: INDEX_LAG,
            })
        } else {
            Declared::new(Recognition::ByState)
        }
    }

    async fn find(&self, key: &EffectKey, write: &TrackerWrite) -> Result<Lookup, ProviderError> {
        match write {
            TrackerWrite::CreateTicket { .. } => self.find_ticket(key).await,
            TrackerWrite::CloseTicket { ticket, .. } => {
                let (status, _) = self.status("find_closed", ticket).await?;
                let closed = same(&status, &self.config.closed_status);
                Ok(Lookup::Found(if closed {
                    vec![self.reference(ticket)]
                } else {
                    Vec::new()
                }))
            }
        }
    }

    async fn create(&self, key: &EffectKey, write: &TrackerWrite) -> Result<Reference, ProviderError> {
        match write {
            TrackerWrite::CreateTicket { ticket } => self.create_ticket(key, ticket).await,
            TrackerWrite::CloseTicket { ticket, comment } => self.close(key, ticket, comment).await,
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

impl Jira {
    fn reference(&self, ticket: &str) -> Reference {
        Reference::id(ticket).at(self.client.browse(ticket))
    }

    async fn find_ticket(&self, key: &EffectKey) -> Result<Lookup, ProviderError> {
        const OPERATION: &str = "find_ticket";
        let path: &[&str] = match self.client.deployment {
            Deployment::Cloud => &["search", "jql"],
            Deployment::DataCenter => &["search"],
        };
        // The label is hex and the project key was checked: nothing to escape in the query.
        let jql = format!(
            "project = \"{}\" AND labels = \"{LABEL}{}\"",
            self.config.project_key,
            key.short()
        );
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        // People clone tickets, label and all: ours may stand behind any number of copies.
        let mut next = Page::First;
        for _ in 0..MOST_PAGES {
            let mut body = json!({"jql": jql, "fields": ["labels"], "maxResults": PAGE});
            if let Some(body) = body.as_object_mut() {
                match &next {
                    Page::First => {}
                    Page::Token(token) => drop(body.insert("nextPageToken".to_owned(), json!(token))),
                    Page::From(start) => drop(body.insert("startAt".to_owned(), json!(start))),
                }
                if self.client.deployment == Deployment::Cloud {
                    body.insert("properties".to_owned(), json!([PROPERTY]));
                }
            }
            let call = self.client.call(OPERATION, Method::POST, path).reads().json(body);
            let answer = self.client.json(call).await?;
            let issues = answer
                .get("issues")
                .and_then(Value::as_array)
                .ok_or_else(|| shapeless(OPERATION, "the list of tickets").certain(Certainty::NotDone))?;
            for issue in issues {
                let Some(ticket) = words(issue, "/key") else {
                    return Err(shapeless(OPERATION, "a ticket's key").certain(Certainty::NotDone));
                };
                let property = match issue.get("properties") {
                    Some(all) => all.get(PROPERTY).cloned(),
                    None => self.property(ticket).await?,
                };
                let mark = property.as_ref().and_then(|value| words(value, "/key"));
                if mark == Some(key.to_string().as_str()) {
                    ours.push(self.reference(ticket));
                } else {
                    others.push(ticket.to_owned());
                }
            }
            next = match next.after(&answer, issues.len()) {
                Some(next) => next,
                None => return Ok(sorted(ours, &others)),
            };
        }
        // So many that the end was not reached: nothing is said of what was not seen.
        Ok(Lookup::Unsure)
    }

    async fn property(&self, ticket: &str) -> Result<Option<Value>, ProviderError> {
        let path = ["issue", ticket, "properties", PROPERTY];
        match self
            .client
            .json(self.client.query("read_property", &path, &[]))
            .await
        {
            Ok(property) => Ok(property.get("value").cloned()),
            Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_ticket(&self, key: &EffectKey, draft: &TicketDraft) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "create_ticket";
        let body = json!({
            "fields": {
                "project": {"key": self.config.project_key},
                "issuetype": {"name": self.config.issue_type},
                "summary": text::summary(&draft.title),
                "description": text::long(self.client.deployment, &draft.body),
                "labels": [format!("{LABEL}{}", key.short())],
            },
            "properties": [{"key": PROPERTY, "value": {"key": key.to_string()}}],
        });
        let call = self.client.call(OPERATION, Method::POST, &["issue"]).json(body);
        let answer = self.client.json(call).await?;
        let ticket = words(&answer, "/key").ok_or_else(|| shapeless(OPERATION, "the ticket's key"))?;
        Ok(self.reference(ticket))
    }

    /// The ticket's status: its name and whether its category is "done".
    async fn status(&self, operation: &'static str, ticket: &str) -> Result<(String, bool), ProviderError> {
        let call = self
            .client
            .query(operation, &["issue", ticket], &[("fields", "status")]);
        let issue = self.client.json(call).await?;
        let name = words(&issue, "/fields/status/name")
            .ok_or_else(|| shapeless(operation, "the status").certain(Certainty::NotDone))?;
        let done = words(&issue, "/fields/status/statusCategory/key") == Some("done");
        Ok((name.to_owned(), done))
    }

    /// Comments, then moves. In this order every try that comes after a lost answer sees what is done already: the
    /// comment by the key in it, the move by the status.
    async fn close(&self, key: &EffectKey, ticket: &str, comment: &str) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "close_ticket";
        let path = ["issue", ticket, "transitions"];
        let offered = self
            .client
            .json(self.client.query("read_transitions", &path, &[]))
            .await?;
        let list = offered.get("transitions").and_then(Value::as_array);
        let list = list.ok_or_else(|| shapeless(OPERATION, "the transitions").certain(Certainty::NotDone))?;
        let leading = list
            .iter()
            .find(|one| words(one, "/to/name").is_some_and(|name| same(name, &self.config.closed_status)));
        let Some(id) = leading.and_then(|one| words(one, "/id")) else {
            return Err(ProviderError::new(
                KEY,
                OPERATION,
                ProviderErrorKind::Misconfigured,
                format!(
                    "no transition leads {ticket} from where it stands to \"{}\"; add one to the workflow, move the \
                     ticket by hand or change the closed status",
                    self.config.closed_status
                ),
            ));
        };
        self.comment(key, ticket, comment).await?;
        let call = self
            .client
            .call(OPERATION, Method::POST, &path)
            .json(json!({"transition": {"id": id}}));
        match self.client.send(call).await {
            Ok(answer) if answer.status.as_u16() == 204 => Ok(self.reference(ticket)),
            // A page of a proxy, say: nobody knows what became of it.
            Ok(answer) => Err(answer.error(
                ProviderErrorKind::Malformed,
                "Jira did not answer the move as it documents; it is looked up before the next try",
            )),
            // Somebody may have moved it meanwhile: then the transition is no longer offered.
            Err(error) if error.kind == ProviderErrorKind::Invalid => {
                let (status, _) = self.status("find_closed", ticket).await?;
                if same(&status, &self.config.closed_status) {
                    return Ok(self.reference(ticket));
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn comment(&self, key: &EffectKey, ticket: &str, comment: &str) -> Result<(), ProviderError> {
        let path = ["issue", ticket, "comment"];
        let mark = format!("delivr_key: {}", key.short());
        let mut start = 0_u64;
        loop {
            let from = start.to_string();
            let pairs = [("startAt", from.as_str()), ("maxResults", "100")];
            let page = self
                .client
                .json(self.client.query("read_comments", &path, &pairs))
                .await?;
            let list = page.get("comments").and_then(Value::as_array);
            let list =
                list.ok_or_else(|| shapeless("read_comments", "the comments").certain(Certainty::NotDone))?;
            // The key is hex, so it stands unbroken in plain text and inside a document alike.
            if list.iter().any(|one| {
                one.get("body")
                    .is_some_and(|body| body.to_string().contains(&mark))
            }) {
                return Ok(());
            }
            start += list.len() as u64;
            let total = page.get("total").and_then(Value::as_u64).unwrap_or(0);
            if list.is_empty() || start >= total {
                break;
            }
        }
        let body = text::long(self.client.deployment, &format!("{comment}\n\n{mark}"));
        let call = self
            .client
            .call("comment", Method::POST, &path)
            .json(json!({"body": body}));
        let said = self.client.json(call).await?;
        words(&said, "/id")
            .map(|_| ())
            .ok_or_else(|| shapeless("comment", "the comment's id"))
    }

    async fn check_statuses(&self) -> Result<Vec<Check>, ProviderError> {
        let path = ["project", self.config.project_key.as_str(), "statuses"];
        let kinds = self
            .client
            .json(self.client.query("read_statuses", &path, &[]))
            .await?;
        let kinds = kinds.as_array().cloned().unwrap_or_default();
        let kind = kinds
            .iter()
            .find(|kind| words(kind, "/name").is_some_and(|name| same(name, &self.config.issue_type)));
        let known: Vec<&str> = kind
            .and_then(|kind| kind.get("statuses")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(|status| words(status, "/name"))
            .collect();
        let mut checks = vec![Check {
            what: format!("issue type {}", self.config.issue_type),
            missing: kind
                .is_none()
                .then(|| format!("project {} has no such issue type", self.config.project_key)),
        }];
        let wanted = self
            .config
            .approved_statuses
            .iter()
            .chain([&self.config.closed_status]);
        checks.extend(wanted.map(|status| Check {
            what: format!("status {status}"),
            missing: (!known.iter().any(|one| same(one, status))).then(|| {
                format!(
                    "the workflow of {} has no such status; it has {}",
                    self.config.issue_type,
                    known.join(", ")
                )
            }),
        }));
        Ok(checks)
    }
}

#[async_trait]
impl Tracker for Jira {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let me = self
            .client
            .json(self.client.query("verify", &["myself"], &[]))
            .await?;
        // A wrong token may be answered as an anonymous 200: an account must be named.
        let account = words(&me, "/accountId").or_else(|| words(&me, "/name"));
        let Some(account) = account else {
            return Err(ProviderError::new(
                KEY,
                "verify",
                ProviderErrorKind::Unauthenticated,
                "Jira answers as to an anonymous visitor; check e-mail and token",
            ));
        };
        let named = words(&me, "/emailAddress").unwrap_or(account).to_owned();
        const WANTED: [(&str, &str); 5] = [
            ("BROWSE_PROJECTS", "see tickets"),
            ("CREATE_ISSUES", "create tickets"),
            ("EDIT_ISSUES", "edit tickets"),
            ("TRANSITION_ISSUES", "move tickets"),
            ("ADD_COMMENTS", "comment on tickets"),
        ];
        let names: Vec<&str> = WANTED.iter().map(|(name, _)| *name).collect();
        let pairs = [
            ("projectKey", self.config.project_key.as_str()),
            ("permissions", &names.join(",")),
        ];
        let answer = self
            .client
            .json(self.client.query("verify", &["mypermissions"], &pairs))
            .await?;
        let mut checks: Vec<Check> = WANTED
            .iter()
            .map(|(name, what)| {
                let pointer = format!("/permissions/{name}/havePermission");
                let have = answer.pointer(&pointer).and_then(Value::as_bool).unwrap_or(false);
                Check {
                    what: (*what).to_owned(),
                    missing: (!have).then(|| {
                        format!(
                            "grant {name} to {named} in the permission scheme of {}",
                            self.config.project_key
                        )
                    }),
                }
            })
            .collect();
        checks.extend(self.check_statuses().await?);
        Ok(Verification {
            account: named,
            checks,
        })
    }

    async fn approvals(&self, tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        let mut all = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            let (status, done) = self.status("approvals", ticket).await?;
            let listed = &self.config.approved_statuses;
            let approved = if listed.is_empty() {
                done
            } else {
                listed.iter().any(|one| same(one, &status))
            };
            all.push((status, approved));
        }
        Ok(all)
    }
}
