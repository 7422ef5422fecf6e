//! Links to status pages. The word in a link is kept as its digest alone.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create table status_links (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        digest text not null unique,
        name text not null,
        release_id {uuid},
        service_id {uuid},
        made_by text not null,
        created_at bigint not null,
        expires_at bigint not null,
        revoked_at bigint)",
    "create index status_links_by_tenant on status_links (tenant_id, created_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["status_links"]).await
    }
}
