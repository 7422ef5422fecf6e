//! What stands still is found by its tenant: effects in trouble, and those that a hold keeps back. Neither is many, and an
//! effect that runs as it should is in neither index: nothing is written more for it.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create index effects_troubled on effects (tenant_id, due_at, id)
        where state in ('READY', 'CLAIMED', 'PARKED') and (failures > 0 or trouble is not null)",
    "create index effects_parked on effects (tenant_id) where state = 'PARKED'",
];

const DOWN: &[&str] = &["drop index effects_parked", "drop index effects_troubled"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
