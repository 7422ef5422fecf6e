//! Lists of releases in any order: what they are sorted and narrowed by, and an index for each order.
//!
//! Every index of an order also holds what lists are narrowed by most, so that a page is found in the index alone; and it
//! holds what is over apart from what is not, since most releases are over and most lists are of those that are not. `listed`
//! is the version of the release that the new columns were written with. A release from before has none, and one that an
//! older version of the program has saved since has stale ones: the upkeep writes them anew. SQL cannot, for they follow
//! from the release's state.
//!
//! The terms `not terminal` and `attention > 0` of partial indexes are written so in the queries too: only then are those indexes used.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[&str] = &[
    "listed bigint",
    "service_slug {ordered}",
    "pilot {ordered}",
    "attention bigint",
    "changed_at bigint",
    "turn bigint",
];

/// Indexes with what they are of.
const INDEXES: &[(&str, &str)] = &[
    (
        "releases_by_kickoff",
        "(tenant_id, terminal, kickoff_at, number, status, phase, parent_id, attention)",
    ),
    (
        "releases_by_target",
        "(tenant_id, terminal, target_date, number, status, phase, parent_id, attention)",
    ),
    (
        "releases_by_change",
        "(tenant_id, terminal, changed_at, number, status, phase, parent_id, attention)",
    ),
    (
        "releases_by_slug",
        "(tenant_id, terminal, service_slug, number, status, phase, parent_id, attention)",
    ),
    (
        "releases_by_turn",
        "(tenant_id, terminal, turn, number, status, phase, parent_id, attention)",
    ),
    (
        "releases_by_status",
        "(tenant_id, status, number, phase, parent_id, attention)",
    ),
    (
        "releases_by_phase",
        "(tenant_id, phase, number, status, parent_id, attention)",
    ),
    (
        "releases_by_pilot",
        "(tenant_id, pilot, terminal, turn, number) where pilot is not null",
    ),
    (
        "releases_by_attention",
        "(tenant_id, attention, turn, number) where attention > 0 and not terminal",
    ),
    (
        "releases_unlisted",
        "(tenant_id, number) where listed is null or listed <> version",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // First, so that the strongest lock is taken at once.
        for column in COLUMNS {
            run(manager, &[&format!("alter table releases add column {column}")]).await?;
        }
        for (name, of) in INDEXES {
            run(manager, &[&format!("create index {name} on releases {of}")]).await?;
        }
        // What it was for has an index in its own order now.
        run(manager, &["drop index releases_list"]).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let list =
            "create index releases_list on releases (tenant_id, number, status, phase, parent_id, search)";
        run(manager, &[list]).await?;
        for (name, _) in INDEXES {
            run(manager, &[&format!("drop index {name}")]).await?;
        }
        for column in COLUMNS {
            let name = column.split(' ').next().unwrap_or_default();
            run(manager, &[&format!("alter table releases drop column {name}")]).await?;
        }
        Ok(())
    }
}
