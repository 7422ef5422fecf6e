//! The delivery log on the database.

use super::{SqlStore, StoredOf};
use async_trait::async_trait;
use delivr_api::{DeliveryLog, Message, MessagesOf};
use delivr_app::apply::GIVE_UP_AFTER;
use delivr_domain::ids::TenantId;
use delivr_domain::key::EffectId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Listed, Page};

/// Hands the API's questions to the database.
#[derive(Debug)]
pub(crate) struct Log(pub(crate) SqlStore);

#[async_trait]
impl DeliveryLog for Log {
    async fn messages(
        &self,
        tenant: TenantId,
        of: MessagesOf,
        page: &Page,
    ) -> Result<Listed<Message>, StoreError> {
        let of = match of {
            MessagesOf::Release(id) => StoredOf::Release(id),
            MessagesOf::Integration(id) => StoredOf::Integration(id),
        };
        self.0.messages(tenant, of, page).await
    }
    async fn message(&self, tenant: TenantId, id: EffectId) -> Result<Option<Message>, StoreError> {
        self.0.message(tenant, id).await
    }
    async fn send_again(&self, tenant: TenantId, id: EffectId, by: &str) -> Result<bool, StoreError> {
        self.0.send_again(tenant, id, by, GIVE_UP_AFTER).await
    }
}
