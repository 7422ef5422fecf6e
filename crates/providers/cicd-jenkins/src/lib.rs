//! Jenkins as a CI system: parameterized jobs, correlated by the parameter `DELIVR_KEY`.
//!
//! Jenkins forgets queue items five minutes after they left the queue and drops undeclared parameters without a word,
//! so the one durable link between a request of ours and a run is that parameter: a job that does not declare it is
//! never started.

mod api;
mod run;
mod setup;
mod webhook;
mod wire;
mod writes;

use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::schema::{self, Field};
use delivr_provider_kit::{AddressPolicy, Deps, HttpClient};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub use api::Jenkins;

/// The provider's key.
pub const KEY: &str = "jenkins";
/// The parameter that carries the effect key's short form.
pub const KEY_PARAMETER: &str = "DELIVR_KEY";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    base_url: String,
    #[serde(default)]
    use_crumb: bool,
}

/// What this crate offers.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let (policy, http, clock) = (deps.policy.clone(), deps.http.clone(), deps.clock.clone());
    Descriptor {
        key: KEY,
        port: Port::Cicd,
        display_name: "Jenkins",
        config_schema: schema::form(
            "Jenkins",
            [
                Field::url("baseUrl", "Address of Jenkins")
                    .describe("With its path prefix, if it has one.")
                    .example(json!("https://ci.example.com/jenkins/"))
                    .required(),
                Field::flag("useCrumb", "Ask for a crumb before each change")
                    .describe("Only needed with a password; API tokens are exempt from the CSRF protection.")
                    .default(json!(false)),
            ],
        ),
        credentials_schema: schema::form(
            "Jenkins credential",
            [
                Field::text("username", "User").required(),
                Field::secret("apiToken", "API token")
                    .help("In Jenkins: the user's page, Security, API Token, Add new token.")
                    .required(),
                Field::secret("webhookSecret", "Webhook secret").describe(
                    "Any random text; the notification step signs with it or sends it as X-Delivr-Token.",
                ),
            ],
        ),
        capabilities: json!({
            "trigger": true, "parameters": "declared", "correlation": "parameter", "keyParameter": KEY_PARAMETER,
            "poll": true, "cancel": true, "artifacts": "single", "rerunSameId": false, "webhooks": "signed",
            "defaultParameters": {"VERSION": "{version}", "BRANCH": "{branch}"},
        }),
        connect: Arc::new(move |config, credentials| connect(&policy, &http, &clock, config, credentials)),
        webhook: Some(Arc::new(webhook::read)),
    }
}

fn connect(
    policy: &AddressPolicy,
    http: &HttpClient,
    clock: &Arc<dyn Clock>,
    config: &Value,
    credentials: &Credentials,
) -> Result<Connection, ConfigError> {
    let config: Config = schema::parse(config)?;
    schema::only_credentials(credentials, &["username", "apiToken", "webhookSecret"])?;
    let base = schema::base_url(policy, "baseUrl", &config.base_url)?;
    let user = schema::secret(credentials, "username")?;
    let token = schema::secret(credentials, "apiToken")?;
    let jenkins = Jenkins::new(
        http.of(credentials),
        base,
        user,
        token,
        config.use_crumb,
        clock.clone(),
    );
    Ok(Connection::Cicd(Arc::new(jenkins)))
}
