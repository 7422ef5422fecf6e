//! Deliveries of other systems, worked off after they were stored: each one prompts us to look, and is never believed
//! itself. What a vendor says about its own state is read from the vendor.
//!
//! A delivery names runs by their correlation key, or vendor objects. Waits that fit are due at once; one that fits none
//! costs nothing. Looking twice is harmless, so a crash between looking and marking only repeats it.

use delivr_domain::effect::{Effect, Watched};
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{EffectRow, Store, StoredDelivery};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Deliveries worked off in one go.
pub const AT_ONCE: u16 = 32;

/// What is kept of a delivery: the payload of a [`StoredDelivery`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompted {
    /// Correlation keys (`delivr_key`) it names.
    #[serde(default)]
    pub correlations: Vec<String>,
    /// Vendor objects it names; with neither, everything read through the integration is looked at.
    #[serde(default)]
    pub objects: Vec<String>,
}

/// Works off what came in; returns how many deliveries that were.
///
/// # Errors
/// When the store fails for now; what was not marked is worked off again.
pub async fn work_off(store: &dyn Store) -> Result<usize, StoreError> {
    let open = store.open_deliveries(AT_ONCE).await?;
    for delivery in &open {
        finished(delivery, look(store, delivery).await)?;
        let mut unit = store.begin().await?;
        unit.finish_delivery(delivery.id).await?;
        unit.commit().await?;
    }
    Ok(open.len())
}

/// Whether the delivery may be marked. A row that cannot be read will not become readable by looking again, and must
/// not keep the deliveries behind this one waiting; what it concerns is read in its own time anyway.
fn finished(delivery: &StoredDelivery, looked: Result<(), StoreError>) -> Result<(), StoreError> {
    match looked {
        Ok(()) => Ok(()),
        Err(error @ (StoreError::Corrupt { .. } | StoreError::Newer { .. })) => {
            tracing::error!(
                delivery.id = %delivery.id, source = %delivery.source, %error,
                "a delivery prompted nothing, because what it names cannot be read"
            );
            Ok(())
        }
        Err(
            error @ (StoreError::Conflict
            | StoreError::Fenced
            | StoreError::Duplicate(_)
            | StoreError::Reference(_)
            | StoreError::Unavailable { .. }),
        ) => Err(error),
    }
}

async fn look(store: &dyn Store, delivery: &StoredDelivery) -> Result<(), StoreError> {
    let Ok(prompted) = Prompted::deserialize(&delivery.payload) else {
        // Kept for the record; it will not become readable by trying again.
        tracing::warn!(delivery.id = %delivery.id, source = %delivery.source, "a stored delivery names nothing to look at");
        return Ok(());
    };
    let mut through = BTreeSet::new();
    through.extend(delivery.integration);
    for correlation in &prompted.correlations {
        let row = store.effect_by_correlation(delivery.tenant, correlation).await?;
        through.extend(row.and_then(|row| row.effect.integration()));
    }
    for integration in through {
        prompt(store, delivery.tenant, integration, &prompted).await?;
    }
    Ok(())
}

async fn prompt(
    store: &dyn Store,
    tenant: TenantId,
    integration: IntegrationId,
    prompted: &Prompted,
) -> Result<(), StoreError> {
    for row in store.watching(tenant, integration).await? {
        if fits(&row, prompted) {
            store.hasten(row.id).await?;
        }
    }
    Ok(())
}

fn fits(row: &EffectRow, prompted: &Prompted) -> bool {
    if prompted.correlations.is_empty() && prompted.objects.is_empty() {
        return true;
    }
    let names = |text: &str| prompted.objects.iter().any(|object| object == text);
    match &row.effect {
        Effect::Watch {
            watched: Watched::Run { run },
            ..
        } => prompted.correlations.contains(&run.correlation) || names(&run.id) || names(&run.job),
        // Stores speak of ids of their own, which a version does not have: every wait for the store is looked at.
        Effect::Watch {
            watched: Watched::Review { .. } | Watched::Rollout { .. },
            ..
        }
        | Effect::Resolve { .. } => !prompted.objects.is_empty(),
        Effect::Probe { subject, .. } => subject.iter().any(|one| names(one)),
        Effect::Perform { .. } | Effect::CancelRun { .. } | Effect::Tell { .. } | Effect::Message { .. } => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::ids::DeliveryId;
    use delivr_domain::time::Timestamp;
    use serde_json::Value;
    use uuid::Uuid;

    #[test]
    fn what_cannot_be_read_blocks_nobody_and_an_outage_marks_nothing() {
        let delivery = StoredDelivery {
            id: DeliveryId::from_uuid(Uuid::nil()),
            tenant: TenantId::from_uuid(Uuid::nil()),
            integration: None,
            source: "jenkins".to_owned(),
            external: "1".to_owned(),
            payload: Value::Null,
            at: Timestamp::UNIX_EPOCH,
        };
        let corrupt = StoreError::Corrupt {
            what: "effects",
            why: "not an effect".to_owned(),
        };
        assert!(finished(&delivery, Ok(())).is_ok());
        assert!(finished(&delivery, Err(corrupt)).is_ok());
        let outage = StoreError::Unavailable {
            source: "refused".into(),
        };
        assert!(finished(&delivery, Err(outage)).is_err());
        assert!(finished(&delivery, Err(StoreError::Conflict)).is_err());
    }
}
