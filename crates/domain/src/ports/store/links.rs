//! Links to status pages, for people who have no way in.

use crate::ids::{ReleaseId, ServiceId, StatusLinkId, TenantId};
use crate::ports::error::StoreError;
use crate::time::Timestamp;
use async_trait::async_trait;

/// What a status page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOf {
    /// One release.
    Release(ReleaseId),
    /// The releases of one service.
    Service(ServiceId),
}

/// A link to a status page. The word in it is a secret and is not kept, only its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLink {
    /// Its id.
    pub id: StatusLinkId,
    /// Whose.
    pub tenant: TenantId,
    /// Digest of the word, unique.
    pub digest: String,
    /// For whom it is, for people of the organisation.
    pub name: String,
    /// What it shows.
    pub about: StatusOf,
    /// What events call whoever made it.
    pub made_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Shows nothing from here on.
    pub expires_at: Timestamp,
    /// Shows nothing since then.
    pub revoked_at: Option<Timestamp>,
}

/// Links to status pages as they are kept.
#[async_trait]
pub trait StatusLinks: Send + Sync {
    /// Inserts a link: `Duplicate` when its id or digest is taken, `Reference` when there is no such tenant.
    async fn insert_status_link(&self, link: &StatusLink) -> Result<(), StoreError>;
    /// The link of the digest, whosever it is: who follows it says nothing else.
    async fn status_link(&self, digest: &str) -> Result<Option<StatusLink>, StoreError>;
    /// Links of a tenant, the newest first.
    async fn status_links(&self, tenant: TenantId) -> Result<Vec<StatusLink>, StoreError>;
    /// Revokes a link; revoked twice, it is revoked since the first time. False when there is none of the id.
    async fn revoke_status_link(
        &self,
        tenant: TenantId,
        id: StatusLinkId,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}
