//! Slack: a bot token's channels, messages with metadata, and an incoming webhook. Every answer of the Web API
//! is 200 with `ok`, except throttling.

use ring::hmac;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::{Call, pairs};
use crate::ids::hex;
use crate::vendor::Vendor;
use crate::world::Context;

const NAME: &str = "slack";
const TOKEN: &str = "xoxb-sandbox-bot-token";
const HOOK: [&str; 3] = ["T000SANDBOX", "B000SANDBOX", "sandboxhooksecret"];
const BOT: &str = "B012SANDBOX";
const USER: &str = "U012SANDBOX";
const SCOPES: [&str; 5] = [
    "chat:write",
    "channels:read",
    "groups:read",
    "channels:history",
    "groups:history",
];

#[derive(Debug, Clone)]
struct Message {
    channel: String,
    /// Microseconds since the epoch; `ts` in Slack's writing has six decimals.
    at: i64,
    bot: &'static str,
    text: String,
    blocks: Value,
    metadata: Value,
}

#[derive(Debug)]
struct Channel {
    id: &'static str,
    name: &'static str,
    member: bool,
    archived: bool,
}

/// The vendor.
#[derive(Debug)]
pub(crate) struct Slack {
    channels: Vec<Channel>,
    messages: Vec<Message>,
    scopes: Vec<&'static str>,
}

impl Vendor for Slack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        match call.parts().as_slice() {
            ["api", "auth.test"] => "auth_test",
            ["api", "chat.postMessage"] => "post_message",
            ["api", "conversations.history"] => "history",
            ["api", "conversations.list"] => "list_channels",
            ["api", "conversations.info"] => "channel",
            ["services", ..] => "webhook",
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let parts = call.parts();
        let method = match parts.as_slice() {
            ["services", rest @ ..] => return self.hook(ctx, call, rest),
            ["api", method] => *method,
            _ => return Answer::html(404, "<html><body>There's been a glitch</body></html>"),
        };
        let access = ctx.access(NAME);
        match call.bearer() {
            None => return refuse("not_authed"),
            Some(TOKEN) if access.revoked => return refuse("token_revoked"),
            Some(TOKEN) => {}
            Some(_) => return refuse("invalid_auth"),
        }
        let mut scopes = self.scopes.clone();
        if access.forbidden {
            scopes.retain(|scope| *scope != "chat:write");
        }
        let answer = match method {
            "auth.test" => Answer::json(
                200,
                &json!({"ok": true, "url": format!("{}/", call.base), "team": "Example", "user": "delivr",
                        "team_id": "T000SANDBOX", "user_id": USER, "bot_id": BOT, "is_enterprise_install": false}),
            ),
            "conversations.list" => self.list(&scopes),
            "conversations.info" => self.info(&arguments(call), &scopes),
            "conversations.history" => self.history(call, &scopes),
            "chat.postMessage" => self.post(ctx, call, &scopes),
            _ => refuse("unknown_method"),
        };
        answer.header("x-oauth-scopes", scopes.join(","))
    }

    fn advance(&mut self, _ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        let channel = args.get("channel").and_then(Value::as_str);
        let on = args.get("on").and_then(Value::as_bool).unwrap_or(true);
        let found = self
            .channels
            .iter_mut()
            .find(|one| Some(one.id) == channel || Some(one.name) == channel);
        match (action, found) {
            ("remove_scope", _) => {
                let scope = args.get("scope").and_then(Value::as_str);
                self.scopes.retain(|one| Some(*one) != scope);
                Ok(json!({"scopes": self.scopes}))
            }
            ("archive", Some(channel)) => {
                channel.archived = on;
                Ok(json!({"archived": on}))
            }
            ("leave", Some(channel)) => {
                channel.member = !on;
                Ok(json!({"member": channel.member}))
            }
            ("messages", _) => {
                let texts: Vec<Value> = self
                    .messages
                    .iter()
                    .map(|message| json!({"channel": message.channel, "text": message.text, "blocks": message.blocks}))
                    .collect();
                Ok(json!({"messages": texts}))
            }
            (other, _) => Err(format!(
                "no action of slack is called {other}, or no such channel"
            )),
        }
    }

    fn credentials(&self, base: &str) -> Value {
        json!({
            "key": "slack",
            "config": {"baseUrl": format!("{base}/api"),
                       "channels": {"releases": "C0RELEASES", "builds": "C0BUILDS", "regression": "C0REGRESSION",
                                    "critical": "C0CRITICAL"}},
            "credentials": {"botToken": TOKEN, "signingSecret": "sandbox-signing-secret"},
            "webhookOnly": {"webhookUrl": format!("{base}/services/{}", HOOK.join("/"))},
        })
    }

    fn throttled(&self, retry_after: Option<u64>) -> Answer {
        let answer = Answer::json(429, &json!({"ok": false, "error": "ratelimited"}));
        match retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    fn refused(&self, status: u16) -> Answer {
        Answer::json(status, &json!({"ok": false, "error": "internal_error"}))
    }
}

fn refuse(error: &str) -> Answer {
    Answer::json(200, &json!({"ok": false, "error": error}))
}

fn missing(needed: &str, scopes: &[&'static str]) -> Answer {
    Answer::json(
        200,
        &json!({"ok": false, "error": "missing_scope", "needed": needed, "provided": scopes.join(",")}),
    )
}

/// Arguments of a reading method: form or query, never JSON.
fn arguments(call: &Call) -> Vec<(String, String)> {
    let mut all = call.query.clone();
    all.extend(pairs(&call.body));
    all
}

fn value<'a>(arguments: &'a [(String, String)], name: &str) -> Option<&'a str> {
    arguments
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn stamp(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Microseconds of a `ts`.
fn micros(ts: &str) -> i64 {
    let (seconds, part) = ts.split_once('.').unwrap_or((ts, "0"));
    let part: String = format!("{part:0<6}").chars().take(6).collect();
    seconds.parse::<i64>().unwrap_or(0) * 1_000_000 + part.parse::<i64>().unwrap_or(0)
}

/// The documented limits of blocks.
fn blocks_fit(blocks: &Value) -> bool {
    let Some(list) = blocks.as_array() else {
        return blocks.is_null();
    };
    let length = |block: &Value| {
        block
            .pointer("/text/text")
            .and_then(Value::as_str)
            .map_or(0, |text| text.chars().count())
    };
    list.len() <= 50
        && list
            .iter()
            .all(|block| match block.get("type").and_then(Value::as_str) {
                Some("header") => (1..=150).contains(&length(block)),
                Some("section") => (1..=3000).contains(&length(block)),
                Some("context" | "divider" | "actions") => true,
                _ => false,
            })
}

impl Slack {
    pub(crate) fn new() -> Self {
        let channel = |id, name| Channel {
            id,
            name,
            member: true,
            archived: false,
        };
        Self {
            channels: vec![
                channel("C0RELEASES", "releases"),
                channel("C0BUILDS", "builds"),
                channel("C0REGRESSION", "regression"),
                channel("C0CRITICAL", "critical"),
            ],
            messages: Vec::new(),
            scopes: SCOPES.to_vec(),
        }
    }

    fn list(&self, scopes: &[&'static str]) -> Answer {
        if !scopes.contains(&"channels:read") {
            return missing("channels:read", scopes);
        }
        let list: Vec<Value> = self.channels.iter().map(view).collect();
        Answer::json(
            200,
            &json!({"ok": true, "channels": list, "response_metadata": {"next_cursor": ""}}),
        )
    }

    fn info(&self, arguments: &[(String, String)], scopes: &[&'static str]) -> Answer {
        if !scopes.contains(&"channels:read") {
            return missing("channels:read", scopes);
        }
        let wanted = value(arguments, "channel");
        match self.channels.iter().find(|channel| Some(channel.id) == wanted) {
            Some(channel) => Answer::json(200, &json!({"ok": true, "channel": view(channel)})),
            None => refuse("channel_not_found"),
        }
    }

    fn history(&self, call: &Call, scopes: &[&'static str]) -> Answer {
        if !scopes.contains(&"channels:history") {
            return missing("channels:history", scopes);
        }
        let arguments = arguments(call);
        let Some(channel) = self
            .channels
            .iter()
            .find(|channel| Some(channel.id) == value(&arguments, "channel"))
        else {
            return refuse("channel_not_found");
        };
        if !channel.member {
            return refuse("not_in_channel");
        }
        let oldest = value(&arguments, "oldest").map_or(0, micros);
        // A cursor is the `ts` of the last message shown, so older ones follow.
        let before = value(&arguments, "cursor").map_or(i64::MAX, micros);
        let limit = value(&arguments, "limit").and_then(|text| text.parse().ok());
        let limit: usize = limit.unwrap_or(100).clamp(1, 999);
        let metadata = value(&arguments, "include_all_metadata") == Some("true");
        let all: Vec<&Message> = self
            .messages
            .iter()
            .rev()
            .filter(|message| message.channel == channel.id && message.at >= oldest && message.at < before)
            .collect();
        let shown: Vec<Value> = all
            .iter()
            .take(limit)
            .map(|message| show(message, metadata))
            .collect();
        let more = all.len() > limit;
        let cursor = all
            .get(limit.saturating_sub(1))
            .filter(|_| more)
            .map(|message| stamp(message.at));
        Answer::json(
            200,
            &json!({"ok": true, "messages": shown, "has_more": more, "pin_count": 0,
                    "response_metadata": {"next_cursor": cursor.unwrap_or_default()}}),
        )
    }

    fn post(&mut self, ctx: &mut Context, call: &Call, scopes: &[&'static str]) -> Answer {
        if !scopes.contains(&"chat:write") {
            return missing("chat:write", scopes);
        }
        let Ok(body) = call.json() else {
            return refuse("invalid_json");
        };
        let wanted = body.get("channel").and_then(Value::as_str);
        let Some(channel) = self
            .channels
            .iter()
            .find(|channel| Some(channel.id) == wanted || Some(channel.name) == wanted)
        else {
            return refuse("channel_not_found");
        };
        if channel.archived {
            return refuse("is_archived");
        }
        if !channel.member {
            return refuse("not_in_channel");
        }
        let (id, name) = (channel.id, channel.name);
        let metadata = body.get("metadata").cloned().unwrap_or_default();
        if !metadata.is_null()
            && (!metadata.get("event_type").is_some_and(Value::is_string)
                || !metadata.get("event_payload").is_some_and(Value::is_object))
        {
            return refuse("invalid_metadata_format");
        }
        match self.keep(ctx, id, name, &body, metadata, "post_message") {
            Ok(message) => Answer::json(
                200,
                &json!({"ok": true, "channel": id, "ts": stamp(message.at), "message": show(&message, true)}),
            ),
            Err(error) => refuse(error),
        }
    }

    fn keep(
        &mut self,
        ctx: &mut Context,
        id: &str,
        name: &str,
        body: &Value,
        metadata: Value,
        operation: &str,
    ) -> Result<Message, &'static str> {
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
        let blocks = body.get("blocks").cloned().unwrap_or_default();
        if text.is_empty() && blocks.is_null() {
            return Err("no_text");
        }
        if !blocks_fit(&blocks) {
            return Err("invalid_blocks");
        }
        let key = metadata
            .pointer("/event_payload/delivr_key")
            .and_then(Value::as_str);
        let (key, text) = (key.map(str::to_owned), text.to_owned());
        let now = ctx.now() * 1000;
        let at = self.messages.last().map_or(now, |last| now.max(last.at + 1));
        let message = Message {
            channel: id.to_owned(),
            at,
            bot: BOT,
            text,
            blocks,
            metadata,
        };
        let subject = format!("{name}: {}", message.text);
        ctx.effect(
            NAME,
            operation,
            &subject,
            key.as_deref(),
            json!({"ts": stamp(at)}),
        );
        self.messages.push(message.clone());
        self.notify(ctx, &message);
        Ok(message)
    }

    fn hook(&mut self, ctx: &mut Context, call: &Call, path: &[&str]) -> Answer {
        if path != HOOK.as_slice() || ctx.access(NAME).revoked {
            return Answer::text(404, "no_service");
        }
        let Ok(body) = call.json() else {
            return Answer::text(400, "invalid_payload");
        };
        match self.keep(ctx, "C0RELEASES", "releases", &body, Value::Null, "webhook") {
            Ok(_) => Answer::text(200, "ok"),
            Err(error) => Answer::text(400, error),
        }
    }

    fn notify(&self, ctx: &mut Context, message: &Message) {
        let body = json!({"type": "event_callback", "team_id": "T000SANDBOX", "api_app_id": "A000SANDBOX",
            "event_id": format!("Ev{}", ctx.ids.decimal("slack event")), "event_time": message.at / 1_000_000,
            "event": {"type": "message", "channel": message.channel, "ts": stamp(message.at), "text": message.text,
                      "bot_id": message.bot}});
        let body = body.to_string();
        let time = (ctx.now() / 1000).to_string();
        for (url, secret) in ctx.receivers(NAME) {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let signed = hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
            let headers = vec![
                (
                    "x-slack-signature".to_owned(),
                    format!("v0={}", hex(signed.as_ref())),
                ),
                ("x-slack-request-timestamp".to_owned(), time.clone()),
            ];
            ctx.send(NAME, &url, headers, body.clone().into_bytes());
        }
    }
}

fn view(channel: &Channel) -> Value {
    json!({"id": channel.id, "name": channel.name, "is_channel": true, "is_private": false,
           "is_archived": channel.archived, "is_member": channel.member})
}

fn show(message: &Message, metadata: bool) -> Value {
    let mut shown = json!({"type": "message", "subtype": "bot_message", "ts": stamp(message.at), "text": message.text,
        "bot_id": message.bot, "blocks": message.blocks});
    if metadata
        && !message.metadata.is_null()
        && let Some(shown) = shown.as_object_mut()
    {
        shown.insert("metadata".to_owned(), message.metadata.clone());
    }
    shown
}
