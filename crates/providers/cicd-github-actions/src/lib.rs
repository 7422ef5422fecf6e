//! GitHub Actions (github.com, Enterprise Cloud and Enterprise Server) as a CI system: workflows of one repository,
//! started by `workflow_dispatch`.
//!
//! Two dispatches are two runs, and nothing in the request keeps them from it. A run is therefore recognised by its own
//! name: the workflow takes the input `delivr_key` and shows it in its `run-name`. The run's id, which newer versions of
//! the API answer with, names it from then on; a lost answer leaves only the name.

mod api;
mod errors;
mod find;
mod run;
mod setup;
mod webhook;
mod wire;
mod workflow;
mod writes;
mod yaml;

use api::{Actions, Client};
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{Field, base_url, form, only_credentials, parse, secret, wrong};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The provider's key.
pub const KEY: &str = "github-actions";
/// The input that carries the effect key's short form.
pub const KEY_INPUT: &str = "delivr_key";

const API: &str = "https://api.github.com";

/// A version of GitHub's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
enum ApiVersion {
    /// A dispatch names its run where it is asked to and the server knows how.
    #[default]
    #[serde(rename = "2022-11-28")]
    First,
    /// A dispatch always names its run, and must not be asked to.
    #[serde(rename = "2026-03-10")]
    Second,
}

impl ApiVersion {
    const fn word(self) -> &'static str {
        match self {
            Self::First => "2022-11-28",
            Self::Second => "2026-03-10",
        }
    }
}

/// How a run of ours is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Correlation {
    /// By the key in its name.
    #[default]
    RunName,
    /// Not at all: where an answer is lost and any run of the commit exists, a person is asked.
    Window,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    #[serde(default = "api")]
    base_url: String,
    owner: String,
    #[serde(alias = "repo")]
    repository: String,
    #[serde(default)]
    api_version: ApiVersion,
    #[serde(default)]
    correlation: Correlation,
}

fn api() -> String {
    API.to_owned()
}

/// What the registry needs to know of GitHub Actions.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    Descriptor {
        key: KEY,
        port: Port::Cicd,
        display_name: "GitHub Actions",
        config_schema: form(
            "GitHub Actions",
            [
                Field::text("owner", "Owner")
                    .describe("The organization or user the repository belongs to.")
                    .example(json!("acme"))
                    .required(),
                Field::text("repository", "Repository")
                    .describe("Its name without the owner. The release's branches and tags must be in it.")
                    .example(json!("shop"))
                    .required(),
                Field::url("baseUrl", "Address of the API")
                    .describe("https://HOST/api/v3 for GitHub Enterprise Server.")
                    .default(json!(API)),
                Field::choice("apiVersion", "Version of the API", &["2022-11-28", "2026-03-10"])
                    .describe("The older one is spoken by every server that is supported.")
                    .default(json!("2022-11-28")),
                Field::choice("correlation", "How runs are recognised", &["run-name", "window"])
                    .describe(
                        "`window` does without `delivr_key` in the workflow. It costs that a person is asked whenever \
                         an answer of GitHub is lost.",
                    )
                    .default(json!("run-name")),
            ],
        ),
        credentials_schema: form(
            "GitHub Actions credential",
            [
                Field::secret("token", "Personal access token")
                    .describe(
                        "Fine-grained, for this repository alone, with actions: read and write, contents: read.",
                    )
                    .help("https://github.com/settings/personal-access-tokens/new")
                    .required(),
                Field::secret("webhookSecret", "Webhook secret")
                    .describe("Any random text; the secret of the repository's webhook for workflow runs."),
            ],
        ),
        capabilities: json!({
            "trigger": true, "parameters": "declared", "correlation": "native", "keyParameter": KEY_INPUT,
            "poll": true, "cancel": true, "artifacts": "zip", "rerunSameId": true, "webhooks": "signed",
            "defaultParameters": {"version": "{version}", "branch": "{branch}"},
        }),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: Some(Arc::new(webhook::read)),
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let config: Config = parse(config)?;
    only_credentials(credentials, &["token", "webhookSecret"])?;
    let base = base_url(&deps.policy, "baseUrl", &config.base_url)?;
    check_name("owner", &config.owner, "")?;
    check_name("repository", &config.repository, "._")?;
    let token = secret(credentials, "token")?;
    let client = Client::new(
        deps,
        base,
        config.owner,
        config.repository,
        token,
        config.api_version,
    );
    Ok(Connection::Cicd(Arc::new(Actions {
        client,
        clock: deps.clock.clone(),
        correlation: config.correlation,
    })))
}

/// GitHub's rules for names: letters, digits and hyphens, in repositories also dots and underscores.
fn check_name(field: &str, name: &str, also: &str) -> Result<(), ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || also.contains(c);
    let dots = name.chars().all(|c| c == '.');
    if name.is_empty() || name.len() > 100 || dots || !name.chars().all(fits) {
        let rule = "is one name of letters, digits and hyphens, without a slash or address";
        return Err(wrong(field, rule));
    }
    if name.to_ascii_lowercase().ends_with(".git") {
        return Err(wrong(field, "is the name without `.git`"));
    }
    Ok(())
}
