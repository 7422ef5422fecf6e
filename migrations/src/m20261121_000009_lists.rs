//! Lists of releases that are narrowed: the columns they are narrowed by, in one index, in the order of the list.
//!
//! A text is searched anywhere in key, title and version, which no order helps. With the index it is looked for in a few
//! dozen bytes of each release instead of in its whole row, and the rows themselves are read for one page only. The list
//! of a service has an order of its own.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let list =
            "create index releases_list on releases (tenant_id, number, status, phase, parent_id, search)";
        let of_service = "create index releases_of_service on releases (parent_id, number)";
        run(manager, &[list, of_service, "drop index releases_by_service"]).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_service = "create index releases_by_service on releases (parent_id)";
        let gone = ["drop index releases_list", "drop index releases_of_service"];
        run(manager, &gone).await?;
        run(manager, &[by_service]).await
    }
}
