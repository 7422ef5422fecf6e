//! When a release came to each status and phase, beside what it came to: what was shipped, and how long releases take, is
//! read from there. A row of before, and one that an older version of the program writes, has no time; the upkeep gives
//! it that of its event.
//!
//! The terms of the partial indexes are written so in the queries too: only then are those indexes used.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "alter table state_history_items add column at bigint",
    "create index state_history_items_shipped on state_history_items (tenant_id, at, owner_id)
        where owner_kind = 'RELEASE' and field = 'status' and new_value = 'DEPLOYED'",
    "create index state_history_items_undated on state_history_items (tenant_id, owner_id)
        where owner_kind = 'RELEASE' and at is null",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "drop index state_history_items_undated",
                "drop index state_history_items_shipped",
                "alter table state_history_items drop column at",
            ],
        )
        .await
    }
}
