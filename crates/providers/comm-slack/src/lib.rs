//! Slack as the chat system: a bot token, or an incoming webhook alone.
//!
//! A bot's messages carry the key in their metadata and are found again in the channel's history. An incoming webhook
//! cannot read back: it posts at most once, and a lost answer stays unknown.

mod blocks;
mod bot;
mod hook;
mod webhook;

use delivr_domain::effect::Topic;
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{
    Field, base_url, form, only_credentials, parse, secret, wrong, wrong_credential,
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const KEY: &str = "slack";
const API: &str = "https://slack.com/api/";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    #[serde(default = "api")]
    base_url: String,
    /// Channel ids by topic; a topic left out goes to `releases`.
    #[serde(default)]
    channels: BTreeMap<String, String>,
}

fn api() -> String {
    API.to_owned()
}

/// What the registry needs to know of Slack.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    let channel = json!({"type": "string", "pattern": "^[CG][A-Z0-9]{2,}$"});
    let topics: serde_json::Map<String, Value> = Topic::ALL
        .iter()
        .map(|topic| (topic.word().to_owned(), channel.clone()))
        .collect();
    let channels = json!({"type": "object", "additionalProperties": false, "properties": topics});
    Descriptor {
        key: KEY,
        port: Port::Communication,
        display_name: "Slack",
        config_schema: form(
            "Slack",
            [
                Field::url("baseUrl", "API address").default(json!(API)),
                Field::of("channels", "Channels by topic", &channels)
                    .describe("Channel ids; topics left out go to the channel of releases. Not used with a webhook."),
            ],
        ),
        credentials_schema: form(
            "Slack credentials",
            [
                Field::secret("botToken", "Bot token").help("https://api.slack.com/apps, OAuth & Permissions"),
                Field::secret("signingSecret", "Signing secret").help("https://api.slack.com/apps, Basic Information"),
                Field::secret("webhookUrl", "Incoming webhook")
                    .describe("Instead of a bot token. Degraded: a message whose answer is lost may or may not be there."),
            ],
        ),
        capabilities: json!({"recognition": {"botToken": "marker", "webhookUrl": "none"}, "webhooks": true}),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: Some(Arc::new(webhook::read)),
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let config: Config = parse(config)?;
    only_credentials(credentials, &["botToken", "signingSecret", "webhookUrl"])?;
    if let Some(address) = credentials.find("webhookUrl") {
        if credentials.find("botToken").is_some() {
            return Err(wrong_credential(
                "webhookUrl",
                "is used without a bot token; set one of the two",
            ));
        }
        // The address is a secret, so the reason is told without it.
        let url = url::Url::parse(address.expose_secret())
            .map_err(|_why| wrong_credential("webhookUrl", "is not an address"))?;
        deps.policy
            .check_url(&url)
            .map_err(|_why| wrong_credential("webhookUrl", "is an address that may not be called"))?;
        return Ok(Connection::Chat(Arc::new(hook::Hook::new(
            deps.http.of(credentials),
            url,
            address.clone(),
        ))));
    }
    let base = base_url(&deps.policy, "baseUrl", &config.base_url)?;
    let mut channels = BTreeMap::new();
    for (word, id) in &config.channels {
        let topic: Topic = word
            .parse()
            .map_err(|_why| wrong("channels", format!("`{word}` is no topic")))?;
        let fits = id.starts_with(['C', 'G']) && id.chars().all(|one| one.is_ascii_alphanumeric());
        if !fits {
            return Err(wrong(
                "channels",
                format!("`{id}` is no channel id; ids start with C or G"),
            ));
        }
        channels.insert(topic, id.clone());
    }
    if !channels.contains_key(&Topic::Releases) {
        return Err(wrong("channels", "must name a channel for `releases`"));
    }
    let token = secret(credentials, "botToken")?;
    Ok(Connection::Chat(Arc::new(bot::Bot::new(
        deps.http.of(credentials),
        deps.clock.clone(),
        base,
        channels,
        token,
    ))))
}
