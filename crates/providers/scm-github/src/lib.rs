//! GitHub (github.com, Enterprise Cloud and Enterprise Server) as source control: branches, tags, notes, releases and
//! pull requests of one repository.
//!
//! Names are GitHub's own guard
//! against doubles: a second ref, a second published release of a tag and a second open pull request of two branches
//! are refused by it, so whatever got lost is found again by its name.

mod errors;
mod history;
mod pulls;
mod refs;
mod releases;
mod scm;
mod webhook;

use delivr_domain::names::RefName;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_github_kit::{Adapter, settings};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{Field, form, parse, wrong};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The provider's key.
pub const KEY: &str = "github";

const ADAPTER: Adapter = Adapter {
    key: KEY,
    version: None,
    permissions: &[("contents", "write"), ("pull_requests", "write")],
    refusal: errors::of_source,
};

/// Pages that are read of one list before it counts as too long.
const MOST_PAGES: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    #[serde(default = "settings::api")]
    base_url: String,
    owner: String,
    #[serde(alias = "repo")]
    repository: String,
    #[serde(default = "main")]
    default_branch: String,
}

fn main() -> String {
    "main".to_owned()
}

/// What the registry needs to know of GitHub.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    Descriptor {
        key: KEY,
        port: Port::Scm,
        display_name: "GitHub",
        config_schema: form(
            "GitHub repository",
            settings::repository_fields("").into_iter().chain([Field::text(
                "defaultBranch",
                "Default branch",
            )
            .default(json!("main"))]),
        ),
        credentials_schema: form(
            "GitHub credential",
            settings::credential_fields("contents and pull requests: read and write"),
        ),
        capabilities: json!({
            "branch": true, "tag": true, "compare": true, "notes": "native", "release": "tag", "pr": true,
            "webhooks": true, "immutableTags": false,
            "recognition": {"CREATE_BRANCH": "name", "CREATE_TAG": "name", "PUBLISH_RELEASE": "name",
                            "OPEN_PULL_REQUEST": "name", "DELETE_BRANCH": "state"},
        }),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: Some(Arc::new(webhook::read)),
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let config: Config = parse(config)?;
    let client = settings::connect(
        ADAPTER,
        deps,
        &config.base_url,
        config.owner,
        config.repository,
        credentials,
    )?;
    let default: RefName = config
        .default_branch
        .parse()
        .map_err(|why| wrong("defaultBranch", format!("{why}")))?;
    Ok(Connection::Scm(Arc::new(scm::GitHubScm { client, default })))
}

/// An error of ours.
fn fail(operation: &'static str, kind: ProviderErrorKind, sentence: impl Into<String>) -> ProviderError {
    ADAPTER.fail(operation, kind, sentence)
}
