//! Inbound: what others send is proved, stored once, and left to the worker.

use super::callbacks::Caller;
use crate::App;
use crate::inbox::Prompted;
use crate::vault::VaultError;
use delivr_domain::ids::{DeliveryId, IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::{Delivery, Port, Prompt, ReadWebhook, WebhookError};
use delivr_domain::ports::store::{Integration, StoredDelivery};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Key of the provider whose deliveries may come without naming an integration.
const JENKINS: &str = "jenkins";
/// Longest id of a delivery that is kept as it is, in bytes.
const LONGEST: usize = 200;

/// Correlation keys, and vendor objects, that are kept of one delivery. Each costs a look at the store, and what is
/// left out is read in its own time anyway.
const NAMED_AT_MOST: usize = 32;

/// Why a delivery is not stored.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    /// The provider sends no deliveries that are understood here.
    #[error("this provider sends no webhooks")]
    Silent,
    /// Not proved, or not understood.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The integration's credentials cannot be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store fails.
    #[error("storing the delivery")]
    Store(#[from] StoreError),
}

/// The integration of an id, whoever it belongs to: a sender proves itself by its secret, not by a tenant.
///
/// # Errors
/// When the store fails.
pub async fn integration(app: &App, id: IntegrationId) -> Result<Option<Integration>, StoreError> {
    app.store.integration_by_id(id).await
}

fn reader<'a>(app: &'a App, through: &Integration) -> Option<&'a ReadWebhook> {
    app.registry
        .find(through.port, &through.provider)?
        .webhook
        .as_ref()
}

fn read(
    app: &App,
    reader: &ReadWebhook,
    through: &Integration,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<Prompt, InboundError> {
    let credentials = app
        .vault
        .credentials(through.tenant, through.id, &through.sealed)?;
    let delivery = Delivery {
        headers,
        body,
        at: app.clock.now(),
    };
    Ok(reader(&delivery, &credentials)?)
}

/// Stores a delivery that comes through an integration; false when it was here before.
///
/// # Errors
/// See [`InboundError`]; `headers` have names in lower case.
pub async fn webhook(
    app: &App,
    through: &Integration,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<bool, InboundError> {
    let reader = reader(app, through).ok_or(InboundError::Silent)?;
    let prompt = read(app, reader, through, headers, body)?;
    store(app, through, prompt).await
}

/// Stores a delivery of Jenkins that names no integration: it goes through every one whose secret proves it.
///
/// # Errors
/// See [`InboundError`]; `Unsigned` when no secret proves it.
pub async fn jenkins(
    app: &App,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<bool, InboundError> {
    let mut refused = WebhookError::Unsigned;
    let mut stored = None;
    for through in &app.store.integrations_of(Port::Cicd, JENKINS).await? {
        let Some(reader) = reader(app, through) else {
            continue;
        };
        match read(app, reader, through, headers, body) {
            Ok(prompt) => {
                let new = store(app, through, prompt).await?;
                stored = Some(stored.unwrap_or(false) || new);
            }
            Err(InboundError::Webhook(WebhookError::Unsigned)) => {}
            Err(InboundError::Webhook(malformed @ WebhookError::Malformed(_))) => refused = malformed,
            // One damaged integration must not close the way of the others.
            Err(InboundError::Vault(error)) => {
                tracing::error!(integration = %through.id, %error, "the webhook secret cannot be opened");
            }
            Err(error @ (InboundError::Store(_) | InboundError::Silent)) => return Err(error),
        }
    }
    stored.ok_or(InboundError::Webhook(refused))
}

async fn store(app: &App, through: &Integration, prompt: Prompt) -> Result<bool, InboundError> {
    let prompted = Prompted {
        correlations: few(prompt.correlations),
        objects: few(prompt.objects),
    };
    let delivery = StoredDelivery {
        id: DeliveryId::from_uuid(app.entropy.uuid()),
        tenant: through.tenant,
        integration: Some(through.id),
        source: through.provider.clone(),
        external: short(&prompt.delivery),
        payload: payload(&prompted),
        at: app.clock.now(),
    };
    Ok(app.store.insert_delivery(&delivery).await?)
}

/// Each of the names once, in their order, the first ones where there are too many.
fn few(names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let each = names.into_iter().filter(|name| seen.insert(name.clone()));
    each.take(NAMED_AT_MOST).collect()
}

/// Stores what a run reports by its callback address; false when the same was here before. `digest` is the body's.
///
/// # Errors
/// When the store fails.
pub async fn callback(app: &App, caller: &Caller, digest: &str, said: Value) -> Result<bool, InboundError> {
    if !known(app, caller.tenant).await? {
        return Err(InboundError::Webhook(WebhookError::Unsigned));
    }
    let prompted = Prompted {
        correlations: vec![caller.correlation.clone()],
        objects: Vec::new(),
    };
    let mut payload = payload(&prompted);
    if let Some(payload) = payload.as_object_mut() {
        payload.insert("said".to_owned(), said);
    }
    let delivery = StoredDelivery {
        id: DeliveryId::from_uuid(app.entropy.uuid()),
        tenant: caller.tenant,
        integration: None,
        source: "callback".to_owned(),
        external: format!("{}/{digest}", caller.correlation),
        payload,
        at: app.clock.now(),
    };
    Ok(app.store.insert_delivery(&delivery).await?)
}

/// A token outlives its tenant.
async fn known(app: &App, tenant: TenantId) -> Result<bool, StoreError> {
    Ok(app.store.tenant(tenant).await?.is_some())
}

fn payload(prompted: &Prompted) -> Value {
    json!({ "correlations": prompted.correlations, "objects": prompted.objects })
}

/// An id that a column takes, whatever the vendor sends: long ones are told apart by their digest.
fn short(external: &str) -> String {
    if external.len() <= LONGEST {
        external.to_owned()
    } else {
        format!("sha256:{}", super::access::digest_of(external.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_not_without_end() {
        let twice = ["b", "a", "b", "a"].map(str::to_owned).to_vec();
        assert_eq!(few(twice), ["b", "a"]);
        let many: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        assert_eq!(few(many.clone()), many[..NAMED_AT_MOST]);
    }
}
