//! Jira Cloud and Jira Data Center as a tracker.
//!
//! Tickets carry a label `delivr_key-<short>` for the search and an entity property `delivr_key` with the whole key
//! for certainty: Jira's own "Clone" copies labels but no properties. Both are set by the creating call itself.

mod client;
mod limits;
mod text;
mod tracker;
mod webhook;

use client::{Auth, Client};
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{
    Field, base_url, form, only_credentials, parse, secret, wrong, wrong_credential,
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const KEY: &str = "jira";

/// Which Jira it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deployment {
    Cloud,
    DataCenter,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    base_url: String,
    #[serde(default = "cloud")]
    deployment: Deployment,
    project_key: String,
    #[serde(default = "task")]
    issue_type: String,
    #[serde(default)]
    approved_statuses: Vec<String>,
    closed_status: String,
}

const fn cloud() -> Deployment {
    Deployment::Cloud
}

fn task() -> String {
    "Task".to_owned()
}

/// What the registry needs to know of Jira.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    Descriptor {
        key: KEY,
        port: Port::ProjectManagement,
        display_name: "Jira",
        config_schema: form(
            "Jira",
            [
                Field::url("baseUrl", "Address")
                    .required()
                    .example(json!("https://example.atlassian.net")),
                Field::choice("deployment", "Deployment", &["cloud", "data-center"]).default(json!("cloud")),
                Field::text("projectKey", "Project key")
                    .required()
                    .example(json!("REL")),
                Field::text("issueType", "Issue type").default(json!("Task")),
                Field::texts("approvedStatuses", "Approved statuses").describe(
                    "Statuses that count as approval; left out, every status of the category \"done\" does.",
                ),
                Field::text("closedStatus", "Closed status")
                    .required()
                    .describe("Status a ticket gets when the release is over."),
            ],
        ),
        credentials_schema: form(
            "Jira credentials",
            [
                Field::text("email", "E-mail").describe("Cloud: the account the API token belongs to."),
                Field::secret("apiToken", "API token")
                    .help("https://id.atlassian.com/manage-profile/security/api-tokens"),
                Field::secret("token", "Personal access token").describe("Data Center only."),
                Field::secret("webhookSecret", "Webhook secret"),
            ],
        ),
        capabilities: json!({"recognition": {"CREATE_TICKET": "marker", "CLOSE_TICKET": "state"}, "webhooks": true}),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: Some(Arc::new(webhook::read)),
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let config: Config = parse(config)?;
    let base = base_url(&deps.policy, "baseUrl", &config.base_url)?;
    let fit = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
    };
    if !fit(&config.project_key) {
        return Err(wrong(
            "projectKey",
            "is letters, digits and underscores, starting with a letter",
        ));
    }
    if config.closed_status.trim().is_empty() {
        return Err(wrong("closedStatus", "must name a status"));
    }
    let auth = match config.deployment {
        Deployment::Cloud => {
            only_credentials(credentials, &["email", "apiToken", "webhookSecret"])?;
            let email = secret(credentials, "email")?;
            if !email.expose_secret().contains('@') {
                return Err(wrong_credential("email", "is not an e-mail address"));
            }
            Auth::Basic(email, secret(credentials, "apiToken")?)
        }
        Deployment::DataCenter => {
            only_credentials(credentials, &["token", "webhookSecret"])?;
            Auth::Bearer(secret(credentials, "token")?)
        }
    };
    let client = Client::new(
        deps.http.of(credentials).reading(limits::read),
        base,
        config.deployment,
        auth,
    );
    Ok(Connection::Tracker(Arc::new(tracker::Jira { client, config })))
}
