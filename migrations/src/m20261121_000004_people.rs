//! The person behind a token, and an index to find the last delivery of an integration by.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    // Tokens from before have nobody behind them: they are service tokens, which no quorum counts.
    "alter table api_tokens add column person text",
    "create index inbox_by_integration on inbox (integration_id, at) where integration_id is not null",
];

const DOWN: &[&str] = &[
    "drop index inbox_by_integration",
    "alter table api_tokens drop column person",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
