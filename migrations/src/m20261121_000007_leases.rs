//! Leases by name, for things at a vendor that one process of the installation touches at a time.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    // A row stays when its lease has ended, so that the fence never goes back. `until` 0 is free.
    "create table leases (
        name text primary key not null,
        fence bigint not null,
        until bigint not null,
        note text)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["leases"]).await
    }
}
