//! Settings and credentials of the integration, as forms and as values.

use crate::auth::{Account, Tokens};
use delivr_domain::ports::provider::{ConfigError, Credentials};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{self, Field};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// Google's own addresses.
const BASE: &str = "https://androidpublisher.googleapis.com";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const TRACK: &str = "production";
const KEY: &str = "serviceAccountJson";

/// The configuration as stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) package_name: String,
    #[serde(default = "track")]
    pub(crate) track: String,
    #[serde(default = "base")]
    pub(crate) base_url: String,
    /// Left out: the one the key file names.
    #[serde(default)]
    token_uri: Option<String>,
}

fn track() -> String {
    TRACK.to_owned()
}

fn base() -> String {
    BASE.to_owned()
}

/// The form of the configuration.
pub(crate) fn config_schema() -> Value {
    schema::form(
        "Google Play",
        [
            Field::text("packageName", "Package name")
                .required()
                .example(json!("com.example.shop")),
            Field::text("track", "Track")
                .describe("The track that users get.")
                .default(json!(TRACK)),
            Field::url("baseUrl", "API address").default(json!(BASE)),
            Field::url("tokenUri", "Token address").describe("Left out: the one in the key file."),
        ],
    )
}

/// The form of the credentials.
pub(crate) fn credentials_schema() -> Value {
    schema::form(
        "Google service account",
        [Field::secret(KEY, "Service account key (JSON)")
            .required()
            .multiline()
            .help("Google Cloud, IAM, Service accounts, Keys; then invite the account in Play Console.")],
    )
}

/// Reads both.
pub(crate) fn read(
    deps: &Deps,
    config: &Value,
    credentials: &Credentials,
) -> Result<(Config, Tokens), ConfigError> {
    let config: Config = schema::parse(config)?;
    schema::only_credentials(credentials, &[KEY])?;
    // Both become parts of paths.
    let plain = |text: &str, more: &[char]| {
        !text.is_empty()
            && text
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || more.contains(&it))
    };
    if !plain(&config.package_name, &['.', '_']) {
        return Err(schema::wrong(
            "packageName",
            "must be a package name such as com.example.shop",
        ));
    }
    if !plain(&config.track, &['.', '_', '-', ':']) {
        return Err(schema::wrong(
            "track",
            "must be a track's name such as production",
        ));
    }
    let refuse = |detail: String| schema::wrong_credential(KEY, detail);
    let account = Account::read(&schema::secret(credentials, KEY)?).map_err(refuse)?;
    let uri = config.token_uri.clone().or_else(|| account.token_uri.clone());
    let uri = Url::parse(uri.as_deref().unwrap_or(TOKEN_URI))
        .map_err(|why| schema::wrong("tokenUri", format!("is not an address: {why}")))?;
    deps.policy
        .check_url(&uri)
        .map_err(|refusal| schema::wrong("tokenUri", refusal.to_string()))?;
    let tokens = Tokens::new(account, uri, deps.http.clone(), deps.clock.clone()).map_err(refuse)?;
    Ok((config, tokens))
}
