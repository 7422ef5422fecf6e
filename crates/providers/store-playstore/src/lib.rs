//! Google Play as a `Storefront`: one release on one track, staged, halted, resumed and completed.
//!
//! Every write opens a fresh edit under the app's lease, reads the track and commits only what is not yet so; the
//! track's state recognises earlier work. The domain uses `Submit` and `ChangeRollout`; version, build and notes travel with `Submit`.

mod auth;
mod client;
mod config;
mod edit;
mod errors;
mod notes;
mod review;
mod store;
mod track;
mod writing;

use crate::client::Client;
use crate::edit::Desk;
use crate::store::App;
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::{Deps, schema};
use serde_json::{Value, json};
use std::sync::Arc;

/// Key of the provider.
const PROVIDER: &str = "playstore";

/// What the crate exports.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    Descriptor {
        key: PROVIDER,
        port: Port::Stores,
        display_name: "Google Play",
        config_schema: config::config_schema(),
        credentials_schema: config::credentials_schema(),
        capabilities: json!({
            "targets": ["ANDROID_PLAY_STORE"],
            "notes": {"maxLength": 500, "perLocale": true},
            "reviewState": "native", "rollout": "percent", "pause": false, "resume": true, "complete": true,
            "halt": true, "setExposure": true, "canLower": false, "withdraw": false, "manualRelease": false,
            "scheduledRelease": false, "upload": false, "webhooks": false, "promote": true, "drift": true,
        }),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: None,
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let (config, tokens) = config::read(deps, config, credentials)?;
    let settings = config.settings();
    let client = Client {
        http: deps.http.of(credentials),
        base: schema::base_url(&deps.policy, "baseUrl", &config.base_url)?,
        tokens: Arc::new(tokens),
        package: config.package_name,
    };
    Ok(Connection::Store(Arc::new(App {
        desk: Desk::new(client, deps.leases.clone()),
        track: config.track,
        upload_track: config.upload_track,
        settings,
        halt_cancels_review: config.halt_cancels_review,
    })))
}
