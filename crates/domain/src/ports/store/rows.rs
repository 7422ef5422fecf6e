//! An aggregate as it is stored: its state, the rows it is found and shown by, its events, and the facts beside it.

use super::line::LineRow;
use super::listing::Listing;
use crate::ids::{IntegrationId, TenantId};
use crate::key::AggregateId;
use crate::ports::kept::Kept;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An aggregate as stored: the fold of its events and columns to find it by.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateRow {
    /// Which.
    pub id: AggregateId,
    /// Whose.
    pub tenant: TenantId,
    /// Number of events folded into it; guards against lost updates.
    pub version: u64,
    /// The next thing on its agenda.
    pub wake_at: Option<Timestamp>,
    /// The state.
    pub state: Kept<Value>,
    /// Columns and rows derived from the state.
    pub projection: Kept<Projection>,
}

/// What can be asked about an aggregate without reading its state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    /// Key people see (`REL-42`), for releases.
    pub key: String,
    /// Number behind the key; unique per tenant and kind.
    pub number: i64,
    /// Title.
    pub title: String,
    /// Board status (releases) or status word.
    pub status: String,
    /// Phase (releases) or status word.
    pub phase: String,
    /// Service of a release; release of a child.
    pub parent: Option<uuid::Uuid>,
    /// Version, or versions joined.
    pub version: String,
    /// Whether it is over.
    pub terminal: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Kickoff, for releases.
    pub kickoff_at: Option<Timestamp>,
    /// Target date, for releases.
    pub target_date: Option<Timestamp>,
    /// Integrations that its plan uses, so that none of them is deleted under it.
    pub integrations: Vec<IntegrationId>,
    /// Rows of `release_tasks`.
    pub tasks: Vec<TaskRow>,
    /// Rows of `regression_cycles`.
    pub cycles: Vec<CycleRow>,
    /// Rows of `builds`.
    pub builds: Vec<BuildRow>,
    /// Rows of `platform_releases`.
    pub targets: Vec<TargetRow>,
    /// Rows of `release_line`.
    pub line: Vec<LineRow>,
    /// What a release is listed by.
    pub listing: Listing,
}

/// A row of `release_tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Derived id.
    pub id: uuid::Uuid,
    /// Task key as text.
    pub key: String,
    /// Seed name of the type.
    pub kind: String,
    /// Stage word.
    pub stage: String,
    /// State word.
    pub status: String,
    /// Vendor's id of what it made (seed: `externalId`).
    pub external_id: Option<String>,
    /// Everything else it made (seed: `externalData`).
    pub external_data: Value,
}

/// A row of `regression_cycles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleRow {
    /// Its id.
    pub id: uuid::Uuid,
    /// 1 is the first.
    pub number: u16,
    /// State word.
    pub status: String,
    /// Its tag, once made.
    pub tag: Option<String>,
    /// Its commit, once pinned.
    pub sha: Option<String>,
}

/// A row of `builds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// Its id.
    pub id: uuid::Uuid,
    /// For which target.
    pub target: String,
    /// State word.
    pub status: String,
    /// Number at the CI system or store.
    pub build_number: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Correlation key of the run that makes it.
    pub correlation: Option<String>,
}

/// A row of `platform_releases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// For which target.
    pub target: String,
    /// Its version.
    pub version: String,
    /// Status word.
    pub status: String,
    /// Exposure in basis points.
    pub exposure: u16,
}

/// An event as stored in `state_history`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Of which aggregate.
    pub owner: AggregateId,
    /// 1 is the first; without gap.
    pub sequence: u64,
    /// Kind word.
    pub kind: String,
    /// The event in its versioned envelope.
    pub payload: Value,
    /// Who caused it: a principal's name, or `system`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Installation-wide order of commits as far as readers see them; for live streams.
    pub position: i64,
}

/// A gate's fact as last observed. Lies beside the release, outside the fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its value.
    pub value: String,
    /// When it was read.
    pub observed_at: Timestamp,
}

/// The answer of `finish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The row is ended by this call.
    Now,
    /// This very attempt ended it before: its commit's answer was lost. The whole unit is already in the database.
    Before,
}
