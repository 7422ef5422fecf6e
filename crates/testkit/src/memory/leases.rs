//! Leases by name, by the store's clock.

use super::MemoryStore;
use async_trait::async_trait;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::lease::{Lease, LeaseTable, Leases, Taking};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

impl MemoryStore {
    fn table(&self) -> MutexGuard<'_, LeaseTable> {
        self.inner.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Leases for MemoryStore {
    async fn take(&self, name: &str, how: Taking, span: Duration) -> Result<Option<Lease>, StoreError> {
        Ok(self.table().take(self.time(), name, how, span))
    }
    async fn keep(&self, lease: &Lease, span: Duration, note: Option<&str>) -> Result<(), StoreError> {
        self.table().keep(self.time(), lease, span, note)
    }
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        self.table().give_back(self.time(), lease);
        Ok(())
    }
}
