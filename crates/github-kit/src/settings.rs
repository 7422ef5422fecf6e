//! Settings and credentials that every adapter of GitHub asks for.

use crate::Adapter;
use crate::auth::{App, Auth};
use crate::client::Client;
use crate::limits;
use delivr_domain::ports::provider::{ConfigError, Credentials};
use delivr_provider_kit::schema::{Field, base_url, only_credentials, secret, wrong, wrong_credential};
use delivr_provider_kit::{Deps, ReadLimits};
use secrecy::ExposeSecret as _;
use serde_json::json;

/// Where github.com's API is.
pub const API: &str = "https://api.github.com";

/// [`API`] as a default of serde.
#[must_use]
pub fn api() -> String {
    API.to_owned()
}

/// The fields that name a repository; `about` stands behind the description of its name.
#[must_use]
pub fn repository_fields(about: &str) -> Vec<Field> {
    vec![
        Field::text("owner", "Owner")
            .describe("The organization or user the repository belongs to.")
            .example(json!("acme"))
            .required(),
        Field::text("repository", "Repository")
            .describe(&format!("Its name without the owner.{about}"))
            .example(json!("shop"))
            .required(),
        Field::url("baseUrl", "Address of the API")
            .describe("https://HOST/api/v3 for GitHub Enterprise Server.")
            .default(json!(API)),
    ]
}

/// The fields of a credential; `permissions` says what a token must be allowed.
#[must_use]
pub fn credential_fields(permissions: &str) -> Vec<Field> {
    vec![
        Field::secret("token", "Personal access token")
            .describe(&format!(
                "Fine-grained, for this repository alone, with {permissions}."
            ))
            .help("https://github.com/settings/personal-access-tokens/new"),
        Field::text("appId", "App id").describe("Of a GitHub App, instead of a token."),
        Field::text("installationId", "Installation id")
            .describe("The number at the end of the installation's address."),
        Field::secret("privateKeyPem", "App's private key")
            .describe("The whole .pem file that GitHub gave out.")
            .multiline(),
        Field::secret("webhookSecret", "Webhook secret")
            .describe("Any random text; the secret of the repository's webhook."),
    ]
}

/// A client for the repository that the settings name.
///
/// # Errors
/// The field that cannot be, and why.
pub fn connect(
    adapter: Adapter,
    deps: &Deps,
    base: &str,
    owner: String,
    repository: String,
    credentials: &Credentials,
) -> Result<Client, ConfigError> {
    let base = base_url(&deps.policy, "baseUrl", base)?;
    check_name("owner", &owner, "")?;
    check_name("repository", &repository, "._")?;
    let auth = authentication(&repository, credentials)?;
    let read: ReadLimits = match &auth {
        Auth::Token(_) => limits::of_token,
        Auth::App(_) => limits::of_app,
    };
    let http = deps.http.of(credentials).reading(read);
    let parts = (http, deps.clock.clone());
    Ok(Client::new(adapter, parts, base, owner, repository, auth))
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
