//! Saved views of releases, and which one an account begins with.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create table release_views (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        owner {ordered} not null,
        made_by text not null,
        name {ordered} not null,
        shared boolean not null,
        content {json} not null,
        version bigint not null,
        created_at bigint not null,
        updated_at bigint not null,
        unique (id, tenant_id),
        unique (tenant_id, owner, name))",
    // What everybody sees is found without looking through what is everybody's own.
    "create index release_views_shared on release_views (tenant_id) where shared",
    "create table release_view_defaults (
        tenant_id {uuid} not null references tenants (id),
        owner {ordered} not null,
        view_id {uuid} not null,
        primary key (tenant_id, owner),
        foreign key (view_id, tenant_id) references release_views (id, tenant_id) on delete cascade)",
    "create index release_view_defaults_of on release_view_defaults (view_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["release_view_defaults", "release_views"]).await
    }
}
