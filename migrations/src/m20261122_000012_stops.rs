//! Who turned a stop switch on. A version of the program that keeps no name leaves it out.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["alter table stops add column stopped_by text"]).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["alter table stops drop column stopped_by"]).await
    }
}
