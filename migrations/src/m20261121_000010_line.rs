//! The line of a service: under which marks its releases stand (versions, names, tags), so that creating a release reads
//! what it must be compared with and not every release there ever was.
//!
//! Rows are derived from states, which SQL cannot read. `lined` is the version of the release that they were written with.
//! A release from before has none, and one that an older version of the program has saved since has stale ones; until it
//! is saved again, its state is read instead.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create table release_line (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        mark text not null,
        ordinal bigint not null,
        service_id {uuid} not null,
        rank text not null,
        value text not null,
        primary key (release_id, mark),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    "create index release_line_highest on release_line (service_id, mark, rank)",
    "alter table releases add column lined bigint",
    "create index releases_unlined on releases (parent_id) where lined is null or lined <> version",
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
                "drop index releases_unlined",
                "alter table releases drop column lined",
            ],
        )
        .await?;
        drop_tables(manager, &["release_line"]).await
    }
}
