//! Saved views: named lists of releases with their filters, order and columns.

use crate::ids::{TenantId, ViewId};
use crate::ports::error::StoreError;
use crate::time::Timestamp;
use async_trait::async_trait;
use serde_json::Value;

/// A saved view.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its id.
    pub id: ViewId,
    /// Whose.
    pub tenant: TenantId,
    /// The account it belongs to: a person's address, or the id of a service token.
    pub owner: String,
    /// What events call whoever made it.
    pub made_by: String,
    /// Its name; an account has no two of one name.
    pub name: String,
    /// Everybody of the organisation sees it.
    pub shared: bool,
    /// Filters, order and columns, as the API's document.
    pub content: Value,
    /// Guards against lost updates; 1 is the first.
    pub version: u64,
    /// Made then.
    pub created_at: Timestamp,
    /// Changed then.
    pub updated_at: Timestamp,
}

impl View {
    /// Whether an account sees it.
    #[must_use]
    pub fn seen_by(&self, owner: &str) -> bool {
        self.shared || self.owner == owner
    }
}

/// Views as they are kept.
#[async_trait]
pub trait Views: Send + Sync {
    /// Inserts a view: `Duplicate` when its id is taken, or its name by another one of the account, `Reference` when there
    /// is no such tenant.
    async fn insert_view(&self, view: &View) -> Result<(), StoreError>;
    /// Views of a tenant that the account sees, by name.
    async fn views(&self, tenant: TenantId, owner: &str) -> Result<Vec<View>, StoreError>;
    /// One view, whoever sees it.
    async fn view(&self, tenant: TenantId, id: ViewId) -> Result<Option<View>, StoreError>;
    /// Updates a view whose version is one less than the given one's: `Conflict` when it is another one, `Duplicate` when
    /// its account has another one of the name.
    async fn update_view(&self, view: &View) -> Result<(), StoreError>;
    /// Deletes a view, also as anybody's default; false when there is none of the id, `Conflict` when a version is expected
    /// and another one is stored.
    async fn delete_view(
        &self,
        tenant: TenantId,
        id: ViewId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError>;
    /// The view that an account begins with, if it still sees it.
    async fn default_view(&self, tenant: TenantId, owner: &str) -> Result<Option<ViewId>, StoreError>;
    /// Lets an account begin with a view, or (none) with all releases: `Reference` when the tenant has no such view.
    async fn set_default_view(
        &self,
        tenant: TenantId,
        owner: &str,
        view: Option<ViewId>,
    ) -> Result<(), StoreError>;
}
