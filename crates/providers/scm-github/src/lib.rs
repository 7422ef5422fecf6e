//! GitHub (github.com, Enterprise Cloud and Enterprise Server) as source control: branches, tags, notes, releases and
//! pull requests of one repository.
//!
//! Requests go through octocrab over provider-kit's guarded client, see `transport`. Names are GitHub's own guard
//! against doubles: a second ref, a second published release of a tag and a second open pull request of two branches
//! are refused by it, so whatever got lost is found again by its name.

mod auth;
mod client;
mod errors;
mod history;
mod pulls;
mod refs;
mod releases;
mod scm;
mod transport;
mod webhook;

use auth::{App, Auth};
use client::Client;
use delivr_domain::names::RefName;
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{
    Field, base_url, form, only_credentials, parse, secret, wrong, wrong_credential,
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The provider's key.
pub const KEY: &str = "github";

const API: &str = "https://api.github.com";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    #[serde(default = "api")]
    base_url: String,
    owner: String,
    #[serde(alias = "repo")]
    repository: String,
    #[serde(default = "main")]
    default_branch: String,
}

fn api() -> String {
    API.to_owned()
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
            [
                Field::text("owner", "Owner")
                    .describe("The organization or user the repository belongs to.")
                    .example(json!("acme"))
                    .required(),
                Field::text("repository", "Repository")
                    .describe("Its name without the owner.")
                    .example(json!("shop"))
                    .required(),
                Field::text("defaultBranch", "Default branch").default(json!("main")),
                Field::url("baseUrl", "Address of the API")
                    .describe("https://HOST/api/v3 for GitHub Enterprise Server.")
                    .default(json!(API)),
            ],
        ),
        credentials_schema: form(
            "GitHub credential",
            [
                Field::secret("token", "Personal access token")
                    .describe(
                        "Fine-grained, for this repository alone, with contents and pull requests: read and write.",
                    )
                    .help("https://github.com/settings/personal-access-tokens/new"),
                Field::text("appId", "App id").describe("Of a GitHub App, instead of a token."),
                Field::text("installationId", "Installation id")
                    .describe("The number at the end of the installation's address."),
                Field::secret("privateKeyPem", "App's private key")
                    .describe("The whole .pem file that GitHub gave out.")
                    .multiline(),
                Field::secret("webhookSecret", "Webhook secret"),
            ],
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
    let base = base_url(&deps.policy, "baseUrl", &config.base_url)?;
    check_name("owner", &config.owner, "")?;
    check_name("repository", &config.repository, "._")?;
    let default: RefName = config
        .default_branch
        .parse()
        .map_err(|why| wrong("defaultBranch", format!("{why}")))?;
    let auth = authentication(&config.repository, credentials)?;
    let client = Client::new(deps, base, config.owner, config.repository, auth);
    Ok(Connection::Scm(Arc::new(scm::GitHubScm { client, default })))
}

/// GitHub's rules for names: letters, digits and hyphens, in repositories also dots and underscores.
fn check_name(field: &str, name: &str, also: &str) -> Result<(), ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || also.contains(c);
    let dots = name.chars().all(|c| c == '.');
    if name.is_empty() || name.len() > 100 || dots || !name.chars().all(fits) {
        return Err(wrong(
            field,
            "is one name of letters, digits and hyphens, without a slash or address",
        ));
    }
    if name.to_ascii_lowercase().ends_with(".git") {
        return Err(wrong(field, "is the name without `.git`"));
    }
    Ok(())
}

fn authentication(repository: &str, credentials: &Credentials) -> Result<Auth, ConfigError> {
    const APP: [&str; 3] = ["appId", "installationId", "privateKeyPem"];
    only_credentials(
        credentials,
        &[
            "token",
            "appId",
            "installationId",
            "privateKeyPem",
            "webhookSecret",
        ],
    )?;
    if credentials.find("token").is_some() {
        if let Some(name) = APP.iter().find(|name| credentials.find(name).is_some()) {
            return Err(wrong_credential(
                name,
                "give either a token or a GitHub App's id, installation and key",
            ));
        }
        return Ok(Auth::Token(secret(credentials, "token")?));
    }
    if !APP.iter().any(|name| credentials.find(name).is_some()) {
        return Err(wrong_credential(
            "token",
            "is required, or appId, installationId and privateKeyPem of a GitHub App",
        ));
    }
    let id = secret(credentials, "appId")?.expose_secret().trim().to_owned();
    // The App's client id does as well as its number.
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') {
        return Err(wrong_credential("appId", "is the App's number or client id"));
    }
    let installation = secret(credentials, "installationId")?;
    let installation = installation.expose_secret().trim().to_owned();
    if installation.is_empty() || !installation.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong_credential(
            "installationId",
            "is the number at the end of the installation's address",
        ));
    }
    let key = secret(credentials, "privateKeyPem")?;
    let app = App::new(&key, id, installation, repository.to_owned())
        .map_err(|why| wrong_credential("privateKeyPem", why))?;
    Ok(Auth::App(Box::new(app)))
}
