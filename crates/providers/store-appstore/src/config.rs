//! Settings and credentials of the integration, as forms and as values.

use crate::auth::Tokens;
use delivr_domain::ports::provider::{ConfigError, Credentials};
use delivr_provider_kit::schema::{self, Field};
use serde::Deserialize;
use serde_json::{Value, json};

/// Apple's own address.
const BASE: &str = "https://api.appstoreconnect.apple.com";
const KEY: &str = "privateKeyPem";
const WEBHOOK_SECRET: &str = "webhookSecret";

/// The configuration as stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    /// Issuer of a team key; left out for an individual key.
    #[serde(default)]
    pub(crate) issuer_id: Option<String>,
    pub(crate) key_id: String,
    pub(crate) bundle_id: String,
    #[serde(default = "base")]
    pub(crate) base_url: String,
    /// Locales that get notes; empty means those the version has.
    #[serde(default)]
    pub(crate) locales: Vec<String>,
}

fn base() -> String {
    BASE.to_owned()
}

/// The form of the configuration.
pub(crate) fn config_schema() -> Value {
    schema::form(
        "App Store Connect",
        [
            Field::text("issuerId", "Issuer ID")
                .help("Users and Access, Integrations, above the list of team keys. Leave out for an individual key."),
            Field::text("keyId", "Key ID").required().help("Users and Access, Integrations, in the key's row."),
            Field::text("bundleId", "Bundle ID").required().example(json!("com.example.shop")),
            Field::url("baseUrl", "API address").default(json!(BASE)),
            Field::texts("locales", "Locales of the release notes")
                .describe("Locales that get the notes. Left out: every locale the version has.")
                .example(json!(["en-US", "de-DE"])),
        ],
    )
}

/// The form of the credentials.
pub(crate) fn credentials_schema() -> Value {
    schema::form(
        "App Store Connect key",
        [
            Field::secret(KEY, "Private key (.p8)")
                .required()
                .multiline()
                .help("The content of AuthKey_….p8, which Apple lets you download once. Role: App Manager."),
            Field::secret(WEBHOOK_SECRET, "Webhook secret")
                .describe("Only for webhooks of App Store Connect: the secret entered there."),
        ],
    )
}

/// Reads both.
pub(crate) fn read(config: &Value, credentials: &Credentials) -> Result<(Config, Tokens), ConfigError> {
    let config: Config = schema::parse(config)?;
    schema::only_credentials(credentials, &[KEY, WEBHOOK_SECRET])?;
    for (field, value) in [("keyId", &config.key_id), ("bundleId", &config.bundle_id)] {
        if value.trim().is_empty() {
            return Err(schema::wrong(field, "must not be empty"));
        }
    }
    let pem = schema::secret(credentials, KEY)?;
    let tokens = Tokens::new(
        &pem,
        config.key_id.trim(),
        config.issuer_id.as_deref().map(str::trim),
    )
    .map_err(|detail| schema::wrong_credential(KEY, detail))?;
    Ok((config, tokens))
}
