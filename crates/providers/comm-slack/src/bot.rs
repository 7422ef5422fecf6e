//! Posting and finding with a bot token.

use crate::{KEY, blocks};
use async_trait::async_trait;
use chrono::TimeDelta;
use delivr_domain::effect::{Reference, Topic};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Chat, ChatMessage, Check, Declared, Lookup, Recognition, Verification};
use delivr_provider_kit::{Answer, Call, HttpClient};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const EVENT: &str = "delivr_message";
/// A message younger than this may be posted again; later a missing one may have been deleted by a person.
const REPOST: TimeDelta = TimeDelta::minutes(15);
/// Room for the difference between Slack's clock and ours.
const SKEW: TimeDelta = TimeDelta::seconds(120);
/// Most pages of history that are read for one look-up.
const PAGES: usize = 20;

pub(crate) struct Bot {
    http: HttpClient,
    clock: Arc<dyn Clock>,
    base: Url,
    channels: BTreeMap<Topic, String>,
    token: SecretString,
}

impl Bot {
    pub(crate) const fn new(
        http: HttpClient,
        clock: Arc<dyn Clock>,
        base: Url,
        channels: BTreeMap<Topic, String>,
        token: SecretString,
    ) -> Self {
        Self {
            http,
            clock,
            base,
            channels,
            token,
        }
    }

    fn channel(&self, topic: Topic) -> Result<&str, ProviderError> {
        let own = self
            .channels
            .get(&topic)
            .or_else(|| self.channels.get(&Topic::Releases));
        own.map(String::as_str).ok_or_else(|| {
            let sentence = "no channel is set for releases";
            ProviderError::new(KEY, "channel", ProviderErrorKind::Misconfigured, sentence)
        })
    }

    fn call(&self, operation: &'static str, method: &str) -> Call {
        let mut url = self.base.clone();
        // A base URL of http(s) always has a path to append to.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(method);
        }
        Call::post(KEY, operation, url).bearer(&self.token)
    }

    /// A reading method takes a form, never JSON.
    async fn read(
        &self,
        operation: &'static str,
        method: &str,
        fields: &[(&str, &str)],
    ) -> Result<(Value, Answer), ProviderError> {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let call = self.call(operation, method).reads().form(fields.collect());
        self.open(self.http.send(call).await?)
    }

    fn open(&self, answer: Answer) -> Result<(Value, Answer), ProviderError> {
        let answer = answer.success()?;
        let body: Value = answer.decode()?;
        match body.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok((body, answer)),
            Some(false) => Err(refusal(&body, &answer)),
            None => Err(answer.error(ProviderErrorKind::Malformed, "Slack's answer lacks `ok`")),
        }
    }
}

/// Slack's error table: the status is 200 whatever happened.
fn refusal(body: &Value, answer: &Answer) -> ProviderError {
    let word = body.get("error").and_then(Value::as_str).unwrap_or_default();
    let (kind, sentence) = match word {
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => (
            ProviderErrorKind::Unauthenticated,
            "Slack does not accept the bot token; install the app again and renew the token".to_owned(),
        ),
        "missing_scope" => (
            ProviderErrorKind::Forbidden,
            format!(
                "the app lacks the scope {}; add it and install the app again",
                body.get("needed").and_then(Value::as_str).unwrap_or("asked for")
            ),
        ),
        "not_in_channel" => (
            ProviderErrorKind::Forbidden,
            "the app is not in the channel; invite it with /invite".to_owned(),
        ),
        "restricted_action" | "no_permission" | "ekm_access_denied" => (
            ProviderErrorKind::Forbidden,
            "the workspace does not let the app post there; ask its administrators".to_owned(),
        ),
        "channel_not_found" => (
            ProviderErrorKind::NotFound,
            "the channel does not exist or the app does not see it".to_owned(),
        ),
        "is_archived" => (
            ProviderErrorKind::Misconfigured,
            "the channel is archived; choose another one".to_owned(),
        ),
        "ratelimited" | "rate_limited" => (
            ProviderErrorKind::Throttled,
            "Slack asks for fewer requests; it is tried again later".to_owned(),
        ),
        "internal_error"
        | "fatal_error"
        | "request_timeout"
        | "service_unavailable"
        | "team_added_to_org" => (
            ProviderErrorKind::Unavailable,
            "Slack failed inside; the message may have been posted".to_owned(),
        ),
        _ => (ProviderErrorKind::Invalid, "Slack refuses the request".to_owned()),
    };
    answer.error(kind, sentence)
}

fn stamp(at: chrono::DateTime<chrono::Utc>) -> String {
    format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros())
}

fn reference(channel: &str, ts: &str) -> Reference {
    Reference::id(format!("{channel}/{ts}"))
        .with("channel", channel)
        .with("ts", ts)
}

#[async_trait]
impl Chat for Bot {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let (me, answer) = self.read("verify", "auth.test", &[]).await?;
        let text = |name: &str| {
            me.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut checks = Vec::new();
        if let Some(scopes) = answer.header("x-oauth-scopes") {
            let scopes: Vec<&str> = scopes.split(',').map(str::trim).collect();
            for (scope, why) in [
                ("chat:write", "post messages"),
                ("channels:read", "see channels"),
                ("channels:history", "find its own messages again"),
            ] {
                checks.push(Check {
                    what: why.to_owned(),
                    missing: (!scopes.contains(&scope))
                        .then(|| format!("add the scope {scope} and install the app again")),
                });
            }
        }
        for (topic, id) in &self.channels {
            let found = self
                .read("verify", "conversations.info", &[("channel", id)])
                .await;
            let missing = match found {
                Ok((body, _)) => {
                    let flag = |name: &str| {
                        let pointer = format!("/channel/{name}");
                        body.pointer(&pointer).and_then(Value::as_bool) == Some(true)
                    };
                    if flag("is_archived") {
                        Some("the channel is archived".to_owned())
                    } else if flag("is_member") {
                        None
                    } else {
                        Some("invite the app to the channel with /invite".to_owned())
                    }
                }
                Err(error) if error.kind == ProviderErrorKind::NotFound => Some(error.sentence),
                Err(error) if error.kind == ProviderErrorKind::Forbidden => Some(error.sentence),
                Err(error) => return Err(error),
            };
            checks.push(Check {
                what: format!("channel {id} for {topic}"),
                missing,
            });
        }
        Ok(Verification {
            account: format!("{} in {}", text("user"), text("team")),
            checks,
        })
    }

    fn declared(&self) -> Declared {
        Declared::new(Recognition::ByMarker {
            visible_after: Duration::from_secs(5),
        })
    }

    async fn find(&self, key: &str, message: &ChatMessage) -> Result<Lookup, ProviderError> {
        const OPERATION: &str = "find_message";
        let channel = self.channel(message.topic)?;
        let oldest = stamp(message.since - SKEW);
        let mut cursor = String::new();
        let mut found = Vec::new();
        let mut whole = false;
        for _ in 0..PAGES {
            let mut fields = vec![
                ("channel", channel),
                ("oldest", oldest.as_str()),
                ("inclusive", "true"),
                ("limit", "100"),
                ("include_all_metadata", "true"),
            ];
            if !cursor.is_empty() {
                fields.push(("cursor", cursor.as_str()));
            }
            let (page, _) = self.read(OPERATION, "conversations.history", &fields).await?;
            let list = page.get("messages").and_then(Value::as_array);
            let list = list.ok_or_else(|| {
                let sentence = "Slack's answer lacks the messages";
                ProviderError::new(KEY, OPERATION, ProviderErrorKind::Malformed, sentence)
                    .certain(Certainty::NotDone)
            })?;
            for one in list {
                let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str);
                if text("/metadata/event_type") == Some(EVENT)
                    && text("/metadata/event_payload/delivr_key") == Some(key)
                    && let Some(ts) = text("/ts")
                {
                    found.push(reference(channel, ts));
                }
            }
            let next = page
                .pointer("/response_metadata/next_cursor")
                .and_then(Value::as_str);
            cursor = next.unwrap_or_default().to_owned();
            if cursor.is_empty() {
                whole = true;
                break;
            }
        }
        // Absent is said only of a history read to its end, and only while nobody can have deleted the message long ago.
        let old = self.clock.now() - message.since > REPOST;
        if found.is_empty() && (!whole || old) {
            return Ok(Lookup::Unsure);
        }
        Ok(Lookup::Found(found))
    }

    async fn post(&self, key: &str, message: &ChatMessage) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "post_message";
        let (text, blocks) = blocks::render(message);
        let body = json!({
            "channel": self.channel(message.topic)?,
            "text": text,
            "blocks": blocks,
            "unfurl_links": false,
            "metadata": {"event_type": EVENT, "event_payload": {"delivr_key": key}},
        });
        let call = self.call(OPERATION, "chat.postMessage").json(body);
        let (said, answer) = self.open(self.http.send(call).await?)?;
        let field = |name: &str| said.get(name).and_then(Value::as_str);
        match (field("channel"), field("ts")) {
            (Some(channel), Some(ts)) => Ok(reference(channel, ts)),
            _ => Err(answer.error(
                ProviderErrorKind::Malformed,
                "Slack's answer lacks the message's time",
            )),
        }
    }
}
