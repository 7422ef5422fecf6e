//! Checkmate as the test-management system.
//!
//! Run names are not unique there, and the list's search looks at names only. So a run's name ends in eight digits of
//! the effect key's short form, and the whole short form is a line of its description: both must fit.

mod client;
mod testing;

use client::Client;
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::Deps;
use delivr_provider_kit::schema::{Field, base_url, form, only_credentials, parse, secret, wrong};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const KEY: &str = "checkmate";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    base_url: String,
    org_id: i64,
    project_id: i64,
    #[serde(default)]
    sections: Vec<i64>,
    #[serde(default)]
    labels: Vec<i64>,
    #[serde(default)]
    squads: Vec<i64>,
    /// Read by the gate, not by this adapter; kept here because the form is closed.
    #[serde(default)]
    pass_threshold_percent: Option<u8>,
}

/// What the registry needs to know of Checkmate.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    let ids = |name: &'static str, title: &str, text: &str| {
        Field::of(
            name,
            title,
            &json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
        )
        .describe(text)
    };
    Descriptor {
        key: KEY,
        port: Port::TestManagement,
        display_name: "Checkmate",
        config_schema: form(
            "Checkmate",
            [
                Field::url("baseUrl", "Address").required(),
                Field::integer("orgId", "Organisation", 1, i64::from(i32::MAX)).required(),
                Field::integer("projectId", "Project", 1, i64::from(i32::MAX)).required(),
                ids(
                    "sections",
                    "Sections",
                    "Only tests of these sections; empty means all.",
                ),
                ids(
                    "labels",
                    "Labels",
                    "Only tests with one of these labels; empty means all.",
                ),
                ids(
                    "squads",
                    "Squads",
                    "Only tests of these squads; 0 means tests without one; empty means all.",
                ),
                Field::integer("passThresholdPercent", "Percent that must pass", 0, 100),
            ],
        ),
        credentials_schema: form(
            "Checkmate credentials",
            [Field::secret("token", "API token")
                .required()
                .describe("Of a user with the role user or admin; readers cannot create runs.")],
        ),
        capabilities: json!({"recognition": {"CREATE_TEST_RUN": "marker", "RESET_TEST_RUN": "state"}}),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: None,
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let config: Config = parse(config)?;
    let base = base_url(&deps.policy, "baseUrl", &config.base_url)?;
    if config.pass_threshold_percent.is_some_and(|percent| percent > 100) {
        return Err(wrong("passThresholdPercent", "is at most 100"));
    }
    only_credentials(credentials, &["token"])?;
    let client = Client::new(deps.http.of(credentials), base, secret(credentials, "token")?);
    Ok(Connection::Testing(Arc::new(testing::Checkmate {
        client,
        config,
    })))
}
