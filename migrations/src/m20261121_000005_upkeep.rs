//! Indexes for what operators ask and for forgetting: none of these questions may read a whole table.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create index effects_messages on effects (tenant_id, integration_id, give_up_at) where kind = 'MESSAGE'",
    "create index effects_messages_ready on effects (due_at) where kind = 'MESSAGE' and state = 'READY'",
    "create index releases_live on releases (phase, status) where not terminal",
    "create index inbox_done on inbox (at) where processed",
    "create index integrations_by_provider on integrations (port, provider)",
];

const NAMES: &[&str] = &[
    "effects_messages",
    "effects_messages_ready",
    "releases_live",
    "inbox_done",
    "integrations_by_provider",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in NAMES {
            manager
                .get_connection()
                .execute_unprepared(&format!("drop index {name}"))
                .await?;
        }
        Ok(())
    }
}
