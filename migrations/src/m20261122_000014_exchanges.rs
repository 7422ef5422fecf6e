//! What was exchanged with vendors in an attempt, as JSON. A version of the program that keeps none leaves it out.
//!
//! Text in both databases: nobody looks for anything in it, and it comes back as it was written.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &["alter table effect_attempts add column exchanges text"],
        )
        .await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["alter table effect_attempts drop column exchanges"]).await
    }
}
