//! How it goes with the integrations that this process calls: gathered while it works, written from time to time.
//!
//! A call costs no commit: what it tells is merged in memory, and what came together is written on top of what other
//! processes wrote (see [`HealthBook`]). A process that is killed takes with it what it gathered since it last wrote.

use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::health::{Gauge, Health};
use delivr_domain::ports::store::{HealthBook, HealthOf};
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was gathered and not written yet.
#[derive(Debug, Default)]
pub struct Gathered(Mutex<BTreeMap<IntegrationId, (TenantId, Health)>>);

/// One integration of a tenant.
struct Account {
    book: Arc<Gathered>,
    tenant: TenantId,
    id: IntegrationId,
}

impl Gauge for Account {
    fn told(&self, health: Health) {
        self.book.add(self.tenant, self.id, health);
    }
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<IntegrationId, (TenantId, Health)>> {
        // A panic while the map is held leaves it whole: every change is one insert.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is told of the calls through an integration.
    pub fn account(self: &Arc<Self>, tenant: TenantId, id: IntegrationId) -> Arc<dyn Gauge> {
        Arc::new(Account {
            book: Arc::clone(self),
            tenant,
            id,
        })
    }

    fn add(&self, tenant: TenantId, id: IntegrationId, health: Health) {
        let mut all = self.lock();
        let (_, known) = all.remove(&id).unwrap_or((tenant, Health::default()));
        all.insert(id, (tenant, known.merged(health)));
    }

    /// Writes what was gathered; how many integrations that were. What could not be written is kept for the next time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(&self, store: &dyn HealthBook) -> Result<usize, StoreError> {
        let taken: Vec<HealthOf> = mem::take(&mut *self.lock())
            .into_iter()
            .map(|(integration, (tenant, health))| HealthOf {
                tenant,
                integration,
                health,
            })
            .collect();
        if taken.is_empty() {
            return Ok(0);
        }
        let count = taken.len();
        match store.add_health(&taken).await {
            Ok(()) => Ok(count),
            Err(error) => {
                for HealthOf {
                    tenant,
                    integration,
                    health,
                } in taken
                {
                    self.add(tenant, integration, health);
                }
                Err(error)
            }
        }
    }

    /// How it goes with the integrations of a tenant: what is stored, and what this process has not written yet.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn health(
        &self,
        store: &dyn HealthBook,
        tenant: TenantId,
    ) -> Result<BTreeMap<IntegrationId, Health>, StoreError> {
        let mut found = store.health(tenant).await?;
        for (id, (of, health)) in &*self.lock() {
            if *of == tenant {
                let known = found.remove(id).unwrap_or_default();
                found.insert(*id, known.merged(health.clone()));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use delivr_domain::ports::health::LastCall;
    use delivr_domain::time::Timestamp;
    use futures_util::FutureExt as _;

    /// A store that refuses or takes.
    #[derive(Default)]
    struct Book {
        down: bool,
        taken: Mutex<Vec<HealthOf>>,
    }

    #[async_trait]
    impl HealthBook for Book {
        async fn add_health(&self, of: &[HealthOf]) -> Result<(), StoreError> {
            if self.down {
                return Err(StoreError::Conflict);
            }
            self.taken.lock().unwrap().extend_from_slice(of);
            Ok(())
        }
        async fn health(&self, _tenant: TenantId) -> Result<BTreeMap<IntegrationId, Health>, StoreError> {
            Ok(BTreeMap::new())
        }
    }

    fn ids(n: u128) -> (TenantId, IntegrationId) {
        let id = uuid::Uuid::from_u128(n);
        (TenantId::from_uuid(id), IntegrationId::from_uuid(id))
    }

    fn answered(second: i64) -> Health {
        let at = Timestamp::from_timestamp(second, 0).unwrap();
        Health::of(LastCall::answered(at, "read"))
    }

    #[test]
    fn what_many_calls_tell_is_written_once_and_what_was_not_written_is_kept() {
        let gathered = Arc::new(Gathered::default());
        let (tenant, id) = ids(1);
        let gauge = gathered.account(tenant, id);
        for second in 0..1_000 {
            gauge.told(answered(second));
        }
        let down = Book {
            down: true,
            ..Book::default()
        };
        assert!(gathered.write(&down).now_or_never().unwrap().is_err());
        gauge.told(answered(1_000));
        let book = Book::default();
        assert_eq!(gathered.write(&book).now_or_never().unwrap().unwrap(), 1);
        let written = book.taken.lock().unwrap();
        assert_eq!(
            (written.len(), written[0].tenant, written[0].integration),
            (1, tenant, id)
        );
        assert_eq!(written[0].health, answered(1_000));
        assert_eq!(
            gathered.write(&down).now_or_never().unwrap().unwrap(),
            0,
            "nothing is left to write"
        );
    }

    #[test]
    fn what_is_not_written_yet_is_shown_to_its_tenant_alone() {
        let gathered = Arc::new(Gathered::default());
        let ((tenant, id), (other, _)) = (ids(1), ids(2));
        gathered.account(tenant, id).told(answered(7));
        let book = Book::default();
        let seen = |tenant| gathered.health(&book, tenant).now_or_never().unwrap().unwrap();
        assert_eq!(seen(tenant), BTreeMap::from([(id, answered(7))]));
        assert_eq!(seen(other), BTreeMap::new());
    }
}
