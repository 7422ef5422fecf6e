//! GitHub Actions (github.com, Enterprise Cloud and Enterprise Server) as a CI system: workflows of one repository,
//! started by `workflow_dispatch`.
//!
//! Two dispatches are two runs, and nothing in the request keeps them from it. A run is therefore recognised by its own
//! name: the workflow takes the input `delivr_key` and shows it in its `run-name`. The run's id, which newer versions of
//! the API answer with, names it from then on; a lost answer leaves only the name.

mod errors;
mod find;
mod run;
mod setup;
mod webhook;
mod wire;
mod workflow;
mod writes;
mod yaml;

use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_github_kit::{Adapter, Client, settings};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{Field, form, parse};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The provider's key.
pub const KEY: &str = "github-actions";
/// The input that carries the effect key's short form.
pub const KEY_INPUT: &str = "delivr_key";

const ADAPTER: Adapter = Adapter {
    key: KEY,
    version: Some(ApiVersion::First.word()),
    permissions: &[("actions", "write"), ("contents", "read")],
    refusal: errors::of_runs,
};

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
    #[serde(default = "settings::api")]
    base_url: String,
    owner: String,
    #[serde(alias = "repo")]
    repository: String,
    #[serde(default)]
    api_version: ApiVersion,
    #[serde(default)]
    correlation: Correlation,
}

/// A connection to the workflows of one repository.
struct Actions {
    client: Client,
    clock: Arc<dyn Clock>,
    correlation: Correlation,
    version: ApiVersion,
}

/// An error of ours.
fn fail(operation: &'static str, kind: ProviderErrorKind, sentence: impl Into<String>) -> ProviderError {
    ADAPTER.fail(operation, kind, sentence)
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
            settings::repository_fields(" The release's branches and tags must be in it.").into_iter().chain([
                Field::choice("apiVersion", "Version of the API", &["2022-11-28", "2026-03-10"])
                    .describe("The older one is spoken by every server that is supported.")
                    .default(json!("2022-11-28")),
                Field::choice("correlation", "How runs are recognised", &["run-name", "window"])
                    .describe(
                        "`window` does without `delivr_key` in the workflow. It costs that a person is asked whenever \
                         an answer of GitHub is lost.",
                    )
                    .default(json!("run-name")),
            ]),
        ),
        credentials_schema: form(
            "GitHub Actions credential",
            settings::credential_fields("actions: read and write, contents: read"),
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
    let adapter = Adapter {
        version: Some(config.api_version.word()),
        ..ADAPTER
    };
    let client = settings::connect(
        adapter,
        deps,
        &config.base_url,
        config.owner,
        config.repository,
        credentials,
    )?;
    Ok(Connection::Cicd(Arc::new(Actions {
        client,
        clock: deps.clock.clone(),
        correlation: config.correlation,
        version: config.api_version,
    })))
}
