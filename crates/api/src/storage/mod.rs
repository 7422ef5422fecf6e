//! Where artifacts that people hand in are kept: behind a small port, so that an object store can take the place of a
//! folder. A folder is what there is now.
//!
//! An artifact is kept once and never changed: what was tested and approved under its build must stay what it is. It is
//! there whole or not at all. The database knows nothing of it; all that is known about it lies beside it.

mod files;

pub use files::Files;

use async_trait::async_trait;
use bytes::Bytes;
use delivr_domain::ids::{BuildId, ReleaseId, TenantId};
use delivr_domain::time::Timestamp;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Which artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Whose.
    pub tenant: TenantId,
    /// Of which build.
    pub build: BuildId,
}

/// What is known about an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Of which release.
    pub release: ReleaseId,
    /// What a person calls the file.
    pub name: String,
    /// Its media type, as its sender said.
    pub media_type: String,
    /// Length in bytes.
    pub size: u64,
    /// Lower-case hex SHA-256 of its bytes.
    pub sha256: String,
    /// Who handed it in.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What came of keeping an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is there now.
    Now,
    /// There was one already, which stays.
    Before(About),
}

/// Why the storage does not do it. Names no path.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It cannot be read or written now.
    #[error("the storage of artifacts is unavailable")]
    Unavailable(#[from] std::io::Error),
    /// What is known about an artifact cannot be read.
    #[error("what is kept about the artifact cannot be read: {0}")]
    Damaged(String),
}

/// Bytes of an artifact, in order.
pub type Content = BoxStream<'static, std::io::Result<Bytes>>;

/// An artifact on its way in. Dropped before it is kept, it leaves nothing behind.
#[async_trait]
pub trait Incoming: Send {
    /// Takes the next bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError>;
    /// Keeps it for good, unless there is one of the key already. Survives a power failure once it has returned.
    async fn keep(self: Box<Self>, about: &About) -> Result<Kept, StorageError>;
}

/// Keeps artifacts.
#[async_trait]
pub trait Storage: std::fmt::Debug + Send + Sync {
    /// Begins to take in an artifact.
    async fn begin(&self, key: Key) -> Result<Box<dyn Incoming>, StorageError>;
    /// What is known about an artifact; none when there is none.
    async fn about(&self, key: Key) -> Result<Option<About>, StorageError>;
    /// A range of an artifact's bytes; none when there is none.
    async fn open(&self, key: Key, range: Range<u64>) -> Result<Option<Content>, StorageError>;
}
