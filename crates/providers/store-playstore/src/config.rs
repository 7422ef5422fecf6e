//! Settings and credentials of the integration, as forms and as values.

use crate::auth::{Account, Tokens};
use delivr_domain::ports::provider::{ConfigError, Credentials};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{self, Field};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

/// Google's own addresses.
const BASE: &str = "https://androidpublisher.googleapis.com";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const TRACK: &str = "production";
const UPLOAD_TRACK: &str = "internal";
const KEY: &str = "serviceAccountJson";

/// The configuration as stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) package_name: String,
    #[serde(default = "track")]
    pub(crate) track: String,
    #[serde(default = "upload_track")]
    pub(crate) upload_track: String,
    /// What a new release gets; left out, Google's 0.
    #[serde(default)]
    in_app_update_priority: Option<u8>,
    /// Left out: those of the track.
    #[serde(default)]
    countries: Vec<String>,
    #[serde(default)]
    rest_of_world: bool,
    /// Whether a halt may cancel a running review of other changes.
    #[serde(default)]
    pub(crate) halt_cancels_review: bool,
    #[serde(default = "base")]
    pub(crate) base_url: String,
    /// Left out: the one the key file names.
    #[serde(default)]
    token_uri: Option<String>,
}

fn track() -> String {
    TRACK.to_owned()
}

fn upload_track() -> String {
    UPLOAD_TRACK.to_owned()
}

fn base() -> String {
    BASE.to_owned()
}

impl Config {
    /// What else a new release gets, as Google's fields.
    pub(crate) fn settings(&self) -> Map<String, Value> {
        let mut all = Map::new();
        if let Some(priority) = self.in_app_update_priority {
            all.insert("inAppUpdatePriority".to_owned(), json!(priority));
        }
        if !self.countries.is_empty() {
            let mut targeting = json!({"countries": self.countries});
            if let Some(fields) = targeting.as_object_mut().filter(|_| self.rest_of_world) {
                fields.insert("includeRestOfWorld".to_owned(), json!(true));
            }
            all.insert("countryTargeting".to_owned(), targeting);
        }
        all
    }
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
                .describe(
                    "The track that users get: production, beta (open), alpha (closed), internal, a closed track of \
                     your own by its name, or a form factor's such as wear:production.",
                )
                .default(json!(TRACK)),
            Field::text("uploadTrack", "Track of uploads")
                .describe("Where the pipeline puts a bundle; it is promoted from there.")
                .default(json!(UPLOAD_TRACK)),
            Field::integer("inAppUpdatePriority", "In-app update priority", 0, 5)
                .describe("How urgent a new release is for apps that ask; it cannot be changed once the release is out."),
            Field::texts("countries", "Countries")
                .describe("Two-letter codes a new release is limited to; left out: those of the track."),
            Field::flag("restOfWorld", "And the rest of the world")
                .describe("Together with countries: also what Google calls the rest of the world."),
            Field::flag("haltCancelsReview", "A halt may cancel a review")
                .describe(
                    "Left off, a rollout cannot be halted from here while other changes of the app are in Google's \
                     review; switched on, the halt cancels that review, and the changes are sent for review anew.",
                ),
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
    for (field, track) in [("track", &config.track), ("uploadTrack", &config.upload_track)] {
        if !plain(track, &['.', '_', '-', ':']) {
            let detail = "must be a track's name such as production or wear:production";
            return Err(schema::wrong(field, detail));
        }
    }
    if config.in_app_update_priority.is_some_and(|it| it > 5) {
        return Err(schema::wrong("inAppUpdatePriority", "must be from 0 to 5"));
    }
    let code = |it: &String| it.len() == 2 && it.chars().all(|it| it.is_ascii_uppercase());
    if let Some(wrong) = config.countries.iter().find(|it| !code(it)) {
        let detail = format!("`{wrong}` is not a two-letter code such as DE");
        return Err(schema::wrong("countries", detail));
    }
    if config.rest_of_world && config.countries.is_empty() {
        let detail = "goes together with countries; leave both out for all of the track's";
        return Err(schema::wrong("restOfWorld", detail));
    }
    let refuse = |detail: String| schema::wrong_credential(KEY, detail);
    let account = Account::read(&schema::secret(credentials, KEY)?).map_err(refuse)?;
    let uri = config.token_uri.clone().or_else(|| account.token_uri.clone());
    let uri = Url::parse(uri.as_deref().unwrap_or(TOKEN_URI))
        .map_err(|why| schema::wrong("tokenUri", format!("is not an address: {why}")))?;
    deps.policy
        .check_url(&uri)
        .map_err(|refusal| schema::wrong("tokenUri", refusal.to_string()))?;
    let tokens = Tokens::new(account, uri, deps.http.of(credentials), deps.clock.clone()).map_err(refuse)?;
    Ok((config, tokens))
}
