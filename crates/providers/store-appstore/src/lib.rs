//! App Store Connect as a [`Storefront`]: versions, builds, notes, review, release and phased release.
//!
//! Every write is recognised by Apple's state; nothing is ever kept here but the app's id and the token.

mod auth;
mod client;
mod config;
mod errors;
mod limits;
mod model;
mod notes;
mod reads;
mod review;
mod states;
mod webhook;
mod writes;

use crate::client::Client;
use crate::reads::App;
use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, StoreVersion, StoreWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_domain::ports::vendor::{
    Check, Declared, Lookup, Recognition, StoreLanguages, Storefront, Verification, Writes,
};
use delivr_domain::report::{Exposure, ReviewState, ReviewWord, StoreBuild};
use delivr_provider_kit::{Deps, schema};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Key of the provider.
const PROVIDER: &str = "appstore";
/// Apple's platform of all we ship through it.
const PLATFORM: &str = "IOS";

/// What the crate exports.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let deps = deps.clone();
    Descriptor {
        key: PROVIDER,
        port: Port::Stores,
        display_name: "App Store Connect",
        config_schema: config::config_schema(),
        credentials_schema: config::credentials_schema(),
        capabilities: json!({
            "targets": ["IOS_APP_STORE"],
            "notes": {"maxLength": 4000, "perLocale": true},
            "reviewState": "native", "rollout": "fixed", "pause": true, "resume": true, "complete": true,
            "halt": false, "setExposure": false, "withdraw": true, "manualRelease": true, "scheduledRelease": true,
            "upload": false, "webhooks": true,
        }),
        connect: Arc::new(move |config, credentials| connect(&deps, config, credentials)),
        webhook: Some(Arc::new(webhook::read)),
    }
}

fn connect(deps: &Deps, config: &Value, credentials: &Credentials) -> Result<Connection, ConfigError> {
    let (config, tokens) = config::read(config, credentials)?;
    let client = Client {
        http: deps.http.of(credentials).reading(limits::read),
        clock: deps.clock.clone(),
        base: schema::base_url(&deps.policy, "baseUrl", &config.base_url)?,
        tokens: Arc::new(tokens),
    };
    Ok(Connection::Store(Arc::new(App {
        client,
        bundle_id: config.bundle_id.trim().to_owned(),
        locales: config.locales,
        id: Arc::new(OnceCell::new()),
    })))
}

#[async_trait]
impl Writes<StoreWrite> for App {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::ByState)
    }

    async fn find(&self, _key: &EffectKey, write: &StoreWrite) -> Result<Lookup, ProviderError> {
        Ok(self.state(write).await?.into())
    }

    async fn create(&self, _key: &EffectKey, write: &StoreWrite) -> Result<Reference, ProviderError> {
        self.make(write).await
    }
}

#[async_trait]
impl Storefront for App {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let app = self.app_id().await?.to_owned();
        let mut checks = vec![Check {
            what: format!("see the app {}", self.bundle_id),
            missing: None,
        }];
        // Apple has no way to try a write without writing; the role shows only at the first refused one.
        for (what, tried) in [
            (
                "read versions",
                self.versions("verify", Some("0.0.0")).await.map(drop),
            ),
            (
                "read review submissions",
                self.submissions("verify").await.map(drop),
            ),
        ] {
            let missing = match tried {
                Ok(()) => None,
                Err(error) if error.kind == ProviderErrorKind::Forbidden => Some(error.sentence),
                Err(error) => return Err(error),
            };
            checks.push(Check {
                what: what.to_owned(),
                missing,
            });
        }
        Ok(Verification {
            account: format!("{} (app {app})", self.bundle_id),
            checks,
        })
    }

    async fn find_build(
        &self,
        version: &str,
        build_number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        let builds = self.builds("find_build", version, build_number).await?;
        if let Some(build) = builds.iter().find(|it| it.text("processingState") == "VALID") {
            let number = build.text("version").to_owned();
            let reference = Reference::id(&build.id)
                .with("version", version)
                .with("build", &number);
            return Ok(Some(StoreBuild {
                build_number: number,
                reference,
            }));
        }
        // Still processed means wait; a refused build never becomes valid, so waiting for it would be in vain.
        let refused = builds
            .first()
            .filter(|it| matches!(it.text("processingState"), "FAILED" | "INVALID"));
        match refused {
            Some(build) => Err(writes::error(
                "find_build",
                ProviderErrorKind::Invalid,
                format!(
                    "App Store Connect could not process build {} of {version}; its mail to the account names the \
                     reason. Upload a new build.",
                    build.text("version")
                ),
            )),
            None => Ok(None),
        }
    }

    async fn review_state(&self, version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        let found = self.version("review_state", &version.version).await?;
        Ok(found.map_or_else(
            || ReviewState {
                word: ReviewWord::Unknown,
                store_word: "NOT_LISTED".to_owned(),
                explanation: Some("App Store Connect does not list the version (yet).".to_owned()),
            },
            |found| states::review(&found.word),
        ))
    }

    async fn exposure(&self, version: &StoreVersion) -> Result<Exposure, ProviderError> {
        let found = self.expect_version("exposure", &version.version).await?;
        let phased = found.phased.as_ref().map(|(_, word, day)| (word.as_str(), *day));
        Ok(states::exposure(&found.word, phased))
    }

    async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        self.known_languages().await
    }

    fn unread(&self, languages: &StoreLanguages, texts: &BTreeMap<String, String>) -> Vec<String> {
        self.unread_texts(languages, texts)
    }
}
