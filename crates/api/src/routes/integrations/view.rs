//! Integrations and providers as the API shows them: never a secret.

use crate::context::Context;
use delivr_app::usecases::integrations::{self, User};
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::{Ending, Health};
use delivr_domain::ports::provider::Descriptor;
use delivr_domain::ports::store::Integration;
use delivr_domain::time::Timestamp;
use futures_util::future;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;
use utoipa::ToSchema;

/// A provider that can be connected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderView {
    /// Its key, stored with integrations.
    provider: &'static str,
    /// Category.
    category: String,
    /// Name for people.
    display_name: &'static str,
    /// JSON Schema of the configuration.
    #[schema(value_type = Object)]
    config_schema: Value,
    /// JSON Schema of the credentials.
    #[schema(value_type = Object)]
    credentials_schema: Value,
    /// What it can do.
    #[schema(value_type = Object)]
    capabilities: Value,
    /// Whether it sends webhooks that are understood here.
    webhooks: bool,
}

/// Providers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderList {
    pub(super) items: Vec<ProviderView>,
    pub(super) next_cursor: Option<String>,
}

/// The provider as shown.
pub(super) fn provider_view(it: &Descriptor) -> ProviderView {
    ProviderView {
        provider: it.key,
        category: it.port.to_string(),
        display_name: it.display_name,
        config_schema: it.config_schema.clone(),
        credentials_schema: it.credentials_schema.clone(),
        capabilities: it.capabilities.clone(),
        webhooks: it.webhook.is_some(),
    }
}

/// That a credential is set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetView {
    /// Always true: what is not set is not listed.
    set: bool,
    /// The last characters, where that tells nothing.
    last_four: Option<String>,
}

/// A call through an integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastCallView {
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What was wanted, in the adapter's word.
    operation: String,
    /// ANSWERED (also by "there is no such thing"), REFUSED (the credential, a permission or a setting), THROTTLED, FAILED
    /// (the vendor's side is broken) or UNREACHABLE.
    outcome: &'static str,
    /// Who must do what; none when it was answered.
    detail: Option<String>,
    /// The vendor's own words, without secrets.
    vendor: Option<String>,
}

/// Calls in a row that were not answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailingView {
    calls: u32,
    /// When the first of them ended.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// A vendor's limit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuotaView {
    /// The vendor's name for it.
    name: String,
    /// Calls in its period.
    limit: u64,
    remaining: u64,
    /// When the period ends; none where the vendor does not say.
    #[schema(value_type = Option<String>, format = DateTime)]
    resets_at: Option<Timestamp>,
    /// When the vendor said so.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
    /// Less than a tenth is left.
    low: bool,
}

/// The end of a credential.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialView {
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// LATER, SOON (within 14 days) or OVER.
    expires: &'static str,
}

/// An integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationView {
    id: String,
    category: String,
    provider: String,
    /// The provider as people know it; its key where this build does not know it.
    provider_name: String,
    name: String,
    #[schema(value_type = Object)]
    config: Value,
    /// Which credentials are set.
    credentials: BTreeMap<String, SetView>,
    /// PENDING, VALID, INVALID or EXPIRED.
    verification_status: String,
    /// What the last verification said.
    #[schema(value_type = Option<Object>)]
    verification: Option<Value>,
    #[schema(value_type = Option<String>, format = DateTime)]
    verified_at: Option<Timestamp>,
    /// Where the vendor sends its webhooks; none when it sends none, or the public address is not set.
    webhook_url: Option<String>,
    /// When something last came in through it, as far as deliveries are kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_delivery_at: Option<Timestamp>,
    /// The last call made through it; none when there was none yet. Like all that follows it is written every half minute,
    /// so that another process may know of it a little later.
    last_call: Option<LastCallView>,
    /// When the vendor last answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_answered_at: Option<Timestamp>,
    /// The calls since then that were not answered; none when the last one was.
    failing: Option<FailingView>,
    /// What the vendor says is left of its limits; empty where it does not say. What has run out of its period is left out.
    quota: Vec<QuotaView>,
    /// When the credential ends; none where the vendor does not say, or it has no end.
    credential: Option<CredentialView>,
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Integrations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationList {
    pub(super) items: Vec<IntegrationView>,
    pub(super) next_cursor: Option<String>,
}

/// What uses an integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageView {
    /// Each user in words, e.g. `the pipeline ios`; empty when it can be deleted.
    pub(super) used_by: Vec<String>,
    /// The same, each with what it is read by.
    pub(super) users: Vec<UserView>,
}

/// Something that uses an integration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserView {
    /// RELEASE, PIPELINE or SERVICE.
    kind: &'static str,
    /// By which it is read: a release's key, any other one's id.
    id: String,
    name: String,
}

impl From<User> for UserView {
    fn from(it: User) -> Self {
        Self {
            kind: it.kind.word(),
            id: it.id,
            name: it.name,
        }
    }
}

/// What is known of a tenant's integrations beside what was configured.
#[derive(Debug, Default)]
pub(super) struct Signs {
    deliveries: BTreeMap<IntegrationId, Timestamp>,
    health: BTreeMap<IntegrationId, Health>,
}

impl Signs {
    /// Of the tenant that asks.
    pub(super) async fn read(cx: &Context) -> Result<Self, StoreError> {
        let store = cx.app.store.as_ref();
        let kept = cx.app.connections.health();
        let (deliveries, health) = future::try_join(
            store.last_deliveries(cx.tenant()),
            kept.health(store, cx.tenant()),
        )
        .await?;
        Ok(Self { deliveries, health })
    }
}

/// The integration as shown.
pub(super) fn view(cx: &Context, it: &Integration, signs: &Signs) -> IntegrationView {
    let now = cx.now();
    let health = signs.health.get(&it.id).cloned().unwrap_or_default();
    let quota = health.quotas.iter().filter(|(_, quota)| quota.counts(now));
    let provider = cx.app.registry.find(it.port, &it.provider);
    let sends = provider.is_some_and(|provider| provider.webhook.is_some());
    let name = provider.map_or(it.provider.as_str(), |provider| provider.display_name);
    let webhook_url = cx
        .public_url
        .as_ref()
        .filter(|_url| sends)
        .map(|url| below(url, &format!("/api/v1/webhooks/{}/{}", it.provider, it.id)));
    let hint = |hint: &String| SetView {
        set: true,
        last_four: Some(hint.clone()).filter(|hint| !hint.is_empty()),
    };
    IntegrationView {
        id: it.id.to_string(),
        category: it.port.to_string(),
        provider: it.provider.clone(),
        provider_name: name.to_owned(),
        name: it.name.clone(),
        config: it.config.clone(),
        credentials: it
            .hints
            .iter()
            .map(|(name, it)| (name.clone(), hint(it)))
            .collect(),
        verification_status: it.status.to_string(),
        verification: it.status_detail.clone(),
        verified_at: it.verified_at,
        webhook_url,
        last_delivery_at: signs.deliveries.get(&it.id).copied(),
        quota: quota
            .map(|(name, quota)| QuotaView {
                name: name.clone(),
                limit: quota.limit,
                remaining: quota.remaining,
                resets_at: quota.resets_at,
                told_at: quota.told_at,
                low: quota.is_low(now),
            })
            .collect(),
        credential: integrations::ends_at(it, &health).map(|at| CredentialView {
            expires_at: at,
            expires: Ending::of(at, now).word(),
        }),
        last_answered_at: health.answered_at,
        failing: health.failing.map(|failing| FailingView {
            calls: failing.calls,
            since: failing.since,
        }),
        last_call: health.last_call.map(|call| LastCallView {
            at: call.at,
            operation: call.operation,
            outcome: call.outcome.word(),
            detail: call.detail,
            vendor: call.vendor,
        }),
        version: it.version,
        created_at: it.created_at,
        updated_at: it.updated_at,
    }
}

/// A path below the public address, which may have a path of its own.
fn below(public: &Url, path: &str) -> String {
    format!("{}{path}", public.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_public_address_may_have_a_path() {
        for (public, whole) in [
            ("https://x.example", "https://x.example/api"),
            ("https://x.example/delivr/", "https://x.example/delivr/api"),
        ] {
            assert_eq!(below(&public.parse().unwrap(), "/api"), whole);
        }
    }
}
